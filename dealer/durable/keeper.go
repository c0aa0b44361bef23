package durable

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A keeper is the session that keeps the persistent calls of a realm, and makes
// them. It is the Outbox of its session: what comes is copied and queued under
// the realm's lock, and handled by a goroutine of its own.
type keeper struct {
	store   *Store
	realm   wamp.URI
	session *router.Session

	mu     sync.Mutex // guards the following fields; taken after the realm's lock
	inbox  []any      // *arrival, *answer, *wakeup, *departure
	closed bool
	wake   chan struct{}

	// Guarded by store.mu.
	last    wamp.ID
	running map[wamp.ID]*call   // by the request id of its CALL
	waiting map[wamp.ID]*waiter // by the request id of its INVOCATION
}

// An arrival is a CALL that was handed over.
type arrival struct {
	keeper     *keeper
	invocation wamp.ID
	procedure  wamp.URI
	caller     wamp.Behalf
	options    wamp.CallOptions
	payload    wamp.Payload
}

// An answer is what a callee, or the dealer, says to a CALL of ours.
type answer struct {
	request  wamp.ID
	payload  wamp.Payload
	passthru *wamp.Passthru
	error    wamp.URI // empty for a result
	origin   wamp.Origin
	killed   bool // by an administrator
}

// A wakeup says that somebody registered.
type wakeup struct {
	procedure wamp.URI
	exact     bool
}

// A departure says that a caller waits no more.
type departure struct{ invocation wamp.ID }

// maxInbox bounds the arrivals that wait to be handled. Answers are bounded by
// the calls under way.
const maxInbox = 20_000

// Push implements router.Outbox.
func (k *keeper) Push(m wamp.Message) error {
	var item any
	switch m := m.(type) {
	case *wamp.Invocation:
		item = newArrival(k, m)
	case *wamp.Result:
		if m.Details.Progress {
			return nil
		}
		item = &answer{request: m.Request, payload: clonePayload(m.Payload), passthru: m.Details.Passthru}
	case *wamp.Error:
		item = &answer{request: m.Request, payload: clonePayload(m.Payload), error: m.Error, origin: m.Origin, killed: m.Killed}
	case *wamp.Event:
		procedure, _ := m.Details["procedure"].(string)
		item = &wakeup{wamp.URI(procedure), m.Details["match"] == wamp.MatchExact.String()}
	case *wamp.Interrupt:
		item = &departure{m.Request}
	default:
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, arrives := item.(*arrival); arrives && len(k.inbox) >= maxInbox {
		return router.ErrFull
	}
	k.inbox = append(k.inbox, item)
	signal(k.wake)
	return nil
}

func newArrival(k *keeper, m *wamp.Invocation) *arrival {
	a := &arrival{keeper: k, invocation: m.Request, procedure: m.Details.Procedure, payload: clonePayload(m.Payload)}
	if m.Kept != nil {
		a.caller, a.options = m.Kept.Caller, m.Kept.Options
		a.options.Custom = maps.Clone(a.options.Custom)
	}
	a.procedure = wamp.URI(bytes.Clone([]byte(a.procedure))) // may be part of a buffer
	return a
}

// clonePayload copies a payload into one piece of memory.
func clonePayload(p wamp.Payload) wamp.Payload {
	data := make([]byte, 0, len(p.Args)+len(p.Kwargs))
	if p.Args != nil {
		data = append(data, p.Args...)
		p.Args = data[:len(data):len(data)]
	}
	if p.Kwargs != nil {
		data = append(data, p.Kwargs...)
		p.Kwargs = data[len(data)-len(p.Kwargs):]
	}
	return p
}

// Close implements router.Outbox.
func (k *keeper) Close(error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
}

// Flush implements router.Outbox.
func (*keeper) Flush() {}

// Congested implements router.Outbox.
func (*keeper) Congested() bool { return false }

// Drained implements router.Outbox.
func (*keeper) Drained(context.Context) error { return nil }

// run handles what comes until ctx ends.
func (k *keeper) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
		}
		k.mu.Lock()
		items := k.inbox
		k.inbox = nil
		k.mu.Unlock()
		for _, item := range items {
			switch item := item.(type) {
			case *arrival:
				k.store.arrive(ctx, item)
			case *answer:
				k.store.answered(k, item)
			case *wakeup:
				k.store.registered(k, item)
			case *departure:
				k.store.departed(k, item)
			}
		}
	}
}

// submit sends a message of the session. It does not wait for receivers that
// are congested: others would wait with it.
func (k *keeper) submit(m wamp.Message) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return k.session.Submit(ctx, m)
}

