package wamp

import (
	"encoding/base64"
	"fmt"
	"math"
)

// Transcode appends value, exactly one value in encoding from, to dst in
// encoding to. It goes from token to token and builds no tree.
//
// Bytes become a JSON string that begins with U+0000 and goes on in base64,
// and such a string becomes bytes. Numbers keep value and kind: integers stay
// integers, floats stay floats, 32-bit floats stay narrow between the binary
// serializers. JSON integers beyond 64 bits are bignums in CBOR; in
// MessagePack they become a float64 if it is exact, or prints the same digits.
// JSON -0 is a float. undefined becomes null, a CBOR tag (but that of a
// bignum) is dropped, a lone surrogate becomes U+FFFD, repeated keys stay.
//
// What encoding to cannot express makes an error that wraps
// [ErrUntranscodable]: NaN, infinities and keys that are no strings in JSON,
// larger integers in MessagePack, numbers beyond float64, integers over 4,096
// bits, extension and simple values. Malformed input makes one that wraps
// [ErrMalformed]. dst is then returned as it came.
func Transcode(dst []byte, to Serializer, value []byte, from Serializer) ([]byte, error) {
	if to == from {
		if err := from.Valid(value); err != nil {
			return dst, err
		}
		return append(dst, value...), nil
	}
	w := writer{serializer: to, buf: dst, start: len(dst)}
	w.transcode(value, from)
	if w.err != nil {
		return dst, w.err
	}
	return w.buf, nil
}

// transcode writes the one value in b.
func (w *writer) transcode(b []byte, from Serializer) {
	in := scanner{serializer: from, buf: b}
	w.copyValue(&in, 0)
	in.end()
	if in.err != nil && w.err == nil {
		w.err = fmt.Errorf("%v value: %w", from, in.err)
	}
}

// copyValue writes the next value of in, which is inside depth lists and maps.
func (w *writer) copyValue(in *scanner, depth int) {
	var t token
	in.scan(&t)
	if depth += int(t.tags); depth > MaxDepth {
		in.fail(t.offset, textDepth)
	}
	switch t.kind {
	case KindNull:
		w.null()
	case KindBool:
		w.bool(t.truth)
	case KindNumber:
		w.number(in, &t)
	case KindString:
		w.copyString(in, &t)
	case KindBytes:
		w.copyBytes(in, &t)
	case KindList:
		w.copyList(in, &t, depth+1)
	case KindMap:
		w.copyMap(in, &t, depth+1)
	case KindOther:
		w.fail("%w: %v of %v in %v", ErrUntranscodable, t.kind, in.serializer, w.serializer)
	}
}

// copyList writes the elements of the opened list t.
func (w *writer) copyList(in *scanner, t *token, depth int) {
	if depth > MaxDepth {
		in.fail(t.offset, textDepth)
	}
	head := w.beginList(t.n)
	n := 0
	for c := t.container(); in.next(&c) && w.err == nil; n++ {
		w.copyValue(in, depth)
	}
	w.endList(head, t.n, n)
}

// copyMap writes the entries of the opened map t.
func (w *writer) copyMap(in *scanner, t *token, depth int) {
	if depth > MaxDepth {
		in.fail(t.offset, textDepth)
	}
	head := w.beginMap(t.n)
	n := 0
	for c := t.container(); in.next(&c) && w.err == nil; n++ {
		w.copyKey(in, depth)
		w.copyValue(in, depth)
	}
	w.endMap(head, t.n, n)
}

// copyKey writes the key of an entry. Between the binary serializers it may be
// of any kind.
func (w *writer) copyKey(in *scanner, depth int) {
	if in.serializer != JSON && w.serializer != JSON {
		w.copyValue(in, depth)
		return
	}
	var t token
	in.scan(&t)
	if in.serializer == JSON {
		if in.err == nil && !in.isString(&t) {
			in.fail(t.offset, "a key must be a string, not %v", t.kind)
		}
		in.colon()
	} else if in.err == nil && t.kind != KindString {
		w.fail("%w: JSON keys must be strings, not %v", ErrUntranscodable, t.kind)
	}
	w.copyString(in, &t)
	w.colon()
}

// copyString writes the string t.
func (w *writer) copyString(in *scanner, t *token) {
	switch {
	case w.serializer == JSON:
		w.separate()
		w.buf = appendJSONText(w.buf, in.plain(t))
	case t.form == textPlain:
		w.head(KindString, len(t.text))
		w.buf = append(w.buf, t.text...)
	default:
		w.copyText(KindString, t)
	}
}

