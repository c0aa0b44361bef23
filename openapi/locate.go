package openapi

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// locate sets the lines of faults. It reads the text anew, which only a
// document with faults costs.
func (s source) locate(faults Faults) {
	if s.json() {
		want := map[string]bool{}
		for _, f := range faults {
			want[f.Pointer] = true
		}
		offsets := map[string]int64{}
		decoder := json.NewDecoder(bytes.NewReader(s.data))
		(&jsonLocator{decoder, want, offsets}).value("")
		for i := range faults {
			if offset, ok := offsets[faults[i].Pointer]; ok {
				faults[i].Line = s.lineAt(offset)
			}
		}
		return
	}
	body, fault := s.parseYAML()
	if fault != nil {
		return
	}
	for i := range faults {
		faults[i].Line = yamlLine(body, faults[i].Pointer)
	}
}

// A jsonLocator finds where the values begin that pointers lead to.
type jsonLocator struct {
	decoder *json.Decoder
	want    map[string]bool
	offsets map[string]int64
}

// value goes through the next value. It reports false at the end.
func (l *jsonLocator) value(pointer string) bool {
	token, err := l.decoder.Token()
	if err != nil {
		return false
	}
	if l.want[pointer] {
		l.offsets[pointer] = l.decoder.InputOffset() - 1
	}
	switch token {
	case json.Delim('{'):
		for l.decoder.More() {
			key, err := l.decoder.Token()
			name, ok := key.(string)
			if err != nil || !ok || !l.value(join(pointer, name)) {
				return false
			}
		}
	case json.Delim('['):
		for i := 0; l.decoder.More(); i++ {
			if !l.value(join(pointer, strconv.Itoa(i))) {
				return false
			}
		}
	default:
		return true
	}
	_, err = l.decoder.Token() // what closes it
	return err == nil
}

// yamlLine returns the line in which the value begins that a pointer leads to,
// or the last value on the way there.
func yamlLine(n ast.Node, pointer string) int {
	path, _ := tokens(pointer)
	line := n.GetToken().Position.Line
	for _, token := range path {
		key, value := yamlChild(n, token)
		if value == nil {
			return line
		}
		n, line = value, key.GetToken().Position.Line
	}
	return line
}

// yamlChild returns the member or element of n with that name, and the node at
// whose line it begins.
func yamlChild(n ast.Node, token string) (key, value ast.Node) {
	switch at := n.(type) {
	case *ast.AnchorNode:
		return yamlChild(at.Value, token)
	case *ast.TagNode:
		return yamlChild(at.Value, token)
	case *ast.SequenceNode:
		for i, v := range at.Values {
			if strconv.Itoa(i) == token {
				return v, v
			}
		}
	case ast.MapNode:
		for i := at.MapRange(); i.Next(); {
			if strings.TrimSpace(i.Key().GetToken().Value) == token {
				return i.Key(), i.Value()
			}
		}
	}
	return nil, nil
}
