package dealer

import (
	"time"

	"github.com/wampgate/wampgate/dealer/match"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A call is one CALL in flight and its INVOCATION. It is in caller.calls and
// callee.invocations, and in the heap of deadlines if it has one; it leaves
// all of them together. While it waits for a callee it has none, and is in a
// queue instead.
type call struct {
	caller, callee *session
	id             wamp.ID // CALL.Request
	invocation     wamp.ID // INVOCATION.Request
	registration   wamp.ID
	details        wamp.InvocationDetails // of the first chunk, repeated with the others

	sent            int  // INVOCATIONs, to this callee
	chunked         bool // opened with progress: more CALLs with this id are chunks
	open            bool // the last chunk has not come yet
	receiveProgress bool // the caller asked for it
	progressed      bool // the caller got progress
	rerouted        bool // a callee passed it on
	killing         bool // INTERRUPT "kill" was sent; only the callee's final answer counts
	killed          bool // an administrator asked for its end

	place  *place  // where it is counted; nil if it need not be
	tally  *tally  // of its procedure; nil if that has none
	queued *queued // what it waits with; nil once a callee has got it
	kept   *kept   // what another callee could get it with; nil as a rule

	sharded *sharded // nil for most

	begun time.Time // when the CALL came

	receipt        receipt
	told           bool          // the caller knows of the receipt
	earlier, later *call         // in callee.awaited
	afterReceipt   time.Duration // from the deadline for the receipt to that of the timeout; 0 means there is none

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
		return d.chunk(now, c, m)
	}
	if s.late.swallows(now, m) {
		return nil
	}
	if err := s.accept(wamp.TypeCall, m.Request); err != nil {
		return err
	}
	if err := s.mayCall(m); err != nil {
		return err
	}
	d.stats.Calls++
	if (m.Options.TrustLevel != "" || m.Options.Branch != nil) && d.divert(now, s, m) {
		return nil
	}
	r, why := d.route(m)
	if r == nil {
		if !d.own(now, s, m) {
			d.refuseCall(now, s, m, why)
		}
		return nil
	}
	if r.group != nil {
		d.callShard(now, s, r, m)
		return nil
	}
	switch p, why := d.choose(r, &m.Options); {
	case why.uri != "":
		d.refuseCall(now, s, m, why)
	case p != nil:
		d.invoke(now, s, p, m)
	default:
		d.wait(now, s, r, m)
	}
	return nil
}

// mayCall returns an error if a new call needs what s has not announced.
func (s *session) mayCall(m *wamp.Call) error {
	if m.Options.Progress && s.dealer.config.Strict && !s.caller.Has(wamp.FeatureProgressiveCallInvocations) {
		return violation("CALL with progress, but progressive_call_invocations was not announced")
	}
	if m.Options.Passthru != nil {
		return s.callPassthru()
	}
	return nil
}

