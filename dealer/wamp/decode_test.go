package wamp_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// jsonPayload returns a payload in JSON; empty strings stand for absent.
func jsonPayload(args, kwargs string) wamp.Payload {
	p := wamp.Payload{}
	if args != "" {
		p.Serializer, p.Args = wamp.JSON, []byte(args)
	}
	if kwargs != "" {
		p.Serializer, p.Kwargs = wamp.JSON, []byte(kwargs)
	}
	return p
}

type decoded struct {
	frame string
	want  wamp.Message
}

func sessionFrames() []decoded {
	return []decoded{
		{`[1,"realm1",{"roles":{"caller":{}},"n":7,"f":1.5,"l":[null,true]}]`, &wamp.Hello{Realm: "realm1", Details: wamp.Dict{
			"roles": wamp.Dict{"caller": wamp.Dict{}}, "n": int64(7), "f": 1.5, "l": []any{nil, true},
		}}},
		{`[2,9007199254740992,{"authid":"a"}]`, &wamp.Welcome{Session: wamp.MaxID, Details: wamp.Dict{"authid": "a"}}},
		{`[3,{"message":"m"},"wamp.error.no_such_realm"]`, &wamp.Abort{Details: wamp.Dict{"message": "m"}, Reason: wamp.ErrNoSuchRealm}},
		{`[3,{},"a.b",[1]]`, &wamp.Abort{Reason: "a.b"}},
		{`[3,{},"a.b",[1],{"k":2}]`, &wamp.Abort{Reason: "a.b"}},
		{`[4,"ticket",{}]`, &wamp.Challenge{AuthMethod: "ticket"}},
		{`[5,"sig",{"k":"v"}]`, &wamp.Authenticate{Signature: "sig", Extra: wamp.Dict{"k": "v"}}},
		{`[6,{},"wamp.close.normal"]`, &wamp.Goodbye{Reason: wamp.CloseNormal}},
	}
}

