package test

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// TestAcknowledged has real clients as callees of acknowledged calls. None of
// them knows of such a thing; all answer pings, also while they work.
func TestAcknowledged(t *testing.T) {
	t.Parallel()
	fetchClients(t, libraries()...)
	g := start(t)
	for _, library := range libraries() {
		for _, serializer := range serializers() {
			t.Run(library+"_"+serializer, func(t *testing.T) {
				t.Parallel()
				ctx := soon(t)
				callee := startClient(t, library, serializer)
				callee.join(ctx, t, g)
				hang, echo := procedure(callee, "hang"), procedure(callee, "echo")
				callee.must(ctx, t, "register", command{"uri": hang, "kind": "hang"})
				callee.must(ctx, t, "register", command{"uri": echo, "kind": "echo"})

				caller := join(ctx, t, g)
				caller.sendf(ctx, t, `[48,1,{"trust_level":"acknowledged","receive_progress":true},%q]`, hang)
				if m, _ := caller.wantAfter(ctx, t, 0, codeResult); m.text != `[50,1,{"acknowledged":true,"progress":true}]` {
					t.Errorf("got %s, want an acknowledgement", m.text)
				}
				from := caller.got.len()
				callee.must(ctx, t, "answer", nil)
				if m, _ := caller.wantAfter(ctx, t, from, codeResult); m.dict(1)["acknowledged"] != true || m.dict(1)["progress"] != nil {
					t.Errorf("got %s, want a result that says that the call was acknowledged", m.text)
				}

				a := g.post(ctx, t, "/call/"+echo+"?trust=acknowledged", `["x"]`, "Content-Type", "application/json")
				if a.status != http.StatusOK || a.body != `"x"` || a.header.Get("Wamp-Acknowledged") != "true" {
					t.Errorf("over HTTP: got %d %s, headers %v", a.status, a.body, a.header)
				}
				a = g.post(ctx, t, "/call/"+echo+"?trust=acknowledged", `["x"]`, "Content-Type", "application/json", "Accept", "text/event-stream")
				if before, _, ok := strings.Cut(a.body, "event: result"); !ok || !strings.Contains(before, "event: acknowledged\n") {
					t.Errorf("as an event stream: got %s", a.body)
				}
			})
		}
	}
}

// wampy can ask for an acknowledgement by the name that it lets through, and is
// told like of any progress.
func TestWampyIsAcknowledged(t *testing.T) {
	t.Parallel()
	fetchClients(t, "wampy")
	ctx, g := soon(t), start(t)
	caller := startClient(t, "wampy", "msgpack")
	caller.join(ctx, t, g, command{"trace": true})
	callee := join(ctx, t, g)
	callee.register(ctx, t, 1, "test.count")
	id := caller.begin(t, "call", command{
		"uri": "test.count", "progress": true, "options": command{"_trust_level": "acknowledged"},
	})
	// The callee answers when the word is there that it has received the call:
	// its PONG and its YIELDs would race.
	inv, _ := callee.wantAfter(ctx, t, 0, codeInvocation)
	caller.event(ctx, t, 0, func(e event) bool {
		return e.Event == "received" && len(e.Message) > 0 && e.Message[0] == float64(codeResult)
	})
	for _, answer := range []string{`{"progress":true},[1]`, `{"progress":true},[2]`, `{},["done"]`} {
		callee.sendf(ctx, t, `[70,%d,%s]`, inv.id(0), answer)
	}
	if _, failed := caller.end(ctx, t, id); failed {
		t.Fatal("the call failed")
	}
	empty := 0
	for _, p := range caller.progress(id) {
		if len(p.Args) == 0 && len(p.Kwargs) == 0 {
			empty++
		}
	}
	if empty != 1 {
		t.Errorf("%d empty progressive results, want the acknowledgement alone", empty)
	}
	for i, m := range caller.received(codeResult) {
		details, _ := m[2].(map[string]any)
		acknowledged := len(m) == 3 || details["progress"] == nil
		if (details["acknowledged"] == true) != acknowledged {
			t.Errorf("RESULT %d has details %v", i, details)
		}
	}
}

