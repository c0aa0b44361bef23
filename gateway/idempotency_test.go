package gateway_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// keyed posts with an Idempotency-Key.
func keyed(h http.Handler, path, body, key string, headers ...string) *httptest.ResponseRecorder {
	return post(h, path, body, append([]string{"Content-Type", jsonType, "Idempotency-Key", key}, headers...)...)
}

// TestKeyRace: of 100 equal requests at once, one calls. The others have the
// same answer, or are told where it will be.
func TestKeyRace(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	var calls atomic.Int32
	goOn := make(chan struct{})
	s.serve(t, "test.pay", func(c *callee, inv *wamp.Invocation) {
		calls.Add(1)
		select {
		case <-goOn:
		case <-t.Context().Done():
		}
		c.yield(inv.Request, false, `["receipt 7"]`)
	})
	client := s.client(t, false)
	var racing sync.WaitGroup
	var conflicts, equal atomic.Int32
	for range 100 {
		racing.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/call/test.pay", strings.NewReader("[3.20]"))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Idempotency-Key", `"order-7"`)
			req.Header.Set("Content-Type", jsonType)
			resp, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = resp.Body.Close() }()
			if resp.StatusCode == http.StatusConflict && resp.Header.Get("Retry-After") == "1" {
				if conflicts.Add(1) == 50 {
					close(goOn)
				}
				resp, err = follow(t, client, s.url+resp.Header.Get("Location"))
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = resp.Body.Close() }()
			}
			if body, err := text(t, resp); resp.StatusCode != http.StatusOK || body != `"receipt 7"`+"\n" || err != nil {
				t.Errorf("%d %s %v", resp.StatusCode, body, err)
				return
			}
			equal.Add(1)
		})
	}
	racing.Wait()
	if calls.Load() != 1 || equal.Load() != 100 {
		t.Errorf("%d calls and %d equal answers, want 1 and 100", calls.Load(), equal.Load())
	}
	t.Logf("%d of 100 requests came while the first one was at work", conflicts.Load())
}

// follow waits for a call and returns its answer.
func follow(t *testing.T, client *http.Client, at string) (*http.Response, error) {
	t.Helper()
	for _, path := range []string{at + "?wait=20s", at + "/result"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		if err != nil {
			return nil, err
		}
		resp, err := client.Do(req)
		if err != nil || path == at+"/result" {
			return resp, err
		}
		_ = resp.Body.Close()
	}
	return nil, nil
}

// TestKeyReplays: what a callee made of the first request is the answer to the
// others.
func TestKeyReplays(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer procedure
		stored bool
	}{
		{"result", returns(`[{"a":1}]`, ""), true},
		{"no result", returns("", ""), true},
		{"callee's error", raises("com.example.no_funds", `["balance is 3.20"]`, ""), true},
		{"callee gave up", raises(wamp.ErrCanceled, "", ""), false},
		{"callee's timeout", raises(wamp.ErrTimeout, "", ""), false},
		{"no procedure", func(c incoming) { c.fail(wamp.ErrNoSuchProcedure, wamp.OriginDealer, wamp.Payload{}) }, false},
		{"callee left", func(c incoming) { c.fail(wamp.ErrCanceled, wamp.OriginDealerDispatched, wamp.Payload{}) }, false},
		{"timeout", func(c incoming) { c.fail(wamp.ErrTimeout, wamp.OriginDealerDispatched, wamp.Payload{}) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			g := newGateway(t, &realm{procedures: map[wamp.URI]procedure{"test.p": func(c incoming) {
				calls++
				tt.answer(c)
			}}}, nil)
			first := keyed(g, "/call/test.p", "[1]", "k1")
			second := keyed(g, "/call/test.p", "[1]", `"k1"`)
			if first.Header().Get("Idempotency-Replayed") != "" {
				t.Error("the first answer says that it is no first one")
			}
			if !tt.stored {
				if calls != 2 || second.Header().Get("Idempotency-Replayed") != "" || second.Code != first.Code {
					t.Errorf("%d calls, then %d %v; want 2 calls", calls, second.Code, second.Header())
				}
				return
			}
			if calls != 1 || second.Header().Get("Idempotency-Replayed") != "true" {
				t.Errorf("%d calls, then %v; want 1 and Idempotency-Replayed", calls, second.Header())
			}
			second.Header().Del("Idempotency-Replayed")
			if id := first.Header().Get("Wamp-Call-Id"); id == "" || id != second.Header().Get("Wamp-Call-Id") {
				t.Errorf("call %s, then %s", id, second.Header().Get("Wamp-Call-Id"))
			}
			wantSame(t, second, first)
			plain := post(g, "/call/test.p", "[1]", "Content-Type", jsonType)
			if plain.Code != first.Code || plain.Header().Get("Wamp-Result") != first.Header().Get("Wamp-Result") {
				t.Errorf("with a key %d %v, without %d %v", first.Code, first.Header(), plain.Code, plain.Header())
			}
		})
	}
}

