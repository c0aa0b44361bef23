package shard

import (
	"cmp"
	"slices"
)

// A Range is a half-open interval of points: From belongs to it, To does not.
// An empty From has nothing before it; Open means that there is no To.
type Range struct {
	From, To Point
	Open     bool
}

// Empty reports whether no point lies in r.
func (r Range) Empty() bool { return !r.Open && r.To <= r.From }

// overlaps reports whether a point lies in both.
func (r Range) overlaps(other Range) bool {
	return (r.Open || other.From < r.To) && (other.Open || r.From < other.To)
}

// holds reports whether p lies in r.
func (r Range) holds(p Point) bool { return r.From <= p && (r.Open || p < r.To) }

// Ranges maps intervals that do not overlap to values. The zero Ranges is
// empty. Find takes a binary search; Add and Remove move what comes after.
type Ranges[T any] struct {
	entries []rangeEntry[T] // by From
}

type rangeEntry[T any] struct {
	Range
	value T
}

// search returns the index of the first entry that begins after p.
func (rs *Ranges[T]) search(p Point) int {
	i, _ := slices.BinarySearchFunc(rs.entries, p, func(e rangeEntry[T], p Point) int {
		if e.From <= p {
			return -1
		}
		return 1
	})
	return i
}

// Find returns the value of the interval that p lies in; false if p lies in a
// hole.
func (rs *Ranges[T]) Find(p Point) (T, bool) {
	if i := rs.search(p); i > 0 && rs.entries[i-1].holds(p) {
		return rs.entries[i-1].value, true
	}
	var none T
	return none, false
}

// Overlap returns the value of an interval that has a point in common with r,
// and whether it is the very same interval; false if there is none.
func (rs *Ranges[T]) Overlap(r Range) (value T, same, ok bool) {
	i := rs.search(r.From)
	for _, at := range []int{i - 1, i} {
		if at >= 0 && at < len(rs.entries) && rs.entries[at].overlaps(r) {
			return rs.entries[at].value, rs.entries[at].Range == r, true
		}
	}
	return value, false, false
}

// Add adds an interval that overlaps no other and is not empty.
func (rs *Ranges[T]) Add(r Range, value T) {
	rs.entries = slices.Insert(rs.entries, rs.search(r.From), rangeEntry[T]{r, value})
}

// Remove removes an interval, if it is there.
func (rs *Ranges[T]) Remove(r Range) {
	i, ok := slices.BinarySearchFunc(rs.entries, r.From, func(e rangeEntry[T], p Point) int { return cmp.Compare(e.From, p) })
	if ok && rs.entries[i].Range == r {
		rs.entries = slices.Delete(rs.entries, i, i+1)
	}
}
