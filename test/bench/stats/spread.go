package stats

import "slices"

// A Spread is what several rounds gave.
type Spread struct{ Median, Min, Max float64 }

// SpreadOf sums up values, which it leaves as they are. That of none is zero.
func SpreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return Spread{Median: (v[(n-1)/2] + v[n/2]) / 2, Min: v[0], Max: v[n-1]}
}
