package durable

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/wampgate/wampgate/dealer/custody"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A keeper is the session that keeps the persistent calls of a realm, and makes
// them.
type keeper struct {
	*custody.Session

	store *Store

	// Guarded by store.mu.
	last    wamp.ID
	running map[wamp.ID]*call   // by the request id of its CALL
	waiting map[wamp.ID]*waiter // by the request id of its INVOCATION
}

func newKeeper(s *Store, realm wamp.URI) *keeper {
	k := &keeper{store: s, running: make(map[wamp.ID]*call), waiting: make(map[wamp.ID]*waiter)}
	k.Session = custody.NewSession(realm, k)
	return k
}

// An arrival is a CALL that was handed over.
type arrival struct {
	*custody.Arrival

	keeper *keeper
}

// Arrived implements custody.Handler.
func (k *keeper) Arrived(ctx context.Context, a *custody.Arrival) {
	k.store.arrive(ctx, &arrival{a, k})
}

// Answered implements custody.Handler.
func (k *keeper) Answered(a *custody.Answer) { k.store.answered(k, a) }

// Registered implements custody.Handler.
func (k *keeper) Registered(r custody.Registration) { k.store.registered(k, r) }

// Departed implements custody.Handler.
func (k *keeper) Departed(invocation wamp.ID) { k.store.departed(k, invocation) }

// yield answers an arrival.
func (k *keeper) yield(invocation wamp.ID, p wamp.Payload, passthru *wamp.Passthru, details wamp.Dict, progress bool) {
	k.Yield(invocation, p, wamp.YieldOptions{Progress: progress, Passthru: passthru, Custom: details})
}

// refuse answers an arrival with an error of the store. Text is for people; more
// is there if the call may go on.
func (k *keeper) refuse(invocation wamp.ID, why wamp.URI, text string, more wamp.Dict) {
	k.Fail(invocation, custody.Refusal(why, text, more))
}

func (k *keeper) fail(invocation wamp.ID, why wamp.URI, origin wamp.Origin, p wamp.Payload) {
	k.Fail(invocation, &wamp.Error{Error: why, Origin: origin, Payload: p})
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
func (s *Store) departed(k *keeper, invocation wamp.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := k.waiting[invocation]
	if w == nil {
		return
	}
	w.leave()
	w.stop()
	s.mu.Later(func() {
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
			s.mu.Unlock()
			return
		}
		state, stored := c.public(), c.state != writing
		w.leave()
		s.mu.Unlock()
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
