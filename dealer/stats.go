package dealer

import (
	"github.com/wampgate/wampgate/dealer/match"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// An Outcome is how a call ended, for those who count. Each CALL that was
// taken as a new call has one in the end.
type Outcome uint8

// The outcomes.
const (
	EndedByResult   Outcome = iota // of the callee, or of a procedure of the dealer's own
	EndedByError                   // of the callee
	EndedByCancel                  // the caller asked for it
	CallerGone                     // nobody was left to be told
	CalleeGone                     // after it had got the call
	TimedOut                       //
	NoSuchProcedure                //
	NoCallee                       // all are busy or gone, or the realm is full of calls
	NotAuthorized                  //
	RateLimited                    // by a rule of the caller's role
	InvalidCall                    // its arguments or options are not what they should be
	NotSupported                   // by the callee or the caller
	TooLarge                       // for its receiver
	NotKeptUp                      // with what was sent, by the caller; or no receipt came in time
	OtherError                     //

	Outcomes // how many there are
)

// String returns the outcome as counters name it.
func (o Outcome) String() string {
	return [Outcomes]string{
		"result", "error", "canceled", "caller_gone", "callee_gone", "timeout", "no_such_procedure", "no_callee", "not_authorized",
		"rate_limited", "invalid", "not_supported", "too_large", "not_kept_up", "other",
	}[o]
}

// Source returns who ended the call: callee, caller or dealer.
func (o Outcome) Source() string {
	switch o {
	case EndedByResult, EndedByError:
		return "callee"
	case EndedByCancel, CallerGone:
		return "caller"
	}
	return "dealer"
}

// outcomeOf returns what an error of the dealer's is counted as.
func outcomeOf(uri wamp.URI) Outcome {
	switch uri {
	case wamp.ErrCanceled:
		return EndedByCancel
	case wamp.ErrTimeout:
		return TimedOut
	case wamp.ErrNoSuchProcedure:
		return NoSuchProcedure
	case wamp.ErrUnavailable, wamp.ErrNoAvailableCallee, wamp.ErrNoEligibleCallee:
		return NoCallee
	case wamp.ErrNotAuthorized, wamp.ErrAuthorizationDenied, wamp.ErrAuthorizationFailed, wamp.ErrAuthorizationRequired,
		wamp.ErrDiscloseMeNotAllowed, wamp.ErrOptionDisallowedMe:
		return NotAuthorized
	case wamp.ErrRateLimited:
		return RateLimited
	case wamp.ErrInvalidArgument, wamp.ErrInvalidURI, wamp.ErrOptionNotAllowed:
		return InvalidCall
	case wamp.ErrFeatureNotSupported:
		return NotSupported
	case wamp.ErrPayloadSizeExceeded:
		return TooLarge
	case wamp.ErrNetworkFailure:
		return NotKeptUp
	}
	return OtherError
}

// Stats are what a Dealer has counted since it was made. Numbers of calls,
// without those of the dealer's own.
type Stats struct {
	Calls       uint64           // CALLs that were taken as new calls
	Ended       [Outcomes]uint64 // of those, by how; the others are in flight
	Late        uint64           // answers of callees to calls that had ended
	Ungraceful  uint64           // ended because the callee took no notice of an INTERRUPT within KillGrace
	PassedOn    uint64           // given to another callee, since the first declined
	Undelivered uint64           // of the ended ones, those whose caller got an ERROR in place of an answer
}

// Stats returns the counters.
func (d *Dealer) Stats() Stats { return d.stats }

// ProcedureStats are what came of the calls that got to a callee of a
// registration. For a pattern they are of all URIs that it matches.
type ProcedureStats struct {
	URI     wamp.URI // or the pattern
	Match   wamp.MatchPolicy
	Results uint64
	Errors  uint64 // of the callee
	Failed  uint64 // for any other reason
}

// ProcedureStats returns the counters of each procedure that is counted by
// itself, in no order, and those of all others together. See
// [Config.MaxCounted].
func (d *Dealer) ProcedureStats() (each []ProcedureStats, others ProcedureStats) {
	each = make([]ProcedureStats, 0, len(d.tallies.each))
	for key, t := range d.tallies.each {
		s := t.stats()
		s.URI, s.Match = key.uri, wamp.MatchPolicy(key.match)
		each = append(each, s)
	}
	return each, d.tallies.others.stats()
}

// A tally counts what came of the calls of a procedure. The zero tally has
// seen none; a nil one counts nothing.
type tally struct {
	ended, results, errors uint64
	registrations          int // that count here
}

func (t *tally) stats() ProcedureStats {
	return ProcedureStats{Results: t.results, Errors: t.errors, Failed: t.ended - t.results - t.errors}
}

// result counts a RESULT of the callee, whose call has yet to end.
func (t *tally) result() {
	if t != nil {
		t.results++
	}
}

// error counts an ERROR of the callee, whose call has yet to end.
func (t *tally) error() {
	if t != nil {
		t.errors++
	}
}

// end counts a call that has ended.
func (t *tally) end() {
	if t != nil {
		t.ended++
	}
}

// tallies are those of a realm. There is one for each of the procedures that
// were registered first, and one for all others, so that there are never more
// than the limit, whatever is registered. Who has none registered any more
// makes room for others, and what its calls in flight come to is not counted.
type tallies struct {
	limit  int
	each   map[tallyKey]*tally
	others tally
	idle   int // tallies without a registration
}

type tallyKey struct {
	uri   wamp.URI
	match match.Policy
}

// of returns where the calls of a new registration count; nil if none do.
func (t *tallies) of(r *registration) *tally {
	if t.limit == 0 {
		return nil
	}
	key := tallyKey{r.procedure, r.match}
	own := t.each[key]
	switch {
	case own != nil:
		if own.registrations == 0 {
			t.idle--
		}
	case len(t.each) < t.limit || t.evict():
		own = new(tally)
		t.each[key] = own
	default:
		own = &t.others
	}
	own.registrations++
	return own
}

// evict makes room for another tally: one that is idle becomes one of the
// others. It reports whether there was one.
func (t *tallies) evict() bool {
	if t.idle == 0 {
		return false
	}
	for key, old := range t.each {
		if old.registrations == 0 {
			t.others.ended += old.ended
			t.others.results += old.results
			t.others.errors += old.errors
			delete(t.each, key)
			t.idle--
			break
		}
	}
	return true
}

// left notes that a registration is gone.
func (t *tallies) left(own *tally) {
	if own == nil {
		return
	}
	if own.registrations--; own.registrations == 0 && own != &t.others {
		t.idle++
	}
}
