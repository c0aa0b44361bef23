package wamp_test

import (
	"errors"
	"math"
	"reflect"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

func TestID(t *testing.T) {
	t.Parallel()
	tests := []struct {
		id    wamp.ID
		valid bool
		next  wamp.ID
	}{
		{0, false, 1},
		{1, true, 2},
		{wamp.MaxID - 1, true, wamp.MaxID},
		{wamp.MaxID, true, 1},
		{wamp.MaxID + 1, false, 1},
		{math.MaxUint64, false, 1},
	}
	for _, tt := range tests {
		if got := tt.id.Valid(); got != tt.valid {
			t.Errorf("ID(%d).Valid() = %v, want %v", tt.id, got, tt.valid)
		}
		if got := tt.id.Next(); got != tt.next {
			t.Errorf("ID(%d).Next() = %d, want %d", tt.id, got, tt.next)
		}
	}
}

func TestDict(t *testing.T) {
	t.Parallel()
	d := wamp.Dict{
		"bool": true, "string": "x", "int": int64(7), "float": 7.0, "large": float64(1 << 53), "larger": float64(1 << 54),
		"fraction": 7.5, "nan": math.NaN(), "list": []any{1}, "dict": wamp.Dict{"k": 1}, "nil": nil,
	}
	for key := range d {
		if v, ok := d.Bool(key); ok != (key == "bool") || v != ok {
			t.Errorf("Bool(%s) = %v, %v", key, v, ok)
		}
		if v, ok := d.String(key); ok != (key == "string") || ok && v != "x" {
			t.Errorf("String(%s) = %v, %v", key, v, ok)
		}
		if v, ok := d.List(key); ok != (key == "list") || ok && len(v) != 1 {
			t.Errorf("List(%s) = %v, %v", key, v, ok)
		}
		if v, ok := d.Dict(key); ok != (key == "dict") || ok && len(v) != 1 {
			t.Errorf("Dict(%s) = %v, %v", key, v, ok)
		}
		want, isInt := map[string]int64{"int": 7, "float": 7, "large": 1 << 53}[key]
		if v, ok := d.Int(key); ok != isInt || v != want {
			t.Errorf("Int(%s) = %v, %v, want %v, %v", key, v, ok, want, isInt)
		}
	}
	var none wamp.Dict
	if _, ok := none.Bool("x"); ok {
		t.Error("Bool on a nil Dict = true, want false")
	}
	if _, ok := none.Int("x"); ok {
		t.Error("Int on a nil Dict = true, want false")
	}
}

func TestParseRoles(t *testing.T) {
	t.Parallel()
	tests := []struct {
		details string
		want    wamp.Roles
	}{
		{`{"roles":{"caller":{}}}`, wamp.Roles{Caller: true}},
		{`{"roles":{"publisher":{},"subscriber":null,"other":{}}}`, wamp.Roles{Publisher: true, Subscriber: true}},
		{
			`{"roles":{"callee":{"features":{"call_canceling":true,"call_timeout":false,"progressive_call_results":1,"unknown":true}},"caller":{"features":{"caller_identification":true}}}}`,
			wamp.Roles{Caller: true, Callee: true, CalleeFeatures: wamp.FeatureCallCanceling, CallerFeatures: wamp.FeatureCallerIdentification},
		},
		{`{"roles":{"callee":{"features":{"call_cancelling":true}}}}`, wamp.Roles{Callee: true, CalleeFeatures: wamp.FeatureCallCanceling}},
		{`{"roles":{"callee":{"features":[]}}}`, wamp.Roles{Callee: true}},
	}
	for _, tt := range tests {
		details, ok := mustValue(t, wamp.JSON, []byte(tt.details)).(wamp.Dict)
		if !ok {
			t.Fatalf("%s is no dict", tt.details)
		}
		if got, err := wamp.ParseRoles(details); err != nil || got != tt.want {
			t.Errorf("ParseRoles(%s) = %+v, %v, want %+v", tt.details, got, err, tt.want)
		}
	}
	for _, details := range []wamp.Dict{nil, {}, {"roles": nil}, {"roles": []any{}}, {"roles": wamp.Dict{}}, {"roles": wamp.Dict{"dealer": wamp.Dict{}}}} {
		if got, err := wamp.ParseRoles(details); !errors.Is(err, wamp.ErrMalformed) {
			t.Errorf("ParseRoles(%v) = %+v, %v, want an error that wraps ErrMalformed", details, got, err)
		}
	}
}

// TestFeatures: what is announced is understood by who reads it.
func TestFeatures(t *testing.T) {
	t.Parallel()
	if got := wamp.Features(0).Dict(); got == nil || len(got) != 0 {
		t.Errorf("Features(0).Dict() = %v, want an empty dict", got)
	}
	for bit := range 14 {
		f := wamp.Features(1) << bit
		dict := f.Dict()
		if len(dict) != 1 {
			t.Errorf("Features(%b).Dict() = %v, want one feature", f, dict)
		}
		roles, err := wamp.ParseRoles(wamp.Dict{"roles": wamp.Dict{"callee": wamp.Dict{"features": dict}}})
		if err != nil || roles.CalleeFeatures != f {
			t.Errorf("ParseRoles(%v) = %b, %v, want %b", dict, roles.CalleeFeatures, err, f)
		}
	}
	want := wamp.Dict{"call_timeout": true, "call_canceling": true}
	f := wamp.FeatureCallTimeout | wamp.FeatureCallCanceling
	if got := f.Dict(); !reflect.DeepEqual(got, want) {
		t.Errorf("Features.Dict() = %v, want %v", got, want)
	}
	if !f.Has(wamp.FeatureCallTimeout) || f.Has(wamp.FeatureCallTimeout|wamp.FeatureCallReroute) || !f.Has(0) {
		t.Errorf("%b.Has is wrong", f)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		wamp.JSON.String(): "json", wamp.MsgPack.String(): "msgpack", wamp.CBOR.String(): "cbor", wamp.Serializer(0).String(): "unknown",
		wamp.CancelDefault.String(): "", wamp.CancelSkip.String(): "skip", wamp.CancelKill.String(): "kill",
		wamp.CancelKillNoWait.String(): "killnowait", wamp.MatchExact.String(): "exact", wamp.MatchPrefix.String(): "prefix",
		wamp.MatchWildcard.String(): "wildcard", wamp.InvokeSingle.String(): "single", wamp.InvokeRoundRobin.String(): "roundrobin",
		wamp.InvokeRandom.String(): "random", wamp.InvokeFirst.String(): "first", wamp.InvokeLast.String(): "last",
		wamp.InvokeLeastLoaded.String(): "least_loaded",
		wamp.MessageType(99).String():   "message type 99",
	}
	for got, want := range tests {
		if got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
	if wamp.InvokeUnknown.String() != "unknown" || wamp.CancelUnknown.String() != "unknown" {
		t.Error("InvokeUnknown and CancelUnknown must be called unknown")
	}
	if wamp.JSON.Binary() || !wamp.MsgPack.Binary() || !wamp.CBOR.Binary() {
		t.Error("Binary() = true for JSON or false for another")
	}
}

// TestMessageTypes compares codes and names with the specification's table.
func TestMessageTypes(t *testing.T) {
	t.Parallel()
	names := map[int]string{
		1: "HELLO", 2: "WELCOME", 3: "ABORT", 4: "CHALLENGE", 5: "AUTHENTICATE", 6: "GOODBYE", 8: "ERROR", 16: "PUBLISH", 17: "PUBLISHED",
		32: "SUBSCRIBE", 33: "SUBSCRIBED", 34: "UNSUBSCRIBE", 35: "UNSUBSCRIBED", 36: "EVENT", 48: "CALL", 49: "CANCEL", 50: "RESULT",
		64: "REGISTER", 65: "REGISTERED", 66: "UNREGISTER", 67: "UNREGISTERED", 68: "INVOCATION", 69: "INTERRUPT", 70: "YIELD",
	}
	seen := make(map[wamp.MessageType]bool)
	for _, tt := range allFrames() {
		kind := tt.want.Type()
		seen[kind] = true
		if got := kind.String(); got != names[int(kind)] {
			t.Errorf("MessageType(%d).String() = %q, want %q", kind, got, names[int(kind)])
		}
	}
	if len(seen) != len(names) {
		t.Errorf("messages of %d types are tested, want %d", len(seen), len(names))
	}
}
