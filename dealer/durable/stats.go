package durable

import "time"

// Stats are what a store counts. Numbers of calls since it was opened, unless
// they say otherwise.
type Stats struct {
	Accepted, Refused           uint64
	Attempts, Failures          uint64 // attempts made, and those that failed
	Succeeded, Failed           uint64
	Canceled, Expired           uint64
	DeadLettered                uint64
	Forgotten                   uint64        // outcomes, before their time
	Waiting, Running, Scheduled int           // now
	Parked                      int           // of the waiting ones, for want of a callee
	Outcomes, DeadLetters       int           // that are kept now
	Oldest                      time.Duration // age of the oldest call that is due
}

func (s *Stats) count(state State) {
	switch state {
	case Succeeded:
		s.Succeeded++
	case Failed:
		s.Failed++
	case Canceled:
		s.Canceled++
	case Expired:
		s.Expired++
	case DeadLettered, Scheduled, Accepted, Running: // the first was counted when the letter was stored
	}
}

// statsStep is how many calls are looked at before others have their turn.
const statsStep = 4096

// Stats returns the counters. It looks at each call that is not over: a tenth
// of a microsecond for each, and no longer than half a millisecond at a time. So
// those that come and go meanwhile may be counted or not.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats, now, looks := s.stats, time.Now(), 0
	for _, c := range s.byName {
		if looks++; looks%statsStep == 0 {
			s.mu.Unlock()
			s.mu.Lock()
		}
		switch c.public() {
		case Scheduled:
			stats.Scheduled++
			continue
		case Running:
			stats.Running++
		default:
			stats.Waiting++
			if c.pool != nil && c.pool.parked {
				stats.Parked++
			}
		}
		stats.Oldest = max(stats.Oldest, now.Sub(c.Due))
	}
	stats.Outcomes, stats.DeadLetters = len(s.done), len(s.dead)
	return stats
}
