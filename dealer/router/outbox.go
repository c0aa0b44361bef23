package router

import (
	"context"
	"errors"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// The errors of an [Outbox] and of a [Session]. Whoever returns one may wrap
// it.
var (
	// ErrFull means that the outbox holds as many bytes as it may.
	ErrFull = errors.New("outbox is full")
	// ErrTooLarge means that the message is larger than the peer takes.
	ErrTooLarge = errors.New("message is too large for the peer")
	// ErrClosed means that the session is over.
	ErrClosed = errors.New("session is closed")
	// ErrKilled is the reason for closing an outbox whose session was ended
	// through the meta API. The GOODBYE that says so has been pushed.
	ErrKilled = errors.New("session was killed")
	// ErrShutdown is the reason for closing an outbox when the router shuts
	// down.
	ErrShutdown = errors.New("router is shutting down")
)

// An Outbox is a session's way out. Any goroutine may call any method.
type Outbox interface {
	// Push takes a message. It is called with the realm's lock held: it must
	// not block, do no more than append bytes, and not call the router. The
	// message and its payload are valid during the call only.
	//
	// An error means that the message was not taken. [ErrFull],
	// [ErrTooLarge] and [wamp.ErrUntranscodable] end the call that the message
	// belongs to; any other error, and ErrFull for a message that a peer
	// cannot do without, ends the session. An outbox that finds out later that
	// it cannot send what it took reports it with [Session.Undeliverable].
	//
	// An INVOCATION with a Receipt comes only to outboxes of sessions that
	// joined with [TransportInfo.Acknowledges].
	Push(m wamp.Message) error

	// Flush starts sending what was pushed. It is called without a lock, and
	// does not wait for the peer.
	Flush()

	// Congested reports that so much is waiting that senders should pause. It
	// is called with the realm's lock held and must not block.
	Congested() bool

	// Drained returns nil as soon as the outbox is well below the mark at
	// which it became congested, or closed; otherwise ctx's error when that
	// ends.
	Drained(ctx context.Context) error

	// Close ends the outbox: the session was ended from this side, for the
	// reason given. It does not block. What was pushed is still sent, as far
	// as the peer takes it without delay.
	Close(reason error)
}
