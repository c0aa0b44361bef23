package router_test

import (
	"context"
	"testing"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// A sink is an Outbox that takes everything and keeps nothing.
type sink struct{ invocation wamp.ID }

func (s *sink) Push(m wamp.Message) error {
	if m, ok := m.(*wamp.Invocation); ok {
		s.invocation = m.Request
	}
	return nil
}
func (*sink) Flush()                        {}
func (*sink) Congested() bool               { return false }
func (*sink) Drained(context.Context) error { return nil }
func (*sink) Close(error)                   {}

func openSession(tb testing.TB, r *router.Router, out router.Outbox) *router.Session {
	tb.Helper()
	s, err := r.JoinLocal(wamptest.Realm, wamp.Identity{}, wamp.Roles{Caller: true, Callee: true}, "", out)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// BenchmarkCall is a CALL and its YIELD through realm and dealer, without any
// transport.
func BenchmarkCall(b *testing.B) {
	r := newRouter(dealer.Config{})
	out := &sink{}
	caller, callee := openSession(b, r, &sink{}), openSession(b, r, out)
	var batch router.Batch
	if err := callee.Receive(&batch, &wamp.Register{Request: 1, Procedure: "com.example.a"}); err != nil {
		b.Fatal(err)
	}
	call := &wamp.Call{Procedure: "com.example.a", Payload: wamp.Payload{Serializer: wamp.JSON, Args: []byte(`[1]`)}}
	yield := &wamp.Yield{Payload: call.Payload}
	b.ReportAllocs()
	for b.Loop() {
		call.Request++
		if err := caller.Receive(&batch, call); err != nil {
			b.Fatal(err)
		}
		yield.Request = out.invocation
		if err := callee.Receive(&batch, yield); err != nil {
			b.Fatal(err)
		}
		batch.Flush()
	}
}

// BenchmarkJoinLeave is the life of a session that does nothing.
func BenchmarkJoinLeave(b *testing.B) {
	r := newRouter(dealer.Config{})
	b.ReportAllocs()
	for b.Loop() {
		openSession(b, r, &sink{}).Leave()
	}
}
