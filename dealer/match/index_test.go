package match_test

import (
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/wampgate/wampgate/dealer/match"
)

func TestIndexZeroValue(t *testing.T) {
	t.Parallel()
	var x match.Index[int]
	if v, ok := x.Best("a.b"); ok {
		t.Errorf("empty index: Best(a.b) = %d, true, want nothing", v)
	}
	x.DeleteExact("a.b")
	if got := x.Len(); got != 0 {
		t.Errorf("empty index: Len() = %d, want 0", got)
	}
}

// TestIndexIsAMap compares the index with a Go map under random operations.
func TestIndexIsAMap(t *testing.T) {
	t.Parallel()
	uri := rapid.SampledFrom([]string{"a", "a.b", "a.b.c", "a..c", "b", "b.c", ""})
	rapid.Check(t, func(t *rapid.T) {
		var x match.Index[int]
		want := map[string]int{}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				u, v := uri.Draw(t, "uri"), rapid.Int().Draw(t, "value")
				x.SetExact(u, v)
				want[u] = v
			},
			"delete": func(t *rapid.T) {
				u := uri.Draw(t, "uri")
				x.DeleteExact(u)
				delete(want, u)
			},
			"": func(t *rapid.T) { compare(t, &x, want) },
		})
	})
}

func compare(t *rapid.T, x *match.Index[int], want map[string]int) {
	if got := x.Len(); got != len(want) {
		t.Fatalf("Len() = %d, want %d", got, len(want))
	}
	for _, u := range []string{"a", "a.b", "a.b.c", "a..c", "b", "b.c", ""} {
		value, stored := want[u]
		if v, ok := x.Exact(u); v != value || ok != stored {
			t.Errorf("Exact(%q) = %d, %t, want %d, %t", u, v, ok, value, stored)
		}
		if v, ok := x.Best(u); v != value || ok != stored {
			t.Errorf("Best(%q) = %d, %t, want %d, %t", u, v, ok, value, stored)
		}
	}
	for u := range maps.Keys(want) {
		if got, ok := x.Nearest(u); len(u) >= 3 && (got != u || !ok) {
			t.Errorf("Nearest(%q) = %q, %t, want the stored URI itself", u, got, ok)
		}
	}
}
