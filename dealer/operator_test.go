package dealer_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestOperatorLists pages through sessions, registrations and calls of a realm
// that has some of each kind.
func TestOperatorLists(t *testing.T) {
	t.Parallel()
	d := dealer.New(dealer.Config{})
	for id := range wamp.ID(4) {
		p := peer(id + 1)
		p.Acknowledges = true
		if err := d.Join(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Join(dealer.Peer{ID: 9, Keeps: true, Local: true, Roles: peer(9).Roles}); err != nil {
		t.Fatal(err)
	}
	receive(t, d, 1, &wamp.Register{Request: 1, Procedure: "p"})
	receive(t, d, 1, &wamp.Register{Request: 2, Procedure: "busy", Options: wamp.RegisterOptions{Concurrency: 1, Invoke: wamp.InvokeRoundRobin}})
	receive(t, d, 1, &wamp.Register{Request: 3, Procedure: "all", Options: wamp.RegisterOptions{Shard: &wamp.ShardOptions{Group: "g", ID: "a"}}})
	receive(t, d, 9, &wamp.Call{Request: 1, Procedure: "p"})
	receive(t, d, 3, &wamp.Call{Request: 1, Procedure: "p", Options: wamp.CallOptions{Timeout: 1000}})
	receive(t, d, 3, &wamp.Call{Request: 2, Procedure: "busy"})
	receive(t, d, 3, &wamp.Call{Request: 3, Procedure: "busy"})
	receive(t, d, 4, &wamp.Call{Request: 1, Procedure: "p", Options: wamp.CallOptions{TrustLevel: "acknowledged"}})
	receive(t, d, 4, &wamp.Call{Request: 2, Procedure: "p", Options: wamp.CallOptions{TrustLevel: "acknowledged", Timeout: 60_000}})
	receive(t, d, 4, &wamp.Call{Request: 3, Procedure: "p"})
	receive(t, d, 4, &wamp.Call{Request: 4, Procedure: "all", Options: wamp.CallOptions{RunMode: wamp.RunAll}})
	receive(t, d, 4, &wamp.Cancel{Request: 3, Mode: wamp.CancelKill})

	for limit := range 10 {
		var got []string
		for at := (dealer.CallPlace{}); ; {
			page, next := d.Calls(at, limit+1)
			for _, c := range page {
				if same, ok := d.Call(c.Caller, c.Request); !ok || same != c {
					t.Errorf("Call(%d, %d) = %+v, %t, want %+v", c.Caller, c.Request, same, ok, c)
				}
				left := "-"
				if !c.Ends.IsZero() {
					left = c.Ends.Sub(c.Begun).String()
				}
				got = append(got, fmt.Sprintf("%d.%d %s %s %d %d %s", c.Caller, c.Request, c.Procedure, c.Progress, c.Callee, c.Members, left))
			}
			if at = next; next == (dealer.CallPlace{}) {
				break
			}
		}
		want := []string{
			"9.1 p running 1 0 -", "3.1 p running 1 0 1s", "3.2 busy running 1 0 -", "3.3 busy waiting 0 0 10s", "4.1 p running 1 0 -",
			"4.2 p running 1 0 1m0s", "4.3 p canceling 1 0 5s", "4.4 all running 0 1 -",
		}
		if !slices.Equal(got, want) {
			t.Errorf("by %d:\n%q, want\n%q", limit+1, got, want)
		}
	}
	checkMembers(t, d)
	if list, next := d.Registrations(0, 1); len(list) != 1 || list[0].URI != "p" || next != 1 {
		t.Errorf("Registrations(0, 1) = %+v, %d", list, next)
	}
	if p, callees, ok := d.Registration(2, 5); !ok || p.URI != "busy" || !slices.Equal(callees, []wamp.ID{1}) {
		t.Errorf("Registration(2) = %+v, %v, %t", p, callees, ok)
	}
	if _, callees, _ := d.Registration(2, 0); callees != nil {
		t.Errorf("no callees were asked for, but %v came", callees)
	}
	if _, _, ok := d.Registration(99, 5); ok {
		t.Error("registration 99 is there")
	}
	if _, ok := d.Call(4, 99); ok {
		t.Error("call 99 is there")
	}
}

func checkMembers(t *testing.T, d *dealer.Dealer) {
	t.Helper()
	list, next := d.Members(0, 2)
	rest, end := d.Members(next, 100)
	if len(list) != 2 || len(rest) != 2 || end != 0 || list[0].Session != 1 || list[0].Registrations != 3 || rest[1].Calls != 4 {
		t.Errorf("the members are %+v, %d, %+v, %d", list, next, rest, end)
	}
	if m, ok := d.Member(1); !ok || m.Invocations == 0 {
		t.Errorf("Member(1) = %+v, %t", m, ok)
	}
	for _, id := range []wamp.ID{9, 77} { // 9 keeps persistent calls, and is nobody's
		if _, ok := d.Member(id); ok {
			t.Errorf("Member(%d) is there", id)
		}
	}
}

// TestOperatorCallsLooksAtFew finds a call behind more sessions than are looked
// at at once.
func TestOperatorCallsLooksAtFew(t *testing.T) {
	t.Parallel()
	const many = 25_000
	d := dealer.New(dealer.Config{})
	for id := range wamp.ID(many) {
		join(t, d, id+1)
	}
	if err := d.Join(dealer.Peer{ID: many + 1, Keeps: true, Local: true, Roles: peer(1).Roles}); err != nil {
		t.Fatal(err)
	}
	receive(t, d, 1, &wamp.Register{Request: 1, Procedure: "p"})
	receive(t, d, many+1, &wamp.Call{Request: 1, Procedure: "p"})
	receive(t, d, many, &wamp.Call{Request: 1, Procedure: "p"})
	first, at := d.Calls(dealer.CallPlace{}, 1)
	var pages int
	var list []dealer.InFlight
	for ; len(list) == 0 && pages < 10; pages++ {
		list, at = d.Calls(at, 10)
	}
	if len(first) != 1 || len(list) != 1 || list[0].Caller != many || pages != 2 || at != (dealer.CallPlace{}) {
		t.Errorf("%v, then after %d pages %v, and %v follows", first, pages, list, at)
	}
}
