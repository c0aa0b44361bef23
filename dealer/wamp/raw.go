package wamp

import "iter"

// Kind returns the kind of the value that b begins with.
func (s Serializer) Kind(b []byte) Kind {
	in := scanner{serializer: s, buf: b}
	var t token
	in.scan(&t)
	return t.kind
}

// StringValue returns the string that b holds; false if b is anything else,
// also a byte string.
func (s Serializer) StringValue(b []byte) (string, bool) {
	in := scanner{serializer: s, buf: b}
	t := in.only(KindString)
	return string(in.plain(&t)), t.kind == KindString
}

// BytesValue returns the bytes that b holds, which in JSON is a string that
// begins with U+0000 and goes on in base64; false if b is anything else. The
// result may alias b.
func (s Serializer) BytesValue(b []byte) ([]byte, bool) {
	in := scanner{serializer: s, buf: b}
	switch t := in.only(KindBytes); {
	case t.kind != KindBytes:
		return nil, false
	case s == JSON || t.form != textPlain:
		return in.appendBinary(nil, &t), true
	default:
		return t.text, true
	}
}

// only reads the value that must be of the kind and the only one; otherwise it
// returns the zero token.
func (s *scanner) only(kind Kind) token {
	var t token
	s.scan(&t)
	s.end()
	if s.err != nil || t.kind != kind {
		return token{}
	}
	return t
}

// Len returns how many elements an encoded list, or entries an encoded map,
// has. The error wraps [ErrMalformed].
func (s Serializer) Len(container []byte) (int, error) {
	in := scanner{serializer: s, buf: container}
	var t token
	in.scan(&t)
	if in.err == nil && t.kind != KindList && t.kind != KindMap {
		in.fail(t.offset, "a list or dict must be here, not %v", t.kind)
	}
	n := 0
	for c := t.container(); in.next(&c); n++ {
		if t.kind == KindMap {
			in.skipKey(1)
		}
		in.skip(1)
	}
	in.end()
	if in.err != nil {
		return 0, in.err
	}
	return n, nil
}

// Elements iterates over the encoded elements of an encoded list; they alias
// it. An error, which wraps [ErrMalformed], is the last it yields.
func (s Serializer) Elements(list []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		in := scanner{serializer: s, buf: list}
		for c := in.openContainer(KindList); in.next(&c); {
			element := in.skip(1)
			if in.err == nil && !yield(element, nil) {
				return
			}
		}
		in.end()
		if in.err != nil {
			yield(nil, in.err)
		}
	}
}

// An Entry is one entry of an encoded map.
type Entry struct {
	Key   string // decoded
	Value []byte // encoded
}

// Entries iterates over the entries of an encoded map; the values alias it. An
// error, which wraps [ErrMalformed], is the last it yields; a key that is no
// string makes one too.
func (s Serializer) Entries(m []byte) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		in := scanner{serializer: s, buf: m}
		for c := in.openContainer(KindMap); in.next(&c); {
			entry := Entry{Key: string(in.key())}
			entry.Value = in.skip(1)
			if in.err == nil && !yield(entry, nil) {
				return
			}
		}
		in.end()
		if in.err != nil {
			yield(Entry{}, in.err)
		}
	}
}

// openContainer moves into a list or map.
func (s *scanner) openContainer(kind Kind) container {
	var t token
	s.scan(&t)
	if s.err == nil && t.kind != kind {
		s.fail(t.offset, "%v must be here, not %v", kind, t.kind)
	}
	return t.container()
}

// AppendList appends to dst the list of the encoded elements, which are not
// checked.
func (s Serializer) AppendList(dst []byte, elements ...[]byte) []byte {
	w := writer{serializer: s, buf: dst, start: len(dst)}
	w.openList(len(elements))
	for _, element := range elements {
		w.value(element, s)
	}
	w.closeList()
	return w.buf
}

// AppendMap appends to dst the map of the entries in their order. The values
// are not checked.
func (s Serializer) AppendMap(dst []byte, entries ...Entry) []byte {
	w := writer{serializer: s, buf: dst, start: len(dst)}
	w.openMap(len(entries))
	for i := range entries {
		w.key(entries[i].Key)
		w.value(entries[i].Value, s)
	}
	w.closeMap()
	return w.buf
}

// head returns the kind of the complete value b, from its first byte wherever
// that tells.
func (s Serializer) head(b []byte) Kind {
	if len(b) == 0 {
		return KindInvalid
	}
	switch c := b[0]; {
	case s == JSON && c == '[', s == MsgPack && c&0xf0 == mpFixArray, s == CBOR && c>>5 == cborArray:
		return KindList
	case s == JSON && c == '{', s == MsgPack && c&0xf0 == mpFixMap, s == CBOR && c>>5 == cborMap:
		return KindMap
	}
	return s.Kind(b)
}

// empty reports whether the complete value b is an empty list or map, or
// nothing at all.
func (s Serializer) empty(b []byte) bool {
	switch {
	case len(b) == 0:
		return true
	case s == JSON:
		i := skipSpace(b, 1)
		return i < len(b) && (b[0] == '[' && b[i] == ']' || b[0] == '{' && b[i] == '}')
	case s == MsgPack:
		return b[0] == mpFixArray || b[0] == mpFixMap || b[0] >= mpArray16 && b[0] <= mpMap32 && zero(b[1:])
	default:
		return (b[0]>>5 == cborArray || b[0]>>5 == cborMap) && emptyCBOR(b)
	}
}

// emptyCBOR reports whether the list or map b is empty.
func emptyCBOR(b []byte) bool {
	switch info := b[0] & 0x1f; {
	case info == cborIndefinite:
		return len(b) > 1 && b[1] == cborBreak
	case info >= cborOneByte:
		return zero(b[1:])
	default:
		return info == 0
	}
}

// zero reports whether b, what follows the first byte of a list or map, is but
// a length of 0. Any other length has a byte that is not 0.
func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
