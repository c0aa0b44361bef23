package dealer_test

import (
	"bytes"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

func (m *model) cancel(now time.Time, from wamp.ID, cancel *wamp.Cancel) {
	for _, c := range m.calls {
		if c.caller != from || c.id != cancel.Request {
			continue
		}
		able := m.callee(c.callee).Has(wamp.FeatureCallCanceling)
		mode := cancel.Mode
		if mode == wamp.CancelDefault {
			mode = wamp.CancelKillNoWait
		}
		switch {
		case c.killing && mode != wamp.CancelKillNoWait:
		case mode == wamp.CancelUnknown:
			m.giveUp(now, c, wamp.ErrInvalidArgument)
		case mode == wamp.CancelSkip || !able:
			m.sendEnd(c, wamp.ErrCanceled, c.origin(), true)
			m.remove(now, c)
		case mode == wamp.CancelKillNoWait:
			m.giveUp(now, c, wamp.ErrCanceled)
		default:
			m.interrupt(c, wamp.CancelKill, wamp.ErrCanceled)
			c.killing = true
			m.stopAwaiting(c)
			if grace := now.Add(5 * time.Second); c.deadline.IsZero() || grace.Before(c.deadline) {
				m.endAt(c, grace, wamp.ErrCanceled)
			}
		}
		return
	}
}

// answer handles a YIELD or ERROR for an INVOCATION.
func (m *model) answer(now time.Time, from, invocation wamp.ID, message wamp.Message) bool {
	for _, c := range m.calls {
		if c.callee != from || c.invocation != invocation {
			continue
		}
		switch answer := message.(type) {
		case *wamp.Yield:
			m.receiveCall(c)
			m.yield(now, c, answer)
		case *wamp.Error:
			if answer.Error == wamp.ErrUnavailable && m.decline(now, c) {
				return true
			}
			m.receiveCall(c)
			m.send(c.caller, &wamp.Error{
				RequestType: wamp.TypeCall, Request: c.id, Details: c.answerDetails(answer.Details), Error: answer.Error, Payload: answer.Payload,
			})
			m.remove(now, c)
		}
		return true
	}
	return invocation >= 1 && invocation <= m.lastInv[from]
}

func (m *model) yield(now time.Time, c *modelCall, y *wamp.Yield) {
	result := &wamp.Result{Request: c.id, Payload: y.Payload}
	result.Details.Progress = y.Options.Progress
	result.Details.Custom = y.Options.Custom
	if !y.Options.Progress {
		result.Details.Acknowledged = c.received
		m.send(c.caller, result)
		m.remove(now, c)
		return
	}
	if !c.options.ReceiveProgress || c.killing {
		return
	}
	c.progressed = true
	result.Details.Acknowledged = c.received && !c.told
	c.told = c.received
	m.send(c.caller, result)
	if c.gap > 0 {
		m.endAt(c, now.Add(c.gap), c.why)
	}
}

func (m *model) endAt(c *modelCall, at time.Time, why wamp.URI) {
	m.lastSeq++
	c.deadline, c.why, c.given = at, why, m.lastSeq
}

func (m *model) undeliverable(now time.Time, to wamp.ID, message wamp.Message, reason wamp.URI) {
	switch message := message.(type) {
	case *wamp.Invocation:
		for _, c := range m.calls {
			if c.callee != to || c.invocation != message.Request {
				continue
			}
			origin := wamp.OriginDealer
			if len(c.tried) > 0 {
				origin = wamp.OriginDealerDispatched
			}
			if !bytes.Equal(message.Payload.Args, c.chunks[0].Payload.Args) {
				m.giveUp(now, c, reason)
			} else {
				m.sendEnd(c, reason, origin, false)
				m.remove(now, c)
			}
			return
		}
	case *wamp.Result:
		if !message.Details.Progress {
			e := &wamp.Error{RequestType: wamp.TypeCall, Request: message.Request, Error: reason, Origin: wamp.OriginDealerDispatched}
			if message.Details.Acknowledged {
				e.Details = vouched(true, true)
			}
			m.send(to, e)
			return
		}
		for _, c := range m.calls {
			if c.caller == to && c.id == message.Request {
				m.giveUp(now, c, reason)
				return
			}
		}
	case *wamp.Error:
		if message.RequestType == wamp.TypeCall && message.Origin == wamp.OriginCallee {
			m.sendError(to, wamp.TypeCall, message.Request, reason, wamp.OriginDealerDispatched)
		}
	}
}
