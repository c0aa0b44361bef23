package test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// An example is a file of the folder examples that is run by itself.
type example struct {
	file   string
	needs  string // the feature without which it cannot run
	prints string // what it says that it prints
}

var (
	examplePrints = regexp.MustCompile(`(?m)^// Prints:\n((?:// .*\n)+)\z`)
	exampleNeeds  = regexp.MustCompile(`(?m)^// Needs: ([a-z_]+)$`)
)

// examples reads the folder.
func examples(t *testing.T) []example {
	t.Helper()
	files, err := filepath.Glob("examples/*.js")
	if err != nil {
		t.Fatal(err)
	}
	var all []example
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		e := example{file: filepath.Base(file)}
		if m := exampleNeeds.FindSubmatch(source); m != nil {
			e.needs = string(m[1])
		}
		if m := examplePrints.FindSubmatch(source); m != nil {
			e.prints = strings.TrimPrefix(strings.ReplaceAll("\n"+string(m[1]), "\n// ", "\n"), "\n")
		}
		if e.prints == "" && e.file != "connect.js" {
			t.Errorf("%s does not end with what it prints", file)
		}
		if e.prints != "" {
			all = append(all, e)
		}
	}
	return all
}

// TestExamples runs every example against a gateway, and wants it to print what
// its last comment says.
func TestExamples(t *testing.T) {
	t.Parallel()
	const leftOut = "the examples"
	node, dir := tool(t, "node", leftOut), exampleFolder(t, leftOut)
	g := start(t)
	announced := featuresOf(join(soon(t), t, g).want(soon(t), t, codeWelcome).dict(1))
	for _, e := range examples(t) {
		t.Run(e.file, func(t *testing.T) {
			t.Parallel()
			if e.needs != "" && !slices.Contains(announced, e.needs) {
				t.Skipf("the gateway does not announce %s", e.needs)
			}
			var stderr bytes.Buffer
			cmd := exec.CommandContext(within(t, 2*patience), node, e.file)
			cmd.Dir, cmd.Stderr, cmd.WaitDelay = dir, &stderr, patience
			cmd.Env = append(os.Environ(), "WAMP_URL="+g.ws())
			out, err := cmd.Output()
			if err != nil || stderr.Len() > 0 {
				t.Errorf("%s ended with %v: %s", e.file, err, stderr.Bytes())
			}
			if string(out) != e.prints {
				t.Errorf("%s printed\n%s\nand says that it prints\n%s", e.file, out, e.prints)
			}
		})
	}
}

// TestExamplesListed compares the list of examples with the folder, and the
// packages they ask for with those that the tests install.
func TestExamplesListed(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("examples/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed, present []string
	for _, m := range regexp.MustCompile("(?m)^\\| `node ([a-z-]+\\.js)` \\|").FindAllSubmatch(readme, -1) {
		listed = append(listed, string(m[1]))
	}
	for _, e := range examples(t) {
		present = append(present, e.file)
	}
	slices.Sort(listed)
	if !slices.Equal(listed, present) {
		t.Errorf("examples/README.md lists %q, the folder has %q", listed, present)
	}
	installed := dependencies(t, "clients/package.json")
	for name, version := range dependencies(t, "examples/package.json") {
		if installed[name] != version {
			t.Errorf("examples/package.json asks for %s %s, the tests install %q", name, version, installed[name])
		}
	}
}

// dependencies returns what a package.json asks for.
func dependencies(t *testing.T, file string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var p struct{ Dependencies map[string]string }
	if err := json.Unmarshal(data, &p); err != nil {
		t.Fatal(err)
	}
	return p.Dependencies
}
