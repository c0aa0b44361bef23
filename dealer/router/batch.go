package router

import (
	"context"
	"time"
)

// A Batch collects the outboxes that one goroutine filled, so that each is
// flushed once and not for every message. The zero Batch is ready. It belongs
// to one goroutine at a time.
//
// Whoever hands messages to [Session.Receive] flushes before it waits for
// anything, most of all for its own input, and gives way while the batch is
// congested:
//
//	err := session.Receive(&batch, m)
//	if batch.Congested() {
//		batch.Flush()
//		batch.Drained(ctx)
//	}
//
// That wait is what slows down a sender whose receivers do not keep up. It
// cannot last: two peers that write without reading would otherwise wait for
// each other through the router for ever. When the time is over, the sender
// goes on, and the receiver holds nobody up any more until it has caught up.
// If it does not, its outbox fills: calls to it are then answered with an
// ERROR, and if even that is refused, the session is cut off.
type Batch struct {
	flushes uint64    // a new number makes the marks that sessions keep void
	now     time.Time // of all messages until the next flush; zero until the first
	dirty   []Outbox
	waits   []wait
	ended   []ended
}

// A part is what the receiver of a message is to its sender.
type part uint8

// The parts.
const (
	asCallee part = iota
	asCaller
	parts
)

// A wait is for a congested receiver, which sender should not overtake.
type wait struct {
	receiver *Session
	part     part
	limit    time.Duration
}

// An ended is a session that the router ended; its outbox is to be closed.
type ended struct {
	session *Session
	reason  error
}

// Flush flushes the outboxes that were filled since the last Flush.
func (b *Batch) Flush() {
	for i, out := range b.dirty {
		out.Flush()
		b.dirty[i] = nil
	}
	b.dirty = b.dirty[:0]
	b.flushes++
	b.now = time.Time{}
}

// time returns when the messages of the batch came. They came together, and to
// ask for the time of each would be a twentieth of what a small call costs.
func (b *Batch) time() time.Time {
	if b.now.IsZero() {
		b.now = time.Now()
	}
	return b.now
}

// Congested reports that a receiver cannot keep up and the goroutine should
// call Drained before it goes on.
func (b *Batch) Congested() bool { return len(b.waits) > 0 }

// Drained waits until the congested receivers have caught up, or until they
// had [Config.StallLimit] (for requests) or [Config.AnswerStallLimit] (for
// answers) to do so. The error is that of ctx, if it ended the wait.
func (b *Batch) Drained(ctx context.Context) error {
	start := time.Now()
	defer b.reset()
	for _, w := range b.waits {
		if err := w.drained(ctx, start); err != nil {
			return err
		}
	}
	return nil
}

func (w wait) drained(ctx context.Context, start time.Time) error {
	limited, cancel := context.WithDeadline(ctx, start.Add(w.limit))
	defer cancel()
	if w.receiver.out.Drained(limited) == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w.receiver.gaveUp.Store(true)
	w.receiver.realm.outwaited[w.part].Add(1)
	return nil
}

// mark notes that s got a message. The realm's lock is held.
func (b *Batch) mark(s *Session) {
	if s.batch == b && s.batchFlushes == b.flushes {
		return
	}
	s.batch, s.batchFlushes = b, b.flushes
	b.dirty = append(b.dirty, s.out)
}

// wait makes the batch congested if s is. The realm's lock is held.
func (b *Batch) wait(s *Session, part part, limit time.Duration) {
	if !s.out.Congested() {
		if s.gaveUp.Load() {
			s.gaveUp.Store(false)
		}
		return
	}
	if limit == 0 || s.gaveUp.Load() || len(b.waits) > 0 && b.waits[len(b.waits)-1].receiver == s {
		return
	}
	b.waits = append(b.waits, wait{s, part, limit})
	s.realm.counters.waits[part]++
}

// end notes that the outbox of s is to be closed. The realm's lock is held.
func (b *Batch) end(s *Session, reason error) {
	b.ended = append(b.ended, ended{s, reason})
}

// closeEnded closes the outboxes of the sessions that the router ended. The
// realm's lock is not held.
func (b *Batch) closeEnded() {
	for i, e := range b.ended {
		b.ended[i] = ended{}
		e.session.out.Close(e.reason)
		e.session.realm.logEnd(e.session, e.reason)
	}
	b.ended = b.ended[:0]
}

// reset makes the batch fit for another owner.
func (b *Batch) reset() {
	clear(b.waits)
	b.waits = b.waits[:0]
}
