package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

const ndjson = "application/x-ndjson"

// TestBatch shows the answers to all kinds of lines: each has its own, whatever
// is wrong with the others.
func TestBatch(t *testing.T) {
	t.Parallel()
	r := &realm{
		procedures: map[wamp.URI]procedure{
			"test.echo": echo, "test.none": returns("", ""), "test.fail": raises("com.example.odd", `["x"]`, `{"a":1,"traceback":["y"]}`),
			"test.binary": func(c incoming) {
				c.result(wamp.Payload{Serializer: wamp.MsgPack, Args: []byte("\x91\x81\x01\x02")}) // no form in JSON
			},
		},
		told: map[wamp.URI]string{"test.fail": `{"errors":{"com.example":422}}`},
	}
	g := newGateway(t, r, nil)
	body := strings.Join([]string{
		`{"id":1,"procedure":"test.echo","args":[1, 2],"kwargs":{"a":9007199254740993}}`,
		`{"id":"two","procedure":"test.none"}`,
		``,
		`{"procedure":"test.echo","args":["no id"]}`,
		`{"id":3,"procedure":"test.fail"}`,
		`{"id":4,"procedure":"test.absent"}`,
		`{"id":5,"procedure":"a..b"}`,
		`{"id":6,"procedure":"test.echo","args":{}}`,
		`{"procedure":"test.echo","arg":[],"id":7}`,
		`{"id":8,"procedure":"test.echo","options":{"stream":"sse"}}`,
		`{"id":[9],"procedure":"test.echo"}`,
		`not JSON`,
		`{"id":10,"procedure":"test.binary"}`,
		`{"id":-1.50,"procedure":"test.echo","args":[3]}`,
	}, "\n")
	w := post(g, "/batch", body, "Content-Type", ndjson)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != ndjson {
		t.Fatalf("%d %s", w.Code, w.Header())
	}
	want := []struct{ head, status, rest string }{
		{`"id":1`, "200", `"args":[1,2],"kwargs":{"a":9007199254740993}}`},
		{`"id":"two"`, "200", ""},
		{`"line":3`, "200", `"args":["no id"]}`},
		{`"id":3`, "422", `"error":"com.example.odd","args":["x"],"kwargs":{"a":1}`},
		{`"id":4`, "404", "wamp.error.no_such_procedure"},
		{`"id":5`, "400", "wamp.error.invalid_uri"},
		{`"id":6`, "400", "args must be"},
		{`"id":7`, "400", `not \"arg\"`},
		{`"id":8`, "400", "timeout, disclose_me"},
		{`"line":10`, "400", "id must be"},
		{`"line":11`, "400", "not valid JSON"},
		{`"id":10`, "502", "no form"},
		{`"id":-1.50`, "200", `"args":[3]}`},
	}
	lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
	if len(lines) != len(want) {
		t.Errorf("%d lines, want %d", len(lines), len(want))
	}
	for _, test := range want {
		i := slices.IndexFunc(lines, func(l string) bool {
			return strings.HasPrefix(l, "{"+test.head+`,"status":`+test.status) && strings.Contains(l, test.rest)
		})
		if i < 0 {
			t.Errorf("no line {%s,"+`"status":`+"%s … %s in\n%s", test.head, test.status, test.rest, w.Body)
		}
	}
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

// TestBatchOptions shows that each line has options of its own, which mean what
// they do in a query.
func TestBatchOptions(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
	g := newGateway(t, r, nil)
	for _, test := range []struct {
		options string
		want    func(o wamp.CallOptions) bool
	}{
		{`{"timeout":500}`, func(o wamp.CallOptions) bool { return o.Timeout == 500 }},
		{`{"timeout":"1.5s"}`, func(o wamp.CallOptions) bool { return o.Timeout == 1500 }},
		{`{"disclose_me":true,"trust":"acknowledged"}`, func(o wamp.CallOptions) bool { return o.DiscloseMe && o.TrustLevel == "acknowledged" }},
		{`{"rkey":7,"runmode":"partition"}`, func(o wamp.CallOptions) bool {
			return o.RoutingKey == wamp.Key("n7") && o.RunMode == wamp.RunPartition
		}},
		{`{"shard_key":"7"}`, func(o wamp.CallOptions) bool { return o.RoutingKey == wamp.StringKey("7") }},
	} {
		w := post(g, "/batch", `{"id":1,"procedure":"test.echo","options":`+test.options+`}`, "Content-Type", ndjson,
			"Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
		call, _ := r.last()
		if w.Code != 200 || !test.want(call.Options) || call.Options.Custom["_traceparent"] != w.Header().Get("Traceparent") {
			t.Errorf("%s: %d %s; CALL %+v", test.options, w.Code, w.Body, call.Options)
		}
	}
}

// TestBatchRefused shows what is no batch: nobody is called.
func TestBatchRefused(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
	g := newGateway(t, r, func(c *gateway.Config) { c.MaxBody = 1 << 20 })
	line := `{"procedure":"test.echo"}` + "\n"
	for name, test := range map[string]struct {
		path, media, accept, body string
		status                    int
	}{
		"another type":      {"/batch", jsonType, "*/*", line, 415},
		"no type":           {"/batch", "", "*/*", line, 415},
		"options":           {"/batch?timeout=1s", ndjson, "*/*", line, 400},
		"another answer":    {"/batch", ndjson, jsonType, line, 406},
		"nothing in it":     {"/batch", ndjson, "*/*", "\n\n", 400},
		"no call in line 1": {"/batch", ndjson, "*/*", "[]\n" + line, 400},
		"too many lines":    {"/batch", ndjson, "*/*", strings.Repeat(line, 1001), 413},
		"too large":         {"/batch", ndjson, "*/*", strings.Repeat(" ", 1<<20) + line, 413},
	} {
		w := post(g, test.path, test.body, "Content-Type", test.media, "Accept", test.accept)
		if w.Code != test.status {
			t.Errorf("%s: %d %s, want %d", name, w.Code, w.Body, test.status)
		}
	}
	if _, called := r.last(); called {
		t.Error("somebody was called")
	}
	if w := post(g, "/batch", strings.Repeat(line, 1000), "Content-Type", "application/jsonl", "Accept", "application/jsonl"); strings.Count(w.Body.String(), "\n") != 1000 {
		t.Errorf("1,000 lines: %d, %d answers", w.Code, strings.Count(w.Body.String(), "\n"))
	}
}

// TestBatchLimits shows that each call counts by itself: against the rate, and
// against those in flight.
func TestBatchLimits(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
	g := newGateway(t, r, func(c *gateway.Config) { c.Rate, c.Burst = 0.001, 3 })
	var body strings.Builder
	for i := range 5 {
		fmt.Fprintf(&body, `{"id":%d,"procedure":"test.echo"}`+"\n", i)
	}
	w := post(g, "/batch", body.String(), "Content-Type", ndjson)
	if ok, refused := strings.Count(w.Body.String(), `"status":200`), strings.Count(w.Body.String(), `"status":429,"problem"`); ok != 3 || refused != 2 {
		t.Errorf("%d calls and %d refusals, want 3 and 2:\n%s", ok, refused, w.Body)
	}
}

// TestBatchInFlight shows that 16 calls are in flight, answers come in the order
// of completion, and the others follow.
func TestBatchInFlight(t *testing.T) {
	t.Parallel()
	var waiting []incoming
	var most int
	r := &realm{procedures: map[wamp.URI]procedure{}}
	r.procedures["test.wait"] = func(c incoming) {
		waiting = append(waiting, c)
		most = max(most, len(waiting))
	}
	r.arrived = make(chan struct{}, 100)
	g := newGateway(t, r, nil)
	var body strings.Builder
	for i := range 20 {
		fmt.Fprintf(&body, `{"id":%d,"procedure":"test.wait","args":[%d]}`+"\n", i, i)
	}
	done := make(chan *httptest.ResponseRecorder)
	go func() { done <- post(g, "/batch", body.String(), "Content-Type", ndjson) }()
	for range 16 {
		<-r.arrived
	}
	for range 20 { // the last one that came is answered first
		r.mu.Lock()
		last := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		last.result(last.Payload)
		more := len(r.calls) < 20
		r.mu.Unlock()
		if more {
			<-r.arrived
		}
	}
	w := <-done
	if most != 16 {
		t.Errorf("%d in flight, want 16", most)
	}
	lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
	if len(lines) != 20 || strings.HasPrefix(lines[0], `{"id":0,`) {
		t.Errorf("%d answers, the first is %s", len(lines), lines[0])
	}
}

// TestBatchClientGone shows that a client that hangs up ends all its calls, and
// that each is a line of the log.
func TestBatchClientGone(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{"test.wait": silent}}
	r.onCancel = func(c incoming) { c.fail(wamp.ErrCanceled, wamp.OriginCallee, wamp.Payload{}) }
	r.arrived = make(chan struct{}, 100)
	var log lockedBuffer
	g := newGateway(t, r, func(c *gateway.Config) { c.AccessLog = slog.New(slog.NewTextHandler(&log, nil)) })
	server := httptest.NewServer(g)
	defer server.Close()
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	body := strings.Repeat(`{"procedure":"test.wait"}`+"\n", 40)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/batch", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", ndjson)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	for range 16 {
		<-r.arrived
	}
	hangUp()
	for range 16 {
		<-r.arrived // a CANCEL each
	}
	server.Close() // waits for the handler
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.calls) != 16 || len(r.canceled) != 16 {
		t.Errorf("%d calls and %d cancels, want 16 each", len(r.calls), len(r.canceled))
	}
	if n := strings.Count(log.String(), "callee confirmed"); n != 16 {
		t.Errorf("%d calls logged as canceled, want 16:\n%s", n, log.String())
	}
}

