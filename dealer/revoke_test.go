package dealer_test

import (
	"reflect"
	"testing"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestRevoke takes the registration of a callee away that knows that message,
// and of one that does not: that one would take it for a fault.
func TestRevoke(t *testing.T) {
	t.Parallel()
	d := dealer.New(dealer.Config{})
	join(t, d, 1)
	revocable := peer(2)
	revocable.Roles.CalleeFeatures |= wamp.FeatureRegistrationRevocation
	if err := d.Join(revocable); err != nil {
		t.Fatal(err)
	}
	shared := &wamp.Register{Request: 1, Procedure: "p", Options: wamp.RegisterOptions{Invoke: wamp.InvokeRoundRobin}}
	receive(t, d, 1, shared)
	receive(t, d, 2, shared)

	out, ok := d.Revoke(epoch(), 1, 2, wamp.ErrUnregistered)
	want := []dealer.Delivery{{To: 2, Message: &wamp.Unregistered{
		Details: wamp.Dict{"registration": int64(1), "reason": "wamp.error.unregistered"},
	}}}
	if !ok || !reflect.DeepEqual(out, want) {
		t.Errorf("Revoke(1, 2) = %v, %t, want an UNREGISTERED for session 2", out, ok)
	}
	if out, ok := d.Revoke(epoch(), 1, 1, wamp.ErrUnregistered); !ok || len(out) != 0 {
		t.Errorf("Revoke(1, 1) = %v, %t, want silence", out, ok)
	}
	for _, gone := range []wamp.ID{1, 2, 3} {
		if out, ok := d.Revoke(epoch(), 1, gone, wamp.ErrUnregistered); ok || out != nil {
			t.Errorf("Revoke(1, %d), which has no place, = %v, %t", gone, out, ok)
		}
	}
	if _, registrations, _ := d.Counts(); registrations != 0 {
		t.Errorf("%d registrations are left, want none", registrations)
	}
}
