package dealer

import (
	"container/heap"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// deadlines is a heap of the calls that end by themselves at some time, the
// next one first; of those with the same deadline, the one that was given it
// first. It implements heap.Interface.
type deadlines struct {
	calls []*call
	given uint64 // deadlines so far
}

// Len returns how many calls have a deadline.
func (h *deadlines) Len() int { return len(h.calls) }

// Less reports whether the deadline of one call comes before that of another.
func (h *deadlines) Less(i, j int) bool {
	a, b := h.calls[i], h.calls[j]
	if a.deadline.Equal(b.deadline) {
		return a.given < b.given
	}
	return a.deadline.Before(b.deadline)
}

// Swap exchanges two calls.
func (h *deadlines) Swap(i, j int) {
	h.calls[i], h.calls[j] = h.calls[j], h.calls[i]
	h.calls[i].at, h.calls[j].at = i, j
}

// Push appends a *call.
func (h *deadlines) Push(x any) {
	c, _ := x.(*call)
	c.at = len(h.calls)
	h.calls = append(h.calls, c)
}

// Pop removes the last call.
func (h *deadlines) Pop() any {
	last := len(h.calls) - 1
	c := h.calls[last]
	h.calls[last] = nil
	h.calls = h.calls[:last]
	return c
}

// next returns the call that ends first, or nil if none ends by itself.
func (h *deadlines) next() *call {
	if len(h.calls) == 0 {
		return nil
	}
	return h.calls[0]
}

// endAt makes c end at a time with an error, or moves that time.
func (h *deadlines) endAt(c *call, at time.Time, why wamp.URI) {
	waiting := c.waiting()
	h.given++
	c.deadline, c.expiry, c.given = at, why, h.given
	if waiting {
		heap.Fix(h, c.at)
		return
	}
	heap.Push(h, c)
}

// remove lets c wait for as long as it takes.
func (h *deadlines) remove(c *call) {
	if c.waiting() {
		heap.Remove(h, c.at)
		c.deadline = time.Time{}
	}
}

// waiting reports whether c has a deadline.
func (c *call) waiting() bool { return !c.deadline.IsZero() }

// Expire ends the calls whose deadline has come.
func (d *Dealer) Expire(now time.Time) []Delivery {
	d.out.reset()
	for c := d.deadlines.next(); c != nil && !now.Before(c.deadline); c = d.deadlines.next() {
		d.expire(now, c)
	}
	d.expireHandovers(now)
	return d.out.deliveries
}

// expire ends a call because nothing came in time.
func (d *Dealer) expire(now time.Time, c *call) {
	text := "no answer within " + c.gap.String()
	switch {
	case c.queued != nil:
		text = "no callee was free within " + c.gap.String()
	case c.expiry == wamp.ErrCanceled:
		text = "no reaction to INTERRUPT within " + d.config.KillGrace.String()
		d.stats.Ungraceful++
	case c.expiry == wamp.ErrNetworkFailure:
		text = "the callee did not acknowledge within " + d.config.AckTimeout.String()
	}
	d.abandon(now, c, refusal{c.expiry, text})
}

// startTimeout sets the deadline a CALL asked for. A callee that keeps
// timeouts itself gets KillGrace more before the dealer steps in.
func (d *Dealer) startTimeout(now time.Time, c *call, milliseconds int64) {
	if milliseconds <= 0 {
		return
	}
	c.gap = timeout(milliseconds)
	if c.details.Timeout > 0 {
		c.gap += d.config.KillGrace
	}
	d.deadlines.endAt(c, now.Add(c.gap), wamp.ErrTimeout)
}

// timeout returns the duration of a timeout option that is not 0.
func timeout(milliseconds int64) time.Duration {
	const longest = int64(100 * 365 * 24 * time.Hour / time.Millisecond)
	return time.Duration(min(milliseconds, longest)) * time.Millisecond
}

// restartTimeout gives a call that shows progress its full time again: with
// progressive results a timeout limits the gaps between them (spec, section
// "Call Timeouts").
func (d *Dealer) restartTimeout(now time.Time, c *call) {
	if c.gap > 0 {
		d.deadlines.endAt(c, now.Add(c.gap), wamp.ErrTimeout)
	}
}

// startGrace bounds the wait for the answer to an INTERRUPT. A timeout that
// comes earlier stays.
func (d *Dealer) startGrace(now time.Time, c *call) {
	end := now.Add(d.config.KillGrace)
	if !c.waiting() || end.Before(c.deadline) {
		d.deadlines.endAt(c, end, wamp.ErrCanceled)
	}
}
