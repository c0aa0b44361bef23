package test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// A scrape is what GET /metrics answered: series, as they are written there, and
// their values.
type scrape struct {
	text   string
	series map[string]float64
}

// scrape fetches the counters.
func (g *gateway) scrape(ctx context.Context, t *testing.T) scrape {
	t.Helper()
	a, err := fetch(ctx, "h1", http.MethodGet, "http://"+g.admin+"/metrics", nil)
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("GET /metrics: %d, %v", a.status, err)
	}
	s := scrape{a.body, make(map[string]float64)}
	for line := range strings.Lines(a.body) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(strings.TrimSpace(line), ' ')
		v, err := strconv.ParseFloat(strings.TrimSpace(line[at+1:]), 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		s.series[line[:at]] = v
	}
	return s
}

// wantMore waits until each series has grown by just as much as wanted since
// before: what a request changes is counted a moment after its answer is there.
func (g *gateway) wantMore(ctx context.Context, t *testing.T, before scrape, want map[string]float64) {
	t.Helper()
	wait, done := context.WithTimeout(ctx, patience/4)
	defer done()
	for {
		now, missing := g.scrape(ctx, t), ""
		for series, n := range want {
			if got := now.series[series] - before.series[series]; got != n {
				missing = fmt.Sprintf("%s grew by %v, want %v", series, got, n)
			}
		}
		if missing == "" {
			return
		}
		if wait.Err() != nil {
			t.Fatal(missing)
		}
	}
}

// A counting is something that is done, and what is counted of it.
type counting struct {
	name string
	do   func(ctx context.Context, t *testing.T, g *gateway)
	more map[string]float64
}

// hang registers a procedure that answers nothing by itself.
func hang(ctx context.Context, t *testing.T, g *gateway, uri string) *peer {
	t.Helper()
	p := join(ctx, t, g)
	p.register(ctx, t, 1, uri)
	return p
}

// leaveCall begins a call over HTTP, and leaves when the callee has it.
func leaveCall(ctx context.Context, t *testing.T, g *gateway, callee *peer, uri string) message {
	t.Helper()
	calling, leave := context.WithCancel(ctx)
	left := make(chan error, 1)
	go func() {
		_, err := g.do(calling, http.MethodPost, "/call/"+uri, strings.NewReader("[]"), "Content-Type", "application/json")
		left <- err
	}()
	m := callee.want(ctx, t, codeInvocation)
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the call ended with %v", err)
	}
	callee.want(ctx, t, codeInterrupt)
	return m
}

