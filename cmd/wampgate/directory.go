package main

import (
	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// A directory shows the gateway the registrations of a realm.
type directory struct {
	router *router.Router
	realm  wamp.URI
}

// List implements gateway.Directory.
func (d directory) List(who wamp.Identity, after wamp.ID, limit int) ([]gateway.Procedure, wamp.ID) {
	found, next := d.router.Procedures(d.realm, who, after, limit)
	list := make([]gateway.Procedure, len(found))
	for i := range found {
		list[i] = shown(found[i])
	}
	return list, next
}

// Find implements gateway.Directory.
func (d directory) Find(who wamp.Identity, uri wamp.URI, policy wamp.MatchPolicy) (gateway.Procedure, bool) {
	p, ok := d.router.Procedure(d.realm, who, uri, policy)
	return shown(p), ok
}

// Match implements gateway.Directory.
func (d directory) Match(who wamp.Identity, uri wamp.URI) (gateway.Procedure, bool) {
	p, ok := d.router.Matching(d.realm, who, uri)
	return shown(p), ok
}

// shown returns p as the gateway knows it: the two packages do not know each
// other.
func shown(p dealer.Procedure) gateway.Procedure { return gateway.Procedure(p) }

// Generation implements gateway.Descriptions.
func (d directory) Generation() uint64 { return d.router.Descriptions(d.realm) }

// Describe implements gateway.Descriptions.
func (d directory) Describe(uri wamp.URI) (gateway.Procedure, bool) {
	p, ok := d.router.Described(d.realm, uri)
	return shown(p), ok
}
