package test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func mustCall(ctx context.Context, t *testing.T, p *wampPeer, options map[string]any, procedure string, args ...any) wampAnswer {
	t.Helper()
	a, err := p.call(ctx, options, procedure, args, nil)
	if err != nil {
		t.Fatalf("%s: %v", procedure, err)
	}
	return a
}

// with adds pairs of a name and a value to a dictionary, and returns it.
func with(dict map[string]any, pairs ...any) map[string]any {
	for i := 0; i < len(pairs); i += 2 {
		dict[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return dict
}

// echo serves a procedure that answers with its arguments, and reports them.
func echo(seen chan<- invocation) func(invocation) ([]any, bool) {
	return func(i invocation) ([]any, bool) {
		seen <- i
		return i.args, false
	}
}

// TestPersistentCall makes persistent calls in all the ways there are, and
// restarts the gateway in between.
func TestPersistentCall(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), startDurable(t, t.TempDir())
	seen := make(chan invocation, 100)
	callee, caller := g.join(t, echo(seen)), g.join(t, nil)
	if err := callee.register(ctx, nil, "test.echo"); err != nil {
		t.Fatal(err)
	}
	persistent := func(more ...any) map[string]any { return with(map[string]any{"trust_level": "persistent"}, more...) }
	if a := mustCall(ctx, t, caller, persistent(), "test.echo", 1.0); a.uri != "" || a.text() != "1" || a.details["call_id"] == nil {
		t.Fatalf("a call that waits: %+v", a)
	}
	if i := <-seen; i.details["attempt"] != 1.0 || i.details["redelivered"] != false || i.details["call_id"] == nil {
		t.Errorf("the callee was told %v", i.details)
	}
	if a := mustCall(ctx, t, caller, persistent("call_id", "a", "async", true), "test.echo", 2.0); a.kwargs["call_id"] != "a" || a.kwargs["state"] == nil {
		t.Fatalf("an async call: %+v", a)
	}
	if a := mustCall(ctx, t, caller, nil, "wampgate.call.wait", "a"); a.text() != "2" {
		t.Errorf("its result: %+v", a)
	}
	<-seen
	if a := mustCall(ctx, t, caller, persistent("call_id", "later", "async", true), "test.absent", 3.0); a.uri != "" {
		t.Fatalf("without a callee: %+v", a)
	}
	if a := mustCall(ctx, t, caller, persistent("call_id", "limited", "timeout", 10), "test.absent"); a.uri != "wamp.error.timeout" || a.kwargs["state"] != "accepted" {
		t.Errorf("a timeout: %+v", a)
	}
	if a := mustCall(ctx, t, caller, nil, "wampgate.call.cancel", "limited"); a.uri != "" {
		t.Errorf("cancel: %+v", a)
	}
	if a := mustCall(ctx, t, caller, nil, "wampgate.call.wait", "limited"); a.uri != "wamp.error.canceled" { // now it is written down
		t.Errorf("canceled: %+v", a)
	}
	g.restart(t)
	callee, caller = g.join(t, echo(seen)), g.join(t, nil)
	if err := callee.register(ctx, nil, "test.absent"); err != nil {
		t.Fatal(err)
	}
	if a := mustCall(ctx, t, caller, nil, "wampgate.call.wait", "later"); a.text() != "3" {
		t.Errorf("after the restart: %+v", a)
	}
	<-seen
	// The same id again: its result, without a callee; another payload: refused.
	if a := mustCall(ctx, t, caller, persistent("call_id", "a"), "test.echo", 2.0); a.text() != "2" {
		t.Errorf("the same id after the restart: %+v", a)
	}
	if a := mustCall(ctx, t, caller, persistent("call_id", "a"), "test.echo", 4.0); a.uri != "wampgate.error.idempotency_conflict" {
		t.Errorf("the same id with another payload: %+v", a)
	}
	if a := mustCall(ctx, t, caller, persistent("call_id", "limited"), "test.absent"); a.uri != "wamp.error.canceled" {
		t.Errorf("a canceled call: %+v", a)
	}
	begun := time.Now()
	if a := mustCall(ctx, t, caller, persistent("delay", 300), "test.absent", 5.0); a.text() != "5" || time.Since(begun) < 300*time.Millisecond {
		t.Errorf("a delayed call: %+v after %v", a, time.Since(begun))
	}
	if a := mustCall(ctx, t, caller, persistent("expiry", 300), "test.nobody"); a.uri != "wampgate.error.expired" {
		t.Errorf("an expired call: %+v", a)
	}
	for _, want := range []string{"a", "later", "limited"} {
		if a := mustCall(ctx, t, caller, nil, "wampgate.call.get", want); a.uri != "" || !strings.Contains(fmt.Sprint(a.args), want) {
			t.Errorf("get %s: %+v", want, a)
		}
	}
	if a := mustCall(ctx, t, caller, nil, "wampgate.call.get", "unknown"); a.uri != "wampgate.error.no_such_call" {
		t.Errorf("an unknown call: %+v", a)
	}
	if a := mustCall(ctx, t, caller, nil, "wampgate.call.list"); a.uri != "" || len(element[[]any](a.args, 0)) != 0 {
		t.Errorf("list of those without credentials: %+v", a)
	}
	if err := g.stop(); err != nil {
		t.Errorf("the gateway ended with %v", err)
	}
}

// TestDeadLetters gives calls up that kill their callees, and tries one again.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), startDurable(t, t.TempDir())
	caller := g.join(t, nil)
	crashes := make(chan struct{}, 10)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			p, err := joinDurable(ctx, g.addr, func(invocation) ([]any, bool) { crashes <- struct{}{}; return nil, true })
			if err != nil || p.register(ctx, nil, "test.poison") != nil {
				t.Error("the callee cannot come back:", err)
				return
			}
			select {
			case <-p.closed:
			case <-stop:
				p.close()
				return
			}
		}
	}()
	a := mustCall(ctx, t, caller, map[string]any{"trust_level": "persistent", "call_id": "p"}, "test.poison", "x")
	if a.uri != "wampgate.error.dead_lettered" || !strings.Contains(a.text(), "attempt 3") || len(crashes) != 3 {
		t.Errorf("poison: %+v after %d crashes", a, len(crashes))
	}
	close(stop)
	<-done
	a = mustCall(ctx, t, caller, nil, "wampgate.deadletter.list")
	if list := element[[]any](a.args, 0); len(list) != 1 || !strings.Contains(fmt.Sprint(list), "test.poison") {
		t.Errorf("dead letters: %+v", a)
	}
	seen := make(chan invocation, 1)
	callee := g.join(t, echo(seen))
	if err := callee.register(ctx, nil, "test.poison"); err != nil {
		t.Fatal(err)
	}
	if a := mustCall(ctx, t, caller, nil, "wampgate.deadletter.retry", "p"); a.uri != "" {
		t.Errorf("retry: %+v", a)
	}
	if a := mustCall(ctx, t, caller, nil, "wampgate.call.wait", "p"); a.text() != "x" {
		t.Errorf("after the retry: %+v", a)
	}
	if a := mustCall(ctx, t, caller, nil, "wampgate.deadletter.list"); len(element[[]any](a.args, 0)) != 0 {
		t.Errorf("dead letters after the retry: %+v", a)
	}
}

