package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// ask makes a call and returns the answer; the body is the test's to read.
func ask(t testing.TB, client *http.Client, url, accept string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// text reads the rest of an answer, with the call's ID replaced by "c_x".
func text(t testing.TB, resp *http.Response) (string, error) {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if id := resp.Header.Get("Wamp-Call-Id"); id != "" {
		return strings.ReplaceAll(string(body), id, "c_x"), err
	}
	return string(body), err
}

// counts yields 1 and 2, and then "done" in the way that the test asks for.
func counts(c *callee, inv *wamp.Invocation) {
	c.yield(inv.Request, true, `[1]`)
	c.yield(inv.Request, true, "[ 2 ,\r\n\"a b\\n\" ]")
	switch inv.Details.Procedure {
	case "test.count":
		c.yield(inv.Request, false, `["done"]`)
	case "test.empty":
		c.yield(inv.Request, false, "")
	case "test.fail":
		c.fail(inv.Request, "com.example.invalid")
	}
}

// TestStreamForms pins each form to the byte.
func TestStreamForms(t *testing.T) {
	t.Parallel()
	const problem = `{"type":"about:blank","title":"Bad Request","status":400,"instance":"/calls/c_x","error":"com.example.invalid","source":"callee","retry":"no"}`
	const sseHead = "retry: 2000\nevent: call\nid: c_x/0\ndata: {\"id\":\"c_x\",\"procedure\":\"URI\"}\n\n"
	tests := []struct {
		query, accept, media string
		uri                  wamp.URI
		want                 string
		cut                  bool
	}{
		{
			"", "text/event-stream", "text/event-stream", "test.count", sseHead +
				"event: progress\nid: c_x/1\ndata: {\"args\":[1]}\n\n" +
				"event: progress\nid: c_x/2\ndata: {\"args\":[2,\"a b\\n\"]}\n\n" +
				"event: result\nid: c_x/3\ndata: {\"args\":[\"done\"]}\n\n", false,
		},
		{
			"?stream=sse", "", "text/event-stream", "test.empty", sseHead +
				"event: progress\nid: c_x/1\ndata: {\"args\":[1]}\n\n" +
				"event: progress\nid: c_x/2\ndata: {\"args\":[2,\"a b\\n\"]}\n\n" +
				"event: result\nid: c_x/3\ndata: {}\n\n", false,
		},
		{
			"?stream=sse", "", "text/event-stream", "test.fail", sseHead +
				"event: progress\nid: c_x/1\ndata: {\"args\":[1]}\n\n" +
				"event: progress\nid: c_x/2\ndata: {\"args\":[2,\"a b\\n\"]}\n\n" +
				"event: error\nid: c_x/3\ndata: " + problem + "\n\n", false,
		},
		{
			"?stream=sse&body=value", "", "text/event-stream", "test.empty", sseHead +
				"event: progress\nid: c_x/1\ndata: 1\n\n" +
				"event: progress\nid: c_x/2\ndata: {\"args\":[2,\"a b\\n\"]}\n\n" +
				"event: result\nid: c_x/3\ndata: null\n\n", false,
		},
		{
			"", "application/x-ndjson", "application/x-ndjson", "test.count",
			`{"event":"progress","id":"c_x/1","args":[1]}` + "\n" +
				`{"event":"progress","id":"c_x/2","args":[2,"a b\n"]}` + "\n" +
				`{"event":"result","id":"c_x/3","args":["done"]}` + "\n", false,
		},
		{
			"", "application/jsonl", "application/jsonl", "test.fail",
			`{"event":"progress","id":"c_x/1","args":[1]}` + "\n" +
				`{"event":"progress","id":"c_x/2","args":[2,"a b\n"]}` + "\n" +
				`{"event":"error","id":"c_x/3",` + problem[1:] + "\n", false,
		},
		{"?stream=ndjson&body=value", "", "application/x-ndjson", "test.count", "1\n" + `{"args":[2,"a b\n"]}` + "\n\"done\"\n", false},
		{"?stream=ndjson&body=value", "", "application/x-ndjson", "test.empty", "1\n" + `{"args":[2,"a b\n"]}` + "\n", false},
		{"?stream=ndjson&body=value", "", "application/x-ndjson", "test.fail", "1\n" + `{"args":[2,"a b\n"]}` + "\n", true},
		{
			"", "application/json-seq", "application/json-seq", "test.empty",
			"\x1e" + `{"event":"progress","id":"c_x/1","args":[1]}` + "\n" +
				"\x1e" + `{"event":"progress","id":"c_x/2","args":[2,"a b\n"]}` + "\n" +
				"\x1e" + `{"event":"result","id":"c_x/3"}` + "\n", false,
		},
		{
			"", "application/json-seq", "application/json-seq", "test.fail",
			"\x1e" + `{"event":"progress","id":"c_x/1","args":[1]}` + "\n" +
				"\x1e" + `{"event":"progress","id":"c_x/2","args":[2,"a b\n"]}` + "\n" +
				"\x1e" + `{"event":"error","id":"c_x/3",` + problem[1:] + "\n", false,
		},
		{"?stream=array", "", "application/json", "test.count", `[1,{"args":[2,"a b\n"]},"done"]`, false},
		{"?stream=array", "", "application/json", "test.empty", `[1,{"args":[2,"a b\n"]}]`, false},
		{"?stream=array", "", "application/json", "test.fail", `[1,{"args":[2,"a b\n"]}`, true},
	}
	s := newSite(t, false)
	for _, uri := range []wamp.URI{"test.count", "test.empty", "test.fail"} {
		s.serve(t, uri, counts)
	}
	for version, client := range s.clients(t) {
		for _, tt := range tests {
			t.Run(version+"/"+tt.media+tt.query+"/"+string(tt.uri), func(t *testing.T) {
				t.Parallel()
				resp := ask(t, client, s.url+"/call/"+string(tt.uri)+tt.query, tt.accept)
				if resp.StatusCode != http.StatusOK || resp.ContentLength != -1 {
					t.Errorf("status %d, Content-Length %d, want 200 and none", resp.StatusCode, resp.ContentLength)
				}
				for name, want := range map[string]string{
					"Content-Type": tt.media, "Cache-Control": "no-store, no-transform",
					"X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff",
				} {
					if got := resp.Header.Get(name); got != want {
						t.Errorf("%s = %q, want %q", name, got, want)
					}
				}
				got, err := text(t, resp)
				if want := strings.ReplaceAll(tt.want, "URI", string(tt.uri)); got != want {
					t.Errorf("got  %q\nwant %q", got, want)
				}
				if tt.cut != (err != nil) {
					t.Errorf("end of the answer: %v, want it cut off: %t", err, tt.cut)
				}
			})
		}
	}
}

// TestStreamTranscodes: a callee that speaks MessagePack streams to JSON
// clients, and bytes to those who want bytes.
func TestStreamTranscodes(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	s.serve(t, "test.bytes", func(c *callee, inv *wamp.Invocation) {
		for _, args := range []string{"\x91\xc4\x03\x00\x0a\xff", "\x92\xa2hi\xc4\x01\x0d", "\x90"} {
			c.yieldPayload(inv.Request, true, wamp.Payload{Serializer: wamp.MsgPack, Args: []byte(args)})
		}
		c.yieldPayload(inv.Request, false, wamp.Payload{Serializer: wamp.MsgPack, Kwargs: []byte("\x81\xa1n\x02")})
	})
	tests := []struct{ query, want string }{
		{"?stream=raw", "\x00\n\xffhi\r"},
		{"?stream=array", `["\u0000AAr/",{"args":["hi","\u0000DQ=="]},null,{"n":2}]`},
		{"?stream=ndjson&body=value", "\"\\u0000AAr/\"\n{\"args\":[\"hi\",\"\\u0000DQ==\"]}\nnull\n{\"n\":2}\n"},
	}
	for _, tt := range tests {
		got, err := text(t, ask(t, s.client(t, false), s.url+"/call/test.bytes"+tt.query, ""))
		if got != tt.want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", tt.query, got, err, tt.want)
		}
	}
}

