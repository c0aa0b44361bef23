package transaction

import (
	"fmt"
	"slices"
	"time"

	"github.com/wampgate/wampgate/dealer/custody"
	"github.com/wampgate/wampgate/dealer/engine"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// What a waiter waits for.
type waitKind int

const (
	waitBegin    waitKind = iota // that the transaction has begun
	waitRun                      // what a one shot comes to
	waitBranch                   // what a branch comes to
	waitCommit                   // what is decided
	waitRollback                 // that it is undone
	waitEnd                      // that it has ended
)

// maxWaiters bounds those who wait for one transaction.
const maxWaiters = 1000

// A waiter is a CALL that is answered when its transaction has come that far.
type waiter struct {
	*question
	kind     waitKind
	branch   int // from 1; 0: none
	answered bool
	timer    *time.Timer
	tx       *tx     // that it waits for; nil for a call that changes nothing
	reads    wamp.ID // the request id of that call
}

// wake has w answered when it is time.
func (c *Coordinator) wake(t *tx, w *waiter) {
	if len(t.waiters) >= maxWaiters {
		w.end()
		c.mu.Later(func() { w.refuse(wamp.ErrUnavailable, "too many wait for this transaction", nil) })
		return
	}
	w.tx = t
	t.waiters = append(t.waiters, w)
	w.agent.waiting[w.Invocation] = w
}

// departed lets go of a waiter whose caller does not want an answer any more.
// The transaction goes on; a call that changes nothing is canceled.
func (c *Coordinator) departed(g *agent, invocation wamp.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch w := g.waiting[invocation]; {
	case w == nil:
	case w.tx == nil:
		c.mu.Later(func() { _ = g.Submit(&wamp.Cancel{Request: w.reads, Mode: wamp.CancelKill}) }) // fails when the session is over
	default:
		w.leave()
		c.mu.Later(func() {
			g.Fail(w.Invocation, &wamp.Error{Error: wamp.ErrCanceled, Origin: wamp.OriginDealerDispatched, Details: wamp.Dict{"transaction": w.tx.shown.ID}})
		})
	}
}

// leave ends w and takes it from those who wait.
func (w *waiter) leave() {
	w.end()
	w.tx.waiters = slices.DeleteFunc(w.tx.waiters, func(other *waiter) bool { return other == w })
}

// limit has w answered when its timeout is over. The transaction goes on.
func (w *waiter) limit(c *Coordinator, timeout time.Duration) {
	w.timer = time.AfterFunc(timeout, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if w.answered {
			return
		}
		w.leave()
		d := w.tx.shown.Dict()
		c.mu.Later(func() {
			if w.kind == waitEnd {
				w.yield(d)
				return
			}
			w.refuse(wamp.ErrTimeout, fmt.Sprintf("no answer within %v; the call goes on", timeout), wamp.Dict{"transaction": d["transaction"], "state": d["state"]})
		})
	})
}

// dismiss answers w with an error that changes nothing.
func (c *Coordinator) dismiss(w *waiter, why wamp.URI, text string) {
	w.end()
	c.mu.Later(func() { w.refuse(why, text, nil) })
}

// dismissAll answers all who wait for t, because there is nothing to wait for.
func (c *Coordinator) dismissAll(t *tx, text string) {
	for _, w := range t.waiters {
		w.end()
		c.mu.Later(func() { w.refuse(wamp.ErrUnavailable, text, wamp.Dict{"transaction": t.state.ID}) })
	}
	t.waiters = nil
}

func (w *waiter) end() {
	w.answered = true
	delete(w.agent.waiting, w.Invocation)
	if w.timer != nil {
		w.timer.Stop()
	}
}

// answerWaiters answers those who need not wait any more. Nothing is told that
// is not stored.
func (c *Coordinator) answerWaiters(t *tx) {
	waiting := t.waiters[:0]
	for _, w := range t.waiters {
		if !w.answered {
			c.answer(t, w)
		}
		if !w.answered {
			waiting = append(waiting, w)
		}
	}
	clear(t.waiters[len(waiting):])
	t.waiters = waiting
}

