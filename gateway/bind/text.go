package bind

import (
	"encoding/json"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/openapi"
)

// scalar reads text as the first of these that its schema allows: a boolean, a
// number, as it is written, null, if there is nothing, and text. Text that is
// none of what is allowed stays text; its schema refuses it.
func scalar(shape *openapi.Shape, text string) (Value, string) {
	if fault := textFault(text); fault != "" {
		return Value{}, fault
	}
	var kinds openapi.Kinds
	if shape != nil {
		kinds = shape.Kinds
	}
	switch {
	case kinds.Has(openapi.Boolean) && (text == "true" || text == "false"):
		return Value{true, text == "true"}, ""
	case kinds.Has(openapi.Integer|openapi.Number) && isNumber(text):
		return Value{true, json.Number(text)}, ""
	case kinds.Has(openapi.Null) && text == "":
		return Value{true, nil}, ""
	}
	return Value{true, text}, ""
}

// isNumber reports whether text is a number as JSON has it.
func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "+-.0123456789eE") == "" && json.Valid([]byte(text))
}

// list reads the elements of a list.
func list(shape *openapi.Shape, raw []string, decode func(string) (string, error)) (Value, string) {
	all := make([]any, len(raw))
	for i := range raw {
		text, err := decode(raw[i])
		if err != nil {
			return Value{}, "has a bad percent escape"
		}
		v, fault := scalar(shape, text)
		if fault != "" {
			return Value{}, fault
		}
		all[i] = v.Any
	}
	return Value{true, all}, ""
}

// object reads the members of an object.
func object(shape *openapi.Shape, raw [][2]string, decode func(string) (string, error)) (Value, string) {
	all := make(map[string]any, len(raw))
	for _, pair := range raw {
		name, err := decode(pair[0])
		text, bad := decode(pair[1])
		if err != nil || bad != nil {
			return Value{}, "has a bad percent escape"
		}
		if fault := textFault(name); fault != "" {
			return Value{}, fault
		}
		of := Property(shape, name)
		v, fault := scalar(of, text)
		if fault != "" {
			return Value{}, fault
		}
		before, again := all[name]
		items, isList := before.([]any)
		switch {
		case isList:
			all[name] = append(items, v.Any)
		case of != nil && of.Kinds.Has(openapi.Array) && !of.Kinds.Has(openapi.String):
			item, _ := scalar(of.Items, text)
			all[name] = []any{item.Any}
		case again:
			return Value{}, "has " + name + " more than once"
		default:
			all[name] = v.Any
		}
	}
	return Value{true, all}, ""
}

// fromJSON reads a parameter that is written as JSON.
func fromJSON(text string) (Value, string) {
	if err := wamp.JSON.ValidStrict([]byte(text)); err != nil {
		return Value{}, "is not valid JSON"
	}
	v, err := Tree([]byte(text))
	if err != nil {
		return Value{}, "is not valid JSON"
	}
	return Value{true, v}, ""
}

// Tree decodes JSON into plain values, with numbers as they are written.
func Tree(raw []byte) (any, error) {
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	var v any
	err := decoder.Decode(&v)
	return v, err
}

// Form makes an object of the fields of a form, each read as its schema has
// it.
func Form(shape *openapi.Shape, fields [][2]string) (map[string]any, string) {
	root := map[string]any{}
	for _, f := range fields {
		path := strings.Split(strings.ReplaceAll(f[0], "]", ""), "[")
		if Property(shape, f[0]) != nil || len(path) == 1 {
			path = []string{f[0]}
		}
		for _, name := range path {
			if fault := textFault(name); fault != "" {
				return nil, "a name in the form " + fault
			}
		}
		if fault := place(root, shape, path, f[1]); fault != "" {
			return nil, "the form " + fault
		}
	}
	return root, ""
}

// Text reads a text as what its schema has it be: JSON where it wants an
// object or a list and the text is that, and otherwise one value.
func Text(shape *openapi.Shape, text string) (any, string) {
	if shape != nil && shape.Kinds.Has(openapi.Object|openapi.Array) && !shape.Kinds.Has(openapi.String) {
		if v, fault := fromJSON(text); fault == "" {
			return v.Any, ""
		}
	}
	v, fault := scalar(shape, text)
	return v.Any, fault
}
