package dealer

import (
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// cancel handles a CANCEL (spec, section "Call Canceling"). One for a call
// that has ended, or that never was, is a normal race and is ignored.
//
// Modes other than "kill" end the call here and now, "kill" waits for the
// callee's answer. A callee that does not know INTERRUPT makes every mode
// "skip"; a CANCEL without mode is "killnowait". An unknown mode is an error
// and ends the call too, since a caller takes any ERROR for the end of it.
func (d *Dealer) cancel(now time.Time, s *session, m *wamp.Cancel) error {
	c := s.calls[m.Request]
	if c == nil {
		return nil
	}
	switch {
	case c.killing:
		d.cancelAgain(now, c, m.Mode)
	case m.Mode == wamp.CancelSkip && c.queued == nil:
		c.vouch(d.fail(c.caller, c.id, refusal{uri: wamp.ErrCanceled}), true)
		d.end(now, c)
	case m.Mode == wamp.CancelKill && c.interruptible():
		d.kill(now, c)
	case m.Mode >= wamp.CancelUnknown:
		d.abandon(now, c, refusal{wamp.ErrInvalidArgument, "mode is none of skip, kill, killnowait; the call was canceled"})
	default:
		d.abandon(now, c, refusal{uri: wamp.ErrCanceled})
	}
	return nil
}

// cancelAgain handles a CANCEL for a call that is being killed: the caller
// may stop waiting.
func (d *Dealer) cancelAgain(now time.Time, c *call, mode wamp.CancelMode) {
	if mode == wamp.CancelKillNoWait || mode == wamp.CancelDefault {
		d.abandon(now, c, refusal{uri: wamp.ErrCanceled})
	}
}

// kill interrupts the callee and waits for what it answers, but not for ever.
func (d *Dealer) kill(now time.Time, c *call) {
	if c.gathering() != nil {
		d.killParts(now, c)
	} else {
		d.interrupt(c, wamp.CancelKill, wamp.ErrCanceled)
	}
	c.killing = true
	if c.receipt == receiptAwaited {
		d.stopAwaiting(c)
	}
	d.startGrace(now, c)
}

// abandon ends a call with an error for the caller and an INTERRUPT for the
// callee, if there is one; its answer does not matter any more.
func (d *Dealer) abandon(now time.Time, c *call, why refusal) {
	if c.queued != nil {
		c.vouch(d.refuse(c.caller, wamp.TypeCall, c.id, why), false)
		d.end(now, c)
		return
	}
	if c.sink() == nil {
		c.vouch(d.fail(c.caller, c.id, why), true)
	}
	reason := wamp.ErrCanceled
	if why.uri == wamp.ErrTimeout {
		reason = why.uri
	}
	d.interrupt(c, wamp.CancelKillNoWait, reason)
	if c.sink() != nil {
		d.endInner(now, c, why.uri, textPayload(why.text))
		return
	}
	d.end(now, c)
}

// interrupt asks the callee to stop working. It is asked once, and only if it
// announced that it can be: others close their connection.
func (d *Dealer) interrupt(c *call, mode wamp.CancelMode, reason wamp.URI) {
	if c.killing || !c.interruptible() {
		return
	}
	if c.gathering() != nil {
		d.interruptParts(c, mode, reason)
		return
	}
	m := d.out.interrupt(c.callee)
	m.Request = c.invocation
	m.Mode = mode
	m.Reason = reason
}

// interruptible reports whether there is a callee that knows INTERRUPT.
func (c *call) interruptible() bool {
	if c.gathering() != nil {
		return c.gathering().interruptible()
	}
	return c.queued == nil && c.callee.callee.Has(wamp.FeatureCallCanceling)
}

// callerGone ends a call whose caller has left.
func (d *Dealer) callerGone(now time.Time, c *call) {
	d.interrupt(c, wamp.CancelKillNoWait, wamp.ErrCanceled)
	d.stats.Ended[CallerGone]++
	d.end(now, c)
}

// calleeGone ends a call whose callee has left, perhaps together with the
// caller.
func (d *Dealer) calleeGone(now time.Time, c *call) {
	if c.sink() != nil {
		d.endInner(now, c, wamp.ErrCanceled, textPayload("callee gone"))
		return
	}
	if c.caller == c.callee {
		d.stats.Ended[CallerGone]++
	} else {
		d.stats.Ended[CalleeGone]++
		c.vouch(d.failed(c.caller, c.id, refusal{wamp.ErrCanceled, "callee gone"}), true)
	}
	d.end(now, c)
}