// TestBatchHoldsLittle shows that answers don't pile up while the client does
// not read: the calls wait for it.
func TestBatchHoldsLittle(t *testing.T) {
	t.Parallel()
	var called atomic.Int64
	big := []byte(`["` + strings.Repeat("x", 1<<20) + `"]`)
	r := &realm{procedures: map[wamp.URI]procedure{"test.big": func(c incoming) {
		called.Add(1)
		c.result(wamp.Payload{Serializer: wamp.JSON, Args: big})
	}}}
	server := httptest.NewServer(newGateway(t, r, nil))
	defer server.Close()
	const calls = 200
	res, err := http.Post(server.URL+"/batch", ndjson, strings.NewReader(strings.Repeat(`{"procedure":"test.big"}`+"\n", calls)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	n, err := io.CopyN(io.Discard, res.Body, 1<<20)
	if err != nil {
		t.Fatal(n, err)
	}
	if c := called.Load(); c > calls/2 {
		t.Errorf("%d of %d answers of 1 MiB were made for a client that read one", c, calls)
	}
	rest, err := io.Copy(io.Discard, res.Body)
	if err != nil || n+rest < calls<<20 {
		t.Errorf("%d bytes, %v", n+rest, err)
	}
}

// TestBridgeErrorsAsCrossbar shows ?errors=200: errors of calls are answered as
// Crossbar's bridge does, those of requests are not.
func TestBridgeErrorsAsCrossbar(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo, "test.fail": raises("com.example.oops", `["x",2]`, `{"a":1}`)}}
	g := newGateway(t, r, nil)
	for _, test := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"procedure":"test.echo","args":[1],"options":{"rkey":"a"}}`, 200, `{"args":[1],"kwargs":{}}` + "\n"},
		{`{"procedure":"test.fail"}`, 200, `{"args":["x",2],"error":"com.example.oops","kwargs":{"a":1}}` + "\n"},
		{`{"procedure":"test.absent"}`, 200, `{"args":["no procedure test.absent"],"error":"wamp.error.no_such_procedure","kwargs":{}}` + "\n"},
		{`{"procedure":"a..b"}`, 400, ""},
	} {
		w := post(g, "/call?errors=200", test.body, "Content-Type", jsonType)
		if w.Code != test.status || test.want != "" && w.Body.String() != test.want || w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
			t.Errorf("%s: %d %s, want %d %s", test.body, w.Code, w.Body, test.status, test.want)
		}
		if strings.Contains(test.want, "error") && w.Header().Get("Wamp-Error") == "" {
			t.Errorf("%s: %v", test.body, w.Header())
		}
	}
	if w := post(g, "/call?errors=500", `{"procedure":"test.echo"}`, "Content-Type", jsonType); w.Code != 400 {
		t.Errorf("errors=500: %d", w.Code)
	}
}

// lockedBuffer is a log that many goroutines write.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
