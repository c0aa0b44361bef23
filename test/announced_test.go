package test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestAnnounced compares what WELCOME announces, over each serializer, with the
// table that real clients have filled and with the transcripts: no feature is
// announced without a test, and none tested that is not announced.
func TestAnnounced(t *testing.T) {
	t.Parallel()
	g := start(t)
	rows, transcripts := featuresOfTable(t), sectionsOfTranscripts(t)
	for _, serializer := range []wamp.Serializer{wamp.JSON, wamp.MsgPack, wamp.CBOR} {
		t.Run(serializer.String(), func(t *testing.T) {
			t.Parallel()
			conn, err := transport.Dial(soon(t), g.ws(), serializer, &transport.DialOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			welcome, err := conn.Join(soon(t), &wamp.Hello{Realm: "realm1", Details: wamp.Dict{"roles": wamp.Dict{"caller": wamp.Dict{}}}})
			if err != nil {
				t.Fatal(err)
			}
			announced := featuresOf(welcome.Details)
			if len(announced) < 7 {
				t.Fatalf("WELCOME announces %q; the test sees too little", announced)
			}
			for _, feature := range allFeatures(announced, rows) {
				told := slices.Contains(announced, feature)
				if in := slices.Contains(rows, feature); in != told {
					t.Errorf("%s: announced %v, but in %s: %v", feature, told, conformanceTable, in)
				}
				if in := citesFeature(transcripts, feature); in != told {
					t.Errorf("%s: announced %v, but named as the section of a transcript in dealer/testdata: %v", feature, told, in)
				}
			}
		})
	}
}

// featuresOf returns the names of the features of all roles in a WELCOME.
func featuresOf(details map[string]any) []string {
	var names []string
	for _, v := range dictOf(details["roles"]) {
		role := dictOf(v)
		for feature, on := range dictOf(role["features"]) {
			if on == true {
				names = append(names, feature)
			}
		}
		if role["reflection"] == true { // the specification has it beside the features
			names = append(names, "reflection")
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// dictOf returns a dict, whoever decoded it.
func dictOf(v any) map[string]any {
	if d, ok := v.(wamp.Dict); ok {
		return d
	}
	d, _ := v.(map[string]any)
	return d
}

// allFeatures returns what is announced, what is in the table, and what else
// the gateway has a name for.
func allFeatures(announced, rows []string) []string {
	all := slices.Concat(announced, rows, []string{"reflection"})
	for name := range (^wamp.Features(0)).Dict() {
		all = append(all, name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// featuresOfTable returns the features in the committed table.
func featuresOfTable(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(conformanceTable)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range regexp.MustCompile("(?m)^\\| [^|]+ \\| `([a-z_]+)` \\|").FindAllStringSubmatch(string(data), -1) {
		names = append(names, m[1])
	}
	return names
}

// sectionsOfTranscripts returns the comments of all transcripts, as plain
// letters.
func sectionsOfTranscripts(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("../dealer/testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	var all strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^# Spec: ((?:[^.]|\.[^\n])+)`).FindAllSubmatch(data, -1) {
			all.WriteString(plain(string(m[1])))
		}
	}
	return all.String()
}

// citesFeature reports whether a section is about a feature: sections are named
// like features.
func citesFeature(sections, feature string) bool {
	if section, ok := map[string]string{"call_reroute": "Call Re-Routing", "reflection": "Procedure Reflection"}[feature]; ok {
		feature = section
	}
	return strings.Contains(sections, plain(feature))
}

// plain keeps the letters, as small ones.
func plain(s string) string {
	return regexp.MustCompile(`[^a-z]`).ReplaceAllString(strings.ToLower(s), "")
}
