package gateway_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// notes makes a callee that notes what comes, and answers the last chunk.
func notes(c *callee, inv *wamp.Invocation) {
	c.note(inv)
	if !inv.Details.Progress {
		c.yield(inv.Request, false, `["done"]`)
	}
}

// upload sends a body of unknown length and returns the answer.
func upload(t testing.TB, client *http.Client, url, media string, body io.Reader) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, struct{ io.Reader }{body})
	if err != nil {
		t.Fatal(err)
	}
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// TestUploads shows the CALLs that a body becomes.
func TestUploads(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, query, media, body string
		want                     []string
	}{
		{"ndjson", "", "application/x-ndjson", "[1]\n{\"a\":2}\n", []string{"more [1]", `more {"a":2}`, "last "}},
		{"ndjson, final=last", "?final=last", "application/jsonl", "[1]\n{\"a\":2}\n[3]\n", []string{"more [1]", `more {"a":2}`, "last [3]"}},
		{"one item, final=last", "?final=last", "application/jsonl", "[1]\n", []string{"last [1]"}},
		{"empty", "", "application/x-ndjson", "", []string{"last "}},
		{"empty, final=last", "?final=last", "application/x-ndjson", "", []string{"last "}},
		{"json-seq", "", "application/json-seq", "\x1e[1]\n\x1e[2]\n", []string{"more [1]", "more [2]", "last "}},
		{"msgpack", "", "application/vnd.wamp.stream+msgpack", "\x91\x01\x81\xa1a\x02", []string{"more [1]", `more {"a":2}`, "last "}},
		{"lines", "?in=lines", "", "a\nb\n", []string{`more ["a"]`, `more ["b"]`, "last "}},
		{"envelopes", "?body=call", "application/x-ndjson", `{"args":[1],"kwargs":{"a":2}}`, []string{`more [1]{"a":2}`, "last "}},
		{"bytes", "?chunk=2", "", "abc", []string{`more ["\u0000YWI="]`, `more ["\u0000Yw=="]`, "last "}},
		{"bytes, final=last", "?chunk=2&final=last", "application/octet-stream", "abc", []string{`more ["\u0000YWI="]`, `last ["\u0000Yw=="]`}},
		{"text", "", "text/plain", "abc", []string{`more ["\u0000YWJj"]`, "last "}},
		{
			"parts", "?in=chunks", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=f\r\n\r\nabc\r\n--b--",
			[]string{`more {"content_type":"","filename":"","name":"f"}`, `more ["\u0000YWJj"]`, "last "},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, false)
			c := s.serve(t, "test.upload", notes)
			for version, client := range s.clients(t) {
				resp := upload(t, client, s.url+"/call/test.upload"+tt.query, tt.media, strings.NewReader(tt.body))
				got, err := text(t, resp)
				if resp.StatusCode != http.StatusOK || got != "\"done\"\n" || err != nil {
					t.Errorf("%s: answer %d %q, %v, want 200 %q", version, resp.StatusCode, got, err, "\"done\"\n")
				}
				for _, want := range tt.want {
					c.want(t, want)
				}
				c.nothing(t)
			}
		})
	}
}

// TestUploadRefusals: what is wrong with a body is the client's to know, and
// the callee's as an INTERRUPT; it never gets a last chunk.
func TestUploadRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, query, media, body string
		status                   int
		uri, detail              string
		callee                   []string
	}{
		{"bad first frame", "", "application/x-ndjson", "[1\n[2]\n", 400, "gateway.error.bad_frame", "frame 1: ", nil},
		{"bad later frame", "", "application/x-ndjson", "[1]\n[2\n[3]\n", 400, "gateway.error.bad_frame", "frame 2: ", []string{"more [1]", "interrupt kill"}},
		{"large frame", "?in=lines", "", "a\n" + strings.Repeat("x", 2<<20), 400, "gateway.error.bad_frame", "frame 2: it is larger than 1048576 bytes", []string{`more ["a"]`, "interrupt kill"}},
		{"cut record", "", "application/json-seq", "\x1e[1]\n\x1e[2", 400, "gateway.error.bad_frame", "frame 2: it is cut off", []string{"more [1]", "interrupt kill"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, false)
			c := s.serve(t, "test.upload", notes)
			for version, client := range s.clients(t) {
				resp := upload(t, client, s.url+"/call/test.upload"+tt.query, tt.media, strings.NewReader(tt.body))
				body, err := text(t, resp)
				if resp.StatusCode != tt.status || resp.Header.Get("Wamp-Error") != tt.uri || !strings.Contains(body, tt.detail) || err != nil {
					t.Errorf("%s: answer %d %s, %v, want %d %s %q", version, resp.StatusCode, body, err, tt.status, tt.uri, tt.detail)
				}
				for _, want := range tt.callee {
					c.want(t, want)
				}
				c.nothing(t)
			}
		})
	}
}

