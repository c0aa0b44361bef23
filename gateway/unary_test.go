package gateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

const jsonType = "application/json"

// TestBodies shows what a body becomes, type by type.
func TestBodies(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, contentType, query, body string
		args, kwargs                   string // what the callee gets, in JSON
	}{
		{"no body", "", "", "", "", ""},
		{"empty json", jsonType, "", "", "", ""},
		{"list", jsonType, "", `[2,3]`, `[2,3]`, ""},
		{"list with space around", jsonType, "", " [2 , 3]\r\n", `[2 , 3]`, ""},
		{"object", jsonType, "", `{"a":1}`, "", `{"a":1}`},
		{"object with args is no envelope", jsonType, "", `{"args":[1],"kwargs":{}}`, "", `{"args":[1],"kwargs":{}}`},
		{"number", jsonType, "", `9007199254740993`, `[9007199254740993]`, ""},
		{"string", jsonType, "", `"x"`, `["x"]`, ""},
		{"null", jsonType, "", `null`, `[null]`, ""},
		{"number as it was", jsonType, "", `[1.0,1e2,-0]`, `[1.0,1e2,-0]`, ""},
		{"charset", "application/json; charset=UTF-8", "", `[1]`, `[1]`, ""},
		{"suffix", "application/geo+json", "", `{"type":"Point"}`, "", `{"type":"Point"}`},
		{"binary in json", jsonType, "", `["\u0000AQI="]`, `["\u0000AQI="]`, ""},
		{"surrogate pair", jsonType, "", `["\ud83d\ude00\\ud800"]`, `["\ud83d\ude00\\ud800"]`, ""},
		{"envelope by query", jsonType, "?body=call", `{"args":[1],"kwargs":{"a":2}}`, `[1]`, `{"a":2}`},
		{"envelope by type", "application/vnd.wamp.call+json", "", `{"kwargs":{"a":2},"args":[1]}`, `[1]`, `{"a":2}`},
		{"envelope without kwargs", jsonType, "?body=call", `{"args":[1]}`, `[1]`, ""},
		{"empty envelope", jsonType, "?body=call", `{}`, "", ""},
		{"msgpack list", "application/msgpack", "", "\x92\x02\x03", `[2,3]`, ""},
		{"msgpack map", "application/x-msgpack", "", "\x81\xa1a\x01", "", `{"a":1}`},
		{"msgpack scalar", "application/vnd.msgpack", "", "\xc4\x01\xff", `["\u0000/w=="]`, ""},
		{"msgpack envelope", "application/vnd.wamp.call+msgpack", "", "\x82\xa4args\x91\x01\xa6kwargs\x80", `[1]`, `{}`},
		{"cbor list", "application/cbor", "", "\x82\x02\x03", `[2,3]`, ""},
		{"cbor envelope", "application/vnd.wamp.call+cbor", "", "\xa1\x64args\x81\x01", `[1]`, ""},
		{"form", "application/x-www-form-urlencoded", "", "a=1&b=x+y&a=%C3%BC&c", "", `{"a":["1","ü"],"b":"x y","c":""}`},
		{"text", "text/plain; charset=utf-8", "", "grüß", `["grüß"]`, ""},
		{"json as text", "text/plain", "", `[1]`, `["[1]"]`, ""},
		{"bytes", "application/octet-stream", "", "\x00\xff", `["\u0000AP8="]`, ""},
		{"no type, length known", "", "", "\x01\x02", `["\u0000AQI="]`, ""},
		{"unknown type", "image/png", "", "\x01\x02", `["\u0000AQI="]`, ""},
		{"any type, in=whole", "application/x-ndjson", "?in=whole", "1\n", `["\u0000MQo="]`, ""},
		{
			"multipart", "multipart/form-data; boundary=b", "",
			"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n" +
				"--b\r\nContent-Disposition: form-data; name=f; filename=x.bin\r\nContent-Type: image/png\r\n\r\n\xff\r\n--b--\r\n",
			"", `{"a":"1","f":{"content_type":"image/png","data":"\u0000/w==","filename":"x.bin"}}`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
			w := post(newGateway(t, r, nil), "/call/test.echo"+test.query, test.body, "Content-Type", test.contentType)
			if w.Code/100 != 2 {
				t.Fatalf("status %d %s", w.Code, w.Body)
			}
			call, _ := r.last()
			p, err := call.Payload.Transcode(wamp.JSON)
			if err != nil {
				t.Fatal(err)
			}
			if string(p.Args) != test.args || string(p.Kwargs) != test.kwargs {
				t.Errorf("the callee got args %s, kwargs %s; want %s, %s", p.Args, p.Kwargs, test.args, test.kwargs)
			}
		})
	}
}

