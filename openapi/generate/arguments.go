package generate

import (
	"encoding/json"
	"slices"
	"strconv"
)

// requestBody describes the arguments of a call as a body: a list is the
// positional arguments, an object the keyword arguments, anything else the
// only positional one. What a form leaves out must be allowed to be missing.
func (w *writer) requestBody(d *described) object {
	envelope := object{"type": "object", "additionalProperties": false, "properties": object{"args": argsSchema(d), "kwargs": kwargsSchema(d)}}
	noArgs, noKwargs := w.admitsNone(d.args, "minItems"), w.admitsNone(d.kwargs, "required", "minProperties")
	var required []any
	if !noArgs {
		required = append(required, "args")
	}
	if !noKwargs {
		required = append(required, "kwargs")
	}
	if required != nil {
		envelope["required"] = required
	}
	content := object{mediaCall: object{"schema": envelope}}
	if forms := w.forms(d, noArgs, noKwargs); len(forms) > 0 {
		content[mediaJSON] = object{"schema": oneForm(forms)}
	}
	if d.Stream.In != nil && *d.Stream.In {
		key := "schema"
		if w.Version == V32 {
			key = "itemSchema"
		}
		content[mediaNDJSON] = object{key: oneForm(w.forms(d, true, true))} // an item may leave either out
	}
	return object{"content": content, "required": required != nil, "description": "The arguments"}
}

func argsSchema(d *described) any {
	if d.args != nil {
		return d.args
	}
	return object{"type": "array", "items": object{}}
}

func kwargsSchema(d *described) any {
	if d.kwargs != nil {
		return d.kwargs
	}
	return object{"type": "object"}
}

// forms returns the schemas of the values that a body in JSON may be.
func (w *writer) forms(d *described, noArgs, noKwargs bool) (forms []any) {
	if d.args == nil && d.kwargs == nil {
		return []any{object{}}
	}
	if noKwargs {
		forms = append(forms, argsSchema(d))
		if only := w.onlyArgument(d.args); only != nil {
			forms = append(forms, only)
		}
	}
	if noArgs {
		forms = append(forms, kwargsSchema(d))
	}
	return forms
}

// oneForm returns the schema of what may be one of several.
func oneForm(forms []any) any {
	if len(forms) == 1 {
		return forms[0]
	}
	return object{"anyOf": forms}
}

// onlyArgument returns the schema of a single argument that is no list and no
// object, for those would be taken for all arguments; nil if there cannot be
// one.
func (w *writer) onlyArgument(args any) any {
	scalar := object{"type": []any{"string", "number", "boolean", "null"}}
	schema := w.resolved(args)
	if schema == nil {
		return scalar
	}
	if number(schema["minItems"], 0) > 1 || number(schema["maxItems"], 1) < 1 {
		return nil
	}
	item := schema["items"]
	if positions, ok := schema["prefixItems"].([]any); ok && len(positions) > 0 {
		item = positions[0]
	}
	for _, keyword := range []string{"allOf", "anyOf", "oneOf", "not", "if", "contains", "enum", "const", "unevaluatedItems"} {
		if schema[keyword] != nil {
			return nil // they say something about the list as a whole; lists and objects are enough then
		}
	}
	of, ok := item.(object)
	if !ok || len(of) == 0 {
		return scalar
	}
	if t, ok := of["type"].(string); ok {
		if t == "array" || t == "object" {
			return nil
		}
		return of
	}
	return object{"allOf": []any{scalar, of}}
}

// resolved returns a schema, or the one of the document that it refers to; nil
// if there is none.
func (w *writer) resolved(schema any) object {
	in, _ := schema.(object)
	if to, ok := in["$ref"].(string); ok {
		for name, target := range w.schemas {
			if to == "#/components/schemas/"+name {
				in, _ = target.(object)
			}
		}
	}
	return in
}

// admitsNone reports whether arguments may be missing, by the keywords that
// ask for some.
func (w *writer) admitsNone(schema any, keywords ...string) bool {
	in := w.resolved(schema)
	for _, keyword := range keywords {
		if list, ok := in[keyword].([]any); ok && len(list) > 0 || number(in[keyword], 0) > 0 {
			return false
		}
	}
	return true
}

// number returns a number in a schema.
func number(v any, otherwise float64) float64 {
	n, ok := v.(json.Number)
	if !ok {
		return otherwise
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	if err != nil {
		return otherwise
	}
	return f
}

// queryOf describes the arguments of a call as parameters of a query.
func (w *writer) queryOf(d *described) []any {
	in := func(name, description string, schema any, required bool) any {
		return object{"name": name, "in": "query", "required": required, "description": description, "content": object{mediaJSON: object{"schema": schema}}}
	}
	return slices.Concat(
		[]any{in("args", "The positional arguments", argsSchema(d), !w.admitsNone(d.args, "minItems"))},
		[]any{in("kwargs", "The keyword arguments", kwargsSchema(d), !w.admitsNone(d.kwargs, "required", "minProperties"))},
	)
}
