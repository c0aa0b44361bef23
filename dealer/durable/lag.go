package durable

import "time"

// When the log is told that calls wait for too long, or for an operator.
const (
	lagLimit = 5 * time.Minute  // that a call may be due
	lagEvery = 10 * time.Minute // between two lines
)

// A lag knows when the log was told last.
type lag struct {
	told time.Time // zero while nothing waits for too long
}

// due reports whether the log is to be told of counters, and whether that all
// is well again.
func (l *lag) due(now time.Time, s Stats) (late, caughtUp bool) {
	switch {
	case s.Oldest < lagLimit:
		caughtUp = !l.told.IsZero()
		l.told = time.Time{}
	case l.told.IsZero() || now.Sub(l.told) >= lagEvery:
		l.told = now
		late = true
	}
	return late, caughtUp
}

// watch tells the log when calls wait for too long.
func (s *Store) watch(l *lag, now time.Time) {
	stats := s.Stats()
	late, caughtUp := l.due(now, stats)
	switch {
	case late:
		s.log.Warn("persistent calls wait for long", "oldest", stats.Oldest.Round(time.Second), "waiting", stats.Waiting, "parked", stats.Parked,
			"running", stats.Running, "dead_letters", stats.DeadLetters)
	case caughtUp:
		s.log.Info("persistent calls wait for long no more", "waiting", stats.Waiting, "running", stats.Running)
	}
}