func callFrames() []decoded {
	return []decoded{
		{`[48,1,{},"p"]`, &wamp.Call{Request: 1, Procedure: "p"}},
		{`[48,1,{},"p",[1]]`, &wamp.Call{Request: 1, Procedure: "p", Payload: jsonPayload(`[1]`, ``)}},
		{`[48,1,{},"p",[],{}]`, &wamp.Call{Request: 1, Procedure: "p"}},
		{`[48,1,{},"p",null]`, &wamp.Call{Request: 1, Procedure: "p"}},
		{`[48,1,{},"p",null,{"k":1}]`, &wamp.Call{Request: 1, Procedure: "p", Payload: jsonPayload(``, `{"k":1}`)}},
		{`[48,1,{},"p",[1],null]`, &wamp.Call{Request: 1, Procedure: "p", Payload: jsonPayload(`[1]`, ``)}},
		{`[48,1,{},"p",[],{"k":1}]`, &wamp.Call{Request: 1, Procedure: "p", Payload: jsonPayload(``, `{"k":1}`)}},
		{`[48,1,{},"p","\u0000AQID"]`, &wamp.Call{Request: 1, Procedure: "p", Payload: jsonPayload(`"\u0000AQID"`, ``)}},
		{`[48,1,{},"p","secret"]`, &wamp.Call{Request: 1, Procedure: "p", Payload: jsonPayload(`"secret"`, ``)}},
		{
			`[48,2,{"timeout":5000,"receive_progress":true,"progress":true,"disclose_me":true,"unknown":[{}],"_a":1,"_b":{"c":[]}},"a.b.c"]`,
			&wamp.Call{Request: 2, Procedure: "a.b.c", Options: wamp.CallOptions{
				Timeout: 5000, ReceiveProgress: true, Progress: true, DiscloseMe: true,
				Custom: wamp.Dict{"_a": int64(1), "_b": wamp.Dict{"c": []any{}}},
			}},
		},
		{`[48,1,{"trust_level":"persistent","rkey":"k","ppt_scheme":"x_a"},"p"]`, &wamp.Call{Request: 1, Procedure: "p", Options: wamp.CallOptions{
			TrustLevel: "persistent", RoutingKey: wamp.StringKey("k"), Passthru: &wamp.Passthru{Scheme: "x_a"},
		}}},
		{`[48,1,{"ppt_keyid":"k","ppt_cipher":"aes256gcm","ppt_scheme":"wamp","ppt_serializer":"cbor","ppt_other":[]},"p"]`, &wamp.Call{
			Request: 1, Procedure: "p", Options: wamp.CallOptions{
				Passthru: &wamp.Passthru{Scheme: "wamp", Serializer: "cbor", Cipher: "aes256gcm", KeyID: "k"},
			},
		}},
		{`[48,1,{"passthru":true},"p"]`, &wamp.Call{Request: 1, Procedure: "p", Options: wamp.CallOptions{
			Passthru: &wamp.Passthru{Scheme: "x_passthru", Serializer: "native"},
		}}},
		{`[48,1,{"_passthru":true,"ppt_scheme":"x_a"},"p"]`, &wamp.Call{Request: 1, Procedure: "p", Options: wamp.CallOptions{
			Passthru: &wamp.Passthru{Scheme: "x_a"},
		}}},
		{`[48,1,{"passthru":false,"_passthru":null},"p"]`, &wamp.Call{Request: 1, Procedure: "p"}},
		{`[48,1,{"ppt_scheme":"","ppt_serializer":"cbor"},"p"]`, &wamp.Call{Request: 1, Procedure: "p"}},
		{`[70,1,{"ppt_scheme":"x_a","acknowledged":true}]`, &wamp.Yield{Request: 1, Options: wamp.YieldOptions{Passthru: &wamp.Passthru{Scheme: "x_a"}}}},
		{`[50,1,{"ppt_scheme":"x_a","acknowledged":true,"other":1}]`, &wamp.Result{Request: 1, Details: wamp.ResultDetails{
			Acknowledged: true, Passthru: &wamp.Passthru{Scheme: "x_a"},
		}}},
		{`[68,1,2,{"ppt_scheme":"x_a","trustlevel":0,"other":1}]`, &wamp.Invocation{Request: 1, Registration: 2, Details: wamp.InvocationDetails{
			HasTrustlevel: true, Passthru: &wamp.Passthru{Scheme: "x_a"},
		}}},
		{`[48,1,{"_trust_level":"best_effort","shard_key":18446744073709551615},"p"]`, &wamp.Call{Request: 1, Procedure: "p", Options: wamp.CallOptions{
			TrustLevel: "best_effort", RoutingKey: "n18446744073709551615",
		}}},
		{`[48,1,{"_shard_key":null,"_rkey":7},"p"]`, &wamp.Call{Request: 1, Procedure: "p", Options: wamp.CallOptions{RoutingKey: "n7"}}},
		{`[48,1,{"rkey":"\u0000AQID","runmode":"partition"},"p"]`, &wamp.Call{Request: 1, Procedure: "p", Options: wamp.CallOptions{RoutingKey: "b\x01\x02\x03", RunMode: wamp.RunPartition}}},
		{`[48,1,{"_runmode":"all"},"p"]`, &wamp.Call{Request: 1, Procedure: "p", Options: wamp.CallOptions{RunMode: wamp.RunAll}}},
		{`[48,1,{"runmode":"some","rkey":""},"p"]`, &wamp.Call{Request: 1, Procedure: "p", Options: wamp.CallOptions{RoutingKey: "s", RunMode: wamp.RunUnknown}}},
		{`[48,1,{"timeout":null,"progress":null,"":1},"p"]`, &wamp.Call{Request: 1, Procedure: "p"}},
		{`[48,1,{"timeout":10000000000000000},"p"]`, &wamp.Call{Request: 1, Procedure: "p", Options: wamp.CallOptions{Timeout: 1e16}}},
		{`[48,1,{"timeout":0,"progress":false},"p"]`, &wamp.Call{Request: 1, Procedure: "p"}},
		{`[49,3,{}]`, &wamp.Cancel{Request: 3}},
		{`[49,3,{"mode":"skip"}]`, &wamp.Cancel{Request: 3, Mode: wamp.CancelSkip}},
		{`[49,3,{"mode":"kill","x":1}]`, &wamp.Cancel{Request: 3, Mode: wamp.CancelKill}},
		{`[49,3,{"mode":"killnowait"}]`, &wamp.Cancel{Request: 3, Mode: wamp.CancelKillNoWait}},
		{`[49,3,{"mode":"abort"}]`, &wamp.Cancel{Request: 3, Mode: wamp.CancelUnknown}},
		{`[49,3,{"mode":null}]`, &wamp.Cancel{Request: 3}},
		{`[50,3,{"progress":true,"_x":null},[1],{"k":2}]`, &wamp.Result{
			Request: 3, Details: wamp.ResultDetails{Progress: true, Custom: wamp.Dict{"_x": nil}}, Payload: jsonPayload(`[1]`, `{"k":2}`),
		}},
		{`[68,1,7,{}]`, &wamp.Invocation{Request: 1, Registration: 7}},
		{
			`[68,1,7,{"procedure":"a.b","receive_progress":true,"progress":true,"timeout":9,"caller":5,"caller_authid":"x","caller_authrole":"y","_z":1,"trustlevel":3},["v"]]`,
			&wamp.Invocation{Request: 1, Registration: 7, Payload: jsonPayload(`["v"]`, ``), Details: wamp.InvocationDetails{
				Procedure: "a.b", ReceiveProgress: true, Progress: true, Timeout: 9, Caller: 5, CallerAuthid: "x", CallerAuthrole: "y", HasTrustlevel: true, Trustlevel: 3, Custom: wamp.Dict{"_z": int64(1)},
			}},
		},
		{
			`[68,1,7,{"rkey":7,"shard":{"epoch":3,"slot":4,"x":[]},"shard_id":"a"}]`,
			&wamp.Invocation{Request: 1, Registration: 7, Shard: &wamp.ShardDetails{ID: "a", Key: "n7", Slot: 4, Epoch: 3}},
		},
		{`[69,1,{"mode":"kill","reason":"wamp.error.canceled","x":[1]}]`, &wamp.Interrupt{Request: 1, Mode: wamp.CancelKill, Reason: wamp.ErrCanceled}},
		{`[69,1,{}]`, &wamp.Interrupt{Request: 1}},
		{`[70,1,{"progress":true},[1]]`, &wamp.Yield{Request: 1, Options: wamp.YieldOptions{Progress: true}, Payload: jsonPayload(`[1]`, ``)}},
		{`[70,1,{"_k":"v"}]`, &wamp.Yield{Request: 1, Options: wamp.YieldOptions{Custom: wamp.Dict{"_k": "v"}}}},
		{`[8,68,1,{"d":1},"a.bad",["m"],{"k":1}]`, &wamp.Error{
			RequestType: wamp.TypeInvocation, Request: 1, Details: wamp.Dict{"d": int64(1)}, Error: "a.bad", Payload: jsonPayload(`["m"]`, `{"k":1}`),
		}},
	}
}

