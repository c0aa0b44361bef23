package wamptest

import (
	"encoding/json"
	"strings"
	"testing"
)

// Match reports whether two JSON texts stand for the same value. The order of
// keys does not matter, numbers are compared as they are written, and "*" in
// want stands for any value.
func Match(t testing.TB, got, want string) bool {
	t.Helper()
	return match(decode(t, got), decode(t, want))
}

func decode(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func match(got, want any) bool {
	switch want := want.(type) {
	case []any:
		got, ok := got.([]any)
		return ok && matchList(got, want)
	case map[string]any:
		got, ok := got.(map[string]any)
		return ok && matchMap(got, want)
	}
	return want == "*" || got == want
}

func matchList(got, want []any) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range want {
		if !match(got[i], want[i]) {
			return false
		}
	}
	return true
}

func matchMap(got, want map[string]any) bool {
	if len(got) != len(want) {
		return false
	}
	for key := range want {
		if v, ok := got[key]; !ok || !match(v, want[key]) {
			return false
		}
	}
	return true
}
