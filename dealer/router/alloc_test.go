package router_test

import (
	"testing"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A call costs the router no allocation. The test may not run beside others:
// AllocsPerRun counts for the whole process.
func TestCallAllocatesNothing(t *testing.T) { //nolint:paralleltest // see above
	r := newRouter(dealer.Config{})
	out := &sink{}
	caller, callee := openSession(t, r, &sink{}), openSession(t, r, out)
	var batch router.Batch
	if err := callee.Receive(&batch, &wamp.Register{Request: 1, Procedure: "com.example.a"}); err != nil {
		t.Fatal(err)
	}
	call := &wamp.Call{Procedure: "com.example.a", Options: wamp.CallOptions{Timeout: 1000}}
	call.Payload = wamp.Payload{Serializer: wamp.JSON, Args: []byte(`[1]`)}
	yield := &wamp.Yield{Payload: call.Payload}
	n := testing.AllocsPerRun(1_000, func() {
		call.Request++
		if err := caller.Receive(&batch, call); err != nil {
			t.Fatal(err)
		}
		yield.Request = out.invocation
		if err := callee.Receive(&batch, yield); err != nil {
			t.Fatal(err)
		}
		batch.Flush()
	})
	if n != 0 {
		t.Errorf("a call takes %v allocations, want none", n)
	}
}
