package test

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// Each test here is about one habit of a client that has broken other routers.
// What a router must never send at all is checked on every traced connection:
// see checkTraffic.

// serializers are those that every client has.
func serializers() []string { return []string{"json", "msgpack", "cbor"} }

// wampy and autobahn-js hang up when they get an INTERRUPT, so whatever ends a
// call must not send them one.
func TestClientsAreNeverInterrupted(t *testing.T) {
	t.Parallel()
	fetchClients(t, "wampy", "autobahn")
	for _, library := range []string{"wampy", "autobahn"} {
		t.Run(library, func(t *testing.T) {
			t.Parallel()
			ctx, g := soon(t), start(t)
			callee := startClient(t, library, "json")
			callee.join(ctx, t, g, command{"trace": true})
			callee.must(ctx, t, "register", command{"uri": "test.hang", "kind": "hang"})
			callee.must(ctx, t, "register", command{"uri": "test.echo", "kind": "echo"})

			for i, cancel := range []string{`{"mode":"kill"}`, `{"mode":"killnowait"}`, `{"mode":"skip"}`, `{}`} {
				caller := join(ctx, t, g)
				from := callee.events.len()
				caller.send(ctx, t, `[48,1,{},"test.hang"]`)
				callee.invoked(ctx, t, from, "test.hang")
				caller.send(ctx, t, `[49,1,`+cancel+`]`)
				if e := caller.want(ctx, t, codeError); e.rest[3] != "wamp.error.canceled" {
					t.Errorf("cancel %d ended the call with %s", i, e.text)
				}
			}

			caller := join(ctx, t, g)
			caller.send(ctx, t, `[48,1,{"timeout":1},"test.hang"]`)
			caller.want(ctx, t, codeError)

			from := callee.events.len()
			caller.send(ctx, t, `[48,2,{},"test.hang"]`)
			callee.invoked(ctx, t, from, "test.hang")
			caller.send(ctx, t, `[6,{},"wamp.close.normal"]`)
			caller.want(ctx, t, codeGoodbye)

			from = callee.events.len()
			lines := g.lines.len()
			gone, hangUp := context.WithCancel(ctx)
			go func() {
				defer hangUp()
				_, _, err := callee.events.find(ctx, from, func(e event) bool { return e.Event == "invoked" })
				if err != nil {
					t.Error(err)
				}
			}()
			req, _ := http.NewRequestWithContext(gone, http.MethodPost, g.url("/call/test.hang"), nil)
			if resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req); err == nil {
				_ = resp.Body.Close()
				t.Errorf("a call given up was answered with %s", resp.Status)
			}
			g.wantLog(ctx, t, lines, "test.hang", "499")

			callee.must(ctx, t, "answer", nil)
			if a := g.call(ctx, t, "test.echo", `["alive"]`); a.body != `"alive"` {
				t.Errorf("test.echo = %d %s", a.status, a.body)
			}
		})
	}
}

// wampy keeps counting its requests after it reconnected: the first request of
// its new session is not 1.
func TestWampyReconnects(t *testing.T) {
	t.Parallel()
	fetchClients(t, "wampy")
	for _, serializer := range serializers() {
		t.Run(serializer, func(t *testing.T) {
			t.Parallel()
			ctx, g := soon(t), start(t)
			c := startClient(t, "wampy", serializer)
			c.join(ctx, t, g, command{"trace": true, "reconnectInterval": 200})
			c.must(ctx, t, "register", command{"uri": "test.echo", "kind": "echo"})
			from := c.events.len()
			c.must(ctx, t, "drop", nil)
			c.event(ctx, t, from, func(e event) bool {
				return e.Event == "received" && len(e.Message) > 0 && e.Message[0] == float64(codeRegistered)
			})
			again := c.event(ctx, t, from, func(e event) bool {
				return e.Event == "sent" && len(e.Message) > 0 && e.Message[0] == float64(codeRegister)
			})
			if again.Message[1] == 1.0 {
				t.Errorf("wampy started to count again: %v; this test proves nothing any more", again.Message)
			}
			if a := g.call(ctx, t, "test.echo", `["back"]`); a.body != `"back"` {
				t.Errorf("test.echo = %d %s", a.status, a.body)
			}
		})
	}
}

