package router_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// is is errors.Is that takes nil for an error like others.
func is(err, target error) bool {
	return err == nil && target == nil || target != nil && errors.Is(err, target)
}

func TestJoin(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, hello string
		want        wamp.URI // of the ABORT; empty for none
	}{
		{"minimal", `[1, "realm1", {"roles": {"caller": {}}}]`, ""},
		{"no methods", `[1, "realm1", {"authmethods": [], "roles": {"caller": {}}}]`, ""},
		{"null for methods", `[1, "realm1", {"authmethods": null, "roles": {"caller": {}}}]`, ""},
		{"anonymous among others", `[1, "realm1", {"authmethods": ["ticket", "anonymous"], "authid": "x", "roles": {"callee": {}}}]`, ""},
		{"ticket", `[1, "realm1", {"authmethods": ["ticket"], "roles": {"caller": {}}}]`, wamp.ErrNoMatchingAuthMethod},
		{"no list of methods", `[1, "realm1", {"authmethods": "anonymous", "roles": {"caller": {}}}]`, wamp.ErrNoMatchingAuthMethod},
		{"unknown realm", `[1, "realm2", {"roles": {"caller": {}}}]`, wamp.ErrNoSuchRealm},
		{"malformed realm", `[1, "realm 1", {"roles": {"caller": {}}}]`, wamp.ErrInvalidURI},
		{"no realm", `[1, "", {"roles": {"caller": {}}}]`, wamp.ErrInvalidURI},
		{"no roles", `[1, "realm1", {}]`, wamp.ErrProtocolViolation},
		{"unknown roles", `[1, "realm1", {"roles": {"spectator": {}}}]`, wamp.ErrProtocolViolation},
		{"no dict of roles", `[1, "realm1", {"roles": ["caller"]}]`, wamp.ErrProtocolViolation},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRouter(dealer.Config{})
			out := &inbox{}
			s, abort := r.Join(hello(t, test.hello), router.TransportInfo{}, out)
			out.Flush()
			if test.want == "" {
				if s == nil || abort != nil {
					t.Fatalf("Join = %v, %v; want a session", s, abort)
				}
				out.want(t, fmt.Sprintf(`[2, %d, "*"]`, s.ID()))
				return
			}
			if s != nil || abort == nil || abort.Reason != test.want {
				t.Fatalf("Join = %v, %v; want ABORT %s", s, abort, test.want)
			}
			if text, ok := abort.Details.String("message"); !ok || text == "" {
				t.Error("ABORT without a message")
			}
			out.want(t)
			if got := r.Stats().Sessions; got != 0 {
				t.Errorf("%d sessions, want none", got)
			}
		})
	}
}

func TestWelcome(t *testing.T) {
	t.Parallel()
	r := router.New(router.Config{Realms: []dealer.Config{{Realm: "realm1"}}, Agent: "wampgate/test"})
	out := &inbox{}
	s, abort := r.Join(hello(t, wamptest.Hello), router.TransportInfo{}, out)
	if abort != nil {
		t.Fatal(abort.Reason)
	}
	out.Flush()
	features, err := json.Marshal(dealer.New(dealer.Config{}).Features().Dict())
	if err != nil {
		t.Fatal(err)
	}
	out.want(t, fmt.Sprintf(`[2, %d, {"realm": "realm1", "authid": %q, "authrole": "anonymous", "authmethod": "anonymous",
		"authprovider": "static", "agent": "wampgate/test", "roles": {
			"broker": {"features": {"session_meta_api": true, "pattern_based_subscription": true}},
			"dealer": {"features": %s}}}]`, s.ID(), s.Identity().Authid, features))
	if len(s.Identity().Authid) < 20 {
		t.Errorf("authid %q can be guessed", s.Identity().Authid)
	}
}

// Session ids are random over the whole range and never given twice.
func TestSessionIDs(t *testing.T) {
	t.Parallel()
	const n = 1000
	r := newRouter(dealer.Config{})
	seen := map[wamp.ID]bool{}
	upper := 0
	for range n {
		id := join(t, r).ID()
		if !id.Valid() || seen[id] {
			t.Fatalf("session id %d is invalid or given twice", id)
		}
		seen[id] = true
		if id > wamp.MaxID/2 {
			upper++
		}
	}
	if upper < n/3 || upper > 2*n/3 {
		t.Errorf("%d of %d ids are in the upper half of the range", upper, n)
	}
}

func TestMaxSessions(t *testing.T) {
	t.Parallel()
	r := router.New(router.Config{Realms: []dealer.Config{{Realm: "realm1"}}, MaxSessions: 2})
	first, _ := join(t, r), join(t, r)
	if _, abort := r.Join(hello(t, wamptest.Hello), router.TransportInfo{}, &inbox{}); abort == nil || abort.Reason != wamp.ErrUnavailable {
		t.Errorf("third session: %v, want ABORT", abort)
	}
	if _, err := r.JoinLocal("realm1", wamp.Identity{}, wamp.Roles{}, "", &inbox{}); err == nil {
		t.Error("third session, local: want an error")
	}
	first.Leave()
	join(t, r)
}

