package dealer_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A relay lets session 1 call and session 2 answer, over and over, with
// messages that are reused as a decoder does.
type relay struct {
	dealer *dealer.Dealer
	now    time.Time
	call   wamp.Call
	part   wamp.Yield
	yield  wamp.Yield
}

func newRelay(d *dealer.Dealer, procedure wamp.URI) *relay {
	payload := wamp.Payload{Serializer: wamp.JSON, Args: []byte(`["hello"]`)}
	r := &relay{dealer: d, now: epoch()}
	r.call = wamp.Call{Procedure: procedure, Payload: payload}
	r.call.Options.ReceiveProgress = true
	r.call.Options.Timeout = 30_000
	r.part = wamp.Yield{Payload: payload, Options: wamp.YieldOptions{Progress: true}}
	r.yield = wamp.Yield{Payload: payload}
	return r
}

// open makes a call and leaves it in flight.
func (r *relay) open() error {
	r.call.Request++
	r.now = r.now.Add(time.Microsecond)
	out, err := r.dealer.Receive(r.now, 1, &r.call)
	if err != nil {
		return err
	}
	invocation, ok := out[0].Message.(*wamp.Invocation)
	if !ok {
		return fmt.Errorf("CALL leads to %s, want INVOCATION", out[0].Message.Type())
	}
	r.part.Request, r.yield.Request = invocation.Request, invocation.Request
	return nil
}

// answer ends the call that was opened last, or shows progress.
func (r *relay) answer(y *wamp.Yield) error {
	out, err := r.dealer.Receive(r.now, 2, y)
	if err == nil && len(out) != 1 {
		err = fmt.Errorf("YIELD leads to %d messages, want a RESULT", len(out))
	}
	return err
}

// round makes a call and answers it.
func (r *relay) round() error {
	if err := r.open(); err != nil {
		return err
	}
	return r.answer(&r.yield)
}

// openMany leaves n calls in flight.
func (r *relay) openMany(tb testing.TB, n int) {
	tb.Helper()
	for range n {
		if err := r.open(); err != nil {
			tb.Fatal(err)
		}
	}
}

// measure repeats rounds.
func (r *relay) measure(b *testing.B, before func(i int)) {
	b.Helper()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		before(i)
		if err := r.round(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCall(b *testing.B) {
	for _, inFlight := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("inflight=%d", inFlight), func(b *testing.B) {
			r := newRelay(realm(b, dealer.Config{MaxCalls: inFlight}), "p")
			r.openMany(b, inFlight-1)
			r.measure(b, func(int) {})
		})
	}
}

// BenchmarkShardedCall makes calls with a key, one after the other.
func BenchmarkShardedCall(b *testing.B) {
	r := newRelay(sharded(b, dealer.Config{}, wamp.ShardOptions{Group: "g"}), "p")
	r.call.Options.RoutingKey = wamp.StringKey("customer-7")
	r.measure(b, func(int) {})
}

func BenchmarkRegistrations(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("exact=%d", n), func(b *testing.B) {
			d := dealer.New(dealer.Config{})
			join(b, d, 1)
			join(b, d, 2)
			uris := make([]wamp.URI, n)
			for i := range uris {
				uris[i] = wamp.URI(fmt.Sprintf("com.example.service%d.procedure", i))
				receive(b, d, 2, &wamp.Register{Request: wamp.ID(i + 1), Procedure: uris[i]})
			}
			r := newRelay(d, "")
			r.measure(b, func(i int) { r.call.Procedure = uris[i*7919%n] })
		})
	}
}

// BenchmarkJoinLeave shows that a session costs what it owns, however much the
// realm holds.
func BenchmarkJoinLeave(b *testing.B) {
	for _, inFlight := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("inflight=%d", inFlight), func(b *testing.B) {
			d := realm(b, dealer.Config{})
			r := newRelay(d, "p")
			r.openMany(b, inFlight-1)
			b.ReportAllocs()
			for b.Loop() {
				join(b, d, 3)
				d.Leave(epoch(), 3)
			}
		})
	}
}

// BenchmarkLeaveShared lets one of many callees of a procedure leave and come
// back.
func BenchmarkLeaveShared(b *testing.B) {
	for _, callees := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("callees=%d", callees), func(b *testing.B) {
			d := dealer.New(dealer.Config{})
			register := &wamp.Register{Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Invoke: wamp.InvokeRoundRobin}}
			for i := range callees {
				join(b, d, wamp.ID(i+1))
				receive(b, d, wamp.ID(i+1), register)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i += 7919 {
				id := wamp.ID(i%callees + 1)
				d.Leave(epoch(), id)
				join(b, d, id)
				receive(b, d, id, register)
			}
		})
	}
}
