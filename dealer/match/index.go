// Package match finds the value that is registered for a URI.
//
// It holds exact registrations. A caller asks two different questions, and
// the methods keep them apart although the answers coincide as long as there
// are no patterns: what is registered under this very URI ([Index.Exact], for
// REGISTER), and which registration does a call of this URI go to
// ([Index.Best], for CALL).
//
// The package does no I/O, starts no goroutine, takes no lock and reads no
// clock. The same operations in the same order always give the same answers.
package match

// An Index maps URIs to values. The zero Index is empty and ready for use. It
// must not be copied after first use, nor used by several goroutines at once.
type Index[T any] struct {
	exact map[string]entry[T]
	uris  []string // keys of exact in a reproducible order; entry.at points into it
}

type entry[T any] struct {
	value T
	at    int
}

// Exact returns the value that is stored under uri itself.
func (x *Index[T]) Exact(uri string) (T, bool) {
	e, ok := x.exact[uri]
	return e.value, ok
}

// Best returns the value that a call of uri goes to: the exact one.
func (x *Index[T]) Best(uri string) (T, bool) {
	return x.Exact(uri)
}

// SetExact stores value under uri and replaces what was there.
func (x *Index[T]) SetExact(uri string, value T) {
	if e, ok := x.exact[uri]; ok {
		x.exact[uri] = entry[T]{value, e.at}
		return
	}
	if x.exact == nil {
		x.exact = make(map[string]entry[T])
	}
	x.exact[uri] = entry[T]{value, len(x.uris)}
	x.uris = append(x.uris, uri)
}

// DeleteExact removes what is stored under uri itself, if anything is.
func (x *Index[T]) DeleteExact(uri string) {
	gone, ok := x.exact[uri]
	if !ok {
		return
	}
	delete(x.exact, uri)
	last := len(x.uris) - 1
	if moved := x.uris[last]; moved != uri {
		x.uris[gone.at] = moved
		x.exact[moved] = entry[T]{x.exact[moved].value, gone.at}
	}
	x.uris[last] = ""
	x.uris = x.uris[:last]
}

// Len returns how many values are stored.
func (x *Index[T]) Len() int { return len(x.uris) }
