package dealer_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/shard"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestShardsAtRandom lets callees of a sharded procedure come and go at random
// while callers call it, cancel, run into timeouts and leave. Whatever
// happens:
//
//   - calls of one key do not overlap, beyond shard_concurrency;
//   - those of one caller and key arrive in order;
//   - a call waits only while others of its key, or of its slot, are worked on;
//   - each call gets one final answer;
//   - in the end nothing is left over.
func TestShardsAtRandom(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newShardWorld(t)
		t.Repeat(map[string]func(*rapid.T){
			"register":      w.register,
			"unregister":    w.unregister,
			"leave":         w.leave,
			"call":          w.call,
			"call again":    w.call,
			"call all":      w.callAll,
			"answer":        w.answer,
			"answer again":  w.answer,
			"cancel":        w.cancel,
			"wait":          w.wait,
			"undeliverable": w.undeliverable,
			"caller leaves": w.callerLeaves,
			"":              w.check,
		})
		w.end(t)
	})
}

// The sessions: two callers, the resolver, and callees from firstCallee on.
const (
	resolver    = wamp.ID(3)
	firstCallee = wamp.ID(10)
)

// A shardCall is a call as its caller knows it.
type shardCall struct {
	caller, id wamp.ID
	key        wamp.Key
	number     int // over all calls
	all        bool
	progress   bool
}

type invocationID struct{ callee, id wamp.ID }

type shardWorld struct {
	dealer      *dealer.Dealer
	now         time.Time
	options     wamp.ShardOptions
	steady      bool // no handover ends by its timeout
	callees     []wamp.ID
	places      map[wamp.ID]wamp.ID // registration by callee
	lastID      wamp.ID
	lastRequest map[wamp.ID]wamp.ID

	calls    int
	waiting  map[[2]wamp.ID]*shardCall    // by caller and CALL id
	working  map[invocationID]*shardCall  // INVOCATIONs that no answer was sent for
	asked    []wamp.ID                    // of the resolver
	arrived  map[string]int               // last number by caller and key
	lastSent map[wamp.ID]*wamp.Invocation // by callee
}

func newShardWorld(t *rapid.T) *shardWorld {
	w := &shardWorld{
		now: epoch(), places: map[wamp.ID]wamp.ID{}, lastID: firstCallee - 1, lastRequest: map[wamp.ID]wamp.ID{},
		waiting: map[[2]wamp.ID]*shardCall{}, working: map[invocationID]*shardCall{}, arrived: map[string]int{},
		lastSent: map[wamp.ID]*wamp.Invocation{},
	}
	w.steady = rapid.Bool().Draw(t, "steady")
	config := dealer.Config{MaxWaiting: 6, HandoverTimeout: time.Second}
	if w.steady {
		config.HandoverTimeout = time.Hour
	}
	w.dealer = dealer.New(config)
	w.options = wamp.ShardOptions{Group: "g", Concurrency: rapid.Int64Range(1, 2).Draw(t, "concurrency")}
	w.options.Strategy = rapid.SampledFrom([]wamp.ShardStrategy{wamp.ShardHash, wamp.ShardByRange, wamp.ShardCustom}).Draw(t, "strategy")
	for _, id := range []wamp.ID{1, 2, resolver} {
		w.join(t, id)
	}
	w.send(t, resolver, &wamp.Register{Request: w.request(resolver), Procedure: "r"})
	return w
}

func (w *shardWorld) join(t *rapid.T, id wamp.ID) {
	if err := w.dealer.Join(peer(id)); err != nil {
		t.Fatal(err)
	}
}

func (w *shardWorld) request(id wamp.ID) wamp.ID {
	w.lastRequest[id]++
	return w.lastRequest[id]
}

func (w *shardWorld) send(t *rapid.T, from wamp.ID, m wamp.Message) {
	out, err := w.dealer.Receive(w.now, from, m)
	if err != nil {
		t.Fatalf("Receive(%d, %s) = %v", from, m.Type(), err)
	}
	w.see(t, out)
}

