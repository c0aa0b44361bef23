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
// compares the two. It knows no texts, no random policy and no limits but the
// callees' own.
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
	turn         int // when it got its last call
}

type modelCall struct {
	caller, callee wamp.ID     // callee is 0 while the call waits for one
	place          *modelPlace // the callee's
	since          time.Time
	chunks         []*wamp.Call // that came before a callee got them; else the first
	tried          []wamp.ID    // who declined
	copied         bool         // another callee could get it
	progressed     bool
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

	awaited, received bool
	told              bool      // of the receipt, by progress
	timeout           time.Time // that the deadline for the receipt stands before; zero: none
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
	if c.place != nil {
		m.refill(now, c.place)
	}
}

// origin is that of the dealer's own errors for a call.
func (c *modelCall) origin() wamp.Origin {
	if c.callee == 0 {
		return wamp.OriginDealer
	}
	return wamp.OriginDealerDispatched
}

func (m *model) interrupt(c *modelCall, mode wamp.CancelMode, reason wamp.URI) {
	if !c.killing && m.callee(c.callee).Has(wamp.FeatureCallCanceling) {
		m.send(c.callee, &wamp.Interrupt{Request: c.invocation, Mode: mode, Reason: reason})
	}
}

// giveUp ends a call with an error for the caller and an INTERRUPT.
func (m *model) giveUp(now time.Time, c *modelCall, uri wamp.URI) {
	m.sendEnd(c, uri, c.origin(), true)
	if uri == wamp.ErrTimeout {
		m.interrupt(c, wamp.CancelKillNoWait, uri)
	} else {
		m.interrupt(c, wamp.CancelKillNoWait, wamp.ErrCanceled)
	}
	m.remove(now, c)
}

