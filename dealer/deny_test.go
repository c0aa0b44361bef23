package dealer_test

import (
	"errors"
	"testing"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestDeny refuses requests of every kind: they get an ERROR, take a place in
// the sequence of requests, and have no effect.
func TestDeny(t *testing.T) {
	t.Parallel()
	d := realm(t, dealer.Config{Strict: true})
	for i, m := range []wamp.Message{
		&wamp.Call{Request: 1, Procedure: "p", Options: wamp.CallOptions{Progress: true}},
		&wamp.Register{Request: 2, Procedure: "q"},
		&wamp.Subscribe{Request: 3, Topic: "wamp.session.on_join"},
	} {
		out := deny(t, d, m)
		if len(out) != 1 || out[0].To != 1 {
			t.Fatalf("Deny(%s) = %v, want one ERROR", m.Type(), out)
		}
		e, ok := out[0].Message.(*wamp.Error)
		if !ok || e.RequestType != m.Type() || e.Request != wamp.ID(i+1) || e.Error != wamp.ErrNotAuthorized || string(e.Payload.Args) != `["no"]` {
			t.Errorf("Deny(%s) = %+v", m.Type(), out[0].Message)
		}
	}
	if out := deny(t, d, &wamp.Call{Request: 1, Procedure: "p"}); len(out) != 0 {
		t.Errorf("a chunk that was under way got %v", out)
	}
	if _, registrations, calls := d.Counts(); registrations != 1 || calls != 0 {
		t.Errorf("%d registrations and %d calls, want 1 and 0", registrations, calls)
	}
	for _, m := range []wamp.Message{
		&wamp.Call{Request: 9, Procedure: "p"}, &wamp.Register{Request: 9, Procedure: "q"}, &wamp.Welcome{},
	} {
		if out, err := d.Deny(epoch(), 1, m, wamp.ErrNotAuthorized, "no"); !errors.Is(err, wamp.ErrMalformed) {
			t.Errorf("Deny(%s) out of order = %v, %v", m.Type(), out, err)
		}
	}
	if out, err := d.Deny(epoch(), 7, &wamp.Call{Request: 1}, wamp.ErrNotAuthorized, "no"); out != nil || err != nil {
		t.Errorf("Deny for a session that has left = %v, %v", out, err)
	}
}

// TestDenyContinued takes the right to a call away while it goes on: the rest of
// it is received.
func TestDenyContinued(t *testing.T) {
	t.Parallel()
	d := realm(t, dealer.Config{})
	m := &wamp.Call{Request: 1, Procedure: "p", Options: wamp.CallOptions{Progress: true}}
	if d.Continues(1, m) || d.Continues(7, m) {
		t.Error("a call goes on before it began")
	}
	receive(t, d, 1, m)
	if !d.Continues(1, m) {
		t.Error("a call does not go on after it began")
	}
	out := deny(t, d, m)
	if len(out) != 1 || out[0].Message.Type() != wamp.TypeInvocation {
		t.Errorf("the next chunk got %v, want an INVOCATION", out)
	}
}

func deny(t *testing.T, d *dealer.Dealer, m wamp.Message) []dealer.Delivery {
	t.Helper()
	out, err := d.Deny(epoch(), 1, m, wamp.ErrNotAuthorized, "no")
	if err != nil {
		t.Fatalf("Deny(%s) = %v", m.Type(), err)
	}
	return out
}
