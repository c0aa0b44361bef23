package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// A client is a request that runs in a goroutine of its own and may hang up.
type client struct {
	hangUp  context.CancelCauseFunc
	answer  *httptest.ResponseRecorder
	aborted bool // the answer was cut off; valid after done
	done    chan struct{}
}

// start sends a POST without waiting for the answer.
func start(h http.Handler, path string) *client {
	ctx, hangUp := context.WithCancelCause(context.Background())
	c := &client{hangUp: hangUp, answer: httptest.NewRecorder(), done: make(chan struct{})}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, nil)
	go func() {
		defer close(c.done)
		defer func() { c.aborted = recover() != nil }()
		h.ServeHTTP(c.answer, r)
	}()
	return c
}

// A logbook collects the lines of the access log.
type logbook struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(b))
	return len(b), nil
}

func (l *logbook) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == 0 {
		return ""
	}
	return l.lines[len(l.lines)-1]
}

func (l *logbook) use(cfg *gateway.Config) { cfg.AccessLog = slog.New(slog.NewTextHandler(l, nil)) }

// answerCancel makes the callee of every canceled call answer after a while.
func (r *realm) answerCancel(after time.Duration, answer func(c incoming)) {
	r.arrived = make(chan struct{}, 16)
	go func() {
		for range r.arrived {
			r.mu.Lock()
			canceled := len(r.canceled) > 0
			r.mu.Unlock()
			if canceled {
				break
			}
		}
		pass(after)
		r.mu.Lock()
		defer r.mu.Unlock()
		answer(incoming{r.calls[0], r.sessions[0]})
	}()
}

// pass lets the time of a synctest bubble go by.
func pass(d time.Duration) { <-time.NewTimer(d).C }

// TestHangUp shows what becomes of a call whose client leaves.
func TestHangUp(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer func(c incoming) // after 3 ms; nil for never
		words  []string         // of the log line
	}{
		{
			"callee confirms", func(c incoming) { c.fail(wamp.ErrCanceled, wamp.OriginCallee, wamp.Payload{}) },
			[]string{"test.p client gone after 1.2s -> CANCEL kill -> callee confirmed in 3ms (499)", "outcome=canceled", "status=499", "authid=anonymous"},
		},
		{
			"callee had completed", func(c incoming) { c.result(jsonPayload("[1]", "")) },
			[]string{"client gone after 1.2s -> CANCEL kill -> callee had completed in 3ms (499)", "outcome=completed_late"},
		},
		{
			"callee is gone", func(c incoming) { c.fail(wamp.ErrCanceled, wamp.OriginDealerDispatched, wamp.Payload{}) },
			[]string{"CANCEL kill -> unconfirmed in 3ms (499)", "outcome=unconfirmed"},
		},
		{
			"nobody answers", nil,
			[]string{"client gone after 1.2s -> CANCEL kill -> unconfirmed in 5.3s (499)", "outcome=unconfirmed"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log logbook
				r := &realm{procedures: map[wamp.URI]procedure{"test.p": silent}}
				g := newGateway(t, r, log.use)
				if test.answer != nil {
					r.answerCancel(3*time.Millisecond, test.answer)
				}
				c := start(g, "/call/test.p")
				pass(1200 * time.Millisecond)
				c.hangUp(nil)
				<-c.done
				r.mu.Lock()
				defer r.mu.Unlock()
				if want := (wamp.Cancel{Request: 1, Mode: wamp.CancelKill}); len(r.canceled) != 1 || r.canceled[0] != want {
					t.Errorf("the dealer got %+v, want %+v", r.canceled, want)
				}
				if !c.aborted {
					t.Errorf("the answer %d was not cut off", c.answer.Code)
				}
				for _, w := range test.words {
					if !strings.Contains(log.last(), w) {
						t.Errorf("the log says %s, want %s in it", log.last(), w)
					}
				}
			})
		})
	}
}

// TestHangUpDuringCall shows that it makes no difference if the client leaves
// while the CALL is on its way, and the callee is quick to confirm.
func TestHangUpDuringCall(t *testing.T) {
	t.Parallel()
	for range 20 { // goroutines may meet in any order
		synctest.Test(t, func(t *testing.T) {
			var log logbook
			var c *client
			begun := make(chan struct{})
			r := &realm{
				procedures: map[wamp.URI]procedure{"test.p": func(incoming) {
					<-begun
					c.hangUp(nil)
				}},
				onCancel: func(c incoming) { c.fail(wamp.ErrCanceled, wamp.OriginCallee, wamp.Payload{}) },
			}
			c = start(newGateway(t, r, log.use), "/call/test.p")
			close(begun)
			<-c.done
			if !c.aborted || len(r.canceled) != 1 || !strings.Contains(log.last(), "outcome=canceled") {
				t.Errorf("aborted %v, CANCEL %v, log %s", c.aborted, r.canceled, log.last())
			}
		})
	}
}