func registrationFrames() []decoded {
	return []decoded{
		{`[64,1,{},"p"]`, &wamp.Register{Request: 1, Procedure: "p"}},
		{
			`[64,1,{"match":"prefix","invoke":"roundrobin","disclose_caller":true,"forward_timeout":true,"_x":1},"p."]`,
			&wamp.Register{Request: 1, Procedure: "p.", Options: wamp.RegisterOptions{
				Match: wamp.MatchPrefix, Invoke: wamp.InvokeRoundRobin, DiscloseCaller: true, ForwardTimeout: true, Custom: wamp.Dict{"_x": int64(1)},
			}},
		},
		{`[64,1,{"_disclose_caller":true,"_forward_timeout":true,"_force_reregister":true},"p"]`, &wamp.Register{
			Request: 1, Procedure: "p", Options: wamp.RegisterOptions{DiscloseCaller: true, ForwardTimeout: true, Force: true},
		}},
		{`[64,1,{"concurrency":4},"p"]`, &wamp.Register{Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Concurrency: 4}}},
		{`[64,1,{"_concurrency":1e10},"p"]`, &wamp.Register{Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Concurrency: 1<<31 - 1}}},
		{`[64,1,{"concurrency":null},"p"]`, &wamp.Register{Request: 1, Procedure: "p"}},
		{`[64,1,{"concurrency":0},"p"]`, &wamp.Register{Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Concurrency: wamp.ConcurrencyUnknown}}},
		{`[64,1,{"concurrency":[1,{"x":2}],"match":"prefix"},"p"]`, &wamp.Register{
			Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Match: wamp.MatchPrefix, Concurrency: wamp.ConcurrencyUnknown},
		}},
		{`[64,1,{"match":"exact","invoke":"single"},"p"]`, &wamp.Register{Request: 1, Procedure: "p"}},
		{`[64,1,{"match":"wildcard","invoke":"first"},"p"]`, &wamp.Register{Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Match: wamp.MatchWildcard, Invoke: wamp.InvokeFirst}}},
		{`[64,1,{"invoke":"last"},"p"]`, &wamp.Register{Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Invoke: wamp.InvokeLast}}},
		{`[64,1,{"invoke":"random"},"p"]`, &wamp.Register{Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Invoke: wamp.InvokeRandom}}},
		{`[64,1,{"invoke":"least_loaded"},"p"]`, &wamp.Register{Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Invoke: wamp.InvokeLeastLoaded}}},
		{`[64,1,{"invoke":"random","_invoke":"first"},"p"]`, &wamp.Register{Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Invoke: wamp.InvokeFirst}}},
		{`[64,1,{"_invoke":"first","invoke":"random"},"p"]`, &wamp.Register{Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Invoke: wamp.InvokeFirst}}},
		{
			`[64,1,{"shard":"g","_shard_strategy":"range","shard_id":"a","shard_weight":2,"shard_concurrency":3,"shard_range":{"from":1,"to":null,"type":"number","x":{}},` +
				`"shard_resolver":"r.s","shard_metadata":{"zone":"b"},"_shard_of_mine":1},"p"]`,
			&wamp.Register{Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Custom: wamp.Dict{"_shard_of_mine": int64(1)}, Shard: &wamp.ShardOptions{
				Group: "g", Strategy: wamp.ShardByRange, ID: "a", Weight: 2, Concurrency: 3, Range: &wamp.ShardRange{From: "n1", Type: "number"},
				Resolver: "r.s", Metadata: wamp.Dict{"zone": "b"},
			}}},
		},
		{`[64,1,{"shard":"g","shard_strategy":"hash","shard_weight":0.5,"shard_range":null},"p"]`, &wamp.Register{
			Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Shard: &wamp.ShardOptions{Group: "g", Weight: 0.5}},
		}},
		{`[64,1,{"shard":"g","shard_weight":0},"p"]`, &wamp.Register{
			Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Shard: &wamp.ShardOptions{Group: "g", Weight: -1}},
		}},
		{`[64,1,{"shard":"g","shard_strategy":"custom"},"p"]`, &wamp.Register{
			Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Shard: &wamp.ShardOptions{Group: "g", Strategy: wamp.ShardCustom}},
		}},
		{`[64,1,{"shard":"g","shard_strategy":"best"},"p"]`, &wamp.Register{
			Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Shard: &wamp.ShardOptions{Group: "g", Strategy: wamp.ShardUnknown}},
		}},
		{`[64,1,{"invoke":"best"},"p"]`, &wamp.Register{Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Invoke: wamp.InvokeUnknown}}},
		{`[65,1,2]`, &wamp.Registered{Request: 1, Registration: 2}},
		{`[66,1,2]`, &wamp.Unregister{Request: 1, Registration: 2}},
		{`[66,1,2,{"x":1}]`, &wamp.Unregister{Request: 1, Registration: 2}},
		{`[67,1]`, &wamp.Unregistered{Request: 1}},
		{`[67,1,{"x":1}]`, &wamp.Unregistered{Request: 1}},
		{`[67,0,{"registration":3}]`, &wamp.Unregistered{Details: wamp.Dict{"registration": int64(3)}}},
	}
}