// There is no broker for the topics of applications: clients are told so by an
// ERROR, and go on. A PUBLISH of wampy's wants no answer and gets none.
func TestNoBroker(t *testing.T) {
	t.Parallel()
	fetchClients(t, "wampy", "autobahn")
	for _, serializer := range serializers() {
		t.Run(serializer, func(t *testing.T) {
			t.Parallel()
			ctx, g := soon(t), start(t)
			for _, library := range []string{"wampy", "autobahn"} {
				c := startClient(t, library, serializer)
				c.join(ctx, t, g, command{"trace": true})
				c.mustFail(ctx, t, "wamp.error.not_authorized", "subscribe", command{"uri": "com.example.topic"})
				c.mustFail(ctx, t, "wamp.error.not_authorized", "publish", command{"uri": "com.example.topic", "args": []any{1}})
				c.mustFail(ctx, t, "wamp.error.no_such_procedure", "call", command{"uri": "test.nowhere"})
			}
		})
	}
}

// autobahn-js forgets a call that it canceled, and takes the ERROR that the
// specification demands for a protocol violation. Nobody else suffers from it.
func TestAutobahnForgetsCanceledCalls(t *testing.T) {
	t.Parallel()
	fetchClients(t, "autobahn")
	for _, mode := range []string{"", "skip", "killnowait"} {
		t.Run("mode_"+mode, func(t *testing.T) {
			t.Parallel()
			ctx, g := soon(t), start(t)
			callee := join(ctx, t, g)
			callee.register(ctx, t, 1, "test.hang")
			c := startClient(t, "autobahn", "json")
			c.join(ctx, t, g, command{"trace": true})
			id := c.begin(t, "call", command{"uri": "test.hang"})
			callee.want(ctx, t, codeInvocation)
			c.must(ctx, t, "cancel", command{"call": id, "mode": mode})
			c.end(ctx, t, id)
			c.event(ctx, t, 0, func(e event) bool { return e.Event == "closed" })
			if errs := c.received(codeError); len(errs) != 1 {
				t.Errorf("the canceled call was answered by %v, want one ERROR", errs)
			}
			callee.sync(ctx, t)
			want := 1
			if mode == "skip" {
				want = 0
			}
			if got := callee.count(codeInterrupt); got != want {
				t.Errorf("the callee got %d INTERRUPTs, want %d", got, want)
			}
		})
	}
}

// What a caller gets and what a callee that can be interrupted gets, mode by
// mode.
func TestCancelModes(t *testing.T) {
	t.Parallel()
	fetchClients(t, "wampy", "autobahn")
	const own, canceled = "com.example.error.stopped", "wamp.error.canceled"
	tests := []struct{ library, mode, interrupt, want string }{
		{"wampy", "skip", "", canceled},
		{"wampy", "kill", "kill", own}, // the callee's own answer
		{"wampy", "killnowait", "killnowait", canceled},
		{"wampy", "", "killnowait", canceled},
		{"autobahn", "kill", "kill", own},
	}
	for _, test := range tests {
		t.Run(test.library+"_"+test.mode, func(t *testing.T) {
			t.Parallel()
			ctx, g := soon(t), start(t)
			callee := join(ctx, t, g)
			callee.register(ctx, t, 1, "test.hang")
			c := startClient(t, test.library, "msgpack")
			c.join(ctx, t, g, command{"trace": true})
			id := c.begin(t, "call", command{"uri": "test.hang"})
			inv := callee.want(ctx, t, codeInvocation)
			c.must(ctx, t, "cancel", command{"call": id, "mode": test.mode})
			if test.interrupt != "" {
				if got := callee.want(ctx, t, codeInterrupt); got.dict(1)["mode"] != test.interrupt {
					t.Errorf("the callee got %s, want mode %s", got.text, test.interrupt)
				}
			}
			answer := func() { callee.sendf(ctx, t, `[8,68,%d,{},%q]`, inv.id(0), own) }
			if test.want == own {
				answer()
			}
			if out, failed := c.end(ctx, t, id); !failed || out.URI != test.want {
				t.Errorf("the call ended with %+v (failed %v), want %s", out, failed, test.want)
			}
			if test.want != own {
				answer() // too late, whatever the mode
			}
			callee.sync(ctx, t)
			if n := callee.count(codeInterrupt); n > 1 || n == 1 && test.interrupt == "" {
				t.Errorf("the callee got %d INTERRUPTs", n)
			}
			c.mustFail(ctx, t, "wamp.error.no_such_procedure", "call", command{"uri": "test.nowhere"})
			if errs := c.received(codeError); len(errs) != 2 {
				t.Errorf("the caller got %v, want one answer to each call", errs)
			}
		})
	}
}

