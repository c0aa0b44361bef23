package wamp_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

func TestKind(t *testing.T) {
	t.Parallel()
	for json, want := range map[string]wamp.Kind{
		`null`: wamp.KindNull, `true`: wamp.KindBool, `1`: wamp.KindNumber, `-1.5`: wamp.KindNumber, `18446744073709551616`: wamp.KindNumber,
		`"x"`: wamp.KindString, `""`: wamp.KindString, `"\u0000AQID"`: wamp.KindBytes, `"\u0000!"`: wamp.KindString, ` [1]`: wamp.KindList, `{}`: wamp.KindMap,
	} {
		for _, s := range serializers() {
			if got := s.Kind(mustTranscode(t, s, []byte(json), wamp.JSON)); got != want {
				t.Errorf("%v.Kind(%s) = %v, want %v", s, json, got, want)
			}
		}
	}
	tests := []struct {
		s    wamp.Serializer
		b    string
		want wamp.Kind
	}{
		{wamp.MsgPack, "\xd4\x00\x00", wamp.KindNull},
		{wamp.MsgPack, "\xd4\x05\x05", wamp.KindOther},
		{wamp.CBOR, "\xf7", wamp.KindNull},
		{wamp.CBOR, "\xe0", wamp.KindOther},
		{wamp.CBOR, "\xc2\x41\x01", wamp.KindNumber},
		{wamp.CBOR, "\xc1\x80", wamp.KindList},
		{wamp.JSON, "", wamp.KindInvalid},
		{wamp.JSON, "x", wamp.KindInvalid},
		{wamp.MsgPack, "\xc1", wamp.KindInvalid},
		{0, "1", wamp.KindInvalid},
	}
	for _, tt := range tests {
		if got := tt.s.Kind([]byte(tt.b)); got != tt.want {
			t.Errorf("%v.Kind(%q) = %v, want %v", tt.s, tt.b, got, tt.want)
		}
	}
}

func TestKindString(t *testing.T) {
	t.Parallel()
	want := []string{"no value", "null", "a bool", "a number", "a string", "a byte string", "a list", "a dict", "an extension value", "no value"}
	for i, text := range want {
		if got := wamp.Kind(i).String(); got != text {
			t.Errorf("Kind(%d).String() = %q, want %q", i, got, text)
		}
	}
}

func TestStringAndBytesValue(t *testing.T) {
	t.Parallel()
	tests := []struct {
		json  string
		text  any // string or nil
		bytes any // []byte or nil
	}{
		{`"x\n\u00e9"`, "x\né", nil},
		{`""`, "", nil},
		{`"\u0000AQID"`, nil, []byte{1, 2, 3}},
		{`"\u0000"`, nil, []byte{}},
		{`"\u0000!"`, "\x00!", nil},
		{`1`, nil, nil},
		{`["x"]`, nil, nil},
	}
	for _, tt := range tests {
		for _, s := range serializers() {
			b := mustTranscode(t, s, []byte(tt.json), wamp.JSON)
			text, ok := s.StringValue(b)
			if want, isText := tt.text.(string); ok != isText || text != want {
				t.Errorf("%v.StringValue(%s) = %q, %v, want %v", s, tt.json, text, ok, tt.text)
			}
			raw, ok := s.BytesValue(b)
			if want, isBytes := tt.bytes.([]byte); ok != isBytes || string(raw) != string(want) {
				t.Errorf("%v.BytesValue(%s) = %q, %v, want %v", s, tt.json, raw, ok, tt.bytes)
			}
			if _, ok := s.StringValue(append(b, '1')); ok {
				t.Errorf("%v.StringValue(%s with more behind it) = true, want false", s, tt.json)
			}
		}
	}
	if raw, ok := wamp.CBOR.BytesValue([]byte("\x5f\x41a\x41b\xff")); !ok || string(raw) != "ab" {
		t.Errorf("CBOR.BytesValue(chunks) = %q, %v, want ab", raw, ok)
	}
	if text, ok := wamp.CBOR.StringValue([]byte("\x7f\x61a\x61b\xff")); !ok || text != "ab" {
		t.Errorf("CBOR.StringValue(chunks) = %q, %v, want ab", text, ok)
	}
}

func TestElements(t *testing.T) {
	t.Parallel()
	for _, s := range serializers() {
		list := mustTranscode(t, s, []byte(`[1,"x",[2,[3]],{"k":null}]`), wamp.JSON)
		var got []string
		for element, err := range s.Elements(list) {
			if err != nil {
				t.Fatalf("%v: %v", s, err)
			}
			got = append(got, string(mustTranscode(t, wamp.JSON, element, s)))
		}
		if want := []string{`1`, `"x"`, `[2,[3]]`, `{"k":null}`}; !reflect.DeepEqual(got, want) {
			t.Errorf("%v.Elements = %q, want %q", s, got, want)
		}
		if n, err := s.Len(list); err != nil || n != 4 {
			t.Errorf("%v.Len = %d, %v, want 4", s, n, err)
		}
		for range s.Elements(list) {
			break // must not panic
		}
	}
}

