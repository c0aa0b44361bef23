package transport_test

import (
	"context"
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

const acknowledgedCall = `[48, 1, {"trust_level": "acknowledged", "receive_progress": true}, "com.example.a", ["x"]]`

// A callee acknowledges without knowing of it, whatever serializer it speaks:
// reading on is enough.
func TestReceipt(t *testing.T) {
	t.Parallel()
	for _, to := range []wamp.Serializer{wamp.JSON, wamp.MsgPack, wamp.CBOR} {
		t.Run("json to "+to.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := wamptest.Serve(t, wamptest.Config{})
				caller, callee := s.Join(t, wamp.JSON), s.Join(t, to)
				callee.Send(`[64, 1, {}, "com.example.a"]`)
				callee.Want(`[65, 1, 1]`)
				caller.Send(acknowledgedCall)
				callee.Want(`[68, 1, 1, "*", ["x"]]`)
				caller.Send(`[48, 2, {}, "com.example.a"]`)
				callee.Want(`[68, 2, 1, "*"]`) // the ping came before
				caller.Want(`[50, 1, {"acknowledged": true, "progress": true}]`)
				callee.Send(`[70, 1, {}, ["y"]]`)
				caller.Want(`[50, 1, {"acknowledged": true}, ["y"]]`)
			})
		})
	}
}

// A callee that answers no pings, nor the call, has not received it as far as
// anybody knows.
func TestNoReceipt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := wamptest.Serve(t, wamptest.Config{})
		caller := s.Join(t, wamp.JSON)
		callee := s.DialWith(t, wamp.JSON, &websocket.DialOptions{
			OnPingReceived: func(context.Context, []byte) bool { return false }, // no pong
		})
		callee.Send(wamptest.Hello)
		callee.Want(`[2, "*", "*"]`)
		callee.Send(`[64, 1, {}, "com.example.a"]`)
		callee.Want(`[65, 1, 1]`)
		start := time.Now()
		caller.Send(acknowledgedCall)
		callee.Want(`[68, 1, 1, "*", ["x"]]`)
		callee.Want(`[69, 1, {"mode": "killnowait", "reason": "wamp.error.canceled"}]`)
		caller.Want(`[8, 48, 1, {"acknowledged": false, "maybe_executed": true}, "wamp.error.network_failure",
			["the callee did not acknowledge within 5s"], {"acknowledged": false, "maybe_executed": true}]`)
		if got := time.Since(start); got != 5*time.Second {
			t.Errorf("the call ended after %v, want 5s", got)
		}
	})
}

// Pongs that answer no ping, or one of another session, acknowledge nothing.
func TestForgedReceipts(t *testing.T) {
	t.Parallel()
	s := loopback(t, transport.Config{})
	caller, callee := s.Join(t, wamp.JSON), dialRaw(t, s, "wamp.2.json", "")
	callee.send(fin|opText, wamptest.Hello)
	callee.want(opText, `[2, "*", "*"]`)
	callee.send(fin|opText, `[64, 1, {}, "com.example.a"]`)
	callee.want(opText, `[65, 1, 1]`)
	caller.Send(acknowledgedCall)
	callee.want(opText, `[68, 1, 1, "*", ["x"]]`)
	first, ping := callee.read()
	if first != fin|opPing || len(ping) != 16 {
		t.Fatalf("got frame %x %x, want a ping with 16 bytes", first, ping)
	}
	changed := func(at int) string {
		forged := append([]byte(nil), ping...)
		forged[at] ^= 1
		return string(forged)
	}
	for _, forged := range []string{"", "x", changed(7), changed(14), string(ping[:15]), string(ping) + "x", string(make([]byte, 16))} {
		callee.send(fin|opPong, forged)
	}
	callee.send(fin|opText, `[48, 2, {}, "com.example.none"]`) // when that is answered the pongs have been seen
	callee.want(opText, `[8, 48, 2, {}, "wamp.error.no_such_procedure", "*"]`)
	caller.Send(`[48, 2, {}, "com.example.none"]`)
	caller.Want(`[8, 48, 2, {}, "wamp.error.no_such_procedure", "*"]`)

	callee.send(fin|opPong, string(ping))
	caller.Want(`[50, 1, {"acknowledged": true, "progress": true}]`)
	callee.send(fin|opPong, string(ping))
	callee.send(fin|opText, `[70, 1, {}]`)
	caller.Want(`[50, 1, {"acknowledged": true}]`)
	if session := binary.BigEndian.Uint64(ping); session == 0 || session > 1<<53 {
		t.Errorf("the ping names session %d", session)
	}

	// A session that is over is another one.
	callee.send(fin|opText, `[6, {}, "wamp.close.normal"]`)
	callee.want(opText, `[6, "*", "*"]`)
	callee.send(fin|opPong, string(ping))
	callee.send(fin|opText, wamptest.Hello)
	callee.want(opText, `[2, "*", "*"]`)
	callee.send(fin|opText, `[64, 1, {}, "com.example.a"]`)
	callee.want(opText, `[65, 1, "*"]`)
	caller.Send(`[48, 3, {"trust_level": "acknowledged", "receive_progress": true}, "com.example.a"]`)
	callee.want(opText, `[68, 1, "*", "*"]`)
	callee.send(fin|opPong, string(ping))
	callee.send(fin|opText, `[48, 2, {}, "com.example.none"]`)
	callee.want(opPing, "*")
	callee.want(opText, `[8, 48, 2, "*", "*", "*"]`)
	caller.Send(`[48, 4, {}, "com.example.none"]`)
	caller.Want(`[8, 48, 4, "*", "*", "*"]`)
}

