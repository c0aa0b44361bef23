//nolint:gosec // binary formats take narrowing conversions, each behind a check of its range
package wamp

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// The MessagePack heads that are not part of a range (specification,
// "Formats").
const (
	mpNil      = 0xc0
	mpUnused   = 0xc1
	mpFalse    = 0xc2
	mpTrue     = 0xc3
	mpBin8     = 0xc4
	mpBin16    = 0xc5
	mpBin32    = 0xc6
	mpExt8     = 0xc7
	mpExt16    = 0xc8
	mpExt32    = 0xc9
	mpFloat32  = 0xca
	mpFloat64  = 0xcb
	mpUint8    = 0xcc
	mpUint16   = 0xcd
	mpUint32   = 0xce
	mpUint64   = 0xcf
	mpInt8     = 0xd0
	mpInt16    = 0xd1
	mpInt32    = 0xd2
	mpInt64    = 0xd3
	mpFixExt1  = 0xd4
	mpFixExt16 = 0xd8
	mpStr8     = 0xd9
	mpStr16    = 0xda
	mpStr32    = 0xdb
	mpArray16  = 0xdc
	mpArray32  = 0xdd
	mpMap16    = 0xde
	mpMap32    = 0xdf

	mpFixMap   = 0x80
	mpFixArray = 0x90
	mpFixStr   = 0xa0
	mpNegative = 0xe0
)

// readMsgPack reads the head at b[i] into t and returns the position after it,
// which for strings and the like is after their content.
func readMsgPack(b []byte, i int, t *token) (int, *SyntaxError) {
	if i >= len(b) {
		return 0, syntaxError(len(b), textCut)
	}
	t.offset = i
	switch c := b[i]; {
	case c < mpFixMap:
		t.kind, t.number, t.bits = KindNumber, numberUint, uint64(c)
		return i + 1, nil
	case c < mpFixArray:
		return t.open(b, i, i+1, KindMap, uint64(c&0x0f))
	case c < mpFixStr:
		return t.open(b, i, i+1, KindList, uint64(c&0x0f))
	case c < mpNil:
		return t.content(b, i, i+1, KindString, uint64(c&0x1f))
	case c >= mpNegative:
		t.kind, t.number, t.bits = KindNumber, numberNegative, uint64(^c)
		return i + 1, nil
	case c >= mpUint8 && c <= mpInt64:
		return readMsgPackInteger(b, i, t)
	case c >= mpArray16:
		return readMsgPackContainer(b, i, t)
	default:
		return readMsgPackOther(b, i, t)
	}
}

// bigEndian returns the number in the n bytes at b[i]; n is 1, 2, 4 or 8.
func bigEndian(b []byte, i, n int) (uint64, *SyntaxError) {
	if len(b)-i < n {
		return 0, syntaxError(len(b), textCut)
	}
	switch n {
	case 1:
		return uint64(b[i]), nil
	case 2:
		return uint64(binary.BigEndian.Uint16(b[i:])), nil
	case 4:
		return uint64(binary.BigEndian.Uint32(b[i:])), nil
	default:
		return binary.BigEndian.Uint64(b[i:]), nil
	}
}

func readMsgPackInteger(b []byte, i int, t *token) (int, *SyntaxError) {
	c := b[i]
	width := 1 << ((c - mpUint8) & 3)
	v, err := bigEndian(b, i+1, width)
	if err != nil {
		return 0, err
	}
	t.kind, t.number, t.bits = KindNumber, numberUint, v
	if c >= mpInt8 && v>>(8*width-1) == 1 {
		t.number = numberNegative
		t.bits = ^v & (math.MaxUint64 >> (64 - 8*width))
	}
	return i + 1 + width, nil
}

