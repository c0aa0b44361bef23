package openapi

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A Sampler makes values that fit the schemas of a document: examples where
// there are any, and made-up ones otherwise. What it makes of the same schema
// is always the same, and many goroutines may ask for it. Schemas that demand more than it understands, such as
// several patterns at once, may refuse what it makes.
type Sampler struct {
	tree    map[string]any
	request bool // leaves out what is read-only, instead of what is write-only
	minimal bool // leaves out what is not required, and looks at no examples
	left    int  // values that the sample in the making may still have
}

// maxSample is how many values, and parts of schemas, a sample is made of.
const maxSample = 20_000

// begun returns a sampler for one sample.
func (s *Sampler) begun() *Sampler {
	one := *s
	one.left = maxSample
	return &one
}

// NewSampler returns a sampler of what the operations of a document answer.
func NewSampler(doc *Document) *Sampler { return &Sampler{tree: doc.tree} }

// Requests returns a sampler of requests: of what they must hold, and no more.
func (s *Sampler) Requests() *Sampler {
	return &Sampler{tree: s.tree, request: true, minimal: true}
}

// How deep samples go: properties that need not be there are left out below
// the first depth, and below the last one everything is null.
const (
	optionalDepth = 4
	sampleDepth   = 24
)

// Schema returns a value for the schema at a JSON pointer.
func (s *Sampler) Schema(pointer string) any {
	schema, ok := Lookup(s.tree, pointer)
	if !ok {
		return nil
	}
	return s.begun().value(schema, 0)
}

// Content returns a value for the content at a JSON pointer, that is for the
// body of a media type: its example, the first of its examples, or one of its
// schema. It reports false if nothing describes it.
func (s *Sampler) Content(pointer string) (any, bool) {
	v, _ := Lookup(s.tree, pointer)
	content, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	if example, ok := content["example"]; ok {
		return example, true
	}
	examples, _ := content["examples"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(examples)) {
		example, _ := s.follow(examples[name]).(map[string]any)
		if v, ok := example["value"]; ok {
			return v, true
		}
	}
	schema, ok := content["schema"]
	if !ok {
		return nil, false
	}
	return s.begun().value(schema, 0), true
}

// Answer returns what the operation answers when all goes well; false if it
// has nothing to say then. JSON is preferred to other types.
func (s *Sampler) Answer(op *Operation) (any, bool) {
	status, _ := op.Success()
	response, ok := op.Response(status)
	if !ok || len(response.Content) == 0 {
		return nil, false
	}
	i := max(0, slices.IndexFunc(response.Content, func(c Content) bool { return JSONMedia(c.Media) }))
	return s.Content(response.Content[i].Pointer)
}

// follow returns what a schema refers to.
func (s *Sampler) follow(schema any) any {
	for range maxRefs {
		object, _ := schema.(map[string]any)
		ref, ok := object["$ref"].(string)
		if !ok {
			return schema
		}
		if schema, ok = Resolve(s.tree, ref); !ok {
			return nil
		}
	}
	return nil
}

// value makes a value for a schema.
func (s *Sampler) value(schema any, depth int) any {
	object, ok := s.follow(schema).(map[string]any)
	if s.left--; !ok || depth > sampleDepth || s.left < 0 {
		return nil
	}
	object = s.whole(object, depth)
	if v, ok := s.given(object); ok {
		return v
	}
	switch kinds := typesOf(object); {
	case kinds.Has(Object), kinds == 0 && (object["required"] != nil || object["additionalProperties"] != nil):
		return s.object(object, depth)
	case kinds.Has(Array), kinds == 0 && object["items"] != nil:
		return s.list(object, depth)
	case kinds.Has(String):
		return sampleText(object)
	case kinds.Has(Integer | Number):
		return sampleNumber(object, kinds.Has(Integer) && !onlyNumber(object))
	case kinds.Has(Boolean):
		return true
	case kinds.Has(Null):
		return nil
	}
	return sampleText(object)
}