// answer answers w if it is time.
func (c *Coordinator) answer(t *tx, w *waiter) {
	s := &t.shown
	decided := s.State != Active && s.State != ""
	over := s.State.final() || decided && t.hurried
	told := func(yield func()) { w.end(); c.mu.Later(yield) }
	switch {
	case s.State == "":
	case w.kind == waitBegin:
		d := wamp.Dict{"transaction": s.ID, "state": string(s.State), "mode": s.Mode, "expires": s.Expires.UnixMilli()}
		told(func() { w.yield(d) })
	case w.granted(s.State, over):
		d := s.Dict()
		told(func() { w.yield(d) })
	case w.kind == waitCommit && decided, w.kind == waitRollback && over:
		more := wamp.Dict{"transaction": s.ID, "state": string(s.State), "reason": s.Reason}
		told(func() { w.refuse(wamp.ErrTransactionEnded, endedText, more) })
	case w.kind == waitRun && over, w.kind == waitBranch && w.branchOver(s, decided, over):
		w.end()
		c.recall(t, w)
	}
}

// granted reports whether w is to be told how the transaction stands, since
// that is what it asked for.
func (w *waiter) granted(now State, over bool) bool {
	switch w.kind {
	case waitEnd:
		return now.final()
	case waitRollback:
		return over && now != Committed && now != Committing
	case waitCommit:
		return now == Committed || now == Committing
	}
	return false
}

// branchOver reports whether the branch of w has come to something.
func (w *waiter) branchOver(s *Status, decided, over bool) bool {
	done := w.branch > 0 && w.branch <= len(s.Branches) && s.Branches[w.branch-1].State == branchDone
	return over || decided && w.branch == 0 || s.State == Active && done
}

// recall answers w with results: from memory while the transaction has not
// ended, else from the log.
func (c *Coordinator) recall(t *tx, w *waiter) {
	s := &t.state
	complete := !s.state.final()
	for _, b := range s.branches {
		complete = complete || b.result != nil
	}
	if complete || len(s.branches) == 0 || w.kind == waitBranch && w.branch == 0 {
		told := w.outcome(s, t.shown.State)
		c.mu.Later(told)
		return
	}
	c.work.Go(func() {
		old := &tx{}
		err := c.txLog.Entries(c.ctx, t.key, func(e engine.Entry) error {
			b, err := readBatch(e.Data)
			if err != nil {
				return err
			}
			return old.fold(b)
		})
		if err != nil {
			c.log.Warn("what a transaction came to cannot be read", "transaction", t.shown.ID, "err", err)
			w.refuse(wamp.ErrUnavailable, "the result cannot be read now", wamp.Dict{"transaction": t.shown.ID})
			return
		}
		if old.state.state == "" { // its time was over while this was under way
			w.refuse(wamp.ErrNoSuchTransaction, "no such transaction", nil)
			return
		}
		w.outcome(&old.state, old.state.state)()
	})
}

// outcome returns what tells w what its call, or all calls, came to.
func (w *waiter) outcome(s *state, now State) func() {
	more := wamp.Dict{"transaction": s.ID, "state": string(now)}
	switch {
	case now == Aborted || now == Aborting:
		return w.rolledBack(s, more)
	case now == Forced || w.kind == waitBranch && w.branch == 0:
		more["reason"] = s.reason
		return func() { w.refuse(wamp.ErrTransactionEnded, endedText, more) }
	case w.kind == waitBranch:
		p := s.branches[w.branch-1].result.wamp()
		return func() { w.agent.yield(w.Invocation, p, wamp.Dict{"transaction": s.ID, "branch": int64(w.branch)}) }
	case s.Single:
		p := s.branches[0].result.wamp()
		return func() { w.agent.yield(w.Invocation, p, wamp.Dict{"transaction": s.ID}) }
	}
	p, err := results(s, now)
	if err != nil {
		return func() {
			w.refuse(wamp.ErrInvalidArgument, "the results cannot be told together: "+err.Error(), more)
		}
	}
	return func() { w.agent.yield(w.Invocation, p, nil) }
}

