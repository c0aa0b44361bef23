package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
	"github.com/wampgate/wampgate/openapi"
	"github.com/wampgate/wampgate/openapi/validate"
)

// imported makes an Import of a document.
func imported(tb testing.TB, name, prefix, text string, m openapi.Mapping, answers gateway.AnswerCheck) gateway.Import {
	tb.Helper()
	doc, err := openapi.Load(name, []byte(text), m)
	if err != nil {
		tb.Fatal(err)
	}
	operations, err := validate.Compile(doc, answers != gateway.AnswersUnchecked)
	if err != nil {
		tb.Fatal(err)
	}
	return gateway.Import{Name: name, Prefix: prefix, Document: doc, Operations: operations, Answers: answers}
}

const pets = `
openapi: 3.1.0
info: {title: Pets, version: "1"}
paths:
  /pets:
    get:
      x-wamp-procedure: pets.list
      parameters:
        - {name: limit, in: query, schema: {type: integer, minimum: 1, maximum: 100}}
        - {name: tags, in: query, schema: {type: array, items: {type: string}}}
        - {name: ids, in: query, explode: false, schema: {type: array, items: {type: integer}}}
        - {name: filter, in: query, style: deepObject, schema: {type: object, properties: {age: {type: integer}, name: {type: string}}}}
        - {name: X-Trace, in: header, schema: {type: string}}
      responses: {"200": {description: ok, content: {application/json: {schema: {type: object}}}}}
    post:
      x-wamp-procedure: pets.add
      x-wamp-errors: {pets.error.: 409, pets.error.poor: 402}
      requestBody:
        required: true
        content:
          application/json: {schema: {$ref: "#/components/schemas/Pet"}}
          application/x-www-form-urlencoded: {schema: {$ref: "#/components/schemas/Pet"}}
          multipart/form-data: {schema: {type: object, properties: {name: {type: string}, age: {type: integer}, photo: {type: string, format: binary}}}}
      responses:
        "201": {description: made, content: {application/vnd.pet+json: {schema: {type: object, required: [name]}}}}
  /pets/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: integer, format: int64}}
    get:
      x-wamp-procedure: pets.get
      x-wamp-args: [$request.path.id, "{$method} {$request.path.id}"]
      x-wamp-kwargs: {who: $request.header.x-user, fixed: {a: 1}, url: $url}
      responses: {"200": {description: ok}}
    put:
      x-wamp-procedure: pets.put
      x-wamp-args: [$request.body#/name, $request.body]
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Pet"}}}}
      responses: {"204": {description: ok}}
    delete:
      x-wamp-procedure: pets.delete
      x-wamp-status: 202
      x-wamp-timeout: 1.5s
      x-wamp-safe: false
      responses: {"204": {description: gone}}
  /pets/{id}/photo.{kind}:
    post:
      x-wamp-procedure: pets.photo
      parameters:
        - {name: id, in: path, required: true, schema: {type: integer}}
        - {name: kind, in: path, required: true, schema: {enum: [png, jpg]}}
      requestBody: {content: {image/*: {}, text/plain: {}}}
      responses: {"204": {description: ok}}
components:
  schemas:
    Pet:
      type: object
      required: [name, id]
      additionalProperties: false
      properties:
        id: {type: integer, readOnly: true}
        name: {type: string, minLength: 2}
        age: {type: [integer, "null"], minimum: 0}
        weight: {type: number}
        owner: {type: object, properties: {mail: {type: string, format: email}}}
`

// echoing is a realm whose pets.* answer with what they were called with.
func echoing(seen *wamp.Call) *realm {
	echo := func(c incoming) {
		*seen = c.Call
		c.result(wamp.Payload{Serializer: c.Payload.Serializer, Args: c.Payload.Args, Kwargs: c.Payload.Kwargs})
	}
	r := &realm{procedures: map[wamp.URI]procedure{}}
	for _, name := range []string{"list", "add", "get", "put", "photo"} {
		r.procedures[wamp.URI("pets."+name)] = echo
	}
	r.procedures["pets.delete"] = func(c incoming) { *seen = c.Call; c.result(wamp.Payload{}) }
	return r
}

