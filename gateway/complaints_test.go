package gateway_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// TestNoGoInErrors sends what cannot be read in many ways: the answers tell it
// in words of ours, and not in those of Go's packages.
func TestNoGoInErrors(t *testing.T) {
	t.Parallel()
	r := &realm{
		procedures: map[wamp.URI]procedure{"test.p": echo},
		safe:       map[wamp.URI]bool{"test.p": true},
		told:       map[wamp.URI]string{"test.p": `{"schema":{"kwargs":{"properties":{"n":{"type":"integer"}}}}}`},
	}
	g := newGateway(t, r, nil)
	foreign := regexp.MustCompile(`strconv|json:|encoding/|invalid syntax|unexpected end of|cannot unmarshal|looking for beginning|goroutine|runtime error|time: |url: |mime: |multipart: |msgpack:|cbor:|github\.com|\.go:`)
	const form = "application/x-www-form-urlencoded"
	for _, test := range []struct{ method, path, media, body string }{
		{"POST", "/call/test.p", jsonType, `{"a":`},
		{"POST", "/call/test.p", jsonType, `[1e999999]x`},
		{"POST", "/call/test.p", jsonType, `nope`},
		{"POST", "/call/test.p", jsonType, `["\ud800"]`},
		{"POST", "/call/test.p", "application/msgpack", "\xc1"},
		{"POST", "/call/test.p", "application/msgpack", "\xdd\xff\xff\xff\xff"},
		{"POST", "/call/test.p", "application/cbor", "\xff"},
		{"POST", "/call/test.p", "multipart/form-data; boundary=x", "--x\r\n"},
		{"POST", "/call/test.p", "multipart/form-data", "x"},
		{"POST", "/call/test.p", "a/b; c=\"", "x"},
		{"POST", "/call/test.p", form, "a=%zz"},
		{"POST", "/call/test.p", form, "n=99999999999999999999x"},
		{"POST", "/call/test.p?timeout=1y", jsonType, `[]`},
		{"POST", "/call/test.p?timeout=99999999999", jsonType, `[]`},
		{"POST", "/call/test.p?chunk=x&in=chunks", jsonType, `x`},
		{"POST", "/call/test.p?timeout=%25zz", jsonType, `[]`},
		{"POST", "/call/test.p?a=1;b=2", jsonType, `[]`},
		{"POST", "/call/test.p?timout=1s", jsonType, `[]`},
		{"POST", "/call/test.p?rkey:=x", jsonType, `[]`},
		{"POST", "/call/a%2F..b", jsonType, `[]`},
		{"POST", "/call/test.p?in=ndjson", jsonType, "[\n"},
		{"POST", "/call/test.p?in=msgpack", jsonType, "\xc1"},
		{"POST", "/call", jsonType, `{"procedure":"test.p","options":{"timeout":{}}}`},
		{"POST", "/call", jsonType, `{"procedure":"test.p","options":{"timeout":"x"}}`},
		{"POST", "/batch", "application/x-ndjson", "{"},
		{"GET", "/call/test.p?args=[1", "", ""},
		{"GET", "/call/test.p?kw.n=x", "", ""},
		{"GET", "/call/test.p?kwargs={\"a\":1,\"a\":2}", "", ""},
	} {
		w := do(g, test.method, strings.ReplaceAll(test.path, `"`, "%22"), strings.NewReader(test.body), "Content-Type", test.media)
		if w.Code < 400 || w.Code > 499 {
			t.Errorf("%s %s %q: %d %s", test.method, test.path, test.body, w.Code, w.Body)
		}
		if found := foreign.FindString(w.Body.String()); found != "" {
			t.Errorf("%s %s %q: %q in %s", test.method, test.path, test.body, found, w.Body)
		}
	}
}