// TestKeyScope: a key means one call for a principal and a procedure, and only
// with the same request.
func TestKeyScope(t *testing.T) {
	t.Parallel()
	slow, answer := held(echo)
	g := newGateway(t, &realm{procedures: map[wamp.URI]procedure{"test.a": echo, "test.b": echo, "test.slow": slow}}, func(cfg *gateway.Config) {
		cfg.Authenticate = bouncer(t, nil)
	})
	robot := []string{"Authorization", "Bearer " + theKey}
	joe := []string{"Authorization", "Basic am9lOnBhc3M="}
	long := strings.Repeat("k", 255)
	tests := []struct {
		name, path, body, key string
		headers               []string
		status                int
		replayed              bool
		words                 string
	}{
		{"first", "/call/test.a", "[1]", "k", robot, 200, false, "1"},
		{"again", "/call/test.a", "[1]", "k", robot, 200, true, "1"},
		{"other body", "/call/test.a", "[2]", "k", robot, 422, false, "gateway.error.idempotency_key_reused"},
		{"other type", "/call/test.a", "[1]", "k", append([]string{"X", "y"}, robot...), 200, true, "1"},
		{"other procedure", "/call/test.b", "[2]", "k", robot, 200, false, "2"},
		{"somebody else", "/call/test.a", "[3]", "k", joe, 200, false, "3"},
		{"other key", "/call/test.a", "[4]", `"k \"\\ é"`[:8] + `"`, robot, 200, false, "4"},
		{"long", "/call/test.a", "[5]", long, robot, 200, false, "5"},
		{"too long", "/call/test.a", "[5]", long + "k", robot, 400, false, "255 bytes"},
		{"empty", "/call/test.a", "[5]", `""`, robot, 400, false, "is empty"},
		{"no quote", "/call/test.a", "[5]", `"k`, robot, 400, false, "in quotes"},
		{"two words", "/call/test.a", "[5]", "a b", robot, 400, false, "in quotes"},
		{"parameter", "/call/test.a", "[5]", `"a";b`, robot, 400, false, "in quotes"},
		{"bad escape", "/call/test.a", "[5]", `"a\b"`, robot, 400, false, "in quotes"},
		{"twice", "/call/test.a", "[5]", "a", append([]string{"Idempotency-Key", "b"}, robot...), 400, false, "twice"},
		{"upload", "/call/test.a?in=chunks", "[5]", "a", robot, 400, false, "not for bodies that stream"},
		{"later", "/call/test.slow", "[6]", "s", append(async[:2:2], robot...), 202, false, "running"},
		{"meanwhile", "/call/test.slow", "[6]", "s", robot, 409, false, "gateway.error.idempotency_key_in_use"},
		{"other body meanwhile", "/call/test.slow", "[7]", "s", robot, 422, false, "gateway.error.idempotency_key_reused"},
	}
	for _, tt := range tests {
		w := keyed(g, tt.path, tt.body, tt.key, tt.headers...)
		if w.Code != tt.status || w.Header().Get("Idempotency-Replayed") == "true" != tt.replayed || !strings.Contains(w.Body.String(), tt.words) {
			t.Errorf("%s: %d %v %s; want %d with %s, replayed %t", tt.name, w.Code, w.Header(), w.Body, tt.status, tt.words, tt.replayed)
		}
		if tt.status == 409 && (w.Header().Get("Retry-After") != "1" || !strings.HasPrefix(w.Header().Get("Location"), "/calls/c_")) {
			t.Errorf("%s: %v, want Retry-After and Location", tt.name, w.Header())
		}
	}
	at := keyed(g, "/call/test.slow", "[6]", "s", robot...).Header().Get("Location")
	answer()
	waitFor(t, g, at, robot...)
	if w := keyed(g, "/call/test.slow", "[6]", "s", robot...); w.Code != 200 || w.Body.String() != "6\n" || w.Header().Get("Idempotency-Replayed") != "true" {
		t.Errorf("afterwards: %d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := post(g, "/call/test.a", "[1]", append([]string{"Content-Type", "application/problem+json", "Idempotency-Key", "k"}, robot...)...); w.Code != 422 {
		t.Errorf("the same body with another type: %d %s, want 422", w.Code, w.Body)
	}
}

// TestKeyOfBridge: calls in Crossbar's form may have a key, too.
func TestKeyOfBridge(t *testing.T) {
	t.Parallel()
	calls := 0
	g := newGateway(t, &realm{procedures: map[wamp.URI]procedure{"test.p": func(c incoming) {
		calls++
		echo(c)
	}}}, nil)
	const body = `{"procedure":"test.p","args":[1]}`
	for i := range 2 {
		if w := keyed(g, "/call", body, "k"); w.Code != 200 || w.Body.String() != `{"args":[1],"kwargs":{}}`+"\n" || calls != 1 {
			t.Errorf("request %d: %d %s, %d calls", i, w.Code, w.Body, calls)
		}
	}
	if w := keyed(g, "/call?errors=200", body, "k"); w.Code != 400 {
		t.Errorf("with ?errors=200: %d %s, want 400", w.Code, w.Body)
	}
}

// TestKeyIsForPost: other methods need none.
func TestKeyIsForPost(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &realm{procedures: map[wamp.URI]procedure{"test.p": echo}, safe: map[wamp.URI]bool{"test.p": true}}, nil)
	if w := do(g, http.MethodGet, "/call/test.p", nil, "Idempotency-Key", "k"); w.Code != 400 || !strings.Contains(w.Body.String(), "is for POST") {
		t.Errorf("GET: %d %s, want 400", w.Code, w.Body)
	}
}

