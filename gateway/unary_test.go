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
		{"no media type", "", "nonsense", `[2,3]`, nil, 415, "gateway.error.unsupported_media_type", "cannot be read"},
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
		{"unheard of trust", "?trust=utmost", "", "", nil, 400, "wamp.error.option_not_allowed", "transactional"},
		{"trust twice", "?trust=best_effort&trust_level=best_effort", "", "", nil, 400, "wamp.error.option_not_allowed", "twice"},
		{"passthru without scheme", "?ppt_serializer=cbor", "", "", nil, 400, "wamp.error.option_not_allowed", "need ppt_scheme"},
		{"passthru of items", "?ppt_scheme=x_a&in=ndjson", "", "1", nil, 400, "wamp.error.option_not_allowed", "opaque"},
		{"passthru of an envelope", "?ppt_scheme=x_a&body=call", jsonType, "{}", nil, 400, "wamp.error.option_not_allowed", "opaque"},
		{"unheard of passthru", "?ppt_keyed=x", "", "", nil, 400, "wamp.error.option_not_allowed", "did you mean ppt_keyid?"},
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
