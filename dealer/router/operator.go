package router

import (
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A Member is what operators are told of a session.
type Member struct {
	dealer.Member
	Link
	Peer   string // the other side's address; empty inside the process
	TLS    bool
	Queued int // bytes that wait to be sent to it; -1 if that is not known
}

// pageSteps is how many entries of a list are read at once, while the realm's
// lock is held.
const pageSteps = 256

// Members lists sessions of a realm; see [dealer.Dealer.Members]. The realm's
// lock is let go of every few hundred sessions.
func (r *Router) Members(realm wamp.URI, after wamp.ID, limit int) (list []Member, next wamp.ID) {
	m := r.realms[realm]
	if m == nil {
		return nil, 0
	}
	for next = after; ; {
		var page []Member
		page, next = m.members(next, min(limit-len(list), pageSteps))
		if list = append(list, page...); next == 0 || len(list) >= limit {
			return list, next
		}
	}
}

func (r *realm) members(after wamp.ID, limit int) (list []Member, next wamp.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	page, next := r.dealer.Members(after, limit)
	for i := range page {
		list = append(list, r.member(page[i]))
	}
	return list, next
}

// member adds what the realm knows of a session.
func (r *realm) member(m dealer.Member) Member {
	s := r.sessions[m.Session]
	if s == nil {
		return Member{Member: m, Queued: -1} // it is just about to leave
	}
	queued := -1
	if out, ok := s.out.(interface{ Queued() int }); ok {
		queued = out.Queued()
	}
	return Member{m, s.link, s.peer, s.tls, queued}
}

// Member returns a session of a realm.
func (r *Router) Member(realm wamp.URI, id wamp.ID) (Member, bool) {
	m := r.realms[realm]
	if m == nil {
		return Member{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.dealer.Member(id)
	if !ok {
		return Member{}, false
	}
	return m.member(d), true
}

// Registrations lists registrations of a realm; see
// [dealer.Dealer.Registrations].
func (r *Router) Registrations(realm wamp.URI, after wamp.ID, limit int) (list []dealer.Procedure, next wamp.ID) {
	m := r.realms[realm]
	if m == nil {
		return nil, 0
	}
	for next = after; ; {
		m.mu.Lock()
		page, n := m.dealer.Registrations(next, min(limit-len(list), pageSteps))
		m.mu.Unlock()
		if list, next = append(list, page...), n; next == 0 || len(list) >= limit {
			return list, next
		}
	}
}

// Registration returns a registration of a realm; see
// [dealer.Dealer.Registration].
func (r *Router) Registration(realm wamp.URI, id wamp.ID, most int) (p dealer.Procedure, callees []wamp.ID, ok bool) {
	m := r.realms[realm]
	if m == nil {
		return p, nil, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dealer.Registration(id, most)
}

// Calls lists calls in flight of a realm; see [dealer.Dealer.Calls]. The list is
// shorter than limit only at its end.
func (r *Router) Calls(realm wamp.URI, after dealer.CallPlace, limit int) (list []dealer.InFlight, next dealer.CallPlace) {
	m := r.realms[realm]
	if m == nil {
		return nil, dealer.CallPlace{}
	}
	for next = after; ; {
		m.mu.Lock()
		page, n := m.dealer.Calls(next, min(limit-len(list), pageSteps))
		m.mu.Unlock()
		if list, next = append(list, page...), n; next == (dealer.CallPlace{}) || len(list) >= limit {
			return list, next
		}
	}
}

// Call returns a call in flight of a realm.
func (r *Router) Call(realm wamp.URI, caller, request wamp.ID) (dealer.InFlight, bool) {
	m := r.realms[realm]
	if m == nil {
		return dealer.InFlight{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dealer.Call(caller, request)
}

// EndSession ends a session for an operator; see [dealer.Dealer.EndSession].
func (r *Router) EndSession(realm wamp.URI, id wamp.ID, goodbye *wamp.Goodbye) bool {
	return r.operate(realm, func(d *dealer.Dealer, now time.Time) ([]dealer.Delivery, bool) {
		return d.EndSession(now, id, goodbye)
	})
}

// Revoke takes a registration away from all of its callees, or from one if
// callee is not 0; see [dealer.Dealer.RevokeAll].
func (r *Router) Revoke(realm wamp.URI, registration, callee wamp.ID, reason wamp.URI) bool {
	return r.operate(realm, func(d *dealer.Dealer, now time.Time) ([]dealer.Delivery, bool) {
		if callee != 0 {
			return d.Revoke(now, registration, callee, reason)
		}
		return d.RevokeAll(now, registration, reason)
	})
}

// EndCall ends a call for an operator; see [dealer.Dealer.EndCall].
func (r *Router) EndCall(realm wamp.URI, caller, request wamp.ID, mode wamp.CancelMode) (canceling, ok bool) {
	ok = r.operate(realm, func(d *dealer.Dealer, now time.Time) (out []dealer.Delivery, ok bool) {
		out, canceling, ok = d.EndCall(now, caller, request, mode)
		return out, ok
	})
	return canceling, ok
}

// operate does a step that no session asked for. Nobody waits for those who are
// told.
func (r *Router) operate(realm wamp.URI, step func(*dealer.Dealer, time.Time) ([]dealer.Delivery, bool)) bool {
	m := r.realms[realm]
	if m == nil {
		return false
	}
	b := r.batch()
	defer r.release(b)
	ok := m.operate(b, step)
	b.Flush()
	return ok
}

func (r *realm) operate(b *Batch, step func(*dealer.Dealer, time.Time) ([]dealer.Delivery, bool)) bool {
	now := time.Now()
	r.mu.Lock()
	defer r.crashOnPanic(0)
	out, ok := step(r.dealer, now)
	r.deliver(b, now, out, nil)
	r.unlock(b, now)
	return ok
}
