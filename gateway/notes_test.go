package gateway_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// TestAcknowledged asks for an acknowledgement over HTTP.
func TestAcknowledged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := wamptest.Serve(t, wamptest.Config{})
		s.Echo(t, wamp.CBOR, "test.echo")
		g := inFront(t, s, nil)
		for _, query := range []string{"?trust=acknowledged", "?trust_level=acknowledged"} {
			w := post(g, "/call/test.echo"+query, "[1]", "Content-Type", jsonType)
			if w.Code != 200 || w.Header().Get("Wamp-Acknowledged") != "true" {
				t.Errorf("%s: got %d, headers %v", query, w.Code, w.Header())
			}
		}
		w := post(g, "/call/test.echo?trust=best_effort", "[1]", "Content-Type", jsonType)
		if got, there := w.Header()["Wamp-Acknowledged"]; w.Code != 200 || there {
			t.Errorf("best_effort: got %d, acknowledged %v", w.Code, got)
		}
		w = post(g, "/call/test.echo?trust=persistent", "[1]", "Content-Type", jsonType)
		if d := problemIn(t, w, w.Body.Bytes()); w.Code != 400 || d.Error != "wamp.error.option_not_allowed" || d.Source != "dealer" {
			t.Errorf("persistent: got %d %+v", w.Code, d)
		}
	})
}

// TestNotAcknowledged calls a callee that does not read on.
func TestNotAcknowledged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := wamptest.Serve(t, wamptest.Config{})
		scripted(t, s, "test.deaf")
		w := post(inFront(t, s, nil), "/call/test.deaf?trust=acknowledged", "")
		d := problemIn(t, w, w.Body.Bytes())
		if w.Code != 502 || d.Error != "wamp.error.network_failure" || d.Source != "dealer" || d.Retry != "unknown" ||
			d.Detail != "the callee did not acknowledge within 5s" || w.Header().Get("Wamp-Acknowledged") != "false" {
			t.Errorf("got %d %+v, headers %v", w.Code, d, w.Header())
		}
		if !strings.Contains(w.Body.String(), `"kwargs":{"acknowledged":false,"maybe_executed":true}`) {
			t.Errorf("got %s, which does not say that the call may have been executed", w.Body)
		}
	})
}

// acknowledges is a callee whose connection has acknowledged before it sends a
// result.
func acknowledges(c incoming) {
	c.push(&wamp.Result{Request: c.Request, Details: wamp.ResultDetails{Progress: true, Acknowledged: true}})
	c.push(&wamp.Result{Request: c.Request, Details: wamp.ResultDetails{Progress: true}, Payload: jsonPayload(`["half"]`, "")})
	c.push(&wamp.Result{Request: c.Request, Details: wamp.ResultDetails{Acknowledged: true}, Payload: jsonPayload(`["done"]`, "")})
}

// acknowledgesLate is a callee whose first answer is the acknowledgement.
func acknowledgesLate(c incoming) {
	c.push(&wamp.Result{Request: c.Request, Details: wamp.ResultDetails{Progress: true, Acknowledged: true}, Payload: jsonPayload(`["half"]`, "")})
	c.push(&wamp.Result{Request: c.Request, Details: wamp.ResultDetails{Acknowledged: true}, Payload: jsonPayload(`["done"]`, "")})
}

// TestAcknowledgedStream shows the event, in forms that have a word for it.
func TestAcknowledgedStream(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"stream=sse": "retry: 2000\nevent: call\nid: c_x/0\ndata: {\"id\":\"c_x\",\"procedure\":\"test.p\"}\n\n" +
			"event: acknowledged\nid: c_x/1\ndata: {}\n\n" +
			"event: progress\nid: c_x/2\ndata: {\"args\":[\"half\"]}\n\n" +
			"event: result\nid: c_x/3\ndata: {\"args\":[\"done\"]}\n\n",
		"stream=ndjson": `{"event":"acknowledged","id":"c_x/1"}` + "\n" + `{"event":"progress","id":"c_x/2","args":["half"]}` + "\n" +
			`{"event":"result","id":"c_x/3","args":["done"]}` + "\n",
		"stream=ndjson&body=value": `"half"` + "\n" + `"done"` + "\n",
		"stream=array":             `["half","done"]`,
		"stream=raw":               "halfdone",
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			r := &realm{procedures: map[wamp.URI]procedure{"test.p": acknowledges, "test.q": acknowledgesLate}}
			g := newGateway(t, r, nil)
			for _, procedure := range []string{"test.p", "test.q"} {
				w := post(g, "/call/"+procedure+"?trust=acknowledged&"+query, "")
				got := strings.ReplaceAll(anonymous(w), "test.q", "test.p")
				if w.Code != 200 || got != want || w.Header().Get("Wamp-Acknowledged") != "true" {
					t.Errorf("got %d %q, headers %v; want %q", w.Code, got, w.Header(), want)
				}
			}
			if call, _ := r.last(); call.Options.TrustLevel != "acknowledged" || !call.Options.ReceiveProgress {
				t.Errorf("called with %+v", call.Options)
			}
		})
	}
}

