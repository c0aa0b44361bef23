package dealer

import (
	"fmt"

	"github.com/wampgate/wampgate/dealer/match"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// registrationProcedure returns a procedure of the registration meta API, and
// whether it ends what belongs to others.
func registrationProcedure(uri wamp.URI) (run ownProcedure, kills bool) {
	switch uri {
	case "wamp.registration.list":
		return (*Dealer).registrationList, false
	case "wamp.registration.lookup":
		return (*Dealer).registrationLookup, false
	case "wamp.registration.match":
		return (*Dealer).registrationMatch, false
	case "wamp.registration.get":
		return (*Dealer).registrationGet, false
	case "wamp.registration.list_callees":
		return (*Dealer).registrationListCallees, false
	case "wamp.registration.count_callees":
		return (*Dealer).registrationCountCallees, false
	case "wamp.registration.remove_callee":
		return (*Dealer).registrationRemoveCallee, true
	}
	return nil, false
}

// dict returns what the meta API tells of a registration.
func (r *registration) dict() wamp.Dict {
	dict := wamp.Dict{
		"id":      r.id,
		"created": timestamp(r.created),
		"uri":     r.procedure,
		"match":   wamp.MatchPolicy(r.match).String(),
		"invoke":  r.policy.String(),
	}
	if r.group != nil {
		dict["shard"], dict["shard_strategy"] = r.group.name, r.group.strategy.String()
	}
	if r.transaction != nil {
		dict["transaction"] = r.transaction.Dict()
	}
	return dict
}

// visible reports whether somebody may know of the registration of a URI.
func (d *Dealer) visible(who wamp.Identity, uri wamp.URI) bool {
	return d.config.MaySee == nil || d.config.MaySee(who, uri)
}

// idFor returns the id of r, or nil if there is no r that the caller may know
// of.
func (d *Dealer) idFor(c *ownCall, r *registration) any {
	if r == nil || !d.visible(c.from.identity, r.procedure) {
		return nil
	}
	return r.id
}

func (d *Dealer) registrationList(c *ownCall) ([]any, refusal) {
	var ids [match.Wildcard + 1][]wamp.ID
	why := list(c, &d.registrations, func(r *registration) {
		if d.visible(c.from.identity, r.procedure) {
			ids[r.match] = append(ids[r.match], r.id)
		}
	})
	lists := wamp.Dict{}
	for p := range ids {
		lists[wamp.MatchPolicy(p).String()] = ids[p]
	}
	return []any{lists}, why
}

func (d *Dealer) registrationLookup(c *ownCall) ([]any, refusal) {
	r, why := d.lookup(c)
	return []any{d.idFor(c, r)}, why
}

// lookup returns the registration of the URI and match policy that the
// arguments name, nil if there is none.
func (d *Dealer) lookup(c *ownCall) (*registration, refusal) {
	uri, why := c.name("a procedure's URI")
	if why.uri != "" {
		return nil, why
	}
	policy, why := c.match(1)
	r, _ := d.procedures.At(match.Policy(policy), uri)
	return r, why
}

func (d *Dealer) registrationMatch(c *ownCall) ([]any, refusal) {
	uri, why := c.name("a procedure's URI")
	r, _ := d.find(wamp.URI(uri))
	return []any{d.idFor(c, r)}, why
}

// registrationOf returns the registration whose id is the first argument.
func (d *Dealer) registrationOf(c *ownCall) (*registration, refusal) {
	id, why := c.id(0, "registration")
	if why.uri != "" {
		return nil, why
	}
	r := d.registrations.at(id)
	if d.idFor(c, r) == nil {
		return nil, refusal{wamp.ErrNoSuchRegistration, fmt.Sprintf("there is no registration %d", id)}
	}
	return r, refusal{}
}

func (d *Dealer) registrationGet(c *ownCall) ([]any, refusal) {
	r, why := d.registrationOf(c)
	if r == nil {
		return nil, why
	}
	return []any{r.dict()}, refusal{}
}

func (d *Dealer) registrationCountCallees(c *ownCall) ([]any, refusal) {
	r, why := d.registrationOf(c)
	if r == nil {
		return nil, why
	}
	return []any{len(r.places)}, refusal{}
}

// registrationListCallees lists all callees, the oldest first; there are no
// pages.
func (d *Dealer) registrationListCallees(c *ownCall) ([]any, refusal) {
	r, why := d.registrationOf(c)
	if r == nil {
		return nil, why
	}
	ids := make([]wamp.ID, 0, len(r.places))
	for p := r.first; p != nil; p = p.after {
		ids = append(ids, p.session.id)
	}
	return []any{ids}, refusal{}
}

func (d *Dealer) registrationRemoveCallee(c *ownCall) ([]any, refusal) {
	r, why := d.registrationOf(c)
	if r == nil {
		return nil, why
	}
	id, why := c.id(1, "session")
	if why.uri != "" {
		return nil, why
	}
	reason, why := c.reason(wamp.ErrUnregistered)
	if why.uri != "" {
		return nil, why
	}
	callee := d.sessions[id]
	if callee == nil || callee.places[r.id] == nil {
		return nil, refusal{wamp.ErrNoSuchSession, fmt.Sprintf("session %d is no callee of %s", id, quote(r.procedure))}
	}
	c.then = func() { d.revoke(c.now, callee.places[r.id], reason) }
	return nil, refusal{}
}
