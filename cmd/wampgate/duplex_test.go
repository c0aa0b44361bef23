package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
)

// TestDuplex talks with a callee: each answer comes before the next line is
// sent.
func TestDuplex(t *testing.T) {
	t.Parallel()
	_, url := dev(t)
	in, say := io.Pipe()
	hear, out := io.Pipe()
	var stderr bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run(soon(t), process{Args: []string{"call", "--url", url, "--duplex", "demo.grep"}, Stdin: in, Stdout: out, Stderr: &stderr})
		_ = out.Close()
	}()
	heard := make([]byte, 100)
	for _, text := range []string{"an error", "Errors < 7"} {
		if _, err := io.WriteString(say, "nothing\n"+text+"\n"); err != nil {
			t.Fatal(err)
		}
		n, err := hear.Read(heard)
		if got := string(heard[:n]); err != nil || got != `"`+text+`"`+"\n" {
			t.Errorf("to %q it said %q, %v", text, got, err)
		}
	}
	if err := say.Close(); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(hear)
	if got := <-code; got != exitOK || string(rest) != "2\n" || err != nil {
		t.Errorf("at the end: %d %q %v %s", got, rest, err, &stderr)
	}
}

// TestDuplexEnds: what ends a conversation from the other side, and what an
// input without a last line feed comes to.
func TestDuplexEnds(t *testing.T) {
	t.Parallel()
	_, url := dev(t)
	for _, tt := range []struct {
		args, in string
		code     int
		words    string
	}{
		{"demo.sha256", "ab\nc", exitOK, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"demo.sha256 ab", "c", exitOK, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"demo.grep pattern=b abc", "b\nx\n", exitOK, "2"},
		{"demo.grep", "7\n", exitRefused, "must be"},
		{"demo.absent", "7\n", exitRefused, "no such procedure"},
	} {
		var all bytes.Buffer
		args := append([]string{"call", "--url", url, "--duplex"}, strings.Fields(tt.args)...)
		code := run(soon(t), process{Args: args, Stdin: strings.NewReader(tt.in), Stdout: &all, Stderr: &all})
		if code != tt.code || !strings.Contains(all.String(), tt.words) {
			t.Errorf("%s: %d %s, want %d with %s", tt.args, code, &all, tt.code, tt.words)
		}
	}
	in, _ := io.Pipe() // a terminal at which nobody types
	ctx, cancel := context.WithCancel(soon(t))
	cancel()
	if code := run(ctx, process{Args: []string{"call", "--url", url, "--duplex", "demo.grep"}, Stdin: in, Stdout: io.Discard, Stderr: io.Discard}); code != exitInterrupted {
		t.Errorf("interrupted: %d", code)
	}
	_ = in.Close()
}