// TestChunkedJSONIsOneCall shows that transfer coding does not make a stream.
func TestChunkedJSONIsOneCall(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
	body := strings.NewReader("[1,2]")
	req := struct{ *strings.Reader }{body} // hides the type from which NewRequest takes a length
	w := do(newGateway(t, r, nil), http.MethodPost, "/call/test.echo", req, "Content-Type", jsonType)
	if call, _ := r.last(); w.Code != 200 || call.Options.Progress || string(call.Payload.Args) != "[1,2]" {
		t.Errorf("status %d, call %+v", w.Code, call)
	}
}

// TestResults shows how a result is written, by what it is and what is asked
// for.
func TestResults(t *testing.T) {
	t.Parallel()
	const call = "application/vnd.wamp.call+json"
	msgpack := func(p wamp.Payload) procedure { return func(c incoming) { c.result(p) } }
	bytesOnly := msgpack(wamp.Payload{Serializer: wamp.MsgPack, Args: []byte("\x91\xc4\x02\x01\x02")})
	tests := []struct {
		name      string
		procedure procedure
		accept    string
		status    int
		shape     string
		media     string
		body      string
	}{
		{"nothing", returns("", ""), "", 204, "none", "", ""},
		{"empty args", returns("[]", "{}"), "", 204, "none", "", ""},
		{"value", returns("[5]", ""), "", 200, "value", jsonType, "5\n"},
		{"value with space", returns("[ 5 ]", "{ }"), "*/*", 200, "value", jsonType, "5\n"},
		{"list value", returns("[[1,2]]", ""), jsonType, 200, "value", jsonType, "[1,2]\n"},
		{"kwargs", returns("", `{"a":1}`), "", 200, "kwargs", jsonType, `{"a":1}` + "\n"},
		{"kwargs after empty args", returns("[]", `{"a":1}`), "", 200, "kwargs", jsonType, `{"a":1}` + "\n"},
		{"two args", returns("[1,2]", ""), "", 200, "call", jsonType, `{"args":[1,2],"kwargs":{}}` + "\n"},
		{"args and kwargs", returns("[1]", `{"a":1}`), "", 200, "call", jsonType, `{"args":[1],"kwargs":{"a":1}}` + "\n"},
		{"envelope", returns("[1]", ""), call, 200, "call", call, `{"args":[1],"kwargs":{}}` + "\n"},
		{"empty envelope", returns("", ""), call, 200, "call", call, `{"args":[],"kwargs":{}}` + "\n"},
		{"exact number", returns("[9007199254740993]", ""), "", 200, "value", jsonType, "9007199254740993\n"},
		{"msgpack", returns("[5]", ""), "application/msgpack", 200, "value", "application/msgpack", "\x05"},
		{"msgpack alias", returns("[5]", ""), "application/x-msgpack", 200, "value", "application/x-msgpack", "\x05"},
		{"msgpack envelope", returns("[5]", ""), "application/vnd.wamp.call+msgpack", 200, "call", "application/vnd.wamp.call+msgpack", "\x82\xa4args\x91\x05\xa6kwargs\x80"},
		{"cbor", returns("", `{"a":5}`), "application/cbor", 200, "kwargs", "application/cbor", "\xa1\x61a\x05"},
		{"from msgpack", msgpack(wamp.Payload{Serializer: wamp.MsgPack, Args: []byte("\x91\xcd\x01\x00")}), "", 200, "value", jsonType, "256\n"},
		{"bytes", bytesOnly, "", 200, "value", "application/octet-stream", "\x01\x02"},
		{"bytes for anything", bytesOnly, "*/*", 200, "value", "application/octet-stream", "\x01\x02"},
		{"bytes asked for", bytesOnly, "application/octet-stream", 200, "value", "application/octet-stream", "\x01\x02"},
		{"bytes as json", bytesOnly, jsonType, 200, "value", jsonType, `"\u0000AQI="` + "\n"},
		{"bytes, json preferred", bytesOnly, "application/json, */*;q=0.5", 200, "value", jsonType, `"\u0000AQI="` + "\n"},
		{"bytes as msgpack", bytesOnly, "application/msgpack", 200, "value", "application/msgpack", "\xc4\x02\x01\x02"},
		{"bytes from json", returns(`["\u0000AQI="]`, ""), "", 200, "value", "application/octet-stream", "\x01\x02"},
		{"bytes in an envelope", returns(`["\u0000AQI="]`, ""), call, 200, "call", call, `{"args":["\u0000AQI="],"kwargs":{}}` + "\n"},
		{"text though bytes were asked for", returns(`["x"]`, ""), "application/octet-stream", 200, "value", jsonType, `"x"` + "\n"},
		{"passed through", returns(`"\u0000AQI="`, ""), jsonType, 200, "value", jsonType, `"\u0000AQI="` + "\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := &realm{procedures: map[wamp.URI]procedure{"test.p": test.procedure}}
			var headers []string
			if test.accept != "" {
				headers = []string{"Accept", test.accept}
			}
			w := post(newGateway(t, r, nil), "/call/test.p", "", headers...)
			h := w.Header()
			if w.Code != test.status || w.Body.String() != test.body || h.Get("Content-Type") != test.media || h.Get("Wamp-Result") != test.shape {
				t.Errorf("got %d %q %q %q; want %d %q %q %q", w.Code, h.Get("Wamp-Result"), h.Get("Content-Type"), w.Body,
					test.status, test.shape, test.media, test.body)
			}
			for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
				if got := h.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if !strings.HasPrefix(h.Get("Wamp-Call-Id"), "c_") || !strings.HasPrefix(h.Get("Server-Timing"), "gw;dur=") {
				t.Errorf("Wamp-Call-Id: %q, Server-Timing: %q", h.Get("Wamp-Call-Id"), h.Get("Server-Timing"))
			}
		})
	}
}

