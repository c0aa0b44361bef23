package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// async is what a client sends that wants its answer later.
var async = []string{"Prefer", "respond-async"}

// A callObject is what the API says of a call.
type callObject struct {
	ID, Procedure, State, Created, Ended, Expires, Error string
	Status, Events                                       int
}

// detach makes a call that answers later and returns where it is.
func detach(t *testing.T, h http.Handler, path, body string, headers ...string) string {
	t.Helper()
	w := post(h, path, body, append(slices.Clone(async), headers...)...)
	at := w.Header().Get("Location")
	if w.Code != http.StatusAccepted || !strings.HasPrefix(at, "/calls/c_") || len(at) != len("/calls/c_")+32 || w.Header().Get("Preference-Applied") != "respond-async" {
		t.Fatalf("POST %s: %d %v %s, want 202 with Location", path, w.Code, w.Header(), w.Body)
	}
	if c := callIn(t, w); "/calls/"+c.ID != at || w.Header().Get("Wamp-Call-Id") != c.ID {
		t.Fatalf("Location %s of call %+v", at, c)
	}
	return at
}

// callIn decodes a call.
func callIn(t *testing.T, w *httptest.ResponseRecorder) (c callObject) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &c); err != nil {
		t.Fatalf("%d %s is no call: %v", w.Code, w.Body, err)
	}
	return c
}

// waitFor returns the call when it has ended.
func waitFor(t *testing.T, h http.Handler, at string, headers ...string) callObject {
	t.Helper()
	return callIn(t, do(h, http.MethodGet, at+"?wait=20s", nil, headers...))
}

// held makes a procedure that answers when it is told to.
func held(answer procedure) (procedure, func()) {
	calls := make(chan incoming, 1)
	return func(c incoming) { calls <- c }, func() {
		c := <-calls
		c.session.realm.mu.Lock()
		defer c.session.realm.mu.Unlock()
		answer(c)
	}
}

// TestCallLater: what a call came to can be had later, as it would have been
// answered at once: status, header and body, again and again.
func TestCallLater(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer procedure
		accept string
		state  string
	}{
		{"value", returns(`[9007199254740993]`, ""), "", "done"},
		{"nothing", returns("", ""), "", "done"},
		{"envelope", returns("[1]", `{"a":2}`), "application/vnd.wamp.call+msgpack", "done"},
		{"bytes", func(c incoming) {
			c.result(wamp.Payload{Serializer: wamp.MsgPack, Args: []byte("\x91\xc4\x02\x00\xff")})
		}, "*/*", "done"},
		{"error", raises("com.example.not_found", `["no such thing"]`, `{"id":7}`), "", "failed"},
		{"error as text", raises("com.example.not_found", `["no such thing"]`, ""), "text/plain, application/json;q=0.5", "failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			slow, answer := held(tt.answer)
			g := newGateway(t, &realm{procedures: map[wamp.URI]procedure{"test.now": tt.answer, "test.later": slow}}, nil)
			headers := []string{"Content-Type", jsonType}
			if tt.accept != "" {
				headers = append(headers, "Accept", tt.accept)
			}
			want := post(g, "/call/test.now", "[1]", headers...)
			at := detach(t, g, "/call/test.later", "[1]", headers...)
			if c := callIn(t, do(g, http.MethodGet, at, nil)); c.State != "running" || c.Procedure != "test.later" || c.Ended != "" {
				t.Errorf("before its end the call is %+v", c)
			}
			early := do(g, http.MethodGet, at+"/result", nil)
			if d := problemIn(t, early, early.Body.Bytes()); early.Code != 409 || early.Header().Get("Retry-After") != "1" || d.Instance != at {
				t.Errorf("result before the end: %d %v %s", early.Code, early.Header(), early.Body)
			}
			answer()
			if c := waitFor(t, g, at); c.State != tt.state || c.Status != want.Code || c.Ended == "" || c.Expires == "" || c.Events != 1 {
				t.Errorf("after its end the call is %+v", c)
			}
			first := do(g, http.MethodGet, at+"/result", nil)
			wantSame(t, first, want)
			again := do(g, http.MethodGet, at+"/result", nil, "Accept", "application/x-ndjson")
			if !maps.EqualFunc(again.Header(), first.Header(), slices.Equal) || again.Body.String() != first.Body.String() || again.Code != first.Code {
				t.Errorf("a second look: %d %v %q, want as before", again.Code, again.Header(), again.Body)
			}
		})
	}
}

