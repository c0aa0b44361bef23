package gateway

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// buffered returns a body as if it had been read.
func buffered(body string) *buffer {
	return &buffer{b: append(make([]byte, headroom), body...)}
}

// FuzzBody holds for any body of any type: it is refused with a problem of
// class 4xx, or becomes arguments that are well-formed, a list and a map, and
// exactly what was sent. Without an envelope it never becomes both.
func FuzzBody(f *testing.F) {
	types := []string{
		"", "application/json", "application/vnd.wamp.call+json", "application/msgpack", "application/vnd.wamp.call+msgpack",
		"application/cbor", "application/vnd.wamp.call+cbor", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b",
		"text/plain", "application/octet-stream",
	}
	for i, seed := range []string{
		"x", `[1,{"args":[]}]`, `{"args":[1],"kwargs":{"a":2}}`, "\x92\x01\x02", "\x82\xa4args\x91\x01\xa6kwargs\x80",
		"\x82\x01\x02", "\xa1\x64args\x81\x01", "a=1&a=2&b=%20", "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--\r\n", "grüß", "\x00\xff",
		`1],{"x":[2`, `"\ud800"`, `{"a":1,"a":2}`, `[1] [2]`,
	} {
		f.Add(uint8(i%len(types)), seed, i%3 == 0)
	}
	f.Fuzz(func(t *testing.T, which uint8, body string, envelope bool) {
		m, err := parseMediaType(types[int(which)%len(types)])
		if err != nil {
			t.Fatal(err)
		}
		p, err := m.payload(buffered(body), envelope)
		if err != nil {
			var refusal *problem.Problem
			if !errors.As(err, &refusal) || refusal.Status/100 != 4 || refusal.Source != problem.Gateway {
				t.Errorf("refused with %v", err)
			}
			return
		}
		if p.Args != nil && p.Kwargs != nil && !envelope && !m.envelope {
			t.Errorf("both args %q and kwargs %q, without an envelope", p.Args, p.Kwargs)
		}
		wantWellFormed(t, p)
		if m.body == bodyJSON && body != "" && !json.Valid([]byte(body)) {
			t.Errorf("invalid JSON became %q %q", p.Args, p.Kwargs)
		}
		wantUnchanged(t, m, body, p)
	})
}

func wantWellFormed(t *testing.T, p wamp.Payload) {
	t.Helper()
	s := p.Serializer
	if p.Args != nil && (s.Valid(p.Args) != nil || s.Kind(p.Args) != wamp.KindList) {
		t.Errorf("args %q are no list in %v: %v", p.Args, s, s.Valid(p.Args))
	}
	if p.Kwargs != nil && (s.Valid(p.Kwargs) != nil || s.Kind(p.Kwargs) != wamp.KindMap) {
		t.Errorf("kwargs %q are no map in %v: %v", p.Kwargs, s, s.Valid(p.Kwargs))
	}
}

// wantUnchanged checks that bodies of raw types arrive as they are.
func wantUnchanged(t *testing.T, m mediaType, body string, p wamp.Payload) {
	t.Helper()
	if body == "" || !m.body.raw() {
		return
	}
	args, _, err := p.Decode()
	if err != nil || len(args) != 1 {
		t.Fatalf("args %v, %v", args, err)
	}
	switch v := args[0].(type) {
	case string:
		if v != body || m.body != bodyText {
			t.Errorf("got %q, sent %q", v, body)
		}
	case []byte:
		if string(v) != body || m.body == bodyText {
			t.Errorf("got %q, sent %q", v, body)
		}
	default:
		t.Errorf("got %v", v)
	}
}

// FuzzOptions holds for any query: it is refused with a problem 400, or it is
// one that package url can read as well and that holds known names alone, each
// once (but for body, which says two things). What it says of arguments is
// refused or well-formed.
func FuzzOptions(f *testing.F) {
	for _, seed := range []string{
		"timeout=5", "timeout=5&progress=true", "kw.a=1&kw.b:=2", "args=[1]&kwargs={}", "body=call&body=value", "a;b", "%zz", "&&", "in=chunks&chunk=65536",
		"timeuot=1", "rkey=1", "shard_key:=1&runmode=partition", "stream=", "final=last", "=", "kw.=", "kw.:=1",
	} {
		f.Add(seed, strings.HasPrefix(seed, "kw"))
	}
	f.Fuzz(func(t *testing.T, query string, get bool) {
		o, err := parseOptions(query, get)
		if err != nil {
			var refusal *problem.Problem
			if !errors.As(err, &refusal) || refusal.Status != 400 || refusal.URI != wamp.ErrOptionNotAllowed {
				t.Errorf("refused with %v", err)
			}
			return
		}
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Errorf("%q was accepted, but %v", query, err)
		}
		for name, given := range values {
			plain, _ := keyName(name)
			known := slices.Contains(optionNames(), plain) || get && isArgument(name)
			if !known || len(given) > 1 && name != "body" && !strings.HasPrefix(name, "kw.") {
				t.Errorf("%q was accepted with %s=%q", query, name, given)
			}
		}
		if !get && (o.args != "" || o.kwargs != "" || o.named != nil) {
			t.Errorf("%q gave arguments to a POST: %+v", query, o)
		}
		q := request{options: o}
		if p, err := q.queryPayload(); err == nil {
			wantWellFormed(t, p)
		}
	})
}

