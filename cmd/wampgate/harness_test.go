package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what should come at once.
const patience = time.Minute

// outcome is what a finished command left behind.
type outcome struct {
	code           int
	stdout, stderr string
}

// runWith runs a command to its end.
func runWith(ctx context.Context, env []string, args ...string) outcome {
	var stdout, stderr bytes.Buffer
	code := run(ctx, process{Args: args, Env: env, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr})
	return outcome{code, stdout.String(), stderr.String()}
}

// A background is a command that runs while a test does other things.
type background struct {
	lines  chan string // of standard output and standard error
	stop   func()      // ends the command and waits; may be called again
	code   int         // valid after stop
	closed chan struct{}
}

// inBackground starts a command, which is stopped with the test.
func inBackground(t *testing.T, args ...string) *background {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	b := &background{lines: make(chan string, 10_000), closed: make(chan struct{})}
	out := &sharedWriter{w: w}
	var work sync.WaitGroup
	work.Go(func() {
		b.code = run(ctx, process{Args: args, Stdin: strings.NewReader(""), Stdout: out, Stderr: out})
		_ = w.Close()
		close(b.closed)
	})
	work.Go(func() {
		for lines := bufio.NewScanner(r); lines.Scan(); {
			b.lines <- lines.Text()
		}
		close(b.lines)
	})
	b.stop = func() { cancel(); work.Wait() }
	t.Cleanup(b.stop)
	return b
}

// line waits for a line that holds text.
func (b *background) line(t *testing.T, text string) string {
	t.Helper()
	var seen []string
	for timeout := time.After(patience); ; {
		select {
		case line, ok := <-b.lines:
			if !ok {
				t.Fatalf("the command ended without a line with %q; it printed %q", text, seen)
			}
			if strings.Contains(line, text) {
				return line
			}
			seen = append(seen, line)
		case <-timeout:
			t.Fatalf("no line with %q after %v; got %q", text, patience, seen)
		}
	}
}

// dev starts "wampgate dev" on a free port and returns its URL.
func dev(t *testing.T, args ...string) (*background, string) {
	t.Helper()
	b := inBackground(t, append([]string{"dev", "--listen", "127.0.0.1:0"}, args...)...)
	return b, urlIn(b.line(t, "realm="))
}

// urlIn returns the HTTP URL of a line that says where a gateway is.
func urlIn(line string) string { return strings.Fields(line)[2] }

// writeFile writes a file into a new folder and returns its path.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := t.TempDir() + "/" + name
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// soon returns a context that ends with the test or after patience.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