// TestKeyAfterHangUp: a client that left and asks again gets what the callee
// made of its call: its result if it was faster than the interrupt, a new call
// if it stopped.
func TestKeyAfterHangUp(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer func(c incoming)
		calls  int
		body   string
	}{
		{"completed", func(c incoming) { c.result(jsonPayload(`["first"]`, "")) }, 1, `"first"` + "\n"},
		{"stopped", func(c incoming) { c.fail(wamp.ErrCanceled, wamp.OriginCallee, wamp.Payload{}) }, 2, `"second"` + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				r := &realm{onCancel: tt.answer}
				r.procedures = map[wamp.URI]procedure{"test.p": func(c incoming) {
					if calls++; calls > 1 {
						c.result(jsonPayload(`["second"]`, ""))
					}
				}}
				var log logbook
				g := newGateway(t, r, log.use)
				ctx, hangUp := context.WithCancel(t.Context())
				req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/call/test.p", strings.NewReader("[1]"))
				req.Header.Set("Content-Type", jsonType)
				req.Header.Set("Idempotency-Key", "k")
				done := make(chan any)
				go func() {
					defer func() { done <- recover() }()
					g.ServeHTTP(httptest.NewRecorder(), req)
				}()
				synctest.Wait()
				hangUp()
				if cut, _ := (<-done).(error); !errors.Is(cut, http.ErrAbortHandler) {
					t.Errorf("the answer to nobody ended with %v", cut)
				}
				synctest.Wait()
				if lines := strings.Join(log.lines, ""); strings.Count(lines, "test.p client gone after") != 1 || !strings.Contains(lines, "-> CANCEL kill -> callee ") {
					t.Errorf("the log does not tell once what became of the call:\n%s", lines)
				}
				w := keyed(g, "/call/test.p", "[1]", "k")
				if calls != tt.calls || w.Body.String() != tt.body {
					t.Errorf("%d calls and %d %s, want %d and %s", calls, w.Code, w.Body, tt.calls, tt.body)
				}
				if len(r.canceled) != 1 || r.canceled[0].Mode != wamp.CancelKill {
					t.Errorf("CANCELs: %+v, want one kill", r.canceled)
				}
			})
		})
	}
}

// TestKeyExpires: keys are forgotten with their calls.
func TestKeyExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, &realm{procedures: map[wamp.URI]procedure{"test.p": echo}}, nil)
		keyed(g, "/call/test.p", "[1]", "k")
		pass(10*time.Minute - time.Second)
		if w := keyed(g, "/call/test.p", "[1]", "k"); w.Header().Get("Idempotency-Replayed") != "true" {
			t.Errorf("after 9:59: %d %v, want what was stored", w.Code, w.Header())
		}
		pass(2 * time.Second)
		synctest.Wait()
		if w := keyed(g, "/call/test.p", "[2]", "k"); w.Body.String() != "2\n" {
			t.Errorf("after 10:01: %d %s, want a new call", w.Code, w.Body)
		}
	})
}

// TestKeyOfStream: a stream that was answered once is replayed from the window.
func TestKeyOfStream(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	c := s.serve(t, "test.count", func(c *callee, inv *wamp.Invocation) {
		c.events <- "call"
		counts(c, inv)
	})
	first := keyed(s.gateway, "/call/test.count?stream=ndjson", "[]", "k")
	second := keyed(s.gateway, "/call/test.count?stream=ndjson", "[]", "k")
	if first.Code != 200 || first.Body.String() != second.Body.String() || strings.Count(first.Body.String(), "\n") != 3 || second.Header().Get("Idempotency-Replayed") != "true" {
		t.Errorf("first %s\nthen %v %s", first.Body, second.Header(), second.Body)
	}
	c.want(t, "call")
	c.nothing(t)
}