// TestAccept shows which form a header leads to.
func TestAccept(t *testing.T) {
	t.Parallel()
	tests := []struct{ accept, media string }{
		{"text/html,application/xhtml+xml,*/*;q=0.8", jsonType},
		{"application/msgpack;q=0.4, application/json;q=0.5", jsonType},
		{"application/msgpack, application/json;q=0.9", "application/msgpack"},
		{"application/*", jsonType},
		{"application/json;q=0, application/*", "application/vnd.wamp.call+json"},
		{"APPLICATION/CBOR", "application/cbor"},
		{"application/json;q=2, application/cbor", "application/cbor"},
		{"application/json, text/event-stream", jsonType},
	}
	r := &realm{procedures: map[wamp.URI]procedure{"test.p": returns("[5]", "")}}
	g := newGateway(t, r, nil)
	for _, test := range tests {
		w := post(g, "/call/test.p", "", "Accept", test.accept)
		if got := w.Header().Get("Content-Type"); got != test.media || w.Code != 200 {
			t.Errorf("Accept %s: %d %s, want %s", test.accept, w.Code, got, test.media)
		}
	}
}

// TestNotAcceptable shows that nobody is called when no form fits.
func TestNotAcceptable(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{"test.p": echo}}
	g := newGateway(t, r, nil)
	for _, accept := range []string{"image/png", "application/json;q=0", "text/plain", "nonsense", "application/json;q=x", "*/json"} {
		w := post(g, "/call/test.p", "", "Accept", accept)
		if _, called := r.last(); w.Code != 406 || called {
			t.Errorf("Accept %s: %d, called %v; want 406, false", accept, w.Code, called)
		}
		if !strings.Contains(w.Body.String(), "application/json") {
			t.Errorf("Accept %s: %s does not say what is on offer", accept, w.Body)
		}
	}
}

