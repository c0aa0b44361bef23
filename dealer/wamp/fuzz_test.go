package wamp_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// messages are real ones, one of each type and some with much in them.
func messages() []string {
	return []string{
		`[1,"realm1",{"roles":{"caller":{"features":{"call_canceling":true}},"callee":{}},"agent":"Wampy.js v7.1.1","authmethods":["anonymous"]}]`,
		`[2,9129137332,{"roles":{"broker":{"features":{}},"dealer":{"features":{"call_timeout":true}}},"authid":"a","authrole":"anonymous"}]`,
		`[3,{"message":"no"},"wamp.error.no_such_realm"]`,
		`[4,"ticket",{"_x":1.5}]`,
		`[5,"secret",{}]`,
		`[6,{},"wamp.close.normal"]`,
		`[8,68,3,{"_where":"é\u00e9"},"com.example.bad",["m"],{"k":1}]`,
		`[16,1,{"acknowledge":true},"a.b",[1],{"k":null}]`,
		`[17,1,4429313566]`,
		`[32,1,{"match":"prefix"},"wamp.session."]`,
		`[33,1,2]`,
		`[34,1,2]`,
		`[35,1]`,
		`[36,1,2,{"publisher":7},[true],{}]`,
		`[48,1,{"timeout":5000,"receive_progress":true,"progress":true,"disclose_me":true,"_custom":[1,{"a":"\ud83d\ude00"}]},"com.p",[1,-2,2.5,1e300,"x\n","\u0000AQID",[],{}],{"k":18446744073709551615}]`,
		`[48,9007199254740992,{},"p","\u0000AQID"]`,
		`[48,1,{"trust_level":"acknowledged","ppt_scheme":"x_a","ppt_serializer":"cbor","ppt_cipher":"aes256gcm","ppt_keyid":"k"},"p",["\u0000AQID"]]`,
		`[48,1,{"passthru":true,"ppt_scheme":null,"ppt_keyid":"","rkey":7},"p"]`,
		`[49,1,{"mode":"killnowait"}]`,
		`[50,1,{"progress":true},[],{"a":false}]`,
		`[50,1,{"progress":true,"acknowledged":true,"ppt_scheme":"mqtt"}]`,
		`[64,1,{"match":"wildcard","invoke":"roundrobin","disclose_caller":true,"_forward_timeout":true},"a..c"]`,
		`[65,1,2]`,
		`[66,1,2]`,
		`[67,0,{"registration":3,"reason":"wamp.error.unregistered"}]`,
		`[68,1,2,{"procedure":"a.b","caller":3,"caller_authid":"x","caller_authrole":"y","timeout":1,"progress":true,"receive_progress":true},["x"]]`,
		`[68,1,2,{"trustlevel":3,"ppt_scheme":"wamp","ppt_serializer":"cbor"},["\u0000AQID"]]`,
		`[69,1,{"mode":"kill","reason":"wamp.error.canceled"}]`,
		`[70,1,{"_note":{"deep":[[[1]]]}},[1.0,9007199254740993,123456789012345678901234567890]]`,
		`[70,1,{"ppt_scheme":"x_a"},["\u0000AQID"]]`,
		`[ 48 , 1.0 , { "timeout" : null } , "p" , [ ] , { "a" : [ ] } ]`,
	}
}

// oddOptions are messages whose options are not what they should be.
func oddOptions() []string {
	return []string{
		`[48,1,{"ppt_scheme":7,"ppt_serializer":1.5,"ppt_cipher":[],"ppt_keyid":{"k":null}},"p",[1]]`,
		`[48,1,{"ppt_scheme":"x_a","ppt_serializer":true,"passthru":1,"trust_level":0},"p","\u0000AQID"]`,
		`[68,1,2,{"trustlevel":-1,"ppt_scheme":["x_a"]}]`,
		`[70,1,{"ppt_scheme":{},"ppt_keyid":18446744073709551615},[[]]]`,
		`[8,68,1,{"ppt_scheme":7,"acknowledged":"yes"},"e"]`,
	}
}