// yield answers an arrival.
func (k *keeper) yield(invocation wamp.ID, p wamp.Payload, passthru *wamp.Passthru, details wamp.Dict, progress bool) {
	_ = k.submit(&wamp.Yield{ // fails when the session is over, and nobody waits any more
		Request: invocation, Payload: p, Options: wamp.YieldOptions{Progress: progress, Passthru: passthru, Custom: details},
	})
}

// refuse answers an arrival with an error of the store. Text is for people; more
// is there if the call may go on.
func (k *keeper) refuse(invocation wamp.ID, why wamp.URI, text string, more wamp.Dict) {
	p, err := wamp.NewPayload(wamp.JSON, []any{text}, more)
	if err != nil {
		p = wamp.Payload{}
	}
	origin := wamp.OriginDealer
	if more != nil {
		origin = wamp.OriginDealerDispatched
	}
	k.fail(invocation, why, origin, p)
}

func (k *keeper) fail(invocation wamp.ID, why wamp.URI, origin wamp.Origin, p wamp.Payload) {
	_ = k.submit(&wamp.Error{RequestType: wamp.TypeInvocation, Request: invocation, Error: why, Origin: origin, Payload: p}) // as in yield
}

// A waiter is somebody who wants to know what comes of a call: a CALL, or who
// waits at a channel.
type waiter struct {
	keeper     *keeper
	invocation wamp.ID
	async      bool        // is answered when the call is accepted
	progress   bool        // is told so
	answered   atomic.Bool // it has been, or somebody is about to
	timer      *time.Timer
	call       *call         // that it waits for; guarded by Store.mu
	ended      chan struct{} // closed at the end; nil for a CALL
}

// departed lets go of a waiter whose caller does not want an answer any more.
// The call goes on.
func (s *Store) departed(k *keeper, d *departure) {
	s.mu.Lock()
	defer s.unlock()
	w := k.waiting[d.invocation]
	if w == nil {
		return
	}
	w.leave()
	w.stop()
	s.later(func() {
		if w.answered.CompareAndSwap(false, true) {
			w.keeper.fail(w.invocation, wamp.ErrCanceled, wamp.OriginDealerDispatched, wamp.Payload{})
		}
	})
}

// limit has a CALL that waits for a call answered when its timeout is over. The
// call goes on.
func (w *waiter) limit(s *Store, timeout time.Duration) {
	if timeout <= 0 || w.call == nil {
		return
	}
	w.timer = time.AfterFunc(timeout, func() {
		s.mu.Lock()
		c := w.call
		if c == nil || !w.answered.CompareAndSwap(false, true) {
			s.unlock()
			return
		}
		state, stored := c.public(), c.state != writing
		w.leave()
		s.unlock()
		if !stored {
			w.keeper.refuse(w.invocation, wamp.ErrUnavailable, "the store has not answered in time; the call may have been accepted: ask for it by its id, or repeat it", wamp.Dict{"call_id": c.ID})
			return
		}
		w.keeper.refuse(w.invocation, wamp.ErrTimeout, fmt.Sprintf("no answer within %v; the call goes on", timeout), wamp.Dict{"call_id": c.ID, "state": string(state)})
	})
}

// accepted tells a waiter that the call was; one that waited for no more than
// that is answered with it.
func (w *waiter) accepted(c *call, state State) {
	told := wamp.Dict{"call_id": c.ID, "state": string(state)}
	switch {
	case w.ended != nil:
	case w.async:
		w.stop()
		if w.answered.CompareAndSwap(false, true) {
			p, _ := wamp.NewPayload(wamp.JSON, []any{}, told) // strings always have a form
			w.keeper.yield(w.invocation, p, nil, told, false)
		}
	case w.progress && !w.answered.Load():
		w.keeper.yield(w.invocation, wamp.Payload{}, nil, told, true)
	}
}

func (w *waiter) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

// finished tells a waiter what the call came to.
func (w *waiter) finished(o *outcome, p wamp.Payload) {
	w.stop()
	if !w.answered.CompareAndSwap(false, true) {
		return
	}
	switch {
	case w.ended != nil:
		close(w.ended)
	case w.async:
		told := wamp.Dict{"call_id": o.ID, "state": string(o.State)}
		p, _ := wamp.NewPayload(wamp.JSON, []any{}, told)
		w.keeper.yield(w.invocation, p, nil, told, false)
	case o.Error != "":
		w.keeper.fail(w.invocation, o.Error, OriginOf(o.Error), p)
	default:
		w.keeper.yield(w.invocation, p, o.Passthru, wamp.Dict{"call_id": o.ID}, false)
	}
}

// failed tells a waiter that the call was not accepted.
func (w *waiter) failed(why wamp.URI, text string) {
	w.stop()
	if !w.answered.CompareAndSwap(false, true) {
		return
	}
	if w.ended != nil {
		close(w.ended)
		return
	}
	w.keeper.refuse(w.invocation, why, text, nil)
}
