package openapi_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/openapi"
)

// TestForeignSchema reads what peers send as schemas: what is good comes back
// as it may be published, the rest is refused with a reason.
func TestForeignSchema(t *testing.T) {
	t.Parallel()
	doubling := `{"$ref":"#/$defs/d0","$defs":{"d20":{}`
	for i := range 20 {
		doubling += `,"d` + strconv.Itoa(i) + `":{"allOf":[{"$ref":"#/$defs/d` + strconv.Itoa(i+1) + `"},{"$ref":"#/$defs/d` + strconv.Itoa(i+1) + `"}]}`
	}
	doubling += "}}"
	for name, test := range map[string]struct{ schema, want string }{
		"true":       {`true`, `{}`},
		"false":      {`false`, `{"not":{}}`},
		"number":     {`{"type":"integer","minimum":9007199254740993}`, `{"minimum":9007199254740993,"type":"integer"}`},
		"tuple":      {`{"prefixItems":[{"type":"string"}],"items":false}`, `{"items":{},"maxItems":1,"prefixItems":[{"type":"string"}]}`},
		"open tuple": {`{"prefixItems":[{}]}`, `{"items":{},"prefixItems":[{}]}`},
		"markup":     {`{"description":"<script>x</script> [a](javascript:b)\n# c"}`, `{"description":"\u0026lt;script\u0026gt;x\u0026lt;/script\u0026gt; \\[a\\](javascript:b) # c"}`},
		"unknown":    {`{"$schema":"http://json-schema.org/draft-03/schema","$id":"http://there/","x-y":1,"externalDocs":{"url":"http://there"}}`, `{}`},
		"own names":  {`{"properties":{"$ref":{"type":"string"},"enum":{"$ref":"#/$defs/a"}},"$defs":{"a":{}}}`, `{"$defs":{"a":{}},"properties":{"$ref":{"type":"string"},"enum":{"$ref":"#/$defs/a"}}}`},
		"network":    {`{"$ref":"https://there/schema.json"}`, `refers to something else than a definition of its own`},
		"file":       {`{"properties":{"a":{"$ref":"other.json#/a"}}}`, `"/properties/a/$ref" refers to something else`},
		"detour":     {`{"$ref":"#/default","default":{"$ref":"http://there"}}`, `refers to something else`},
		"dynamic":    {`{"$dynamicRef":"#a"}`, `is a reference that is not supported`},
		"circle":     {`{"$ref":"#/$defs/a","$defs":{"a":{"properties":{"b":{"$ref":"#/$defs/a"}}}}}`, `refers to itself in a circle`},
		"nowhere":    {`{"$ref":"#/$defs/a"}`, `which is not in it`},
		"doubling":   {doubling, `comes to more than 2000 schemas`},
		"deep":       {strings.Repeat(`{"not":`, 70) + "{}" + strings.Repeat("}", 70), `nested deeper than 64`},
		"large":      {`{"description":"` + strings.Repeat("x", 70<<10) + `"}`, `more than 65536 bytes`},
		"no schema":  {`[]`, `must be an object, or true or false`},
		"bad list":   {`{"allOf":{}}`, `must be a list of schemas`},
		"bad map":    {`{"properties":[]}`, `must be an object of schemas`},
		"bad title":  {`{"title":1}`, `must be a text`},
		"no JSON":    {`{`, `is not JSON`},
	} {
		got, err := openapi.ForeignSchema([]byte(test.schema))
		if err != nil {
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want %s", name, err, test.want)
			}
			continue
		}
		if text, err := json.Marshal(got); err != nil || string(text) != test.want {
			t.Errorf("%s: %s %v, want %s", name, text, err, test.want)
		}
	}
}

// TestRelocated takes references along, and nothing else that looks like one.
func TestRelocated(t *testing.T) {
	t.Parallel()
	schema, err := openapi.ForeignSchema([]byte(`{"items":{"$ref":"#/$defs/a"},"anyOf":[{"$ref":"#/$defs/a"}],"properties":{"enum":{"$ref":"#/$defs/a"}},"const":{"$ref":"#/x"},"$defs":{"a":{"type":"string"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(openapi.Relocated(schema, func(name string) string { return "#/there/" + name }))
	const ref = `{"$ref":"#/there/a"}`
	if want := `{"anyOf":[` + ref + `],"const":{"$ref":"#/x"},"items":` + ref + `,"properties":{"enum":` + ref + `}}`; err != nil || string(text) != want {
		t.Errorf("got %s, %v\nwant %s", text, err, want)
	}
}