// wampy reconnects after an ABORT for ever, so a gateway that stops says
// GOODBYE.
func TestGatewaySaysGoodbye(t *testing.T) {
	t.Parallel()
	fetchClients(t, "wampy", "autobahn")
	ctx, g := soon(t), start(t)
	wampy, autobahn := startClient(t, "wampy", "json"), startClient(t, "autobahn", "msgpack")
	for _, c := range []*client{wampy, autobahn} {
		c.join(ctx, t, g, command{"trace": true, "reconnectInterval": 10})
	}
	if err := g.stop(); err != nil {
		t.Errorf("wampgate ended with %v", err)
	}
	for _, c := range []*client{wampy, autobahn} {
		c.event(ctx, t, 0, func(e event) bool { return e.Event == "closed" })
		bye := c.received(codeGoodbye)
		if len(bye) != 1 || bye[0][2] != "wamp.close.system_shutdown" {
			t.Errorf("%s was told %v", c.name(), bye)
		}
	}
	for _, e := range wampy.events.all() {
		if e.Event == "reconnecting" {
			t.Error("wampy tries to reconnect")
		}
	}
}

// wampy cannot send disclose_caller, only _disclose_caller.
func TestWampyDiscloses(t *testing.T) {
	t.Parallel()
	fetchClients(t, "wampy")
	ctx, g := soon(t), start(t)
	callee, caller := startClient(t, "wampy", "cbor"), startClient(t, "wampy", "json")
	callee.join(ctx, t, g)
	welcome := caller.join(ctx, t, g)
	callee.must(ctx, t, "register", command{"uri": "test.hang", "kind": "hang", "options": command{"_disclose_caller": true}})
	id := caller.begin(t, "call", command{"uri": "test.hang", "options": command{"disclose_me": true}})
	e := callee.event(ctx, t, 0, func(e event) bool { return e.Event == "invoked" })
	if e.Details["caller"] != welcome.Session || welcome.Session == nil {
		t.Errorf("INVOCATION.Details = %v, want caller %v", e.Details, welcome.Session)
	}
	callee.must(ctx, t, "answer", nil)
	caller.end(ctx, t, id)
}

// Every client can read why it was refused.
func TestUnknownRealm(t *testing.T) {
	t.Parallel()
	g := start(t)
	for _, library := range []string{"wampy", "autobahn", "autobahn-python"} {
		t.Run(library, func(t *testing.T) {
			t.Parallel()
			fetchClients(t, library)
			for _, serializer := range serializers() {
				t.Run(serializer, func(t *testing.T) {
					t.Parallel()
					ctx := soon(t)
					c := startClient(t, library, serializer)
					c.mustFail(ctx, t, "wamp.error.no_such_realm", "join", command{"url": g.ws(), "realm": "no.such.realm", "serializer": serializer, "trace": true})
				})
			}
		})
	}
}

