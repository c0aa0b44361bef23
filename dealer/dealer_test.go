package dealer_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestMain lets the property test take some hundred milliseconds instead of
// ten; -rapid.checks on the command line goes first.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "2000"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func epoch() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

// peer is a session that announces everything.
func peer(id wamp.ID) dealer.Peer {
	all := wamp.FeatureProgressiveCallResults | wamp.FeatureProgressiveCallInvocations |
		wamp.FeatureCallCanceling | wamp.FeatureCallTimeout
	return dealer.Peer{ID: id, Roles: wamp.Roles{Caller: true, Callee: true, CallerFeatures: all, CalleeFeatures: all}}
}

// realm returns a dealer with sessions 1 and 2, of which 2 has registered "p".
func realm(tb testing.TB, c dealer.Config) *dealer.Dealer {
	tb.Helper()
	d := dealer.New(c)
	join(tb, d, 1)
	join(tb, d, 2)
	receive(tb, d, 2, &wamp.Register{Request: 1, Procedure: "p"})
	return d
}

func join(tb testing.TB, d *dealer.Dealer, id wamp.ID) {
	tb.Helper()
	if err := d.Join(peer(id)); err != nil {
		tb.Fatalf("Join(%d) = %v", id, err)
	}
}

func receive(tb testing.TB, d *dealer.Dealer, from wamp.ID, m wamp.Message) []dealer.Delivery {
	tb.Helper()
	out, err := d.Receive(epoch(), from, m)
	if err != nil {
		tb.Fatalf("Receive(%d, %s) = %v", from, m.Type(), err)
	}
	return out
}

func TestJoinRefuses(t *testing.T) {
	t.Parallel()
	d := dealer.New(dealer.Config{Realm: "realm1"})
	join(t, d, 7)
	for _, id := range []wamp.ID{7, 0, wamp.MaxID + 1} {
		if err := d.Join(peer(id)); err == nil {
			t.Errorf("Join(%d) with session 7 there = nil, want an error", id)
		}
	}
	d.Leave(epoch(), 7)
	if err := d.Join(peer(7)); err != nil {
		t.Errorf("Join(7) after Leave(7) = %v", err)
	}
}

// TestFeatures pins what is announced: clients decide by it, so nothing may be
// there that is not built.
func TestFeatures(t *testing.T) {
	t.Parallel()
	want := []string{
		"progressive_call_results", "progressive_call_invocations", "call_timeout",
		"call_canceling", "caller_identification", "pattern_based_registration", "shared_registration",
		"registration_revocation", "call_reroute",
		"session_meta_api", "registration_meta_api",
		"sharded_registration",
		"call_trustlevels", "payload_passthru_mode",
	}
	got := dealer.New(dealer.Config{}).Features().Dict()
	if len(got) != len(want) {
		t.Errorf("Features() = %v, want %v", got, want)
	}
	for _, name := range want {
		if got[name] != true {
			t.Errorf("Features() lacks %s", name)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	d := dealer.New(dealer.Config{})
	join(t, d, 1)
	receive(t, d, 1, &wamp.Register{Request: 1, Procedure: "demo.greet"})
	if got, ok := d.Nearest("demo.gret"); got != "demo.greet" || !ok {
		t.Errorf("Nearest(demo.gret) = %q, %t, want demo.greet", got, ok)
	}
	if got, ok := d.Nearest("shop.buy"); ok {
		t.Errorf("Nearest(shop.buy) = %q, want nothing", got)
	}
}

// TestSafe shows that a shared procedure is safe only while all its callees
// say so.
func TestSafe(t *testing.T) {
	t.Parallel()
	d := dealer.New(dealer.Config{})
	safe := wamp.RegisterOptions{
		Invoke: wamp.InvokeRoundRobin,
		Custom: wamp.Dict{"_http": wamp.Dict{"safe": true}},
	}
	plain := wamp.RegisterOptions{Invoke: wamp.InvokeRoundRobin}
	want := func(when string, want bool) {
		t.Helper()
		if got := d.Safe("p"); got != want {
			t.Errorf("%s: Safe(p) = %t, want %t", when, got, want)
		}
		if got := d.Registered("p"); got != (when != "not registered" && when != "all have left") {
			t.Errorf("%s: Registered(p) = %t", when, got)
		}
	}
	want("not registered", false)
	join(t, d, 1)
	join(t, d, 2)
	receive(t, d, 1, &wamp.Register{Request: 1, Options: safe, Procedure: "p"})
	want("one safe callee", true)
	receive(t, d, 2, &wamp.Register{Request: 1, Options: plain, Procedure: "p"})
	want("one of two is safe", false)
	d.Leave(epoch(), 2)
	want("the other has left", true)
	d.Leave(epoch(), 1)
	want("all have left", false)
}

func TestRequestIDsAreValid(t *testing.T) {
	t.Parallel()
	for _, id := range []wamp.ID{0, wamp.MaxID + 1} {
		for _, m := range []wamp.Message{
			&wamp.Call{Request: id, Procedure: "p"},
			&wamp.Register{Request: id, Procedure: "q"},
			&wamp.Unregister{Request: id, Registration: 1},
			&wamp.Subscribe{Request: id, Topic: "t"},
			&wamp.Unsubscribe{Request: id, Subscription: 1},
			&wamp.Publish{Request: id, Topic: "t"},
			&wamp.Yield{Request: id},
		} {
			d := realm(t, dealer.Config{})
			if out, err := d.Receive(epoch(), 2, m); !errors.Is(err, wamp.ErrMalformed) || out != nil {
				t.Errorf("Receive(%s with id %d) = %v, %v, want ErrMalformed", m.Type(), id, out, err)
			}
		}
	}
}

// TestUnavailableOptions calls with options that ask for more than there is.
func TestUnavailableOptions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		options wamp.CallOptions
		want    wamp.URI // empty: the call is made
	}{
		{"nothing special", wamp.CallOptions{}, ""},
		{"what every call gives", wamp.CallOptions{TrustLevel: "best_effort"}, ""},
		{"more than that", wamp.CallOptions{TrustLevel: "acknowledged"}, wamp.ErrOptionNotAllowed},
		{"much more", wamp.CallOptions{TrustLevel: "persistent"}, wamp.ErrOptionNotAllowed},
		{"even more", wamp.CallOptions{TrustLevel: "transactional"}, wamp.ErrOptionNotAllowed},
		{"unheard of", wamp.CallOptions{TrustLevel: "blind"}, wamp.ErrInvalidArgument},
		{"routing key", wamp.CallOptions{RoutingKey: "7"}, wamp.ErrFeatureNotSupported},
		{"passthru", wamp.CallOptions{Passthru: &wamp.Passthru{Scheme: "x_mine"}}, wamp.ErrFeatureNotSupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out := receive(t, realm(t, dealer.Config{}), 1, &wamp.Call{Request: 1, Procedure: "p", Options: tt.options})
			var got wamp.URI
			if e, ok := out[0].Message.(*wamp.Error); ok {
				got = e.Error
			}
			if len(out) != 1 || got != tt.want {
				t.Errorf("a call with %+v leads to %d messages, error %q, want one, %q", tt.options, len(out), got, tt.want)
			}
		})
	}
}

