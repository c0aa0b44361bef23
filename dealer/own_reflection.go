package dealer

import (
	"github.com/wampgate/wampgate/dealer/match"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// reflectionProcedure returns a procedure of the reflection API (spec, section
// "Procedure Reflection", a sketch). It tells what callees tell about their
// procedures.
func reflectionProcedure(uri wamp.URI) ownProcedure {
	switch uri {
	case "wamp.reflection.procedure.list":
		return (*Dealer).reflectionList
	case "wamp.reflection.procedure.describe", "wamp.reflect.describe":
		return (*Dealer).reflectionDescribe
	case "wamp.reflect.define":
		return (*Dealer).define
	}
	return nil
}

func (d *Dealer) reflectionList(c *ownCall) ([]any, refusal) {
	uris := []any{}
	why := list(c, &d.registrations, func(r *registration) {
		if d.visible(c.from.identity, r.procedure) {
			uris = append(uris, r.procedure)
		}
	})
	return []any{uris}, why
}

// reflectionDescribe tells about the registration that a URI names, or else
// the one that a call of it goes to.
func (d *Dealer) reflectionDescribe(c *ownCall) ([]any, refusal) {
	r, why := d.lookup(c)
	if why.uri != "" {
		return nil, why
	}
	uri, _ := c.name("a procedure's URI")
	if r == nil && c.arg(1) == nil {
		r, _ = d.find(wamp.URI(uri))
	}
	if d.idFor(c, r) == nil {
		return nil, refusal{wamp.ErrNoSuchProcedure, "no procedure " + quote(wamp.URI(uri))}
	}
	about := r.dict()
	about["callees"] = len(r.places)
	about["safe"] = r.safe == len(r.places)
	if r.about != nil {
		about["http"] = r.about.value()
	}
	return []any{about}, refusal{}
}

// define describes a procedure of the calling session: for clients that cannot
// say so when they register. Arguments are the URI, the description as it
// would be in "_http", and a dict of options with the match policy.
func (d *Dealer) define(c *ownCall) ([]any, refusal) {
	uri, why := c.name("a procedure's URI")
	if why.uri != "" {
		return nil, why
	}
	policy, why := c.match(2)
	if why.uri != "" {
		return nil, why
	}
	r, _ := d.procedures.At(match.Policy(policy), uri)
	if r == nil || c.from.places[r.id] == nil {
		return nil, refusal{wamp.ErrNoSuchRegistration, "this session has not registered " + quote(wamp.URI(uri))}
	}
	x, why := d.readDescription(r, c.arg(1))
	if why.uri != "" {
		return nil, why
	}
	if x != nil || r.about != nil {
		c.then = func() { d.defined(r) }
	}
	d.describe(r, x)
	c.from.places[r.id].declare(x != nil && x.safe)
	return nil, refusal{}
}

// declare says whether calls that go to p change nothing.
func (p *place) declare(safe bool) {
	switch {
	case safe && !p.safe:
		p.registration.safe++
	case !safe && p.safe:
		p.registration.safe--
	}
	p.safe = safe
}
