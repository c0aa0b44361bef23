package gateway

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/wampgate/wampgate/gateway/authn"
)

// How overload is measured: a probe waits, as a request would, for its turn on
// a processor and for the realm. What counts is the least delay of a second: a
// short queue empties at times, a standing one never does.
const (
	probeTime   = 100 * time.Millisecond
	shedSamples = 10 // a second
	deafFactor  = 4  // times the delay from which calls are shed, /readyz says no
)

// A shedLevel says which calls are refused. The zero value refuses none.
type shedLevel int32

const (
	shedNothing shedLevel = iota
	shedSome              // anonymous calls, and those of low priority
	shedMost              // all but those of high priority
	shedDeaf              // the same, and load balancers are told
)

// A priority is the value of ?priority=.
type priority uint8

const (
	priorityNormal priority = iota
	priorityLow
	priorityHigh
)

// A shedder measures how long requests wait before anything is done for them.
// It does so while calls come, and rests when none did for a second. The zero
// value measures nothing.
type shedder struct {
	limit time.Duration // delay from which calls are shed; 0 if none are
	probe func()        // waits for the realm; must be quick
	level atomic.Int32
	busy  atomic.Bool // calls came since the last sample

	mu      sync.Mutex  // guards the following fields
	timer   *time.Timer // runs sample; nil until the first call
	armed   bool
	stopped bool
	due     time.Time // of timer

	sampling sync.Mutex // held by sample, so that end can wait for it
	least    time.Duration
	samples  int // that least is of
	quiet    int // samples since a call came
}

// called notes that a call came.
func (s *shedder) called() {
	if s.busy.Load() {
		return
	}
	s.busy.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.armed {
		s.arm()
	}
}

// arm makes sample run after a while; s.mu is held.
func (s *shedder) arm() {
	if s.armed = !s.stopped; s.stopped {
		return
	}
	s.due = time.Now().Add(probeTime)
	if s.timer == nil {
		s.timer = time.AfterFunc(probeTime, s.sample)
		return
	}
	s.timer.Reset(probeTime)
}

// end stops measuring, and waits for a sample that is being taken.
func (s *shedder) end() {
	s.mu.Lock()
	s.stopped = true
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	s.sampling.Lock()
	defer s.sampling.Unlock()
}

// sample measures once, and decides when a second has been measured or one
// sample shows that nothing waits.
func (s *shedder) sample() {
	s.sampling.Lock()
	defer s.sampling.Unlock()
	s.probe()
	s.mu.Lock()
	defer s.mu.Unlock()
	delay := max(time.Since(s.due), 0)
	if s.samples == 0 || delay < s.least {
		s.least = delay
	}
	if s.samples++; s.samples == shedSamples || s.least < s.limit {
		s.level.Store(int32(s.judge(s.least)))
		s.samples = 0
	}
	if s.quiet++; s.busy.Swap(false) {
		s.quiet = 0
	}
	if s.quiet == shedSamples {
		s.armed, s.samples, s.quiet = false, 0, 0
		s.level.Store(int32(shedNothing))
		return
	}
	s.arm()
}

// judge returns what the least delay of a second comes to.
func (s *shedder) judge(least time.Duration) shedLevel {
	switch {
	case least >= deafFactor*s.limit:
		return shedDeaf
	case least >= 2*s.limit:
		return shedMost
	case least >= s.limit:
		return shedSome
	}
	return shedNothing
}

// shed refuses a call while the gateway has more to do than it can. The error
// is a problem.
func (g *Gateway) shed(who authn.Principal, p priority) error {
	if g.overload.limit == 0 {
		return nil
	}
	g.overload.called()
	level := shedLevel(g.overload.level.Load())
	if level == shedNothing {
		return nil
	}
	anonymous := g.identity(who) == g.cfg.Anonymous
	switch {
	case level >= shedMost && (anonymous || p != priorityHigh), anonymous, p == priorityLow:
		return overloaded("shed-delay", "calls wait too long before they are begun, so that some are refused; anonymous ones and those of low priority first")
	}
	return nil
}