// TestLateChunksAreBounded shows what becomes of the oldest of very many calls
// that ended while they were streamed: a chunk of it is a new call.
func TestLateChunksAreBounded(t *testing.T) {
	t.Parallel()
	const limit = 1024
	d := dealer.New(dealer.Config{})
	join(t, d, 1)
	chunk := func(id wamp.ID) *wamp.Call {
		return &wamp.Call{Request: id, Procedure: "nope", Options: wamp.CallOptions{Progress: true}}
	}
	for id := wamp.ID(1); id <= limit+1; id++ {
		receive(t, d, 1, chunk(id))
	}
	for _, id := range []wamp.ID{2, limit, limit + 1} {
		if out := receive(t, d, 1, chunk(id)); len(out) != 0 {
			t.Errorf("a late chunk of call %d of %d is answered by %v, want silence", id, limit+1, out[0].Message)
		}
	}
	if out := receive(t, d, 1, chunk(1)); len(out) != 1 {
		t.Errorf("a late chunk of call 1 of %d leads to %d messages, want an ERROR", limit+1, len(out))
	}
}

// TestRandomWithoutChance shows that no callee is forgotten without
// Config.Rand, neither when it is chosen nor when a call is passed on.
func TestRandomWithoutChance(t *testing.T) {
	t.Parallel()
	d := dealer.New(dealer.Config{})
	for id := wamp.ID(1); id <= 3; id++ {
		p := peer(id)
		p.Roles.CalleeFeatures |= wamp.FeatureCallReroute
		if err := d.Join(p); err != nil {
			t.Fatal(err)
		}
		receive(t, d, id, &wamp.Register{Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Invoke: wamp.InvokeRandom}})
	}
	for i, want := range []wamp.ID{1, 2, 3, 1} {
		out := receive(t, d, 1, &wamp.Call{Request: wamp.ID(2 + i), Procedure: "p"})
		if out[0].To != want {
			t.Errorf("call %d goes to %d, want %d", i+1, out[0].To, want)
		}
	}
	decline := &wamp.Error{RequestType: wamp.TypeInvocation, Request: 2, Error: wamp.ErrUnavailable}
	if out := receive(t, d, 1, decline); out[0].To != 2 {
		t.Errorf("call 4, which session 1 declines, goes to %d, want 2", out[0].To)
	}
	if out := receive(t, d, 1, &wamp.Call{Request: 9, Procedure: "p"}); out[0].To != 3 {
		t.Errorf("call 5 goes to %d, want 3", out[0].To)
	}
}

