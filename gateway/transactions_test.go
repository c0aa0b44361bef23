package gateway_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// coordinated returns a gateway whose realm has a coordinator that answers with
// a RESULT of JSON, or with an ERROR if the text begins with a URI.
func coordinated(t *testing.T, answers map[string]string) (*gateway.Gateway, *realm) {
	t.Helper()
	r := &realm{procedures: make(map[wamp.URI]procedure)}
	for name, answer := range answers {
		r.procedures[wamp.URI("wampgate.tx."+name)] = func(c incoming) {
			if uri, rest, failed := strings.Cut(answer, " "); failed && strings.Contains(uri, ".error.") {
				c.fail(wamp.URI(uri), wamp.OriginCallee, wamp.Payload{Serializer: wamp.JSON, Args: []byte(`["why"]`), Kwargs: []byte(rest)})
				return
			}
			c.result(wamp.Payload{Serializer: wamp.JSON, Args: []byte("[" + answer + "]")})
		}
	}
	return newGateway(t, r, func(cfg *gateway.Config) { cfg.Transactions = true }), r
}

// asked returns procedure and arguments of the last CALL.
func (r *realm) asked() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.calls) == 0 {
		return ""
	}
	c := r.calls[len(r.calls)-1]
	return strings.TrimSpace(string(c.Procedure) + " " + string(c.Payload.Args) + string(c.Payload.Kwargs))
}

// TestTransactions shows which CALL each request becomes, and how its answer is
// passed on.
func TestTransactions(t *testing.T) {
	t.Parallel()
	const state = `{"transaction":"t/1","state":"active"}`
	g, r := coordinated(t, map[string]string{
		"begin": state, "run": `{"transaction":"t/1","state":"committed","results":[{"args":[9007199254740993]}]}`,
		"get": state, "wait": state, "commit": state, "rollback": state, "list": "[" + state + "]",
	})
	for _, tt := range []struct {
		method, path, body string
		headers            []string
		status             int
		asked, answer      string
	}{
		{"POST", "/transactions", `{}`, nil, 201, `wampgate.tx.begin {}`, state},
		{"POST", "/transactions", `{"mode":"saga","timeout":5000,"id":"a"}`, nil, 201, `wampgate.tx.begin {"mode":"saga","timeout":5000,"id":"a"}`, state},
		{"POST", "/transactions", `{"timeout":3.6e6}`, nil, 201, `wampgate.tx.begin {"timeout":3600000}`, state},
		{"POST", "/transactions", `{"calls":[]}`, nil, 200, `wampgate.tx.run {"calls":[]}`, `{"transaction":"t/1","state":"committed","results":[{"args":[9007199254740993]}]}`},
		{"POST", "/transactions", `{}`, []string{"Idempotency-Key", "k"}, 201, `wampgate.tx.begin {"id":"k"}`, state},
		{
			"POST", "/transactions", `{"calls":[{"procedure":"p.q","args":[9007199254740993],"kwargs":{"a":1.0}},{"procedure":"r"}]}`, nil, 200,
			`wampgate.tx.run {"calls":[{"procedure":"p.q","args":[9007199254740993],"kwargs":{"a":1.0}},{"procedure":"r"}]}`,
			`{"transaction":"t/1","state":"committed","results":[{"args":[9007199254740993]}]}`,
		},
		{"GET", "/transactions", "", nil, 200, `wampgate.tx.list {"limit":1000}`, `{"transactions":[` + state + `]}`},
		{"GET", "/transactions?limit=2&state=active", "", nil, 200, `wampgate.tx.list {"limit":2,"state":"active"}`, `{"transactions":[` + state + `]}`},
		{"GET", "/transactions/t%2F1", "", nil, 200, `wampgate.tx.get ["t/1"]`, state},
		{"GET", "/transactions/t1", "", []string{"Prefer", "wait=3"}, 200, `wampgate.tx.wait ["t1"]{"timeout":3000}`, state},
		{"GET", "/transactions/t1?wait=250ms", "", nil, 200, `wampgate.tx.wait ["t1"]{"timeout":250}`, state},
		{"POST", "/transactions/t%2F1/commit", "", nil, 200, `wampgate.tx.commit ["t/1"]`, state},
		{"POST", "/transactions/t1/rollback", "", nil, 200, `wampgate.tx.rollback ["t1"]`, state},
	} {
		var body io.Reader
		if tt.body != "" {
			body = strings.NewReader(tt.body)
			tt.headers = append(tt.headers, "Content-Type", jsonType)
		}
		w := do(g, tt.method, tt.path, body, tt.headers...)
		if w.Code != tt.status || strings.TrimSpace(w.Body.String()) != tt.answer || r.asked() != tt.asked {
			t.Errorf("%s %s: %d %s, asked %s; want %d %s, %s", tt.method, tt.path, w.Code, w.Body, r.asked(), tt.status, tt.answer, tt.asked)
		}
		if tt.method == "POST" && tt.path == "/transactions" && w.Header().Get("Location") != "/transactions/t%2F1" {
			t.Errorf("%s: Location %q", tt.body, w.Header().Get("Location"))
		}
	}
}