// httpCountings are about requests, and calls made with them.
func httpCountings() []counting {
	return []counting{
		{"a result", func(ctx context.Context, t *testing.T, g *gateway) {
			t.Helper()
			if a := g.call(ctx, t, "demo.add", "[2,3]"); a.body != "5" {
				t.Errorf("%d %s", a.status, a.body)
			}
		}, map[string]float64{
			`wampgate_http_requests_total{method="POST",route="/call/{uri}",status="2xx"}`:                       1,
			`wampgate_http_request_duration_seconds_count{route="/call/{uri}"}`:                                  1,
			`wampgate_http_request_bytes_total`:                                                                  5,
			`wampgate_http_response_bytes_total`:                                                                 2,
			`wampgate_http_calls_total{outcome="ok",source="none"}`:                                              1,
			`wampgate_calls_total{realm="realm1"}`:                                                               1,
			`wampgate_calls_ended_total{outcome="result",realm="realm1",source="callee"}`:                        1,
			`wampgate_procedure_calls_total{match="exact",outcome="result",procedure="demo.add",realm="realm1"}`: 1,
			`wampgate_messages_total{direction="out",serializer="json",transport="websocket"}`:                   1,
			`wampgate_messages_total{direction="in",serializer="json",transport="websocket"}`:                    1,
		}},
		{"an error of the callee", func(ctx context.Context, t *testing.T, g *gateway) {
			t.Helper()
			if a := g.call(ctx, t, "demo.fail", "[]"); !strings.Contains(a.body, `"source":"callee"`) {
				t.Errorf("%d %s", a.status, a.body)
			}
		}, map[string]float64{
			`wampgate_http_calls_total{outcome="error",source="callee"}`:                                         1,
			`wampgate_calls_ended_total{outcome="error",realm="realm1",source="callee"}`:                         1,
			`wampgate_procedure_calls_total{match="exact",outcome="error",procedure="demo.fail",realm="realm1"}`: 1,
		}},
		{"errors of the dealer", func(ctx context.Context, t *testing.T, g *gateway) {
			t.Helper()
			g.call(ctx, t, "test.nothing", "[]")
			g.call(ctx, t, "demo.sleep?timeout=20ms", "[60]")
		}, map[string]float64{
			`wampgate_http_requests_total{method="POST",route="/call/{uri}",status="4xx"}`:                         1,
			`wampgate_http_requests_total{method="POST",route="/call/{uri}",status="5xx"}`:                         1,
			`wampgate_http_calls_total{outcome="error",source="dealer"}`:                                           2,
			`wampgate_calls_ended_total{outcome="no_such_procedure",realm="realm1",source="dealer"}`:               1,
			`wampgate_calls_ended_total{outcome="timeout",realm="realm1",source="dealer"}`:                         1,
			`wampgate_procedure_calls_total{match="exact",outcome="failed",procedure="demo.sleep",realm="realm1"}`: 1,
		}},
		{"a stream", func(ctx context.Context, t *testing.T, g *gateway) {
			t.Helper()
			g.post(ctx, t, "/call/demo.count", "[3]", "Content-Type", "application/json", "Accept", "text/event-stream")
		}, map[string]float64{
			`wampgate_http_stream_duration_seconds_count`:                       1,
			`wampgate_http_request_duration_seconds_count{route="/call/{uri}"}`: 0,
			`wampgate_http_events_total`:                                        3,
			`wampgate_http_streams_open`:                                        0,
		}},
		{"a batch", func(ctx context.Context, t *testing.T, g *gateway) {
			t.Helper()
			a := g.post(ctx, t, "/batch", `{"procedure":"demo.add","args":[1,2]}`+"\n"+`{"procedure":"demo.fail"}`+"\n", "Content-Type", "application/x-ndjson")
			if a.status != http.StatusOK {
				t.Errorf("%d %s", a.status, a.body)
			}
		}, map[string]float64{
			`wampgate_http_requests_total{method="POST",route="/batch",status="2xx"}`: 1,
			`wampgate_http_calls_total{outcome="ok",source="none"}`:                   1,
			`wampgate_http_calls_total{outcome="error",source="callee"}`:              1,
		}},
		{"a call that answers later", func(ctx context.Context, t *testing.T, g *gateway) {
			t.Helper()
			a := g.post(ctx, t, "/call/demo.count?progress=true", "[3]", "Content-Type", "application/json", "Prefer", "respond-async")
			at := a.header.Get("Location")
			g.send(ctx, t, http.MethodGet, at, nil, "Prefer", "wait=10")
			g.send(ctx, t, http.MethodGet, at+"/events", nil, "Accept", "text/event-stream")
		}, map[string]float64{
			`wampgate_http_requests_total{method="GET",route="/calls/{id}",status="2xx"}`:        1,
			`wampgate_http_requests_total{method="GET",route="/calls/{id}/events",status="2xx"}`: 1,
			`wampgate_http_stream_duration_seconds_count`:                                        1,
			`wampgate_http_calls_total{outcome="ok",source="none"}`:                              1,
			`wampgate_http_kept_calls`:                                                           1,
			`wampgate_http_events_total`:                                                         3,
		}},
		{"routes and methods", func(ctx context.Context, t *testing.T, g *gateway) {
			t.Helper()
			g.send(ctx, t, http.MethodGet, "/no/such", nil)
			g.send(ctx, t, "BREW", "/procedures", nil)
			g.send(ctx, t, http.MethodGet, "/readyz", nil)
		}, map[string]float64{
			`wampgate_http_requests_total{method="GET",route="other",status="4xx"}`:   1,
			`wampgate_http_requests_total{method="other",route="other",status="4xx"}`: 1,
			`wampgate_http_requests_total{method="GET",route="/readyz",status="2xx"}`: 1,
		}},
		{"a client that leaves", func(ctx context.Context, t *testing.T, g *gateway) {
			t.Helper()
			callee := hang(ctx, t, g, "test.polite")
			m := leaveCall(ctx, t, g, callee, "test.polite")
			callee.sendf(ctx, t, `[8,68,%d,{},"wamp.error.canceled"]`, m.id(0))
		}, map[string]float64{
			`wampgate_http_requests_total{method="POST",route="/call/{uri}",status="499"}`:  1,
			`wampgate_http_calls_total{outcome="canceled",source="client"}`:                 1,
			`wampgate_http_disconnects_total{outcome="canceled"}`:                           1,
			`wampgate_calls_ended_total{outcome="canceled",realm="realm1",source="caller"}`: 1,
		}},
		{"a client that leaves a callee that does not listen", func(ctx context.Context, t *testing.T, g *gateway) {
			t.Helper()
			callee := hang(ctx, t, g, "test.deaf")
			m := leaveCall(ctx, t, g, callee, "test.deaf")
			g.wantLog(ctx, t, 0, "test.deaf", "outcome=unconfirmed")
			callee.sendf(ctx, t, `[70,%d,{}]`, m.id(0))
			callee.sync(ctx, t)
		}, map[string]float64{
			`wampgate_http_disconnects_total{outcome="unconfirmed"}`: 1,
			`wampgate_kill_grace_expired_total{realm="realm1"}`:      1,
			`wampgate_late_answers_total{realm="realm1"}`:            1,
		}},
		{"a callee that reads a stream", func(ctx context.Context, t *testing.T, g *gateway) {
			t.Helper()
			s, before := g.pull(ctx, t, `{"procedure":"test.pull"}`), g.scrape(ctx, t)
			if before.series["wampgate_http_callees"] != 1 || before.series["wampgate_http_streams_open"] != 1 {
				t.Errorf("%v callees and %v streams, want 1 and 1", before.series["wampgate_http_callees"], before.series["wampgate_http_streams_open"])
			}
			s.close()
		}, map[string]float64{
			`wampgate_http_callees`: 0, `wampgate_http_streams_open`: 0, `wampgate_http_stream_duration_seconds_count`: 1,
		}},
	}
}