// binaryQuirks are messages with forms that only clients in other languages
// write.
func binaryQuirks() map[wamp.Serializer][]string {
	return map[wamp.Serializer][]string{
		wamp.MsgPack: {
			"9430cb3ff0000000000000de0001a774696d656f7574d40000a170", // a float as id, a 16 bit map, undefined
			"9420cb4230000000000000de0001a56d61746368d40000a177",     // SUBSCRIBE with undefined options
			"dd0000000430ce0000000180a170",                           // a 32 bit list, a 32 bit id
			"95300180a17091cb7ff8000000000000",                       // NaN
			"95300180a17091c70305010203",                             // an extension value
		},
		wamp.CBOR: {
			"841830fb3ff0000000000000b900016774696d656f7574f76170",     // a float as id, a 16 bit map, undefined
			"9f1830f93c00bf6774696d656f7574f7ff7f61706171ff9f0102ffff", // all of indefinite length
			"85183001a0617081c249010000000000000000",                   // a bignum
			"85183001a0617081fb7ff8000000000000",                       // NaN
			"d9d9f784183001a06170",                                     // tagged as CBOR
		},
	}
}

func seedFrames(f *testing.F, s wamp.Serializer) {
	f.Helper()
	for _, m := range append(messages(), oddOptions()...) {
		b, err := wamp.Transcode(nil, s, []byte(m), wamp.JSON)
		if errors.Is(err, wamp.ErrUntranscodable) {
			continue // the integer of more than 64 bits
		}
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, quirk := range binaryQuirks()[s] {
		b, err := hex.DecodeString(quirk)
		if err != nil {
			f.Fatal(err)
		}
		if _, err := wamp.NewDecoder(s).Decode(b); err != nil {
			f.Fatalf("%v: Decode(%s): %v", s, quirk, err)
		}
		f.Add(b)
	}
}

func FuzzDecodeJSON(f *testing.F) {
	seedFrames(f, wamp.JSON)
	f.Fuzz(func(t *testing.T, frame []byte) { decodeLaws(t, wamp.JSON, frame) })
}

func FuzzDecodeMsgPack(f *testing.F) {
	seedFrames(f, wamp.MsgPack)
	f.Fuzz(func(t *testing.T, frame []byte) { decodeLaws(t, wamp.MsgPack, frame) })
}

func FuzzDecodeCBOR(f *testing.F) {
	seedFrames(f, wamp.CBOR)
	f.Fuzz(func(t *testing.T, frame []byte) { decodeLaws(t, wamp.CBOR, frame) })
}

// decodeLaws: every refusal wraps ErrMalformed; what is accepted can be
// written, reads back as the same message, and is then written the same; the
// other serializers can write it too, or say that they cannot.
func decodeLaws(t *testing.T, s wamp.Serializer, frame []byte) {
	t.Helper()
	m, err := wamp.NewDecoder(s).Decode(frame)
	if err != nil {
		if !errors.Is(err, wamp.ErrMalformed) {
			t.Fatalf("Decode(%q) = %v, which does not wrap ErrMalformed", frame, err)
		}
		return
	}
	first := mustAppend(t, s, m)
	again, err := wamp.NewDecoder(s).Decode(first)
	if err != nil {
		t.Fatalf("Decode(%q) = %v after Decode and Append of %q", first, err, frame)
	}
	if !sameMessage(m, again) {
		t.Fatalf("Decode(%q) = %#v, want %#v as from %q", first, again, m, frame)
	}
	if second := mustAppend(t, s, again); string(second) != string(first) {
		t.Fatalf("Append made %q, then %q", first, second)
	}
	for _, to := range serializers() {
		crossLaws(t, to, m)
	}
}

// sameMessage compares messages that may hold NaN.
func sameMessage(a, b wamp.Message) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	address := regexp.MustCompile(`\(0x[0-9a-f]+\)`) // of a Passthru
	text := func(m wamp.Message) string { return address.ReplaceAllString(fmt.Sprintf("%#v", m), "") }
	return text(a) == text(b)
}

