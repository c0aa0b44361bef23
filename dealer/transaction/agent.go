package transaction

import (
	"bytes"
	"context"
	"maps"
	"sync"

	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// An agent is the session that coordinates the transactions of a realm, and
// makes their calls. It is the Outbox of its session: what comes is copied and
// queued under the realm's lock, and handled by a goroutine of its own.
type agent struct {
	coordinator *Coordinator
	realm       wamp.URI
	session     *router.Session

	mu    sync.Mutex // guards inbox; taken after the realm's lock
	inbox []any      // *arrival, *answer, registration
	wake  chan struct{}

	// Guarded by coordinator.mu.
	last    wamp.ID
	running map[wamp.ID]*attempt // by the request id of its CALL
	readers map[wamp.ID]*waiter  // of calls that change nothing
	parked  map[*attempt]struct{}
}

// An arrival is a CALL that was handed over.
type arrival struct {
	agent      *agent
	invocation wamp.ID
	procedure  wamp.URI
	kept       wamp.KeptCall
	payload    wamp.Payload
}

// An answer is what a callee, or the dealer, says to a CALL of ours.
type answer struct {
	request wamp.ID
	payload wamp.Payload
	error   wamp.URI // empty for a result
	origin  wamp.Origin
}

// A registration is the news that somebody registered.
type registration struct{}

// maxInbox bounds the arrivals that wait to be handled. Answers are bounded by
// the calls under way.
const maxInbox = 20_000

// Push implements router.Outbox.
func (g *agent) Push(m wamp.Message) error {
	var item any
	switch m := m.(type) {
	case *wamp.Invocation:
		a := &arrival{agent: g, invocation: m.Request, payload: clonePayload(m.Payload)}
		a.procedure = wamp.URI(bytes.Clone([]byte(m.Details.Procedure))) // may be part of a buffer
		if m.Kept != nil {
			a.kept = *m.Kept
			a.kept.Options.Custom = maps.Clone(a.kept.Options.Custom)
		}
		item = a
	case *wamp.Result:
		if m.Details.Progress {
			return nil
		}
		item = &answer{request: m.Request, payload: clonePayload(m.Payload)}
	case *wamp.Error:
		item = &answer{
			request: m.Request, payload: clonePayload(m.Payload), origin: m.Origin,
			error: wamp.URI(bytes.Clone([]byte(m.Error))),
		}
	case *wamp.Event:
		item = registration{}
	default:
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, arrives := item.(*arrival); arrives && len(g.inbox) >= maxInbox {
		return router.ErrFull
	}
	if n := len(g.inbox); n > 0 && item == (registration{}) && g.inbox[n-1] == item {
		return nil
	}
	g.inbox = append(g.inbox, item)
	select {
	case g.wake <- struct{}{}:
	default:
	}
	return nil
}

// clonePayload copies a payload into one piece of memory.
func clonePayload(p wamp.Payload) wamp.Payload {
	p.Args, p.Kwargs = bytes.Clone(p.Args), bytes.Clone(p.Kwargs)
	return p
}

// Close implements router.Outbox.
func (*agent) Close(error) {}

// Flush implements router.Outbox.
func (*agent) Flush() {}

// Congested implements router.Outbox.
func (*agent) Congested() bool { return false }

// Drained implements router.Outbox.
func (*agent) Drained(context.Context) error { return nil }

// run handles what comes until ctx ends.
func (g *agent) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.wake:
		}
		g.mu.Lock()
		items := g.inbox
		g.inbox = nil
		g.mu.Unlock()
		for _, item := range items {
			switch item := item.(type) {
			case *arrival:
				g.coordinator.arrive(ctx, item)
			case *answer:
				g.coordinator.answered(g, item)
			case registration:
				g.coordinator.registered(g)
			}
		}
	}
}

// submit sends a message of the session. It does not wait for receivers that
// are congested: others would wait with it.
func (g *agent) submit(m wamp.Message) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return g.session.Submit(ctx, m)
}

func (g *agent) yield(invocation wamp.ID, p wamp.Payload, details wamp.Dict) {
	_ = g.submit(&wamp.Yield{Request: invocation, Payload: p, Options: wamp.YieldOptions{Custom: details}}) // fails when nobody waits any more
}

func (g *agent) fail(invocation wamp.ID, why wamp.URI, p wamp.Payload, details wamp.Dict) {
	_ = g.submit(&wamp.Error{RequestType: wamp.TypeInvocation, Request: invocation, Error: why, Payload: p, Details: details}) // as in yield
}

// refuse answers an arrival with an error. Text is for people; more is in its
// keyword arguments and details.
func (g *agent) refuse(invocation wamp.ID, why wamp.URI, text string, more wamp.Dict) {
	p, _ := wamp.NewPayload(wamp.JSON, []any{text}, more) // its types all have a form
	g.fail(invocation, why, p, more)
}
