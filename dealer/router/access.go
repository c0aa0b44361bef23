package router

import (
	"fmt"
	"time"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// ErrWithdrawn is the reason for closing an outbox whose session may no longer
// be there, or not as who it was. It wraps [ErrKilled].
var ErrWithdrawn = fmt.Errorf("rights were withdrawn: %w", ErrKilled)

// An Access is who may join, and what they may do then. It does not change;
// [Router.SetAccess] puts another one in its place.
type Access struct {
	// Auth decides who may join; required.
	Auth *auth.Authenticator

	// Policy says what roles may do; nil: everything.
	Policy *auth.Policy

	// Keeps reports whether a session may stay that came in under another
	// Access, or, if before is nil, is being opened inside the process; nil
	// keeps all. It runs under a realm's lock, so it must be quick and leave
	// the router alone.
	Keeps func(before *Access, realm wamp.URI, who wamp.Identity) bool

	// Source is what Keeps wants to know of the Access; the router does not
	// look at it.
	Source any
}

// SetAccess puts another Access in force, realm by realm: a message is judged
// by the old one or by the new one, and what was decided before is forgotten.
// Sessions that may not stay, or hold what they may not register or subscribe
// to any more, get a GOODBYE with wamp.close.killed; withdrawn is
// how many. The others notice nothing. Whether there is a Policy at all must
// not change. One SetAccess at a time.
func (r *Router) SetAccess(a *Access) (withdrawn int) {
	b := r.batch()
	defer r.release(b)
	for _, realm := range r.realms {
		withdrawn += realm.setAccess(b, a)
		b.Flush()
	}
	r.access.Store(a) // last: nobody comes to a realm with an Access that it does not know yet
	return withdrawn
}

func (r *realm) setAccess(b *Batch, a *Access) (withdrawn int) {
	now := time.Now()
	r.mu.Lock()
	defer r.crashOnPanic(wamp.TypeGoodbye)
	r.access = a
	clear(r.rights)
	for _, s := range r.sessions {
		s.rights, s.verdicts = r.rightsOf(s), nil
		if !r.keeps(s) || !r.mayHold(s) {
			r.withdraw(b, now, s)
			withdrawn++
		}
	}
	r.unlock(b, now)
	return withdrawn
}

// keeps reports whether s may be here under the realm's Access. The realm's
// lock is held.
func (r *realm) keeps(s *Session) bool {
	before := s.access
	s.access = r.access
	if s.trusted || before == r.access || r.access.Keeps == nil {
		return true
	}
	return r.access.Keeps(before, r.name, s.identity)
}

// mayHold reports whether s still has the right to all that it has registered
// and subscribed to. What only an authorizer allowed stays. The realm's lock is
// held.
func (r *realm) mayHold(s *Session) bool {
	if s.rights == nil {
		return true
	}
	may := func(a auth.Action, match wamp.MatchPolicy, uri wamp.URI) bool {
		d := s.rights.MayAll(a, match, uri)
		return d.Allowed || d.Ask
	}
	return r.dealer.MayHold(s.id, func(registered bool, match wamp.MatchPolicy, uri wamp.URI) bool {
		if registered {
			return may(auth.Register, match, uri) || may(auth.RegisterHTTP, match, uri)
		}
		return may(auth.Meta, match, uri)
	})
}

// withdraw ends a session with a GOODBYE. The realm's lock is held.
func (r *realm) withdraw(b *Batch, now time.Time, s *Session) {
	r.reply(b, s, &wamp.Goodbye{Details: wamp.Dict{"message": "your rights were withdrawn; log in again"}, Reason: wamp.CloseKilled})
	r.remove(b, now, s)
	b.end(s, ErrWithdrawn)
	r.counters.killed++
}
