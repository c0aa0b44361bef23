package test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// wantSome waits until a series has grown.
func (g *gateway) wantSome(ctx context.Context, t *testing.T, series string) {
	t.Helper()
	wait, done := context.WithTimeout(ctx, patience/4)
	defer done()
	for g.scrape(ctx, t).series[series] == 0 {
		if wait.Err() != nil {
			t.Fatalf("%s is 0", series)
		}
	}
}

// TestMetricsOfLimits runs into each limit of HTTP that does not hang on time.
func TestMetricsOfLimits(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), start(t, "--max-streams-each=1", "--max-callees-each=1", "--max-kept-each=1", "--max-calls=3")
	hang(ctx, t, g, "test.hang")
	stream := []string{"Content-Type", "application/json", "Accept", "text/event-stream"}
	later := []string{"Content-Type", "application/json", "Prefer", "respond-async"}
	refused := func(status int, limit string, a answer) {
		t.Helper()
		if a.status != status {
			t.Errorf("%s: %d %s, want %d", limit, a.status, a.body, status)
		}
		g.wantMore(ctx, t, scrape{}, map[string]float64{`wampgate_http_refused_total{limit="` + limit + `"}`: 1})
		g.wantLog(ctx, t, 0, "limit="+limit)
	}
	hanging, leave := context.WithCancel(ctx)
	first := g.answering(hanging, http.MethodPost, "/call/test.hang", "[]", stream[2:]...)
	g.wantSome(ctx, t, "wampgate_http_streams_open")
	refused(http.StatusTooManyRequests, "max-streams-each", g.post(ctx, t, "/call/test.hang", "[]", stream...))
	g.pull(ctx, t, `{"procedure":"test.one"}`)
	refused(http.StatusTooManyRequests, "max-callees-each", g.post(ctx, t, "/registrations", `{"procedure":"test.two"}`, stream...))
	if a := g.post(ctx, t, "/call/test.hang", "[]", later...); a.status != http.StatusAccepted {
		t.Fatalf("%d %s", a.status, a.body)
	}
	refused(http.StatusTooManyRequests, "max-kept-each", g.post(ctx, t, "/call/test.hang", "[]", later...))
	second := g.answering(hanging, http.MethodPost, "/call/test.hang", "[]")
	g.wantMore(ctx, t, scrape{}, map[string]float64{"wampgate_http_calls_in_flight": 3})
	refused(http.StatusServiceUnavailable, "max-calls", g.call(ctx, t, "demo.add", "[1,2]"))
	leave()
	<-first
	<-second
}

// TestMetricsOfReaders counts what is dropped for readers that are too slow,
// where their calls go on.
func TestMetricsOfReaders(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), start(t, "--queue=64KiB")
	callee := join(ctx, t, g)
	callee.register(ctx, t, 1, "test.flood")
	// yields answers with progress until a series has grown, and then with a result.
	yields := func(from int, series string) {
		t.Helper()
		inv, _ := callee.wantAfter(ctx, t, from, codeInvocation)
		progress := fmt.Sprintf(`[70,%d,{"progress":true},[%q]]`, inv.id(0), strings.Repeat("x", 16<<10))
		for g.scrape(ctx, t).series[series] == 0 {
			for range 100 {
				callee.send(ctx, t, progress)
			}
		}
		callee.sendf(ctx, t, `[70,%d,{}]`, inv.id(0))
	}
	stuck := func(request, rest string) {
		t.Helper()
		g.connect(ctx, t).write(t, request+" HTTP/1.1\r\nHost: HOST\r\nAccept: text/event-stream\r\n"+rest)
	}
	a := g.post(ctx, t, "/call/test.flood?progress=true", "[]", "Content-Type", "application/json", "Prefer", "respond-async")
	stuck("GET "+a.header.Get("Location")+"/events", "\r\n")
	g.wantMore(ctx, t, scrape{}, map[string]float64{"wampgate_http_streams_open": 1}) // before there is too much to begin with
	yields(0, "wampgate_http_readers_outrun_total")

	from := callee.got.len()
	stuck("POST /call/test.flood?overflow=latest", "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n[]")
	yields(from, "wampgate_http_events_dropped_total")
}

