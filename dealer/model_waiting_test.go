package dealer_test

import (
	"slices"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// load is how many calls a callee works on.
func (m *model) load(p *modelPlace) int {
	n := 0
	for _, c := range m.calls {
		if c.place == p {
			n++
		}
	}
	return n
}

func (m *model) full(p *modelPlace) bool {
	return p.options.Concurrency > 0 && m.load(p) >= p.options.Concurrency
}

// sharing returns the places of a registration.
func (m *model) sharing(registration wamp.ID) []*modelPlace {
	var places []*modelPlace
	for _, p := range m.places {
		if p.registration == registration {
			places = append(places, p)
		}
	}
	return places
}

// suits says whether a callee could take a call, if it has room.
func (m *model) suits(p *modelPlace, c *modelCall) bool {
	return !c.options.Progress || m.able(p.callee, wamp.FeatureProgressiveCallInvocations)
}

// wait lets a call wait for ten seconds at most.
func (m *model) wait(now time.Time, c *modelCall) {
	limit, why := 10*time.Second, wamp.ErrUnavailable
	if timeout := time.Duration(c.options.Timeout) * time.Millisecond; timeout > 0 && timeout <= limit {
		limit, why = timeout, wamp.ErrTimeout
	}
	m.endAt(c, now.Add(limit), why)
}

// refill sends calls that wait to a place, the first comers first.
func (m *model) refill(now time.Time, p *modelPlace) {
	for _, c := range slices.Clone(m.calls) {
		switch {
		case !slices.Contains(m.places, p) || m.full(p):
			return
		case c.callee != 0 || c.registration != p.registration || !m.takes(p, c):
		case !now.Before(c.deadline):
			m.giveUp(now, c, c.why)
		default:
			m.assign(now, c, p)
			for _, chunk := range c.chunks {
				m.invoke(c, chunk)
			}
			c.copied = len(c.chunks) == 1 && len(m.sharing(p.registration)) > 1
		}
	}
}

func (m *model) removePlace(now time.Time, p *modelPlace) {
	m.places = slices.DeleteFunc(m.places, func(other *modelPlace) bool { return other == p })
	m.dropHopeless(now, p.registration)
}

// dropHopeless ends the calls that wait for callees that are not there.
func (m *model) dropHopeless(now time.Time, registration wamp.ID) {
	places := m.sharing(registration)
	for _, c := range slices.Clone(m.calls) {
		suits := func(p *modelPlace) bool { return m.suits(p, c) }
		takes := func(p *modelPlace) bool { return m.takes(p, c) }
		switch {
		case c.callee != 0 || c.registration != registration || slices.ContainsFunc(places, takes):
		case len(places) == 0:
			m.giveUp(now, c, wamp.ErrNoAvailableCallee)
		case slices.ContainsFunc(places, suits):
			m.giveUp(now, c, wamp.ErrOptionNotAllowed)
		default:
			m.giveUp(now, c, wamp.ErrFeatureNotSupported)
		}
	}
}

// displace revokes the places of a registration, for the sake of another.
func (m *model) displace(old, registration wamp.ID) {
	for _, p := range m.sharing(old) {
		if m.callee(p.callee).Has(wamp.FeatureRegistrationRevocation) {
			m.send(p.callee, &wamp.Unregistered{Details: wamp.Dict{
				"registration": int64(old), "reason": string(wamp.ErrUnregistered),
			}})
		}
	}
	m.places = slices.DeleteFunc(m.places, func(p *modelPlace) bool { return p.registration == old })
	for _, c := range m.calls {
		if c.callee == 0 && c.registration == old {
			c.registration = registration
		}
	}
}

// decline passes a call on that its callee declined; false if it must not be.
func (m *model) decline(now time.Time, c *modelCall) bool {
	if !m.callee(c.callee).Has(wamp.FeatureCallReroute) || c.progressed || c.killing || c.sent != 1 {
		return false
	}
	c.tried = append(c.tried, c.callee)
	next := m.other(c)
	timeout := time.Duration(c.options.Timeout) * time.Millisecond
	switch {
	case next == nil:
		m.sendEnd(c, wamp.ErrNoAvailableCallee, wamp.OriginDealerDispatched, false)
		m.remove(now, c)
		return true
	case timeout > 0 && !now.Before(c.since.Add(timeout)):
		m.sendEnd(c, wamp.ErrTimeout, wamp.OriginDealerDispatched, false)
		m.remove(now, c)
		return true
	}
	left := c.place
	m.assign(now, c, next)
	c.sent = 0
	m.invoke(c, c.chunks[0])
	m.refill(now, left)
	return true
}

// other returns the place that is asked next.
func (m *model) other(c *modelCall) *modelPlace {
	declined := 0
	var others []*modelPlace
	for _, p := range m.sharing(c.registration) {
		if p.callee == c.callee {
			declined = p.seq
		}
		if m.takes(p, c) && !m.full(p) && !slices.Contains(c.tried, p.callee) {
			others = append(others, p)
		}
	}
	if !c.copied || len(others) == 0 {
		return nil
	}
	switch others[0].options.Invoke {
	case wamp.InvokeFirst:
		return after(others, declined)
	case wamp.InvokeLast:
		for _, p := range slices.Backward(others) {
			if p.seq < declined {
				return p
			}
		}
		return others[len(others)-1]
	}
	return m.choose(others)
}
