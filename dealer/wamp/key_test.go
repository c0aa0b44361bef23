package wamp_test

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestKeyOf makes keys of values and values of keys.
func TestKeyOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		value any
		want  wamp.Key
		back  any
		text  string
	}{
		{"", "s", "", `""`},
		{"7", "s7", "7", `"7"`},
		{[]byte("7"), "b7", []byte("7"), `"7"`},
		{int64(7), "n7", int64(7), "7"},
		{7.0, "n7", int64(7), "7"},
		{math.Copysign(0, -1), "n0", int64(0), "0"},
		{int64(-7), "n-7", int64(-7), "-7"},
		{1.5, "n1.5", 1.5, "1.5"},
		{uint64(math.MaxUint64), "n18446744073709551615", uint64(math.MaxUint64), "18446744073709551615"},
		{float64(1 << 60), "n1152921504606846976", int64(1 << 60), "1152921504606846976"},
		{float64(1 << 63), "n9223372036854775808", uint64(1 << 63), "9223372036854775808"},
		{1e300, "n1e+300", 1e300, "1e+300"},
	}
	for _, tt := range tests {
		got, ok := wamp.KeyOf(tt.value)
		if !ok || got != tt.want || !reflect.DeepEqual(got.Value(), tt.back) || got.String() != tt.text {
			t.Errorf("KeyOf(%T %v) = %q, %t for %v, in words %s; want %q for %v, in words %s", tt.value, tt.value, got, ok, got.Value(), got, tt.want, tt.back, tt.text)
		}
	}
	for _, v := range []any{nil, true, math.NaN(), math.Inf(1), []any{}, wamp.Dict{}} {
		if got, ok := wamp.KeyOf(v); ok {
			t.Errorf("KeyOf(%v) = %q, want none", v, got)
		}
	}
	if none := wamp.Key(""); none.Value() != nil || none.String() != "none" {
		t.Errorf("no key stands for %v, in words %s, want nil and none", none.Value(), none)
	}
	if got := wamp.StringKey(strings.Repeat("x", 100)).String(); len(got) > 80 {
		t.Errorf("a long key in words is %s, want it shortened", got)
	}
}

// TestKeysOfAllSerializers reads each key in each serializer: it is the same
// wherever it comes from.
func TestKeysOfAllSerializers(t *testing.T) {
	t.Parallel()
	for _, key := range []wamp.Key{"s", "s7", "sé", "n7", "n-7", "n1.5", "n18446744073709551615", "b\x00\xff"} {
		for _, s := range serializers() {
			frame := mustAppend(t, s, &wamp.Call{Request: 1, Procedure: "p", Options: wamp.CallOptions{RoutingKey: key}})
			m, err := wamp.NewDecoder(s).Decode(frame)
			call, ok := m.(*wamp.Call)
			if err != nil || !ok || call.Options.RoutingKey != key {
				t.Errorf("%v: Decode(Append(key %q)) = %s, %v", s, key, fmt.Sprint(m), err)
			}
		}
	}
	frame := []byte("\x84\x18\x30\x01\xa1\x64rkey\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00\x61p") // CBOR, infinity
	if m, err := wamp.NewDecoder(wamp.CBOR).Decode(frame); err == nil {
		t.Errorf("Decode(infinity as key) = %+v, want an error", m)
	}
}
