package transaction

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A history is the log of one transaction, and what its callees did.
type history struct {
	log     []entry
	reached map[int]bool // branches of which a callee may have had a call that failed
	undone  []int        // branches whose compensate or cancel succeeded, in order
	made    []int        // the same of confirm
}

// A replica is one of two coordinators of the same transaction.
type replica struct {
	state state
	seen  int // entries of the log
}

// read folds what the replica has not seen.
func (r *replica) read(t *rapid.T, h *history) {
	for ; r.seen < len(h.log); r.seen++ {
		if err := r.state.apply(&h.log[r.seen]); err != nil {
			t.Fatalf("entry %d, %s: %v", r.seen, h.log[r.seen].Kind, err)
		}
	}
}

// append appends entries if nobody else has; a replica that is overtaken reads.
func (r *replica) append(t *rapid.T, h *history, entries ...entry) bool {
	if r.seen != len(h.log) {
		r.read(t, h)
		return false
	}
	h.log = append(h.log, entries...)
	r.read(t, h)
	return true
}

func drawCall(t *rapid.T) call {
	if rapid.Bool().Draw(t, "reserves") {
		return call{Procedure: "p", Option: wamp.TransactionOptions{Confirm: "c", Cancel: "x"}}
	}
	return call{Procedure: "p", Option: wamp.TransactionOptions{Compensate: "u"}}
}

// TestStateRandom has two coordinators work at one transaction, with callees
// that do whatever they like, and crashes at any time: there is one decision,
// what is committed is not undone, and what is aborted is undone in reverse.
func TestStateRandom(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		begun := time.Unix(0, 0)
		b := &begin{ID: "t", Expires: begun.Add(time.Hour), OneShot: rapid.Bool().Draw(t, "one shot")}
		if b.OneShot {
			for range rapid.IntRange(1, 4).Draw(t, "calls") {
				b.Calls = append(b.Calls, drawCall(t))
			}
		}
		h := &history{log: []entry{{Kind: kindBegin, At: begun, Begin: b}}}
		replicas := []*replica{{}, {}}
		replicas[0].read(t, h)
		for range 200 {
			r := replicas[rapid.IntRange(0, 1).Draw(t, "who")]
			step(t, h, r)
			check(t, h)
		}
		finish(t, h, replicas[0])
	})
}

// step has a replica do something.
func step(t *rapid.T, h *history, r *replica) {
	now := time.Unix(1, 0)
	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0: // crash
		*r = replica{}
		r.read(t, h)
		if !r.state.state.final() {
			r.append(t, h, entry{Kind: kindClaim, At: now})
		}
	case 1:
		if r.state.state == Active {
			r.state.wanted = true
		}
	case 2:
		if r.state.state == Active && rapid.IntRange(0, 9).Draw(t, "rolls back") == 0 {
			r.append(t, h, entry{Kind: kindDecide, At: now, Reason: reasonRollback})
		}
	case 3:
		if e := r.state.timedOut(time.Unix(rapid.SampledFrom([]int64{1, 1, 1, 7200}).Draw(t, "time"), 0)); e != nil {
			r.append(t, h, *e)
		}
	case 4:
		if r.state.state == Active && !r.state.OneShot && !r.state.wanted && len(r.state.branches) < 4 {
			one := drawCall(t)
			r.append(t, h, entry{Kind: kindStart, At: now, Branch: len(r.state.branches) + 1, Call: &one})
		}
	case 5, 6:
		if e := r.state.proceed(now); e != nil && r.state.state != "" {
			r.append(t, h, *e)
		}
	default:
		respond(t, h, r, rapid.IntRange(0, 3).Draw(t, "answer"))
	}
}

// respond has a callee answer one of the calls under way: 0 with an error.
func respond(t *rapid.T, h *history, r *replica, how int) {
	tasks := r.state.tasks()
	if len(tasks) == 0 {
		return
	}
	task := tasks[rapid.IntRange(0, len(tasks)-1).Draw(t, "task")]
	e := entry{Kind: kindDone, At: time.Unix(1, 0), Branch: task.branch, Result: &payload{}}
	switch {
	case how == 0 && task.op.forward():
		e.Kind, e.Error = kindFailed, "e"
	case how <= 1:
		e.Kind, e.Error, e.Reached = kindTried, "e", rapid.Bool().Draw(t, "reached")
		if h.reached == nil {
			h.reached = make(map[int]bool)
		}
		h.reached[task.branch] = h.reached[task.branch] || e.Reached && task.op.forward() && r.seen == len(h.log)
	case !task.op.forward():
		e.Kind = kindSettled
	}
	if r.append(t, h, r.state.ifDue(task, e)...) && e.Kind == kindSettled {
		if task.op == opConfirm {
			h.made = append(h.made, task.branch)
		} else {
			h.undone = append(h.undone, task.branch)
		}
	}
}

func check(t *rapid.T, h *history) {
	decided, ended := 0, 0
	for _, e := range h.log {
		switch e.Kind {
		case kindDecide:
			decided++
		case kindEnd:
			ended++
		}
	}
	if decided > 1 || ended > 1 {
		t.Fatalf("%d decisions, %d ends", decided, ended)
	}
	if len(h.made) > 0 && len(h.undone) > 0 {
		t.Fatalf("confirmed %v and undone %v", h.made, h.undone)
	}
	if !slices.IsSortedFunc(h.undone, func(a, b int) int { return b - a }) {
		t.Fatalf("undone in the order %v", h.undone)
	}
}

// finish has all calls succeed, until the transaction has ended.
func finish(t *rapid.T, h *history, r *replica) {
	r.read(t, h)
	for n := 0; !r.state.state.final(); n++ {
		if n > 1000 {
			t.Fatalf("it does not end: %+v", r.state)
		}
		r.state.wanted = r.state.state == Active
		if e := r.state.proceed(time.Unix(2, 0)); e != nil {
			r.append(t, h, *e)
			continue
		}
		respond(t, h, r, 3)
	}
	check(t, h)
	for i, b := range r.state.branches {
		undone := slices.Contains(h.undone, i+1)
		switch {
		case r.state.state == Committed && (undone || b.reserves() != (b.state == branchConfirmed) || b.state == branchFailed || b.state == branchStarted):
			t.Fatalf("committed, and branch %d is %s", i+1, b.state)
		case r.state.state == Aborted && !undone && (b.state != branchFailed || b.reserves() || h.reached[i+1]):
			t.Fatalf("aborted, and branch %d is %s", i+1, b.state)
		}
	}
}
