package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// An eventReader reads an event stream.
type eventReader struct {
	lines  *bufio.Scanner
	header http.Header
	status int
	hangUp func()
	name   string // of the event read last
	id     string
	data   string
}

// events makes a request for an event stream, after the given event if it is
// not empty.
func (s *site) events(t testing.TB, client *http.Client, method, path, after string) *eventReader {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	if after != "" {
		req.Header.Set("Last-Event-ID", after)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	hangUp := func() {
		cancel()
		_ = resp.Body.Close()
	}
	t.Cleanup(hangUp)
	return &eventReader{lines: bufio.NewScanner(resp.Body), header: resp.Header, status: resp.StatusCode, hangUp: hangUp}
}

// next reads one event; false at the end of the stream.
func (r *eventReader) next() bool {
	r.name, r.id, r.data = "", "", ""
	for r.lines.Scan() {
		field, value, _ := strings.Cut(r.lines.Text(), ": ")
		switch field {
		case "event":
			r.name = value
		case "id":
			r.id = value
		case "data":
			r.data = value
		case "":
			if r.name != "" {
				return true
			}
		}
	}
	return false
}

// TestResumeSeesEveryEventOnce: a client that drops its connection at 20 random
// points of a stream of 10,000 events gets each of them once, and in order, as
// long as it stays less than the window behind.
func TestResumeSeesEveryEventOnce(t *testing.T) {
	t.Parallel()
	const events, drops, ahead = 10_000, 20, 200
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %t", http2), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, false)
			credit := make(chan struct{}, ahead) // that many events may be under way
			c := s.serve(t, "test.count", func(c *callee, inv *wamp.Invocation) {
				c.events <- "call"
				for i := 1; i <= events; i++ {
					select {
					case credit <- struct{}{}:
					case <-t.Context().Done():
						return
					}
					c.yield(inv.Request, true, fmt.Sprintf("[%d]", i))
				}
				c.yield(inv.Request, false, `["end"]`)
			})
			var points []int
			for len(points) < drops {
				points = append(points, 1+rand.IntN(events))
			}
			slices.Sort(points)
			client := s.client(t, http2)
			r := s.events(t, client, http.MethodPost, "/call/test.count?resume=30s", "")
			at, seen, dropped := "/calls/"+r.header.Get("Wamp-Call-Id")+"/events", 0, 0
			for {
				last := r.id
				for len(points) > 0 && points[0] <= seen {
					points = points[1:]
					dropped++
					r.hangUp()
					r = s.events(t, client, http.MethodGet, at, last)
					if r.status != http.StatusOK {
						t.Fatalf("after %s: status %d", last, r.status)
					}
				}
				if !r.next() {
					t.Fatalf("the stream ended after event %d: %v", seen, r.lines.Err())
				}
				if r.name == "result" {
					break
				}
				if r.name != "progress" {
					continue
				}
				if seen++; r.data != fmt.Sprintf(`{"args":[%d]}`, seen) {
					t.Fatalf("event %s is %s, want number %d", r.id, r.data, seen)
				}
				<-credit
			}
			if seen != events || dropped != drops || r.next() {
				t.Errorf("%d events with %d drops, want %d and %d, and no event after the result", seen, dropped, events, drops)
			}
			c.want(t, "call")
			c.nothing(t)
			r = s.events(t, client, http.MethodGet, at, fmt.Sprintf("%s/%d", strings.Split(at, "/")[2], events+1))
			if r.status != http.StatusNoContent {
				t.Errorf("after the last event: %d, want 204", r.status)
			}
		})
	}
}

