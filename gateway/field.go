package gateway

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
	"github.com/wampgate/wampgate/openapi"
)

// A fieldType is what the schema of a procedure wants a form field to be, or a
// kw.name of a query, which are text by themselves.
type fieldType struct {
	name string // integer, number, boolean, null, object or array; empty is text
	item string // of an array: the same of its items
}

// fieldTypes reads the types of the properties of a JSON Schema, those that are
// no text. Schemas that say it in another way than by "type" leave text.
func fieldTypes(schema json.RawMessage) map[string]fieldType {
	var object struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if json.Unmarshal(schema, &object) != nil {
		return nil
	}
	var types map[string]fieldType
	for name, raw := range object.Properties {
		t := fieldType{name: typeName(raw)}
		if t.name == "" {
			continue
		}
		if t.name == "array" {
			var list struct {
				Items json.RawMessage `json:"items"`
			}
			_ = json.Unmarshal(raw, &list) // it was valid before
			t.item = typeName(list.Items)
		}
		if types == nil {
			types = make(map[string]fieldType)
		}
		types[name] = t
	}
	return types
}

// typeName returns the type that a schema names, empty if that is text, may be
// text, or is not said.
func typeName(schema json.RawMessage) string {
	var object struct {
		Type any `json:"type"`
	}
	if json.Unmarshal(schema, &object) != nil {
		return ""
	}
	switch t := object.Type.(type) {
	case string:
		if t != "string" {
			return t
		}
	case []any:
		if first, ok := t[:min(1, len(t))], len(t) > 0; ok && !slices.Contains(t, any("string")) {
			name, _ := first[0].(string)
			return name
		}
	}
	return ""
}

// convert returns the text of the named field in JSON, as the schema wants it;
// nil where it is to stay text. The error is a problem.
func convert(types map[string]fieldType, name, value string) ([]byte, error) {
	t := types[name]
	if t.name == "array" {
		t.name = t.item // a field is one of the items
	}
	if t.name == "" {
		return nil, nil
	}
	text := []byte(strings.TrimSpace(value))
	if wamp.JSON.ValidStrict(text) == nil && isType(t.name, text) {
		return text, nil
	}
	p := badBody(fmt.Sprintf("the field %s must be of type %s", quoteShort(name), t.name))
	p.Errors = []problem.Violation{{Pointer: "/kwargs/" + openapi.EscapeToken(name), Detail: "must be of type " + t.name}}
	return nil, p
}

// isType reports whether valid JSON is of a type of JSON Schema.
func isType(name string, text []byte) bool {
	kind := wamp.JSON.Kind(text)
	switch name {
	case "integer":
		n, ok := new(big.Rat).SetString(string(text[:min(len(text), maxNumber)]))
		return ok && len(text) < maxNumber && n.IsInt() && !strings.ContainsAny(string(text), "eE")
	case "number":
		return text[0] == '-' || text[0] >= '0' && text[0] <= '9'
	case "boolean":
		return string(text) == "true" || string(text) == "false"
	case "null":
		return string(text) == "null"
	case "object":
		return kind == wamp.KindMap
	case "array":
		return kind == wamp.KindList
	}
	return false
}

// maxNumber is how many characters a number in a form may have.
const maxNumber = 64
