package router_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// TestRealmStats counts what outboxes refuse, by the reason, and sessions by
// what they come over; those that end count as open no more, however they end.
func TestRealmStats(t *testing.T) {
	t.Parallel()
	r := newRouter(dealer.Config{})
	caller, callee := join(t, r), join(t, r)
	inside, err := r.JoinLocal(wamptest.Realm, wamp.Identity{}, wamp.Roles{Caller: true}, "", &inbox{})
	if err != nil {
		t.Fatal(err)
	}
	callee.register("com.example.a")
	for i, refusal := range []error{router.ErrFull, router.ErrTooLarge, wamp.ErrUntranscodable, router.ErrFull} {
		callee.refuseAll(refusal, wamp.TypeInvocation)
		caller.send(fmt.Sprintf(`[48, %d, {}, "com.example.a"]`, i+1))
		caller.wants(fmt.Sprintf(`[8, 48, %d, {}, "*", ["*"]]`, i+1))
	}
	inside.Leave()
	inside.Leave()
	callee.refuseAll(errors.New("broken"), wamp.TypeInvocation)
	caller.send(`[48, 9, {}, "com.example.a"]`)

	all := r.RealmStats()
	if len(all) != 1 || all[0].Realm != wamptest.Realm {
		t.Fatalf("RealmStats() = %+v, want one realm", all)
	}
	s := all[0]
	if want := [router.Refusals]uint64{router.RefusedFull: 2, router.RefusedTooLarge: 1, router.RefusedUntranscodable: 1, router.RefusedClosed: 1}; s.Refused != want {
		t.Errorf("refused %v, want %v", s.Refused, want)
	}
	if s.CutOther != 1 || s.CutFull != 0 || s.Registrations != 0 {
		t.Errorf("%d cut off, %d for a full outbox, and %d registrations, want 1, 0 and 0", s.CutOther, s.CutFull, s.Registrations)
	}
	open, joined := map[router.Transport]int{}, map[router.Transport]uint64{}
	for _, l := range s.Links {
		open[l.Transport] += l.Sessions
		joined[l.Transport] += l.Joined
	}
	if open[router.Inside] != 1 || joined[router.Inside] != 3 {
		t.Errorf("%d sessions of %d are open, want 1 of 3", open[router.Inside], joined[router.Inside])
	}
	if calls := s.Calls; calls.Calls != 5 || calls.Ended[dealer.CalleeGone] != 1 || calls.Ended[dealer.NoCallee] != 2 || calls.Ended[dealer.TooLarge] != 1 {
		t.Errorf("calls %+v", calls)
	}
}