// TestNumbersStayNumbers shows that integers of 64 bits come back as the numbers
// they were, whatever they are encoded in on the way.
func TestNumbersStayNumbers(t *testing.T) {
	t.Parallel()
	const numbers = `[9007199254740993,-9223372036854775808,9223372036854775807,18446744073709551615]`
	for _, callee := range []wamp.Serializer{wamp.JSON, wamp.MsgPack, wamp.CBOR} {
		r := &realm{procedures: map[wamp.URI]procedure{"test.p": func(c incoming) {
			p, err := c.Payload.Transcode(callee)
			if err != nil {
				t.Errorf("%v: %v", callee, err)
			}
			c.result(p)
		}}}
		g := newGateway(t, r, nil)
		if w := post(g, "/call/test.p", numbers, "Content-Type", jsonType, "Accept", "application/vnd.wamp.call+json"); !strings.Contains(w.Body.String(), `"args":`+numbers) {
			t.Errorf("callee in %v: %d %s", callee, w.Code, w.Body)
		}
		w := post(g, "/batch", `{"procedure":"test.p","args":`+numbers+`}`, "Content-Type", "application/x-ndjson")
		if !strings.Contains(w.Body.String(), `"args":`+numbers) {
			t.Errorf("callee in %v, batch: %d %s", callee, w.Code, w.Body)
		}
	}
}

// TestRefusedBeforeBody shows that who is not let in is told so before his body
// is looked at, or there.
func TestRefusedBeforeBody(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &realm{}, func(c *gateway.Config) { c.Authenticate = bouncer(t, nil) })
	server := httptest.NewServer(g)
	defer server.Close()
	for _, path := range []string{"/call/test.p", "/call", "/batch"} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\r\n[", path); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v; the body was waited for", path, err)
		}
		if res.StatusCode != http.StatusUnauthorized || res.Header.Get("Connection") != "close" && !res.Close {
			t.Errorf("%s: %d %v", path, res.StatusCode, res.Header)
		}
		_ = res.Body.Close()
		_ = conn.Close()
	}
}

// TestErrorLineEnds shows that a line which tells of an error is a line.
func TestErrorLineEnds(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{"test.p": func(c incoming) {
		c.push(&wamp.Result{Request: c.Request, Details: wamp.ResultDetails{Progress: true}, Payload: jsonPayload(`[1]`, "")})
		c.fail("com.example.odd", wamp.OriginCallee, jsonPayload(`["two\nlines"]`, ""))
	}}}
	g := newGateway(t, r, nil)
	for accept, opening := range map[string]string{"application/x-ndjson": "", "application/jsonl": "", "application/json-seq": "\x1e"} {
		body := post(g, "/call/test.p", "", "Accept", accept).Body.String()
		lines := strings.SplitAfter(body, "\n")
		if len(lines) != 3 || lines[2] != "" {
			t.Fatalf("%s: %q", accept, body)
		}
		var last struct{ Event, Error string }
		text, ok := strings.CutPrefix(lines[1], opening)
		if err := json.Unmarshal([]byte(text), &last); err != nil || !ok || last.Event != "error" || last.Error != "com.example.odd" {
			t.Errorf("%s: %q, %v", accept, lines[1], err)
		}
	}
}

// TestMultipartIsWhole shows that a multipart body without its closing boundary
// is never taken for a complete one, wherever it ends, and that nothing after
// that boundary matters.
func TestMultipartIsWhole(t *testing.T) {
	t.Parallel()
	const media = "multipart/form-data; boundary=x"
	const whole = "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x\r\nContent-Disposition: form-data; name=b\r\n\r\n2\r\n--x--"
	r := &realm{procedures: map[wamp.URI]procedure{"test.p": echo}}
	g := newGateway(t, r, nil)
	for _, end := range []string{"", "\r\n", "\r\nepilogue"} {
		if w := post(g, "/call/test.p", whole+end, "Content-Type", media); w.Body.String() != `{"a":"1","b":"2"}`+"\n" {
			t.Errorf("whole%q: %d %s", end, w.Code, w.Body)
		}
	}
	s := newSite(t, false)
	s.serve(t, "test.p", func(c *callee, inv *wamp.Invocation) {
		if !inv.Details.Progress {
			c.yield(inv.Request, false, `["end"]`)
		}
	})
	client := s.client(t, false)
	for n := 1; n < len(whole); n++ {
		if w := post(g, "/call/test.p", whole[:n], "Content-Type", media); w.Code != 400 {
			t.Errorf("%q: %d %s", whole[:n], w.Code, w.Body)
		}
		res, err := client.Post(s.url+"/call/test.p?in=chunks", media, strings.NewReader(whole[:n]))
		if err != nil {
			t.Fatal(err)
		}
		if _ = res.Body.Close(); res.StatusCode != 400 {
			t.Errorf("%q in chunks: %d", whole[:n], res.StatusCode)
		}
	}
}
