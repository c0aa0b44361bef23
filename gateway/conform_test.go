package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

const told = `{"schema":{
	"args":{"type":"array","items":{"type":"integer"},"maxItems":2},
	"kwargs":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]},
	"progress":{"type":"integer"},
	"result":{"type":"string"}}}`

// conforming returns a gateway whose procedure p has schemas, and what it does
// with results that are not like them.
func conforming(t *testing.T, r *realm, results gateway.AnswerCheck) *gateway.Gateway {
	t.Helper()
	r.told = map[wamp.URI]string{"a.p": told, "a.broken": `{"schema":{"args":{"$ref":"http://there"}}}`}
	return newGateway(t, r, func(cfg *gateway.Config) { cfg.Results = results })
}

// TestArgumentsConform refuses arguments that are not as the procedure has
// them, in every form, before anybody is called.
func TestArgumentsConform(t *testing.T) {
	t.Parallel()
	const call = "application/vnd.wamp.call+json"
	for _, test := range []struct {
		method, path, contentType, body string
		status                          int
		want                            string
	}{
		{"POST", "/call/a.p", call, `{"args":[1],"kwargs":{"name":"Ada"}}`, 200, `"fine"`},
		{"POST", "/call/a.p", jsonType, `{"name":"Ada"}`, 200, `"fine"`},
		{"POST", "/call/a.p", "application/x-www-form-urlencoded", `name=Ada`, 200, `"fine"`},
		{"POST", "/call/a.p", "application/msgpack", "\x81\xa4name\xa3Ada", 200, `"fine"`},
		{"POST", "/call/a.p", "application/msgpack", "\x81\xa4name\x01", 422, `{"pointer":"/kwargs/name","detail":"must be a string, not a number"}`},
		{"POST", "/call/a.p", call, `{"args":[1,"x"],"kwargs":{"name":1}}`, 422, `"errors":[{"pointer":"/args/1","detail":"must be an integer, not a string"},{"pointer":"/kwargs/name",`},
		{"POST", "/call/a.p", jsonType, `[1]`, 422, `{"pointer":"/kwargs/name","detail":"is missing"}`},
		{"POST", "/call/a.p", "", ``, 422, `{"pointer":"/kwargs/name","detail":"is missing"}`},
		{"GET", `/call/a.p?kwargs={"name":1}`, "", ``, 400, `"pointer":"/kwargs/name"`},
		{"GET", `/call/a.p?kw.name=Ada`, "", ``, 200, `"fine"`},
		{"POST", "/call", jsonType, `{"procedure":"a.p","kwargs":{}}`, 422, `{"pointer":"/kwargs/name","detail":"is missing"}`},
		{"POST", "/batch", "application/x-ndjson", `{"id":1,"procedure":"a.p"}`, 200, `"status":422`},
		{"POST", "/call/a.p", "application/x-ndjson", "{\"name\":1}\n", 422, `"pointer":"/kwargs/name"`},
		{"POST", "/call/a.broken", jsonType, `["x"]`, 200, `"fine"`},
	} {
		r := &realm{procedures: map[wamp.URI]procedure{"a.p": returns(`["fine"]`, ""), "a.broken": returns(`["fine"]`, "")}, safe: map[wamp.URI]bool{"a.p": true}}
		g := conforming(t, r, gateway.AnswersUnchecked)
		w := do(g, test.method, strings.ReplaceAll(test.path, `"`, "%22"), strings.NewReader(test.body), "Content-Type", test.contentType)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%s %s %.60q: %d %s, want %d %s", test.method, test.path, test.body, w.Code, w.Body, test.status, test.want)
		}
		if _, called := r.last(); called == strings.Contains(w.Body.String(), "invalid_argument") {
			t.Errorf("%s %s %.60q: called %v, and answered %s", test.method, test.path, test.body, called, w.Body)
		}
		if w.Code == 422 && (!strings.Contains(w.Body.String(), `"error":"wamp.error.invalid_argument","source":"gateway"`)) {
			t.Errorf("%.60q: %s", test.body, w.Body)
		}
	}
}

