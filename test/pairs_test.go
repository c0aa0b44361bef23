package test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// TestPairs has every client call every client: two libraries, three
// serializers each, 36 pairs; with autobahn-python, which the heavy tier adds,
// 81.
func TestPairs(t *testing.T) { //nolint:tparallel // the last step waits for the pairs
	t.Parallel()
	fetchClients(t, libraries()...)
	ctx := within(t, 2*patience)
	g := start(t)
	clients := everyClient(ctx, t, g)
	for _, callee := range clients {
		for _, kind := range []string{"echo", "error", "progress", "hang", "crash"} {
			callee.must(ctx, t, "register", command{"uri": procedure(callee, kind), "kind": kind})
		}
	}
	t.Run("calls", func(t *testing.T) { // returns when all pairs are through
		for _, caller := range clients {
			for _, callee := range clients {
				p := pair{caller, callee}
				t.Run(caller.name()+"_calls_"+callee.name(), func(t *testing.T) {
					t.Parallel()
					p.check(t)
				})
			}
		}
	})
	for _, callee := range clients {
		callee.must(soon(t), t, "answer", nil) // what ended long ago
	}
	for _, callee := range clients {
		pair{clients[0], callee}.alive(soon(t), t)
	}
}

// libraries are those whose clients make the pairs.
func libraries() []string {
	if heavy() {
		return []string{"wampy", "autobahn", "autobahn-python"}
	}
	return []string{"wampy", "autobahn"}
}

// everyClient starts the clients and joins them.
func everyClient(ctx context.Context, t *testing.T, g *gateway) []*client {
	t.Helper()
	var clients []*client
	for _, library := range libraries() {
		for _, serializer := range serializers() {
			clients = append(clients, startClient(t, library, serializer))
		}
	}
	for _, c := range clients {
		c.join(ctx, t, g, command{"trace": true})
	}
	return clients
}

// procedure is where a client registers a kind.
func procedure(c *client, kind string) string {
	return "test." + strings.ReplaceAll(c.name(), "-", "_") + "." + kind
}

// A pair is a caller and its callee.
type pair struct{ caller, callee *client }

// check runs all that the pair is to do.
func (p pair) check(t *testing.T) {
	t.Helper()
	t.Run("echo", p.echo)
	t.Run("error", p.fail)
	t.Run("crash", p.crash)
	t.Run("progress", p.progress)
	t.Run("progress_unasked", p.progressUnasked)
	t.Run("timeout", p.timeout)
	t.Run("cancel", p.cancel)
}

func (p pair) uri(kind string) string { return procedure(p.callee, kind) }

// echo sends everything that JSON, MessagePack and CBOR can all say, and wants
// it back unchanged.
func (p pair) echo(t *testing.T) {
	t.Parallel()
	const maxInt = 1<<53 - 1
	args := []any{
		"", "plain", "Zażółć 你好 🚀 \" \\ \n \u0001 \u2028", true, false,
		0.0, -1.0, 127.0, 128.0, 255.0, 256.0, 65536.0, float64(1 << 31), float64(1 << 32), float64(maxInt), float64(-maxInt),
		1.5, -0.1, 3.4e38, 1e300, 5e-324,
		[]any{},
		map[string]any{},
		[]any{[]any{[]any{nil, "deep"}}, map[string]any{"a": []any{1.0, nil}}},
	}
	kwargs := map[string]any{"": "empty key", "żółw": map[string]any{"n": nil, "list": []any{1.0, 2.5}}, "big": float64(maxInt)}
	got := p.caller.must(soon(t), t, "call", command{"uri": p.uri("echo"), "args": args, "kwargs": kwargs})
	for i := range max(len(args), len(got.Args)) {
		if i >= len(args) || i >= len(got.Args) || !reflect.DeepEqual(got.Args[i], args[i]) {
			t.Fatalf("echo%v: argument %d differs\n got %v\nwant %v", args, i, got.Args, args)
		}
	}
	if !reflect.DeepEqual(got.Kwargs, kwargs) {
		t.Errorf("echo(**kwargs) = %v, want %v", got.Kwargs, kwargs)
	}
	p.echoBinary(t)
}

// echoBinary sends bytes. JavaScript's JSON clients know no binary; WAMP writes
// it there as a string that starts with U+0000.
func (p pair) echoBinary(t *testing.T) {
	t.Helper()
	binary := []any{map[string]any{"$bytes": ""}, map[string]any{"in": []any{map[string]any{"$bytes": "AAH/gA=="}}}}
	if p.caller.serializer == "json" && p.caller.library != "autobahn-python" {
		binary = []any{"\x00", map[string]any{"in": []any{"\x00AAH/gA=="}}}
	}
	got := p.caller.must(soon(t), t, "call", command{"uri": p.uri("echo"), "args": binary})
	if !reflect.DeepEqual(got.Args, binary) {
		t.Errorf("echo of binary%v = %v", binary, got.Args)
	}
}