// wampCountings are about sessions.
func wampCountings() []counting {
	return []counting{
		{"a session that breaks the protocol", func(ctx context.Context, t *testing.T, g *gateway) {
			t.Helper()
			p := join(ctx, t, g)
			p.send(ctx, t, `[70,99,{}]`)
			p.want(ctx, t, codeAbort)
		}, map[string]float64{
			`wampgate_sessions_opened_total{realm="realm1",serializer="json",transport="websocket"}`: 1,
			`wampgate_sessions_cut_total{realm="realm1",reason="protocol_violation"}`:                1,
			`wampgate_aborts_total{reason="wamp.error.protocol_violation"}`:                          1,
			`wampgate_connections_accepted_total`:                                                    1,
		}},
		{"a realm that is not there", func(ctx context.Context, t *testing.T, g *gateway) {
			t.Helper()
			p := dial(ctx, t, g)
			p.send(ctx, t, `[1,"nowhere",{"roles":{"caller":{}}}]`)
			p.want(ctx, t, codeAbort)
		}, map[string]float64{
			`wampgate_aborts_total{reason="wamp.error.no_such_realm"}`: 1,
		}},
		{"a session that is killed", func(ctx context.Context, t *testing.T, g *gateway) {
			t.Helper()
			victim := dial(ctx, t, g)
			victim.send(ctx, t, `[1,"realm1",`+allRoles+`]`)
			id := victim.want(ctx, t, codeWelcome).id(0)
			join(ctx, t, g).sendf(ctx, t, `[48,1,{},"wamp.session.kill",[%d]]`, id)
			victim.want(ctx, t, codeGoodbye)
		}, map[string]float64{
			`wampgate_sessions_cut_total{realm="realm1",reason="killed"}`: 1,
		}},
		{"a caller and a callee that go", func(ctx context.Context, t *testing.T, g *gateway) {
			t.Helper()
			caller, callee := join(ctx, t, g), hang(ctx, t, g, "test.hang")
			caller.send(ctx, t, `[48,1,{},"test.hang"]`)
			callee.want(ctx, t, codeInvocation)
			_ = callee.conn.CloseNow()
			caller.want(ctx, t, codeError)
			callee = hang(ctx, t, g, "test.hang")
			caller.send(ctx, t, `[48,2,{},"test.hang"]`)
			callee.want(ctx, t, codeInvocation)
			_ = caller.conn.CloseNow()
			callee.want(ctx, t, codeInterrupt)
		}, map[string]float64{
			`wampgate_calls_ended_total{outcome="callee_gone",realm="realm1",source="dealer"}`: 1,
			`wampgate_calls_ended_total{outcome="caller_gone",realm="realm1",source="caller"}`: 1,
		}},
		{"a callee that declines", func(ctx context.Context, t *testing.T, g *gateway) {
			t.Helper()
			one, two := joinWith(ctx, t, g, `"call_reroute":true`), joinWith(ctx, t, g, `"call_reroute":true`)
			for _, p := range []*peer{one, two} {
				p.send(ctx, t, `[64,1,{"invoke":"first"},"test.declined"]`)
				p.want(ctx, t, codeRegistered)
			}
			done := g.answering(ctx, http.MethodPost, "/call/test.declined", "[]")
			one.sendf(ctx, t, `[8,68,%d,{},"wamp.error.unavailable"]`, one.want(ctx, t, codeInvocation).id(0))
			two.sendf(ctx, t, `[70,%d,{}]`, two.want(ctx, t, codeInvocation).id(0))
			<-done
		}, map[string]float64{
			`wampgate_calls_rerouted_total{realm="realm1"}`: 1,
		}},
		{"a call that is too large for its callee", func(ctx context.Context, t *testing.T, g *gateway) {
			t.Helper()
			join(ctx, t, g).serve(ctx, t, 1, "test.small", "[]")
			if a := g.call(ctx, t, "test.small", `["`+strings.Repeat("x", 100<<10)+`"]`); a.status != http.StatusRequestEntityTooLarge {
				t.Errorf("%d %s", a.status, a.body)
			}
		}, map[string]float64{
			`wampgate_messages_refused_total{realm="realm1",reason="too_large"}`:             1,
			`wampgate_calls_ended_total{outcome="too_large",realm="realm1",source="dealer"}`: 1,
		}},
		{"an answer that is too large for its caller", func(ctx context.Context, t *testing.T, g *gateway) {
			t.Helper()
			join(ctx, t, g).serve(ctx, t, 1, "test.large", `["`+strings.Repeat("x", 4<<10)+`"]`)
			caller := joinRaw(ctx, t, g)
			caller.send(t, `[48,1,{},"test.large"]`)
			if got := caller.next(t); !strings.Contains(got, "payload_size_exceeded") {
				t.Errorf("%s", got)
			}
		}, map[string]float64{
			`wampgate_answers_undelivered_total{realm="realm1"}`:                                      1,
			`wampgate_sessions_opened_total{realm="realm1",serializer="json",transport="rawsocket"}`:  1,
			`wampgate_messages_total{direction="in",serializer="json",transport="rawsocket"}`:         2,
			`wampgate_messages_total{direction="out",serializer="json",transport="rawsocket"}`:        2,
			`wampgate_connection_bytes_total{direction="in",serializer="json",transport="rawsocket"}`: float64(len(rawHello) + len(`[48,1,{},"test.large"]`) + 8),
		}},
		{"persistent calls", func(ctx context.Context, t *testing.T, g *gateway) {
			t.Helper()
			join(ctx, t, g).serve(ctx, t, 1, "test.kept", "[]")
			if a := g.call(ctx, t, "test.kept?trust=persistent", "[]"); a.status >= http.StatusBadRequest {
				t.Errorf("%d %s", a.status, a.body)
			}
			a := g.post(ctx, t, "/call/test.absent?trust=persistent", "[]", "Content-Type", "application/json", "Prefer", "respond-async")
			if a.status != http.StatusAccepted {
				t.Errorf("%d %s", a.status, a.body)
			}
		}, map[string]float64{
			`wampgate_durable_accepted_total`:                                              2,
			`wampgate_durable_attempts_total`:                                              2,
			`wampgate_durable_ended_total{state="succeeded"}`:                              1,
			`wampgate_durable_calls{state="parked"}`:                                       1,
			`wampgate_durable_outcomes`:                                                    1,
			`wampgate_calls_total{realm="realm1"}`:                                         4, // two are accepted, and two made of them
			`wampgate_http_requests_total{method="POST",route="/call/{uri}",status="2xx"}`: 2,
		}},
	}
}

