package match_test

import (
	"slices"
	"strings"
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
	for _, p := range []match.Policy{match.Exact, match.Prefix, match.Wildcard} {
		x.Delete(p, "a.b")
	}
	if got := x.Len(); got != 0 {
		t.Errorf("empty index: Len() = %d, want 0", got)
	}
}

// TestBest plays the resolution examples of the specification, where prefixes
// are compared as strings.
func TestBest(t *testing.T) {
	t.Parallel()
	var x match.Index[int]
	x.Set(match.Exact, "a1.b2.c3.d4.e55", 1)
	x.Set(match.Prefix, "a1.b2.c3", 2)
	x.Set(match.Prefix, "a1.b2.c3.d4", 3)
	x.Set(match.Wildcard, "a1.b2..d4.e5", 4)
	x.Set(match.Wildcard, "a1.b2.c33..e5", 5)
	x.Set(match.Wildcard, "a1.b2..d4.e5..g7", 6)
	x.Set(match.Wildcard, "a1.b2..d4..f6.g7", 7)
	for uri, want := range map[string]int{
		"a1.b2.c3.d4.e55":        1,
		"a1.b2.c3.d98.e74":       2,
		"a1.b2.c3.d4.e325":       3,
		"a1.b2.c55.d4.e5":        4,
		"a1.b2.c33.d4.e5":        2,
		"a1.b2.c88.d4.e5.f6.g7":  6,
		"a2.b2.c2.d2.e2":         0,
		"a1.b2.c88.d4.x.f6.g7":   7,
		"a1.b2.c88.d4.e5.x.g7":   6,
		"a1.b2.c3":               2,
		"a1.b2":                  0,
		"a1.b2..d4.e5":           0,
		"a1.b2.c55.d4.e5.f6.g77": 0,
	} {
		if got, ok := x.Best(uri); got != want || ok != (want != 0) {
			t.Errorf("Best(%q) = %d, %t, want %d", uri, got, ok, want)
		}
	}
	x.Delete(match.Prefix, "a1.b2.c3")
	x.Delete(match.Prefix, "a1.b2.c3.d4")
	if got, _ := x.Best("a1.b2.c33.d4.e5"); got != 5 {
		t.Errorf("without prefixes, Best(a1.b2.c33.d4.e5) = %d, want 5", got)
	}
}

// A key is where a value is stored.
type key struct {
	policy match.Policy
	uri    string
}

// TestIndexIsAList compares the index with a walk over all that is stored,
// under random operations.
func TestIndexIsAList(t *testing.T) {
	t.Parallel()
	component := rapid.SampledFrom([]string{"", "a", "b", "ab", "c"})
	uris := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(component, 1, 4).Draw(t, "components"), ".")
	})
	keys := rapid.Custom(func(t *rapid.T) key {
		return key{match.Policy(rapid.IntRange(0, 2).Draw(t, "policy")), uris.Draw(t, "uri")}
	})
	rapid.Check(t, func(t *rapid.T) {
		var x match.Index[int]
		stored := map[key]int{}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				k, v := keys.Draw(t, "key"), rapid.IntRange(1, 1000).Draw(t, "value")
				x.Set(k.policy, k.uri, v)
				stored[k] = v
			},
			"delete": func(t *rapid.T) {
				k := keys.Draw(t, "key")
				x.Delete(k.policy, k.uri)
				delete(stored, k)
			},
			"": func(t *rapid.T) {
				k := keys.Draw(t, "asked")
				if got, ok := x.At(k.policy, k.uri); got != stored[k] || ok != (stored[k] != 0) {
					t.Fatalf("At(%d, %q) = %d, %t, want %d", k.policy, k.uri, got, ok, stored[k])
				}
				if got, _ := x.Best(k.uri); got != walk(stored, k.uri) {
					t.Fatalf("Best(%q) = %d, want %d of %v", k.uri, got, walk(stored, k.uri), stored)
				}
				if x.Len() != len(stored) {
					t.Fatalf("Len() = %d, want %d", x.Len(), len(stored))
				}
			},
		})
	})
}

// walk is Best by looking at everything.
func walk(stored map[key]int, uri string) int {
	best, found := key{}, false
	for k := range stored {
		if matches(k, uri) && (!found || better(k, best)) {
			best, found = k, true
		}
	}
	if !found {
		return 0
	}
	return stored[best]
}

func matches(k key, uri string) bool {
	switch k.policy {
	case match.Prefix:
		return strings.HasPrefix(uri, k.uri)
	case match.Wildcard:
		want, got := strings.Split(k.uri, "."), strings.Split(uri, ".")
		return len(want) == len(got) && !slices.ContainsFunc(got, func(c string) bool { return c == "" }) &&
			slices.EqualFunc(want, got, func(w, g string) bool { return w == "" || w == g })
	}
	return k.uri == uri
}

func better(a, b key) bool {
	if a.policy != b.policy {
		return a.policy < b.policy
	}
	if a.policy == match.Prefix {
		return len(a.uri) > len(b.uri)
	}
	as, bs := strings.Split(a.uri, "."), strings.Split(b.uri, ".")
	for i := range as {
		if (as[i] == "") != (bs[i] == "") {
			return as[i] != ""
		}
	}
	return false
}
