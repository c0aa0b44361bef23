package openapi

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Kinds is a set of the types that JSON has.
type Kinds uint8

// The types of JSON; an Integer is a Number, too.
const (
	Null Kinds = 1 << iota
	Boolean
	Integer
	Number
	String
	Array
	Object
)

// Has reports whether any of k is in the set.
func (ks Kinds) Has(k Kinds) bool { return ks&k != 0 }

// kindOf returns the set that a type of JSON Schema is.
func kindOf(name string) Kinds {
	switch name {
	case "null":
		return Null
	case "boolean":
		return Boolean
	case "integer":
		return Integer
	case "number":
		return Integer | Number
	case "string":
		return String
	case "array":
		return Array
	case "object":
		return Object
	}
	return 0
}

// A Shape is what of a schema says how text becomes a value: the types it
// allows, taken together from all its parts.
type Shape struct {
	Kinds      Kinds             // 0 if the schema does not say
	Items      *Shape            // of a list; nil if the schema does not say
	Properties map[string]*Shape // of an object, by name
	Open       bool              // an object may have other properties
	Required   []string          // of an object, so far as all its forms have them
}

// How deep shapes go: to the properties of properties, through some parts of
// parts.
const (
	maxShape   = 9
	shapeLevel = 4 // what one level of values counts

	maxShapeParts = 20_000 // schemas that one shape is made of
)

// shape returns that of a schema.
func (l *loader) shape(schema node) *Shape {
	if known, ok := l.shapes[schema.at]; ok {
		return known
	}
	s := &Shape{Open: true}
	l.shapes[schema.at] = s // also for schemas that hold themselves
	l.left = maxShapeParts
	l.collect(s, schema, 0)
	return s
}

// collect adds what a schema says to s.
func (l *loader) collect(s *Shape, schema node, depth int) {
	schema = l.follow(schema)
	object, ok := schema.v.(map[string]any)
	if l.left--; !ok || depth > maxShape || l.left < 0 {
		return
	}
	s.Kinds |= typesOf(object)
	if items, ok := schema.get("items"); ok && s.Items == nil {
		s.Items = &Shape{Open: true}
		l.collect(s.Items, items, depth+shapeLevel)
	}
	if properties, ok := schema.get("properties"); ok {
		l.properties(s, properties, depth)
	}
	if closed, ok := object["additionalProperties"].(bool); ok && !closed {
		s.Open = false
	}
	if names, ok := object["required"].([]any); ok {
		for _, name := range names {
			s.Required = append(s.Required, text(name))
		}
	}
	l.parts(s, schema, object, depth)
}

// parts adds what the parts of a schema say.
func (l *loader) parts(s *Shape, schema node, object map[string]any, depth int) {
	for _, key := range []string{"allOf", "anyOf", "oneOf"} {
		parts, ok := object[key].([]any)
		required := s.Required
		for i, part := range parts {
			l.collect(s, node{part, join(schema.at, key, strconv.Itoa(i))}, depth+1)
		}
		if ok && key != "allOf" {
			s.Required = required // one of the parts need not be the one that holds
		}
	}
}

// typesOf returns the types that a schema allows, as far as it says so itself.
func typesOf(schema map[string]any) (ks Kinds) {
	switch t := schema["type"].(type) {
	case nil:
		return kindsOfValues(schema)
	case string:
		return kindOf(t)
	case []any:
		for _, name := range t {
			ks |= kindOf(text(name))
		}
	}
	return ks
}

// kindsOfValues returns the types of the values that a schema without a type
// allows, if it lists them, or those that its keywords are about.
func kindsOfValues(schema map[string]any) (ks Kinds) {
	values, _ := schema["enum"].([]any)
	if v, ok := schema["const"]; ok {
		values = append(values, v)
	}
	for _, v := range values {
		ks |= kindOfValue(v)
	}
	if schema["properties"] != nil {
		ks |= Object
	}
	return ks
}

func (l *loader) properties(s *Shape, n node, depth int) {
	object, _ := n.v.(map[string]any)
	for name, v := range object {
		if s.Properties == nil {
			s.Properties = map[string]*Shape{}
		}
		property := s.Properties[name]
		if property == nil {
			property = &Shape{Open: true}
			s.Properties[name] = property
		}
		l.collect(property, node{v, join(n.at, name)}, depth+shapeLevel)
	}
}

// kindOfValue returns the types that a value has.
func kindOfValue(v any) Kinds {
	switch v := v.(type) {
	case nil:
		return Null
	case bool:
		return Boolean
	case json.Number:
		if isInteger(v.String()) {
			return Integer | Number
		}
		return Number
	case string:
		return String
	case []any:
		return Array
	}
	return Object
}

// isInteger reports whether a number is written as a whole one.
func isInteger(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}
