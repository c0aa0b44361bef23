package wamp_test

import (
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wampgate/wampgate/dealer/wamp"
)

func TestValue(t *testing.T) {
	t.Parallel()
	tests := []struct {
		json string
		want any
	}{
		{`null`, nil},
		{`true`, true},
		{`7`, int64(7)},
		{`-7`, int64(-7)},
		{`9223372036854775807`, int64(math.MaxInt64)},
		{`-9223372036854775808`, int64(math.MinInt64)},
		{`9223372036854775808`, float64(1 << 63)},
		{`18446744073709551615`, float64(1 << 64)},
		{`100000000000000000000`, 1e20},
		{`1.0`, 1.0},
		{`-0.5`, -0.5},
		{`"x\n"`, "x\n"},
		{`"\u0000AQID"`, []byte{1, 2, 3}},
		{`"\u0000?"`, "\x00?"},
		{`[]`, []any{}},
		{`{}`, wamp.Dict{}},
		{`[1,["a",{}],null]`, []any{int64(1), []any{"a", wamp.Dict{}}, nil}},
		{`{"a":{"b":[]},"\u0000AQID":1}`, wamp.Dict{"a": wamp.Dict{"b": []any{}}, "\x00AQID": int64(1)}},
	}
	for _, tt := range tests {
		for _, s := range serializers() {
			b := mustTranscode(t, s, []byte(tt.json), wamp.JSON)
			if got := mustValue(t, s, b); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%v.Value(%s) = %#v, want %#v", s, tt.json, got, tt.want)
			}
		}
	}
}

func TestValueOfBinaryForms(t *testing.T) {
	t.Parallel()
	tests := []struct {
		s    wamp.Serializer
		hex  string
		want any
	}{
		{wamp.MsgPack, "d40000", nil},
		{wamp.MsgPack, "d40105", nil},
		{wamp.MsgPack, "ca3fc00000", 1.5},
		{wamp.CBOR, "f7", nil},
		{wamp.CBOR, "e0", nil},
		{wamp.CBOR, "f93e00", 1.5},
		{wamp.CBOR, "c249010000000000000000", float64(1 << 64)},
		{wamp.CBOR, "c349010000000000000000", -float64(1<<64) - 1},
		{wamp.CBOR, "3b8000000000000000", -float64(1 << 63)},
		{wamp.CBOR, "c25903e8" + strings.Repeat("ff", 1000), math.Inf(1)},
		{wamp.CBOR, "c35903e8" + strings.Repeat("ff", 1000), math.Inf(-1)},
		{wamp.CBOR, "5f41014102ff", []byte{1, 2}},
		{wamp.CBOR, "c25f41014102ff", int64(258)},
		{wamp.CBOR, "c343ffffff", int64(-1 << 24)},
		{wamp.CBOR, "c1820102", []any{int64(1), int64(2)}},
	}
	for _, tt := range tests {
		b, err := hex.DecodeString(tt.hex)
		if err != nil {
			t.Fatal(err)
		}
		if got := mustValue(t, tt.s, b); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%v.Value(%.40s) = %#v, want %#v", tt.s, tt.hex, got, tt.want)
		}
	}
}

func TestValueRefuses(t *testing.T) {
	t.Parallel()
	tests := map[wamp.Serializer][]string{
		wamp.JSON:    {``, `[1`, `1 2`, `1e400`, `-1e400`, `1` + strings.Repeat("0", 400), strings.Repeat("[", 65) + strings.Repeat("]", 65)},
		wamp.MsgPack: {"", "\xc1", "\x92\x01", "\x81\x01\x02", "\xdd\xff\xff\xff\xff", strings.Repeat("\x91", 65) + "\x90"},
		wamp.CBOR:    {"", "\xff", "\x82\x01", "\xa1\x01\x02", "\x9b\xff\xff\xff\xff\xff\xff\xff\xff", strings.Repeat("\xc1", 65) + "\x01"},
	}
	for s, list := range tests {
		for _, b := range list {
			if v, err := s.Value([]byte(b)); !errors.Is(err, wamp.ErrMalformed) {
				t.Errorf("%v.Value(%.60q) = %v, %v, want an error that wraps ErrMalformed", s, b, v, err)
			}
		}
	}
}

