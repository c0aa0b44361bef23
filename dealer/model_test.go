package dealer_test

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A model is a second dealer, written to be obvious: flat lists that are
// searched from front to back, nothing kept twice. TestDealerIsTheModel
// compares the two. It knows no texts, no random policy and no limits.
type model struct {
	config dealer.Config
	peers  map[wamp.ID]dealer.Peer

	places   []*modelPlace // of all registrations, in order
	served   map[wamp.ID]int
	lastSeq  int
	lastReg  wamp.ID
	calls    []*modelCall
	lastInv  map[wamp.ID]wamp.ID
	lastReq  map[wamp.ID]wamp.ID
	swallows map[[2]wamp.ID]time.Time // session and CALL id

	out []dealer.Delivery
}

type modelPlace struct {
	seq          int
	registration wamp.ID
	procedure    wamp.URI
	callee       wamp.ID
	options      wamp.RegisterOptions
}

type modelCall struct {
	caller, callee wamp.ID
	id, invocation wamp.ID
	registration   wamp.ID
	options        wamp.CallOptions
	details        wamp.InvocationDetails
	open           bool
	killing        bool
	sent           int
	gap            time.Duration
	deadline       time.Time // zero: none
	given          int
	why            wamp.URI
}

func newModel(c dealer.Config) *model {
	return &model{
		config:   c,
		peers:    map[wamp.ID]dealer.Peer{},
		served:   map[wamp.ID]int{},
		lastInv:  map[wamp.ID]wamp.ID{},
		lastReq:  map[wamp.ID]wamp.ID{},
		swallows: map[[2]wamp.ID]time.Time{},
	}
}

// take returns what was sent since the last take.
func (m *model) take() []dealer.Delivery {
	out := m.out
	m.out = nil
	return out
}

func (m *model) send(to wamp.ID, message wamp.Message) {
	if _, there := m.peers[to]; there {
		m.out = append(m.out, dealer.Delivery{To: to, Message: message})
	}
}

func (m *model) sendError(to wamp.ID, t wamp.MessageType, id wamp.ID, uri wamp.URI, origin wamp.Origin) {
	m.send(to, &wamp.Error{RequestType: t, Request: id, Error: uri, Origin: origin})
}

func (m *model) callee(id wamp.ID) wamp.Features {
	p := m.peers[id]
	f := p.Roles.CalleeFeatures
	if !m.config.Strict && strings.HasPrefix(p.Agent, "Wampy.js") {
		f |= wamp.FeatureProgressiveCallResults | wamp.FeatureProgressiveCallInvocations
	}
	return f
}

// able says whether a callee may get a progressive feature.
func (m *model) able(id wamp.ID, feature wamp.Features) bool {
	f := m.callee(id)
	return f.Has(feature) && (!m.config.Strict || f.Has(wamp.FeatureCallCanceling))
}

// remove takes a call off the list.
func (m *model) remove(now time.Time, c *modelCall) {
	m.calls = slices.DeleteFunc(m.calls, func(other *modelCall) bool { return other == c })
	if c.open {
		m.swallows[[2]wamp.ID{c.caller, c.id}] = now.Add(time.Minute)
	}
}

func (m *model) interrupt(c *modelCall, mode wamp.CancelMode, reason wamp.URI) {
	if !c.killing && m.callee(c.callee).Has(wamp.FeatureCallCanceling) {
		m.send(c.callee, &wamp.Interrupt{Request: c.invocation, Mode: mode, Reason: reason})
	}
}

// giveUp ends a call with an error for the caller and an INTERRUPT.
func (m *model) giveUp(now time.Time, c *modelCall, uri wamp.URI) {
	m.sendError(c.caller, wamp.TypeCall, c.id, uri, wamp.OriginDealerDispatched)
	if uri == wamp.ErrTimeout {
		m.interrupt(c, wamp.CancelKillNoWait, uri)
	} else {
		m.interrupt(c, wamp.CancelKillNoWait, wamp.ErrCanceled)
	}
	m.remove(now, c)
}

