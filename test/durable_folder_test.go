package test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDefaultFolder makes persistent calls without saying where to keep them.
func TestDefaultFolder(t *testing.T) {
	t.Parallel()
	ctx, state := within(t, 2*patience), t.TempDir()
	dev := func(args ...string) *durableGateway {
		g := startCommand(t, []string{"XDG_STATE_HOME=" + state}, []string{"dev"}, args...)
		return &durableGateway{gateway: g}
	}
	want := func(g *durableGateway, method, path, body string, status int, text string, headers ...string) {
		t.Helper()
		if got, _, answer := g.ask(ctx, t, method, path, body, headers...); got != status || !strings.Contains(answer, text) {
			t.Errorf("%s %s: %d %s, want %d %s", method, path, got, answer, status, text)
		}
	}
	const persistent = "/call/demo.add?trust=persistent"
	first := dev()
	want(first, "GET", "/calls", "", http.StatusOK, "")
	want(first, "GET", "/calls/sum", "", http.StatusNotFound, "")
	if found, err := os.ReadDir(state); len(found) > 0 || err != nil {
		t.Errorf("the state folder has %v (%v) before there is anything to keep", found, err)
	}
	want(first, "POST", persistent, "[1,2]", http.StatusOK, "3", "Idempotency-Key", "sum")
	if _, err := os.Stat(filepath.Join(state, "wampgate", "store")); err != nil {
		t.Error(err)
	}

	second := dev() // beside the first
	want(second, "GET", "/calls", "", http.StatusOK, "")
	want(second, "GET", "/calls/sum", "", http.StatusNotFound, "")
	want(second, "POST", persistent, "[1,2]", http.StatusServiceUnavailable, "--data-dir")
	want(second, "POST", "/call/demo.add", "[1,2]", http.StatusOK, "3")
	own := dev("--data-dir=" + t.TempDir())
	want(own, "POST", persistent, "[1,3]", http.StatusOK, "4", "Idempotency-Key", "sum")

	first.kill()
	next := dev()
	want(next, "GET", "/calls/sum/result", "", http.StatusOK, "3")
	homeless := startCommand(t, []string{"XDG_STATE_HOME=relative", "HOME="}, []string{"dev"})
	want(&durableGateway{gateway: homeless}, "POST", persistent, "[1,2]", http.StatusServiceUnavailable, "no home folder")
	none := dev("--data-dir=")
	want(none, "POST", persistent, "[1,2]", http.StatusBadRequest, "not available")
}
