package router

import (
	"context"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/auth"
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

// Transaction returns how a procedure of the realm can be called in
// transactions; see [dealer.Dealer.Transaction].
func (r *Router) Transaction(realm, uri wamp.URI) (o *wamp.TransactionOptions, registered bool) {
	m := r.realms[realm]
	if m == nil {
		return nil, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dealer.Transaction(uri)
}

// A Permit says whether somebody may make a call.
type Permit struct {
	Reason wamp.URI // of the refusal; empty if the call may be made
	Text   string   // for people
}

// Permit decides whether somebody may make a call in a realm, by the rules of
// his role; it keeps the call within them, but does not count it. If a
// procedure decides, it is asked when later is called, which may take as long as
// Config.AskTimeout, and the Permit returned is void.
func (r *Router) Permit(realm wamp.URI, who wamp.Behalf, call *wamp.Call) (p Permit, later func(context.Context) Permit) {
	m := r.realms[realm]
	if m == nil {
		return Permit{wamp.ErrNoSuchRealm, "there is no realm " + string(realm)}, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.access.Policy == nil {
		return Permit{}, nil
	}
	request, needed := auth.RequestOf(call)
	if !needed {
		return Permit{}, nil
	}
	rights := m.rightsOfRole(who.Identity.Authrole)
	switch d := rights.Decide(request); {
	case d.Ask:
		procedure, ttl := rights.Authorizer()
		return Permit{}, func(ctx context.Context) Permit {
			v, err := m.consult(ctx, who, procedure, ttl, request)
			switch {
			case err != nil:
				return Permit{wamp.ErrAuthorizationFailed, "the realm's authorizer cannot decide now; try again later"}
			case !v.allowed:
				return Permit{wamp.ErrNotAuthorized, "the realm's authorizer has refused this"}
			}
			return Permit{}
		}
	case !d.Allowed:
		return Permit{wamp.ErrNotAuthorized, d.Text}, nil
	default:
		reason, text := d.Rule.Limit(&call.Options)
		return Permit{reason, text}, nil
	}
}
