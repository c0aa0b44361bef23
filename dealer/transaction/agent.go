package transaction

import (
	"context"

	"github.com/wampgate/wampgate/dealer/custody"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// An agent is the session that coordinates the transactions of a realm, and
// makes their calls.
type agent struct {
	*custody.Session

	coordinator *Coordinator

	// Guarded by coordinator.mu.
	last    wamp.ID
	running map[wamp.ID]*attempt // by the request id of its CALL
	readers map[wamp.ID]*waiter  // of calls that change nothing
	waiting map[wamp.ID]*waiter  // by the request id of its INVOCATION
	parked  map[*attempt]struct{}
}

func newAgent(c *Coordinator, realm wamp.URI) *agent {
	g := &agent{
		coordinator: c, running: make(map[wamp.ID]*attempt), readers: make(map[wamp.ID]*waiter), waiting: make(map[wamp.ID]*waiter),
		parked: make(map[*attempt]struct{}),
	}
	g.Session = custody.NewSession(realm, g)
	return g
}

// An arrival is a CALL that was handed over.
type arrival struct {
	*custody.Arrival

	agent *agent
}

// Arrived implements custody.Handler.
func (g *agent) Arrived(ctx context.Context, a *custody.Arrival) {
	g.coordinator.arrive(ctx, &arrival{a, g})
}

// Answered implements custody.Handler.
func (g *agent) Answered(a *custody.Answer) { g.coordinator.answered(g, a) }

// Registered implements custody.Handler.
func (g *agent) Registered(r custody.Registration) { g.coordinator.registered(g, r) }

// Departed implements custody.Handler.
func (g *agent) Departed(invocation wamp.ID) { g.coordinator.departed(g, invocation) }

func (g *agent) yield(invocation wamp.ID, p wamp.Payload, details wamp.Dict) {
	g.Yield(invocation, p, wamp.YieldOptions{Custom: details})
}

func (g *agent) fail(invocation wamp.ID, why wamp.URI, p wamp.Payload, details wamp.Dict) {
	g.Fail(invocation, &wamp.Error{Error: why, Payload: p, Details: details})
}

// refuse answers an arrival with an error of the coordinator. Text is for people;
// more is in its keyword arguments and details, if something was begun.
func (g *agent) refuse(invocation wamp.ID, why wamp.URI, text string, more wamp.Dict) {
	e := custody.Refusal(why, text, more)
	e.Details = more
	g.Fail(invocation, e)
}
