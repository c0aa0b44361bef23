package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
	"github.com/wampgate/wampgate/gateway/authn"
)

// theKey and kept are an API key of robot's.
var theKey, kept = authn.NewAPIKey()

// bouncer lets robot in by his key and joe by his password, and others if it
// is told who they are.
func bouncer(t testing.TB, anonymous *wamp.Identity) func(*http.Request) (authn.Principal, error) {
	t.Helper()
	a, err := authn.New(authn.Config{
		Realm: "realm1", Anonymous: anonymous,
		Keys: func(f authn.Fingerprint) (wamp.Identity, bool) {
			return wamp.Identity{Authid: "robot", Authrole: "service"}, f == kept
		},
		Passwords: func(_ context.Context, user, password string) (wamp.Identity, bool, error) {
			return wamp.Identity{Authid: user, Authrole: "user"}, user == "joe" && password == "pass", nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a.Authenticate
}

var stranger = wamp.Identity{Authid: "anonymous", Authrole: "anonymous", Authmethod: "anonymous"}

// TestWhoCalls: calls of a principal share a session, and those of others have
// their own; who is not known reaches nothing but the health checks.
func TestWhoCalls(t *testing.T) {
	t.Parallel()
	var joined []wamp.Identity
	var log bytes.Buffer
	r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}, safe: map[wamp.URI]bool{"test.echo": true}}
	g := newGateway(t, r, func(cfg *gateway.Config) {
		cfg.Authenticate = bouncer(t, nil)
		cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
		cfg.Directory = directory{}
		cfg.Join = func(id wamp.Identity, out gateway.Outbox) (gateway.Session, error) {
			joined = append(joined, id)
			return r.join(id, out)
		}
	})
	const joe = "Basic am9lOnBhc3M="
	for _, who := range []string{joe, "Bearer " + theKey, joe, "Bearer " + theKey} {
		if w := post(g, "/call/test.echo", "[1]", "Authorization", who, "Content-Type", jsonType); w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	want := []wamp.Identity{
		{Authid: "joe", Authrole: "user", Authmethod: "basic"}, {Authid: "robot", Authrole: "service", Authmethod: "api-key"},
	}
	if !slices.Equal(joined, want) {
		t.Errorf("sessions of %+v, want %+v", joined, want)
	}
	if !strings.Contains(log.String(), "authid=joe") {
		t.Errorf("the access log does not tell who called:\n%s", log.String())
	}

	for _, path := range []string{"/", "/procedures", "/procedures/test.echo", "/call/test.echo", "/call/no.such", "/call/wamp.session.list", "/call/a..b", "/call/test.echo?nonsense=1"} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, "QUERY", http.MethodPut} {
			if !strings.HasPrefix(path, "/call/") && method != http.MethodGet && method != http.MethodHead {
				continue
			}
			w := do(g, method, path, nil)
			if w.Code != http.StatusUnauthorized || len(w.Header().Values("WWW-Authenticate")) != 2 {
				t.Errorf("%s %s: %d, challenges %q", method, path, w.Code, w.Header().Values("WWW-Authenticate"))
			}
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if w := do(g, http.MethodGet, path, nil); w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if len(joined) != 2 {
		t.Errorf("strangers got sessions: %+v", joined[2:])
	}
}

// TestRefusals shows the answers to credentials that are refused, and the line
// for the audit.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		headers []string
		status  int
		uri     wamp.URI
		log     string
	}{
		"none":      {nil, 401, wamp.ErrAuthenticationRequired, "reason=no_credentials"},
		"wrong":     {[]string{"Authorization", "Basic am9lOng="}, 401, wamp.ErrAuthenticationDenied, "reason=wrong_secret authmethod=basic subject=joe remote=192.0.2.1"},
		"malformed": {[]string{"Authorization", "Basic x"}, 400, "gateway.error.bad_request", "reason=malformed"},
		"two":       {[]string{"Authorization", "Basic x", "X-Api-Key", "wgk_x"}, 400, "gateway.error.bad_request", "reason=several_methods"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			g := newGateway(t, &realm{}, func(cfg *gateway.Config) {
				cfg.Authenticate = bouncer(t, nil)
				cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
				cfg.AccessLog = slog.New(slog.DiscardHandler)
			})
			w := post(g, "/call/test.echo", "[1]", test.headers...)
			if w.Code != test.status || w.Header().Get("Wamp-Error") != string(test.uri) || w.Header().Get("Wamp-Error-Source") != "gateway" {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), test.log) {
				t.Errorf("log %q, want one line with %q", log.String(), test.log)
			}
		})
	}
}

