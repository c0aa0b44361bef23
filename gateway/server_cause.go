package gateway

import (
	"context"
	"errors"
)

// The causes (see [context.Cause]) for which the context of a request ends.
// They decide what the client is told, if it is still there, and what the log
// says.
var (
	// errClientGone means that the client hung up or half-closed. Nobody reads
	// the answer; the status in logs is 499.
	errClientGone = errors.New("client gone")
	// errShutdown means that the server's drain time is over.
	errShutdown = errors.New("server is shutting down")
	// errSlowConsumer means that the client read its answers too slowly: the
	// call's queue overflowed or a write met its deadline.
	errSlowConsumer = errors.New(string(uriSlowConsumer) + ": the client reads too slowly")
	// errTimeout means that the dealer did not answer within the call's
	// timeout and the grace that HTTP adds to it.
	errTimeout = errors.New("call timed out")
)

// clientGone reports whether cause, the cause of a request's context, means
// that the client left. net/http cancels without a cause of its own.
func clientGone(cause error) bool {
	return errors.Is(cause, errClientGone) || errors.Is(cause, context.Canceled)
}
