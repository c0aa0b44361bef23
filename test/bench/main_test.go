package main

import (
	"testing"
	"time"
)

func TestScenariosHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	o, err := parseOptions(nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range scenarios(o) {
		if seen[s.Name] || s.Name == "" || s.Group == "" || s.run == nil {
			t.Errorf("scenario %q: there twice, or not whole", s.Name)
		}
		seen[s.Name] = true
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	o, err := parseOptions([]string{"-quick", "-only", "^wampgate$"})
	if err != nil {
		t.Fatal(err)
	}
	if o.rounds != 1 || o.dur >= time.Second || !o.only.MatchString("wampgate") || o.only.MatchString("floor") {
		t.Errorf("parseOptions(-quick …) = %+v", o)
	}
	if _, err := parseOptions([]string{"-scen", "("}); err == nil {
		t.Error("parseOptions takes a broken regexp")
	}
}
