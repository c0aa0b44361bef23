package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/goccy/go-yaml/parser"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// readDescriptionsOf reads a section.
func readDescriptionsOf(t *testing.T, section string) ([]descriptionSpec, error) {
	t.Helper()
	file, err := parser.ParseBytes([]byte(section), 0)
	if err != nil {
		t.Fatal(err)
	}
	return readDescriptions("wampgate.yaml", file.Docs[0].Body)
}

// summaryOf returns a member, or nothing.
func summaryOf(s *descriptionSpec) string {
	if s == nil {
		return ""
	}
	return strings.Trim(string(s.Members["summary"]), `"`)
}

// TestDescriptionFaults: what is wrong with a description is told with its
// line.
func TestDescriptionFaults(t *testing.T) {
	t.Parallel()
	for lines, words := range map[string]string{
		"  - {uri: a..b, safe: true}":                                `:3: descriptions: "a..b" is no URI`,
		"  - {uri: a.b}\n  - {uri: a.b}":                             `:4: descriptions: exact "a.b" is described in line 3, too`,
		"  - uri: a.b\n    saef: true":                               `:4: descriptions: unknown key "saef"; did you mean "safe"?`,
		"  - {uri: a.b, media: text}":                                "must be a media type",
		"  - {uri: a.b, schema: {args: {type: 7}}}":                  ":3: descriptions: a.b: schema: args:",
		"  - {uri: a.b, schema: {args: {$ref: 'http://a.b/c'}}}":     ":3: descriptions: a.b: schema: args:",
		"  - {uri: a.b, deprecated: true}":                           "must say since when",
		"  - {uri: a.b, summary: " + strings.Repeat("x", 2000) + "}": "at most 1024 bytes",
	} {
		got := runWith(soon(t), nil, "check-config", "-c", writeFile(t, "wampgate.yaml", "anonymous: true\ndescriptions:\n"+lines+"\n"))
		if got.code != exitUsage || !strings.Contains(got.stderr, words) {
			t.Errorf("%s: %d %s, want %s", lines, got.code, got.stderr, words)
		}
	}
	got := runWith(soon(t), nil, "check-config", "-c", writeFile(t, "wampgate.yaml", "anonymous: true\ndescriptions: [{uri: a., match: prefix, safe: true, cache: 9}]\n"))
	if got.code != exitOK || !strings.Contains(got.stdout, "# description of prefix:a.: cache, safe\n") {
		t.Errorf("%d %s %s", got.code, got.stdout, got.stderr)
	}
}

// TestDescriptionOf shows which description is whose.
func TestDescriptionOf(t *testing.T) {
	t.Parallel()
	specs, err := readDescriptionsOf(t, `
- {uri: com.app., match: prefix, summary: app}
- {uri: com.app.users., match: prefix, summary: users}
- {uri: com.app.users.list, summary: list}
- {uri: com..delete, match: wildcard, summary: delete}
`)
	if err != nil {
		t.Fatal(err)
	}
	var d descriptions
	if d.of("com.app.a") != nil || d.ofAll(&gateway.Procedure{URI: "com.app.", Match: wamp.MatchPrefix}) != nil {
		t.Error("something is described before anything was told")
	}
	d.set(specs)
	first := d.generation.Load()
	for uri, want := range map[wamp.URI]string{
		"com.app.a": "app", "com.app.users.b": "users", "com.app.users.list": "list", "com.other.delete": "delete", "com.other": "",
	} {
		if got := summaryOf(d.of(uri)); got != want {
			t.Errorf("a call of %s is described as %q, want %q", uri, got, want)
		}
	}
	for _, tt := range []struct {
		uri   wamp.URI
		match wamp.MatchPolicy
		want  string
	}{
		{"com.app.users.list", wamp.MatchExact, "list"},
		{"com.app.users.", wamp.MatchPrefix, "users"},
		{"com.app.users.l", wamp.MatchPrefix, "users"},
		{"com.app.users.list", wamp.MatchPrefix, "users"},
		{"com.app..x", wamp.MatchWildcard, "app"},
		{"com..delete", wamp.MatchWildcard, "delete"},
		{"com.", wamp.MatchPrefix, ""},
		{"org..delete", wamp.MatchWildcard, ""},
	} {
		if got := summaryOf(d.ofAll(&gateway.Procedure{URI: tt.uri, Match: tt.match})); got != tt.want {
			t.Errorf("the registration %v %s is described as %q, want %q", tt.match, tt.uri, got, tt.want)
		}
	}
	d.set(nil)
	if d.generation.Load() != 0 || d.of("com.app.a") != nil {
		t.Error("what is told no longer is there still")
	}
	if d.set(specs); d.generation.Load() == first {
		t.Error("a change has the number of an earlier one")
	}
}

// TestDescriptionOn shows how the file and a callee go together.
func TestDescriptionOn(t *testing.T) {
	t.Parallel()
	specs, err := readDescriptionsOf(t, "- {uri: a.b, safe: false, cache: ~, errors: {a.x: 402}, sunset: 2027-01-01}")
	if err != nil {
		t.Fatal(err)
	}
	told := gateway.Procedure{URI: "a.b", Safe: true, Description: []byte(`{"safe":true,"cache":60,"media":"text/csv","errors":{"a.y":409}}`)}
	const want = `{"errors":{"a.x":402},"media":"text/csv","safe":false,"sunset":1798761600}`
	if got := specs[0].on(told); got.Safe || string(got.Description) != want {
		t.Errorf("%v %s, want %s", got.Safe, got.Description, want)
	}
	specs[0].Members = map[string]json.RawMessage{"media": json.RawMessage("null")}
	if got := specs[0].on(gateway.Procedure{}); got.Description != nil || got.Safe {
		t.Errorf("nothing became %s", got.Description)
	}
}
