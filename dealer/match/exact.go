package match

// An exact index holds registrations of policy [Exact].
type exact[T any] struct {
	entries map[string]entry[T]
	uris    []string // keys of entries in a reproducible order; entry.at points into it
}

type entry[T any] struct {
	value T
	at    int
}

func (x *exact[T]) at(uri string) (T, bool) {
	e, ok := x.entries[uri]
	return e.value, ok
}

func (x *exact[T]) set(uri string, value T) {
	if e, ok := x.entries[uri]; ok {
		x.entries[uri] = entry[T]{value, e.at}
		return
	}
	if x.entries == nil {
		x.entries = make(map[string]entry[T])
	}
	x.entries[uri] = entry[T]{value, len(x.uris)}
	x.uris = append(x.uris, uri)
}

func (x *exact[T]) remove(uri string) bool {
	gone, ok := x.entries[uri]
	if !ok {
		return false
	}
	delete(x.entries, uri)
	last := len(x.uris) - 1
	if moved := x.uris[last]; moved != uri {
		x.uris[gone.at] = moved
		x.entries[moved] = entry[T]{x.entries[moved].value, gone.at}
	}
	x.uris[last] = ""
	x.uris = x.uris[:last]
	return true
}