// TestTransactionRefusals shows the problems that there are.
func TestTransactionRefusals(t *testing.T) {
	t.Parallel()
	g, _ := coordinated(t, map[string]string{
		"begin":    "wampgate.error.idempotency_conflict {}",
		"run":      `com.shop.sold_out {"rolled_back":true,"transaction":"t1","branch":2}`,
		"get":      "wampgate.error.no_such_transaction {}",
		"commit":   `wampgate.error.transaction_ended {"state":"aborted"}`,
		"rollback": "wampgate.error.not_transactional {}",
		"wait":     "wamp.error.timeout {}",
	})
	g2, _ := coordinated(t, map[string]string{"run": `com.error.sold_out {"rolled_back":true,"transaction":"t1","branch":2}`, "get": "7"})
	for _, tt := range []struct {
		g                  http.Handler
		method, path, body string
		status             int
		answer             string
	}{
		{g, "POST", "/transactions", `{}`, 409, "wampgate.error.idempotency_conflict"},
		{g2, "POST", "/transactions", `{"calls":[{"procedure":"p"}]}`, 500, `"rolled_back":true,"transaction":"t1","branch":2}`},
		{g, "GET", "/transactions/t1", "", 404, "wampgate.error.no_such_transaction"},
		{g, "GET", "/transactions/t1?wait=1s", "", 404, "wampgate.error.no_such_transaction"}, // asked when the wait was over
		{g, "POST", "/transactions/t1/commit", "", 409, `"kwargs":{"state":"aborted"}`},
		{g, "POST", "/transactions/t1/rollback", "", 409, "wampgate.error.not_transactional"},
		{g, "POST", "/transactions/t1/commit?x=1", "", 400, "there is no option"},
		{g, "POST", "/transactions", `{"call":[]}`, 400, `may not have the member \"call\"`},
		{g, "POST", "/transactions", `[]`, 400, "must be an object"},
		{g, "POST", "/transactions", `null`, 400, "must be an object"},
		{g, "POST", "/transactions", `{"calls":null}`, 400, `calls\" may not be null`},
		{g, "POST", "/transactions", `{"calls":[{"procedure":"p"},{"procedure":"p","args":null}]}`, 400, "calls[1]"},
		{g, "POST", "/transactions", `{"calls":[{"procedure":"p","kwargs":null}]}`, 400, "calls[0]"},
		{g, "POST", "/transactions", `{"mode":""}`, 400, "saga"},
		{g, "POST", "/transactions", `{"id":""}`, 400, "no dot"},
		{g, "POST", "/transactions", `{"id":".."}`, 400, "no dot"},
		{g, "POST", "/transactions", `{"timeout":0}`, 400, "at most 1h"},
		{g, "POST", "/transactions", `{"timeout":1.5}`, 400, "whole milliseconds"},
		{g, "POST", "/transactions", `{"timeout":1e300}`, 400, "at most 1h"},
		{g, "GET", "/transactions?state=null", "", 400, "want one of active"},
		{g, "GET", "/transactions?state=", "", 400, "want one of active"},
		{g, "GET", "/transactions?limit=0", "", 400, "from 1 to 1000"},
		{g, "DELETE", "/transactions/t1", "", 405, "GET, HEAD"},
	} {
		var body io.Reader
		if tt.body != "" {
			body = strings.NewReader(tt.body)
		}
		w := do(tt.g, tt.method, tt.path, body, "Content-Type", jsonType)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.answer) {
			t.Errorf("%s %s: %d %s, want %d …%s…", tt.method, tt.path, w.Code, w.Body, tt.status, tt.answer)
		}
	}
	w := post(g, "/transactions", `{"id":"a"}`, "Content-Type", jsonType, "Idempotency-Key", "b")
	if w.Code != 400 || !strings.Contains(w.Body.String(), "differ") {
		t.Errorf("two ids: %d %s", w.Code, w.Body)
	}
	if w := do(newGateway(t, &realm{}, nil), "GET", "/transactions", nil); w.Code != 404 {
		t.Errorf("without a coordinator: %d", w.Code)
	}
}