// send makes a request; fields are names and values of header fields.
func send(g http.Handler, method, target, body string, fields ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

// TestImportedArguments makes calls of operations; their callee echoes.
func TestImportedArguments(t *testing.T) {
	t.Parallel()
	var seen wamp.Call
	g := newGateway(t, echoing(&seen), nil)
	if err := g.SetImports([]gateway.Import{imported(t, "pets", "/api", pets, openapi.Mapping{}, gateway.AnswersUnchecked)}); err != nil {
		t.Fatal(err)
	}
	form, multi := "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
	tests := []struct {
		name, method, path, contentType, body string
		status                                int
		want                                  string
	}{
		{"typed by schema", "GET", "/api/pets?limit=9&tags=a,b&tags=7&ids=1,9007199254740993", "", "", 200, `{"ids":[1,9007199254740993],"limit":9,"tags":["a,b","7"]}`},
		{"deep object", "GET", "/api/pets?filter[age]=3&filter%5Bname%5D=5", "", "", 200, `{"filter":{"age":3,"name":"5"}}`},
		{"no arguments", "GET", "/api/pets", "", "", 204, ""},
		{"body merged, numbers kept", "POST", "/api/pets", jsonType, `{"name":"Tom","weight":1.50,"age":null}`, 201, `{"age":null,"name":"Tom","weight":1.50}`},
		{"form typed", "POST", "/api/pets", form, "name=77&age=3&owner[mail]=a%40b.c", 201, `{"age":3,"name":"77","owner":{"mail":"a@b.c"}}`},
		{"multipart", "POST", "/api/pets", multi, "--b\r\nContent-Disposition: form-data; name=age\r\n\r\n4\r\n--b\r\nContent-Disposition: form-data; name=photo; filename=p.png\r\nContent-Type: image/png\r\n\r\n\xff\x00\r\n--b--\r\n", 201, `{"age":4,"photo":{"content_type":"image/png","data":"\u0000/wA=","filename":"p.png"}}`},
		{"explicit", "GET", "/api/pets/9007199254740993", "", "", 200, `{"args":[9007199254740993,"GET 9007199254740993"],"kwargs":{"fixed":{"a":1},"url":"http://example.com/api/pets/9007199254740993","who":"Ada"}}`},
		{"explicit body", "PUT", "/api/pets/1", jsonType, `{"name":"Tom"}`, 200, `{"args":["Tom",{"name":"Tom"}],"kwargs":{}}`},
		{"left-out body", "PUT", "/api/pets/1", "", "", 204, ""},
		{"bytes", "POST", "/api/pets/7/photo.png", "image/png", "\x00\xff", 200, `{"body":"\u0000AP8=","id":7,"kind":"png"}`},
		{"text", "POST", "/api/pets/7/photo.jpg", "text/plain", `"hi"`, 200, `{"body":"\"hi\"","id":7,"kind":"jpg"}`},
		{"needless escapes", "GET", "/api/p%65ts?limit=1", "", "", 200, `{"limit":1}`},
		{"status", "DELETE", "/api/pets/7", "", "", 202, ""},
		{"head", "HEAD", "/api/pets?limit=1", "", "", 200, "{\"limit\":1}"},
	}
	for _, test := range tests {
		w := send(g, test.method, test.path, test.body, "Content-Type", test.contentType, "X-User", "Ada")
		if w.Code != test.status || canonical(t, w.Body.Bytes()) != canonical(t, []byte(test.want)) {
			t.Errorf("%s: %s %s: %d %s, want %d %s", test.name, test.method, test.path, w.Code, w.Body, test.status, test.want)
		}
	}
	if send(g, "DELETE", "/api/pets/7", ""); seen.Options.Timeout != 1500 || seen.Procedure != "pets.delete" {
		t.Errorf("x-wamp-timeout: %+v", seen)
	}
	if w := send(g, "POST", "/api/pets", `{"name":"Tom"}`, "Content-Type", jsonType); w.Header().Get("Content-Type") != "application/vnd.pet+json" {
		t.Errorf("the answer is %q", w.Header().Get("Content-Type"))
	}
}

// canonical puts members of objects into order, and keeps numbers.
func canonical(tb testing.TB, text []byte) string {
	tb.Helper()
	if len(text) == 0 {
		return ""
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		tb.Fatalf("%v: %s", err, text)
	}
	out, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return string(out)
}

// TestImportedRefusals sends what the document does not allow; no call is made
// of it.
func TestImportedRefusals(t *testing.T) {
	t.Parallel()
	var seen wamp.Call
	g := newGateway(t, echoing(&seen), nil)
	if err := g.SetImports([]gateway.Import{imported(t, "pets", "/api", pets, openapi.Mapping{}, gateway.AnswersUnchecked)}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		method, path, contentType, body string
		status                          int
		errors                          string // of the problem, or a part of its detail
	}{
		{"GET", "/api/pets?limit=x", "", "", 400, `[{"parameter":"limit","detail":"must be an integer, not a string"}]`},
		{"GET", "/api/pets?limit=0&ids=1,b", "", "", 400, `[{"parameter":"limit","detail":"must be at least 1"},{"parameter":"ids","detail":"/1 must be an integer, not a string"}]`},
		{"GET", "/api/pets?limit=1&limit=2", "", "", 400, `[{"parameter":"limit","detail":"is given more than once"}]`},
		{"GET", "/api/pets?limt=1", "", "", 400, `[{"parameter":"limt","detail":"is no parameter of this operation; there are limit, tags, ids, filter"}]`},
		{"GET", "/api/pets?tags=%ff", "", "", 400, `[{"parameter":"tags","detail":"is not valid UTF-8"}]`},
		{"GET", "/api/pets?tags=%00a", "", "", 400, `[{"parameter":"tags","detail":"must not begin with a NUL, which marks bytes"}]`},
		{"GET", "/api/pets?tags=%zz", "", "", 400, `[{"parameter":"tags","detail":"has a bad percent escape"}]`},
		{"GET", "/api/pets/x", "", "", 400, `[{"parameter":"id","detail":"must be an integer, not a string"}]`},
		{"GET", "/api/pets/9223372036854775808", "", "", 400, `[{"parameter":"id","detail":"must be an integer of 64 bits"}]`},
		{"POST", "/api/pets/7/photo.gif", "image/png", "x", 400, `[{"parameter":"kind","detail":"must be one of \"png\", \"jpg\""}]`},
		{"GET", "/api/pets", "text/plain", "x", 400, "the operation takes no body"},
		{"POST", "/api/pets", "", "", 422, `[{"pointer":"","detail":"the body is missing"}]`},
		{"POST", "/api/pets", jsonType, `{"name":"T","age":-1,"colour":1}`, 422, `[{"pointer":"/age","detail":"must be at least 0"},{"pointer":"/colour","detail":"is not known here"},{"pointer":"/name","detail":"must have at least 2 characters"}]`},
		{"POST", "/api/pets", jsonType, `{}`, 422, `[{"pointer":"/name","detail":"is missing"}]`},
		{"POST", "/api/pets", jsonType, `[]`, 422, `[{"pointer":"","detail":"must be an object, not a list"}]`},
		{"POST", "/api/pets", jsonType, `{"name":"Tom","weight":1e99999}`, 422, `[{"pointer":"/weight","detail":"is a number with more than 4000 digits, or an exponent above 1000"}]`},
		{"POST", "/api/pets", jsonType, `{"name":"Tom","name":"Tim"}`, 400, "twice"},
		{"POST", "/api/pets", jsonType, `{`, 400, "not valid JSON"},
		{"POST", "/api/pets", "text/csv", `a`, 415, "the operation takes application/json, application/x-www-form-urlencoded, multipart/form-data"},
		{"PATCH", "/api/pets", "", "", 405, "GET, HEAD, OPTIONS, POST"},
		{"GET", "/api/nothing", "", "", 404, "nothing is at"},
		{"HEAD", "/api/pets/1/photo.png", "", "", 405, ""},
	}
	for _, test := range tests {
		w := send(g, test.method, test.path, test.body, "Content-Type", test.contentType)
		var problem struct {
			Detail string
			Errors json.RawMessage
		}
		_ = json.Unmarshal(w.Body.Bytes(), &problem) // HEAD has none
		got := problem.Detail
		if strings.HasPrefix(test.errors, "[") {
			got = string(problem.Errors)
		}
		if w.Code != test.status || !strings.Contains(sortedErrors(got), sortedErrors(test.errors)) {
			t.Errorf("%s %s %s: %d %s\nwant %d %s", test.method, test.path, test.body, w.Code, w.Body, test.status, test.errors)
		}
	}
	if seen.Procedure != "" {
		t.Errorf("%s was called", seen.Procedure)
	}
}

// sortedErrors makes the order of errors, which the checker leaves open, not
// matter.
func sortedErrors(s string) string {
	var list []json.RawMessage
	if json.Unmarshal([]byte(s), &list) != nil {
		return s
	}
	lines := make([]string, len(list))
	for i := range list {
		lines[i] = string(list[i])
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestImportedErrors gives the errors of a callee the statuses that the
// document has for them.
func TestImportedErrors(t *testing.T) {
	t.Parallel()
	for uri, want := range map[wamp.URI]int{"pets.error.poor": 402, "pets.error.other": 409, "pets.errors": 500, "wamp.error.not_authorized": 401} {
		r := &realm{procedures: map[wamp.URI]procedure{"pets.add": func(c incoming) {
			origin := wamp.OriginCallee
			if strings.HasPrefix(string(uri), "wamp.") {
				origin = wamp.OriginDealer
			}
			c.fail(uri, origin, wamp.Payload{})
		}}}
		g := newGateway(t, r, nil)
		if err := g.SetImports([]gateway.Import{imported(t, "pets", "/api", pets, openapi.Mapping{}, gateway.AnswersUnchecked)}); err != nil {
			t.Fatal(err)
		}
		if w := send(g, "POST", "/api/pets", `{"name":"Tom"}`, "Content-Type", jsonType); w.Code != want {
			t.Errorf("%s: %d, want %d: %s", uri, w.Code, want, w.Body)
		}
	}
}

// TestImportedAnswers checks answers as far as is wanted.
func TestImportedAnswers(t *testing.T) {
	t.Parallel()
	for check, want := range map[gateway.AnswerCheck]struct {
		status int
		logged bool
	}{
		gateway.AnswersUnchecked: {201, false}, gateway.AnswersLogged: {201, true}, gateway.AnswersEnforced: {502, true},
	} {
		r := &realm{procedures: map[wamp.URI]procedure{"pets.add": func(c incoming) {
			c.result(wamp.Payload{Serializer: wamp.JSON, Kwargs: []byte(`{"nme":"Tom"}`)})
		}}}
		var log bytes.Buffer
		g := newGateway(t, r, func(cfg *gateway.Config) { cfg.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		if err := g.SetImports([]gateway.Import{imported(t, "pets", "/api", pets, openapi.Mapping{}, check)}); err != nil {
			t.Fatal(err)
		}
		w := send(g, "POST", "/api/pets", `{"name":"Tom"}`, "Content-Type", jsonType)
		if logged := strings.Contains(log.String(), "/name") && strings.Contains(log.String(), "is missing"); w.Code != want.status || logged != want.logged {
			t.Errorf("check %d: %d, logged %v, want %+v\n%s%s", check, w.Code, logged, want, w.Body, log.String())
		}
	}
}

// TestImportedClashes refuses routes that would take others' places, and keeps
// what was served before.
func TestImportedClashes(t *testing.T) {
	t.Parallel()
	var seen wamp.Call
	g := newGateway(t, echoing(&seen), nil)
	good := imported(t, "pets", "/api", pets, openapi.Mapping{}, gateway.AnswersUnchecked)
	if err := g.SetImports([]gateway.Import{good}); err != nil {
		t.Fatal(err)
	}
	get := func(path string) string {
		return `{"openapi":"3.1.0","info":{"title":"","version":""},"paths":{"` + path + `":{"get":{"x-wamp-procedure":"a.b","responses":{}}}}}`
	}
	for _, test := range []struct{ prefix, path, want string }{
		{"/call", "/x", "/paths/~1x/get: the path /call/x would shadow"},
		{"/docs", "/", "would shadow what the gateway has at /docs"},
		{"/api", "/pets", `leads where /pets of "pets" leads`},
		{"/api", "/pets/{other}", `leads where /pets/{id} of "pets" leads`},
	} {
		bad := imported(t, "bad.json", test.prefix, get(test.path), openapi.Mapping{}, gateway.AnswersUnchecked)
		err := g.SetImports([]gateway.Import{good, bad})
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "bad.json") {
			t.Errorf("%s%s: %v, want %s", test.prefix, test.path, err, test.want)
		}
	}
	if w := send(g, "GET", "/api/pets", ""); w.Code != 204 {
		t.Errorf("the routes that were there are gone: %d", w.Code)
	}
	if n := len(g.Imported()); n != 6 {
		t.Errorf("%d routes, want 6", n)
	}
	if err := g.SetImports(nil); err != nil {
		t.Fatal(err)
	}
	if w := send(g, "GET", "/api/pets", ""); w.Code != 404 {
		t.Errorf("the routes are still there: %d", w.Code)
	}
}

// TestImportedSafe lets GET /call ask for what a document declares safe.
func TestImportedSafe(t *testing.T) {
	t.Parallel()
	var seen wamp.Call
	g := newGateway(t, echoing(&seen), nil)
	text := `{"openapi":"3.1.0","info":{},"paths":{"/x":{"get":{"x-wamp-procedure":"pets.list","x-wamp-safe":true}}}}`
	if w := send(g, "GET", "/call/pets.list", ""); w.Code != 405 {
		t.Errorf("before: %d", w.Code)
	}
	if err := g.SetImports([]gateway.Import{imported(t, "x", "/api", text, openapi.Mapping{}, gateway.AnswersUnchecked)}); err != nil {
		t.Fatal(err)
	}
	if w := send(g, "GET", "/call/pets.list", ""); w.Code != 204 {
		t.Errorf("after: %d", w.Code)
	}
}

const feed = `
openapi: 3.1.0
paths:
  /feeds/{name}:
    post:
      x-wamp-procedure: feeds.push
      parameters: [{name: name, in: path, required: true, schema: {type: string}}]
      requestBody: {content: {application/x-ndjson: {schema: {type: object, required: [n]}}, application/octet-stream: {}}}
      responses: {"200": {description: ok}}
    get:
      x-wamp-procedure: feeds.watch
      parameters: [{name: name, in: path, required: true, schema: {type: string}}]
      responses: {"200": {description: ok, content: {application/json: {}}}}
`

// TestImportedStreams sends a stream to an operation, item by item, and gets
// one from another.
func TestImportedStreams(t *testing.T) {
	t.Parallel()
	var chunks []string
	r := &realm{procedures: map[wamp.URI]procedure{
		"feeds.push": func(c incoming) {
			chunks = append(chunks, string(c.Payload.Kwargs))
			if !c.Options.Progress {
				c.result(wamp.Payload{Serializer: wamp.JSON, Args: []byte(`["done"]`)})
			}
		},
		"feeds.watch": func(c incoming) {
			c.push(&wamp.Result{Request: c.Request, Details: wamp.ResultDetails{Progress: true}, Payload: wamp.Payload{Serializer: wamp.JSON, Kwargs: c.Payload.Kwargs}})
			c.result(wamp.Payload{Serializer: wamp.JSON, Args: []byte(`[2]`)})
		},
	}}
	g := newGateway(t, r, func(cfg *gateway.Config) { cfg.KillGrace = time.Millisecond })
	if err := g.SetImports([]gateway.Import{imported(t, "feed", "/api", feed, openapi.Mapping{}, gateway.AnswersUnchecked)}); err != nil {
		t.Fatal(err)
	}
	w := send(g, "POST", "/api/feeds/a", "{\"n\":1}\n{\"n\":2}\n", "Content-Type", "application/x-ndjson")
	if w.Code != 200 || w.Body.String() != "\"done\"\n" {
		t.Errorf("a stream in: %d %s", w.Code, w.Body)
	}
	if got := strings.Join(chunks, " "); got != `{"name":"a"} {"n":1} {"n":2} ` {
		t.Errorf("the callee got %s", got)
	}
	w = send(g, "POST", "/api/feeds/a", "{\"n\":1}\n{\"m\":2}\n", "Content-Type", "application/x-ndjson")
	if w.Code != 400 || !strings.Contains(w.Body.String(), `"detail":"frame 2: the request is not as POST /feeds/{name} describes it"`) || !strings.Contains(w.Body.String(), `"errors":[{"pointer":"/n","detail":"is missing"}]`) {
		t.Errorf("a wrong item: %d %s", w.Code, w.Body)
	}
	w = send(g, "GET", "/api/feeds/a", "", "Accept", "text/event-stream")
	if w.Code != 200 || !strings.Contains(w.Body.String(), "event: progress\n") || !strings.Contains(w.Body.String(), `data: {"kwargs":{"name":"a"}}`) || !strings.Contains(w.Body.String(), "event: result\n") {
		t.Errorf("a stream out: %d %s", w.Code, w.Body)
	}
}

// TestImportedHangUp cancels the call of an operation whose client leaves.
func TestImportedHangUp(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(t.Context())
	r := &realm{procedures: map[wamp.URI]procedure{"feeds.watch": func(incoming) { leave() }}}
	g := newGateway(t, r, func(cfg *gateway.Config) { cfg.KillGrace = time.Millisecond })
	if err := g.SetImports([]gateway.Import{imported(t, "feed", "/api", feed, openapi.Mapping{}, gateway.AnswersUnchecked)}); err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest("GET", "/api/feeds/a", nil).WithContext(ctx)
	func() {
		defer func() { _ = recover() }() // how an answer is cut off
		g.ServeHTTP(httptest.NewRecorder(), request)
	}()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.canceled) != 1 || r.canceled[0].Mode != wamp.CancelKill {
		t.Errorf("canceled: %+v, want one, by kill", r.canceled)
	}
}

// TestImportedKept has operations answer later, and once for a key.
func TestImportedKept(t *testing.T) {
	t.Parallel()
	calls := 0
	r := &realm{procedures: map[wamp.URI]procedure{"pets.add": func(c incoming) {
		calls++
		c.result(wamp.Payload{Serializer: wamp.JSON, Kwargs: c.Payload.Kwargs})
	}, "pets.photo": func(c incoming) {
		calls++
		c.result(wamp.Payload{})
	}}}
	g := newGateway(t, r, nil)
	if err := g.SetImports([]gateway.Import{imported(t, "pets", "/api", pets, openapi.Mapping{}, gateway.AnswersEnforced)}); err != nil {
		t.Fatal(err)
	}
	add := func(fields ...string) *httptest.ResponseRecorder {
		return send(g, "POST", "/api/pets", `{"name":"Tom"}`, append([]string{"Content-Type", jsonType}, fields...)...)
	}
	w := add("Prefer", "respond-async")
	at := w.Header().Get("Location")
	if w.Code != 202 || at == "" {
		t.Fatalf("later: %d %s", w.Code, w.Body)
	}
	send(g, "GET", at, "", "Prefer", "wait=10")
	if w = send(g, "GET", at+"/result", ""); w.Code != 201 || w.Body.String() != "{\"name\":\"Tom\"}\n" {
		t.Errorf("the result: %d %s", w.Code, w.Body)
	}
	calls = 0
	for range 2 {
		if w = add("Idempotency-Key", "k"); w.Code != 201 || calls != 1 {
			t.Errorf("with a key: %d %s, %d calls", w.Code, w.Body, calls)
		}
	}
	for i, path := range []string{"/api/pets/1/photo.png", "/api/pets/2/photo.png"} { // another path is another request
		if w = send(g, "POST", path, "x", "Content-Type", "image/png", "Idempotency-Key", "k"); w.Code != []int{204, 422}[i] {
			t.Errorf("%s with a key: %d %s", path, w.Code, w.Body)
		}
	}
}

// TestImportedReconnect makes no call for an EventSource that comes back.
func TestImportedReconnect(t *testing.T) {
	t.Parallel()
	calls := 0
	r := &realm{procedures: map[wamp.URI]procedure{"feeds.watch": func(c incoming) { calls++; c.result(wamp.Payload{}) }}}
	g := newGateway(t, r, nil)
	if err := g.SetImports([]gateway.Import{imported(t, "feed", "/api", feed, openapi.Mapping{}, gateway.AnswersUnchecked)}); err != nil {
		t.Fatal(err)
	}
	w := send(g, "GET", "/api/feeds/a", "", "Accept", "text/event-stream")
	_, id, _ := strings.Cut(w.Body.String(), "event: result\nid: ")
	id, _, _ = strings.Cut(id, "\n")
	if w = send(g, "GET", "/api/feeds/a", "", "Accept", "text/event-stream", "Last-Event-ID", id); w.Code != 204 || calls != 1 {
		t.Errorf("after %q: %d, %d calls", id, w.Code, calls)
	}
}
