package shard_test

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wampgate/wampgate/dealer/shard"
)

// table returns a table of members with weight 1.
func table(names ...string) *shard.Table[string] {
	t := new(shard.Table[string])
	for _, name := range names {
		t.Join(name, 1, name)
	}
	return t
}

func named(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("member-%d", i)
	}
	return names
}

// owners returns the owner of each slot.
func owners(t *shard.Table[string]) []string {
	all := make([]string, shard.Slots)
	for slot := range all {
		all[slot], _ = t.Owner(slot)
	}
	return all
}

func shares(owners []string) map[string]int {
	n := map[string]int{}
	for _, owner := range owners {
		n[owner]++
	}
	return n
}

func TestSlotOf(t *testing.T) {
	t.Parallel()
	seen := map[int]int{}
	const keys = 200_000
	for i := range keys {
		slot := shard.SlotOf(fmt.Sprintf("scustomer-%d", i))
		if slot < 0 || slot >= shard.Slots {
			t.Fatalf("SlotOf(customer-%d) = %d", i, slot)
		}
		seen[slot]++
	}
	fullest := 0
	for _, n := range seen {
		fullest = max(fullest, n)
	}
	if len(seen) < shard.Slots*99/100 || fullest > 40 { // 12 on average; Poisson's 1e-9 is at 37
		t.Errorf("%d keys fall into %d slots, %d into one", keys, len(seen), fullest)
	}
	// A slot is part of what callees are told: it must not change.
	for key, want := range map[string]int{"": 10534, "s7": 10529, "n7": 2747} {
		if got := shard.SlotOf(key); got != want {
			t.Errorf("SlotOf(%q) = %d, want %d", key, got, want)
		}
	}
}

// TestBalance bounds what the fullest of n members has.
func TestBalance(t *testing.T) {
	t.Parallel()
	for n, most := range map[int]float64{2: 1.04, 5: 1.06, 10: 1.09, 50: 1.25} {
		fullest := 0
		for _, slots := range shares(owners(table(named(n)...))) {
			fullest = max(fullest, slots)
		}
		if got := float64(fullest) * float64(n) / shard.Slots; got > most {
			t.Errorf("the fullest of %d members has %.3f of its share, want at most %.2f", n, got, most)
		}
	}
}

// TestWeights gives the members slots in proportion to their weights.
func TestWeights(t *testing.T) {
	t.Parallel()
	var tab shard.Table[string]
	tab.Join("half", 0.5, "half")
	tab.Join("one", 1, "one")
	tab.Join("two", 2, "two")
	tab.Join("more", 2, "more")
	got := shares(owners(&tab))
	for name, weight := range map[string]float64{"half": 0.5, "one": 1, "two": 2, "more": 2} {
		want := weight / 5.5 * shard.Slots
		if off := math.Abs(float64(got[name]) - want); off > 0.06*want+30 {
			t.Errorf("%s has %d slots, want about %.0f", name, got[name], want)
		}
	}
}

// TestEmptyTable has no owner for anything.
func TestEmptyTable(t *testing.T) {
	t.Parallel()
	tab := table("a")
	tab.Leave("a")
	if owner, ok := tab.Owner(1); ok || tab.Len() != 0 {
		t.Errorf("Owner(1) of an empty table = %q, %t", owner, ok)
	}
}

// TestMovement lets members come and go: only slots of who leaves or joins
// change hands, and the table is that of the set, whatever the way to it.
func TestMovement(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tab := new(shard.Table[string])
		weights := map[string]float64{}
		var order []string // of joining
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			name := fmt.Sprintf("m%d", rapid.IntRange(0, 7).Draw(t, "member"))
			before := owners(tab)
			if weights[name] == 0 {
				weights[name] = rapid.SampledFrom([]float64{1, 1, 1, 0.5, 3}).Draw(t, "weight")
				order = append(order, name)
				tab.Join(name, weights[name], name)
			} else {
				delete(weights, name)
				order = slices.DeleteFunc(order, func(other string) bool { return other == name })
				tab.Leave(name)
			}
			for slot, owner := range owners(tab) {
				if owner != before[slot] && owner != name && before[slot] != name {
					t.Fatalf("%s changes, and slot %d moves from %s to %s", name, slot, before[slot], owner)
				}
			}
			if tab.Len() != len(order) {
				t.Fatalf("Len() = %d, want %d", tab.Len(), len(order))
			}
		}
		fresh := new(shard.Table[string])
		for _, name := range rapid.Permutation(order).Draw(t, "order") {
			fresh.Join(name, weights[name], name)
		}
		if !slices.Equal(owners(fresh), owners(tab)) {
			t.Fatalf("the table of %v depends on how it came to be", order)
		}
	})
}

// TestComingBack gives a member that was away its slots back.
func TestComingBack(t *testing.T) {
	t.Parallel()
	tab := table(named(5)...)
	before := owners(tab)
	tab.Leave("member-2")
	tab.Join("member-2", 1, "member-2")
	if !slices.Equal(before, owners(tab)) {
		t.Error("member-2 left and came back, and has other slots")
	}
}

