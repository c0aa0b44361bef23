package openapi_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/openapi"
)

// load reads a document that must be all right.
func load(tb testing.TB, text string, m openapi.Mapping) *openapi.Document {
	tb.Helper()
	doc, err := openapi.Load("doc", []byte(text), m)
	if err != nil {
		tb.Fatal(err)
	}
	return doc
}

// TestLoadFaults has documents with faults; all are told at once, with line
// and pointer.
func TestLoadFaults(t *testing.T) {
	t.Parallel()
	head := "openapi: 3.1.0\ninfo: {title: t, version: v}\npaths:\n"
	op := "  /a:\n    get:\n      x-wamp-procedure: a.b\n"
	for name, test := range map[string]struct{ text, want string }{
		"empty":           {"", "doc: is empty"},
		"no JSON":         {"{\n\"openapi\": \"3.1.0\",\n}", "doc:3: is not JSON: invalid character '}' looking for beginning of object key string"},
		"two values":      {"{}\n{}", "doc:2: is not JSON: something follows the document"},
		"no YAML":         {"a: [1", "doc:1: is not YAML: "},
		"two documents":   {"a: 1\n---\nb: 2", "doc:3: a second document; a file holds one"},
		"twice in YAML":   {head + "  /a: {}\n  /a: {}\n", "is not "},
		"endless alias":   {"a: &a [*a]\n", "doc:1: is not usable YAML: values are nested too deep, or an alias holds itself"},
		"list":            {"- 1", "doc:1: must be an object"},
		"swagger":         {"swagger: '2.0'", "doc:1: is a Swagger 2.0 document; convert it to OpenAPI 3 first"},
		"version":         {"openapi: 4.0.0", `doc:1: is of OpenAPI "4.0.0"; versions 3.0 and 3.1 can be read`},
		"no version":      {"info: {}", `doc:1: is no OpenAPI document: the member "openapi" is missing, such as "openapi": "3.1.0"`},
		"no paths":        {"openapi: 3.1.0", `doc:1: the member "paths" is missing`},
		"reference":       {head + "  /a: {$ref: '#/components/pathItems/a'}\n", `doc:4 /paths/~1a: refers to "#/components/pathItems/a", and nothing is there`},
		"elsewhere":       {head + "  /a: {get: {requestBody: {$ref: 'other.yaml#/b'}}}\n", `doc:4 /paths/~1a/get/requestBody: refers to "other.yaml#/b", which is not in this document; bundle the document first`},
		"in a schema":     {head + "  /a: {}\ncomponents: {schemas: {A: {properties: {b: {$ref: '#/x'}}}}}\n", `doc:5 /components/schemas/A/properties/b: refers to "#/x", and nothing is there`},
		"path":            {head + "  a: {}\n", "doc:4 /paths/a: a path begins with '/'"},
		"brace":           {head + "  /{a: {}\n", "a '{' without the name of a parameter and '}'"},
		"procedure":       {head + op + "      x-wamp-proc: a\n  /b:\n    get: {x-wamp-procedure: a..b}\n", "doc:7 /paths/~1a/get/x-wamp-proc: there is no x-wamp-proc; there are x-wamp-procedure, x-wamp-args, x-wamp-kwargs, x-wamp-status, x-wamp-errors, x-wamp-timeout, x-wamp-safe, x-wamp-match, x-wamp-invoke, x-wamp-progress, x-wamp-untyped, x-wamp-schema-faults, x-wamp-deprecated, x-wamp-sunset\ndoc:9 /paths/~1b/get/x-wamp-procedure: \"a..b\" is no procedure URI"},
		"expression":      {head + op + "      x-wamp-args: [$request.path.id, $request.query.q, $request.body, $response.body, 'a {$x}', 'a {$url']\n", "/x-wamp-args/5: a '{$' without '}'"},
		"no parameter":    {head + op + "      x-wamp-args: [$request.path.id]\n", "doc:7 /paths/~1a/get/x-wamp-args/0: $request.path.id: the path has no {id}"},
		"status":          {head + op + "      x-wamp-status: 302\n      x-wamp-errors: {a.b: 200}\n      x-wamp-timeout: soon\n      x-wamp-safe: 1\n", "doc:7 /paths/~1a/get/x-wamp-status: must be a status from 200 to 299\ndoc:8 /paths/~1a/get/x-wamp-errors/a.b: must be a status from 400 to 599\ndoc:9 /paths/~1a/get/x-wamp-timeout: must be a number of milliseconds above 0, or a text such as 1.5s or 2m\ndoc:10 /paths/~1a/get/x-wamp-safe: must be true or false"},
		"clash":           {head + "  /{id}:\n    get:\n      x-wamp-procedure: a.b\n      parameters:\n        - {name: id, in: path}\n        - {name: id, in: query}\n", `doc:5 /paths/~1{id}/get: the parameter "id" is in path and in query; x-wamp-kwargs can keep them apart`},
		"clash with body": {head + "  /{id}:\n    get:\n      x-wamp-procedure: a.b\n      requestBody: {content: {application/json: {schema: {allOf: [{properties: {id: {}}}]}}}}\n", `the body's member "id" has the name of a path parameter`},
		"clash with it":   {head + "  /{body}:\n    get:\n      x-wamp-procedure: a.b\n      requestBody: {content: {text/plain: {}}}\n", `the path parameter "body" has the name of the body`},
		"parameter":       {head + op + "      parameters: [{in: query}, {name: a, in: there}, 1, {name: a, in: query, style: simple}]\n", `/parameters/1: the parameter "a" has "in": "there"; want path, query, header or cookie`},
		"responses":       {head + op + "      responses: {20: {}}\n", `doc:7 /paths/~1a/get/responses/20: "20" is no status: want one such as 200, 4XX, or default`},
		"kinds":           {head + "  /a: {get: 1, put: {x-wamp-procedure: a, requestBody: 1, parameters: {}}}\n", "/paths/~1a/get: must be an object"},
	} {
		_, err := openapi.Load("doc", []byte(test.text), openapi.Mapping{})
		var faults openapi.Faults
		if !errors.As(err, &faults) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v\nwant %s", name, err, test.want)
		}
	}
}

