package dealer_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/shard"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// sharded returns a dealer with sessions 1 and 2, of which 2 has registered
// "p" with the options.
func sharded(tb testing.TB, c dealer.Config, o wamp.ShardOptions) *dealer.Dealer {
	tb.Helper()
	d := dealer.New(c)
	join(tb, d, 1)
	join(tb, d, 2)
	registerShard(tb, d, 2, "p", o)
	return d
}

func registerShard(tb testing.TB, d *dealer.Dealer, callee wamp.ID, p wamp.URI, o wamp.ShardOptions) []dealer.Delivery {
	tb.Helper()
	return receive(tb, d, callee, &wamp.Register{Request: 1, Procedure: p, Options: wamp.RegisterOptions{Shard: &o}})
}

// wantError checks that the only delivery is an ERROR.
func wantError(tb testing.TB, out []dealer.Delivery, uri wamp.URI, text string) {
	tb.Helper()
	if len(out) != 1 {
		tb.Fatalf("%d messages, want an ERROR %s", len(out), uri)
	}
	e, ok := out[0].Message.(*wamp.Error)
	if !ok || e.Error != uri || !strings.Contains(string(e.Payload.Args), text) {
		tb.Errorf("%+v, want an ERROR %s that says %q", out[0].Message, uri, text)
	}
}

func TestShardGroupsAreBounded(t *testing.T) {
	t.Parallel()
	d := sharded(t, dealer.Config{}, wamp.ShardOptions{Group: "g"})
	for i := range 999 {
		p := wamp.URI(fmt.Sprintf("p.%d", i))
		if out := registerShard(t, d, 2, p, wamp.ShardOptions{Group: "g"}); out[0].Message.Type() != wamp.TypeRegistered {
			t.Fatalf("REGISTER of group %d = %+v", i, out[0].Message)
		}
	}
	wantError(t, registerShard(t, d, 2, "q", wamp.ShardOptions{Group: "g"}), wamp.ErrUnavailable, "full of shard groups")
}

func TestMembersAreBounded(t *testing.T) {
	t.Parallel()
	o := wamp.ShardOptions{Group: "g", Strategy: wamp.ShardCustom, Resolver: "r"}
	d := sharded(t, dealer.Config{}, o)
	for id := wamp.ID(3); id < shard.MaxMembers+2; id++ {
		join(t, d, id)
		registerShard(t, d, id, "p", o)
	}
	join(t, d, 5000)
	wantError(t, registerShard(t, d, 5000, "p", o), wamp.ErrUnavailable, "the shard group is full")
	o.ID = "2"
	if out := registerShard(t, d, 5000, "p", o); out[0].Message.Type() != wamp.TypeRegistered {
		t.Errorf("REGISTER of one that stands by = %+v, want REGISTERED", out[0].Message)
	}
}

// TestResolverAnswersAreBounded asks for more keys than are remembered: the
// first one has to be asked for again.
func TestResolverAnswersAreBounded(t *testing.T) {
	t.Parallel()
	d := sharded(t, dealer.Config{}, wamp.ShardOptions{Group: "g", Strategy: wamp.ShardCustom, Resolver: "r", ID: "a"})
	receive(t, d, 1, &wamp.Register{Request: 1, Procedure: "r"})
	answer, _ := wamp.NewPayload(wamp.JSON, []any{"a"}, nil)
	asked, called := wamp.ID(0), wamp.ID(0)
	call := func(i int) {
		m := &wamp.Call{Request: wamp.ID(i + 2), Procedure: "p", Options: wamp.CallOptions{RoutingKey: wamp.Key(fmt.Sprintf("n%d", i%4097))}}
		out := receive(t, d, 1, m)
		if out[0].To == 1 {
			asked++
			out = receive(t, d, 1, &wamp.Yield{Request: asked, Payload: answer})
		}
		called++
		if invocation, ok := out[0].Message.(*wamp.Invocation); !ok || invocation.Request != called {
			t.Fatalf("CALL %d led to %+v, want INVOCATION %d", i, out[0].Message, called)
		}
		receive(t, d, 2, &wamp.Yield{Request: called})
	}
	for i := range 4097 + 2 {
		call(i)
	}
	if asked != 4097+2 {
		t.Errorf("the resolver was asked %d times for 4097 keys and the first two again, want 4099 times", asked)
	}
	call(1)
	if asked != 4099 {
		t.Error("the resolver was asked once more for a key that it had just been asked for")
	}
}

// TestLateExpiry lets a call's turn come after its deadline, before Expire.
func TestLateExpiry(t *testing.T) {
	t.Parallel()
	d := sharded(t, dealer.Config{}, wamp.ShardOptions{Group: "g"})
	for id := wamp.ID(1); id <= 2; id++ {
		receive(t, d, 1, &wamp.Call{Request: id, Procedure: "p", Options: wamp.CallOptions{RoutingKey: "n1", Timeout: 1000}})
	}
	out, err := d.Receive(epoch().Add(2*time.Second), 2, &wamp.Yield{Request: 1})
	if err != nil || len(out) != 2 {
		t.Fatalf("Receive(YIELD 1) = %d messages, %v, want RESULT and ERROR", len(out), err)
	}
	wantError(t, out[1:], wamp.ErrTimeout, "")
}

// TestGatherTranscodes gathers answers in several serializers, and one that
// has no form in that of the caller.
func TestGatherTranscodes(t *testing.T) {
	t.Parallel()
	d := sharded(t, dealer.Config{}, wamp.ShardOptions{Group: "g", ID: "a"})
	join(t, d, 3)
	registerShard(t, d, 3, "p", wamp.ShardOptions{Group: "g", ID: "b"})
	args := wamp.Payload{Serializer: wamp.JSON, Args: []byte("[1]")}
	receive(t, d, 1, &wamp.Call{Request: 1, Procedure: "p", Options: wamp.CallOptions{RunMode: wamp.RunAll}, Payload: args})
	number, _ := wamp.NewPayload(wamp.CBOR, []any{1.5}, nil)
	none, _ := wamp.NewPayload(wamp.MsgPack, []any{math.NaN()}, nil)
	receive(t, d, 2, &wamp.Yield{Request: 1, Payload: number})
	out := receive(t, d, 3, &wamp.Yield{Request: 1, Payload: none})
	result, ok := out[0].Message.(*wamp.Result)
	want := `[[{"shard_id":"a","args":[1.5]},{"shard_id":"b","error":"wamp.error.invalid_argument","args":["`
	if !ok || !strings.HasPrefix(string(result.Payload.Args), want) {
		t.Errorf("the RESULT is %+v, want arguments %s…", out[0].Message, want)
	}
}
