package gateway

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestManualHasOptions: the table of options in the manual has those that there
// are, no more and no less, and what it gives as their values can be read.
func TestManualHasOptions(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(manual), "\n### Options\n")
	section, _, _ = strings.Cut(section, "\n### ")
	var named []string
	word := regexp.MustCompile("`([^`]+)`")
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		name := ""
		for _, m := range word.FindAllStringSubmatch(cells[1], -1) {
			given, value, ok := strings.Cut(m[1], "=")
			if !ok && name != "" && !slices.Contains(optionNames(), given) && given != "shard_key" {
				given, value, ok = name, m[1], true // another value of the option before it
			}
			name = given
			plain, _ := keyName(given)
			if named = append(named, plain); !ok {
				continue
			}
			var o options
			if err := o.set(name, value, false); err != nil {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	}
	slices.Sort(named)
	want := slices.Sorted(slices.Values(optionNames()))
	if named = slices.Compact(named); !slices.Equal(named, want) {
		t.Errorf("the manual has the options %q, want %q", named, want)
	}
}
