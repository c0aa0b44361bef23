package test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
)

// A counter is a callee that nothing should reach.
type counter struct{ *peer }

// startCounter registers test.counted, and makes sure that it can be called.
func startCounter(ctx context.Context, t *testing.T, g *gateway) counter {
	t.Helper()
	c := counter{join(ctx, t, g)}
	c.serve(ctx, t, 1, "test.counted", "[]")
	if a := g.call(ctx, t, "test.counted", `["the good one"]`); a.status != http.StatusNoContent {
		t.Fatalf("test.counted = %d %s, want 204", a.status, a.body)
	}
	return c
}

// wantNone fails if anything but the first call has reached the counter.
func (c counter) wantNone(ctx context.Context, t *testing.T) {
	t.Helper()
	c.sync(ctx, t)
	for _, m := range c.got.all() {
		if m.code == codeInvocation && !strings.Contains(m.text, "the good one") {
			t.Errorf("this reached the callee: %.300q", m.text)
		}
	}
}

// problem is what an error's body says.
type problem struct {
	Title, Detail, Error, Source, Retry string
	Status                              int
}

// wantProblem checks that an answer is a problem: body and headers agree, and
// the detail holds all words.
func (a answer) wantProblem(t *testing.T, status int, uri string, words ...string) {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Errorf("status %d with %.200q, want a problem with status %d: %v", a.status, a.body, status, err)
		return
	}
	if a.status != status || p.Status != status || uri != "" && p.Error != uri {
		t.Errorf("status %d, problem %+v; want %d %s", a.status, p, status, uri)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/problem+json", "Wamp-Error": p.Error, "Wamp-Error-Source": p.Source, "Wamp-Retry": p.Retry,
	} {
		if got := a.header.Get(name); got != want || got == "" {
			t.Errorf("%s: %q, want %q as in %s", name, got, want, a.body)
		}
	}
	for _, w := range words {
		if !strings.Contains(p.Detail, w) {
			t.Errorf("detail %q says nothing of %q", p.Detail, w)
		}
	}
}

const (
	invalidArgument = "wamp.error.invalid_argument"
	invalidPayload  = "wamp.error.invalid_payload"
	jsonType        = "application/json"
)

