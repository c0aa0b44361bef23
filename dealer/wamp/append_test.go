package wamp_test

import (
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestAppend writes messages that have nothing but what is given.
func TestAppend(t *testing.T) {
	t.Parallel()
	tests := []struct {
		m    wamp.Message
		want string
	}{
		{&wamp.Hello{Realm: "r", Details: wamp.Dict{"b": 1, "a": []any{}}}, `[1,"r",{"a":[],"b":1}]`},
		{&wamp.Welcome{Session: 1}, `[2,1,{}]`},
		{&wamp.Abort{Reason: "a.b"}, `[3,{},"a.b"]`},
		{&wamp.Challenge{AuthMethod: "ticket"}, `[4,"ticket",{}]`},
		{&wamp.Authenticate{Signature: "s"}, `[5,"s",{}]`},
		{&wamp.Goodbye{Reason: wamp.CloseNormal}, `[6,{},"wamp.close.normal"]`},
		{&wamp.Error{RequestType: wamp.TypeCall, Request: 1, Error: "e", Origin: wamp.OriginDealer}, `[8,48,1,{},"e"]`},
		{&wamp.Publish{Request: 1, Topic: "t"}, `[16,1,{},"t"]`},
		{&wamp.Publish{Request: 1, Topic: "t", Acknowledge: true}, `[16,1,{"acknowledge":true},"t"]`},
		{&wamp.Published{Request: 1, Publication: 2}, `[17,1,2]`},
		{&wamp.Subscribe{Request: 1, Topic: "t"}, `[32,1,{},"t"]`},
		{&wamp.Subscribe{Request: 1, Topic: "t", Match: wamp.MatchPrefix}, `[32,1,{"match":"prefix"},"t"]`},
		{&wamp.Subscribed{Request: 1, Subscription: 2}, `[33,1,2]`},
		{&wamp.Unsubscribe{Request: 1, Subscription: 2}, `[34,1,2]`},
		{&wamp.Unsubscribed{Request: 1}, `[35,1]`},
		{&wamp.Unsubscribed{}, `[35,0,{}]`},
		{&wamp.Event{Subscription: 1, Publication: 2}, `[36,1,2,{}]`},
		{&wamp.Call{Request: 1, Procedure: "p"}, `[48,1,{},"p"]`},
		{
			&wamp.Call{Request: 1, Procedure: "p", Options: wamp.CallOptions{
				Timeout: 1, ReceiveProgress: true, Progress: true, DiscloseMe: true, Custom: wamp.Dict{"_z": nil, "_a": wamp.Dict{"k": 1.0}},
				TrustLevel: "persistent", RoutingKey: "n7", Passthru: &wamp.Passthru{Scheme: "x_a"}, RunMode: wamp.RunAll,
			}},
			`[48,1,{"_a":{"k":1.0},"_z":null,"disclose_me":true,"ppt_scheme":"x_a","progress":true,"receive_progress":true,"rkey":7,"runmode":"all",` +
				`"timeout":1,"trust_level":"persistent"},"p"]`,
		},
		{&wamp.Cancel{Request: 1}, `[49,1,{}]`},
		{&wamp.Cancel{Request: 1, Mode: wamp.CancelSkip}, `[49,1,{"mode":"skip"}]`},
		{&wamp.Result{Request: 1}, `[50,1,{}]`},
		{&wamp.Result{Request: 1, Details: wamp.ResultDetails{Progress: true, Custom: wamp.Dict{"_a": true}}}, `[50,1,{"_a":true,"progress":true}]`},
		{
			&wamp.Result{Request: 1, Details: wamp.ResultDetails{Acknowledged: true, Passthru: &wamp.Passthru{Scheme: "x_a", KeyID: "k"}}},
			`[50,1,{"acknowledged":true,"ppt_keyid":"k","ppt_scheme":"x_a"}]`,
		},
		{&wamp.Register{Request: 1, Procedure: "p"}, `[64,1,{},"p"]`},
		{
			&wamp.Register{Request: 1, Procedure: "p", Options: wamp.RegisterOptions{
				Match: wamp.MatchWildcard, Invoke: wamp.InvokeRandom, DiscloseCaller: true, ForwardTimeout: true, Force: true, Concurrency: 3, Custom: wamp.Dict{"_a": "x"},
			}},
			`[64,1,{"_a":"x","concurrency":3,"disclose_caller":true,"force_reregister":true,"forward_timeout":true,"invoke":"random","match":"wildcard"},"p"]`,
		},
		{
			&wamp.Register{Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Shard: &wamp.ShardOptions{
				Group: "g", Strategy: wamp.ShardCustom, ID: "a", Weight: 0.5, Concurrency: 3, Range: &wamp.ShardRange{From: wamp.StringKey("a"), To: "n1.5", Type: "number"},
				Resolver: "r", Metadata: wamp.Dict{"zone": "b"},
			}}},
			`[64,1,{"shard":"g","shard_concurrency":3,"shard_id":"a","shard_metadata":{"zone":"b"},"shard_range":{"from":"a","to":1.5,"type":"number"},` +
				`"shard_resolver":"r","shard_strategy":"custom","shard_weight":0.5},"p"]`,
		},
		{&wamp.Register{Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Shard: &wamp.ShardOptions{Group: "g"}}}, `[64,1,{"shard":"g"},"p"]`},
		{&wamp.Registered{Request: 1, Registration: 2}, `[65,1,2]`},
		{&wamp.Unregister{Request: 1, Registration: 2}, `[66,1,2]`},
		{&wamp.Unregistered{Request: 1, Details: wamp.Dict{"x": 1}}, `[67,1]`},
		{&wamp.Unregistered{Details: wamp.Dict{"registration": wamp.ID(3)}}, `[67,0,{"registration":3}]`},
		{&wamp.Invocation{Request: 1, Registration: 2}, `[68,1,2,{}]`},
		{
			&wamp.Invocation{Request: 1, Registration: 2, Details: wamp.InvocationDetails{
				Procedure: "p", ReceiveProgress: true, Progress: true, Timeout: 7, Caller: 8, CallerAuthid: "a", CallerAuthrole: "b", Custom: wamp.Dict{"_a": []string{"x"}},
			}},
			`[68,1,2,{"_a":["x"],"caller":8,"caller_authid":"a","caller_authrole":"b","procedure":"p","progress":true,"receive_progress":true,"timeout":7}]`,
		},
		{&wamp.Invocation{Request: 1, Registration: 2, Shard: &wamp.ShardDetails{ID: "a", Key: "b\x01", Slot: 4, Epoch: 5}}, `[68,1,2,{"rkey":"\u0000AQ==","shard":{"epoch":5,"slot":4},"shard_id":"a"}]`},
		{&wamp.Invocation{Request: 1, Registration: 2, Shard: &wamp.ShardDetails{ID: "a", Slot: -1, Epoch: 5}}, `[68,1,2,{"shard":{"epoch":5},"shard_id":"a"}]`},
		{
			&wamp.Invocation{Request: 1, Registration: 2, Receipt: 3, Details: wamp.InvocationDetails{
				HasTrustlevel: true, Passthru: &wamp.Passthru{Scheme: "wamp", Serializer: "cbor", Cipher: "aes256gcm", KeyID: "k"},
			}},
			`[68,1,2,{"ppt_cipher":"aes256gcm","ppt_keyid":"k","ppt_scheme":"wamp","ppt_serializer":"cbor","trustlevel":0}]`,
		},
		{&wamp.Interrupt{Request: 1}, `[69,1,{}]`},
		{&wamp.Interrupt{Request: 1, Mode: wamp.CancelKillNoWait, Reason: wamp.ErrTimeout}, `[69,1,{"mode":"killnowait","reason":"wamp.error.timeout"}]`},
		{&wamp.Yield{Request: 1, Options: wamp.YieldOptions{Progress: true}}, `[70,1,{"progress":true}]`},
		{&wamp.Yield{Request: 1, Options: wamp.YieldOptions{Passthru: &wamp.Passthru{Scheme: "x_a"}}}, `[70,1,{"ppt_scheme":"x_a"}]`},
	}
	for _, tt := range tests {
		if got := string(mustAppend(t, wamp.JSON, tt.m)); got != tt.want {
			t.Errorf("JSON.Append(%+v) = %s, want %s", tt.m, got, tt.want)
		}
		for _, s := range serializers() {
			frame := mustAppend(t, s, tt.m)
			if got := string(mustTranscode(t, wamp.JSON, frame, s)); got != tt.want {
				t.Errorf("%v.Append(%+v) = %s, want %s", s, tt.m, got, tt.want)
			}
			if want := shortest(t, s, tt.want); want != hex.EncodeToString(frame) {
				t.Errorf("%v.Append(%+v) = %x, want %s", s, tt.m, frame, want)
			}
		}
	}
}

