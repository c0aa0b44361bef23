package router_test

import (
	"testing"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// A session inside the process has received what its outbox takes.
func TestLocalReceipt(t *testing.T) {
	t.Parallel()
	r := newRouter(dealer.Config{})
	callee := &peer{t: t, inbox: &inbox{}, decoder: wamp.NewDecoder(wamp.JSON)}
	var err error
	callee.Session, err = r.JoinLocal(wamptest.Realm, wamp.Identity{}, wamp.Roles{Callee: true}, "", callee.inbox)
	if err != nil {
		t.Fatal(err)
	}
	callee.register("com.example.a")
	caller := join(t, r)
	caller.send(`[48, 1, {"trust_level": "acknowledged"}, "com.example.a"]`)
	callee.wants(`[68, 1, "*", "*"]`)
	callee.send(`[70, 1, {}]`)
	caller.wants(`[50, 1, {"acknowledged": true}]`)

	callee.refuseAll(router.ErrFull, wamp.TypeInvocation)
	caller.send(`[48, 2, {"trust_level": "acknowledged", "receive_progress": true}, "com.example.a"]`)
	caller.wants(`[8, 48, 2, {"acknowledged": false, "maybe_executed": false}, "wamp.error.unavailable", "*", "*"]`)
	callee.refuseAll(nil)
	caller.send(`[48, 3, {"trust_level": "acknowledged", "receive_progress": true}, "com.example.a"]`)
	caller.wants(`[50, 3, {"acknowledged": true, "progress": true}]`)
}

// A transport that reports no receipts is not asked for any.
func TestReceiptNeedsTransport(t *testing.T) {
	t.Parallel()
	r := newRouter(dealer.Config{})
	caller, callee := join(t, r), join(t, r)
	callee.register("com.example.a")
	caller.send(`[48, 1, {"trust_level": "acknowledged"}, "com.example.a"]`)
	caller.wants(`[8, 48, 1, {}, "wamp.error.option_not_allowed", ["the callee's connection cannot acknowledge"]]`)
	callee.wants()
}

// News of a receipt comes at any time, also when the session is over.
func TestAcknowledged(t *testing.T) {
	t.Parallel()
	r := newRouter(dealer.Config{})
	callee := &peer{t: t, inbox: &inbox{}, decoder: wamp.NewDecoder(wamp.JSON)}
	s, abort := r.Join(hello(t, wamptest.Hello), router.TransportInfo{Acknowledges: true}, callee.inbox)
	if abort != nil {
		t.Fatalf("join: %s", abort.Reason)
	}
	callee.Session = s
	callee.Flush()
	callee.wants(`[2, "*", "*"]`)
	callee.register("com.example.a")
	caller := join(t, r)
	caller.send(`[48, 1, {"trust_level": "acknowledged", "receive_progress": true}, "com.example.a"]`)
	callee.wants(`[68, 1, "*", "*"]`)
	caller.wants()
	callee.Acknowledged(&callee.batch, 7)
	callee.Acknowledged(&callee.batch, 1)
	callee.batch.Flush()
	caller.wants(`[50, 1, {"acknowledged": true, "progress": true}]`)
	callee.Leave()
	callee.Acknowledged(&callee.batch, 1)
	caller.wants(`[8, 48, 1, {"acknowledged": true, "maybe_executed": true}, "wamp.error.canceled", "*", "*"]`)
}
