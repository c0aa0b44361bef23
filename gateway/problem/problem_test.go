package problem_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// TestTable goes through the whole table from WAMP errors to HTTP, with errors
// that the dealer made before it sent an INVOCATION.
func TestTable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		uri    wamp.URI
		status int
		retry  problem.Retry
	}{
		{"wamp.error.invalid_uri", 400, "no"},
		{"wamp.error.invalid_argument", 400, "no"},
		{"wamp.error.invalid_payload", 400, "no"},
		{"wamp.error.option_not_allowed", 400, "no"},
		{"wamp.error.authentication_denied", 401, "no"},
		{"wamp.error.authentication_required", 401, "no"},
		{"wamp.error.no_matching_auth_method", 401, "no"},
		{"wamp.error.no_such_principal", 401, "no"},
		{"wamp.error.not_authorized", 403, "no"},
		{"wamp.error.authorization_denied", 403, "no"},
		{"wamp.error.authorization_required", 403, "no"},
		{"wamp.error.no_such_role", 403, "no"},
		{"wamp.error.option_disallowed.disclose_me", 403, "no"},
		{"wamp.error.disclose_me.not_allowed", 403, "no"},
		{"wamp.error.no_such_procedure", 404, "safe"},
		{"wamp.error.no_such_registration", 404, "safe"},
		{"wamp.error.no_such_session", 404, "safe"},
		{"wamp.error.no_such_subscription", 404, "safe"},
		{"wamp.error.no_such_realm", 404, "safe"},
		{"wamp.error.procedure_already_exists", 409, "no"},
		{"wamp.error.payload_size_exceeded", 413, "no"},
		{"wamp.error.canceled", 502, "safe"},
		{"wamp.error.cancelled", 502, "safe"},
		{"wamp.error.timeout", 504, "safe"},
		{"wamp.error.feature_not_supported", 501, "no"},
		{"wamp.error.unavailable", 503, "safe"},
		{"wamp.error.no_available_callee", 503, "safe"},
		{"wamp.error.no_eligible_callee", 503, "safe"},
		{"wamp.error.network_failure", 502, "safe"},
		{"wamp.error.authentication_failed", 500, "safe"},
		{"wamp.error.authorization_failed", 500, "safe"},
		{"wamp.error.protocol_violation", 500, "no"},
		{"wamp.error.runtime_error", 500, "no"},
		{"wamp.error.something_new", 500, "no"},
		{"wamp.close.system_shutdown", 503, "safe"},
		{"wamp.close.close_realm", 503, "safe"},
		{"com.example.not_found", 404, "no"},
		{"com.example.already_exists", 409, "no"},
		{"com.example.conflict", 409, "no"},
		{"com.example.forbidden", 403, "no"},
		{"com.example.denied", 403, "no"},
		{"com.example.gone", 410, "no"},
		{"com.example.invalid", 400, "no"},
		{"com.example.invalid_email", 400, "no"},
		{"com.example.bad_request", 400, "no"},
		{"com.example.rate_limited", 429, "no"},
		{"com.example.too_many_requests", 429, "no"},
		{"com.example.unavailable", 503, "no"},
		{"com.example.timeout", 504, "no"},
		{"com.example.unsupported", 501, "no"},
		{"com.example.not_implemented", 501, "no"},
		{"com.example.no_funds", 500, "no"},
		{"not_found", 404, "no"},
		{"wampire.error.oops", 500, "no"},
	}
	for _, test := range tests {
		p := problem.Of(problem.Failure{URI: test.uri, Origin: wamp.OriginDealer})
		if p.Status != test.status || p.Retry != test.retry || p.Source != problem.Dealer {
			t.Errorf("%s: %d, %s, retry %s; want %d, dealer, retry %s", test.uri, p.Status, p.Source, p.Retry, test.status, test.retry)
		}
		if after := p.Header.Get("Retry-After"); (after != "") != (test.status == 503) {
			t.Errorf("%s: Retry-After %q", test.uri, after)
		}
		if challenge := p.Header.Get("WWW-Authenticate"); (challenge != "") != (test.status == 401) {
			t.Errorf("%s: WWW-Authenticate %q", test.uri, challenge)
		}
	}
}

