package test

import (
	"net/http"
	"os"
	"path/filepath"
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
	const persistent = "/call/demo.add?trust=persistent"
	first := dev()
	first.expect(ctx, t, "GET", "/calls", "", http.StatusOK, "")
	first.expect(ctx, t, "GET", "/calls/sum", "", http.StatusNotFound, "")
	if found, err := os.ReadDir(state); len(found) > 0 || err != nil {
		t.Errorf("the state folder has %v (%v) before there is anything to keep", found, err)
	}
	first.expect(ctx, t, "POST", persistent, "[1,2]", http.StatusOK, "3", "Idempotency-Key", "sum")
	if _, err := os.Stat(filepath.Join(state, "wampgate", "store")); err != nil {
		t.Error(err)
	}

	second := dev() // beside the first
	second.expect(ctx, t, "GET", "/calls", "", http.StatusOK, "")
	second.expect(ctx, t, "GET", "/calls/sum", "", http.StatusNotFound, "")
	second.expect(ctx, t, "POST", persistent, "[1,2]", http.StatusServiceUnavailable, "--data-dir")
	second.expect(ctx, t, "POST", "/call/demo.add", "[1,2]", http.StatusOK, "3")
	own := dev("--data-dir=" + t.TempDir())
	own.expect(ctx, t, "POST", persistent, "[1,3]", http.StatusOK, "4", "Idempotency-Key", "sum")

	first.kill()
	next := dev()
	next.expect(ctx, t, "GET", "/calls/sum/result", "", http.StatusOK, "3")
	homeless := &durableGateway{gateway: startCommand(t, []string{"XDG_STATE_HOME=relative", "HOME="}, []string{"dev"})}
	homeless.expect(ctx, t, "POST", persistent, "[1,2]", http.StatusServiceUnavailable, "no home folder")
	none := dev("--data-dir=")
	none.expect(ctx, t, "POST", persistent, "[1,2]", http.StatusBadRequest, "not available")
}
