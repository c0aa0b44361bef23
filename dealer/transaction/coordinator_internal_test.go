package transaction

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/custody"
	"github.com/wampgate/wampgate/dealer/engine"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestCrashAtEachAppend kills the coordinator of a one shot after each of its
// appends: the next one ends it, with one decision, and calls at most once more.
func TestCrashAtEachAppend(t *testing.T) {
	t.Parallel()
	for _, refusing := range []bool{false, true} {
		for budget := 1; budget <= 12; budget++ {
			t.Run(fmt.Sprint(refusing, budget), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { crashAfter(t, refusing, budget) })
			})
		}
	}
}

func crashAfter(t *testing.T, refusing bool, budget int) {
	t.Helper()
	g := newStage(t, Config{})
	if refusing {
		g.answer("3 action", "e.no")
	}
	g.log.set(func() { g.log.budget = budget })
	g.join("joe", "user").run()
	g.crash()
	sleep(time.Second)
	joe := g.join("joe", "user")
	got := joe.run()
	if refusing {
		g.want("run", got, "e.no rolled_back=true", `"rolled_back":true`)
		g.want("get", joe.ask("wampgate.tx.get", wamp.CallOptions{}, `["t"]`, "{}"), `"aborted"`)
	} else {
		g.want("run", got, "ok ", `"committed"`)
	}
	if n := g.decisions(); n != 1 {
		t.Errorf("%d decisions", n)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for what, n := range g.calls {
		if n > 2 {
			t.Errorf("%s came %d times", what, n)
		}
	}
	if refusing != (g.calls["1 compensate"] > 0) || refusing != (g.calls["2 cancel"] > 0) || refusing == (g.calls["2 confirm"] > 0) {
		t.Errorf("calls: %v", g.calls)
	}
}

// TestRefusedAgain asks for a refused branch again when its transaction has
// ended, in a new session, before and after a crash.
func TestRefusedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, Config{})
		g.answer("1 action", "e.no")
		branch := func(name string) wamp.CallOptions {
			return wamp.CallOptions{Branch: &wamp.BranchOptions{Transaction: "t"}, Keep: &wamp.KeepOptions{CallID: name}}
		}
		joe := g.join("joe", "user")
		g.want("begin", joe.ask("wampgate.tx.begin", wamp.CallOptions{}, "[]", `{"id":"t"}`), "ok ")
		g.want("first", joe.ask("a.do", branch("x"), "[]", "{}"), "e.no rolled_back=true")
		g.want("again", g.join("joe", "user").ask("a.do", branch("x"), "[]", "{}"), "e.no rolled_back=true")
		g.crash()
		joe = g.join("joe", "user")
		g.want("after a crash", joe.ask("a.do", branch("x"), "[]", "{}"), "e.no rolled_back=true")
		g.want("another", joe.ask("a.do", branch("y"), "[]", "{}"), "transaction_ended rolled_back=true")
	})
}

// TestStuck fails compensations: the transaction is stuck, goes on when the
// callee heals, and only an admin gives it up.
func TestStuck(t *testing.T) {
	t.Parallel()
	for _, heals := range []bool{true, false} {
		t.Run(fmt.Sprint(heals), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newStage(t, Config{StuckAfter: 3})
				g.answer("3 action", "e.no")
				g.answer("1 compensate", "e.broken")
				joe, admin := g.join("joe", "user"), g.join("root", "admin")
				joe.run()
				sleep(time.Minute)
				get := func(c *client) string { return c.ask("wampgate.tx.get", wamp.CallOptions{}, `["t"]`, "{}") }
				g.want("get", get(joe), `"stuck":true`, `"aborting"`)
				g.want("get of an admin", get(admin), `"owner":"joe"`)
				g.want("get of another", get(g.join("ann", "user")), "no_such_transaction")
				if s := g.coordinator.Stats(); s.Stuck != 1 || s.Aborting != 1 {
					t.Errorf("stats: %+v", s)
				}
				force := func(c *client) string {
					return c.ask("wampgate.tx.force_end", wamp.CallOptions{}, `["t","given up"]`, "{}")
				}
				if heals {
					g.answer("1 compensate", "")
					sleep(10 * time.Minute)
					g.want("healed", get(joe), `"stuck":false`, `"aborted"`)
					return
				}
				g.want("force_end of a user", force(joe), "not_authorized")
				force(admin)
				g.want("forced", get(joe), `"forced"`, "given up")
			})
		})
	}
}

