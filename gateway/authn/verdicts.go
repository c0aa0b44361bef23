package authn

import (
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

// How long a verdict is remembered, and how many are.
const (
	verdictTime = time.Minute
	maxVerdicts = 1 << 14
)

// A verdictKey stands for credentials. It cannot be made without the process'
// own random salt, so that it says nothing about a weak password.
type verdictKey [sha256.Size]byte

// verdicts remembers the principals of credentials that were verified. What
// was used is kept in young; when that is full it becomes old, and the old
// ones are forgotten. Refusals are not remembered, or whoever tries many
// credentials would push out those of others.
type verdicts struct {
	salt [16]byte
	half int // how many young holds

	mu         sync.Mutex // guards the following fields
	young, old map[verdictKey]verdict
}

// A verdict is on a Principal, until then.
type verdict struct {
	principal Principal
	until     time.Time
}

func newVerdicts(n int) *verdicts {
	v := &verdicts{half: max(n/2, 1), young: make(map[verdictKey]verdict)}
	_, _ = rand.Read(v.salt[:]) // never fails
	return v
}

// key returns what stands for a secret in the scope of a method.
func (v *verdicts) key(method, secret string) verdictKey {
	var room [1 << 10]byte // most tokens have room in it
	b := append(room[:0], v.salt[:]...)
	b = append(b, method...)
	b = append(b, 0)
	return sha256.Sum256(append(b, secret...))
}

// get returns the principal of credentials that were verified recently.
func (v *verdicts) get(key verdictKey, now time.Time) (Principal, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	found, ok := v.young[key]
	if !ok {
		if found, ok = v.old[key]; ok {
			v.keep(key, found)
		}
	}
	if !ok || !now.Before(found.until) {
		return Principal{}, false
	}
	return found.principal, true
}

// put remembers p for at most d, and not longer than its credentials are valid.
func (v *verdicts) put(key verdictKey, p Principal, now time.Time, d time.Duration) {
	until := now.Add(d)
	if !p.Expires.IsZero() && p.Expires.Before(until) {
		until = p.Expires
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keep(key, verdict{p, until})
}

// keep adds a verdict. v.mu is held.
func (v *verdicts) keep(key verdictKey, found verdict) {
	if len(v.young) >= v.half {
		v.old, v.young = v.young, make(map[verdictKey]verdict)
	}
	v.young[key] = found
}
