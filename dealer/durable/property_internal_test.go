package durable

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A move is one thing that happens to a store.
type move struct {
	kind string
	id   int // of the call
	n    int // of whatever the kind has to choose
}

// TestAnythingMayHappen lets calls be accepted, answered, canceled and expire
// while the store crashes between any two appends and its disk fills. Whatever
// happened, in the end each accepted call has one outcome, which did not change
// once somebody had been told; calls of one key were begun in order; and the
// store keeps no call.
func TestAnythingMayHappen(t *testing.T) {
	t.Parallel()
	kinds := []string{
		"accept", "accept", "accept", "later", "brief", "keyed", "keyed", "cancel", "cancel", "crash", "crash within", "full", "room", "time", "time",
		"well", "refuse", "busy", "die", "die", "silent", "callee", "callee", "retry", "discard",
	}
	rapid.Check(t, func(rt *rapid.T) {
		moves := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) move {
			return move{rapid.SampledFrom(kinds).Draw(rt, "kind"), rapid.IntRange(0, 7).Draw(rt, "id"), rapid.IntRange(0, 9).Draw(rt, "n")}
		}), 10, 60).Draw(rt, "moves")
		var fault string
		synctest.Test(t, func(t *testing.T) {
			p := &play{stage: newStage(t, newDisk(), Config{MaxAttempts: 3, MaxCrashes: 2, RetryOn: []wamp.URI{"my.busy"}}), accepted: map[string]bool{}, told: map[string]reply{}, begun: map[string]bool{}}
			fault = p.run(moves)
		})
		if fault != "" {
			rt.Fatal(fault)
		}
	})
}

// A play is a run of TestAnythingMayHappen, and the model of it: what callers
// have been told.
type play struct {
	*stage
	caller   *client
	accepted map[string]bool
	told     map[string]reply // final answers
	retried  bool             // so that an outcome may change

	mu     sync.Mutex // guards the following fields
	callee *client
	mode   string // how the callee answers
	begun  map[string]bool
	order  []string // of the keyed calls, as they were begun
}

func (p *play) run(moves []move) string {
	p.arrive()
	for _, m := range moves {
		p.do(m)
		synctest.Wait()
	}
	p.disk.set(func() { p.disk.full, p.disk.budget = false, -1 })
	p.crash()
	p.setMode("well")
	p.arrive()
	sleep(time.Hour)
	return p.verdict()
}

// arrive joins a caller and a callee.
func (p *play) arrive() {
	p.caller = p.join(person("ada"))
	c := p.join(person("bob"))
	c.serve = p.work
	p.mu.Lock()
	p.callee = c
	p.mu.Unlock()
	c.register("my.work")
}

func (p *play) setMode(mode string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = mode
}

func (p *play) work(w work) {
	p.mu.Lock()
	mode := p.mode
	if w.args != "[0]" && !p.begun[w.id] {
		p.begun[w.id] = true
		p.order = append(p.order, w.id)
	}
	p.mu.Unlock()
	switch mode {
	case "refuse":
		w.fail("my.refused")
	case "busy":
		w.fail("my.busy")
	case "die":
		w.client.session.Leave()
	case "silent":
	default:
		w.done()
	}
}

func (p *play) do(m move) {
	id := fmt.Sprint("call", m.id)
	k := wamp.KeepOptions{CallID: id}
	switch m.kind {
	case "accept":
		p.make(k, "")
	case "later":
		k.Delay = int64(1+m.n) * 1000
		p.make(k, "")
	case "brief":
		k.Expiry = 500
		p.make(k, "")
	case "keyed":
		k.CallID = fmt.Sprint("key", m.id)
		p.make(k, "k")
	case "cancel":
		p.caller.ask("wampgate.call.cancel", fmt.Sprintf("[%q]", id))
	case "crash":
		p.restart(m.n > 4)
		p.arrive()
	case "crash within":
		p.disk.set(func() { p.disk.budget = m.n })
	case "full":
		p.disk.set(func() { p.disk.full = true })
	case "room":
		p.disk.set(func() { p.disk.full = false })
	case "time":
		sleep(time.Duration(1+m.n*m.n) * 300 * time.Millisecond)
	case "well", "refuse", "busy", "die", "silent":
		p.setMode(m.kind)
	case "callee":
		p.arrive()
	case "retry", "discard":
		if p.caller.ask(wamp.URI("wampgate.deadletter."+m.kind), fmt.Sprintf("[%q]", id)).err != wamp.ErrNoSuchCall {
			p.retried = true
		}
	}
	p.look(id)
}

func (p *play) make(k wamp.KeepOptions, key string) {
	args := "[0]"
	if key != "" {
		args = "[1]"
	}
	if p.caller.accept("my.work", k, key, args).err == "" {
		p.accepted[k.CallID] = true
	}
}

// look notes what a call came to, if it has ended.
func (p *play) look(id string) {
	request := p.caller.send("wampgate.call.wait", wamp.CallOptions{}, fmt.Sprintf("[%q]", id), `{"timeout":1}`)
	if r, ok := p.caller.reply(request); ok && r.err != wamp.ErrTimeout && r.err != ErrNoSuchCall && r.err != wamp.ErrUnavailable {
		if _, known := p.told[id]; !known {
			p.told[id] = r
		}
	}
}

// verdict says what is wrong in the end.
func (p *play) verdict() string {
	recorded := p.recorded()
	for id := range p.accepted {
		r := p.caller.ask("wampgate.call.wait", fmt.Sprintf("[%q]", id), `{"timeout":1}`)
		if r.err == ErrNoSuchCall || r.err == wamp.ErrTimeout || r.err == "no answer" {
			return fmt.Sprintf("%s was accepted and has come to %+v", id, r)
		}
		if before, ok := p.told[id]; ok && before != r && !p.retried {
			return fmt.Sprintf("%s had come to %+v, now to %+v", id, before, r)
		}
		if recorded[id] != 1 {
			return fmt.Sprintf("the outcome of %s is recorded %d times", id, recorded[id])
		}
	}
	if st := p.store.Stats(); st.Waiting+st.Running+st.Scheduled != 0 {
		return fmt.Sprintf("calls are left: %+v", st)
	}
	if left := p.disk.bodies("calls"); len(left) != 0 {
		return fmt.Sprintf("%d appends of calls are left", len(left))
	}
	s := p.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stubs != 0 || s.storing != 0 || s.unstored != 0 || s.inFlight.Count() != 0 || s.loadedBytes != 0 || s.digging != 0 || len(s.lines) != 0 || len(s.pools) != 0 {
		return fmt.Sprintf("sums that are not even: %+v, in flight %d, loaded %d, %d lines, %d pools", s.room, s.inFlight.Count(), s.loadedBytes, len(s.lines), len(s.pools))
	}
	if used, _ := s.calls.load(); used != 0 {
		return fmt.Sprintf("%d bytes of calls counted", used)
	}
	var inOrder []*kept
	for _, done := range s.done {
		if p.begun[done.ID] {
			inOrder = append(inOrder, done)
		}
	}
	slices.SortFunc(inOrder, func(a, b *kept) int { return int(a.Number) - int(b.Number) })
	for i, done := range inOrder {
		if i < len(p.order) && p.order[i] != done.ID {
			return fmt.Sprintf("begun %v, accepted %s as number %d; %v", p.order, done.ID, i, slices.Sorted(maps.Keys(p.begun)))
		}
	}
	return ""
}