// TestLogBehindProxies: the log tells the client's address, if the proxy is
// trusted.
func TestLogBehindProxies(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{"10.1.1.1:1": "remote=198.51.100.7 ", "203.0.113.1:1": "remote=203.0.113.1 "} {
		var log bytes.Buffer
		g := newGateway(t, &realm{}, func(cfg *gateway.Config) {
			cfg.AccessLog = slog.New(slog.NewTextHandler(&log, nil))
			var err error
			if cfg.Proxies, err = authn.ParseProxies([]string{"10.0.0.0/8"}); err != nil {
				t.Fatal(err)
			}
		})
		r := newRequest(http.MethodPost, "/call/test.none")
		r.RemoteAddr = remote
		r.Header.Set("X-Forwarded-For", "198.51.100.7")
		serve(g, r)
		if !strings.Contains(log.String(), want) {
			t.Errorf("log %q, want %s", log.String(), want)
		}
	}
}

// TestBrokenAuthenticator: nobody comes in while it is not known who they are.
func TestBrokenAuthenticator(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &realm{}, func(cfg *gateway.Config) {
		cfg.Authenticate = func(*http.Request) (authn.Principal, error) { return authn.Principal{}, errors.New("secret detail") }
	})
	w := post(g, "/call/test.echo", "[1]")
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "secret detail") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestSetAdmission changes who may call, and how often, between two requests.
func TestSetAdmission(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
		g := newGateway(t, r, nil)
		defer g.Close()
		for i, step := range []struct {
			who    func(*http.Request) (authn.Principal, error)
			rate   float64
			burst  int
			status int
			policy string
		}{
			{bouncer(t, &stranger), 1, 2, http.StatusNoContent, `"call";q=2;w=2`},
			{bouncer(t, nil), 1, 2, http.StatusUnauthorized, ""},
			{bouncer(t, &stranger), 1, 2, http.StatusNoContent, `"call";q=2;w=2`},
			{bouncer(t, &stranger), 1, 2, http.StatusTooManyRequests, `"call";q=2;w=2`}, // his tokens stay spent
			{bouncer(t, &stranger), 1, 0, http.StatusNoContent, `"call";q=2;w=2`},
			{bouncer(t, &stranger), 3, 0, http.StatusNoContent, `"call";q=6;w=2`},
			{nil, 0, 0, http.StatusNoContent, ""},
		} {
			g.SetAdmission(step.who, step.rate, step.burst)
			w := post(g, "/call/test.echo", "")
			if got := w.Header().Get("RateLimit-Policy"); w.Code != step.status || got != step.policy {
				t.Errorf("step %d: %d, RateLimit-Policy %s, want %d, %s", i, w.Code, got, step.status, step.policy)
			}
			if step.status == http.StatusTooManyRequests {
				time.Sleep(time.Second)
			}
		}
	})
}

