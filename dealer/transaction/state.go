package transaction

import (
	"errors"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A State is how far a transaction has come. The last three are final.
type State string

// The states of a transaction.
const (
	Active     State = "active"
	Committing State = "committing" // decided; branches are being confirmed
	Aborting   State = "aborting"   // decided; branches are being undone
	Committed  State = "committed"
	Aborted    State = "aborted"
	Forced     State = "forced"
)

func (s State) final() bool { return s == Committed || s == Aborted || s == Forced }

// The states of a branch.
const (
	branchStarted     = "started"
	branchDone        = "done"
	branchFailed      = "failed"
	branchConfirmed   = "confirmed"
	branchCompensated = "compensated"
	branchCanceled    = "canceled"
)

// A branch is one call of a transaction.
type branch struct {
	call
	state    string
	settled  bool // nothing is left to do for it
	refused  bool // by its callee
	doubtful bool // a callee may have done it, whatever the last one says
	attempts int  // calls of the operation under way that failed, or may have
	error    wamp.URI
	result   *payload // of the callee, also that of an error
}

func (b *branch) reserves() bool { return b.Option.Confirm != "" }

// An operation is what a branch calls.
type operation string

const (
	opAction     operation = "action"
	opTry        operation = "try"
	opCompensate operation = "compensate"
	opConfirm    operation = "confirm"
	opCancel     operation = "cancel"
)

// forward reports whether op is what the caller asked for.
func (op operation) forward() bool { return op == opAction || op == opTry }

// A task is a call that is to be made.
type task struct {
	branch int // from 1
	op     operation
}

// A state is the fold of a transaction's entries, and the rules of what may
// come next. It does nothing by itself.
type state struct {
	begin
	begun    time.Time
	state    State
	deadline time.Time // to be decided by; the earliest of expires and all reservations
	branches []*branch
	reason   string // why it was aborted or forced
	ended    time.Time
	wanted   bool // its owner wants to commit; not stored
}

var errOrder = errors.New("an entry of a transaction does not fit to those before it")

// apply takes an entry.
func (s *state) apply(e *entry) error {
	if (e.Kind == kindBegin) != (s.state == "") || s.state.final() {
		return errOrder
	}
	switch e.Kind {
	case kindBegin:
		if e.Begin == nil {
			return errOrder
		}
		s.begin, s.begun, s.state, s.deadline = *e.Begin, e.At, Active, e.Begin.Expires
	case kindClaim:
		for _, t := range s.tasks() {
			b := s.branches[t.branch-1]
			b.attempts++
			b.doubtful = b.doubtful || s.state == Active
		}
	case kindStart:
		return s.applyStart(e)
	case kindDecide:
		return s.applyDecision(e)
	case kindEnd:
		if s.state == Active || len(s.tasks()) > 0 {
			return errOrder
		}
		s.state, s.ended = map[State]State{Committing: Committed, Aborting: Aborted}[s.state], e.At
	case kindForced:
		s.state, s.reason, s.ended = Forced, e.Reason, e.At
	default:
		return s.applyBranch(e)
	}
	return nil
}

func (s *state) applyDecision(e *entry) error {
	if s.state != Active {
		return errOrder
	}
	s.state, s.reason = Aborting, e.Reason
	if e.Commit {
		s.state = Committing
	}
	for _, b := range s.branches {
		b.attempts = 0
	}
	return nil
}

func (s *state) applyStart(e *entry) error {
	b := &branch{state: branchStarted}
	switch n := len(s.branches); {
	case s.state != Active || e.Branch != n+1:
		return errOrder
	case e.Call != nil:
		b.call = *e.Call
	case n < len(s.Calls):
		b.call = s.Calls[n]
	default:
		return errOrder
	}
	s.branches = append(s.branches, b)
	if ttl := b.Option.ReserveTTL; ttl > 0 {
		if by := e.At.Add(time.Duration(ttl) * time.Millisecond); by.Before(s.deadline) {
			s.deadline = by
		}
	}
	return nil
}

// applyBranch takes an entry of a branch that was started.
func (s *state) applyBranch(e *entry) error {
	if e.Branch < 1 || e.Branch > len(s.branches) {
		return errOrder
	}
	b := s.branches[e.Branch-1]
	switch e.Kind {
	case kindDone, kindFailed:
		if s.state != Active || b.state != branchStarted {
			return errOrder
		}
		b.state, b.result, b.error = branchDone, e.Result, ""
		if e.Kind == kindFailed {
			b.state, b.error, b.refused = branchFailed, e.Error, true
		}
	case kindTried:
		b.attempts++
		b.doubtful = b.doubtful || e.Reached && s.state == Active
		if !b.refused {
			b.error = e.Error
		}
	case kindSettled:
		if b.settled || s.state == Active {
			return errOrder
		}
		b.settle(s.state)
	default:
		return errOrder
	}
	return nil
}

// settle notes that what was decided is done for b.
func (b *branch) settle(decided State) {
	b.settled = true
	switch {
	case decided == Committing:
		b.state = branchConfirmed
	case b.reserves():
		b.state = branchCanceled
	default:
		b.state = branchCompensated
	}
}

// undone reports whether an abort has nothing to undo of b: its callee refused
// it, and none before may have done it. Of reservations all are canceled that
// were tried.
func (b *branch) undone() bool {
	return b.state == branchFailed && !b.reserves() && !b.doubtful || b.settled
}

// tasks returns the calls that are to be made now. Branches are undone one
// after the other, the last one first.
func (s *state) tasks() []task {
	var all []task
	for i := len(s.branches) - 1; i >= 0; i-- {
		b := s.branches[i]
		switch {
		case s.state == Active && b.state == branchStarted:
			op := opAction
			if b.reserves() {
				op = opTry
			}
			all = append(all, task{i + 1, op})
		case s.state == Committing && b.reserves() && !b.settled:
			all = append(all, task{i + 1, opConfirm})
		case s.state == Aborting && !b.undone():
			op := opCompensate
			if b.reserves() {
				op = opCancel
			}
			return []task{{i + 1, op}}
		}
	}
	return all
}

// due reports whether t is to be done now.
func (s *state) due(t task) bool {
	for _, other := range s.tasks() {
		if other == t {
			return true
		}
	}
	return false
}

// proceed returns the entry that follows by itself, nil if the transaction
// waits for something.
func (s *state) proceed(now time.Time) *entry {
	open, refused := s.outstanding()
	switch {
	case s.state == Active && refused > 0:
		return &entry{Kind: kindDecide, At: now, Branch: refused, Reason: "branch refused"}
	case s.state == Active && s.OneShot && !open && len(s.branches) < len(s.Calls):
		return &entry{Kind: kindStart, At: now, Branch: len(s.branches) + 1}
	case s.state == Active && !open && (s.OneShot || s.wanted):
		return &entry{Kind: kindDecide, At: now, Commit: true}
	case (s.state == Committing || s.state == Aborting) && len(s.tasks()) == 0:
		return &entry{Kind: kindEnd, At: now}
	}
	return nil
}

// outstanding reports whether a branch has not answered, and which one was
// refused first; 0: none.
func (s *state) outstanding() (open bool, refused int) {
	for i, b := range s.branches {
		open = open || b.state == branchStarted
		if b.refused && refused == 0 {
			refused = i + 1
		}
	}
	return open, refused
}

// timedOut returns the entry that follows from the time.
func (s *state) timedOut(now time.Time) *entry {
	if s.state != Active || now.Before(s.deadline) {
		return nil
	}
	return &entry{Kind: kindDecide, At: now, Reason: reasonTimeout}
}

const (
	reasonTimeout  = "timeout"
	reasonRollback = "rolled back by its owner"
)

// stuck reports whether something that was decided has failed that often.
func (s *state) stuck(after int) bool {
	if s.state != Committing && s.state != Aborting {
		return false
	}
	for _, t := range s.tasks() {
		if s.branches[t.branch-1].attempts >= after {
			return true
		}
	}
	return false
}
