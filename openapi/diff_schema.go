package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
)

// A comparison is of a schema in two documents.
type comparison struct {
	before, after map[string]any
	request       bool // of what clients send: it must not become narrower; of what they get, not wider
}

// A schemaDiffer compares two schemas.
type schemaDiffer struct {
	*differ
	comparison
	where string
	seen  map[[2]string]bool // pairs of references that have been compared
}

// narrower notes that fewer values are allowed at a place in the value.
func (d *schemaDiffer) narrower(at, format string, args ...any) {
	d.note(d.request, at, format, args...)
}

// wider notes that more values are allowed.
func (d *schemaDiffer) wider(at, format string, args ...any) { d.note(!d.request, at, format, args...) }

func (d *schemaDiffer) note(breaking bool, at, format string, args ...any) {
	where := d.where
	if at != "" {
		where += " " + at
	}
	d.add(breaking, where, format, args...)
}

// compare compares two schemas for the values at a place.
func (d *schemaDiffer) compare(at string, a, b any, depth int) {
	pair := [2]string{reference(a), reference(b)}
	if pair[0] != "" && d.seen[pair] {
		return
	}
	d.seen[pair] = true
	before, openA := d.follow(d.before, a)
	after, openB := d.follow(d.after, b)
	switch {
	case depth > sampleDepth || openA && openB:
		return
	case openA:
		if len(after) > 0 && constrains(after) {
			d.narrower(at, "has a schema now")
		}
		return
	case openB:
		if constrains(before) {
			d.wider(at, "has a schema no longer")
		}
		return
	}
	d.types(at, before, after)
	d.values(at, before, after)
	d.limits(at, before, after)
	d.properties(at, before, after, depth)
	d.compareParts(at, before, after, depth)
	if before["items"] != nil || after["items"] != nil {
		d.compare(at+"/*", orTrue(before, "items"), orTrue(after, "items"), depth+1)
	}
}

// constrains reports whether a schema refuses anything.
func constrains(schema map[string]any) bool {
	for _, key := range []string{"description", "title", "example", "examples", "default", "deprecated", "readOnly", "writeOnly"} {
		if _, ok := schema[key]; ok && len(schema) == 1 {
			return false
		}
	}
	return true
}

func orTrue(schema map[string]any, key string) any {
	if v, ok := schema[key]; ok {
		return v
	}
	return true
}

func reference(schema any) string {
	object, _ := schema.(map[string]any)
	return text(object["$ref"])
}

// follow returns the schema that one refers to; open means that it allows
// everything.
func (d *schemaDiffer) follow(tree map[string]any, schema any) (object map[string]any, open bool) {
	s := Sampler{tree: tree}
	object, ok := s.follow(schema).(map[string]any)
	return object, !ok || len(object) == 0
}

// types compares the types that are allowed.
func (d *schemaDiffer) types(at string, a, b map[string]any) {
	const every = Null | Boolean | Integer | Number | String | Array | Object
	before, after := typesOf(a), typesOf(b)
	if before == 0 {
		before = every
	}
	if after == 0 {
		after = every
	}
	if lost := before &^ after; lost != 0 {
		d.narrower(at, "can be %s no longer", lost)
	}
	if gained := after &^ before; gained != 0 {
		d.wider(at, "can be %s now", gained)
	}
}

// String lists the types.
func (ks Kinds) String() string {
	var names []string
	for i, name := range []string{"null", "boolean", "integer", "number", "string", "array", "object"} {
		if ks.Has(1<<i) && (name != "integer" || !ks.Has(Number)) {
			names = append(names, name)
		}
	}
	return fmt.Sprint(names)
}

// values compares the values that are listed, formats and patterns.
func (d *schemaDiffer) values(at string, a, b map[string]any) {
	before, after := listed(a), listed(b)
	switch {
	case before == nil && after != nil:
		d.narrower(at, "has a list of values now")
	case before != nil && after == nil:
		d.wider(at, "has a list of values no longer")
	}
	if before != nil && after != nil {
		for _, v := range before {
			if !slices.ContainsFunc(after, func(o any) bool { return reflect.DeepEqual(o, v) }) {
				d.narrower(at, "can be %v no longer", v)
			}
		}
		for _, v := range after {
			if !slices.ContainsFunc(before, func(o any) bool { return reflect.DeepEqual(o, v) }) {
				d.wider(at, "can be %v now", v)
			}
		}
	}
	for _, key := range []string{"pattern", "format"} {
		switch old, now := text(a[key]), text(b[key]); {
		case old == now:
		case now == "":
			d.wider(at, "has the %s %s no longer", key, old)
		case old == "":
			d.narrower(at, "has the %s %s now", key, now)
		default:
			d.note(true, at, "has the %s %s now, it was %s", key, now, old)
		}
	}
}

