package match

import (
	"slices"
	"strings"
)

// A prefixNode is a node of a radix tree over bytes. The path from the root,
// all labels joined, is a prefix; no two children begin with the same byte.
// A node other than the root has a value or at least two children.
type prefixNode[T any] struct {
	label    string
	children []*prefixNode[T] // ordered by the first byte of their labels
	value    T
	stored   bool
}

// at returns the value stored under prefix itself.
func (n *prefixNode[T]) at(prefix string) (T, bool) {
	for prefix != "" {
		i, ok := n.child(prefix[0])
		if !ok || !strings.HasPrefix(prefix, n.children[i].label) {
			var none T
			return none, false
		}
		n = n.children[i]
		prefix = prefix[len(n.label):]
	}
	return n.value, n.stored
}

// longest returns the value of the longest stored prefix of uri, in time
// proportional to the length of uri.
func (n *prefixNode[T]) longest(uri string) (value T, found bool) {
	for {
		if n.stored {
			value, found = n.value, true
		}
		if uri == "" {
			return value, found
		}
		i, ok := n.child(uri[0])
		if !ok || !strings.HasPrefix(uri, n.children[i].label) {
			return value, found
		}
		n = n.children[i]
		uri = uri[len(n.label):]
	}
}

// set stores value under prefix and reports whether nothing was there.
func (n *prefixNode[T]) set(prefix string, value T) bool {
	for prefix != "" {
		i, ok := n.child(prefix[0])
		if !ok {
			leaf := &prefixNode[T]{label: prefix, value: value, stored: true}
			n.children = slices.Insert(n.children, i, leaf)
			return true
		}
		common := commonLength(prefix, n.children[i].label)
		if common < len(n.children[i].label) {
			n.split(i, common)
		}
		n = n.children[i]
		prefix = prefix[common:]
	}
	added := !n.stored
	n.value, n.stored = value, true
	return added
}

// remove removes what is stored under prefix itself and reports whether
// anything was.
func (n *prefixNode[T]) remove(prefix string) bool {
	if prefix == "" {
		was := n.stored
		var none T
		n.value, n.stored = none, false
		return was
	}
	i, ok := n.child(prefix[0])
	if !ok || !strings.HasPrefix(prefix, n.children[i].label) {
		return false
	}
	child := n.children[i]
	if !child.remove(prefix[len(child.label):]) {
		return false
	}
	n.shrink(i)
	return true
}

// split puts a node between n and its child i, which keeps what follows the
// first length bytes of its label.
func (n *prefixNode[T]) split(i, length int) {
	child := n.children[i]
	n.children[i] = &prefixNode[T]{label: child.label[:length], children: []*prefixNode[T]{child}}
	child.label = child.label[length:]
}

// shrink takes child i out if it has become needless.
func (n *prefixNode[T]) shrink(i int) {
	child := n.children[i]
	switch {
	case child.stored || len(child.children) > 1:
	case len(child.children) == 1:
		only := child.children[0]
		only.label = child.label + only.label
		n.children[i] = only
	default:
		n.children = slices.Delete(n.children, i, i+1)
	}
}

// child returns the index of the child whose label begins with c, or where it
// would have to be inserted.
func (n *prefixNode[T]) child(c byte) (int, bool) {
	low, high := 0, len(n.children)
	for low < high {
		middle := (low + high) / 2
		if n.children[middle].label[0] < c {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < len(n.children) && n.children[low].label[0] == c
}

func commonLength(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