// TestGet shows calls of safe procedures without a body.
func TestGet(t *testing.T) {
	t.Parallel()
	tests := []struct{ query, args, kwargs string }{
		{"", "", ""},
		{"?args=[2,3]", "[2,3]", ""},
		{"?args=%5B2%2C3%5D&kwargs={%22a%22:1}", "[2,3]", `{"a":1}`},
		{"?kw.name=Ada+L&kw.n:=5", "", `{"name":"Ada L","n":5}`},
		{"?kw.a=1&kw.a:=2", "", `{"a":["1",2]}`},
		{"?args=[]&timeout=5s", "[]", ""},
	}
	for _, test := range tests {
		r := &realm{procedures: map[wamp.URI]procedure{"test.p": returns("[5]", "")}, safe: map[wamp.URI]bool{"test.p": true}}
		g := newGateway(t, r, nil)
		w := do(g, http.MethodGet, "/call/test.p"+test.query, nil)
		call, _ := r.last()
		if w.Code != 200 || w.Body.String() != "5\n" || string(call.Payload.Args) != test.args || string(call.Payload.Kwargs) != test.kwargs {
			t.Errorf("%s: %d %q; args %s, kwargs %s; want %s, %s", test.query, w.Code, w.Body, call.Payload.Args, call.Payload.Kwargs, test.args, test.kwargs)
		}
		if w := do(g, http.MethodHead, "/call/test.p"+test.query, nil); w.Code != 200 {
			t.Errorf("HEAD %s: %d, want 200", test.query, w.Code)
		}
	}
}

// TestQueryMethod shows that QUERY is a safe call with a body.
func TestQueryMethod(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{"test.p": echo}, safe: map[wamp.URI]bool{"test.p": true}}
	g := newGateway(t, r, nil)
	if w := do(g, "QUERY", "/call/test.p", strings.NewReader("[7]"), "Content-Type", jsonType); w.Code != 200 || w.Body.String() != "7\n" {
		t.Errorf("QUERY: %d %s, want 200 7", w.Code, w.Body)
	}
	if w := do(g, "QUERY", "/call/test.q", strings.NewReader("[7]"), "Content-Type", jsonType); w.Code != 405 {
		t.Errorf("QUERY of what is not safe: %d, want 405", w.Code)
	}
}

// TestMethods shows what is said to methods that do not fit.
func TestMethods(t *testing.T) {
	t.Parallel()
	r := &realm{safe: map[wamp.URI]bool{"test.safe": true}}
	g := newGateway(t, r, nil)
	tests := []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/call/test.p", 405, "OPTIONS, POST"},
		{"HEAD", "/call/test.p", 405, "OPTIONS, POST"},
		{"PUT", "/call/test.p", 405, "OPTIONS, POST"},
		{"DELETE", "/call/test.p", 405, "OPTIONS, POST"},
		{"BREW", "/call/test.p", 405, "OPTIONS, POST"},
		{"PUT", "/call/test.safe", 405, "GET, HEAD, OPTIONS, POST, QUERY"},
		{"OPTIONS", "/call/test.p", 204, "OPTIONS, POST"},
		{"OPTIONS", "/call/test.safe", 204, "GET, HEAD, OPTIONS, POST, QUERY"},
		{"POST", "/healthz", 405, "GET, HEAD, OPTIONS"},
		{"BREW", "/healthz", 405, "GET, HEAD, OPTIONS"},
		{"OPTIONS", "/healthz", 204, "GET, HEAD, OPTIONS"},
		{"POST", "/nowhere", 404, ""},
		{"POST", "/call/a/b", 404, ""},
		{"POST", "/call/", 404, ""},
		{"POST", "/call", 404, ""},
	}
	for _, test := range tests {
		w := do(g, test.method, test.path, nil)
		if w.Code != test.status || w.Header().Get("Allow") != test.allow {
			t.Errorf("%s %s: %d, Allow %q; want %d, %q", test.method, test.path, w.Code, w.Header().Get("Allow"), test.status, test.allow)
		}
	}
	if w := do(g, "PUT", "/call/test.p", nil); !strings.Contains(w.Body.String(), "add -X POST") {
		t.Errorf("PUT: %s lacks the hint for curl -T", w.Body)
	}
}

