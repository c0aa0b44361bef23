package openapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/openapi"
)

// TestDiffSchemas compares schemas of a request and of an answer. What is
// narrower breaks requests, what is wider breaks answers.
func TestDiffSchemas(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ before, after, request, answer string }{
		{`{"type":"string"}`, `{"type":"string","description":"text"}`, "", ""},
		{`{"type":"integer"}`, `{"type":"number"}`, "ok can be [number] now", "can be [number] now"},
		{`{"type":["string","null"]}`, `{"type":"string"}`, "can be [null] no longer", "ok can be [null] no longer"},
		{`{"enum":["a","b"]}`, `{"enum":["b","c"]}`, "can be a no longer; ok can be c now", "can be c now; ok can be a no longer"},
		{`{"maximum":10}`, `{"maximum":9}`, "maximum is 9 now, it was 10", "ok maximum is 9 now, it was 10"},
		{`{"minLength":2,"type":"string"}`, `{"type":"string"}`, "ok minLength is no longer 2", "minLength is no longer 2"},
		{`{"type":"string"}`, `{"type":"string","pattern":"^a"}`, "has the pattern ^a now", "ok has the pattern ^a now"},
		{`{"type":"string","format":"date"}`, `{"type":"string","format":"uuid"}`, "has the format uuid now, it was date", "has the format uuid now, it was date"},
		{`{"properties":{"a":{}}}`, `{"properties":{"a":{}},"required":["a"]}`, "/a: is required now", "ok /a: is required now"},
		{`{"properties":{"a":{"type":"string"}},"required":["a"]}`, `{"properties":{"b":{}}}`, "ok /a: is described no longer; ok /a: is required no longer; ok /b: is new", "/a: is gone; /a: is required no longer; ok /b: is new"},
		{`{"properties":{"a":{}}}`, `{"properties":{},"additionalProperties":false,"type":"object"}`, "takes no further members now; /a: is gone", "/a: is gone; ok takes no further members now"},
		{`{"items":{"type":"string"}}`, `{"items":{"type":"boolean"}}`, "/*: can be [string] no longer; ok /*: can be [boolean] now", "/*: can be [boolean] now; ok /*: can be [string] no longer"},
		{`{"oneOf":[{"type":"string"},{"type":"null"}]}`, `{"oneOf":[{"type":"string"}]}`, "has 1 parts of oneOf now, it had 2", "ok has 1 parts of oneOf now, it had 2"},
		{`{"allOf":[{"type":"string"}]}`, `{"allOf":[{"type":"string"},{"minLength":1}]}`, "has 2 parts of allOf now, it had 1", "ok has 2 parts of allOf now, it had 1"},
		{`{}`, `{"type":"string"}`, "has a schema now", "ok has a schema now"},
		{`{"type":"string"}`, `{}`, "ok has a schema no longer", "has a schema no longer"},
		{`{"$ref":"#/components/schemas/A"}`, `{"$ref":"#/components/schemas/A"}`, "", ""},
	} {
		for where, want := range map[string]string{"request body": test.request, "response 200": test.answer} {
			if got := changes(openapi.Diff(withSchema(t, where, test.before), withSchema(t, where, test.after)), where); got != want {
				t.Errorf("%s, %s to %s: %s\nwant %s", where, test.before, test.after, got, want)
			}
		}
	}
}

// withSchema returns a document with a schema in one place.
func withSchema(tb testing.TB, where, schema string) *openapi.Document {
	tb.Helper()
	content := `{"content":{"application/json":{"schema":` + schema + `}}}`
	member := `"requestBody":` + content
	if where != "request body" {
		member = `"responses":{"200":` + content + `}`
	}
	return load(tb, `{"openapi":"3.1.0","paths":{"/a":{"post":{`+member+`}}},"components":{"schemas":{"A":{"properties":{"a":{"$ref":"#/components/schemas/A"}}}}}}`, openapi.Mapping{})
}

// changes writes changes in a line; those that break nothing are ok.
func changes(all []openapi.Change, where string) string {
	var lines []string
	for _, c := range all {
		line := strings.TrimLeft(strings.TrimPrefix(c.String(), "POST /a, "+where), " ")
		line = strings.TrimPrefix(line, ": ")
		if !c.Breaking {
			line = "ok " + line
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}

// TestDiffOperations compares what is around the schemas.
func TestDiffOperations(t *testing.T) {
	t.Parallel()
	document := func(paths string) *openapi.Document {
		return load(t, `{"openapi":"3.1.0","paths":{`+paths+`}}`, openapi.Mapping{})
	}
	for name, test := range map[string]struct {
		before, after string
		want          string
	}{
		"renamed parameter": {`"/a/{b}":{"get":{}}`, `"/a/{c}":{"get":{}}`, "[]"},
		"gone":              {`"/a":{"get":{},"put":{}}`, `"/a":{"put":{}},"/b":{"get":{}}`, "[GET /a: is gone GET /b: is new]"},
		"deprecated":        {`"/a":{"get":{}}`, `"/a":{"get":{"deprecated":true}}`, "[GET /a: is deprecated now]"},
		"parameters": {
			`"/a":{"get":{"parameters":[{"name":"a","in":"query"},{"name":"X-B","in":"header"},{"name":"c","in":"query","style":"form"}]}}`,
			`"/a":{"get":{"parameters":[{"name":"x-b","in":"header","required":true},{"name":"c","in":"query","style":"pipeDelimited"},{"name":"d","in":"query"},{"name":"e","in":"query","required":true}]}}`,
			"[GET /a, header parameter X-B: is required now GET /a, query parameter a: is gone, and refused GET /a, query parameter c: is written in another way GET /a, query parameter e: is new and required GET /a, query parameter d: is new]",
		},
		"bodies": {
			`"/a":{"post":{"requestBody":{"content":{"a/b":{},"c/d":{}}}},"put":{"requestBody":{"content":{}}},"get":{}}`,
			`"/a":{"post":{"requestBody":{"required":true,"content":{"c/*":{}}}},"put":{},"get":{"requestBody":{"required":true,"content":{}}}}`,
			"[GET /a, request body: is new POST /a, request body: a/b is taken no longer POST /a, request body: is required now PUT /a, request body: is gone, and refused]",
		},
		"answers": {
			`"/a":{"get":{"responses":{"200":{"content":{"a/b":{}}},"201":{},"404":{}}}}`,
			`"/a":{"get":{"responses":{"200":{"content":{}}}}}`,
			"[GET /a, response 200: a/b is offered no longer GET /a, response 201: is gone GET /a, response 404: is gone]",
		},
	} {
		if got := fmt.Sprint(openapi.Diff(document(test.before), document(test.after))); got != test.want {
			t.Errorf("%s: %s\nwant %s", name, got, test.want)
		}
	}
}
