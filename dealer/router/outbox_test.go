package router_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// register makes p the callee of a procedure.
func (p *peer) register(procedure string) {
	p.t.Helper()
	p.send(fmt.Sprintf(`[64, 1, {}, %q]`, procedure))
	p.wants(`[65, 1, "*"]`)
}

// An outbox that refuses an INVOCATION ends the call; the callee stays.
func TestInvocationRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want wamp.URI
	}{
		{router.ErrFull, wamp.ErrUnavailable},
		{fmt.Errorf("wrapped: %w", router.ErrTooLarge), wamp.ErrPayloadSizeExceeded},
		{wamp.ErrUntranscodable, wamp.ErrInvalidArgument},
	} {
		r := newRouter(dealer.Config{})
		caller, callee := join(t, r), join(t, r)
		callee.register("com.example.a")
		callee.refuseAll(test.err, wamp.TypeInvocation)
		caller.send(`[48, 1, {}, "com.example.a"]`)
		caller.wants(fmt.Sprintf(`[8, 48, 1, {}, %q, ["*"]]`, test.want))
		callee.refuseAll(nil)
		caller.send(`[48, 2, {}, "com.example.a"]`)
		callee.wants(`[68, 2, "*", "*"]`)
		callee.wantClosed(t, nil)
		if got := r.Stats(); got.CallsInFlight != 1 || got.Refused != 1 {
			t.Errorf("%v: %d calls in flight and %d refused, want 1 and 1", test.err, got.CallsInFlight, got.Refused)
		}
	}
}

// A caller whose outbox refuses a result gets an ERROR in its place, unless it
// is broken; then it is cut off.
func TestResultRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want string // to the caller; empty if it is cut off
	}{
		{router.ErrFull, `[8, 48, 1, {}, "wamp.error.network_failure", "*"]`},
		{errors.New("anything else"), ""},
		{router.ErrTooLarge, `[8, 48, 1, {}, "wamp.error.payload_size_exceeded", "*"]`},
		{wamp.ErrUntranscodable, `[8, 48, 1, {}, "wamp.error.invalid_argument", "*"]`},
	} {
		r := newRouter(dealer.Config{})
		caller, callee := join(t, r), join(t, r)
		callee.register("com.example.a")
		caller.send(`[48, 1, {}, "com.example.a"]`)
		callee.wants(`[68, 1, "*", "*"]`)
		caller.refuseAll(test.err, wamp.TypeResult)
		callee.send(`[70, 1, {}]`)
		if test.want != "" {
			caller.wants(test.want)
			caller.wantClosed(t, nil)
			continue
		}
		caller.wants()
		caller.wantClosed(t, test.err)
		if err := caller.try(`[48, 2, {}, "com.example.a"]`); !errors.Is(err, router.ErrClosed) {
			t.Errorf("CALL after being cut off: %v, want ErrClosed", err)
		}
		callee.wants()
		if got := r.Stats(); got.Sessions != 1 || got.CutFull+got.CutOther != 1 {
			t.Errorf("%d sessions and %d cut off, want 1 and 1", got.Sessions, got.CutFull+got.CutOther)
		}
	}
}

// A progressive result that finds no room ends its call.
func TestProgressRefused(t *testing.T) {
	t.Parallel()
	r := newRouter(dealer.Config{})
	caller, callee := join(t, r), join(t, r)
	callee.register("com.example.a")
	caller.send(`[48, 1, {"receive_progress": true}, "com.example.a"]`)
	callee.wants(`[68, 1, "*", "*"]`)
	caller.refuseAll(router.ErrFull, wamp.TypeResult)
	callee.send(`[70, 1, {"progress": true}]`)
	caller.wants(`[8, 48, 1, {}, "wamp.error.network_failure", "*"]`)
	callee.wants(`[69, 1, {"mode": "killnowait", "reason": "*"}]`)
	caller.wantClosed(t, nil)
}

