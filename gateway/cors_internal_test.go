package gateway

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPagesSeeOurHeaders: all header fields of ours that the source names are
// among those that pages of other origins may read.
func TestPagesSeeOurHeaders(t *testing.T) {
	t.Parallel()
	exposed := strings.Split(corsExpose, ", ")
	field := regexp.MustCompile(`"(Wamp-[A-Za-z-]+[a-z])"`)
	var files []string
	for _, pattern := range []string{"*.go", "problem/*.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	known := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range field.FindAllStringSubmatch(string(text), -1) {
			if known++; !slices.Contains(exposed, m[1]) {
				t.Errorf("%s: pages cannot read %s", name, m[1])
			}
		}
	}
	if known < 20 {
		t.Errorf("only %d header fields were found in %d files", known, len(files))
	}
}