// TestBranches shows the options of the CALL that a call within a transaction
// becomes, and what does not go together with one.
func TestBranches(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{
		"p": func(c incoming) { c.result(c.Payload) },
		"no": func(c incoming) {
			c.push(&wamp.Error{
				RequestType: wamp.TypeCall, Request: c.Request, Error: "com.shop.sold_out",
				Details: wamp.Dict{"rolled_back": true, "transaction": "t1", "branch": int64(2)},
			})
		},
	}}
	g := newGateway(t, r, nil)
	for _, tt := range []struct {
		path, key     string
		trust         string
		branch        wamp.BranchOptions
		status        int
		answer, field string
	}{
		{"/call/p?transaction=t1", "", "", wamp.BranchOptions{Transaction: "t1"}, 200, "7", `</transactions/t1>; rel="up"`},
		{"/call/p?transaction=t1&readonly=true", "", "", wamp.BranchOptions{Transaction: "t1", Readonly: true}, 200, "7", `</transactions/t1>; rel="up"`},
		{"/call/p?transaction=t1", "k", "", wamp.BranchOptions{Transaction: "t1"}, 200, "7", `</transactions/t1>; rel="up"`},
		{"/call/p?trust=transactional", "", "transactional", wamp.BranchOptions{}, 200, "7", ""},
		{"/call/no?trust=transactional", "", "transactional", wamp.BranchOptions{}, 500, `"rolled_back":true,"transaction":"t1","branch":2}`, ""},
	} {
		headers := []string{"Content-Type", jsonType}
		if tt.key != "" {
			headers = append(headers, "Idempotency-Key", tt.key)
		}
		w := post(g, tt.path, "[7]", headers...)
		r.mu.Lock()
		o := r.calls[len(r.calls)-1].Options
		r.mu.Unlock()
		var branch wamp.BranchOptions
		if o.Branch != nil {
			branch = *o.Branch
		}
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.answer) || w.Header().Get("Link") != tt.field || branch != tt.branch || o.TrustLevel != tt.trust {
			t.Errorf("%s: %d %s %v with options %+v, %+v", tt.path, w.Code, w.Body, w.Header(), o, branch)
		}
		if (tt.key != "") != (o.Keep != nil && o.Keep.CallID == "k") {
			t.Errorf("%s: the branch goes by %+v", tt.path, o.Keep)
		}
	}
	for path, want := range map[string]string{
		"/call/p?readonly=true":                   "add transaction=ID",
		"/call/p?transaction=":                    "want the id of a transaction",
		"/call/p?transaction=t1&trust=persistent": "leave trust out",
		"/call/p?transaction=t1&stream=ndjson":    "one result",
	} {
		if w := post(g, path, "[7]", "Content-Type", jsonType); w.Code != 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s, want 400 …%s…", path, w.Code, w.Body, want)
		}
	}
	if w := post(g, "/call/p?transaction=t1", "[7]", "Content-Type", jsonType, "Prefer", "respond-async"); w.Code != 400 || !strings.Contains(w.Body.String(), "answered at once") {
		t.Errorf("respond-async: %d %s", w.Code, w.Body)
	}
	// Whose callee merely says so, has no transaction.
	if w := post(g, "/call/no", "[7]", "Content-Type", jsonType); strings.Contains(w.Body.String(), "rolled_back") {
		t.Errorf("an ordinary call: %s", w.Body)
	}
}

// TestTransactionalObjects makes calls that are transactions by POST /call and in
// a batch: the same goes together as elsewhere, and a key names the transaction.
func TestTransactionalObjects(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{"p": func(c incoming) { c.result(c.Payload) }}}
	g := newGateway(t, r, nil)
	ways := map[string]func(object, key string, async bool) *httptest.ResponseRecorder{
		"/call": func(object, key string, async bool) *httptest.ResponseRecorder {
			headers := []string{"Content-Type", jsonType}
			if key != "" {
				headers = append(headers, "Idempotency-Key", key)
			}
			if async {
				headers = append(headers, "Prefer", "respond-async")
			}
			return post(g, "/call", object+"}}", headers...)
		},
		"/batch": func(object, key string, async bool) *httptest.ResponseRecorder {
			if key != "" {
				object += `,"idempotency_key":"` + key + `"`
			}
			if async {
				object += `,"respond_async":true`
			}
			return post(g, "/batch", object+"}}\n", "Content-Type", "application/x-ndjson")
		},
	}
	for name, call := range ways {
		const object = `{"procedure":"p","args":[7],"options":{"trust":"transactional"`
		w := call(object, "k", false)
		if w.Code != 200 {
			t.Fatalf("%s: %d %s", name, w.Code, w.Body)
		}
		r.mu.Lock()
		o := r.calls[len(r.calls)-1].Options
		r.mu.Unlock()
		if !strings.Contains(w.Body.String(), `"args":[7]`) || o.Keep == nil || o.Keep.CallID != "k" {
			t.Errorf("%s: %d %s, kept as %+v", name, w.Code, w.Body, o.Keep)
		}
		if w := call(object, "", true); !strings.Contains(w.Body.String(), "answered at once") {
			t.Errorf("%s later: %d %s", name, w.Code, w.Body)
		}
	}
}
