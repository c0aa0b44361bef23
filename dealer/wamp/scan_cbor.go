//nolint:gosec // binary formats take narrowing conversions, each behind a check of its range
package wamp

import (
	"math"
	"unicode/utf8"
)

// CBOR major types (RFC 8949, section 3.1).
const (
	cborUint = iota
	cborNegative
	cborBytes
	cborText
	cborArray
	cborMap
	cborTag
	cborSimple
)

// CBOR additional information and single bytes (RFC 8949, sections 3 and 3.3).
const (
	cborOneByte    = 24
	cborEightByte  = 27
	cborIndefinite = 31

	cborFalse     = 0xf4
	cborTrue      = 0xf5
	cborNull      = 0xf6
	cborUndefined = 0xf7
	cborFloat16   = 0xf9
	cborFloat32   = 0xfa
	cborFloat64   = 0xfb
	cborBreak     = 0xff

	cborTagBigPositive = 2
	cborTagBigNegative = 3
)

// A cborHead is the initial byte of a data item and its argument.
type cborHead struct {
	major      byte
	info       byte
	indefinite bool
	argument   uint64
}

// readCBORHead reads the head at b[i] and returns the position after it.
func readCBORHead(b []byte, i int) (h cborHead, end int, err *SyntaxError) {
	if i >= len(b) {
		return h, 0, syntaxError(len(b), textCut)
	}
	h.major, h.info = b[i]>>5, b[i]&0x1f
	switch {
	case h.info < cborOneByte:
		h.argument = uint64(h.info)
		return h, i + 1, nil
	case h.info <= cborEightByte:
		width := 1 << (h.info - cborOneByte)
		h.argument, err = bigEndian(b, i+1, width)
		return h, i + 1 + width, err
	case h.info == cborIndefinite && h.major >= cborBytes && h.major != cborTag:
		h.indefinite = true
		return h, i + 1, nil
	}
	return h, 0, syntaxError(i, "0x%02x begins no CBOR value", b[i])
}

// readCBOR reads the tags and the head at b[i] into t and returns the position
// after it, which for strings is after their content.
func readCBOR(b []byte, i int, t *token) (int, *SyntaxError) {
	t.offset = i
	var tag uint64
	for {
		h, end, err := readCBORHead(b, i)
		if err != nil {
			return 0, err
		}
		if h.major != cborTag {
			end, err = t.setCBOR(b, i, end, h)
			t.setTag(tag)
			return end, err
		}
		if t.tags++; t.tags > MaxDepth {
			return 0, syntaxError(i, textDepth)
		}
		tag = h.argument
		i = end
	}
}

// setTag makes a byte string with the tag of a bignum a number. Other tags say
// nothing to WAMP.
func (t *token) setTag(tag uint64) {
	if t.tags > 0 && t.kind == KindBytes && (tag == cborTagBigPositive || tag == cborTagBigNegative) {
		t.setBig(tag == cborTagBigNegative)
	}
}

// setCBOR takes the item with head h, which begins at start and goes on at i.
func (t *token) setCBOR(b []byte, start, i int, h cborHead) (int, *SyntaxError) {
	switch h.major {
	case cborUint:
		t.kind, t.number, t.bits = KindNumber, numberUint, h.argument
		return i, nil
	case cborNegative:
		t.kind, t.number, t.bits = KindNumber, numberNegative, h.argument
		return i, nil
	case cborBytes, cborText:
		kind := KindBytes
		if h.major == cborText {
			kind = KindString
		}
		if h.indefinite {
			return t.setChunks(b, i, kind, h.major)
		}
		return t.content(b, start, i, kind, h.argument)
	case cborArray, cborMap:
		kind := KindList
		if h.major == cborMap {
			kind = KindMap
		}
		if h.indefinite {
			t.kind, t.n = kind, -1
			return i, nil
		}
		return t.open(b, start, i, kind, h.argument)
	}
	return t.setSimple(b, start, i, h)
}