// TestNothingOfAMessageIsKept changes a CALL after it was handled: the details
// of its further chunks are those of the first one nevertheless.
func TestNothingOfAMessageIsKept(t *testing.T) {
	t.Parallel()
	d := realm(t, dealer.Config{})
	list, raw := []any{int64(1), "one"}, []byte{1, 2}
	inner := wamp.Dict{"raw": raw}
	call := &wamp.Call{Request: 1, Procedure: "p"}
	call.Options = wamp.CallOptions{Progress: true, Custom: wamp.Dict{"_list": list, "_dict": inner}}
	receive(t, d, 1, call)
	list[0], raw[0], inner["more"], call.Options.Custom["_more"] = nil, 9, true, true

	out := receive(t, d, 1, &wamp.Call{Request: 1, Procedure: "p"})
	invocation, ok := out[0].Message.(*wamp.Invocation)
	if !ok {
		t.Fatalf("a chunk leads to %s, want INVOCATION", out[0].Message.Type())
	}
	want := wamp.Dict{"_list": []any{int64(1), "one"}, "_dict": wamp.Dict{"raw": []byte{1, 2}}}
	if got := invocation.Details.Custom; !reflect.DeepEqual(got, want) {
		t.Errorf("Details.Custom = %v, want %v", got, want)
	}
}

// TestMemoryAfterALargeStep looks at the capacity that small steps inherit
// from one that sent very much.
func TestMemoryAfterALargeStep(t *testing.T) {
	t.Parallel()
	d := realm(t, dealer.Config{})
	r := newRelay(d, "p")
	r.openMany(t, 1000)
	if out := d.Leave(epoch(), 2); len(out) != 1000 {
		t.Fatalf("Leave leads to %d messages, want 1000", len(out))
	}
	if out := receive(t, d, 1, &wamp.Call{Request: 5000, Procedure: "nope"}); cap(out) > 128 {
		t.Errorf("room for %d deliveries is kept after a step that sent 1000, want at most 128", cap(out))
	}
}

// TestUndeliverableKeepsDeliveries reports the first of two deliveries while
// the second one is still to be made.
func TestUndeliverableKeepsDeliveries(t *testing.T) {
	t.Parallel()
	d := realm(t, dealer.Config{})
	for id := wamp.ID(1); id <= 2; id++ {
		receive(t, d, 1, &wamp.Call{Request: id, Procedure: "p"})
	}
	out := d.Leave(epoch(), 2)
	if len(out) != 2 {
		t.Fatalf("Leave(2) leads to %d messages, want 2", len(out))
	}
	join(t, d, 3)
	if more := d.Undeliverable(epoch(), 1, out[0].Message, wamp.ErrUnavailable, "full"); len(more) != 0 {
		t.Errorf("Undeliverable(ERROR of the dealer) = %v, want nothing", more)
	}
	if e, ok := out[1].Message.(*wamp.Error); !ok || e.Request != 2 || e.Error != wamp.ErrCanceled {
		t.Errorf("the second delivery became %+v, want an ERROR for call 2", out[1].Message)
	}
}

// TestRelayingAllocatesNothing covers the way of a call and of a progressive
// result.
func TestRelayingAllocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts the allocations of all goroutines
	d := realm(t, dealer.Config{})
	r := newRelay(d, "p")
	allocs := testing.AllocsPerRun(1000, func() {
		if err := errors.Join(r.open(), r.answer(&r.part), r.answer(&r.yield)); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("a CALL with a progressive and a final YIELD allocates %v objects, want 0", allocs)
	}
}

// TestBehalf has a session call in the name of another one, which is the caller
// that callees are told of.
func TestBehalf(t *testing.T) {
	t.Parallel()
	d := realm(t, dealer.Config{})
	receive(t, d, 1, &wamp.Register{Request: 1, Procedure: "q", Options: wamp.RegisterOptions{DiscloseCaller: true}})
	out := receive(t, d, 2, &wamp.Call{Request: 2, Procedure: "q", Options: wamp.CallOptions{
		DiscloseMe: true, Behalf: &wamp.Behalf{Session: 77, Identity: wamp.Identity{Authid: "ann", Authrole: "user"}},
	}})
	invocation, ok := out[0].Message.(*wamp.Invocation)
	if !ok || invocation.Details.Caller != 77 || invocation.Details.CallerAuthid != "ann" || invocation.Details.CallerAuthrole != "user" {
		t.Errorf("the callee gets %+v", out[0].Message)
	}
}