func pubsubFrames() []decoded {
	return []decoded{
		{`[16,1,{"acknowledge":true,"exclude":[1]},"t",[1],{"k":2}]`, &wamp.Publish{Request: 1, Acknowledge: true, Topic: "t", Payload: jsonPayload(`[1]`, `{"k":2}`)}},
		{`[17,1,2]`, &wamp.Published{Request: 1, Publication: 2}},
		{`[32,1,{"match":"wildcard","get_retained":null},"t"]`, &wamp.Subscribe{Request: 1, Match: wamp.MatchWildcard, Topic: "t"}},
		{`[33,1,2]`, &wamp.Subscribed{Request: 1, Subscription: 2}},
		{`[34,1,2]`, &wamp.Unsubscribe{Request: 1, Subscription: 2}},
		{`[34,1,2,{"x":1}]`, &wamp.Unsubscribe{Request: 1, Subscription: 2}},
		{`[35,1]`, &wamp.Unsubscribed{Request: 1}},
		{`[35,0,{"subscription":3}]`, &wamp.Unsubscribed{}},
		{`[36,1,2,{"topic":"t"},[1]]`, &wamp.Event{Subscription: 1, Publication: 2, Details: wamp.Dict{"topic": "t"}, Payload: jsonPayload(`[1]`, ``)}},
	}
}

func allFrames() []decoded {
	var all []decoded
	for _, list := range [][]decoded{sessionFrames(), callFrames(), registrationFrames(), pubsubFrames()} {
		all = append(all, list...)
	}
	return all
}

// TestDecode decodes each message in all serializers.
func TestDecode(t *testing.T) {
	t.Parallel()
	for _, tt := range allFrames() {
		for _, s := range serializers() {
			got, err := wamp.NewDecoder(s).Decode(mustTranscode(t, s, []byte(tt.frame), wamp.JSON))
			if err != nil {
				t.Errorf("%v: Decode(%s): %v", s, tt.frame, err)
				continue
			}
			if toJSON(t, got); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%v: Decode(%s) = %+v, want %+v", s, tt.frame, got, tt.want)
			}
			if got.Type() != tt.want.Type() {
				t.Errorf("%v: Decode(%s).Type() = %v, want %v", s, tt.frame, got.Type(), tt.want.Type())
			}
		}
	}
}

// toJSON transcodes the payload of m in place.
func toJSON(t *testing.T, m wamp.Message) {
	t.Helper()
	field := reflect.ValueOf(m).Elem().FieldByName("Payload")
	if !field.IsValid() || field.IsZero() {
		return
	}
	p, ok := field.Interface().(wamp.Payload)
	if !ok {
		t.Fatalf("Payload is a %v", field.Type())
	}
	p, err := p.Transcode(wamp.JSON)
	if err != nil {
		t.Fatal(err)
	}
	field.Set(reflect.ValueOf(p))
}