func TestAppendValueJSON(t *testing.T) {
	t.Parallel()
	tests := []struct {
		v    any
		want string
	}{
		{"\"\\/\b\f\n\r\t\x00\x1f\x7fé\u2028", `"\"\\/\u0008\u000c\n\r\t\u0000\u001f` + "\x7fé\u2028" + `"`},
		{"a\xffb", `"a�b"`},
		{strings.Repeat("ab\"", 10), `"` + strings.Repeat(`ab\"`, 10) + `"`},
		{[]byte("\x01\x02"), `"\u0000AQI="`},
		{1.0, `1.0`},
		{math.Copysign(0, -1), `-0.0`},
		{1e21, `1e+21`},
		{123456789.0, `123456789.0`},
		{float32(0.1), `0.10000000149011612`},
		{[]any{1, "x", nil, []string{"a"}}, `[1,"x",null,["a"]]`},
		{wamp.Dict{"b": 1, "a": map[string]any{}}, `{"a":{},"b":1}`},
		{uint64(math.MaxUint64), `18446744073709551615`},
		{math.MinInt64, `-9223372036854775808`},
	}
	for _, tt := range tests {
		got, err := wamp.JSON.AppendValue(nil, tt.v)
		if err != nil || string(got) != tt.want {
			t.Errorf("JSON.AppendValue(%#v) = %s, %v, want %s", tt.v, got, err, tt.want)
		}
	}
}

func TestAppendValueRepairsUTF8(t *testing.T) {
	t.Parallel()
	for _, s := range serializers() {
		b, err := s.AppendValue(nil, wamp.Dict{"k\xff": "a\xc3\x28"})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := mustValue(t, s, b), (wamp.Dict{"k\ufffd": "a\ufffd("}); !reflect.DeepEqual(got, want) {
			t.Errorf("%v: %q, want %q", s, got, want)
		}
	}
}

func TestAppendValueRefuses(t *testing.T) {
	t.Parallel()
	var loop []any
	for range wamp.MaxDepth + 1 {
		loop = []any{loop}
	}
	self := wamp.Dict{}
	self["self"] = self
	for _, v := range []any{struct{}{}, make(chan int), []any{func() {}}, wamp.Dict{"x": new(int)}, loop, self} {
		for _, s := range serializers() {
			if got, err := s.AppendValue([]byte("kept"), v); !errors.Is(err, wamp.ErrUntranscodable) || string(got) != "kept" {
				t.Errorf("%v.AppendValue(%T) = %q, %v, want an error that wraps ErrUntranscodable", s, v, got, err)
			}
		}
	}
	for _, v := range []any{math.NaN(), math.Inf(1), []any{float32(math.Inf(-1))}} {
		if got, err := wamp.JSON.AppendValue(nil, v); !errors.Is(err, wamp.ErrUntranscodable) {
			t.Errorf("JSON.AppendValue(%v) = %s, %v, want an error that wraps ErrUntranscodable", v, got, err)
		}
	}
}

// TestDepthAgrees: what AppendValue makes, Valid and Value accept.
func TestDepthAgrees(t *testing.T) {
	t.Parallel()
	deepest := any([]any{})
	for range wamp.MaxDepth - 1 {
		deepest = []any{deepest}
	}
	for _, s := range serializers() {
		b, err := s.AppendValue(nil, deepest)
		if err != nil {
			t.Fatalf("%v.AppendValue: %v", s, err)
		}
		if err := s.Valid(b); err != nil {
			t.Errorf("%v.Valid = %v, want nil", s, err)
		}
		if got := mustValue(t, s, b); !reflect.DeepEqual(got, deepest) {
			t.Errorf("%v.Value = %v, want %v", s, got, deepest)
		}
	}
}

func TestPayload(t *testing.T) {
	t.Parallel()
	args := []any{int64(1), "x", []byte{1}}
	kwargs := wamp.Dict{"k": wamp.Dict{"n": 1.5}}
	for _, s := range serializers() {
		p := mustPayload(t, s, args, kwargs)
		for _, to := range serializers() {
			q, err := p.Transcode(to)
			if err != nil || q.Serializer != to {
				t.Fatalf("Transcode(%v) = %+v, %v", to, q, err)
			}
			gotArgs, gotKwargs, err := q.Decode()
			if err != nil || !reflect.DeepEqual(gotArgs, args) || !reflect.DeepEqual(gotKwargs, kwargs) {
				t.Errorf("Decode of %v from %v = %v, %v, %v, want %v, %v", to, s, gotArgs, gotKwargs, err, args, kwargs)
			}
		}
	}
}

