package gateway_test

import (
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

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
