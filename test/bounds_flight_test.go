package test

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
)

const flightConfig = `rate: 50
roles:
  user:
    permissions:
      - {uri: test.slow, allow: call, concurrency: 2}
      - {uri: test.never, allow: call, max-timeout: 300ms}
      - {uri: test.rare, allow: call, rate: 0.01, burst: 1}
  backend: {permissions: [{uri: test., match: prefix, allow: [call, register]}]}
principals:
  joe: {role: user, ticket: {env: PASSWORD}}
  worker: {role: backend, ticket: {env: PASSWORD}}
`

const flightPassword = "the password of all"

// A bench is a gateway with a callee of test.slow and test.never, and a caller
// who is there over HTTP and over WebSocket.
type bench struct {
	*gateway
	callee, caller *transport.Conn
	requests       wamp.ID
}

func newBench(ctx context.Context, t *testing.T, g *gateway) *bench {
	t.Helper()
	b := &bench{gateway: g}
	join := func(name string) *transport.Conn {
		t.Helper()
		a := &actor{
			name: name, client: clientAt(t, "127.0.0.1"), hello: wamp.Dict{"authmethods": []any{"ticket"}, "authid": name},
			respond: func(*wamp.Challenge) *wamp.Authenticate { return &wamp.Authenticate{Signature: flightPassword} },
		}
		c, m := a.join(ctx, t, b.gateway)
		t.Cleanup(func() { _ = c.Close() })
		if _, ok := m.(*wamp.Welcome); !ok {
			t.Fatalf("%s: %+v", name, m)
		}
		return c
	}
	b.callee, b.caller = join("worker"), join("joe")
	for i, procedure := range []wamp.URI{"test.slow", "test.never"} {
		if err := b.callee.Send(&wamp.Register{Request: wamp.ID(i + 1), Procedure: procedure}); err != nil {
			t.Fatal(err)
		}
		if m := b.receive(ctx, t, b.callee); m.Type() != wamp.TypeRegistered {
			t.Fatalf("%s: %+v", procedure, m)
		}
	}
	return b
}

