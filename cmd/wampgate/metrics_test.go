package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestMetricsInREADME compares the table of metrics with the families; -update
// rewrites it.
func TestMetricsInREADME(t *testing.T) { //nolint:paralleltest // TestSettingsInREADME rewrites the same file
	tableInREADME(t, "metrics", metricsTable())
}

// TestMetricsNamesInREADME: the rules in the manual are YAML, and what they are
// about is there.
func TestMetricsNamesInREADME(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]kind{}
	for _, f := range families() {
		known[f.name] = f.kind
	}
	examples := regexp.MustCompile("(?s)```yml\n(.*?)```").FindAllSubmatch(readme, -1)
	if len(examples) != 2 {
		t.Errorf("%d examples for Prometheus, want 2", len(examples))
	}
	for _, example := range examples {
		if err := yaml.Unmarshal(example[1], new(any)); err != nil {
			t.Error(err)
		}
		for _, name := range regexp.MustCompile(`wampgate_[a-z_]+`).FindAllString(string(example[1]), -1) {
			if known[name] == "" {
				t.Errorf("the manual has a rule about %s, which is not there", name)
			}
		}
	}
}

func metricsTable() string {
	var b strings.Builder
	b.WriteString("| metric | type | what it is |\n|---|---|---|\n")
	for _, f := range families() {
		labels := ""
		if len(f.labels) > 0 {
			labels = " " + strings.Join(f.labels, ", ")
		}
		fmt.Fprintf(&b, "| `%s`%s | %s | %s |\n", f.name, labels, f.kind, f.help)
	}
	return b.String()
}
