package gateway

import (
	"maps"
	"slices"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A CallKey is where a call over HTTP is in the realm: the session of its
// principal, and the request of its CALL.
type CallKey struct{ Session, Request wamp.ID }

// CallIDs returns the IDs of the calls over HTTP that are in flight: those that
// the log and the field Wamp-Call-Id tell.
func (g *Gateway) CallIDs() map[CallKey]string {
	ids := make(map[CallKey]string)
	for _, p := range g.principals.all() {
		p.mu.Lock()
		for request, c := range p.calls {
			ids[CallKey{p.session.ID(), request}] = c.id
		}
		p.mu.Unlock()
	}
	return ids
}

// CallOf returns the call over HTTP in flight that has an ID.
func (g *Gateway) CallOf(id string) (CallKey, bool) {
	for _, p := range g.principals.all() {
		if request, ok := p.request(id); ok {
			return CallKey{p.session.ID(), request}, true
		}
	}
	return CallKey{}, false
}

// all returns the principals that have a session.
func (ps *principals) all() []*principal {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return slices.Collect(maps.Values(ps.open))
}

// request returns the request of the call with an ID.
func (p *principal) request(id string) (wamp.ID, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for request, c := range p.calls {
		if c.id == id {
			return request, true
		}
	}
	return 0, false
}