// wantSame compares two answers to the same call, but for what must differ.
func wantSame(t *testing.T, got, want *httptest.ResponseRecorder) {
	t.Helper()
	fields := func(w *httptest.ResponseRecorder) http.Header {
		h := w.Header().Clone()
		for _, name := range []string{"Wamp-Call-Id", "Server-Timing", "Content-Length"} {
			h.Del(name)
		}
		return h
	}
	plain := func(w *httptest.ResponseRecorder) string {
		body := strings.ReplaceAll(w.Body.String(), w.Header().Get("Wamp-Call-Id"), "c_x")
		return strings.ReplaceAll(body, ".later", ".now")
	}
	if got.Code != want.Code || plain(got) != plain(want) || !maps.EqualFunc(fields(got), fields(want), slices.Equal) {
		t.Errorf("got %d %v %q\nwant %d %v %q", got.Code, fields(got), plain(got), want.Code, fields(want), plain(want))
	}
}

// TestPreferWait: with wait=N the answer comes at once if it is there in time.
func TestPreferWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		after := func(d time.Duration) procedure {
			return func(c incoming) {
				time.AfterFunc(d, func() {
					c.session.realm.mu.Lock()
					defer c.session.realm.mu.Unlock()
					echo(c)
				})
			}
		}
		g := newGateway(t, &realm{procedures: map[wamp.URI]procedure{"test.quick": after(9 * time.Second), "test.slow": after(20 * time.Second), "test.silent": silent}}, nil)
		start := time.Now()
		w := post(g, "/call/test.quick", "[7]", "Content-Type", jsonType, "Prefer", "respond-async, wait=10")
		if got := w.Header().Get("Preference-Applied"); w.Code != 200 || w.Body.String() != "7\n" || got != "wait=10" || time.Since(start) != 9*time.Second {
			t.Errorf("in time: %d %q, Preference-Applied %q after %v", w.Code, w.Body, got, time.Since(start))
		}
		start = time.Now()
		w = post(g, "/call/test.slow", "[7]", "Content-Type", jsonType, "Prefer", "wait=10", "Prefer", "respond-async;x=y, odd=\"a,b\"")
		if got := w.Header().Get("Preference-Applied"); w.Code != 202 || got != "respond-async, wait=10" || time.Since(start) != 10*time.Second {
			t.Errorf("too late: %d %q, Preference-Applied %q after %v", w.Code, w.Body, got, time.Since(start))
		}
		at := w.Header().Get("Location")
		start = time.Now()
		w = do(g, http.MethodGet, at, nil, "Prefer", "wait=4")
		if c := callIn(t, w); c.State != "running" || time.Since(start) != 4*time.Second || w.Header().Get("Preference-Applied") != "wait=4" {
			t.Errorf("a long poll in vain: %+v after %v", c, time.Since(start))
		}
		start = time.Now()
		silent := detach(t, g, "/call/test.silent?timeout=1h", "")
		if c := callIn(t, do(g, http.MethodGet, silent+"?wait=10m", nil)); c.State != "running" || time.Since(start) != time.Minute {
			t.Errorf("a poll that is too long: %+v after %v, want running after a minute", c, time.Since(start))
		}
	})
}

// TestLongPoll: who waits for a call hears of its end at once.
func TestLongPoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow, answer := held(echo)
		g := newGateway(t, &realm{procedures: map[wamp.URI]procedure{"test.slow": slow}}, nil)
		at := detach(t, g, "/call/test.slow", "")
		time.AfterFunc(6*time.Second, answer)
		start := time.Now()
		if c := callIn(t, do(g, http.MethodGet, at+"?wait=1m", nil)); c.State != "done" || time.Since(start) != 6*time.Second {
			t.Errorf("a long poll: %+v after %v, want done after 6s", c, time.Since(start))
		}
	})
}

// TestRefusedAtOnce: what no callee ever saw is no call that goes on.
func TestRefusedAtOnce(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &realm{}, nil)
	w := post(g, "/call/test.none", "", async...)
	if d := problemIn(t, w, w.Body.Bytes()); w.Code != 404 || d.Error != "wamp.error.no_such_procedure" || w.Header().Get("Location") != "" {
		t.Errorf("%d %v %s, want 404", w.Code, w.Header(), w.Body)
	}
	if w := do(g, http.MethodGet, "/calls", nil); w.Body.String() != `{"calls":[]}`+"\n" {
		t.Errorf("calls: %s, want none", w.Body)
	}
}

