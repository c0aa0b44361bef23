package router

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// maxAllowances bounds the allowances that a realm remembers. One more makes it
// forget somebody who has spent little and has no call in flight.
const maxAllowances = 1 << 16

// An allowanceKey says whose calls are counted together: those under one rule
// of a principal, or of an address if they are anonymous. It holds the bounds
// of the rule and not the rule, so that an Access with the same ones gives
// nobody his tokens back.
type allowanceKey struct {
	authid, authrole string     // of a principal
	from             netip.Addr // of somebody anonymous
	match            wamp.MatchPolicy
	uri              wamp.URI
	rate             float64
	burst            int
	concurrency      int
}

// An allowance is what a rule leaves somebody. The tokens are one point in
// time: when all will be there again (the generic cell rate algorithm).
type allowance struct {
	full     time.Time
	inFlight int
}

// An excess is why a call is one too many.
type excess struct {
	text   string
	wait   time.Duration // until it may be tried again
	limit  int           // calls at once after a pause, or in flight
	window time.Duration // in which the limit comes back; 0: when calls end
}

// spend takes a call out of its caller's allowance under a rule, if the rule
// has bounds. It returns why not, or nil. The realm's lock is held.
func (r *realm) spend(now time.Time, s *Session, call *wamp.Call, rule *auth.Rule) *excess {
	if !rule.Bounded() || r.dealer.Continues(s.id, call) {
		return nil
	}
	a := r.allowance(now, s, call, rule)
	if rule.Concurrency > 0 && a.inFlight >= rule.Concurrency {
		return &excess{
			text:  fmt.Sprintf("%d calls are in flight already, which is the most that your role may have here; wait for one to end", rule.Concurrency),
			wait:  time.Second,
			limit: rule.Concurrency,
		}
	}
	if rule.Rate > 0 {
		if e := a.take(now, rule); e != nil {
			return e
		}
	}
	if rule.Concurrency > 0 {
		a.inFlight++
		if s.spent == nil {
			s.spent = make(map[wamp.ID]*allowance)
		}
		s.spent[call.Request] = a
	}
	return nil
}

// take takes a token, or returns that there is none.
func (a *allowance) take(now time.Time, rule *auth.Rule) *excess {
	burst := rule.Burst
	if burst == 0 {
		burst = int(math.Ceil(min(2*rule.Rate, math.MaxInt32)))
	}
	longest := float64(math.MaxInt64) / 4 / float64(burst) // or the sums below overflow
	interval := time.Duration(max(min(float64(time.Second)/rule.Rate, longest), 1))
	window := interval * time.Duration(burst)
	full := a.full
	if full.Before(now) {
		full = now
	}
	next := full.Add(interval)
	// Whoever has all his tokens may spend one, however long it takes to come back.
	if wait := next.Sub(now) - window; wait > 0 && full.After(now) {
		return &excess{
			text: fmt.Sprintf("your role may make %v calls a second here; wait before the next one", rule.Rate),
			wait: wait, limit: burst, window: window,
		}
	}
	a.full = next
	return nil
}

// allowance returns what somebody has under a rule.
func (r *realm) allowance(now time.Time, s *Session, call *wamp.Call, rule *auth.Rule) *allowance {
	key := allowanceKey{
		authid: s.identity.Authid, authrole: s.identity.Authrole,
		match: rule.Match, uri: rule.URI, rate: rule.Rate, burst: rule.Burst, concurrency: rule.Concurrency,
	}
	if from := s.addressOf(call); from.IsValid() {
		key.authid, key.from = "", from
	}
	a := r.allowances[key]
	if a == nil {
		r.forgetAllowances(now)
		a = new(allowance)
		r.allowances[key] = a
	}
	return a
}

// addressOf returns where a call comes from if its caller is anonymous.
func (s *Session) addressOf(call *wamp.Call) netip.Addr {
	if s.identity.Authmethod != auth.Anonymous {
		return netip.Addr{}
	}
	if call.From.IsValid() {
		return network(call.From)
	}
	return s.from
}

// How many allowances are looked at when one is added: more than are added
// while there are some that say nothing any more.
const allowanceLooks = 4

// forgetAllowances makes room for one more: it forgets some that are as good
// as new, and at the limit whichever of those it sees is not in use.
func (r *realm) forgetAllowances(now time.Time) {
	looks := allowanceLooks
	for key, a := range r.allowances { // in random order
		if looks--; looks < 0 {
			return
		}
		if a.inFlight == 0 && (!a.full.After(now) || len(r.allowances) >= maxAllowances) {
			delete(r.allowances, key)
		}
	}
}

// answered gives back what a call was counted for, if m ends one. The realm's
// lock is held.
func (s *Session) answered(m wamp.Message) {
	switch m := m.(type) {
	case *wamp.Result:
		if !m.Details.Progress {
			s.giveBack(m.Request)
		}
	case *wamp.Error:
		if m.RequestType == wamp.TypeCall {
			s.giveBack(m.Request)
		}
	}
}

func (s *Session) giveBack(request wamp.ID) {
	if a := s.spent[request]; a != nil {
		a.inFlight--
		delete(s.spent, request)
	}
}

// giveAllBack is giveBack for all calls of a session that has ended.
func (s *Session) giveAllBack() {
	for _, a := range s.spent {
		a.inFlight--
	}
	s.spent = nil
}

// denyForNow answers a call that is one too many. The keyword arguments say
// what to do: retry ("safe": no callee has seen the call), retry_after in
// seconds, limit, and window in seconds if the limit is one of a rate.
func (r *realm) denyForNow(b *Batch, now time.Time, s *Session, call *wamp.Call, e *excess) error {
	r.counters.messages++
	out, err := r.dealer.Deny(now, s.id, call, wamp.ErrRateLimited, e.text)
	if err != nil {
		return err
	}
	hints := wamp.Dict{"retry": "safe", "retry_after": wholeSeconds(e.wait), "limit": int64(e.limit)}
	if e.window > 0 {
		hints["window"] = wholeSeconds(e.window)
	}
	for i := range out {
		if m, ok := out[i].Message.(*wamp.Error); ok {
			m.Payload, _ = wamp.NewPayload(wamp.JSON, []any{e.text}, hints) // always has a form
		}
	}
	r.deliver(b, now, out, s)
	return nil
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// network returns what shares an allowance with an address: itself, or for
// IPv6, where a client has as many addresses as it wants, its network of 64
// bits.
func network(addr netip.Addr) netip.Addr {
	if !addr.Is6() || addr.Is4In6() {
		return addr.Unmap()
	}
	prefix, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return addr
	}
	return prefix.Addr()
}
