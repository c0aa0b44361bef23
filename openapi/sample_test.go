package openapi_test

import (
	"testing"

	"github.com/wampgate/wampgate/openapi"
)

// TestSamples makes values for schemas: of answers, and the least of requests.
func TestSamples(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ schema, answer, request string }{
		{`{"type":"integer","minimum":3}`, `3`, `3`},
		{`{"type":"integer","maximum":-3}`, `-3`, `-3`},
		{`{"type":"integer","exclusiveMinimum":3,"multipleOf":5}`, `5`, `5`},
		{`{"type":"number","exclusiveMaximum":0.5,"multipleOf":0.25}`, `0.25`, `0.25`},
		{`{"type":"number","minimum":1.5}`, `2`, `2`},
		{`{"type":["null","boolean"]}`, `true`, `true`},
		{`{"type":"string","minLength":6}`, `"textxx"`, `"textxx"`},
		{`{"type":"string","maxLength":2}`, `"te"`, `"te"`},
		{`{"type":"string","pattern":"^[^a-z]+-(x|y){2}\\d?$"}`, `"1-xx"`, `"1-xx"`},
		{`{"type":"string","format":"uuid"}`, `"6fa459ea-ee8a-3ca4-894e-db77e160355e"`, `"6fa459ea-ee8a-3ca4-894e-db77e160355e"`},
		{`{"enum":[2,1]}`, `2`, `2`},
		{`{"const":null}`, `null`, `null`},
		{`{"type":"string","example":"Ada"}`, `"Ada"`, `"text"`},
		{`{"type":"string","examples":["Ada"],"default":"Tom"}`, `"Ada"`, `"text"`},
		{`{"type":"array","items":{"type":"boolean"}}`, `[true]`, `[]`},
		{`{"type":"array","minItems":2,"prefixItems":[{"const":1}],"items":{"const":2}}`, `[1,2]`, `[1,2]`},
		{`{"type":"object","required":["a","c"],"properties":{"a":{"const":1},"b":{"const":2}}}`, `{"a":1,"b":2,"c":"text"}`, `{"a":1,"c":"text"}`},
		{`{"type":"object","required":["a","b"],"properties":{"a":{"readOnly":true,"const":1},"b":{"writeOnly":true,"const":2}}}`, `{"a":1}`, `{"b":2}`},
		{`{"type":"object","minProperties":1,"properties":{"a":{"const":1}},"additionalProperties":{"const":3}}`, `{"a":1}`, `{"a":1}`},
		{`{"allOf":[{"required":["a"],"properties":{"a":{"const":1}}},{"required":["b"],"properties":{"b":{"const":2}}}]}`, `{"a":1,"b":2}`, `{"a":1,"b":2}`},
		{`{"oneOf":[{"type":"null"},{"type":"string"}]}`, `null`, `null`},
		{`{"required":["a"],"properties":{"a":{"$ref":"#/components/schemas/Deep"}}}`, `{"a":{"deep":{"deep":{"deep":{}}}}}`, `{"a":{}}`},
	} {
		doc := load(t, `{"openapi":"3.1.0","paths":{},"components":{"schemas":{"A":`+test.schema+`,"Deep":{"properties":{"deep":{"$ref":"#/components/schemas/Deep"}}}}}}`, openapi.Mapping{})
		s := openapi.NewSampler(doc)
		if got := jsonOf(t, s.Schema("/components/schemas/A")); got != test.answer {
			t.Errorf("%s answers %s, want %s", test.schema, got, test.answer)
		}
		if got := jsonOf(t, s.Requests().Schema("/components/schemas/A")); got != test.request {
			t.Errorf("%s is asked with %s, want %s", test.schema, got, test.request)
		}
	}
}
