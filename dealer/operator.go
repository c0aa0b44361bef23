package dealer

import (
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// Operators see all of a realm, whoever else may know of it, and end what they
// want to. They are not of the realm: no session of theirs is needed, and no
// right. Lists come in pages, so that the lock around the dealer is never held
// for long.

// A Member is what there is to tell about a session.
type Member struct {
	Session  wamp.ID
	Identity wamp.Identity
	Agent    string // what the client says it is
	Joined   time.Time

	Registrations int
	Calls         int // in flight, that it made
	Invocations   int // in flight, that it works at
}

// Members lists sessions in the order in which they joined, from after the
// given one on, limit of them at most, and never more than 10,000. next is what
// the following list goes on after, a number that is no session id; 0 if there
// is none.
func (d *Dealer) Members(after wamp.ID, limit int) (list []Member, next wamp.ID) {
	next = d.members.page(after, min(limit, maxPage), func(s *session) { list = append(list, s.view()) })
	return list, next
}

// Member returns a session.
func (d *Dealer) Member(id wamp.ID) (Member, bool) {
	s := d.member(id)
	if s == nil {
		return Member{}, false
	}
	return s.view(), true
}

// member returns a session that is somebody's; nil if there is none.
func (d *Dealer) member(id wamp.ID) *session {
	if s := d.sessions[id]; s != nil && s.number != 0 {
		return s
	}
	return nil
}

func (s *session) view() Member {
	return Member{
		Session: s.id, Identity: s.identity, Agent: s.agent, Joined: s.joined,
		Registrations: len(s.places), Calls: len(s.calls), Invocations: len(s.invocations),
	}
}

// EndSession ends a session with a GOODBYE, as wamp.session.kill does; false if
// there is none.
func (d *Dealer) EndSession(now time.Time, id wamp.ID, goodbye *wamp.Goodbye) ([]Delivery, bool) {
	d.out.reset()
	s := d.member(id)
	if s == nil {
		return nil, false
	}
	d.killSessions(now, []*session{s}, goodbye)
	return d.out.deliveries, true
}

// Registrations is [Dealer.Procedures] for operators, who may know of all.
func (d *Dealer) Registrations(after wamp.ID, limit int) (list []Procedure, next wamp.ID) {
	next = d.registrations.page(after, min(limit, maxPage), func(r *registration) { list = append(list, r.view()) })
	return list, next
}

// Registration returns a registration and the sessions that are its callees, of
// which it lists the oldest, most of them at most.
func (d *Dealer) Registration(id wamp.ID, most int) (p Procedure, callees []wamp.ID, ok bool) {
	r := d.registrations.at(id)
	if r == nil {
		return Procedure{}, nil, false
	}
	for at := r.first; at != nil && len(callees) < most; at = at.after {
		callees = append(callees, at.session.id)
	}
	return r.view(), callees, true
}

// RevokeAll is [Dealer.Revoke] for all callees of a registration. Calls that
// wait for one of them end.
func (d *Dealer) RevokeAll(now time.Time, registration wamp.ID, reason wamp.URI) ([]Delivery, bool) {
	d.out.reset()
	r := d.registrations.at(registration)
	if r == nil {
		return nil, false
	}
	r.queue = d.displace(now, r, reason)
	d.dropHopeless(now, r)
	return d.out.deliveries, true
}

// A Progress is how far a call has come.
type Progress uint8

// How far a call may have come.
const (
	Waiting   Progress = iota // for a callee that is not busy
	Running                   // at its callee
	Canceling                 // its callee was interrupted, and may still answer
)

// String returns the word for p.
func (p Progress) String() string { return [...]string{"waiting", "running", "canceling"}[p] }

// InFlight is what there is to tell about a call in flight.
type InFlight struct {
	Caller       wamp.ID // its session
	Request      wamp.ID // of the CALL
	Identity     wamp.Identity
	Procedure    wamp.URI
	Registration wamp.ID // 0 if there is no one registration that it is at
	Callee       wamp.ID // its session; 0 while the call waits, or if several work at it
	Members      int     // how many of a shard group work at a call of all of them
	Progress     Progress
	Begun        time.Time
	Ends         time.Time // when the dealer ends it; zero if it may take as long as it takes
}

// A CallPlace is a place in the list of calls. The zero CallPlace is before all
// of them.
type CallPlace struct {
	Caller  wamp.ID // the place of its session, a number that is no session id
	Request wamp.ID
}

// Calls lists calls in flight, those of the same caller one after the other,
// from after the given place on, limit of them at most. It looks at no more
// than 10,000 sessions, so that the list may be shorter. next is what the
// following list goes on after, the zero CallPlace if there is none.
func (d *Dealer) Calls(after CallPlace, limit int) (list []InFlight, next CallPlace) {
	looked := 0
	for at, s := range d.callers(after.Caller) {
		if looked++; looked > maxPage {
			return list, CallPlace{at - 1, wamp.MaxID}
		}
		for _, id := range requestsAfter(s, at, after) {
			if len(list) == limit {
				return list, next
			}
			list, next = append(list, s.calls[id].view()), CallPlace{at, id}
		}
	}
	return list, CallPlace{}
}

// The places of those who keep calls, and make them: before all others.
const (
	placeOfKeeper wamp.ID = 1 + iota
	placeOfCoordinator
)

// callers iterates over the sessions from a place on, each with its place.
func (d *Dealer) callers(from wamp.ID) iter.Seq2[wamp.ID, *session] {
	return func(yield func(wamp.ID, *session) bool) {
		for i, p := range [...]*place{d.keeper, d.coordinator} {
			if at := placeOfKeeper + wamp.ID(i); p != nil && at >= from && !yield(at, p.session) {
				return
			}
		}
		for number, s := range d.members.after(max(from, placeOfCoordinator+1) - placeOfCoordinator - 1) {
			if !yield(placeOfCoordinator+number, s) {
				return
			}
		}
	}
}

// requestsAfter returns the ids of the calls of a session that come after a
// place, in order. It looks at all calls of the session.
func requestsAfter(s *session, at wamp.ID, place CallPlace) []wamp.ID {
	if at != place.Caller {
		return sortedIDs(s.calls)
	}
	ids := slices.Collect(maps.Keys(s.calls))
	ids = slices.DeleteFunc(ids, func(id wamp.ID) bool { return id <= place.Request })
	slices.Sort(ids)
	return ids
}

// Call returns a call in flight, by its caller's session and its request.
func (d *Dealer) Call(caller, request wamp.ID) (InFlight, bool) {
	if s := d.sessions[caller]; s != nil && s.calls[request] != nil {
		return s.calls[request].view(), true
	}
	return InFlight{}, false
}

func (c *call) view() InFlight {
	v := InFlight{
		Caller: c.caller.id, Request: c.id, Identity: c.caller.identity, Procedure: c.details.Procedure,
		Registration: c.registration, Progress: Running, Begun: c.begun, Ends: c.deadline,
	}
	switch {
	case c.queued != nil:
		v.Progress = Waiting
	case c.gathering() != nil:
		v.Members = c.gathering().left
	default:
		v.Callee = c.callee.id
	}
	switch {
	case c.killing:
		v.Progress = Canceling
	case c.receipt == receiptAwaited && c.expiry == wamp.ErrNetworkFailure: // that deadline is none of the call's own
		v.Ends = time.Time{}
		if c.afterReceipt > 0 {
			v.Ends = c.deadline.Add(c.afterReceipt)
		}
	}
	return v
}

// EndCall cancels a call in place of its caller, whose ERROR says that an
// administrator did (see [wamp.Error.Killed]). Canceling is whether its callee
// may still answer, as with mode kill; otherwise the call has ended. ok is false
// if there is no such call.
func (d *Dealer) EndCall(now time.Time, caller, request wamp.ID, mode wamp.CancelMode) (out []Delivery, canceling, ok bool) {
	d.out.reset()
	s := d.sessions[caller]
	if s == nil || s.calls[request] == nil {
		return nil, false, false
	}
	c := s.calls[request]
	c.killed = true
	if c.killing && mode == wamp.CancelSkip {
		mode = wamp.CancelKillNoWait // it has been interrupted, and shall not be waited for
	}
	_ = d.cancel(now, s, &wamp.Cancel{Request: request, Mode: mode}) // no CANCEL breaks the protocol
	return d.out.deliveries, s.calls[request] != nil, true
}

// killedBy is the key, in the details and keyword arguments of an ERROR, that
// says who killed the call.
const (
	killedBy      = "killed_by"
	administrator = "admin"
)

// sign says on an ERROR of the dealer's that an administrator killed the call,
// if that is why it ended. Some clients show the details, some the arguments.
func (c *call) sign(e *wamp.Error) {
	if !c.killed || e.Error != wamp.ErrCanceled {
		return
	}
	e.Killed = true
	if len(e.Payload.Args) == 0 {
		e.Payload = textPayload("an administrator killed the call")
	}
	e.Details = withDetail(e.Details, killedBy, administrator)
	said, _ := wamp.NewPayload(wamp.JSON, nil, e.Details) // strings and bools always have a form
	e.Payload.Kwargs = said.Kwargs
}

// signAnswer does so on the ERROR of a callee that was interrupted. Its
// arguments are its own.
func (c *call) signAnswer(e *wamp.Error) {
	if c.killed && (e.Error == wamp.ErrCanceled || e.Error == wamp.ErrCancelled) {
		e.Killed = true
		e.Details = withDetail(e.Details, killedBy, administrator)
	}
}
