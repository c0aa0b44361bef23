package router_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// submit joins a local session and submits a CALL after the callee's outbox
// became congested. It returns how long that took.
func submit(t *testing.T, r *router.Router, ctx context.Context) time.Duration { //nolint:revive // t comes first in helpers
	t.Helper()
	s, err := r.JoinLocal(wamptest.Realm, wamp.Identity{}, wamp.Roles{Caller: true}, "", &inbox{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Leave()
	start := time.Now()
	if err := s.Submit(ctx, &wamp.Call{Request: 1, Procedure: "com.example.a"}); err != nil {
		t.Errorf("Submit: %v", err)
	}
	return time.Since(start)
}

func pass(d time.Duration) { <-time.After(d) }

// A sender waits for a congested callee: until it has drained, for StallLimit,
// or until its context ends, whichever comes first.
func TestSubmitWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(dealer.Config{})
		callee := join(t, r)
		callee.register("com.example.a")
		if got := submit(t, r, t.Context()); got != 0 {
			t.Errorf("waited %v for an idle callee", got)
		}
		drain := callee.congest()
		time.AfterFunc(3*time.Second, drain)
		if got := submit(t, r, t.Context()); got != 3*time.Second {
			t.Errorf("waited %v for a callee that drained after 3s", got)
		}
		callee.congest()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := submit(t, r, ctx); got != time.Second {
			t.Errorf("waited %v with a context of 1s", got)
		}
		if got := submit(t, r, t.Context()); got != router.DefaultStallLimit {
			t.Errorf("waited %v, want %v", got, router.DefaultStallLimit)
		}
		if got := submit(t, r, t.Context()); got != 0 {
			t.Errorf("waited %v for a callee others have waited for in vain", got)
		}
		callee.mu.Lock()
		callee.congested = false
		callee.mu.Unlock()
		submit(t, r, t.Context())
		callee.congest()
		if got := submit(t, r, t.Context()); got != router.DefaultStallLimit {
			t.Errorf("waited %v for a callee that is congested again, want %v", got, router.DefaultStallLimit)
		}
	})
}

// Who waits for whom, and for how long.
func TestPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(dealer.Config{})
		caller, callee := join(t, r), join(t, r)
		callee.register("com.example.a")
		wait := func(name string, p *peer, want time.Duration) {
			t.Helper()
			start := time.Now()
			if congested := p.batch.Congested(); congested != (want > 0) {
				t.Errorf("%s: Congested = %v", name, congested)
			}
			if err := p.batch.Drained(t.Context()); err != nil {
				t.Errorf("%s: Drained: %v", name, err)
			}
			if got := time.Since(start); got != want {
				t.Errorf("%s: waited %v, want %v", name, got, want)
			}
		}
		caller.send(`[48, 1, {}, "com.example.a"]`)
		caller.send(`[48, 2, {}, "com.example.a"]`)
		drain := caller.congest()
		callee.send(`[70, 1, {}]`)
		wait("answer to a congested caller", callee, router.DefaultAnswerStallLimit)
		callee.send(`[70, 2, {}]`)
		wait("second answer", callee, 0)
		drain()
		caller.send(`[48, 3, {}, "com.example.a"]`)
		wait("call", caller, 0)
		caller.congest()
		caller.send(`[48, 4, {}, "com.example.a"]`)
		wait("call of a congested caller", caller, router.DefaultStallLimit)

		callee.congest()
		callee.send(`[64, 2, {}, "com.example.b"]`)
		wait("a callee's own REGISTERED", callee, 0)
	})
}

func TestDrainedEndsWithContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(dealer.Config{})
		caller, callee := join(t, r), join(t, r)
		callee.register("com.example.a")
		callee.congest()
		caller.send(`[48, 1, {}, "com.example.a"]`)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := caller.batch.Drained(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drained: %v, want DeadlineExceeded", err)
		}
		if caller.batch.Congested() {
			t.Error("still congested after Drained")
		}
	})
}

// The timer runs when a call's time is over, whether calls with earlier or
// later deadlines came before or after, or ended.
func TestTimer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(dealer.Config{})
		caller, callee := join(t, r), join(t, r)
		callee.register("com.example.a")
		caller.send(`[48, 1, {"timeout": 5000}, "com.example.a"]`)
		caller.send(`[48, 2, {"timeout": 1000}, "com.example.a"]`)
		caller.send(`[48, 3, {"timeout": 3000}, "com.example.a"]`)
		callee.wants(`[68, 1, "*", "*"]`, `[68, 2, "*", "*"]`, `[68, 3, "*", "*"]`)
		callee.send(`[70, 2, {}]`)
		caller.wants(`[50, 2, {}]`)
		pass(2 * time.Second)
		caller.send(`[48, 4, {"timeout": 500}, "com.example.a"]`)
		pass(500 * time.Millisecond)
		synctest.Wait()
		caller.wants(`[8, 48, 4, {}, "wamp.error.timeout", "*"]`)
		pass(500 * time.Millisecond)
		synctest.Wait()
		caller.wants(`[8, 48, 3, {}, "wamp.error.timeout", "*"]`)
		pass(2 * time.Second)
		synctest.Wait()
		caller.wants(`[8, 48, 1, {}, "wamp.error.timeout", "*"]`)
	})
}
