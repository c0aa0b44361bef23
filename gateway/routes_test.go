package gateway_test

import (
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// TestMethods shows what is said to methods that do not fit.
func TestMethods(t *testing.T) {
	t.Parallel()
	r := &realm{safe: map[wamp.URI]bool{"test.safe": true}}
	g := newGateway(t, r, nil)
	tests := []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/call/test.p", 405, "OPTIONS, POST"},
		{"HEAD", "/call/test.p", 405, "OPTIONS, POST"},
		{"PUT", "/call/test.p", 405, "OPTIONS, POST"},
		{"DELETE", "/call/test.p", 405, "OPTIONS, POST"},
		{"BREW", "/call/test.p", 405, "OPTIONS, POST"},
		{"PUT", "/call/test.safe", 405, "GET, HEAD, OPTIONS, POST, QUERY"},
		{"OPTIONS", "/call/test.p", 204, "OPTIONS, POST"},
		{"OPTIONS", "/call/test.safe", 204, "GET, HEAD, OPTIONS, POST, QUERY"},
		{"POST", "/healthz", 405, "GET, HEAD, OPTIONS"},
		{"BREW", "/healthz", 405, "GET, HEAD, OPTIONS"},
		{"OPTIONS", "/healthz", 204, "GET, HEAD, OPTIONS"},
		{"POST", "/nowhere", 404, ""},
		{"POST", "/call/a/b", 404, ""},
		{"POST", "/call/", 404, ""},
		{"POST", "/call", 415, ""},
	}
	for _, test := range tests {
		w := do(g, test.method, test.path, nil)
		if w.Code != test.status || w.Header().Get("Allow") != test.allow {
			t.Errorf("%s %s: %d, Allow %q; want %d, %q", test.method, test.path, w.Code, w.Header().Get("Allow"), test.status, test.allow)
		}
	}
	if w := do(g, "PUT", "/call/test.p", nil); !strings.Contains(w.Body.String(), "add -X POST") {
		t.Errorf("PUT: %s lacks the hint for curl -T", w.Body)
	}
}

// TestPaths shows how a path names a procedure.
func TestPaths(t *testing.T) {
	t.Parallel()
	tests := []struct {
		path   string
		want   wamp.URI
		status int
	}{
		{"/call/com.example.add", "com.example.add", 204},
		{"/call/a%2Fb", "a/b", 204},
		{"/call/%61dd", "add", 204},
		{"/call/gr%C3%BC", "grü", 204},
		{"/call/a%25b", "a%b", 204},
		{"/call/a%252Fb", "a%2Fb", 204},
		{"/call/a%2Fb%25c", "a/b%c", 204},
		{"/call/a;b", "a;b", 204},
		{"/call/a..b", "", 400},
		{"/call/.a", "", 400},
		{"/call/a%20b", "", 400},
		{"/call/a%23", "", 400},
		{"/call/a%00", "", 400},
		{"/call/%ff", "", 400},
	}
	for _, test := range tests {
		var got wamp.URI
		r := &realm{procedures: map[wamp.URI]procedure{test.want: func(c incoming) {
			got = c.Procedure
			c.result(wamp.Payload{})
		}}}
		w := post(newGateway(t, r, nil), test.path, "")
		if w.Code != test.status || got != test.want {
			t.Errorf("%s: %d, called %q; want %d, %q", test.path, w.Code, got, test.status, test.want)
		}
	}
}

// TestFixedPages shows the paths that are no calls.
func TestFixedPages(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &realm{}, nil)
	tests := []struct {
		path   string
		status int
		body   string
	}{
		{"/healthz", 200, "ok"},
		{"/readyz", 200, "ready"},
		{"/", 200, "curl --json '[2,3]' http://example.com/call/demo.add"},
		{"/", 200, "http://example.com/docs"},
		{"/nowhere", 404, "nothing is at /nowhere"},
		{"/ws", 404, "nothing"},
	}
	for _, test := range tests {
		if w := do(g, http.MethodGet, test.path, nil); w.Code != test.status || !strings.Contains(w.Body.String(), test.body) {
			t.Errorf("%s: %d %s; want %d %s", test.path, w.Code, w.Body, test.status, test.body)
		}
	}
	g.Drain()
	if w := do(g, http.MethodGet, "/readyz", nil); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("/readyz of a draining gateway: %d, want 503 and Retry-After", w.Code)
	}
	if w := do(g, http.MethodGet, "/healthz", nil); w.Code != 200 {
		t.Errorf("/healthz of a draining gateway: %d, want 200", w.Code)
	}
}

