package load_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wampgate/wampgate/test/bench/floor"
	"github.com/wampgate/wampgate/test/bench/load"
	"github.com/wampgate/wampgate/test/bench/rivals"
	"github.com/wampgate/wampgate/test/bench/wire"
)

// A counter counts how often it is told to begin and end.
type counter struct{ begun, ended atomic.Int32 }

func (c *counter) Begin() { c.begun.Add(1) }
func (c *counter) End()   { c.ended.Add(1) }

func (c *counter) check(t *testing.T) {
	t.Helper()
	if b, e := c.begun.Load(), c.ended.Load(); b != 1 || e != 1 {
		t.Errorf("the meter began %d and ended %d times, want once", b, e)
	}
}

func serve(t *testing.T, h http.HandlerFunc) load.Router {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return load.Router{URL: "ws" + strings.TrimPrefix(server.URL, "http"), Realm: "realm1"}
}

func TestCallsAreAnsweredOnce(t *testing.T) {
	t.Parallel()
	const calls = 100
	d := floor.NewDealer()
	routers := map[string]load.Router{"coder": serve(t, d.ServeCoder), "raw": serve(t, d.ServeRaw)}
	for name, c := range map[string]load.Calls{
		"one":         {InFlight: 1, Size: 16},
		"many":        {InFlight: 100, Size: 16},
		"each":        {InFlight: 20, Size: 16, EachWrite: true},
		"large":       {InFlight: 8, Size: 100_000, Callers: 1, Callees: 1},
		"progressive": {InFlight: 4, Size: 1, Results: 10},
		"exact":       {InFlight: 8, Size: 1, Procedures: 200},
		"prefix":      {InFlight: 8, Size: 1, Procedures: 200, Match: "prefix"},
		"slow callee": {InFlight: 64, Size: 70_000, Callers: 1, CalleeNap: 20 * time.Millisecond, Others: true},
		"slow caller": {InFlight: 64, Size: 70_000, Callers: 1, CallerNap: 20 * time.Millisecond, Others: true},
	} {
		for kind, r := range routers {
			for _, s := range wire.Serializers() {
				t.Run(name+" "+kind+" "+s.Name(), func(t *testing.T) {
					t.Parallel()
					c := c
					c.Caller, c.Callee, c.Limit = s, s, calls
					var meter counter
					result, err := c.Run(t.Context(), r, &meter)
					if err != nil || result.Done != calls || len(result.Errors) > 0 || result.Unanswered > 0 || result.Twice > 0 {
						t.Errorf("%v: %d of %d done, errors %v, %d unanswered, %d twice", err, result.Done, calls, result.Errors, result.Unanswered, result.Twice)
					}
					if result.Latency.Count() != calls {
						t.Errorf("%d latencies, want %d", result.Latency.Count(), calls)
					}
					meter.check(t)
				})
			}
		}
	}
}

func TestCallsForATime(t *testing.T) {
	t.Parallel()
	r := serve(t, floor.NewDealer().ServeRaw)
	var meter counter
	result, err := load.Calls{Caller: wire.JSON(), Callee: wire.JSON(), InFlight: 32, Time: 50 * time.Millisecond}.Run(t.Context(), r, &meter)
	if err != nil || result.Done == 0 || result.Unanswered > 0 || result.Elapsed < 50*time.Millisecond {
		t.Errorf("%v: %d done in %v, %d unanswered", err, result.Done, result.Elapsed, result.Unanswered)
	}
	meter.check(t)
}

func TestErrorsAreCounted(t *testing.T) {
	t.Parallel()
	r := serve(t, floor.NewDealer().ServeRaw) // which has no way from one serializer to another
	result, err := load.Calls{Caller: wire.JSON(), Callee: wire.CBOR(), InFlight: 2, Limit: 10}.Run(t.Context(), r, &counter{})
	if err != nil || result.Done != 0 || result.Errors["wamp.error.no_such_procedure"] != 10 {
		t.Errorf("%v: %d done, errors %v; want 10 × no_such_procedure", err, result.Done, result.Errors)
	}
}

