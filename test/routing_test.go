package test

import (
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// TestSharingOverTheWire lets callees of every serializer be busy, decline and
// take over, over real sockets. Each message is waited for, so that the order
// is the test's.
func TestSharingOverTheWire(t *testing.T) {
	t.Parallel()
	for _, serializer := range []wamp.Serializer{wamp.JSON, wamp.MsgPack, wamp.CBOR} {
		t.Run(serializer.String(), func(t *testing.T) {
			t.Parallel()
			s := wamptest.Serve(t, wamptest.Config{Loopback: true})
			caller := s.Join(t, wamp.JSON)
			callee := func() *wamptest.Peer {
				p := s.Dial(t, serializer)
				p.Send(`[1,"realm1",{"roles":{"callee":{"features":{"call_reroute":true,"registration_revocation":true}}}}]`)
				p.Want(`[2,"*","*"]`)
				return p
			}
			one, two := callee(), callee()

			one.Send(`[64,1,{"invoke":"roundrobin","concurrency":1},"p"]`)
			one.Want(`[65,1,1]`)
			caller.Send(`[48,1,{},"p",["a"],{"k":1}]`)
			one.Want(`[68,1,1,{"procedure":"p"},["a"],{"k":1}]`)
			caller.Send(`[48,2,{},"p"]`)
			caller.Send(`[49,2,{"mode":"kill"}]`)
			caller.Want(`[8,48,2,{},"wamp.error.canceled"]`) // by the dealer
			caller.Send(`[48,3,{"_x":[1,"y"]},"p",["waits"],{"k":3}]`)
			caller.Send(`[48,4,{},"nope"]`) // its answer shows that call 3 waits
			caller.Want(`[8,48,4,{},"wamp.error.no_such_procedure","*"]`)
			one.Send(`[70,1,{},["b"]]`)
			caller.Want(`[50,1,{},["b"]]`)
			one.Want(`[68,2,1,{"_x":[1,"y"],"procedure":"p"},["waits"],{"k":3}]`)

			two.Send(`[64,1,{"_invoke":"roundrobin"},"p"]`)
			two.Want(`[65,1,1]`)
			one.Send(`[70,2,{},["c"]]`)
			caller.Want(`[50,3,{},["c"]]`)
			caller.Send(`[48,5,{"_x":[1,"y"]},"p",["passed on"],{"k":5}]`)
			two.Want(`[68,1,1,{"_x":[1,"y"],"procedure":"p"},["passed on"],{"k":5}]`)
			two.Send(`[8,68,1,{},"wamp.error.unavailable"]`)
			one.Want(`[68,3,1,{"_x":[1,"y"],"procedure":"p"},["passed on"],{"k":5}]`)
			one.Send(`[70,3,{},["d"]]`)
			caller.Want(`[50,5,{},["d"]]`)

			two.Send(`[64,2,{"force_reregister":true},"p"]`)
			one.Want(`[67,0,{"reason":"wamp.error.unregistered","registration":1}]`)
			two.Want(`[67,0,{"reason":"wamp.error.unregistered","registration":1}]`)
			two.Want(`[65,2,2]`)
		})
	}
}