func (w *shardWorld) see(t *rapid.T, out []dealer.Delivery) {
	for _, delivery := range out {
		to := delivery.To
		switch m := delivery.Message.(type) {
		case *wamp.Registered:
			w.places[to] = m.Registration
		case *wamp.Unregistered:
			delete(w.places, to)
		case *wamp.Invocation:
			w.invoked(t, to, m)
		case *wamp.Result:
			w.answered(t, to, m.Request, m.Details.Progress)
		case *wamp.Error:
			if m.RequestType == wamp.TypeCall {
				w.answered(t, to, m.Request, false)
			}
		}
	}
}

func (w *shardWorld) invoked(t *rapid.T, to wamp.ID, m *wamp.Invocation) {
	if to == resolver {
		w.asked = append(w.asked, m.Request)
		return
	}
	args, _, err := m.Payload.Decode()
	if err != nil || len(args) != 2 {
		t.Fatalf("INVOCATION to %d with arguments %v, %v", to, args, err)
	}
	caller, _ := args[0].(int64)
	id, _ := args[1].(int64)
	c := w.waiting[[2]wamp.ID{wamp.ID(caller), wamp.ID(id)}]
	if c == nil {
		t.Fatalf("INVOCATION to %d for call %d of %d, which has ended", to, id, caller)
		return
	}
	copied := *m
	w.lastSent[to] = &copied
	w.working[invocationID{to, m.Request}] = c
	if c.all {
		return
	}
	if d := m.Shard; d == nil || d.Key != c.key || d.Epoch == 0 {
		t.Fatalf("INVOCATION to %d for key %s with details %+v", to, c.key, d)
	}
	w.arrives(t, to, c)
}

// arrives checks order and overlap.
func (w *shardWorld) arrives(t *rapid.T, to wamp.ID, c *shardCall) {
	line := fmt.Sprint(c.caller, c.key)
	if w.arrived[line] >= c.number {
		t.Fatalf("call %d of key %s arrives after call %d of the same caller", c.number, c.key, w.arrived[line])
	}
	w.arrived[line] = c.number
	here, elsewhere := 0, 0
	for at, other := range w.working {
		switch {
		case other.key != c.key || other.all:
		case at.callee == to:
			here++
		default:
			elsewhere++
		}
	}
	if here > int(w.options.Concurrency) && w.steady || elsewhere > 0 && w.steady {
		t.Fatalf("callee %d works on %d calls of key %s, others on %d", to, here, c.key, elsewhere)
	}
}

func (w *shardWorld) answered(t *rapid.T, to, id wamp.ID, progress bool) {
	c := w.waiting[[2]wamp.ID{to, id}]
	if c == nil || progress && !c.progress {
		t.Fatalf("session %d gets an answer (progress: %t) for call %d, which is %+v", to, progress, id, c)
	}
	if !progress {
		w.forget(c)
	}
}

func (w *shardWorld) forget(c *shardCall) {
	delete(w.waiting, [2]wamp.ID{c.caller, c.id})
	maps.DeleteFunc(w.working, func(_ invocationID, other *shardCall) bool { return other == c })
}

func (w *shardWorld) register(t *rapid.T) {
	if len(w.callees) == 4 {
		t.Skip("enough")
	}
	w.lastID++
	w.join(t, w.lastID)
	w.callees = append(w.callees, w.lastID)
	o := w.options
	switch n := rapid.IntRange(0, 2).Draw(t, "member"); o.Strategy {
	case wamp.ShardHash:
		o.ID = []string{"", "a", "b"}[n]
	case wamp.ShardByRange:
		o.Range = []*wamp.ShardRange{{To: "n2", Type: "number"}, {From: "n2", Type: "number"}, {From: "n2", To: "n4", Type: "number"}}[n]
	case wamp.ShardCustom:
		o.ID, o.Resolver = []string{"a", "b", "c"}[n], "r"
	}
	options := wamp.RegisterOptions{Shard: &o}
	w.send(t, w.lastID, &wamp.Register{Request: w.request(w.lastID), Procedure: "p", Options: options})
}

func (w *shardWorld) pickCallee(t *rapid.T) wamp.ID {
	if len(w.callees) == 0 {
		t.Skip("no callees")
	}
	return rapid.SampledFrom(w.callees).Draw(t, "callee")
}

func (w *shardWorld) unregister(t *rapid.T) {
	id := w.pickCallee(t)
	if w.places[id] == 0 {
		t.Skip("not registered")
	}
	w.send(t, id, &wamp.Unregister{Request: w.request(id), Registration: w.places[id]})
}

