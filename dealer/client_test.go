package dealer_test

import (
	"time"

	"pgregory.net/rapid"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A client is a session as it sees itself.
type client struct {
	id          wamp.ID
	peer        dealer.Peer
	lastRequest wamp.ID
	calls       map[wamp.ID]*wamp.Call // waiting for their final answer
	streams     map[wamp.ID]*stream    // calls whose last chunk was not sent yet, answered or not
	seen        map[wamp.ID]*seen      // INVOCATIONs
	highest     wamp.ID
	told        map[wamp.ID]bool // calls that progress came for
	places      []wamp.ID        // registrations
}

// A stream is what a caller knows of a progressive call.
type stream struct {
	procedure wamp.URI
	late      time.Time // when chunks that are under way must have arrived; zero while the call waits
}

// seen is what a callee knows of an INVOCATION.
type seen struct {
	more        bool // the last chunk is to come
	answered    bool
	interrupted bool
}

// get is a client's view of a message.
func (c *client) get(t *rapid.T, now time.Time, m wamp.Message) {
	switch m := m.(type) {
	case *wamp.Registered:
		c.places = append(c.places, m.Registration)
	case *wamp.Invocation:
		c.getInvocation(t, m)
	case *wamp.Interrupt:
		c.getInterrupt(t, m)
	case *wamp.Result:
		call := c.calls[m.Request]
		if call == nil || m.Details.Progress && !call.Options.ReceiveProgress {
			t.Fatalf("client %d: RESULT %d (progress: %t) for %+v", c.id, m.Request, m.Details.Progress, call)
		}
		if told := c.told[m.Request]; m.Details.Progress && call.Options.TrustLevel != "" && m.Details.Acknowledged == told {
			t.Fatalf("client %d: RESULT %d, acknowledged: %t, told before: %t", c.id, m.Request, m.Details.Acknowledged, told)
		}
		c.told[m.Request] = m.Details.Progress
		if !m.Details.Progress {
			c.answered(now, m.Request)
		}
	case *wamp.Error:
		if m.RequestType != wamp.TypeCall {
			return
		}
		if c.calls[m.Request] == nil {
			t.Fatalf("client %d: ERROR %s for CALL %d, which does not wait for an answer", c.id, m.Error, m.Request)
		}
		c.answered(now, m.Request)
	}
}

func (c *client) answered(now time.Time, id wamp.ID) {
	delete(c.calls, id)
	delete(c.told, id)
	if flow := c.streams[id]; flow != nil {
		flow.late = now.Add(time.Minute)
	}
}

func (c *client) getInvocation(t *rapid.T, m *wamp.Invocation) {
	known := c.seen[m.Request]
	switch {
	case known == nil && m.Request <= c.highest:
		t.Fatalf("client %d: new INVOCATION %d after %d", c.id, m.Request, c.highest)
	case known == nil:
		c.seen[m.Request] = &seen{more: m.Details.Progress}
		c.highest = m.Request
	case !known.more || known.answered || known.interrupted:
		t.Fatalf("client %d: a further chunk of INVOCATION %d, which is %+v", c.id, m.Request, *known)
	default:
		known.more = m.Details.Progress
	}
}

func (c *client) getInterrupt(t *rapid.T, m *wamp.Interrupt) {
	known := c.seen[m.Request]
	able := c.peer.Roles.CalleeFeatures.Has(wamp.FeatureCallCanceling)
	if known == nil || known.interrupted || known.answered || !able {
		t.Fatalf("client %d (call_canceling: %t): INTERRUPT %d, which is %+v", c.id, able, m.Request, known)
	}
	known.interrupted = true
}
