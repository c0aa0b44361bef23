package dealer

import (
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// The dealer coordinates nothing. A call with trust_level "transactional", one
// with the option "transaction", and one of the procedures of transactions is
// invoked at the session that coordinates them ([Peer.Coordinates]), with what
// the procedure was registered with. That session makes the calls that a
// transaction is made of like any other caller. What they are to their callees
// it says itself, in the details of their INVOCATIONs.

// coordinatorURI reports whether uri is a procedure of who coordinates
// transactions.
func coordinatorURI(uri wamp.URI) bool { return strings.HasPrefix(string(uri), "wampgate.tx.") }

// transact hands a call that is a transaction, or part of one, over to who
// coordinates them.
func (d *Dealer) transact(now time.Time, s *session, m *wamp.Call) {
	if why := d.checkTransact(s, m); why.uri != "" {
		d.refuseCall(now, s, m, why)
		return
	}
	k := d.handOver(now, s, d.coordinator, m)
	if r, _ := d.find(m.Procedure); r != nil {
		k.Registered, k.Transaction = true, r.transaction
	}
}

// checkTransact returns what speaks against a call in a transaction, whether
// there is a callee for it or not.
func (d *Dealer) checkTransact(s *session, m *wamp.Call) refusal {
	switch uri := m.Procedure; {
	case d.coordinator == nil || d.coordinator.session == s:
		return refusal{wamp.ErrOptionNotAllowed, "transactions are not available"}
	case !uri.Valid():
		return refusal{wamp.ErrInvalidURI, "not a valid URI: " + quote(uri)}
	case !callableLater(uri):
		return refusal{wamp.ErrOptionNotAllowed, "calls of " + quote(uri) + " are no part of a transaction"}
	case m.Options.Progress:
		return refusal{wamp.ErrFeatureNotSupported, "a progressive call cannot be part of a transaction"}
	case m.Options.Passthru != nil:
		return refusal{wamp.ErrFeatureNotSupported, "a call in payload passthru mode cannot be part of a transaction"}
	case m.Options.RunMode != wamp.RunDefault && m.Options.RunMode != wamp.RunPartition:
		return refusal{wamp.ErrOptionNotAllowed, "a call in a transaction has one callee: runmode all is not for it"}
	case d.calls >= d.config.MaxCalls:
		return refusal{wamp.ErrUnavailable, "too many calls in flight"}
	}
	return d.checkOptions(m)
}

// callableLater reports whether uri can be that of an application's procedure.
func callableLater(uri wamp.URI) bool { return !uri.Reserved() && uri != describeURI && !keptURI(uri) }

// checkTransaction returns what speaks against what a REGISTER says of
// transactions; r is the registration that it would share, or nil. Callees that
// share one get each other's calls, so they agree in how these are undone.
func checkTransaction(o *wamp.TransactionOptions, r *registration) refusal {
	if r != nil && !sameTransaction(o, r.transaction) {
		return refusal{wamp.ErrProcedureAlreadyExists, quote(r.procedure) + " is registered with another transaction option"}
	}
	if o == nil {
		return refusal{}
	}
	reserves := o.Confirm != "" && o.Cancel != ""
	switch {
	case o.Compensate != "" && (o.Confirm != "" || o.Cancel != ""), o.Compensate == "" && !reserves:
		return refusal{wamp.ErrInvalidArgument, "transaction has either compensate, or confirm and cancel"}
	case o.ReserveTTL != 0 && !reserves:
		return refusal{wamp.ErrInvalidArgument, "transaction.reserve_ttl goes with confirm and cancel"}
	}
	for _, uri := range []wamp.URI{o.Compensate, o.Confirm, o.Cancel} {
		if uri != "" && (!uri.Valid() || !callableLater(uri)) {
			return refusal{wamp.ErrInvalidURI, "transaction: not the URI of a procedure: " + quote(uri)}
		}
	}
	return refusal{}
}

func sameTransaction(a, b *wamp.TransactionOptions) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// cloneTransaction copies the option of a message that is about to be reused.
func cloneTransaction(o *wamp.TransactionOptions) *wamp.TransactionOptions {
	if o == nil {
		return nil
	}
	return &wamp.TransactionOptions{
		Compensate: wamp.URI(strings.Clone(string(o.Compensate))), Confirm: wamp.URI(strings.Clone(string(o.Confirm))),
		Cancel: wamp.URI(strings.Clone(string(o.Cancel))), ReserveTTL: o.ReserveTTL,
	}
}

// Transaction returns how the registration was registered that a call of uri
// goes to, nil if transactions cannot call it, and whether there is one. The
// options do not change.
func (d *Dealer) Transaction(uri wamp.URI) (o *wamp.TransactionOptions, registered bool) {
	r, _ := d.find(uri)
	if r == nil {
		return nil, false
	}
	return r.transaction, true
}