func (m *model) leave(now time.Time, id wamp.ID) {
	delete(m.peers, id)
	m.places = slices.DeleteFunc(m.places, func(p *modelPlace) bool { return p.callee == id })
	working := slices.Clone(m.calls)
	slices.SortFunc(working, func(a, b *modelCall) int { return cmp.Compare(a.invocation, b.invocation) })
	for _, c := range working {
		if c.callee == id {
			m.sendError(c.caller, wamp.TypeCall, c.id, wamp.ErrCanceled, wamp.OriginDealerDispatched)
			m.remove(now, c)
		}
	}
	waiting := slices.Clone(m.calls)
	slices.SortFunc(waiting, func(a, b *modelCall) int { return cmp.Compare(a.id, b.id) })
	for _, c := range waiting {
		if c.caller == id {
			m.interrupt(c, wamp.CancelKillNoWait, wamp.ErrCanceled)
			m.remove(now, c)
		}
	}
	// A session id is used once, so that what else is kept by it may stay.
}

func (m *model) expire(now time.Time) {
	for {
		var next *modelCall
		for _, c := range m.calls {
			if c.deadline.IsZero() || c.deadline.After(now) {
				continue
			}
			if next == nil || cmp.Or(c.deadline.Compare(next.deadline), cmp.Compare(c.given, next.given)) < 0 {
				next = c
			}
		}
		if next == nil {
			return
		}
		m.giveUp(now, next, next.why)
	}
}

// receive reports whether the message was allowed.
func (m *model) receive(now time.Time, from wamp.ID, message wamp.Message) bool {
	if _, there := m.peers[from]; !there {
		return true
	}
	switch message := message.(type) {
	case *wamp.Register:
		return m.request(from, message.Request) && m.register(from, message)
	case *wamp.Unregister:
		return m.request(from, message.Request) && m.unregister(from, message)
	case *wamp.Subscribe:
		m.sendError(from, wamp.TypeSubscribe, message.Request, wamp.ErrNotAuthorized, wamp.OriginDealer)
		return m.request(from, message.Request)
	case *wamp.Call:
		return m.call(now, from, message)
	case *wamp.Cancel:
		m.cancel(now, from, message)
		return true
	case *wamp.Yield:
		return m.answer(now, from, message.Request, message)
	case *wamp.Error:
		return message.RequestType == wamp.TypeInvocation && m.answer(now, from, message.Request, message)
	}
	return false
}

func (m *model) request(from, id wamp.ID) bool {
	if m.config.Strict && id != m.lastReq[from]+1 {
		m.out = nil
		return false
	}
	m.lastReq[from] = id
	return true
}

func (m *model) register(from wamp.ID, r *wamp.Register) bool {
	place := &modelPlace{procedure: r.Procedure, callee: from, options: r.Options}
	refuse := func(uri wamp.URI) bool {
		m.sendError(from, wamp.TypeRegister, r.Request, uri, wamp.OriginDealer)
		return true
	}
	if strings.Contains(string(r.Procedure), " ") || strings.HasPrefix(string(r.Procedure), "wamp.") {
		return refuse(wamp.ErrInvalidURI)
	}
	if r.Options.DiscloseCaller && m.config.Disclose == dealer.DiscloseNever {
		return refuse(wamp.ErrOptionDisallowedMe)
	}
	for _, p := range m.places {
		if p.procedure != r.Procedure {
			continue
		}
		if p.callee == from || p.options.Invoke == wamp.InvokeSingle || p.options.Invoke != r.Options.Invoke {
			return refuse(wamp.ErrProcedureAlreadyExists)
		}
		place.registration = p.registration
	}
	if place.registration == 0 {
		m.lastReg++
		place.registration = m.lastReg
	}
	m.lastSeq++
	place.seq = m.lastSeq
	m.places = append(m.places, place)
	m.send(from, &wamp.Registered{Request: r.Request, Registration: place.registration})
	return true
}

func (m *model) unregister(from wamp.ID, u *wamp.Unregister) bool {
	before := len(m.places)
	m.places = slices.DeleteFunc(m.places, func(p *modelPlace) bool {
		return p.callee == from && p.registration == u.Registration
	})
	if len(m.places) == before {
		m.sendError(from, wamp.TypeUnregister, u.Request, wamp.ErrNoSuchRegistration, wamp.OriginDealer)
	} else {
		m.send(from, &wamp.Unregistered{Request: u.Request})
	}
	return true
}