// TestDealerTimeout shows that the gateway has a timer behind the dealer's.
// The client is answered at once, whatever the callee says to the CANCEL.
func TestDealerTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logbook
		r := &realm{procedures: map[wamp.URI]procedure{"test.p": silent}}
		w := connect(t, newGateway(t, r, log.use))
		began := time.Now()
		w.writef(t, postHead, "test.p?timeout=2s", 2, "[]")
		resp, body := w.answer(t)
		if took := time.Since(began); resp.StatusCode != 504 || took != 2250*time.Millisecond {
			t.Errorf("status %d after %v, want 504 after 2.25s", resp.StatusCode, took)
		}
		d := problemIn(t, headed{resp.Header}, []byte(body))
		if d.Source != "gateway" || d.Retry != "unknown" || d.Error != "wamp.error.timeout" {
			t.Errorf("problem %+v", d)
		}
		pass(time.Minute)
		if want := "call timed out after 2.3s -> CANCEL kill -> unconfirmed in 5.3s (504)"; !strings.Contains(log.last(), want) {
			t.Errorf("the log says %s, want %s", log.last(), want)
		}
	})
}

// headed is a header as an answer has it.
type headed struct{ fields http.Header }

func (h headed) Header() http.Header { return h.fields }

// TestShutdownCause shows that a call which a shutdown cuts gets an answer.
func TestShutdownCause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &realm{procedures: map[wamp.URI]procedure{"test.p": silent}}
		g := newGateway(t, r, nil)
		r.answerCancel(time.Millisecond, func(c incoming) { c.fail(wamp.ErrCanceled, wamp.OriginCallee, wamp.Payload{}) })
		c := start(g, "/call/test.p")
		synctest.Wait()
		c.hangUp(gateway.ErrShutdown)
		<-c.done
		if d := problemIn(t, c.answer, c.answer.Body.Bytes()); c.answer.Code != 503 || d.Error != "wamp.close.system_shutdown" || d.Retry != "unknown" {
			t.Errorf("got %d %+v", c.answer.Code, d)
		}
	})
}

// TestSessionsAreShared shows that a principal's calls share a session, which
// ends when it has been idle for a while.
func TestSessionsAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &realm{procedures: map[wamp.URI]procedure{"test.p": echo}}
		g := newGateway(t, r, nil)
		for range 3 {
			post(g, "/call/test.p", "")
			pass(4 * time.Minute)
		}
		if n, left := r.members(); n != 1 || left {
			t.Fatalf("%d sessions, left %v; want 1 that stayed", n, left)
		}
		for i, c := range r.calls {
			if c.Request != wamp.ID(i+1) {
				t.Errorf("CALL %d has request id %d", i+1, c.Request)
			}
		}
		pass(time.Minute + time.Second)
		if _, left := r.members(); !left {
			t.Error("the session did not end after 5 minutes")
		}
		w := post(g, "/call/test.p", "")
		if n, _ := r.members(); w.Code != 204 || n != 2 {
			t.Errorf("a call after that: %d in %d sessions, want 204 in the 2nd", w.Code, n)
		}
	})
}

// TestBusySessionStays shows that a session with a call in flight is not idle.
func TestBusySessionStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &realm{procedures: map[wamp.URI]procedure{"test.p": silent}}
		g := newGateway(t, r, nil)
		c := start(g, "/call/test.p?timeout=30m")
		pass(20 * time.Minute)
		if _, left := r.members(); left {
			t.Error("the session ended under a call")
		}
		r.mu.Lock()
		incoming{r.calls[0], r.sessions[0]}.result(jsonPayload("[1]", ""))
		r.mu.Unlock()
		if <-c.done; c.answer.Code != 200 {
			t.Errorf("status %d, want 200", c.answer.Code)
		}
	})
}

// TestSessionEnds shows what becomes of calls when their session is ended from
// the other side, and that the next call gets another session.
func TestSessionEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &realm{procedures: map[wamp.URI]procedure{"test.p": silent, "test.echo": echo}}
		g := newGateway(t, r, nil)
		c := start(g, "/call/test.p")
		synctest.Wait()
		r.mu.Lock()
		first := r.sessions[0]
		_ = first.out.Push(&wamp.Goodbye{Reason: wamp.CloseKilled})
		first.left = true
		r.mu.Unlock()
		first.out.Close(errors.New("killed"))
		<-c.done
		if d := problemIn(t, c.answer, c.answer.Body.Bytes()); c.answer.Code != 503 || d.Error != "wamp.close.killed" || d.Retry != "unknown" {
			t.Errorf("got %d %+v", c.answer.Code, d)
		}
		if w := post(g, "/call/test.echo", ""); w.Code != 204 {
			t.Errorf("the next call: %d, want 204", w.Code)
		}
	})
}