// onlyNumber reports whether a schema names the type number.
func onlyNumber(schema map[string]any) bool {
	list, _ := schema["type"].([]any)
	return schema["type"] == "number" || slices.Contains(list, any("number"))
}

// given returns the value that a schema itself offers.
func (s *Sampler) given(schema map[string]any) (any, bool) {
	if v, ok := schema["const"]; ok {
		return v, true
	}
	if values, ok := schema["enum"].([]any); ok && len(values) > 0 {
		return values[0], true
	}
	if s.minimal {
		return nil, false
	}
	if v, ok := schema["example"]; ok {
		return v, true
	}
	if values, ok := schema["examples"].([]any); ok && len(values) > 0 {
		return values[0], true
	}
	v, ok := schema["default"]
	return v, ok
}

// whole returns a schema with all its parts in one: those of allOf, and the
// first form of anyOf and oneOf.
func (s *Sampler) whole(schema map[string]any, depth int) map[string]any {
	var parts []any
	all, _ := schema["allOf"].([]any)
	parts = append(parts, all...)
	for _, key := range []string{"anyOf", "oneOf"} {
		if forms, ok := schema[key].([]any); ok && len(forms) > 0 {
			parts = append(parts, forms[0])
		}
	}
	if s.left -= len(parts); len(parts) == 0 || depth > sampleDepth || s.left < 0 {
		return schema
	}
	merged := maps.Clone(schema)
	for _, part := range parts {
		if p, ok := s.follow(part).(map[string]any); ok {
			mergeSchema(merged, s.whole(p, depth+1))
		}
	}
	return merged
}

// mergeSchema adds what a part demands to a schema.
func mergeSchema(into, part map[string]any) {
	for key, v := range part {
		before, both := into[key]
		switch {
		case !both:
			into[key] = v
		case key == "properties":
			a, _ := before.(map[string]any)
			b, _ := v.(map[string]any)
			all := map[string]any{}
			maps.Copy(all, a)
			maps.Copy(all, b)
			into[key] = all
		case key == "required":
			a, _ := before.([]any)
			b, _ := v.([]any)
			into[key] = slices.Concat(a, b)
		}
	}
}

func (s *Sampler) object(schema map[string]any, depth int) any {
	value := map[string]any{}
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	hidden := "writeOnly"
	if s.request {
		hidden = "readOnly"
	}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		property, _ := s.follow(properties[name]).(map[string]any)
		must := slices.Contains(required, any(name))
		if truth(property[hidden]) || !must && (s.minimal || depth >= optionalDepth) {
			continue
		}
		value[name] = s.value(properties[name], depth+1)
	}
	for _, v := range required { // those that no property describes
		name := text(v)
		if _, known := properties[name]; !known && name != "" {
			value[name] = s.other(schema, depth)
		}
	}
	for i := 0; len(value) < wholeNumber(schema["minProperties"]) && i < len(properties)+8; i++ {
		if names := slices.Sorted(maps.Keys(properties)); i < len(names) {
			value[names[i]] = s.value(properties[names[i]], depth+1)
		} else {
			value["member"+strconv.Itoa(i)] = s.other(schema, depth)
		}
	}
	return value
}

// other makes a property that a schema has no name for.
func (s *Sampler) other(schema map[string]any, depth int) any {
	if additional, ok := schema["additionalProperties"].(map[string]any); ok {
		return s.value(additional, depth+1)
	}
	return "text"
}

func (s *Sampler) list(schema map[string]any, depth int) any {
	list := []any{}
	least, most := max(wholeNumber(schema["minItems"]), 0), wholeNumber(schema["maxItems"])
	if least == 0 && !s.minimal && depth < optionalDepth && most != 0 {
		least = 1
	}
	prefix, _ := schema["prefixItems"].([]any)
	for i := range min(least, 1000) {
		if i < len(prefix) {
			list = append(list, s.value(prefix[i], depth+1))
			continue
		}
		list = append(list, s.value(schema["items"], depth+1))
	}
	return list
}

