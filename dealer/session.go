package dealer

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A session is a peer's place in the realm and everything it owns there.
type session struct {
	dealer   *Dealer
	id       wamp.ID
	identity wamp.Identity
	caller   wamp.Features // announced
	callee   wamp.Features // announced, or known from the agent
	inOrder  bool          // request ids must be in sequence

	acknowledges bool // its transport reports receipts

	places         map[wamp.ID]*place // as callee, by registration id
	invocations    map[wamp.ID]*call  // as callee, by INVOCATION id
	lastInvocation wamp.ID            // highest INVOCATION id issued
	awaited        receiptQueue

	calls       map[wamp.ID]*call // as caller, by CALL id
	late        lateIDs           // CALL ids whose further chunks are swallowed
	lastRequest wamp.ID           // highest request id accepted, over all request types

	subscriptions map[wamp.ID]*member // by subscription id
	number        wamp.ID             // its place on the list of sessions
	agent         string              // what the client says it is
	inside        bool                // joined from inside the process
	announced     bool                // published to have joined, at the time below
	joined        time.Time
}

func newSession(d *Dealer, p Peer) *session {
	return &session{
		dealer:   d,
		id:       p.ID,
		identity: p.Identity,
		caller:   p.Roles.CallerFeatures,
		callee:   calleeFeatures(p, d.config.Strict),
		inOrder:  d.config.Strict && !p.Local,
		inside:   p.Local,

		acknowledges: p.Acknowledges,
	}
}

// accept takes note of a new request. One sequence runs over the requests of
// all types (spec, section "Identifiers", session scope).
func (s *session) accept(t wamp.MessageType, id wamp.ID) error {
	if !id.Valid() {
		return violation("%s with request id %d", t, id)
	}
	if s.inOrder && id != s.lastRequest.Next() {
		return violation("%s with request id %d, expected %d", t, id, s.lastRequest.Next())
	}
	s.lastRequest = id
	return nil
}

// invocation returns the call that the callee answers with a message of type
// t. It is nil if the call has ended: such answers are late and mean nothing.
// An answer to an INVOCATION that was never sent is a violation.
func (s *session) invocation(t wamp.MessageType, id wamp.ID) (*call, error) {
	if c := s.invocations[id]; c != nil {
		return c, nil
	}
	if id < 1 || id > s.lastInvocation {
		return nil, violation("%s for INVOCATION %d, which was never sent", t, id)
	}
	s.dealer.stats.Late++
	return nil, nil
}

// sortedIDs returns the keys of what a session owns, in the order it came to
// own it.
func sortedIDs[T any](owned map[wamp.ID]T) []wamp.ID {
	if len(owned) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(owned))
}

// violation returns the error for a message that the peer was not allowed to
// send.
func violation(format string, args ...any) error {
	return fmt.Errorf("%w: %s", wamp.ErrMalformed, fmt.Sprintf(format, args...))
}
