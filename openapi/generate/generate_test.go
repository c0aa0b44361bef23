package generate_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/wampgate/wampgate/openapi"
	"github.com/wampgate/wampgate/openapi/generate"
)

func config(version generate.Version) *generate.Config {
	return &generate.Config{
		Version: version, Realm: "realm1", Release: "1.2.3",
		Routes:   func(string) []string { return []string{"GET", "POST", "PUT", "DELETE"} },
		Compiles: func(any) bool { return true },
	}
}

func procedures() []generate.Procedure {
	return []generate.Procedure{
		{URI: "com.example.add", Match: "exact", Invoke: "single", Safe: true, Description: []byte(`{"summary":"<b>adds</b>","cache":60,"errors":{"com.example.error.tired":429,"com.example.error.lazy":429},"deprecated":true,
			"schema":{"args":{"type":"array","prefixItems":[{"type":"number"},{"type":"number"}],"items":false,"minItems":2},"kwargs":{"type":"object","maxProperties":0},"result":{"$ref":"#/$defs/n","$defs":{"n":{"type":"number"}}}}}`)},
		{URI: "com.example.plain", Match: "exact", Invoke: "roundrobin"},
		{URI: "com.app.users.", Match: "prefix", Invoke: "single"},
		{URI: "com..delete", Match: "wildcard", Invoke: "single"},
		{URI: "a/b{c}", Match: "exact", Invoke: "single", Description: []byte(`{"schema":{"args":{"$ref":"http://169.254.169.254/"}},"stream":{"in":true,"out":false},"media":"image/png"}`)},
	}
}

// read generates a document and reads it back.
func read(t *testing.T, c *generate.Config, list []generate.Procedure) (text []byte, tree map[string]any) {
	t.Helper()
	text, err := generate.JSON(c, list)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	return text, tree
}