func TestPayloadEmpty(t *testing.T) {
	t.Parallel()
	for _, s := range serializers() {
		p := mustPayload(t, s, []any{}, wamp.Dict{})
		if !p.Empty() || p.Args != nil || p.Kwargs != nil {
			t.Errorf("NewPayload(%v, [], {}) = %+v, want an empty one", s, p)
		}
		args, kwargs, err := p.Decode()
		if err != nil || args != nil || kwargs != nil {
			t.Errorf("Decode of an empty payload = %v, %v, %v, want nil, nil, nil", args, kwargs, err)
		}
		if p := mustPayload(t, s, nil, wamp.Dict{"k": nil}); p.Empty() || p.Args != nil {
			t.Errorf("NewPayload(%v, nil, {k: nil}) = %+v, want kwargs alone", s, p)
		}
	}
	tests := map[wamp.Serializer][]string{
		wamp.JSON:    {"[]", "[ \n]"},
		wamp.MsgPack: {"\x90", "\xdc\x00\x00", "\xdd\x00\x00\x00\x00"},
		wamp.CBOR:    {"\x80", "\x98\x00", "\x99\x00\x00", "\x9f\xff"},
	}
	for s, list := range tests {
		for _, args := range list {
			if p := (wamp.Payload{Serializer: s, Args: []byte(args)}); !p.Empty() {
				t.Errorf("Payload{%v, %q}.Empty() = false, want true", s, args)
			}
		}
	}
	for s, list := range map[wamp.Serializer][]string{
		wamp.JSON:    {"[0]", `""`, `[[]]`, `"]"`},
		wamp.MsgPack: {"\x91\x00", "\xa0", "\xdc\x00\x01\x00", "\xc4\x00"},
		wamp.CBOR:    {"\x81\x00", "\x60", "\x98\x01\x00", "\x9f\x00\xff", "\x40"},
	} {
		for _, args := range list {
			if p := (wamp.Payload{Serializer: s, Args: []byte(args)}); p.Empty() {
				t.Errorf("Payload{%v, %q}.Empty() = true, want false", s, args)
			}
		}
	}
	if !(wamp.Payload{}).Empty() {
		t.Error("Payload{}.Empty() = false, want true")
	}
}

func TestPayloadDecodeFails(t *testing.T) {
	t.Parallel()
	for _, p := range []wamp.Payload{jsonPayload(`[`, ``), jsonPayload(``, `{`), jsonPayload(``, `[]`)} {
		if args, kwargs, err := p.Decode(); !errors.Is(err, wamp.ErrMalformed) {
			t.Errorf("Decode(%s, %s) = %v, %v, %v, want an error that wraps ErrMalformed", p.Args, p.Kwargs, args, kwargs, err)
		}
		if q, err := p.Transcode(wamp.CBOR); err == nil && string(p.Kwargs) != `[]` {
			t.Errorf("Transcode(%s, %s) = %+v, want an error", p.Args, p.Kwargs, q)
		}
	}
	if args, _, err := jsonPayload(`"x"`, ``).Decode(); err != nil || !reflect.DeepEqual(args, []any{"x"}) {
		t.Errorf(`Decode("x") = %v, %v, want [x]`, args, err)
	}
	for _, bad := range []any{struct{}{}} {
		if _, err := wamp.NewPayload(wamp.JSON, []any{bad}, nil); err == nil {
			t.Error("NewPayload of a struct = nil, want an error")
		}
		if _, err := wamp.NewPayload(wamp.JSON, nil, wamp.Dict{"k": bad}); err == nil {
			t.Error("NewPayload with a struct = nil, want an error")
		}
	}
}

// TestValueRoundTrip: what AppendValue writes, Value reads, in each serializer
// and through all of them.
func TestValueRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := anyValue(3).Draw(t, "value")
		from := rapid.SampledFrom(serializers()).Draw(t, "from")
		to := rapid.SampledFrom(serializers()).Draw(t, "to")
		b, err := from.AppendValue(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := from.Value(b); err != nil || !reflect.DeepEqual(got, v) {
			t.Fatalf("%v.Value(%q) = %#v, %v, want %#v", from, b, got, err, v)
		}
		there, err := wamp.Transcode(nil, to, b, from)
		if err != nil {
			t.Fatal(err)
		}
		if want, err := to.AppendValue(nil, v); err != nil || string(there) != string(want) {
			t.Fatalf("Transcode(%v, %q, %v) = %q, want %q as from AppendValue", to, b, from, there, want)
		}
	})
}

// anyValue generates what Value returns, nested at most depth deep.
func anyValue(depth int) *rapid.Generator[any] {
	scalars := []*rapid.Generator[any]{
		rapid.Just[any](nil),
		rapid.Bool().AsAny(),
		rapid.Int64().AsAny(),
		rapid.Float64().AsAny(),
		rapid.String().Filter(func(s string) bool { return !strings.HasPrefix(s, "\x00") }).AsAny(),
		rapid.SliceOf(rapid.Byte()).Filter(func(b []byte) bool { return len(b) > 0 }).AsAny(),
	}
	if depth == 0 {
		return rapid.OneOf(scalars...)
	}
	list := rapid.Custom(func(t *rapid.T) []any {
		return append([]any{}, rapid.SliceOfN(anyValue(depth-1), 0, 40).Draw(t, "list")...)
	})
	dict := rapid.Custom(func(t *rapid.T) wamp.Dict {
		return rapid.MapOfN(rapid.String(), anyValue(depth-1), 0, 20).Draw(t, "dict")
	})
	return rapid.OneOf(append(scalars, list.AsAny(), dict.AsAny())...)
}