// TestBadBodies sends bodies that are not what their type says.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), start(t)
	c := startCounter(ctx, t, g)
	deep := strings.Repeat("[", 100_000)
	tests := []struct {
		name, contentType, query, body string
		status                         int
		words                          []string
	}{
		{"cut json", jsonType, "", `{"a":`, 400, []string{"byte 5"}},
		{"no json", jsonType, "", `nonsense`, 400, []string{"byte 0"}},
		{"two values", jsonType, "", `[1] [2]`, 400, []string{"byte 4"}},
		{"trailing byte", jsonType, "", `[1]x`, 400, []string{"byte 3"}},
		{"only space", jsonType, "", ` `, 400, nil},
		{"duplicate key", jsonType, "", `{"a":1,"a":2}`, 400, []string{"a"}},
		{"nested duplicate key", jsonType, "", `[{"a":1,"a":2}]`, 400, []string{"a"}},
		{"bad utf-8", jsonType, "", "[\"\xff\xfe\"]", 400, []string{"UTF-8"}},
		{"utf-16 byte order mark", jsonType, "", "\xff\xfe[\x001\x00]\x00", 400, nil},
		{"raw control character", jsonType, "", "[\"\x01\"]", 400, nil},
		{"leading zero", jsonType, "", `[01]`, 400, nil},
		{"infinity", jsonType, "", `[Infinity]`, 400, nil},
		{"trailing comma", jsonType, "", `[1,]`, 400, nil},
		{"depth of 100,000", jsonType, "", deep, 400, []string{"deep"}},
		{"depth of 100,000, closed", jsonType, "", deep + strings.Repeat("]", 100_000), 400, []string{"deep"}},
		{"objects nested 100,000 deep", jsonType, "", strings.Repeat(`{"a":`, 100_000), 400, []string{"deep"}},
		{"20 MiB", jsonType, "", `["` + strings.Repeat("x", 20<<20) + `"]`, 413, []string{"in=chunks"}},
		{"20 MiB of text", "text/plain", "", strings.Repeat("x", 20<<20), 413, nil},
		{"json as a form", "application/x-www-form-urlencoded", "", `[2,3]`, 415, []string{"--json"}},
		{"json object as a form", "application/x-www-form-urlencoded", "", `{"a":2}`, 415, []string{"--json"}},
		{"bad escape in a form", "application/x-www-form-urlencoded", "", `a=%zz`, 400, nil},
		{"bad utf-8 in a form", "application/x-www-form-urlencoded", "", `a=%ff`, 400, nil},
		{"bad utf-8 in text", "text/plain", "", "\xff", 400, nil},
		{"envelope is no object", jsonType, "?body=call", `[1]`, 400, nil},
		{"envelope with another member", jsonType, "?body=call", `{"args":[1],"arg":2}`, 400, []string{"arg"}},
		{"args of an envelope no list", jsonType, "?body=call", `{"args":{"a":1}}`, 400, []string{"args"}},
		{"kwargs of an envelope no object", "application/vnd.wamp.call+json", "", `{"kwargs":[1]}`, 400, []string{"kwargs"}},
		{"cut msgpack", "application/msgpack", "", "\x93\x01", 400, nil},
		{"two msgpack values", "application/msgpack", "", "\x01\x02", 400, nil},
		{"unused msgpack code", "application/msgpack", "", "\x91\xc1", 400, nil},
		{"msgpack that claims 4 GiB", "application/msgpack", "", "\xdd\xff\xff\xff\xff\x01", 400, nil},
		{"msgpack 100,000 deep", "application/msgpack", "", strings.Repeat("\x91", 100_000), 400, nil},
		{"bad utf-8 in msgpack", "application/msgpack", "", "\x91\xa1\xff", 400, nil},
		{"cut cbor", "application/cbor", "", "\x83\x01", 400, nil},
		{"two cbor values", "application/cbor", "", "\x01\x02", 400, nil},
		{"cbor that claims 2^64 elements", "application/cbor", "", "\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x01", 400, nil},
		{"cbor 100,000 deep", "application/cbor", "", strings.Repeat("\x81", 100_000), 400, nil},
		{"cbor without a break", "application/cbor", "", "\x9f\x01", 400, nil},
		{"bad type", "not a type", "", `[1]`, 415, nil},
		{"bad charset", "application/json; charset=utf-16", "", `[1]`, 415, nil},
		{"broken ndjson", "application/x-ndjson", "", "{\"a\":\n", 400, nil},
		{"broken json-seq", "application/json-seq", "", "[1]\n", 400, nil},
		{"ndjson line of 2 MiB", "application/x-ndjson", "", `"` + strings.Repeat("x", 2<<20) + "\"\n", 400, nil},
		{"broken stream of msgpack", "application/vnd.wamp.stream+msgpack", "", "\xc1", 400, nil},
	}
	for _, test := range tests {
		for _, protocol := range protocols() {
			t.Run(test.name+"/"+protocol, func(t *testing.T) {
				t.Parallel()
				a, err := g.doOver(soon(t), protocol, http.MethodPost, "/call/test.counted"+test.query, strings.NewReader(test.body), "Content-Type", test.contentType)
				if err != nil {
					t.Fatal(err)
				}
				a.wantProblem(t, test.status, "", test.words...)
				if source := a.header.Get("Wamp-Error-Source"); source != "gateway" {
					t.Errorf("source %q, want gateway", source)
				}
				c.wantNone(soon(t), t)
			})
		}
	}
}

