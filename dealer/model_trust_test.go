package dealer_test

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// disclose is the policy for a procedure.
func (m *model) disclose(procedure wamp.URI) dealer.DisclosePolicy {
	policy := m.config.Disclose
	for _, rule := range m.config.DiscloseFor {
		if rule.URI == procedure {
			policy = rule.Policy
		}
	}
	return policy
}

// await gives a new call five seconds to be received.
func (m *model) await(now time.Time, c *modelCall) {
	c.awaited, c.received, c.timeout = true, false, time.Time{}
	end := now.Add(5 * time.Second)
	if c.deadline.IsZero() || end.Before(c.deadline) {
		c.timeout = c.deadline
		m.endAt(c, end, wamp.ErrNetworkFailure)
	}
}

func (m *model) stopAwaiting(c *modelCall) {
	if !c.awaited {
		return
	}
	c.awaited = false
	if c.why != wamp.ErrNetworkFailure {
		return
	}
	if c.deadline = c.timeout; !c.deadline.IsZero() {
		m.endAt(c, c.timeout, wamp.ErrTimeout)
	}
}

// receiveCall notes that a callee has received a call.
func (m *model) receiveCall(c *modelCall) {
	if c.options.TrustLevel == "acknowledged" {
		m.stopAwaiting(c)
		c.received = true
	}
}

// acknowledged notes that a callee has received an INVOCATION and all before.
func (m *model) acknowledged(callee, invocation wamp.ID) {
	calls := slices.Clone(m.calls)
	slices.SortFunc(calls, func(a, b *modelCall) int { return cmp.Compare(a.invocation, b.invocation) })
	for _, c := range calls {
		if c.callee == callee && c.awaited && c.invocation <= invocation {
			m.receiveCall(c)
			if c.options.ReceiveProgress && !c.told {
				c.told = true
				m.send(c.caller, &wamp.Result{Request: c.id, Details: wamp.ResultDetails{Progress: true, Acknowledged: true}})
			}
		}
	}
}

// takes says whether a callee could take a call and all that it asks for.
func (m *model) takes(p *modelPlace, c *modelCall) bool {
	return m.suits(p, c) && (c.options.TrustLevel == "" || m.peers[p.callee].Acknowledges)
}

// sendEnd tells the caller that its call ended without an answer.
func (m *model) sendEnd(c *modelCall, uri wamp.URI, origin wamp.Origin, executed bool) {
	e := &wamp.Error{RequestType: wamp.TypeCall, Request: c.id, Error: uri, Origin: origin}
	if c.options.TrustLevel == "acknowledged" && c.callee != 0 {
		e.Details = vouched(c.received && executed, executed)
	}
	m.send(c.caller, e)
}

func vouched(received, executed bool) wamp.Dict {
	return wamp.Dict{"acknowledged": received, "maybe_executed": executed}
}

// answerDetails are those that the caller gets of a callee's ERROR.
func (c *modelCall) answerDetails(details wamp.Dict) wamp.Dict {
	if c.options.TrustLevel != "acknowledged" {
		return details
	}
	with := wamp.Dict{"acknowledged": true}
	maps.Copy(with, details)
	return with
}

// acknowledge lets a client's transport report a receipt, true or not.
func (w *world) acknowledge(t *rapid.T) {
	c := w.anyone(t)
	invocation := c.highest
	if rapid.Bool().Draw(t, "another") {
		invocation = wamp.ID(rapid.IntRange(0, int(c.highest)).Draw(t, "invocation"))
	}
	w.model.acknowledged(c.id, invocation)
	w.deliver(t, w.dealer.Acknowledged(c.id, invocation))
}
