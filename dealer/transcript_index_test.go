package dealer_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTranscriptIndex compares the list in testdata/README.md with the first
// comments of the transcripts: what each shows, and which sections of the
// specification that is in.
func TestTranscriptIndex(t *testing.T) {
	t.Parallel()
	const file = "testdata/README.md"
	readme, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	marked := regexp.MustCompile(`(?s)(<!-- transcripts -->\n).*(<!-- /transcripts -->\n)`)
	if !marked.Match(readme) {
		t.Fatalf("%s has no place for the list of transcripts", file)
	}
	want := marked.ReplaceAllString(string(readme), "${1}"+strings.ReplaceAll(transcriptIndex(t), "$", "$$")+"${2}")
	if want == string(readme) {
		return
	}
	if !*update {
		t.Fatalf("%s lists other transcripts (go test ./dealer -update rewrites it):\n%s", file, firstDifference(want, string(readme)))
	}
	if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}

// transcriptIndex returns the list as it should be.
func transcriptIndex(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| transcript | shows | section of the specification |\n|---|---|---|\n")
	for _, file := range files {
		script, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		rule, sections := firstComment(string(script))
		if rule == "" {
			t.Errorf("%s does not begin with a comment that says what it shows", file)
		}
		name := filepath.Base(file)
		fmt.Fprintf(&b, "| [%s](%s) | %s | %s |\n", strings.TrimSuffix(name, ".txt"), name, rule, sections)
	}
	return b.String()
}

// firstComment returns the first sentence of a script and the sections that it
// cites at its head.
func firstComment(script string) (rule, sections string) {
	var text []string
	for line := range strings.Lines(script) {
		line, comment := strings.CutPrefix(strings.TrimRight(line, "\n"), "# ")
		if !comment {
			break
		}
		text = append(text, line)
	}
	all, cited, _ := strings.Cut(strings.Join(text, " "), "Spec: ")
	sections, _, _ = strings.Cut(cited+" ", ". ")
	rule, _, _ = strings.Cut(strings.TrimSpace(all), ". ")
	return strings.TrimSuffix(rule, "."), strings.TrimSuffix(strings.TrimSpace(sections), ".")
}
