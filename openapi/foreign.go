package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The bounds of a schema that a peer sent.
const (
	maxForeign       = 64 << 10 // bytes
	maxForeignDepth  = 64       // of values in values
	maxForeignShapes = 2000     // schemas in it, those that are referred to counted each time
)

// ForeignSchema reads a JSON Schema that a peer sent, who is trusted with
// nothing: the document that it gets into is shown in browsers, and values are
// checked with it.
//
// What is returned holds only keywords of JSON Schema 2020-12, texts that no
// renderer takes for markup, and references into itself. A schema that refers
// elsewhere, or to itself in a circle, or that comes to more than 2,000 schemas
// is refused: the time that a check takes has a bound. Positional items are
// written as published documents have them, without "items": false.
func ForeignSchema(text []byte) (any, error) {
	if len(text) > maxForeign {
		return nil, fmt.Errorf("the schema has more than %d bytes", maxForeign)
	}
	if nests(text) > maxForeignDepth {
		return nil, fmt.Errorf("the schema is nested deeper than %d", maxForeignDepth)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, errors.New("the schema is not JSON")
	}
	f := foreign{}
	clean := f.schema(v, "")
	if f.err != nil {
		return nil, f.err
	}
	if _, fault := expanded(clean, clean, nil, 0); fault != "" {
		return nil, errors.New(fault)
	}
	return clean, nil
}

// A foreign is the reading of a schema; it stops at the first fault.
type foreign struct{ err error }

func (f *foreign) fault(at, format string, args ...any) any {
	if f.err == nil {
		f.err = fmt.Errorf("the schema at %q %s", at, fmt.Sprintf(format, args...))
	}
	return nil
}

// The ways in which keywords hold schemas.
const (
	holdsOne = iota + 1
	holdsList
	holdsMap
)

// holding tells how keywords hold schemas.
func holding(keyword string) int {
	switch keyword {
	case "items", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else", "unevaluatedItems", "unevaluatedProperties", "contentSchema":
		return holdsOne
	case "allOf", "anyOf", "oneOf", "prefixItems":
		return holdsList
	case "properties", "patternProperties", "$defs", "dependentSchemas":
		return holdsMap
	}
	return 0
}

// plainKeywords lists those that hold values.
func plainKeywords() []string {
	return []string{
		"type", "enum", "const", "default", "examples", "format", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum",
		"maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains", "maxProperties", "minProperties",
		"required", "dependentRequired", "deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType",
	}
}

// definitions is what references begin with.
const definitions = "#/$defs/"

// schema returns a schema with what is known in it.
func (f *foreign) schema(v any, at string) any {
	if allows, ok := v.(bool); ok {
		if allows {
			return map[string]any{}
		}
		return map[string]any{"not": map[string]any{}}
	}
	in, ok := v.(map[string]any)
	if !ok {
		return f.fault(at, "must be an object, or true or false")
	}
	out := make(map[string]any, len(in))
	for _, keyword := range slices.Sorted(maps.Keys(in)) {
		if value := f.keyword(keyword, in[keyword], join(at, keyword)); value != nil {
			out[keyword] = value
		}
	}
	closeTuple(in, out)
	return out
}

// keyword returns the value of a keyword; nil leaves it out.
func (f *foreign) keyword(keyword string, v any, at string) any {
	switch {
	case keyword == "$ref":
		ref, _ := v.(string)
		if name, local := strings.CutPrefix(ref, definitions); !local || name == "" || strings.ContainsAny(name, "/%") {
			return f.fault(at, "refers to something else than a definition of its own, as in %sname", definitions)
		}
		return ref
	case keyword == "$dynamicRef" || keyword == "$recursiveRef":
		return f.fault(at, "is a reference that is not supported; use $ref")
	case keyword == "title" || keyword == "description":
		s, ok := v.(string)
		if !ok {
			return f.fault(at, "must be a text")
		}
		return Escaped(s)
	case slices.Contains(plainKeywords(), keyword):
		return v
	}
	return f.held(holding(keyword), v, at)
}