// TestBadRequests sends requests that ask for what is not there.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), start(t)
	c := startCounter(ctx, t, g)
	tests := []struct {
		name, method, path string
		header             []string
		status             int
		uri                string
		words              []string
	}{
		{"misspelt option", "POST", "/call/test.counted?timeuot=5", nil, 400, "", []string{"timeuot", "timeout"}},
		{"unknown option", "POST", "/call/test.counted?zzzzzzzz=5", nil, 400, "", []string{"zzzzzzzz"}},
		{"option twice", "POST", "/call/test.counted?timeout=5&timeout=6", nil, 400, "", []string{"timeout"}},
		{"negative timeout", "POST", "/call/test.counted?timeout=-5", nil, 400, "", []string{"timeout"}},
		{"no number", "POST", "/call/test.counted?timeout=soon", nil, 400, "", []string{"timeout"}},
		{"11 digits", "POST", "/call/test.counted?timeout=99999999999", nil, 400, "", []string{"timeout"}},
		{"no boolean", "POST", "/call/test.counted?progress=maybe", nil, 400, "", []string{"progress"}},
		{"no stream", "POST", "/call/test.counted?stream=xml", nil, 400, "", []string{"stream", "sse"}},
		{"no framing", "POST", "/call/test.counted?in=xml", nil, 400, "", []string{"in", "ndjson"}},
		{"no body form", "POST", "/call/test.counted?body=xml", nil, 400, "", []string{"body", "call"}},
		{"no final", "POST", "/call/test.counted?final=first", nil, 400, "", []string{"final", "last"}},
		{"chunk of 0", "POST", "/call/test.counted?in=chunks&chunk=0", nil, 400, "", []string{"chunk"}},
		{"chunk of 2 MiB", "POST", "/call/test.counted?in=chunks&chunk=2097152", nil, 400, "", []string{"chunk"}},
		{"bad query", "POST", "/call/test.counted?a=%zz", nil, 400, "", nil},
		{"semicolon in the query", "POST", "/call/test.counted?timeout=5;progress=true", nil, 400, "", nil},
		{"empty component", "POST", "/call/test..counted", nil, 400, "wamp.error.invalid_uri", nil},
		{"space", "POST", "/call/test%20counted", nil, 400, "wamp.error.invalid_uri", nil},
		{"hash", "POST", "/call/test.%23", nil, 400, "wamp.error.invalid_uri", nil},
		{"dot at the end", "POST", "/call/test.counted.", nil, 400, "wamp.error.invalid_uri", nil},
		{"bad utf-8", "POST", "/call/test.%ff", nil, 400, "wamp.error.invalid_uri", nil},
		{"nobody there", "POST", "/call/test.countet", nil, 404, "wamp.error.no_such_procedure", []string{"test.countet", "test.counted"}},
		{"slash at the end", "POST", "/call/test.counted/", nil, 404, "", nil},
		{"elsewhere", "POST", "/nowhere", nil, 404, "", nil},
		{"PUT", "PUT", "/call/test.counted", nil, 405, "", []string{"-X POST"}},
		{"GET", "GET", "/call/test.counted", nil, 405, "", nil},
		{"DELETE", "DELETE", "/call/test.counted", nil, 405, "", nil},
		{"unknown method", "BREW", "/call/test.counted", nil, 405, "", nil},
		{"nothing acceptable", "POST", "/call/test.counted", []string{"Accept", "image/png"}, 406, "", nil},
		{"long path", "POST", "/call/" + strings.Repeat("a", 3<<10), nil, 414, "", nil},
		{"long query", "POST", "/call/test.counted?timeout=" + strings.Repeat("1", 9<<10), nil, 414, "", nil},
		{"150 headers", "POST", "/call/test.counted", manyHeaders(150), 431, "", nil},
		{"unknown content coding", "POST", "/call/test.counted", []string{"Content-Type", jsonType, "Content-Encoding", "zip"}, 415, "", nil},
	}
	for _, test := range tests {
		for _, protocol := range protocols() {
			t.Run(test.name+"/"+protocol, func(t *testing.T) {
				t.Parallel()
				a, err := g.doOver(soon(t), protocol, test.method, test.path, http.NoBody, test.header...)
				if err != nil {
					t.Fatal(err)
				}
				a.wantProblem(t, test.status, test.uri, test.words...)
				if allow := a.header.Values("Allow"); test.status == 405 && !strings.Contains(strings.Join(allow, ","), "POST") {
					t.Errorf("Allow: %q, want POST in it", allow)
				}
				c.wantNone(soon(t), t)
			})
		}
	}
}

// manyHeaders returns n headers.
func manyHeaders(n int) []string {
	var headers []string
	for i := range n {
		headers = append(headers, fmt.Sprintf("X-H%d", i), "v")
	}
	return headers
}

