package wamp_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestTranscodeFromJSON gives the exact bytes. back is the JSON they become
// again; empty if it is the same.
func TestTranscodeFromJSON(t *testing.T) {
	t.Parallel()
	tests := []struct{ json, msgpack, cbor, back string }{
		{`null`, "c0", "f6", ``},
		{`true`, "c3", "f5", ``},
		{` false `, "c2", "f4", `false`},
		{`0`, "00", "00", ``},
		{`9007199254740993`, "cf0020000000000001", "1b0020000000000001", ``},
		{`18446744073709551615`, "cfffffffffffffffff", "1bffffffffffffffff", ``},
		{`-9223372036854775808`, "d38000000000000000", "3b7fffffffffffffff", ``},
		{`-1`, "ff", "20", ``},
		{`1.0`, "cb3ff0000000000000", "fb3ff0000000000000", ``},
		{`1e2`, "cb4059000000000000", "fb4059000000000000", `100.0`},
		{`-0`, "cb8000000000000000", "fb8000000000000000", `-0.0`},
		{`-0.0`, "cb8000000000000000", "fb8000000000000000", ``},
		{`0.1`, "cb3fb999999999999a", "fb3fb999999999999a", ``},
		{`1E400`, "", "", ``},
		{`-1e400`, "", "", ``},
		{`1e-400`, "cb0000000000000000", "fb0000000000000000", `0.0`},
		{`""`, "a0", "60", ``},
		{`"é"`, "a2c3a9", "62c3a9", ``},
		{`"\u00e9"`, "a2c3a9", "62c3a9", `"é"`},
		{`"\ud83d\ude00"`, "a4f09f9880", "64f09f9880", `"😀"`},
		{`"\ud83d"`, "a3efbfbd", "63efbfbd", `"�"`},
		{`"\ude00\ud83d"`, "a6efbfbdefbfbd", "66efbfbdefbfbd", `"��"`},
		{`"\ud83dx"`, "a4efbfbd78", "64efbfbd78", `"�x"`},
		{`"\ud83d\u0041"`, "a4efbfbd41", "64efbfbd41", `"�A"`},
		{`"\"\\\/\b\f\n\r\t\u0001"`, "a9225c2f080c0a0d0901", "69225c2f080c0a0d0901", `"\"\\/\u0008\u000c\n\r\t\u0001"`},
		{`"\u0000AQID"`, "c403010203", "43010203", ``},
		{`"\u0000"`, "c400", "40", ``},
		{`"\u0000\/w=="`, "c401ff", "41ff", `"\u0000/w=="`},
		{`"\u0000AQI"`, "a400415149", "6400415149", ``},            // no padding: a string
		{`"\u0000AR=="`, "a50041523d3d", "650041523d3d", ``},       // not canonical: a string
		{`"\u0000AQ\nID"`, "a60041510a4944", "660041510a4944", ``}, // a line end: a string
		{`"\u0000A?=="`, "a500413f3d3d", "6500413f3d3d", ``},
		{`"\u0000A?Q=AQID"`, "a900413f513d41514944", "6900413f513d41514944", ``},
		{`"x\u0000AQID"`, "a6780041514944", "66780041514944", ``}, // not at the beginning
		{`["\u0000AQID",{"k":"\u0000AQ=="}]`, "92c40301020381a16bc40101", "8243010203a1616b4101", ``},
		{`{"\u0000AQID":1}`, "81a5004151494401", "a1650041514944" + "01", ``}, // keys are strings
		{`[]`, "90", "80", ``},
		{`{}`, "80", "a0", ``},
		{` [ 1 , [ ] , { "a" : { } } ] `, "93019081a16180", "830180a16161a0", `[1,[],{"a":{}}]`},
		{`{"a":1,"b":2,"a":3}`, "83a16101a16202a16103", "a3616101616202616103", ``},
	}
	for _, tt := range tests {
		if tt.back == "" {
			tt.back = tt.json
		}
		checkTranscode(t, wamp.MsgPack, wamp.JSON, tt.json, tt.msgpack, tt.back)
		checkTranscode(t, wamp.CBOR, wamp.JSON, tt.json, tt.cbor, tt.back)
	}
}

