package durable

import (
	"strconv"
	"sync"
	"testing"
	"time"
)

// TestStatsGivesWay counts many calls while others come and go: those that stay
// are counted once, and nobody waits until all are.
func TestStatsGivesWay(t *testing.T) {
	t.Parallel()
	const stay = 10 * statsStep
	s := New(Config{})
	add := func(id string, state phase) {
		c := &call{state: state, given: state == running}
		c.ID, c.Due = id, time.Now().Add(-time.Minute)
		s.byName[c.name] = c
	}
	for i := range stay {
		add("stays"+strconv.Itoa(i), []phase{queued, delayed}[i%2])
	}
	over := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-over:
				return
			default:
			}
			s.mu.Lock()
			add("goes"+strconv.Itoa(i), running)
			delete(s.byName, name{ID: "goes" + strconv.Itoa(i-10)})
			s.mu.Unlock()
		}
	})
	for range 20 {
		if got := s.Stats(); got.Waiting != stay/2 || got.Scheduled != stay/2 || got.Oldest < time.Minute {
			t.Errorf("%d wait and %d are scheduled, the oldest due for %v; want %d each and a minute", got.Waiting, got.Scheduled, got.Oldest, stay/2)
		}
	}
	close(over)
	work.Wait()
}
