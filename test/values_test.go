package test

import (
	"reflect"
	"slices"
	"testing"
)

// msgpackr and cbor-x write integers from 2^32 on as floats.
func TestIntegersAsFloats(t *testing.T) {
	t.Parallel()
	fetchClients(t, "wampy")
	for _, serializer := range serializers() {
		t.Run(serializer, func(t *testing.T) {
			t.Parallel()
			ctx, g := soon(t), start(t)
			c := startClient(t, "wampy", serializer)
			c.join(ctx, t, g)
			c.must(ctx, t, "register", command{"uri": "test.echo", "kind": "echo"})
			c.must(ctx, t, "call", command{"uri": "test.echo", "options": command{"timeout": 1 << 33}})

			callee := join(ctx, t, g)
			callee.register(ctx, t, 1, "test.json")
			id := c.begin(t, "call", command{"uri": "test.json", "args": []any{1 << 40}})
			inv := callee.want(ctx, t, codeInvocation)
			if args, _ := inv.rest[3].([]any); !slices.Equal(args, []any{float64(1 << 40)}) {
				t.Errorf("2^40 arrived in JSON as %s", inv.text)
			}
			callee.sendf(ctx, t, `[70,%d,{},[9007199254740991]]`, inv.id(0))
			if out, _ := c.end(ctx, t, id); !reflect.DeepEqual(out.Args, []any{9007199254740991.0}) {
				t.Errorf("2^53-1 arrived as %v", out.Args)
			}
		})
	}
}

// JavaScript's undefined is a value of its own in CBOR, and an extension in
// msgpackr's MessagePack. JSON and Go know null.
func TestUndefined(t *testing.T) {
	t.Parallel()
	fetchClients(t, "wampy", "autobahn")
	for _, who := range [][2]string{{"wampy", "msgpack"}, {"wampy", "cbor"}, {"autobahn", "cbor"}} {
		t.Run(who[0]+"_"+who[1], func(t *testing.T) {
			t.Parallel()
			ctx, g := soon(t), start(t)
			c := startClient(t, who[0], who[1])
			c.join(ctx, t, g)
			callee := join(ctx, t, g)
			callee.register(ctx, t, 1, "test.json")
			undefined := command{"$undefined": true}
			id := c.begin(t, "call", command{
				"uri": "test.json", "args": []any{undefined, command{"in": undefined}, 1},
				"options": command{"_custom": undefined, "timeout": undefined},
			})
			inv := callee.want(ctx, t, codeInvocation)
			args, _ := inv.rest[3].([]any)
			if len(args) != 3 || args[0] != nil || args[2] != 1.0 {
				t.Errorf("undefined arrived in JSON as %s, want null", inv.text)
			}
			callee.sendf(ctx, t, `[70,%d,{}]`, inv.id(0))
			c.end(ctx, t, id)
		})
	}
}

// A Uint8Array gets tag 64 (RFC 8746) around its bytes from both CBOR
// libraries.
func TestTypedArrays(t *testing.T) {
	t.Parallel()
	fetchClients(t, "wampy", "autobahn")
	for _, who := range [][2]string{{"wampy", "msgpack"}, {"wampy", "cbor"}, {"autobahn", "msgpack"}, {"autobahn", "cbor"}} {
		t.Run(who[0]+"_"+who[1], func(t *testing.T) {
			t.Parallel()
			ctx, g := soon(t), start(t)
			c := startClient(t, who[0], who[1])
			c.join(ctx, t, g)
			callee := join(ctx, t, g)
			callee.register(ctx, t, 1, "test.json")
			id := c.begin(t, "call", command{"uri": "test.json", "args": []any{command{"$typed": "AAEC/w=="}}})
			inv := callee.want(ctx, t, codeInvocation)
			if args, _ := inv.rest[3].([]any); len(args) != 1 || args[0] != "\x00AAEC/w==" {
				t.Errorf("a Uint8Array arrived in JSON as %s", inv.text)
			}
			callee.sendf(ctx, t, `[70,%d,{}]`, inv.id(0))
			c.end(ctx, t, id)
		})
	}
}

// A procedure that returns nothing makes autobahn-js answer [null] and wampy
// answer nothing.
func TestNoResult(t *testing.T) {
	t.Parallel()
	fetchClients(t, "wampy", "autobahn")
	ctx, g := soon(t), start(t)
	for library, want := range map[string]answer{"autobahn": {status: 200, body: "null"}, "wampy": {status: 204}} {
		c := startClient(t, library, "json")
		c.join(ctx, t, g)
		c.must(ctx, t, "register", command{"uri": "test.silent." + library, "kind": "silent"})
		a := g.call(ctx, t, "test.silent."+library, `[]`)
		if a.status != want.status || a.body != want.body {
			t.Errorf("%s: nothing = %d %q, want %d %q", library, a.status, a.body, want.status, want.body)
		}
	}
}

// Clients send options that no specification knows. Those that begin with an
// underscore reach the callee.
func TestUnknownOptions(t *testing.T) {
	t.Parallel()
	fetchClients(t, "wampy", "autobahn")
	ctx, g := soon(t), start(t)
	callee, caller := startClient(t, "wampy", "msgpack"), startClient(t, "autobahn", "cbor")
	callee.join(ctx, t, g)
	caller.join(ctx, t, g)
	callee.must(ctx, t, "register", command{"uri": "test.hang", "kind": "hang", "options": command{"_mine": command{"a": []any{1}}}})
	id := caller.begin(t, "call", command{"uri": "test.hang", "options": command{"x_mine": 1, "_trace_id": "t1", "caller": 7, "caller_authid": "root"}})
	e := callee.event(ctx, t, 0, func(e event) bool { return e.Event == "invoked" })
	if e.Details["_trace_id"] != "t1" || e.Details["procedure"] != "test.hang" {
		t.Errorf("INVOCATION.Details = %v, want _trace_id and procedure", e.Details)
	}
	for _, key := range []string{"x_mine", "caller", "caller_authid"} {
		if v, ok := e.Details[key]; ok {
			t.Errorf("INVOCATION.Details.%s = %v, want nothing", key, v)
		}
	}
	callee.must(ctx, t, "answer", nil)
	caller.end(ctx, t, id)
}