// badRouter welcomes and registers everybody, and lets answer deal with calls:
// it returns the messages to send, and whether to go on.
func badRouter(answer func(id uint64) (messages []string, goOn bool)) http.HandlerFunc {
	s := wire.JSON()
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := wire.Accept(w, r)
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		in := wire.NewReader(conn, 1024, nil)
		for goOn := true; goOn; {
			_, p, err := in.Next()
			if err != nil {
				return
			}
			m, err := wire.Parse(s, p)
			if err != nil {
				return
			}
			var messages []string
			switch m.Type {
			case wire.Hello:
				messages = []string{`[2,1,{"roles":{"dealer":{}}}]`}
			case wire.Register:
				messages = []string{`[65,1,1]`}
			default:
				messages, goOn = answer(m.ID)
			}
			for _, text := range messages {
				if _, err := conn.Write(append(wire.AppendHeader(nil, wire.OpText, len(text), false), text...)); err != nil {
					return
				}
			}
		}
	}
}

func TestSecondAnswersAreCounted(t *testing.T) {
	t.Parallel()
	calls := uint64(0)
	r := serve(t, badRouter(func(uint64) ([]string, bool) {
		calls++
		result := string(wire.JSON().End(wire.JSON().Value(wire.JSON().Flag(wire.Begin(wire.JSON(), nil, 4, wire.Result, calls), ""), []string{""})))
		return []string{result, result}, true
	}))
	result, err := load.Calls{Caller: wire.JSON(), Callee: wire.JSON(), InFlight: 1, Limit: 5}.Run(t.Context(), r, &counter{})
	if err != nil || result.Done != 5 || result.Twice < 4 { // the last second one may come too late to be seen
		t.Errorf("%v: %d done, %d twice; want 5 and at least 4", err, result.Done, result.Twice)
	}
}

func TestUnansweredCallsAreCounted(t *testing.T) {
	t.Parallel()
	r := serve(t, badRouter(func(id uint64) ([]string, bool) { return nil, id < 3 }))
	result, err := load.Calls{Caller: wire.JSON(), Callee: wire.JSON(), InFlight: 3, Callers: 1, Limit: 5}.Run(t.Context(), r, &counter{})
	if err == nil || result.Done != 0 || result.Unanswered != 3 {
		t.Errorf("%v: %d done, %d unanswered; want an error and 3", err, result.Done, result.Unanswered)
	}
}

func TestIdleAndChurn(t *testing.T) {
	t.Parallel()
	r := serve(t, floor.NewDealer().ServeCoder)
	var meter counter
	result, err := load.Idle(t.Context(), r, wire.MsgPack(), 50, time.Minute, &meter)
	if err != nil || result.Done != 50 {
		t.Errorf("Idle: %d joined, %v; want 50", result.Done, err)
	}
	meter.check(t)
	result, err = load.Churn(t.Context(), r, wire.JSON(), 50*time.Millisecond, &counter{})
	if err != nil || result.Done == 0 {
		t.Errorf("Churn: %d joined, %v; want some", result.Done, err)
	}
}

func TestPosts(t *testing.T) {
	t.Parallel()
	d := floor.NewDealer()
	mux := http.NewServeMux()
	mux.Handle("/call/", floor.NewGateway(d))
	mux.HandleFunc("/ws", d.ServeRaw)
	mux.HandleFunc("/echo", rivals.EchoHTTP)
	mux.HandleFunc("/chunks", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
		_ = http.NewResponseController(w).Flush()
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	ctx, stop := context.WithCancel(t.Context())
	ready, served := make(chan struct{}), make(chan error, 1)
	go func() {
		served <- load.ServeEcho(ctx, load.Router{URL: "ws" + strings.TrimPrefix(server.URL, "http") + "/ws", Realm: "realm1"}, wire.JSON(), "some.echo", func() { close(ready) })
	}()
	<-ready
	for _, path := range []string{"/echo", "/chunks", "/call/some.echo"} {
		var meter counter
		to := load.Endpoint{URL: server.URL + path, Body: `"` + load.Payload + `"`}
		result, err := load.Posts{Size: 5000, Conns: 4, Time: 50 * time.Millisecond}.Run(t.Context(), to, &meter)
		if err != nil || result.Done == 0 || len(result.Errors) > 0 {
			t.Errorf("%s: %d done, errors %v, %v", path, result.Done, result.Errors, err)
		}
		meter.check(t)
	}
	stop()
	if err := <-served; err != nil {
		t.Errorf("ServeEcho: %v", err)
	}
}