func (w *shardWorld) leave(t *rapid.T) { w.leaveCallee(t, w.pickCallee(t)) }

func (w *shardWorld) leaveCallee(t *rapid.T, id wamp.ID) {
	w.callees = slices.DeleteFunc(w.callees, func(other wamp.ID) bool { return other == id })
	delete(w.places, id)
	maps.DeleteFunc(w.working, func(at invocationID, _ *shardCall) bool { return at.callee == id })
	w.see(t, w.dealer.Leave(w.now, id))
}

func (w *shardWorld) call(t *rapid.T) {
	keys := []wamp.Key{"s7", "sk2708", "n1", "b2"} // the first two in one slot
	if w.options.Strategy == wamp.ShardByRange {
		keys = []wamp.Key{"n1", "n2", "n3", "n5"}
	}
	c := &shardCall{caller: wamp.ID(rapid.IntRange(1, 2).Draw(t, "caller")), key: rapid.SampledFrom(keys).Draw(t, "key")}
	w.open(t, c, wamp.CallOptions{RoutingKey: c.key, Timeout: rapid.SampledFrom([]int64{0, 0, 500, 3000}).Draw(t, "timeout")})
}

func (w *shardWorld) callAll(t *rapid.T) {
	c := &shardCall{caller: wamp.ID(rapid.IntRange(1, 2).Draw(t, "caller")), all: true, progress: rapid.Bool().Draw(t, "progress")}
	w.open(t, c, wamp.CallOptions{RunMode: wamp.RunAll, ReceiveProgress: c.progress, Timeout: rapid.SampledFrom([]int64{0, 3000}).Draw(t, "timeout")})
}

func (w *shardWorld) open(t *rapid.T, c *shardCall, o wamp.CallOptions) {
	w.calls++
	c.id, c.number = w.request(c.caller), w.calls
	w.waiting[[2]wamp.ID{c.caller, c.id}] = c
	payload, _ := wamp.NewPayload(wamp.JSON, []any{c.caller, c.id}, nil)
	w.send(t, c.caller, &wamp.Call{Request: c.id, Procedure: "p", Options: o, Payload: payload})
}

func (w *shardWorld) answer(t *rapid.T) {
	if len(w.asked) > 0 && rapid.Bool().Draw(t, "resolver") {
		id := w.asked[0]
		w.asked = w.asked[1:]
		payload, _ := wamp.NewPayload(wamp.JSON, []any{rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "id")}, nil)
		w.send(t, resolver, &wamp.Yield{Request: id, Payload: payload})
		return
	}
	at, ok := w.pickWork(t)
	if !ok {
		t.Skip("nobody works")
	}
	delete(w.working, at)
	if rapid.Bool().Draw(t, "fails") {
		w.send(t, at.callee, &wamp.Error{RequestType: wamp.TypeInvocation, Request: at.id, Error: "e"})
		return
	}
	w.send(t, at.callee, &wamp.Yield{Request: at.id})
}

func (w *shardWorld) pickWork(t *rapid.T) (at invocationID, ok bool) {
	if len(w.working) == 0 {
		return at, false
	}
	all := slices.SortedFunc(maps.Keys(w.working), func(a, b invocationID) int {
		return int(a.callee)*10000 + int(a.id) - int(b.callee)*10000 - int(b.id)
	})
	return rapid.SampledFrom(all).Draw(t, "work"), true
}

func (w *shardWorld) cancel(t *rapid.T) {
	if len(w.waiting) == 0 {
		t.Skip("nobody waits")
	}
	ids := slices.SortedFunc(maps.Keys(w.waiting), func(a, b [2]wamp.ID) int { return int(a[0])*10000 + int(a[1]) - int(b[0])*10000 - int(b[1]) })
	c := w.waiting[rapid.SampledFrom(ids).Draw(t, "call")]
	mode := rapid.SampledFrom([]wamp.CancelMode{wamp.CancelDefault, wamp.CancelSkip, wamp.CancelKill}).Draw(t, "mode")
	w.send(t, c.caller, &wamp.Cancel{Request: c.id, Mode: mode})
}