func TestGoodbye(t *testing.T) {
	t.Parallel()
	r := newRouter(dealer.Config{})
	caller, callee := join(t, r), join(t, r)
	callee.send(`[64, 1, {}, "com.example.a"]`)
	callee.wants(`[65, 1, 1]`)
	caller.send(`[48, 1, {}, "com.example.a"]`)
	callee.wants(`[68, 1, 1, "*"]`)
	if err := callee.try(`[6, {}, "wamp.close.normal"]`); !errors.Is(err, router.ErrClosed) {
		t.Errorf("GOODBYE: %v, want ErrClosed", err)
	}
	callee.wants(`[6, {}, "wamp.close.goodbye_and_out"]`)
	callee.batch.Flush()
	caller.Flush()
	caller.wants(`[8, 48, 1, {}, "wamp.error.canceled", "*"]`)
	callee.wantClosed(t, nil)
	callee.Leave()
	callee.Leave()
	if err := callee.try(`[64, 2, {}, "com.example.a"]`); !errors.Is(err, router.ErrClosed) {
		t.Errorf("REGISTER after GOODBYE: %v, want ErrClosed", err)
	}
	callee.wants()
}

func TestClientAborts(t *testing.T) {
	t.Parallel()
	r := newRouter(dealer.Config{})
	p := join(t, r)
	if err := p.try(`[3, {}, "wamp.error.whatever"]`); !errors.Is(err, router.ErrClosed) {
		t.Errorf("ABORT: %v, want ErrClosed", err)
	}
	p.wants() // an ABORT is never answered
	if got := r.Stats().Sessions; got != 0 {
		t.Errorf("%d sessions, want none", got)
	}
}

func TestViolation(t *testing.T) {
	t.Parallel()
	r := newRouter(dealer.Config{})
	p := join(t, r)
	err := p.try(`[70, 5, {}]`) // answers an INVOCATION that was never sent
	if !errors.Is(err, wamp.ErrMalformed) {
		t.Fatalf("got %v, want ErrMalformed", err)
	}
	p.Abort(&p.batch, wamp.ErrProtocolViolation, err.Error())
	p.Abort(&p.batch, wamp.ErrProtocolViolation, err.Error())
	p.batch.Flush()
	p.wants(`[3, {"message": "*"}, "wamp.error.protocol_violation"]`)
	if got := r.Stats(); got.Sessions != 0 || got.Aborted != 1 {
		t.Errorf("%d sessions and %d aborted, want 0 and 1", got.Sessions, got.Aborted)
	}
}

func TestRealmsAreApart(t *testing.T) {
	t.Parallel()
	r := router.New(router.Config{Realms: []dealer.Config{{Realm: "realm1"}, {Realm: "realm2"}}})
	callee := join(t, r)
	callee.send(`[64, 1, {}, "com.example.procedure"]`)
	callee.wants(`[65, 1, 1]`)
	out := &inbox{}
	other, err := r.JoinLocal("realm2", wamp.Identity{Authid: "x"}, wamp.Roles{Caller: true}, "test", out)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Submit(t.Context(), &wamp.Call{Request: 7, Procedure: "com.example.procedure"}); err != nil {
		t.Fatal(err)
	}
	out.want(t, `[8, 48, 7, {}, "wamp.error.no_such_procedure", "*"]`)
	if got, ok := r.Nearest("realm1", "com.example.procedur"); !ok || got != "com.example.procedure" {
		t.Errorf("Nearest = %q, %v", got, ok)
	}
	if got, ok := r.Nearest("realm2", "com.example.procedur"); ok {
		t.Errorf("Nearest = %q from another realm", got)
	}
	if got, ok := r.Nearest("realm3", "com.example.procedur"); ok {
		t.Errorf("Nearest = %q from nowhere", got)
	}
	if _, err := r.JoinLocal("realm3", wamp.Identity{}, wamp.Roles{}, "", out); err == nil {
		t.Error("JoinLocal to an unknown realm: want an error")
	}
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	r := newRouter(dealer.Config{})
	local := &inbox{}
	s, err := r.JoinLocal(wamptest.Realm, wamp.Identity{}, wamp.Roles{Caller: true}, "", local)
	if err != nil {
		t.Fatal(err)
	}
	remote := join(t, r)
	remote.send(`[64, 1, {}, "com.example.a"]`)
	remote.wants(`[65, 1, 1]`)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Shutdown(t.Context())
	}()
	for {
		if err := s.Submit(t.Context(), &wamp.Cancel{Request: 1}); errors.Is(err, router.ErrClosed) {
			break // the GOODBYEs are out
		}
	}
	if _, abort := r.Join(hello(t, wamptest.Hello), router.TransportInfo{}, &inbox{}); abort == nil || abort.Reason != wamp.CloseSystemShutdown {
		t.Errorf("Join = %v, want ABORT %s", abort, wamp.CloseSystemShutdown)
	}
	if _, err := r.JoinLocal(wamptest.Realm, wamp.Identity{}, wamp.Roles{}, "", &inbox{}); !errors.Is(err, router.ErrShutdown) {
		t.Errorf("JoinLocal: %v, want ErrShutdown", err)
	}
	if err := remote.try(`[48, 2, {}, "com.example.a"]`); err != nil {
		t.Errorf("CALL after the router's GOODBYE: %v, want it to be ignored", err)
	}
	if err := remote.try(`[6, {}, "wamp.close.goodbye_and_out"]`); !errors.Is(err, router.ErrClosed) {
		t.Errorf("GOODBYE: %v, want ErrClosed", err)
	}
	<-done
	r.Shutdown(t.Context()) // does nothing
	const goodbye = `[6, {"message": "*"}, "wamp.close.system_shutdown"]`
	remote.wants(goodbye)
	remote.wantClosed(t, router.ErrShutdown)
	local.want(t, goodbye)
	local.wantClosed(t, router.ErrShutdown)
}
