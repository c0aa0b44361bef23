package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/wampgate/wampgate/dealer/durable"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
	answers "github.com/wampgate/wampgate/gateway/problem"
)

// durableCalls are the persistent calls of a realm as the gateway shows them.
type durableCalls struct {
	node  *node
	realm wamp.URI
}

// durableCalls returns nil if no calls are kept.
func (n *node) durableCalls(realm wamp.URI) gateway.DurableCalls {
	if n.durable == nil {
		return nil
	}
	return durableCalls{n, realm}
}

// List implements gateway.DurableCalls.
func (d durableCalls) List(ctx context.Context, who wamp.Identity, limit int) ([]gateway.CallStatus, error) {
	kept, err := d.node.durable.List(ctx, d.realm, who, limit)
	if d.node.storage.unused(err) {
		return nil, nil
	}
	list := make([]gateway.CallStatus, len(kept))
	for i := range kept {
		list[i] = statusOf(&kept[i])
	}
	return list, err
}

// Find implements gateway.DurableCalls.
func (d durableCalls) Find(ctx context.Context, who wamp.Identity, id string) (gateway.CallStatus, error) {
	return d.one(func() (durable.Status, error) { return d.node.durable.Find(ctx, d.realm, who, id) })
}

// Await implements gateway.DurableCalls.
func (d durableCalls) Await(ctx context.Context, who wamp.Identity, id string) (gateway.CallStatus, error) {
	return d.one(func() (durable.Status, error) { return d.node.durable.Await(ctx, d.realm, who, id) })
}

// Cancel implements gateway.DurableCalls.
func (d durableCalls) Cancel(ctx context.Context, who wamp.Identity, id string, mode wamp.CancelMode) (gateway.CallStatus, error) {
	return d.one(func() (durable.Status, error) { return d.node.durable.Cancel(ctx, d.realm, who, id, mode) })
}

// Outcome implements gateway.DurableCalls.
func (d durableCalls) Outcome(ctx context.Context, who wamp.Identity, id string) (gateway.CallOutcome, error) {
	o, err := d.node.durable.Outcome(ctx, d.realm, who, id)
	if err != nil {
		return gateway.CallOutcome{}, d.known(err)
	}
	return gateway.CallOutcome{Payload: o.Payload, Error: o.Error, Origin: durable.OriginOf(o.Error)}, nil
}

func (d durableCalls) one(ask func() (durable.Status, error)) (gateway.CallStatus, error) {
	s, err := ask()
	if err != nil {
		return gateway.CallStatus{}, d.known(err)
	}
	return statusOf(&s), nil
}

// known says in the gateway's words that a call is not there.
func (d durableCalls) known(err error) error {
	if errors.Is(err, durable.ErrNotFound) || d.node.storage.unused(err) {
		return gateway.ErrNoSuchCall
	}
	return err
}

func statusOf(s *durable.Status) gateway.CallStatus {
	g := gateway.CallStatus{
		ID: s.ID, Procedure: s.Procedure, Created: s.Accepted, Ended: s.Ended, Expires: s.Forgotten, Error: s.Error,
	}
	switch s.State {
	case durable.Scheduled:
		g.State, g.Due = gateway.CallScheduled, s.Due
	case durable.Accepted:
		g.State = gateway.CallPending
	case durable.Running:
		g.State = gateway.CallRunning
	case durable.Succeeded:
		g.State, g.Status = gateway.CallDone, http.StatusOK
	case durable.Canceled:
		g.State = gateway.CallCanceled
	case durable.Failed, durable.Expired, durable.DeadLettered:
		g.State = gateway.CallFailed
	}
	if s.Error != "" {
		g.Status = answers.Of(answers.Failure{URI: s.Error, Origin: durable.OriginOf(s.Error), Canceled: true}).Status
	}
	return g
}
