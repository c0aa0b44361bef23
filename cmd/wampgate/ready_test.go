package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/durable"
	"github.com/wampgate/wampgate/dealer/engine"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// TestReadyzWithoutStore: that persistent calls cannot be kept leaves the
// gateway ready. Why not is told to operators alone.
func TestReadyzWithoutStore(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	g, err := gateway.New(gateway.Config{Log: log, Join: func(wamp.Identity, gateway.Outbox) (gateway.Session, error) { return nil, errors.ErrUnsupported }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	broken := errors.New("the folder is gone")
	n := &node{
		gateway:   g,
		adminDoor: newAdminDoor(&settings{AdminListen: "127.0.0.1:0"}, log),
		durable:   durable.New(durable.Config{Open: func(context.Context) (*engine.Engine, error) { return nil, broken }}),
	}
	t.Cleanup(n.durable.Close)
	want := func(host string, status int, text string) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+"/readyz", nil)
		w := httptest.NewRecorder()
		n.readyz(w, r)
		if got := w.Body.String(); w.Code != status || text != "" && got != text {
			t.Errorf("%s: %d %q, want %d %q", host, w.Code, got, status, text)
		}
	}
	want("localhost", http.StatusOK, "ready\ndurability: closed\n")
	if err := n.durable.Start(t.Context()); !errors.Is(err, broken) {
		t.Fatalf("Start() = %v", err)
	}
	want("localhost", http.StatusOK, "ready\ndurability: unusable: the folder is gone\n")
	want("stranger.example", http.StatusOK, "ready\ndurability: unusable\n")
	g.Drain()
	want("localhost", http.StatusServiceUnavailable, "")
}

// TestReadyz: the admin listener says what persistent calls survive, where they
// are kept; the other one says nothing of it.
func TestReadyz(t *testing.T) {
	t.Parallel()
	b := inBackground(t, "dev", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--data-dir="+t.TempDir())
	public, admin := addresses(t, b)
	for url, want := range map[string]string{public + "/readyz": "ready\n", admin + "/readyz": "ready\ndurability: synced\n"} {
		if status, text := get(t, url); status != http.StatusOK || text != want {
			t.Errorf("%s: %d %q, want %q", url, status, text, want)
		}
	}
	for want, accept := range map[string][]string{
		"# TYPE wampgate_calls_total counter\n": nil,
		"# TYPE wampgate_calls counter\n":       {"application/openmetrics-text"},
	} {
		if status, text := get(t, admin+metricsPath, accept...); status != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("metrics as %q: %d, want a line %q", accept, status, want)
		}
	}
	if status, _ := get(t, public+metricsPath); status != http.StatusNotFound {
		t.Errorf("metrics where calls come in: %d", status)
	}
}
