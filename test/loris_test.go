package test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// halfOpen opens connections that never finish what they begin: nothing at all,
// a request line, header fields, a body, a WebSocket without HELLO, a HELLO that
// stops in the middle.
func (g *gateway) halfOpen(ctx context.Context, t *testing.T, n int) []net.Conn {
	t.Helper()
	upgrade := "GET /ws HTTP/1.1\r\nHost: " + g.addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: wamp.2.json\r\n\r\n"
	begins := []string{
		"", "POST /ca", "POST /call/demo.add HTTP/1.1\r\nHost: " + g.addr + "\r\nX-Slow: ",
		"POST /call/demo.add HTTP/1.1\r\nHost: " + g.addr + "\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n[",
		"POST /call/demo.add HTTP/1.1\r\nHost: " + g.addr + "\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[",
		"PRI * HTTP/2.0\r\n\r\nSM", upgrade, upgrade + "\x81\xfe\x01\x00\x00\x00\x00\x00[1,",
	}
	conns := make([]net.Conn, 0, n)
	t.Cleanup(func() {
		for _, c := range conns {
			_ = c.Close()
		}
	})
	dialer := net.Dialer{}
	for i := range n {
		c, err := dialer.DialContext(ctx, "tcp", g.addr)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		conns = append(conns, c)
		if _, err := c.Write([]byte(begins[i%len(begins)])); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
	return conns
}

// p99 makes calls one after the other and returns the time that the 99th of a
// hundred takes. meanwhile is done before each.
func (g *gateway) p99(ctx context.Context, t *testing.T, calls int, meanwhile func(i int)) time.Duration {
	t.Helper()
	client := clientAt(t, "127.0.0.1")
	took := make([]time.Duration, calls)
	for i := range took {
		meanwhile(i)
		begin := time.Now()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url("/call/demo.add"), strings.NewReader("[2,3]"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		_ = resp.Body.Close()
		if took[i] = time.Since(begin); resp.StatusCode != http.StatusOK {
			t.Fatalf("call %d: status %d", i, resp.StatusCode)
		}
	}
	slices.Sort(took)
	return took[calls*99/100]
}

// TestSlowLoris has many connections go on byte by byte, while a good client
// calls. How much longer these take is logged.
func TestSlowLoris(t *testing.T) { //nolint:paralleltest // what it measures it measures alone
	conns, calls := 1_000, 5_000
	if !heavy() {
		t.Parallel()
		conns, calls = 100, 200
	}
	ctx, g := within(t, 2*patience), start(t)
	g.p99(ctx, t, 100, func(int) {}) // warm
	alone := g.p99(ctx, t, calls, func(int) {})
	open := g.halfOpen(ctx, t, conns)
	among := g.p99(ctx, t, calls, func(i int) {
		_, _ = open[i%conns].Write([]byte("x")) // the gateway may have closed it
	})
	t.Logf("p99 alone %v, among %d half-open connections %v: %.2f", alone, conns, among, float64(among)/float64(alone))
	g.wantGone(ctx, t, open)
}

// wantGone waits until the gateway has closed all connections: none may stay
// that never says what it wants. A call's body may take its time.
func (g *gateway) wantGone(ctx context.Context, t *testing.T, conns []net.Conn) {
	t.Helper()
	deadline, _ := ctx.Deadline()
	buf := make([]byte, 4096)
	stay := 0
	for i, c := range conns {
		if kind := i % 8; kind == 3 || kind == 4 {
			continue
		}
		if err := c.SetReadDeadline(deadline); err != nil {
			t.Fatal(err)
		}
		var err error
		for err == nil {
			_, err = c.Read(buf)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			stay++
		}
	}
	if stay > 0 {
		t.Errorf("%d connections are still open", stay)
	}
}