// TestMetrics does what is counted over real connections, and looks at the
// counters. In the end all that the manual lists have been seen.
func TestMetrics(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), start(t, "--rawsocket-listen=127.0.0.1:0", "--max-message=64KiB", "--kill-grace=200ms", "--data-dir="+t.TempDir())
	for _, c := range slices.Concat(httpCountings(), wampCountings()) {
		before, held := g.scrape(ctx, t), t.Failed()
		c.do(ctx, t, g)
		g.wantMore(ctx, t, before, c.more)
		if t.Failed() && !held {
			t.Fatalf("%s is not counted as it should be", c.name)
		}
	}
	all := g.scrape(ctx, t)
	for gauge, want := range map[string]float64{
		`wampgate_calls_in_flight{realm="realm1"}`: 0, `wampgate_http_calls_in_flight`: 0, `wampgate_http_requests_in_flight`: 0,
		`wampgate_durable_info{durability="synced"}`: 1, `wampgate_http_shed_level`: 0, `wampgate_sessions_pending`: 0,
	} {
		if all.series[gauge] != want {
			t.Errorf("%s %v, want %v", gauge, all.series[gauge], want)
		}
	}
	for _, more := range []string{`wampgate_registrations{realm="realm1"}`, `wampgate_connections`, `wampgate_durable_stored_bytes{log="calls"}`, `go_goroutines`} {
		if all.series[more] <= 0 {
			t.Errorf("%s %v, want more", more, all.series[more])
		}
	}
	lint(t, all)
	wantListed(t, all)
}