// shortest returns in hex how a value is transcoded, which the oracles have
// their say on elsewhere.
func shortest(t *testing.T, s wamp.Serializer, value string) string {
	t.Helper()
	return hex.EncodeToString(mustTranscode(t, s, []byte(value), wamp.JSON))
}

// TestAppendPayload: empty args and kwargs are left out, [] comes before
// kwargs that are alone, what is already in the serializer is spliced.
func TestAppendPayload(t *testing.T) {
	t.Parallel()
	tests := []struct{ args, kwargs, want string }{
		{``, ``, `[50,1,{}]`},
		{`[]`, ``, `[50,1,{}]`},
		{`[ ]`, `{ }`, `[50,1,{}]`},
		{``, `{}`, `[50,1,{}]`},
		{`[1]`, ``, `[50,1,{},[1]]`},
		{`[1]`, `{}`, `[50,1,{},[1]]`},
		{``, `{"k":1}`, `[50,1,{},[],{"k":1}]`},
		{`[]`, `{"k":1}`, `[50,1,{},[],{"k":1}]`},
		{`[1]`, `{"k":1}`, `[50,1,{},[1],{"k":1}]`},
		{`"\u0000AQID"`, ``, `[50,1,{},"\u0000AQID"]`},
		{`"text"`, ``, `[50,1,{},"text"]`},
	}
	for _, tt := range tests {
		for _, s := range serializers() {
			p, err := jsonPayload(tt.args, tt.kwargs).Transcode(s)
			if err != nil {
				t.Fatal(err)
			}
			for _, to := range serializers() {
				frame := mustAppend(t, to, &wamp.Result{Request: 1, Payload: p})
				if got, want := hex.EncodeToString(frame), shortest(t, to, tt.want); got != want {
					t.Errorf("%v.Append with a payload of %v, %s, %s = %s, want %s", to, s, tt.args, tt.kwargs, got, want)
				}
			}
		}
	}
}