// TestDecodeRefuses lists what breaks the protocol; each error names the place.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ frame, reason string }{
		{`{}`, "a message must be a list, not a dict"},
		{`"x"`, "a message must be a list, not a string"},
		{`[]`, "a message must not be empty"},
		{`["x"]`, "the message type must be an integer"},
		{`[-1]`, "the message type must be an integer"},
		{`[1.5]`, "the message type must be an integer"},
		{`[70000]`, "the message type must be an integer"},
		{`[0]`, "message type 0 is not known"},
		{`[7,1]`, "message type 7 is not known"},
		{`[337,1]`, "message type 337 is not known"},
		{`[1]`, "HELLO: too few elements, Realm is missing"},
		{`[1,"r"]`, "HELLO: too few elements, Details is missing"},
		{`[1,"r",{},1]`, "HELLO: too many elements"},
		{`[1,7,{}]`, "HELLO: Realm must be a string, not a number"},
		{`[1,"r",null]`, "HELLO: Details must be a dict, not null"},
		{`[1,"r",[]]`, "HELLO: Details must be a dict, not a list"},
		{`[2,0,{}]`, "WELCOME: Session must not be 0"},
		{`[3,{}]`, "ABORT: too few elements"},
		{`[3,{},"a.b",[],{},1]`, "ABORT: too many elements"},
		{`[3,{},"a.b",{}]`, "ABORT: Arguments must be a list, not a dict"},
		{`[4,1,{}]`, "CHALLENGE: AuthMethod must be a string"},
		{`[6,{},null]`, "GOODBYE: Reason must be a string, not null"},
		{`[8,68,1,{}]`, "ERROR: too few elements, Error is missing"},
		{`[8,"x",1,{},"e"]`, "ERROR: REQUEST.Type must be an integer"},
		{`[8,68,1,{},"e",[],{},1]`, "ERROR: too many elements"},
		{`[48]`, "CALL: too few elements, Request is missing"},
		{`[48,1]`, "CALL: too few elements, Options is missing"},
		{`[48,1,{}]`, "CALL: too few elements, Procedure is missing"},
		{`[48,1,{},"p",[],{},1]`, "CALL: too many elements"},
		{`[48,0,{},"p"]`, "CALL: Request must not be 0"},
		{`[48,-1,{},"p"]`, "CALL: Request must be an integer from 0 to 9007199254740992"},
		{`[48,9007199254740993,{},"p"]`, "CALL: Request must be an integer"},
		{`[48,18446744073709551615,{},"p"]`, "CALL: Request must be an integer"},
		{`[48,1e300,{},"p"]`, "CALL: Request must be an integer"},
		{`[48,1.5,{},"p"]`, "CALL: Request must be an integer"},
		{`[48,"1",{},"p"]`, "CALL: Request must be an integer"},
		{`[48,null,{},"p"]`, "CALL: Request must be an integer"},
		{`[48,1,null,"p"]`, "CALL: Options must be a dict, not null"},
		{`[48,1,{},["p"]]`, "CALL: Procedure must be a string, not a list"},
		{`[48,1,{},"p",{}]`, "CALL: Arguments must be a list, not a dict"},
		{`[48,1,{},"p",1]`, "CALL: Arguments must be a list, not a number"},
		{`[48,1,{},"p",[],[]]`, "CALL: ArgumentsKw must be a dict, not a list"},
		{`[48,1,{},"p",[],true]`, "CALL: ArgumentsKw must be a dict, not a bool"},
		{`[48,1,{"timeout":-1},"p"]`, "CALL: Options.timeout must be an integer"},
		{`[48,1,{"timeout":1e16},"p"]`, "CALL: Options.timeout must be an integer"},
		{`[48,1,{"timeout":1.5},"p"]`, "CALL: Options.timeout must be an integer"},
		{`[48,1,{"timeout":18446744073709551615},"p"]`, "CALL: Options.timeout must be an integer"},
		{`[48,1,{"rkey":[1]},"p"]`, "CALL: Options.rkey must be a string, a finite number or bytes"},
		{`[48,1,{"rkey":"` + strings.Repeat("x", wamp.MaxKey+1) + `"},"p"]`, "CALL: Options.rkey is longer than 1024 bytes"},
		{`[48,1,{"runmode":1},"p"]`, "CALL: Options.runmode must be a string"},
		{`[64,1,{"shard":1},"p"]`, "REGISTER: Options.shard must be a string"},
		{`[64,1,{"_shard_strategy":1},"p"]`, "REGISTER: Options.shard_strategy must be a string"},
		{`[64,1,{"shard_weight":"1"},"p"]`, "REGISTER: Options.shard_weight must be a number"},
		{`[64,1,{"shard_concurrency":-1},"p"]`, "REGISTER: Options.shard_concurrency must be an integer"},
		{`[64,1,{"shard_metadata":[]},"p"]`, "REGISTER: Options.shard_metadata must be a dict"},
		{`[64,1,{"shard_range":[]},"p"]`, "REGISTER: Options.shard_range must be a dict"},
		{`[64,1,{"shard_range":{"to":[]}},"p"]`, "REGISTER: Options.shard_range.to must be a string"},
		{`[68,1,1,{"shard":1}]`, "INVOCATION: Details.shard must be a dict"},
		{`[48,1,{"trust_level":1},"p"]`, "CALL: Options.trust_level must be a string, not a number"},
		{`[48,1,{"timeout":"1"},"p"]`, "CALL: Options.timeout must be a number, not a string"},
		{`[48,1,{"progress":1},"p"]`, "CALL: Options.progress must be a bool, not a number"},
		{`[48,1,{"receive_progress":"true"},"p"]`, "CALL: Options.receive_progress must be a bool"},
		{`[48,1,{"disclose_me":[]},"p"]`, "CALL: Options.disclose_me must be a bool"},
		{`[48,1,{"ppt_scheme":7},"p"]`, "CALL: ppt_scheme must be a string, not a number"},
		{`[48,1,{"ppt_scheme":"x_a","ppt_serializer":1.5},"p"]`, "CALL: ppt_serializer must be a string, not a number"},
		{`[70,1,{"ppt_cipher":[]}]`, "YIELD: ppt_cipher must be a string, not a list"},
		{`[70,1,{"ppt_keyid":{}}]`, "YIELD: ppt_keyid must be a string, not a dict"},
		{`[48,1,{"passthru":"yes"},"p"]`, "CALL: Options.passthru must be a bool, not a string"},
		{`[68,1,2,{"trustlevel":-1}]`, "INVOCATION: Details.trustlevel must be an integer from 0 to 2147483647"},
		{`[49,1,{"mode":1}]`, "CANCEL: Options.mode must be a string"},
		{`[49,1,{},[]]`, "CANCEL: too many elements"},
		{`[50,1,{"progress":0}]`, "RESULT: Details.progress must be a bool"},
		{`[64,1,{"match":"fuzzy"},"p"]`, "REGISTER: Options.match must be exact, prefix or wildcard"},
		{`[64,1,{"match":1},"p"]`, "REGISTER: Options.match must be a string"},
		{`[64,1,{"invoke":1},"p"]`, "REGISTER: Options.invoke must be a string"},
		{`[64,1,{"_disclose_caller":1},"p"]`, "REGISTER: Options.disclose_caller must be a bool"},
		{`[64,1,{},"p",[]]`, "REGISTER: too many elements"},
		{`[65,1,0]`, "REGISTERED: Registration must not be 0"},
		{`[66,1,2,[]]`, "UNREGISTER: Options must be a dict"},
		{`[66,1,2,{},1]`, "UNREGISTER: too many elements"},
		{`[67,0]`, "UNREGISTERED: too few elements, Details is missing"},
		{`[67,1,[]]`, "UNREGISTERED: Details must be a dict"},
		{`[67,1,{},1]`, "UNREGISTERED: too many elements"},
		{`[68,1,0,{}]`, "INVOCATION: Registration must not be 0"},
		{`[68,1,1,{"caller":-1}]`, "INVOCATION: Details.caller must be an integer"},
		{`[68,1,1,{"caller_authid":1}]`, "INVOCATION: Details.caller_authid must be a string"},
		{`[69,1,{"reason":1}]`, "INTERRUPT: Options.reason must be a string"},
		{`[70,1,{"progress":"x"}]`, "YIELD: Options.progress must be a bool"},
		{`[70,1,[]]`, "YIELD: Options must be a dict, not a list"},
		{`[16,1,{"acknowledge":1},"t"]`, "PUBLISH: Options.acknowledge must be a bool"},
		{`[32,1,{"match":"x"},"t"]`, "SUBSCRIBE: Options.match must be exact, prefix or wildcard"},
		{`[34,0,1]`, "UNSUBSCRIBE: Request must not be 0"},
		{`[36,1,2,[]]`, "EVENT: Details must be a dict"},
	}
	for _, tt := range tests {
		for _, s := range serializers() {
			m, err := wamp.NewDecoder(s).Decode(mustTranscode(t, s, []byte(tt.frame), wamp.JSON))
			if !errors.Is(err, wamp.ErrMalformed) || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("%v: Decode(%s) = %v, %v, want an error that wraps ErrMalformed and says %q", s, tt.frame, m, err, tt.reason)
			}
		}
	}
}