// setSimple takes a float or simple value.
func (t *token) setSimple(b []byte, start, i int, h cborHead) (int, *SyntaxError) {
	switch b[start] {
	case cborFalse, cborTrue:
		t.kind, t.truth = KindBool, b[start] == cborTrue
	case cborNull, cborUndefined:
		t.kind = KindNull
	case cborFloat16:
		t.setFloat(float64(halfToFloat32(uint16(h.argument))), numberFloat32)
	case cborFloat32:
		t.setFloat(float64(math.Float32frombits(uint32(h.argument))), numberFloat32)
	case cborFloat64:
		t.setFloat(math.Float64frombits(h.argument), numberFloat64)
	case cborBreak:
		return 0, syntaxError(start, "unexpected end mark where a value must begin")
	default:
		if h.info == cborOneByte && h.argument < 32 {
			return 0, syntaxError(start, "simple values below 32 have no second byte")
		}
		t.kind, t.text = KindOther, b[start:i]
	}
	return i, nil
}

// halfToFloat32 widens a half precision float (RFC 8949, appendix D).
func halfToFloat32(half uint16) float32 {
	sign := uint32(half>>15) << 31
	exponent := uint32(half>>10) & 0x1f
	fraction := uint32(half) & 0x3ff
	switch exponent {
	case 0:
		v := float32(fraction) / (1 << 24)
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

// setChunks takes a string of indefinite length whose chunks begin at i.
func (t *token) setChunks(b []byte, i int, kind Kind, major byte) (int, *SyntaxError) {
	t.kind, t.form = kind, textChunks
	start := i
	for {
		if i < len(b) && b[i] == cborBreak {
			t.text = b[start:i]
			return i + 1, nil
		}
		h, content, err := readCBORHead(b, i)
		if err != nil {
			return 0, err
		}
		if h.major != major || h.indefinite {
			return 0, syntaxError(i, "a chunk of a string must be a string of the same type and of known length")
		}
		if h.argument > uint64(len(b)-content) {
			return 0, syntaxError(i, "%v of %d bytes is longer than what is left of the message", kind, h.argument)
		}
		i = content + int(h.argument)
		if kind == KindString && !utf8.Valid(b[content:i]) {
			return 0, syntaxError(content+invalidUTF8(b[content:i]), textUTF8)
		}
	}
}

// appendChunks appends the contents of checked chunks.
func appendChunks(dst, chunks []byte) []byte {
	for i := 0; i < len(chunks); {
		h, content, err := readCBORHead(chunks, i)
		if err != nil {
			break // cannot be: setChunks has read it before
		}
		i = content + int(h.argument)
		dst = append(dst, chunks[content:i]...)
	}
	return dst
}

// nextChunk is next for lists and maps of indefinite length.
func (s *scanner) nextChunk() bool {
	if s.pos == len(s.buf) {
		s.fail(s.pos, textCut)
		return false
	}
	if s.buf[s.pos] == cborBreak {
		s.pos++
		return false
	}
	return true
}

// skipCBOR returns the position after the value at b[i], which is inside depth
// lists, maps and tags.
func skipCBOR(b []byte, i, depth int) (int, *SyntaxError) {
	var t token
	i, err := readCBOR(b, i, &t)
	if err != nil {
		return 0, err
	}
	depth += int(t.tags)
	container := t.kind == KindList || t.kind == KindMap
	if depth > MaxDepth || container && depth == MaxDepth {
		return 0, syntaxError(t.offset, textDepth)
	}
	if !container {
		return i, nil
	}
	return skipCBORItems(b, i, depth+1, &t)
}

// skipCBORItems returns the position after the elements of the opened list or
// map t.
func skipCBORItems(b []byte, i, depth int, t *token) (int, *SyntaxError) {
	width := 1
	if t.kind == KindMap {
		width = 2
	}
	for left := t.n; left != 0; left-- { // a negative count never gets to 0
		if t.n < 0 && i < len(b) && b[i] == cborBreak {
			return i + 1, nil
		}
		for range width {
			var err *SyntaxError
			if i, err = skipCBOR(b, i, depth); err != nil {
				return 0, err
			}
		}
	}
	return i, nil
}