// TestOptions shows what options come to.
func TestOptions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		query string
		want  options
	}{
		{"", options{}},
		{"&&", options{}},
		{"progress=0", options{progress: choiceOff}},
		{"progress=true", options{progress: choiceOn}},
		{"disclose_me=1", options{disclose: true}},
		{"body=call&body=value", options{envelope: true, bare: true}},
		{"stream=off", options{stream: streamOff}},
		{"stream=raw", options{stream: streamRaw}},
		{"in=whole", options{framing: framingWhole}},
		{"in=json-seq", options{framing: framingJSONSeq}},
		{"in=chunks&chunk=1048576", options{framing: framingChunks, chunk: 1 << 20}},
		{"final=last", options{final: finalLast}},
		{"%69n=lines", options{framing: framingLines}},
		{"rkey=7", options{key: "s7"}},
		{"rkey=", options{key: "s"}},
		{"shard_key=%C3%BC&runmode=partition", options{key: "sü", runMode: wamp.RunPartition}},
		{"rkey:=7", options{key: "n7"}},
		{"shard_key:=%227%22", options{key: "s7"}},
		{"runmode=all", options{runMode: wamp.RunAll}},
	}
	for _, test := range tests {
		got, err := parseOptions(test.query, false)
		got.given = 0
		if err != nil || !slices.Equal(got.named, test.want.named) || got.stream != test.want.stream || got.framing != test.want.framing ||
			got.progress != test.want.progress || got.disclose != test.want.disclose || got.envelope != test.want.envelope ||
			got.bare != test.want.bare || got.key != test.want.key || got.runMode != test.want.runMode || got.final != test.want.final || got.chunk != test.want.chunk {
			t.Errorf("parseOptions(%q) = %+v, %v; want %+v", test.query, got, err, test.want)
		}
	}
	if got := optionNames()[optionFinal]; got != "final" {
		t.Errorf("optionNames()[optionFinal] = %s", got)
	}
}

// TestFraming shows which requests make progressive calls.
func TestFraming(t *testing.T) {
	t.Parallel()
	tests := []struct {
		contentType string
		length      int64
		in          framing
		want        framing
	}{
		{"", 5, framingNone, framingNone},
		{"", 0, framingNone, framingNone},
		{"", -1, framingNone, framingChunks},
		{"application/octet-stream", -1, framingNone, framingChunks},
		{"text/plain", -1, framingNone, framingChunks},
		{"image/png", -1, framingNone, framingChunks},
		{"application/json", -1, framingNone, framingNone},
		{"application/msgpack", -1, framingNone, framingNone},
		{"application/cbor", -1, framingNone, framingNone},
		{"application/x-www-form-urlencoded", -1, framingNone, framingNone},
		{"multipart/form-data; boundary=b", -1, framingNone, framingNone},
		{"application/x-ndjson", 5, framingNone, framingNDJSON},
		{"application/jsonl; charset=utf-8", -1, framingNone, framingNDJSON},
		{"application/json-seq", 5, framingNone, framingJSONSeq},
		{"application/vnd.wamp.stream+msgpack", 5, framingNone, framingMsgPack},
		{"", -1, framingWhole, framingWhole},
		{"application/x-ndjson", 5, framingWhole, framingWhole},
		{"application/json", 5, framingLines, framingLines},
	}
	for _, test := range tests {
		m, err := parseMediaType(test.contentType)
		if got := framingOf(m, test.length, &options{framing: test.in}); err != nil || got != test.want {
			t.Errorf("framingOf(%q, %d, in %d) = %d, want %d", test.contentType, test.length, test.in, got, test.want)
		}
	}
}

// TestForms shows how answers that stream are asked for.
func TestForms(t *testing.T) {
	t.Parallel()
	tests := []struct {
		accept string
		stream streamOption
		form   outForm
		media  string
	}{
		{"text/event-stream", streamByAccept, formSSE, "text/event-stream"},
		{"application/x-ndjson", streamByAccept, formNDJSON, "application/x-ndjson"},
		{"application/jsonl", streamByAccept, formNDJSON, "application/jsonl"},
		{"application/json-seq", streamByAccept, formJSONSeq, "application/json-seq"},
		{"text/event-stream, application/json;q=0.5", streamByAccept, formSSE, "text/event-stream"},
		{"text/event-stream;q=0.5, application/json", streamByAccept, formUnary, ""},
		{"*/*", streamByAccept, formUnary, ""},
		{"", streamByAccept, formUnary, ""},
		{"text/event-stream", streamOff, formUnary, ""},
		{"application/json", streamSSE, formSSE, "text/event-stream"},
		{"image/png", streamNDJSON, formNDJSON, "application/x-ndjson"},
		{"application/json", streamArray, formArray, "application/json"},
		{"", streamRaw, formRaw, "application/octet-stream"},
	}
	for _, test := range tests {
		got, err := negotiate([]string{test.accept}, &options{stream: test.stream}, mediaBytes)
		if err != nil || got.form != test.form || got.media != test.media {
			t.Errorf("negotiate(%q, %d) = %+v, %v; want form %d, %q", test.accept, test.stream, got, err, test.form, test.media)
		}
	}
}