// TestDecodeRefusesBrokenJSON: what is broken inside the payload is refused
// too, so that it cannot break, or forge, the message it is spliced into.
func TestDecodeRefusesBrokenJSON(t *testing.T) {
	t.Parallel()
	for _, bad := range badJSON() {
		frame := `[48,1,{},"p",[` + bad.text + `]]`
		if strings.TrimSpace(bad.text) == "" {
			continue
		}
		if m, err := wamp.NewDecoder(wamp.JSON).Decode([]byte(frame)); !errors.Is(err, wamp.ErrMalformed) {
			t.Errorf("Decode(%.80s) = %v, %v, want an error that wraps ErrMalformed", frame, m, err)
		}
	}
	for _, frame := range []string{
		`[48,1,{},"p",[1]`, `[48,1,{},"p",[1]]]`, `[48,1,{},"p",[1]],`, `[48,1,{},"p",[1],]`, `[48,1,{},"p",]`, `[48,,1]`, `[48 1]`,
		`[48,1,{"a"},"p"]`, `[48,1,{"a":},"p"]`, `[48,1,{"a":1,},"p"]`, `[48,1,{,},"p"]`, `[48,1,{1:2},"p"]`, `[48,1,{"timeout":1 "x":2},"p"]`,
		`[48,1,{},"p\ud8"]`, "[48,1,{},\"p\xff\"]", `[048,1,{},"p"]`, `[48,1,{},"p"`, `[48,1,{},"p`, `[`, ``, ` `,
	} {
		if m, err := wamp.NewDecoder(wamp.JSON).Decode([]byte(frame)); !errors.Is(err, wamp.ErrMalformed) {
			t.Errorf("Decode(%s) = %v, %v, want an error that wraps ErrMalformed", frame, m, err)
		}
	}
}

