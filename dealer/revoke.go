package dealer

import (
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// Revoke takes a callee's place in a registration away; false if it has none
// (spec, section "Registration Revocation"). The callee is told if it announced
// that it understands that. Invocations that it is working on go on.
func (d *Dealer) Revoke(now time.Time, registration, callee wamp.ID, reason wamp.URI) ([]Delivery, bool) {
	d.out.reset()
	s := d.sessions[callee]
	if s == nil || s.places[registration] == nil {
		return nil, false
	}
	d.revoke(now, s.places[registration], reason)
	return d.out.deliveries, true
}

// revoke takes a place away. The reason is a URI, since autobahn-python accepts
// nothing else.
func (d *Dealer) revoke(now time.Time, p *place, reason wamp.URI) {
	if p.session.callee.Has(wamp.FeatureRegistrationRevocation) {
		d.out.add(p.session, &wamp.Unregistered{Details: wamp.Dict{
			"registration": int64(p.registration.id), //nolint:gosec // ids end at 2^53
			"reason":       string(reason),
		}})
	}
	d.removePlace(now, p)
}

// checkForce returns what speaks against a callee with force_reregister, which
// takes the place of all that r has. They must be sessions of the same
// principal, such as its own that it lost the connection of: nobody else may
// be put out. Anonymous sessions cannot be told apart.
func checkForce(s *session, r *registration) refusal {
	for p := r.first; p != nil; p = p.after {
		if !samePrincipal(p.session.identity, s.identity) {
			return refusal{wamp.ErrNotAuthorized, quote(r.procedure) + " is registered by somebody else"}
		}
	}
	return refusal{}
}

func samePrincipal(a, b wamp.Identity) bool {
	anonymous := a.Authmethod == "anonymous" && b.Authmethod == "anonymous"
	return a.Authrole == b.Authrole && (a.Authid == b.Authid || anonymous)
}

// displace revokes all places of r. It returns the calls that wait for them,
// which are not looked at.
func (d *Dealer) displace(now time.Time, r *registration, reason wamp.URI) *queue {
	waiting := r.queue
	r.queue = nil
	for p := r.first; p != nil; {
		next := p.after
		d.revoke(now, p, reason)
		p = next
	}
	return waiting
}