func (m *model) leave(now time.Time, id wamp.ID) {
	delete(m.peers, id)
	for _, c := range slices.Clone(m.calls) {
		if c.caller == id && c.callee == 0 {
			m.remove(now, c)
		}
	}
	places := slices.Clone(m.places)
	slices.SortFunc(places, func(a, b *modelPlace) int { return cmp.Compare(a.registration, b.registration) })
	for _, p := range places {
		if p.callee == id {
			m.removePlace(now, p)
		}
	}
	working := slices.Clone(m.calls)
	slices.SortFunc(working, func(a, b *modelCall) int { return cmp.Compare(a.invocation, b.invocation) })
	for _, c := range working {
		if c.callee == id {
			m.sendEnd(c, wamp.ErrCanceled, wamp.OriginDealerDispatched, true)
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
		return m.request(from, message.Request) && m.register(now, from, message)
	case *wamp.Unregister:
		return m.request(from, message.Request) && m.unregister(now, from, message)
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

func (m *model) register(now time.Time, from wamp.ID, r *wamp.Register) bool {
	place := &modelPlace{procedure: r.Procedure, callee: from, options: r.Options}
	refuse := func(uri wamp.URI) bool {
		m.sendError(from, wamp.TypeRegister, r.Request, uri, wamp.OriginDealer)
		return true
	}
	if strings.Contains(string(r.Procedure), " ") || strings.HasPrefix(string(r.Procedure), "wamp.") {
		return refuse(wamp.ErrInvalidURI)
	}
	if r.Options.DiscloseCaller && m.disclose(r.Procedure) == dealer.DiscloseNever {
		return refuse(wamp.ErrOptionDisallowedMe)
	}
	var displaced wamp.ID
	for _, p := range slices.Clone(m.places) {
		if p.procedure != r.Procedure {
			continue
		}
		if r.Options.Force {
			if m.peers[p.callee].Identity.Authid != m.peers[from].Identity.Authid {
				return refuse(wamp.ErrNotAuthorized)
			}
			displaced = p.registration
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
	m.displace(displaced, place.registration)
	m.lastSeq++
	place.seq, place.turn = m.lastSeq, m.lastSeq
	m.places = append(m.places, place)
	m.send(from, &wamp.Registered{Request: r.Request, Registration: place.registration})
	m.refill(now, place)
	m.dropHopeless(now, place.registration)
	return true
}

func (m *model) unregister(now time.Time, from wamp.ID, u *wamp.Unregister) bool {
	for _, p := range m.places {
		if p.callee == from && p.registration == u.Registration {
			m.send(from, &wamp.Unregistered{Request: u.Request})
			m.removePlace(now, p)
			return true
		}
	}
	m.sendError(from, wamp.TypeUnregister, u.Request, wamp.ErrNoSuchRegistration, wamp.OriginDealer)
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
	places, uri := m.route(call)
	if len(places) == 0 {
		m.sendError(from, wamp.TypeCall, call.Request, uri, wamp.OriginDealer)
		if call.Options.Progress {
			m.swallows[key] = now.Add(time.Minute)
		}
		return true
	}
	m.open(now, from, places, call)
	return true
}

// route returns the places that are able to take a call.
func (m *model) route(call *wamp.Call) ([]*modelPlace, wamp.URI) {
	var all, able, capable []*modelPlace
	for _, p := range m.places {
		if p.procedure == call.Procedure {
			all = append(all, p)
			if !call.Options.Progress || m.able(p.callee, wamp.FeatureProgressiveCallInvocations) {
				able = append(able, p)
				if call.Options.TrustLevel == "" || m.peers[p.callee].Acknowledges {
					capable = append(capable, p)
				}
			}
		}
	}
	switch {
	case strings.Contains(string(call.Procedure), " "):
		return nil, wamp.ErrInvalidURI
	case len(all) == 0:
		return nil, wamp.ErrNoSuchProcedure
	case call.Options.DiscloseMe && m.disclose(call.Procedure) == dealer.DiscloseNever:
		return nil, wamp.ErrOptionDisallowedMe
	case len(able) == 0:
		return nil, wamp.ErrFeatureNotSupported
	case len(capable) == 0:
		return nil, wamp.ErrOptionNotAllowed
	}
	return capable, ""
}

// open makes a call of the place whose turn it is among those that are able
// and have room, or lets it wait.
func (m *model) open(now time.Time, from wamp.ID, able []*modelPlace, call *wamp.Call) {
	c := &modelCall{
		caller: from, id: call.Request, registration: able[0].registration,
		options: call.Options, open: call.Options.Progress, since: now, chunks: []*wamp.Call{call},
	}
	c.details.Procedure = call.Procedure
	m.calls = append(m.calls, c)
	free := slices.DeleteFunc(able, m.full)
	if len(free) == 0 {
		m.wait(now, c)
		return
	}
	m.assign(now, c, m.choose(free))
	c.copied = m.callee(c.callee).Has(wamp.FeatureCallReroute) && len(m.sharing(c.registration)) > 1
	m.invoke(c, call)
}

// choose picks one of some places by their policy.
func (m *model) choose(places []*modelPlace) *modelPlace {
	switch places[0].options.Invoke {
	case wamp.InvokeLast:
		return places[len(places)-1]
	case wamp.InvokeLeastLoaded:
		return slices.MinFunc(places, func(a, b *modelPlace) int {
			return cmp.Or(cmp.Compare(m.load(a), m.load(b)), cmp.Compare(a.turn, b.turn))
		})
	case wamp.InvokeRoundRobin:
		next := after(places, m.served[places[0].registration])
		m.served[next.registration] = next.seq
		return next
	}
	return places[0]
}

// after returns the first place that came after seq, or else the first one.
func after(places []*modelPlace, seq int) *modelPlace {
	for _, p := range places {
		if p.seq > seq {
			return p
		}
	}
	return places[0]
}

// assign gives a call to a callee.
func (m *model) assign(now time.Time, c *modelCall, p *modelPlace) {
	m.lastInv[p.callee]++
	m.lastSeq++
	p.turn = m.lastSeq
	c.place, c.callee, c.invocation, c.registration = p, p.callee, m.lastInv[p.callee], p.registration
	call, from := c.chunks[0], c.caller
	c.details = wamp.InvocationDetails{Procedure: p.procedure, Custom: call.Options.Custom}
	c.details.ReceiveProgress = call.Options.ReceiveProgress && m.able(p.callee, wamp.FeatureProgressiveCallResults)
	c.deadline, c.gap = time.Time{}, 0
	callee, caller := p.options.DiscloseCaller, call.Options.DiscloseMe
	policy := m.disclose(p.procedure)
	if policy == dealer.DiscloseAlways ||
		policy == dealer.DiscloseEither && (callee || caller) ||
		policy == dealer.DiscloseBoth && callee && caller {
		who := m.peers[from]
		c.details.Caller = who.ID
		c.details.CallerAuthid, c.details.CallerAuthrole = who.Identity.Authid, who.Identity.Authrole
	}
	if call.Options.Timeout > 0 {
		c.gap = time.Duration(call.Options.Timeout) * time.Millisecond
		keeps := !m.config.Strict || m.callee(p.callee).Has(wamp.FeatureCallTimeout)
		if p.options.ForwardTimeout && keeps {
			c.details.Timeout = max(1, call.Options.Timeout-now.Sub(c.since).Milliseconds())
			c.gap += 5 * time.Second
		}
		m.endAt(c, c.since.Add(c.gap), wamp.ErrTimeout)
	}
	if call.Options.TrustLevel == "acknowledged" {
		m.await(now, c)
	}
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
	switch {
	case c.callee == 0:
		c.chunks = append(c.chunks, call)
	case !c.killing:
		m.invoke(c, call)
	}
	return true
}