// TestResumeWaits: while nobody reads, a call that may be gone on with loses
// nothing; the callee is held back instead.
func TestResumeWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const events = 1000 // more than the window, less than window and queue
		s := newSite(t, true)
		goOn := make(chan struct{})
		s.serve(t, "test.count", func(c *callee, inv *wamp.Invocation) {
			c.yield(inv.Request, true, "[1]")
			<-goOn
			for i := 2; i <= events; i++ {
				c.yield(inv.Request, true, fmt.Sprintf("[%d]", i))
			}
			c.yield(inv.Request, false, "")
		})
		client := s.client(t, false)
		r := s.events(t, client, http.MethodPost, "/call/test.count?resume=30s", "")
		id := r.header.Get("Wamp-Call-Id")
		for r.name != "progress" && r.next() {
		}
		r.hangUp()
		synctest.Wait()
		close(goOn)
		synctest.Wait()
		pass(29 * time.Second)
		r = s.events(t, client, http.MethodGet, "/calls/"+id+"/events", id+"/1")
		for i := 2; i <= events; i++ {
			if want := fmt.Sprintf(`{"args":[%d]}`, i); !r.next() || r.data != want {
				t.Fatalf("event %s is %s, want %s (%v)", r.id, r.data, want, r.lines.Err())
			}
		}
		if !r.next() || r.name != "result" {
			t.Errorf("then came %s %s, want the result", r.name, r.data)
		}
	})
}

// TestResumeLooksAlike: a stream that can be gone on with is the same to the
// byte as one that cannot.
func TestResumeLooksAlike(t *testing.T) {
	t.Parallel()
	progress := func(c incoming, details wamp.ResultDetails, args string) {
		details.Progress = true
		c.push(&wamp.Result{Request: c.Request, Details: details, Payload: jsonPayload(args, "")})
	}
	g := newGateway(t, &realm{procedures: map[wamp.URI]procedure{
		"test.count": func(c incoming) {
			progress(c, wamp.ResultDetails{}, "[1]")
			c.result(jsonPayload("", `{"a":"b"}`))
		},
		"test.receipt": func(c incoming) {
			progress(c, wamp.ResultDetails{Acknowledged: true}, "")
			progress(c, wamp.ResultDetails{}, "[1]")
			c.result(wamp.Payload{})
		},
		"test.late_receipt": func(c incoming) {
			progress(c, wamp.ResultDetails{Acknowledged: true}, "[1]")
			progress(c, wamp.ResultDetails{Acknowledged: true}, "[2]")
			c.fail("com.example.gone", wamp.OriginCallee, wamp.Payload{})
		},
		"test.opaque": func(c incoming) {
			progress(c, wamp.ResultDetails{Passthru: &wamp.Passthru{Scheme: "x_y"}}, `["secret"]`)
			c.result(wamp.Payload{})
		},
	}}, nil)
	for _, path := range []string{"count?", "receipt?trust=acknowledged&", "receipt?", "late_receipt?trust=acknowledged&", "opaque?"} {
		for _, form := range []string{"stream=sse", "stream=ndjson"} {
			var bodies [2]string
			var headers [2]http.Header
			for i, more := range []string{"", "&resume=1s"} {
				w := post(g, "/call/test."+path+form+more, "")
				id := w.Header().Get("Wamp-Call-Id")
				bodies[i], headers[i] = strings.ReplaceAll(w.Body.String(), id, "c_x"), w.Result().Header
				headers[i].Del("Wamp-Call-Id")
				headers[i].Del("Server-Timing")
			}
			if bodies[0] != bodies[1] || !maps.EqualFunc(headers[0], headers[1], slices.Equal) {
				t.Errorf("%s%s:\n%v %s\nwith resume:\n%v %s", path, form, headers[0], bodies[0], headers[1], bodies[1])
			}
		}
	}
}