// opaque is a callee that answers in payload passthru mode.
func opaque(args string) procedure {
	return func(c incoming) {
		c.push(&wamp.Result{Request: c.Request, Payload: jsonPayload(args, ""), Details: wamp.ResultDetails{
			Passthru: &wamp.Passthru{Scheme: "x_b", Serializer: "cbor", Cipher: "aes256gcm", KeyID: "k\n\u00e9"},
		}})
	}
}

// TestPassthru sends opaque bodies, whatever their type, and wants opaque
// answers.
func TestPassthru(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{
		"test.bytes": opaque(`["\u0000AQID"]`), "test.text": opaque(`["{\"args\":[1]}"]`), "test.list": opaque(`[1,2]`),
		"test.plain": returns(`["\u0000AQID"]`, ""),
	}}
	g := newGateway(t, r, nil)
	for _, test := range []struct{ uri, accept, media, want string }{
		{"test.bytes", "", "application/octet-stream", "\x01\x02\x03"},
		{"test.bytes", jsonType, jsonType, `"\u0000AQID"` + "\n"},
		{"test.bytes", "application/msgpack", "application/msgpack", "\xc4\x03\x01\x02\x03"},
		{"test.text", "*/*", "application/octet-stream", `{"args":[1]}`},
		{"test.list", "", jsonType, `{"args":[1,2],"kwargs":{}}` + "\n"},
	} {
		w := post(g, "/call/"+test.uri+"?ppt_scheme=x_a&ppt_serializer=json&ppt_cipher=c&ppt_keyid=k", "{no JSON", "Content-Type", jsonType, "Accept", test.accept)
		if w.Code != 200 || w.Body.String() != test.want || w.Header().Get("Content-Type") != test.media {
			t.Errorf("%s as %s: got %d %s %q, want %s %q", test.uri, test.accept, w.Code, w.Header().Get("Content-Type"), w.Body, test.media, test.want)
		}
		for name, want := range map[string]string{"Scheme": "x_b", "Serializer": "cbor", "Cipher": "aes256gcm", "Keyid": "k??"} {
			if got := w.Header().Get("Wamp-Ppt-" + name); got != want {
				t.Errorf("Wamp-Ppt-%s: %q, want %q", name, got, want)
			}
		}
		call, _ := r.last()
		if p := call.Options.Passthru; p == nil || *p != (wamp.Passthru{Scheme: "x_a", Serializer: "json", Cipher: "c", KeyID: "k"}) {
			t.Errorf("called with %+v", p)
		}
		if args, err := call.Payload.Transcode(wamp.JSON); err != nil || string(args.Args) != `["\u0000e25vIEpTT04="]` {
			t.Errorf("called with %q, %v", args.Args, err)
		}
	}
	if w := post(g, "/call/test.plain?ppt_scheme=x_a", "x"); w.Header().Get("Wamp-Ppt-Scheme") != "" || w.Body.String() != "\x01\x02\x03" {
		t.Errorf("a plain result: %q, headers %v", w.Body, w.Header())
	}
	get := serve(g, newRequest("GET", "/call/test.bytes?ppt_scheme=x_a"))
	if get.Code != 405 { // not declared safe
		t.Errorf("GET: %d", get.Code)
	}
}

// TestPassthruForms shows what goes with opaque events, and with an error.
func TestPassthruForms(t *testing.T) {
	t.Parallel()
	r := &realm{safe: map[wamp.URI]bool{"test.p": true}, procedures: map[wamp.URI]procedure{
		"test.p": opaque(`["\u0000AQID"]`),
		"test.e": func(c incoming) {
			c.push(&wamp.Error{
				RequestType: wamp.TypeCall, Request: c.Request, Error: "com.example.invalid", Payload: jsonPayload(`["\u0000AQID"]`, ""),
				Details: wamp.Dict{"ppt_scheme": "x_c", "ppt_keyid": "k", "acknowledged": true},
			})
		},
	}}
	g := newGateway(t, r, nil)
	w := post(g, "/call/test.p?ppt_scheme=x_a&stream=ndjson", "x")
	const want = `{"event":"result","id":"c_x/1","args":["\u0000AQID"],"ppt_scheme":"x_b","ppt_serializer":"cbor","ppt_cipher":"aes256gcm","ppt_keyid":"k\né"}` + "\n"
	if got := anonymous(w); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	w = post(g, "/call/test.e?ppt_scheme=x_a", "x")
	if w.Code != 400 || w.Header().Get("Wamp-Ppt-Scheme") != "x_c" || w.Header().Get("Wamp-Ppt-Keyid") != "k" || w.Header().Get("Wamp-Acknowledged") != "" {
		t.Errorf("got %d, headers %v", w.Code, w.Header())
	}
	w = serve(g, newRequest("GET", "/call/test.p?ppt_scheme=x_a"))
	if d := problemIn(t, w, w.Body.Bytes()); w.Code != 400 || !strings.Contains(d.Detail, "body") {
		t.Errorf("GET: %d %+v", w.Code, d)
	}
}

// anonymous returns the body of an answer without the id of its call.
func anonymous(w *httptest.ResponseRecorder) string {
	return strings.ReplaceAll(w.Body.String(), w.Header().Get("Wamp-Call-Id"), "c_x")
}
