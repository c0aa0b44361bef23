package durable

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer/custody"
	"github.com/wampgate/wampgate/dealer/engine"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestWaitersLeave has those who wait for a call give up, by timeout, CANCEL
// and leaving: nothing is kept of them.
func TestWaitersLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, newDisk(), Config{})
		caller := g.join(person("ada"))
		caller.accept("my.absent", wamp.KeepOptions{CallID: "a"}, "", "[]")
		waiters := func() (n int) {
			g.store.mu.Lock()
			defer g.store.mu.Unlock()
			for _, c := range g.store.byName {
				n += len(c.waiters)
			}
			return n + len(g.store.keepers[realm].waiting)
		}
		timed := caller.send("wampgate.call.wait", wamp.CallOptions{}, `["a"]`, `{"timeout":1000}`)
		again := caller.send("my.absent", wamp.CallOptions{TrustLevel: trustPersistent, Timeout: 2000, Keep: &wamp.KeepOptions{CallID: "a"}}, "[]")
		canceled := caller.send("wampgate.call.wait", wamp.CallOptions{}, `["a"]`)
		gone := g.join(person("ada"))
		gone.send("wampgate.call.wait", wamp.CallOptions{}, `["a"]`)
		g.want("waiters", waiters(), 8)
		gone.session.Leave()
		synctest.Wait()
		g.want("waiters after one left", waiters(), 6)
		caller.submit(&wamp.Cancel{Request: canceled, Mode: wamp.CancelKill})
		r, _ := caller.reply(canceled)
		g.want("canceled", r.err, wamp.ErrCanceled)
		sleep(time.Second)
		r, _ = caller.reply(timed)
		g.want("timed out", r.err, wamp.ErrTimeout)
		sleep(time.Second)
		r, _ = caller.reply(again)
		g.want("timed out", r.err, wamp.ErrTimeout)
		g.want("waiters in the end", waiters(), 0)
		g.want("the call", caller.state("a"), Accepted)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		status, err := g.store.Await(ctx, realm, caller.who, "a")
		if err != nil || status.State != Accepted || waiters() != 0 {
			t.Errorf("Await: %+v, %v, %d waiters", status, err, waiters())
		}
	})
}

// TestAnonymousCalls: who has no credentials sees a call if he knows its id,
// and has no list of them.
func TestAnonymousCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stranger := wamp.Identity{Authid: "x1", Authrole: "anonymous", Authmethod: "anonymous"}
		g := newStage(t, newDisk(), Config{})
		caller := g.join(stranger)
		caller.accept("my.absent", wamp.KeepOptions{CallID: "a"}, "", "[]")
		g.want("list", caller.ask("wampgate.call.list", "[]").args, "[[]]")
		g.want("by id", caller.state("a"), Accepted)
		g.want("a named one", g.join(person("ada")).state("a"), ErrNoSuchCall)
		admin := person("root")
		admin.Authrole = custody.AdminRole
		if list := g.join(admin).ask("wampgate.call.list", "[]").args; !strings.Contains(list, `"a"`) {
			t.Errorf("an admin's list: %s", list)
		}
		g.config.ShareAnonymous = true
		g.crash()
		if list := g.join(stranger).ask("wampgate.call.list", "[]").args; !strings.Contains(list, `"a"`) {
			t.Errorf("a list where all is shared: %s", list)
		}
	})
}

// TestStartAfterClose asks a store that is closed: it stays so.
func TestStartAfterClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, newDisk(), Config{})
		g.store.Close()
		opened := false
		g.store.source = func(context.Context) (source, error) { opened = true; return g.disk, nil }
		if err := g.store.Start(t.Context()); !errors.Is(err, custody.ErrClosed) || opened {
			t.Errorf("Start: %v, opened %v", err, opened)
		}
		if _, err := g.store.Find(t.Context(), realm, person("ada"), "a"); !errors.Is(err, custody.ErrClosed) {
			t.Errorf("Find: %v", err)
		}
		never := New(Config{Open: func(context.Context) (*engine.Engine, error) { opened = true; return nil, nil }})
		never.Close()
		if err := never.Start(t.Context()); !errors.Is(err, custody.ErrClosed) || opened {
			t.Errorf("Start of one that was never open: %v, opened %v", err, opened)
		}
	})
}

// TestOrderOfDelayedCalls has calls of one key due at different times: they are
// made in the same order with a restart as without.
func TestOrderOfDelayedCalls(t *testing.T) {
	t.Parallel()
	order := func(t *testing.T, restart time.Duration) string {
		t.Helper()
		var made []string
		synctest.Test(t, func(t *testing.T) {
			g := newStage(t, newDisk(), Config{})
			caller := g.join(person("ada"))
			for i, delay := range []int64{0, 3000, 1000, 0, 2000, 1000} {
				caller.accept("my.keyed", wamp.KeepOptions{CallID: fmt.Sprint(i), Delay: delay}, "k", "[]")
				sleep(10 * time.Millisecond)
			}
			sleep(1500 * time.Millisecond)
			caller.accept("my.keyed", wamp.KeepOptions{CallID: "late"}, "k", "[]")
			if restart > 0 {
				sleep(restart)
				g.crash()
				caller = g.join(person("ada"))
			}
			caller.register("my.keyed")
			for range 100 {
				for _, w := range caller.take() {
					made = append(made, w.id)
					w.done()
				}
				sleep(100 * time.Millisecond)
			}
		})
		return strings.Join(made, " ")
	}
	const want = "0 3 2 5 late 4 1"
	for _, restart := range []time.Duration{0, time.Millisecond, 10 * time.Second} {
		if got := order(t, restart); got != want {
			t.Errorf("restart after %v: %s, want %s", restart, got, want)
		}
	}
}