// TestPaths shows how a path names a procedure.
func TestPaths(t *testing.T) {
	t.Parallel()
	tests := []struct {
		path   string
		want   wamp.URI
		status int
	}{
		{"/call/com.example.add", "com.example.add", 204},
		{"/call/a%2Fb", "a/b", 204},
		{"/call/%61dd", "add", 204},
		{"/call/gr%C3%BC", "grü", 204},
		{"/call/a%25b", "a%b", 204},
		{"/call/a%252Fb", "a%2Fb", 204},
		{"/call/a%2Fb%25c", "a/b%c", 204},
		{"/call/a;b", "a;b", 204},
		{"/call/a..b", "", 400},
		{"/call/.a", "", 400},
		{"/call/a%20b", "", 400},
		{"/call/a%23", "", 400},
		{"/call/a%00", "", 400},
		{"/call/%ff", "", 400},
	}
	for _, test := range tests {
		var got wamp.URI
		r := &realm{procedures: map[wamp.URI]procedure{test.want: func(c incoming) {
			got = c.Procedure
			c.result(wamp.Payload{})
		}}}
		w := post(newGateway(t, r, nil), test.path, "")
		if w.Code != test.status || got != test.want {
			t.Errorf("%s: %d, called %q; want %d, %q", test.path, w.Code, got, test.status, test.want)
		}
	}
}

// details is what a problem says.
type details struct {
	Type, Title, Detail, Error, Source, Retry, Instance string
	Status                                              int
	Args                                                []any
	Kwargs                                              map[string]any
}