// TestNotAcknowledged calls a callee that answers neither the call nor pings.
func TestNotAcknowledged(t *testing.T) {
	t.Parallel()
	ctx, g := soon(t), start(t, "--ack-timeout=300ms", "--data-dir=")
	callee := deaf(ctx, t, g)
	callee.send(ctx, t, `[1,"realm1",`+allRoles+`]`)
	callee.take(ctx, t, codeWelcome)
	callee.send(ctx, t, `[64,1,{},"test.deaf"]`)
	callee.take(ctx, t, codeRegistered)

	caller := join(ctx, t, g)
	caller.send(ctx, t, `[48,1,{"trust_level":"acknowledged","receive_progress":true},"test.deaf"]`)
	if m, err := callee.readNext(ctx); err != nil || m.code != codeInvocation {
		t.Fatalf("got %s, %v; want INVOCATION", m.text, err)
	}
	m, err := callee.readNext(ctx) // reads past the ping
	if err != nil || m.code != codeInterrupt || m.dict(1)["mode"] != "killnowait" {
		t.Errorf("got %s, %v; want INTERRUPT in mode killnowait", m.text, err)
	}
	const want = `[8,48,1,{"acknowledged":false,"maybe_executed":true},"wamp.error.network_failure",` +
		`["the callee did not acknowledge within 300ms"],{"acknowledged":false,"maybe_executed":true}]`
	if m := caller.want(ctx, t, codeError); m.text != want {
		t.Errorf("got %s, want %s", m.text, want)
	}
	if n := caller.count(codeResult); n > 0 {
		t.Errorf("got %d results", n)
	}

	callee.read.Go(func() {
		for {
			if _, err := callee.readNext(context.WithoutCancel(ctx)); err != nil {
				return
			}
		}
	})
	a := g.call(ctx, t, "test.deaf?trust=acknowledged", "[]")
	if a.status != http.StatusBadGateway || a.header.Get("Wamp-Acknowledged") != "false" || a.header.Get("Wamp-Retry") != "unknown" ||
		!strings.Contains(a.body, `"maybe_executed":true`) {
		t.Errorf("over HTTP: got %d %s, headers %v", a.status, a.body, a.header)
	}
	if a := g.call(ctx, t, "demo.add?trust=persistent", "[1,2]"); a.status != http.StatusBadRequest || a.header.Get("Wamp-Error") != "wamp.error.option_not_allowed" {
		t.Errorf("trust=persistent where nothing is kept: got %d %s", a.status, a.body)
	}
}

// deaf opens a WebSocket that answers no pings, and that nobody reads from but
// take and readNext.
func deaf(ctx context.Context, t *testing.T, g *gateway) *peer {
	t.Helper()
	conn, _, err := websocket.Dial(ctx, g.ws(), &websocket.DialOptions{
		Subprotocols:   []string{"wamp.2.json"},
		OnPingReceived: func(context.Context, []byte) bool { return false },
	})
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{conn: conn}
	t.Cleanup(func() {
		_ = conn.CloseNow()
		p.read.Wait()
	})
	return p
}

// readNext reads a message.
func (p *peer) readNext(ctx context.Context) (message, error) {
	_, data, err := p.conn.Read(ctx)
	if err != nil {
		return message{}, err
	}
	return parseMessage(data)
}

