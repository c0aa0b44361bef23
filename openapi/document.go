package openapi

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Mapping says how the operations of a document find their procedures,
// where the document itself does not.
type Mapping struct {
	// Procedure is what the URI of an operation without x-wamp-procedure
	// begins with; its operationId follows, with dots for slashes, or else
	// its method and path. Empty leaves such operations out.
	Procedure string
	// WholeBody passes the body of these operations as the keyword argument
	// "body" even if it is an object, whose members are keyword arguments
	// otherwise.
	WholeBody bool
}

// A Document is what was read of an OpenAPI document. It does not change, and
// may be used by many goroutines at once.
type Document struct {
	File, Title, Version string
	OpenAPI              string      // its version, as written
	Operations           []Operation // that have a procedure, by path and method
	Skipped              []Operation // that have none
	Warnings             []Fault     // what is odd, and left as it is

	tree map[string]any // lifted to 3.1
}

// Tree returns the document as plain values, lifted to OpenAPI 3.1, for
// reading alone. Schemas stand in it where their pointers say.
func (d *Document) Tree() map[string]any { return d.tree }

// Trimmed returns the document without its tree, which is most of its memory.
// It is for when all schemas that are needed have been compiled.
func (d *Document) Trimmed() *Document {
	trimmed := *d
	trimmed.tree = nil
	return &trimmed
}

// Load reads a document. file is its name in errors. The error is of type
// Faults and tells all that is wrong.
func Load(file string, text []byte, m Mapping) (*Document, error) {
	s := source{file, text}
	tree, fault := s.tree()
	if fault != nil {
		return nil, Faults{*fault}
	}
	l := &loader{mapping: m, doc: &Document{File: file}}
	l.read(tree)
	if len(l.faults) > 0 {
		for i := range l.faults {
			l.faults[i].File = file
		}
		s.locate(l.faults)
		return nil, l.faults.sorted()
	}
	for i := range l.doc.Warnings {
		l.doc.Warnings[i].File = file
	}
	if len(l.doc.Warnings) > 0 {
		s.locate(l.doc.Warnings)
	}
	return l.doc, nil
}

// Locate sets the lines of faults that were found later in a document's text.
func Locate(text []byte, faults Faults) Faults {
	source{"", text}.locate(faults)
	return faults.sorted()
}

// A loader makes a Document of a tree. It goes on after a fault.
type loader struct {
	mapping Mapping
	doc     *Document
	faults  Faults

	shapes map[string]*Shape // of schemas that were looked at, by pointer
	left   int               // schemas that the shape in the making may still have
}

func (l *loader) fault(pointer, format string, args ...any) {
	l.faults = append(l.faults, Fault{Pointer: pointer, Text: fmt.Sprintf(format, args...)})
}

func (l *loader) warn(pointer, format string, args ...any) {
	l.doc.Warnings = append(l.doc.Warnings, Fault{Pointer: pointer, Text: fmt.Sprintf(format, args...)})
}

// read makes everything of the document.
func (l *loader) read(tree any) {
	root, ok := tree.(map[string]any)
	if !ok {
		l.fault("", "must be an object")
		return
	}
	minor, fault := version(root)
	if fault != "" {
		l.fault("", "%s", fault)
		return
	}
	w := walker{root: root, lift: minor == 0}
	w.walk(root, "")
	l.faults, l.doc.Warnings = append(l.faults, w.faults...), w.warnings
	l.doc.tree, l.shapes = root, map[string]*Shape{}
	l.doc.OpenAPI = text(root["openapi"])
	if info, ok := root["info"].(map[string]any); ok {
		l.doc.Title, l.doc.Version = text(info["title"]), text(info["version"])
	}
	if len(w.faults) > 0 {
		return // what follows relies on references
	}
	paths, ok := node{root, ""}.get("paths")
	if !ok {
		if root["webhooks"] == nil && root["components"] == nil {
			l.fault("", `the member "paths" is missing`)
		}
		return
	}
	for _, item := range l.members(paths) {
		l.pathItem(item)
	}
	byPath := func(a, b Operation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	}
	slices.SortFunc(l.doc.Operations, byPath)
	slices.SortFunc(l.doc.Skipped, byPath)
	l.derivedTwice()
}

// derivedTwice refuses procedures that two operations without x-wamp-procedure
// come to.
func (l *loader) derivedTwice() {
	first := map[string]string{}
	for _, op := range l.doc.Operations {
		if !op.Call.Derived {
			continue
		}
		if before, twice := first[string(op.Call.Procedure)]; twice {
			l.fault(op.Pointer, "comes to the procedure %s, as does %s; give one of them x-wamp-procedure", op.Call.Procedure, before)
		}
		first[string(op.Call.Procedure)] = op.Pointer
	}
}

// A node is a value in a document's tree, and where it stands.
type node struct {
	v  any
	at string // JSON pointer
}

// get returns a member of an object.
func (n node) get(key string) (node, bool) {
	object, ok := n.v.(map[string]any)
	if !ok {
		return node{}, false
	}
	v, ok := object[key]
	return node{v, join(n.at, key)}, ok
}

// A member is one of an object.
type member struct {
	key string
	node
}

// members returns those of an object, by name; none of anything else, which is
// a fault.
func (l *loader) members(n node) []member {
	object, ok := n.v.(map[string]any)
	if !ok {
		l.fault(n.at, "must be an object")
		return nil
	}
	all := make([]member, 0, len(object))
	for key, v := range object {
		if !strings.HasPrefix(key, "x-") {
			all = append(all, member{key, node{v, join(n.at, key)}})
		}
	}
	slices.SortFunc(all, func(a, b member) int { return strings.Compare(a.key, b.key) })
	return all
}

// elements returns those of a list.
func (l *loader) elements(n node) []node {
	list, ok := n.v.([]any)
	if !ok {
		l.fault(n.at, "must be a list")
		return nil
	}
	all := make([]node, len(list))
	for i, v := range list {
		all[i] = node{v, join(n.at, strconv.Itoa(i))}
	}
	return all
}

// maxRefs is how many references in a row are followed.
const maxRefs = 64

// follow returns what n refers to, if it is a reference, and n otherwise.
// References to nothing have been refused; those in a circle come to nothing.
func (l *loader) follow(n node) node {
	for range maxRefs {
		object, ok := n.v.(map[string]any)
		if !ok {
			return n
		}
		ref, ok := object["$ref"].(string)
		if !ok {
			return n
		}
		pointer, _ := localRef(ref)
		v, found := Lookup(l.doc.tree, pointer)
		if !found {
			return node{}
		}
		n = node{v, pointer}
	}
	return node{}
}

// text returns a value that should be a string.
func text(v any) string {
	s, _ := v.(string)
	return s
}

// truth returns a value that should be a boolean.
func truth(v any) bool {
	b, _ := v.(bool)
	return b
}
