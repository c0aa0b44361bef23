package gateway_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
	"github.com/wampgate/wampgate/gateway/authn"
	"github.com/wampgate/wampgate/openapi/generate"
)

// pathsIn returns the paths of a document that was answered, with their methods.
func pathsIn(t *testing.T, text []byte) map[string]map[string]json.RawMessage {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatalf("%v in %.200s", err, text)
	}
	return doc.Paths
}

// TestDocument asks for the document in all its forms.
func TestDocument(t *testing.T) {
	t.Parallel()
	g := withDirectory(t)
	w := do(g, http.MethodGet, "/openapi.json", nil)
	tag := w.Header().Get("Etag")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || tag == "" || !strings.HasPrefix(w.Body.String(), "{\n \"openapi\": \"3.1.1\"") {
		t.Fatalf("got %d %v %.200s", w.Code, w.Header(), w.Body)
	}
	paths := pathsIn(t, w.Body.Bytes())
	for _, path := range []string{"/call/com.example.add", "/call/com.example.{rest}", "/call/a%2Fb", "/procedures", "/batch", "/healthz"} {
		if paths[path] == nil {
			t.Errorf("the document has no %s", path)
		}
	}
	if paths["/call/com.example.add"]["get"] == nil || paths["/call/a%2Fb"]["get"] != nil {
		t.Error("not just safe procedures have get")
	}
	for _, test := range []struct {
		path    string
		headers []string
		status  int
		want    string
	}{
		{"/openapi.json", []string{"If-None-Match", tag}, http.StatusNotModified, ""},
		{"/openapi.json?v=3.1", nil, http.StatusOK, `"openapi": "3.1.1"`},
		{"/openapi.json?v=3.2", nil, http.StatusOK, `"openapi": "3.2.0"`},
		{"/openapi.yaml", nil, http.StatusOK, "openapi: 3.1.1\n"},
		{"/openapi.yaml", []string{"Accept", "application/json"}, http.StatusNotAcceptable, "application/yaml"},
		{"/openapi.json?v=3.0", nil, http.StatusBadRequest, "want 3.1 or 3.2"},
		{"/openapi.json?version=3.1", nil, http.StatusBadRequest, "no option"},
	} {
		w := do(g, http.MethodGet, test.path, nil, test.headers...)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%s %v: %d %.200s, want %d %s", test.path, test.headers, w.Code, w.Body, test.status, test.want)
		}
	}
}

// TestDocumentRoutes compares the gateway's routes with the document, both ways.
func TestDocumentRoutes(t *testing.T) {
	t.Parallel()
	g := withDirectory(t)
	paths := pathsIn(t, do(g, http.MethodGet, "/openapi.json", nil).Body.Bytes())
	described, err := generate.Paths()
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	err = chi.Walk(gateway.Routes(g), func(method, path string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		served[strings.ToLower(method)+" "+path] = true
		switch method {
		case http.MethodHead, http.MethodOptions, http.MethodConnect, http.MethodTrace: // are as GET, or nothing
			return nil
		}
		if path == "/ws" || path == "/call/{uri}" || strings.HasPrefix(path, "/docs") { // is no HTTP; is the path of each procedure; is a page
			return nil
		}
		if paths[path][strings.ToLower(method)] == nil {
			t.Errorf("the document has no %s %s", method, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, methods := range described {
		for _, method := range methods {
			if !served[method+" "+path] {
				t.Errorf("fixed.yaml describes %s %s, which nobody serves", method, path)
			}
		}
	}
	for path, methods := range paths {
		for method := range methods {
			if !strings.HasPrefix(path, "/call/") && method != "parameters" && !served[method+" "+path] {
				t.Errorf("the document has %s %s, which nobody serves", method, path)
			}
		}
	}
}

// perPrincipal shows each principal the procedures below his name.
type perPrincipal struct{ directory }

func (d perPrincipal) List(who wamp.Identity, after wamp.ID, limit int) ([]gateway.Procedure, wamp.ID) {
	list, next := d.directory.List(who, after, limit)
	return slices.DeleteFunc(list, func(p gateway.Procedure) bool { return !strings.HasPrefix(string(p.URI), who.Authid) }), next
}

// TestDocumentOfPrincipal holds what the caller may call, and nothing else.
func TestDocumentOfPrincipal(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &realm{}, func(cfg *gateway.Config) {
		cfg.Directory = perPrincipal{directory{{Registration: 1, URI: "ada.p"}, {Registration: 2, URI: "bob.p"}}}
		cfg.Authenticate = func(r *http.Request) (authn.Principal, error) {
			return authn.Principal{Identity: wamp.Identity{Authid: r.Header.Get("Authorization"), Authrole: "user", Authmethod: "key"}}, nil
		}
	})
	for _, name := range []string{"ada", "bob"} {
		text := do(g, http.MethodGet, "/openapi.json", nil, "Authorization", name).Body.String()
		other := map[string]string{"ada": "bob", "bob": "ada"}[name]
		if !strings.Contains(text, "/call/"+name+".p") || strings.Contains(text, other) || !strings.Contains(text, `"bearer"`) {
			t.Errorf("%s is shown %.300s", name, text)
		}
	}
}

// growing is a directory that can change, and that counts its lists.
type growing struct {
	directory
	lists int
}

func (d *growing) List(who wamp.Identity, after wamp.ID, limit int) ([]gateway.Procedure, wamp.ID) {
	d.lists++
	return d.directory.List(who, after, limit)
}

// TestDocumentAge looks at the registrations again after 100 ms, and not before.
func TestDocumentAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &growing{directory: directory{{Registration: 1, URI: "a.p"}}}
		g := newGateway(t, &realm{}, func(cfg *gateway.Config) { cfg.Directory = d })
		ask := func() string { return do(g, http.MethodGet, "/openapi.json", nil).Header().Get("Etag") }
		first := ask()
		d.directory = append(d.directory, gateway.Procedure{Registration: 2, URI: "b.p"})
		if ask() != first || d.lists != 1 {
			t.Errorf("the document is made anew at once, after %d looks", d.lists)
		}
		time.Sleep(101 * time.Millisecond)
		second := ask()
		if second == first {
			t.Error("a new registration is not in the document")
		}
		d.directory = d.directory[:1]
		time.Sleep(101 * time.Millisecond)
		if ask() != first {
			t.Error("the same registrations come to another document")
		}
	})
}

// TestDocumentTooLarge leaves procedures out, and says so.
func TestDocumentTooLarge(t *testing.T) {
	t.Parallel()
	var d directory
	for i := range 2001 {
		d = append(d, gateway.Procedure{Registration: wamp.ID(i + 1), URI: wamp.URI("a.p" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + time.Duration(i).String())})
	}
	for n, want := range map[int]bool{2000: false, 2001: true} {
		g := newGateway(t, &realm{}, func(cfg *gateway.Config) { cfg.Directory = d[:n] })
		if got := strings.Contains(do(g, http.MethodGet, "/openapi.json", nil).Body.String(), `"x-wamp-truncated": true`); got != want {
			t.Errorf("%d procedures: truncated %v, want %v", n, got, want)
		}
	}
}