// TestStore has the log be full, silent, and another's.
func TestStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, Config{Retention: time.Minute})
		joe := g.join("joe", "user")
		g.log.set(func() { g.log.fails = engine.ErrFull })
		g.want("full", joe.run(), "unavailable")
		g.log.set(func() { g.log.fails, g.log.silent = nil, true })
		if s := g.coordinator.Stats(); s.Begun != 0 || s.Active != 0 || len(g.calls) != 0 {
			t.Errorf("when full: %+v, %v", s, g.calls)
		}
		g.want("silent", joe.run(), "unavailable", `"t"`)
		sleep(2 * time.Second)
		g.want("the same again", joe.run(), "ok ", `"committed"`)
		sleep(2 * time.Minute)
		g.want("after the retention", joe.ask("wampgate.tx.get", wamp.CallOptions{}, `["t"]`, "{}"), "no_such_transaction")
		if n := len(g.log.keys); n != 0 {
			t.Errorf("%d entries are left", n)
		}
		before := len(g.log.keys) + g.calls["1 action"]
		joe.ask("wampgate.tx.begin", wamp.CallOptions{}, "[]", `{"id":"s"}`)
		g.log.set(func() { g.log.fails = engine.ErrStale })
		g.want("stale", joe.ask("a.do", wamp.CallOptions{Branch: &wamp.BranchOptions{Transaction: "s"}}, "[]", "{}"), "unavailable")
		sleep(2 * time.Minute)
		if g.calls["1 action"] != before {
			t.Errorf("calls: %v", g.calls)
		}
	})
}

// TestCommitAtDeadline commits around the deadline: there is one decision, and
// who commits is told which.
func TestCommitAtDeadline(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-time.Millisecond, 0, time.Millisecond} {
		t.Run(off.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newStage(t, Config{})
				joe := g.join("joe", "user")
				joe.ask("wampgate.tx.begin", wamp.CallOptions{}, "[]", `{"id":"t","timeout":5000}`)
				joe.ask("a.do", wamp.CallOptions{Branch: &wamp.BranchOptions{Transaction: "t"}}, "[]", "{}")
				time.Sleep(5*time.Second + off) // of the bubble; the timer may be due at the same time
				got := joe.ask("wampgate.tx.commit", wamp.CallOptions{}, `["t"]`, "{}")
				sleep(time.Second)
				now := joe.ask("wampgate.tx.get", wamp.CallOptions{}, `["t"]`, "{}")
				if off < 0 {
					g.want("commit", got, "ok ", `"committed"`)
					g.want("get", now, `"committed"`)
				} else {
					g.want("commit", got, "transaction_ended")
					g.want("get", now, `"aborted"`)
				}
				if n := g.decisions(); n != 1 {
					t.Errorf("%d decisions", n)
				}
			})
		})
	}
}

// TestFullLater has an open transaction wait for room, and go on.
func TestFullLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, Config{})
		joe := g.join("joe", "user")
		joe.ask("wampgate.tx.begin", wamp.CallOptions{}, "[]", `{"id":"t"}`)
		g.log.set(func() { g.log.fails = engine.ErrFull })
		if got := joe.ask("a.do", wamp.CallOptions{Branch: &wamp.BranchOptions{Transaction: "t"}}, "[]", "{}"); got != "" || len(g.calls) != 0 {
			t.Errorf("when full: %q, calls %v", got, g.calls)
		}
		g.log.set(func() { g.log.fails = nil })
		sleep(2 * time.Second)
		g.want("commit", joe.ask("wampgate.tx.commit", wamp.CallOptions{}, `["t"]`, "{}"), "ok ", `"committed"`, `"done"`)
	})
}

// TestDrain begins nothing when it drains, and leaves what is open to the next.
func TestDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, Config{})
		joe := g.join("joe", "user")
		joe.ask("wampgate.tx.begin", wamp.CallOptions{}, "[]", `{"id":"s","timeout":60000}`)
		g.coordinator.Drain(t.Context()) // nothing is under way
		g.want("run", joe.run(), "unavailable")
		joe.ask("a.do", wamp.CallOptions{Branch: &wamp.BranchOptions{Transaction: "s"}}, "[]", "{}")
		if len(g.calls) != 0 {
			t.Errorf("calls: %v", g.calls)
		}
		g.crash()
		sleep(2 * time.Minute)
		g.want("get", g.join("joe", "user").ask("wampgate.tx.get", wamp.CallOptions{}, `["s"]`, "{}"), `"aborted"`)
	})
}

