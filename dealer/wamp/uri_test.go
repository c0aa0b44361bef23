package wamp_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wampgate/wampgate/dealer/wamp"
)

func TestURI(t *testing.T) {
	t.Parallel()
	const valid, prefix, wildcard, strict, reserved = 1, 2, 4, 8, 16
	tests := map[wamp.URI]int{
		"":                            strict,
		"a":                           valid | prefix | wildcard | strict,
		"com.example.add_2":           valid | prefix | wildcard | strict,
		"com.Example":                 valid | prefix | wildcard,
		"com.exämple":                 valid | prefix | wildcard,
		"com.example-1":               valid | prefix | wildcard,
		"com.example.":                prefix | wildcard | strict,
		".com":                        wildcard | strict,
		"com..add":                    wildcard | strict,
		"com.example..":               wildcard | strict,
		".":                           wildcard | strict,
		"..":                          wildcard | strict,
		"a b":                         0,
		"a\tb":                        0,
		"a\n":                         0,
		"a\u00a0b":                    0,
		"a\u2003b":                    0,
		"a\u0085":                     0,
		"a#b":                         0,
		"ä#b":                         0,
		"a\xffb":                      0,
		"a\ufffd":                     0,
		"wamp":                        valid | prefix | wildcard | strict | reserved,
		"wamp.session.count":          valid | prefix | wildcard | strict | reserved,
		"wamp.":                       prefix | wildcard | strict | reserved,
		"wampx.session":               valid | prefix | wildcard | strict,
		"x.wamp.session":              valid | prefix | wildcard | strict,
		wamp.URI("a." + "b" + ".c d"): 0,
	}
	for u, want := range tests {
		for flag, got := range map[int]bool{
			valid: u.Valid() && u.ValidPattern(wamp.MatchExact), prefix: u.ValidPattern(wamp.MatchPrefix),
			wildcard: u.ValidPattern(wamp.MatchWildcard), strict: u.Strict(), reserved: u.Reserved(),
		} {
			if got != (want&flag != 0) {
				t.Errorf("%q: property %d is %v, want %v", u, flag, got, !got)
			}
		}
	}
}

// TestURIAgreesWithSpecification compares with the regular expressions of the
// specification, with Unicode's white space. It differs in one point: a prefix
// registration of everything is refused.
func TestURIAgreesWithSpecification(t *testing.T) {
	t.Parallel()
	const component = `[^\s\v\x{85}\p{Z}.#\x{FFFD}]`
	exact := regexp.MustCompile(`^(` + component + `+\.)*(` + component + `+)$`)
	prefix := regexp.MustCompile(`^(` + component + `+\.)*(` + component + `*)$`)
	wildcard := regexp.MustCompile(`^((` + component + `+\.)|\.)*(` + component + `+)?$`)
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b_1", ".", "..", "é", "#", " ", "\t", "\u00a0", "\u3000", "\v", "Z", "\x00"}), 0, 8).Draw(t, "pieces"), "")
		u := wamp.URI(text)
		if got, want := u.Valid(), exact.MatchString(text); got != want {
			t.Errorf("%q.Valid() = %v, want %v", u, got, want)
		}
		if got, want := u.ValidPattern(wamp.MatchPrefix), prefix.MatchString(text) && text != ""; got != want {
			t.Errorf("%q.ValidPattern(prefix) = %v, want %v", u, got, want)
		}
		if got, want := u.ValidPattern(wamp.MatchWildcard), wildcard.MatchString(text) && text != ""; got != want {
			t.Errorf("%q.ValidPattern(wildcard) = %v, want %v", u, got, want)
		}
	})
}
