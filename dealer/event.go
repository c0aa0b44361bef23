package dealer

import (
	"time"

	"github.com/wampgate/wampgate/dealer/match"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// An event is one of those that the dealer publishes (spec, sections "Session
// Meta API" and "Registration Meta API"). Each is published after the reply to
// the message that caused it. An event that nobody subscribed to costs a
// comparison.
type event uint8

const (
	onJoin event = iota
	onLeave
	onCreate
	onRegister
	onUnregister
	onDelete
	onDefine
	onUndefine
	eventCount
)

// topic returns the URI that the event is published to.
func (e event) topic() wamp.URI {
	return [eventCount]wamp.URI{
		"wamp.session.on_join",
		"wamp.session.on_leave",
		"wamp.registration.on_create",
		"wamp.registration.on_register",
		"wamp.registration.on_unregister",
		"wamp.registration.on_delete",
		"wamp.reflect.on_define",
		"wamp.reflect.on_undefine",
	}[e]
}

// heard reports whether anybody wants to know of e.
func (d *Dealer) heard(e event) bool { return len(d.broker.byEvent[e]) > 0 && !d.broker.muted }

// maxAtOnce is about how many deliveries a step has room for: what is published
// when it has as many waits for More. One session may cause a billion events.
const maxAtOnce = 16 << 10

// A notice is an event with what it says.
type notice struct {
	event       event
	about       wamp.URI // of a registration; an empty one is nobody's secret
	publication wamp.ID
	payload     wamp.Payload
}

// tell publishes e to those who may know of about.
func (d *Dealer) tell(e event, about wamp.URI, args ...any) {
	payload, _ := wamp.NewPayload(wamp.JSON, args, nil) // its types all have a form
	n := notice{e, about, d.publication(), payload}
	if len(d.broker.backlog) > 0 || len(d.out.deliveries) >= maxAtOnce {
		d.broker.backlog = append(d.broker.backlog, n)
		return
	}
	d.spread(&n)
}

// spread sends an event to its subscribers.
func (d *Dealer) spread(n *notice) {
	for _, sub := range d.broker.byEvent[n.event] {
		m := &wamp.Event{Subscription: sub.id, Publication: n.publication, Payload: n.payload}
		if sub.topic.match != match.Exact {
			m.Details = wamp.Dict{"topic": n.event.topic()}
		}
		for member := sub.first; member != nil; member = member.after {
			if n.about == "" || d.visible(member.session.identity, n.about) {
				d.out.add(member.session, m)
			}
		}
	}
}

// HasMore reports whether the last step has deliveries left for More.
func (d *Dealer) HasMore() bool { return len(d.broker.backlog) > 0 }

// More returns further deliveries of the last step, nil when there are none
// left. They are events that would have been too many at once, as when a session
// leaves that has registered a lot. Sessions that do not take what they get may
// leave meanwhile, but no message may be handled.
func (d *Dealer) More() []Delivery {
	d.out.reset()
	n := 0
	for ; n < len(d.broker.backlog) && len(d.out.deliveries) < maxAtOnce; n++ {
		d.spread(&d.broker.backlog[n])
	}
	if d.broker.backlog = d.broker.backlog[n:]; len(d.broker.backlog) == 0 {
		d.broker.backlog = nil
	}
	return d.out.deliveries
}

// publication returns the id of a new publication: random over the whole range
// (spec, section "Identifiers", global scope), or the next one if there is no
// chance.
func (d *Dealer) publication() wamp.ID {
	if d.config.Rand == nil {
		d.broker.lastPublication = d.broker.lastPublication.Next()
		return d.broker.lastPublication
	}
	high, low := d.config.Rand(1<<27), d.config.Rand(1<<26)
	return wamp.ID(high)<<26 + wamp.ID(low) + 1 //nolint:gosec // neither is negative
}

// Announce publishes that a session has joined. It is apart from Join so that
// the session's WELCOME can go first, and that one who did not get it never
// was there.
func (d *Dealer) Announce(now time.Time, id wamp.ID) []Delivery {
	d.out.reset()
	s := d.member(id)
	if s == nil || s.announced {
		return nil
	}
	s.announced, s.joined = true, now
	if d.heard(onJoin) {
		d.tell(onJoin, "", s.dict())
	}
	return d.out.deliveries
}

// Mute ends the publishing of events, for a realm that is about to close: with
// many sessions that leave and many that listen there would be too many.
func (d *Dealer) Mute() { d.broker.muted = true }

// sessionLeft publishes that a session has ended.
func (d *Dealer) sessionLeft(s *session) {
	if s.announced && d.heard(onLeave) {
		d.tell(onLeave, "", s.id, s.identity.Authid, s.identity.Authrole)
	}
}

// placeAdded publishes that a session became a callee of r, by which r came
// into being if it is the first.
func (d *Dealer) placeAdded(r *registration, s *session) {
	if len(r.places) == 1 && d.heard(onCreate) {
		d.tell(onCreate, r.procedure, s.id, r.dict())
	}
	if d.heard(onRegister) {
		d.tell(onRegister, r.procedure, s.id, r.id)
	}
}

// placeRemoved publishes that a session is no callee of r any more, by which r
// is gone if it was the last.
func (d *Dealer) placeRemoved(r *registration, s *session) {
	if d.heard(onUnregister) {
		d.tell(onUnregister, r.procedure, s.id, r.id)
	}
	if len(r.places) > 0 {
		return
	}
	if r.about != nil && d.heard(onUndefine) {
		d.tell(onUndefine, r.procedure, r.procedure)
	}
	if d.heard(onDelete) {
		d.tell(onDelete, r.procedure, s.id, r.id)
	}
}

// defined publishes what r was described as.
func (d *Dealer) defined(r *registration) {
	switch {
	case r.about != nil && d.heard(onDefine):
		d.tell(onDefine, r.procedure, r.procedure, r.about.value())
	case r.about == nil && d.heard(onUndefine):
		d.tell(onUndefine, r.procedure, r.procedure)
	}
}