// TestStart asks a coordinator whose log cannot be opened, and one that is
// closed: the one asks again after a while, the other opens nothing.
func TestStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fault, asked := errors.New("no log"), 0
		c := New(Config{})
		c.source = func(context.Context) (source, error) { asked++; return nil, fault }
		for range 3 {
			if err := c.Start(t.Context()); !errors.Is(err, fault) || asked != 1 {
				t.Errorf("Start: %v, asked %d times", err, asked)
			}
		}
		sleep(custody.ReopenAfter)
		if err := c.Start(t.Context()); !errors.Is(err, fault) || asked != 2 {
			t.Errorf("Start later: %v, asked %d times", err, asked)
		}
		c.Close()
		sleep(custody.ReopenAfter)
		if err := c.Start(t.Context()); !errors.Is(err, custody.ErrClosed) || asked != 2 {
			t.Errorf("Start after Close: %v, asked %d times", err, asked)
		}
	})
}

// TestCallerLeaves has callers cancel what they wait for: they are told so at
// once, and the transaction goes on; a call that changes nothing is canceled.
func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, Config{})
		joe := g.join("joe", "user")
		joe.ask("wampgate.tx.begin", wamp.CallOptions{}, "[]", `{"id":"s","timeout":60000}`)
		cancel := func(what, reply string) {
			t.Helper()
			if reply != "" {
				t.Errorf("%s: %s", what, reply)
			}
			joe.submit(&wamp.Cancel{Request: joe.last, Mode: wamp.CancelKill})
			synctest.Wait()
			joe.mu.Lock()
			defer joe.mu.Unlock()
			g.want(what, joe.replies[joe.last], "canceled")
		}
		within := wamp.CallOptions{Branch: &wamp.BranchOptions{Transaction: "s"}}
		cancel("wait", joe.ask("wampgate.tx.wait", wamp.CallOptions{}, `["s"]`, "{}"))
		g.answer("1 action", silence)
		cancel("branch", joe.ask("a.do", within, "[]", "{}"))
		g.answer("<nil> <nil>", silence)
		reading := wamp.CallOptions{Branch: &wamp.BranchOptions{Transaction: "s", Readonly: true}}
		cancel("reading", joe.ask("a.undo", reading, "[]", "{}"))
		g.want("get", joe.ask("wampgate.tx.get", wamp.CallOptions{}, `["s"]`, "{}"), `"active"`, `"started"`)
		for _, a := range g.coordinator.agents {
			if len(a.waiting) != 0 || len(a.readers) != 0 {
				t.Errorf("%d wait, %d read", len(a.waiting), len(a.readers))
			}
		}
		sleep(time.Minute)
		g.answer("1 action", "")
		g.want("the end", joe.ask("wampgate.tx.wait", wamp.CallOptions{}, `["s"]`, "{}"), `"aborted"`)
	})
}

// TestNothingHeld asks for transactions where there can be none: nothing is
// opened, until one begins.
func TestNothingHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := router.New(router.Config{Realms: []dealer.Config{{Realm: realm}}})
		defer r.Shutdown(context.Background())
		asked := 0
		c := New(Config{Holds: func() bool { return false }})
		c.source = func(context.Context) (source, error) { asked++; return newLog(), nil }
		if err := c.Join(r, realm); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		g := &stage{t: t, router: r}
		joe := g.join("joe", "user")
		g.want("get", joe.ask("wampgate.tx.get", wamp.CallOptions{}, `["s"]`, "{}"), "no_such_transaction")
		g.want("list", joe.ask("wampgate.tx.list", wamp.CallOptions{}, "[]", "{}"), "ok [[]]")
		g.want("branch", joe.ask("a.do", wamp.CallOptions{Branch: &wamp.BranchOptions{Transaction: "s"}}, "[]", "{}"), "no_such_transaction")
		if asked != 0 {
			t.Errorf("the log was opened %d times", asked)
		}
		g.want("begin", joe.ask("wampgate.tx.begin", wamp.CallOptions{}, "[]", `{"id":"s"}`), `"active"`)
		if asked != 1 {
			t.Errorf("the log was opened %d times", asked)
		}
	})
}