// TestCallOfLostSession: a session that ends before it takes the call is told
// of at once.
func TestCallOfLostSession(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
	g := newGateway(t, r, nil)
	post(g, "/call/test.echo", "")
	r.mu.Lock()
	r.sessions[0].left = true
	r.mu.Unlock()
	w := post(g, "/call/test.echo", "", async...)
	if d := problemIn(t, w, w.Body.Bytes()); w.Code != 503 || d.Retry != "safe" {
		t.Errorf("%d %s, want 503 that is safe to retry", w.Code, w.Body)
	}
}

// TestCallPanics: a panic while an answer is written ends that call, and no
// other.
func TestCallPanics(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}, func(cfg *gateway.Config) {
		cfg.Nearest = func(wamp.URI) (wamp.URI, bool) { panic("nearest") }
	})
	if w := post(g, "/call/test.none", "", async...); w.Code != 500 {
		t.Errorf("%d %s, want 500", w.Code, w.Body)
	}
	if c := waitFor(t, g, detach(t, g, "/call/test.echo", "")); c.State != "done" {
		t.Errorf("another call is %+v", c)
	}
}

// TestDetachedIgnoresHangUp: a client that waits for a detached call may leave.
func TestDetachedIgnoresHangUp(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	release := make(chan struct{})
	c := s.serve(t, "test.p", func(c *callee, inv *wamp.Invocation) {
		c.events <- "call"
		select {
		case <-release:
		case <-t.Context().Done():
		}
		c.yield(inv.Request, false, `["done"]`)
	})
	ctx, hangUp := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/call/test.p", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Prefer", "respond-async, wait=60")
	failed := make(chan error, 1)
	go func() {
		_, err := s.client(t, false).Do(req)
		failed <- err
	}()
	c.want(t, "call")
	hangUp()
	if err := <-failed; err == nil {
		t.Error("the request was answered, want it to have been given up")
	}
	list := do(s.gateway, http.MethodGet, "/calls", nil)
	var calls struct{ Calls []callObject }
	if err := json.Unmarshal(list.Body.Bytes(), &calls); err != nil || len(calls.Calls) != 1 || calls.Calls[0].Ended != "" {
		t.Fatalf("calls: %s", list.Body)
	}
	close(release)
	at := "/calls/" + calls.Calls[0].ID
	if got := waitFor(t, s.gateway, at); got.State != "done" {
		t.Errorf("the call is %+v, want done", got)
	}
	if w := do(s.gateway, http.MethodGet, at+"/result", nil); w.Body.String() != `"done"`+"\n" {
		t.Errorf("result: %s", w.Body)
	}
	c.nothing(t)
}

// TestCancelCall: DELETE asks for the end in a mode, and tells when there is
// nothing to end.
func TestCancelCall(t *testing.T) {
	t.Parallel()
	stop := func(c *callee, inv *wamp.Invocation) { c.events <- "call" }
	tests := []struct {
		query, callee, state, err string
		status                    int
	}{
		{"", "interrupt kill", "canceled", "wamp.error.canceled", 499},
		{"?mode=kill", "interrupt kill", "canceled", "wamp.error.canceled", 499},
		{"?mode=killnowait", "interrupt killnowait", "canceled", "wamp.error.canceled", 499},
		{"?mode=skip", "", "canceled", "wamp.error.canceled", 499},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, false)
			c := s.serve(t, "test.p", stop)
			at := detach(t, s.gateway, "/call/test.p", "")
			c.want(t, "call")
			if w := do(s.gateway, http.MethodDelete, at+tt.query, nil); w.Code != 202 || w.Body.Len() == 0 {
				t.Fatalf("DELETE: %d %s, want 202", w.Code, w.Body)
			}
			if tt.callee != "" {
				c.want(t, tt.callee)
			}
			if got := waitFor(t, s.gateway, at); got.State != tt.state || got.Error != tt.err || got.Status != tt.status {
				t.Errorf("the call is %+v, want %s with %s", got, tt.state, tt.err)
			}
			if w := do(s.gateway, http.MethodDelete, at+tt.query, nil); w.Code != 204 {
				t.Errorf("DELETE of what has ended: %d, want 204", w.Code)
			}
			if w := do(s.gateway, http.MethodGet, at+"/result", nil); w.Code != tt.status {
				t.Errorf("result: %d %s, want %d", w.Code, w.Body, tt.status)
			}
			c.nothing(t)
		})
	}
}

