package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compiledSchema compiles the schema that "config schema" prints, which checks
// it against the metaschema.
func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	got := runWith(soon(t), nil, "config", "schema")
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(got.stdout))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("wampgate.json", document); err != nil {
		t.Fatal(err)
	}
	s, err := compiler.Compile("wampgate.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// verdict validates a configuration file.
func verdict(t *testing.T, s *jsonschema.Schema, file string) error {
	t.Helper()
	var value any
	if err := yaml.Unmarshal([]byte(file), &value); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(document)
}

// TestSchemaAgrees has a JSON Schema validator and the reader judge the same
// files: what is valid for one is for the other.
func TestSchemaAgrees(t *testing.T) {
	t.Parallel()
	s := compiledSchema(t)
	const sum = "a41380dafd06dd500955d37194e14235ccf8f254e9fa0888f4c2aade0a4b308d"
	const roles = "anonymous: true\nroles:\n  anonymous: {permissions: []}\n  user: {permissions: []}\n"
	person := func(lines string) string { return roles + "principals:\n  ada: {role: user, " + lines + "}\n" }
	described := func(lines string) string {
		return "anonymous: true\ndescriptions:\n  - {uri: com.example.a, " + lines + "}\n"
	}
	permission := func(lines string) string {
		return "anonymous: true\nroles:\n  anonymous:\n    permissions:\n      - {uri: com.example.a, " + lines + "}\n"
	}
	for file, valid := range map[string]bool{
		"anonymous: true\n": true,
		"anonymous: true\nmax-body: 2MiB\ncall-timeout: 10s\n":  true,
		"anonymous: true\nmax-body: 2048\nrate: 1.5\n":          true,
		"anonymous: true\nrealm: [a, b]\ncompat: strict\n":      true,
		"anonymous: true\nadmin-keys: ['sha256:" + sum + "']\n": true,
		roles:                                           true,
		person("api-keys: [" + sum + "]"):               true,
		person("api-keys: " + sum):                      true,
		person("ticket: {env: SHOP}"):                   true,
		person("cryptosign: [" + sum + "]"):             true,
		person("realms: [realm1]"):                      true,
		permission("allow: call"):                       true,
		permission("allow: [call, meta], match: exact"): true,
		permission("allow: call, max-timeout: 5m, trust-levels: [best_effort], disclose: always"): true,

		described("safe: true, cache: 60, errors: {com.example: 422}, stream: {in: false}"): true,
		described("match: prefix, sunset: 2027-01-01, deprecated: 1688169599, media: ~"):    true,
		described("schema: {args: {type: array, maxItems: 2}, kwargs: true}"):               true,

		described("safe: yes please"):                     false,
		described("cache: 0"):                             false,
		described("errors: {com.example: 200}"):           false,
		described("deprecated: true"):                     false,
		described("sunset: soon"):                         false,
		described("sefa: true"):                           false,
		described("stream: {both: true}"):                 false,
		described("schema: {arguments: true}"):            false,
		"anonymous: true\ndescriptions: {}\n":             false,
		"anonymous: true\ndescriptions: [{safe: true}]\n": false,
		"anonymous: true\nmax-body: 2 megabytes\n":        false,
		"anonymous: true\ncall-timeout: soon\n":           false,
		"anonymous: true\ncompat: loose\n":                false,
		"anonymous: true\nno-such-setting: 1\n":           false,
		"anonymous: maybe\n":                              false,
		"anonymous: true\nmax-sessions: many\n":           false,
		"anonymous: true\nrate: -1\n":                     false,
		"anonymous: true\nroles: []\n":                    false,
		roles + "principals:\n  ada: {}\n":                false,
		person("tiket: {env: SHOP}"):                      false,
		person("ticket: in-the-clear"):                    false,
		person("ticket: {env: SHOP, file: x}"):            false,
		person("ticket: {}"):                              false,
		person("api-keys: [abc]"):                         false,
		person("cryptosign: [abc]"):                       false,
		permission("allow: dance"):                        false,
		permission("allow: call, match: fuzzy"):           false,
		permission("allow: call, max-timeout: soon"):      false,
		permission("allow: call, trust-levels: [high]"):   false,
		permission("allow: call, disclose: perhaps"):      false,
		permission("allow: call, colour: red"):            false,
	} {
		got := runWith(soon(t), []string{"SHOP=x"}, "check-config", "-c", writeFile(t, "wampgate.yaml", file))
		if read := got.code == exitOK; read != valid {
			t.Errorf("the reader says %d, %s, want valid: %t, of\n%s", got.code, got.stderr, valid, file)
		}
		if err := verdict(t, s, file); (err == nil) != valid {
			t.Errorf("the schema says %v, want valid: %t, of\n%s", err, valid, file)
		}
	}
}

// TestSchemaTakesExamples: each configuration in the manual is valid.
func TestSchemaTakesExamples(t *testing.T) {
	t.Parallel()
	s := compiledSchema(t)
	manual, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(manual), "```yaml\n")
	if len(parts) < 4 {
		t.Fatalf("%d examples in README.md, want 3 or more", len(parts)-1)
	}
	for _, part := range parts[1:] {
		example, _, _ := strings.Cut(part, "```")
		if strings.Contains(example, "…") {
			continue // hashes that are cut short
		}
		if err := verdict(t, s, example); err != nil {
			t.Errorf("%v, of\n%s", err, example)
		}
	}
}