// problemIn decodes a problem and checks that its headers say the same.
func problemIn(t *testing.T, w interface {
	Header() http.Header
}, body []byte,
) details {
	t.Helper()
	var d details
	if err := json.Unmarshal(body, &d); err != nil {
		t.Errorf("%q is no problem: %v", body, err)
		return d
	}
	for name, want := range map[string]string{
		"Content-Type": "application/problem+json", "Wamp-Error": d.Error, "Wamp-Error-Source": d.Source, "Wamp-Retry": d.Retry,
	} {
		if got := w.Header().Get(name); got != want || got == "" {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	return d
}

// TestRefused shows requests that nobody is called for.
func TestRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, query, contentType, body string
		header                         []string
		status                         int
		uri                            string
		words                          string // in the detail
	}{
		{"cut json", "", jsonType, `{"a":`, nil, 400, "wamp.error.invalid_payload", "byte 5"},
		{"two values", "", jsonType, `[1] [2]`, nil, 400, "wamp.error.invalid_payload", "byte 4"},
		{"key twice", "", jsonType, `[{"a":1,"a":2}]`, nil, 400, "wamp.error.invalid_payload", `"a"`},
		{"bad utf-8", "", jsonType, "\"\xff\"", nil, 400, "wamp.error.invalid_payload", "UTF-8"},
		{"lone surrogate", "", jsonType, `["ab\udc00"]`, nil, 400, "wamp.error.invalid_payload", "byte 4"},
		{"high surrogate alone", "", jsonType, `"\ud800\u0041"`, nil, 400, "wamp.error.invalid_payload", "byte 1"},
		{"too deep", "", jsonType, strings.Repeat("[", 65) + strings.Repeat("]", 65), nil, 400, "wamp.error.invalid_payload", "64"},
		{"only space", "", jsonType, " ", nil, 400, "wamp.error.invalid_payload", ""},
		{"forged kwargs", "", jsonType, `1],{"x":[2`, nil, 400, "wamp.error.invalid_payload", "byte 1"},
		{"unknown member", "?body=call", jsonType, `{"arg":[1]}`, nil, 400, "wamp.error.invalid_payload", `"arg"`},
		{"envelope a list", "?body=call", jsonType, `[1]`, nil, 400, "wamp.error.invalid_payload", "a list"},
		{"args a string", "?body=call", jsonType, `{"args":"x"}`, nil, 400, "wamp.error.invalid_payload", "a string"},
		{"kwargs a list", "?body=call", jsonType, `{"kwargs":[]}`, nil, 400, "wamp.error.invalid_payload", "a list"},
		{"msgpack int key", "", "application/msgpack", "\x81\x01\x02", nil, 400, "wamp.error.invalid_payload", ""},
		{"msgpack trailing", "", "application/msgpack", "\x01\x02", nil, 400, "wamp.error.invalid_payload", ""},
		{"cbor cut", "", "application/cbor", "\x83\x01", nil, 400, "wamp.error.invalid_payload", ""},
		{"json as form", "", "application/x-www-form-urlencoded", `[2,3]`, nil, 415, "gateway.error.unsupported_media_type", "--json"},
		{"envelope of a form", "?body=call", "application/x-www-form-urlencoded", `a=1`, nil, 415, "gateway.error.unsupported_media_type", "body=call"},
		{"form escape", "", "application/x-www-form-urlencoded", `a=%zz`, nil, 400, "wamp.error.invalid_payload", "escape"},
		{"form utf-8", "", "application/x-www-form-urlencoded", `a=%ff`, nil, 400, "wamp.error.invalid_payload", "UTF-8"},
		{"text utf-8", "", "text/plain", "\xff", nil, 400, "wamp.error.invalid_payload", "UTF-8"},
		{"multipart without boundary", "", "multipart/form-data", "x", nil, 415, "gateway.error.unsupported_media_type", "boundary"},
		{"multipart cut", "", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1", nil, 400, "wamp.error.invalid_payload", ""},
		{"charset", "", "application/json; charset=latin1", "1", nil, 415, "gateway.error.unsupported_media_type", "latin1"},
		{"no media type", "", "nonsense/", "1", nil, 415, "gateway.error.unsupported_media_type", ""},
		{"encoding", "", jsonType, "1", []string{"Content-Encoding", "br"}, 415, "gateway.error.unsupported_media_type", "gzip"},
		{"not gzip", "", jsonType, "1234567890", []string{"Content-Encoding", "gzip"}, 400, "wamp.error.invalid_payload", "gzip"},
		{"large", "", jsonType, `"` + strings.Repeat("x", 4<<20) + `"`, nil, 413, "wamp.error.payload_size_exceeded", "4 MiB"},
		{"misspelt option", "?timeuot=5", "", "", nil, 400, "wamp.error.option_not_allowed", "did you mean timeout?"},
		{"unknown option", "?zzzzzzzzz=5", "", "", nil, 400, "wamp.error.option_not_allowed", "disclose_me"},
		{"later option", "?trust=persistent", "", "", nil, 400, "wamp.error.option_not_allowed", "not offered"},
		{"later option ppt", "?ppt_scheme=x", "", "", nil, 400, "wamp.error.option_not_allowed", "not offered"},
		{"option twice", "?timeout=1&timeout=2", "", "", nil, 400, "wamp.error.option_not_allowed", "twice"},
		{"semicolon", "?timeout=1;progress=1", "", "", nil, 400, "wamp.error.option_not_allowed", "';'"},
		{"bad escape", "?timeout=%zz", "", "", nil, 400, "wamp.error.option_not_allowed", "escape"},
		{"arguments in the query of a POST", "?args=[1]", "", "", nil, 400, "wamp.error.option_not_allowed", "body"},
		{"bad timeout", "?timeout=soon", "", "", nil, 400, "wamp.error.option_not_allowed", "timeout=soon"},
		{"bad grpc timeout", "", "", "", []string{"Grpc-Timeout", "5"}, 400, "wamp.error.option_not_allowed", "Grpc-Timeout"},
		{"bad connect timeout", "", "", "", []string{"Connect-Timeout-Ms", "-5"}, 400, "wamp.error.option_not_allowed", "Connect-Timeout-Ms"},
		{"progress without a stream", "?progress=true", "", "", nil, 400, "wamp.error.option_not_allowed", "stream"},
		{"bare without a stream", "?body=value", "", "", nil, 400, "wamp.error.option_not_allowed", "stream"},
		{"final without a stream", "?final=last", "", "", nil, 400, "wamp.error.option_not_allowed", "stream"},
		{"chunk without chunks", "?chunk=5", jsonType, "1", nil, 400, "wamp.error.option_not_allowed", "chunk"},
		{"cross origin", "", "", "", []string{"Sec-Fetch-Site", "cross-site"}, 403, "gateway.error.forbidden", "origin"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := &realm{procedures: map[wamp.URI]procedure{"test.p": echo}}
			w := post(newGateway(t, r, nil), "/call/test.p"+test.query, test.body, append(test.header, "Content-Type", test.contentType)...)
			d := problemIn(t, w, w.Body.Bytes())
			if w.Code != test.status || d.Status != test.status || d.Error != test.uri || !strings.Contains(d.Detail, test.words) {
				t.Errorf("got %d %+v; want %d %s with %q", w.Code, d, test.status, test.uri, test.words)
			}
			if d.Source != "gateway" || d.Retry != "no" {
				t.Errorf("source %s, retry %s; want gateway, no", d.Source, d.Retry)
			}
			if call, called := r.last(); called {
				t.Errorf("the callee got %+v", call)
			}
		})
	}
}

