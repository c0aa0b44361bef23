package gateway_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/gateway"
)

// docsGateway lets nobody call, and has the page all the same.
func docsGateway(t *testing.T) *gateway.Gateway {
	t.Helper()
	return newGateway(t, &realm{}, func(cfg *gateway.Config) { cfg.Directory = directory{} })
}

// TestDocs shows the page and its files: what they may load, how long they may
// be kept, and that all are there.
func TestDocs(t *testing.T) {
	t.Parallel()
	g := docsGateway(t)
	page := do(g, http.MethodGet, "/docs", nil)
	if page.Code != http.StatusOK || page.Header().Get("Cache-Control") != "no-cache" || page.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("GET /docs = %d with %v", page.Code, page.Header())
	}
	files := regexp.MustCompile(`(?:href|src)="(/docs/[^"]+)"`).FindAllStringSubmatch(page.Body.String(), -1)
	if len(files) != 3 {
		t.Fatalf("the page loads %q", files)
	}
	base := files[0][1][:strings.LastIndex(files[0][1], "/")+1]
	for _, path := range []string{
		files[0][1], files[1][1], files[2][1], base + "caller.js", base + "swagger-ui-bundle.js", base + "swagger-ui.css", base + "swagger-ui.LICENSE.txt",
	} {
		w := do(g, http.MethodGet, path, nil)
		h := w.Header()
		if w.Code != http.StatusOK || h.Get("Cache-Control") != "public, max-age=31536000, immutable" || h.Get("Content-Type") == "" || h.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %d with %v", path, w.Code, h)
		}
		if again := do(g, http.MethodGet, path, nil, "If-None-Match", h.Get("Etag")); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s again: %d", path, again.Code)
		}
		for _, header := range []http.Header{h, page.Header()} {
			policy := header.Get("Content-Security-Policy")
			if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self';") || strings.Contains(policy, "unsafe") ||
				!strings.Contains(policy, "frame-ancestors 'none'") || header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %v", path, header)
			}
		}
	}
	for _, path := range []string{"/docs/", "/docs/0123456789ab/docs.js", base + "none.js", base + "index.html", base + "..%2f..%2fdoc.go", base} {
		if w := do(g, http.MethodGet, path, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, w.Code)
		}
	}
}

// TestDocsGzip shows that who takes gzip gets it, with an ETag of its own, and
// nobody else.
func TestDocsGzip(t *testing.T) {
	t.Parallel()
	g := docsGateway(t)
	plain := do(g, http.MethodGet, "/docs", nil)
	for accept, want := range map[string]string{
		"gzip": "gzip", "br, GZIP;q=0.5": "gzip", "": "", "gzip;q=0": "", "br": "", "gzip;q=x": "", "*": "",
	} {
		w := do(g, http.MethodGet, "/docs", nil, "Accept-Encoding", accept)
		if got := w.Header().Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: %q", accept, got)
			continue
		}
		if want == "" {
			continue
		}
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil || string(text) != plain.Body.String() || w.Header().Get("Etag") == plain.Header().Get("Etag") {
			t.Errorf("Accept-Encoding %q: %v, %d bytes, ETag %s", accept, err, len(text), w.Header().Get("Etag"))
		}
	}
}