// TestUploadCut: a body that does not come to its end never makes a last CALL.
func TestUploadCut(t *testing.T) {
	t.Parallel()
	const post = "POST /call/test.upload HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
	hangUp := func(c *net.TCPConn) error { return c.Close() }
	halfClose := func(c *net.TCPConn) error { return c.CloseWrite() }
	reset := func(c *net.TCPConn) error {
		if err := c.SetLinger(0); err != nil {
			return err
		}
		return c.Close()
	}
	nothing := func(*net.TCPConn) error { return nil }
	tests := []struct {
		name, request string
		leave         func(*net.TCPConn) error
		called        bool
		answered      bool
	}{
		{"length, closed", post + "Content-Length: 100\r\n\r\n[1]\n", hangUp, true, false},
		{"length, reset", post + "Content-Length: 100\r\n\r\n[1]\n", reset, true, false},
		{"length, half-closed", post + "Content-Length: 100\r\n\r\n[1]\n", halfClose, true, true},
		{"length, closed behind a frame's end", post + "Content-Length: 8\r\n\r\n[1]\n", hangUp, true, false},
		{"chunked, closed", post + "Transfer-Encoding: chunked\r\n\r\n4\r\n[1]\n\r\n", hangUp, true, false},
		{"chunked, half-closed", post + "Transfer-Encoding: chunked\r\n\r\n4\r\n[1]\n\r\n", halfClose, true, true},
		{"chunked, last chunk without an end", post + "Transfer-Encoding: chunked\r\n\r\n4\r\n[1]\n\r\n0\r\n", halfClose, false, true},
		{"chunked, bad chunk", post + "Transfer-Encoding: chunked\r\n\r\n4\r\n[1]\n\r\nzz\r\n", nothing, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, false)
			c := s.serve(t, "test.upload", notes)
			conn, ok := s.conn(t).(*net.TCPConn)
			if !ok {
				t.Fatal("not a TCP connection")
			}
			if _, err := io.WriteString(conn, tt.request); err != nil {
				t.Fatal(err)
			}
			if tt.called {
				c.want(t, "more [1]")
			}
			if err := tt.leave(conn); err != nil {
				t.Fatal(err)
			}
			if tt.called {
				c.want(t, "interrupt kill")
			}
			if tt.answered {
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = resp.Body.Close() })
				if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Wamp-Error") != "gateway.error.upload_truncated" || !resp.Close {
					t.Errorf("answer %d %v, want 400 gateway.error.upload_truncated and the connection's end", resp.StatusCode, resp.Header)
				}
			}
			s.stop(t)
			c.nothing(t)
		})
	}
	t.Run("HTTP/2", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, false)
		c := s.serve(t, "test.upload", notes)
		r, w := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/call/test.upload", r)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-ndjson")
		done := make(chan struct{})
		go func() {
			defer close(done)
			if resp, err := s.client(t, true).Do(req); err == nil {
				_ = resp.Body.Close()
			}
		}()
		if _, err := io.WriteString(w, "[1]\n"); err != nil {
			t.Error(err)
		}
		c.want(t, "more [1]")
		_ = w.CloseWithError(errors.New("changed my mind"))
		c.want(t, "interrupt kill")
		<-done
		s.stop(t)
		c.nothing(t)
	})
}

// TestEarlyAnswer: a callee that has heard enough is listened to at once, and
// the rest of the upload reaches nobody.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	early := func(c *callee, inv *wamp.Invocation) {
		c.note(inv)
		c.yield(inv.Request, false, `["enough"]`)
	}
	for _, query := range []string{"?in=lines", "?in=lines&stream=ndjson", "?in=lines&stream=array"} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/HTTP2=%t", query, http2), func(t *testing.T) {
				t.Parallel()
				s := newSite(t, false)
				c := s.serve(t, "test.early", early)
				r, w := io.Pipe()
				answered := make(chan struct{})
				var wg sync.WaitGroup
				wg.Go(func() {
					_, _ = io.WriteString(w, "first\n")
					<-c.events
					for err := error(nil); err == nil; { // until the answer is there, or the client stops
						select {
						case <-answered:
							return // with the upload open
						default:
							_, err = io.WriteString(w, strings.Repeat("more\n", 1000))
						}
					}
				})
				resp := upload(t, s.client(t, http2), s.url+"/call/test.early"+query, "", r)
				close(answered)
				body, err := text(t, resp)
				if resp.StatusCode != http.StatusOK || !strings.Contains(body, `"enough"`) || err != nil {
					t.Errorf("answer %d %q, %v, want 200 and %q", resp.StatusCode, body, err, "enough")
				}
				_ = r.Close()
				wg.Wait()
				s.stop(t)
				for len(c.events) > 0 {
					if got := <-c.events; strings.HasPrefix(got, "last") || strings.HasPrefix(got, "interrupt") {
						t.Errorf("the callee got %q after its answer", got)
					}
				}
			})
		}
	}
}