// TestDecodeQuirks decodes forms that only clients in other languages write.
func TestDecodeQuirks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		s    wamp.Serializer
		hex  string
		want wamp.Message
	}{
		{wamp.MsgPack, "9430cb3ff0000000000000de0001a774696d656f7574d40000a170", &wamp.Call{Request: 1, Procedure: "p"}},
		{wamp.MsgPack, "9430ca41800000 81a774696d656f7574cb40b3880000000000a170", &wamp.Call{Request: 16, Procedure: "p", Options: wamp.CallOptions{Timeout: 5000}}},
		{wamp.MsgPack, "9430cb4340000000000000 80a170", &wamp.Call{Request: wamp.MaxID, Procedure: "p"}},
		{wamp.MsgPack, "9420cb41f0000000000000de0002a56d61746368d40000ac6765745f72657461696e6564d40000a177", &wamp.Subscribe{Request: 1 << 32, Topic: "w"}},
		{wamp.MsgPack, "dd00000004cd0030cf0000000000000001df00000000db0000000170", &wamp.Call{Request: 1, Procedure: "p"}},
		{wamp.MsgPack, "9430d30000000000000001 80a170", &wamp.Call{Request: 1, Procedure: "p"}},
		{wamp.MsgPack, "943001 81a25f78c70305010203 a170", &wamp.Call{Request: 1, Procedure: "p", Options: wamp.CallOptions{Custom: wamp.Dict{"_x": nil}}}},
		{wamp.MsgPack, "95300180a170 dc0000", &wamp.Call{Request: 1, Procedure: "p"}},
		{wamp.MsgPack, "96300180a170 dd00000000 df00000000", &wamp.Call{Request: 1, Procedure: "p"}},
		{wamp.CBOR, "841830fb3ff0000000000000b900016774696d656f7574f76170", &wamp.Call{Request: 1, Procedure: "p"}},
		{wamp.CBOR, "841830f93c00 a06170", &wamp.Call{Request: 1, Procedure: "p"}},
		{wamp.CBOR, "841830fa5a000000 a06170", &wamp.Call{Request: wamp.MaxID, Procedure: "p"}},
		{wamp.CBOR, "9f1830 1b0000000000000001 bfff 7f6170ff 9fff bfff ff", &wamp.Call{Request: 1, Procedure: "p"}},
		{wamp.CBOR, "84 1820 01 a2 65 6d61746368 f7 6c 6765745f7265746169 6e6564 f7 6177", &wamp.Subscribe{Request: 1, Topic: "w"}},
		{wamp.CBOR, "d9d9f7 84 1830 c1 01 a0 6170", &wamp.Call{Request: 1, Procedure: "p"}},
		{wamp.CBOR, "84 1830 01 a1 7f 64 74696d65 63 6f7574 ff 1903e8 6170", &wamp.Call{Request: 1, Procedure: "p", Options: wamp.CallOptions{Timeout: 1000}}},
		{wamp.CBOR, "86 1830 01 a0 6170 9800 b90000", &wamp.Call{Request: 1, Procedure: "p"}},
	}
	for _, tt := range tests {
		frame, err := hex.DecodeString(strings.ReplaceAll(tt.hex, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := wamp.NewDecoder(tt.s).Decode(frame); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%v: Decode(%s) = %+v, %v, want %+v", tt.s, tt.hex, got, err, tt.want)
		}
	}
}

