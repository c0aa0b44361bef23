package wamp

import (
	"math"
	"strconv"
	"unicode/utf8"
)

func appendJSONUint(dst []byte, v uint64) []byte { return strconv.AppendUint(dst, v, 10) }

// appendJSONNegative appends -1-v.
func appendJSONNegative(dst []byte, v uint64) []byte {
	if v == math.MaxUint64 {
		return append(dst, "-18446744073709551616"...)
	}
	return strconv.AppendUint(append(dst, '-'), v+1, 10)
}

// appendJSONFloat appends the shortest form that reads back as v and shows
// that it is no integer.
func appendJSONFloat(dst []byte, v float64) []byte {
	start := len(dst)
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, v, format, -1, 64)
	for _, c := range dst[start:] {
		if c == '.' || c == 'e' {
			return dst
		}
	}
	return append(dst, ".0"...)
}

// appendJSONString appends v, which is UTF-8, in quotes. plain says that it
// needs no escape.
func appendJSONString(dst []byte, v string, plain bool) []byte {
	dst = append(dst, '"')
	if plain {
		dst = append(dst, v...)
	} else {
		dst = appendEscaped(dst, v)
	}
	return append(dst, '"')
}

// plainASCII reports whether v is ASCII that JSON needs no escape for.
func plainASCII(v string) bool {
	i := 0
	for ; i+8 <= len(v); i += 8 {
		x := uint64(v[i]) | uint64(v[i+1])<<8 | uint64(v[i+2])<<16 | uint64(v[i+3])<<24 |
			uint64(v[i+4])<<32 | uint64(v[i+5])<<40 | uint64(v[i+6])<<48 | uint64(v[i+7])<<56 // one load
		if special(x)|x&highBits != 0 {
			return false
		}
	}
	for ; i < len(v); i++ {
		if c := v[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func appendEscaped(dst []byte, v string) []byte {
	for i := 0; i < len(v); {
		run := i
		for i < len(v) && v[i] >= ' ' && v[i] != '"' && v[i] != '\\' {
			i++
		}
		dst = append(dst, v[run:i]...)
		if i < len(v) {
			dst = appendJSONEscape(dst, v[i])
			i++
		}
	}
	return dst
}

// appendJSONText appends in quotes the string that UTF-8 text holds.
func appendJSONText(dst, text []byte) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(text); {
		end, _ := plainRun(text, i)
		dst = append(dst, text[i:end]...)
		if i = end; i < len(text) {
			dst = appendJSONEscape(dst, text[i])
			i++
		}
	}
	return append(dst, '"')
}

func appendJSONEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