// checkTranscode checks one transcoding and the way back. An empty want is
// ErrUntranscodable.
func checkTranscode(t *testing.T, to, from wamp.Serializer, value, want, back string) {
	t.Helper()
	got, err := wamp.Transcode([]byte("kept"), to, []byte(value), from)
	if want == "" {
		if !errors.Is(err, wamp.ErrUntranscodable) || string(got) != "kept" {
			t.Errorf("Transcode(%v, %.60q, %v) = %q, %v, want an error that wraps ErrUntranscodable", to, value, from, got, err)
		}
		return
	}
	if err != nil || hex.EncodeToString(got[len("kept"):]) != want {
		t.Errorf("Transcode(%v, %.60q, %v) = %x, %v, want %s", to, value, from, got, err, want)
		return
	}
	if again := mustTranscode(t, from, got[len("kept"):], to); string(again) != back {
		t.Errorf("Transcode(%v, %s, %v) = %q, want %q", from, want, to, again, back)
	}
}

// TestTranscodeBigIntegers: integers beyond 64 bits stay integers between JSON
// and CBOR; MessagePack has none.
func TestTranscodeBigIntegers(t *testing.T) {
	t.Parallel()
	tests := []struct{ json, cbor, msgpack, back string }{
		{`18446744073709551616`, "c249010000000000000000", "cb43f0000000000000", `18446744073709552000.0`},
		{`-9223372036854775809`, "3b8000000000000000", "", ``},
		{`-18446744073709551616`, "3bffffffffffffffff", "cbc3f0000000000000", `-18446744073709552000.0`},
		{`-18446744073709551617`, "c349010000000000000000", "", ``},
		{`100000000000000000000`, "c249056bc75e2d63100000", "cb4415af1d78b58c40", `100000000000000000000.0`},
		{`590295810358705700000`, "c24920000000000000bca0", "cb4440000000000000", `590295810358705700000.0`}, // what JavaScript writes for 2^69
		{`590295810358705651712`, "c249200000000000000000", "cb4440000000000000", `590295810358705700000.0`},
		{`590295810358705700001`, "c24920000000000000bca1", "", ``},
		{`18446744073709551617`, "c249010000000000000001", "", ``},
		{`1` + strings.Repeat("0", 1300), "", "", ``},
	}
	for _, tt := range tests {
		checkTranscode(t, wamp.CBOR, wamp.JSON, tt.json, tt.cbor, tt.json)
		if tt.cbor == "" {
			checkTranscode(t, wamp.MsgPack, wamp.JSON, tt.json, "", "")
			continue
		}
		checkTranscode(t, wamp.MsgPack, wamp.JSON, tt.json, tt.msgpack, tt.back)
		cbor, err := hex.DecodeString(tt.cbor)
		if err != nil {
			t.Fatal(err)
		}
		got, err := wamp.Transcode(nil, wamp.MsgPack, cbor, wamp.CBOR)
		if hex.EncodeToString(got) != tt.msgpack || (err == nil) != (tt.msgpack != "") {
			t.Errorf("Transcode(msgpack, %s, cbor) = %x, %v, want %s", tt.cbor, got, err, tt.msgpack)
		}
	}
}

