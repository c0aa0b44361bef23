package dealer

import (
	"bytes"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A CALL with runmode "all" goes to every member of a shard group. Each gets a
// call of the dealer's own. What they answer is gathered into one RESULT, a
// list in the order of the members, or passed on at once as progressive
// RESULTs, if the caller asked for progress; then the last RESULT counts them.
// A member that fails adds an entry with its error, and ends nothing. Calls to
// all do not stand in the lines of keys, and wait for no handover.

// A gather is a CALL to all members.
type gather struct {
	outer      *call
	parts      []*part // in the order of the members
	left       int     // parts without an answer
	failed     int     // parts that failed
	bytes      int     // that the answers take up
	serializer wamp.Serializer
}

// A part is one member's part in it.
type part struct {
	gather  *gather
	call    *call // nil once it has ended
	id      string
	err     wamp.URI // empty if the answer is a RESULT
	payload wamp.Payload
}

// callAll handles a CALL with runmode "all".
func (d *Dealer) callAll(now time.Time, s *session, r *registration, m *wamp.Call) {
	if m.Options.Passthru != nil || m.Options.TrustLevel == trustAcknowledged {
		d.refuseCall(now, s, m, refusal{wamp.ErrOptionNotAllowed, "runmode all goes with neither trust_level acknowledged nor payload passthru mode"})
		return
	}
	members := r.group.members
	if d.calls+len(members) >= d.config.MaxCalls {
		d.refuseCall(now, s, m, refusal{wamp.ErrUnavailable, "too many calls in flight"})
		return
	}
	c := d.open(now, s, m)
	c.details.Procedure = m.Procedure
	g := &gather{outer: c, left: len(members), serializer: m.Payload.Serializer}
	c.sharded = &sharded{gather: g}
	d.startTimeout(now, c, m.Options.Timeout)
	for _, member := range members {
		p := member.active()
		part := &part{gather: g, id: p.seat.id}
		g.parts = append(g.parts, part)
		part.call = d.openInner(now, s, p, m, part)
	}
}

// answered takes a member's RESULT.
func (p *part) answered(d *Dealer, now time.Time, payload wamp.Payload) { p.done(d, now, payload) }

// failed takes a member's ERROR, or that which comes in its place.
func (p *part) failed(d *Dealer, now time.Time, why wamp.URI, payload wamp.Payload) {
	p.err = why
	p.gather.failed++
	p.done(d, now, payload)
}

// done notes a member's answer, and ends the call with the last one.
func (p *part) done(d *Dealer, now time.Time, payload wamp.Payload) {
	g := p.gather
	c := g.outer
	p.call = nil
	g.left--
	switch {
	case c.killing:
	case c.receiveProgress:
		p.payload = payload
		d.stream(now, c, p)
	default:
		g.bytes += len(payload.Args) + len(payload.Kwargs)
		if g.bytes > d.config.MaxGather {
			d.abandon(now, c, refusal{wamp.ErrPayloadSizeExceeded, "the answers of all members are too large together"})
			return
		}
		p.keep(payload)
	}
	if g.left == 0 {
		d.finishAll(now, c)
	}
}

// keep copies an answer. The first one decides the serializer of the RESULT if
// the CALL did not.
func (p *part) keep(payload wamp.Payload) {
	p.payload = wamp.Payload{Serializer: payload.Serializer, Args: bytes.Clone(payload.Args), Kwargs: bytes.Clone(payload.Kwargs)}
	if p.gather.serializer == 0 && !payload.Empty() {
		p.gather.serializer = payload.Serializer
	}
}

// stream sends an answer as a progressive RESULT.
func (d *Dealer) stream(now time.Time, c *call, p *part) {
	d.restartTimeout(now, c)
	s := p.payload.Serializer
	if s == 0 {
		s = wamp.JSON
	}
	r := d.out.result(c.caller)
	r.Request = c.id
	r.Details.Progress = true
	r.Payload = wamp.Payload{Serializer: s, Args: s.AppendList(nil, p.entry(s))}
}

// finishAll sends the final answer.
func (d *Dealer) finishAll(now time.Time, c *call) {
	if c.killing {
		c.vouch(d.fail(c.caller, c.id, refusal{uri: wamp.ErrCanceled}), true)
		d.end(now, c)
		return
	}
	d.stats.Ended[EndedByResult]++
	g := c.gathering()
	r := d.out.result(c.caller)
	r.Request = c.id
	if c.receiveProgress {
		n := len(g.parts)
		r.Payload, _ = wamp.NewPayload(wamp.JSON, nil, wamp.Dict{"members": n, "results": n - g.failed, "errors": g.failed})
	} else {
		r.Payload = g.list()
	}
	d.end(now, c)
}

// list returns all answers as the only argument.
func (g *gather) list() wamp.Payload {
	s := g.serializer
	if s == 0 {
		s = wamp.JSON
	}
	entries := make([][]byte, len(g.parts))
	for i, p := range g.parts {
		entries[i] = p.entry(s)
	}
	return wamp.Payload{Serializer: s, Args: s.AppendList(nil, s.AppendList(nil, entries...))}
}

// entry returns a member's answer as a dict in serializer s.
func (p *part) entry(s wamp.Serializer) []byte {
	payload, err := p.payload.Transcode(s)
	if err != nil {
		p.err = wamp.ErrInvalidArgument
		payload, _ = textPayload(err.Error()).Transcode(s)
	}
	entries := []wamp.Entry{{Key: "shard_id", Value: encode(s, p.id)}}
	if p.err != "" {
		entries = append(entries, wamp.Entry{Key: "error", Value: encode(s, string(p.err))})
	}
	if payload.Args != nil {
		entries = append(entries, wamp.Entry{Key: "args", Value: payload.Args})
	}
	if payload.Kwargs != nil {
		entries = append(entries, wamp.Entry{Key: "kwargs", Value: payload.Kwargs})
	}
	return s.AppendMap(nil, entries...)
}

func encode(s wamp.Serializer, text string) []byte {
	b, _ := s.AppendValue(nil, text) // a string always has a form
	return b
}

// killParts interrupts the members that can be, and waits for these alone.
func (d *Dealer) killParts(now time.Time, c *call) {
	for _, p := range c.gathering().parts {
		switch {
		case p.call == nil:
		case p.call.interruptible():
			d.interrupt(p.call, wamp.CancelKill, wamp.ErrCanceled)
			p.call.killing = true
		default:
			d.end(now, p.call)
			p.call = nil
			c.gathering().left--
		}
	}
}

// interruptParts interrupts the members that have not answered. The caller may
// be one of them, and have left.
func (d *Dealer) interruptParts(c *call, mode wamp.CancelMode, reason wamp.URI) {
	for _, p := range c.gathering().parts {
		if p.call != nil && d.sessions[p.call.callee.id] != nil {
			d.interrupt(p.call, mode, reason)
		}
	}
}

// interruptible reports whether a member that has not answered knows
// INTERRUPT.
func (g *gather) interruptible() bool {
	for _, p := range g.parts {
		if p.call != nil && p.call.interruptible() {
			return true
		}
	}
	return false
}

// endParts ends the calls of members that have not answered.
func (d *Dealer) endParts(now time.Time, g *gather) {
	for _, p := range g.parts {
		if p.call != nil {
			d.end(now, p.call)
			p.call = nil
		}
	}
}
