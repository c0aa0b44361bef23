package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A CallStatus is what there is to tell about a call that is a resource.
type CallStatus struct {
	ID        string
	Procedure wamp.URI
	State     CallState
	Created   time.Time
	Due       time.Time // of a scheduled call; zero for others
	Ended     time.Time // zero while it runs
	Expires   time.Time // when it will be forgotten; zero while it runs, or if never
	Status    int       // HTTP status of its answer; 0 while it runs
	Error     wamp.URI  // that it ended with, or empty
	Events    uint64    // that there were, with the final one
}

// A CallOutcome is what a durable call ended with: a result, or the error that
// is in Error. The gateway does not keep the payload.
type CallOutcome struct {
	Payload wamp.Payload
	Error   wamp.URI
	Origin  wamp.Origin // of Error
}

// DurableCalls are calls that are kept outside of the memory of this process.
// The gateway serves them under /calls beside its own, which it asks first: an
// ID that it does not know goes here. Methods may be called by many goroutines
// at once; those who wait end with their context.
//
// A call belongs to the principal who made it. For those of others, as for
// those that are not there, the error is ErrNoSuchCall. Other errors are
// answered with 503, unless they are a *problem.Problem.
type DurableCalls interface {
	// List returns the calls of a principal, the latest first, at most limit.
	List(ctx context.Context, who wamp.Identity, limit int) ([]CallStatus, error)
	// Find returns a call.
	Find(ctx context.Context, who wamp.Identity, id string) (CallStatus, error)
	// Await returns a call when it has ended, or as it is when ctx ends.
	Await(ctx context.Context, who wamp.Identity, id string) (CallStatus, error)
	// Outcome returns what a call that has ended came to.
	Outcome(ctx context.Context, who wamp.Identity, id string) (CallOutcome, error)
	// Cancel asks for the end of a call and returns it as it is then. Asking
	// for the end of a call that has ended changes nothing.
	Cancel(ctx context.Context, who wamp.Identity, id string, mode wamp.CancelMode) (CallStatus, error)
}

// ErrNoSuchCall is the error of DurableCalls for an ID that is not the
// principal's.
var ErrNoSuchCall = errors.New("no such call")

// A durableCall is a call of DurableCalls as a resource.
type durableCall struct {
	gateway *Gateway
	who     wamp.Identity
	id      string
}

func (d durableCall) look(ctx context.Context) (CallStatus, error) {
	s, err := d.gateway.cfg.Durable.Find(ctx, d.who, d.id)
	return s, durableError(err)
}

func (d durableCall) await(ctx context.Context) (CallStatus, error) {
	s, err := d.gateway.cfg.Durable.Await(ctx, d.who, d.id)
	return s, durableError(err)
}

func (d durableCall) stop(ctx context.Context, mode wamp.CancelMode) (CallStatus, bool, error) {
	before, err := d.look(ctx)
	if err != nil || before.State.Ended() {
		return before, false, err
	}
	s, err := d.gateway.cfg.Durable.Cancel(ctx, d.who, d.id, mode)
	return s, true, durableError(err)
}

// writeAnswer answers with the outcome in the form that the Accept header asks
// for: nothing was written down when the call ended.
func (d durableCall) writeAnswer(w http.ResponseWriter, r *http.Request) error {
	s, err := d.look(r.Context())
	if err != nil {
		return err
	}
	if !s.State.Ended() {
		return stillRuns(s)
	}
	outcome, err := d.gateway.cfg.Durable.Outcome(r.Context(), d.who, d.id)
	if err != nil {
		return durableError(err)
	}
	q := &request{procedure: s.Procedure}
	answer, err := negotiate(r.Header["Accept"], &options{stream: streamOff}, mediaBytes)
	if err != nil {
		return err
	}
	q.format = answer.format
	c := &call{id: d.id, procedure: s.Procedure, gateway: d.gateway, owner: &principal{identity: d.who}}
	if outcome.Error != "" {
		return d.gateway.failure(w, c, q, event{kind: eventFailure, uri: outcome.Error, origin: outcome.Origin, payload: outcome.Payload})
	}
	return d.gateway.writeResult(w, c, q, event{kind: eventResult, payload: outcome.Payload})
}

// durableError returns the problem for an error of DurableCalls.
func durableError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNoSuchCall):
		return noSuchCall()
	case clientGone(err):
		return errClientGone
	case isProblem(err):
		return err
	}
	return unavailable("durable calls cannot be reached now").Because(err)
}