// wait lets time pass, in the steps of the deadlines.
func (w *shardWorld) wait(t *rapid.T) {
	w.pass(t, rapid.SampledFrom([]time.Duration{100 * time.Millisecond, time.Second, 6 * time.Second, time.Minute}).Draw(t, "time"))
}

func (w *shardWorld) pass(t *rapid.T, by time.Duration) {
	end := w.now.Add(by)
	for {
		next, ok := w.dealer.NextDeadline()
		if !ok || next.After(end) {
			break
		}
		w.now = next
		w.see(t, w.dealer.Expire(w.now))
	}
	w.now = end
}

func (w *shardWorld) undeliverable(t *rapid.T) {
	id := w.pickCallee(t)
	m := w.lastSent[id]
	if m == nil || w.working[invocationID{id, m.Request}] == nil {
		t.Skip("nothing was sent")
	}
	delete(w.working, invocationID{id, m.Request})
	w.see(t, w.dealer.Undeliverable(w.now, id, m, wamp.ErrUnavailable, "full"))
}

func (w *shardWorld) callerLeaves(t *rapid.T) {
	id := wamp.ID(rapid.IntRange(1, 2).Draw(t, "caller"))
	w.forgetCaller(id)
	w.see(t, w.dealer.Leave(w.now, id))
	w.join(t, id)
}

func (w *shardWorld) forgetCaller(id wamp.ID) {
	for _, c := range slices.Collect(maps.Values(w.waiting)) {
		if c.caller == id {
			w.forget(c)
		}
	}
}

// check compares what the dealer holds with what the callers wait for.
func (w *shardWorld) check(t *rapid.T) {
	w.checkProgress(t)
	_, _, calls := w.dealer.Counts()
	parts := 0 // calls of the dealer's own
	for _, c := range w.working {
		if c.all {
			parts++
		}
	}
	if least := len(w.waiting) + parts; calls < least || calls > least+4+len(w.asked) {
		t.Fatalf("%d calls, but %d callers wait, %d members work on calls to all, and the resolver on %d", calls, len(w.waiting), parts, len(w.asked))
	}
}

// checkProgress looks for calls that wait for nothing.
func (w *shardWorld) checkProgress(t *rapid.T) {
	if len(w.asked) > 0 {
		return
	}
	busy := map[any]bool{}
	sent := map[*shardCall]bool{}
	for _, c := range w.working {
		sent[c] = true
		busy[w.slotOf(c)] = busy[w.slotOf(c)] || !c.all
	}
	for _, c := range w.waiting {
		if !sent[c] && !c.all && !busy[w.slotOf(c)] {
			t.Fatalf("call %d of key %s waits, and nobody works on its slot", c.number, c.key)
		}
	}
}

func (w *shardWorld) slotOf(c *shardCall) any {
	if w.options.Strategy == wamp.ShardHash {
		return shard.SlotOf(string(c.key))
	}
	return c.key
}

// end lets everybody leave.
func (w *shardWorld) end(t *rapid.T) {
	if rapid.Bool().Draw(t, "in peace") {
		for at, ok := w.pickWork(t); ok; at, ok = w.pickWork(t) {
			delete(w.working, at)
			w.send(t, at.callee, &wamp.Yield{Request: at.id})
		}
		w.pass(t, time.Minute)
	}
	for _, id := range slices.Clone(w.callees) {
		w.leaveCallee(t, id)
	}
	w.see(t, w.dealer.Leave(w.now, resolver))
	if len(w.waiting) > 0 {
		t.Fatalf("%d calls wait for an answer, and nobody is there to give it", len(w.waiting))
	}
	for _, id := range []wamp.ID{1, 2} {
		w.see(t, w.dealer.Leave(w.now, id))
	}
	if s := w.dealer.Stats(); s.Calls != ended(s) {
		t.Fatalf("Stats() = %+v: of %d calls %d have ended", s, s.Calls, ended(s))
	}
	sessions, registrations, calls := w.dealer.Counts()
	groups, lines, handovers := w.dealer.Groups()
	if sessions+registrations+calls+groups+lines+handovers > 0 {
		t.Fatalf("left over: %d sessions, %d registrations, %d calls, %d groups, %d lines, %d handovers",
			sessions, registrations, calls, groups, lines, handovers)
	}
	if _, ok := w.dealer.NextDeadline(); ok {
		t.Fatal("a deadline is left over")
	}
}
