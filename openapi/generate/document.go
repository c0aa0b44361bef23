package generate

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/wampgate/wampgate/openapi"
)

// A Version is one of OpenAPI.
type Version uint8

// The versions that documents are written in.
const (
	V31 Version = iota // 3.1.1, where the schema of a stream is that of one event
	V32                // 3.2.0, where streams have an itemSchema, and QUERY is a method
)

// A Config says what a document is of, beside procedures.
type Config struct {
	Version Version
	Realm   string
	Release string // version of the gateway; the document's too
	Server  string // URL below which the paths are; empty means where the document is
	// Routes tells which methods a path of fixed.yaml has; the others are left out.
	Routes func(path string) (methods []string)
	// Guarded says that clients may have to say who they are.
	Guarded bool
	// Persistent says that there are calls that outlive the gateway.
	Persistent bool
	// Compiles reports whether a schema is one, to those who check values with it.
	Compiles func(schema any) bool
	// More says that there are more procedures than a document holds.
	More bool
}

// A Procedure is one that may be called.
type Procedure struct {
	URI, Match, Invoke string
	Safe               bool
	Description        []byte // what the callee tells, a JSON object; nil if it tells nothing
}

//go:embed fixed.yaml
var fixedText []byte

// fixed returns the part of documents that is written by hand. It is shared,
// and must not be changed.
var fixed = sync.OnceValues(func() (map[string]any, error) { //nolint:gochecknoglobals // a constant that takes time to make
	doc, err := openapi.Load("fixed.yaml", fixedText, openapi.Mapping{})
	if err != nil {
		return nil, err
	}
	return doc.Tree(), nil
})

// object is one in JSON.
type object = map[string]any

