package durable

import (
	"cmp"
	"container/heap"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A phase is how far a call has come inside the store.
type phase uint8

const (
	writing   phase = iota // it is not accepted yet
	delayed                // a timer makes it queued at its time
	queued                 // for its turn, for room, for a callee, or for the next attempt
	running                // a callee has it
	finishing              // its outcome is being stored
	finished               // it is in no table any more
)

// A call is one that is not over.
type call struct {
	record
	payload  wamp.Payload
	loaded   bool // payload is in memory
	counted  int  // bytes of it in Store.loadedBytes
	keeper   *keeper
	at       place
	state    phase
	attempts attempts
	noted    uint64 // append of the stored attempts; 0: none
	again    bool   // a callee may have got it before
	canceled bool   // its owner wants its end
	given    bool   // it is running, and the dealer has not refused it
	noting   bool   // its attempts are being stored

	stub    int64   // bytes that are set aside for its least outcome
	request wamp.ID // of its CALL
	line    *line   // nil if it has no key
	pool    *pool   // that it waits in or runs in; nil if it does neither
	timer   *time.Timer
	waiters []*waiter
	heap    int // index in expiries; -1: not there
}

// public returns the state that others see.
func (c *call) public() State {
	switch c.state {
	case delayed:
		return Scheduled
	case running:
		if c.given {
			return Running
		}
	}
	if c.state == writing && c.Due.After(c.Accepted) {
		return Scheduled
	}
	return Accepted
}

// join makes w wait for c.
func (c *call) join(w *waiter) {
	w.call = c
	c.waiters = append(c.waiters, w)
	if w.keeper != nil {
		w.keeper.waiting[w.invocation] = w
	}
}

// leave makes a waiter wait no more.
func (w *waiter) leave() {
	if w.keeper != nil {
		delete(w.keeper.waiting, w.invocation)
	}
	if c := w.call; c != nil {
		w.call = nil
		c.waiters = slices.DeleteFunc(c.waiters, func(other *waiter) bool { return other == w })
	}
}

// dismiss lets go of all who wait for a call, and returns them.
func (c *call) dismiss() []*waiter {
	all := c.waiters
	c.waiters = nil
	for _, w := range all {
		w.leave()
	}
	return all
}

func (c *call) stopTimer() {
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

// compare orders calls by the time when they are due, and then as they were
// accepted. With or without a restart, this is the order of a line.
func (c *call) compare(other *call) int {
	return cmp.Or(c.Due.Compare(other.Due), cmp.Compare(c.Number, other.Number))
}

// A kept is an outcome without its payload.
type kept struct {
	*outcome
	at   place
	held bool // it stays for as long as the dead letter of its call
}

// A deadLetter is what memory holds of a letter.
type deadLetter struct {
	letter
	at   place
	size int // bytes of its entry
}

// A line is the calls of one key, in the order of compare. Only the first one is
// tried, when it is due.
type line struct {
	key   lineKey
	calls []*call
}

type lineKey struct {
	realm wamp.URI
	key   string
}

// A pool is the calls of one procedure that are under way, or could be.
type pool struct {
	realm     wamp.URI
	procedure wamp.URI
	running   int
	ready     []*call // wait for room, or for a callee
	parked    bool    // there is no callee; nothing is tried until somebody registers
}

type poolKey struct{ realm, procedure wamp.URI }

// An index is all calls, outcomes and dead letters in memory. What it knows is
// in the journals too, but for what is under way. Guarded by Store.mu.
type index struct {
	number      uint64 // of the last call
	byName      map[name]*call
	done        map[name]*kept
	ended       []*kept // the same, the oldest first
	dead        map[name]*deadLetter
	lines       map[lineKey]*line
	pools       map[poolKey]*pool
	expiries    expiries
	loadedBytes int
	room
}

func newIndex() index {
	return index{
		byName: make(map[name]*call), done: make(map[name]*kept), dead: make(map[name]*deadLetter),
		lines: make(map[lineKey]*line), pools: make(map[poolKey]*pool),
	}
}

// newID returns "c_" and 128 random bits.
func newID() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	return "c_" + hex.EncodeToString(random[:])
}

// queueUp puts a call into the line of its key, but not before one that may have
// begun.
func (s *Store) queueUp(c *call) {
	if c.Key == nil || c.line != nil {
		return
	}
	key := lineKey{c.Realm, string(c.Key)}
	l := s.lines[key]
	if l == nil {
		l = &line{key: key}
		s.lines[key] = l
	}
	at := len(l.calls)
	for at > 1 && c.compare(l.calls[at-1]) < 0 {
		at--
	}
	if at == 1 && l.calls[0].public() == Scheduled && c.compare(l.calls[0]) < 0 {
		at = 0
	}
	l.calls = slices.Insert(l.calls, at, c)
	c.line = l
}

// leaveLine takes a call out of its line; the next one may be tried then.
func (s *Store) leaveLine(c *call) {
	l := c.line
	if l == nil {
		return
	}
	c.line = nil
	i := slices.Index(l.calls, c)
	l.calls = slices.Delete(l.calls, i, i+1)
	switch {
	case len(l.calls) == 0:
		delete(s.lines, l.key)
	case i == 0:
		s.begin(l.calls[0])
	}
}

// forgetPayload lets go of the payload of a stored call if there are too many
// in memory.
func (s *Store) forgetPayload(c *call) {
	size := len(c.payload.Args) + len(c.payload.Kwargs)
	if s.loadedBytes+size > maxLoaded {
		c.payload, c.loaded = wamp.Payload{}, false
		return
	}
	c.counted = size
	s.loadedBytes += size
}

// expiries is a heap of calls by the time when they expire.
type expiries []*call

func (h *expiries) add(c *call) { heap.Push(h, c) }

func (h *expiries) remove(c *call) {
	if c.heap >= 0 && c.heap < len(*h) && (*h)[c.heap] == c {
		heap.Remove(h, c.heap)
	}
}

// Len implements heap.Interface.
func (h expiries) Len() int { return len(h) }

// Less implements heap.Interface.
func (h expiries) Less(i, j int) bool { return h[i].Expires.Before(h[j].Expires) }

// Swap implements heap.Interface.
func (h expiries) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heap, h[j].heap = i, j
}

// Push implements heap.Interface.
func (h *expiries) Push(x any) {
	c, _ := x.(*call)
	c.heap = len(*h)
	*h = append(*h, c)
}

// Pop implements heap.Interface.
func (h *expiries) Pop() any {
	old := *h
	c := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	c.heap = -1
	return c
}