// TestCalleeAway lets a callee be away for a while, during which the gateway is
// restarted: 60 s in the heavy tier.
func TestCalleeAway(t *testing.T) {
	t.Parallel()
	away := 300 * time.Millisecond
	if os.Getenv("WAMPGATE_TEST_HEAVY") != "" {
		away = time.Minute
	}
	ctx, g := within(t, 2*away+2*patience), startDurable(t, t.TempDir())
	caller := g.join(t, nil)
	seen := make(chan invocation, 1)
	callee := g.join(t, echo(seen))
	if err := callee.register(ctx, nil, "test.away"); err != nil {
		t.Fatal(err)
	}
	callee.close()
	if a := mustCall(ctx, t, caller, map[string]any{"trust_level": "persistent", "call_id": "w", "async": true}, "test.away", "here"); a.uri != "" {
		t.Fatalf("%+v", a)
	}
	pauseFor(away / 2)
	g.restart(t)
	pauseFor(away / 2)
	callee, caller = g.join(t, echo(seen)), g.join(t, nil)
	if err := callee.register(ctx, nil, "test.away"); err != nil {
		t.Fatal(err)
	}
	if a := mustCall(ctx, t, caller, nil, "wampgate.call.wait", "w"); a.text() != "here" {
		t.Errorf("%+v", a)
	}
}

// ask sends a request and returns status, Location and body.
func (g *durableGateway) ask(ctx context.Context, t *testing.T, method, path, body string, headers ...string) (status int, at, answer string) {
	t.Helper()
	if body != "" && !slices.Contains(headers, "Content-Type") {
		headers = append(headers, "Content-Type", "application/json")
	}
	a := g.send(ctx, t, method, path, strings.NewReader(body), headers...)
	return a.status, a.header.Get("Location"), strings.TrimSpace(a.body)
}