// autobahn-js offers two subprotocols and takes what the gateway picks.
func TestAutobahnOffersTwoProtocols(t *testing.T) {
	t.Parallel()
	fetchClients(t, "autobahn")
	ctx, g := soon(t), start(t)
	c := startClient(t, "autobahn", "")
	welcome := c.join(ctx, t, g)
	transport, _ := welcome.Details["transport"].(map[string]any)
	if transport["protocol"] != "wamp.2.json" {
		t.Errorf("the connection speaks %v, want wamp.2.json, the first one offered", transport)
	}
}

// autobahn-python drops the connection over any message that is not to the
// letter, and can be interrupted.
func TestAutobahnPython(t *testing.T) {
	t.Parallel()
	fetchClients(t, "autobahn-python")
	for _, serializer := range serializers() {
		t.Run(serializer, func(t *testing.T) {
			t.Parallel()
			ctx, g := within(t, 2*patience), start(t)
			c := startClient(t, "autobahn-python", serializer)
			c.join(ctx, t, g)
			for _, kind := range []string{"echo", "error", "progress", "hang"} {
				c.must(ctx, t, "register", command{"uri": procedure(c, kind), "kind": kind})
			}
			p := pair{c, c}
			args := []any{"żółw", 1.5, nil, map[string]any{"n": []any{float64(1<<53 - 1)}}, map[string]any{"$bytes": "AAH/"}}
			if got := c.must(ctx, t, "call", command{"uri": p.uri("echo"), "args": args}); !reflect.DeepEqual(got.Args, args) {
				t.Errorf("echo%v = %v", args, got.Args)
			}
			c.mustFail(ctx, t, "com.example.error.bad", "call", command{"uri": p.uri("error"), "args": []any{"com.example.error.bad", 1}})

			id := c.begin(t, "call", command{"uri": p.uri("progress"), "args": []any{5}, "progress": true})
			if out, failed := c.end(ctx, t, id); failed || len(c.progress(id)) != 4 {
				t.Errorf("progress(5) = %+v after %d progressive results", out, len(c.progress(id)))
			}

			from := c.events.len()
			id = c.begin(t, "call", command{"uri": p.uri("hang")})
			c.invoked(ctx, t, from, p.uri("hang"))
			c.must(ctx, t, "cancel", command{"call": id})
			c.event(ctx, t, from, func(e event) bool { return e.Event == "canceled" })

			lines := g.lines.len()
			a := g.post(ctx, t, "/call/"+p.uri("hang")+"?timeout=50", "")
			if a.status != http.StatusGatewayTimeout {
				t.Errorf("a call with a timeout = %d %s, want 504", a.status, a.body)
			}
			g.wantLog(ctx, t, lines, p.uri("hang"), "504")
			p.alive(ctx, t)
		})
	}
}

// autobahn-js's CBOR serializer is asynchronous. The order of a caller's calls
// is kept all the same.
func TestAutobahnCBORKeepsOrder(t *testing.T) {
	t.Parallel()
	fetchClients(t, "autobahn")
	ctx, g := soon(t), start(t)
	callee := join(ctx, t, g)
	callee.register(ctx, t, 1, "test.order")
	c := startClient(t, "autobahn", "cbor")
	c.join(ctx, t, g)
	const n = 50
	var ids []int
	for i := range n {
		ids = append(ids, c.begin(t, "call", command{"uri": "test.order", "args": []any{i, strings.Repeat("x", (n-i)*1000)}}))
	}
	from := 0
	for i := range n {
		var inv message
		inv, from = callee.wantAfter(ctx, t, from, codeInvocation)
		if args, _ := inv.rest[3].([]any); args[0] != float64(i) {
			t.Fatalf("call %d arrived as %v", i, args[0])
		}
		callee.sendf(ctx, t, `[70,%d,{},[%d]]`, inv.id(0), i)
	}
	for i, id := range ids {
		if out, failed := c.end(ctx, t, id); failed || out.Args[0] != float64(i) {
			t.Fatalf("call %d = %+v", i, out)
		}
	}
}