// sampleText makes text of a format, or that a pattern matches, or of a length.
func sampleText(schema map[string]any) string {
	formats := map[string]string{
		"date-time": "2026-01-31T12:00:00Z", "date": "2026-01-31", "time": "12:00:00Z", "duration": "PT1H",
		"uuid": "6fa459ea-ee8a-3ca4-894e-db77e160355e", "email": "ada@example.com", "hostname": "www.example.com",
		"uri": "https://example.com/", "url": "https://example.com/", "uri-reference": "/path", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1",
		"byte": base64.StdEncoding.EncodeToString([]byte("bytes")),
	}
	if pattern := text(schema["pattern"]); pattern != "" {
		if s, ok := matching(pattern); ok {
			return s
		}
	}
	s, ok := formats[text(schema["format"])]
	if ok {
		return s
	}
	s = "text"
	if least := wholeNumber(schema["minLength"]); least > len(s) {
		s += strings.Repeat("x", min(least, 1<<16)-len(s))
	}
	if most := wholeNumber(schema["maxLength"]); most >= 0 && most < len(s) {
		s = s[:most]
	}
	return s
}

// matching makes a short text that a regular expression matches.
func matching(pattern string) (string, bool) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", false
	}
	var b strings.Builder
	writeMatch(&b, re.Simplify())
	return b.String(), b.Len() < 1<<16
}

func writeMatch(b *strings.Builder, re *syntax.Regexp) {
	if b.Len() >= 1<<16 {
		return
	}
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		b.WriteRune(pleasant(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('a')
	case syntax.OpCapture, syntax.OpPlus, syntax.OpAlternate:
		writeMatch(b, re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			writeMatch(b, sub)
		}
	case syntax.OpRepeat:
		for range re.Min {
			writeMatch(b, re.Sub[0])
		}
	}
}

// pleasant chooses a character of a class: a letter or digit if it has one.
func pleasant(class []rune) rune {
	for _, want := range "a1A" {
		for i := 0; i+1 < len(class); i += 2 {
			if class[i] <= want && want <= class[i+1] {
				return want
			}
		}
	}
	for i := 0; i+1 < len(class); i += 2 {
		if unicode.IsPrint(class[i]) {
			return class[i]
		}
	}
	if len(class) == 0 {
		return 'a'
	}
	return class[0]
}

// sampleNumber makes a number within bounds.
func sampleNumber(schema map[string]any, whole bool) any {
	v := big.NewRat(1, 1)
	step := big.NewRat(1, 1)
	if of, ok := rational(schema["multipleOf"]); ok && of.Sign() > 0 {
		step = of
		v.Set(of)
	}
	beyond := func(v, least *big.Rat, strict bool) bool { return v.Cmp(least) < 0 || strict && v.Cmp(least) == 0 }
	for key, strict := range map[string]bool{"minimum": false, "exclusiveMinimum": true} {
		if least, ok := rational(schema[key]); ok && beyond(v, least, strict) {
			v = upTo(least, step, strict)
		}
	}
	for key, strict := range map[string]bool{"maximum": false, "exclusiveMaximum": true} {
		most, ok := rational(schema[key])
		if !ok {
			continue
		}
		if v.Neg(v); beyond(v, most.Neg(most), strict) {
			v = upTo(most, step, strict)
		}
		v.Neg(v)
	}
	if v.IsInt() || whole {
		return json.Number(new(big.Int).Div(v.Num(), v.Denom()).String())
	}
	digits, _ := v.FloatPrec()
	return json.Number(v.FloatString(min(digits, 20)))
}

// upTo returns the least multiple of step that is not below least, or above it
// if strict.
func upTo(least, step *big.Rat, strict bool) *big.Rat {
	times := new(big.Rat).Quo(least, step)
	n := new(big.Int).Div(times.Num(), times.Denom()) // rounded down
	v := new(big.Rat).Mul(new(big.Rat).SetInt(n), step)
	for v.Cmp(least) < 0 || strict && v.Cmp(least) == 0 {
		v.Add(v, step)
	}
	return v
}
