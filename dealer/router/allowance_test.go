package router_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// bounded returns roles of which user and guest may call under a rule.
func bounded(rule auth.Rule) []auth.Role {
	rule.Match, rule.URI, rule.Allow = wamp.MatchPrefix, "com.example.", []auth.Action{auth.Call}
	return []auth.Role{
		roles()[0],
		{Name: "user", Rules: []auth.Rule{rule}},
		{Name: "guest", Rules: []auth.Rule{rule}},
	}
}

const (
	tooOften = `[8, 48, %d, {}, "gateway.error.rate_limited", ["your role may make 2 calls a second here; wait before the next one"], {"limit": 3, "retry": "safe", "retry_after": %d, "window": 2}]`
	tooMany  = `[8, 48, %d, {}, "gateway.error.rate_limited", ["2 calls are in flight already, which is the most that your role may have here; wait for one to end"], {"limit": 2, "retry": "safe", "retry_after": 1}]`
)

// TestRuleRate: all sessions of a principal share a rule's tokens, which come
// back with time and not with a new Access, and nobody else notices.
func TestRuleRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		policy := bounded(auth.Rule{Rate: 2, Burst: 3})
		r := newGuarded(t, auth.Config{}, policy...)
		ada, bob, again := login(t, r.Router, "ada"), login(t, r.Router, "bob"), login(t, r.Router, "bob")
		ada.register("com.example.a")
		call := func(p *peer, request int) {
			t.Helper()
			p.send(fmt.Sprintf(`[48, %d, {}, "com.example.a"]`, request))
		}
		answer := func(p *peer, request, invocation int) {
			t.Helper()
			ada.wants(`[68, "*", "*", "*"]`)
			ada.send(fmt.Sprintf(`[70, %d, {}]`, invocation))
			p.wants(fmt.Sprintf(`[50, %d, {}]`, request))
		}
		call(bob, 1)
		answer(bob, 1, 1)
		call(again, 1)
		answer(again, 1, 2)
		call(bob, 2)
		answer(bob, 2, 3)
		call(again, 2)
		again.wants(fmt.Sprintf(tooOften, 2, 1))
		r.SetAccess(newAccess(t, nil, bounded(auth.Rule{Rate: 2, Burst: 3})...))
		call(bob, 3)
		bob.wants(fmt.Sprintf(tooOften, 3, 1))
		call(ada, 2)
		answer(ada, 2, 4)
		time.Sleep(500 * time.Millisecond)
		call(bob, 4)
		answer(bob, 4, 5)
		call(bob, 5)
		bob.wants(fmt.Sprintf(tooOften, 5, 1))
	})
}

// TestRuleRateSlow: with less than a call a second, one says when to try again.
func TestRuleRateSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newGuarded(t, auth.Config{}, bounded(auth.Rule{Rate: 0.1})...)
		ada, bob := login(t, r.Router, "ada"), login(t, r.Router, "bob")
		ada.register("com.example.a")
		bob.send(`[48, 1, {}, "com.example.a"]`)
		ada.wants(`[68, "*", "*", "*"]`)
		time.Sleep(3 * time.Second)
		bob.send(`[48, 2, {}, "com.example.a"]`)
		bob.wants(`[8, 48, 2, {}, "gateway.error.rate_limited", "*", {"limit": 1, "retry": "safe", "retry_after": 7, "window": 10}]`)
	})
}

