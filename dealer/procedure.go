package dealer

import (
	"time"

	"github.com/wampgate/wampgate/dealer/match"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A Procedure is what there is to tell about a registration.
type Procedure struct {
	Registration wamp.ID
	URI          wamp.URI // or the pattern
	Match        wamp.MatchPolicy
	Invoke       wamp.InvokePolicy
	Created      time.Time
	Callees      int
	Safe         bool   // all callees declare that a call changes nothing
	Description  []byte // what a callee tells, a JSON object; nil if none does; not to be changed
}

// Procedures lists registrations that somebody may know of, the oldest first,
// from after the given one on. It looks at no more than limit of them, 10,000
// at most, so that the list may be shorter. next is what the following list
// goes on after; 0 if there is none. The result is the caller's.
func (d *Dealer) Procedures(who wamp.Identity, after wamp.ID, limit int) (list []Procedure, next wamp.ID) {
	next = d.registrations.page(after, min(limit, maxPage), func(r *registration) {
		if d.visible(who, r.procedure) {
			list = append(list, r.view())
		}
	})
	return list, next
}

// Procedure returns the registration of a URI under a match policy, if
// somebody may know of it.
func (d *Dealer) Procedure(who wamp.Identity, uri wamp.URI, policy wamp.MatchPolicy) (Procedure, bool) {
	r, _ := d.procedures.At(match.Policy(policy), string(uri))
	return d.viewFor(who, r)
}

// Matching is Procedure for the registration that a call of uri goes to.
func (d *Dealer) Matching(who wamp.Identity, uri wamp.URI) (Procedure, bool) {
	r, _ := d.find(uri)
	return d.viewFor(who, r)
}

// Described returns the registration that a call of uri goes to, whoever may
// know of it: it is for the gateway, which must know how to answer.
func (d *Dealer) Described(uri wamp.URI) (Procedure, bool) {
	r, _ := d.find(uri)
	if r == nil {
		return Procedure{}, false
	}
	return r.view(), true
}

// Descriptions returns 0 while no procedure is described, and another number
// whenever Described may have come to answer something else.
func (d *Dealer) Descriptions() uint64 {
	if d.descriptions == 0 {
		return 0
	}
	return d.changes
}

func (d *Dealer) viewFor(who wamp.Identity, r *registration) (Procedure, bool) {
	if r == nil || !d.visible(who, r.procedure) {
		return Procedure{}, false
	}
	return r.view(), true
}

func (r *registration) view() Procedure {
	p := Procedure{
		Registration: r.id,
		URI:          r.procedure,
		Match:        wamp.MatchPolicy(r.match),
		Invoke:       r.policy,
		Created:      r.created,
		Callees:      len(r.places),
		Safe:         r.safe == len(r.places),
	}
	if r.about != nil {
		p.Description = r.about.json
	}
	return p
}
