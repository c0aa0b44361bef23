package custody

import (
	"context"
	"maps"
	"strings"
	"sync"

	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A Handler takes what comes to a [Session], one after the other.
type Handler interface {
	// Arrived handles a CALL that was handed over. ctx ends with [Session.Run].
	Arrived(ctx context.Context, a *Arrival)
	// Answered handles the answer to a CALL of the session.
	Answered(a *Answer)
	// Registered handles the news that somebody registered.
	Registered(r Registration)
	// Departed handles the news that nobody waits any more for the answer to
	// the arrival with this INVOCATION, which is to be answered all the same.
	Departed(invocation wamp.ID)
}

// An Arrival is a CALL that was handed over.
type Arrival struct {
	Invocation wamp.ID
	Procedure  wamp.URI
	Payload    wamp.Payload
	wamp.KeptCall
}

// An Answer is what a callee, or the dealer, says to a CALL of the session.
type Answer struct {
	Request  wamp.ID
	Payload  wamp.Payload
	Passthru *wamp.Passthru
	Error    wamp.URI // empty for a result
	Origin   wamp.Origin
	Killed   bool // by an administrator
}

// A Registration says what calls may find a callee from now on.
type Registration struct {
	Procedure wamp.URI
	Exact     bool // no others than those of this URI
}

// maxInbox bounds the arrivals that wait to be handled. Answers are bounded by
// the calls under way.
const maxInbox = 20_000

// A Session is one whose messages stay in this process. It is the Outbox of its
// router.Session: what comes is copied and queued under the realm's lock, and
// handled by the goroutine of [Session.Run]. Other methods may be called by any
// number of goroutines at once, after Join.
type Session struct {
	Realm   wamp.URI
	handler Handler
	session *router.Session
	wake    chan struct{}

	mu    sync.Mutex // guards inbox; taken after the realm's lock
	inbox []any      // *Arrival, *Answer, Registration, wamp.ID of what has departed, func()
}

// NewSession returns a Session of a realm, which has not joined it.
func NewSession(realm wamp.URI, h Handler) *Session {
	return &Session{Realm: realm, handler: h, wake: make(chan struct{}, 1)}
}

// Join has the session join its realm with router.Router's JoinKeeper or
// JoinCoordinator, whose errors it returns.
func (s *Session) Join(join func(wamp.URI, router.Outbox) (*router.Session, error)) (err error) {
	s.session, err = join(s.Realm, s)
	return err
}

// Leave ends the session.
func (s *Session) Leave() { s.session.Leave() }

// Push implements router.Outbox.
func (s *Session) Push(m wamp.Message) error {
	var item any
	switch m := m.(type) {
	case *wamp.Invocation:
		item = newArrival(m)
	case *wamp.Result:
		if m.Details.Progress {
			return nil
		}
		item = &Answer{Request: m.Request, Payload: clonePayload(m.Payload), Passthru: m.Details.Passthru}
	case *wamp.Error:
		item = &Answer{Request: m.Request, Payload: clonePayload(m.Payload), Error: m.Error, Origin: m.Origin, Killed: m.Killed}
	case *wamp.Event:
		procedure, _ := m.Details["procedure"].(string)
		item = Registration{wamp.URI(procedure), m.Details["match"] == wamp.MatchExact.String()}
	case *wamp.Interrupt:
		item = m.Request
	default:
		return nil
	}
	return s.add(item)
}

// Behind has f done where the handler is called, behind all that has come by
// now. What the dealer answers at once has come when Submit returns.
func (s *Session) Behind(f func()) { _ = s.add(f) } // only arrivals are refused

func (s *Session) add(item any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, arrives := item.(*Arrival); arrives && len(s.inbox) >= maxInbox {
		return router.ErrFull
	}
	s.inbox = append(s.inbox, item)
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

func newArrival(m *wamp.Invocation) *Arrival {
	procedure := wamp.URI(strings.Clone(string(m.Details.Procedure))) // may be part of something larger
	a := &Arrival{Invocation: m.Request, Procedure: procedure, Payload: clonePayload(m.Payload)}
	if m.Kept != nil {
		a.KeptCall = *m.Kept
		a.Options.Custom = maps.Clone(a.Options.Custom)
	}
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
func (*Session) Close(error) {}

// Flush implements router.Outbox.
func (*Session) Flush() {}

// Congested implements router.Outbox.
func (*Session) Congested() bool { return false }

// Drained implements router.Outbox.
func (*Session) Drained(context.Context) error { return nil }

// Run handles what comes until ctx ends.
func (s *Session) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		s.mu.Lock()
		items := s.inbox
		s.inbox = nil
		s.mu.Unlock()
		for _, item := range items {
			switch item := item.(type) {
			case *Arrival:
				s.handler.Arrived(ctx, item)
			case *Answer:
				s.handler.Answered(item)
			case Registration:
				s.handler.Registered(item)
			case wamp.ID:
				s.handler.Departed(item)
			case func():
				item()
			}
		}
	}
}

// Submit sends a message of the session. It does not wait for receivers that
// are congested: others would wait with it. It fails when the session is over.
func (s *Session) Submit(m wamp.Message) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return s.session.Submit(ctx, m)
}

// Yield answers an arrival with a result, or a progressive one.
func (s *Session) Yield(invocation wamp.ID, p wamp.Payload, o wamp.YieldOptions) {
	_ = s.Submit(&wamp.Yield{Request: invocation, Payload: p, Options: o}) // fails when the session is over, and nobody waits any more
}

// Fail answers an arrival with an error, whose request it sets.
func (s *Session) Fail(invocation wamp.ID, e *wamp.Error) {
	e.RequestType, e.Request = wamp.TypeInvocation, invocation
	_ = s.Submit(e) // as in Yield
}

// Refusal returns the error of who has custody of a call, for Fail. Text is for
// people. More is in its keyword arguments, if the call may go on or something
// has been done: then it is no error from before any INVOCATION.
func Refusal(why wamp.URI, text string, more wamp.Dict) *wamp.Error {
	e := &wamp.Error{Error: why, Origin: wamp.OriginDealer}
	if more != nil {
		e.Origin = wamp.OriginDealerDispatched
	}
	if p, err := wamp.NewPayload(wamp.JSON, []any{text}, more); err == nil {
		e.Payload = p
	}
	return e
}