// TestLoadDerived makes procedures of operations that name none.
func TestLoadDerived(t *testing.T) {
	t.Parallel()
	const text = `{"openapi":"3.1.0","info":{"title":"T","version":"1"},"paths":{
		"/a/{id}": {"get": {}, "post": {"operationId": "repos/list-all of#it"}, "put": {"x-wamp-procedure": "own"}}}}`
	doc := load(t, text, openapi.Mapping{Procedure: "com.x."})
	var got []string
	for _, op := range doc.Operations {
		got = append(got, op.Method+" "+string(op.Call.Procedure))
	}
	if want := "GET com.x.get.a.id, POST com.x.repos.list-all_of_it, PUT own"; strings.Join(got, ", ") != want {
		t.Errorf("procedures are %s, want %s", strings.Join(got, ", "), want)
	}
	doc = load(t, text, openapi.Mapping{})
	if len(doc.Operations) != 1 || len(doc.Skipped) != 2 || doc.Title != "T" {
		t.Errorf("without a mapping: %d operations, %d skipped", len(doc.Operations), len(doc.Skipped))
	}
	twice := strings.Replace(text, `"get": {}`, `"get": {"operationId": "a"}, "delete": {"operationId": "/a/"}`, 1)
	if _, err := openapi.Load("doc", []byte(twice), openapi.Mapping{Procedure: "x"}); err == nil || !strings.Contains(err.Error(), "comes to the procedure x.a, as does /paths/~1a~1{id}/delete") {
		t.Errorf("two operations for one procedure: %v", err)
	}
}

// TestLift has schemas of 3.0 as 3.1 writes them.
func TestLift(t *testing.T) {
	t.Parallel()
	for name, test := range map[string][2]string{
		"nullable":      {`{"type":"string","nullable":true,"enum":["a"]}`, `{"enum":["a",null],"type":["string","null"]}`},
		"not nullable":  {`{"type":"string","nullable":false}`, `{"type":"string"}`},
		"nullable form": {`{"nullable":true,"allOf":[{"type":"string"}]}`, `{"anyOf":[{"allOf":[{"type":"string"}]},{"type":"null"}]}`},
		"exclusive":     {`{"minimum":1,"exclusiveMinimum":true,"maximum":2,"exclusiveMaximum":false}`, `{"exclusiveMinimum":1,"maximum":2}`},
		"reference":     {`{"$ref":"#/components/schemas/B","nullable":true}`, `{"$ref":"#/components/schemas/B"}`},
		"below":         {`{"items":{"type":"number","nullable":true}}`, `{"items":{"type":["number","null"]}}`},
		"example":       {`{"default":{"nullable":true}}`, `{"default":{"nullable":true}}`},
		"property":      {`{"properties":{"nullable":{"type":"string","nullable":true}}}`, `{"properties":{"nullable":{"type":["string","null"]}}}`},
	} {
		doc := load(t, `{"openapi":"3.0.3","paths":{},"components":{"schemas":{"A":`+test[0]+`,"B":{}}}}`, openapi.Mapping{})
		schema, _ := openapi.Lookup(doc.Tree(), "/components/schemas/A")
		if got := jsonOf(t, schema); got != test[1] {
			t.Errorf("%s: %s, want %s", name, got, test[1])
		}
	}
}

