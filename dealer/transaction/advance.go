package transaction

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/wampgate/wampgate/dealer/custody"
	"github.com/wampgate/wampgate/dealer/wamp"
)

func randomHex() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	return hex.EncodeToString(random[:])
}

// A tx is a transaction in memory. Its state is ahead of the log by at most the
// one append that is under way; until that is stored, nothing follows from it
// and nobody hears of it.
type tx struct {
	state state
	key   string
	agent *agent
	last  uint64 // number of the last append that is stored
	data  []byte // being appended; nil if nothing is
	shown Status // of what is stored

	inputs   []func(*state) []entry // wait until the append is stored
	attempts map[task]*attempt
	waiters  []*waiter
	deadline *time.Timer // nil when it is decided
	watched  time.Time   // what deadline is set to
	hurry    *time.Timer // who waits for what follows from the decision
	retry    *time.Timer // of an append
	hurried  bool
	doubtful bool // nobody knows whether its first append is stored
	dropped  bool
}

func (t *tx) stopTimers() {
	for _, timer := range []*time.Timer{t.deadline, t.hurry, t.retry} {
		if timer != nil {
			timer.Stop()
		}
	}
	for _, a := range t.attempts {
		a.stop()
	}
}

func (t *tx) apply(e *entry) error { return t.state.apply(e) }

// forgetPayloads lets go of what only the log needs to have.
func (t *tx) forgetPayloads() {
	t.state.Calls = nil
	for _, b := range t.state.branches {
		b.Arguments, b.result = payload{}, nil
	}
}

// take has an input handled when nothing is being appended. An input returns
// the entries that it makes of the state then.
func (c *Coordinator) take(t *tx, input func(*state) []entry) {
	if t.dropped {
		return
	}
	t.inputs = append(t.inputs, input)
	c.step(t)
}

// step appends what follows from the inputs, or does what is to be done when
// nothing does.
func (c *Coordinator) step(t *tx) {
	if t.data != nil || t.dropped {
		return
	}
	var entries []entry
	size, now := 0, time.Now().UTC()
	add := func(e entry) {
		if err := t.state.apply(&e); err != nil {
			c.log.Error("a step of a transaction is none", "transaction", t.state.ID, "kind", string(e.Kind), "err", err)
			return
		}
		if e.Result != nil {
			size += len(e.Result.Args) + len(e.Result.Kwargs)
		}
		if e.Call != nil {
			size += len(e.Call.Arguments.Args) + len(e.Call.Arguments.Kwargs)
		}
		entries = append(entries, e)
	}
	for len(t.inputs) > 0 && size < c.batch {
		input := t.inputs[0]
		t.inputs = t.inputs[1:]
		for _, e := range input(&t.state) {
			add(e)
		}
	}
	if e := t.state.timedOut(now); e != nil {
		c.log.Warn("a transaction was not decided in time and is aborted", "transaction", t.state.ID, "realm", string(t.state.Realm))
		add(*e)
	}
	for e := t.state.proceed(now); e != nil && len(entries) < 3*maxBranches; e = t.state.proceed(now) {
		add(*e)
		if e.Kind == kindStart {
			break // it is made first
		}
	}
	if len(entries) == 0 {
		c.perform(t)
		return
	}
	c.appends++
	b := batch{Nonce: c.nonce + strconv.FormatUint(c.appends, 16), Key: t.key, Entries: entries}
	t.data, _ = json.Marshal(b) // its types all have a form
	c.queue <- t                // has room for all
}

// stored goes on when an append is stored.
func (c *Coordinator) stored(t *tx) {
	was := t.shown.State
	t.shown = t.status(c.config.StuckAfter)
	if was == "" {
		c.stats.Begun++
	}
	if !t.watched.Equal(t.state.deadline) {
		c.watch(t)
	}
	if now := t.shown.State; now != was && now.final() {
		c.finished(t)
	}
	c.step(t)
	if t.data != nil {
		c.answerWaiters(t)
	}
}

func (c *Coordinator) finished(t *tx) {
	switch t.shown.State {
	case Committed:
		c.stats.Committed++
	case Aborted:
		c.stats.Aborted++
	default:
		c.stats.Forced++
	}
	c.open--
	c.ended = append(c.ended, t)
}