// TestTranscodeFromBinary lists what JSON has no form of its own for.
func TestTranscodeFromBinary(t *testing.T) {
	t.Parallel()
	tests := []struct {
		from            wamp.Serializer
		hex, json, peer string // peer: in the other binary serializer
	}{
		{wamp.MsgPack, "d40000", `null`, "f6"}, // undefined of msgpackr
		{wamp.MsgPack, "d40001", ``, ``},
		{wamp.MsgPack, "d6ff00000000", ``, ``}, // a timestamp
		{wamp.MsgPack, "ca3f8ccccd", `1.100000023841858`, "fa3f8ccccd"},
		{wamp.MsgPack, "cb7ff8000000000000", ``, "fb7ff8000000000000"},
		{wamp.MsgPack, "cbfff0000000000000", ``, "fbfff0000000000000"},
		{wamp.MsgPack, "cb444b1ae4d6e2ef50", `1e+21`, "fb444b1ae4d6e2ef50"},
		{wamp.MsgPack, "cb444b1ae4d6e2ef4f", `999999999999999900000.0`, "fb444b1ae4d6e2ef4f"},
		{wamp.MsgPack, "cb3e7ad7f29abcaf48", `1e-07`, "fb3e7ad7f29abcaf48"},
		{wamp.MsgPack, "cb0000000000000001", `5e-324`, "fb0000000000000001"},
		{wamp.MsgPack, "810102", ``, "a10102"}, // a key that is a number
		{wamp.MsgPack, "81c4010102", ``, "a1410102"},
		{wamp.MsgPack, "8191a1610 2", ``, "a18161" + "6102"},
		{wamp.MsgPack, "81a16101", `{"a":1}`, "a1616101"},
		{wamp.MsgPack, "82a16101a16102", `{"a":1,"a":2}`, "a2616101616102"},
		{wamp.MsgPack, "de0001d901610 1", `{"a":1}`, "a1616101"},
		{wamp.MsgPack, "c700 05", ``, ``},
		{wamp.MsgPack, "a2c328", `malformed`, `malformed`},
		{wamp.MsgPack, "92 01", `malformed`, `malformed`},

		{wamp.CBOR, "f7", `null`, "c0"},
		{wamp.CBOR, "e0", ``, ``},
		{wamp.CBOR, "f8ff", ``, ``},
		{wamp.CBOR, "f93c00", `1.0`, "ca3f800000"},
		{wamp.CBOR, "f90001", `5.960464477539063e-08`, "ca33800000"},
		{wamp.CBOR, "f903ff", `0.00006097555160522461`, "ca387fc000"},
		{wamp.CBOR, "f90400", `0.00006103515625`, "ca38800000"},
		{wamp.CBOR, "f97bff", `65504.0`, "ca477fe000"},
		{wamp.CBOR, "f98000", `-0.0`, "ca80000000"},
		{wamp.CBOR, "f97c00", ``, "ca7f800000"},
		{wamp.CBOR, "f97e00", ``, "ca7fc00000"},
		{wamp.CBOR, "fac7c35000", `-100000.0`, "cac7c35000"},
		{wamp.CBOR, "c11a514b67b0", `1363896240`, "ce514b67b0"}, // a time: its number
		{wamp.CBOR, "d9d9f78101", `[1]`, "9101"},
		{wamp.CBOR, "c241ff", `255`, "ccff"},
		{wamp.CBOR, "c240", `0`, "00"},
		{wamp.CBOR, "c34100", `-1`, "ff"},
		{wamp.CBOR, "c3480000000000000001", `-2`, "fe"},
		{wamp.CBOR, "c25f4101420203ff", `66051`, "ce00010203"},
		{wamp.CBOR, "c26161", `"a"`, "a161"}, // no bignum: its content
		{wamp.CBOR, "d84541ff", `"\u0000/w=="`, "c401ff"},
		{wamp.CBOR, "c2590201" + "01" + strings.Repeat("00", 512), ``, ``}, // 4097 bits
		{wamp.CBOR, "3bffffffffffffffff", `-18446744073709551616`, "cbc3f0000000000000"},
		{wamp.CBOR, "7f61616162ff", `"ab"`, "a26162"},
		{wamp.CBOR, "7fff", `""`, "a0"},
		{wamp.CBOR, "5f41014102ff", `"\u0000AQI="`, "c4020102"},
		{wamp.CBOR, "9f0102ff", `[1,2]`, "920102"},
		{wamp.CBOR, "bf61610161629f01ffff", `{"a":1,"b":[1]}`, "82a16101a1629101"},
		{wamp.CBOR, "bf7f61616162ff01ff", `{"ab":1}`, "81a2616201"},
		{wamp.CBOR, "a1f601", ``, "81c001"},
		{wamp.CBOR, "9f01", `malformed`, `malformed`},
	}
	for _, tt := range tests {
		value, err := hex.DecodeString(strings.ReplaceAll(tt.hex, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		checkFromBinary(t, wamp.JSON, value, tt.from, tt.json)
		if tt.from == wamp.MsgPack {
			checkFromBinary(t, wamp.CBOR, value, tt.from, tt.peer)
		} else {
			checkFromBinary(t, wamp.MsgPack, value, tt.from, tt.peer)
		}
	}
}

func checkFromBinary(t *testing.T, to wamp.Serializer, value []byte, from wamp.Serializer, want string) {
	t.Helper()
	got, err := wamp.Transcode(nil, to, value, from)
	text := string(got)
	if to != wamp.JSON {
		text = hex.EncodeToString(got)
	}
	switch want {
	case "":
		if !errors.Is(err, wamp.ErrUntranscodable) || len(got) > 0 {
			t.Errorf("Transcode(%v, %x, %v) = %s, %v, want an error that wraps ErrUntranscodable", to, value, from, text, err)
		}
	case "malformed":
		if !errors.Is(err, wamp.ErrMalformed) || len(got) > 0 {
			t.Errorf("Transcode(%v, %x, %v) = %s, %v, want an error that wraps ErrMalformed", to, value, from, text, err)
		}
	default:
		if err != nil || text != want {
			t.Errorf("Transcode(%v, %x, %v) = %s, %v, want %s", to, value, from, text, err, want)
		}
	}
}

// TestTranscodeLengths: lists, maps and strings get the right head whatever
// their length, though JSON does not tell it in advance.
func TestTranscodeLengths(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 15, 16, 23, 24, 31, 32, 255, 256, 65535, 65536} {
		list := "[" + strings.TrimSuffix(strings.Repeat("[7],", n), ",") + "]"
		dict := "{" + strings.TrimSuffix(strings.Repeat(`"k":[7],`, n), ",") + "}"
		plain := `"` + strings.Repeat("x", n) + `"`
		escaped := `"` + strings.Repeat(`\n`, n) + `"`
		nested := strings.Repeat("[", 60) + "0" + strings.Repeat(strings.Repeat(",1", min(n, 300))+"]", 60)
		for _, value := range []string{list, dict, plain, escaped, nested} {
			for _, s := range []wamp.Serializer{wamp.MsgPack, wamp.CBOR} {
				there := mustTranscode(t, s, []byte(value), wamp.JSON)
				if err := s.Valid(there); err != nil {
					t.Errorf("%v.Valid(%.20x…) = %v of %.40s… with %d", s, there, err, value, n)
				}
				if back := mustTranscode(t, wamp.JSON, there, s); string(back) != value {
					t.Errorf("%.40s… with %d came back from %v as %.40s…", value, n, s, back)
				}
				if want := headLen(s, value, n); value != nested && len(there) != want {
					t.Errorf("%.40s… with %d takes %d bytes in %v, want %d", value, n, len(there), s, want)
				}
			}
		}
	}
}

// headLen is the length of n elements with the shortest head.
func headLen(s wamp.Serializer, value string, n int) int {
	borders := []int{24, 1 << 8, 1 << 16}
	lengths := []int{1, 2, 3, 5}
	if s == wamp.MsgPack {
		borders = []int{16, 16, 1 << 16}
		if value[0] == '"' {
			borders[0], borders[1] = 32, 1<<8
		}
	}
	i := 0
	for i < len(borders) && n >= borders[i] {
		i++
	}
	size := map[byte]int{'[': 2, '{': 4, '"': 1}[value[0]]
	return lengths[i] + n*size
}

// TestTranscodeSame: to the same serializer nothing changes, but the value is
// checked.
func TestTranscodeSame(t *testing.T) {
	t.Parallel()
	for s, values := range map[wamp.Serializer][]string{
		wamp.JSON:    {` [ 1.0 , "\u0061" ] `, `1e400`},
		wamp.MsgPack: {"\xde\x00\x01\x01\xd4\x05\x05"},
		wamp.CBOR:    {"\x9f\xc1\x01\xf7\xe0\xff"},
	} {
		for _, value := range values {
			if got := mustTranscode(t, s, []byte(value), s); string(got) != value {
				t.Errorf("Transcode(%v, %q, %v) = %q, want the same", s, value, s, got)
			}
			broken := value + "x"
			if got, err := wamp.Transcode([]byte("kept"), s, []byte(broken), s); !errors.Is(err, wamp.ErrMalformed) || string(got) != "kept" {
				t.Errorf("Transcode(%v, %q, %v) = %q, %v, want an error that wraps ErrMalformed", s, broken, s, got, err)
			}
		}
	}
}

func TestTranscodeRefusesMalformed(t *testing.T) {
	t.Parallel()
	for _, bad := range badJSON() {
		for _, to := range []wamp.Serializer{wamp.MsgPack, wamp.CBOR} {
			got, err := wamp.Transcode([]byte("kept"), to, []byte(bad.text), wamp.JSON)
			if !errors.Is(err, wamp.ErrMalformed) || string(got) != "kept" {
				t.Errorf("Transcode(%v, %.60q, json) = %q, %v, want an error that wraps ErrMalformed", to, bad.text, got, err)
			}
		}
	}
}
