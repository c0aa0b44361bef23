package test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// maxGrowth is how much memory the gateway may take above what it takes when
// idle, however much goes through it.
const maxGrowth = 64 << 20

// TestUpload streams into demo.sha256 from curl's standard input: 1 GiB in
// the heavy tier.
func TestUpload(t *testing.T) {
	t.Parallel()
	tool(t, "curl", "streamed uploads")
	for name, args := range map[string][]string{"h1": nil, "h2c": {"--http2-prior-knowledge"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			size := int64(24 << 20)
			if heavy() {
				size = 1 << 30
			}
			ctx, g := within(t, 5*time.Minute), start(t)
			idle := g.idleMemory(ctx, t)
			c := startCurl(t, append(args, "-X", "POST", "-T", "-", g.url("/call/demo.sha256"))...)
			want := sha256.New()
			sent := make(chan error, 1)
			go func() {
				_, err := io.Copy(c.stdin, io.TeeReader(io.LimitReader(newNoise(), size), want))
				_ = c.stdin.Close()
				sent <- err
			}()
			body, err := io.ReadAll(c.stdout)
			if err != nil {
				t.Fatal(err)
			}
			if err := <-sent; err != nil {
				t.Fatalf("curl stopped reading: %v; it printed %s", err, body)
			}
			if want := strconv.Quote(hex.EncodeToString(want.Sum(nil))); strings.TrimSpace(string(body)) != want {
				t.Errorf("the digest of %d bytes = %s, want %s", size, body, want)
			}
			g.wantMemory(t, idle)
		})
	}
}

// TestEarlyAnswer refuses uploads that go on and on: curl gets to see why, each
// time.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	tool(t, "curl", "uploads that are refused")
	g := start(t)
	for name, args := range map[string][]string{"h1": nil, "h2c": {"--http2-prior-knowledge"}} {
		for path, status := range map[string]string{
			"/call/test.none":             "404", // told by the dealer at the first frame
			"/call/demo.sha256?timeuot=1": "400", // told before any frame
			"/call/demo.sleep":            "422", // told by the gateway, which knows what the callee takes
			"/call/demo.fail":             "500", // told by the callee
			"/call/demo.sha256?in=whole":  "413",
		} {
			t.Run(name+path, func(t *testing.T) {
				t.Parallel()
				for range 5 {
					c := startCurl(t, append(args, "-w", "\n%{http_code}", "-X", "POST", "-T", "-", g.url(path))...)
					go func() { _, _ = io.Copy(c.stdin, newNoise()) }() // ends with curl
					out, err := io.ReadAll(c.stdout)
					if err != nil {
						t.Fatal(err)
					}
					if !strings.HasSuffix(string(out), status) || !strings.Contains(string(out), `"error":`) {
						t.Errorf("curl printed %q, want a problem and %s", out, status)
					}
					if err := c.cmd.Wait(); err != nil {
						t.Errorf("curl ended with %v", err)
					}
				}
			})
		}
	}
}

// newNoise returns bytes without end that no compression makes smaller.
func newNoise() io.Reader { return rand.NewChaCha8([32]byte{1}) }

// TestManyEvents reads a long event stream with curl: a million events in the
// heavy tier.
func TestManyEvents(t *testing.T) {
	t.Parallel()
	tool(t, "curl", "long event streams")
	for name, args := range map[string][]string{"h1": nil, "h2c": {"--http2-prior-knowledge"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := 20_000
			if heavy() {
				n = 1_000_000
			}
			ctx, g := within(t, 5*time.Minute), start(t)
			idle := g.idleMemory(ctx, t)
			c := startCurl(t, append(args, "-H", "Accept: text/event-stream", "--json", fmt.Sprintf("[%d]", n), g.url("/call/demo.count"))...)
			if err := wantCount(c.stdout, n); err != nil {
				t.Error(err)
			}
			g.wantMemory(t, idle)
		})
	}
}

// wantCount reads the event stream of demo.count: 1 to n, then "done".
func wantCount(r *bufio.Reader, n int) error {
	events, last := 0, ""
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			if events == n && last == `{"args":["done"]}` {
				return nil
			}
			return fmt.Errorf("the stream ended after %d of %d events with %q: %w", events, n, last, err)
		}
		data, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "data: ")
		if !ok {
			continue
		}
		last = data
		if data == fmt.Sprintf(`{"args":[%d]}`, events+1) {
			events++
		} else if events > 0 && events != n {
			return fmt.Errorf("event %d of %d was followed by %s", events, n, data)
		}
	}
}

// idleMemory warms the gateway up and returns the bytes it has in memory.
// From then on, the peak is counted anew.
func (g *gateway) idleMemory(ctx context.Context, t *testing.T) int64 {
	t.Helper()
	for range 20 {
		if a := g.call(ctx, t, "demo.add", "[2,3]"); a.body != "5" {
			t.Fatalf("demo.add = %d %s", a.status, a.body)
		}
	}
	const resetPeak = "5" // proc(5)
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", g.cmd.Process.Pid), []byte(resetPeak), 0o200); err != nil {
		t.Skipf("this system does not count memory as Linux does (%v); left out: the memory a stream takes", err)
	}
	return g.memory(t, "VmRSS")
}

// wantMemory fails if the peak was too high.
func (g *gateway) wantMemory(t *testing.T, idle int64) {
	t.Helper()
	peak := g.memory(t, "VmHWM")
	t.Logf("%d MiB in memory when idle, %d MiB at the peak", idle>>20, peak>>20)
	if grown := peak - idle; grown > maxGrowth && !raced { // the detector takes several times the memory
		t.Errorf("the gateway took %d MiB more than idle, want at most %d", grown>>20, maxGrowth>>20)
	}
}

// memory reads a line of /proc/PID/status, in bytes.
func (g *gateway) memory(t *testing.T, key string) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(key + `:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		t.Fatalf("no %s in %s", key, status)
	}
	kib, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return kib << 10
}