// at returns what a pointer leads to, in JSON.
func at(t *testing.T, tree any, pointer string) string {
	t.Helper()
	v, ok := openapi.Lookup(tree, pointer)
	if !ok {
		return "nothing"
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

// TestPersistent: only a gateway that keeps calls has options for them, and
// none for what cannot be sent twice.
func TestPersistent(t *testing.T) {
	t.Parallel()
	for _, persistent := range []bool{false, true} {
		c := config(generate.V31)
		c.Persistent = persistent
		_, tree := read(t, c, procedures())
		for pointer, want := range map[string]bool{"post": persistent, "get": false} {
			all := at(t, tree, "/paths/~1call~1com.example.add/"+pointer+"/parameters")
			if got := strings.Contains(all, "/not_before") && strings.Contains(all, "/trust"); got != want {
				t.Errorf("persistent %v: %s has %s", persistent, pointer, all)
			}
		}
		if got := at(t, tree, "/components/parameters/delay/name"); (got == `"delay"`) != persistent {
			t.Errorf("persistent %v: the component is %s", persistent, got)
		}
	}
}

// TestBranches: only a gateway that has transactions has options for calls
// within them, and that in each form of a call.
func TestBranches(t *testing.T) {
	t.Parallel()
	for _, served := range []bool{false, true} {
		c := config(generate.V32)
		routes := c.Routes
		c.Routes = func(path string) []string {
			if path == "/transactions" && !served {
				return nil
			}
			return routes(path)
		}
		_, tree := read(t, c, procedures())
		for _, method := range []string{"post", "get", "query"} {
			all := at(t, tree, "/paths/~1call~1com.example.add/"+method+"/parameters")
			if got := strings.Contains(all, "/transaction\"") && strings.Contains(all, "/readonly\""); got != served {
				t.Errorf("transactions %v: %s has %s", served, method, all)
			}
		}
	}
}

// TestProcedures shows what becomes of each kind of registration.
func TestProcedures(t *testing.T) {
	t.Parallel()
	text, tree := read(t, config(generate.V31), procedures())
	const add = "/paths/~1call~1com.example.add"
	for pointer, want := range map[string]string{
		"/openapi":                                `"3.1.1"`,
		"/info/version":                           `"1.2.3"`,
		add + "/post/operationId":                 `"com.example.add"`,
		add + "/get/operationId":                  `"com.example.add.get"`,
		add + "/query":                            "nothing",
		add + "/post/tags":                        `["com.example"]`,
		add + "/post/summary":                     `"&lt;b&gt;adds&lt;/b&gt;"`,
		add + "/post/deprecated":                  "true",
		add + "/post/responses/429/x-wamp-errors": `["com.example.error.lazy","com.example.error.tired"]`,
		add + "/post/responses/304":               "nothing",
		add + "/get/responses/304/description":    `"The client has the result already"`,
		add + "/post/responses/202/$ref":          `"#/components/responses/Accepted"`,
		add + "/post/responses/200/content/application~1json/schema/$ref":                    `"#/components/schemas/exact.com.example.add.result.n"`,
		"/components/schemas/exact.com.example.add.result.n":                                 `{"type":"number"}`,
		add + "/post/requestBody/required":                                                   "true",
		add + "/post/requestBody/content/application~1json/schema":                           `{"items":{},"maxItems":2,"minItems":2,"prefixItems":[{"type":"number"},{"type":"number"}],"type":"array"}`,
		add + "/post/requestBody/content/application~1vnd.wamp.call+json/schema/required":    `["args"]`,
		add + "/get/parameters/0/name":                                                       `"args"`,
		add + "/get/parameters/0/required":                                                   "true",
		add + "/post/x-wamp-untyped":                                                         "nothing",
		add + "/post/responses/200/content/text~1event-stream/schema/$ref":                   `"#/components/schemas/Event"`,
		"/paths/~1call~1com.example.plain/post/x-wamp-untyped":                               "true",
		"/paths/~1call~1com.example.plain/post/requestBody/content/application~1json/schema": "{}",
		"/paths/~1call~1com.example.plain/get":                                               "nothing",
		"/paths/~1call~1com.app.users.{rest}/post/x-wamp-match":                              `"prefix"`,
		"/paths/~1call~1com.app.users.{rest}/parameters/0/name":                              `"rest"`,
		"/paths/~1call~1com.{part2}.delete/post/operationId":                                 `"com..delete.wildcard"`,
		"/paths/~1call~1a%2Fb%7Bc%7D/post/x-wamp-untyped":                                    "true",
		"/paths/~1call~1a%2Fb%7Bc%7D/post/x-wamp-schema-faults/0":                            `"args: the schema at \"/$ref\" refers to something else than a definition of its own, as in #/$defs/name"`,
		"/paths/~1call~1a%2Fb%7Bc%7D/post/responses/200/content/text~1event-stream":          "nothing",
		"/paths/~1call~1a%2Fb%7Bc%7D/post/responses/200/content/image~1png":                  "{}",
		"/paths/~1call~1a%2Fb%7Bc%7D/post/requestBody/content/application~1x-ndjson/schema":  "{}",
		"/security": "[]",
	} {
		if got := at(t, tree, pointer); got != want {
			t.Errorf("%s is %s, want %s", pointer, got, want)
		}
	}
	if bytes.Contains(text, []byte("169.254")) || bytes.Contains(text, []byte("<b>")) {
		t.Error("what a callee may not say is in the document")
	}
}

// TestVersion32 has schemas of items in streams, and QUERY.
func TestVersion32(t *testing.T) {
	t.Parallel()
	_, tree := read(t, config(generate.V32), procedures())
	const add = "/paths/~1call~1com.example.add"
	for pointer, want := range map[string]string{
		"/openapi":                 `"3.2.0"`,
		add + "/query/operationId": `"com.example.add.query"`,
		add + "/post/responses/200/content/text~1event-stream":            `{"itemSchema":{"$ref":"#/components/schemas/Event"}}`,
		"/paths/~1batch/post/requestBody/content/application~1x-ndjson":   `{"itemSchema":{"$ref":"#/components/schemas/BatchCall"}}`,
		"/paths/~1batch/post/responses/200/content/application~1x-ndjson": `{"itemSchema":{"$ref":"#/components/schemas/BatchAnswer"}}`,
		"/paths/~1call~1com.example.plain/query":                          "nothing",
	} {
		if got := at(t, tree, pointer); got != want {
			t.Errorf("%s is %s, want %s", pointer, got, want)
		}
	}
	if _, tree := read(t, config(generate.V31), nil); at(t, tree, "/paths/~1batch/post/requestBody/content/application~1x-ndjson/schema/$ref") != `"#/components/schemas/BatchCall"` {
		t.Error("3.2 has changed what 3.1 is made of")
	}
}

// TestStable makes the same bytes again, and YAML that says the same.
func TestStable(t *testing.T) {
	t.Parallel()
	first, tree := read(t, config(generate.V31), procedures())
	for range 20 {
		if again, _ := read(t, config(generate.V31), procedures()); !bytes.Equal(first, again) {
			t.Fatal("the bytes differ from one time to the next")
		}
	}
	yaml, err := openapi.YAML(first)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi.Load("x.yaml", yaml, openapi.Mapping{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := at(t, doc.Tree(), "/info"), at(t, tree, "/info"); got != want {
		t.Errorf("YAML has %s, JSON %s", got, want)
	}
}

// TestLeftOut has only what the gateway serves, and only components in use.
func TestLeftOut(t *testing.T) {
	t.Parallel()
	c := config(generate.V31)
	c.Routes = func(path string) []string {
		if path == "/healthz" || path == "/calls/{id}" {
			return []string{"GET"}
		}
		return nil
	}
	c.Guarded, c.More = true, true
	_, tree := read(t, c, nil)
	paths, _ := tree["paths"].(map[string]any)
	if len(paths) != 2 || at(t, tree, "/paths/~1calls~1{id}/get/operationId") != `"calls.show"` || at(t, tree, "/paths/~1calls~1{id}/delete") != "nothing" {
		t.Errorf("the paths are %v", paths)
	}
	if at(t, tree, "/components/schemas/BatchCall") != "nothing" || at(t, tree, "/components/securitySchemes/bearer/scheme") != `"bearer"` || at(t, tree, "/info/x-wamp-truncated") != "true" {
		t.Error("the components are not those in use")
	}
	if tags := at(t, tree, "/tags"); !strings.Contains(tags, `"calls"`) || strings.Contains(tags, `"bulk"`) {
		t.Errorf("the tags are %s", tags)
	}
}

// TestKin has the document checked by kin-openapi, and by our own reader.
func TestKin(t *testing.T) {
	t.Parallel()
	for _, version := range []generate.Version{generate.V31, generate.V32} {
		text, _ := read(t, config(version), procedures())
		doc, err := openapi3.NewLoader().LoadFromData(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := doc.Validate(t.Context()); err != nil {
			t.Errorf("version %d: %v", version, err)
		}
	}
	text, _ := read(t, config(generate.V31), procedures())
	if _, err := openapi.Load("x.json", text, openapi.Mapping{}); err != nil {
		t.Error(err)
	}
}

// TestForms says which bodies a procedure takes.
func TestForms(t *testing.T) {
	t.Parallel()
	for schema, want := range map[string]string{
		`{"kwargs":{"type":"object","required":["a"]}}`:                    `{"required":["a"],"type":"object"}`,
		`{"args":{"type":"array","items":{"type":"number"}}}`:              `{"anyOf":[{"items":{"type":"number"},"type":"array"},{"type":"number"},{"type":"object"}]}`,
		`{"args":{"type":"array","items":{"type":"number"},"minItems":2}}`: `{"items":{"type":"number"},"minItems":2,"type":"array"}`,
		`{"args":{"type":"array","maxItems":0}}`:                           `{"anyOf":[{"maxItems":0,"type":"array"},{"type":"object"}]}`,
		`{"args":{"type":"array","items":{"type":"object"},"minItems":1}}`: `{"items":{"type":"object"},"minItems":1,"type":"array"}`,
		`{"args":{"minItems":1},"kwargs":{"required":["a"]}}`:              "nothing",
	} {
		_, tree := read(t, config(generate.V31), []generate.Procedure{{URI: "p", Match: "exact", Invoke: "single", Description: []byte(`{"schema":` + schema + `}`)}})
		if got := at(t, tree, "/paths/~1call~1p/post/requestBody/content/application~1json/schema"); got != want {
			t.Errorf("%s comes to %s, want %s", schema, got, want)
		}
	}
}

// TestPaths lists what fixed.yaml describes.
func TestPaths(t *testing.T) {
	t.Parallel()
	paths, err := generate.Paths()
	if err != nil || !slices.Equal(paths["/calls/{id}"], []string{"delete", "get"}) || len(paths) < 10 {
		t.Errorf("got %v, %v", paths, err)
	}
}
