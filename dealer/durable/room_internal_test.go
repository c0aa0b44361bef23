package durable

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestResultsFillTheStore makes calls with large results in a small store:
// acceptance stops, nothing waits in memory, nothing is made twice after a
// crash, and all are made when old results may be forgotten.
func TestResultsFillTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, newDisk(), Config{MaxBytes: 2 << 20})
		caller, callee := g.join(person("ada")), g.join(person("bob"))
		made := map[string]int{}
		serve := func() {
			callee.register("my.big")
			for works := callee.take(); len(works) > 0; works = callee.take() {
				for _, w := range works {
					made[w.id]++
					w.done(200_000)
				}
			}
		}
		accepted := 0
		for i := range 400 {
			if caller.accept("my.big", wamp.KeepOptions{CallID: fmt.Sprint(i)}, "", "[]").err == "" {
				accepted++
			}
		}
		g.want("accepted beforehand", accepted, 400)
		serve()
		used, _ := g.store.outcomes.load()
		if len(made) < 5 || used > 2<<20 || g.store.storing != 0 || g.store.unstored != 0 {
			t.Errorf("%d calls made, %d bytes used, %d on their way, %d held", len(made), used, g.store.storing, g.store.unstored)
		}
		if r := caller.accept("my.big", wamp.KeepOptions{}, "", "[]"); r.err != wamp.ErrUnavailable || !strings.Contains(r.args, "fill the store") {
			t.Errorf("a full store answers %+v", r)
		}
		before := len(made)
		g.crash()
		callee = g.join(person("bob"))
		serve()
		g.want("made after the crash", len(made), before)
		for range 60 * 12 {
			sleep(time.Minute)
			for works := callee.take(); len(works) > 0; works = callee.take() {
				for _, w := range works {
					made[w.id]++
					w.done(200_000)
				}
			}
		}
		g.want("made in the end", len(made), 400)
		for id, n := range made {
			if n != 1 {
				t.Errorf("%s was made %d times", id, n)
			}
		}
		if g.store.Stats().Forgotten == 0 {
			t.Error("nothing was forgotten early")
		}
	})
}

// TestResultTooLarge has a callee answer with more than is kept.
func TestResultTooLarge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, newDisk(), Config{MaxBytes: 2 << 20})
		caller := g.join(person("ada"))
		caller.register("my.big")
		caller.accept("my.big", wamp.KeepOptions{CallID: "a"}, "", "[]")
		caller.take()[0].done(300_000)
		synctest.Wait()
		g.want("state", caller.state("a"), Failed)
		if r := caller.ask("wampgate.call.wait", `["a"]`); r.err != wamp.ErrPayloadSizeExceeded || !strings.Contains(r.args, "262144") {
			t.Errorf("got %+v", r)
		}
	})
}

// TestDiskFull has the disk fill while calls are under way: nothing is
// accepted, nothing more is made, and the results are stored when there is room.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, newDisk(), Config{})
		caller := g.join(person("ada"))
		for _, id := range []string{"a", "b"} {
			caller.accept("my."+wamp.URI(id), wamp.KeepOptions{CallID: id}, "", "[]")
		}
		caller.register("my.a")
		g.disk.set(func() { g.disk.full = true })
		caller.take()[0].done()
		synctest.Wait()
		caller.register("my.b")
		g.want("works while the disk is full", len(caller.take()), 0)
		if r := caller.accept("my.c", wamp.KeepOptions{}, "", "[]"); r.err != wamp.ErrUnavailable || !strings.Contains(r.args, "cannot be stored") {
			t.Errorf("accepted: %+v", r)
		}
		g.disk.set(func() { g.disk.full = false })
		sleep(2 * time.Second)
		g.want("state", caller.state("a"), Succeeded)
		works := caller.take()
		g.want("works afterwards", len(works), 1)
		works[0].done()
		synctest.Wait()
		g.want("state", caller.state("b"), Succeeded)
	})
}

