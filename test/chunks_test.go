package test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// wampy runs the handler once a chunk, and one that returns nothing answers
// every chunk with a final YIELD. The first one counts.
func TestWampyAnswersEveryChunk(t *testing.T) {
	t.Parallel()
	fetchClients(t, "wampy")
	ctx, g := soon(t), start(t)
	c := startClient(t, "wampy", "json")
	c.join(ctx, t, g)
	c.must(ctx, t, "register", command{"uri": "test.silent", "kind": "silent"})
	caller := join(ctx, t, g)
	for _, more := range []string{"true", "true", "false"} {
		caller.send(ctx, t, `[48,1,{"progress":`+more+`},"test.silent",[1]]`)
	}
	caller.want(ctx, t, codeResult)
	caller.sync(ctx, t)
	for i := range 2 { // both are still there, and the late answers went nowhere
		from := caller.got.len()
		caller.sendf(ctx, t, `[48,%d,{},"test.silent"]`, 3+i)
		caller.wantAfter(ctx, t, from, codeResult)
	}
	if n := caller.count(codeResult); n != 3 {
		t.Errorf("the caller got %d RESULTs to 3 calls", n)
	}
}

// wampy's progressiveCall repeats the options with every chunk, and says
// progress: false in the last. Neither side announces the feature.
func TestWampyProgressiveCall(t *testing.T) {
	t.Parallel()
	fetchClients(t, "wampy")
	ctx, g := soon(t), start(t)
	var clients []*client
	for _, s := range serializers() {
		c := startClient(t, "wampy", s)
		c.join(ctx, t, g, command{"trace": true})
		clients = append(clients, c)
	}
	for _, caller := range clients {
		for _, callee := range clients {
			for _, asked := range []bool{false, true} {
				uri := fmt.Sprintf("test.%s.%s.%v", caller.name(), callee.name(), asked)
				t.Run(uri, func(t *testing.T) {
					t.Parallel()
					ctx := soon(t)
					callee.must(ctx, t, "register", command{"uri": uri, "kind": "upload"})
					id := caller.begin(t, "stream", command{"uri": uri, "args": []any{1}, "progress": asked, "options": command{"timeout": 15000}})
					caller.must(ctx, t, "send", command{"call": id, "args": []any{2, 3}})
					caller.must(ctx, t, "send", command{"call": id, "args": []any{4}, "final": true})
					out, failed := caller.end(ctx, t, id)
					if failed || !reflect.DeepEqual(out.Args, []any{10.0}) {
						t.Errorf("upload of 1, 2+3, 4 = %+v (failed %v), want 10", out, failed)
					}
					var sums []any
					for _, p := range caller.progress(id) {
						sums = append(sums, p.Args...)
					}
					if want := []any{1.0, 6.0}; asked && !slices.Equal(sums, want) || !asked && sums != nil {
						t.Errorf("progressive results %v, want %v if asked for (%v)", sums, want, asked)
					}
				})
			}
		}
	}
}

// A streamed upload reaches a wampy callee chunk by chunk.
func TestUploadToWampy(t *testing.T) {
	t.Parallel()
	fetchClients(t, "wampy")
	for _, serializer := range serializers() {
		t.Run(serializer, func(t *testing.T) {
			t.Parallel()
			ctx, g := soon(t), start(t)
			c := startClient(t, "wampy", serializer)
			c.join(ctx, t, g)
			c.must(ctx, t, "register", command{"uri": "test.sum", "kind": "upload"})
			a := g.post(ctx, t, "/call/test.sum", "1\n[2,3]\n4\n", "Content-Type", "application/x-ndjson")
			if a.status != 200 || a.body != "10" {
				t.Errorf("test.sum = %d %s, want 10", a.status, a.body)
			}
		})
	}
}

// autobahn-js announces no progressive invocations and would run the handler
// once a chunk; the gateway says what to do instead.
func TestUploadToAutobahn(t *testing.T) {
	t.Parallel()
	fetchClients(t, "autobahn")
	ctx, g := soon(t), start(t)
	c := startClient(t, "autobahn", "json")
	c.join(ctx, t, g)
	c.must(ctx, t, "register", command{"uri": "test.hang", "kind": "hang"})
	c.must(ctx, t, "register", command{"uri": "test.echo", "kind": "echo"})
	a := g.post(ctx, t, "/call/test.hang", "1\n2\n", "Content-Type", "application/x-ndjson")
	if a.status != 501 || a.header.Get("Wamp-Error") != "wamp.error.feature_not_supported" || !strings.Contains(a.body, "in=whole") {
		t.Errorf("an upload to autobahn = %d %s, want 501 that names ?in=whole", a.status, a.body)
	}
	if a := g.call(ctx, t, "test.echo", `["alive"]`); a.body != `"alive"` {
		t.Errorf("test.echo = %d %s", a.status, a.body)
	}
	for _, e := range c.events.all() {
		if e.Event == "invoked" {
			t.Error("a chunk reached autobahn")
		}
	}
}
