package auth

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
)

var errUnprepared = errors.New("holds characters that SASLprep forbids")

// saslPrep prepares a name or password (RFC 4013), so that texts that look the
// same are the same. ASCII without control characters stays as it is.
func saslPrep(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errUnprepared
	}
	prepared := norm.NFKC.String(strings.Map(mapped, s))
	if strings.ContainsFunc(prepared, prohibited) || !directed(prepared) {
		return "", errUnprepared
	}
	return prepared, nil
}

// mapped makes every space a plain one and drops what is invisible (RFC 3454,
// B.1 and C.1.2).
func mapped(r rune) rune {
	switch {
	case r == 0x00AD, r == 0x034F, r == 0x1806, r >= 0x180B && r <= 0x180D, r >= 0x200B && r <= 0x200D,
		r == 0x2060, r >= 0xFE00 && r <= 0xFE0F, r == 0xFEFF:
		return -1
	case unicode.Is(unicode.Zs, r):
		return ' '
	}
	return r
}

// prohibited reports whether r is in one of the tables that RFC 4013, section
// 2.3, names.
func prohibited(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp, unicode.Noncharacter_Code_Point) ||
		r >= 0x2FF0 && r <= 0x2FFB || r >= 0xFFF9 && r <= 0xFFFD || r == 0x0340 || r == 0x0341
}

// directed reports whether s keeps the rule for texts that are written from
// right to left (RFC 3454, section 6).
func directed(s string) bool {
	toRight, toLeft := false, false
	for _, r := range s {
		toRight = toRight || class(r) == bidi.L
		toLeft = toLeft || isToLeft(r)
	}
	if !toLeft {
		return true
	}
	first, _ := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	return !toRight && isToLeft(first) && isToLeft(last)
}

func isToLeft(r rune) bool { return class(r) == bidi.R || class(r) == bidi.AL }

func class(r rune) bidi.Class {
	p, _ := bidi.LookupRune(r)
	return p.Class()
}