// TestCircumstances shows what depends on more than the URI.
func TestCircumstances(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		failure problem.Failure
		status  int
		source  problem.Source
		retry   problem.Retry
	}{
		{"canceled by the caller", problem.Failure{URI: wamp.ErrCanceled, Origin: wamp.OriginCallee, Canceled: true}, 499, "callee", "unknown"},
		{"callee left", problem.Failure{URI: wamp.ErrCanceled, Origin: wamp.OriginDealerDispatched}, 502, "dealer", "unknown"},
		{"killed", problem.Failure{URI: wamp.ErrCancelled, Origin: wamp.OriginDealerDispatched, Killed: true}, 409, "dealer", "unknown"},
		{"timeout in the callee", problem.Failure{URI: wamp.ErrTimeout, Origin: wamp.OriginCallee}, 504, "callee", "unknown"},
		{"timeout in the dealer", problem.Failure{URI: wamp.ErrTimeout, Origin: wamp.OriginDealerDispatched}, 504, "dealer", "unknown"},
		{"procedure missing further on", problem.Failure{URI: wamp.ErrNoSuchProcedure, Origin: wamp.OriginCallee}, 404, "callee", "no"},
		{"callee unavailable", problem.Failure{URI: wamp.ErrUnavailable, Origin: wamp.OriginCallee}, 503, "callee", "no"},
		{"unavailable after dispatch", problem.Failure{URI: wamp.ErrUnavailable, Origin: wamp.OriginDealerDispatched}, 503, "dealer", "unknown"},
		{"shutdown after dispatch", problem.Failure{URI: wamp.CloseSystemShutdown, Origin: wamp.OriginDealerDispatched}, 503, "dealer", "unknown"},
		{"request too large", problem.Failure{URI: wamp.ErrPayloadSizeExceeded, Origin: wamp.OriginDealer}, 413, "dealer", "no"},
		{"result too large", problem.Failure{URI: wamp.ErrPayloadSizeExceeded, Origin: wamp.OriginDealerDispatched}, 502, "dealer", "no"},
		{"too large for the callee", problem.Failure{URI: wamp.ErrPayloadSizeExceeded, Origin: wamp.OriginCallee}, 413, "callee", "no"},
		{"not authorized, anonymous", problem.Failure{URI: wamp.ErrNotAuthorized, Origin: wamp.OriginDealer, Anonymous: true}, 401, "dealer", "no"},
		{"disclosure refused, anonymous", problem.Failure{URI: wamp.ErrDiscloseMeNotAllowed, Origin: wamp.OriginDealer, Anonymous: true}, 403, "dealer", "no"},
		{"application says forbidden, anonymous", problem.Failure{URI: "com.example.forbidden", Origin: wamp.OriginCallee, Anonymous: true}, 403, "callee", "no"},
	}
	for _, test := range tests {
		p := problem.Of(test.failure)
		if p.Status != test.status || p.Source != test.source || p.Retry != test.retry {
			t.Errorf("%s: %d, %s, retry %s; want %d, %s, retry %s", test.name, p.Status, p.Source, p.Retry, test.status, test.source, test.retry)
		}
	}
}

