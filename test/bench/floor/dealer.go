package floor

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/wampgate/wampgate/test/bench/wire"
)

// A Dealer routes calls by exact URIs, and by the longest registered prefix
// that ends with a component. It may be used by many goroutines.
type Dealer struct {
	ids atomic.Uint64 // of sessions and registrations

	mu       sync.RWMutex // guards the following fields
	exact    map[string]*registration
	prefixes map[string]*registration
}

// NewDealer returns a Dealer without registrations.
func NewDealer() *Dealer {
	return &Dealer{exact: map[string]*registration{}, prefixes: map[string]*registration{}}
}

type registration struct {
	id     uint64
	callee *session
}

func (d *Dealer) register(callee *session, uri string, prefix bool) uint64 {
	r := &registration{d.ids.Add(1), callee}
	d.mu.Lock()
	defer d.mu.Unlock()
	if prefix {
		uri = strings.TrimSuffix(uri, ".")
		d.prefixes[uri] = r
		callee.prefixes = append(callee.prefixes, uri)
	} else {
		d.exact[uri] = r
		callee.exact = append(callee.exact, uri)
	}
	return r.id
}

// lookup returns the registration for a URI, or nil.
func (d *Dealer) lookup(uri []byte) *registration {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if r := d.exact[string(uri)]; r != nil || len(d.prefixes) == 0 {
		return r
	}
	for i := len(uri); i > 0; i-- {
		if i < len(uri) && uri[i] != '.' {
			continue
		}
		if r := d.prefixes[string(uri[:i])]; r != nil {
			return r
		}
	}
	return nil
}

// leave takes away the registrations of a session.
func (d *Dealer) leave(s *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, uri := range s.exact {
		delete(d.exact, uri)
	}
	for _, uri := range s.prefixes {
		delete(d.prefixes, uri)
	}
}

// A session is a peer of the dealer. Its receive is called by the goroutine
// that reads from the peer.
type session struct {
	dealer     *Dealer
	id         uint64
	serializer wire.Serializer
	out        *wire.Outbox
	reply      func(id uint64, tail []byte) // if set, it gets the results instead of out

	exact, prefixes []string // registered; guarded by dealer.mu

	// Owned by the reader.
	dirty []*wire.Outbox // to flush when the reader has nothing left to handle
	head  []byte

	mu      sync.Mutex // guards the following fields
	next    uint64     // id of the last invocation
	pending map[uint64]pending
}

// A pending call waits for the answer of a callee.
type pending struct {
	caller   *session
	id       uint64
	progress bool // the caller takes progressive results
}

func (d *Dealer) newSession(s wire.Serializer, out *wire.Outbox) *session {
	return &session{dealer: d, id: d.ids.Add(1), serializer: s, out: out, pending: map[uint64]pending{}}
}

// invoke notes a call and returns the id of its invocation.
func (s *session) invoke(p pending) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	s.pending[s.next] = p
	return s.next
}

// settle returns the call of an invocation, and forgets it if final.
func (s *session) settle(id uint64, final bool) (pending, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.pending[id]
	if final || !p.progress {
		delete(s.pending, id)
	}
	return p, ok
}

// send queues a message of two parts for a peer, to be flushed by s.
func (s *session) send(to *session, head, tail []byte) {
	if to.out.Append(to.serializer.Opcode(), false, head, tail) {
		s.dirty = append(s.dirty, to.out)
	}
}

// flush writes what s has queued for others.
func (s *session) flush() {
	for i, out := range s.dirty {
		_ = out.Flush() // its own reader notices
		s.dirty[i] = nil
	}
	s.dirty = s.dirty[:0]
}
