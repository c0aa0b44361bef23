package transport_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// A callee learns the id of its registration before it gets a call for it,
// even if callers are already waiting for the procedure to appear.
func TestRegisteredBeforeInvocation(t *testing.T) {
	t.Parallel()
	const rounds = 300
	s := loopback(t, transport.Config{})
	callee, caller := s.Connect(t, wamp.MsgPack), s.Connect(t, wamp.MsgPack)
	procedure := func(i int) wamp.URI { return wamp.URI(fmt.Sprint("com.example.p", i)) }
	var calling sync.WaitGroup
	calling.Go(func() {
		id := wamp.ID(0)
		for i := range rounds {
			for called := false; !called; {
				id++
				if err := caller.Send(&wamp.Call{Request: id, Procedure: procedure(i)}); err != nil {
					t.Error(err)
					return
				}
				m, err := caller.Receive(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				called = m.Type() == wamp.TypeResult
			}
		}
	})
	for i := range rounds {
		if err := callee.Send(&wamp.Register{Request: wamp.ID(i + 1), Procedure: procedure(i)}); err != nil {
			t.Fatal(err)
		}
		m, err := callee.Receive(t.Context())
		if err != nil || m.Type() != wamp.TypeRegistered {
			t.Fatalf("got %v, %v; want REGISTERED first", m, err)
		}
		m, err = callee.Receive(t.Context())
		inv, ok := m.(*wamp.Invocation)
		if err != nil || !ok {
			t.Fatalf("got %v, %v; want INVOCATION", m, err)
		}
		if err := callee.Send(&wamp.Yield{Request: inv.Request}); err != nil {
			t.Fatal(err)
		}
	}
	calling.Wait()
}

// Messages that are transcoded do not overtake others, and are not overtaken.
func TestOrderAcrossSerializers(t *testing.T) {
	t.Parallel()
	const calls = 3_000
	s := loopback(t, transport.Config{})
	callee, caller := s.Connect(t, wamp.CBOR), s.Connect(t, wamp.JSON)
	wamptest.Register(t, callee, "com.example.mixed")
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := range calls {
			m := &wamp.Call{Request: wamp.ID(i + 1), Procedure: "com.example.mixed"}
			if i%3 != 0 {
				m.Payload = text(i % 200)
			}
			if err := caller.Send(m); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range calls {
		m, err := callee.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		inv, ok := m.(*wamp.Invocation)
		if !ok || inv.Request != wamp.ID(i+1) {
			t.Fatalf("got %v, want INVOCATION %d", m, i+1)
		}
		want, err := text(i % 200).Transcode(wamp.CBOR)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(inv.Payload.Args); i%3 != 0 && got != string(want.Args) || i%3 == 0 && got != "" {
			t.Fatalf("call %d has arguments %q, want %q", i+1, got, want.Args)
		}
	}
	sending.Wait()
}

// What is too large for a peer, or has no form in its serializer, ends the
// call it belongs to and not the session.
func TestUndeliverable(t *testing.T) {
	t.Parallel()
	s := loopback(t, transport.Config{MaxFrameOut: 2000})
	bin := "\xc5\x06\x00" + strings.Repeat("b", 1536) // 2048 bytes as base64
	for _, test := range []struct {
		name     string
		from, to wamp.Serializer
		args     string // encoded; sent by from
		want     wamp.URI
	}{
		{"too large", wamp.JSON, wamp.JSON, `["` + strings.Repeat("x", 2000) + `"]`, wamp.ErrPayloadSizeExceeded},
		{"too large with head", wamp.JSON, wamp.JSON, `["` + strings.Repeat("x", 1987) + `"]`, wamp.ErrPayloadSizeExceeded},
		{"too large, transcoded", wamp.MsgPack, wamp.JSON, "\x91" + bin, wamp.ErrPayloadSizeExceeded},
		{"number as key", wamp.MsgPack, wamp.JSON, "\x91\x81\x01\x02", wamp.ErrInvalidArgument},
		{"not a number", wamp.MsgPack, wamp.JSON, "\x91\xca\x7f\xc0\x00\x00", wamp.ErrInvalidArgument},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			procedure := "com.example." + strings.Map(letters, test.name)
			caller, callee := s.Join(t, test.from), s.Join(t, test.to)
			callee.Send(fmt.Sprintf(`[64, 1, {}, %q]`, procedure))
			callee.Want(`[65, 1, "*"]`)
			sendArgs(caller, test.from, procedure, test.args)
			caller.Want(fmt.Sprintf(`[8, 48, 1, {}, %q, "*"]`, test.want))
			caller.Send(fmt.Sprintf(`[48, 2, {}, %q, [2]]`, procedure))
			callee.Want(`[68, 2, "*", "*", [2]]`)

			// The same the other way round, as a result.
			back := procedure + ".back"
			caller.Send(fmt.Sprintf(`[64, 3, {}, %q]`, back))
			caller.Want(`[65, 3, "*"]`)
			callee.Send(fmt.Sprintf(`[48, 2, {}, %q]`, back))
			caller.Want(`[68, 1, "*", "*"]`)
			sendArgs(caller, test.from, "", test.args)
			callee.Want(fmt.Sprintf(`[8, 48, 2, {}, %q, "*"]`, test.want))
			callee.Send(`[70, 2, {}, ["still here"]]`)
			caller.Want(`[50, 2, {}, ["still here"]]`)
		})
	}
}

// sendArgs sends CALL 1 of a procedure, or YIELD 1 if there is none, with
// arguments that are already encoded.
func sendArgs(p *wamptest.Peer, s wamp.Serializer, procedure, args string) {
	head, typ := fmt.Sprintf(`[70,1,{},%s]`, args), websocket.MessageText
	if procedure != "" {
		head = fmt.Sprintf(`[48,1,{},%q,%s]`, procedure, args)
	}
	if s == wamp.MsgPack {
		head, typ = "\x94\x46\x01\x80"+args, websocket.MessageBinary
		if procedure != "" {
			head = "\x95\x30\x01\x80\xd9" + string(rune(len(procedure))) + procedure + args
		}
	}
	p.SendFrame(typ, []byte(head))
}

// letters makes names of procedures out of names of tests.
func letters(r rune) rune {
	if r >= 'a' && r <= 'z' {
		return r
	}
	return -1
}
