// Package limit holds token buckets: how often somebody may do something. It
// has no goroutine and no timer; a bucket that is full again is as good as
// none, and forgotten.
package limit

import (
	"net/netip"
	"sync"
	"time"
)

// DefaultMax is how many buckets a Limiter remembers unless it is told.
const DefaultMax = 1 << 17

// A Limiter has a token bucket for each key. A bucket starts full, with burst
// tokens, and gets rate tokens a second. Its methods may be called at once
// from any goroutine.
//
// What is stored of a bucket is one point in time: when it will be full again
// (the generic cell rate algorithm).
type Limiter[K comparable] struct {
	interval time.Duration // in which a bucket gets a token
	window   time.Duration // in which an empty one gets full
	burst    int
	max      int

	mu   sync.Mutex // guards the following field
	full map[K]time.Time
}

// New returns a Limiter for at most max keys at a time; 0 means DefaultMax.
// Rate and burst must be positive; both are cut to what can be counted.
func New[K comparable](rate float64, burst, limit int) *Limiter[K] {
	const longest = 365 * 24 * time.Hour
	if limit <= 0 {
		limit = DefaultMax
	}
	burst = min(max(burst, 1), 1_000_000)
	interval := longest
	if perToken := float64(time.Second) / rate; perToken < float64(longest) {
		interval = max(time.Duration(perToken), 1)
	}
	if interval > longest/time.Duration(burst) {
		interval = longest / time.Duration(burst)
	}
	return &Limiter[K]{
		interval: interval, window: interval * time.Duration(burst), burst: burst,
		max: limit, full: make(map[K]time.Time),
	}
}

// A State is what a bucket holds.
type State struct {
	OK        bool // there was a token
	Remaining int  // tokens left
	// Wait is how long it takes until there is a token; 0 if there is one.
	Wait time.Duration
	// Full is how long it takes until all are there.
	Full time.Duration
}

// Burst returns how many tokens a bucket holds at most.
func (l *Limiter[K]) Burst() int { return l.burst }

// Window returns how long it takes for an empty bucket to be full again.
func (l *Limiter[K]) Window() time.Duration { return l.window }

// Take takes a token from the bucket of key, if there is one.
func (l *Limiter[K]) Take(key K) State {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	full, known := l.full[key]
	if full.Before(now) {
		full = now
	}
	next := full.Add(l.interval)
	ok := next.Sub(now) <= l.window
	if ok {
		if !known {
			l.makeRoom(now)
		}
		full = next
		l.full[key] = full
	}
	return l.state(full.Sub(now), ok)
}

// Look returns the state of a bucket and takes nothing. OK tells whether there
// is a token.
func (l *Limiter[K]) Look(key K) State {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	missing := max(l.full[key].Sub(now), 0)
	return l.state(missing, missing+l.interval <= l.window)
}

// state describes a bucket that will be full after missing.
func (l *Limiter[K]) state(missing time.Duration, ok bool) State {
	return State{
		OK:        ok,
		Remaining: int((l.window - missing) / l.interval),
		Wait:      max(missing+l.interval-l.window, 0),
		Full:      missing,
	}
}

// Len returns how many buckets are remembered.
func (l *Limiter[K]) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.full)
}

// How many buckets are looked at when one is added: enough to forget more than
// are added while there are full ones.
const (
	looks     = 4
	looksFull = 32
)

// makeRoom forgets buckets that are full, as far as it finds them soon. If
// there is no room then, it forgets the fullest that it finds: whoever it
// belongs to has spent the least. l.mu is held.
func (l *Limiter[K]) makeRoom(now time.Time) {
	n := looks
	if len(l.full) >= l.max {
		n = looksFull
	}
	var fullest K
	var soonest time.Time
	for key, full := range l.full { // in random order
		if n--; n < 0 {
			break
		}
		if !full.After(now) {
			delete(l.full, key)
		} else if soonest.IsZero() || full.Before(soonest) {
			fullest, soonest = key, full
		}
	}
	if len(l.full) >= l.max {
		delete(l.full, fullest)
	}
}

// Network returns what shares a bucket with an address: itself, or for IPv6,
// where a client has as many addresses as it wants, its network of 64 bits.
func Network(addr netip.Addr) netip.Addr {
	if !addr.Is6() || addr.Is4In6() {
		return addr.Unmap()
	}
	prefix, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return addr
	}
	return prefix.Addr()
}
