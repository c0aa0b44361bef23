package dealer

import (
	linked "container/list"
	"fmt"
	"time"

	"github.com/wampgate/wampgate/dealer/match"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A Dealer routes the calls of one realm. Make one with New. It is not safe
// for concurrent use: callers hold a lock, and append the deliveries to the
// peers' queues before they let go of it.
//
// Deliveries, their messages and what these point to are valid until the next
// call of a method other than [Dealer.Undeliverable] and
// [Dealer.Acknowledged]. The payloads alias the message that was handed to
// Receive. If [Dealer.HasMore], they are not all.
type Dealer struct {
	config   Config
	disclose *match.Index[DisclosePolicy] // Config.DiscloseFor; nil if there are no rules

	trustlevels trustIndexes // Config.Trustlevels; nil if there are no rules

	sessions map[wamp.ID]*session

	procedures       match.Index[*registration]
	lastRegistration wamp.ID
	places           int // over all registrations

	registrations ordered[registration] // by id
	descriptions  int                   // bytes, over all registrations
	changes       uint64                // of what Described may answer

	members    ordered[session] // by the order of joining
	lastNumber wamp.ID
	roles      map[string]int // sessions of each authrole
	broker     broker

	calls     int // in flight, those that wait for a callee among them
	held      int // bytes that are kept of calls
	deadlines deadlines

	groups    map[address]*group // of sharded registrations
	epoch     uint64             // the last one that began in a group
	handovers linked.List        // of *slot, the first to end first
	self      session            // the caller of the dealer's own calls
	keeper    *place             // gets persistent calls; nil if nobody keeps any
	unused    []*call            // records for reuse

	stats   Stats
	tallies tallies

	coordinator *place // gets transactions; nil if nobody coordinates any

	out outgoing
}

// New returns the Dealer of an empty realm.
func New(c Config) *Dealer {
	d := &Dealer{
		config:   c.withDefaults(),
		disclose: indexDisclosure(c.DiscloseFor),

		trustlevels: indexTrust(c.Trustlevels),

		sessions: make(map[wamp.ID]*session),
		roles:    make(map[string]int),
		epoch:    c.Epoch,
		tallies:  tallies{limit: c.MaxCounted, each: make(map[tallyKey]*tally)},
	}
	d.self.dealer = d
	return d
}

// Features returns what a WELCOME announces for the role "dealer".
func (d *Dealer) Features() wamp.Features {
	return wamp.FeatureProgressiveCallResults |
		wamp.FeatureProgressiveCallInvocations |
		wamp.FeatureCallTimeout |
		wamp.FeatureCallCanceling |
		wamp.FeatureCallerIdentification |
		wamp.FeatureCallTrustlevels |
		wamp.FeaturePayloadPassthruMode |
		wamp.FeaturePatternBasedRegistration |
		wamp.FeatureSharedRegistration |
		wamp.FeatureShardedRegistration |
		wamp.FeatureRegistrationRevocation |
		wamp.FeatureCallReroute |
		wamp.FeatureSessionMetaAPI |
		wamp.FeatureRegistrationMetaAPI
}

// Join adds a session. It fails if the id is not a valid one or in use.
func (d *Dealer) Join(p Peer) error {
	if !p.ID.Valid() {
		return fmt.Errorf("join realm %s: %d is no session id", d.config.Realm, p.ID)
	}
	if d.sessions[p.ID] != nil {
		return fmt.Errorf("join realm %s: session %d is already there", d.config.Realm, p.ID)
	}
	s := newSession(d, p)
	d.sessions[p.ID] = s
	switch part := (&place{registration: &registration{}, session: s}); {
	case p.Keeps:
		d.keeper = part
	case p.Coordinates:
		d.coordinator = part
	default:
		d.enroll(s, p.Agent)
	}
	return nil
}

// Leave removes a session for whatever reason: its registrations go, its
// callers get wamp.error.canceled, the callees working for it are
// interrupted. Leaving twice does nothing. The work is proportional to what
// the session owns.
func (d *Dealer) Leave(now time.Time, id wamp.ID) []Delivery {
	d.out.reset()
	s := d.sessions[id]
	if s == nil {
		return nil
	}
	d.leave(now, s)
	return d.out.deliveries
}

// leave is Leave as a part of a step.
func (d *Dealer) leave(now time.Time, s *session) {
	delete(d.sessions, s.id)
	switch {
	case d.keeper != nil && d.keeper.session == s:
		d.keeper = nil
	case d.coordinator != nil && d.coordinator.session == s:
		d.coordinator = nil
	default:
		d.strike(s)
	}
	d.broker.removeMembers(s)
	d.dropWaiting(now, s)
	for _, id := range sortedIDs(s.places) {
		d.removePlace(now, s.places[id])
	}
	for _, id := range sortedIDs(s.invocations) {
		d.calleeGone(now, s.invocations[id])
	}
	for _, id := range sortedIDs(s.calls) {
		d.callerGone(now, s.calls[id])
	}
	d.sessionLeft(s)
}

// dropWaiting ends the calls of a caller that is about to leave which wait, before
// what it leaves makes room for them.
func (d *Dealer) dropWaiting(now time.Time, s *session) {
	for _, id := range sortedIDs(s.calls) {
		if c := s.calls[id]; c.queued != nil || c.gathering() != nil {
			d.callerGone(now, c)
		}
	}
}

// Receive handles a message from a session; those of a session that has left
// are ignored. A non-nil error wraps [wamp.ErrMalformed] and means that the
// peer broke the protocol: its session must be aborted and left. The message
// is not kept.
func (d *Dealer) Receive(now time.Time, from wamp.ID, m wamp.Message) ([]Delivery, error) {
	d.out.reset()
	s := d.sessions[from]
	if s == nil {
		return nil, nil
	}
	if err := d.receive(now, s, m); err != nil {
		return nil, err
	}
	return d.out.deliveries, nil
}

func (d *Dealer) receive(now time.Time, s *session, m wamp.Message) error {
	switch m := m.(type) {
	case *wamp.Call:
		return d.call(now, s, m)
	case *wamp.Yield:
		return d.yield(now, s, m)
	case *wamp.Error:
		return d.calleeError(now, s, m)
	case *wamp.Cancel:
		return d.cancel(now, s, m)
	case *wamp.Register:
		return d.register(now, s, m)
	case *wamp.Unregister:
		return d.unregister(now, s, m)
	case *wamp.Subscribe:
		return d.subscribe(s, m)
	case *wamp.Unsubscribe:
		return d.unsubscribe(s, m)
	case *wamp.Publish:
		return d.publish(s, m)
	}
	return violation("a client may not send %s in an open session", m.Type())
}

// NextDeadline returns when Expire has something to do, or false if nothing
// is waiting for time to pass.
func (d *Dealer) NextDeadline() (time.Time, bool) {
	c, s := d.deadlines.next(), d.nextHandover()
	switch {
	case s != nil && (c == nil || s.until.Before(c.deadline)):
		return s.until, true
	case c != nil:
		return c.deadline, true
	}
	return time.Time{}, false
}

// Nearest returns a registered URI that uri is probably a misspelling of. It
// looks at no more than 1,000 registrations. A realm that hides registrations
// gives no hints.
func (d *Dealer) Nearest(uri wamp.URI) (wamp.URI, bool) {
	if d.config.MaySee != nil {
		return "", false
	}
	near, ok := d.procedures.Nearest(string(uri))
	return wamp.URI(near), ok
}

// Safe reports whether a call of uri changes nothing: every callee that it may
// go to has said so when it registered, with the option "_http": {"safe":
// true}.
func (d *Dealer) Safe(uri wamp.URI) bool {
	r, _ := d.find(uri)
	return r != nil && r.safe == len(r.places)
}

// Registered reports whether a call of uri has a registration to go to,
// whoever may know of it.
func (d *Dealer) Registered(uri wamp.URI) bool {
	r, _ := d.find(uri)
	return r != nil
}

// Counts returns how many sessions, registrations and calls in flight there
// are. A registration shared by several callees counts once.
func (d *Dealer) Counts() (sessions, registrations, calls int) {
	return len(d.sessions), d.procedures.Len(), d.calls
}