// perform makes the calls that are to be made, and ends those that are not any
// more. All that it looks at is stored.
func (c *Coordinator) perform(t *tx) {
	for task, a := range t.attempts {
		if !t.state.due(task) {
			c.abandon(a)
			delete(t.attempts, task)
		}
	}
	for _, task := range t.state.tasks() {
		if t.attempts[task] == nil && !c.inFlight.Draining() {
			a := &attempt{tx: t, task: task}
			t.attempts[task] = a
			c.start(a)
		}
	}
	if t.state.state != Active && t.deadline != nil {
		t.deadline.Stop()
		t.deadline = nil
	}
	if t.state.state != Active && !t.state.state.final() && t.hurry == nil {
		t.hurry = time.AfterFunc(settleWait, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			t.hurried = true
			c.answerWaiters(t)
		})
	}
	c.answerWaiters(t)
	if t.state.state.final() {
		t.stopTimers()
		t.forgetPayloads()
	}
}

// watch has a transaction aborted at its deadline.
func (c *Coordinator) watch(t *tx) {
	t.watched = t.state.deadline
	if t.state.state != Active {
		return
	}
	if t.deadline != nil {
		t.deadline.Stop()
	}
	t.deadline = time.AfterFunc(time.Until(t.state.deadline), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.step(t) // which looks at the time
	})
}

// An attempt is a call of a branch that is under way, or will be made again.
type attempt struct {
	tx      *tx
	task    task
	request wamp.ID // 0: it waits
	timer   *time.Timer
	failed  int  // how often it has failed in a row, for the pause
	secret  bool // its callee must not be told whom it is for
}

// procedure returns what the attempt calls.
func (a *attempt) procedure() wamp.URI {
	b := a.tx.state.branches[a.task.branch-1]
	switch a.task.op {
	case opCompensate:
		return b.Option.Compensate
	case opConfirm:
		return b.Option.Confirm
	case opCancel:
		return b.Option.Cancel
	case opAction, opTry:
	}
	return b.Procedure
}

func (a *attempt) stop() {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
}

// abandon ends an attempt whose answer does not matter any more.
func (c *Coordinator) abandon(a *attempt) {
	a.stop()
	delete(a.tx.agent.parked, a)
	if a.request == 0 {
		return
	}
	agent, request := a.tx.agent, a.request
	delete(agent.running, request)
	c.inFlight.End()
	c.mu.Later(func() { _ = agent.Submit(&wamp.Cancel{Request: request, Mode: wamp.CancelKillNoWait}) }) // fails when the session is over
}

// start makes the call of a task.
func (c *Coordinator) start(a *attempt) {
	t, agent := a.tx, a.tx.agent
	b := t.state.branches[a.task.branch-1]
	timeout := attemptTimeout
	if a.task.op.forward() {
		timeout = max(time.Until(t.state.deadline), time.Millisecond)
	}
	agent.last = agent.last.Next()
	a.request, a.timer = agent.last, nil
	delete(agent.parked, a)
	agent.running[a.request] = a
	c.inFlight.Begin()
	c.stats.Attempts++
	m := &wamp.Call{Request: a.request, Procedure: a.procedure(), Payload: b.Arguments.wamp(), Options: wamp.CallOptions{
		Timeout: timeout.Milliseconds(), DiscloseMe: b.Disclose && !a.secret, RoutingKey: wamp.Key(b.Key), Behalf: &t.state.Caller,
		Custom: wamp.Dict{"transaction": wamp.Dict{
			"id": t.state.UID, "branch": int64(a.task.branch), "op": string(a.task.op), "attempt": int64(b.attempts + 1),
		}},
	}}
	c.mu.Later(func() { _ = agent.Submit(m) }) // fails when the session is over; the next start makes the call again
}

