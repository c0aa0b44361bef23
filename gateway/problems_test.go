package gateway_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/gateway"
)

// TestProblemPages shows that every error which this package or the dealer
// makes has a page with words of its own.
func TestProblemPages(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &realm{}, nil)
	names := map[string]bool{}
	files, _ := filepath.Glob("*.go")
	files = append(files, "../dealer/wamp/uri.go")
	word := regexp.MustCompile(`URI += "((?:gateway|wamp|wampgate)\.(?:error|close)\.[a-z_.]+)"`)
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range word.FindAllSubmatch(source, -1) {
			names[string(match[1])] = true
		}
	}
	if len(names) < 40 {
		t.Fatalf("only %d error URIs found", len(names))
	}
	for name := range names {
		w := do(g, http.MethodGet, "/problems/"+name, nil)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), name) || strings.Contains(w.Body.String(), "no words for") {
			t.Errorf("%s: %d; give it a page in problems.go", name, w.Code)
		}
	}
}

// TestProblemPagesAreSafe shows that a page loads nothing and escapes what it is
// asked for.
func TestProblemPagesAreSafe(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &realm{}, func(c *gateway.Config) { c.Authenticate = bouncer(t, nil) })
	w := do(g, http.MethodGet, "/problems/com.example.%3Cscript%3Ealert(1)%3C%2Fscript%3E", nil)
	if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "<script") || !strings.Contains(w.Body.String(), "&lt;script&gt;") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "unsafe") {
		t.Errorf("Content-Security-Policy %q", policy)
	}
	for _, name := range []string{"a..b", "a%0Ab", "%ff%20"} {
		if w := do(g, http.MethodGet, "/problems/"+name, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", name, w.Code)
		}
	}
}
