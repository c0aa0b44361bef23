package dealer

import (
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A callee that registered a concurrency gets no more INVOCATIONs at once. A
// CALL that finds all callees of its registration busy waits in a queue, in
// order, until one of them has room, a newcomer takes it, or Config.MaxWait
// has passed. To everybody else it is a call like others: it can be canceled,
// times out, takes further chunks, and goes with its caller. But nobody has
// got it, so that its errors say that it may be repeated.

// A queue holds calls that wait for the same callees, the first comer first.
type queue struct {
	first, last *call
	held        *held
}

// held is what the waiting calls of a registration amount to. Queues may share
// it, to be bounded together.
type held struct{ calls, bytes int }

// heldInRealm is how many times MaxWaitingBytes may be kept of all calls of a
// realm.
const heldInRealm = 16

// A queued is what a call keeps while it waits.
type queued struct {
	queue         *queue
	before, after *call // in the queue
	since         time.Time
	chunks        []wamp.Call // copies; what is not progressive has one
	bytes         int         // about what they take up
}

// wait lets a new call wait until a callee of r has room for it.
func (d *Dealer) wait(now time.Time, s *session, r *registration, m *wamp.Call) {
	if r.queue == nil {
		r.queue = &queue{held: new(held)}
	}
	d.enqueue(now, s, r.queue, m)
}

// enqueue appends a new call to q, or refuses it and returns nil if there is no
// room.
func (d *Dealer) enqueue(now time.Time, s *session, q *queue, m *wamp.Call) *call {
	if q.held.calls >= d.config.MaxWaiting {
		d.refuseCall(now, s, m, refusal{wamp.ErrUnavailable, "all callees are busy, and too many calls wait for them"})
		return nil
	}
	if !d.fits(q, m) {
		d.refuseCall(now, s, m, tooMuchWaiting())
		return nil
	}
	c := d.open(now, s, m)
	c.details.Procedure = m.Procedure
	c.queued = &queued{queue: q, since: now}
	q.push(c)
	d.hold(c, m)
	why := wamp.ErrUnavailable
	c.gap = d.config.MaxWait
	if ms := m.Options.Timeout; ms > 0 && timeout(ms) <= c.gap {
		why, c.gap = wamp.ErrTimeout, timeout(ms)
	}
	d.deadlines.endAt(c, now.Add(c.gap), why)
	return c
}

// waitOn keeps a further chunk of a call that waits. If there is no room for
// it the call has to end.
func (d *Dealer) waitOn(now time.Time, c *call, m *wamp.Call) {
	if !d.fits(c.queued.queue, m) {
		d.abandon(now, c, tooMuchWaiting())
		return
	}
	d.hold(c, m)
}

func tooMuchWaiting() refusal {
	return refusal{wamp.ErrUnavailable, "all callees are busy, and the calls that wait for them hold too many bytes"}
}

// fits reports whether a chunk may be kept in q.
func (d *Dealer) fits(q *queue, m *wamp.Call) bool {
	size := callSize(m)
	return q.held.bytes+size <= d.config.MaxWaitingBytes && d.held+size <= heldInRealm*d.config.MaxWaitingBytes
}

// hold keeps a copy of a chunk.
func (d *Dealer) hold(c *call, m *wamp.Call) {
	w, size := c.queued, callSize(m)
	w.chunks = append(w.chunks, cloneCall(m))
	w.bytes += size
	w.queue.held.bytes += size
	d.held += size
}

// leaveQueue takes a call out of its queue, for whatever reason.
func (d *Dealer) leaveQueue(c *call) {
	d.held -= c.queued.bytes
	c.queued.queue.remove(c)
	c.queued = nil
}

// refill sends waiting calls to a place, as many as it has room for.
func (d *Dealer) refill(now time.Time, p *place) {
	q := p.registration.queue
	if q == nil || p.gone {
		return
	}
	for c := q.next(p); c != nil; c = q.next(p) {
		if now.Before(c.deadline) {
			d.dispatch(now, c, p)
		} else {
			d.expire(now, c)
		}
	}
}

// vacate makes room for the next call at a place that one has left; p may be
// nil.
func (d *Dealer) vacate(now time.Time, p *place) {
	if p != nil {
		p.free()
		d.refill(now, p)
	}
}

// dispatch sends a call that waited to a callee, with all chunks that came
// meanwhile. The time that it waited counts for its timeout.
func (d *Dealer) dispatch(now time.Time, c *call, p *place) {
	w := c.queued
	d.leaveQueue(c)
	first := &w.chunks[0]
	d.assign(c, p, first)
	d.deadlines.remove(c)
	d.resumeTimeout(now, c, w.since, first.Options.Timeout)
	if first.Options.TrustLevel == trustAcknowledged {
		d.await(now, c)
	}
	for i := range w.chunks {
		d.send(c, &w.chunks[i], first.Options.Custom)
	}
	if c.chunked {
		c.details.Custom = first.Options.Custom
	}
	if p.reroutes && len(w.chunks) == 1 && d.worthKeeping(p, first) {
		d.keep(c, p, w.since, first)
	}
}

// resumeTimeout sets the deadline of a call that was made earlier.
func (d *Dealer) resumeTimeout(now time.Time, c *call, since time.Time, milliseconds int64) {
	c.gap = 0
	d.startTimeout(since, c, milliseconds)
	if c.details.Timeout > 0 {
		c.details.Timeout = max(milliseconds-now.Sub(since).Milliseconds(), 1)
	}
}

// dropHopeless ends the calls that wait for callees of r that have left. It
// looks at all that wait.
func (d *Dealer) dropHopeless(now time.Time, r *registration) {
	if r.queue == nil {
		return
	}
	for c := r.queue.first; c != nil; {
		next := c.queued.after
		switch {
		case len(r.places) == 0:
			d.abandon(now, c, refusal{wamp.ErrNoAvailableCallee, "the last callee of " + quote(r.procedure) + " has left"})
		case c.chunked && r.streaming == 0:
			d.abandon(now, c, notStreaming(c.details.Procedure))
		default:
			if why := r.lacks(&c.queued.chunks[0].Options); why.uri != "" {
				d.abandon(now, c, why)
			}
		}
		c = next
	}
}

// push appends a call.
func (q *queue) push(c *call) {
	c.queued.before = q.last
	if q.last == nil {
		q.first = c
	} else {
		q.last.queued.after = c
	}
	q.last = c
	q.held.calls++
}

// remove takes a call out, wherever it stands.
func (q *queue) remove(c *call) {
	w := c.queued
	if w.before == nil {
		q.first = w.after
	} else {
		w.before.queued.after = w.after
	}
	if w.after == nil {
		q.last = w.before
	} else {
		w.after.queued.before = w.before
	}
	q.held.calls--
	q.held.bytes -= w.bytes
}

// next returns the first call that p can take now, or nil. It passes over
// those that ask for what p cannot do.
func (q *queue) next(p *place) *call {
	c := q.first
	for c != nil && (!p.able(c.chunked) || p.session.lacks(&c.queued.chunks[0].Options).uri != "") {
		c = c.queued.after
	}
	return c
}

// take notes that the callee got a call.
func (p *place) take() {
	p.inFlight++
	if p.inFlight == p.limit {
		p.full = true
		p.registration.countFull(p, 1)
	}
	p.registration.nextTurn(p)
}

// free notes that one of the callee's calls has ended, perhaps after it gave
// its place up.
func (p *place) free() {
	p.inFlight--
	if p.gone {
		return
	}
	if p.full {
		p.full = false
		p.registration.countFull(p, -1)
	}
	p.registration.weigh(p)
}

// countFull notes that n more places have no room, p being one of them.
func (r *registration) countFull(p *place, n int) {
	r.full += n
	if p.streaming {
		r.fullStreaming += n
	}
}
