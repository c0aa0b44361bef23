package router

import (
	"errors"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// deliver pushes the deliveries of one step of the dealer, in order. A session
// whose outbox refuses what it cannot do without is cut off. This ends: each
// turn of the loop takes a session out of the realm.
//
// from is the session whose message led to them, nil if none did. It will wait
// for the receivers that are congested, but not for itself: a callee that
// reads nothing before its answer is taken would stop both.
func (r *realm) deliver(b *Batch, now time.Time, out []dealer.Delivery, from *Session) {
	r.push(b, now, out, from)
	if len(r.gone) > 0 || r.dealer.HasMore() {
		r.settle(b, now)
	}
}

// settle takes the sessions that were cut off out of the dealer, and pushes what
// a step has more. Nobody waits for those who are told.
func (r *realm) settle(b *Batch, now time.Time) {
	for len(r.gone) > 0 || r.dealer.HasMore() {
		if len(r.gone) == 0 {
			r.push(b, now, r.dealer.More(), nil)
			continue
		}
		s := r.gone[len(r.gone)-1]
		r.gone = r.gone[:len(r.gone)-1]
		r.push(b, now, r.dealer.Leave(now, s.id), nil)
	}
}

// push pushes deliveries, and after all of them what takes the place of those
// that were refused: an INVOCATION of a call that waited must not overtake
// others to the same callee. The loop ends: only calls that waited can be
// refused again.
func (r *realm) push(b *Batch, now time.Time, out []dealer.Delivery, from *Session) {
	for len(out) > 0 {
		out, from = r.pushOnce(b, now, out, from), nil
	}
}

// pushOnce returns what takes the place of what was refused.
func (r *realm) pushOnce(b *Batch, now time.Time, out []dealer.Delivery, from *Session) (instead []dealer.Delivery) {
	for _, d := range out {
		s := r.sessions[d.To]
		if s == nil || d.Void() {
			continue // cut off, or ended, in this step
		}
		if goodbye, ends := d.Message.(*wamp.Goodbye); ends {
			r.kill(b, s, goodbye)
			continue
		}
		if s.spent != nil {
			s.answered(d.Message)
		}
		if err := s.out.Push(d.Message); err != nil {
			instead = append(instead, r.refused(b, now, s, d.Message, err)...)
			continue
		}
		b.mark(s)
		if s.local {
			r.received(b, now, s, d.Message)
		}
		if from != nil && from != s {
			part, limit := r.patience(d.Message)
			b.wait(s, part, limit)
		}
	}
	return instead
}

// received reports that s, which is inside the process, has m.
func (r *realm) received(b *Batch, now time.Time, s *Session, m wamp.Message) {
	if inv, ok := m.(*wamp.Invocation); ok && inv.Receipt != 0 {
		r.push(b, now, r.dealer.Acknowledged(s.id, inv.Request), nil)
	}
}

// reply pushes the last message to s, which is about to be removed. If it is
// not taken the outbox is to be closed.
func (r *realm) reply(b *Batch, s *Session, m wamp.Message) (taken bool) {
	if err := s.out.Push(m); err != nil {
		b.end(s, err)
		return false
	}
	b.mark(s)
	return true
}

// kill ends a session that the dealer has put an end to. There is no waiting
// for the peer's GOODBYE: the closing of its connection has a limit of its own.
func (r *realm) kill(b *Batch, s *Session, goodbye wamp.Message) {
	if r.reply(b, s, goodbye) {
		b.end(s, ErrKilled)
	}
	r.forget(s)
	r.counters.killed++
}

// patience returns what the receiver of m is to its sender, and how long that
// one waits if the receiver is congested. Whoever calls a slow callee waits for it; but a callee is not
// held up for long by a caller that does not read its answers, since its other
// callers would wait as well.
func (r *realm) patience(m wamp.Message) (part, time.Duration) {
	switch m.(type) {
	case *wamp.Invocation:
		return asCallee, r.router.config.StallLimit
	case *wamp.Result, *wamp.Error:
		return asCaller, r.router.config.AnswerStallLimit
	}
	return asCaller, 0
}

// refused handles a message that the outbox of s did not take. It returns what
// the dealer puts in its place.
func (r *realm) refused(b *Batch, now time.Time, s *Session, m wamp.Message, err error) []dealer.Delivery {
	r.counters.refused[refusalOf(err)]++
	reason, text := excuse(m, err)
	if reason == "" {
		r.cut(b, s, err)
		return nil
	}
	return r.dealer.Undeliverable(now, s.id, m, reason, text)
}

// cut ends a session that does not take what it must.
func (r *realm) cut(b *Batch, s *Session, err error) {
	r.forget(s)
	r.gone = append(r.gone, s)
	b.end(s, err)
	if errors.Is(err, ErrFull) {
		r.counters.cutFull++
	} else {
		r.counters.cutOther++
	}
}

// excuse returns the URI and the text of the ERROR that a call ends with
// because m was refused. There is none if the session has to end instead.
func excuse(m wamp.Message, err error) (reason wamp.URI, text string) {
	full := errors.Is(err, ErrFull)
	switch m := m.(type) {
	case *wamp.Invocation:
		if full {
			return wamp.ErrUnavailable, "the callee does not keep up with its calls"
		}
	case *wamp.Result:
	case *wamp.Error:
		if m.Origin != wamp.OriginCallee {
			return "", ""
		}
	default:
		return "", ""
	}
	switch {
	case full:
		return wamp.ErrNetworkFailure, "the caller does not keep up with its answers"
	case errors.Is(err, ErrTooLarge):
		return wamp.ErrPayloadSizeExceeded, err.Error()
	case errors.Is(err, wamp.ErrUntranscodable):
		return wamp.ErrInvalidArgument, err.Error()
	}
	return "", ""
}
