package validate_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/openapi"
	"github.com/wampgate/wampgate/openapi/validate"
)

// schemas returns a compiler for a document with these schemas.
func schemas(tb testing.TB, version, text string) *validate.Schemas {
	tb.Helper()
	doc, err := openapi.Load("doc", fmt.Appendf(nil, `{"openapi":%q,"paths":{},"components":{"schemas":%s}}`, version, text), openapi.Mapping{})
	if err != nil {
		tb.Fatal(err)
	}
	return validate.New(doc)
}

// plain decodes JSON, with numbers as they are written.
func plain(tb testing.TB, text string) any {
	tb.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		tb.Fatalf("%v: %s", err, text)
	}
	return v
}

// TestCheck holds values against schemas; what is wrong is said in our words.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ version, schema, value, want string }{
		{"3.1.0", `{"type":"integer"}`, `9007199254740993`, ""},
		{"3.1.0", `{"type":"integer"}`, `1.0`, ""},
		{"3.1.0", `{"const":9007199254740993}`, `9007199254740992`, " must be 9007199254740993"},
		{"3.1.0", `{"type":"integer"}`, `"a"`, " must be an integer, not a string"},
		{"3.1.0", `{"type":["object","array","null"]}`, `true`, " must be null or a list or an object, not true or false"},
		{"3.0.0", `{"type":"string","nullable":true}`, `null`, ""},
		{"3.0.0", `{"minimum":1,"exclusiveMinimum":true}`, `1`, " must be more than 1"},
		{"3.1.0", `{"maximum":0.5}`, `0.75`, " must be at most 0.5"},
		{"3.1.0", `{"multipleOf":0.01}`, `0.015`, " must be a multiple of 0.01"},
		{"3.1.0", `{"enum":["a",1,null]}`, `2`, ` must be one of "a", 1, null`},
		{"3.1.0", `{"minLength":1}`, `""`, " must have at least 1 character"},
		{"3.1.0", `{"maxItems":1}`, `[1,2]`, " must hold at most 1 element"},
		{"3.1.0", `{"uniqueItems":true}`, `[1,2,1.0]`, " must not hold a value twice, as at 0 and 2"},
		{"3.1.0", `{"minProperties":2}`, `{}`, " must have at least 2 members"},
		{"3.1.0", `{"required":["a/b","~"]}`, `{}`, "/a~1b is missing\n/~0 is missing"},
		{"3.1.0", `{"properties":{"a":{"items":{"type":"null"}}}}`, `{"a":[null,0]}`, "/a/1 must be null, not a number"},
		{"3.1.0", `{"properties":{"a":{}},"additionalProperties":false}`, `{"b":1}`, "/b is not known here"},
		{"3.1.0", `{"dependentRequired":{"a":["b"]}}`, `{"a":1}`, `/b is missing, which "a" needs`},
		{"3.1.0", `{"prefixItems":[{"type":"integer"}],"items":false}`, `[1,2]`, "/1 must not be there"},
		{"3.1.0", `{"not":{"type":"string"}}`, `""`, " has a form that it must not have"},
		{"3.1.0", `{"pattern":"^a"}`, `"b"`, " must match the pattern ^a"},
		{"3.1.0", `{"pattern":"^(?!a)"}`, `"a"`, ""}, // Go has no look-ahead
		{"3.1.0", `{"format":"date-time"}`, `"yesterday"`, " must be a time such as 2026-01-31T12:00:00Z"},
		{"3.1.0", `{"format":"int32"}`, `2147483648`, " must be an integer of 32 bits"},
		{"3.1.0", `{"format":"int64"}`, `9.0`, ""},
		{"3.1.0", `{"format":"byte"}`, `"?"`, " must be base64"},
		{"3.1.0", `{"format":"hostname"}`, `"?"`, ""},
		{"3.1.0", `{"oneOf":[{"type":"string"},{"type":"object","required":["a"]}]}`, `{}`, "/a is missing"},
		{"3.1.0", `{"anyOf":[{"type":"string"},{"type":"boolean"}]}`, `1`, " has none of the forms that it may have"},
		{"3.1.0", `{"oneOf":[{"minimum":1},{"minimum":2}]}`, `3`, " fits more than one of the forms of which it must have one"},
		{"3.1.0", `{"$ref":"#/components/schemas/Other"}`, `0`, " must be a string, not a number"},
		{"3.1.0", `{"properties":{"a":{"$ref":"#/components/schemas/A"}},"type":"object"}`, `{"a":{"a":1}}`, "/a/a must be an object, not a number"},
		{"3.1.0", `{}`, `[1e1001]`, "/0 is a number with more than 4000 digits, or an exponent above 1000"},
	} {
		s, err := schemas(t, test.version, `{"A":`+test.schema+`,"Other":{"type":"string"}}`).Request("/components/schemas/A")
		if err != nil {
			t.Errorf("%s: %v", test.schema, err)
			continue
		}
		var got []string
		for _, v := range s.Check(plain(t, test.value)) {
			got = append(got, v.Pointer+" "+v.Detail)
		}
		if strings.Join(got, "\n") != test.want {
			t.Errorf("%s %s: %q, want %q", test.schema, test.value, strings.Join(got, "\n"), test.want)
		}
	}
	if v := (*validate.Schema)(nil).Check(1); v != nil {
		t.Errorf("no schema: %v", v)
	}
}

