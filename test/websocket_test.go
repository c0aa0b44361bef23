package test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// TestHandshake opens WebSockets as it should not be done.
func TestHandshake(t *testing.T) {
	t.Parallel()
	g := start(t)
	tests := []struct {
		name   string
		header http.Header
		proto  []string
		status int
		picked string
	}{
		{"no subprotocol", nil, nil, 400, ""},
		{"unknown subprotocol", nil, []string{"mqtt"}, 400, ""},
		{"subprotocol that is not built", nil, []string{"wamp.2.flatbuffers"}, 400, ""},
		{"some that are known", nil, []string{"mqtt", "wamp.2.cbor", "wamp.2.json"}, 101, "wamp.2.cbor"},
		{"page of another host", http.Header{"Origin": {"https://evil.example"}}, []string{"wamp.2.json"}, 403, ""},
		{"page of a host with a similar name", http.Header{"Origin": {"http://127.0.0.1.evil.example"}}, []string{"wamp.2.json"}, 403, ""},
		{"page from a file", http.Header{"Origin": {"null"}}, []string{"wamp.2.json"}, 403, ""},
		{"page of the same host", http.Header{"Origin": {"http://" + g.addr}}, []string{"wamp.2.json"}, 101, "wamp.2.json"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			conn, resp, err := websocket.Dial(soon(t), g.ws(), &websocket.DialOptions{HTTPHeader: test.header, Subprotocols: test.proto})
			if err == nil {
				defer func() { _ = conn.CloseNow() }()
			}
			if resp == nil || resp.StatusCode != test.status {
				t.Fatalf("the handshake ended with %v, %v; want status %d", resp, err, test.status)
			}
			if err == nil && conn.Subprotocol() != test.picked {
				t.Errorf("subprotocol %q, want %q", conn.Subprotocol(), test.picked)
			}
		})
	}
}

// TestGarbageWAMP sends what is not WAMP: the answer is ABORT with three
// elements, and the connection ends.
func TestGarbageWAMP(t *testing.T) {
	t.Parallel()
	const hello = `[1,"realm1",` + allRoles + `]`
	const violation = "wamp.error.protocol_violation"
	tests := []struct {
		name   string
		joined bool // the message follows on a session
		text   string
		reason string
	}{
		{"no json", false, `hello`, violation},
		{"cut json", false, `[1,"realm1",{"roles"`, violation},
		{"two messages in a frame", false, hello + hello, violation},
		{"no list", false, `{"1":2}`, violation},
		{"empty list", false, `[]`, violation},
		{"no code", false, `["HELLO"]`, violation},
		{"bad utf-8", false, "[1,\"\xff\",{}]", violation},
		{"too deep", false, `[1,"realm1",` + strings.Repeat(`{"a":`, 100_000), violation},
		{"call before hello", false, `[48,1,{},"test.counted"]`, violation},
		{"hello without roles", false, `[1,"realm1",{}]`, violation},
		{"hello with roles of another kind", false, `[1,"realm1",{"roles":[]}]`, violation},
		{"hello with no role we know", false, `[1,"realm1",{"roles":{"king":{}}}]`, violation},
		{"unknown realm", false, `[1,"no.such.realm",` + allRoles + `]`, "wamp.error.no_such_realm"},
		{"bad realm", false, `[1,"no such realm",` + allRoles + `]`, "wamp.error.invalid_uri"},
		{"second hello", true, hello, violation},
		{"welcome from a client", true, `[2,1,{}]`, violation},
		{"result from a client", true, `[50,1,{}]`, violation},
		{"invocation from a client", true, `[68,1,1,{}]`, violation},
		{"event from a client", true, `[36,1,1,{}]`, violation},
		{"unknown code", true, `[99,1,{}]`, violation},
		{"huge code", true, `[18446744073709551616]`, violation},
		{"call that is too short", true, `[48,1,{}]`, violation},
		{"call that is too long", true, `[48,1,{},"test.counted",[],{},1]`, violation},
		{"id 0", true, `[48,0,{},"test.counted"]`, violation},
		{"negative id", true, `[48,-1,{},"test.counted"]`, violation},
		{"id above 2^53", true, `[48,9007199254740994,{},"test.counted"]`, violation},
		{"broken id", true, `[48,1.5,{},"test.counted"]`, violation},
		{"id that is text", true, `[48,"1",{},"test.counted"]`, violation},
		{"options that are a list", true, `[48,1,[],"test.counted"]`, violation},
		{"procedure that is a number", true, `[48,1,{},7]`, violation},
		{"args that are a dict", true, `[48,1,{},"test.counted",{}]`, violation},
		{"kwargs that are a list", true, `[48,1,{},"test.counted",[],[]]`, violation},
		{"timeout that is text", true, `[48,1,{"timeout":"1"},"test.counted"]`, violation},
		{"progress that is a number", true, `[48,1,{"progress":1},"test.counted"]`, violation},
		{"args too deep", true, `[48,1,{},"test.counted",` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `]`, violation},
		{"bad utf-8 in args", true, "[48,1,{},\"test.counted\",[\"\xff\"]]", violation},
		{"yield of an invocation that never was", true, `[70,999999,{}]`, violation},
		{"error of an invocation that never was", true, `[8,68,999999,{},"a.b"]`, violation},
		{"error of a call", true, `[8,48,1,{},"a.b"]`, violation},
		{"registration id that is text", true, `[66,1,"x"]`, violation},
	}
	ctx, g := within(t, 2*patience), start(t)
	counted := startCounter(ctx, t, g)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx := soon(t)
			p := dial(ctx, t, g)
			if test.joined {
				p.send(ctx, t, hello)
				p.want(ctx, t, codeWelcome)
			}
			p.send(ctx, t, test.text)
			p.wantAbort(ctx, t, test.reason)
			counted.wantNone(ctx, t)
		})
	}
}

