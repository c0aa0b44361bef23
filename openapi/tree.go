package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// The bounds of a document.
const (
	MaxDocument = 32 << 20 // bytes
	maxNodes    = 8 << 20  // values in it, with those that YAML's aliases repeat
	maxDepth    = 1000     // of values in values
)

// A source is the text of a document.
type source struct {
	file string
	data []byte
}

// json reports whether the text is JSON rather than YAML.
func (s source) json() bool {
	text := bytes.TrimLeft(s.data, " \t\r\n\uFEFF")
	return len(text) > 0 && text[0] == '{'
}

// tree reads the text into maps, lists, strings, booleans, nil and
// json.Number. The error is a Fault.
func (s source) tree() (any, *Fault) {
	switch {
	case len(s.data) > MaxDocument:
		return nil, s.fault(0, fmt.Sprintf("the document is larger than %d MiB", MaxDocument>>20))
	case nests(s.data) > maxDepth:
		return nil, s.fault(0, fmt.Sprintf("values are nested deeper than %d", maxDepth))
	case s.json():
		return s.readJSON()
	}
	return s.readYAML()
}

func (s source) fault(line int, text string) *Fault {
	return &Fault{File: s.file, Line: line, Text: text}
}

func (s source) readJSON() (any, *Fault) {
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(s.data, []byte("\uFEFF"))))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		offset := decoder.InputOffset()
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			offset = syntax.Offset
		}
		return nil, s.fault(s.lineAt(offset), "is not JSON: "+strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, s.fault(s.lineAt(decoder.InputOffset()), "is not JSON: something follows the document")
	}
	return tree, nil
}

// lineAt returns the line of a byte.
func (s source) lineAt(offset int64) int {
	return 1 + bytes.Count(s.data[:min(offset, int64(len(s.data)))], []byte{'\n'})
}

// readYAML reads the first document of the text.
func (s source) readYAML() (tree any, fault *Fault) {
	body, fault := s.parseYAML()
	if fault != nil {
		return nil, fault
	}
	r := yamlReader{anchors: map[string]ast.Node{}, left: maxNodes}
	tree, err := r.value(body, 0)
	if err != nil {
		return nil, s.fault(r.line, "is not usable YAML: "+err.Error())
	}
	return tree, nil
}

// parseYAML returns the one document in the text. A panic of the parser, which
// others wrote, is a fault of the text: some inputs are known to cause it.
func (s source) parseYAML() (body ast.Node, fault *Fault) {
	defer func() {
		if recover() != nil {
			body, fault = nil, s.fault(0, "is not YAML that can be read")
		}
	}()
	file, err := parser.ParseBytes(s.data, 0)
	if err != nil {
		line, text := 0, err.Error()
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil {
			line, text = at.GetToken().Position.Line, at.GetMessage()
		}
		return nil, s.fault(line, "is not YAML: "+text)
	}
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if body != nil {
			return nil, s.fault(doc.Body.GetToken().Position.Line, "a second document; a file holds one")
		}
		body = doc.Body
	}
	if body == nil {
		return nil, s.fault(0, "is empty")
	}
	return body, nil
}

// A yamlReader makes a tree of YAML's nodes.
type yamlReader struct {
	anchors map[string]ast.Node
	left    int // values that may still come
	line    int // of the value that is read
}

var (
	errTooMany = errors.New("it comes to too many values")
	errTooDeep = errors.New("values are nested too deep, or an alias holds itself")
)

func (r *yamlReader) value(n ast.Node, depth int) (any, error) {
	if r.left--; r.left < 0 {
		return nil, errTooMany
	}
	if depth > maxDepth {
		return nil, errTooDeep
	}
	if token := n.GetToken(); token != nil {
		r.line = token.Position.Line
	}
	switch n := n.(type) {
	case *ast.AnchorNode:
		r.anchors[n.Name.GetToken().Value] = n.Value
		return r.value(n.Value, depth)
	case *ast.AliasNode:
		target, ok := r.anchors[n.Value.GetToken().Value]
		if !ok {
			return nil, fmt.Errorf("the alias *%s has no anchor", n.Value.GetToken().Value)
		}
		return r.value(target, depth+1)
	case *ast.TagNode:
		return r.value(n.Value, depth)
	case *ast.SequenceNode:
		list := make([]any, len(n.Values))
		for i, v := range n.Values {
			var err error
			if list[i], err = r.value(v, depth+1); err != nil {
				return nil, err
			}
		}
		return list, nil
	case ast.MapNode:
		object := map[string]any{}
		return object, r.members(object, n, depth)
	}
	return r.scalar(n)
}

// members adds those of a map. What "<<" merges does not replace any.
func (r *yamlReader) members(object map[string]any, n ast.MapNode, depth int) error {
	var merged []ast.Node
	for i := n.MapRange(); i.Next(); {
		key := i.Key()
		if key.Type() == ast.MergeKeyType {
			merged = append(merged, i.Value())
			continue
		}
		name := key.GetToken().Value
		if key.Type() == ast.MappingKeyType {
			return fmt.Errorf("a key that is no plain value: %.40s", key.String())
		}
		if _, twice := object[name]; twice {
			r.line = key.GetToken().Position.Line
			return fmt.Errorf("the key %q is there twice", name)
		}
		v, err := r.value(i.Value(), depth+1)
		if err != nil {
			return err
		}
		object[name] = v
	}
	for _, m := range merged {
		v, err := r.value(m, depth+1)
		if err != nil {
			return err
		}
		inherited, _ := v.(map[string]any)
		for name, v := range inherited {
			if _, own := object[name]; !own {
				object[name] = v
			}
		}
	}
	return nil
}

func (r *yamlReader) scalar(n ast.Node) (any, error) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.BoolNode:
		return n.Value, nil
	case *ast.NullNode:
		return nil, nil
	case *ast.IntegerNode:
		return json.Number(fmt.Sprint(n.Value)), nil
	case *ast.FloatNode:
		if text := n.GetToken().Value; json.Valid([]byte(text)) {
			return json.Number(text), nil
		}
		return json.Number(strconv.FormatFloat(n.Value, 'g', -1, 64)), nil
	}
	return nil, fmt.Errorf("%.40s is no value that JSON has", n.String())
}

// nests returns how deep the brackets of a text go, or the list items that
// begin in one line: parsers recurse as deep. Brackets in strings are counted,
// too; no sensible text has that many open.
func nests(data []byte) (deepest int) {
	open, items, leading := 0, 0, true
	for _, c := range data {
		switch c {
		case '\n':
			items, leading = 0, true
			continue
		case '-', '?':
			if leading {
				items++
			}
		case '{', '[':
			open++
		case '}', ']':
			open = max(open-1, 0)
		}
		leading = leading && (c == ' ' || c == '-' || c == '?')
		deepest = max(deepest, open, items)
	}
	return deepest
}