// JSON returns the document. It fails only if fixed.yaml is broken.
func JSON(c *Config, procedures []Procedure) ([]byte, error) {
	base, err := fixed()
	if err != nil {
		return nil, err
	}
	w := &writer{Config: c, paths: object{}, tags: object{}, schemas: object{}}
	w.fixedPaths(base)
	for i := range procedures {
		w.procedure(&procedures[i])
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(true) // it may end up inside a page
	encoder.SetIndent("", " ")
	if err := encoder.Encode(w.document(base)); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Paths returns those that fixed.yaml describes, with their methods in lower
// case, whether a gateway has them or not.
func Paths() (map[string][]string, error) {
	base, err := fixed()
	if err != nil {
		return nil, err
	}
	all := map[string][]string{}
	for path, item := range member(base, "paths") {
		all[path] = methodsOf(item)
	}
	return all, nil
}

// methodsOf returns the methods of a path, sorted.
func methodsOf(item any) (methods []string) {
	operations, _ := item.(object)
	for _, key := range slices.Sorted(maps.Keys(operations)) {
		if slices.Contains([]string{"get", "post", "put", "delete", "patch"}, key) {
			methods = append(methods, key)
		}
	}
	return methods
}

// member returns an object in an object; an empty one if it is not there.
func member(in object, name string) object {
	m, _ := in[name].(object)
	return m
}

// A writer makes a document.
type writer struct {
	*Config
	paths   object
	tags    object // descriptions, by name
	schemas object // of callees, that refer to themselves
}

// fixedPaths takes over the paths that the gateway has.
func (w *writer) fixedPaths(base object) {
	for path, item := range member(base, "paths") {
		served := w.Routes(path)
		operations, _ := item.(object)
		kept := maps.Clone(operations)
		n := 0
		for _, method := range methodsOf(item) {
			if !slices.Contains(served, strings.ToUpper(method)) {
				delete(kept, method)
				continue
			}
			kept[method] = w.streaming(operations[method])
			n++
		}
		if n > 0 {
			w.paths[path] = kept
		}
	}
}

// streaming returns an operation with the schemas of its streams where the
// version has them.
func (w *writer) streaming(v any) any {
	operation, _ := v.(object)
	if w.Version != V32 {
		return operation
	}
	out := maps.Clone(operation)
	if body := member(operation, "requestBody"); body != nil {
		out["requestBody"] = itemSchemas(body)
	}
	responses := maps.Clone(member(operation, "responses"))
	for status, response := range responses {
		if r, ok := response.(object); ok {
			responses[status] = itemSchemas(r)
		}
	}
	out["responses"] = responses
	return out
}

// itemSchemas renames the schema of media types that hold one value after
// another.
func itemSchemas(in object) object {
	content := member(in, "content")
	if content == nil {
		return in
	}
	changed := object{}
	for media, v := range content {
		described, _ := v.(object)
		if schema := described["schema"]; schema != nil && sequential(media) {
			described = maps.Clone(described)
			delete(described, "schema")
			described["itemSchema"] = schema
		}
		changed[media] = described
	}
	out := maps.Clone(in)
	out["content"] = changed
	return out
}

// sequential reports whether a body of a media type is a stream of values.
func sequential(media string) bool {
	switch media {
	case mediaSSE, mediaNDJSON, "application/jsonl", "application/json-seq":
		return true
	}
	return false
}

// document puts everything together.
func (w *writer) document(base object) *document {
	version := "3.1.1"
	if w.Version == V32 {
		version = "3.2.0"
	}
	components := maps.Clone(member(base, "components"))
	schemas := maps.Clone(member(components, "schemas"))
	maps.Copy(schemas, w.schemas)
	components["schemas"] = schemas
	if w.Version == V32 {
		responses := maps.Clone(member(components, "responses"))
		for name, v := range responses {
			if r, ok := v.(object); ok {
				responses[name] = itemSchemas(r)
			}
		}
		components["responses"] = responses
	}
	info := maps.Clone(member(base, "info"))
	info["version"] = w.Release
	info["title"] = "wampgate, realm " + w.Realm
	if w.More {
		info["x-wamp-truncated"] = true
	}
	server := w.Server
	if server == "" {
		server = "/"
	}
	doc := &document{
		OpenAPI: version, Info: info, Servers: []any{object{"url": server, "description": "This gateway"}},
		Tags: w.tagList(base), Security: []any{}, Paths: w.paths,
	}
	schemes := components["securitySchemes"]
	delete(components, "securitySchemes")
	doc.Components = used(components, w.paths)
	if w.Guarded {
		doc.Security = []any{object{"bearer": []any{}}, object{"basic": []any{}}, object{"key": []any{}}, object{}}
		doc.Components["securitySchemes"] = schemes
	}
	return doc
}

// A document is one, its members in the order in which people read them.
type document struct {
	OpenAPI    string `json:"openapi"`
	Info       object `json:"info"`
	Servers    []any  `json:"servers"`
	Security   []any  `json:"security"`
	Tags       []any  `json:"tags"`
	Paths      object `json:"paths"`
	Components object `json:"components"`
}

// used returns the components that paths refer to, directly or not.
func used(components, paths object) object {
	kept := object{}
	var follow func(v any)
	follow = func(v any) {
		switch v := v.(type) {
		case object:
			if to, ok := v["$ref"].(string); ok {
				kind, name, _ := strings.Cut(strings.TrimPrefix(to, "#/components/"), "/")
				name, _, _ = strings.Cut(name, "/") // a definition in a component
				target := member(components, kind)[name]
				if target == nil || member(kept, kind)[name] != nil {
					return
				}
				if kept[kind] == nil {
					kept[kind] = object{}
				}
				member(kept, kind)[name] = target
				follow(target)
				return
			}
			for _, child := range v {
				follow(child)
			}
		case []any:
			for _, child := range v {
				follow(child)
			}
		}
	}
	follow(paths)
	return kept
}

// tagList returns the tags of the paths that are there.
func (w *writer) tagList(base object) []any {
	known, _ := base["tags"].([]any)
	list := []any{}
	for _, tag := range known {
		if t, ok := tag.(object); ok && w.tagged(t["name"]) {
			list = append(list, tag)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.tags)) {
		list = append(list, object{"name": name, "description": w.tags[name]})
	}
	return list
}

// tagged reports whether a path has an operation with a tag.
func (w *writer) tagged(tag any) bool {
	for _, item := range w.paths {
		operations, _ := item.(object)
		for _, operation := range operations {
			o, _ := operation.(object)
			if tags, ok := o["tags"].([]any); ok && slices.Contains(tags, tag) {
				return true
			}
		}
	}
	return false
}