// When a session is cut off, those who depend on it are told; who of them
// takes nothing either is cut off as well, and so on.
func TestCutOffCascade(t *testing.T) {
	t.Parallel()
	const length = 50
	r := newRouter(dealer.Config{})
	chain := make([]*peer, length) // each calls the next
	for i := range chain {
		chain[i] = join(t, r)
		chain[i].register(fmt.Sprint("com.example.p", i))
	}
	for i, p := range chain[:length-1] {
		p.send(fmt.Sprintf(`[48, 2, {}, "com.example.p%d"]`, i+1))
		chain[i+1].wants(`[68, 1, "*", "*"]`)
	}
	first, last := join(t, r), join(t, r)
	last.register("com.example.last")
	chain[length-1].send(`[48, 2, {}, "com.example.last"]`)
	last.wants(`[68, 1, "*", "*"]`)
	first.send(`[48, 1, {}, "com.example.p0"]`)
	chain[0].wants(`[68, 1, "*", "*"]`)
	for _, p := range chain {
		p.refuseAll(router.ErrFull, wamp.TypeInterrupt, wamp.TypeResult, wamp.TypeError)
	}
	last.send(`[70, 1, {}]`)
	first.wants(`[8, 48, 1, {}, "wamp.error.canceled", "*"]`)
	for _, p := range chain {
		p.wantClosed(t, router.ErrFull)
	}
	if got := r.Stats(); got.Sessions != 2 || got.CallsInFlight != 0 || got.CutFull != length {
		t.Errorf("%d sessions, %d calls, %d cut off; want 2, 0, %d", got.Sessions, got.CallsInFlight, got.CutFull, length)
	}
}

// What an outbox finds out after it took a message ends the call as well.
func TestUndeliverable(t *testing.T) {
	t.Parallel()
	r := newRouter(dealer.Config{})
	caller, callee := join(t, r), join(t, r)
	callee.register("com.example.a")
	caller.send(`[48, 1, {}, "com.example.a"]`)
	callee.wants(`[68, 1, "*", "*"]`)
	var b router.Batch
	callee.Undeliverable(&b, &wamp.Invocation{Request: 1}, wamp.ErrUntranscodable)
	b.Flush()
	caller.wants(`[8, 48, 1, {}, "wamp.error.invalid_argument", "*"]`)
	callee.Undeliverable(&b, &wamp.Invocation{Request: 1}, wamp.ErrUntranscodable) // the call is over
	caller.Leave()
	caller.Undeliverable(&b, &wamp.Result{Request: 1}, wamp.ErrUntranscodable) // and so is the session
	b.Flush()
	callee.wants()
	callee.Undeliverable(&b, &wamp.Registered{}, router.ErrTooLarge)
	b.Flush()
	callee.wantClosed(t, router.ErrTooLarge)
}

// Calls that waited go to a newcomer in order, also when it does not take the
// first of them: what comes in its place follows the others.
func TestInvocationsInOrderAfterRefusal(t *testing.T) {
	t.Parallel()
	r := newRouter(dealer.Config{})
	caller, busy, newcomer := join(t, r), join(t, r), join(t, r)
	busy.send(`[64, 1, {"invoke": "roundrobin", "concurrency": 1}, "com.example.a"]`)
	busy.wants(`[65, 1, 1]`)
	caller.send(`[48, 1, {}, "com.example.a"]`)
	busy.wants(`[68, 1, 1, "*"]`)
	caller.send(`[48, 2, {}, "com.example.a", ["large"]]`)
	caller.send(`[48, 3, {}, "com.example.a"]`)
	caller.send(`[48, 4, {}, "com.example.a"]`)
	newcomer.refuse = func(m wamp.Message) error {
		if m, ok := m.(*wamp.Invocation); ok && bytes.Contains(m.Payload.Args, []byte("large")) {
			return router.ErrTooLarge
		}
		return nil
	}
	newcomer.send(`[64, 1, {"invoke": "roundrobin", "concurrency": 2}, "com.example.a"]`)
	newcomer.wants(`[65, 1, 1]`, `[68, 2, 1, "*"]`, `[68, 3, 1, "*"]`)
	caller.wants(`[8, 48, 2, {}, "wamp.error.payload_size_exceeded", "*"]`)
}

// A message is flushed once per batch and outbox, and again after a flush.
func TestBatchFlushesAgain(t *testing.T) {
	t.Parallel()
	r := newRouter(dealer.Config{})
	caller, callee := join(t, r), join(t, r)
	callee.register("com.example.a")
	for id := 1; id <= 3; id++ {
		caller.send(fmt.Sprintf(`[48, %d, {}, "com.example.a"]`, id))
		callee.wants(fmt.Sprintf(`[68, %d, "*", "*"]`, id))
	}
	other := join(t, r) // a batch of its own
	other.send(`[48, 1, {}, "com.example.a"]`)
	callee.wants(`[68, 4, "*", "*"]`)
	caller.send(`[48, 4, {}, "com.example.a"]`)
	callee.wants(`[68, 5, "*", "*"]`)
}