// TestRuleConcurrency: a call counts until its caller has the last answer,
// however that comes about, and its further chunks do not count.
func TestRuleConcurrency(t *testing.T) {
	t.Parallel()
	r := newGuarded(t, auth.Config{}, bounded(auth.Rule{Concurrency: 2})...)
	ada, bob, again := login(t, r.Router, "ada"), login(t, r.Router, "bob"), login(t, r.Router, "bob")
	ada.register("com.example.a")
	full := func(p *peer, request int) {
		t.Helper()
		p.send(fmt.Sprintf(`[48, %d, {}, "com.example.a"]`, request))
		p.wants(fmt.Sprintf(tooMany, request))
	}
	bob.send(`[48, 1, {"progress": true, "receive_progress": true}, "com.example.a"]`)
	ada.wants(`[68, 1, "*", "*"]`)
	again.send(`[48, 1, {}, "com.example.a"]`)
	ada.wants(`[68, 2, "*", "*"]`)
	full(bob, 2)
	bob.send(`[48, 1, {"progress": true, "receive_progress": true}, "com.example.a", [1]]`) // a chunk
	ada.wants(`[68, 1, "*", "*", [1]]`)
	ada.send(`[70, 1, {"progress": true}, [1]]`)
	bob.wants(`[50, 1, {"progress": true}, [1]]`)
	full(bob, 3)

	ada.send(`[70, 1, {}]`) // a result
	bob.wants(`[50, 1, {}]`)
	bob.send(`[48, 1, {"progress": true, "receive_progress": true}, "com.example.a", [2]]`) // late: nothing comes of it
	bob.send(`[48, 4, {}, "com.example.a"]`)
	ada.wants(`[68, 3, "*", "*"]`)
	full(again, 2)
	ada.send(`[8, 68, 3, {}, "com.example.error"]`) // an error
	bob.wants(`[8, 48, 4, {}, "com.example.error"]`)
	bob.send(`[48, 5, {}, "com.example.nothing"]`) // no callee
	bob.wants(`[8, 48, 5, {}, "wamp.error.no_such_procedure", "*"]`)
	bob.send(`[48, 6, {}, "com.example.a"]`)
	ada.wants(`[68, 4, "*", "*"]`)
	full(bob, 7)
	bob.send(`[49, 6, {"mode": "killnowait"}]`) // canceled
	bob.wants(`[8, 48, 6, {}, "wamp.error.canceled"]`)
	ada.wants(`[69, 4, "*"]`)
	bob.send(`[48, 8, {}, "com.example.a"]`)
	ada.wants(`[68, 5, "*", "*"]`)
	full(bob, 9)
	again.Leave() // with a call in flight
	ada.wants(`[69, 2, "*"]`)
	bob.send(`[48, 10, {}, "com.example.a"]`)
	ada.wants(`[68, 6, "*", "*"]`)
	full(bob, 11)
}