func TestAppendSplices(t *testing.T) {
	t.Parallel()
	p := jsonPayload("[ 1.0 ,\n\"\\u0061\" ]", `{ "k" : 1E2, "k":2 }`)
	want := "[70,1,{},[ 1.0 ,\n\"\\u0061\" ],{ \"k\" : 1E2, \"k\":2 }]"
	if got := string(mustAppend(t, wamp.JSON, &wamp.Yield{Request: 1, Payload: p})); got != want {
		t.Errorf("Append = %s, want %s", got, want)
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	for _, s := range serializers() {
		got, err := s.Append([]byte("header"), &wamp.Published{Request: 1, Publication: 2})
		if want := "header" + string(mustAppend(t, s, &wamp.Published{Request: 1, Publication: 2})); err != nil || string(got) != want {
			t.Errorf("%v.Append(header) = %q, %v, want %q", s, got, err, want)
		}
	}
}

func TestAppendFails(t *testing.T) {
	t.Parallel()
	call := func(s wamp.Serializer, args string) wamp.Message {
		return &wamp.Call{Request: 1, Procedure: "p", Payload: wamp.Payload{Serializer: s, Args: []byte(args)}}
	}
	tests := []struct {
		to   wamp.Serializer
		m    wamp.Message
		want error
		text string
	}{
		{wamp.JSON, call(wamp.MsgPack, "\x91\x81\x01\x02"), wamp.ErrUntranscodable, "JSON keys must be strings, not a number"},
		{wamp.JSON, call(wamp.CBOR, "\x81\xf9\x7e\x00"), wamp.ErrUntranscodable, "JSON has no NaN"},
		{wamp.MsgPack, call(wamp.CBOR, "\x81\xe0"), wamp.ErrUntranscodable, "an extension value of cbor in msgpack"},
		{wamp.CBOR, call(wamp.JSON, "[1"), wamp.ErrMalformed, "json value: the message ends"},
		{wamp.CBOR, call(0, "[1]"), wamp.ErrMalformed, "no serializer was chosen"},
		{wamp.JSON, &wamp.Error{Request: 1, Details: wamp.Dict{"x": math.Inf(1)}}, wamp.ErrUntranscodable, "JSON has no +Inf"},
		{wamp.CBOR, &wamp.Hello{Details: wamp.Dict{"x": struct{}{}}}, wamp.ErrUntranscodable, "a struct {}"},
		{0, &wamp.Published{}, nil, "no serializer was chosen"},
		{wamp.JSON, nil, nil, "no WAMP message"},
	}
	for _, tt := range tests {
		got, err := tt.to.Append([]byte("kept"), tt.m)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%v.Append(%+v) = %v, want an error that wraps %v and says %q", tt.to, tt.m, err, tt.want, tt.text)
		}
		if string(got) != "kept" {
			t.Errorf("%v.Append(%+v) returned %q, want what came in", tt.to, tt.m, got)
		}
	}
}

