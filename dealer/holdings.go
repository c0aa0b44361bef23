package dealer

import "github.com/wampgate/wampgate/dealer/wamp"

// MayHold reports whether may is true for all that a session has registered
// (as a REGISTER would name it) and subscribed to. May is called until it is
// false, in no particular order.
func (d *Dealer) MayHold(id wamp.ID, may func(registered bool, match wamp.MatchPolicy, uri wamp.URI) bool) bool {
	s := d.sessions[id]
	if s == nil {
		return true
	}
	for _, p := range s.places {
		if !may(true, wamp.MatchPolicy(p.registration.match), p.registration.procedure) {
			return false
		}
	}
	for _, m := range s.subscriptions {
		if !may(false, wamp.MatchPolicy(m.subscription.topic.match), m.subscription.topic.uri) {
			return false
		}
	}
	return true
}