// held returns the schemas that a keyword holds; nil if it is not known.
func (f *foreign) held(how int, v any, at string) any {
	switch how {
	case holdsOne:
		return f.schema(v, at)
	case holdsList:
		list, ok := v.([]any)
		if !ok {
			return f.fault(at, "must be a list of schemas")
		}
		all := make([]any, len(list))
		for i := range list {
			all[i] = f.schema(list[i], join(at, strconv.Itoa(i)))
		}
		return all
	case holdsMap:
		object, ok := v.(map[string]any)
		if !ok {
			return f.fault(at, "must be an object of schemas")
		}
		all := make(map[string]any, len(object))
		for _, key := range slices.Sorted(maps.Keys(object)) {
			all[key] = f.schema(object[key], join(at, key))
		}
		return all
	}
	return nil
}

// closeTuple writes a list of positions with a length in place of "items":
// false, which some readers of documents do not take.
func closeTuple(in, out map[string]any) {
	positions, _ := out["prefixItems"].([]any)
	if positions == nil {
		return
	}
	if rest, given := in["items"].(bool); given && !rest {
		if _, given := out["maxItems"]; !given {
			out["maxItems"] = json.Number(strconv.Itoa(len(positions)))
		}
		out["items"] = map[string]any{}
	}
	if out["items"] == nil {
		out["items"] = map[string]any{}
	}
}

// expanded returns how many schemas v comes to when all it refers to is written
// out. open are the references that lead to v.
func expanded(root, v any, open []string, depth int) (n int, fault string) {
	in, ok := v.(map[string]any)
	if !ok || depth > maxForeignDepth {
		return 0, "the schema is nested too deep, with what it refers to"
	}
	n = 1
	for _, keyword := range slices.Sorted(maps.Keys(in)) {
		below, children := open, []any(nil)
		switch ref, isRef := in[keyword].(string); {
		case isRef && keyword == "$ref":
			target, found := Lookup(root, strings.TrimPrefix(ref, "#"))
			if !found {
				return n, fmt.Sprintf("the schema refers to %q, which is not in it", ref)
			}
			if slices.Contains(open, ref) {
				return n, "the schema refers to itself in a circle"
			}
			below, children = append(slices.Clip(open), ref), []any{target}
		case keyword != "$defs": // which are counted where they are referred to
			children = subschemas(keyword, in[keyword])
		}
		for _, child := range children {
			more, fault := expanded(root, child, below, depth+1)
			if n += more; n > maxForeignShapes {
				fault = fmt.Sprintf("the schema comes to more than %d schemas", maxForeignShapes)
			}
			if fault != "" {
				return n, fault
			}
		}
	}
	return n, ""
}

// subschemas returns the schemas in the value of a keyword.
func subschemas(keyword string, v any) (all []any) {
	switch held := v.(type) {
	case []any:
		if holding(keyword) == holdsList {
			return held
		}
	case map[string]any:
		switch holding(keyword) {
		case holdsOne:
			return []any{held}
		case holdsMap:
			for _, key := range slices.Sorted(maps.Keys(held)) {
				all = append(all, held[key])
			}
		}
	}
	return all
}

// Relocated returns a schema, as ForeignSchema makes it, without its
// definitions, and with what to returns for their names in place of references
// to them.
func Relocated(schema any, to func(definition string) (ref string)) any {
	in, ok := schema.(map[string]any)
	if !ok {
		return schema
	}
	out := make(map[string]any, len(in))
	for keyword, v := range in {
		if keyword == "$defs" {
			continue
		}
		out[keyword] = v
		switch held := v.(type) {
		case string:
			if keyword == "$ref" {
				out[keyword] = to(strings.TrimPrefix(held, definitions))
			}
		case []any:
			if holding(keyword) == holdsList {
				list := make([]any, len(held))
				for i := range held {
					list[i] = Relocated(held[i], to)
				}
				out[keyword] = list
			}
		case map[string]any:
			out[keyword] = relocatedIn(keyword, held, to)
		}
	}
	return out
}

// relocatedIn does the same for the object that a keyword has.
func relocatedIn(keyword string, held map[string]any, to func(string) string) map[string]any {
	switch holding(keyword) {
	case holdsOne:
		held, _ = Relocated(held, to).(map[string]any)
	case holdsMap:
		object := make(map[string]any, len(held))
		for key := range held {
			object[key] = Relocated(held[key], to)
		}
		return object
	}
	return held
}

// Escaped returns text such that a renderer of Markdown or HTML shows it as it
// is, in one paragraph: it comes from peers, and people look at it in browsers.
func Escaped(s string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case strings.ContainsRune("\\`*_[]!|~", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			b.WriteByte(' ') // no paragraphs, and no turning of the writing's direction
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
