package gateway_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
	"github.com/wampgate/wampgate/test/wamptest"
)

// A wire is a client connection to a gateway's HTTP server, in memory.
type wire struct {
	net.Conn
	in *bufio.Reader
}

// connect serves g until the test ends and returns a connection to it.
func connect(t *testing.T, g *gateway.Gateway) *wire {
	t.Helper()
	l := wamptest.NewListener()
	s := gateway.NewServer(gateway.ServerConfig{Handler: g, Log: slog.New(slog.DiscardHandler), Drain: time.Millisecond})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	conn, err := l.DialContext(t.Context(), "tcp", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		if err := s.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("Shutdown() = %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve() = %v", err)
		}
	})
	return &wire{conn, bufio.NewReader(conn)}
}

// writef sends bytes as they are.
func (w *wire) writef(t *testing.T, format string, args ...any) {
	t.Helper()
	if _, err := fmt.Fprintf(w, format, args...); err != nil {
		t.Fatal(err)
	}
}

// answer reads one response.
func (w *wire) answer(t *testing.T) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(w.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

const postHead = "POST /call/%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"

// TestBodyDeadlineIsLifted shows that the time a body may take does not cut
// what comes after it: a call that takes longer, and the next request on the
// connection.
func TestBodyDeadlineIsLifted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &realm{procedures: map[wamp.URI]procedure{"test.slow": func(c incoming) {
			go func() {
				pass(10 * time.Minute)
				c.session.realm.mu.Lock()
				defer c.session.realm.mu.Unlock()
				c.result(c.Payload)
			}()
		}, "test.echo": echo}}
		w := connect(t, newGateway(t, r, nil))
		w.writef(t, postHead, "test.slow?timeout=1h", 3, "[1]")
		if resp, body := w.answer(t); resp.StatusCode != 200 || body != "1\n" {
			t.Errorf("a call of 10 minutes: %d %s", resp.StatusCode, body)
		}
		pass(time.Minute)
		w.writef(t, postHead, "test.echo", 3, "[2]")
		if resp, body := w.answer(t); resp.StatusCode != 200 || body != "2\n" {
			t.Errorf("the next one, a minute later: %d %s", resp.StatusCode, body)
		}
	})
}

// TestSlowBody shows what is said to a body that drips.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
		w := connect(t, newGateway(t, r, nil))
		began := time.Now()
		w.writef(t, postHead, "test.echo", 100, "[")
		resp, body := w.answer(t)
		if took := time.Since(began); resp.StatusCode != 408 || took != 30*time.Second || !strings.Contains(body, "1024 bytes a second") {
			t.Errorf("%d after %v: %s; want 408 after 30s", resp.StatusCode, took, body)
		}
		if _, called := r.last(); called {
			t.Error("the callee was called")
		}
	})
}

// TestCutBody shows that a client which hangs up inside its body has called
// nobody.
func TestCutBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logbook
		r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
		w := connect(t, newGateway(t, r, log.use))
		w.writef(t, postHead, "test.echo", 100, "[1]")
		_ = w.Close()
		synctest.Wait()
		if _, called := r.last(); called || !strings.Contains(log.last(), "status=499") {
			t.Errorf("called %v, log %s; want no call, and 499 in the log", called, log.last())
		}
	})
}

// TestHangUpOverHTTP shows that the end of the connection cancels the call.
func TestHangUpOverHTTP(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logbook
		r := &realm{procedures: map[wamp.URI]procedure{"test.p": silent}}
		w := connect(t, newGateway(t, r, log.use))
		r.answerCancel(time.Millisecond, func(c incoming) { c.fail(wamp.ErrCanceled, wamp.OriginCallee, wamp.Payload{}) })
		w.writef(t, postHead, "test.p", 3, "[1]")
		pass(time.Second)
		_ = w.Close()
		pass(time.Second)
		if !strings.Contains(log.last(), "client gone after 1s -> CANCEL kill -> callee confirmed in 1ms (499)") {
			t.Errorf("the log says %s", log.last())
		}
	})
}

// TestCompressed shows bodies in gzip, good ones and others.
func TestCompressed(t *testing.T) {
	t.Parallel()
	zip := func(s string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(s)) // a Buffer takes all
		_ = z.Close()
		return b.String()
	}
	tests := []struct {
		name, body, query string
		status            int
		words             string
	}{
		{"json", zip(`["x"]`), "", 200, `"x"`},
		{"two members", zip(`["x",`) + zip(`"y"]`), "", 200, `"y"`},
		{"small and dense", zip(`"` + strings.Repeat("x", 60<<10) + `"`), "", 200, "xxx"},
		{"bomb", zip(`"` + strings.Repeat("x", 200<<10) + `"`), "", 413, "100 times"},
		{"cut", zip(`["x"]`)[:20], "", 400, "gzip"},
		{"trailing", zip(`["x"]`) + "x", "", 400, "gzip"},
		{"bad checksum", zip(`["x"]`)[:len(zip(`["x"]`))-8] + "\x00\x00\x00\x00\x05\x00\x00\x00", "", 400, "gzip"},
		{"too large", zip(random(256 << 10)), "", 413, "256 KiB"},
		{"stream", zip("x\n"), "?in=lines", 415, "stream"},
	}
	for _, test := range tests {
		r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
		g := newGateway(t, r, func(cfg *gateway.Config) { cfg.MaxBody = 256 << 10 })
		w := post(g, "/call/test.echo"+test.query, test.body, "Content-Encoding", "gzip", "Content-Type", jsonType)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.words) {
			t.Errorf("%s: %d %.200s; want %d with %s", test.name, w.Code, w.Body, test.status, test.words)
		}
		if _, called := r.last(); called != (w.Code == 200) {
			t.Errorf("%s: called %v", test.name, called)
		}
	}
}

// random returns n characters that don't compress well.
func random(n int) string {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = 'a' + byte(x>>24)%26
	}
	return `"` + string(b) + `"`
}

// TestLargeAnswer shows a large answer to a client that reads, on a connection
// that is used again later, and to one that does not.
func TestLargeAnswer(t *testing.T) {
	t.Parallel()
	large := `["` + strings.Repeat("x", 1<<20) + `"]`
	synctest.Test(t, func(t *testing.T) {
		var log logbook
		r := &realm{procedures: map[wamp.URI]procedure{"test.large": returns(large, ""), "test.echo": echo}}
		w := connect(t, newGateway(t, r, log.use))
		for range 2 {
			w.writef(t, postHead, "test.large", 2, "[]")
			if resp, body := w.answer(t); resp.StatusCode != 200 || body != large[1:len(large)-1]+"\n" {
				t.Errorf("%d, %d bytes", resp.StatusCode, len(body))
			}
			pass(time.Minute)
		}
		w.writef(t, postHead, "test.large", 2, "[]")
		pass(10 * time.Minute)
		for _, want := range []string{"reads too slowly after 30s (200)", "outcome=completed_late", "status=200"} {
			if !strings.Contains(log.last(), want) {
				t.Errorf("the log says %s, want %s", log.last(), want)
			}
		}
	})
}
