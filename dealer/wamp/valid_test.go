package wamp_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A badValue is refused at an offset for a reason.
type badValue struct {
	text   string
	offset int
	reason string
}

func badJSON() []badValue {
	deep := strings.Repeat("[", wamp.MaxDepth+1)
	return []badValue{
		{"", 0, "ends in the middle"},
		{" ", 1, "ends in the middle"},
		{"}", 0, "unexpected '}' where a value must begin"},
		{"[1,]", 3, "unexpected ']' where a value must begin"},
		{"[1 2]", 3, "unexpected '2' where ',' or ']' must be"},
		{`{"a":1]`, 6, "unexpected ']' where ',' or '}' must be"},
		{`{"a" 1}`, 5, "':' must follow a key"},
		{`{1:2}`, 1, "where a key must begin"},
		{`{"a":1,}`, 7, "where a key must begin"},
		{`{"a"`, 4, "ends in the middle"},
		{`{"a`, 3, "in the middle of a string"},
		{`[{"`, 3, "in the middle of a string"},
		{`[`, 1, "ends in the middle"},
		{`[1`, 2, "ends in the middle"},
		{`{`, 1, "ends in the middle"},
		{`1],{"x":[2`, 1, "unexpected bytes after the end"},
		{`1 2`, 2, "unexpected bytes after the end"},
		{"[1]\x00", 3, "unexpected bytes after the end"},
		{"\ufeff1", 0, "unexpected byte 0xef where a value must begin"},
		{`"abc`, 4, "in the middle of a string"},
		{`"abc\`, 5, "in the middle of a string"},
		{`"\x"`, 1, "unknown escape"},
		{`"\u12g4"`, 1, "four hex digits"},
		{`"\u12`, 1, "four hex digits"},
		{"\"0123456789\n\"", 11, "control character 0x0a"},
		{"\"\x00\"", 1, "control character 0x00"},
		{"\"0123456789\xff0123456789\"", 11, "UTF-8"},
		{"\"\xed\xa0\x80\"", 1, "UTF-8"},
		{`"é` + "\xc3\"", 3, "UTF-8"},
		{`01`, 1, "unexpected bytes after the end"},
		{`-`, 1, "ends in the middle"},
		{`-a`, 1, "unexpected 'a' after '-'"},
		{`1.`, 2, "digit must follow the decimal point"},
		{`1.e3`, 2, "digit must follow the decimal point"},
		{`1e`, 2, "digit must be in the exponent"},
		{`1e+`, 3, "digit must be in the exponent"},
		{`+1`, 0, "unexpected '+'"},
		{`.5`, 0, "unexpected '.'"},
		{`nul`, 0, "a word that is not"},
		{`True`, 0, "unexpected 'T'"},
		{`truest`, 4, "unexpected bytes after the end"},
		{`NaN`, 0, "unexpected 'N'"},
		{deep, wamp.MaxDepth, "deeper than 64"},
		{strings.Repeat(`{"a":`, wamp.MaxDepth+1), 5 * wamp.MaxDepth, "deeper than 64"},
		{strings.Repeat("[", 100_000), wamp.MaxDepth, "deeper than 64"},
	}
}

func TestValidJSON(t *testing.T) {
	t.Parallel()
	for _, bad := range badJSON() {
		checkBad(t, wamp.JSON, "Valid", wamp.JSON.Valid, bad)
		checkBad(t, wamp.JSON, "ValidStrict", wamp.JSON.ValidStrict, badValue{bad.text, -1, ""})
	}
	good := append(values(), strings.Repeat("[", wamp.MaxDepth)+strings.Repeat("]", wamp.MaxDepth),
		"\t\r\n 1 ", strings.Repeat("1", 10_000), `"`+strings.Repeat("é", 10_000)+`"`)
	for _, text := range good {
		if err := wamp.JSON.Valid([]byte(text)); err != nil {
			t.Errorf("JSON.Valid(%.80q) = %v, want nil", text, err)
		}
	}
}

// checkBad checks that valid refuses bad; an offset of -1 may be any.
func checkBad(t *testing.T, s wamp.Serializer, name string, valid func([]byte) error, bad badValue) {
	t.Helper()
	err := valid([]byte(bad.text))
	var syntax *wamp.SyntaxError
	if !errors.As(err, &syntax) || !errors.Is(err, wamp.ErrMalformed) {
		t.Errorf("%v.%s(%.80q) = %v, want a SyntaxError that wraps ErrMalformed", s, name, bad.text, err)
		return
	}
	if bad.offset >= 0 && syntax.Offset != bad.offset || !strings.Contains(syntax.Text, bad.reason) {
		t.Errorf("%v.%s(%.80q) = %v, want %q at byte %d", s, name, bad.text, err, bad.reason, bad.offset)
	}
}

// TestValidJSONString puts each byte at each place of strings of all lengths
// around the eight bytes that are looked at in one step.
func TestValidJSONString(t *testing.T) {
	t.Parallel()
	for length := range 18 {
		for place := range length {
			for c := range 256 {
				text := []byte(`"` + strings.Repeat("x", length) + `"`)
				text[1+place] = byte(c)
				want := c >= ' ' && c != '"' && c != '\\' && c < 0x80
				if c == '\\' && place == length-1 {
					text = append(text, '"') // \" and the end
					want = true
				}
				if got := wamp.JSON.Valid(text) == nil; got != want {
					t.Fatalf("JSON.Valid(%q) accepts: %v, want %v", text, got, want)
				}
			}
		}
	}
}

func TestValidBinary(t *testing.T) {
	t.Parallel()
	tests := map[wamp.Serializer][]badValue{
		wamp.MsgPack: {
			{"", 0, "ends in the middle"},
			{"\xc1", 0, "0xc1 is no MessagePack value"},
			{"\x01\x02", 1, "unexpected bytes after the end"},
			{"\xdb\xff\xff\xff\xffab", 0, "a string of 4294967295 bytes is longer"},
			{"\xc6\xff\xff\xff\xffab", 0, "a byte string of 4294967295 bytes is longer"},
			{"\xdd\xff\xff\xff\xff\x01", 0, "a list of 4294967295 is longer"},
			{"\xdf\xff\xff\xff\xff\x01", 0, "a dict of 4294967295 is longer"},
			{"\xc9\xff\xff\xff\xff\x01a", 0, "an extension value of 4294967296 bytes is longer"},
			{"\x82\x01\x02\x03", 0, "a dict of 2 is longer"},
			{"\xa2\xc3\x28", 1, "UTF-8"},
			{"\xcd\x01", 2, "ends in the middle"},
			{"\xd9", 1, "ends in the middle"},
			{strings.Repeat("\x91", wamp.MaxDepth+1) + "\x01", wamp.MaxDepth, "deeper than 64"},
			{strings.Repeat("\x81\x01", wamp.MaxDepth+1) + "\x01", 2 * wamp.MaxDepth, "deeper than 64"},
		},
		wamp.CBOR: {
			{"", 0, "ends in the middle"},
			{"\x1c", 0, "0x1c begins no CBOR value"},
			{"\xff", 0, "unexpected end mark"},
			{"\x01\x02", 1, "unexpected bytes after the end"},
			{"\x7b\xff\xff\xff\xff\xff\xff\xff\xffab", 0, "a string of 18446744073709551615 bytes is longer"},
			{"\x5b\xff\xff\xff\xff\xff\xff\xff\xffab", 0, "a byte string of 18446744073709551615 bytes is longer"},
			{"\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x01", 0, "a list of 18446744073709551615 is longer"},
			{"\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x01", 0, "a dict of 18446744073709551615 is longer"},
			{"\xbb\x80\x00\x00\x00\x00\x00\x00\x00\x01", 0, "a dict of 9223372036854775808 is longer"},
			{"\x62\xc3\x28", 1, "UTF-8"},
			{"\x7f\x62\xc3\x28\xff", 2, "UTF-8"},
			{"\x7f\x61\xc3\x61\xa9\xff", 2, "UTF-8"}, // a character may not be split
			{"\x7f\x41a\xff", 1, "a chunk of a string"},
			{"\x7f\x7f\x61a\xff\xff", 1, "a chunk of a string"},
			{"\x7f\x61a", 3, "ends in the middle"},
			{"\x7f\x7a\xff\xff\xff\xffab", 1, "longer than what is left"},
			{"\x9f\x01", 2, "ends in the middle"},
			{"\xbf\x01\xff", 2, "unexpected end mark"},
			{"\xf8\x14", 0, "simple values below 32"},
			{"\xfc", 0, "0xfc begins no CBOR value"},
			{"\xdf\x01", 0, "0xdf begins no CBOR value"},
			{strings.Repeat("\x81", wamp.MaxDepth+1) + "\x01", wamp.MaxDepth, "deeper than 64"},
			{strings.Repeat("\xc6", wamp.MaxDepth+1) + "\x01", wamp.MaxDepth, "deeper than 64"},
			{strings.Repeat("\xc6\x81", wamp.MaxDepth/2) + "\x81\x01", wamp.MaxDepth, "deeper than 64"},
			{strings.Repeat("\x9f", 100_000), wamp.MaxDepth, "deeper than 64"},
		},
	}
	for s, list := range tests {
		for _, bad := range list {
			checkBad(t, s, "Valid", s.Valid, bad)
			checkBad(t, s, "ValidStrict", s.ValidStrict, badValue{bad.text, -1, ""})
		}
	}
}

func TestValidBinaryAccepts(t *testing.T) {
	t.Parallel()
	tests := map[wamp.Serializer][]string{
		wamp.MsgPack: {
			"\xde\x00\x01\xa1a\xd4\x00\x00", "\xdd\x00\x00\x00\x01\x01", "\xcf\x00\x00\x00\x00\x00\x00\x00\x01", "\xda\x00\x01a",
			"\xc7\x00\x05", "\xd8\xff0123456789abcdef", "\x81\x01\x02", "\xc4\x02\xc3\x28",
			strings.Repeat("\x91", wamp.MaxDepth) + "\x01",
		},
		wamp.CBOR: {
			"\xb9\x00\x01\x61a\xf7", "\x9b\x00\x00\x00\x00\x00\x00\x00\x01\x01", "\x1b\x00\x00\x00\x00\x00\x00\x00\x01",
			"\x9f\xff", "\xbf\xff", "\x7f\xff", "\x5f\xff", "\x7f\x61a\x60\x62bc\xff", "\x5f\x41a\x42bc\xff", "\xc2\x5f\x41\x01\xff",
			"\xd9\xd9\xf7\x81\x01", "\xc1\x1a\x51\x4b\x67\xb0", "\xe0", "\xf8\x20", "\xf8\xff", "\xa1\x41a\x01", "\xf9\x7e\x00",
			strings.Repeat("\x81", wamp.MaxDepth) + "\x01", strings.Repeat("\xc6\x81", wamp.MaxDepth/2) + "\x01",
		},
	}
	for s, list := range tests {
		for _, text := range list {
			if err := s.Valid([]byte(text)); err != nil {
				t.Errorf("%v.Valid(%x) = %v, want nil", s, text, err)
			}
			if err := s.ValidStrict([]byte(text)); err != nil {
				t.Errorf("%v.ValidStrict(%x) = %v, want nil", s, text, err)
			}
		}
	}
}

func TestValidStrictRefusesRepeatedKeys(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&many, `"k%d":{"a":1,"b":[]},`, i)
	}
	tests := map[wamp.Serializer][]badValue{
		wamp.JSON: {
			{`{"a":1,"a":2}`, 7, `the key "a" is there twice`},
			{`{"a":1,"b":2, "\u0061":3}`, 14, `the key "a" is there twice`},
			{`[{"x":{"a":1,"b":2,"c":3,"b":4,"b":5}}]`, 25, `the key "b" is there twice`},
			{`{"":1,"":2}`, 6, `the key "" is there twice`},
			{`{"b":1,"a":{"b":2},"c":0,"b":3,"a":4}`, 25, `the key "b" is there twice`},
			{`{` + many.String() + `"k4000":1}`, many.Len() + 1, `the key "k4000" is there twice`},
		},
		wamp.MsgPack: {
			{"\x82\xa1a\x01\xd9\x01a\x02", 4, `the key "a" is there twice`},
			{"\x82\x01\x01\x01\x02", 3, "is there twice"},
		},
		wamp.CBOR: {
			{"\xa2\x61a\x01\x7f\x61a\xff\x02", 4, `the key "a" is there twice`},
			{"\xbf\x61a\x01\x61b\x01\x61a\x02\xff", 7, `the key "a" is there twice`},
		},
	}
	for s, list := range tests {
		for _, bad := range list {
			checkBad(t, s, "ValidStrict", s.ValidStrict, bad)
			if err := s.Valid([]byte(bad.text)); err != nil {
				t.Errorf("%v.Valid(%.80q) = %v, want nil", s, bad.text, err)
			}
		}
	}
}

func TestValidStrictAccepts(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, `{"a":1,"b":{"a":1,"b":2},"c":[{"a":1},{"a":2}]}`, `{"a":1,"A":2,"á":3,"\u00e2":4}`, `[{"a":1},{"a":1}]`, ` { "a" : { } } `,
	} {
		if err := wamp.JSON.ValidStrict([]byte(text)); err != nil {
			t.Errorf("JSON.ValidStrict(%s) = %v, want nil", text, err)
		}
	}
}
