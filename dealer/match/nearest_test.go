package match_test

import (
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wampgate/wampgate/dealer/match"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 257)
	tests := []struct {
		name   string
		stored []string
		uri    string
		want   string // empty: nothing is near enough
	}{
		{"missing letter", []string{"demo.add", "demo.greet"}, "demo.ad", "demo.add"},
		{"letter too many", []string{"demo.add", "demo.greet"}, "demo.addd", "demo.add"},
		{"wrong letter", []string{"demo.add", "demo.greet"}, "demo.greet", "demo.greet"},
		{"swapped letters", []string{"demo.add", "demo.greet"}, "demo.geret", "demo.greet"},
		{"swapped at the front", []string{"demo.add"}, "edmo.add", "demo.add"},
		{"two slips", []string{"demo.add"}, "dmo.addd", "demo.add"},
		{"three slips", []string{"demo.add"}, "dmo.adddd", ""},
		{"the nearer one", []string{"demo.adds", "demo.ade"}, "demo.add", "demo.adds"},
		{"equally near: byte order", []string{"demo.adx", "demo.ada"}, "demo.add", "demo.ada"},
		{"something else", []string{"demo.add"}, "shop.buy", ""},
		{"short: one slip", []string{"abcd"}, "abce", "abcd"},
		{"short: not two", []string{"abcd"}, "abef", ""},
		{"too short to tell", []string{"p"}, "q", ""},
		{"nothing stored", nil, "demo.add", ""},
		{"nothing asked", []string{"demo.add"}, "", ""},
		{"too long", []string{long}, long, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var x match.Index[struct{}]
			for _, u := range tt.stored {
				x.Set(match.Exact, u, struct{}{})
			}
			if got, ok := x.Nearest(tt.uri); got != tt.want || ok != (tt.want != "") {
				t.Errorf("Nearest(%q) = %q, %t, want %q", tt.uri, got, ok, tt.want)
			}
		})
	}
}

func TestNearestLooksAtABoundedNumber(t *testing.T) {
	t.Parallel()
	var x match.Index[int]
	for i := range 1000 {
		x.Set(match.Exact, "com.example.procedure"+strconv.Itoa(i), i)
	}
	x.Set(match.Exact, "demo.add", 1)
	if got, ok := x.Nearest("demo.ad"); ok {
		t.Errorf("Nearest(demo.ad) = %q, want the 1001st URI to be out of sight", got)
	}
	x.Delete(match.Exact, "com.example.procedure0")
	if got, _ := x.Nearest("demo.ad"); got != "demo.add" {
		t.Errorf("Nearest(demo.ad) = %q, want demo.add", got)
	}
}

// TestNearestIsTheTextbookDistance compares the band with the whole table.
func TestNearestIsTheTextbookDistance(t *testing.T) {
	t.Parallel()
	word := rapid.StringMatching(`[ab.]{6,14}`)
	rapid.Check(t, func(t *rapid.T) {
		var x match.Index[int]
		stored := rapid.SliceOfN(word, 1, 8).Draw(t, "stored")
		for i, u := range stored {
			x.Set(match.Exact, u, i)
		}
		uri := word.Draw(t, "uri")
		want, least := "", 3
		for _, u := range stored {
			if n := distance(uri, u); n < least || n == least && least < 3 && u < want {
				want, least = u, n
			}
		}
		if got, _ := x.Nearest(uri); got != want {
			t.Fatalf("Nearest(%q) = %q, want %q at distance %d", uri, got, want, least)
		}
	})
}

// distance is the optimal string alignment distance as textbooks have it.
func distance(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range b {
		d[0][j+1] = j + 1
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

func BenchmarkNearest(b *testing.B) {
	var x match.Index[int]
	for i := range 100_000 {
		x.Set(match.Exact, "com.example.procedure."+strconv.Itoa(i), i)
	}
	b.ReportAllocs()
	for b.Loop() {
		x.Nearest("com.example.procedures.xyz")
	}
}