// TestRateLimit: principals have a bucket each, strangers one per address.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
		g := newGateway(t, r, func(cfg *gateway.Config) {
			cfg.Authenticate, cfg.Rate, cfg.Burst = bouncer(t, &stranger), 1, 3
			cfg.PublicURL = "https://gw.example.com"
		})
		defer g.Close()
		call := func(from string, headers ...string) (int, http.Header, string) {
			req := newRequest(http.MethodPost, "/call/test.echo")
			req.RemoteAddr = from
			for i := 0; i+1 < len(headers); i += 2 {
				req.Header.Set(headers[i], headers[i+1])
			}
			w := serve(g, req)
			return w.Code, w.Header(), w.Body.String()
		}
		const a, b = "198.51.100.1:1", "198.51.100.2:1"
		for left := 2; left >= 0; left-- {
			status, h, _ := call(a)
			if want := `"call";r=` + string(rune('0'+left)) + ";t=" + string(rune('0'+3-left)); status != http.StatusNoContent || h.Get("RateLimit") != want {
				t.Fatalf("%d, RateLimit %s, want %s", status, h.Get("RateLimit"), want)
			}
		}
		status, h, body := call(a)
		if status != http.StatusTooManyRequests || h.Get("Retry-After") != "1" || h.Get("RateLimit") != `"call";r=0;t=1` ||
			h.Get("RateLimit-Policy") != `"call";q=3;w=3` || h.Get("Wamp-Retry") != "safe" {
			t.Errorf("%d %v", status, h)
		}
		for _, want := range []string{`"type":"https://iana.org/assignments/http-problem-types#quota-exceeded"`, `"violated-policies":["call"]`, `"error":"gateway.error.rate_limited"`} {
			if !strings.Contains(body, want) {
				t.Errorf("the problem %s lacks %s", body, want)
			}
		}
		for name, headers := range map[string][]string{"another port": nil, "robot": {"X-Api-Key", theKey}, "joe": {"Authorization", "Basic am9lOnBhc3M="}} {
			if status, _, _ := call("198.51.100.1:2", headers...); (status == http.StatusTooManyRequests) != (headers == nil) {
				t.Errorf("%s: %d", name, status)
			}
		}
		if status, _, _ := call(b); status != http.StatusNoContent {
			t.Errorf("another address: %d", status)
		}
		if status := serve(g, newRequest(http.MethodGet, "/healthz")).Code; status != http.StatusOK {
			t.Errorf("health: %d", status)
		}
		time.Sleep(time.Second)
		if status, _, _ := call(a); status != http.StatusNoContent {
			t.Errorf("a second later: %d", status)
		}
	})
}

// TestExpiryEndsStreams: when the credentials of a stream's client expire, it
// is told, and the call is canceled.
func TestExpiryEndsStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &realm{procedures: map[wamp.URI]procedure{"test.tick": func(c incoming) {
			c.push(&wamp.Result{Request: c.Request, Details: wamp.ResultDetails{Progress: true}, Payload: jsonPayload("[1]", "")})
		}}}
		r.onCancel = func(c incoming) { c.fail(wamp.ErrCanceled, wamp.OriginCallee, wamp.Payload{}) }
		g := newGateway(t, r, func(cfg *gateway.Config) {
			cfg.Authenticate = func(*http.Request) (authn.Principal, error) {
				return authn.Principal{Identity: wamp.Identity{Authid: "ada", Authrole: "user"}, Expires: time.Now().Add(10 * time.Second)}, nil
			}
		})
		defer g.Close()
		start := time.Now()
		w := post(g, "/call/test.tick", "[]", "Content-Type", jsonType, "Accept", "text/event-stream")
		if took := time.Since(start); took != 10*time.Second || len(r.canceled) != 1 || r.canceled[0].Mode != wamp.CancelKill {
			t.Errorf("the stream ended after %v with CANCEL %+v", took, r.canceled)
		}
		if body := w.Body.String(); !strings.Contains(body, "event: error") || !strings.Contains(body, "the credentials expired") {
			t.Errorf("the stream ended with\n%s", body)
		}
	})
}

