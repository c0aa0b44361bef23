package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/openapi"
	"github.com/wampgate/wampgate/openapi/validate"
)

// TestOpenapiCheck lists all that is wrong with a document, and the operations
// without a callee.
func TestOpenapiCheck(t *testing.T) {
	t.Parallel()
	pets := document(t, "pets.yaml", petsDocument)
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"as it stands":     {[]string{pets}, exitOK, `OpenAPI 3.0.3, "Pets" 1: 1 operations to serve, 1 without a procedure, 0 warnings`},
		"with a procedure": {[]string{"--procedure", "demo", pets}, exitOK, "2 operations to serve, 0 without a procedure"},
		"strict":           {[]string{"--strict", pets}, exitOK, "0 warnings"},
		"broken rule":      {[]string{"--strict", document(t, "rule.yaml", strings.Replace(petsDocument, "title: Pets, ", "", 1))}, exitFailed, "rule.yaml: invalid info"},
		"reserved":         {[]string{"--prefix", "api", pets}, exitUsage, `"api" is not the beginning of a path`},
		"not there":        {[]string{pets + ".not"}, exitFailed, "no such file"},
		"faults": {
			[]string{document(t, "bad.yaml", strings.NewReplacer("in: path", "in: there", "type: integer}}\n      resp", "type: integr}}\n      resp").Replace(petsDocument))},
			exitFailed, `bad.yaml:15 /paths/~1greet~1{name}/post/parameters/0: the parameter "name" has "in": "there"`,
		},
		"schema": {[]string{document(t, "schema.yaml", strings.Replace(petsDocument, "nullable: true", "minimum: low", 1))}, exitFailed, "schema.yaml:10 /paths/~1add/get/parameters/1/schema/minimum: the schema cannot be used: it must be a number, not a string"},
	} {
		got := runWith(context.Background(), nil, append([]string{"openapi", "check"}, test.args...)...)
		if got.code != test.code || !strings.Contains(got.stdout+got.stderr, test.want) {
			t.Errorf("%s: %+v\nwant %d %s", name, got, test.code, test.want)
		}
	}
	b := inBackground(t, "dev", "--listen", "127.0.0.1:0")
	public, _ := addresses(t, b)
	got := runWith(context.Background(), nil, "openapi", "check", "--url", public, pets)
	if got.code != exitOK {
		t.Errorf("with all callees: %+v", got)
	}
	got = runWith(context.Background(), nil, "openapi", "check", "--callees", "--url", public, "--procedure", "shop", pets)
	if got.code != exitFailed || !strings.Contains(got.stdout, "no callee: POST /api/greet/{name} -> shop.greet\n") || strings.Contains(got.stdout, "demo.add") || !strings.Contains(got.stderr, "1 of 2 operations have no callee") {
		t.Errorf("without a callee: %+v", got)
	}
}