// TestArguments shows what of an error's arguments reaches the client.
func TestArguments(t *testing.T) {
	t.Parallel()
	j := func(args, kwargs string) wamp.Payload {
		return wamp.Payload{Serializer: wamp.JSON, Args: []byte(args), Kwargs: []byte(kwargs)}
	}
	tests := []struct {
		name    string
		payload wamp.Payload
		debug   bool
		want    string // after "status":500
	}{
		{"none", wamp.Payload{}, false, ``},
		{"empty", j("[]", "{}"), false, ``},
		{"text first", j(`["a \"b\"",2]`, "{}"), false, `,"detail":"a \"b\"","args":["a \"b\"",2]`},
		{"number first", j(`[2,"a"]`, "{}"), false, `,"args":[2,"a"]`},
		{"bytes first", j(`["\u0000AQ=="]`, "{}"), false, `,"args":["\u0000AQ=="]`},
		{"more than one line", j("[ 1,\n2 ]", "{\n}"), false, `,"args":[1,2]`},
		{"kwargs", j("[]", `{"balance":3.20}`), false, `,"kwargs":{"balance":3.20}`},
		{"traceback", j("[]", `{"traceback":["x"],"a":1}`), false, `,"kwargs":{"a":1}`},
		{"only a traceback", j("[]", `{"traceback":["x"]}`), false, ``},
		{"traceback for debugging", j("[]", `{"traceback":["x"]}`), true, `,"kwargs":{"traceback":["x"]}`},
		{"msgpack", wamp.Payload{Serializer: wamp.MsgPack, Args: []byte("\x91\xa1x")}, false, `,"detail":"x","args":["x"]`},
		{"no form in json", wamp.Payload{Serializer: wamp.MsgPack, Args: []byte("\x91\x81\x01\x02")}, false, ``},
	}
	for _, test := range tests {
		p := problem.Of(problem.Failure{URI: "com.example.oops", Payload: test.payload, Debug: test.debug})
		got := string(p.AppendJSON(nil))
		got = strings.TrimPrefix(got, `{"type":"about:blank","title":"Internal Server Error","status":500`)
		got = strings.TrimSuffix(got, `,"source":"callee","retry":"no"}`)
		got = strings.Replace(got, `,"error":"com.example.oops"`, "", 1)
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// TestDealerSaysItOnce shows that the dealer's text is not there twice.
func TestDealerSaysItOnce(t *testing.T) {
	t.Parallel()
	p := problem.Of(problem.Failure{
		URI: wamp.ErrTimeout, Origin: wamp.OriginDealerDispatched,
		Payload: wamp.Payload{Serializer: wamp.JSON, Args: []byte(`["no answer within 5s"]`)},
	})
	if p.Detail != "no answer within 5s" || p.Args != nil {
		t.Errorf("detail %q, args %s", p.Detail, p.Args)
	}
}

// TestPayloadIsCopied shows that a problem outlives the message it was made of.
func TestPayloadIsCopied(t *testing.T) {
	t.Parallel()
	args := []byte(`["x"]`)
	p := problem.Of(problem.Failure{URI: "com.example.oops", Payload: wamp.Payload{Serializer: wamp.JSON, Args: args}})
	args[2] = 'y'
	if string(p.Args) != `["x"]` {
		t.Errorf("args became %s", p.Args)
	}
}

// TestJSON shows a problem with all members.
func TestJSON(t *testing.T) {
	t.Parallel()
	p := problem.New(422, "com.example.error.no_funds", "line 1\nline 2 \xff \u2028")
	p.Type, p.Instance = "https://gw.example.com/problems/x", "/calls/c_7f3k"
	p.Args, p.Kwargs = []byte("[1]"), []byte(`{"a":1}`)
	p.Errors = []problem.Violation{{Pointer: "/args/0", Detail: "must be an integer"}, {Pointer: "", Detail: "x"}}
	const want = `{"type":"https://gw.example.com/problems/x","title":"Unprocessable Content","status":422,` +
		`"detail":"line 1\u000aline 2 ` + "\uFFFD" + ` \u2028","instance":"/calls/c_7f3k","error":"com.example.error.no_funds",` +
		`"args":[1],"kwargs":{"a":1},"source":"gateway","retry":"no",` +
		`"errors":[{"pointer":"/args/0","detail":"must be an integer"},{"pointer":"","detail":"x"}]}`
	got := p.AppendJSON(nil)
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !json.Valid(got) {
		t.Error("that is not valid JSON")
	}
}

// TestSend shows the answer a problem makes.
func TestSend(t *testing.T) {
	t.Parallel()
	p := problem.New(503, "com.example.\u00fc\r\nX: y", "a\r\nb").Safe().RetryAfter(7).Because(errors.New("secret"))
	for _, text := range []bool{false, true} {
		w := httptest.NewRecorder()
		p.Send(w, text)
		h := w.Header()
		for name, want := range map[string]string{
			"Wamp-Error": "com.example.%C3%BC%0D%0AX:%20y", "Wamp-Error-Source": "gateway", "Wamp-Retry": "safe", "Retry-After": "7",
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if w.Code != 503 || h.Get("Content-Length") == "" || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("status %d, Content-Length %q, body %s", w.Code, h.Get("Content-Length"), w.Body)
		}
		if text && w.Body.String() != "503 Service Unavailable: a  b\ncom.example.ü  X: y (gateway, retry safe)\n" {
			t.Errorf("text %q", w.Body)
		}
	}
	if !strings.HasSuffix(p.Error(), "secret") {
		t.Errorf("the log is told %q, want the cause in it", p.Error())
	}
}

// TestRuleLimits shows what is told of a role's limit, after what is told of
// another one, which may be a slice that all answers share.
func TestRuleLimits(t *testing.T) {
	t.Parallel()
	for kwargs, want := range map[string][3]string{
		`{"retry":"safe","retry_after":7,"limit":10,"window":5}`: {`"procedure";q=10;w=5`, `"procedure";r=0;t=7`, "7"},
		`{"retry":"safe","retry_after":1,"limit":3}`:             {`"procedure";q=3;qu="concurrent-requests"`, `"procedure";r=0`, "1"},
		`{}`: {"", "", "1"},
	} {
		p := problem.Of(problem.Failure{
			URI: wamp.ErrRateLimited, Origin: wamp.OriginDealer,
			Payload: wamp.Payload{Serializer: wamp.JSON, Args: []byte(`["wait"]`), Kwargs: []byte(kwargs)},
		})
		shared := append(make([]string, 0, 2), `"call";q=200;w=2`)
		h := http.Header{"Ratelimit-Policy": shared, "Ratelimit": {`"call";r=1;t=1`}}
		p.Fields(h)
		policies, states := []string{`"call";q=200;w=2`}, []string{`"call";r=1;t=1`}
		if want[0] != "" {
			policies, states = append(policies, want[0]), append(states, want[1])
		}
		if got := h.Values("RateLimit-Policy"); !slices.Equal(got, policies) {
			t.Errorf("%s: RateLimit-Policy %q, want %q", kwargs, got, policies)
		}
		if got := h.Values("RateLimit"); !slices.Equal(got, states) {
			t.Errorf("%s: RateLimit %q, want %q", kwargs, got, states)
		}
		if got := shared[:2][1]; got != "" {
			t.Errorf("%s: %q was written into a shared slice", kwargs, got)
		}
		if p.Status != http.StatusTooManyRequests || h.Get("Retry-After") != want[2] || h.Get("Wamp-Retry") != "safe" || p.Kwargs != nil {
			t.Errorf("%s: %d, %v, kwargs %s", kwargs, p.Status, h, p.Kwargs)
		}
	}
}

// TestTitles shows that every status has a title.
func TestTitles(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{499: "Client Closed Request", 413: "Content Too Large", http.StatusBadGateway: "Bad Gateway"} {
		if got := problem.New(status, "x", "").Title(); got != want {
			t.Errorf("title of %d: %q, want %q", status, got, want)
		}
	}
}

// TestRetrySoon shows that those who are refused at once are not sent back at
// once.
func TestRetrySoon(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 200 {
		seen[problem.Of(problem.Failure{URI: wamp.ErrUnavailable}).Header.Get("Retry-After")] = true
	}
	if len(seen) != 3 || !seen["1"] || !seen["2"] || !seen["3"] {
		t.Errorf("Retry-After is one of %v, want 1, 2 and 3", seen)
	}
}
