package dealer

import (
	"maps"
	"time"

	"github.com/wampgate/wampgate/dealer/match"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// The delivery guarantees that a CALL may ask for with trust_level.
const (
	trustBestEffort   = "best_effort"
	trustAcknowledged = "acknowledged"
	trustPersistent   = "persistent"

	trustTransactional = "transactional"
)

// checkTrustLevel refuses delivery guarantees that are not given.
func checkTrustLevel(o *wamp.CallOptions) refusal {
	transactional := o.TrustLevel == trustTransactional
	switch b := o.Branch; {
	case b != nil && b.Transaction == "":
		return refusal{wamp.ErrOptionNotAllowed, "readonly needs a transaction"}
	case b != nil && o.TrustLevel != "" && !transactional:
		return refusal{wamp.ErrOptionNotAllowed, "a call within a transaction has no other trust_level"}
	case o.Keep == nil || o.TrustLevel == trustPersistent:
	case !transactional && b == nil, *o.Keep != (wamp.KeepOptions{CallID: o.Keep.CallID}):
		return refusal{wamp.ErrOptionNotAllowed, "async, expiry, delay and not_before need trust_level persistent, and call_id that or a transaction"}
	}
	switch o.TrustLevel {
	case "", trustBestEffort, trustAcknowledged, trustPersistent, trustTransactional:
		return refusal{}
	}
	return refusal{wamp.ErrInvalidArgument, "trust_level is none of best_effort, acknowledged, persistent, transactional"}
}

// A receipt is what is known of whether a callee has received a call.
type receipt uint8

const (
	receiptUnasked receipt = iota
	receiptAwaited         // the call is in callee.awaited
	receiptMissing         // it has not come, and nobody waits for it any more
	receiptHere
)

// await asks for the receipt of a call's first INVOCATION, which is about to
// be sent. If it does not come in AckTimeout the call ends; so it does if its
// own timeout is over before.
func (d *Dealer) await(now time.Time, c *call) {
	c.receipt, c.afterReceipt = receiptAwaited, 0
	c.callee.awaited.add(c)
	end := now.Add(d.config.AckTimeout)
	if c.waiting() {
		if !end.Before(c.deadline) {
			return
		}
		c.afterReceipt = c.deadline.Sub(end)
	}
	d.deadlines.endAt(c, end, wamp.ErrNetworkFailure)
}

// stopAwaiting takes c from those whose receipt is awaited, and gives it back
// the deadline of its timeout.
func (d *Dealer) stopAwaiting(c *call) {
	c.callee.awaited.remove(c)
	c.receipt = receiptMissing
	switch {
	case !c.waiting() || c.expiry != wamp.ErrNetworkFailure:
	case c.afterReceipt > 0:
		d.deadlines.endAt(c, c.deadline.Add(c.afterReceipt), wamp.ErrTimeout)
	default:
		d.deadlines.remove(c)
	}
}

// Acknowledged handles the news that a callee has received an INVOCATION with
// a Receipt, and therefore all that were sent before it. What was not awaited,
// or is not any more, is ignored. Like [Dealer.Undeliverable] it leaves earlier
// deliveries valid and returns only those that it adds.
func (d *Dealer) Acknowledged(id, invocation wamp.ID) []Delivery {
	s := d.sessions[id]
	if s == nil || invocation > s.lastInvocation {
		return nil
	}
	before := len(d.out.deliveries)
	for c := s.awaited.first; c != nil && c.invocation <= invocation; c = s.awaited.first {
		d.received(c)
		d.tellReceipt(c)
	}
	return d.out.deliveries[before:]
}

// received notes that the callee has received c: its transport says so, or it
// answers.
func (d *Dealer) received(c *call) {
	if c.receipt == receiptAwaited {
		d.stopAwaiting(c)
	}
	c.receipt = receiptHere
}

// tellReceipt tells a caller that asked for progress of the receipt. An answer
// that comes before it says so itself: two messages for one call in one step
// could not be taken back when the first of them is undeliverable.
func (d *Dealer) tellReceipt(c *call) {
	if !c.receiveProgress || c.told {
		return
	}
	c.told = true
	r := d.out.result(c.caller)
	r.Request = c.id
	r.Details.Progress = true
	r.Details.Acknowledged = true
}

// vouch says on an ERROR of the dealer's what is known of the receipt of its
// call, if that was asked for, and whether an administrator ended it. Callees
// may have run what they have, or may have, received.
func (c *call) vouch(e *wamp.Error, executed bool) {
	if c.receipt != receiptUnasked {
		vouch(e, executed && c.receipt == receiptHere, executed)
	}
	c.sign(e)
}

// vouch puts the same into the details and the arguments of e: some clients
// show the ones, some the others.
func vouch(e *wamp.Error, acknowledged, executed bool) {
	e.Details = wamp.Dict{"acknowledged": acknowledged, "maybe_executed": executed}
	said, _ := wamp.NewPayload(wamp.JSON, nil, e.Details) // two bools always have a form
	e.Payload.Serializer, e.Payload.Kwargs = wamp.JSON, said.Kwargs
}

// withDetail returns the details of an ERROR with one more.
func withDetail(details wamp.Dict, key string, value any) wamp.Dict {
	with := wamp.Dict{}
	maps.Copy(with, details)
	with[key] = value
	return with
}

// A receiptQueue holds the calls of a callee whose receipt is awaited, in the
// order of their INVOCATION ids. The zero queue is empty.
type receiptQueue struct{ first, last *call }

func (q *receiptQueue) add(c *call) {
	c.earlier = q.last
	if q.last == nil {
		q.first = c
	} else {
		q.last.later = c
	}
	q.last = c
}

func (q *receiptQueue) remove(c *call) {
	if c.earlier == nil {
		q.first = c.later
	} else {
		c.earlier.later = c.later
	}
	if c.later == nil {
		q.last = c.earlier
	} else {
		c.later.earlier = c.earlier
	}
	c.earlier, c.later = nil, nil
}

// A TrustRule assigns a trustlevel (spec, section "Call Trust Levels") to the
// calls of procedures that a pattern matches. It has nothing to do with the
// delivery guarantee of the option trust_level.
type TrustRule struct {
	Match    wamp.MatchPolicy
	URI      wamp.URI // or the pattern
	Authrole string   // of the caller; empty means any
	Level    int32    // from 0, the lowest
}

// trustIndexes hold the rules by pattern, for each authrole apart.
type trustIndexes map[string]*match.Index[int32]

// indexTrust returns nil if there are no rules.
func indexTrust(rules []TrustRule) trustIndexes {
	if len(rules) == 0 {
		return nil
	}
	indexes := trustIndexes{}
	for _, r := range rules {
		if indexes[r.Authrole] == nil {
			indexes[r.Authrole] = new(match.Index[int32])
		}
		indexes[r.Authrole].Set(match.Policy(r.Match), string(r.URI), max(r.Level, 0))
	}
	return indexes
}

// level returns the trustlevel of a call, false if it has none. Rules for the
// caller's authrole go before those for any.
func (x trustIndexes) level(authrole string, procedure wamp.URI) (int32, bool) {
	for _, index := range []*match.Index[int32]{x[authrole], x[""]} {
		if index == nil {
			continue
		}
		if level, ok := index.Best(string(procedure)); ok {
			return level, true
		}
	}
	return 0, false
}

// trust puts the trustlevel on an INVOCATION for a callee that knows what it
// is.
func (d *Dealer) trust(details *wamp.InvocationDetails, caller *wamp.Identity, callee *session) {
	if callee.callee.Has(wamp.FeatureCallTrustlevels) {
		details.Trustlevel, details.HasTrustlevel = d.trustlevels.level(caller.Authrole, details.Procedure)
	}
}