// TestNoProgressiveCallee: the hint how to call such a procedure is right.
func TestNoProgressiveCallee(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	c := s.serveAs(t, "test.plain", 0, notes)
	for version, client := range s.clients(t) {
		url := s.url + "/call/test.plain"
		resp := upload(t, client, url, "", strings.NewReader("abc"))
		if body, err := text(t, resp); resp.StatusCode != http.StatusNotImplemented || !strings.Contains(body, "?in=whole") || err != nil {
			t.Errorf("%s: answer %d %s, %v, want 501 and the hint ?in=whole", version, resp.StatusCode, body, err)
		}
		resp = upload(t, client, url+"?in=whole", "", strings.NewReader("abc"))
		if body, err := text(t, resp); resp.StatusCode != http.StatusOK || err != nil {
			t.Errorf("%s: with the hint: answer %d %s, %v, want 200", version, resp.StatusCode, body, err)
		}
		c.want(t, `last ["\u0000YWJj"]`)
	}
}

// TestConversation: with both directions open, each line is answered before
// the next one is sent.
func TestConversation(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	s.serve(t, "test.echo", func(c *callee, inv *wamp.Invocation) {
		c.yieldPayload(inv.Request, inv.Details.Progress, inv.Payload)
	})
	for version, client := range s.clients(t) {
		r, w := io.Pipe()
		go func() { _, _ = io.WriteString(w, "line 0\n") }()
		resp := upload(t, client, s.url+"/call/test.echo?in=lines&stream=ndjson&body=value", "", r)
		lines := bufio.NewScanner(resp.Body)
		for i := range 10 {
			if !lines.Scan() || lines.Text() != fmt.Sprintf("%q", fmt.Sprintf("line %d", i)) {
				t.Fatalf("%s: answer %d = %q, %v", version, i, lines.Text(), lines.Err())
			}
			if _, err := fmt.Fprintf(w, "line %d\n", i+1); err != nil {
				t.Fatal(err)
			}
		}
		_ = w.Close()
		if !lines.Scan() || lines.Scan() || lines.Err() != nil {
			t.Errorf("%s: the end: %q, %v, want one more line and a clean end", version, lines.Text(), lines.Err())
		}
	}
}

// TestExpectContinue: a client that waits for leave to upload gets it before
// anything else, also when the answer is a stream.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	s.serve(t, "test.upload", notes)
	for _, query := range []string{"", "?stream=ndjson"} {
		conn := s.conn(t)
		r := bufio.NewReader(conn)
		_, err := io.WriteString(conn, "POST /call/test.upload"+query+" HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		leave, err := r.ReadString('\n')
		if empty, err := r.ReadString('\n'); leave != "HTTP/1.1 100 Continue\r\n" || empty != "\r\n" || err != nil {
			t.Fatalf("got %q %q, want 100 Continue without headers", leave, empty)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "3\r\nabc\r\n0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || !strings.Contains(string(body), `"done"`) || err != nil {
			t.Errorf("answer %d %q, %v, want 200 with the result", resp.StatusCode, body, err)
		}
		_ = resp.Body.Close()
	}
}

// TestLargeUpload: what a callee has not taken yet stays with the client.
func TestLargeUpload(t *testing.T) {
	t.Parallel()
	const size = 16 << 20
	s := newSite(t, false)
	var sum hash.Hash
	c := s.serve(t, "test.sha256", func(c *callee, inv *wamp.Invocation) {
		if sum == nil {
			sum = sha256.New()
		}
		for element := range inv.Payload.Serializer.Elements(inv.Payload.Args) {
			b, _ := inv.Payload.Serializer.BytesValue(element)
			_, _ = sum.Write(b)
		}
		if !inv.Details.Progress {
			c.yield(inv.Request, false, fmt.Sprintf("[%q]", hex.EncodeToString(sum.Sum(nil))))
			sum = nil
		}
	})
	for version, client := range s.clients(t) {
		want := sha256.New()
		body := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{1}), size), want)
		got, err := text(t, upload(t, client, s.url+"/call/test.sha256", "", body))
		if got != fmt.Sprintf("%q\n", hex.EncodeToString(want.Sum(nil))) || err != nil {
			t.Errorf("%s: got %s, %v, want the digest of what was sent", version, got, err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peak > 2*congestedAt {
		t.Errorf("%d bytes were waiting for the callee, want about %d at most", c.peak, congestedAt)
	}
}
