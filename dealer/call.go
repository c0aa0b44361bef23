package dealer

import (
	"time"

	"github.com/wampgate/wampgate/dealer/match"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A call is one CALL in flight and its INVOCATION. It is in caller.calls and
// callee.invocations, and in the heap of deadlines if it has one; it leaves
// all of them together.
type call struct {
	caller, callee *session
	id             wamp.ID // CALL.Request
	invocation     wamp.ID // INVOCATION.Request
	registration   wamp.ID
	details        wamp.InvocationDetails // of the first chunk, repeated with the others

	chunked         bool // opened with progress: more CALLs with this id are chunks
	open            bool // the last chunk has not come yet
	sent            int  // INVOCATIONs
	receiveProgress bool // the caller asked for it
	killing         bool // INTERRUPT "kill" was sent; only the callee's final answer counts

	gap      time.Duration // the timeout, counted from the last sign of progress; 0 means none
	deadline time.Time     // zero: not in the heap
	expiry   wamp.URI      // what the caller is told at the deadline
	given    uint64        // when the deadline was given, in order
	at       int           // index in the heap
}

// keepCalls is how many unused call records are kept.
const keepCalls = 1024

// call handles a CALL: a new one, or a further chunk of an open one.
func (d *Dealer) call(now time.Time, s *session, m *wamp.Call) error {
	if c := s.calls[m.Request]; c != nil {
		return d.chunk(c, m)
	}
	if s.late.swallows(now, m) {
		return nil
	}
	if err := s.accept(wamp.TypeCall, m.Request); err != nil {
		return err
	}
	if m.Options.Progress && s.dealer.config.Strict && !s.caller.Has(wamp.FeatureProgressiveCallInvocations) {
		return violation("CALL with progress, but progressive_call_invocations was not announced")
	}
	p, why := d.route(m)
	if p == nil {
		d.refuseCall(now, s, m, why)
		return nil
	}
	d.invoke(now, s, p, m)
	return nil
}

// chunk passes a further chunk of a progressive call on: to the callee that
// got the first one, with the details of the first one.
func (d *Dealer) chunk(c *call, m *wamp.Call) error {
	switch {
	case !c.chunked:
		return violation("CALL %d is in flight and not a progressive one", m.Request)
	case !c.open:
		return violation("CALL %d has got its last chunk", m.Request)
	case m.Procedure != c.details.Procedure:
		return violation("CALL %d goes on with another procedure", m.Request)
	}
	c.open = m.Options.Progress
	if !c.killing {
		d.send(c, m, c.details.Custom)
	}
	return nil
}

// refuseCall answers a CALL that reaches no callee.
func (d *Dealer) refuseCall(now time.Time, s *session, m *wamp.Call, why refusal) {
	d.refuse(s, wamp.TypeCall, m.Request, why)
	if m.Options.Progress {
		s.late.add(now, m.Request)
	}
}

// route finds the callee for a new call, or why there is none.
func (d *Dealer) route(m *wamp.Call) (*place, refusal) {
	r, why := d.find(m.Procedure)
	if r == nil {
		return nil, why
	}
	if why := d.checkOptions(&m.Options); why.uri != "" {
		return nil, why
	}
	if d.calls >= d.config.MaxCalls {
		return nil, refusal{wamp.ErrUnavailable, "too many calls in flight"}
	}
	p := r.choose(m.Options.Progress, d.config.Rand)
	if p == nil {
		return nil, refusal{wamp.ErrFeatureNotSupported, "no callee of " + quote(m.Procedure) + " takes progressive calls"}
	}
	return p, refusal{}
}

// checkOptions returns what speaks against the options of a new call. What a
// caller relies on is refused rather than left out.
func (d *Dealer) checkOptions(o *wamp.CallOptions) refusal {
	switch {
	case o.DiscloseMe && d.config.Disclose == DiscloseNever:
		return refusal{wamp.ErrOptionDisallowedMe, "this realm discloses no callers"}
	case o.PassthruScheme != "":
		return refusal{wamp.ErrFeatureNotSupported, "payload passthru mode is not available"}
	case o.RoutingKey != "":
		return refusal{wamp.ErrFeatureNotSupported, "sharded registrations are not available"}
	}
	return checkTrustLevel(o.TrustLevel)
}

// checkTrustLevel refuses delivery guarantees that an ordinary call does not
// give.
func checkTrustLevel(level string) refusal {
	switch level {
	case "", "best_effort":
		return refusal{}
	case "acknowledged", "persistent", "transactional":
		return refusal{wamp.ErrOptionNotAllowed, "trust_level " + level + " is not available"}
	}
	return refusal{wamp.ErrInvalidArgument, "trust_level is none of best_effort, acknowledged, persistent, transactional"}
}

// find returns the registration that a call of uri goes to, or why there is
// none. No pattern reaches into the reserved namespace.
func (d *Dealer) find(uri wamp.URI) (*registration, refusal) {
	if r, ok := d.procedures.At(match.Exact, string(uri)); ok {
		return r, refusal{}
	}
	if !uri.Valid() {
		return nil, refusal{wamp.ErrInvalidURI, "not a valid URI: " + quote(uri)}
	}
	if !uri.Reserved() {
		if r, ok := d.procedures.Best(string(uri)); ok {
			return r, refusal{}
		}
	}
	return nil, refusal{wamp.ErrNoSuchProcedure, "no procedure " + quote(uri)}
}

// invoke opens a call and sends its first INVOCATION.
func (d *Dealer) invoke(now time.Time, s *session, p *place, m *wamp.Call) {
	c := d.newCall()
	c.caller, c.id = s, m.Request
	c.callee, c.registration = p.session, p.registration.id
	c.chunked, c.open = m.Options.Progress, m.Options.Progress
	c.receiveProgress = m.Options.ReceiveProgress
	c.details = d.details(s, p, m)
	d.startTimeout(now, c, m.Options.Timeout)
	d.insert(c)
	d.send(c, m, m.Options.Custom)
	if c.chunked {
		c.details.Custom = cloneDict(m.Options.Custom)
	}
}

// details returns the details of a call's INVOCATIONs apart from Progress,
// which each chunk has its own of, and Custom.
func (d *Dealer) details(s *session, p *place, m *wamp.Call) wamp.InvocationDetails {
	details := wamp.InvocationDetails{
		Procedure:       m.Procedure,
		ReceiveProgress: m.Options.ReceiveProgress && p.session.progressive(wamp.FeatureProgressiveCallResults),
	}
	if p.forwardTimeout {
		details.Timeout = max(m.Options.Timeout, 0)
	}
	if d.config.Disclose.discloses(p.discloseCaller, m.Options.DiscloseMe) {
		details.Caller = s.id
		details.CallerAuthid = s.identity.Authid
		details.CallerAuthrole = s.identity.Authrole
	}
	return details
}

// send passes one chunk, or the only one, on to the callee.
func (d *Dealer) send(c *call, m *wamp.Call, custom wamp.Dict) {
	inv := d.out.invocation(c.callee)
	inv.Request = c.invocation
	inv.Registration = c.registration
	inv.Details = c.details
	inv.Details.Progress = m.Options.Progress
	inv.Details.Custom = custom
	inv.Payload = m.Payload
	c.sent++
}

// newCall returns a zero record.
func (d *Dealer) newCall() *call {
	last := len(d.unused) - 1
	if last < 0 {
		return new(call)
	}
	c := d.unused[last]
	d.unused[last] = nil
	d.unused = d.unused[:last]
	return c
}

// insert puts a call where it will be looked for, and gives it the callee's
// next INVOCATION id: they count up by one per session, since some clients
// drop an INVOCATION whose id does not exceed the last.
func (d *Dealer) insert(c *call) {
	callee := c.callee
	callee.lastInvocation = callee.lastInvocation.Next()
	c.invocation = callee.lastInvocation
	if callee.invocations == nil {
		callee.invocations = make(map[wamp.ID]*call)
	}
	callee.invocations[c.invocation] = c
	if c.caller.calls == nil {
		c.caller.calls = make(map[wamp.ID]*call)
	}
	c.caller.calls[c.id] = c
	d.calls++
}

// end removes a call from everywhere. Chunks that are still under way will be
// swallowed. The record must not be used afterwards.
func (d *Dealer) end(now time.Time, c *call) {
	delete(c.callee.invocations, c.invocation)
	delete(c.caller.calls, c.id)
	d.deadlines.remove(c)
	d.calls--
	if c.open {
		c.caller.late.add(now, c.id)
	}
	*c = call{}
	if len(d.unused) < keepCalls {
		d.unused = append(d.unused, c)
	}
}
