package gateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// A batchLine is the answer to a line of a batch.
type batchLine struct {
	ID       any
	Status   int
	Args     []any
	Replayed bool
	Call     struct{ ID, State string }
	Problem  struct{ Error, Instance, Detail string }
}

// oneLine posts a batch of one line.
func oneLine(t *testing.T, g *gateway.Gateway, line string) (got batchLine) {
	t.Helper()
	w := post(g, "/batch", line, "Content-Type", ndjson, "Accept", "text/plain, application/x-ndjson;q=0.5")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", line, w.Code, w.Body)
	}
	return got
}

// TestBatchAsync: a line may be answered before its call has ended. The call is
// one under /calls, and outlives the batch.
func TestBatchAsync(t *testing.T) {
	t.Parallel()
	var waiting incoming
	r := &realm{procedures: map[wamp.URI]procedure{"test.wait": func(c incoming) { waiting = c }}}
	g := newGateway(t, r, nil)
	got := oneLine(t, g, `{"id":"a","procedure":"test.wait","options":{"respond_async":true}}`)
	if got.ID != "a" || got.Status != http.StatusAccepted || got.Call.State != "running" {
		t.Fatalf("%+v", got)
	}
	if w := do(g, "GET", "/calls/"+got.Call.ID, nil); !strings.Contains(w.Body.String(), `"state":"running"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	r.mu.Lock()
	waiting.result(jsonPayload("[7]", ""))
	r.mu.Unlock()
	if w := do(g, "GET", "/calls/"+got.Call.ID+"?wait=10s", nil); !strings.Contains(w.Body.String(), `"state":"done"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := do(g, "GET", "/calls/"+got.Call.ID+"/result", nil); w.Body.String() != `{"args":[7],"kwargs":{}}`+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if got := oneLine(t, g, `{"procedure":"test.absent","options":{"respond_async":true}}`); got.Status != http.StatusNotFound || got.Problem.Error != "wamp.error.no_such_procedure" {
		t.Errorf("nobody to call: %+v", got)
	}
}

// TestBatchKeys: a line with an idempotency_key is called once, in whichever
// batch and under whichever id it comes.
func TestBatchKeys(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{
		"test.echo": echo, "test.fail": raises("com.example.no_funds", `["poor"]`, ""), "test.wait": silent,
	}}
	g := newGateway(t, r, nil)
	for _, tt := range []struct {
		line     string
		status   int
		replayed bool
		words    string // of the answer
		calls    int    // that were made so far
	}{
		{`{"id":1,"procedure":"test.echo","args":[3],"options":{"idempotency_key":"a"}}`, 200, false, "", 1},
		{`{"id":2,"options":{"idempotency_key":"a"},"args":[3],"procedure":"test.echo"}`, 200, true, "", 1},
		{`{"id":3,"procedure":"test.echo","args":[4],"options":{"idempotency_key":"a"}}`, 422, false, "gateway.error.idempotency_key_reused", 1},
		{`{"id":4,"procedure":"test.fail","options":{"idempotency_key":"a"}}`, 500, false, "com.example.no_funds", 2},
		{`{"id":5,"procedure":"test.fail","options":{"idempotency_key":"a"}}`, 500, true, "com.example.no_funds", 2},
		{`{"id":6,"procedure":"test.wait","options":{"idempotency_key":"a","respond_async":true}}`, 202, false, "", 3},
		{`{"id":7,"procedure":"test.wait","options":{"idempotency_key":"a","respond_async":true}}`, 409, false, "gateway.error.idempotency_key_in_use", 3},
	} {
		got := oneLine(t, g, tt.line)
		r.mu.Lock()
		calls := len(r.calls)
		r.mu.Unlock()
		if got.Status != tt.status || got.Replayed != tt.replayed || !strings.Contains(got.Problem.Error+got.Problem.Detail, tt.words) || calls != tt.calls {
			t.Errorf("%s: %+v after %d calls, want %d %s, replayed %v, after %d", tt.line, got, calls, tt.status, tt.words, tt.replayed, tt.calls)
		}
		if tt.status == 200 && (len(got.Args) != 1 || got.Args[0] != 3.0) {
			t.Errorf("%s: %+v", tt.line, got)
		}
		if tt.status == 409 && !strings.HasPrefix(got.Problem.Instance, "/calls/c_") {
			t.Errorf("%s: %+v", tt.line, got)
		}
	}
	for options, words := range map[string]string{
		`{"idempotency_key":""}`: "is empty", `{"idempotency_key":7}`: "must be text", `{"idempotency_key":"ü"}`: "ASCII",
		`{"respond_async":"true"}`: "true or false", `{"respond_async":1}`: "true or false",
	} {
		w := post(g, "/batch", `{"procedure":"test.echo","options":`+options+`}`, "Content-Type", ndjson)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), words) {
			t.Errorf("%s: %d %s, want 400 with %q", options, w.Code, w.Body, words)
		}
	}
	w := post(g, "/batch", `{"procedure":"test.echo"}`, "Content-Type", ndjson, "Idempotency-Key", "b")
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "idempotency_key") {
		t.Errorf("a key for the whole batch: %d %s", w.Code, w.Body)
	}
}