// TestResumeErrors: an early error has its own status, and one of a stream that
// has begun is an event, as without ?resume=.
func TestResumeErrors(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	s.serve(t, "test.early", func(c *callee, inv *wamp.Invocation) { c.fail(inv.Request, "com.example.gone") })
	s.serve(t, "test.late", func(c *callee, inv *wamp.Invocation) {
		c.yield(inv.Request, true, "[1]")
		c.fail(inv.Request, "com.example.gone")
	})
	for _, key := range []string{"k", "k"} { // the second time it is replayed
		w := keyed(s.gateway, "/call/test.early?stream=sse&resume=30s", "[]", key)
		if d := problemIn(t, w, w.Body.Bytes()); w.Code != http.StatusGone || d.Error != "com.example.gone" {
			t.Errorf("an early error: %d %s", w.Code, w.Body)
		}
		w = keyed(s.gateway, "/call/test.late?stream=sse&resume=30s", "[]", key)
		if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, "event: error\n") || !strings.Contains(body, `"status":410`) {
			t.Errorf("a late error: %d %s", w.Code, body)
		}
	}
}

// TestResumeBadResult: an event that has no form in JSON ends the stream in
// words, and the client that it is repeated to is told that there is no more.
func TestResumeBadResult(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	const nan = "\x91\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"
	c := s.serve(t, "test.nan", func(c *callee, inv *wamp.Invocation) {
		c.yield(inv.Request, true, `[1]`)
		c.yieldPayload(inv.Request, true, wamp.Payload{Serializer: wamp.MsgPack, Args: []byte(nan)})
	})
	path := "/call/test.nan?resume=10ms"
	r := s.events(t, s.client(t, false), http.MethodPost, path, "")
	for r.name != "error" && r.next() {
	}
	if !strings.HasSuffix(r.id, "/2") || !strings.Contains(r.data, "wamp.error.invalid_payload") || r.next() {
		t.Errorf("got %s %s %s, want an error in place of event 2", r.name, r.id, r.data)
	}
	last := r.header.Get("Wamp-Call-Id") + "/2"
	if again := s.events(t, s.client(t, false), http.MethodPost, path, last); again.status != http.StatusNoContent {
		t.Errorf("after it: %d, want 204", again.status)
	}
	c.want(t, "interrupt kill")
}

// TestShutdownIsTold: readers of events hear that the gateway ends.
func TestShutdownIsTold(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	s.serve(t, "test.p", func(c *callee, inv *wamp.Invocation) { c.yield(inv.Request, true, "[1]") })
	r := s.events(t, s.client(t, false), http.MethodPost, "/call/test.p?resume=30s", "")
	for r.name != "progress" && r.next() {
	}
	s.stop(t)
	if !r.next() || r.name != "error" || !strings.Contains(r.data, "wamp.close.system_shutdown") {
		t.Errorf("got %s %s, want an error that tells of the shutdown", r.name, r.data)
	}
}

// TestResumeOverflows: a callee that cannot be held back ends the call of a
// client that is away.
func TestResumeOverflows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, true)
		goOn := make(chan struct{})
		c := s.serve(t, "test.count", func(c *callee, inv *wamp.Invocation) {
			c.yield(inv.Request, true, "[1]")
			<-goOn
			for range 2000 {
				c.yield(inv.Request, true, "[2]")
			}
		})
		r := s.events(t, s.client(t, false), http.MethodPost, "/call/test.count?resume=4m", "")
		for r.name != "progress" && r.next() {
		}
		r.hangUp()
		synctest.Wait()
		close(goOn)
		c.want(t, "interrupt kill")
		at := "/calls/" + r.header.Get("Wamp-Call-Id")
		if call := waitFor(t, s.gateway, at); call.State != "failed" || call.Error != "gateway.error.slow_consumer" {
			t.Errorf("the call is %+v, want failed with gateway.error.slow_consumer", call)
		}
	})
}