// chunk passes a further chunk of a progressive call on: to the callee that
// got the first one, with the details of the first one.
func (d *Dealer) chunk(now time.Time, c *call, m *wamp.Call) error {
	switch {
	case !c.chunked:
		return violation("CALL %d is in flight and not a progressive one", m.Request)
	case !c.open:
		return violation("CALL %d has got its last chunk", m.Request)
	case m.Procedure != c.details.Procedure:
		return violation("CALL %d goes on with another procedure", m.Request)
	}
	c.open = m.Options.Progress
	switch {
	case c.queued != nil:
		d.waitOn(now, c, m)
	case !c.killing:
		d.dropKept(c)
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

// route finds the registration that a new call goes to, or why there is none.
func (d *Dealer) route(m *wamp.Call) (*registration, refusal) {
	r, why := d.find(m.Procedure)
	if r == nil {
		return nil, why
	}
	if why := d.checkOptions(m); why.uri != "" {
		return nil, why
	}
	if r.group != nil || m.Options.RoutingKey != "" && m.Options.Behalf == nil || m.Options.RunMode != wamp.RunDefault {
		if why := checkKey(r, &m.Options); why.uri != "" {
			return nil, why
		}
	}
	if d.calls >= d.config.MaxCalls {
		return nil, refusal{wamp.ErrUnavailable, "too many calls in flight"}
	}
	if m.Options.Progress && r.streaming == 0 {
		return nil, notStreaming(m.Procedure)
	}
	return r, refusal{}
}

func notStreaming(procedure wamp.URI) refusal {
	return refusal{wamp.ErrFeatureNotSupported, "no callee of " + quote(procedure) + " takes progressive calls"}
}

// checkOptions returns what speaks against the options of a new call. What a
// caller relies on is refused rather than left out.
func (d *Dealer) checkOptions(m *wamp.Call) refusal {
	o := &m.Options
	switch {
	case o.DiscloseMe && d.disclosure(m.Procedure) == DiscloseNever:
		return refuseDisclosure()
	}
	return checkTrustLevel(o)
}

// find returns the registration that a call of uri goes to, or why there is
// none. No pattern reaches what is the dealer's own.
func (d *Dealer) find(uri wamp.URI) (*registration, refusal) {
	if r, ok := d.procedures.At(match.Exact, string(uri)); ok {
		return r, refusal{}
	}
	if !uri.Valid() {
		return nil, refusal{wamp.ErrInvalidURI, "not a valid URI: " + quote(uri)}
	}
	if callableLater(uri) {
		if r, ok := d.procedures.Best(string(uri)); ok {
			return r, refusal{}
		}
	}
	return nil, refusal{wamp.ErrNoSuchProcedure, "no procedure " + quote(uri)}
}

// invoke opens a call and sends its first INVOCATION.
func (d *Dealer) invoke(now time.Time, s *session, p *place, m *wamp.Call) {
	c := d.open(now, s, m)
	d.assign(c, p, m)
	d.startTimeout(now, c, m.Options.Timeout)
	if m.Options.TrustLevel == trustAcknowledged {
		d.await(now, c)
	}
	d.send(c, m, m.Options.Custom)
	if c.chunked {
		c.details.Custom = cloneDict(m.Options.Custom)
	}
	if p.reroutes && d.worthKeeping(p, m) {
		clone := cloneCall(m)
		d.keep(c, p, now, &clone)
	}
}

// details returns the details of a call's INVOCATIONs apart from Progress,
// which each chunk has its own of, and Custom.
func (d *Dealer) details(s *session, p *place, m *wamp.Call) wamp.InvocationDetails {
	details := wamp.InvocationDetails{
		Procedure:       m.Procedure,
		Passthru:        m.Options.Passthru,
		ReceiveProgress: m.Options.ReceiveProgress && p.session.progressive(wamp.FeatureProgressiveCallResults),
	}
	if p.forwardTimeout {
		details.Timeout = max(m.Options.Timeout, 0)
	}
	caller, who := s.id, &s.identity
	if m.Options.Behalf != nil {
		caller, who = m.Options.Behalf.Session, &m.Options.Behalf.Identity
	}
	if d.disclosure(m.Procedure).discloses(p.discloseCaller, m.Options.DiscloseMe) {
		details.Caller = caller
		details.CallerAuthid = who.Authid
		details.CallerAuthrole = who.Authrole
	}
	if d.trustlevels != nil {
		d.trust(&details, who, p.session)
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
	if c.sharded != nil {
		inv.Shard = c.sharded.details
	}
	if c.receipt == receiptAwaited && c.sent == 0 {
		inv.Receipt = c.callee.id
	}
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

// open makes the record of a new call, and puts it where its caller's messages
// will find it.
func (d *Dealer) open(now time.Time, s *session, m *wamp.Call) *call {
	c := d.newCall()
	c.caller, c.id, c.begun = s, m.Request, now
	c.chunked, c.open = m.Options.Progress, m.Options.Progress
	c.receiveProgress = m.Options.ReceiveProgress
	if s.calls == nil {
		s.calls = make(map[wamp.ID]*call)
	}
	s.calls[c.id] = c
	d.calls++
	return c
}

// assign gives a call to a callee, and the callee's next INVOCATION id to the
// call: they count up by one per session, since some clients drop an
// INVOCATION whose id does not exceed the last. m is the first chunk.
func (d *Dealer) assign(c *call, p *place, m *wamp.Call) {
	callee := p.session
	c.callee, c.registration, c.tally = callee, p.registration.id, p.registration.tally
	c.details = d.details(c.caller, p, m)
	callee.lastInvocation = callee.lastInvocation.Next()
	c.invocation = callee.lastInvocation
	if callee.invocations == nil {
		callee.invocations = make(map[wamp.ID]*call)
	}
	callee.invocations[c.invocation] = c
	if p.counted {
		c.place = p
		p.take()
	}
	if p.seat != nil {
		p.seat.take(c, m.Options.RoutingKey)
	}
}

// end removes a call from everywhere. Chunks that are still under way will be
// swallowed. The record must not be used afterwards. Where the call made room,
// one that waits is sent.
func (d *Dealer) end(now time.Time, c *call) {
	waited := c.queued != nil
	switch {
	case c.callee != nil:
		delete(c.callee.invocations, c.invocation)
	case waited:
		d.leaveQueue(c)
	default:
		d.endParts(now, c.gathering())
	}
	d.dropKept(c)
	delete(c.caller.calls, c.id)
	if c.receipt == receiptAwaited {
		c.callee.awaited.remove(c)
	}
	d.deadlines.remove(c)
	c.tally.end()
	d.calls--
	if c.open {
		c.caller.late.add(now, c.id)
	}
	left, had := c.place, c.sharded
	*c = call{}
	if len(d.unused) < keepCalls {
		d.unused = append(d.unused, c)
	}
	d.vacate(now, left)
	if had != nil && had.line != nil {
		d.leaveLine(now, had, waited)
	}
}