// lint holds a scrape against the rules for names, units and texts of metrics.
func lint(t *testing.T, s scrape) {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(s.text + "\n")).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// wantListed compares what a gateway has with the table in the manual. Some
// families have a value only once somebody was refused, as other tests are.
func wantListed(t *testing.T, s scrape) {
	t.Helper()
	manual, err := os.ReadFile("../cmd/wampgate/README.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(wampgate_[a-z_]+)`[^|]* \\| (counter|gauge|histogram) \\|").FindAllStringSubmatch(string(manual), -1) {
		listed[row[1]] = row[2]
	}
	for _, row := range regexp.MustCompile(`(?m)^# TYPE (wampgate_\w+) (\w+)$`).FindAllStringSubmatch(s.text, -1) {
		if listed[row[1]] != row[2] {
			t.Errorf("the manual calls %s a %q, it is a %s", row[1], listed[row[1]], row[2])
		}
		delete(listed, row[1])
	}
	seldom := []string{"wampgate_http_refused_total", "wampgate_webhook_requests_total", "wampgate_http_authentication_failures_total", "wampgate_authentication_failures_total"}
	for name := range listed {
		if !slices.Contains(seldom, name) {
			t.Errorf("the manual lists %s, which is not there", name)
		}
	}
}

// rawHello opens a session.
const rawHello = `[1,"realm1",{"roles":{"caller":{}}}]`

// A rawPeer is a RawSocket client that takes messages of 2 KiB at most.
type rawPeer struct {
	net.Conn
	in *bufio.Reader
}

