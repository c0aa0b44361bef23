package wamptest

import (
	"context"
	"testing"

	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// Echo runs a callee, until the test ends, that answers calls of procedure
// with their arguments.
func (s *Server) Echo(t testing.TB, serializer wamp.Serializer, procedure wamp.URI) {
	t.Helper()
	c := s.Connect(t, serializer)
	Register(t, c, procedure)
	done := make(chan struct{})
	go func() {
		defer close(done)
		Answer(c)
	}()
	t.Cleanup(func() {
		_ = c.Close() // makes Answer return
		<-done
	})
}

// Register registers procedure, as the first request on c.
func Register(t testing.TB, c *transport.Conn, procedure wamp.URI) {
	t.Helper()
	if err := c.Send(&wamp.Register{Request: 1, Procedure: procedure}); err != nil {
		t.Fatal(err)
	}
	m, err := c.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m.Type() != wamp.TypeRegistered {
		t.Fatalf("register %s: got %v", procedure, m.Type())
	}
}

// Answer answers INVOCATIONs with their arguments until the connection ends.
func Answer(c *transport.Conn) {
	for {
		m, err := c.Receive(context.Background())
		if err != nil {
			return
		}
		if inv, ok := m.(*wamp.Invocation); ok {
			if c.Send(&wamp.Yield{Request: inv.Request, Payload: inv.Payload}) != nil {
				return
			}
		}
	}
}

// NewHello returns a HELLO for Realm as caller and callee, with the features
// that a careful client announces.
func NewHello() *wamp.Hello {
	features := wamp.FeatureProgressiveCallResults | wamp.FeatureProgressiveCallInvocations | wamp.FeatureCallCanceling
	role := wamp.Dict{"features": features.Dict()}
	return &wamp.Hello{Realm: Realm, Details: wamp.Dict{"roles": wamp.Dict{"caller": role, "callee": role}}}
}