func (b *bench) receive(ctx context.Context, t *testing.T, c *transport.Conn) wamp.Message {
	t.Helper()
	m, err := c.Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// http calls over HTTP; the answer comes when it does.
func (b *bench) http(ctx context.Context, t *testing.T, procedure string) <-chan answer {
	t.Helper()
	answers := make(chan answer, 1)
	go func() {
		defer close(answers)
		a, err := b.do(ctx, http.MethodPost, "/call/"+procedure, strings.NewReader("[]"), "Content-Type", "application/json",
			"Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("joe:"+flightPassword)))
		if err != nil {
			t.Errorf("%s: %v", procedure, err)
			return
		}
		answers <- a
	}()
	return answers
}

// call calls over WebSocket.
func (b *bench) call(t *testing.T, procedure wamp.URI) {
	t.Helper()
	b.requests++
	if err := b.caller.Send(&wamp.Call{Request: b.requests, Procedure: procedure}); err != nil {
		t.Fatal(err)
	}
}

// invoked waits for an INVOCATION.
func (b *bench) invoked(ctx context.Context, t *testing.T) wamp.ID {
	t.Helper()
	for {
		if m, ok := b.receive(ctx, t, b.callee).(*wamp.Invocation); ok { // and no INTERRUPT
			return m.Request
		}
	}
}

func (b *bench) yield(t *testing.T, invocation wamp.ID) {
	t.Helper()
	if err := b.callee.Send(&wamp.Yield{Request: invocation}); err != nil {
		t.Fatal(err)
	}
}

// wantError waits for an ERROR and returns it as text.
func (b *bench) wantError(ctx context.Context, t *testing.T, want wamp.URI) string {
	t.Helper()
	m, ok := b.receive(ctx, t, b.caller).(*wamp.Error)
	if !ok || m.Error != want {
		t.Fatalf("%+v, want ERROR %s", m, want)
	}
	return string(m.Payload.Args) + string(m.Payload.Kwargs)
}

// wantLimited checks the answer to a call that is one too many, which tells of
// the limit of all calls and of the rule's.
func wantLimited(t *testing.T, got answer, policy, state string) {
	t.Helper()
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" || got.header.Get("Wamp-Retry") != "safe" {
		t.Errorf("status %d, %v, want 429", got.status, got.header)
	}
	if all := strings.Join(got.header.Values("RateLimit-Policy"), ", "); !strings.HasPrefix(all, `"call";q=`) || !strings.HasSuffix(all, ", "+policy) {
		t.Errorf("RateLimit-Policy: %s, want %s in it", all, policy)
	}
	if all := strings.Join(got.header.Values("RateLimit"), ", "); !strings.HasPrefix(all, `"call";r=`) || !strings.Contains(all, ", "+state) {
		t.Errorf("RateLimit: %s, want %s in it", all, state)
	}
}

// TestCallsInFlight: calls that a rule leaves somebody at once are those over
// HTTP and over WebSocket together, until they end.
func TestCallsInFlight(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, patience), serve(t, flightConfig, []string{"PASSWORD=" + flightPassword})
	b := newBench(ctx, t, g)
	b.call(t, "test.slow")
	first := b.invoked(ctx, t)
	waiting := b.http(ctx, t, "test.slow")
	second := b.invoked(ctx, t)

	wantLimited(t, <-b.http(ctx, t, "test.slow"), `"procedure";q=2;qu="concurrent-requests"`, `"procedure";r=0`)
	b.call(t, "test.slow")
	text := b.wantError(ctx, t, wamp.ErrRateLimited)
	for _, want := range []string{"2 calls are in flight already", `"retry":"safe"`, `"retry_after":1`, `"limit":2`} {
		if !strings.Contains(text, want) {
			t.Errorf("the ERROR lacks %s: %s", want, text)
		}
	}

	b.yield(t, second)
	if got := <-waiting; got.status != http.StatusNoContent && got.status != http.StatusOK {
		t.Errorf("status %d: %s", got.status, got.body)
	}
	again := b.http(ctx, t, "test.slow") // in the place of the one that has ended
	third := b.invoked(ctx, t)
	b.yield(t, first)
	if m, ok := b.receive(ctx, t, b.caller).(*wamp.Result); !ok {
		t.Errorf("%+v, want RESULT", m)
	}
	b.call(t, "test.slow")
	fourth := b.invoked(ctx, t)
	wantLimited(t, <-b.http(ctx, t, "test.slow"), `"procedure";q=2;qu="concurrent-requests"`, `"procedure";r=0`)
	b.yield(t, third)
	b.yield(t, fourth)
	if got := <-again; got.status >= http.StatusBadRequest {
		t.Errorf("status %d: %s", got.status, got.body)
	}
}

// TestRateFields: a rule's rate is told beside that of all calls.
func TestRateFields(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, patience), serve(t, flightConfig, []string{"PASSWORD=" + flightPassword})
	b := newBench(ctx, t, g)
	if got := <-b.http(ctx, t, "test.rare"); got.status != http.StatusNotFound {
		t.Errorf("status %d, want 404", got.status)
	}
	wantLimited(t, <-b.http(ctx, t, "test.rare"), `"procedure";q=1;w=100`, `"procedure";r=0;t=`)
	b.call(t, "test.rare")
	if text := b.wantError(ctx, t, wamp.ErrRateLimited); !strings.Contains(text, `"window":100`) {
		t.Errorf("the ERROR lacks its window: %s", text)
	}
}

// TestLongestTimeout: who asks for no timeout gets the longest that his rule
// has, on both sides.
func TestLongestTimeout(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, patience), serve(t, flightConfig, []string{"PASSWORD=" + flightPassword})
	b := newBench(ctx, t, g)
	b.call(t, "test.never")
	b.wantError(ctx, t, wamp.ErrTimeout)
	if got := <-b.http(ctx, t, "test.never"); got.status != http.StatusGatewayTimeout || got.header.Get("Wamp-Error") != string(wamp.ErrTimeout) {
		t.Errorf("status %d, %v, want 504", got.status, got.header)
	}
}
