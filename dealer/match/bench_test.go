package match_test

import (
	"fmt"
	"testing"

	"github.com/wampgate/wampgate/dealer/match"
)

// BenchmarkBest shows that a lookup costs what the URI costs, however many
// registrations of a kind there are.
func BenchmarkBest(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		for name, p := range map[string]match.Policy{"exact": match.Exact, "prefix": match.Prefix, "wildcard": match.Wildcard} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) { benchmarkBest(b, p, n) })
		}
	}
}

func benchmarkBest(b *testing.B, p match.Policy, n int) {
	b.Helper()
	form, called := "com.example.p%d.run", "com.example.p%d.run"
	switch p {
	case match.Prefix:
		form = "com.example.p%d."
	case match.Wildcard:
		form = "com..p%d.run"
	}
	var x match.Index[int]
	uris := make([]string, n)
	for i := range n {
		x.Set(p, fmt.Sprintf(form, i), i)
		uris[i] = fmt.Sprintf(called, i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if got, ok := x.Best(uris[i%n]); !ok || got != i%n {
			b.Fatalf("Best(%s) = %d, %t", uris[i%n], got, ok)
		}
		i += 7919
	}
}
