// Package router puts locks, timers, handshakes and bounded waits around the
// dealers of a node's realms.
//
// A [Session] is stepped by the goroutine that read its message: under the
// lock of its realm the dealer decides, and what it decided is appended to the
// receivers' [Outbox]es before the lock is let go, so that order on the wire
// is the dealer's order. Sending happens later and without a lock, when that
// goroutine has nothing else to do ([Batch]).
package router

import (
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	mathrand "math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// The defaults of a Config.
const (
	DefaultMaxSessions      = 100_000
	DefaultStallLimit       = 10 * time.Second
	DefaultAnswerStallLimit = time.Second
	DefaultAskTimeout       = 5 * time.Second
)

// A Config sets up a Router.
type Config struct {
	// Realms are the realms that can be joined, by their Realm. Without Rand,
	// a realm gets a random source of its own.
	Realms []dealer.Config

	// Agent is what WELCOME says about this router, such as "wampgate/1.0";
	// default "wampgate".
	Agent string

	// Log takes what operators should know; default: nothing is logged.
	Log *slog.Logger

	// Auth decides who may join; default: everybody may, as anonymous.
	Auth *auth.Authenticator

	// Policy says what roles may do; default: everybody may do everything.
	Policy *auth.Policy

	// Guard slows down those who guess credentials; default: they are let.
	Guard Guard

	// AskTimeout is how long a procedure may take to decide who may join or do
	// something. Default 5 s.
	AskTimeout time.Duration

	// MaxSessions bounds the sessions of all realms, with those that are about
	// to authenticate; further HELLOs get an ABORT. Default 100,000.
	MaxSessions int

	// MaxSessionsEach bounds those of one principal or, of anonymous peers, of
	// one address (for IPv6 its network of 64 bits); further ones get an ABORT.
	// Sessions inside the process, and anonymous peers without an address, do
	// not count. 0: no bound but MaxSessions.
	MaxSessionsEach int

	// StallLimit is how long a sender waits for a congested callee before it
	// goes on and the callee's outbox overflows. Default 10 s.
	StallLimit time.Duration

	// AnswerStallLimit is how long a callee waits for a congested caller.
	// Default 1 s.
	AnswerStallLimit time.Duration
}

func (c Config) withDefaults() Config {
	if c.Agent == "" {
		c.Agent = "wampgate"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MaxSessions <= 0 {
		c.MaxSessions = DefaultMaxSessions
	}
	if c.Auth == nil {
		c.Auth, _ = auth.New(auth.Config{AnonymousRole: Anonymous}) // fails for principals alone
	}
	if c.AskTimeout <= 0 {
		c.AskTimeout = DefaultAskTimeout
	}
	if c.StallLimit <= 0 {
		c.StallLimit = DefaultStallLimit
	}
	if c.AnswerStallLimit <= 0 {
		c.AnswerStallLimit = DefaultAnswerStallLimit
	}
	return c
}

// A Router is all realms of one node. Its methods may be called by any number
// of goroutines at once.
type Router struct {
	config  Config
	realms  map[wamp.URI]*realm
	batches sync.Pool // of *Batch
	access  atomic.Pointer[Access]

	mu      sync.Mutex           // guards the following fields; taken after a realm's lock
	ids     map[wamp.ID]struct{} // of the sessions of all realms
	pending map[wamp.ID]struct{} // of those that are not open yet
	keepers int                  // sessions that do not count
	denied  map[Denial]uint64    // authentications
	owners  map[owner]int        // how many sessions they have; empty without MaxSessionsEach
	closing bool
	empty   chan struct{} // closed when closing and no session is left
}

// New returns a Router. It starts nothing. Realms are told apart by name: of
// two with the same one the last counts, and one whose name is not a valid URI
// cannot be joined.
func New(c Config) *Router {
	r := &Router{
		config:  c.withDefaults(),
		realms:  make(map[wamp.URI]*realm),
		ids:     make(map[wamp.ID]struct{}),
		pending: make(map[wamp.ID]struct{}),
		owners:  make(map[owner]int),
		denied:  make(map[Denial]uint64),
		empty:   make(chan struct{}),
	}
	r.access.Store(&Access{Auth: r.config.Auth, Policy: c.Policy})
	for _, realm := range c.Realms {
		if realm.Rand == nil {
			realm.Rand = mathrand.IntN // chooses callees; nothing secret
		}
		r.realms[realm.Realm] = newRealm(r, realm)
	}
	return r
}

// Safe reports whether a call of uri in the realm changes nothing; see
// [dealer.Dealer.Safe].
func (r *Router) Safe(realm, uri wamp.URI) bool {
	m := r.realms[realm]
	if m == nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dealer.Safe(uri)
}

// Registered reports whether a call of uri in the realm has a registration to
// go to, whoever may know of it: it is for operators.
func (r *Router) Registered(realm, uri wamp.URI) bool {
	m := r.realms[realm]
	if m == nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dealer.Registered(uri)
}

// Nearest returns a registered URI of the realm that uri is probably a
// misspelling of. The search is bounded.
func (r *Router) Nearest(realm, uri wamp.URI) (wamp.URI, bool) {
	m := r.realms[realm]
	if m == nil {
		return "", false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dealer.Nearest(uri)
}

// reserve returns a session id that no session of the router has: random over
// the whole range (spec, section "Identifiers", global scope). It counts as a
// session, and is to be admitted or dropped.
func (r *Router) reserve() (wamp.ID, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing {
		return 0, ErrShutdown
	}
	if len(r.ids)+len(r.pending) >= r.config.MaxSessions+r.keepers {
		return 0, errTooManySessions
	}
	for {
		id := randomID()
		_, taken := r.ids[id]
		_, reserved := r.pending[id]
		if !taken && !reserved {
			r.pending[id] = struct{}{}
			return id, nil
		}
	}
}

// An owner is whose sessions are counted together.
type owner struct {
	realm            wamp.URI
	authid, authrole string
	from             netip.Addr // of somebody anonymous, who has no authid here
}

// owner returns whose session s is, or false if it does not count.
func (r *Router) owner(s *Session) (owner, bool) {
	switch {
	case r.config.MaxSessionsEach <= 0 || s.local:
		return owner{}, false
	case s.identity.Authmethod == auth.Anonymous:
		return owner{realm: s.realm.name, from: s.from}, s.from.IsValid()
	}
	return owner{realm: s.realm.name, authid: s.identity.Authid, authrole: s.identity.Authrole}, true
}

// admitSession takes a session in whose id is reserved.
func (r *Router) admitSession(s *Session) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pending, s.id)
	if r.closing {
		return ErrShutdown
	}
	if o, counts := r.owner(s); counts {
		if r.owners[o] >= r.config.MaxSessionsEach {
			return errTooManyOfOne
		}
		r.owners[o]++
	}
	r.ids[s.id] = struct{}{}
	return nil
}

// drop gives back a reserved id.
func (r *Router) drop(id wamp.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pending, id)
}

// forget gives back the id of a session that was taken in.
func (r *Router) forget(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, admitted := r.ids[s.id]; !admitted {
		return
	}
	if o, counts := r.owner(s); counts {
		if r.owners[o]--; r.owners[o] == 0 {
			delete(r.owners, o)
		}
	}
	delete(r.ids, s.id)
	if r.closing && len(r.ids) == 0 {
		r.closeEmpty()
	}
}

// randomID returns an ID from 1 to 2^53, each with the same chance.
func randomID() wamp.ID {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return wamp.ID(binary.LittleEndian.Uint64(b[:])&(uint64(wamp.MaxID)-1)) + 1
}

// batch returns a Batch to be given back with release.
func (r *Router) batch() *Batch {
	if b, ok := r.batches.Get().(*Batch); ok {
		return b
	}
	return new(Batch)
}

// release takes a Batch back that has been flushed.
func (r *Router) release(b *Batch) {
	b.reset()
	r.batches.Put(b)
}
