// Package match finds the value that is registered for a URI.
//
// A value is stored under a URI and a [Policy]. What is stored there
// ([Index.At], for REGISTER) and what a call of some URI goes to
// ([Index.Best], for CALL) are two questions. Best goes down a tree: its cost
// depends on the URI that is looked up and not on how many are stored.
//
// The package does no I/O, starts no goroutine, takes no lock and reads no
// clock. The same operations in the same order always give the same answers.
package match

// A Policy says how a stored URI is compared with the one that is called
// (spec, section "Pattern-based Registration"). The values are those of
// wamp.MatchPolicy.
type Policy uint8

// The policies.
const (
	Exact    Policy = iota // the URIs are equal
	Prefix                 // the stored URI is what the called one begins with
	Wildcard               // the stored URI has as many components; its empty ones match any
)

// An Index maps URIs to values. The zero Index is empty and ready for use. It
// must not be copied after first use, nor used by several goroutines at once.
type Index[T any] struct {
	exact    exact[T]
	prefix   prefixNode[T]
	wildcard wildcardNode[T]
	patterns int // values in prefix and wildcard
}

// At returns the value that is stored under policy p and uri themselves.
func (x *Index[T]) At(p Policy, uri string) (T, bool) {
	switch p {
	case Prefix:
		return x.prefix.at(uri)
	case Wildcard:
		return x.wildcard.at(uri)
	}
	return x.exact.at(uri)
}

// Best returns the value that a call of uri goes to: the exact one, else that
// of the longest prefix, else that of the wildcard pattern whose literals
// come first. Prefixes are compared byte by byte: "com.app" is one of
// "com.apple".
func (x *Index[T]) Best(uri string) (T, bool) {
	if value, ok := x.exact.at(uri); ok || x.patterns == 0 {
		return value, ok
	}
	if value, ok := x.prefix.longest(uri); ok {
		return value, true
	}
	return x.wildcard.best(uri)
}

// Set stores value under policy p and uri and replaces what was there.
func (x *Index[T]) Set(p Policy, uri string, value T) {
	added := false
	switch p {
	case Prefix:
		added = x.prefix.set(uri, value)
	case Wildcard:
		added = x.wildcard.set(uri, value)
	default:
		x.exact.set(uri, value)
	}
	if added {
		x.patterns++
	}
}

// Delete removes what is stored under policy p and uri themselves, if anything
// is.
func (x *Index[T]) Delete(p Policy, uri string) {
	removed := false
	switch p {
	case Prefix:
		removed = x.prefix.remove(uri)
	case Wildcard:
		removed = x.wildcard.remove(uri)
	default:
		x.exact.remove(uri)
	}
	if removed {
		x.patterns--
	}
}

// Len returns how many values are stored, under all policies.
func (x *Index[T]) Len() int { return len(x.exact.uris) + x.patterns }
