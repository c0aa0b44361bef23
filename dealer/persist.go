package dealer

import (
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// The dealer keeps nothing. A call with trust_level "persistent", and one of
// the procedures that tell of such calls, is invoked at the session that keeps
// them ([Peer.Keeps]), whatever it calls: that session stores the call and
// answers, and makes it later like any other caller, in the name of the one
// who did ([wamp.CallOptions.Behalf]).

// keptURI reports whether uri is a procedure of who keeps persistent calls, or
// coordinates transactions.
func keptURI(uri wamp.URI) bool {
	rest, ours := strings.CutPrefix(string(uri), "wampgate.")
	return ours && (strings.HasPrefix(rest, "call.") || strings.HasPrefix(rest, "deadletter.") || strings.HasPrefix(rest, "tx."))
}

// keeperOf returns who answers calls of a procedure for which keptURI holds;
// nil if there is nobody.
func (d *Dealer) keeperOf(uri wamp.URI) *place {
	if coordinatorURI(uri) {
		return d.coordinator
	}
	return d.keeper
}

// divert hands over a call that is kept, or part of a transaction, and reports
// whether it is one.
func (d *Dealer) divert(now time.Time, s *session, m *wamp.Call) bool {
	switch {
	case m.Options.Branch != nil || m.Options.TrustLevel == trustTransactional:
		d.transact(now, s, m)
	case m.Options.TrustLevel == trustPersistent:
		d.persist(now, s, m)
	default:
		return false
	}
	return true
}

// persist hands a persistent call over to who keeps it.
func (d *Dealer) persist(now time.Time, s *session, m *wamp.Call) {
	if why := d.checkPersist(s, m); why.uri != "" {
		d.refuseCall(now, s, m, why)
		return
	}
	d.handOver(now, s, d.keeper, m)
}

// checkPersist returns what speaks against a persistent call, whether there is
// a callee for it or not.
func (d *Dealer) checkPersist(s *session, m *wamp.Call) refusal {
	switch uri := m.Procedure; {
	case d.keeper == nil || d.keeper.session == s:
		return refusal{wamp.ErrOptionNotAllowed, "trust_level persistent is not available"}
	case !uri.Valid():
		return refusal{wamp.ErrInvalidURI, "not a valid URI: " + quote(uri)}
	case !callableLater(uri):
		return refusal{wamp.ErrOptionNotAllowed, "calls of " + quote(uri) + " are not kept"}
	case m.Options.Progress:
		return refusal{wamp.ErrFeatureNotSupported, "a persistent call cannot be a progressive one"}
	case m.Options.RunMode != wamp.RunDefault && m.Options.RunMode != wamp.RunPartition:
		return refusal{wamp.ErrOptionNotAllowed, "a persistent call has one callee: runmode all is not for it"}
	case d.calls >= d.config.MaxCalls:
		return refusal{wamp.ErrUnavailable, "too many calls in flight"}
	}
	return d.checkOptions(m)
}

// askKeeper hands over a call of a procedure of who keeps persistent calls, or
// coordinates transactions. It reports whether it is one, and whether there is
// anybody.
func (d *Dealer) askKeeper(now time.Time, s *session, m *wamp.Call) bool {
	if !keptURI(m.Procedure) {
		return false
	}
	to := d.keeperOf(m.Procedure)
	if to == nil {
		return false
	}
	switch why := d.checkOptions(m); {
	case why.uri != "":
		d.refuseCall(now, s, m, why)
	case s.inside && !d.config.MetaInside && strings.HasPrefix(string(m.Procedure), "wampgate.deadletter."):
		d.refuseCall(now, s, m, notInside(m.Procedure))
	case m.Options.Progress:
		d.refuseCall(now, s, m, refusal{wamp.ErrFeatureNotSupported, quote(m.Procedure) + " takes no progressive calls"})
	default:
		d.handOver(now, s, to, m)
	}
	return true
}

// handOver makes an INVOCATION of a CALL for who keeps persistent calls, or
// coordinates transactions. It has no timeout here: who keeps the call knows
// what to say when it is over.
func (d *Dealer) handOver(now time.Time, s *session, to *place, m *wamp.Call) *wamp.KeptCall {
	c := d.open(now, s, m)
	d.assign(c, to, m)
	inv := d.out.invocation(c.callee)
	inv.Request = c.invocation
	inv.Details = c.details
	inv.Payload = m.Payload
	inv.Kept = &wamp.KeptCall{Caller: wamp.Behalf{Session: s.id, Identity: s.identity}, Options: m.Options}
	c.sent++
	return inv.Kept
}

// tellKeepers lets who keeps persistent calls, and who coordinates
// transactions, know that calls of a procedure may find a callee now.
func (d *Dealer) tellKeepers(r *registration) {
	for _, p := range [...]*place{d.keeper, d.coordinator} {
		if p != nil {
			d.out.add(p.session, &wamp.Event{Details: wamp.Dict{"procedure": string(r.procedure), "match": wamp.MatchPolicy(r.match).String()}})
		}
	}
}