func crossLaws(t *testing.T, to wamp.Serializer, m wamp.Message) {
	t.Helper()
	b, err := to.Append(nil, m)
	if errors.Is(err, wamp.ErrUntranscodable) {
		return
	}
	if err != nil {
		t.Fatalf("%v.Append(%#v): %v", to, m, err)
	}
	other, err := wamp.NewDecoder(to).Decode(b)
	if err != nil {
		t.Fatalf("%v: Decode(%q) of %#v: %v", to, b, m, err)
	}
	if other.Type() != m.Type() {
		t.Fatalf("%v: Decode(%q) = %v, want %v", to, b, other.Type(), m.Type())
	}
}

func values() []string {
	return []string{
		`null`, `true`, `0`, `-1`, `1.0`, `-0`, `-0.0`, `1e3`, `1E-7`, `5e-324`, `1.7976931348623157e308`, `1e309`,
		`9007199254740993`, `18446744073709551615`, `18446744073709551616`, `-9223372036854775808`, `-9223372036854775809`,
		`-18446744073709551616`, `-18446744073709551617`, `100000000000000000000`, `590295810358705700000`, `123456789012345678901234567890`,
		`""`, `"x"`, `"\u0000AQID"`, `"\u0000"`, `"\u0000A\/8="`, `"\u0000not base64"`, `"\u0000AB=="`, `"\ud800"`, `"\ud83d\ude00é"`, `"\"\\\/\b\f\n\r\t\u007f"`,
		`[]`, `{}`, `[1,[2,[3]]]`, `{"a":{"b":[{}]},"a":1}`, ` [ 1 , 2 ] `,
		`[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25]`,
		`{"\u0000AQID":1,"\n":2}`, `"` + strings.Repeat("long ", 20) + `"`,
	}
}

func FuzzTranscode(f *testing.F) {
	for _, v := range values() {
		for i, s := range serializers() {
			if b, err := wamp.Transcode(nil, s, []byte(v), wamp.JSON); err == nil {
				f.Add(b, uint8(i), uint8(i+1))
				f.Add(b, uint8(i), uint8(i+2))
			}
		}
	}
	f.Fuzz(func(t *testing.T, value []byte, from, via uint8) {
		transcodeLaws(t, value, serializers()[from%3], serializers()[via%3])
	})
}

// transcodeLaws: a well-formed value is transcoded or cannot be; the result is
// well-formed, stands for the same value, and so does what it is transcoded
// back to.
func transcodeLaws(t *testing.T, value []byte, from, via wamp.Serializer) {
	t.Helper()
	there, err := wamp.Transcode([]byte("kept"), via, value, from)
	if invalid := from.Valid(value); invalid != nil {
		if !errors.Is(err, wamp.ErrMalformed) && !errors.Is(err, wamp.ErrUntranscodable) {
			t.Fatalf("Transcode(%v, %q, %v) = %v, want an error like %v", via, value, from, err, invalid)
		}
		return
	}
	if err != nil {
		if !errors.Is(err, wamp.ErrUntranscodable) || string(there) != "kept" {
			t.Fatalf("Transcode(%v, %q, %v) = %q, %v", via, value, from, there, err)
		}
		return
	}
	there = there[len("kept"):]
	if err := via.Valid(there); err != nil {
		t.Fatalf("Transcode(%v, %q, %v) = %q: %v", via, value, from, there, err)
	}
	back, err := wamp.Transcode(nil, from, there, via)
	if err != nil {
		t.Fatalf("Transcode(%v, %q, %v) back from %q: %v", from, there, via, value, err)
	}
	want := mustCanonical(t, from, value)
	for s, b := range map[wamp.Serializer][]byte{via: there, from: back} {
		if got := mustCanonical(t, s, b); got != want && got != "" && want != "" {
			t.Fatalf("Transcode(%v, %q, %v): %v is %s, want %s", via, value, from, s, got, want)
		}
	}
}

