package shard

import (
	"cmp"
	"math"
)

// MaxMembers is how many members a Table has room for.
const MaxMembers = 1 << 10

// A Table divides the slots among members by weighted rendezvous hashing: each
// slot goes to the member with the highest score for it. So a member that
// joins takes slots only for itself, and one that leaves gives up only its own.
//
// [Table.Owner] takes constant time. Join and Leave compute some Slots scores,
// however many members there are: a quarter of a millisecond at most, and one
// where weights differ. The zero Table has no members.
type Table[T any] struct {
	members []member[T]
	owners  []uint16 // by slot, an index into members
}

type member[T any] struct {
	name   string
	hash   uint64
	weight float64
	value  T
}

// Len returns how many members there are.
func (t *Table[T]) Len() int { return len(t.members) }

// Owner returns the value of the member that a slot belongs to, or false if
// there are no members.
func (t *Table[T]) Owner(slot int) (T, bool) {
	if len(t.members) == 0 {
		var none T
		return none, false
	}
	return t.members[t.owners[slot]].value, true
}

// Join adds a member with a name that no other has and a weight above 0: it
// gets slots in proportion to it. There must be room for it.
func (t *Table[T]) Join(name string, weight float64, value T) {
	if t.owners == nil {
		t.owners = make([]uint16, Slots)
	}
	newcomer := uint16(len(t.members)) //nolint:gosec // less than MaxMembers
	t.members = append(t.members, member[T]{name, hash(name), weight, value})
	if newcomer == 0 {
		return // all slots are its own
	}
	for slot, owner := range t.owners {
		if t.beats(newcomer, owner, slot) {
			t.owners[slot] = newcomer
		}
	}
}

// Leave removes the member with a name; there must be one.
func (t *Table[T]) Leave(name string) {
	gone := t.find(name)
	last := uint16(len(t.members) - 1) //nolint:gosec // less than MaxMembers
	t.members[gone] = t.members[last]
	t.members[last] = member[T]{}
	t.members = t.members[:last]
	if last == 0 {
		t.members, t.owners = nil, nil
		return
	}
	for slot, owner := range t.owners {
		switch owner {
		case gone:
			t.owners[slot] = t.best(slot)
		case last:
			t.owners[slot] = gone // where the last member is now
		}
	}
}

// find returns the index of the member with a name, which is there.
func (t *Table[T]) find(name string) uint16 {
	i := uint16(0)
	for t.members[i].name != name {
		i++
	}
	return i
}

// best returns the member with the highest score for a slot.
func (t *Table[T]) best(slot int) uint16 {
	best := uint16(0)
	for i := range uint16(len(t.members)) { //nolint:gosec // at most MaxMembers
		if i > 0 && t.beats(i, best, slot) {
			best = i
		}
	}
	return best
}

// beats reports whether member i has a higher score for a slot than member j.
// With one weight the higher hash wins. Otherwise the hash, as a number u
// between 0 and 1, counts as log(u)/weight, which gives each its share.
func (t *Table[T]) beats(i, j uint16, slot int) bool {
	a, b := &t.members[i], &t.members[j]
	x, y := a.draw(slot), b.draw(slot)
	order := cmp.Compare(x, y)
	if a.weight != b.weight {
		order = cmp.Compare(score(x, a.weight), score(y, b.weight))
	}
	if order == 0 {
		return a.name > b.name
	}
	return order > 0
}

// draw returns the number that the member draws for a slot.
func (m *member[T]) draw(slot int) uint64 {
	return mix(m.hash ^ (uint64(slot)+1)*0x9e3779b97f4a7c15) //nolint:gosec // not negative
}

func score(draw uint64, weight float64) float64 {
	u := (float64(draw>>11) + 0.5) / (1 << 53)
	return math.Log(u) / weight
}