func joinRaw(ctx context.Context, t *testing.T, g *gateway) *rawPeer {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", strings.TrimPrefix(g.rs(ctx, t), "rs://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	p := &rawPeer{conn, bufio.NewReader(conn)}
	var octets [4]byte
	if _, err := conn.Write([]byte{0x7f, 0x21, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(p.in, octets[:]); err != nil || octets[1]&0x0f != 1 {
		t.Fatalf("handshake: %x, %v", octets, err)
	}
	p.send(t, rawHello)
	p.next(t)
	return p
}

func (p *rawPeer) send(t *testing.T, message string) {
	t.Helper()
	if _, err := p.Write(append([]byte{0, byte(len(message) >> 16), byte(len(message) >> 8), byte(len(message))}, message...)); err != nil {
		t.Fatal(err)
	}
}

func (p *rawPeer) next(t *testing.T) string {
	t.Helper()
	var prefix [4]byte
	if _, err := io.ReadFull(p.in, prefix[:]); err != nil {
		t.Fatal(err)
	}
	message := make([]byte, int(prefix[1])<<16|int(prefix[2])<<8|int(prefix[3]))
	if _, err := io.ReadFull(p.in, message); err != nil {
		t.Fatal(err)
	}
	return string(message)
}

// TestMetricsOfRefusals counts who is not let in, and what is too much.
func TestMetricsOfRefusals(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*patience)
	g := serve(t, strings.Replace(flightConfig, "rate: 50\n", "rate: 1\nburst: 2\nmax-calls-each: 1\n", 1), []string{"PASSWORD=" + flightPassword})
	before := g.scrape(ctx, t)
	client := clientAt(t, "127.0.0.1")
	if status := g.statusOf(ctx, t, client, "Authorization", "Basic am9lOndyb25n"); status != http.StatusUnauthorized {
		t.Errorf("a wrong password: %d", status)
	}
	g.callNothing(ctx, t, client, "")
	g.ticketFrom(ctx, t, client, "joe", "wrong")
	b := newBench(ctx, t, g)
	first := b.http(ctx, t, "test.slow")
	invocation := b.invoked(ctx, t)
	if a := <-b.http(ctx, t, "test.slow"); a.status != http.StatusTooManyRequests {
		t.Errorf("two calls at once: %d", a.status)
	}
	b.yield(t, invocation)
	<-first
	if a := <-b.http(ctx, t, "test.slow"); a.status != http.StatusTooManyRequests {
		t.Errorf("three calls in a second: %d", a.status)
	}
	g.wantMore(ctx, t, before, map[string]float64{
		`wampgate_http_authentication_failures_total{reason="wrong_secret"}`:         1,
		`wampgate_http_authentication_failures_total{reason="no_credentials"}`:       1,
		`wampgate_authentication_failures_total{locked_out="false",method="ticket"}`: 1,
		`wampgate_aborts_total{reason="wamp.error.authentication_denied"}`:           1,
		`wampgate_http_refused_total{limit="max-calls-each"}`:                        1,
		`wampgate_http_refused_total{limit="rate"}`:                                  1,
	})
	for range 12 {
		g.statusOf(ctx, t, client, "Authorization", "Basic am9lOndyb25n")
	}
	g.ticketFrom(ctx, t, client, "joe", "wrong")
	g.wantSome(ctx, t, `wampgate_http_authentication_failures_total{reason="too_many_failures"}`)
	g.wantSome(ctx, t, `wampgate_authentication_failures_total{locked_out="true",method="ticket"}`)
	lint(t, g.scrape(ctx, t))
}

// TestMetricsOfSlowPeers counts what is done about peers that do not keep up,
// or are not there any more.
func TestMetricsOfSlowPeers(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), start(t, "--queue=64KiB", "--ping-interval=100ms", "--ping-timeout=100ms", "--max-sessions=8")
	before := g.scrape(ctx, t)
	silent := dialQuiet(ctx, t, g)
	g.wantMore(ctx, t, before, map[string]float64{`wampgate_connections_given_up_total{reason="ping_timeout"}`: 1})
	_ = silent.conn.CloseNow()

	callee := join(ctx, t, g)
	callee.register(ctx, t, 1, "test.flood")
	c := g.connect(ctx, t)
	c.write(t, "POST /call/test.flood HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\nContent-Length: 2\r\n\r\n[]")
	if err := flood(ctx, callee); err != nil {
		t.Fatal(err)
	}
	g.wantMore(ctx, t, before, map[string]float64{
		`wampgate_http_queue_overflows_total`:                           1,
		`wampgate_http_calls_total{outcome="canceled",source="client"}`: 1,
	})
	now := g.scrape(ctx, t)
	for _, series := range []string{`wampgate_stalls_total{realm="realm1",slow="caller"}`, `wampgate_stalls_exceeded_total{realm="realm1",slow="caller"}`} {
		if now.series[series] == 0 {
			t.Errorf("%s is 0", series)
		}
	}
	for range 8 {
		if conn, _, err := websocket.Dial(ctx, g.ws(), &websocket.DialOptions{Subprotocols: []string{"wamp.2.json"}}); err == nil {
			t.Cleanup(func() { _ = conn.CloseNow() })
		}
	}
	if n := g.scrape(ctx, t).series["wampgate_connections_refused_total"]; n == 0 {
		t.Error("no connection was refused")
	}
}

