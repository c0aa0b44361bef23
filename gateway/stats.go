package gateway

import (
	"maps"
	"sync/atomic"
	"time"
)

// Stats are what a Gateway has counted since its start, unless they say
// otherwise. Counters of which there are several are those that are not 0.
type Stats struct {
	Requests  []RequestStats
	Durations []RouteDurations // without streams
	Streams   Histogram        // how long they took
	BytesIn   uint64           // of the bodies of calls, decompressed
	BytesOut  uint64           // of the bodies of answers

	Calls       []CallStats       // that have ended
	Disconnects map[string]uint64 // calls canceled because their client left, by their outcome
	Refused     map[string]uint64 // requests, by the limit that was in the way
	Denied      map[string]uint64 // requests, by what was wrong with their credentials (authn.Reason)
	Webhooks    map[string]uint64 // requests to webhooks, by what came of them: ok, error, unreachable, timeout, canceled

	Events        uint64 // progressive results sent
	EventsDropped uint64 // forgotten for the sake of later ones, with ?overflow=latest
	Overflows     uint64 // calls canceled because what was said did not fit into their queue
	Outrun        uint64 // readers of events whose call went on without them

	StreamsOpen   int // now
	CallsInFlight int // now
	Sessions      int // now, in the realm, of clients that call
	Callees       int // now, registrations made over HTTP
	Kept          int // calls under /calls, now
	KeptBytes     int // of the ended ones of these
	Shedding      int // 0 to 3: how many calls are refused for want of time
}

// RequestStats is how many requests there were of a kind. Route is a pattern,
// "imported" for all operations of documents, or "other"; Class is "1xx" to
// "5xx", "499" if the client had left, or "none" if the answer was cut off
// before it had a status.
type RequestStats struct {
	Route, Method, Class string
	N                    uint64
}

// RouteDurations is how long the requests of a route took.
type RouteDurations struct {
	Route string
	Histogram
}

// CallStats is how many calls ended in a way. Outcome is as in the log, or
// "cut_off"; Source is who they failed by: gateway, dealer, callee, client or,
// if they did not, none.
type CallStats struct {
	Outcome, Source string
	N               uint64
}

// A Histogram counts durations. N[i] are those above Bounds[i-1] and not above
// Bounds[i]; the last are above all bounds.
type Histogram struct {
	Bounds []time.Duration // not to be changed
	N      []uint64
	Sum    time.Duration
}

// Count is how many durations there were.
func (h *Histogram) Count() (n uint64) {
	for _, of := range h.N {
		n += of
	}
	return n
}

// Stats returns the counters. It takes none of the locks that calls take but
// those of the tables that it counts the entries of, one after the other.
func (g *Gateway) Stats() Stats {
	c := g.counts
	s := Stats{
		Requests: c.requests(), Durations: c.durations(), Calls: c.ended(),
		Streams:     Histogram{Bounds: c.streamBounds, N: loadAll(c.streams[:]), Sum: time.Duration(c.streamTime.Load())}, //nolint:gosec // 292 years
		Disconnects: c.disconnects.all(), Refused: c.refused.all(), Denied: c.denied.all(), Webhooks: c.webhooks.all(),
		EventsDropped: c.eventsDropped.Load(), Overflows: c.overflows.Load(), Outrun: c.outrun.Load(),
		StreamsOpen: int(c.streamsOpen.Load()), CallsInFlight: int(g.inFlight.Load()), Shedding: int(g.overload.level.Load()),
	}
	for i := range c.tallies {
		t := &c.tallies[i]
		s.BytesIn += t.in.Load()
		s.BytesOut += t.out.Load()
		s.Events += t.events.Load()
	}
	s.Sessions, s.Callees = g.principals.count(), g.callees.total()
	s.Kept, s.KeptBytes = g.kept.size()
	return s
}

// requests returns the counters of requests.
func (c *counts) requests() (all []RequestStats) {
	for i, route := range c.routes {
		for j, method := range countedMethods() {
			for k, class := range countedClasses() {
				n := c.sum(func(t *tally) uint64 { return t.routes[i].answers[j][k].Load() })
				if n > 0 {
					all = append(all, RequestStats{route, method, class, n})
				}
			}
		}
	}
	return all
}

// durations returns how long requests took.
func (c *counts) durations() (all []RouteDurations) {
	for i, route := range c.routes {
		h := Histogram{Bounds: c.bounds, N: make([]uint64, requestBuckets)}
		for j := range h.N {
			h.N[j] = c.sum(func(t *tally) uint64 { return t.routes[i].took[j].Load() })
		}
		h.Sum = time.Duration(c.sum(func(t *tally) uint64 { return t.routes[i].time.Load() })) //nolint:gosec // 292 years
		if h.Count() > 0 {
			all = append(all, RouteDurations{route, h})
		}
	}
	return all
}

// ended returns the counters of calls.
func (c *counts) ended() (all []CallStats) {
	for i, outcome := range countedOutcomes() {
		for j, source := range countedSources() {
			n := c.sum(func(t *tally) uint64 { return t.calls[i][j].Load() })
			if n > 0 {
				all = append(all, CallStats{string(outcome), source, n})
			}
		}
	}
	return all
}

// sum adds up what all tallies have.
func (c *counts) sum(of func(*tally) uint64) (n uint64) {
	for i := range c.tallies {
		n += of(&c.tallies[i])
	}
	return n
}

// all returns a copy of the counters.
func (r *reasons) all() map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.n)
}

func loadAll(counters []atomic.Uint64) []uint64 {
	all := make([]uint64, len(counters))
	for i := range counters {
		all[i] = counters[i].Load()
	}
	return all
}

// count returns how many principals have a session.
func (ps *principals) count() int {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return len(ps.open)
}

// total returns how many registrations there are.
func (s *callees) total() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// size returns how many calls are kept, and how many bytes of those that have
// ended.
func (s *callStore) size() (calls, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls), s.bytes
}
