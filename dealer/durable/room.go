package durable

import (
	"fmt"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

const (
	maxResult = maxPayload + 8<<10 // bytes of an outcome
	maxHeld   = 64 << 20           // bytes of outcomes that are not stored yet
	leastStub = 512                // bytes that an outcome may have beyond the record of its call
)

// A room is what is known of the room that calls need until they are over.
// Guarded by Store.mu.
//
// A call is made only when the largest result would find room, so that no
// result waits in memory because others fill the store: the calls wait instead,
// on the disk. Only a disk that fills otherwise makes results wait.
type room struct {
	resultRoom int64 // bytes that one outcome takes at most
	stubs      int64 // bytes of the least outcomes of all calls that are not over
	storing    int64 // bytes of outcomes on their way
	unstored   int   // outcomes that could not be stored at once
	waits      bool  // some calls are not made for want of room
	early      int   // outcomes that were forgotten early, and that the log was not told of

	graves  []grave // calls that have been given up and wait to become dead letters
	digging int     // dead letters that are being stored
}

// A grave is a call that has been given up, and what becomes of it.
type grave struct {
	call   *call
	letter *deadLetter
}

// enter puts a call among those that are not over. header is the length of its
// record.
func (s *Store) enter(c *call, header int) {
	s.byName[c.name] = c
	c.stub = int64(header + leastStub)
	s.stubs += c.stub
}

// remove takes a call from among those that are not over.
func (s *Store) remove(c *call) {
	delete(s.byName, c.name)
	s.stubs -= c.stub
	c.stub = 0
}

// mayStart reports whether one more call may be made.
func (s *Store) mayStart() bool {
	want := int64(s.inFlight.Count()+1) * s.resultRoom
	// Old outcomes give way to some calls at once, not to as many as there may be.
	if s.unstored == 0 && s.makeRoom(min(want, max(s.resultRoom, s.config.MaxBytes/4))) && s.fits(want) {
		return true
	}
	s.waits = true
	return false
}

// fits reports whether there is room for so many bytes of outcomes now.
func (s *Store) fits(bytes int64) bool {
	used, _ := s.outcomes.load()
	return used+bytes+s.storing+s.stubs <= s.config.MaxBytes
}

// makeRoom reports whether there is room for so many bytes of outcomes. It
// forgets old ones for it.
func (s *Store) makeRoom(bytes int64) bool {
	_, lasting := s.outcomes.load()
	need := bytes + s.storing + s.stubs
	for need+lasting > s.config.MaxBytes || len(s.done) >= s.config.MaxOutcomes {
		if !s.forgetEarly() {
			break
		}
		_, lasting = s.outcomes.load()
	}
	return s.fits(bytes) && len(s.done) < s.config.MaxOutcomes
}

// forgetEarly forgets the oldest outcome if that may be done before its time.
func (s *Store) forgetEarly() bool {
	done := s.eldest()
	if done == nil || time.Since(done.Ended) < s.config.MinRetention {
		return false
	}
	s.early++
	s.stats.Forgotten++
	s.dropEldest(done)
	return true
}

// eldest returns the outcome that will be forgotten first; nil if there is
// none.
func (s *Store) eldest() *kept {
	for len(s.ended) > 0 {
		if done := s.ended[0]; s.done[done.name] == done {
			return done
		}
		s.ended[0] = nil
		s.ended = s.ended[1:]
	}
	return nil
}

// dropEldest forgets the outcome that eldest has returned, unless there is a
// dead letter of its call: that must not become anybody else's.
func (s *Store) dropEldest(done *kept) {
	s.ended[0] = nil
	s.ended = s.ended[1:]
	if l := s.dead[done.name]; l != nil && l.Number == done.Number {
		done.held = true
		return
	}
	s.forget(done)
}

// roomMade makes calls that waited for room.
func (s *Store) roomMade() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fillWhenRoom()
}

func (s *Store) fillWhenRoom() {
	if s.waits {
		s.waits = false
		s.fillAll()
	}
}

// checkRoom says why a call is not accepted now.
func (s *Store) checkRoom(e *entry) string {
	if why := s.checkRevival(); why != "" {
		return why
	}
	switch {
	case len(s.dead)+len(s.graves)+s.digging >= s.config.MaxDeadLetters:
		return fmt.Sprintf("%d dead letters wait to be tried again or discarded (durable-max-dead-letters); nothing was accepted", s.config.MaxDeadLetters)
	case !s.calls.takes(e, s.config.MaxBytes, s.config.MaxBytes/16): // which is for notes of attempts
		return "the store of persistent calls is full (durable-max-bytes); nothing was accepted"
	}
	return ""
}

// checkRevival says why neither a call is accepted now nor a dead letter tried
// again.
func (s *Store) checkRevival() string {
	switch {
	case s.inFlight.Draining():
		return "the gateway is shutting down; nothing was accepted"
	case len(s.byName) >= s.config.MaxCalls:
		return "as many persistent calls wait as may (durable-max-calls); nothing was accepted"
	case s.unstored > 0:
		return "results of persistent calls cannot be stored now; nothing was accepted"
	case !s.makeRoom(s.resultRoom):
		return "results of persistent calls fill the store (durable-max-bytes, durable-max-results); nothing was accepted"
	}
	return ""
}

// holdsOutcome reports whether an outcome can be stored as it is.
func (s *Store) holdsOutcome(e *entry) bool {
	size := int64(e.size()) + batchHeader + appendOverhead
	return s.outcomes.fits(e) && size <= s.resultRoom && (s.unstored == 0 || s.storing+size <= maxHeld)
}

// unkept is the payload of the outcome of a call whose own cannot be stored.
func (s *Store) unkept() wamp.Payload {
	p, _ := wamp.NewPayload(wamp.JSON, []any{fmt.Sprintf("the callee has answered, but an answer of more than %d bytes is not kept, nor any while the disk is full", s.resultRoom)}, nil)
	return p
}

// dig stores calls that have been given up as dead letters, as far as there is
// room.
func (s *Store) dig() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.graves) > 0 && len(s.dead)+s.digging < s.config.MaxDeadLetters {
		g := s.graves[0]
		s.graves[0] = grave{}
		s.graves = s.graves[1:]
		s.digging++
		s.mu.Later(func() { s.bury(g.call, g.letter) })
	}
}

// unburied puts off a dead letter that could not be stored.
func (s *Store) unburied(c *call, l *deadLetter, err error) {
	s.log.Warn("a dead letter cannot be stored; it is tried again", "call", c.ID, "err", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.digging--
	s.graves = append(s.graves, grave{c, l})
}