// copyBytes writes the byte string t.
func (w *writer) copyBytes(in *scanner, t *token) {
	switch {
	case w.serializer == JSON:
		w.bytes(in.plain(t))
	case in.serializer == JSON:
		text := unescaped(t.text[len(binaryPrefix):])
		w.head(KindBytes, decodedLen(text))
		w.buf, _ = base64.StdEncoding.AppendDecode(w.buf, text) // isBinary has checked it
	case t.form == textPlain:
		w.bytes(t.text)
	default:
		w.copyText(KindBytes, t)
	}
}

// copyText writes a string whose length only shows when escapes and chunk
// heads are gone. It is never longer than with them, so the head is made for
// that length and replaced.
func (w *writer) copyText(kind Kind, t *token) {
	start := len(w.buf)
	w.head(kind, len(t.text))
	content := len(w.buf)
	w.buf = t.appendText(w.buf)
	end := len(w.buf)
	w.buf = w.buf[:start]
	w.head(kind, end-content)
	w.buf = append(w.buf, w.buf[content:end]...)
}

// head writes the binary head of a string or byte string of n bytes.
func (w *writer) head(kind Kind, n int) {
	if uint64(n) > math.MaxUint32 { //nolint:gosec // a length; as an int the constant is too large where ints have 32 bits
		w.fail("%w: %v of %d bytes", ErrUntranscodable, kind, n)
		return
	}
	switch {
	case w.serializer == MsgPack && kind == KindString:
		w.buf = appendMsgPackString(w.buf, n)
	case w.serializer == MsgPack:
		w.buf = appendMsgPackBytes(w.buf, n)
	case kind == KindString:
		w.buf = appendCBORLen(w.buf, cborText, n)
	default:
		w.buf = appendCBORLen(w.buf, cborBytes, n)
	}
}

// number writes the number t.
func (w *writer) number(in *scanner, t *token) {
	switch t.number {
	case numberUint:
		w.uint(t.bits)
	case numberNegative:
		w.negative(t.bits)
	case numberFloat32:
		w.float(t.float(), true)
	case numberFloat64:
		if v := t.float(); in.serializer == JSON && math.IsInf(v, 0) {
			w.fail("%w: %s", ErrUntranscodable, textLarge)
		}
		w.float(t.float(), false)
	default:
		w.bigNumber(t)
	}
}

// beginList begins a list of n elements, which may be -1 for not yet known. It
// returns where endList will find the head.
func (w *writer) beginList(n int) int {
	head := len(w.buf)
	w.openList(max(n, 0))
	return head
}

// endList ends a list that turned out to have n elements.
func (w *writer) endList(head, announced, n int) {
	if w.serializer == JSON {
		w.closeList()
	} else if announced < 0 {
		end := len(w.buf)
		w.openList(n)
		w.moveHead(head, end)
	}
}

func (w *writer) beginMap(n int) int {
	head := len(w.buf)
	w.openMap(max(n, 0))
	return head
}

func (w *writer) endMap(head, announced, n int) {
	if w.serializer == JSON {
		w.closeMap()
	} else if announced < 0 {
		end := len(w.buf)
		w.openMap(n)
		w.moveHead(head, end)
	}
}

// moveHead puts the container head that was written at end into the place of
// the one-byte head of an empty container, and moves the content behind it.
// Lists and maps of up to 15 elements have heads of one byte; a longer one is
// moved by up to four bytes, once for each level it is nested in.
func (w *writer) moveHead(head, end int) {
	var saved [9]byte
	n := copy(saved[:], w.buf[end:])
	copy(w.buf[head+n:], w.buf[head+1:end])
	copy(w.buf[head:], saved[:n])
	w.buf = w.buf[:end+n-1]
}

// decodedLen is the number of bytes that checked base64 stands for.
func decodedLen(text []byte) int {
	n := len(text) / 4 * 3
	for i := len(text); i > 0 && text[i-1] == '='; i-- {
		n--
	}
	return n
}

// appendBinary appends the bytes that the byte string t stands for.
func (s *scanner) appendBinary(dst []byte, t *token) []byte {
	if s.serializer == JSON {
		dst, _ = base64.StdEncoding.AppendDecode(dst, unescaped(t.text[len(binaryPrefix):]))
		return dst
	}
	return t.appendText(dst)
}