// TestStreamRefusals: what fails before the first event has its own status.
func TestStreamRefusals(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	s.serve(t, "test.fail", func(c *callee, inv *wamp.Invocation) { c.fail(inv.Request, "com.example.gone") })
	s.serve(t, "test.number", func(c *callee, inv *wamp.Invocation) { c.yield(inv.Request, true, `[1]`) })
	tests := []struct {
		path   string
		status int
		uri    string
	}{
		{"test.fail?stream=sse", http.StatusGone, "com.example.gone"},
		{"test.nothing?stream=ndjson", http.StatusNotFound, "wamp.error.no_such_procedure"},
		{"test.number?stream=raw", http.StatusBadGateway, "wamp.error.invalid_payload"},
	}
	for version, client := range s.clients(t) {
		for _, tt := range tests {
			resp := ask(t, client, s.url+"/call/"+tt.path, "")
			if _, err := text(t, resp); err != nil || resp.StatusCode != tt.status || resp.Header.Get("Wamp-Error") != tt.uri {
				t.Errorf("%s %s: got %d %s, %v, want %d %s", version, tt.path, resp.StatusCode, resp.Header.Get("Wamp-Error"), err, tt.status, tt.uri)
			}
		}
	}
}

// TestStreamCut: a client that hangs up has its call killed.
func TestStreamCut(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	for version, client := range s.clients(t) {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			uri := wamp.URI("test.cut." + strings.ToLower(version[5:6]))
			c := s.serve(t, uri, func(c *callee, inv *wamp.Invocation) { c.yield(inv.Request, true, `[1]`) })
			ctx, cancel := context.WithCancel(t.Context())
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/call/"+string(uri)+"?stream=sse", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			cancel()
			c.want(t, "interrupt kill")
			if err := resp.Body.Close(); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
}

// TestSlowConsumer: a client that stops reading loses its call, with an error
// event if it comes back; a call beside it on the same session does not notice.
func TestSlowConsumer(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	flood := func(c *callee, inv *wamp.Invocation) {
		go func() {
			payload := jsonPayload(`["`+strings.Repeat("x", 16<<10)+`"]`, "")
			for {
				select {
				case <-stop:
					return
				default:
					c.yieldPayload(inv.Request, true, payload)
				}
			}
		}()
	}
	s.serve(t, "test.echo", func(c *callee, inv *wamp.Invocation) { c.yieldPayload(inv.Request, false, inv.Payload) })
	for version, client := range s.clients(t) {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			uri := wamp.URI("test.flood." + strings.ToLower(version[5:6]))
			c := s.serve(t, uri, flood)
			resp := ask(t, client, s.url+"/call/"+string(uri)+"?stream=ndjson", "")
			c.want(t, "interrupt kill")
			if got, err := text(t, ask(t, s.client(t, false), s.url+"/call/test.echo", "")); err != nil {
				t.Errorf("a call beside: %q, %v", got, err)
			}
			body, err := text(t, resp)
			lines := strings.Split(strings.TrimSpace(body), "\n")
			last := lines[len(lines)-1]
			if err != nil || !strings.HasPrefix(last, `{"event":"error"`) || !strings.Contains(last, "gateway.error.slow_consumer") {
				t.Errorf("the stream ended with %.300q, %v, want gateway.error.slow_consumer", last, err)
			}
		})
	}
}

