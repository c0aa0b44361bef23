package test

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

const boundsConfig = `rate: 0
anonymous: true
max-sessions-each: 4
trusted-proxies: [127.0.0.3]
roles:
  user: {permissions: [{uri: test., match: prefix, allow: call, rate: 0.01, burst: 4, min-timeout: 1s, max-timeout: 1m}]}
  anonymous: {permissions: [{uri: test., match: prefix, allow: call, rate: 0.01, burst: 2}]}
principals:
  joe: {role: user, ticket: {env: PASSWORD}}
  ann: {role: user, ticket: {env: PASSWORD}}
`

// A forwarder is a client of a proxy that says whom it forwards for.
type forwarder struct {
	http.RoundTripper
	client string
}

func (f forwarder) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", f.client)
	return f.RoundTripper.RoundTrip(r)
}

// callOnce calls over HTTP, and returns the status and when to try again.
func (g *gateway) callOnce(ctx context.Context, t *testing.T, client *http.Client, authorization, query string) (status int, retryAfter string) {
	t.Helper()
	var headers []string
	if authorization != "" {
		headers = []string{"Authorization", authorization}
	}
	a := g.callNothing(ctx, t, client, query, headers...)
	if a.status == http.StatusTooManyRequests {
		for _, want := range []string{`"error":"gateway.error.rate_limited"`, `"retry":"safe"`, `http-problem-types#quota-exceeded"`, `"violated-policies":["procedure"]`} {
			if !strings.Contains(a.body, want) {
				t.Errorf("the problem lacks %s: %s", want, a.body)
			}
		}
	}
	return a.status, a.header.Get("Retry-After")
}

// callAs calls over WebSocket so many times and returns the errors.
func (g *gateway) callAs(ctx context.Context, t *testing.T, a *actor, timeouts ...int64) []wamp.URI {
	t.Helper()
	c, m := a.join(ctx, t, g)
	defer func() { _ = c.Close() }()
	if _, ok := m.(*wamp.Welcome); !ok {
		t.Fatalf("%s: %+v", a.name, m)
	}
	var errs []wamp.URI
	for i, timeout := range timeouts {
		if err := c.Send(&wamp.Call{Request: wamp.ID(i + 1), Procedure: "test.nothing", Options: wamp.CallOptions{Timeout: timeout}}); err != nil {
			t.Fatal(err)
		}
		m, err := c.Receive(ctx)
		if err != nil {
			t.Fatal(err)
		}
		errs = append(errs, m.(*wamp.Error).Error)
	}
	return errs
}

// TestBounds: what a role's rule leaves somebody is spent over HTTP and over
// WebSocket together, by a principal, or by an address without credentials,
// also behind a proxy; nobody else notices.
func TestBounds(t *testing.T) {
	t.Parallel()
	const password = "the password of all"
	ctx, g := within(t, patience), serve(t, boundsConfig, []string{"PASSWORD=" + password})
	basic := func(name string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
	}
	as := func(name string, client *http.Client) *actor {
		return &actor{
			name: name, client: client, hello: wamp.Dict{"authmethods": []any{"ticket"}, "authid": name},
			respond: func(*wamp.Challenge) *wamp.Authenticate { return &wamp.Authenticate{Signature: password} },
		}
	}
	wantStatus := func(client *http.Client, authorization string, want int) {
		t.Helper()
		if status, after := g.callOnce(ctx, t, client, authorization, ""); status != want {
			t.Errorf("status %d, want %d", status, want)
		} else if n, _ := strconv.Atoi(after); status == http.StatusTooManyRequests && (n < 10 || n > 100) {
			t.Errorf("Retry-After: %s, want at most 100 s", after)
		}
	}
	wantErrors := func(got []wamp.URI, want ...wamp.URI) {
		t.Helper()
		if len(got) != len(want) {
			t.Fatalf("%d errors, want %d", len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("error %d: %s, want %s", i, got[i], want[i])
			}
		}
	}
	here, there := clientAt(t, "127.0.0.1"), clientAt(t, "127.0.0.2")
	wantStatus(here, basic("joe"), http.StatusNotFound)
	if status, _ := g.callOnce(ctx, t, here, basic("joe"), "?timeout=500ms"); status != http.StatusBadRequest {
		t.Errorf("a timeout that is too short: status %d, want 400", status)
	}
	wantErrors(g.callAs(ctx, t, as("joe", there), 0, 500, 5000), wamp.ErrNoSuchProcedure, wamp.ErrOptionNotAllowed, wamp.ErrNoSuchProcedure)
	wantStatus(there, basic("joe"), http.StatusNotFound)
	wantStatus(here, basic("joe"), http.StatusTooManyRequests)
	wantErrors(g.callAs(ctx, t, as("joe", here), 0), wamp.ErrRateLimited)
	wantStatus(here, basic("ann"), http.StatusNotFound)

	nobody := func(client *http.Client) *actor {
		return &actor{name: "nobody", client: client, hello: wamp.Dict{"authmethods": []any{"anonymous"}}}
	}
	proxy := clientAt(t, "127.0.0.3")
	proxied := &http.Client{Transport: forwarder{proxy.Transport, "127.0.0.2"}}
	wantStatus(there, "", http.StatusNotFound)
	wantErrors(g.callAs(ctx, t, nobody(there), 0, 0), wamp.ErrNoSuchProcedure, wamp.ErrRateLimited)
	wantStatus(proxied, "", http.StatusTooManyRequests)
	wantErrors(g.callAs(ctx, t, nobody(proxied), 0), wamp.ErrRateLimited)
	wantStatus(here, "", http.StatusNotFound)
}

