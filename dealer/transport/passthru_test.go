package transport_test

import (
	"testing"
	"testing/synctest"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// An opaque payload arrives as the bytes it is, whatever the two sides speak:
// in JSON, bytes are a string that begins with U+0000 and goes on in base64.
func TestPassthru(t *testing.T) {
	t.Parallel()
	const hello = `[1, "realm1", {"roles": {"caller": {"features": {"payload_passthru_mode": true}}, "callee": {"features": {"payload_passthru_mode": true}}}}]`
	serializers := []wamp.Serializer{wamp.JSON, wamp.MsgPack, wamp.CBOR}
	for _, from := range serializers {
		for _, to := range serializers {
			t.Run(from.String()+" to "+to.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := wamptest.Serve(t, wamptest.Config{})
					caller, callee := s.Dial(t, from), s.Dial(t, to)
					for _, p := range []*wamptest.Peer{caller, callee} {
						p.Send(hello)
						p.Want(`[2, "*", "*"]`)
					}
					callee.Send(`[64, 1, {}, "com.example.a"]`)
					callee.Want(`[65, 1, 1]`)
					caller.Send(`[48, 1, {"ppt_scheme": "x_a", "ppt_serializer": "cbor"}, "com.example.a", ["\u0000AAH/gA=="]]`)
					callee.Want(`[68, 1, 1, {"procedure": "com.example.a", "ppt_scheme": "x_a", "ppt_serializer": "cbor"}, ["\u0000AAH/gA=="]]`)
					callee.Send(`[70, 1, {"ppt_scheme": "x_b", "ppt_keyid": "k"}, ["\u0000AAH/gA=="]]`)
					caller.Want(`[50, 1, {"ppt_scheme": "x_b", "ppt_keyid": "k"}, ["\u0000AAH/gA=="]]`)
					caller.Send(`[48, 2, {"ppt_scheme": "x_a", "ppt_serializer": "json"}, "com.example.a", ["{\"args\":[1]}"]]`)
					callee.Want(`[68, 2, 1, "*", ["{\"args\":[1]}"]]`)
					callee.Send(`[8, 68, 2, {"ppt_scheme": "x_b"}, "com.example.bad", ["\u0000AAH/gA=="]]`)
					caller.Want(`[8, 48, 2, {"ppt_scheme": "x_b"}, "com.example.bad", ["\u0000AAH/gA=="]]`)
				})
			})
		}
	}
}
