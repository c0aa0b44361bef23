package dealer_test

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// busy registers procedures at session 2, each with a concurrency of 1, and
// makes it busy with all of them.
func busy(tb testing.TB, d *dealer.Dealer, procedures ...wamp.URI) {
	tb.Helper()
	join(tb, d, 1)
	join(tb, d, 2)
	for i, procedure := range procedures {
		id := wamp.ID(i + 1)
		receive(tb, d, 2, &wamp.Register{Request: id, Procedure: procedure, Options: wamp.RegisterOptions{Concurrency: 1}})
		receive(tb, d, 1, &wamp.Call{Request: id, Procedure: procedure})
	}
}

// TestNothingOfAWaitingCallIsShared changes a CALL while it waits.
func TestNothingOfAWaitingCallIsShared(t *testing.T) {
	t.Parallel()
	d := dealer.New(dealer.Config{})
	busy(t, d, "p")
	raw, args, kwargs := []byte{1, 2}, []byte(`["a"]`), []byte(`{"k":1}`)
	call := &wamp.Call{Request: 2, Procedure: "p"}
	call.Payload = wamp.Payload{Serializer: wamp.JSON, Args: args, Kwargs: kwargs}
	call.Options.Custom = wamp.Dict{"_raw": raw}
	receive(t, d, 1, call)
	raw[0], args[2], kwargs[2] = 9, 'b', 'j'
	call.Options.Custom["_more"], call.Procedure, call.Payload = true, "q", wamp.Payload{}

	out := receive(t, d, 2, &wamp.Yield{Request: 1})
	invocation, ok := out[len(out)-1].Message.(*wamp.Invocation)
	if !ok {
		t.Fatalf("an answer leads to %s, want the INVOCATION of the call that waits", out[len(out)-1].Message.Type())
	}
	if got, want := invocation.Details.Custom, (wamp.Dict{"_raw": []byte{1, 2}}); !reflect.DeepEqual(got, want) {
		t.Errorf("Details.Custom = %v, want %v", got, want)
	}
	got := invocation.Payload
	if !bytes.Equal(got.Args, []byte(`["a"]`)) || !bytes.Equal(got.Kwargs, []byte(`{"k":1}`)) || invocation.Details.Procedure != "p" {
		t.Errorf("INVOCATION of %s with %s, %s, want what was called", invocation.Details.Procedure, got.Args, got.Kwargs)
	}
}

// TestLostChunksOfAWaitingCall reports the first or the second of two chunks
// undeliverable that leave in one step.
func TestLostChunksOfAWaitingCall(t *testing.T) {
	t.Parallel()
	for lost, want := range []wamp.Origin{wamp.OriginDealer, wamp.OriginDealerDispatched} {
		d := dealer.New(dealer.Config{})
		busy(t, d, "p")
		receive(t, d, 1, &wamp.Call{Request: 2, Procedure: "p", Options: wamp.CallOptions{Progress: true}})
		receive(t, d, 1, &wamp.Call{Request: 2, Procedure: "p"})
		out := receive(t, d, 2, &wamp.Yield{Request: 1})
		if len(out) != 3 {
			t.Fatalf("an answer leads to %d messages, want a RESULT and two INVOCATIONs", len(out))
		}
		chunks := out[1:]
		more := d.Undeliverable(epoch(), 2, chunks[lost].Message, wamp.ErrPayloadSizeExceeded, "too large")
		if e, ok := more[0].Message.(*wamp.Error); !ok || e.Request != 2 || e.Origin != want {
			t.Errorf("chunk %d is lost: the caller gets %+v, want an ERROR of origin %d", lost, more[0].Message, want)
		}
		if chunks[0].Void() || chunks[1].Void() != (lost == 0) || len(more) != 1+lost {
			t.Errorf("chunk %d is lost: void are %t, %t; %d messages more", lost, chunks[0].Void(), chunks[1].Void(), len(more))
		}
	}
}

// TestWaitingIsBoundedInARealm fills the queues of many registrations.
func TestWaitingIsBoundedInARealm(t *testing.T) {
	t.Parallel()
	const most = 1000
	d := dealer.New(dealer.Config{MaxWaitingBytes: most})
	var procedures []wamp.URI
	for i := range 20 {
		procedures = append(procedures, wamp.URI(fmt.Sprintf("p%d", i)))
	}
	busy(t, d, procedures...)
	args := fmt.Appendf(nil, `["%0600d"]`, 0)
	waiting := 0
	for i, procedure := range procedures {
		call := &wamp.Call{Request: wamp.ID(100 + i), Procedure: procedure, Payload: wamp.Payload{Serializer: wamp.JSON, Args: args}}
		if out := receive(t, d, 1, call); len(out) == 0 {
			waiting++
		}
	}
	if waiting*len(args) > 16*most || waiting < 16 {
		t.Errorf("%d calls of %d bytes wait, want at most %d bytes", waiting, len(args), 16*most)
	}
}

// TestNothingIsKeptForNobody has a callee that may pass calls on, but is the
// only one, work on calls that waited: they take no room from those that wait.
func TestNothingIsKeptForNobody(t *testing.T) {
	t.Parallel()
	const concurrency = 40
	d := dealer.New(dealer.Config{MaxWaitingBytes: 300})
	join(t, d, 1)
	callee := peer(2)
	callee.Roles.CalleeFeatures |= wamp.FeatureCallReroute
	if err := d.Join(callee); err != nil {
		t.Fatal(err)
	}
	receive(t, d, 2, &wamp.Register{Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Concurrency: concurrency}})
	for id := wamp.ID(1); id <= concurrency; id++ {
		receive(t, d, 1, &wamp.Call{Request: id, Procedure: "p"})
	}
	for id := wamp.ID(1); id <= concurrency; id++ {
		if out := receive(t, d, 1, &wamp.Call{Request: concurrency + id, Procedure: "p"}); len(out) > 0 {
			t.Fatalf("call %d does not wait: %+v", id, out[0].Message)
		}
		receive(t, d, 2, &wamp.Yield{Request: id})
	}
}
