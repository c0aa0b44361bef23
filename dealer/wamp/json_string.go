package wamp

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	eachByte = 0x0101010101010101
	highBits = 0x80 * eachByte
)

// special marks the bytes of x that end a run of plain JSON text: '"', '\\'
// and control characters. The lowest mark is exact, those above it may be
// wrong.
func special(x uint64) uint64 {
	quoteOrControl := (x ^ 0x02*eachByte) - 0x21*eachByte // '"' ^ 2 is 0x20, nothing else from 0x20 on gets below 0x21
	backslash := (x ^ '\\'*eachByte) - eachByte
	return (quoteOrControl | backslash) &^ x & highBits
}

// plainRun returns the position from i on of the first byte that is special.
// Bits of all bytes passed, and of up to seven beyond, are in seen.
func plainRun(b []byte, i int) (end int, seen uint64) {
	for start := i; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		seen |= x
		if m := special(x); m != 0 {
			return i + bits.TrailingZeros64(m)>>3, seen
		}
		if i-start == 3*8 {
			i, seen = longRun(b, i, seen)
		}
	}
	for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
		seen |= uint64(b[i])
		i++
	}
	return i, seen
}

// longRun goes on with plainRun in steps of 32 bytes, and returns the position
// before the eight bytes that it has to look at next.
func longRun(b []byte, i int, seen uint64) (before int, all uint64) {
	for ; i+40 <= len(b); i += 32 {
		step := b[i+8 : i+40 : i+40]
		x0, x1 := binary.LittleEndian.Uint64(step), binary.LittleEndian.Uint64(step[8:])
		x2, x3 := binary.LittleEndian.Uint64(step[16:]), binary.LittleEndian.Uint64(step[24:])
		if special(x0)|special(x1)|special(x2)|special(x3) != 0 {
			break
		}
		seen |= x0 | x1 | x2 | x3
	}
	return i, seen
}

// skipJSONString returns the position after the string whose opening quote is
// at b[i].
func skipJSONString(b []byte, i int) (end int, form textForm, err *SyntaxError) {
	start := i + 1
	var seen, run uint64
	for i = start; ; {
		i, run = plainRun(b, i)
		seen |= run
		switch {
		case i == len(b):
			return 0, 0, syntaxError(i, "the message ends in the middle of a string")
		case b[i] == '"':
			if seen&highBits != 0 && !utf8.Valid(b[start:i]) {
				return 0, 0, syntaxError(start+invalidUTF8(b[start:i]), textUTF8)
			}
			return i + 1, form, nil
		case b[i] == '\\':
			form = textEscaped
			if i, err = skipEscape(b, i); err != nil {
				return 0, 0, err
			}
		default:
			return 0, 0, syntaxError(i, "a string holds the control character 0x%02x, which must be escaped", b[i])
		}
	}
}

// skipEscape returns the position after the escape at b[i].
func skipEscape(b []byte, i int) (int, *SyntaxError) {
	if i+1 == len(b) {
		return 0, syntaxError(i+1, "the message ends in the middle of a string")
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2, nil
	case 'u':
		if _, ok := hex4(b, i+2); ok {
			return i + 6, nil
		}
		return 0, syntaxError(i, `four hex digits must follow \u`)
	}
	return 0, syntaxError(i, "unknown escape in a string")
}

// hex4 returns the number that the four hex digits at b[i] stand for.
func hex4(b []byte, i int) (rune, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// appendUnescaped appends what the checked content of a JSON string stands
// for. A surrogate without its other half becomes U+FFFD.
func appendUnescaped(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		end, _ := plainRun(text, i)
		dst = append(dst, text[i:end]...)
		if end == len(text) {
			break
		}
		dst, i = appendEscape(dst, text, end)
	}
	return dst
}

// appendEscape appends what the escape at text[i] stands for, and returns the
// position after it.
func appendEscape(dst, text []byte, i int) ([]byte, int) {
	switch c := text[i+1]; c {
	case 'u':
		r, n := escapedRune(text[i:])
		return utf8.AppendRune(dst, r), i + n
	case 'b':
		return append(dst, '\b'), i + 2
	case 'f':
		return append(dst, '\f'), i + 2
	case 'n':
		return append(dst, '\n'), i + 2
	case 'r':
		return append(dst, '\r'), i + 2
	case 't':
		return append(dst, '\t'), i + 2
	default:
		return append(dst, c), i + 2
	}
}

// escapedRune returns the character that the \u escape at the beginning of
// text stands for, and the length of the escape, or of the two of a pair.
func escapedRune(text []byte) (rune, int) {
	r, _ := hex4(text, 2)
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(text) >= 12 && text[6] == '\\' && text[7] == 'u' {
		low, _ := hex4(text, 8)
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

// binaryPrefix is how the content of a JSON string begins that stands for
// bytes (spec, section "Binary conversion of JSON Strings").
const binaryPrefix = `\u0000`

// isBinary reports whether the checked content of a JSON string stands for
// bytes: U+0000, then standard base64 that would be written the same again.
func isBinary(text []byte) bool {
	if len(text) < len(binaryPrefix) || string(text[:len(binaryPrefix)]) != binaryPrefix {
		return false
	}
	return validBase64(unescaped(text[len(binaryPrefix):]))
}

// unescaped returns what text stands for; itself if it holds no escape.
func unescaped(text []byte) []byte {
	if bytes.IndexByte(text, '\\') < 0 {
		return text
	}
	return appendUnescaped(nil, text)
}

// validBase64 reports whether b is canonical standard base64 with padding.
func validBase64(b []byte) bool {
	if len(b)%4 != 0 {
		return false
	}
	if len(b) == 0 {
		return true
	}
	for _, c := range b[:len(b)-4] {
		if !base64Digit(c) {
			return false
		}
	}
	var last [3]byte
	_, err := base64.StdEncoding.Strict().Decode(last[:], b[len(b)-4:])
	return err == nil && b[len(b)-4] != '\n' && b[len(b)-4] != '\r'
}

func base64Digit(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/'
}
