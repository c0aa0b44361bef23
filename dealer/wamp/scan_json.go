package wamp

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf8"
)

// skipSpace returns the position of the first byte from i on that is not JSON
// white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// scanJSON reads the head of the next JSON value into t.
func (s *scanner) scanJSON(t *token) {
	i := skipSpace(s.buf, s.pos)
	t.offset = i
	if i == len(s.buf) {
		s.fail(i, textCut)
		return
	}
	switch s.buf[i] {
	case '"':
		s.scanJSONString(t, i)
	case '{':
		t.kind, t.n, s.pos = KindMap, -1, i+1
	case '[':
		t.kind, t.n, s.pos = KindList, -1, i+1
	case 't', 'f', 'n':
		s.scanJSONLiteral(t, i)
	default:
		s.scanJSONNumber(t, i)
	}
}

func (s *scanner) scanJSONString(t *token, i int) {
	end, form, err := skipJSONString(s.buf, i)
	if s.advance(end, err); err != nil {
		return
	}
	t.kind, t.text, t.form = KindString, s.buf[i+1:end-1], form
	if form == textEscaped && isBinary(t.text) {
		t.kind = KindBytes
	}
}

func (s *scanner) scanJSONLiteral(t *token, i int) {
	s.advance(skipJSONLiteral(s.buf, i))
	t.kind, t.truth = KindBool, s.buf[i] == 't'
	if s.buf[i] == 'n' {
		t.kind = KindNull
	}
}

func (s *scanner) scanJSONNumber(t *token, i int) {
	end, integer, err := skipJSONNumber(s.buf, i)
	if s.advance(end, err); err != nil {
		return
	}
	t.kind = KindNumber
	if literal := s.buf[i:end]; integer {
		t.parseInteger(literal)
	} else {
		t.parseFloat(literal)
	}
}

// parseInteger reads a JSON integer. -0 is a float: integers have no sign of
// zero.
func (t *token) parseInteger(literal []byte) {
	digits, negative := bytes.CutPrefix(literal, []byte("-"))
	v, ok := parseDigits(digits)
	switch {
	case !ok && negative && bytes.Equal(digits, []byte("18446744073709551616")):
		t.number, t.bits = numberNegative, math.MaxUint64
	case !ok:
		t.number, t.text = numberBig, literal
	case !negative:
		t.number, t.bits = numberUint, v
	case v == 0:
		t.setFloat(math.Copysign(0, -1), numberFloat64)
	default:
		t.number, t.bits = numberNegative, v-1
	}
}

// parseDigits returns the value of decimal digits; false when it is beyond
// 64 bits.
func parseDigits(digits []byte) (uint64, bool) {
	if len(digits) > 20 {
		return 0, false
	}
	var v uint64
	for i, c := range digits {
		if i == 19 && (v > math.MaxUint64/10 || v == math.MaxUint64/10 && c > '5') {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return v, true
}

// parseFloat reads a JSON number with fraction or exponent. What is too large
// for a float64 becomes an infinity.
func (t *token) parseFloat(literal []byte) {
	v, _ := strconv.ParseFloat(string(literal), 64) // the syntax has been checked
	t.setFloat(v, numberFloat64)
}

// nextJSON is next for JSON.
func (s *scanner) nextJSON(c *container) bool {
	i := skipSpace(s.buf, s.pos)
	if i == len(s.buf) {
		s.fail(i, textCut)
		return false
	}
	switch b := s.buf[i]; {
	case b == c.close:
		s.pos = i + 1
		return false
	case !c.begun:
		c.begun = true
		s.pos = i
		return true
	case b == ',':
		return s.afterComma(c, i+1)
	}
	s.fail(i, "unexpected %s where ',' or %q must be", describeByte(s.buf[i]), c.close)
	return false
}

func (s *scanner) afterComma(c *container, i int) bool {
	s.pos = skipSpace(s.buf, i)
	if s.pos < len(s.buf) && s.buf[s.pos] == c.close {
		s.fail(s.pos, "unexpected %q after a comma", c.close)
		return false
	}
	return true
}

// colon reads the colon between a key and its value.
func (s *scanner) colon() {
	if s.err == nil {
		s.advance(skipColon(s.buf, s.pos))
	}
}

// skipJSONNumber returns the position after the number at b[i], and whether
// it is written as an integer.
func skipJSONNumber(b []byte, i int) (end int, integer bool, err *SyntaxError) {
	start := i
	if b[i] == '-' {
		i++
	}
	switch {
	case i == len(b):
		return 0, false, syntaxError(i, textCut)
	case b[i] == '0':
		i++
	case '1' <= b[i] && b[i] <= '9':
		i = skipDigits(b, i+1)
	case i > start:
		return 0, false, syntaxError(i, "unexpected %s after '-' in a number", describeByte(b[i]))
	default:
		return 0, false, syntaxError(i, "unexpected %s where a value must begin", describeByte(b[i]))
	}
	if i == len(b) || b[i] != '.' && b[i] != 'e' && b[i] != 'E' {
		return i, true, nil
	}
	end, err = skipFraction(b, i)
	return end, false, err
}

// skipFraction returns the position after a number's fraction and exponent.
func skipFraction(b []byte, i int) (int, *SyntaxError) {
	if b[i] == '.' {
		digits := i + 1
		i = skipDigits(b, digits)
		if i == digits {
			return 0, syntaxError(i, "a digit must follow the decimal point")
		}
	}
	if i == len(b) || b[i] != 'e' && b[i] != 'E' {
		return i, nil
	}
	i++
	if i < len(b) && (b[i] == '+' || b[i] == '-') {
		i++
	}
	digits := i
	i = skipDigits(b, digits)
	if i == digits {
		return 0, syntaxError(i, "a digit must be in the exponent")
	}
	return i, nil
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}

// skipJSONLiteral returns the position after true, false or null at b[i].
func skipJSONLiteral(b []byte, i int) (int, *SyntaxError) {
	word := "null"
	switch b[i] {
	case 't':
		word = "true"
	case 'f':
		word = "false"
	}
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return 0, syntaxError(i, "a word that is not true, false or null")
	}
	return i + len(word), nil
}

// skipColon returns the position after a colon and the space before it.
func skipColon(b []byte, i int) (int, *SyntaxError) {
	i = skipSpace(b, i)
	if i == len(b) {
		return 0, syntaxError(i, textCut)
	}
	if b[i] != ':' {
		return 0, syntaxError(i, "unexpected %s where ':' must follow a key", describeByte(b[i]))
	}
	return i + 1, nil
}

// describeByte names a byte of bad JSON.
func describeByte(c byte) string {
	if c >= utf8.RuneSelf || c < ' ' {
		return "byte 0x" + string("0123456789abcdef"[c>>4]) + string("0123456789abcdef"[c&15])
	}
	return strconv.QuoteRune(rune(c))
}