// TestRuleForStrangers: who shows no credentials is counted by address, be it
// the connection's or the one that a call came from.
func TestRuleForStrangers(t *testing.T) {
	t.Parallel()
	r := newGuarded(t, auth.Config{AnonymousRole: "guest"}, bounded(auth.Rule{Concurrency: 1})...)
	login(t, r.Router, "ada").register("com.example.a")
	from := func(peer string) *inbox {
		t.Helper()
		out := &inbox{}
		s, abort := r.Join(hello(t, wamptest.Hello), router.TransportInfo{Peer: peer}, out)
		if abort != nil {
			t.Fatal(abort)
		}
		if err := s.Submit(t.Context(), &wamp.Call{Request: 1, Procedure: "com.example.a"}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	from("192.0.2.1:7")
	if got := from("192.0.2.1:8").last(t, 1); !strings.Contains(got, string(wamp.ErrRateLimited)) {
		t.Errorf("a second call from the address: %s", got)
	}
	from("[2001:db8::1]:7")
	if got := from("[2001:db8::2]:7").last(t, 1); !strings.Contains(got, string(wamp.ErrRateLimited)) {
		t.Errorf("a second call from the network of 64 bits: %s", got)
	}
	shared := &inbox{}
	s, err := r.JoinLocal(wamptest.Realm, wamp.Identity{Authrole: "guest", Authmethod: auth.Anonymous}, wamp.Roles{Caller: true}, "", shared)
	if err != nil {
		t.Fatal(err)
	}
	for i, tt := range []struct {
		from    string
		refused bool
	}{{"198.51.100.1", false}, {"198.51.100.2", false}, {"192.0.2.1", true}, {"198.51.100.1", true}} {
		call := &wamp.Call{Request: wamp.ID(i + 1), Procedure: "com.example.a", From: netip.MustParseAddr(tt.from)}
		if err := s.Submit(t.Context(), call); err != nil {
			t.Fatal(err)
		}
		if got := shared.last(t, i+1); strings.Contains(got, string(wamp.ErrRateLimited)) != tt.refused {
			t.Errorf("call %d over a shared session, from %s: %q", i+1, tt.from, got)
		}
	}
}

// TestMinTimeout refuses calls that would be given up before they could end.
func TestMinTimeout(t *testing.T) {
	t.Parallel()
	r := newGuarded(t, auth.Config{}, bounded(auth.Rule{MinTimeout: time.Second})...)
	ada, bob := login(t, r.Router, "ada"), login(t, r.Router, "bob")
	ada.register("com.example.a")
	bob.send(`[48, 1, {"timeout": 999}, "com.example.a"]`)
	bob.wants(`[8, 48, 1, {}, "wamp.error.option_not_allowed", ["the timeout is 999 ms, and your role must leave a call of this procedure at least 1000 ms"]]`)
	bob.send(`[48, 2, {"timeout": 1000}, "com.example.a"]`)
	ada.wants(`[68, 1, "*", "*"]`)
	bob.send(`[48, 3, {}, "com.example.a"]`)
	ada.wants(`[68, 2, "*", "*"]`)
}

// TestMaxSessionsEach: one principal, or address, may have so many sessions;
// others, and sessions inside the process, do not count.
func TestMaxSessionsEach(t *testing.T) {
	t.Parallel()
	a, err := auth.New(auth.Config{AnonymousRole: "guest", Principals: []auth.Principal{{Authid: "ada", Role: "admin", Ticket: auth.HashTicket(secret)}}})
	if err != nil {
		t.Fatal(err)
	}
	r := router.New(router.Config{Realms: []dealer.Config{{Realm: wamptest.Realm}}, Auth: a, MaxSessionsEach: 2})
	const text = "you have as many sessions as one principal, or an address without credentials, may have; close some"
	wantFull := func(who string, abort *wamp.Abort) {
		t.Helper()
		if abort == nil || abort.Reason != wamp.ErrUnavailable {
			t.Errorf("third session of %s: %v, want ABORT", who, abort)
		} else if got, _ := abort.Details.String("message"); got != text {
			t.Errorf("third session of %s: %q", who, got)
		}
	}
	anonymous := func(peer string) (*router.Session, *wamp.Abort) {
		return r.Join(hello(t, wamptest.Hello), router.TransportInfo{Peer: peer}, &inbox{})
	}
	first, _ := anonymous("192.0.2.1:1")
	if _, abort := anonymous("192.0.2.1:2"); abort != nil {
		t.Fatal(abort)
	}
	_, abort := anonymous("192.0.2.1:3")
	wantFull("an address", abort)
	for range 3 { // an address of their own each, or none
		if _, abort := anonymous(""); abort != nil {
			t.Errorf("a session without an address: %v", abort)
		}
		if _, err := r.JoinLocal(wamptest.Realm, wamp.Identity{Authid: "ada", Authrole: "admin"}, wamp.Roles{}, "", &inbox{}); err != nil {
			t.Errorf("a session inside the process: %v", err)
		}
	}
	first.Leave()
	first.Leave()
	if _, abort := anonymous("192.0.2.1:4"); abort != nil {
		t.Errorf("after one has left: %v", abort)
	}
	_, abort = anonymous("192.0.2.1:5")
	wantFull("an address that one has left", abort)

	login(t, r, "ada")
	login(t, r, "ada")
	step := r.Hello(t.Context(), hello(t, fmt.Sprintf(ticketHello, "ada")), router.TransportInfo{}, &inbox{})
	wantFull("a principal", step.Pending.Authenticate(t.Context(), &wamp.Authenticate{Signature: secret}).Abort)
}