// fail wants an application error with all it carries.
func (p pair) fail(t *testing.T) {
	t.Parallel()
	args := []any{"no money", 3.2, map[string]any{"currency": "€"}}
	kwargs := map[string]any{"balance": map[string]any{"a": []any{1.0}}}
	got := p.caller.mustFail(soon(t), t, "com.example.error.no_funds", "call",
		command{"uri": p.uri("error"), "args": append([]any{"com.example.error.no_funds"}, args...), "kwargs": kwargs})
	if !reflect.DeepEqual(got.Args, args) || !reflect.DeepEqual(got.Kwargs, kwargs) {
		t.Errorf("error = %v %v, want %v %v", got.Args, got.Kwargs, args, kwargs)
	}
	p.caller.mustFail(soon(t), t, "com.example.error.bare", "call", command{"uri": p.uri("error"), "args": []any{"com.example.error.bare"}})
}

// crash wants the error that a library makes of an exception.
func (p pair) crash(t *testing.T) {
	t.Parallel()
	uri := "wamp.error.runtime_error"
	if p.callee.library == "wampy" {
		uri = "wamp.error.invocation_exception"
	}
	p.caller.mustFail(soon(t), t, uri, "call", command{"uri": p.uri("crash")})
}

// progress wants progressive results in order, the final one last.
func (p pair) progress(t *testing.T) {
	t.Parallel()
	const n = 40
	id := p.caller.begin(t, "call", command{"uri": p.uri("progress"), "args": []any{n}, "progress": true})
	final, failed := p.caller.end(soon(t), t, id)
	if failed || !reflect.DeepEqual(final.Args, []any{"done"}) {
		t.Fatalf("progress(%d) = %+v (failed %v), want done", n, final, failed)
	}
	got := p.caller.progress(id)
	if len(got) != n-1 {
		t.Fatalf("got %d progressive results, want %d", len(got), n-1)
	}
	for i, r := range got {
		if want := []any{float64(i + 1)}; !reflect.DeepEqual(r.Args, want) || r.Kwargs["of"] != float64(n) {
			t.Fatalf("progressive result %d = %v %v, want %v of %d", i, r.Args, r.Kwargs, want, n)
		}
	}
}

// progressUnasked wants a plain answer: a progressive result that the caller
// did not ask for makes wampy throw.
func (p pair) progressUnasked(t *testing.T) {
	t.Parallel()
	got := p.caller.must(soon(t), t, "call", command{"uri": p.uri("progress"), "args": []any{3}})
	if !reflect.DeepEqual(got.Args, []any{"done"}) {
		t.Errorf("progress(3) without asking for progress = %v, want done", got.Args)
	}
}

// timeout wants the dealer's timer to end the call.
func (p pair) timeout(t *testing.T) {
	t.Parallel()
	p.caller.mustFail(soon(t), t, "wamp.error.timeout", "call",
		command{"uri": p.uri("hang"), "options": command{"timeout": 30}})
	p.alive(soon(t), t)
}

// cancel cancels in the modes that the caller survives: autobahn-js forgets a
// call that it cancels in any mode but kill, and hangs up on the answer.
func (p pair) cancel(t *testing.T) {
	t.Parallel()
	modes := []string{"", "skip", "kill", "killnowait"}
	if p.caller.library == "autobahn" {
		modes = []string{"kill"}
	}
	if p.caller.library == "autobahn-python" {
		modes = []string{""} // it knows no other
	}
	for _, mode := range modes {
		tag := fmt.Sprint(p.caller.name(), " cancels ", mode)
		from := p.callee.events.len()
		id := p.caller.begin(t, "call", command{"uri": p.uri("hang"), "args": []any{tag}})
		p.callee.event(soon(t), t, from, func(e event) bool { return e.Event == "invoked" && len(e.Args) == 1 && e.Args[0] == tag })
		p.caller.must(soon(t), t, "cancel", command{"call": id, "mode": mode})
		if out, failed := p.caller.end(soon(t), t, id); !failed || out.URI != "wamp.error.canceled" {
			t.Errorf("call canceled in mode %q ended with %+v (failed %v), want wamp.error.canceled", mode, out, failed)
		}
	}
	p.alive(soon(t), t)
}

// alive wants both to be still there.
func (p pair) alive(ctx context.Context, t *testing.T) {
	t.Helper()
	got := p.caller.must(ctx, t, "call", command{"uri": p.uri("echo"), "args": []any{"alive"}})
	if !reflect.DeepEqual(got.Args, []any{"alive"}) {
		t.Errorf("echo(alive) = %v", got.Args)
	}
}