// TestSessionsEach: a principal can have so many connections, and others too.
func TestSessionsEach(t *testing.T) {
	t.Parallel()
	const password = "the password of all"
	ctx, g := within(t, patience), serve(t, boundsConfig, []string{"PASSWORD=" + password})
	client := clientAt(t, "127.0.0.1")
	for range 4 {
		a := &actor{
			name: "joe", client: client, hello: wamp.Dict{"authmethods": []any{"ticket"}, "authid": "joe"},
			respond: func(*wamp.Challenge) *wamp.Authenticate { return &wamp.Authenticate{Signature: password} },
		}
		c, m := a.join(ctx, t, g)
		defer func() { _ = c.Close() }()
		if _, ok := m.(*wamp.Welcome); !ok {
			t.Fatalf("%+v", m)
		}
	}
	if text := g.ticketFrom(ctx, t, client, "joe", password); !strings.Contains(text, "as many sessions as one principal") {
		t.Errorf("a fifth session: %q", text)
	}
	if text := g.ticketFrom(ctx, t, client, "ann", password); text != "" {
		t.Errorf("somebody else: %q", text)
	}
}

// TestGuessesAtOnce: of guesses that come all at once no more are judged than of
// those that come one after the other.
func TestGuessesAtOnce(t *testing.T) {
	t.Parallel()
	const password, guesses = "the password of all", 100
	for side, guess := range map[string]func(ctx context.Context, t *testing.T, g *gateway, client *http.Client) (judged bool){
		"HTTP": func(ctx context.Context, t *testing.T, g *gateway, client *http.Client) bool {
			t.Helper()
			field := "Basic " + base64.StdEncoding.EncodeToString([]byte("joe:guess"))
			return g.statusOf(ctx, t, client, "Authorization", field) == http.StatusUnauthorized
		},
		"WebSocket": func(ctx context.Context, t *testing.T, g *gateway, client *http.Client) bool {
			t.Helper()
			return g.ticketFrom(ctx, t, client, "joe", "guess") == "the credentials are not accepted"
		},
	} {
		t.Run(side, func(t *testing.T) {
			t.Parallel()
			ctx, g := within(t, patience), serve(t, boundsConfig, []string{"PASSWORD=" + password})
			client := clientAt(t, "127.0.0.2")
			var judged atomic.Int64
			var all sync.WaitGroup
			start := make(chan struct{})
			for range guesses {
				all.Go(func() {
					<-start
					if guess(ctx, t, g, client) {
						judged.Add(1)
					}
				})
			}
			close(start)
			all.Wait()
			if n := judged.Load(); n < 1 || n > 12 { // ten, and what comes back in the seconds that it takes
				t.Errorf("%d of %d guesses at once were judged, want at most 10", n, guesses)
			}
			if text := g.ticketFrom(ctx, t, clientAt(t, "127.0.0.1"), "ann", password); text != "" {
				t.Errorf("somebody else: %s", text)
			}
		})
	}
}
