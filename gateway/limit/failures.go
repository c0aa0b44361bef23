package limit

import (
	"net/netip"
	"time"
)

// How many wrong credentials may come: ten at once, then one each six seconds.
const (
	failureRate  = 1. / 6
	failureBurst = 10
)

// Failures counts wrong credentials, by address and by the principal that they
// were meant for: many guesses for one name are slowed down wherever they come
// from, and so are the guesses of one address whatever the name. Others notice
// nothing. Its methods may be called at once from any goroutine.
type Failures struct {
	from *Limiter[netip.Addr]
	at   *Limiter[string]
}

// NewFailures returns a Failures that has seen none.
func NewFailures() *Failures {
	return &Failures{
		from: New[netip.Addr](failureRate, failureBurst, 0),
		at:   New[string](failureRate, failureBurst, 0),
	}
}

// Wait returns how long somebody at an address must wait before he may try to
// be that principal; 0 if he need not. An empty principal stands for nobody, and
// an address that is not valid for none.
func (f *Failures) Wait(from netip.Addr, principal string) time.Duration {
	wait := time.Duration(0)
	if from.IsValid() {
		wait = f.from.Look(Network(from)).Wait
	}
	if principal != "" {
		wait = max(wait, f.at.Look(principal).Wait)
	}
	return wait
}

// Failed notes a wrong try.
func (f *Failures) Failed(from netip.Addr, principal string) {
	if from.IsValid() {
		f.from.Take(Network(from))
	}
	if principal != "" {
		f.at.Take(principal)
	}
}
