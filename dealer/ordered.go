package dealer

import (
	"cmp"
	"iter"
	"slices"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// An ordered holds values under numbers that only grow, in their order. It is
// made for lists that are read in pages: a page goes on after a number, whether
// or not what had that number is still there. Adding takes constant time and
// finding O(log n); removing leaves a gap, and the gaps are closed when they
// are half of it. The zero ordered is empty.
type ordered[T any] struct {
	entries []numbered[T]
	gaps    int
}

type numbered[T any] struct {
	number wamp.ID
	value  *T // nil: a gap
}

// fewEntries is how many entries are not worth closing gaps for.
const fewEntries = 64

// size returns how many values there are.
func (o *ordered[T]) size() int { return len(o.entries) - o.gaps }

// add appends a value; its number is larger than all before.
func (o *ordered[T]) add(number wamp.ID, value *T) {
	o.entries = append(o.entries, numbered[T]{number, value})
}

// at returns the value with that number, or nil.
func (o *ordered[T]) at(number wamp.ID) *T {
	if i, ok := o.search(number); ok {
		return o.entries[i].value
	}
	return nil
}

// remove takes the value with that number out, which must be there.
func (o *ordered[T]) remove(number wamp.ID) {
	i, _ := o.search(number)
	o.entries[i].value = nil
	o.gaps++
	if o.gaps <= len(o.entries)/2 || len(o.entries) < fewEntries {
		return
	}
	rest := make([]numbered[T], 0, o.size())
	for _, e := range o.entries {
		if e.value != nil {
			rest = append(rest, e)
		}
	}
	o.entries, o.gaps = rest, 0
}

// after iterates over the values whose numbers are larger than the given one.
func (o *ordered[T]) after(number wamp.ID) iter.Seq2[wamp.ID, *T] {
	return func(yield func(wamp.ID, *T) bool) {
		i, found := o.search(number)
		if found {
			i++
		}
		for _, e := range o.entries[i:] {
			if e.value != nil && !yield(e.number, e.value) {
				return
			}
		}
	}
}

// search returns where the number is, or would be.
func (o *ordered[T]) search(number wamp.ID) (int, bool) {
	return slices.BinarySearchFunc(o.entries, number, func(e numbered[T], n wamp.ID) int {
		return cmp.Compare(e.number, n)
	})
}