func TestEntries(t *testing.T) {
	t.Parallel()
	for _, s := range serializers() {
		dict := mustTranscode(t, s, []byte(`{"a":1,"b\n":[{}],"a":"x"}`), wamp.JSON)
		var got []string
		for entry, err := range s.Entries(dict) {
			if err != nil {
				t.Fatalf("%v: %v", s, err)
			}
			got = append(got, entry.Key, string(mustTranscode(t, wamp.JSON, entry.Value, s)))
		}
		if want := []string{"a", `1`, "b\n", `[{}]`, "a", `"x"`}; !reflect.DeepEqual(got, want) {
			t.Errorf("%v.Entries = %q, want %q", s, got, want)
		}
		if n, err := s.Len(dict); err != nil || n != 3 {
			t.Errorf("%v.Len = %d, %v, want 3", s, n, err)
		}
		for range s.Entries(dict) {
			break // must not panic
		}
	}
	if n, err := wamp.MsgPack.Len([]byte("\x81\x01\x02")); err != nil || n != 1 {
		t.Errorf("MsgPack.Len({1: 2}) = %d, %v, want 1", n, err)
	}
	if n, err := wamp.CBOR.Len([]byte("\xbf\x61a\x02\xff")); err != nil || n != 1 {
		t.Errorf("CBOR.Len({a: 2}) = %d, %v, want 1", n, err)
	}
}

func TestIterationFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		s          wamp.Serializer
		list, dict string
	}{
		{wamp.JSON, `[1,2`, `{"a":1,"b":`},
		{wamp.JSON, `[1,]`, `{"a":1,}`},
		{wamp.JSON, `[1] 2`, `{"a":1} 2`},
		{wamp.JSON, `{}`, `[]`},
		{wamp.JSON, ``, ``},
		{wamp.JSON, `1`, `{1:2}`},
		{wamp.MsgPack, "\x92\x01", "\x81\x01\x02"},
		{wamp.MsgPack, "\x91\xc1", "\x81\xa1a\xc1"},
		{wamp.CBOR, "\x9f\x01", "\xa1\x01\x02"},
		{wamp.CBOR, "\x81\x1c", "\xbf\x61a\xff"},
	}
	for _, tt := range tests {
		var last error
		for _, err := range tt.s.Elements([]byte(tt.list)) {
			last = err
		}
		if !errors.Is(last, wamp.ErrMalformed) {
			t.Errorf("%v.Elements(%q) ends with %v, want an error that wraps ErrMalformed", tt.s, tt.list, last)
		}
		last = nil
		for _, err := range tt.s.Entries([]byte(tt.dict)) {
			last = err
		}
		if !errors.Is(last, wamp.ErrMalformed) {
			t.Errorf("%v.Entries(%q) ends with %v, want an error that wraps ErrMalformed", tt.s, tt.dict, last)
		}
	}
	for _, bad := range []string{`[1,2`, `{"a":1,}`, `1`, ``, `{"a" 1}`} {
		if n, err := wamp.JSON.Len([]byte(bad)); !errors.Is(err, wamp.ErrMalformed) {
			t.Errorf("JSON.Len(%q) = %d, %v, want an error that wraps ErrMalformed", bad, n, err)
		}
	}
}

func TestAppendListAndMap(t *testing.T) {
	t.Parallel()
	for _, s := range serializers() {
		value := func(json string) []byte { return mustTranscode(t, s, []byte(json), wamp.JSON) }
		list := s.AppendList([]byte("head"), value(`1`), value(`[2]`), value(`"x"`))
		if got := string(mustTranscode(t, wamp.JSON, list[4:], s)); string(list[:4]) != "head" || got != `[1,[2],"x"]` {
			t.Errorf("%v.AppendList = %q, want head[1,[2],\"x\"]", s, list)
		}
		if got := string(mustTranscode(t, wamp.JSON, s.AppendList(nil), s)); got != `[]` {
			t.Errorf("%v.AppendList() = %s, want []", s, got)
		}
		dict := s.AppendMap([]byte("{"), wamp.Entry{Key: "b\"", Value: value(`{}`)}, wamp.Entry{Key: "a", Value: value(`[1]`)})
		if got := string(mustTranscode(t, wamp.JSON, dict[1:], s)); got != `{"b\"":{},"a":[1]}` {
			t.Errorf("%v.AppendMap = %q, want {\"b\\\"\":{},\"a\":[1]}", s, dict)
		}
		if got := string(mustTranscode(t, wamp.JSON, s.AppendMap(nil), s)); got != `{}` {
			t.Errorf("%v.AppendMap() = %s, want {}", s, got)
		}
	}
}
