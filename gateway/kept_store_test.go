package gateway_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// TestRetention: ended calls are forgotten when their time is over, running
// ones never.
func TestRetention(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, &realm{procedures: map[wamp.URI]procedure{"test.echo": echo, "test.silent": silent}}, nil)
		first := detach(t, g, "/call/test.echo", "[1]", "Content-Type", jsonType)
		pass(time.Minute)
		second := detach(t, g, "/call/test.echo", "[2]", "Content-Type", jsonType)
		running := detach(t, g, "/call/test.silent?timeout=1h", "")
		want := func(after time.Duration, path string, status int) {
			t.Helper()
			pass(after)
			synctest.Wait()
			if w := do(g, http.MethodGet, path, nil); w.Code != status {
				t.Errorf("GET %s: %d %s, want %d", path, w.Code, w.Body, status)
			}
		}
		want(9*time.Minute-time.Second, first, 200)
		want(2*time.Second, first, 404)
		want(0, first+"/result", 404)
		if w := do(g, http.MethodDelete, first, nil); w.Code != 404 {
			t.Errorf("DELETE of what is forgotten: %d, want 404", w.Code)
		}
		want(0, second+"/result", 200)
		want(time.Minute, second, 404)
		want(time.Minute, running, 200)
	})
}

// TestKeptLimits: who has as many calls as he may loses the oldest that ended;
// if none has, he must wait.
func TestKeptLimits(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &realm{procedures: map[wamp.URI]procedure{"test.echo": echo, "test.silent": silent}}, func(cfg *gateway.Config) {
		cfg.MaxKeptCalls, cfg.MaxKeptBytesPerPrincipal = 3, 3*2048+6000 // each counts for 2 KiB at least
	})
	call := func(body string) string {
		at := detach(t, g, "/call/test.echo", body, "Content-Type", jsonType)
		waitFor(t, g, at)
		return at
	}
	want := func(at string, status int) {
		t.Helper()
		if w := do(g, http.MethodGet, at, nil); w.Code != status {
			t.Errorf("GET %s: %d, want %d", at, w.Code, status)
		}
	}
	first, second := call("[1]"), call("[2]")
	large := call(`["` + strings.Repeat("x", 2000) + `"]`) // its event and its answer: some 4,000 bytes
	want(first, 200)
	detach(t, g, "/call/test.silent", "")
	want(first, 404)
	want(second, 200)
	larger := call(`["` + strings.Repeat("y", 2500) + `"]`)
	want(second, 404)
	want(large, 404)
	want(larger+"/result", 200)
	huge := call(`["` + strings.Repeat("z", 10_000) + `"]`)
	want(larger, 200)
	if w := do(g, http.MethodGet, huge+"/result", nil); w.Code != 410 || !strings.Contains(w.Body.String(), "gateway.error.result_not_kept") {
		t.Errorf("result of what is larger than the limit: %d %s, want 410", w.Code, w.Body)
	}
	detach(t, g, "/call/test.silent", "")
	detach(t, g, "/call/test.silent", "")
	w := post(g, "/call/test.echo", "", async...)
	if d := problemIn(t, w, w.Body.Bytes()); w.Code != 429 || d.Retry != "safe" || w.Header().Get("Retry-After") == "" {
		t.Errorf("one more than may run: %d %s, want 429", w.Code, w.Body)
	}
	if w := post(g, "/call/test.echo", ""); w.Code != 204 {
		t.Errorf("a call that is answered at once: %d %s, want 204", w.Code, w.Body)
	}
}

// TestKeptTotal: all principals together have a limit as well.
func TestKeptTotal(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}, func(cfg *gateway.Config) {
		cfg.Authenticate, cfg.MaxKeptBytes = bouncer(t, nil), 5000
	})
	robot := []string{"Authorization", "Bearer " + theKey, "Content-Type", jsonType}
	joe := []string{"Authorization", "Basic am9lOnBhc3M=", "Content-Type", jsonType}
	body := `["` + strings.Repeat("x", 400) + `"]`
	first := detach(t, g, "/call/test.echo", body, robot...)
	waitFor(t, g, first, robot...)
	waitFor(t, g, detach(t, g, "/call/test.echo", body, joe...), joe...)
	if w := do(g, http.MethodGet, first, nil, robot...); w.Code != 404 {
		t.Errorf("the oldest of all: %d, want 404", w.Code)
	}
}

// TestCloseEndsCalls: calls that nobody waits for end with the gateway.
func TestCloseEndsCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logbook
		g := newGateway(t, &realm{procedures: map[wamp.URI]procedure{"test.silent": silent}}, log.use)
		at := detach(t, g, "/call/test.silent", "")
		g.Close()
		if c := callIn(t, do(g, http.MethodGet, at, nil)); c.State != "failed" || c.Status != 503 {
			t.Errorf("the call is %+v, want failed with 503", c)
		}
		if line := log.last(); !strings.Contains(line, "path=/calls/c_") {
			t.Errorf("the last line of the log is %s", line)
		}
		if w := post(g, "/call/test.silent", "", async...); w.Code != 503 {
			t.Errorf("after the end: %d %s, want 503", w.Code, w.Body)
		}
	})
}

// TestShutdownLingers: a server that ends gives calls that go on without a
// request the time that requests have.
func TestShutdownLingers(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]string{3 * time.Second: "done", 30 * time.Second: "failed"} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				slow, answer := held(returns(`["done"]`, ""))
				g := newGateway(t, &realm{procedures: map[wamp.URI]procedure{"test.p": slow}}, nil)
				server := gateway.NewServer(gateway.ServerConfig{
					Handler: g, Log: slog.New(slog.DiscardHandler), Drain: 10 * time.Second, Linger: g.Linger, Goodbye: func(context.Context) { g.Close() },
				})
				at := detach(t, g, "/call/test.p", "")
				time.AfterFunc(took, answer)
				start := time.Now()
				if err := server.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				if lasted := time.Since(start); lasted != min(took, 10*time.Second) {
					t.Errorf("the shutdown lasted %v, the call %v", lasted, took)
				}
				if c := callIn(t, do(g, http.MethodGet, at, nil)); c.State != want {
					t.Errorf("the call is %+v, want %s", c, want)
				}
				pass(took)
			})
		})
	}
}