// TestResumeEnds: a client that stays away for longer than it said has its call
// killed, and one that said nothing at once.
func TestResumeEnds(t *testing.T) {
	t.Parallel()
	for query, grace := range map[string]time.Duration{"?resume=5s": 5 * time.Second, "": 0} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, true)
				c := s.serve(t, "test.count", func(c *callee, inv *wamp.Invocation) { c.yield(inv.Request, true, "[1]") })
				r := s.events(t, s.client(t, false), http.MethodPost, "/call/test.count"+query, "")
				id := r.header.Get("Wamp-Call-Id")
				for r.name != "progress" && r.next() {
				}
				if grace > 0 { // coming back in time starts the clock anew
					r.hangUp()
					synctest.Wait()
					pass(grace - time.Second)
					r = s.events(t, s.client(t, false), http.MethodGet, "/calls/"+id+"/events", id+"/1")
				}
				r.hangUp()
				start := time.Now()
				c.want(t, "interrupt kill")
				if took := time.Since(start); took != grace {
					t.Errorf("the callee was interrupted after %v, want %v", took, grace)
				}
				synctest.Wait()
				want := http.StatusNotFound
				if grace > 0 {
					want = http.StatusOK
				}
				if w := do(s.gateway, http.MethodGet, "/calls/"+id, nil); w.Code != want || grace > 0 && callIn(t, w).State != "canceled" {
					t.Errorf("the call is %d %s", w.Code, w.Body)
				}
			})
		})
	}
}

// TestEventsOfDetachedCall: the latest events of a call are there until its
// retention is over.
func TestEventsOfDetachedCall(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	c := s.serve(t, "test.count", func(c *callee, inv *wamp.Invocation) {
		for i := range 300 {
			c.yield(inv.Request, true, fmt.Sprintf("[%d]", i+1))
		}
		c.fail(inv.Request, "com.example.not_found")
	})
	at := detach(t, s.gateway, "/call/test.count?progress=true", "")
	id := strings.TrimPrefix(at, "/calls/")
	if got := waitFor(t, s.gateway, at); got.State != "failed" || got.Events != 301 {
		t.Errorf("the call is %+v, want failed with 301 events", got)
	}
	tests := []struct {
		last   string
		status int
		first  string // event
		events int
	}{
		{"", 200, id + "/45", 257}, // the final one comes on top of the 256
		{id + "/44", 200, id + "/45", 257},
		{id + "/300", 200, id + "/301", 1},
		{id + "/301", 204, "", 0},
		{id + "/43", 410, "", 0},
		{id + "/0", 410, "", 0},
		{id + "/302", 400, "", 0},
		{"c_other/3", 400, "", 0},
		{"nonsense", 400, "", 0},
	}
	for _, tt := range tests {
		w := do(s.gateway, http.MethodGet, at+"/events?stream=ndjson", nil, "Last-Event-ID", tt.last)
		lines := slices.Collect(strings.Lines(w.Body.String()))
		if w.Code != tt.status {
			t.Errorf("after %q: %d %.300s, want %d", tt.last, w.Code, w.Body, tt.status)
		}
		if tt.status != 200 {
			continue
		}
		if len(lines) != tt.events || !strings.Contains(lines[0], `"id":"`+tt.first+`"`) || !strings.Contains(lines[len(lines)-1], `{"event":"error","id":"`+id+`/301"`) {
			t.Errorf("after %q: %d events from %s to %s, want %d from %s", tt.last, len(lines), lines[0], lines[len(lines)-1], tt.events, tt.first)
		}
		if got := w.Header().Get("Content-Type"); got != "application/x-ndjson" {
			t.Errorf("Content-Type: %s", got)
		}
	}
	for accept, want := range map[string]string{"": "text/event-stream", "*/*": "text/event-stream", "application/jsonl": "application/jsonl", "application/json": ""} {
		w := do(s.gateway, http.MethodGet, at+"/events", nil, "Accept", accept)
		if want == "" && w.Code != 406 || want != "" && w.Header().Get("Content-Type") != want {
			t.Errorf("Accept %q: %d %s, want %q", accept, w.Code, w.Header().Get("Content-Type"), want)
		}
	}
	c.nothing(t)
}

