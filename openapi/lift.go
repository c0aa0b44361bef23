package openapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A walker goes through a document's tree: it finds references that lead
// nowhere, and lifts schemas of OpenAPI 3.0 to the JSON Schema of 3.1.
type walker struct {
	root             any
	lift             bool
	faults, warnings Faults
}

func (w *walker) fault(pointer, format string, args ...any) {
	w.faults = append(w.faults, Fault{Pointer: pointer, Text: fmt.Sprintf(format, args...)})
}

// data reports whether what is under a key is no part of the description, but
// an example of what it describes, or somebody's extension.
func data(key string) bool {
	switch key {
	case "example", "examples", "default", "enum", "const":
		return true
	}
	return strings.HasPrefix(key, "x-")
}

// walk goes through what is no schema.
func (w *walker) walk(v any, pointer string) {
	switch at := v.(type) {
	case map[string]any:
		w.reference(at, pointer)
		for key, child := range at {
			below := join(pointer, key)
			switch {
			case data(key):
			case key == "schema":
				at[key] = w.schema(child, below)
			case below == "/components/schemas":
				w.each(child, below)
			default:
				w.walk(child, below)
			}
		}
	case []any:
		for i, child := range at {
			w.walk(child, join(pointer, strconv.Itoa(i)))
		}
	}
}

// each goes through the members or elements of v, which are schemas.
func (w *walker) each(v any, pointer string) {
	switch at := v.(type) {
	case map[string]any:
		for key, child := range at {
			at[key] = w.schema(child, join(pointer, key))
		}
	case []any:
		for i, child := range at {
			at[i] = w.schema(child, join(pointer, strconv.Itoa(i)))
		}
	}
}

// schema goes through a schema and returns what stands for it in 3.1.
func (w *walker) schema(v any, pointer string) any {
	at, ok := v.(map[string]any)
	if _, boolean := v.(bool); boolean {
		return v
	}
	if !ok {
		w.warnings = append(w.warnings, Fault{Pointer: pointer, Text: "a schema is an object; this allows everything"})
		return true
	}
	w.reference(at, pointer)
	for key, child := range at {
		below := join(pointer, key)
		_, list := child.([]any)
		switch how := holding(key); {
		case how == holdsList, how == holdsMap, key == "definitions", key == "items" && list: // the latter two of older drafts
			w.each(child, below)
		case how == holdsOne, key == "additionalItems":
			at[key] = w.schema(child, below)
		}
	}
	if w.lift {
		return lifted(at)
	}
	return at
}

// reference checks the reference that an object is, if it is one.
func (w *walker) reference(at map[string]any, pointer string) {
	ref, ok := at["$ref"].(string)
	if !ok {
		return
	}
	target, local := localRef(ref)
	if !local {
		w.fault(pointer, "refers to %.80q, which is not in this document; bundle the document first", ref)
		return
	}
	if _, found := Lookup(w.root, target); !found {
		w.fault(pointer, "refers to %.80q, and nothing is there", ref)
	}
}

// lifted returns a schema of 3.0 as 3.1 has it: null is a type, exclusive
// bounds are numbers, and a reference stands alone.
func lifted(at map[string]any) any {
	if ref, ok := at["$ref"].(string); ok {
		return map[string]any{"$ref": ref}
	}
	for _, bound := range [][2]string{{"exclusiveMinimum", "minimum"}, {"exclusiveMaximum", "maximum"}} {
		exclusive, ok := at[bound[0]].(bool)
		if !ok {
			continue
		}
		delete(at, bound[0])
		if limit, given := at[bound[1]]; given && exclusive {
			at[bound[0]] = limit
			delete(at, bound[1])
		}
	}
	nullable, ok := at["nullable"].(bool)
	delete(at, "nullable")
	if !ok || !nullable {
		return at
	}
	return withNull(at)
}

// withNull lets a schema be null, too.
func withNull(at map[string]any) any {
	if list, ok := at["enum"].([]any); ok && !slices.Contains(list, nil) {
		at["enum"] = append(slices.Clone(list), nil)
	}
	if name, ok := at["type"].(string); ok {
		at["type"] = []any{name, "null"}
		return at
	}
	for _, key := range []string{"allOf", "anyOf", "oneOf"} {
		if _, ok := at[key]; ok {
			return map[string]any{"anyOf": []any{at, map[string]any{"type": "null"}}}
		}
	}
	return at
}

// version returns what follows "3." in the version of OpenAPI, cut to 0 or 1.
func version(root map[string]any) (minor int, fault string) {
	text, ok := root["openapi"].(string)
	if n, isNumber := root["openapi"].(json.Number); isNumber {
		text, ok = n.String(), true
	}
	switch {
	case ok && strings.HasPrefix(text, "3.0"):
		return 0, ""
	case ok && (strings.HasPrefix(text, "3.1") || strings.HasPrefix(text, "3.2")):
		return 1, ""
	case root["swagger"] != nil:
		return 0, "is a Swagger 2.0 document; convert it to OpenAPI 3 first"
	case !ok:
		return 0, `is no OpenAPI document: the member "openapi" is missing, such as "openapi": "3.1.0"`
	}
	return 0, fmt.Sprintf("is of OpenAPI %.20q; versions 3.0 and 3.1 can be read", text)
}