// TestHosts shows the names a gateway on loopback answers to.
func TestHosts(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &realm{}, func(cfg *gateway.Config) { cfg.Hosts = []string{"gw.test"} })
	tests := []struct {
		host   string
		status int
	}{
		{"localhost:8080", 200},
		{"LOCALHOST", 200},
		{"127.0.0.1:8080", 200},
		{"127.0.0.2", 200},
		{"[::1]:8080", 200},
		{"app.localhost", 200},
		{"gw.test:8080", 200},
		{"evil.example", 421},
		{"10.0.0.1:8080", 421},
		{"localhost.evil.example", 421},
		{"", 421},
	}
	for _, test := range tests {
		r := newRequest(http.MethodGet, "/healthz")
		r.Host = test.host
		if w := serve(g, r); w.Code != test.status {
			t.Errorf("Host %q: %d, want %d", test.host, w.Code, test.status)
		}
	}
}

// TestRoutesAreListed compares the routes with testdata/routes.txt, which says
// of each whether it is open to everybody. The gateway is scanned by that list.
func TestRoutesAreListed(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &realm{}, func(cfg *gateway.Config) {
		cfg.Directory, cfg.WebSocket, cfg.JoinCallee = directory{}, http.NotFoundHandler(), cfg.Join
	})
	methods := map[string][]string{}
	err := chi.Walk(gateway.Routes(g), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		methods[route] = append(methods[route], method)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile("testdata/routes.txt")
	if err != nil {
		t.Fatal(err)
	}
	var listed, have []string
	for line := range strings.Lines(string(list)) {
		if !strings.HasPrefix(line, "#") {
			_, route, _ := strings.Cut(strings.TrimSpace(line), " ")
			listed = append(listed, route)
		}
	}
	for _, route := range slices.Sorted(maps.Keys(methods)) {
		have = append(have, route+" "+strings.Join(slices.Sorted(slices.Values(methods[route])), " "))
	}
	if !slices.Equal(listed, have) {
		t.Errorf("testdata/routes.txt does not list the routes that there are:\n%s", strings.Join(have, "\n"))
	}
}

// TestBodiesThatNobodyReads: a body where none belongs is refused, and not left
// unread.
func TestBodiesThatNobodyReads(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &realm{safe: map[wamp.URI]bool{"test.p": true}}, func(c *gateway.Config) {
		c.Directory = &directory{}
		c.JoinCallee = c.Join
	})
	for _, request := range []string{
		"GET /", "GET /healthz", "GET /readyz", "GET /problems/wamp.error.timeout", "GET /procedures", "GET /procedures/test.p", "GET /openapi.json",
		"GET /openapi.yaml", "GET /docs", "GET /call/test.p", "GET /calls", "GET /calls/c_1", "GET /calls/c_1/result", "GET /calls/c_1/events",
		"DELETE /calls/c_1", "GET /registrations", "GET /registrations/r_1", "PUT /registrations/r_1", "DELETE /registrations/r_1",
	} {
		method, path, _ := strings.Cut(request, " ")
		w := do(g, method, path, strings.NewReader("x"))
		if d := problemIn(t, w, w.Body.Bytes()); w.Code != http.StatusBadRequest || d.Error != "gateway.error.bad_request" {
			t.Errorf("%s with a body: %d %+v, want 400", request, w.Code, d)
		}
	}
}

// TestWebSocketPath: who comes without an upgrade is told so like all others.
func TestWebSocketPath(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &realm{}, func(c *gateway.Config) {
		c.WebSocket = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	})
	w := do(g, "GET", "/ws", nil)
	if d := problemIn(t, w, w.Body.Bytes()); w.Code != http.StatusUpgradeRequired || d.Source != "gateway" || w.Header().Get("Upgrade") != "websocket" {
		t.Errorf("%d %v %+v", w.Code, w.Header(), d)
	}
	if w := do(g, "GET", "/ws", nil, "Upgrade", "WebSocket"); w.Code != http.StatusTeapot {
		t.Errorf("an upgrade: %d", w.Code)
	}
	r := newRequest("GET", "/ws")
	r.ProtoMajor, r.ProtoMinor = 2, 0
	if w := serve(g, r); w.Code != http.StatusUpgradeRequired || w.Header().Get("Upgrade") != "" {
		t.Errorf("HTTP/2: %d %v", w.Code, w.Header())
	}
}