func listed(schema map[string]any) []any {
	if v, ok := schema["const"]; ok {
		return []any{v}
	}
	list, _ := schema["enum"].([]any)
	return list
}

// limits compares the bounds.
func (d *schemaDiffer) limits(at string, a, b map[string]any) {
	for key, upper := range map[string]bool{
		"maximum": true, "exclusiveMaximum": true, "maxLength": true, "maxItems": true, "maxProperties": true,
		"minimum": false, "exclusiveMinimum": false, "minLength": false, "minItems": false, "minProperties": false,
	} {
		before, had := rational(a[key])
		after, has := rational(b[key])
		switch {
		case !had && !has:
		case !had:
			d.narrower(at, "%s is %v now", key, b[key])
		case !has:
			d.wider(at, "%s is no longer %v", key, a[key])
		case before.Cmp(after) == 0:
		case before.Cmp(after) > 0 == upper:
			d.narrower(at, "%s is %v now, it was %v", key, b[key], a[key])
		default:
			d.wider(at, "%s is %v now, it was %v", key, b[key], a[key])
		}
	}
}

// rational returns a number in a schema; false if it is none, or too long.
func rational(v any) (*big.Rat, bool) {
	n, ok := v.(json.Number)
	if !ok || len(n) > 100 {
		return nil, false
	}
	return new(big.Rat).SetString(n.String())
}

// properties compares those of objects.
func (d *schemaDiffer) properties(at string, a, b map[string]any, depth int) {
	before, _ := a["properties"].(map[string]any)
	after, _ := b["properties"].(map[string]any)
	closedA, closedB := a["additionalProperties"] == false, b["additionalProperties"] == false
	for _, name := range slices.Sorted(maps.Keys(before)) {
		below := at + "/" + EscapeToken(name)
		if v, ok := after[name]; ok {
			d.compare(below, before[name], v, depth+1)
			continue
		}
		if closedB || !d.request {
			d.note(true, below, "is gone")
		} else {
			d.note(false, below, "is described no longer")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if _, ok := before[name]; !ok {
			d.note(false, at+"/"+EscapeToken(name), "is new")
		}
	}
	switch {
	case closedB && !closedA:
		d.narrower(at, "takes no further members now")
	case closedA && !closedB:
		d.note(false, at, "takes further members now")
	}
	required, requires := names(a["required"]), names(b["required"])
	for _, name := range requires {
		if !slices.Contains(required, name) {
			d.narrower(at+"/"+EscapeToken(name), "is required now")
		}
	}
	for _, name := range required {
		if !slices.Contains(requires, name) {
			d.wider(at+"/"+EscapeToken(name), "is required no longer")
		}
	}
}

func names(v any) (all []string) {
	list, _ := v.([]any)
	for _, name := range list {
		all = append(all, text(name))
	}
	return all
}

// compareParts compares what a schema is put together from, part by part.
func (d *schemaDiffer) compareParts(at string, a, b map[string]any, depth int) {
	for _, key := range []string{"allOf", "anyOf", "oneOf"} {
		before, _ := a[key].([]any)
		after, _ := b[key].([]any)
		for i := range min(len(before), len(after)) {
			d.compare(at, before[i], after[i], depth+1)
		}
		// Another part of allOf is a further demand, another form one more that
		// may do; but the first form is a demand, too.
		more := len(after) > len(before)
		demands := key == "allOf" || len(before) == 0 || len(after) == 0
		switch {
		case len(before) == len(after):
		case more == demands:
			d.narrower(at, "has %d parts of %s now, it had %d", len(after), key, len(before))
		default:
			d.wider(at, "has %d parts of %s now, it had %d", len(after), key, len(before))
		}
	}
}
