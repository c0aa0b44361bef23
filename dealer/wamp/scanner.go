package wamp

import "math"

// A token is the head of an encoded value: all of a scalar, or what opens a
// list or map. Its text aliases the scanned bytes.
type token struct {
	text   []byte // KindString, KindBytes, KindOther; number forms that say so
	bits   uint64 // numberUint: the value v; numberNegative: -1-v; floats: the 64 bits of the value
	offset int    // where the value begins
	n      int    // KindList, KindMap: elements or entries; -1: up to an end mark
	tags   uint8  // CBOR tags around it
	kind   Kind
	form   textForm
	number numberForm
	truth  bool // KindBool
}

func (t *token) setFloat(v float64, form numberForm) {
	t.kind, t.number, t.bits = KindNumber, form, math.Float64bits(v)
}

func (t *token) float() float64 { return math.Float64frombits(t.bits) }

// textForm says how token.text stands for the string.
type textForm uint8

const (
	textPlain   textForm = iota // as it is
	textEscaped                 // JSON, with at least one escape
	textChunks                  // CBOR, the chunks of a string of indefinite length
)

type numberForm uint8

const (
	numberUint     numberForm = iota
	numberNegative            // in CBOR's way, so that -2^64 fits
	numberFloat32             // also half precision
	numberFloat64
	numberBig         // JSON integer beyond 64 bits; text is the literal
	numberBigPositive // CBOR bignum; text is the magnitude
	numberBigNegative // CBOR bignum, -1 minus the magnitude in text
)

// A scanner reads encoded values one after the other. After a failure the
// first error stays and every method returns its zero value, so that callers
// look at err once, at the end.
type scanner struct {
	serializer Serializer
	buf        []byte
	pos        int
	err        *SyntaxError
	scratch    []byte // resolved text of keys and option values
}

// maxScratch bounds the memory that a scanner keeps from one message to the
// next.
const maxScratch = 4 << 10

// reset makes the scanner read b from its beginning.
func (s *scanner) reset(b []byte) {
	s.buf, s.pos, s.err = b, 0, nil
	if cap(s.scratch) > maxScratch {
		s.scratch = nil
	}
}

func (s *scanner) fail(offset int, format string, args ...any) {
	if s.err == nil {
		s.advance(0, syntaxError(offset, format, args...))
	}
}

// advance moves to the position end, or fails with err.
func (s *scanner) advance(end int, err *SyntaxError) {
	if err != nil {
		s.err = err
		end = len(s.buf)
	}
	s.pos = end
}

// scan reads the head of the next value into t, which must be zero. After a
// failure t is of KindInvalid.
func (s *scanner) scan(t *token) {
	if s.err != nil {
		return
	}
	switch s.serializer {
	case JSON:
		s.scanJSON(t)
	case MsgPack:
		s.advance(readMsgPack(s.buf, s.pos, t))
	case CBOR:
		s.advance(readCBOR(s.buf, s.pos, t))
	default:
		s.fail(0, "no serializer was chosen")
	}
	if s.err != nil {
		t.kind = KindInvalid
	}
}

// skip moves behind the next value, checking all of it, and returns its bytes.
// depth is how many lists and maps it is inside of.
func (s *scanner) skip(depth int) []byte {
	if s.err != nil {
		return nil
	}
	var start, end int
	var err *SyntaxError
	switch s.serializer {
	case JSON:
		start = skipSpace(s.buf, s.pos)
		end, err = skipJSON(s.buf, start, depth)
	case MsgPack:
		start = s.pos
		end, err = skipMsgPack(s.buf, start, depth)
	case CBOR:
		start = s.pos
		end, err = skipCBOR(s.buf, start, depth)
	default:
		err = syntaxError(0, "no serializer was chosen")
	}
	if s.advance(end, err); err != nil {
		return nil
	}
	return s.buf[start:end:end]
}

// end fails unless all bytes have been read.
func (s *scanner) end() {
	if s.serializer == JSON {
		s.pos = skipSpace(s.buf, s.pos)
	}
	if s.err == nil && s.pos != len(s.buf) {
		s.fail(s.pos, textBeyond)
	}
}

// A container is the scanner's place in an opened list or map.
type container struct {
	left  int  // elements or entries to come; -1: up to the end mark
	begun bool // JSON: a comma comes before the next
	ended bool // the end has been passed
	close byte // JSON: the closing bracket
}

func (t *token) container() container {
	c := container{left: t.n, close: ']'}
	if t.kind == KindMap {
		c.close = '}'
	}
	return c
}

// next moves to the next element or entry of c. At the end of c it moves
// behind it and returns false, from then on always.
func (s *scanner) next(c *container) bool {
	if s.err != nil || c.ended {
		return false
	}
	switch {
	case s.serializer == JSON:
		if s.commaOnly(c) {
			return true
		}
		c.ended = !s.nextJSON(c)
	case c.left < 0:
		c.ended = !s.nextChunk()
	case c.left == 0:
		c.ended = true
	default:
		c.left--
	}
	return !c.ended
}

// key reads the key of a map's entry. The result is valid until the next one.
func (s *scanner) key() []byte {
	var t token
	s.scan(&t)
	if s.err == nil && !s.isString(&t) {
		s.fail(t.offset, "a key must be a string, not %v", t.kind)
	}
	if s.serializer == JSON {
		s.colon()
	}
	return s.plain(&t)
}

// isString reports whether t is a string where bytes have no place, so that one
// in JSON that could stand for bytes does not.
func (s *scanner) isString(t *token) bool {
	return t.kind == KindString || t.kind == KindBytes && s.serializer == JSON
}

// plain returns the text of t without escapes and chunk heads. The result is
// valid until the next call.
func (s *scanner) plain(t *token) []byte {
	if t.form == textPlain {
		return t.text
	}
	s.scratch = t.appendText(s.scratch[:0])
	return s.scratch
}

// appendText appends the text of t without escapes and chunk heads.
func (t *token) appendText(dst []byte) []byte {
	switch t.form {
	case textEscaped:
		return appendUnescaped(dst, t.text)
	case textChunks:
		return appendChunks(dst, t.text)
	}
	return append(dst, t.text...)
}

// uint returns t as a non-negative integer. A float that is one counts:
// JavaScript serializers write integers from 2^32 on as floats.
func (t *token) uint() (uint64, bool) {
	if t.kind != KindNumber {
		return 0, false
	}
	switch t.number {
	case numberUint:
		return t.bits, true
	case numberFloat32, numberFloat64:
		if v := t.float(); v >= 0 && v <= 1<<53 && v == math.Trunc(v) {
			return uint64(v), true
		}
	}
	return 0, false
}