// wantAbort wants the connection to end with an ABORT.
func (p *peer) wantAbort(ctx context.Context, t *testing.T, reason string) {
	t.Helper()
	abort := p.want(ctx, t, codeAbort)
	if len(abort.rest) != 2 || abort.dict(0) == nil || abort.rest[1] != reason {
		t.Errorf("got %s, want [3,{…},%q]", abort.text, reason)
	}
	if err := p.got.wait(ctx); websocket.CloseStatus(err) == -1 {
		t.Errorf("the connection ended with %v, want a close frame", err)
	}
}

// TestWrongFrames sends frames that are not what the subprotocol says.
func TestWrongFrames(t *testing.T) {
	t.Parallel()
	g := start(t, "--max-message=64KiB")
	hello := `[1,"realm1",` + allRoles + `]`
	tests := []struct {
		name, protocol string
		kind           websocket.MessageType
		data           string
	}{
		{"binary json", "wamp.2.json", websocket.MessageBinary, hello},
		{"text msgpack", "wamp.2.msgpack", websocket.MessageText, hello},
		{"no msgpack", "wamp.2.msgpack", websocket.MessageBinary, "\xc1"},
		{"msgpack that claims 4 GiB", "wamp.2.msgpack", websocket.MessageBinary, "\xdd\xff\xff\xff\xff"},
		{"no cbor", "wamp.2.cbor", websocket.MessageBinary, "\xff"},
		{"cbor that claims 2^64 bytes", "wamp.2.cbor", websocket.MessageBinary, "\x83\x01\x5b\xff\xff\xff\xff\xff\xff\xff\xff"},
		{"empty", "wamp.2.json", websocket.MessageText, ""},
		{"oversized", "wamp.2.json", websocket.MessageText, `[1,"realm1",{"x":"` + strings.Repeat("x", 64<<10) + `"}]`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx := soon(t)
			conn, _, err := websocket.Dial(ctx, g.ws(), &websocket.DialOptions{Subprotocols: []string{test.protocol}})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.CloseNow() }()
			if err := conn.Write(ctx, test.kind, []byte(test.data)); err != nil {
				t.Fatal(err)
			}
			for err == nil { // an ABORT may come first
				_, _, err = conn.Read(ctx)
			}
			status := websocket.CloseStatus(err)
			if want := websocket.StatusMessageTooBig; test.name == "oversized" && status != want {
				t.Errorf("the connection ended with %v, want %v", err, want)
			}
			if status == -1 {
				t.Errorf("the connection ended with %v, want a close frame", err)
			}
		})
	}
}

// A session that was aborted leaves nothing behind.
func TestAbortCleansUp(t *testing.T) {
	t.Parallel()
	ctx, g := soon(t), start(t)
	bad, caller := join(ctx, t, g), join(ctx, t, g)
	bad.register(ctx, t, 1, "test.bad")
	caller.send(ctx, t, `[48,1,{},"test.bad"]`)
	bad.want(ctx, t, codeInvocation)
	bad.send(ctx, t, `nonsense`)
	bad.wantAbort(ctx, t, "wamp.error.protocol_violation")
	if e := caller.want(ctx, t, codeError); e.rest[3] != "wamp.error.canceled" {
		t.Errorf("the call of the aborted callee ended with %s", e.text)
	}
	caller.send(ctx, t, `[48,2,{},"test.bad"]`)
	_, _, err := caller.got.find(ctx, 0, func(m message) bool {
		return m.code == codeError && m.id(1) == 2 && m.rest[3] == "wamp.error.no_such_procedure"
	})
	if err != nil {
		t.Errorf("the registration is still there: %v", err)
	}
}

// Payloads that the other serializer has no form for are the sender's error,
// and cost nobody a session.
func TestUntranscodable(t *testing.T) {
	t.Parallel()
	ctx, g := soon(t), start(t)
	callee := join(ctx, t, g)
	callee.register(ctx, t, 1, "test.json")
	for name, body := range map[string]string{
		"map with integer keys": "\x91\x81\x01\x02",
		"infinity":              "\x91\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00",
		"not a number":          "\x91\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
	} {
		a := g.post(ctx, t, "/call/test.json", body, "Content-Type", "application/msgpack")
		if a.status != http.StatusBadRequest || a.header.Get("Wamp-Error") != invalidArgument {
			t.Errorf("%s = %d %s, want 400 %s", name, a.status, a.body, invalidArgument)
		}
	}
	callee.sync(ctx, t)
	if n := callee.count(codeInvocation); n != 0 {
		t.Errorf("%d invocations reached the callee", n)
	}
	a := make(chan answer, 1)
	go func() {
		got, err := g.do(ctx, http.MethodPost, "/call/test.json", strings.NewReader("\x91\x07"), "Content-Type", "application/msgpack")
		if err != nil {
			t.Error(err)
		}
		a <- got
	}()
	inv := callee.want(ctx, t, codeInvocation)
	callee.send(ctx, t, fmt.Sprintf(`[70,%d,{},[8]]`, inv.id(0)))
	if got := <-a; got.body != "8" {
		t.Errorf("test.json(7) = %d %s, want 8", got.status, got.body)
	}
}