// TestOutcomesHaveTheirBound makes more calls than outcomes are kept.
func TestOutcomesHaveTheirBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, newDisk(), Config{MaxCalls: 5, MaxOutcomes: 10})
		caller := g.join(person("ada"))
		caller.serve = func(w work) { w.done() }
		caller.register("my.quick")
		accept := func(i int) reply { return caller.accept("my.quick", wamp.KeepOptions{CallID: fmt.Sprint(i)}, "", "[]") }
		for i := range 10 {
			if r := accept(i); r.err != "" {
				t.Fatalf("call %d: %+v", i, r)
			}
		}
		if r := accept(10); r.err != wamp.ErrUnavailable || !strings.Contains(r.args, "durable-max-results") {
			t.Errorf("one more: %+v", r)
		}
		sleep(DefaultMinRetention)
		if r := accept(11); r.err != "" {
			t.Errorf("when the oldest may be forgotten: %+v", r)
		}
		g.want("the oldest", caller.state("0"), ErrNoSuchCall)
		g.want("the youngest", caller.state("11"), Succeeded)
		sleep(DefaultRetention)
		g.want("a day later", caller.state("11"), ErrNoSuchCall)
		g.want("outcomes", g.store.Stats().Outcomes, 0)
	})
}

// TestDeadLettersHaveTheirBound gives up more calls than there is room for.
func TestDeadLettersHaveTheirBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, newDisk(), Config{MaxDeadLetters: 2, MaxAttempts: 1, RetryOn: []wamp.URI{"my.busy"}, Expiry: time.Hour})
		caller := g.join(person("ada"))
		for i := range 3 {
			caller.accept("my.poison", wamp.KeepOptions{CallID: fmt.Sprint(i)}, "", "[]")
		}
		caller.register("my.poison")
		made := 0
		for _, w := range caller.take() {
			made++
			w.fail("my.busy")
		}
		synctest.Wait()
		g.want("dead letters", g.store.Stats().DeadLetters, 2)
		if r := caller.accept("my.poison", wamp.KeepOptions{}, "", "[]"); r.err != wamp.ErrUnavailable || !strings.Contains(r.args, "2 dead letters wait") {
			t.Errorf("accepted: %+v", r)
		}
		g.crash()
		caller = g.join(person("ada"))
		caller.register("my.poison")
		sleep(2 * time.Hour)
		g.want("made again", len(caller.take()), 0)
		g.want("dead letters", g.store.Stats().DeadLetters, 2)
		list := caller.ask("wampgate.deadletter.list", "[]").args
		if !strings.Contains(list, `"bytes":`) {
			t.Errorf("no bytes in %s", list)
		}
		for i := range 3 {
			if strings.Contains(list, fmt.Sprintf(`"call_id":"%d"`, i)) {
				g.want("discard", caller.ask("wampgate.deadletter.discard", fmt.Sprintf(`["%d"]`, i)).err, "")
				break
			}
		}
		sleep(2 * time.Second)
		g.want("dead letters after one was discarded", g.store.Stats().DeadLetters, 2)
		for i := range 3 {
			g.want("state", caller.state(fmt.Sprint(i)), DeadLettered)
		}
		g.want("made in all", made, 3)
	})
}

// TestDeadLetterHoldsItsID uses the id of a dead letter again when its outcome
// would have been forgotten.
func TestDeadLetterHoldsItsID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, newDisk(), Config{MaxAttempts: 1, RetryOn: []wamp.URI{"my.busy"}})
		caller := g.join(person("ada"))
		caller.register("my.poison")
		caller.accept("my.poison", wamp.KeepOptions{CallID: "p"}, "", "[1]")
		caller.take()[0].fail("my.busy")
		sleep(2 * DefaultRetention)
		g.want("state", caller.state("p"), DeadLettered)
		g.want("another payload", caller.accept("my.poison", wamp.KeepOptions{CallID: "p"}, "", "[2]").err, ErrConflict)
		caller.accept("my.poison", wamp.KeepOptions{CallID: "p"}, "", "[1]")
		g.want("made again", len(caller.take()), 0)
		g.crash()
		caller = g.join(person("ada"))
		caller.register("my.poison")
		g.want("dead letters after a restart", g.store.Stats().DeadLetters, 1)
		g.want("retry", caller.ask("wampgate.deadletter.retry", `["p"]`).err, "")
		caller.take()[0].fail("my.busy")
		synctest.Wait()
		g.want("dead letters after a retry", g.store.Stats().DeadLetters, 1)
		sleep(2 * DefaultRetention)
		g.want("discard", caller.ask("wampgate.deadletter.discard", `["p"]`).err, "")
		g.want("state", caller.state("p"), ErrNoSuchCall)
		g.want("a new call", caller.accept("my.poison", wamp.KeepOptions{CallID: "p"}, "", "[2]").err, "")
		caller.take()[0].done()
		synctest.Wait()
		g.crash()
		g.want("dead letters in the end", g.store.Stats().DeadLetters, 0)
	})
}
