package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const petsDocument = `openapi: 3.0.3
info: {title: Pets, version: "1"}
paths:
  /add:
    get:
      x-wamp-procedure: demo.add
      x-wamp-args: [$request.query.a, $request.query.b]
      parameters:
        - {name: a, in: query, required: true, schema: {type: integer}}
        - {name: b, in: query, schema: {type: integer, nullable: true}}
      responses: {"200": {description: sum, content: {application/json: {schema: {type: integer}}}}}
  /greet/{name}:
    post:
      operationId: greet
      parameters: [{name: name, in: path, required: true, schema: {type: string}}]
      responses: {"200": {description: ok}}
`

// document writes a document into a folder of its own.
func document(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ask makes a request and returns status and body.
func ask(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// addresses returns where a gateway said that it is reached.
func addresses(t *testing.T, b *background) (public, admin string) {
	t.Helper()
	for _, part := range strings.Fields(b.line(t, "wampgate "+version)) {
		if url, ok := strings.CutPrefix(part, "admin="); ok {
			admin = url
		} else if strings.HasPrefix(part, "http://") && public == "" {
			public = part
		}
	}
	return public, admin
}

// TestAdminRoutes takes documents in over the admin listener, and calls what
// they describe.
func TestAdminRoutes(t *testing.T) {
	t.Parallel()
	b := inBackground(t, "dev", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	public, admin := addresses(t, b)
	check := func(method, path, body string, status int, want string) {
		t.Helper()
		base := public
		if strings.HasPrefix(path, "/admin") {
			base = admin
		}
		if got, text := ask(t, method, base+path, body); got != status || !strings.Contains(text, want) {
			t.Errorf("%s %s: %d %s, want %d %s", method, path, got, text, status, want)
		}
	}
	check("GET", "/api/add?a=2&b=3", "", 404, "nothing is at")
	check("PUT", "/admin/routes/pets?procedure=demo&answers=enforce", petsDocument, 201, `"operations":2`)
	check("GET", "/api/add?a=2&b=3", "", 200, "5")
	check("GET", "/api/add?a=2.5", "", 400, `{"parameter":"a","detail":"must be an integer, not a number"}`)
	check("POST", "/api/greet/Ada", "", 200, "Hello, Ada")
	check("POST", "/api/greet/A%2Fb%20c", "", 200, "Hello, A/b c")
	check("GET", "/admin/routes", "", 200, `"without_callee":[]`)
	check("GET", "/admin/routes/pets", "", 200, `"procedure":"demo.add","callee":true`)
	check("GET", "/admin/routes/none", "", 404, "there is no such document")

	// A bad document leaves the old one serving, and says all that is wrong.
	bad := strings.NewReplacer("in: path", "in: nowhere", "demo.add", "demo..add").Replace(petsDocument)
	check("PUT", "/admin/routes/pets?procedure=demo", bad, 422, `pets:6 /paths/~1add/get/x-wamp-procedure: \"demo..add\" is no procedure URI`)
	check("PUT", "/admin/routes/pets?procedure=demo", bad, 422, `\"nowhere\"; want path, query, header or cookie`)
	check("PUT", "/admin/routes/other?procedure=demo", petsDocument, 422, `leads where /add of \"pets\" leads`)
	check("PUT", "/admin/routes/pets?procedur=demo", petsDocument, 400, "not procedur")
	check("PUT", "/admin/routes/pets?prefix=call", petsDocument, 400, "is not the beginning of a path")
	check("GET", "/api/add?a=2&b=3", "", 200, "5")

	check("PUT", "/admin/routes/pets?procedure=away&prefix=/v2", petsDocument, 200, `"prefix":"/v2"`)
	check("GET", "/api/add?a=2&b=3", "", 404, "")
	check("GET", "/v2/add?a=2&b=3", "", 200, "5")
	check("POST", "/v2/greet/Ada", "", 404, "no procedure away.greet")
	check("GET", "/admin/routes", "", 200, `"without_callee":[{"import":"pets","method":"POST","path":"/v2/greet/{name}","operation_id":"greet","procedure":"away.greet"}]`)
	check("DELETE", "/admin/routes/pets", "", 204, "")
	check("DELETE", "/admin/routes/pets", "", 404, "")
	check("GET", "/v2/add?a=2&b=3", "", 404, "")
}

// TestAdminRoutesOrigins lets no page of another origin change routes.
func TestAdminRoutesOrigins(t *testing.T) {
	t.Parallel()
	b := inBackground(t, "dev", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	_, admin := addresses(t, b)
	refusesOrigins(t, http.MethodPut, admin+"/admin/routes/x", petsDocument)
}

// refusesOrigins makes a request as a page of another origin does, which may
// not.
func refusesOrigins(t *testing.T, method, url, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(soon(t), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("%s from a page of another origin: %s", method, resp.Status)
	}
}

// TestImportsOfFile serves the documents that the configuration file names,
// and reads them again when they change.
func TestImportsOfFile(t *testing.T) {
	t.Parallel()
	pets := document(t, "pets.yaml", petsDocument)
	config := filepath.Join(filepath.Dir(pets), "wampgate.yaml")
	text := "anonymous: true\nlisten: 127.0.0.1:0\nadmin-listen: 127.0.0.1:0\nopenapi:\n  - {file: pets.yaml, procedure: shop, prefix: /shop}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b := inBackground(t, "serve", "-c", config)
	public, admin := addresses(t, b)
	if status, body := ask(t, "GET", public+"/shop/add?a=1", ""); status != 404 || !strings.Contains(body, "no procedure demo.add") {
		t.Errorf("before: %d %s", status, body)
	}
	if status, body := ask(t, "PUT", admin+"/admin/routes/pets", petsDocument); status != 409 || !strings.Contains(body, "change it there") {
		t.Errorf("PUT of what the file names: %d %s", status, body)
	}
	if status, _ := ask(t, "DELETE", admin+"/admin/routes/pets", ""); status != 409 {
		t.Errorf("DELETE of what the file names: %d", status)
	}
	replace := func(text string) {
		next := pets + ".next"
		if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, pets); err != nil {
			t.Fatal(err)
		}
	}
	replace(strings.Replace(petsDocument, "/add:", "add:", 1))
	b.line(t, "a path begins with '/'")
	if status, _ := ask(t, "GET", public+"/shop/add?a=1", ""); status != 404 {
		t.Errorf("with a bad document: %d", status)
	}
	replace(strings.Replace(petsDocument, "/add:", "/plus:", 1))
	b.line(t, "configuration was read again")
	if status, body := ask(t, "GET", public+"/shop/plus?a=1", ""); status != 404 || !strings.Contains(body, "no procedure demo.add") {
		t.Errorf("after: %d %s", status, body)
	}
}

// TestImportsFaults says of each fault of the section where it is.
func TestImportsFaults(t *testing.T) {
	t.Parallel()
	pets := document(t, "pets.yaml", petsDocument)
	dir := filepath.Dir(pets)
	for section, want := range map[string]string{
		"openapi: pets.yaml":                               ":2: openapi: must be a list of documents",
		"openapi:\n  - {fil: pets.yaml}":                   `unknown key "fil"; did you mean "file"?`,
		"openapi:\n  - {name: a}":                          ":3: openapi: file is missing",
		"openapi:\n  - {file: pets.yaml, prefix: api}":     `:3: openapi: prefix: "api" is not the beginning of a path`,
		"openapi:\n  - {file: pets.yaml, body: all}":       `body: "all" is none of merge, whole`,
		"openapi:\n  - {file: pets.yaml, answers: maybe}":  `answers: "maybe" is none of off, log, enforce`,
		"openapi:\n  - {file: pets.yaml, procedure: a..b}": `procedure: "a..b" is not what a procedure URI can begin with`,
		"openapi:\n  - {file: pets.yaml, name: a/b}":       `the name "a/b" holds more than letters`,
		"openapi:\n  - pets.yaml\n  - pets.yaml":           `:4: openapi: there are two documents "pets"`,
		"openapi:\n  - none.yaml":                          ":3: openapi: stat ",
		"openapi-prefix: api":                              `openapi-prefix: "api" is not the beginning of a path`,
		"openapi:\n  - wampgate.yaml":                      `the member "openapi"`,
	} {
		config := filepath.Join(dir, strings.Map(func(r rune) rune {
			if r < 'a' || r > 'z' {
				return '-'
			}
			return r
		}, section)+".yaml")
		text := "anonymous: true\n" + section + "\n"
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(section, "wampgate.yaml") {
			if err := os.WriteFile(filepath.Join(dir, "wampgate.yaml"), []byte("a: 1\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got := runWith(context.Background(), nil, "check-config", "-c", config)
		if got.code != exitUsage || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: %d %s\nwant %s", section, got.code, got.stderr, want)
		}
	}
}
