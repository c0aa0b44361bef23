package test

import (
	"context"
	"errors"
	"fmt"
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
	tool(t, "curl", "event streams that nobody reads")
	for name, args := range map[string][]string{"h1": nil, "h2c": {"--http2-prior-knowledge"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, g := within(t, 2*patience), start(t)
			callee := join(ctx, t, g)
			callee.register(ctx, t, 1, "test.flood")
			callee.serve(ctx, t, 2, "test.same", "[1]")
			join(ctx, t, g).serve(ctx, t, 1, "test.other", "[2]")

			lines := g.lines.len()
			c := startCurl(t, append(args, "-X", "POST", "-H", "Accept: text/event-stream", g.url("/call/test.flood"))...)
			flooded := make(chan error, 1)
			go func() { flooded <- flood(ctx, callee) }()
			c.wantLine(t, "event: progress") // the last that is read
			rounds := othersGoOn(ctx, t, g, flooded, map[string]string{"test.same": "1", "test.other": "2", "demo.add": "0"})
			t.Logf("%d rounds of calls of others while a reader was stuck", rounds)
			g.wantLog(ctx, t, lines, "test.flood", "gateway.error.slow_consumer")
			callee.sync(ctx, t) // the callee is still there
		})
	}
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

// A WebSocket caller that stops to read is cut off, and its callee interrupted.
// Nobody else notices.
func TestSlowCaller(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), start(t, "--stall-timeout=2s")
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
