package match

import "strings"

// A wildcardNode is a node of a tree over URI components. An empty component
// of a pattern stands for any one component.
type wildcardNode[T any] struct {
	literal map[string]*wildcardNode[T]
	any     *wildcardNode[T]
	value   T
	stored  bool
}

// best returns the value of the most specific pattern that matches uri: of two
// patterns that differ, the one wins that has the literal where they differ
// first, counted from the left. That is the first hit of a walk that tries
// literals before the wildcard and comes back from dead ends.
func (n *wildcardNode[T]) best(uri string) (T, bool) {
	component, rest, more := strings.Cut(uri, ".")
	if next := n.literal[component]; next != nil && component != "" {
		if value, ok := next.bestOfRest(rest, more); ok {
			return value, true
		}
	}
	if n.any != nil && component != "" {
		return n.any.bestOfRest(rest, more)
	}
	var none T
	return none, false
}

func (n *wildcardNode[T]) bestOfRest(rest string, more bool) (T, bool) {
	if !more {
		return n.value, n.stored
	}
	return n.best(rest)
}

// at returns the value stored under pattern itself.
func (n *wildcardNode[T]) at(pattern string) (T, bool) {
	for component := range strings.SplitSeq(pattern, ".") {
		if n = n.next(component); n == nil {
			var none T
			return none, false
		}
	}
	return n.value, n.stored
}

// set stores value under pattern and reports whether nothing was there.
func (n *wildcardNode[T]) set(pattern string, value T) bool {
	for component := range strings.SplitSeq(pattern, ".") {
		n = n.grow(component)
	}
	added := !n.stored
	n.value, n.stored = value, true
	return added
}

// remove removes what is stored under pattern itself, and the branches that
// led to nothing else. It reports whether anything was stored.
func (n *wildcardNode[T]) remove(pattern string) bool {
	component, rest, more := strings.Cut(pattern, ".")
	next := n.next(component)
	if next == nil {
		return false
	}
	if more {
		if !next.remove(rest) {
			return false
		}
	} else {
		if !next.stored {
			return false
		}
		var none T
		next.value, next.stored = none, false
	}
	if next.stored || next.any != nil || len(next.literal) > 0 {
		return true
	}
	if component == "" {
		n.any = nil
	} else {
		delete(n.literal, component)
	}
	return true
}

// next returns the node that a component of a pattern leads to, or nil.
func (n *wildcardNode[T]) next(component string) *wildcardNode[T] {
	if component == "" {
		return n.any
	}
	return n.literal[component]
}

// grow is next, but makes the node if there is none.
func (n *wildcardNode[T]) grow(component string) *wildcardNode[T] {
	if next := n.next(component); next != nil {
		return next
	}
	next := &wildcardNode[T]{}
	switch {
	case component == "":
		n.any = next
	case n.literal == nil:
		n.literal = map[string]*wildcardNode[T]{component: next}
	default:
		n.literal[component] = next
	}
	return next
}