// TestResultsConform sends results that are not as the procedure has them, logs
// or replaces them.
func TestResultsConform(t *testing.T) {
	t.Parallel()
	progress := func(items string, last procedure) procedure {
		return func(c incoming) {
			c.push(&wamp.Result{Request: c.Request, Details: wamp.ResultDetails{Progress: true}, Payload: jsonPayload(items, "")})
			last(c)
		}
	}
	for name, test := range map[string]struct {
		p       procedure
		check   gateway.AnswerCheck
		accept  string
		status  int
		want    string
		without string
	}{
		"fine":             {returns(`["x"]`, ""), gateway.AnswersEnforced, jsonType, 200, `"x"`, "error"},
		"unchecked":        {returns(`[1]`, ""), gateway.AnswersUnchecked, jsonType, 200, "1\n", "error"},
		"logged":           {returns(`[1]`, ""), gateway.AnswersLogged, jsonType, 200, "1\n", "error"},
		"enforced":         {returns(`[1]`, ""), gateway.AnswersEnforced, jsonType, 502, `"error":"wamp.error.invalid_payload","source":"callee"`, ""},
		"nothing":          {returns("", ""), gateway.AnswersEnforced, jsonType, 502, `the result is not as the procedure describes it`, ""},
		"progress":         {progress(`[1]`, returns(`["x"]`, "")), gateway.AnswersEnforced, "text/event-stream", 200, `event: result`, "error"},
		"bad progress":     {progress(`["no"]`, returns(`["x"]`, "")), gateway.AnswersEnforced, "text/event-stream", 502, `the progressive result is not`, `event: result`},
		"bad end":          {progress(`[1]`, returns(`[1]`, "")), gateway.AnswersEnforced, "application/x-ndjson", 200, `"event":"error"`, `"event":"result"`},
		"progress, logged": {progress(`["no"]`, returns(`["x"]`, "")), gateway.AnswersLogged, "application/x-ndjson", 200, `"event":"result"`, "error"},
	} {
		r := &realm{procedures: map[wamp.URI]procedure{"a.p": test.p}, onCancel: raises("wamp.error.canceled", "", "")}
		g := conforming(t, r, test.check)
		w := post(g, "/call/a.p", `{"name":"Ada"}`, "Content-Type", jsonType, "Accept", test.accept)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) || test.without != "" && strings.Contains(w.Body.String(), test.without) {
			t.Errorf("%s: %d %s, want %d %s", name, w.Code, w.Body, test.status, test.want)
		}
	}
	g := conforming(t, &realm{procedures: map[wamp.URI]procedure{"a.p": returns(`[1]`, "")}}, gateway.AnswersEnforced)
	w := post(g, "/batch", `{"procedure":"a.p","kwargs":{"name":"Ada"}}`, "Content-Type", "application/x-ndjson")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"status":502`) {
		t.Errorf("in a batch: %d %s", w.Code, w.Body)
	}
}

// TestKeptCallsConform checks calls that outlive their requests as others.
func TestKeptCallsConform(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{"a.p": returns(`[1]`, "")}}
	g := conforming(t, r, gateway.AnswersEnforced)
	w := post(g, "/call/a.p", `{"name":1}`, "Content-Type", jsonType, "Prefer", "respond-async")
	if _, called := r.last(); w.Code != http.StatusUnprocessableEntity || called {
		t.Errorf("bad arguments: %d %s, called %v", w.Code, w.Body, called)
	}
	w = post(g, "/call/a.p", `{"name":"Ada"}`, "Content-Type", jsonType, "Prefer", "respond-async")
	at := w.Header().Get("Location")
	if w.Code != http.StatusAccepted || at == "" {
		t.Fatalf("good arguments: %d %s", w.Code, w.Body)
	}
	if w := do(g, http.MethodGet, at+"?wait=30s", nil); !strings.Contains(w.Body.String(), `"failed"`) {
		t.Errorf("the call is %s", w.Body)
	}
	if w := do(g, http.MethodGet, at+"/result", nil); w.Code != http.StatusBadGateway || !strings.Contains(w.Body.String(), "the result is not as the procedure describes it") {
		t.Errorf("the result is %d %s", w.Code, w.Body)
	}
}