// TestTimeouts shows what becomes of the timeouts that clients wish for.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		query   string
		header  []string
		want    int64 // milliseconds
		clamped string
	}{
		{"", nil, 30_000, ""},
		{"?timeout=1500", nil, 1500, ""},
		{"?timeout=1.5s", nil, 1500, ""},
		{"?timeout=PT1M", nil, 60_000, ""},
		{"?timeout=0", nil, 3_600_000, ""},
		{"?timeout=1h", nil, 3_600_000, ""},
		{"?timeout=2h", nil, 3_600_000, "3600000"},
		{"", []string{"Grpc-Timeout", "2S"}, 2000, ""},
		{"", []string{"Connect-Timeout-Ms", "250"}, 250, ""},
		{"?timeout=1s", []string{"Grpc-Timeout", "nonsense"}, 1000, ""},
		{"", []string{"Grpc-Timeout", "99999999H"}, 3_600_000, "3600000"},
	}
	for _, test := range tests {
		r := &realm{procedures: map[wamp.URI]procedure{"test.p": echo}}
		w := post(newGateway(t, r, nil), "/call/test.p"+test.query, "", test.header...)
		call, _ := r.last()
		if call.Options.Timeout != test.want || w.Header().Get("Wamp-Timeout") != test.clamped {
			t.Errorf("%s %v: timeout %d, Wamp-Timeout %q; want %d, %q", test.query, test.header,
				call.Options.Timeout, w.Header().Get("Wamp-Timeout"), test.want, test.clamped)
		}
	}
}