// TestBadStreams cuts streamed uploads short, or breaks them after good items:
// the callee gets INTERRUPT and never a final chunk.
func TestBadStreams(t *testing.T) {
	t.Parallel()
	const head = "POST /call/test.upload?%s HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n"
	tests := []struct {
		name, query, good, bad string
		hangUp                 bool
		uri                    string
	}{
		{"cut inside a chunk", "in=chunks", "4\r\ngood\r\n", "ff\r\nhalf", true, ""},
		{"cut between chunks", "in=chunks", "4\r\ngood\r\n", "", true, ""},
		{"cut inside a line", "in=ndjson", "4\r\n[1]\n\r\n", "4\r\n[2,3", true, ""},
		{"bad chunk size", "in=chunks", "4\r\ngood\r\n", "xyz\r\n", false, "gateway.error.upload_truncated"},
		{"negative chunk size", "in=chunks", "4\r\ngood\r\n", "-1\r\n", false, "gateway.error.upload_truncated"},
		{"huge chunk size", "in=chunks", "4\r\ngood\r\n", "fffffffffffffffff\r\n", false, "gateway.error.upload_truncated"},
		{"chunk without end", "in=chunks", "4\r\ngood\r\n", "4\r\nevilXX4\r\n", false, "gateway.error.upload_truncated"},
		{"broken line", "in=ndjson", "4\r\n[1]\n\r\n", "6\r\n{\"a\":\n\r\n0\r\n\r\n", false, "gateway.error.bad_frame"},
		{"two values in a line", "in=ndjson", "4\r\n[1]\n\r\n", "4\r\n1 2\n\r\n0\r\n\r\n", false, "gateway.error.bad_frame"},
		{"bad utf-8 in a line", "in=lines", "5\r\ngood\n\r\n", "2\r\n\xff\n\r\n0\r\n\r\n", false, "gateway.error.bad_frame"},
		{"broken msgpack", "in=msgpack", "1\r\n\x01\r\n", "1\r\n\xc1\r\n0\r\n\r\n", false, "gateway.error.bad_frame"},
		{"truncated record", "in=json-seq", "5\r\n\x1e[1]\n\r\n", "3\r\n\x1e[2\r\n0\r\n\r\n", false, "gateway.error.bad_frame"},
		{"truncated msgpack", "in=msgpack", "1\r\n\x01\r\n", "1\r\n\x92\r\n0\r\n\r\n", false, "gateway.error.bad_frame"},
	}
	g := start(t)
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx := soon(t)
			callee := join(ctx, t, g)
			uri := fmt.Sprintf("test.upload.%d", i)
			callee.register(ctx, t, 1, uri)
			c := g.connect(ctx, t)
			c.write(t, strings.Replace(fmt.Sprintf(head, test.query), "test.upload", uri, 1)+test.good)
			inv, next := callee.wantAfter(ctx, t, 0, codeInvocation)
			c.write(t, test.bad)
			if test.hangUp {
				_ = c.Close()
			}
			interrupt, _ := callee.wantAfter(ctx, t, next, codeInterrupt)
			if interrupt.dict(1)["mode"] != "kill" {
				t.Errorf("got %s, want mode kill", interrupt.text)
			}
			callee.sendf(ctx, t, `[8,68,%d,{},"wamp.error.canceled"]`, inv.id(0))
			if !test.hangUp {
				a := c.answer(t)
				a.wantProblem(t, 400, test.uri)
				if test.uri == "gateway.error.upload_truncated" { // nobody knows where the next request begins
					c.wantClosed(t)
				}
			}
			for _, m := range callee.got.all() {
				if m.code == codeInvocation && m.dict(2)["progress"] != true {
					t.Errorf("the broken upload ended with %s, as if it were complete", m.text)
				}
			}
		})
	}
}

// A rawConn is an HTTP connection that a test writes to by hand.
type rawConn struct {
	net.Conn
	in *bufio.Reader
}

// connect opens a connection that is closed when the test ends.
func (g *gateway) connect(ctx context.Context, t *testing.T) *rawConn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			t.Fatal(err)
		}
	}
	return &rawConn{conn, bufio.NewReader(conn)}
}

func (c *rawConn) write(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(c.Conn, c.named(text)); err != nil {
		t.Fatalf("writing %.100q: %v", text, err)
	}
}

// named writes the gateway's own name where a request says HOST. The length of
// a body must not depend on it.
func (c *rawConn) named(request string) string {
	return strings.ReplaceAll(request, "HOST", c.RemoteAddr().String())
}

// answer reads one response.
func (c *rawConn) answer(t *testing.T) answer {
	t.Helper()
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body) // net/http's own answers may be cut by a reset
	return answer{resp.StatusCode, resp.Header, strings.TrimSuffix(string(body), "\n"), resp.Close}
}

// wantClosed wants nothing more to come.
func (c *rawConn) wantClosed(t *testing.T) {
	t.Helper()
	rest, err := io.ReadAll(c.in)
	if len(rest) > 0 {
		t.Errorf("more came on the connection: %.300q", rest)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stays open")
	}
}

// TestHandshakeRefusals: who may not have a WebSocket gets a problem document,
// as with any other request.
func TestHandshakeRefusals(t *testing.T) {
	t.Parallel()
	ctx, g := soon(t), start(t)
	const upgrade = "GET /ws HTTP/1.1\r\nHost: HOST\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: d2FtcGdhdGUgd2FtcGdhdA==\r\n"
	for _, c := range []struct {
		head   string
		status int
		words  string
	}{
		{"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n", http.StatusBadRequest, "wamp.2.json"},
		{"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: wamp.2.json\r\nOrigin: http://elsewhere.example\r\n", http.StatusForbidden, "elsewhere.example"},
		{"Sec-WebSocket-Version: 12\r\nSec-WebSocket-Protocol: wamp.2.json\r\n", http.StatusBadRequest, "12"},
	} {
		conn := g.connect(ctx, t)
		conn.write(t, upgrade+c.head+"\r\n")
		a := conn.answer(t)
		var p struct{ Source, Retry, Detail string }
		if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != c.status || a.header.Get("Content-Type") != "application/problem+json" {
			t.Fatalf("%q: %d %s %s", c.head, a.status, a.header, a.body)
		}
		if p.Source != "gateway" || p.Retry == "" || !strings.Contains(p.Detail, c.words) {
			t.Errorf("%q: %s", c.head, a.body)
		}
	}
}
