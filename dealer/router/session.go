package router

import (
	"context"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A Session is a peer's membership of a realm. Its methods may be called by
// any number of goroutines at once; messages take effect one after the other.
type Session struct {
	id       wamp.ID
	realm    *realm
	identity wamp.Identity
	out      Outbox
	link     Link
	peer     string // its address, as the transport has it; empty inside the process
	tls      bool
	local    bool
	trusted  bool       // the router's own: may do everything
	expires  time.Time  // when its credentials do; zero: never
	from     netip.Addr // of a peer on a network; its network of 64 bits for IPv6

	acknowledges bool // receipts are reported
	keeps        bool // persistent calls
	coordinates  bool // transactions

	gaveUp atomic.Bool // senders have waited in vain for out to drain

	// Guarded by realm.mu.
	state        sessionState
	batch        *Batch // that out is known to until its next flush
	batchFlushes uint64
	access       *Access      // that it was last judged by; nil before, inside the process
	rights       *auth.Rights // nil: all
	verdicts     verdicts
	spent        map[wamp.ID]*allowance // by the requests of calls in flight that rules count; nil: none yet
	expiry       *time.Timer            // runs expire; nil if the session does not expire
}

// A sessionState is how far a session's life has come.
type sessionState uint8

const (
	stateJoined  sessionState = iota
	stateParting              // the router has sent GOODBYE and waits for the peer's
	stateLeft
)

// ID returns the session id, which is unique in the router.
func (s *Session) ID() wamp.ID { return s.id }

// Realm returns the name of the realm.
func (s *Session) Realm() wamp.URI { return s.realm.name }

// Identity returns who the session is.
func (s *Session) Identity() wamp.Identity { return s.identity }

// Receive handles a message from the peer. What follows from it has been
// pushed to the receivers' outboxes when Receive returns; the caller flushes
// b. The message and its payload are not kept.
//
// The error is [ErrClosed] if the session is over, also if the message itself
// (GOODBYE or ABORT) ended it. An error that wraps [wamp.ErrMalformed] means
// that the peer broke the protocol; the session must be ended with
// [Session.Abort].
func (s *Session) Receive(b *Batch, m wamp.Message) error {
	err := s.realm.receive(b, s, m)
	for err == errAsk { //nolint:errorlint // it is never wrapped
		err = s.ask(context.Background(), b, m) // again if the policy changes meanwhile
	}
	return err
}

// Submit is Receive for sessions inside the process: it flushes, and while a
// receiver is congested it waits, until ctx ends at the latest. The message
// has been taken unless there is an error: [ErrClosed] after the session was
// left or cut off, or one that wraps [wamp.ErrMalformed].
func (s *Session) Submit(ctx context.Context, m wamp.Message) error {
	b := s.realm.router.batch()
	defer s.realm.router.release(b)
	err := s.realm.receive(b, s, m)
	for err == errAsk { //nolint:errorlint // it is never wrapped
		err = s.ask(ctx, b, m)
	}
	runtime.Gosched() // who else is about to submit fills the same outboxes: they are flushed once
	b.Flush()
	if b.Congested() {
		_ = b.Drained(ctx) // that ctx ended is for the caller to notice: m is on its way
	}
	return err
}

// Undeliverable tells the dealer that the peer did not get a message that its
// outbox took: err wraps [ErrTooLarge] or [wamp.ErrUntranscodable]. The call
// that the message belongs to is answered with an ERROR; if no call does, the
// session is cut off. The caller flushes b.
func (s *Session) Undeliverable(b *Batch, m wamp.Message, err error) {
	s.realm.undeliverable(b, s, m, err)
}

// Acknowledged tells the dealer that the peer has received an INVOCATION with a
// Receipt, and with it all that were sent before. News of others is ignored.
// The caller flushes b.
func (s *Session) Acknowledged(b *Batch, invocation wamp.ID) {
	s.realm.acknowledged(b, s, invocation)
}

// Abort ends the session with an ABORT to the peer, whose message is text.
// The caller flushes b and then closes the transport. After the session's end
// Abort does nothing.
func (s *Session) Abort(b *Batch, reason wamp.URI, text string) {
	s.realm.abort(b, s, NewAbort(reason, text))
}

// Leave ends the session, whatever happened to the peer: its registrations
// go, callers waiting for it get an ERROR, callees working for it are
// interrupted. Leaving twice does nothing.
func (s *Session) Leave() {
	b := s.realm.router.batch()
	defer s.realm.router.release(b)
	s.realm.leave(b, s)
	b.Flush()
}
