package dealer

import (
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A callee that announced call_reroute may decline a call with
// wamp.error.unavailable: the dealer then tries another callee of the same
// registration, and the caller does not notice (spec, section "Call
// Rerouting"). For that a copy of the CALL is kept, if its callee announced
// the feature and is not the only one, until the callee shows that it works on
// the call. Others get the calls they get without one.

// kept is what a call is given to another callee with.
type kept struct {
	registration *registration
	since        time.Time // the time of the CALL
	call         wamp.Call
	bytes        int // about what it takes up
	tried        map[*session]struct{}
}

// worthKeeping reports whether a CALL is kept that p got, which may pass calls
// on: not if there is nobody else, or if too much is kept already: half of what
// the calls of the realm may hold is left to those that wait. Then the call
// cannot be passed on.
func (d *Dealer) worthKeeping(p *place, m *wamp.Call) bool {
	return len(p.registration.places) > 1 && d.held+callSize(m) <= heldInRealm/2*d.config.MaxWaitingBytes
}

// keep keeps a CALL that is the dealer's own.
func (d *Dealer) keep(c *call, p *place, since time.Time, m *wamp.Call) {
	c.kept = &kept{registration: p.registration, since: since, call: *m, bytes: callSize(m)}
	d.held += c.kept.bytes
}

// dropKept forgets what another callee would have got.
func (d *Dealer) dropKept(c *call) {
	if c.kept != nil {
		d.held -= c.kept.bytes
		c.kept = nil
	}
}

// timedOut reports whether the timeout of the CALL is over.
func (k *kept) timedOut(now time.Time) bool {
	ms := k.call.Options.Timeout
	return ms > 0 && !now.Before(k.since.Add(timeout(ms)))
}

// passable reports whether the callee may pass the call on: not if something
// came of it, if the caller gave up, or if the call belongs to a shard.
func (c *call) passable() bool {
	return c.callee.callee.Has(wamp.FeatureCallReroute) && !c.progressed && !c.killing && c.sent == 1 && !c.inLine()
}

// passOn gives a call that its callee declined to another one. Each is tried
// once. Callees that are busy count as unavailable: who was declined does not
// wait.
func (d *Dealer) passOn(now time.Time, c *call) {
	k := c.kept
	p := d.chooseOther(c)
	switch {
	case p == nil:
		c.vouch(d.fail(c.caller, c.id, refusal{wamp.ErrNoAvailableCallee, "no callee of " + quote(c.details.Procedure) + " is available"}), false)
		d.end(now, c)
		return
	case k.timedOut(now): // its callee had some time more
		c.vouch(d.fail(c.caller, c.id, refusal{wamp.ErrTimeout, "no answer within " + timeout(k.call.Options.Timeout).String()}), false)
		d.end(now, c)
		return
	}
	left := c.place
	if c.receipt == receiptAwaited {
		d.stopAwaiting(c)
	}
	d.stats.PassedOn++
	delete(c.callee.invocations, c.invocation)
	c.place, c.rerouted, c.sent = nil, true, 0
	d.assign(c, p, &k.call)
	d.deadlines.remove(c)
	d.resumeTimeout(now, c, k.since, k.call.Options.Timeout)
	if k.call.Options.TrustLevel == trustAcknowledged {
		d.await(now, c)
	}
	d.send(c, &k.call, k.call.Options.Custom)
	if c.chunked {
		c.details.Custom = k.call.Options.Custom
	}
	if !p.reroutes {
		d.dropKept(c)
	}
	d.vacate(now, left)
}

// chooseOther picks a callee that has not declined the call, in the order of
// the policy, as if those that have were not there; nil if there is none. It
// looks at all places.
func (d *Dealer) chooseOther(c *call) *place {
	if c.kept == nil {
		return nil
	}
	r := c.kept.registration
	others := r.untried(c)
	if len(others) == 0 {
		return nil
	}
	switch r.policy {
	case wamp.InvokeLast:
		return others[len(others)-1]
	case wamp.InvokeRandom:
		if d.config.Rand != nil {
			return others[d.config.Rand(len(others))]
		}
		r.served = others[0]
	case wamp.InvokeRoundRobin:
		r.served = others[0]
	case wamp.InvokeLeastLoaded:
		return lightest(others)
	}
	return others[0]
}

// untried notes that c was declined, and returns who may still be asked: from
// the one whose turn is next, or from the one that declined, around the end.
func (r *registration) untried(c *call) []*place {
	if c.kept.tried == nil {
		c.kept.tried = make(map[*session]struct{})
	}
	c.kept.tried[c.callee] = struct{}{}
	start := c.callee.places[r.id]
	if r.policy == wamp.InvokeRoundRobin || r.policy == wamp.InvokeRandom {
		start = r.served
	}
	var others []*place
	p := start
	for range r.places {
		if p == nil {
			p = r.first
		} else {
			p = r.following(p)
		}
		if _, tried := c.kept.tried[p.session]; !tried && p.able(c.chunked) && p.session.lacks(&c.kept.call.Options).uri == "" {
			others = append(others, p)
		}
	}
	return others
}
