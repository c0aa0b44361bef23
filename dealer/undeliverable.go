package dealer

import (
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// Undeliverable handles a delivery that could not be made: the queue of its
// receiver is full, or the payload has no form in the receiver's serializer.
// The caller is told reason and text instead, so that each call keeps its one
// final answer:
//
//   - an INVOCATION: the call ends, and the callee is interrupted if it got
//     earlier chunks; further ones of this step become [Delivery.Void];
//   - a progressive RESULT: the call ends, and the callee is interrupted;
//   - a final RESULT, or an ERROR from a callee: the call had ended, the
//     caller gets the error in its place;
//   - anything else is lost: its receiver is about to be cut off.
//
// m is the message as it was delivered, or a copy of it: its payload is not
// looked at. Unlike other methods this one leaves earlier deliveries valid, so
// it may be called while they are being delivered; it returns only those that
// it adds, which are to be delivered after those. They may be undeliverable in
// turn, which adds nothing further but the INVOCATIONs of calls that waited for
// the callee's room.
func (d *Dealer) Undeliverable(now time.Time, to wamp.ID, m wamp.Message, reason wamp.URI, text string) []Delivery {
	s := d.sessions[to]
	if s == nil {
		return nil
	}
	before := len(d.out.deliveries)
	why := refusal{reason, text}
	switch m := m.(type) {
	case *wamp.Invocation:
		c := s.invocations[m.Request]
		if c != nil && c.sent > 1 {
			c.sent -= d.out.unsend(m)
		}
		d.undeliveredInvocation(now, c, why)
	case *wamp.Result:
		d.undeliveredResult(now, s, m, why)
	case *wamp.Error:
		if m.RequestType == wamp.TypeCall && m.Origin == wamp.OriginCallee {
			d.stats.Undelivered++
			d.failed(s, m.Request, why)
		}
	}
	return d.out.deliveries[before:]
}

// undeliveredInvocation ends a call that did not reach its callee; c is nil
// if it has ended.
func (d *Dealer) undeliveredInvocation(now time.Time, c *call, why refusal) {
	switch {
	case c == nil:
	case c.sink() != nil:
		d.endInner(now, c, why.uri, textPayload(why.text))
	case c.sent > 1:
		d.abandon(now, c, why)
	case c.rerouted:
		c.vouch(d.fail(c.caller, c.id, why), false)
		d.end(now, c)
	default:
		c.vouch(d.refuse(c.caller, wamp.TypeCall, c.id, why), false)
		d.end(now, c)
	}
}

// undeliveredResult deals with a RESULT that did not reach the caller.
func (d *Dealer) undeliveredResult(now time.Time, s *session, m *wamp.Result, why refusal) {
	if !m.Details.Progress {
		d.stats.Undelivered++
		e := d.failed(s, m.Request, why)
		if m.Details.Acknowledged {
			vouch(e, true, true)
		}
		return
	}
	if c := s.calls[m.Request]; c != nil {
		d.abandon(now, c, why)
	}
}
