package durable

import (
	"context"
	"time"
)

// usageTime is how long Usage waits for the engine.
const usageTime = time.Second

// A Usage is how much of its MaxBytes a log of the store takes.
type Usage struct {
	Log   string // calls, outcomes or letters
	Bytes uint64
}

// Usage asks the engine how full the logs are. It waits a second at most, and
// leaves out those that it got no answer about; all, if the store is not open.
func (s *Store) Usage() (all []Usage) {
	s.mu.Lock()
	open, lanes := s.engine != nil, []*lane{s.calls, s.outcomes, s.letters}
	s.mu.Unlock()
	if !open {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.ctx, usageTime)
	defer cancel()
	for _, l := range lanes {
		if state, err := l.journal.State(ctx); err == nil {
			all = append(all, Usage{l.name, state.Bytes})
		}
	}
	return all
}
