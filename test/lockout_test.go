package test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/authn"
)

const lockoutConfig = `rate: 0
roles:
  user: {permissions: [{uri: test., match: prefix, allow: [call]}]}
principals:
  joe: {role: user, ticket: {env: PASSWORD}}
  ann: {role: user, ticket: {env: PASSWORD}}
  bea: {role: user, ticket: {env: PASSWORD}}
  robot: {role: user, api-keys: ["sha256:%x"]}
`

// clientAt returns a client that comes from an address.
func clientAt(t *testing.T, from string) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// callNothing calls a procedure that nobody has registered, over HTTP.
func (g *gateway) callNothing(ctx context.Context, t *testing.T, client *http.Client, query string, headers ...string) answer {
	t.Helper()
	headers = append(headers, "Content-Type", "application/json")
	a, err := fetchOver(ctx, client, http.MethodPost, g.url("/call/test.nothing"+query), strings.NewReader("[]"), headers...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// statusOf calls over HTTP and returns the status.
func (g *gateway) statusOf(ctx context.Context, t *testing.T, client *http.Client, field, value string) int {
	t.Helper()
	return g.callNothing(ctx, t, client, "", field, value).status
}

// ticketFrom logs in with a ticket and returns the text of the ABORT, nothing
// after a WELCOME.
func (g *gateway) ticketFrom(ctx context.Context, t *testing.T, client *http.Client, authid, ticket string) string {
	t.Helper()
	a := &actor{
		name: authid, client: client, hello: wamp.Dict{"authmethods": []any{"ticket"}, "authid": authid},
		respond: func(*wamp.Challenge) *wamp.Authenticate { return &wamp.Authenticate{Signature: ticket} },
	}
	c, m := a.join(ctx, t, g)
	defer func() { _ = c.Close() }()
	abort, ok := m.(*wamp.Abort)
	if !ok {
		return ""
	}
	text, _ := abort.Details.String("message")
	return text
}

// TestLockout: a thousand wrong logins in a row, over HTTP or over WebSocket,
// lock out their address and the name that they were for, on both sides; all
// others come in.
func TestLockout(t *testing.T) {
	t.Parallel()
	const password = "the password of all"
	key, kept := authn.NewAPIKey()
	basic := func(name, secret string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+secret))
	}
	for _, side := range []string{"HTTP", "WebSocket"} {
		t.Run(side, func(t *testing.T) {
			t.Parallel()
			ctx, g := within(t, 2*patience), serve(t, fmt.Sprintf(lockoutConfig, kept[:]), []string{"PASSWORD=" + password})
			evil, good := clientAt(t, "127.0.0.2"), clientAt(t, "127.0.0.1")
			judged, begin := 0, time.Now()
			for i := range 1_000 {
				guess := fmt.Sprint("guess ", i)
				switch side {
				case "HTTP":
					if status := g.statusOf(ctx, t, evil, "Authorization", basic("joe", guess)); status == http.StatusUnauthorized {
						judged++
					} else if status != http.StatusTooManyRequests {
						t.Fatalf("a wrong password: status %d", status)
					}
				case "WebSocket":
					if text := g.ticketFrom(ctx, t, evil, "joe", guess); text == "the credentials are not accepted" {
						judged++
					} else if !strings.HasPrefix(text, "too many wrong credentials") {
						t.Fatalf("a wrong ticket: %q", text)
					}
				}
			}
			took := time.Since(begin)
			t.Logf("1,000 wrong logins took %v, %d of them were judged", took, judged)
			if most := 10 + int(took/(6*time.Second)) + 1; judged < 10 || judged > most {
				t.Errorf("%d of 1,000 wrong logins were judged, want 10 to %d", judged, most)
			}
			if took < 5*time.Second { // else a bucket may have got a token again
				if status := g.statusOf(ctx, t, evil, "Authorization", basic("bea", password)); status != http.StatusTooManyRequests {
					t.Errorf("the guesser's address as somebody else: status %d, want 429", status)
				}
				if status := g.statusOf(ctx, t, good, "Authorization", basic("joe", password)); status != http.StatusTooManyRequests {
					t.Errorf("joe from elsewhere: status %d, want 429", status)
				}
				if text := g.ticketFrom(ctx, t, good, "joe", password); text == "" {
					t.Error("joe came in from elsewhere over WebSocket")
				}
			}
			if status := g.statusOf(ctx, t, good, "Authorization", basic("ann", password)); status != http.StatusNotFound {
				t.Errorf("somebody else from elsewhere: status %d, want 404", status)
			}
			if status := g.statusOf(ctx, t, evil, "X-Api-Key", key); status != http.StatusNotFound {
				t.Errorf("a good key from the guesser's address: status %d, want 404", status)
			}
			if text := g.ticketFrom(ctx, t, good, "bea", password); text != "" {
				t.Errorf("somebody else over WebSocket: %s", text)
			}
			g.wantLog(ctx, t, 0, map[string]string{"HTTP": "too_many_failures", "WebSocket": "too many failures"}[side], "joe", "127.0.0.2")
		})
	}
}
