package router

import (
	"fmt"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// ErrExpired is the reason for closing an outbox whose session's credentials
// are no longer valid. It wraps [ErrKilled].
var ErrExpired = fmt.Errorf("credentials have expired: %w", ErrKilled)

// expireAt has the session end when its credentials do. The realm's lock is
// held.
func (s *Session) expireAt(now, end time.Time) {
	if !end.IsZero() {
		s.expiry = time.AfterFunc(end.Sub(now), s.expire)
	}
}

// expire ends the session with a GOODBYE.
func (s *Session) expire() {
	r := s.realm
	b := r.router.batch()
	defer r.router.release(b)
	now := time.Now()
	r.mu.Lock()
	defer r.crashOnPanic(wamp.TypeGoodbye)
	if s.state == stateJoined {
		r.reply(b, s, &wamp.Goodbye{Details: wamp.Dict{"message": "credentials have expired"}, Reason: wamp.CloseKilled})
		r.remove(b, now, s)
		b.end(s, ErrExpired)
		r.counters.killed++
	}
	r.unlock(b, now)
	b.Flush()
}