// TestJoinRefused shows what is said when the realm takes no sessions.
func TestJoinRefused(t *testing.T) {
	t.Parallel()
	r := &realm{}
	g := newGateway(t, r, func(cfg *gateway.Config) {
		cfg.Join = func(wamp.Identity, gateway.Outbox) (gateway.Session, error) { return nil, errors.New("secret reason") }
	})
	w := post(g, "/call/test.p", "")
	if d := problemIn(t, w, w.Body.Bytes()); w.Code != 503 || d.Retry != "safe" || strings.Contains(d.Detail, "secret") {
		t.Errorf("got %d %+v", w.Code, d)
	}
}

// TestInFlight shows the limits of calls in flight, per principal and in
// total, and that places are given back.
func TestInFlight(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(cfg *gateway.Config)
		status int
		uri    string
	}{
		{"per principal", func(cfg *gateway.Config) { cfg.MaxCallsPerPrincipal = 3 }, 429, "gateway.error.rate_limited"},
		{"in total", func(cfg *gateway.Config) { cfg.MaxCalls = 3 }, 503, "gateway.error.overloaded"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &realm{procedures: map[wamp.URI]procedure{"test.p": silent, "test.echo": echo}}
				g := newGateway(t, r, test.change)
				var held []*client
				for range 3 {
					held = append(held, start(g, "/call/test.p"))
				}
				synctest.Wait()
				w := post(g, "/call/test.echo", "")
				d := problemIn(t, w, w.Body.Bytes())
				if w.Code != test.status || d.Error != test.uri || w.Header().Get("Retry-After") == "" {
					t.Errorf("the fourth call: %d %+v; want %d %s", w.Code, d, test.status, test.uri)
				}
				r.mu.Lock()
				for _, c := range r.calls {
					incoming{c, r.sessions[0]}.result(wamp.Payload{})
				}
				r.mu.Unlock()
				for _, c := range held {
					if <-c.done; c.answer.Code != 204 {
						t.Errorf("a held call: %d, want 204", c.answer.Code)
					}
				}
				if w := post(g, "/call/test.echo", ""); w.Code != 204 {
					t.Errorf("a call when they are through: %d, want 204", w.Code)
				}
			})
		})
	}
}

// TestLogLine shows the line of a plain call and of one that failed.
func TestLogLine(t *testing.T) {
	t.Parallel()
	var log logbook
	r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
	g := newGateway(t, r, func(cfg *gateway.Config) {
		log.use(cfg)
		cfg.WebSocket = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusSwitchingProtocols) })
	})
	w := post(g, "/call/test.echo", "[12]", "Content-Type", jsonType)
	for _, want := range []string{
		"call " + w.Header().Get("Wamp-Call-Id") + " test.echo ok after ", "(200)", "procedure=test.echo", "authid=anonymous",
		"remote=192.0.2.1", "status=200", "outcome=ok", "in=4", "out=3", "dealt=",
	} {
		if !strings.Contains(log.last(), want) {
			t.Errorf("the log says %s, want %s in it", log.last(), want)
		}
	}
	do(g, "GET", "/ws", nil, "Upgrade", "websocket")
	if !strings.Contains(log.last(), "path=/ws status=101") {
		t.Errorf("the log says %s of a WebSocket", log.last())
	}
	post(g, "/call/test.none", "")
	for _, want := range []string{"test.none wamp.error.no_such_procedure: no procedure test.none after ", "(404)", "status=404", "outcome=error"} {
		if !strings.Contains(log.last(), want) {
			t.Errorf("the log says %s, want %s in it", log.last(), want)
		}
	}
}

// TestPanic shows that a panic in a handler is an answer 500 that tells
// nothing.
func TestPanic(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{"test.p": func(incoming) {
		panic("secret")
	}}}
	w := post(newGateway(t, r, nil), "/call/test.p", "")
	if d := problemIn(t, w, w.Body.Bytes()); w.Code != 500 || d.Source != "gateway" || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("got %d %+v", w.Code, d)
	}
}

// TestManyCalls makes calls from many goroutines at once; each gets its own
// answer.
func TestManyCalls(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
	g := newGateway(t, r, nil)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 50 {
				body := fmt.Sprintf("[%d]", i*1000+j)
				if w := post(g, "/call/test.echo", body, "Content-Type", jsonType); w.Body.String() != body[1:len(body)-1]+"\n" {
					t.Errorf("echo of %s: %d %q", body, w.Code, w.Body)
				}
			}
		})
	}
	wg.Wait()
}