// TestManyEvents: a callee that sends faster than a client reads is slowed
// down; nothing is lost, nothing piles up.
func TestManyEvents(t *testing.T) {
	t.Parallel()
	const events = 20_000
	s := newSite(t, false)
	s.serve(t, "test.many", func(c *callee, inv *wamp.Invocation) {
		payload := jsonPayload(`[1]`, "")
		for range events {
			c.yieldPayload(inv.Request, true, payload)
		}
		c.yieldPayload(inv.Request, false, payload)
	})
	for version, client := range s.clients(t) {
		resp := ask(t, client, s.url+"/call/test.many?stream=ndjson", "")
		lines := bufio.NewScanner(resp.Body)
		n := 0
		last := ""
		for lines.Scan() {
			n++
			last = lines.Text()
		}
		want := `{"event":"result","id":"` + resp.Header.Get("Wamp-Call-Id") + `/20001","args":[1]}`
		if n != events+1 || last != want || lines.Err() != nil {
			t.Errorf("%s: got %d lines, the last %q, %v, want %d and %q", version, n, last, lines.Err(), events+1, want)
		}
	}
}

// TestResume: an EventSource that reconnects never calls again.
func TestResume(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	c := s.serve(t, "test.count", func(c *callee, inv *wamp.Invocation) {
		c.note(inv)
		counts(c, inv)
	})
	client := s.client(t, false)
	url := s.url + "/call/test.count?stream=sse"
	first := ask(t, client, url, "")
	if _, err := text(t, first); err != nil {
		t.Fatal(err)
	}
	c.want(t, "last ")
	id := first.Header.Get("Wamp-Call-Id")
	tests := []struct {
		last string
		want int
	}{
		{id + "/3", http.StatusNoContent},
		{id + "/2", http.StatusGone},
		{id + "/4", http.StatusGone},
		{"c_unknown/1", http.StatusGone},
		{"nonsense", http.StatusGone},
	}
	for _, tt := range tests {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Last-Event-ID", tt.last)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("Last-Event-ID: %s: status %d, want %d", tt.last, resp.StatusCode, tt.want)
		}
	}
	c.nothing(t)
}

// TestStreamBadResult: what has no form in JSON ends the stream, and the work.
func TestStreamBadResult(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	const nan = "\x91\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"
	c := s.serve(t, "test.nan", func(c *callee, inv *wamp.Invocation) {
		c.yield(inv.Request, true, `[1]`)
		c.yieldPayload(inv.Request, true, wamp.Payload{Serializer: wamp.MsgPack, Args: []byte(nan)})
	})
	got, err := text(t, ask(t, s.client(t, false), s.url+"/call/test.nan?stream=ndjson", ""))
	if !strings.Contains(got, `{"event":"error","id":"c_x/2"`) || !strings.Contains(got, `"error":"wamp.error.invalid_payload"`) || err != nil {
		t.Errorf("got %q, %v, want an error event with wamp.error.invalid_payload", got, err)
	}
	c.want(t, "interrupt kill")
}
