package wamp

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"
)

// Valid checks that b is exactly one well-formed value: in JSON what RFC 8259
// allows, with white space around it, in MessagePack and CBOR with lengths
// that end inside b; strings are UTF-8, and lists and maps (and CBOR tags)
// nest at most [MaxDepth] deep. A JSON escape of half a surrogate pair is
// allowed. The error is a [*SyntaxError].
func (s Serializer) Valid(b []byte) error {
	in := scanner{serializer: s, buf: b}
	in.skip(0)
	in.end()
	if in.err != nil {
		return in.err
	}
	return nil
}

// ValidStrict is [Serializer.Valid] and also refuses a map that has a key
// twice, at any depth. JSON keys are compared without their escapes, keys that
// are no strings by their encoding. It takes memory for the keys of the maps it
// is inside of, at most some three times that of b.
func (s Serializer) ValidStrict(b []byte) error {
	w := strictWalk{in: scanner{serializer: s, buf: b}}
	w.value(0)
	w.in.end()
	if w.in.err != nil {
		return w.in.err
	}
	return nil
}

// A strictWalk looks for repeated keys.
type strictWalk struct {
	in   scanner
	keys []keyMark // of all maps the walk is inside of
	seed maphash.Seed
}

// A keyMark is a key of a map: a hash of it and where it begins.
type keyMark struct {
	hash   uint64
	offset int
}

// value checks the next value, which is inside depth lists and maps.
func (w *strictWalk) value(depth int) {
	if w.in.atScalar() {
		w.in.skip(depth)
		return
	}
	var t token
	w.in.scan(&t)
	container := t.kind == KindList || t.kind == KindMap
	if depth += int(t.tags); depth > MaxDepth || container && depth == MaxDepth {
		w.in.fail(t.offset, textDepth)
	}
	switch t.kind {
	case KindList:
		for c := t.container(); w.in.next(&c); {
			w.value(depth + 1)
		}
	case KindMap:
		w.entries(&t, depth+1)
	}
}

// entries checks the entries of the opened map t.
func (w *strictWalk) entries(t *token, depth int) {
	first := len(w.keys)
	for c := t.container(); w.in.next(&c); {
		w.in.space()
		offset := w.in.pos
		w.keys = append(w.keys, keyMark{w.hash(w.in.anyKey(depth)), offset})
		w.value(depth)
	}
	w.unique(w.keys[first:])
	w.keys = w.keys[:first]
}

func (w *strictWalk) hash(key []byte) uint64 {
	if w.seed == (maphash.Seed{}) {
		w.seed = maphash.MakeSeed()
	}
	return maphash.Bytes(w.seed, key)
}

// unique fails if two of the keys are the same. It sorts them, and
// names the first that was there before.
func (w *strictWalk) unique(keys []keyMark) {
	if len(keys) < 2 || w.in.err != nil {
		return
	}
	slices.SortFunc(keys, func(a, b keyMark) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.offset, b.offset))
	})
	second := len(w.in.buf)
	for i := range keys[1:] {
		a, b := keys[i], keys[i+1]
		if a.hash == b.hash && b.offset < second && bytes.Equal(w.keyAt(a), w.keyAt(b)) {
			second = b.offset
		}
	}
	if second < len(w.in.buf) {
		w.in.fail(second, "the key %.60q is there twice", string(w.keyAt(keyMark{offset: second})))
	}
}

func (w *strictWalk) keyAt(k keyMark) []byte {
	in := scanner{serializer: w.in.serializer, buf: w.in.buf, pos: k.offset}
	return in.anyKey(0)
}

// anyKey reads a key: of a string its text, of another its encoding. The
// result is valid until the next one.
func (s *scanner) anyKey(depth int) []byte {
	start := s.pos
	if s.serializer == JSON {
		return s.key()
	}
	var t token
	s.scan(&t)
	if t.kind == KindString {
		return s.plain(&t)
	}
	s.pos = start
	return s.skip(depth)
}

// skipKey moves behind the key of an entry.
func (s *scanner) skipKey(depth int) {
	if s.serializer == JSON {
		s.key()
		return
	}
	s.skip(depth)
}

// space moves behind JSON white space.
func (s *scanner) space() {
	if s.serializer == JSON {
		s.pos = skipSpace(s.buf, s.pos)
	}
}

// atScalar reports whether the next value is a JSON scalar.
func (s *scanner) atScalar() bool {
	if s.serializer != JSON {
		return false
	}
	s.space()
	return s.pos < len(s.buf) && s.buf[s.pos] != '{' && s.buf[s.pos] != '['
}
