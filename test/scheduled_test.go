package test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestScheduledCalls: calls that are due later wait for their time, also while
// the gateway is killed and started again.
func TestScheduledCalls(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), startDurable(t, t.TempDir())
	state := func(path string) (is struct{ State, Due, Ended string }) {
		t.Helper()
		status, _, text := g.ask(ctx, t, "GET", path, "")
		if err := json.Unmarshal([]byte(text), &is); err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, status, text)
		}
		return is
	}
	schedule := func(key, when string) string {
		t.Helper()
		status, at, text := g.ask(ctx, t, "POST", "/call/test.later?trust=persistent&"+when, `["`+key+`"]`, "Prefer", "respond-async", "Idempotency-Key", key)
		if status != http.StatusAccepted || !strings.Contains(text, `"state":"scheduled"`) {
			t.Fatalf("%s: %d %s", when, status, text)
		}
		return at
	}
	noon := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	far := schedule("far", "not_before="+url.QueryEscape(noon.Format("2006-01-02T15:04:05+00:00")))
	soon := schedule("soon", "delay=1.5s&expiry=PT1H")
	due := state(soon).Due

	g.restart(t)
	if is := state(far); is.State != "scheduled" || is.Due != noon.Format("2006-01-02T15:04:05.000Z") {
		t.Errorf("a call for %v is %+v after a restart", noon, is)
	}
	callee := g.join(t, echo(make(chan invocation, 10)))
	if err := callee.register(ctx, nil, "test.later"); err != nil {
		t.Fatal(err)
	}
	if is := state(soon + "?wait=30s"); is.State != "done" || is.Ended < due || due == "" || is.Due != "" {
		t.Errorf("a call that was due at %s is %+v", due, is)
	}
	if status, _, text := g.ask(ctx, t, "GET", soon+"/result", ""); status != http.StatusOK || text != `"soon"` {
		t.Errorf("its result: %d %s", status, text)
	}
	g.expect(ctx, t, "DELETE", far, "", http.StatusAccepted, "")
	if is := state(far + "?wait=10s"); is.State != "canceled" {
		t.Errorf("canceled: %+v", is)
	}
	g.expect(ctx, t, "DELETE", far, "", http.StatusNoContent, "") // it has ended
	for query, words := range map[string]string{
		"delay=100000h":         "at most",
		"delay=1h&expiry=1m":    "before it is due",
		"not_before=2025-01-01": "such as 2026",
	} {
		g.expect(ctx, t, "POST", "/call/test.later?trust=persistent&"+query, "[]", http.StatusBadRequest, words)
	}
	if status, _, text := g.ask(ctx, t, "POST", "/call/test.nobody?trust=persistent&expiry=200ms", "[]"); !strings.Contains(text, "wampgate.error.expired") {
		t.Errorf("expired: %d %s", status, text)
	}
	if _, _, text := g.ask(ctx, t, "GET", "/openapi.json", ""); !strings.Contains(text, `"not_before"`) {
		t.Error("the OpenAPI document does not tell of not_before")
	}
	line := `{"id":1,"procedure":"test.later","args":["line"],"options":{"trust":"persistent","delay":3600000,"respond_async":true,"idempotency_key":"line"}}`
	if status, _, text := g.ask(ctx, t, "POST", "/batch", line, "Content-Type", "application/x-ndjson"); !strings.Contains(text, `"status":202,"call":{"id":"line"`) || !strings.Contains(text, `"state":"scheduled"`) {
		t.Errorf("in a batch: %d %s", status, text)
	}
	if err := g.stop(); err != nil {
		t.Errorf("the gateway ended with %v", err)
	}
}