func TestDecodeRefusesBinary(t *testing.T) {
	t.Parallel()
	tests := []struct {
		s           wamp.Serializer
		hex, reason string
	}{
		{wamp.MsgPack, "94", "longer than what is left"},
		{wamp.MsgPack, "dc", "ends in the middle"},
		{wamp.MsgPack, "91cd00", "ends in the middle"},
		{wamp.CBOR, "811900", "ends in the middle"},
		{wamp.MsgPack, "94300181 01c0 a170", "a key must be a string, not a number"},
		{wamp.MsgPack, "94300181 a870726f6772657373 c70305010203 a170", "Options.progress must be a bool, not an extension value"},
		{wamp.MsgPack, "943001 80 c40170", "Procedure must be a string, not a byte string"},
		{wamp.MsgPack, "94 30 cb7ff8000000000000 80 a170", "Request must be an integer"},
		{wamp.MsgPack, "94 30 cbbff0000000000000 80 a170", "Request must be an integer"},
		{wamp.MsgPack, "95 30 01 80 a170 c70305010203", "Arguments must be a list, not an extension value"},
		{wamp.MsgPack, "96 30 01 80 a170 90", "ends in the middle"},
		{wamp.MsgPack, "94 30 01 80 a170 90", "unexpected bytes after the end"},
		{wamp.CBOR, "84 1830 01 a1 01 f6 6170", "a key must be a string, not a number"},
		{wamp.CBOR, "84 1830 01 a1 6870726f6772657373 e0 6170", "Options.progress must be a bool, not an extension value"},
		{wamp.CBOR, "84 1830 01 a0 4170", "Procedure must be a string, not a byte string"},
		{wamp.CBOR, "84 1830 c2 49 010000000000000000 a0 6170", "Request must be an integer"},
		{wamp.CBOR, "9f 1830 01 a0 6170", "ends in the middle"},
		{wamp.CBOR, "9b ffffffffffffffff", "longer than what is left"},
	}
	for _, tt := range tests {
		frame, err := hex.DecodeString(strings.ReplaceAll(tt.hex, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		m, err := wamp.NewDecoder(tt.s).Decode(frame)
		if !errors.Is(err, wamp.ErrMalformed) || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%v: Decode(%s) = %v, %v, want an error that says %q", tt.s, tt.hex, m, err, tt.reason)
		}
	}
}

// TestDecodeJSONForms decodes JSON that is written in unusual ways.
func TestDecodeJSONForms(t *testing.T) {
	t.Parallel()
	want := &wamp.Call{Request: 1000, Procedure: "a.b", Options: wamp.CallOptions{Timeout: 5, Progress: true}, Payload: jsonPayload(`[ 1 ]`, `{ "k" : 2 }`)}
	for _, frame := range []string{
		"\n [ 48 ,\t1000 , { \"timeout\" : 5 , \"progress\" : true } , \"a.b\" , [ 1 ] , { \"k\" : 2 } ] \r\n",
		`[4.8e1,1e3,{"timeout":5.0,"\u0070rogress":true},"\u0061.b",[ 1 ],{ "k" : 2 }]`,
		`[48,1000.0,{"timeout":0,"timeout":50e-1,"progress":false,"progress":true},"a\u002eb",[ 1 ],{ "k" : 2 }]`,
	} {
		if got, err := wamp.NewDecoder(wamp.JSON).Decode([]byte(frame)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Decode(%s) = %+v, %v, want %+v", frame, got, err, want)
		}
	}
}

// TestDecodeDepth: a payload may nest MaxDepth deep, whatever message it is in.
func TestDecodeDepth(t *testing.T) {
	t.Parallel()
	nest := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	tests := []struct {
		frame string
		ok    bool
	}{
		{`[48,1,{},"p",` + nest(wamp.MaxDepth) + `]`, true},
		{`[48,1,{},"p",` + nest(wamp.MaxDepth+1) + `]`, false},
		{`[48,1,{},"p",[],{"k":` + nest(wamp.MaxDepth-1) + `}]`, true},
		{`[48,1,{},"p",[],{"k":` + nest(wamp.MaxDepth) + `}]`, false},
		{`[48,1,{"_x":` + nest(wamp.MaxDepth-1) + `},"p"]`, true},
		{`[48,1,{"_x":` + nest(wamp.MaxDepth) + `},"p"]`, false},
		{`[48,1,{"x":` + nest(wamp.MaxDepth-1) + `},"p"]`, true},
		{`[48,1,{"x":` + nest(wamp.MaxDepth) + `},"p"]`, false},
		{`[1,"r",{"x":` + nest(wamp.MaxDepth-1) + `}]`, true},
		{`[1,"r",{"x":` + nest(wamp.MaxDepth) + `}]`, false},
	}
	for _, tt := range tests {
		_, err := wamp.NewDecoder(wamp.JSON).Decode([]byte(tt.frame))
		if ok := err == nil; ok != tt.ok || !ok && !errors.Is(err, wamp.ErrMalformed) {
			t.Errorf("Decode(%s) = %v, want ok %v", tt.frame, err, tt.ok)
		}
		if err != nil {
			continue
		}
		for _, s := range serializers() {
			if _, err := wamp.NewDecoder(s).Decode(mustTranscodeMessage(t, s, tt.frame)); err != nil {
				t.Errorf("%v: Decode(%s): %v", s, tt.frame, err)
			}
		}
	}
}

// mustTranscodeMessage transcodes a message with a payload of full depth,
// which as one value is too deep.
func mustTranscodeMessage(t *testing.T, to wamp.Serializer, frame string) []byte {
	t.Helper()
	m, err := wamp.NewDecoder(wamp.JSON).Decode([]byte(frame))
	if err != nil {
		t.Fatal(err)
	}
	return mustAppend(t, to, m)
}

// TestDecodeReuse: a message says nothing of the one before it, and the URIs
// that are remembered are not mixed up.
func TestDecodeReuse(t *testing.T) {
	t.Parallel()
	for _, s := range serializers() {
		d := wamp.NewDecoder(s)
		for round := range 3 {
			for _, tt := range allFrames() {
				frame := mustTranscode(t, s, []byte(tt.frame), wamp.JSON)
				got, err := d.Decode(frame)
				if err != nil {
					t.Fatalf("%v: Decode(%s): %v", s, tt.frame, err)
				}
				if toJSON(t, got); !reflect.DeepEqual(got, tt.want) {
					t.Errorf("%v: Decode(%s) = %+v in round %d, want %+v", s, tt.frame, got, round, tt.want)
				}
				clear(frame) // strings must not alias it
				if _, err := d.Decode([]byte("\x00")); err == nil {
					t.Errorf("%v: Decode(00) = nil, want an error", s)
				}
			}
		}
	}
}

func TestDecodeManyURIs(t *testing.T) {
	t.Parallel()
	d := wamp.NewDecoder(wamp.JSON)
	for i := range 2000 {
		uri := wamp.URI(fmt.Sprintf("com.example.%d.", i%700) + strings.Repeat("x", i%200))
		frame := mustAppend(t, wamp.JSON, &wamp.Call{Request: 1, Procedure: uri})
		m, err := d.Decode(frame)
		if err != nil {
			t.Fatal(err)
		}
		if call, ok := m.(*wamp.Call); !ok || call.Procedure != uri {
			t.Fatalf("Decode(%s) = %+v, want a CALL of %s", frame, m, uri)
		}
	}
}

func TestDecodeWithoutSerializer(t *testing.T) {
	t.Parallel()
	if _, err := wamp.NewDecoder(0).Decode([]byte(`[48,1,{},"p"]`)); !errors.Is(err, wamp.ErrMalformed) {
		t.Errorf("Decode = %v without serializer, want an error that wraps ErrMalformed", err)
	}
}
