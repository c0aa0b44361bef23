package test

import (
	"context"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// rs returns the address of RawSocket.
func (g *gateway) rs(ctx context.Context, t *testing.T) string {
	t.Helper()
	return g.printed(ctx, t, regexp.MustCompile(`  (rs://\S+)`))
}

// TestRawSocketClients has the clients that speak RawSocket call wampy, which
// does not, and be called by it. autobahn-js speaks JSON only.
func TestRawSocketClients(t *testing.T) {
	t.Parallel()
	fetchClients(t, "wampy", "autobahn", "autobahn-python")
	for network, listen := range map[string]string{"tcp": "127.0.0.1:0", "unix": "unix:" + filepath.Join(t.TempDir(), "s")} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			ctx, g := within(t, 2*patience), start(t, "--rawsocket-listen="+listen)
			over := command{"url": g.rs(ctx, t)}
			clients := []*client{startClient(t, "autobahn", "json")}
			for _, s := range serializers() {
				clients = append(clients, startClient(t, "autobahn-python", s))
			}
			for _, c := range clients {
				c.join(ctx, t, g, over)
			}
			wampy := startClient(t, "wampy", "msgpack")
			wampy.join(ctx, t, g)
			callEachOther(t, wampy, clients)
		})
	}
}

// TestBatchedClients does the same with the batched subprotocols, which
// autobahn-python speaks.
func TestBatchedClients(t *testing.T) { //nolint:tparallel // the last step waits for the pairs
	t.Parallel()
	fetchClients(t, "wampy", "autobahn-python")
	ctx, g := within(t, 2*patience), start(t)
	var clients []*client
	for _, s := range serializers() {
		clients = append(clients, startClient(t, "autobahn-python", s+".batched"))
	}
	for _, c := range clients {
		c.join(ctx, t, g)
	}
	wampy := startClient(t, "wampy", "cbor")
	wampy.join(ctx, t, g)
	callEachOther(t, wampy, clients)
}

// callEachOther has one client call others, and be called by them.
func callEachOther(t *testing.T, one *client, others []*client) {
	t.Helper()
	for _, callee := range slices.Concat(others, []*client{one}) {
		for _, kind := range []string{"echo", "error", "progress", "hang", "crash"} {
			callee.must(soon(t), t, "register", command{"uri": procedure(callee, kind), "kind": kind})
		}
	}
	t.Run("calls", func(t *testing.T) { // returns when all pairs are through
		for _, other := range others {
			for _, p := range []pair{{one, other}, {other, one}} {
				t.Run(p.caller.name()+"_calls_"+p.callee.name(), func(t *testing.T) {
					t.Parallel()
					p.check(t)
				})
			}
		}
	})
	for _, other := range others {
		other.must(soon(t), t, "answer", nil) // what ended long ago
		pair{one, other}.alive(soon(t), t)
	}
}