func (m *model) call(now time.Time, from wamp.ID, call *wamp.Call) bool {
	for _, c := range m.calls {
		if c.caller == from && c.id == call.Request {
			return m.chunk(c, call)
		}
	}
	key := [2]wamp.ID{from, call.Request}
	if m.swallows[key].After(now) {
		if !call.Options.Progress {
			delete(m.swallows, key)
		}
		return true
	}
	announced := m.peers[from].Roles.CallerFeatures.Has(wamp.FeatureProgressiveCallInvocations)
	if !m.request(from, call.Request) || m.config.Strict && call.Options.Progress && !announced {
		return false
	}
	place, uri := m.route(call)
	if place == nil {
		m.sendError(from, wamp.TypeCall, call.Request, uri, wamp.OriginDealer)
		if call.Options.Progress {
			m.swallows[key] = now.Add(time.Minute)
		}
		return true
	}
	m.open(now, from, place, call)
	return true
}

func (m *model) route(call *wamp.Call) (*modelPlace, wamp.URI) {
	var all, able []*modelPlace
	for _, p := range m.places {
		if p.procedure == call.Procedure {
			all = append(all, p)
			if !call.Options.Progress || m.able(p.callee, wamp.FeatureProgressiveCallInvocations) {
				able = append(able, p)
			}
		}
	}
	switch {
	case strings.Contains(string(call.Procedure), " "):
		return nil, wamp.ErrInvalidURI
	case len(all) == 0:
		return nil, wamp.ErrNoSuchProcedure
	case call.Options.DiscloseMe && m.config.Disclose == dealer.DiscloseNever:
		return nil, wamp.ErrOptionDisallowedMe
	case len(able) == 0:
		return nil, wamp.ErrFeatureNotSupported
	}
	switch all[0].options.Invoke {
	case wamp.InvokeLast:
		return able[len(able)-1], ""
	case wamp.InvokeRoundRobin:
		next := able[0]
		for _, p := range slices.Backward(able) {
			if p.seq > m.served[p.registration] {
				next = p
			}
		}
		m.served[next.registration] = next.seq
		return next, ""
	}
	return able[0], ""
}

func (m *model) open(now time.Time, from wamp.ID, p *modelPlace, call *wamp.Call) {
	m.lastInv[p.callee]++
	c := &modelCall{
		caller: from, callee: p.callee, id: call.Request, invocation: m.lastInv[p.callee],
		registration: p.registration, options: call.Options, open: call.Options.Progress,
	}
	c.details.Procedure = p.procedure
	c.details.Custom = call.Options.Custom
	c.details.ReceiveProgress = call.Options.ReceiveProgress && m.able(p.callee, wamp.FeatureProgressiveCallResults)
	callee, caller := p.options.DiscloseCaller, call.Options.DiscloseMe
	if m.config.Disclose == dealer.DiscloseAlways ||
		m.config.Disclose == dealer.DiscloseEither && (callee || caller) ||
		m.config.Disclose == dealer.DiscloseBoth && callee && caller {
		who := m.peers[from]
		c.details.Caller = who.ID
		c.details.CallerAuthid, c.details.CallerAuthrole = who.Identity.Authid, who.Identity.Authrole
	}
	if call.Options.Timeout > 0 {
		c.gap = time.Duration(call.Options.Timeout) * time.Millisecond
		keeps := !m.config.Strict || m.callee(p.callee).Has(wamp.FeatureCallTimeout)
		if p.options.ForwardTimeout && keeps {
			c.details.Timeout = call.Options.Timeout
			c.gap += 5 * time.Second
		}
		m.endAt(c, now.Add(c.gap), wamp.ErrTimeout)
	}
	m.calls = append(m.calls, c)
	m.invoke(c, call)
}

func (m *model) invoke(c *modelCall, call *wamp.Call) {
	c.sent++
	details := c.details
	details.Progress = call.Options.Progress
	m.send(c.callee, &wamp.Invocation{
		Request: c.invocation, Registration: c.registration, Details: details, Payload: call.Payload,
	})
}

func (m *model) chunk(c *modelCall, call *wamp.Call) bool {
	if !c.open || c.details.Procedure != call.Procedure {
		return false
	}
	c.open = call.Options.Progress
	if !c.killing {
		m.invoke(c, call)
	}
	return true
}