// TestOneReader: who comes later reads on, and the one before is cut off.
func TestOneReader(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	more := make(chan string)
	s.serve(t, "test.p", func(c *callee, inv *wamp.Invocation) {
		for args := range more {
			c.yield(inv.Request, args != "", args)
		}
	})
	defer close(more)
	client := s.client(t, false)
	at := detach(t, s.gateway, "/call/test.p?progress=true", "") + "/events"
	first := s.events(t, client, http.MethodGet, at, "")
	more <- "[1]"
	if !first.next() || first.name != "call" || !first.next() || first.data != `{"args":[1]}` {
		t.Fatalf("the first reader got %s %s", first.name, first.data)
	}
	second := s.events(t, client, http.MethodGet, at, first.id)
	if first.next() || !errors.Is(first.lines.Err(), io.ErrUnexpectedEOF) {
		t.Errorf("the first reader got %s %v, want to be cut off", first.data, first.lines.Err())
	}
	more <- ""
	if !second.next() || second.name != "result" {
		t.Errorf("the second reader got %s %s, want the result", second.name, second.data)
	}
}

// TestEventSourceNeverCallsAgain: what an EventSource repeats after its stream
// broke goes on with its call.
func TestEventSourceNeverCallsAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, false, func(cfg *gateway.Config) { cfg.Safe = func(wamp.URI) bool { return true } })
	more := make(chan string)
	c := s.serve(t, "test.p", func(c *callee, inv *wamp.Invocation) {
		c.events <- "call"
		for args := range more {
			c.yield(inv.Request, args != "", args)
		}
	})
	defer close(more)
	client := s.client(t, false)
	const path = "/call/test.p?resume=30s"
	r := s.events(t, client, http.MethodGet, path, "")
	c.want(t, "call")
	more <- "[1]"
	for r.name != "progress" && r.next() {
	}
	r.hangUp()
	last := r.id
	if other := s.events(t, client, http.MethodGet, "/call/test.other?resume=30s", last); other.status != http.StatusGone {
		t.Errorf("the events of another procedure's call: %d, want 410", other.status)
	}
	r = s.events(t, client, http.MethodGet, path, last)
	more <- "[2]"
	if !r.next() || r.data != `{"args":[2]}` {
		t.Errorf("after it came back it got %s %s %s", r.name, r.id, r.data)
	}
	more <- ""
	if !r.next() || r.name != "result" {
		t.Errorf("then it got %s %s, want the result", r.name, r.data)
	}
	for range 2 {
		if again := s.events(t, client, http.MethodGet, path, r.id); again.status != http.StatusNoContent {
			t.Errorf("after the end: %d, want 204", again.status)
		}
	}
	c.nothing(t)
}

// TestIdleTimeout: a callee that is silent for too long is killed, however long
// the call may take.
func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, true)
		c := s.serve(t, "test.p", func(c *callee, inv *wamp.Invocation) {
			for range 3 {
				c.yield(inv.Request, true, "[1]")
				<-time.After(1900 * time.Millisecond)
			}
			c.yield(inv.Request, true, "[2]")
		})
		start := time.Now()
		got, err := text(t, ask(t, s.client(t, false), s.url+"/call/test.p?stream=ndjson&idle_timeout=2s", ""))
		if took := time.Since(start); took != 7700*time.Millisecond || !strings.Contains(got, `{"event":"error","id":"c_x/5"`) || !strings.Contains(got, "wamp.error.timeout") || err != nil {
			t.Errorf("after %v: %s, %v", took, got, err)
		}
		c.want(t, "interrupt kill")
		at := detach(t, s.gateway, "/call/test.p?progress=true&idle_timeout=2s", "")
		if call := waitFor(t, s.gateway, at); call.State != "failed" || call.Status != http.StatusGatewayTimeout || call.Events != 5 {
			t.Errorf("the detached call is %+v, want failed with 504", call)
		}
		c.want(t, "interrupt kill")
	})
}
