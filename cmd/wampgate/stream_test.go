package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A stream is a call with streamed input and streamed answers, at once.
type stream struct {
	in    *io.PipeWriter
	lines *bufio.Scanner
}

// startStream starts a call over HTTP/2, where both directions are open, and
// sends the first text: nobody answers before there is a first chunk.
func startStream(ctx context.Context, t *testing.T, url, first string) *stream {
	t.Helper()
	r, w := io.Pipe()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(w, first)
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", typeNDJSON)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = w.Close()
		_ = resp.Body.Close()
		<-sent
	})
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the stream was answered with %s", resp.Status)
	}
	return &stream{w, bufio.NewScanner(resp.Body)}
}

func (s *stream) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(s.in, text); err != nil {
		t.Fatal(err)
	}
}

func (s *stream) end() { _ = s.in.Close() }

// receive returns the next event of a kind.
func (s *stream) receive(t *testing.T, kind string) string {
	t.Helper()
	for s.lines.Scan() {
		if strings.Contains(s.lines.Text(), `"event":"`+kind+`"`) {
			return s.lines.Text()
		}
	}
	t.Fatalf("the stream ended without a %s event: %v", kind, s.lines.Err())
	return ""
}
