package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/openapi"
	"github.com/wampgate/wampgate/openapi/validate"
)

// maxDescriptions is how many procedures and patterns a file may describe.
const maxDescriptions = 10_000

// A descriptionSpec is what the configuration file tells of a procedure, or of
// those that a pattern matches.
type descriptionSpec struct {
	URI     wamp.URI
	Match   wamp.MatchPolicy
	Members map[string]json.RawMessage // as in _http; null takes away what the callee tells
}

// safe returns what the member of that name says; told is false if it is not
// there.
func (s *descriptionSpec) safe() (safe, told bool) {
	text, told := s.Members["safe"]
	return string(text) == "true", told
}

// descriptionMembers are what a description may hold.
func descriptionMembers() []string {
	return []string{"safe", "summary", "cache", "media", "headers", "errors", "respond", "max_body", "deprecated", "sunset", "stream", "schema"}
}

// readDescriptions reads the section descriptions.
func readDescriptions(path string, node ast.Node) ([]descriptionSpec, error) {
	if node == nil {
		return nil, nil
	}
	r := &accessReader{path: path}
	list, ok := node.(*ast.SequenceNode)
	switch {
	case !ok:
		return nil, at(path, node, "descriptions: must be a list")
	case len(list.Values) > maxDescriptions:
		return nil, at(path, node, fmt.Sprintf("descriptions: there are more than %d; describe several procedures with match: prefix", maxDescriptions))
	}
	all := make([]descriptionSpec, 0, len(list.Values))
	for _, item := range list.Values {
		all = append(all, r.description(item))
	}
	return all, errors.Join(append(r.errs, twice(path, list, all)...)...)
}

// twice finds what is described in two places.
func twice(path string, list *ast.SequenceNode, all []descriptionSpec) (errs []error) {
	type place struct {
		uri   wamp.URI
		match wamp.MatchPolicy
	}
	known := make(map[place]int, len(all))
	for i := range all {
		key := place{all[i].URI, all[i].Match}
		if line, ok := known[key]; ok {
			errs = append(errs, at(path, list.Values[i], fmt.Sprintf("descriptions: %s %q is described in line %d, too", key.match, key.uri, line)))
			continue
		}
		known[key] = lineOf(list.Values[i])
	}
	return errs
}

// description reads one of the section's items.
func (r *accessReader) description(item ast.Node) descriptionSpec {
	spec := descriptionSpec{Members: map[string]json.RawMessage{}}
	uri, named := "", false
	fields := map[string]field{"uri": func(node ast.Node) error { named = true; return readText(&uri)(node) }, "match": readChoice(&spec.Match, matchNames()...)}
	for _, name := range descriptionMembers() {
		fields[name] = func(node ast.Node) (err error) {
			spec.Members[name], err = memberOf(name, node)
			return err
		}
	}
	before := len(r.errs)
	r.fields(item, "descriptions", fields)
	if spec.URI = wamp.URI(uri); len(r.errs) > before {
		return spec
	}
	if all := uri == "" && spec.Match == wamp.MatchPrefix; !named || !all && !spec.URI.ValidPattern(spec.Match) {
		r.fault(item, "descriptions: %q is no URI to be matched with %v", shortName(uri), spec.Match)
	}
	if text := spec.fault(); text != "" {
		r.fault(item, "descriptions: %s: %s", uri, text)
	}
	return spec
}

// memberOf returns a member of a description as JSON. Times may be written as
// dates.
func memberOf(name string, node ast.Node) (json.RawMessage, error) {
	var v any
	if err := yaml.NodeToValue(node, &v); err != nil {
		return nil, errors.New("cannot be read")
	}
	if name == "deprecated" || name == "sunset" {
		switch at := v.(type) {
		case bool:
			if at {
				return nil, errors.New("must say since when, such as 2026-11-25: nothing tells when this was written")
			}
		case string:
			when, err := time.Parse(time.DateOnly, at)
			if err != nil {
				when, err = time.Parse(time.RFC3339, at)
			}
			if err != nil {
				return nil, fmt.Errorf("%q is no date such as 2026-11-25, nor a time such as 2026-11-25T12:00:00Z", shortName(at))
			}
			v = when.Unix()
		}
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, errors.New("has no form in JSON")
	}
	return text, nil
}

// fault says what is wrong with a description: what a callee would be refused
// for, and schemas that cannot be used.
func (s *descriptionSpec) fault() string {
	told := map[string]json.RawMessage{}
	for name, text := range s.Members {
		if string(text) != "null" {
			told[name] = text
		}
	}
	text, err := json.Marshal(told)
	if err != nil {
		return err.Error()
	}
	value, err := wamp.JSON.Value(text)
	if err != nil {
		return err.Error()
	}
	dict, _ := value.(wamp.Dict)
	if err := dealer.CheckDescription(dict); err != nil {
		return strings.TrimPrefix(err.Error(), "_http: ")
	}
	var schemas map[string]json.RawMessage
	if told["schema"] != nil {
		if err := json.Unmarshal(told["schema"], &schemas); err != nil {
			return err.Error()
		}
	}
	for _, name := range []string{"args", "kwargs", "result", "progress"} {
		if schemas[name] == nil {
			continue
		}
		tree, err := openapi.ForeignSchema(schemas[name])
		if err == nil {
			_, err = validate.Standalone(tree)
		}
		if err != nil {
			return fmt.Sprintf("schema: %s: %v", name, err)
		}
	}
	return ""
}

// describeDescriptions lists what a file describes, as comments of
// check-config.
func describeDescriptions(specs []descriptionSpec) []string {
	var lines []string
	for i := range specs {
		s := &specs[i]
		what := string(s.URI)
		if s.Match != wamp.MatchExact {
			what = s.Match.String() + ":" + what
		}
		lines = append(lines, fmt.Sprintf("# description of %s: %s", what, strings.Join(slices.Sorted(maps.Keys(s.Members)), ", ")))
	}
	return lines
}
