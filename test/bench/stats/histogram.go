// Package stats sums measurements up.
package stats

import (
	"math/bits"
	"time"
)

// Each power of two has this many buckets, so that a quantile is at most 3 %
// too low.
const (
	fineBits = 5
	fine     = 1 << fineBits
	buckets  = fine * (40 - fineBits) // up to nine minutes
)

// A Histogram counts durations. The zero value is empty. It is used by one
// goroutine at a time.
type Histogram struct {
	counts [buckets]uint64
	n      uint64
}

// Add counts a duration. A negative one counts as zero, one that is too long
// as the longest there is.
func (h *Histogram) Add(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.n++
}

// bucketOf returns the bucket of a duration: below fine nanoseconds each has
// its own, above the first bits of the number and their place choose it.
func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0))
	shift := max(bits.Len64(v)-fineBits-1, 0)
	return min(shift*fine+int(v>>shift), buckets-1)
}

// least returns the shortest duration of a bucket.
func least(bucket int) time.Duration {
	shift := max(bucket/fine-1, 0)
	return time.Duration(bucket-shift*fine) << shift
}

// Merge adds what another histogram counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.n += other.n
}

// Count returns how many durations were added.
func (h *Histogram) Count() uint64 { return h.n }

// Quantile returns the duration that the given part of all, between 0 and 1,
// does not exceed; 0 if the histogram is empty.
func (h *Histogram) Quantile(part float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := min(uint64(part*float64(h.n)), h.n-1)
	var seen uint64
	for bucket, n := range h.counts {
		seen += n
		if seen > rank {
			return least(bucket)
		}
	}
	return least(buckets - 1)
}
