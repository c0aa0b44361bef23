package problem

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// appendMember appends ,"name":"value", or nothing when the value is empty.
func appendMember(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return appendString(dst, value)
}

// appendRaw appends ,"name":value with a value that is JSON already, or
// nothing when there is none.
func appendRaw(dst []byte, name string, value []byte) []byte {
	if len(value) == 0 {
		return dst
	}
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return append(dst, value...)
}

// appendString appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD: names in a request are shown to those who sent them.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029':
			dst = fmt.Appendf(dst, `\u%04x`, r)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// fieldValue makes s fit for a header field: whatever is not visible ASCII is
// percent-encoded, since error URIs are chosen by callees.
func fieldValue(s string) string {
	if !strings.ContainsFunc(s, invisible) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if invisible(rune(s[i])) {
			fmt.Fprintf(&b, "%%%02X", s[i])
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func invisible(r rune) bool { return r <= ' ' || r >= 0x7f }