// TestMetricsAreBounded: whatever strangers make up, there are no more series;
// what callees register is counted by itself up to metrics-procedures.
func TestMetricsAreBounded(t *testing.T) {
	t.Parallel()
	const strangers, registered, counted = 10_000, 200, 50
	ctx, g := within(t, 2*patience), start(t, fmt.Sprintf("--metrics-procedures=%d", counted))
	p := join(ctx, t, g)
	for i := range registered {
		p.sendf(ctx, t, `[64,%d,{},"test.registered.%d"]`, i+1, i)
	}
	p.sync(ctx, t)
	once := func(i int) {
		client := &http.Client{}
		for _, path := range []string{"/call/made.up.%d", "/made/up/%d", "/problems/made.up.%d"} {
			_, _ = fetchOver(ctx, client, http.MethodPost, g.url(fmt.Sprintf(path, i)), strings.NewReader("[]"), "Content-Type", "application/json")
		}
		_, _ = fetchOver(ctx, client, fmt.Sprintf("M%d", i), g.url("/call/demo.add"), nil, "Authorization", fmt.Sprintf("Scheme%d x", i))
	}
	once(0)
	p.send(ctx, t, `[48,100000,{},"test.registered.0"]`)
	stranger := func(realm string) {
		s := dial(ctx, t, g)
		s.sendf(ctx, t, `[1,%q,{"roles":{"caller":{}},"authmethods":[%[1]q],"authid":%[1]q}]`, realm)
		s.want(ctx, t, codeAbort)
	}
	stranger("made.up")
	g.wantLog(ctx, t, 0, "M0")
	before := g.scrape(ctx, t)

	var work sync.WaitGroup
	for w := range 4 {
		work.Go(func() {
			client := &http.Client{Transport: newTransport("h2c")}
			defer client.CloseIdleConnections()
			for i := w; i < strangers; i += 4 {
				if _, err := fetchOver(ctx, client, http.MethodPost, g.url(fmt.Sprintf("/call/made.up.%d", i)), strings.NewReader("[]"), "Content-Type", "application/json"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	for i := range 20 {
		once(i)
		stranger(fmt.Sprintf("made.up.%d", i))
	}
	after := g.scrape(ctx, t)
	var more []string
	for series := range after.series {
		if _, known := before.series[series]; !known {
			more = append(more, series)
		}
	}
	if len(more) > 0 {
		t.Errorf("%d series came of what strangers made up: %q", len(more), more[:min(len(more), 10)])
	}
	if n := strings.Count(after.text, "\nwampgate_procedure_calls_total{"); n > 3*(counted+1) {
		t.Errorf("%d series of procedures, want at most 3 for each of %d and for all others", n, counted)
	}
	t.Logf("%d series", len(after.series))
}
