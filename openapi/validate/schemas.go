// Package validate checks values against the schemas of OpenAPI documents, and
// says in our words what is wrong with them.
//
// Schemas are compiled once, when a document is taken in. A check then reads no
// body and decodes nothing: it is given a tree of plain values, with numbers as
// they were written.
package validate

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/wampgate/wampgate/openapi"
)

// base is where the document stands for the compiler; nothing is fetched.
const base = "wampgate:///document"

// Schemas compiles the schemas of one document. It is for one goroutine at a
// time; the schemas that it returns are for many.
type Schemas struct {
	requests, answers *jsonschema.Compiler
	tree              map[string]any
	known             map[string]*Schema
}

// New returns the compiler for the schemas of a document.
func New(doc *openapi.Document) *Schemas {
	return &Schemas{tree: doc.Tree(), known: map[string]*Schema{}}
}

// A Schema is one of a document, compiled. A nil Schema allows everything.
type Schema struct{ compiled *jsonschema.Schema }

// Request returns the schema at a JSON pointer as it holds for what clients
// send, who need not send what is read-only.
func (s *Schemas) Request(pointer string) (*Schema, error) {
	if s.requests == nil {
		s.requests = newCompiler(relaxed(s.tree, s.tree, "readOnly"))
	}
	return s.compile(s.requests, "request ", pointer)
}

// Answer returns the schema at a JSON pointer as it holds for what clients are
// sent, who are not told what is write-only.
func (s *Schemas) Answer(pointer string) (*Schema, error) {
	if s.answers == nil {
		s.answers = newCompiler(relaxed(s.tree, s.tree, "writeOnly"))
	}
	return s.compile(s.answers, "answer ", pointer)
}

func (s *Schemas) compile(c *jsonschema.Compiler, use, pointer string) (*Schema, error) {
	if known, ok := s.known[use+pointer]; ok {
		return known, nil
	}
	at := url.URL{Fragment: pointer}
	compiled, err := c.Compile(base + "#" + at.EscapedFragment())
	if err != nil {
		return nil, compileError(err)
	}
	schema := &Schema{compiled}
	s.known[use+pointer] = schema
	return schema, nil
}

// A SchemaError is a schema that cannot be used.
type SchemaError struct {
	Pointer string // of what is wrong with it, in the document
	Detail  string
}

func (e *SchemaError) Error() string { return "the schema cannot be used: it " + e.Detail }

// compileError says what is wrong with a schema.
func compileError(err error) error {
	var invalid *jsonschema.SchemaValidationError
	var why *jsonschema.ValidationError
	if !errors.As(err, &invalid) || !errors.As(invalid.Err, &why) {
		return fmt.Errorf("the schema cannot be used: %w", err)
	}
	all := violations(why, 1)
	_, fragment, _ := strings.Cut(invalid.URL, "#")
	pointer, err := url.PathUnescape(fragment)
	if len(all) == 0 || err != nil {
		return errors.New("the schema cannot be used")
	}
	return &SchemaError{pointer + all[0].Pointer, all[0].Detail}
}

// errElsewhere keeps the compiler from fetching anything.
var errElsewhere = errors.New("it is not in this document")

type nowhere struct{}

// Load implements jsonschema.URLLoader.
func (nowhere) Load(string) (any, error) { return nil, errElsewhere }

func newCompiler(tree any) *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(nowhere{})
	c.UseRegexpEngine(pattern)
	c.AssertFormat()
	for _, f := range formats() {
		c.RegisterFormat(f)
	}
	_ = c.AddResource(base, tree) // fails only for a second one
	return c
}

// pattern compiles a regular expression. Those that Go has no form of, such as
// with a look-ahead, match everything: a document is not refused over what only
// some checkers can check.
func pattern(s string) (jsonschema.Regexp, error) {
	re, err := regexp.Compile(s)
	if err != nil {
		return anything(s), nil //nolint:nilerr // as said above
	}
	return re, nil
}

type anything string

func (anything) MatchString(string) bool { return true }
func (a anything) String() string        { return string(a) }

// formats returns those of OpenAPI, and what takes the place of formats that
// documents use for something else than JSON Schema.
func formats() []*jsonschema.Format {
	all := []*jsonschema.Format{
		{Name: "int32", Validate: integer(32)},
		{Name: "int64", Validate: integer(64)},
		{Name: "byte", Validate: base64Text},
	}
	for _, name := range []string{"time", "duration", "period", "semver", "hostname", "iri", "iri-reference", "uri-template", "json-pointer", "relative-json-pointer"} {
		all = append(all, &jsonschema.Format{Name: name, Validate: func(any) error { return nil }})
	}
	return all
}

func integer(bits int) func(any) error {
	return func(v any) error {
		n, ok := v.(json.Number)
		if !ok {
			return nil
		}
		if _, err := strconv.ParseInt(n.String(), 10, bits); err == nil {
			return nil
		}
		limit := math.Ldexp(1, bits-1)
		if f, err := n.Float64(); err == nil && f == math.Trunc(f) && f >= -limit && f < limit {
			return nil // written with a point or exponent
		}
		return fmt.Errorf("does not fit into %d bits", bits)
	}
}

func base64Text(v any) error {
	s, ok := v.(string)
	if !ok {
		return nil
	}
	_, err := base64.StdEncoding.DecodeString(s)
	return err
}

// relaxed returns v with no property required that is marked: what is read-only
// need not be in a request. Whatever does not change is shared with v, which
// is part of the document root.
func relaxed(root, v any, mark string) any {
	switch at := v.(type) {
	case map[string]any:
		var changed map[string]any
		set := func(key string, value any) {
			if changed == nil {
				changed = make(map[string]any, len(at))
				for k, v := range at {
					changed[k] = v
				}
			}
			changed[key] = value
		}
		for key, child := range at {
			if now := relaxed(root, child, mark); !same(now, child) {
				set(key, now)
			}
		}
		if names, dropped := required(root, at, mark); dropped {
			set("required", names)
		}
		if changed != nil {
			return changed
		}
	case []any:
		var changed []any
		for i, child := range at {
			if now := relaxed(root, child, mark); !same(now, child) {
				if changed == nil {
					changed = append([]any(nil), at...)
				}
				changed[i] = now
			}
		}
		if changed != nil {
			return changed
		}
	}
	return v
}

// same reports whether relaxed returned what it was given.
func same(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && len(a) == len(b) && (len(a) == 0 || sameMap(a, b))
	case []any:
		b, ok := b.([]any)
		return ok && len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
	}
	return true
}

// required returns the names that a schema requires without the marked ones.
func required(root any, schema map[string]any, mark string) (names []any, dropped bool) {
	list, _ := schema["required"].([]any)
	properties, _ := schema["properties"].(map[string]any)
	if list == nil || properties == nil {
		return nil, false
	}
	names = []any{}
	for _, v := range list {
		name, _ := v.(string)
		if marked(root, properties[name], mark) {
			dropped = true
			continue
		}
		names = append(names, v)
	}
	return names, dropped
}

// marked reports whether a property is, or what it refers to.
func marked(root, property any, mark string) bool {
	for range 8 {
		object, _ := property.(map[string]any)
		if is, _ := object[mark].(bool); is {
			return true
		}
		ref, _ := object["$ref"].(string)
		next, ok := openapi.Resolve(root, ref)
		if !ok {
			return false
		}
		property = next
	}
	return false
}