// TestCheckMany tells at most 20 faults.
func TestCheckMany(t *testing.T) {
	t.Parallel()
	s, err := schemas(t, "3.1.0", `{"A":{"items":{"type":"string"}}}`).Request("/components/schemas/A")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.Check(plain(t, "["+strings.Repeat("1,", 50)+"1]"))); n != 20 {
		t.Errorf("%d faults, want 20", n)
	}
}

// TestReadOnly requires of requests and of answers what either can have.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	c := schemas(t, "3.0.0", `{"A":{"required":["id","name","secret"],"properties":{"id":{"$ref":"#/components/schemas/ID"},"name":{},"secret":{"writeOnly":true}}},"ID":{"readOnly":true}}`)
	request, err := c.Request("/components/schemas/A")
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Answer("/components/schemas/A")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(request.Check(plain(t, `{}`))); got != "[{/name  is missing} {/secret  is missing}]" {
		t.Errorf("a request: %s", got)
	}
	if got := fmt.Sprint(answer.Check(plain(t, `{}`))); got != "[{/id  is missing} {/name  is missing}]" {
		t.Errorf("an answer: %s", got)
	}
}

// TestCompile tells of all schemas that cannot be used, where they are wrong.
func TestCompile(t *testing.T) {
	t.Parallel()
	text := []byte(`openapi: 3.1.0
paths:
  /a:
    get:
      parameters: [{name: a, in: query, schema: {type: strin}}]
      requestBody: {content: {application/json: {schema: {properties: {b: {minimum: x}}}}}}
      responses: {"200": {content: {application/json: {schema: {required: yes}}}}}
`)
	doc, err := openapi.Load("doc", text, openapi.Mapping{Procedure: "p"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = validate.Compile(doc, true)
	var faults openapi.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("%v", err)
	}
	got := openapi.Locate(text, faults).Error()
	for _, want := range []string{
		"doc:5 /paths/~1a/get/parameters/0/schema/type: the schema cannot be used: it must be one of",
		"doc:6 /paths/~1a/get/requestBody/content/application~1json/schema/properties/b/minimum: the schema cannot be used: it must be a number, not a string",
		"doc:7 /paths/~1a/get/responses/200/content/application~1json/schema/required: the schema cannot be used: it must be a list, not a string",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	if _, err := validate.Compile(doc, false); strings.Contains(fmt.Sprint(err), "responses") {
		t.Errorf("answers were not wanted: %v", err)
	}
}