// TestMetricsOfWebhooks counts what comes of requests to webhooks.
func TestMetricsOfWebhooks(t *testing.T) {
	t.Parallel()
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			w.Header().Set("Content-Type", "application/json")
		case "/refusing":
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusConflict)
			_, _ = fmt.Fprint(w, `{"error":"com.example.made.up"}`)
			return
		}
		_, _ = fmt.Fprint(w, "1")
	}))
	t.Cleanup(hook.Close)
	ctx, g := within(t, patience), start(t, "--webhook-allow=127.0.0.1")
	for _, name := range []string{"good", "refusing"} {
		a := g.post(ctx, t, "/registrations", fmt.Sprintf(`{"procedure":"test.%s","url":%q}`, name, hook.URL+"/"+name), "Content-Type", "application/json")
		if a.status != http.StatusCreated {
			t.Fatalf("%d %s", a.status, a.body)
		}
		g.call(ctx, t, "test."+name, "[]")
	}
	a := g.post(ctx, t, "/registrations", `{"procedure":"test.away","url":"http://127.0.0.1:1/"}`, "Content-Type", "application/json")
	if a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	g.call(ctx, t, "test.away", "[]")
	g.wantMore(ctx, t, scrape{}, map[string]float64{
		`wampgate_webhook_requests_total{outcome="ok"}`:          1,
		`wampgate_webhook_requests_total{outcome="error"}`:       1,
		`wampgate_webhook_requests_total{outcome="unreachable"}`: 1,
		`wampgate_http_callees`:                                  3,
	})
}

// TestMetricsOfDeadLetters counts attempts that fail, until there is no other.
func TestMetricsOfDeadLetters(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, patience), start(t, "--data-dir="+t.TempDir(), "--durable-attempts=2", "--durable-retry-on=com.example.busy")
	callee := join(ctx, t, g)
	callee.register(ctx, t, 1, "test.busy")
	done := g.answering(ctx, http.MethodPost, "/call/test.busy?trust=persistent", "[]")
	from := 0
	for range 2 {
		var inv message
		inv, from = callee.wantAfter(ctx, t, from, codeInvocation)
		callee.sendf(ctx, t, `[8,68,%d,{},"com.example.busy"]`, inv.id(0))
	}
	if a := <-done; !strings.Contains(a.body, "dead_lettered") {
		t.Errorf("%d %s", a.status, a.body)
	}
	g.wantMore(ctx, t, scrape{}, map[string]float64{
		`wampgate_durable_attempts_total`:                     2,
		`wampgate_durable_attempts_failed_total`:              2,
		`wampgate_durable_ended_total{state="dead_lettered"}`: 1,
		`wampgate_durable_dead_letters`:                       1,
		`wampgate_durable_oldest_seconds`:                     0,
	})
}

// TestMetricsOfTransactions counts transactions while they go on, and when they
// are over.
func TestMetricsOfTransactions(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, patience), start(t, "--data-dir="+t.TempDir())
	p := join(ctx, t, g)
	p.send(ctx, t, `[48,1,{},"wampgate.tx.begin",[],{"id":"one"}]`)
	p.want(ctx, t, codeResult)
	g.wantMore(ctx, t, scrape{}, map[string]float64{
		`wampgate_transactions_begun_total`: 1, `wampgate_transactions{state="active"}`: 1, `wampgate_transactions_stuck`: 0,
	})
	p.send(ctx, t, `[48,2,{},"wampgate.tx.rollback",["one"]]`)
	g.wantMore(ctx, t, scrape{}, map[string]float64{
		`wampgate_transactions_ended_total{state="aborted"}`: 1, `wampgate_transactions{state="active"}`: 0,
	})
}
