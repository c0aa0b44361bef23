package dealer

import (
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// yield handles a callee's answer. A final one ends the call, even if the
// caller has not sent its last chunk.
func (d *Dealer) yield(now time.Time, s *session, m *wamp.Yield) error {
	c, err := s.invocation(wamp.TypeYield, m.Request)
	if c == nil {
		return err
	}
	if c.receipt != receiptUnasked {
		d.received(c)
	}
	if m.Options.Passthru != nil {
		if ended, err := d.yieldPassthru(now, s, c, m); ended || err != nil {
			return err
		}
	}
	if m.Options.Progress {
		d.progress(now, c, m)
		return nil
	}
	c.tally.result()
	if to := c.sink(); to != nil {
		d.end(now, c)
		to.answered(d, now, m.Payload)
		return nil
	}
	d.stats.Ended[EndedByResult]++
	d.result(c, m)
	d.end(now, c)
	return nil
}

// progress passes a progressive result on, unless nobody wants it: callers
// that did not ask for progress take the first result for the last or fail,
// and who canceled waits for the end only.
func (d *Dealer) progress(now time.Time, c *call, m *wamp.Yield) {
	if !c.receiveProgress || c.killing {
		return
	}
	c.progressed = true
	d.dropKept(c)
	d.restartTimeout(now, c)
	d.result(c, m)
}

func (d *Dealer) result(c *call, m *wamp.Yield) {
	r := d.out.result(c.caller)
	r.Request = c.id
	r.Details.Progress = m.Options.Progress
	if c.receipt == receiptHere {
		r.Details.Acknowledged = !m.Options.Progress || !c.told
		c.told = true
	}
	r.Details.Passthru = m.Options.Passthru
	r.Details.Custom = m.Options.Custom
	r.Payload = m.Payload
	r.Served = wamp.Served{Registration: c.registration, Callee: c.callee.id}
}

// calleeError handles an ERROR that answers an INVOCATION: the caller gets it
// unchanged, unless the callee passes the call on.
func (d *Dealer) calleeError(now time.Time, s *session, m *wamp.Error) error {
	if m.RequestType != wamp.TypeInvocation {
		return violation("ERROR for %s: clients answer INVOCATION only", m.RequestType)
	}
	c, err := s.invocation(wamp.TypeError, m.Request)
	if c == nil {
		return err
	}
	if c.sink() != nil {
		c.tally.error()
		d.endInner(now, c, m.Error, m.Payload)
		return nil
	}
	if len(m.Details) > 0 {
		if err := s.errorPassthru(m.Details); err != nil {
			return err
		}
	}
	if m.Error == wamp.ErrUnavailable && c.passable() {
		d.passOn(now, c)
		return nil
	}
	if c.receipt != receiptUnasked {
		d.received(c)
	}
	c.tally.error()
	if c.killing {
		d.stats.Ended[EndedByCancel]++
	} else {
		d.stats.Ended[EndedByError]++
	}
	e := d.out.error(c.caller)
	e.RequestType = wamp.TypeCall
	e.Request = c.id
	e.Details = m.Details
	if c.receipt != receiptUnasked {
		e.Details = withDetail(m.Details, "acknowledged", true)
	}
	e.Error = m.Error
	e.Payload = m.Payload
	e.Origin = m.Origin // a callee's, unless somebody in this process says that it is not
	e.Served = wamp.Served{Registration: c.registration, Callee: c.callee.id}
	c.signAnswer(e)
	d.end(now, c)
	return nil
}