// TestCORS: pages of the origins that were named may call, and no others.
func TestCORS(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
	open := newGateway(t, r, func(cfg *gateway.Config) {
		cfg.Authenticate, cfg.Origins = bouncer(t, nil), []string{"https://app.example.com"}
	})
	closed := newGateway(t, r, func(cfg *gateway.Config) { cfg.Authenticate = bouncer(t, nil) })
	for name, test := range map[string]struct {
		g        *gateway.Gateway
		origin   string
		allowed  bool
		answered int // the call
	}{
		"allowed":        {open, "https://app.example.com", true, 200},
		"other scheme":   {open, "http://app.example.com", false, 403},
		"other port":     {open, "https://app.example.com:8443", false, 403},
		"subdomain":      {open, "https://x.app.example.com", false, 403},
		"longer name":    {open, "https://app.example.com.evil.example", false, 403},
		"null":           {open, "null", false, 403},
		"not configured": {closed, "https://app.example.com", false, 403},
	} {
		pre := do(test.g, http.MethodOptions, "/call/test.echo", nil, "Origin", test.origin,
			"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type")
		call := post(test.g, "/call/test.echo", "[1]", "Origin", test.origin, "Sec-Fetch-Site", "cross-site", "X-API-Key", theKey, "Content-Type", jsonType)
		for what, h := range map[string]http.Header{"preflight": pre.Header(), "call": call.Header()} {
			if got := h.Get("Access-Control-Allow-Origin"); (got == test.origin) != test.allowed || !test.allowed && got != "" {
				t.Errorf("%s, %s: allowed is %q", name, what, got)
			}
			if h.Get("Access-Control-Allow-Credentials") != "" || test.g == open && !strings.Contains(h.Get("Vary"), "Origin") {
				t.Errorf("%s, %s: %v", name, what, h)
			}
		}
		if call.Code != test.answered {
			t.Errorf("%s: the call was answered %d, want %d", name, call.Code, test.answered)
		}
		if test.allowed && (pre.Code != http.StatusNoContent || !strings.Contains(pre.Header().Get("Access-Control-Allow-Headers"), "Authorization") ||
			!strings.Contains(call.Header().Get("Access-Control-Expose-Headers"), "Wamp-Call-Id")) {
			t.Errorf("%s: preflight %d %v, call %v", name, pre.Code, pre.Header(), call.Header())
		}
	}
	refused := post(open, "/call/test.echo", "[1]", "Origin", "https://app.example.com", "Sec-Fetch-Site", "cross-site")
	if refused.Code != http.StatusUnauthorized || refused.Header().Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("a page must be able to read why it was refused: %d %v", refused.Code, refused.Header())
	}
	for _, bad := range []string{"*", "https://*.example.com", "app.example.com", "https://app.example.com/", "https://App.example.com", "null", ""} {
		_, err := gateway.New(gateway.Config{Join: r.join, Log: slog.New(slog.DiscardHandler), Origins: []string{bad}})
		if err == nil {
			t.Errorf("origin %q: no error", bad)
		}
	}
}

// BenchmarkCallAs compares who calls: authenticated calls should cost little
// more than anonymous ones.
func BenchmarkCallAs(b *testing.B) {
	for _, bench := range []struct {
		name   string
		header string
		change func(*gateway.Config)
	}{
		{"nobody-asked", "", func(*gateway.Config) {}},
		{"anonymous", "", func(cfg *gateway.Config) { cfg.Authenticate = bouncer(b, &stranger) }},
		{"api-key", "Bearer " + theKey, func(cfg *gateway.Config) { cfg.Authenticate = bouncer(b, nil) }},
		{"basic", "Basic am9lOnBhc3M=", func(cfg *gateway.Config) { cfg.Authenticate = bouncer(b, nil) }},
		{"api-key-limited", "Bearer " + theKey, func(cfg *gateway.Config) {
			cfg.Authenticate, cfg.Rate, cfg.Burst = bouncer(b, nil), 1e9, 1e6
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
			call, w := repeatedCall(b, r, `["0123456789abcdef"]`, bench.change, func(req *http.Request) {
				if bench.header != "" {
					req.Header.Set("Authorization", bench.header)
				}
			})
			b.ReportAllocs()
			for b.Loop() {
				call()
			}
			if w.status != http.StatusOK {
				b.Errorf("status %d", w.status)
			}
		})
	}
}

// BenchmarkServedAs is BenchmarkCallAs over connections on loopback.
func BenchmarkServedAs(b *testing.B) {
	for _, bench := range []struct {
		name   string
		header string
		who    func(*http.Request) (authn.Principal, error)
	}{
		{"nobody-asked", "", nil},
		{"anonymous", "", bouncer(b, &stranger)},
		{"api-key", "Bearer " + theKey, bouncer(b, nil)},
		{"basic", "Basic am9lOnBhc3M=", bouncer(b, nil)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			r := &realm{procedures: map[wamp.URI]procedure{"test.echo": func(c incoming) {
				c.session.realm.calls = c.session.realm.calls[:0]
				echo(c)
			}}}
			g := newGateway(b, r, func(cfg *gateway.Config) { cfg.Authenticate = bench.who })
			server := httptest.NewServer(g)
			defer server.Close()
			client := server.Client()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					req, err := http.NewRequest(http.MethodPost, server.URL+"/call/test.echo", strings.NewReader(`["0123456789abcdef"]`))
					if err != nil {
						b.Fatal(err)
					}
					req.Header["Content-Type"] = []string{jsonType}
					if bench.header != "" {
						req.Header["Authorization"] = []string{bench.header}
					}
					resp, err := client.Do(req)
					if err != nil {
						b.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			})
		})
	}
}