func readMsgPackContainer(b []byte, i int, t *token) (int, *SyntaxError) {
	width := 2 << ((b[i] - mpArray16) & 1)
	n, err := bigEndian(b, i+1, width)
	if err != nil {
		return 0, err
	}
	kind := KindList
	if b[i] >= mpMap16 {
		kind = KindMap
	}
	return t.open(b, i, i+1+width, kind, n)
}

// readMsgPackOther reads null, bools, floats, and strings and extensions with
// a length field.
func readMsgPackOther(b []byte, i int, t *token) (int, *SyntaxError) {
	switch c := b[i]; {
	case c == mpNil:
		t.kind = KindNull
		return i + 1, nil
	case c == mpUnused:
		return 0, syntaxError(i, "0xc1 is no MessagePack value")
	case c <= mpTrue:
		t.kind, t.truth = KindBool, c == mpTrue
		return i + 1, nil
	case c <= mpBin32:
		return readMsgPackContent(b, i, t, KindBytes, 1<<(c-mpBin8))
	case c <= mpExt32:
		return readMsgPackContent(b, i, t, KindOther, 1<<(c-mpExt8))
	case c == mpFloat32:
		v, err := bigEndian(b, i+1, 4)
		t.setFloat(float64(math.Float32frombits(uint32(v))), numberFloat32)
		return i + 5, err
	case c == mpFloat64:
		v, err := bigEndian(b, i+1, 8)
		t.setFloat(math.Float64frombits(v), numberFloat64)
		return i + 9, err
	case c <= mpFixExt16:
		return t.content(b, i, i+1, KindOther, 1+1<<(c-mpFixExt1))
	default:
		return readMsgPackContent(b, i, t, KindString, 1<<(c-mpStr8))
	}
}

// readMsgPackContent reads a length of width bytes and the content behind it.
func readMsgPackContent(b []byte, i int, t *token, kind Kind, width int) (int, *SyntaxError) {
	n, err := bigEndian(b, i+1, width)
	if err != nil {
		return 0, err
	}
	if kind == KindOther {
		n++ // the type of the extension is part of the content
	}
	return t.content(b, i, i+1+width, kind, n)
}

// content takes the n bytes from i on as the text of t; start is where the
// value begins.
func (t *token) content(b []byte, start, i int, kind Kind, n uint64) (int, *SyntaxError) {
	if n > uint64(len(b)-i) {
		return 0, syntaxError(start, "%v of %d bytes is longer than what is left of the message", kind, n)
	}
	t.kind, t.text = kind, b[i:i+int(n)]
	if kind == KindString && !utf8.Valid(t.text) {
		return 0, syntaxError(i+invalidUTF8(t.text), textUTF8)
	}
	if kind == KindOther && n == 2 && t.text[0] == 0 && t.text[1] == 0 {
		t.kind = KindNull // what msgpackr writes for undefined
	}
	return i + int(n), nil
}

// open takes t as a list or map of n elements or entries, which begins at
// start and whose content begins at i.
func (t *token) open(b []byte, start, i int, kind Kind, n uint64) (int, *SyntaxError) {
	least := n
	if kind == KindMap {
		least = min(n, math.MaxUint32+1) * 2
	}
	if least > uint64(len(b)-i) {
		return 0, syntaxError(start, "%v of %d is longer than what is left of the message", kind, n)
	}
	t.kind, t.n = kind, int(n)
	return i, nil
}

// skipMsgPack returns the position after the value at b[i], which is inside
// depth lists and maps.
func skipMsgPack(b []byte, i, depth int) (int, *SyntaxError) {
	var t token
	i, err := readMsgPack(b, i, &t)
	if err != nil || t.kind != KindList && t.kind != KindMap {
		return i, err
	}
	if depth >= MaxDepth {
		return 0, syntaxError(t.offset, textDepth)
	}
	n := t.n
	if t.kind == KindMap {
		n *= 2
	}
	for range n {
		if i, err = skipMsgPack(b, i, depth+1); err != nil {
			return 0, err
		}
	}
	return i, nil
}
