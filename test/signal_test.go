package test

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestSecondSignal sends SIGTERM twice to a gateway with a call in flight: it
// drains after the first and is gone after the second.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	ctx := soon(t)
	cmd := exec.CommandContext(ctx, binary(t), "dev", "--listen=127.0.0.1:0", "--drain=1h")
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		_ = w.Close()
	}()
	lines := bufio.NewScanner(r)
	url := printed(t, lines, regexp.MustCompile(`http://[\d.:]+`))

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/call/demo.count", strings.NewReader(`{"delay_ms":1000}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req) // its headers come once the call is in flight
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it ends with the gateway

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	printed(t, lines, regexp.MustCompile(`draining`))
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	var exit *exec.ExitError
	if err := <-ended; !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("the gateway ended with %v (%v), want the signal", err, ctx.Err())
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM {
		t.Errorf("the gateway ended with %v, want the signal", exit)
	}
}

// printed reads lines until one matches, and returns what matched.
func printed(t *testing.T, lines *bufio.Scanner, re *regexp.Regexp) string {
	t.Helper()
	for lines.Scan() {
		if m := re.FindString(lines.Text()); m != "" {
			return m
		}
	}
	t.Fatalf("the gateway printed nothing like %v", re)
	return ""
}
