package test

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
)

// TestKeepAlive makes all kinds of calls on one connection: nothing of one may
// be left for the next.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	g := start(t)
	for _, protocol := range protocols() {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			transport := newTransport(protocol)
			transport.DisableKeepAlives = false
			t.Cleanup(transport.CloseIdleConnections)
			client := http.Client{Transport: transport}
			calls := []struct{ path, contentType, body, want string }{
				{"/call/demo.add", jsonType, "[2,3]", "5"},
				{"/call/demo.count?stream=sse", jsonType, "[2]", "event: result"},
				{"/call/demo.count?stream=ndjson", jsonType, "[2]", `"result"`},
				{"/call/demo.count?stream=array", jsonType, "[2]", `[`},
				{"/call/demo.sha256?in=chunks", "", "abc", `"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`},
				{"/call/demo.grep?in=lines&stream=ndjson", "", "an error\nno\n", `"result"`},
				{"/call/demo.none", jsonType, "[]", "wamp.error.no_such_procedure"},
				{"/call/demo.fail", jsonType, "[]", "demo.error.failed"},
				{"/call/demo.add", jsonType, "[", "wamp.error.invalid"},
				{"/call/demo.sleep?timeout=10ms", jsonType, "[60]", "wamp.error.timeout"},
				{"/call/demo.add", jsonType, "[2,3]", "5"},
			}
			for i, c := range calls {
				reused := false
				trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }}
				ctx := httptrace.WithClientTrace(soon(t), trace)
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url(c.path), strings.NewReader(c.body))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", c.contentType)
				resp, err := client.Do(req)
				if err != nil {
					t.Fatalf("%s: %v", c.path, err)
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || !strings.Contains(string(body), c.want) {
					t.Errorf("%s(%s) = %s %q, %v; want %s in it", c.path, c.body, resp.Status, body, err, c.want)
				}
				if i > 0 && !reused {
					t.Errorf("%s came on a new connection, so the call before it, %s, had cost one", c.path, calls[i-1].path)
				}
			}
		})
	}
}
