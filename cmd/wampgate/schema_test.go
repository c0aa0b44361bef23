package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"testing"
)

// TestSchemaKnowsAllKeys: the schema has the settings of serve, and in the
// sections the keys that their reader takes, no more and no less.
func TestSchemaKnowsAllKeys(t *testing.T) {
	t.Parallel()
	got := runWith(soon(t), nil, "config", "schema")
	var s map[string]any
	if err := json.Unmarshal([]byte(got.stdout), &s); err != nil || got.code != exitOK {
		t.Fatalf("config schema: %+v, %v", got, err)
	}
	properties, _ := s["properties"].(map[string]any)
	keys := map[string]bool{}
	collectKeys(s["$defs"], keys)
	described := describedKeys(properties["descriptions"])
	if want := append(descriptionMembers(), "match", "uri"); !slices.Equal(described, slices.Sorted(slices.Values(want))) {
		t.Errorf("keys of descriptions are %q, want %q", described, want)
	}
	delete(properties, "descriptions")
	for _, section := range sections() {
		collectKeys(properties[section], keys)
		delete(properties, section)
	}
	app, err := newParser(&process{}, newSources(nil), &commands{})
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range serveFlags(app.Model) {
		if setting, _ := properties[flag.Name].(map[string]any); setting["description"] == nil {
			t.Errorf("setting %s is missing", flag.Name)
		}
		delete(properties, flag.Name)
	}
	if len(properties) > 0 {
		t.Errorf("there are no settings %v", slices.Sorted(maps.Keys(properties)))
	}
	if want := keysRead(t); !maps.Equal(keys, want) {
		t.Errorf("keys of the sections are %q, want %q", slices.Sorted(maps.Keys(keys)), slices.Sorted(maps.Keys(want)))
	}
}

// describedKeys returns the keys of an item of the section descriptions.
func describedKeys(section any) []string {
	list, _ := section.(map[string]any)
	item, _ := list["items"].(map[string]any)
	properties, _ := item["properties"].(map[string]any)
	return slices.Sorted(maps.Keys(properties))
}

// collectKeys adds the names of all properties of a schema.
func collectKeys(v any, keys map[string]bool) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			collectKeys(item, keys)
		}
	case map[string]any:
		if properties, ok := v["properties"].(map[string]any); ok {
			for name := range properties {
				keys[name] = true
			}
		}
		for _, value := range v {
			collectKeys(value, keys)
		}
	}
}

// keysRead returns the keys of all maps of fields in the source.
func keysRead(t *testing.T) map[string]bool {
	t.Helper()
	keys := map[string]bool{}
	for _, name := range []string{"accessfile.go", "httpaccessfile.go", "importsfile.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			literal, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if m, ok := literal.Type.(*ast.MapType); !ok || m.Value.(*ast.Ident).Name != "field" {
				return true
			}
			for _, e := range literal.Elts {
				text, err := strconv.Unquote(e.(*ast.KeyValueExpr).Key.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				keys[text] = true
			}
			return true
		})
	}
	return keys
}