// TestAppendForms compares integers, strings and containers at the borders of
// their forms with what the specifications say.
func TestAppendForms(t *testing.T) {
	t.Parallel()
	tests := []struct {
		v             any
		msgpack, cbor string
	}{
		{nil, "c0", "f6"},
		{false, "c2", "f4"},
		{true, "c3", "f5"},
		{0, "00", "00"},
		{23, "17", "17"},
		{24, "18", "1818"},
		{127, "7f", "187f"},
		{128, "cc80", "1880"},
		{255, "ccff", "18ff"},
		{256, "cd0100", "190100"},
		{65535, "cdffff", "19ffff"},
		{65536, "ce00010000", "1a00010000"},
		{uint32(math.MaxUint32), "ceffffffff", "1affffffff"},
		{int64(1 << 32), "cf0000000100000000", "1b0000000100000000"},
		{uint64(math.MaxUint64), "cfffffffffffffffff", "1bffffffffffffffff"},
		{-1, "ff", "20"},
		{-24, "e8", "37"},
		{-25, "e7", "3818"},
		{-32, "e0", "381f"},
		{-33, "d0df", "3820"},
		{int8(-128), "d080", "387f"},
		{int16(-129), "d1ff7f", "3880"},
		{int16(-32768), "d18000", "397fff"},
		{int32(-32769), "d2ffff7fff", "398000"},
		{int32(math.MinInt32), "d280000000", "3a7fffffff"},
		{int64(math.MinInt32) - 1, "d3ffffffff7fffffff", "3a80000000"},
		{int64(math.MinInt64), "d38000000000000000", "3b7fffffffffffffff"},
		{uint8(200), "ccc8", "18c8"},
		{uint16(300), "cd012c", "19012c"},
		{uint(7), "07", "07"},
		{wamp.ID(7), "07", "07"},
		{1.0, "cb3ff0000000000000", "fb3ff0000000000000"},
		{float32(1.5), "ca3fc00000", "fa3fc00000"},
		{"", "a0", "60"},
		{wamp.URI("a.b"), "a3612e62", "63612e62"},
		{[]byte{}, "c400", "40"},
		{[]byte{1, 2}, "c4020102", "420102"},
		{[]any(nil), "90", "80"},
		{[]string{"a", "b"}, "92a161a162", "8261616162"},
		{[]wamp.ID{1, 2}, "920102", "820102"},
		{wamp.Dict(nil), "80", "a0"},
		{map[string]any{"b": 1, "a": []any{nil}}, "82a16191c0a16201", "a2616181f6616201"},
	}
	for _, tt := range tests {
		checkForm(t, wamp.MsgPack, tt.v, tt.msgpack)
		checkForm(t, wamp.CBOR, tt.v, tt.cbor)
	}
	for _, tt := range []struct {
		n             int
		msgpack, cbor string // heads
	}{
		{15, "af", "6f"},
		{23, "b7", "77"},
		{24, "b8", "7818"},
		{31, "bf", "781f"},
		{32, "d920", "7820"},
		{255, "d9ff", "78ff"},
		{256, "da0100", "790100"},
		{65535, "daffff", "79ffff"},
		{65536, "db00010000", "7a00010000"},
	} {
		text := strings.Repeat("x", tt.n)
		checkForm(t, wamp.MsgPack, text, tt.msgpack+hex.EncodeToString([]byte(text)))
		checkForm(t, wamp.CBOR, text, tt.cbor+hex.EncodeToString([]byte(text)))
	}
}

func checkForm(t *testing.T, s wamp.Serializer, v any, want string) {
	t.Helper()
	got, err := s.AppendValue(nil, v)
	if err != nil || hex.EncodeToString(got) != want {
		t.Errorf("%v.AppendValue(%.40v) = %x, %v, want %s", s, v, got, err, want)
	}
}