// A peer may answer the last of several pings alone. That may be one of the
// heartbeat's, which therefore asks for the last receipt again.
func TestHeartbeatRepeatsReceipt(t *testing.T) {
	t.Parallel()
	s := loopback(t, transport.Config{PingInterval: 50 * time.Millisecond})
	caller, callee := s.Join(t, wamp.JSON), dialRaw(t, s, "wamp.2.json", "")
	callee.send(fin|opText, wamptest.Hello)
	callee.want(opText, `[2, "*", "*"]`)
	callee.send(fin|opText, `[64, 1, {}, "com.example.a"]`)
	callee.want(opText, `[65, 1, 1]`)
	caller.Send(acknowledgedCall)
	var pings [][]byte
	for len(pings) < 2 {
		first, payload := callee.read()
		if first == fin|opPing && len(payload) == 0 {
			callee.send(fin|opPong, "")
		}
		if first == fin|opPing && len(payload) > 0 {
			pings = append(pings, payload)
		}
	}
	if string(pings[0]) != string(pings[1]) {
		t.Fatalf("got pings %x, want the same twice", pings)
	}
	callee.send(fin|opPong, string(pings[1]))
	caller.Want(`[50, 1, {"acknowledged": true, "progress": true}]`)
}

// A RawSocket client is asked for receipts if it sent a PING before its HELLO.
func TestRawSocketReceipt(t *testing.T) {
	t.Parallel()
	s := rawSocketServe(t, transport.Config{})
	caller, plain := s.join(t), s.join(t)
	plain.send(`[64, 1, {}, "com.example.plain"]`)
	plain.want(`[65, 1, "*"]`)
	caller.send(`[48, 1, {"trust_level": "acknowledged"}, "com.example.plain"]`)
	caller.want(`[8, 48, 1, {}, "wamp.error.option_not_allowed", ["the callee's connection cannot acknowledge"]]`)

	callee := s.connect(t, "\x7f\xf1\x00\x00")
	callee.wantOctets("\x7f\xb1\x00\x00")
	callee.write(prefixed(rsPing, "hi"))
	callee.wantControl(rsPong, "hi")
	callee.send(wamptest.Hello)
	callee.want(`[2, "*", "*"]`)
	callee.send(`[64, 1, {}, "com.example.a"]`)
	callee.want(`[65, 1, "*"]`)
	caller.send(`[48, 2, {"trust_level": "acknowledged", "receive_progress": true}, "com.example.a"]`)
	callee.want(`[68, 1, "*", "*"]`)
	first, ping := callee.read()
	if first != rsPing || len(ping) != 16 {
		t.Fatalf("got frame %x %x, want a PING with 16 bytes", first, ping)
	}
	callee.write(prefixed(rsPong, ping))
	caller.want(`[50, 2, {"acknowledged": true, "progress": true}]`)
}

// In a batched subprotocol a ping keeps its place between the messages.
func TestBatchedReceipt(t *testing.T) {
	t.Parallel()
	s := loopback(t, transport.Config{})
	caller, callee := s.Join(t, wamp.JSON), dialRaw(t, s, "wamp.2.json.batched", "")
	callee.send(fin|opText, wamptest.Hello+"\x1e")
	callee.want(opText, "*")
	callee.send(fin|opText, `[64, 1, {}, "com.example.a"]`+"\x1e")
	callee.want(opText, "*")
	caller.Send(acknowledgedCall)
	callee.want(opText, "*")
	first, ping := callee.read()
	if first != fin|opPing || len(ping) != 16 {
		t.Fatalf("got frame %x %x, want a ping with 16 bytes", first, ping)
	}
	callee.send(fin|opPong, string(ping))
	caller.Want(`[50, 1, {"acknowledged": true, "progress": true}]`)
}
