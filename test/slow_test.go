package test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// flood answers an invocation with progressive results, as fast as they are
// taken, until INTERRUPT comes; and then with an ERROR.
func flood(ctx context.Context, callee *peer) error {
	inv, from, err := callee.after(ctx, 0, codeInvocation)
	if err != nil {
		return err
	}
	yield := fmt.Sprintf(`[70,%d,{"progress":true},[%q]]`, inv.id(0), strings.Repeat("x", 16<<10))
	interrupted := make(chan error, 1)
	go func() {
		_, _, err := callee.after(ctx, from, codeInterrupt)
		interrupted <- err
	}()
	for {
		select {
		case err := <-interrupted:
			return errors.Join(err, callee.write(ctx, fmt.Sprintf(`[8,68,%d,{},"wamp.error.canceled"]`, inv.id(0))))
		default:
			if err := callee.write(ctx, yield); err != nil {
				return err
			}
		}
	}
}

// A client of an event stream that stops to read has its call ended. Nobody
// else notices, be it with the same callee.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), start(t)
	callee := join(ctx, t, g)
	callee.register(ctx, t, 1, "test.flood")
	callee.serve(ctx, t, 2, "test.same", "[1]")
	join(ctx, t, g).serve(ctx, t, 1, "test.other", "[2]")

	conn := g.stuckRequest(ctx, t, "POST /call/test.flood HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\nContent-Length: 0\r\n\r\n")
	lines := g.lines.len()
	flooded := make(chan error, 1)
	go func() { flooded <- flood(ctx, callee) }()
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("the stream began with %v, %v", resp, err)
	}
	rounds := othersGoOn(ctx, t, g, flooded, map[string]string{"test.same": "1", "test.other": "2", "demo.add": "0"})
	t.Logf("%d rounds of calls of others while a reader was stuck", rounds)
	g.wantLog(ctx, t, lines, "test.flood", "gateway.error.slow_consumer")
	callee.sync(ctx, t) // the callee is still there
}

// othersGoOn calls procedures, over and over, until the flood has ended.
func othersGoOn(ctx context.Context, t *testing.T, g *gateway, flooded <-chan error, want map[string]string) (rounds int) {
	t.Helper()
	for {
		for uri, body := range want {
			if a := g.call(ctx, t, uri, "[]"); a.body != body {
				t.Fatalf("%s = %d %s while somebody is slow", uri, a.status, a.body)
			}
		}
		rounds++
		select {
		case err := <-flooded:
			if err != nil {
				t.Fatal(err)
			}
			return rounds
		default:
		}
	}
}

// stuckRequest sends a request on a connection that takes in very little.
func (g *gateway) stuckRequest(ctx context.Context, t *testing.T, format string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, format, g.addr); err != nil {
		t.Fatal(err)
	}
	return conn
}

// A WebSocket caller that stops to read is cut off, and its callee interrupted.
// Nobody else notices.
func TestSlowCaller(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), start(t, "--write-timeout=2s")
	callee := join(ctx, t, g)
	callee.register(ctx, t, 1, "test.flood")
	slow := dialQuiet(ctx, t, g)
	slow.send(ctx, t, `[1,"realm1",`+allRoles+`]`)
	slow.send(ctx, t, `[48,1,{"receive_progress":true},"test.flood"]`)
	flooded := make(chan error, 1)
	go func() { flooded <- flood(ctx, callee) }()
	othersGoOn(ctx, t, g, flooded, map[string]string{"demo.add": "0"})
	callee.sync(ctx, t)
}
