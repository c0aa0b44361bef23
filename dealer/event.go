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

// tell publishes e to those who may know of about, the URI of a registration;
// an empty one is nobody's secret.
func (d *Dealer) tell(e event, about wamp.URI, args ...any) {
	payload, _ := wamp.NewPayload(wamp.JSON, args, nil) // its types all have a form
	publication := d.publication()
	for _, sub := range d.broker.byEvent[e] {
		m := &wamp.Event{Subscription: sub.id, Publication: publication, Payload: payload}
		if sub.topic.match != match.Exact {
			m.Details = wamp.Dict{"topic": e.topic()}
		}
		for member := sub.first; member != nil; member = member.after {
			if about == "" || d.visible(member.session.identity, about) {
				d.out.add(member.session, m)
			}
		}
	}
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
	s := d.sessions[id]
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