// expect makes a request and checks its answer.
func (g *durableGateway) expect(ctx context.Context, t *testing.T, method, path, body string, status int, answer string, headers ...string) {
	t.Helper()
	if got, _, said := g.ask(ctx, t, method, path, body, headers...); got != status || !strings.Contains(said, answer) {
		t.Errorf("%s %s: %d %s, want %d …%s…", method, path, got, said, status, answer)
	}
}

// TestPersistentOverHTTP makes persistent calls with HTTP, and asks for them
// after the gateway was killed.
func TestPersistentOverHTTP(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), startDurable(t, t.TempDir())
	seen := make(chan invocation, 100)
	callee := g.join(t, echo(seen))
	if err := callee.register(ctx, nil, "test.echo"); err != nil {
		t.Fatal(err)
	}
	want := func(status int, answer string, wantStatus int, wantAnswer string) {
		t.Helper()
		if status != wantStatus || !strings.Contains(answer, wantAnswer) {
			t.Errorf("%d %s, want %d %s", status, answer, wantStatus, wantAnswer)
		}
	}
	status, at, answer := g.ask(ctx, t, "POST", "/call/test.echo?trust=persistent", `[1]`)
	want(status, answer, http.StatusOK, "1")
	status, _, answer = g.ask(ctx, t, "GET", at, "")
	want(status, answer, http.StatusOK, `"state":"done"`)

	status, later, answer := g.ask(ctx, t, "POST", "/call/test.absent?trust=persistent", `["x"]`, "Prefer", "respond-async", "Idempotency-Key", "order/17")
	want(status, answer, http.StatusAccepted, `"id":"order/17"`)
	if later != "/calls/order%2F17" {
		t.Errorf("Location %s", later)
	}
	status, doomed, answer := g.ask(ctx, t, "POST", "/call/test.absent?trust=persistent", `["y"]`, "Prefer", "respond-async, wait=0.1")
	want(status, answer, http.StatusAccepted, `"procedure":"test.absent"`)
	status, _, answer = g.ask(ctx, t, "DELETE", doomed, "")
	want(status, answer, http.StatusAccepted, `"id"`)
	status, _, answer = g.ask(ctx, t, "GET", doomed+"?wait=10s", "") // until it is written down
	want(status, answer, http.StatusOK, `"state":"canceled"`)
	status, _, answer = g.ask(ctx, t, "POST", "/call/test.absent?trust=persistent&timeout=50ms", `["z"]`, "Idempotency-Key", "z")
	want(status, answer, http.StatusGatewayTimeout, "wamp.error.timeout")

	g.restart(t)
	status, _, answer = g.ask(ctx, t, "GET", doomed+"?wait=5s", "")
	want(status, answer, http.StatusOK, `"state":"canceled"`)
	status, _, answer = g.ask(ctx, t, "GET", later+"/result", "")
	want(status, answer, http.StatusConflict, "call_running")
	callee = g.join(t, echo(seen))
	if err := callee.register(ctx, nil, "test.absent"); err != nil {
		t.Fatal(err)
	}
	status, _, answer = g.ask(ctx, t, "GET", later+"?wait=30s", "")
	want(status, answer, http.StatusOK, `"state":"done"`)
	status, _, answer = g.ask(ctx, t, "GET", later+"/result", "")
	want(status, answer, http.StatusOK, `"x"`)
	status, _, answer = g.ask(ctx, t, "POST", "/call/test.absent?trust=persistent", `["x"]`, "Idempotency-Key", "order/17")
	want(status, answer, http.StatusOK, `"x"`)
	status, _, answer = g.ask(ctx, t, "POST", "/call/test.absent?trust=persistent", `["other"]`, "Idempotency-Key", "order/17")
	want(status, answer, http.StatusConflict, "wampgate.error.idempotency_conflict")
	status, _, answer = g.ask(ctx, t, "GET", "/calls", "")
	want(status, answer, http.StatusOK, `{"calls":[]}`) // of those without credentials nothing is listed
	status, _, answer = g.ask(ctx, t, "GET", "/calls/unknown", "")
	want(status, answer, http.StatusNotFound, "not_found")
	status, _, answer = g.ask(ctx, t, "POST", "/call/test.echo?trust=persistent&stream=sse", `[1]`)
	want(status, answer, http.StatusBadRequest, "one result")
	status, _, answer = g.ask(ctx, t, "POST", "/call/test.absent?trust=transactional", `[1]`)
	want(status, answer, http.StatusConflict, "wampgate.error.not_transactional")
	if err := g.stop(); err != nil {
		t.Errorf("the gateway ended with %v", err)
	}
}
