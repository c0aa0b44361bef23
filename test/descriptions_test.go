package test

import (
	"net/http"
	"strings"
	"testing"
)

// TestDescriptionsTakeEffect goes through what a callee tells about its
// procedure, by HTTP: from its REGISTER on, from gateway.describe on, and no
// longer than it is registered.
func TestDescriptionsTakeEffect(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, patience), start(t, "--expose-callee")
	callee := join(ctx, t, g)
	const path = "/call/test.told"
	callee.serveWith(ctx, t, 1, `{"_http":{"safe":true,"cache":60,"deprecated":1688169599,"headers":["accept-language"]}}`, "test.told", `["x"]`)
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	a := g.send(ctx, t, http.MethodGet, path, nil, "Accept-Language", "de", "Traceparent", parent, "Tracestate", "a=1")
	if a.status != http.StatusOK || a.header.Get("Cache-Control") != "public, max-age=60" || a.header.Get("Deprecation") != "@1688169599" {
		t.Errorf("GET = %d %v %s", a.status, a.header, a.body)
	}
	if a.header.Get("Wamp-Callee") == "" || a.header.Get("Wamp-Registration") == "" {
		t.Errorf("who answered is not told: %v", a.header)
	}
	inv := callee.want(ctx, t, codeInvocation)
	for _, want := range []string{`"accept-language":"de"`, `"_tracestate":"a=1"`, `"_traceparent":"` + a.header.Get("Traceparent")} {
		if !strings.Contains(inv.text, want) {
			t.Errorf("the callee got %s, want %s in it", inv.text, want)
		}
	}
	if b := g.send(ctx, t, http.MethodGet, path, nil, "If-None-Match", a.header.Get("ETag")); b.status != http.StatusNotModified {
		t.Errorf("GET of what one has = %d", b.status)
	}
	from := callee.got.len()
	callee.send(ctx, t, `[48,7,{},"gateway.describe",["test.told",{"media":"text/csv"}]]`)
	callee.wantAfter(ctx, t, from, 50)
	if b := g.send(ctx, t, http.MethodGet, path, nil); b.status != http.StatusMethodNotAllowed {
		t.Errorf("GET after another description = %d, want 405", b.status)
	}
	if b := g.post(ctx, t, path, "", "Accept", "text/csv"); b.status != http.StatusOK || b.header.Get("Deprecation") != "" {
		t.Errorf("POST after another description = %d %v", b.status, b.header)
	}
}

// TestBatchOverHTTP makes calls of the samples in one request, with curl's
// content type, and looks up what is said of the errors.
func TestBatchOverHTTP(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, patience), start(t)
	a := g.post(ctx, t, "/batch", `{"id":1,"procedure":"demo.add","args":[2,3]}`+"\n"+`{"id":2,"procedure":"demo.ad"}`+"\n", "Content-Type", "application/x-ndjson")
	if a.status != http.StatusOK || !strings.Contains(a.body, `{"id":1,"status":200,"args":[5]}`) ||
		!strings.Contains(a.body, `{"id":2,"status":404,"problem":{`) {
		t.Errorf("batch = %d %s", a.status, a.body)
	}
	page := g.send(ctx, t, http.MethodGet, "/problems/wamp.error.no_such_procedure", nil)
	if page.status != http.StatusOK || !strings.Contains(page.body, "Nobody has registered the procedure") {
		t.Errorf("page = %d %s", page.status, page.body)
	}
}
