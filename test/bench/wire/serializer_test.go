package wire_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/test/bench/wire"
)

// lengths are around those at which a binary format takes another head.
func lengths() []int { return []int{0, 1, 15, 16, 23, 24, 31, 32, 255, 256, 65_535, 65_536} }

func TestParseTakesWhatBeginAndTailMake(t *testing.T) {
	t.Parallel()
	for _, s := range wire.Serializers() {
		for _, n := range lengths() {
			text := strings.Repeat("x", n)
			tail := wire.Tail(s, wire.Call, map[string]any{"receive_progress": true, "n": uint64(n)}, text, []string{text})
			m, err := wire.Parse(s, append(wire.Begin(s, nil, 5, wire.Call, uint64(n)), tail...))
			if err != nil || m.Type != wire.Call || m.ID != uint64(n) || !bytes.Equal(m.Rest, tail) {
				t.Fatalf("%s: Parse = type %d, ID %d, %v; want %d, %d", s.Name(), m.Type, m.ID, err, wire.Call, n)
			}
			rest, ok := s.Skip(m.Rest)
			if !ok || !wire.HasFlag(m.Rest[:len(m.Rest)-len(rest)], "receive_progress") {
				t.Fatalf("%s: Skip of the options fails, or the flag is lost", s.Name())
			}
			got, rest, ok := s.TakeText(rest)
			if !ok || string(got) != text {
				t.Fatalf("%s: TakeText = %d bytes, %v; want %d", s.Name(), len(got), ok, n)
			}
			if rest, ok = s.Skip(rest); !ok || len(rest) > 1 {
				t.Fatalf("%s: Skip of the arguments = %q, %v; want the end", s.Name(), rest, ok)
			}
		}
	}
}

func TestFlag(t *testing.T) {
	t.Parallel()
	for _, s := range wire.Serializers() {
		for key, want := range map[string]bool{"": false, "progress": true, "other": false} {
			if got := wire.HasFlag(s.Flag(nil, key), "progress"); got != want {
				t.Errorf("%s: HasFlag(Flag(%q), progress) = %v, want %v", s.Name(), key, got, want)
			}
		}
		if no := s.Value(nil, map[string]any{"progress": false}); wire.HasFlag(no, "progress") {
			t.Errorf("%s: a flag that is false counts as set", s.Name())
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		s        wire.Serializer
		text     string
		kind, id uint64
		rest     string
	}{
		{wire.JSON(), `[50,7,{},["x"]]`, wire.Result, 7, `,{},["x"]]`},
		{wire.JSON(), " [ 50 , 7 , {} ]", wire.Result, 7, " , {} ]"},
		{wire.JSON(), `[8,48,9,{},"a.b"]`, wire.Error, 9, `,{},"a.b"]`},
		{wire.JSON(), `[6,{},"a.b"]`, wire.Goodbye, 0, `,{},"a.b"]`},
		{wire.JSON(), `[2,9007199254740992,{}]`, wire.Welcome, 1 << 53, `,{}]`},
		{wire.MsgPack(), "\x93\x32\xcd\x01\x00\x80", wire.Result, 256, "\x80"},
		{wire.CBOR(), "\x83\x18\x32\x19\x01\x00\xa0", wire.Result, 256, "\xa0"},
	} {
		m, err := wire.Parse(tt.s, []byte(tt.text))
		if err != nil || m.Type != tt.kind || m.ID != tt.id || string(m.Rest) != tt.rest {
			t.Errorf("Parse(%q) = %d, %d, %q, %v; want %d, %d, %q", tt.text, m.Type, m.ID, m.Rest, err, tt.kind, tt.id, tt.rest)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range wire.Serializers() {
		for _, text := range []string{"", "{}", "[", "[50", `[50,"x"]`, "\x93", "\x93\x32\xcd\x01", "\x83\x18", "\x9f\xff"} {
			if m, err := wire.Parse(s, []byte(text)); !errors.Is(err, wire.ErrMalformed) {
				t.Errorf("%s: Parse(%q) = %+v, %v; want ErrMalformed", s.Name(), text, m, err)
			}
		}
	}
}

// Values of all kinds are skipped to the byte, and never beyond the input.
func TestSkip(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		s     wire.Serializer
		value string
	}{
		{wire.JSON(), `-1.5e3`},
		{wire.JSON(), `{"a":[1,{"b":"]}\"\\"}],"c":null}`},
		{wire.JSON(), `"\u0000\\"`},
		{wire.MsgPack(), "\x82\xa1a\x93\x01\xc0\xcb12345678\xc4\x02xx\x92\xd4\x01x\xc7\x03\x01xyz"},
		{wire.CBOR(), "\xa2\x61a\x83\x01\xf6\xfb12345678\x42xx\x82\xc1\x1a1234\x39\x01\x00"},
	} {
		rest, ok := tt.s.Skip([]byte(tt.value + ","))
		if !ok || string(rest) != "," {
			t.Errorf("%s: Skip(%q) = %q, %v; want a comma left", tt.s.Name(), tt.value, rest, ok)
		}
		for n := range len(tt.value) {
			if rest, ok := tt.s.Skip([]byte(tt.value[:n])); ok && len(rest) > n {
				t.Errorf("%s: Skip(%q) = %q", tt.s.Name(), tt.value[:n], rest)
			}
		}
	}
}