// mustCanonical returns the empty string if the oracle cannot tell.
func mustCanonical(t *testing.T, s wamp.Serializer, b []byte) string {
	t.Helper()
	text, err := canonical(s, b)
	if err != nil && !errors.Is(err, errOracle) {
		t.Fatalf("the oracle for %v refuses %q: %v", s, b, err)
	}
	return text
}

func FuzzValidJSON(f *testing.F) {
	for _, v := range append(values(), messages()...) {
		f.Add([]byte(v))
	}
	for _, v := range badJSON() {
		f.Add([]byte(v.text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		err := wamp.JSON.Valid(b)
		want := json.Valid(b) && utf8.Valid(b) && jsonDepth(b) <= wamp.MaxDepth
		if (err == nil) != want {
			t.Fatalf("JSON.Valid(%q) = %v, want valid %v", b, err, want)
		}
		checkSyntaxError(t, b, err)
		strict := wamp.JSON.ValidStrict(b)
		if want := want && !repeatsKey(b); (strict == nil) != want {
			t.Fatalf("JSON.ValidStrict(%q) = %v, want valid %v", b, strict, want)
		}
	})
}

// checkSyntaxError checks that an error of Valid says where.
func checkSyntaxError(t *testing.T, b []byte, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var syntax *wamp.SyntaxError
	if !errors.As(err, &syntax) || !errors.Is(err, wamp.ErrMalformed) {
		t.Fatalf("Valid(%q) = %v, want a SyntaxError that wraps ErrMalformed", b, err)
	}
	if syntax.Offset < 0 || syntax.Offset > len(b) || syntax.Text == "" {
		t.Fatalf("Valid(%q) = %#v, want an offset inside", b, syntax)
	}
}

// jsonDepth is how deep valid JSON nests.
func jsonDepth(b []byte) int {
	depth, deepest := 0, 0
	inString := false
	for i := 0; i < len(b); i++ {
		switch {
		case inString && b[i] == '\\':
			i++
		case b[i] == '"':
			inString = !inString
		case inString:
		case b[i] == '[' || b[i] == '{':
			depth++
			deepest = max(deepest, depth)
		case b[i] == ']' || b[i] == '}':
			depth--
		}
	}
	return deepest
}

// repeatsKey reports whether an object in valid JSON has a key twice.
func repeatsKey(b []byte) bool {
	d := json.NewDecoder(strings.NewReader(string(b)))
	var walk func() bool
	walk = func() bool {
		token, err := d.Token()
		open, _ := token.(json.Delim)
		if err != nil || open != '{' && open != '[' {
			return false
		}
		seen := make(map[any]bool)
		for d.More() {
			if open == '{' {
				key, _ := d.Token()
				if seen[key] {
					return true
				}
				seen[key] = true
			}
			if walk() {
				return true
			}
		}
		_, err = d.Token()
		return err != nil
	}
	return walk()
}

func FuzzValidMsgPack(f *testing.F) {
	seedFrames(f, wamp.MsgPack)
	f.Fuzz(func(t *testing.T, b []byte) {
		err := wamp.MsgPack.Valid(b)
		if _, want := canonicalMsgPack(b); (err == nil) != (want == nil) {
			t.Fatalf("MsgPack.Valid(%x) = %v, the oracle says %v", b, err, want)
		}
		checkSyntaxError(t, b, err)
	})
}

func FuzzValidCBOR(f *testing.F) {
	seedFrames(f, wamp.CBOR)
	mode, err := cborMode()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		err := wamp.CBOR.Valid(b)
		want := mode.Wellformed(b)
		stricter := err != nil && (strings.Contains(err.Error(), "UTF-8") || strings.Contains(err.Error(), "64 levels"))
		if (err == nil) != (want == nil) && !stricter {
			t.Fatalf("CBOR.Valid(%x) = %v, the oracle says %v", b, err, want)
		}
		checkSyntaxError(t, b, err)
	})
}
