package router

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A Transport is how the peer of a session is connected.
type Transport uint8

// The transports.
const (
	Inside Transport = iota // it is a part of this process
	WebSocket
	RawSocket
	transports
)

// String returns "inside", "websocket" or "rawsocket".
func (t Transport) String() string { return [transports]string{"inside", "websocket", "rawsocket"}[t] }

// A Link is what a session's messages come by. Sessions inside the process have
// no serializer.
type Link struct {
	Transport  Transport
	Serializer wamp.Serializer
}

// LinkStats are those of the sessions with one kind of Link.
type LinkStats struct {
	Link
	Sessions int    // open now
	Joined   uint64 // opened
}

func (l *LinkStats) opened() {
	l.Sessions++
	l.Joined++
}

// links are the LinkStats of a realm.
type links [transports][wamp.CBOR + 1]LinkStats

func (l *links) of(k Link) *LinkStats { return &l[k.Transport][k.Serializer] }

// A Refusal is why an outbox did not take a message.
type Refusal uint8

// The refusals.
const (
	RefusedFull           Refusal = iota // it holds as many bytes as it may
	RefusedTooLarge                      // for the peer
	RefusedUntranscodable                // there is no such thing in the peer's serializer
	RefusedClosed                        // or broken
	Refusals
)

// String returns the refusal as counters name it.
func (r Refusal) String() string {
	return [Refusals]string{"full", "too_large", "untranscodable", "closed"}[r]
}

func refusalOf(err error) Refusal {
	switch {
	case errors.Is(err, ErrFull):
		return RefusedFull
	case errors.Is(err, ErrTooLarge):
		return RefusedTooLarge
	case errors.Is(err, wamp.ErrUntranscodable):
		return RefusedUntranscodable
	}
	return RefusedClosed
}

// Stats are a router's counters since its start, summed over its realms.
type Stats struct {
	Sessions      int // open now
	Registrations int // now; a shared one counts once
	CallsInFlight int // now
	Pending       int // sessions that are about to authenticate

	Joined   uint64 // sessions opened
	Messages uint64 // received in open sessions
	Calls    uint64 // CALLs received
	Refused  uint64 // messages that an outbox did not take
	Aborted  uint64 // sessions that broke the protocol
	CutFull  uint64 // sessions cut off because their outbox was full
	CutOther uint64 // sessions cut off for other reasons
	Killed   uint64 // sessions ended through the meta API, or because their credentials expired
	Denied   uint64 // sessions refused for want of the right credentials
}

// RealmStats are the counters of one realm since its start.
type RealmStats struct {
	Realm         wamp.URI
	Links         []LinkStats // those that there were sessions of
	Registrations int         // now; a shared one counts once
	CallsInFlight int         // now, with those of the dealer's own

	Messages uint64           // received in open sessions
	Refused  [Refusals]uint64 // messages that an outbox did not take
	Aborted  uint64           // sessions that broke the protocol
	CutFull  uint64           // sessions cut off because their outbox was full
	CutOther uint64           // sessions cut off for other reasons
	Killed   uint64           // sessions ended through the meta API, or because their credentials expired

	// Waits counts how often a sender had to wait for a receiver that does not
	// keep up, and Outwaited how often it went on before that had caught up.
	Waits, Outwaited struct{ Callee, Caller uint64 }

	Calls      dealer.Stats
	Procedures []dealer.ProcedureStats // that are counted by themselves, in no order
	Others     dealer.ProcedureStats   // all others, if some are
}

// A Denial is a kind of authentication that failed.
type Denial struct {
	Method    string // one of package auth's; empty if none came to be used
	LockedOut bool   // too many wrong credentials had come before
}

// counters are one realm's share of Stats, guarded by its lock.
type counters struct {
	joined, messages, calls, aborted, cutFull, cutOther, killed uint64

	refused [Refusals]uint64
	waits   [parts]uint64
	links   links
}

// Stats returns the counters. It takes the lock of one realm after the other.
func (r *Router) Stats() Stats {
	var sum Stats
	for _, realm := range r.realms {
		realm.addTo(&sum)
	}
	r.mu.Lock()
	sum.Pending = len(r.pending)
	for _, n := range r.denied {
		sum.Denied += n
	}
	r.mu.Unlock()
	return sum
}

func (r *realm) addTo(sum *Stats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sessions, registrations, calls := r.dealer.Counts()
	sum.Sessions += sessions
	sum.Registrations += registrations
	sum.CallsInFlight += calls
	sum.Joined += r.counters.joined
	sum.Messages += r.counters.messages
	sum.Calls += r.counters.calls
	for _, n := range r.counters.refused {
		sum.Refused += n
	}
	sum.Aborted += r.counters.aborted
	sum.CutFull += r.counters.cutFull
	sum.CutOther += r.counters.cutOther
	sum.Killed += r.counters.killed
}

// RealmStats returns the counters of each realm, by name. It takes their locks
// one after the other, and copies the counters of procedures under them: some
// microseconds for 100 of these.
func (r *Router) RealmStats() []RealmStats {
	all := make([]RealmStats, 0, len(r.realms))
	for _, realm := range r.realms {
		all = append(all, realm.stats())
	}
	slices.SortFunc(all, func(a, b RealmStats) int { return cmp.Compare(a.Realm, b.Realm) })
	return all
}

func (r *realm) stats() RealmStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &r.counters
	s := RealmStats{
		Realm: r.name, Messages: c.messages, Refused: c.refused, Aborted: c.aborted,
		CutFull: c.cutFull, CutOther: c.cutOther, Killed: c.killed, Calls: r.dealer.Stats(),
	}
	_, s.Registrations, s.CallsInFlight = r.dealer.Counts()
	s.Procedures, s.Others = r.dealer.ProcedureStats()
	s.Waits.Callee, s.Waits.Caller = c.waits[asCallee], c.waits[asCaller]
	s.Outwaited.Callee, s.Outwaited.Caller = r.outwaited[asCallee].Load(), r.outwaited[asCaller].Load()
	for transport := range c.links {
		for serializer, l := range c.links[transport] {
			if l.Joined > 0 {
				l.Link = Link{Transport(transport), wamp.Serializer(serializer)}
				s.Links = append(s.Links, l)
			}
		}
	}
	return s
}

// Denials returns how many authentications failed, by kind.
func (r *Router) Denials() map[Denial]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.denied)
}

// countDenied counts an authentication that failed. Peers may name any method.
func (r *Router) countDenied(method string, why *auth.Denial) {
	switch method {
	case auth.Anonymous, auth.Ticket, auth.CRA, auth.SCRAM, auth.AutobahnSCRAM, auth.Cryptosign, auth.TLS:
	default:
		method = ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.denied[Denial{method, why.Cause == lockedOut}]++
}