// rolledBack returns what tells w that the transaction is undone, or is being
// undone, and why.
func (w *waiter) rolledBack(s *state, more wamp.Dict) func() {
	more["rolled_back"] = true
	if tell := w.refusedBy(s, more); tell != nil {
		return tell
	}
	if s.reason == reasonTimeout && (w.kind == waitRun || w.branch > 0) {
		return func() {
			w.refuse(wamp.ErrTimeout, "the transaction was not decided in time, and was rolled back", more)
		}
	}
	more["reason"] = s.reason
	return func() { w.refuse(wamp.ErrTransactionEnded, endedText, more) }
}

// refusedBy returns what tells w of the callee that refused, nil if none did or
// w waits for another one.
func (w *waiter) refusedBy(s *state, rolled wamp.Dict) func() {
	for i, b := range s.branches {
		if !b.refused || w.kind != waitRun && w.branch != i+1 {
			continue
		}
		rolled["branch"] = int64(i + 1)
		p := b.result.wamp()
		if w.kind == waitRun && !s.Single {
			p = withKwargs(p, rolled)
		}
		return func() { w.agent.fail(w.Invocation, b.error, p, rolled) }
	}
	return nil
}

// withKwargs adds keywords to a payload.
func withKwargs(p wamp.Payload, more wamp.Dict) wamp.Payload {
	entries := []wamp.Entry{}
	if p.Serializer == 0 {
		p.Serializer = wamp.JSON
	}
	if p.Kwargs != nil {
		for e, err := range p.Serializer.Entries(p.Kwargs) {
			if _, ours := more[e.Key]; err == nil && !ours {
				entries = append(entries, e)
			}
		}
	}
	for _, key := range []string{"rolled_back", "transaction", "state", "branch"} {
		if value, err := p.Serializer.AppendValue(nil, more[key]); err == nil && more[key] != nil {
			entries = append(entries, wamp.Entry{Key: key, Value: value})
		}
	}
	p.Kwargs = p.Serializer.AppendMap(nil, entries...)
	return p
}

// results returns what run answers with. Callees' payloads are not decoded.
func results(s *state, now State) (wamp.Payload, error) {
	list := make([][]byte, len(s.branches))
	for i, b := range s.branches {
		p, err := b.result.wamp().Transcode(wamp.JSON)
		if err != nil {
			return wamp.Payload{}, err
		}
		args, kwargs := p.Args, p.Kwargs
		if args == nil {
			args = []byte("[]")
		}
		if kwargs == nil {
			kwargs = []byte("{}")
		}
		list[i] = wamp.JSON.AppendMap(nil, wamp.Entry{Key: "args", Value: args}, wamp.Entry{Key: "kwargs", Value: kwargs})
	}
	id, _ := wamp.JSON.AppendValue(nil, s.ID) // strings have a form
	state, _ := wamp.JSON.AppendValue(nil, string(now))
	result := wamp.JSON.AppendMap(nil, wamp.Entry{Key: "transaction", Value: id}, wamp.Entry{Key: "state", Value: state},
		wamp.Entry{Key: "results", Value: wamp.JSON.AppendList(nil, list...)})
	return wamp.Payload{Serializer: wamp.JSON, Args: wamp.JSON.AppendList(nil, result)}, nil
}

// pass answers the caller of a call that changes nothing with what it came to.
func (w *waiter) pass(m *custody.Answer) {
	if m.Error != "" {
		w.agent.fail(w.Invocation, m.Error, m.Payload, nil)
		return
	}
	w.agent.yield(w.Invocation, m.Payload, wamp.Dict{"transaction": w.Options.Branch.Transaction})
}
