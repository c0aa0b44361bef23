package gateway

import (
	"container/list"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// A callStore keeps the calls that are resources: those that run, and those
// that have ended until their retention is over. Who has too many, or too many
// bytes, loses the ones that ended first.
//
// Its lock is taken before that of a call.
type callStore struct {
	cfg     *Config
	running gauge // calls whose goroutine has yet to end

	mu     sync.Mutex // guards the following fields
	calls  map[string]*keptCall
	claims map[claimScope]*keptCall // who holds an Idempotency-Key
	owners map[principalKey]*shelf
	ended  list.List   // of *keptCall, in the order of their ends
	bytes  int         // of those
	sweep  *time.Timer // runs while ended is not empty
	closed bool
}

// A shelf is what is kept for one principal.
type shelf struct {
	calls map[string]*keptCall
	bytes int
	ended list.List // of *keptCall, in the order of their ends
}

func newCallStore(cfg *Config) *callStore {
	return &callStore{
		cfg:    cfg,
		calls:  make(map[string]*keptCall),
		claims: make(map[claimScope]*keptCall),
		owners: make(map[principalKey]*shelf),
	}
}

// add takes a call that is about to run. If its Idempotency-Key is held by
// another one, that is returned and the call not taken. The error is a problem.
// A call that was taken must be started.
func (s *callStore) add(k *keptCall) (holder *keptCall, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, unavailable("the gateway is shutting down")
	}
	if k.claim != nil {
		if holder := s.claims[k.claim.scope]; holder != nil && holder.holds() {
			return holder, nil
		}
	}
	of := s.owners[k.owner]
	if of == nil {
		of = &shelf{calls: make(map[string]*keptCall)}
	}
	if len(of.calls) >= s.cfg.MaxKeptCalls && !s.drop(of.ended.Front()) {
		return nil, tooManyKept(s.cfg.MaxKeptCalls)
	}
	s.owners[k.owner] = of
	of.calls[k.id] = k
	s.calls[k.id] = k
	if k.claim != nil {
		s.claims[k.claim.scope] = k
	}
	s.running.add(1)
	return nil, nil
}

// find returns a principal's call; nil if it is not there, or somebody else's.
func (s *callStore) find(owner principalKey, id string) *keptCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.calls[id]; k != nil && k.owner == owner {
		return k
	}
	return nil
}

// holder returns the call that holds an Idempotency-Key, or nil.
func (s *callStore) holder(scope claimScope) *keptCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.claims[scope]; k != nil && k.holds() {
		return k
	}
	return nil
}

// of returns a principal's calls, in no order.
func (s *callStore) of(owner principalKey) []*keptCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owners[owner] == nil {
		return nil
	}
	return slices.Collect(maps.Values(s.owners[owner].calls))
}

// retire notes that a call has ended, and how many bytes it keeps. They are
// kept until its retention is over, as far as there is room. It reports false
// if even alone they are too many.
func (s *callStore) retire(k *keptCall, bytes int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.owners[k.owner]
	fits := bytes <= min(s.cfg.MaxKeptBytesPerPrincipal, s.cfg.MaxKeptBytes)
	if !fits {
		bytes = keptOverhead
	}
	k.bytes = bytes
	s.bytes += bytes
	of.bytes += bytes
	k.among, k.own = s.ended.PushBack(k), of.ended.PushBack(k)
	for of.bytes > s.cfg.MaxKeptBytesPerPrincipal && s.drop(of.ended.Front()) {
	}
	for s.bytes > s.cfg.MaxKeptBytes && s.drop(s.ended.Front()) {
	}
	s.schedule()
	return fits
}

// forget drops a call that has ended before its time.
func (s *callStore) forget(k *keptCall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(k.own)
}

// drop forgets the ended call of a list's element, and reports false if there
// is none. The caller holds s.mu.
func (s *callStore) drop(e *list.Element) bool {
	if e == nil {
		return false
	}
	k, _ := e.Value.(*keptCall)
	if s.calls[k.id] != k {
		return false // dropped before
	}
	delete(s.calls, k.id)
	if k.claim != nil && s.claims[k.claim.scope] == k {
		delete(s.claims, k.claim.scope)
	}
	of := s.owners[k.owner]
	of.ended.Remove(k.own)
	s.ended.Remove(k.among)
	of.bytes -= k.bytes
	s.bytes -= k.bytes
	if delete(of.calls, k.id); len(of.calls) == 0 {
		delete(s.owners, k.owner)
	}
	return true
}

// schedule starts the sweep timer if it does not run. The caller holds s.mu.
func (s *callStore) schedule() {
	oldest := s.ended.Front()
	if s.sweep != nil || oldest == nil || s.closed {
		return
	}
	k, _ := oldest.Value.(*keptCall)
	s.sweep = time.AfterFunc(time.Until(k.expiry()), s.expire)
}

// expire drops the calls whose retention is over.
func (s *callStore) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for e := s.ended.Front(); e != nil; e = s.ended.Front() {
		if k, _ := e.Value.(*keptCall); k.expiry().After(now) {
			break
		}
		s.drop(e)
	}
	s.sweep = nil
	s.schedule()
}

// close forgets all calls and waits for those that run, whose sessions must
// have ended.
func (s *callStore) close() {
	s.mu.Lock()
	s.closed = true
	if s.sweep != nil {
		s.sweep.Stop()
	}
	s.mu.Unlock()
	<-s.running.quiet()
}

// tooManyKept is the problem of a principal whose calls are all in flight.
func tooManyKept(limit int) *problem.Problem {
	return problem.New(http.StatusTooManyRequests, wamp.ErrRateLimited,
		fmt.Sprintf("you have %d calls under /calls, which is the limit, and none of them has ended", limit)).
		Because(limitError("max-kept-each")).Safe().RetryAfter(1)
}
