package stats_test

import (
	"testing"
	"time"

	"github.com/wampgate/wampgate/test/bench/stats"
)

func TestHistogramQuantile(t *testing.T) {
	t.Parallel()
	var h stats.Histogram
	for i := range 1000 {
		h.Add(time.Duration(i+1) * time.Microsecond)
	}
	for _, tt := range []struct {
		part float64
		want time.Duration
	}{{0, time.Microsecond}, {0.5, 501 * time.Microsecond}, {0.99, 991 * time.Microsecond}, {1, time.Millisecond}} {
		got := h.Quantile(tt.part)
		if got > tt.want || float64(got) < 0.96*float64(tt.want) {
			t.Errorf("Quantile(%v) = %v, want %v or up to 4 %% less", tt.part, got, tt.want)
		}
	}
}

func TestHistogramExtremes(t *testing.T) {
	t.Parallel()
	var h stats.Histogram
	if got := h.Quantile(0.5); got != 0 {
		t.Errorf("Quantile(0.5) of nothing = %v, want 0", got)
	}
	h.Add(-time.Second)
	if got := h.Quantile(1); got != 0 {
		t.Errorf("Quantile(1) of a negative duration = %v, want 0", got)
	}
	h.Add(1 << 62)
	if got := h.Quantile(1); got < 9*time.Minute {
		t.Errorf("Quantile(1) of a century = %v, want 9m or more", got)
	}
}

// The buckets rise, so a longer duration never counts as a shorter one.
func TestHistogramIsMonotonic(t *testing.T) {
	t.Parallel()
	last := time.Duration(-1)
	for d := time.Duration(1); d < time.Hour; d += d/7 + 1 {
		var h stats.Histogram
		h.Add(d)
		got := h.Quantile(1)
		if got < last || got > d {
			t.Fatalf("%v counts as %v, after %v", d, got, last)
		}
		last = got
	}
}

func TestHistogramMerge(t *testing.T) {
	t.Parallel()
	var a, b stats.Histogram
	a.Add(time.Millisecond)
	b.Add(time.Second)
	a.Merge(&b)
	if a.Count() != 2 || a.Quantile(1) < 900*time.Millisecond {
		t.Errorf("Merge: count %d, max %v; want 2 and about 1s", a.Count(), a.Quantile(1))
	}
}

func TestSpreadOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		values []float64
		want   stats.Spread
	}{
		{nil, stats.Spread{}},
		{[]float64{3}, stats.Spread{Median: 3, Min: 3, Max: 3}},
		{[]float64{9, 1, 2}, stats.Spread{Median: 2, Min: 1, Max: 9}},
		{[]float64{4, 1, 2, 9}, stats.Spread{Median: 3, Min: 1, Max: 9}},
	} {
		if got := stats.SpreadOf(tt.values); got != tt.want {
			t.Errorf("SpreadOf(%v) = %v, want %v", tt.values, got, tt.want)
		}
	}
}