// TestPassthru has wampy call wampy with opaque payloads, and calls it over
// HTTP with bytes that only it understands.
func TestPassthru(t *testing.T) {
	t.Parallel()
	fetchClients(t, "wampy")
	g := start(t)
	inner := map[string]string{"json": "json", "msgpack": "cbor", "cbor": "msgpack"} // JSON has no bytes in JavaScript
	for _, serializer := range serializers() {
		options := command{"ppt_scheme": "x_test", "ppt_serializer": inner[serializer]}
		t.Run(serializer, func(t *testing.T) {
			t.Parallel()
			ctx := soon(t)
			caller, callee := startClient(t, "wampy", serializer), startClient(t, "wampy", serializer)
			callee.join(ctx, t, g, command{"trace": true})
			caller.join(ctx, t, g, command{"trace": true})
			uri := procedure(callee, "opaque")
			callee.must(ctx, t, "register", command{"uri": uri, "kind": "opaque"})
			args, kwargs := []any{"x", 1.0}, map[string]any{"k": true}
			got := caller.must(ctx, t, "call", command{"uri": uri, "args": args, "kwargs": kwargs, "options": options})
			if !reflect.DeepEqual(got.Args, args) || !reflect.DeepEqual(got.Kwargs, kwargs) {
				t.Errorf("got %v %v, want %v %v", got.Args, got.Kwargs, args, kwargs)
			}
			callee.must(ctx, t, "answer", nil) // after it has told what it received
			for code, c := range map[int]*client{codeInvocation: callee, codeResult: caller} {
				m := c.received(code)[0]
				details, _ := m[len(m)-2].(map[string]any)
				payload, _ := m[len(m)-1].([]any)
				if details["ppt_scheme"] != "x_test" || details["ppt_serializer"] != inner[serializer] || len(payload) != 1 {
					t.Errorf("message %d: %v", code, m)
				}
			}
			if serializer != "cbor" {
				return
			}
			const opaque = "\x82\xa4args\x91\x01\xa6kwargs\x80" // MessagePack, which is for wampy alone
			a := g.post(ctx, t, fmt.Sprintf("/call/%s?ppt_scheme=x_test&ppt_serializer=msgpack", uri), opaque)
			if a.status != http.StatusOK || a.header.Get("Wamp-Ppt-Scheme") != "x_test" || a.header.Get("Wamp-Ppt-Serializer") != "msgpack" ||
				a.header.Get("Content-Type") != "application/octet-stream" || !strings.Contains(a.body, "args\x91\x01") {
				t.Errorf("over HTTP: got %d %q, headers %v", a.status, a.body, a.header)
			}
		})
	}
	if a := g.post(soon(t), t, "/call/demo.add?ppt_scheme=x_test", "?"); a.status != http.StatusNotImplemented ||
		a.header.Get("Wamp-Error") != "wamp.error.feature_not_supported" {
		t.Errorf("a callee without the mode: got %d %s", a.status, a.body)
	}
}

// TestDiscloseFor runs a gateway with rules of disclosure.
func TestDiscloseFor(t *testing.T) {
	t.Parallel()
	ctx := soon(t)
	g := start(t, "--disclose-for=prefix:test.open.=either,test.open.private=never", "--trustlevel=prefix:test.=2")
	callee := dial(ctx, t, g)
	callee.send(ctx, t, `[1,"realm1",{"roles":{"callee":{"features":{"call_trustlevels":true}}}}]`)
	callee.want(ctx, t, codeWelcome)
	callee.register(ctx, t, 1, "test.open.p")
	callee.register(ctx, t, 2, "test.open.private")
	callee.register(ctx, t, 3, "test.p")
	invoked := 0
	invocation := func(uri string) map[string]any {
		t.Helper()
		m, next := callee.wantAfter(ctx, t, invoked, codeInvocation)
		invoked = next
		callee.sendf(ctx, t, `[70,%d,{}]`, m.id(0))
		if got := m.dict(2); got["procedure"] != uri || got["trustlevel"] != 2.0 {
			t.Errorf("INVOCATION of %s has details %v", uri, got)
		}
		return m.dict(2)
	}
	caller := join(ctx, t, g)
	caller.send(ctx, t, `[48,1,{"disclose_me":true},"test.open.p"]`)
	if got := invocation("test.open.p"); got["caller"] == nil || got["caller_authrole"] != "anonymous" || got["caller_authid"] == nil {
		t.Errorf("one side asked, and policy either: details %v", got)
	}
	caller.send(ctx, t, `[48,2,{"disclose_me":true},"test.p"]`)
	if got := invocation("test.p"); got["caller"] != nil {
		t.Errorf("one side asked, and policy both: details %v", got)
	}
	a := g.call(ctx, t, "test.open.private?disclose_me=true", "[]")
	if a.status != http.StatusForbidden || a.header.Get("Wamp-Error") != "wamp.error.option_disallowed.disclose_me" {
		t.Errorf("policy never: got %d %s", a.status, a.body)
	}
}