// answered handles the answer to a call.
func (c *Coordinator) answered(g *agent, m *custody.Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := g.readers[m.Request]; w != nil {
		delete(g.readers, m.Request)
		w.end()
		c.mu.Later(func() { w.pass(m) })
		return
	}
	a := g.running[m.Request]
	if a == nil {
		return
	}
	delete(g.running, m.Request)
	c.inFlight.End()
	a.request = 0
	t, op, now := a.tx, a.task, time.Now().UTC()
	result := stored(m.Payload)
	tooLarge := len(result.Args)+len(result.Kwargs) > c.largest
	switch {
	case m.Error == "" && !op.op.forward():
		c.take(t, func(s *state) []entry { return s.ifDue(op, entry{Kind: kindSettled, At: now, Branch: op.branch}) })
	case m.Error == "" && tooLarge:
		e := entry{Kind: kindTried, At: now, Branch: op.branch, Error: wamp.ErrPayloadSizeExceeded, Reached: true}
		c.take(t, func(s *state) []entry { // it has an effect, which has to be undone
			return append(s.ifDue(op, e), s.ifDue(op, entry{Kind: kindDecide, At: now, Branch: op.branch, Reason: "a result is too large to be kept"})...)
		})
	case m.Error == "":
		c.take(t, func(s *state) []entry {
			return s.ifDue(op, entry{Kind: kindDone, At: now, Branch: op.branch, Result: &result})
		})
	case op.op.forward() && refusal(m):
		if tooLarge {
			result = payload{}
		}
		e := entry{Kind: kindFailed, At: now, Branch: op.branch, Error: m.Error, Result: &result}
		c.take(t, func(s *state) []entry { return s.ifDue(op, e) })
	default:
		c.failed(a, m)
	}
}

// ifDue returns e if its task is still to be done.
func (s *state) ifDue(t task, e entry) []entry {
	if !s.due(t) {
		return nil
	}
	return []entry{e}
}

// refusal reports whether an action has no effect: its callee says so, or no
// callee could ever get it.
func refusal(m *custody.Answer) bool {
	if m.Origin == wamp.OriginCallee {
		return true
	}
	switch m.Error {
	case wamp.ErrPayloadSizeExceeded, wamp.ErrInvalidArgument, wamp.ErrInvalidURI, wamp.ErrOptionNotAllowed,
		wamp.ErrOptionDisallowedMe, wamp.ErrDiscloseMeNotAllowed, wamp.ErrFeatureNotSupported:
		return true
	}
	return false
}

// failed has an attempt made again.
func (c *Coordinator) failed(a *attempt, m *custody.Answer) {
	t := a.tx
	if t.dropped {
		return
	}
	b := t.state.branches[a.task.branch-1]
	a.failed++
	if m.Error == wamp.ErrOptionDisallowedMe || m.Error == wamp.ErrDiscloseMeNotAllowed {
		a.secret = true
	}
	if m.Error == wamp.ErrNoSuchProcedure || m.Error == wamp.ErrNoAvailableCallee {
		t.agent.parked[a] = struct{}{}
	}
	if !a.task.op.forward() {
		c.stats.Failures++
		if b.attempts+1 == c.config.StuckAfter {
			c.log.Error("a transaction is stuck: what was decided cannot be done; it is tried again and again",
				"transaction", t.state.ID, "realm", string(t.state.Realm), "branch", a.task.branch, "op", string(a.task.op), "err", string(m.Error))
		}
	}
	a.timer = time.AfterFunc(min(firstBackoff<<min(a.failed-1, 20), lastBackoff), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.again(a)
	})
	reached := m.Origin != wamp.OriginDealer
	if b.attempts < c.config.StuckAfter || reached && !b.doubtful && a.task.op.forward() {
		task, e := a.task, entry{Kind: kindTried, At: time.Now().UTC(), Branch: a.task.branch, Error: m.Error, Reached: reached}
		c.take(t, func(s *state) []entry { return s.ifDue(task, e) })
	}
}

// again makes an attempt that waits.
func (c *Coordinator) again(a *attempt) {
	t := a.tx
	if t.attempts[a.task] != a || a.request != 0 || a.timer == nil || c.inFlight.Draining() {
		return
	}
	a.stop()
	if t.data != nil { // the state may be about to be another
		a.timer = time.AfterFunc(firstBackoff, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.again(a)
		})
		return
	}
	c.start(a)
}

// registered makes the calls that wait for a callee of what somebody has
// registered.
func (c *Coordinator) registered(g *agent, r custody.Registration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for a := range g.parked {
		if !r.Exact || a.procedure() == r.Procedure {
			delete(g.parked, a)
			c.again(a)
		}
	}
}
