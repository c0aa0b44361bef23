package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// A fileValue is what a configuration file gives a setting, as it would stand
// on a command line.
type fileValue struct {
	text string
	line int
}

// parseFile reads a configuration file: one YAML map of settings. Values are
// scalars, or lists of scalars without commas, except for the sections, which
// are returned as they are. The error names path and line.
func parseFile(path string, data []byte) (map[string]fileValue, map[string]ast.Node, error) {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, nil, syntaxError(path, err)
	}
	values, nodes := map[string]fileValue{}, map[string]ast.Node{}
	for i, doc := range file.Docs {
		if i > 0 && doc.Body != nil {
			return nil, nil, at(path, doc.Body, "a second document; settings are one map")
		}
		if err := readMap(path, doc.Body, values, nodes); err != nil {
			return nil, nil, err
		}
	}
	return values, nodes, nil
}

func readMap(path string, body ast.Node, values map[string]fileValue, nodes map[string]ast.Node) error {
	if body == nil || body.Type() == ast.CommentType {
		return nil
	}
	node, ok := body.(ast.MapNode)
	if !ok {
		return at(path, body, "not a map of settings, such as 'listen: 127.0.0.1:8080'")
	}
	for entries := node.MapRange(); entries.Next(); {
		key := entries.Key()
		if name := key.GetToken().Value; slices.Contains(sections(), name) {
			nodes[name] = entries.Value()
			continue
		}
		text, err := valueText(entries.Value())
		if err != nil {
			return at(path, key, fmt.Sprintf("%s: %v", key.GetToken().Value, err))
		}
		values[key.GetToken().Value] = fileValue{text, key.GetToken().Position.Line}
	}
	return nil
}

var errNotPlain = errors.New("must be one value or a list of values")

func valueText(node ast.Node) (string, error) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		return scalarText(node)
	}
	texts := make([]string, len(list.Values))
	for i, v := range list.Values {
		text, err := scalarText(v)
		if err != nil {
			return "", err
		}
		if strings.Contains(text, ",") {
			return "", fmt.Errorf("%q holds a comma", text)
		}
		texts[i] = text
	}
	return strings.Join(texts, ","), nil
}

func scalarText(node ast.Node) (string, error) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return strings.TrimSuffix(n.Value.Value, "\n"), nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, nil
	case *ast.NullNode:
		return "", errors.New("has no value")
	}
	return "", errNotPlain
}

func at(path string, node ast.Node, text string) error {
	return &settingError{fmt.Sprintf("%s:%d", path, node.GetToken().Position.Line), text}
}

func syntaxError(path string, err error) error {
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil {
		return &settingError{fmt.Sprintf("%s:%d", path, e.GetToken().Position.Line), e.GetMessage()}
	}
	return &settingError{path, err.Error()}
}