// TestCancelWaitsForCallee: a killed call is canceling until the callee
// answers, and done if that is with a result.
func TestCancelWaitsForCallee(t *testing.T) {
	t.Parallel()
	slow, answer := held(returns(`["finished"]`, ""))
	r := &realm{procedures: map[wamp.URI]procedure{"test.p": slow}}
	g := newGateway(t, r, nil)
	at := detach(t, g, "/call/test.p", "")
	for range 2 {
		if w := do(g, http.MethodDelete, at, nil); w.Code != 202 || callIn(t, w).State != "canceling" {
			t.Errorf("DELETE: %d %s, want 202 and canceling", w.Code, w.Body)
		}
	}
	answer()
	if got := waitFor(t, g, at); got.State != "done" {
		t.Errorf("the call is %+v, want done", got)
	}
	if w := do(g, http.MethodGet, at+"/result", nil); w.Body.String() != `"finished"`+"\n" {
		t.Errorf("result: %s", w.Body)
	}
}

// A slowSession is one whose dealer takes its time with each CALL.
type slowSession struct {
	gateway.Session
	take chan struct{} // a token for each
}

func (s slowSession) Submit(ctx context.Context, m wamp.Message) error {
	if _, ok := m.(*wamp.Call); ok {
		<-s.take
	}
	return s.Session.Submit(ctx, m)
}

// TestCancelPending: the end of a call that the dealer has yet to take is asked
// for when it has.
func TestCancelPending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &realm{procedures: map[wamp.URI]procedure{"test.p": silent}}
		r.onCancel = func(c incoming) { c.fail(wamp.ErrCanceled, wamp.OriginCallee, wamp.Payload{}) }
		take := make(chan struct{})
		g := newGateway(t, r, func(cfg *gateway.Config) {
			cfg.Join = func(id wamp.Identity, out gateway.Outbox) (gateway.Session, error) {
				s, err := r.join(id, out)
				return slowSession{s, take}, err
			}
		})
		first := make(chan *httptest.ResponseRecorder)
		go func() { first <- keyed(g, "/call/test.p", "[]", "k") }()
		synctest.Wait()
		second := keyed(g, "/call/test.p", "[]", "k")
		at := second.Header().Get("Location")
		if second.Code != http.StatusConflict || callIn(t, do(g, http.MethodGet, at, nil)).State != "pending" {
			t.Fatalf("%d %s, want 409 and a pending call", second.Code, second.Body)
		}
		if w := do(g, http.MethodDelete, at, nil); w.Code != http.StatusAccepted || callIn(t, w).State != "canceling" {
			t.Errorf("DELETE: %d %s", w.Code, w.Body)
		}
		take <- struct{}{}
		if w := <-first; w.Code != 499 {
			t.Errorf("the call was answered with %d %s, want 499", w.Code, w.Body)
		}
		if len(r.calls) != 1 || len(r.canceled) != 1 {
			t.Errorf("%d CALLs and %d CANCELs, want one each", len(r.calls), len(r.canceled))
		}
	})
}

// TestOwnCalls: a call is its principal's alone.
func TestOwnCalls(t *testing.T) {
	t.Parallel()
	slow, answer := held(echo)
	g := newGateway(t, &realm{procedures: map[wamp.URI]procedure{"test.p": slow}}, func(cfg *gateway.Config) { cfg.Authenticate = bouncer(t, nil) })
	robot := []string{"Authorization", "Bearer " + theKey}
	joe := []string{"Authorization", "Basic am9lOnBhc3M="}
	at := detach(t, g, "/call/test.p?in=ndjson", "", robot...)
	requests := []struct{ method, path string }{
		{"GET", at},
		{"HEAD", at},
		{"GET", at + "/result"},
		{"GET", at + "/events"},
		{"POST", at + "/input"},
		{"DELETE", at},
	}
	for _, q := range requests {
		if w := do(g, q.method, q.path, nil, joe...); w.Code != 404 {
			t.Errorf("%s %s by somebody else: %d %s, want 404", q.method, q.path, w.Code, w.Body)
		}
		if w := do(g, q.method, q.path, nil); w.Code != 401 {
			t.Errorf("%s %s by nobody: %d %s, want 401", q.method, q.path, w.Code, w.Body)
		}
	}
	if w := do(g, http.MethodGet, "/calls", nil, joe...); w.Body.String() != `{"calls":[]}`+"\n" {
		t.Errorf("calls of somebody else: %s", w.Body)
	}
	if w := do(g, http.MethodGet, "/calls", nil, robot...); !strings.Contains(w.Body.String(), strings.TrimPrefix(at, "/calls/")) {
		t.Errorf("own calls: %s", w.Body)
	}
	answer()
	if c := waitFor(t, g, at, robot...); c.State != "done" {
		t.Errorf("the call is %+v, want done", c)
	}
}