// TestFailures shows how the errors of a call are answered.
func TestFailures(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{
		"test.funds":    raises("com.example.error.no_funds", `["balance is 3.20"]`, `{"balance":3.2}`),
		"test.argument": raises(wamp.ErrInvalidArgument, `["no such parameter"]`, ""),
	}}
	g := newGateway(t, r, func(cfg *gateway.Config) {
		cfg.PublicURL = "https://gw.example.com"
		cfg.Nearest = func(uri wamp.URI) (wamp.URI, bool) { return "test.funds", uri == "test.fund" }
	})

	w := post(g, "/call/test.funds", "")
	d := problemIn(t, w, w.Body.Bytes())
	if w.Code != 500 || d.Detail != "balance is 3.20" || d.Source != "callee" || d.Retry != "no" || d.Kwargs["balance"] != 3.2 ||
		d.Type != "https://gw.example.com/problems/com.example.error.no_funds" || d.Instance != "/calls/"+w.Header().Get("Wamp-Call-Id") {
		t.Errorf("callee's error: %d %+v", w.Code, d)
	}

	w = post(g, "/call/test.fund", "")
	d = problemIn(t, w, w.Body.Bytes())
	if w.Code != 404 || d.Detail != "no procedure test.fund; did you mean test.funds?" || d.Source != "dealer" || d.Retry != "safe" {
		t.Errorf("no such procedure: %d %+v", w.Code, d)
	}

	w = post(g, "/call/test.argument", `{"args":[1]}`, "Content-Type", jsonType)
	if d = problemIn(t, w, w.Body.Bytes()); w.Code != 400 || !strings.Contains(d.Detail, "?body=call") {
		t.Errorf("an object that looks like an envelope: %d %+v lacks the hint", w.Code, d)
	}
	w = post(g, "/call/test.argument", `{"args":[1],"x":1}`, "Content-Type", jsonType)
	if d = problemIn(t, w, w.Body.Bytes()); strings.Contains(d.Detail, "?body=call") {
		t.Errorf("an object that looks like none: %+v has the hint", d)
	}
	w = post(g, "/call/test.fund", "", "Accept", "text/plain, application/json;q=0.5")
	if want := "404 Not Found: no procedure test.fund; did you mean test.funds?\nwamp.error.no_such_procedure (dealer, retry safe)\n"; w.Body.String() != want {
		t.Errorf("as text: %q, want %q", w.Body, want)
	}
}

// TestFixedPages shows the paths that are no calls.
func TestFixedPages(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &realm{}, nil)
	tests := []struct {
		path   string
		status int
		body   string
	}{
		{"/healthz", 200, "ok"},
		{"/readyz", 200, "ready"},
		{"/", 200, "curl --json '[2,3]' http://example.com/call/demo.add"},
		{"/nowhere", 404, "nothing is at /nowhere"},
		{"/ws", 404, "nothing"},
	}
	for _, test := range tests {
		if w := do(g, http.MethodGet, test.path, nil); w.Code != test.status || !strings.Contains(w.Body.String(), test.body) {
			t.Errorf("%s: %d %s; want %d %s", test.path, w.Code, w.Body, test.status, test.body)
		}
	}
	g.Drain()
	if w := do(g, http.MethodGet, "/readyz", nil); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("/readyz of a draining gateway: %d, want 503 and Retry-After", w.Code)
	}
	if w := do(g, http.MethodGet, "/healthz", nil); w.Code != 200 {
		t.Errorf("/healthz of a draining gateway: %d, want 200", w.Code)
	}
}

// TestHosts shows the names a gateway on loopback answers to.
func TestHosts(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &realm{}, func(cfg *gateway.Config) { cfg.Hosts = []string{"gw.test"} })
	tests := []struct {
		host   string
		status int
	}{
		{"localhost:8080", 200},
		{"LOCALHOST", 200},
		{"127.0.0.1:8080", 200},
		{"127.0.0.2", 200},
		{"[::1]:8080", 200},
		{"app.localhost", 200},
		{"gw.test:8080", 200},
		{"evil.example", 421},
		{"10.0.0.1:8080", 421},
		{"localhost.evil.example", 421},
		{"", 421},
	}
	for _, test := range tests {
		r := newRequest(http.MethodGet, "/healthz")
		r.Host = test.host
		if w := serve(g, r); w.Code != test.status {
			t.Errorf("Host %q: %d, want %d", test.host, w.Code, test.status)
		}
	}
}