// TestSuccess finds the statuses of results.
func TestSuccess(t *testing.T) {
	t.Parallel()
	content := `{"content":{"application/json":{}}}`
	for responses, want := range map[string][2]int{
		`{}`:                      {200, 204},
		`{"200":` + content + `}`: {200, 204},
		`{"201":` + content + `,"202":` + content + `}`: {201, 204},
		`{"204":{}}`:                           {200, 204},
		`{"205":{}}`:                           {200, 205},
		`{"202":{}}`:                           {202, 202},
		`{"201":` + content + `,"202":{}}`:     {201, 202},
		`{"404":{},"default":` + content + `}`: {200, 204},
	} {
		doc := load(t, `{"openapi":"3.1.0","paths":{"/a":{"get":{"responses":`+responses+`}}}}`, openapi.Mapping{Procedure: "p"})
		if body, empty := doc.Operations[0].Success(); body != want[0] || empty != want[1] {
			t.Errorf("%s: %d and %d, want %v", responses, body, empty, want)
		}
	}
}

// TestStatus gives results the status that the document names.
func TestStatus(t *testing.T) {
	t.Parallel()
	for status, want := range map[string][2]int{"202": {202, 202}, "204": {201, 204}} {
		doc := load(t, `{"openapi":"3.1.0","paths":{"/a":{"get":{"x-wamp-procedure":"p","x-wamp-status":`+status+`,"responses":{"201":{"content":{"a/b":{}}}}}}}}`, openapi.Mapping{})
		if body, empty := doc.Operations[0].Success(); body != want[0] || empty != want[1] {
			t.Errorf("%s: %d and %d, want %v", status, body, empty, want)
		}
	}
}

// FuzzLoad reads whatever it is given. What loads has operations whose
// procedures are valid, and reads the same twice.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "a: &a [*a]", "- - - - a", "openapi: 3.0.0\npaths: {/a/{b}: {get: {x-wamp-procedure: c, parameters: [{name: b, in: path, schema: {$ref: '#/paths'}}]}}}",
		`{"openapi":"3.1.0","paths":{"/a":{"$ref":"#/paths/~1a"}}}`,
		`{"openapi":"3.0.0","paths":{"/a":{"put":{"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/A"}}}}}}},"components":{"schemas":{"A":{"$ref":"#/components/schemas/A"}}}}`,
		"? [a]\n: b", "a: !!binary x", "a: 0x1F\nb: .inf\nc: 1_000", "<<: *x", "a:\n<<: {b: 1}",
	} {
		f.Add([]byte(seed), "p")
	}
	f.Fuzz(func(t *testing.T, text []byte, prefix string) {
		doc, err := openapi.Load("f", text, openapi.Mapping{Procedure: prefix})
		var faults openapi.Faults
		if err != nil {
			if !errors.As(err, &faults) || len(faults) == 0 {
				t.Fatalf("the error is no list of faults: %v", err)
			}
			return
		}
		for _, op := range doc.Operations {
			if !op.Call.Procedure.Valid() || !strings.HasPrefix(op.Path, "/") {
				t.Errorf("%s %s: %q", op.Method, op.Path, op.Call.Procedure)
			}
		}
		again, err := openapi.Load("f", text, openapi.Mapping{Procedure: prefix})
		if err != nil || len(again.Operations) != len(doc.Operations) {
			t.Errorf("read again: %v", err)
		}
	})
}

// TestLint tells of what is against the rules and can be served all the same.
func TestLint(t *testing.T) {
	t.Parallel()
	got := openapi.Lint(t.Context(), "doc", []byte(`{"openapi":"3.1.0","paths":{"/a/{b}":{"get":{}},"/c":{"get":{"operationId":"x","responses":{}}},"/d":{"get":{"operationId":"x"}}}}`)).Error()
	for _, want := range []string{"doc: invalid info: ", `/a/{b} must define`, `"x"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	if faults := openapi.Lint(t.Context(), "doc", []byte(`{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{}}`)); len(faults) > 0 {
		t.Errorf("of a good one: %v", faults)
	}
	if faults := openapi.Lint(t.Context(), "doc", []byte(`{`)); len(faults) != 1 {
		t.Errorf("of none: %v", faults)
	}
}