// TestDetachedTimeout: a call that nobody waits for ends by its timeout.
func TestDetachedTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logbook
		r := &realm{procedures: map[wamp.URI]procedure{"test.silent": silent}}
		g := newGateway(t, r, log.use)
		at := detach(t, g, "/call/test.silent?timeout=2s", "")
		c := waitFor(t, g, at)
		if c.State != "failed" || c.Error != "wamp.error.timeout" || c.Status != 504 {
			t.Errorf("the call is %+v, want failed with a timeout", c)
		}
		want := fmt.Sprintf("call %s test.silent call timed out after 2.3s -> CANCEL kill -> unconfirmed in 5.3s (504)", c.ID)
		if !slices.ContainsFunc(log.lines, func(line string) bool { return strings.Contains(line, want) }) {
			t.Errorf("the log lacks %q:\n%s", want, strings.Join(log.lines, ""))
		}
	})
}

// TestCallsRefused shows requests that are not understood.
func TestCallsRefused(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &realm{procedures: map[wamp.URI]procedure{"test.silent": silent}}, nil)
	at := detach(t, g, "/call/test.silent", "")
	tests := []struct {
		method, path string
		status       int
		words        string
	}{
		{"GET", "/calls?limit=3", 400, "no option"},
		{"GET", at + "?wait=x", 400, "option wait=x"},
		{"GET", at + "?wat=1", 400, "did you mean wait?"},
		{"GET", at + "/result?wait=1", 400, "no option"},
		{"DELETE", at + "?mode=kil", 400, "want kill"},
		{"GET", at + "/events?stream=raw", 400, "want sse or ndjson"},
		{"PUT", at, 405, ""},
		{"POST", "/calls", 405, ""},
		{"GET", "/calls/", 404, ""},
		{"GET", "/calls/c_nonsense", 404, "ended calls are forgotten"},
		{"POST", "/call/test.silent?resume=6m&stream=sse", 400, "at most 5m"},
		{"POST", "/call/test.silent?resume=1s", 400, "have numbers"},
		{"POST", "/call/test.silent?resume=1s&stream=raw", 400, "have numbers"},
		{"POST", "/call/test.silent?overflow=latest", 400, "answers that stream"},
		{"POST", "/call/test.silent?overflow=latest&stream=raw", 400, "not as raw bytes"},
		{"POST", "/call/test.silent?overflow=oldest&stream=sse", 400, "want latest"},
		{"POST", "/call/test.silent?idle_timeout=1s", 400, "have a timeout"},
		{"POST", "/call/test.silent?idle_timeout=0&stream=sse", 400, "more than 0"},
	}
	for _, tt := range tests {
		if w := do(g, tt.method, tt.path, nil); w.Code != tt.status || !strings.Contains(w.Body.String(), tt.words) {
			t.Errorf("%s %s: %d %s, want %d with %q", tt.method, tt.path, w.Code, w.Body, tt.status, tt.words)
		}
	}
	if w := post(g, "/call/test.silent?resume=1s&stream=sse", "", async...); w.Code != 400 || !strings.Contains(w.Body.String(), "is not needed") {
		t.Errorf("resume of what needs no client: %d %s, want 400", w.Code, w.Body)
	}
	if allow := do(g, "PUT", at, nil).Header().Get("Allow"); allow != "DELETE, GET, HEAD, OPTIONS" {
		t.Errorf("Allow: %s", allow)
	}
}

// TestDetachedOutlivesSubmit: a client of a detached call may leave while the
// dealer gets the CALL.
func TestDetachedOutlivesSubmit(t *testing.T) {
	t.Parallel()
	ctx, hangUp := context.WithCancel(t.Context())
	var call incoming
	r := &realm{procedures: map[wamp.URI]procedure{"test.p": func(c incoming) {
		hangUp()
		call = c
	}}}
	g := newGateway(t, r, nil)
	req := newRequest(http.MethodPost, "/call/test.p").WithContext(ctx)
	req.Header.Set("Prefer", "respond-async")
	func() {
		defer func() { _ = recover() }() // nobody is there to be answered
		serve(g, req)
	}()
	r.mu.Lock()
	call.result(wamp.Payload{})
	r.mu.Unlock()
	list := do(g, http.MethodGet, "/calls", nil)
	var calls struct{ Calls []callObject }
	if err := json.Unmarshal(list.Body.Bytes(), &calls); err != nil || len(calls.Calls) != 1 {
		t.Fatalf("calls: %s", list.Body)
	}
	if got := waitFor(t, g, "/calls/"+calls.Calls[0].ID); got.State != "done" {
		t.Errorf("the call is %+v, want done", got)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.canceled) > 0 {
		t.Errorf("the call was canceled: %v", r.canceled)
	}
}
