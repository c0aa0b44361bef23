package test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A route is a line of gateway/testdata/routes.txt, which a test of package
// gateway compares with the routes that there are.
type route struct {
	access  string // open, known or dealer
	path    string
	methods []string
}

func readRoutes(t *testing.T) []route {
	t.Helper()
	list, err := os.ReadFile("../gateway/testdata/routes.txt")
	if err != nil {
		t.Fatal(err)
	}
	var routes []route
	for line := range strings.Lines(string(list)) {
		if fields := strings.Fields(line); fields[0] != "#" {
			routes = append(routes, route{fields[0], fields[1], fields[2:]})
		}
	}
	return routes
}

// metaProcedures returns the dealer's own procedures, as its source names them.
func metaProcedures(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../dealer/own*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`"(?:wamp|gateway)\.[a-z_.]+"`).FindAll(source, -1) {
			all = append(all, string(bytes.Trim(name, `"`)))
		}
	}
	if len(all) < 15 {
		t.Fatalf("the sources of package dealer name the procedures %q alone", all)
	}
	return all
}

// methodsOfHTTP are those of the standards, and one of nobody's.
func methodsOfHTTP() []string {
	return []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "BREW"}
}

// closedTo reports whether an answer of a route tells nothing to those whom the
// gateway does not know.
func (r route) closedTo(method string, a answer) bool {
	switch {
	case a.refuses():
		return true
	case r.access == "dealer" && slices.Contains(r.methods, method):
		return a.status == http.StatusUpgradeRequired || a.status == http.StatusBadRequest // it opens WebSockets alone
	case slices.Contains(r.methods, method):
		return r.access == "open"
	case method == http.MethodOptions:
		return a.status == http.StatusNoContent && a.body == ""
	}
	return a.status == http.StatusMethodNotAllowed
}

// refuses reports whether an answer is a refusal for want of rights. One that
// asks for credentials says which.
func (a answer) refuses() bool {
	return a.status == http.StatusForbidden || a.status == http.StatusUnauthorized && a.header.Get("Www-Authenticate") != ""
}

// TestNothingIsOpen sends every method to every route, and to paths that look
// like others, without credentials: nothing is to be had but the health, no
// call comes through, and a WebSocket becomes no session.
func TestNothingIsOpen(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), guarded(t)
	callee := dial(ctx, t, g)
	callee.send(ctx, t, `[1,"realm1",{"roles":{"callee":{}},"authid":"ada","authmethods":["ticket"]}]`)
	callee.send(ctx, t, `[5,"`+loginPassword+`",{}]`)
	callee.want(ctx, t, codeWelcome)
	callee.register(ctx, t, 1, "test.open.echo")
	uris := append(metaProcedures(t), "test.open.echo", "test.nothing", "wamp", "wamp.nothing")
	for _, r := range readRoutes(t) {
		for _, uri := range uris {
			path := strings.Replace(r.path, "{uri}", uri, 1)
			for _, method := range methodsOfHTTP() {
				a := g.send(ctx, t, method, path, strings.NewReader(`{"procedure":"`+uri+`"}`), "Content-Type", "application/json")
				if !r.closedTo(method, a) {
					t.Errorf("%s %s = %d %s", method, path, a.status, a.body)
				}
			}
			if path == r.path {
				break
			}
		}
	}
	for _, path := range []string{
		"//call/test.open.echo", "/call//test.open.echo", "/CALL/test.open.echo", "/call/test.open.echo/", "/healthz/../call/test.open.echo", "/call/%74est.open.echo",
		"/healthz%2f..%2fcall/test.open.echo", "/call/test.open.echo?access_token=x", "/procedures/", "/debug/pprof/", "/debug/pprof/heap", "/metrics", "/admin", "/ws/x",
	} {
		for _, method := range methodsOfHTTP() {
			a := g.send(ctx, t, method, path, strings.NewReader("[]"), "Content-Type", "application/json", "X-Http-Method-Override", "GET", "X-Forwarded-For", "127.0.0.1")
			if a.status < 400 && (method != http.MethodOptions || a.body != "") {
				t.Errorf("%s %s = %d %s", method, path, a.status, a.body)
			}
		}
	}
	callee.sync(ctx, t)
	if n := callee.count(codeInvocation); n != 0 {
		t.Errorf("%d calls came through", n)
	}
	p := dial(ctx, t, g)
	p.send(ctx, t, `[1, "realm1", {"roles": {"caller": {}}}]`)
	if m := p.want(ctx, t, codeAbort); !strings.Contains(m.text, "wamp.error.authentication_required") {
		t.Errorf("HELLO without credentials came to %s", m.text)
	}
}

// ofOwn are the procedures that need no permission: callees describe with them
// what they had the permission to register.
func ofOwn() []string { return []string{"gateway.describe", "wamp.reflect.define"} }

// TestMetaIsClosed calls every procedure of the meta API as anonymous, whose
// role has one permission that has nothing to do with it.
func TestMetaIsClosed(t *testing.T) {
	t.Parallel()
	ctx := soon(t)
	g := serve(t, "rate: 0\nanonymous: true\nroles: {anonymous: {permissions: [{uri: test.open, allow: call}]}}\n", nil)
	p := join(ctx, t, g)
	for i, uri := range append(metaProcedures(t), "wamp", "wamp.nothing", "wamp.session.kill.list") {
		own := slices.Contains(ofOwn(), uri)
		from := p.got.len()
		p.sendf(ctx, t, `[48,%d,{},%q,["test.open",{}]]`, i+1, uri)
		if m, _ := p.wantAfter(ctx, t, from, codeError); !own && !strings.Contains(m.text, "wamp.error.not_authorized") {
			t.Errorf("CALL of %s came to %s", uri, m.text)
		}
		if got := g.post(ctx, t, "/call/"+uri, "[]"); !own && !got.refuses() || got.status < 400 {
			t.Errorf("POST of %s = %d %s with %v, want 403, or 401 with a challenge", uri, got.status, got.body, got.header)
		}
	}
	if got := g.post(ctx, t, "/call/test.open", "[]"); got.status != http.StatusNotFound {
		t.Errorf("POST of what is allowed = %d %s, want 404", got.status, got.body)
	}
	if got := g.send(ctx, t, "GET", "/procedures", nil); strings.Contains(got.body, "wamp") {
		t.Errorf("the procedures are %s", got.body)
	}
}
