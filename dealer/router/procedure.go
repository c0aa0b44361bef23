package router

import (
	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// Procedures lists registrations of a realm that somebody may know of; see
// [dealer.Dealer.Procedures].
func (r *Router) Procedures(realm wamp.URI, who wamp.Identity, after wamp.ID, limit int) (list []dealer.Procedure, next wamp.ID) {
	m := r.realms[realm]
	if m == nil {
		return nil, 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dealer.Procedures(who, after, limit)
}

// Procedure returns a registration of a realm; see [dealer.Dealer.Procedure].
func (r *Router) Procedure(realm wamp.URI, who wamp.Identity, uri wamp.URI, policy wamp.MatchPolicy) (dealer.Procedure, bool) {
	m := r.realms[realm]
	if m == nil {
		return dealer.Procedure{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dealer.Procedure(who, uri, policy)
}

// Matching returns the registration of a realm that a call of uri goes to; see
// [dealer.Dealer.Matching].
func (r *Router) Matching(realm wamp.URI, who wamp.Identity, uri wamp.URI) (dealer.Procedure, bool) {
	m := r.realms[realm]
	if m == nil {
		return dealer.Procedure{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dealer.Matching(who, uri)
}

// Described returns the registration of a realm that a call of uri goes to; see
// [dealer.Dealer.Described].
func (r *Router) Described(realm, uri wamp.URI) (dealer.Procedure, bool) {
	m := r.realms[realm]
	if m == nil {
		return dealer.Procedure{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dealer.Described(uri)
}

// Descriptions tells whether what Described answers has changed; see
// [dealer.Dealer.Descriptions]. It takes no lock.
func (r *Router) Descriptions(realm wamp.URI) uint64 {
	m := r.realms[realm]
	if m == nil {
		return 0
	}
	return m.descriptions.Load()
}