// TestOpenapiOwn takes in the document that a gateway makes of its procedures.
func TestOpenapiOwn(t *testing.T) {
	t.Parallel()
	b := inBackground(t, "dev", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	public, admin := addresses(t, b)
	_, text := ask(t, "GET", public+"/openapi.json", "")
	if got := runWith(context.Background(), nil, "openapi", "check", document(t, "own.json", text)); got.code != exitOK {
		t.Errorf("check: %+v", got)
	}
	if status, body := ask(t, "PUT", admin+"/admin/routes/own?prefix=/again", text); status != 201 {
		t.Fatalf("PUT: %d %s", status, body)
	}
	if status, body := ask(t, "POST", public+"/again/call/demo.greet", `{"name":"Ada"}`); status != 200 || !strings.Contains(body, "Ada") {
		t.Errorf("a call through it: %d %s", status, body)
	}
}

// TestOpenapiDiff tells breaking changes from others.
func TestOpenapiDiff(t *testing.T) {
	t.Parallel()
	before := document(t, "before.yaml", petsDocument)
	same := runWith(context.Background(), nil, "openapi", "diff", before, before)
	if same.code != exitOK || same.stdout != "0 breaking changes, 0 others\n" {
		t.Errorf("the same: %+v", same)
	}
	after := document(t, "after.yaml", strings.NewReplacer("in: query, required: true", "in: query", "name: b, in: query", "name: b, in: query, required: true").Replace(petsDocument))
	got := runWith(context.Background(), nil, "openapi", "diff", before, after)
	if got.code != exitFailed || got.stdout != "breaking GET /add, query parameter b: is required now\n1 breaking changes, 0 others\n" || got.stderr != "" {
		t.Errorf("a breaking change: %+v", got)
	}
	fewer := document(t, "fewer.yaml", petsDocument[:strings.Index(petsDocument, "  /greet")])
	if got := runWith(context.Background(), nil, "openapi", "diff", "--all", fewer, before); got.code != exitOK || !strings.Contains(got.stdout, "POST /greet/{name}: is new\n0 breaking changes, 1 others\n") {
		t.Errorf("another operation: %+v", got)
	}
	if got := runWith(context.Background(), nil, "openapi", "diff", fewer, before+".not"); got.code != exitFailed || !strings.Contains(got.stderr, "no such file") {
		t.Errorf("no document: %+v", got)
	}
}

// TestMock answers the operations of a document by its examples, through a
// callee of its own.
func TestMock(t *testing.T) {
	t.Parallel()
	spec := document(t, "pets.yaml", `openapi: 3.0.3
info: {title: Pets, version: "1"}
paths:
  /pets:
    get:
      responses: {"200": {description: ok, content: {application/json: {examples: {two: {value: [{name: Tom}, {name: Tim}]}}}}}}
    post:
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Pet"}}}}
      responses: {"201": {description: ok, content: {application/json: {schema: {$ref: "#/components/schemas/Pet"}}}}}
  /pets/{id}:
    delete: {responses: {"204": {description: gone}}}
    get:
      x-wamp-procedure: pets.get
      responses: {"200": {description: ok, content: {application/json: {schema: {$ref: "#/components/schemas/Pet"}, example: {id: 9007199254740993}}}}}
components:
  schemas:
    Pet:
      type: object
      required: [name]
      properties:
        id: {type: integer, minimum: 10}
        name: {type: string, pattern: "^[A-Z][a-z]{2}$"}
        born: {type: string, format: date}
        secret: {type: string, writeOnly: true}
        parent: {$ref: "#/components/schemas/Pet"}
`)
	b := inBackground(t, "dev", "--listen", "127.0.0.1:0", "--openapi-answers", "enforce", "--mock", spec)
	public, _ := addresses(t, b)
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/api/pets", "", 200, `[{"name":"Tom"},{"name":"Tim"}]`},
		{"GET", "/api/pets/7", "", 200, `{"id":9007199254740993}`},
		{"DELETE", "/api/pets/7", "", 204, ""},
		{"GET", "/call/pets.get", "", 200, `{"id":9007199254740993}`},
		{"GET", "/api/none", "", 404, ""},
	} {
		want := test.status
		if test.path == "/api/pets/7" && test.method == "GET" {
			want = 502 // its own example lacks the name; answers are enforced
		}
		status, body := ask(t, test.method, public+test.path, test.body)
		if status != want || want < 300 && strings.TrimSpace(body) != test.want {
			t.Errorf("%s %s: %d %s, want %d %s", test.method, test.path, status, body, want, test.want)
		}
	}
	status, body := ask(t, "POST", public+"/api/pets", `{"name":"Tom"}`)
	if want := `{"born":"2026-01-31","id":10,"name":"Aaa"`; status != 201 || !strings.HasPrefix(body, want) || strings.Contains(body, "secret") {
		t.Errorf("POST /api/pets: %d %s, want %s", status, body, want)
	}
}

// TestOpenapiExport prints the document of a gateway, which the other commands
// can read.
func TestOpenapiExport(t *testing.T) {
	t.Parallel()
	b := inBackground(t, "dev", "--listen", "127.0.0.1:0")
	public, _ := addresses(t, b)
	for args, want := range map[string]string{"": `"openapi": "3.1.1"`, "--v=3.2": `"openapi": "3.2.0"`, "--yaml": "openapi: 3.1.1\n"} {
		got := runWith(context.Background(), nil, append([]string{"openapi", "export", "--url", public}, strings.Fields(args)...)...)
		if got.code != exitOK || !strings.Contains(got.stdout, want) || !strings.Contains(got.stdout, "/call/demo.add") || got.stderr != "" {
			t.Errorf("%s: %d %.200s %s", args, got.code, got.stdout, got.stderr)
		}
		if args == "--v=3.2" {
			continue // which nobody here reads
		}
		file := document(t, "exported", got.stdout)
		if got := runWith(context.Background(), nil, "openapi", "diff", file, file); got.code != exitOK {
			t.Errorf("%s: the document cannot be read: %+v", args, got)
		}
	}
	if got := runWith(context.Background(), nil, "openapi", "export", "--url", "there"); got.code != exitUsage {
		t.Errorf("no URL: %+v", got)
	}
}

// TestDemoSchemas has schemas of samples that there are, and that can be used.
func TestDemoSchemas(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, p := range slices.Concat(demoProcedures(), demoStreams(), demoBytes()) {
		known[string(p.uri)] = true
	}
	for uri, text := range demoSchema() {
		var parts map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &parts); err != nil || !known[uri] {
			t.Errorf("%s: %v", uri, err)
		}
		for name, part := range parts {
			schema, err := openapi.ForeignSchema(part)
			if err == nil {
				_, err = validate.Standalone(schema)
			}
			if err != nil {
				t.Errorf("%s: %s: %v", uri, name, err)
			}
		}
	}
}
