package durable

import (
	"container/heap"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

const (
	sweepEvery  = time.Second
	unparkEvery = 60 // sweeps
)

// sweep ends what has expired and forgets outcomes that were kept long enough,
// until the store is closed. Now and then it tries calls that wait for a
// callee, should nobody have told of one, and tells the log if some wait for
// long.
func (s *Store) sweep() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	var l lag
	for n := 1; ; n++ {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
		}
		s.mu.Lock()
		s.sweepAt(time.Now())
		if n%unparkEvery == 0 {
			for realm := range s.keepers {
				s.unpark(realm)
			}
		}
		s.mu.Unlock()
		if n%unparkEvery == 0 {
			s.watch(&l, time.Now())
			s.tellEarly()
		}
	}
}

func (s *Store) sweepAt(now time.Time) {
	for len(s.expiries) > 0 && !now.Before(s.expiries[0].Expires) {
		c, _ := heap.Pop(&s.expiries).(*call)
		if c.state == queued || c.state == delayed { // one that runs may end first
			s.expire(c)
		}
	}
	for done := s.eldest(); done != nil && !now.Before(done.Ended.Add(s.config.Retention)); done = s.eldest() {
		s.dropEldest(done)
	}
	s.fillWhenRoom()
	if len(s.graves) > 0 {
		s.mu.Later(s.dig)
	}
}

// tellEarly tells the log of outcomes that were forgotten early.
func (s *Store) tellEarly() {
	s.mu.Lock()
	early := s.early
	s.early = 0
	s.mu.Unlock()
	if early > 0 {
		s.log.Warn("results of persistent calls were forgotten early, for want of room; their ids may be used anew",
			"results", early, "advice", "raise durable-max-bytes or durable-max-results, or lower durable-retention")
	}
}

func (s *Store) expire(c *call) {
	text, _ := wamp.NewPayload(wamp.JSON, []any{"nobody had got to the call by " + c.Expires.Format(time.RFC3339)}, nil)
	s.conclude(c, Expired, ErrExpired, text, nil)
}
