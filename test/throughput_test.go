package test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/authn"
)

const throughputConfig = `rate: 0
anonymous: true
log-level: warn
max-calls-each: 1000
roles:
  anonymous: {permissions: [{uri: test.echo, allow: [call, register]}]}
principals:
  joe: {role: anonymous, ticket: {env: PASSWORD}}
  robot: {role: anonymous, api-keys: ["sha256:%x"]}
`

// TestThroughput compares how many calls come through from those who show
// credentials with how many do from those who show none. The kinds take turns,
// so that what else the machine does meets all of them.
func TestThroughput(t *testing.T) { //nolint:paralleltest // what it measures it measures alone
	if !heavy() {
		t.Skip("left out: the throughput of calls with credentials (heavy tier)")
	}
	key, kept := authn.NewAPIKey()
	ctx, g := within(t, 2*patience), serve(t, fmt.Sprintf(throughputConfig, kept[:]), []string{"PASSWORD=secret of joe"})
	g.serveEcho(ctx, t)
	kinds := []struct{ name, credentials string }{
		{"anonymous", ""},
		{"API key", "Bearer " + key},
		{"Basic", "Basic " + base64.StdEncoding.EncodeToString([]byte("joe:secret of joe"))},
	}
	calls := make([]int64, len(kinds))
	const rounds, each = 8, time.Second
	for round := range rounds + 1 {
		for i, kind := range kinds {
			n := g.load(ctx, t, kind.credentials, each)
			if round > 0 { // the first one warms up
				calls[i] += n
			}
		}
	}
	for i, kind := range kinds {
		ratio := float64(calls[i]) / float64(calls[0])
		t.Logf("%s: %d calls a second, %.3f of anonymous", kind.name, calls[i]/rounds, ratio)
		if calls[i] == 0 {
			t.Errorf("%s: no call got through", kind.name)
		}
	}
}

// serveEcho answers calls of test.echo until the test ends.
func (g *gateway) serveEcho(ctx context.Context, t *testing.T) {
	t.Helper()
	a := &actor{name: "callee", client: http.DefaultClient}
	c, _ := a.join(ctx, t, g)
	if err := c.Send(&wamp.Register{Request: 1, Procedure: "test.echo"}); err != nil {
		t.Fatal(err)
	}
	if m, err := c.Receive(ctx); err != nil || m.Type() != wamp.TypeRegistered {
		t.Fatalf("got %v, %v; want REGISTERED", m, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			m, err := c.Receive(context.WithoutCancel(ctx))
			if err != nil {
				return
			}
			inv, ok := m.(*wamp.Invocation)
			if ok && c.Send(&wamp.Yield{Request: inv.Request, Payload: inv.Payload}) != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { _ = c.Close(); <-done })
}

// load calls from eight connections for a while and returns how often.
func (g *gateway) load(ctx context.Context, t *testing.T, credentials string, d time.Duration) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var calls atomic.Int64
	var callers sync.WaitGroup
	for range 8 {
		transport := &http.Transport{}
		callers.Go(func() {
			defer transport.CloseIdleConnections()
			for ctx.Err() == nil {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url("/call/test.echo"), strings.NewReader(`["0123456789abcdef"]`))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Content-Type", "application/json")
				if credentials != "" {
					req.Header.Set("Authorization", credentials)
				}
				resp, err := transport.RoundTrip(req)
				if err != nil {
					continue // the time is over
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("status %d", resp.StatusCode)
					return
				}
				calls.Add(1)
			}
		})
	}
	callers.Wait()
	return calls.Load()
}
