package main

import (
	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// A directory shows the gateway the registrations of a realm, with what their
// callees tell of them and what the configuration file does.
type directory struct {
	router *router.Router
	told   *descriptions
	realm  wamp.URI
}

// List implements gateway.Directory.
func (d directory) List(who wamp.Identity, after wamp.ID, limit int) ([]gateway.Procedure, wamp.ID) {
	found, next := d.router.Procedures(d.realm, who, after, limit)
	list := make([]gateway.Procedure, len(found))
	for i := range found {
		list[i] = d.shown(found[i])
	}
	return list, next
}

// Find implements gateway.Directory.
func (d directory) Find(who wamp.Identity, uri wamp.URI, policy wamp.MatchPolicy) (gateway.Procedure, bool) {
	p, ok := d.router.Procedure(d.realm, who, uri, policy)
	if !ok {
		return gateway.Procedure{}, false
	}
	return d.shown(p), true
}

// Match implements gateway.Directory.
func (d directory) Match(who wamp.Identity, uri wamp.URI) (gateway.Procedure, bool) {
	p, ok := d.router.Matching(d.realm, who, uri)
	if !ok {
		return gateway.Procedure{}, false
	}
	return d.told.of(uri).on(gateway.Procedure(p)), true
}

// shown returns a registration as the gateway knows it: the two packages do not
// know each other.
func (d directory) shown(p dealer.Procedure) gateway.Procedure {
	q := gateway.Procedure(p)
	return d.told.ofAll(&q).on(q)
}

// Generation implements gateway.Descriptions.
func (d directory) Generation() uint64 {
	return d.told.generation.Load() + d.router.Descriptions(d.realm)
}

// Describe implements gateway.Descriptions. What the file tells of a procedure
// holds before anybody has registered it.
func (d directory) Describe(uri wamp.URI) (gateway.Procedure, bool) {
	p, ok := d.router.Described(d.realm, uri)
	spec := d.told.of(uri)
	return spec.on(gateway.Procedure(p)), ok || spec != nil
}

// safe reports whether calls of uri change nothing.
func (d directory) safe(uri wamp.URI) bool {
	if spec := d.told.of(uri); spec != nil {
		if safe, told := spec.safe(); told {
			return safe
		}
	}
	return d.router.Safe(d.realm, uri)
}