// TestNumber compares the order of points with that of the numbers.
func TestNumber(t *testing.T) {
	t.Parallel()
	number := rapid.OneOf(
		rapid.Map(rapid.Int64(), func(n int64) any { return n }),
		rapid.Map(rapid.Uint64(), func(n uint64) any { return n }),
		rapid.Map(rapid.Float64(), func(f float64) any { return f }),
		rapid.Map(rapid.IntRange(-3, 3), func(n int) any { return int64(n) }),
		rapid.Map(rapid.Uint64Range(1<<62-3, 1<<62+3), func(n uint64) any { return n }),
		rapid.SampledFrom([]any{
			0.0, math.Copysign(0, -1), 0.5, -0.5, int64(math.MinInt64), int64(math.MaxInt64), uint64(math.MaxInt64), uint64(math.MaxUint64),
			uint64(math.MaxUint64 - 1), int64(1<<53 + 1), int64(-1<<53 - 1), float64(1 << 53), float64(1 << 63), math.MaxFloat64, -math.MaxFloat64,
		}),
	)
	rapid.Check(t, func(t *rapid.T) {
		x, y := number.Draw(t, "x"), number.Draw(t, "y")
		px, okX := shard.Number(x)
		py, okY := shard.Number(y)
		if want := exact(x).Cmp(exact(y)); !okX || !okY || cmp.Compare(px, py) != want {
			t.Fatalf("the points of %T %v and %T %v compare as %d, want %d", x, x, y, y, cmp.Compare(px, py), want)
		}
	})
	for _, v := range []any{"7", nil, math.NaN(), math.Inf(-1)} {
		if p, ok := shard.Number(v); ok {
			t.Errorf("Number(%v) = %q, want none", v, p)
		}
	}
}

func exact(v any) *big.Float {
	f := new(big.Float).SetPrec(200)
	switch v := v.(type) {
	case int64:
		f.SetInt64(v)
	case uint64:
		f.SetUint64(v)
	case float64:
		f.SetFloat64(v)
	}
	return f
}

func TestUUID(t *testing.T) {
	t.Parallel()
	want := shard.Point("\x55\x0e\x84\x00\xe2\x9b\x41\xd4\xa7\x16\x44\x66\x55\x44\x00\x00")
	for _, s := range []string{"550e8400-e29b-41d4-a716-446655440000", "550E8400E29B41D4A716446655440000", string(want)} {
		if got, ok := shard.UUID(s); !ok || got != want {
			t.Errorf("UUID(%q) = %x, %t, want %x", s, got, ok, want)
		}
	}
	for _, s := range []string{"", "550e8400", "550e8400-e29b-41d4-a716-44665544000g", strings.Repeat("0", 34), "550e8400-e29b-41d4a-716-446655440000"} {
		if got, ok := shard.UUID(s); ok {
			t.Errorf("UUID(%q) = %x, want none", s, got)
		}
	}
}

// TestRanges compares Ranges with a list that is searched from front to back.
func TestRanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var ranges shard.Ranges[int]
		var list []shard.Range
		point := rapid.StringMatching("[a-d]{0,2}")
		for i := range rapid.IntRange(1, 20).Draw(t, "steps") {
			r := shard.Range{From: shard.Point(point.Draw(t, "from")), To: shard.Point(point.Draw(t, "to"))}
			if r.Open = rapid.IntRange(0, 5).Draw(t, "open") == 0; r.Open {
				r.To = ""
			}
			if r.Empty() {
				continue
			}
			at := slices.Index(list, r)
			clash := slices.ContainsFunc(list, func(other shard.Range) bool { return meet(r, other) })
			_, same, ok := ranges.Overlap(r)
			if same != (at >= 0) || ok != clash {
				t.Fatalf("Overlap(%v) = same %t, any %t; the list is %v", r, same, ok, list)
			}
			switch {
			case at >= 0:
				ranges.Remove(r)
				list = slices.Delete(list, at, at+1)
			case !clash:
				ranges.Add(r, i)
				list = append(list, r)
			default:
				ranges.Remove(r) // is not there
			}
			p := shard.Point(point.Draw(t, "point"))
			_, found := ranges.Find(p)
			if want := slices.ContainsFunc(list, func(r shard.Range) bool { return in(p, r) }); found != want {
				t.Fatalf("Find(%q) = %t in %v", p, found, list)
			}
		}
	})
}

func in(p shard.Point, r shard.Range) bool { return p >= r.From && (r.Open || p < r.To) }

// meet tries the points where an overlap would begin.
func meet(a, b shard.Range) bool { return in(a.From, b) || in(b.From, a) }

func BenchmarkTable(b *testing.B) {
	for _, n := range []int{5, 50, 500} {
		for _, weight := range []float64{1, 2} {
			tab := table(named(n)...)
			b.Run(fmt.Sprintf("members=%d/weight=%v", n, weight), func(b *testing.B) {
				for b.Loop() {
					tab.Join("new", weight, "new")
					tab.Leave("new")
				}
			})
		}
	}
}
