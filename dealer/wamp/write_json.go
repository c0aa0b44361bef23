package wamp

import (
	"math"
	"strconv"
	"strings"
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

// appendJSONString appends v in quotes. Bytes that are not UTF-8 become
// U+FFFD.
func appendJSONString(dst []byte, v string) []byte {
	if !utf8.ValidString(v) {
		v = strings.ToValidUTF8(v, "\uFFFD")
	}
	dst = append(dst, '"')
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
	return append(dst, '"')
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
