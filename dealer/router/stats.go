package router

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

// counters are one realm's share of Stats, guarded by its lock.
type counters struct {
	joined, messages, calls, refused, aborted, cutFull, cutOther, killed uint64
}

// Stats returns the counters. It takes the lock of one realm after the other.
func (r *Router) Stats() Stats {
	var sum Stats
	for _, realm := range r.realms {
		realm.addTo(&sum)
	}
	r.mu.Lock()
	sum.Pending = len(r.pending)
	sum.Denied = r.denied
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
	sum.Refused += r.counters.refused
	sum.Aborted += r.counters.aborted
	sum.CutFull += r.counters.cutFull
	sum.CutOther += r.counters.cutOther
	sum.Killed += r.counters.killed
}
