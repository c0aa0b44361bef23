package router_test

import (
	"testing"
	"testing/synctest"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// newAccess knows ada and bob, and keeps those that keep names.
func newAccess(t *testing.T, keep []string, roles ...auth.Role) *router.Access {
	t.Helper()
	a, err := auth.New(auth.Config{Principals: []auth.Principal{
		{Authid: "ada", Role: "admin", Ticket: auth.HashTicket(secret)},
		{Authid: "bob", Role: "user", Ticket: auth.HashTicket(secret)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := auth.NewPolicy(roles)
	if err != nil {
		t.Fatal(err)
	}
	access := &router.Access{Auth: a, Policy: policy}
	if keep != nil {
		access.Keeps = func(_ *router.Access, realm wamp.URI, who wamp.Identity) bool {
			for _, authid := range keep {
				if who.Authid == authid {
					return realm == wamptest.Realm
				}
			}
			return false
		}
	}
	return access
}

// rule is one that allows actions.
func rule(match wamp.MatchPolicy, uri wamp.URI, allow ...auth.Action) auth.Rule {
	return auth.Rule{Match: match, URI: uri, Allow: allow}
}

// TestSetAccess changes rights: sessions go on with the new ones, and those that
// may not stay are closed, alone.
func TestSetAccess(t *testing.T) {
	t.Parallel()
	const goodbye = `[6, {"message": "*"}, "wamp.close.killed"]`
	everything := rule(wamp.MatchPrefix, "", auth.Call, auth.Register, auth.Meta)
	admin := auth.Role{Name: "admin", Rules: []auth.Rule{everything}}
	user := auth.Role{Name: "user", Rules: []auth.Rule{rule(wamp.MatchExact, "p", auth.Call)}}
	setUp := func() (r *guarded, ada, bob *peer) {
		r = newGuarded(t, auth.Config{}, admin, user)
		ada, bob = login(t, r.Router, "ada"), login(t, r.Router, "bob")
		ada.register("p")
		ada.send(`[32, 2, {}, "wamp.session.on_leave"]`)
		ada.wants(`[33, 2, "*"]`)
		return r, ada, bob
	}

	r, ada, bob := setUp()
	bob.send(`[48, 1, {}, "p"]`)
	ada.wants(`[68, 1, "*", "*"]`)
	if n := r.SetAccess(newAccess(t, []string{"ada", "bob"}, admin, auth.Role{Name: "user"})); n != 0 {
		t.Errorf("%d sessions were closed, want none", n)
	}
	ada.send(`[70, 1, {}]`)
	bob.wants(`[50, 1, {}]`) // what was in flight ends as it would have
	bob.send(`[48, 2, {}, "p"]`)
	bob.wants(`[8, 48, 2, {}, "wamp.error.not_authorized", "*"]`)
	if n := r.SetAccess(newAccess(t, nil, admin, user)); n != 0 {
		t.Errorf("%d sessions were closed, want none", n)
	}
	bob.send(`[48, 3, {}, "p"]`)
	ada.wants(`[68, 2, "*", "*"]`)
	if n := r.SetAccess(newAccess(t, []string{"ada"}, admin, user)); n != 1 {
		t.Errorf("%d sessions were closed, want bob's", n)
	}
	bob.wants(goodbye)
	ada.wants(`[69, 2, "*"]`, `[36, "*", "*", {}, "*"]`)
	if err := bob.try(`[48, 4, {}, "p"]`); err == nil {
		t.Error("a session that was closed may call")
	}

	// Who holds what he may not register or subscribe to any more is closed.
	for _, allow := range [][]auth.Action{{auth.Register}, {auth.RegisterHTTP}, {auth.Meta}} {
		r, ada, bob = setUp()
		some := auth.Role{Name: "admin", Rules: []auth.Rule{rule(wamp.MatchPrefix, "", allow...)}}
		if n := r.SetAccess(newAccess(t, nil, some, user)); n != 1 {
			t.Errorf("allow %v: %d sessions were closed, want ada's", allow, n)
		}
		ada.wants(goodbye)
		bob.send(`[48, 1, {}, "p"]`)
		bob.wants(`[8, 48, 1, {}, "wamp.error.no_such_procedure", "*"]`)
	}
	r, _, _ = setUp()
	some := auth.Role{Name: "admin", Rules: []auth.Rule{rule(wamp.MatchPrefix, "", auth.RegisterHTTP, auth.Meta)}}
	if n := r.SetAccess(newAccess(t, nil, some, user)); n != 0 {
		t.Errorf("%d sessions were closed, want none", n)
	}
}

// TestSetAccessMeanwhile changes who may join while somebody does.
func TestSetAccessMeanwhile(t *testing.T) {
	t.Parallel()
	r := newGuarded(t, auth.Config{}, roles()...)
	for _, keep := range []string{"ada", "bob"} {
		step := r.Hello(t.Context(), hello(t, `[1, "realm1", {"authmethods": ["ticket"], "authid": "bob", "roles": {"caller": {}}}]`), router.TransportInfo{}, &inbox{})
		if step.Pending == nil {
			t.Fatalf("HELLO came to %+v", step)
		}
		r.SetAccess(newAccess(t, []string{keep}, roles()...))
		step = step.Pending.Authenticate(t.Context(), &wamp.Authenticate{Signature: secret})
		if keep == "bob" && step.Session == nil || keep != "bob" && (step.Abort == nil || step.Abort.Reason != wamp.ErrAuthenticationDenied) {
			t.Errorf("with %s kept, bob's AUTHENTICATE came to %+v", keep, step)
		}
	}
	if _, err := r.JoinLocal(wamptest.Realm, wamp.Identity{Authid: "ada", Authrole: "admin"}, wamp.Roles{Caller: true}, "", &inbox{}); err == nil {
		t.Error("ada, who is no more, has a session")
	}
}

// TestSetAccessWhileAsking changes the policy while an authorizer decides: its
// answer is none under the new one.
func TestSetAccessWhileAsking(t *testing.T) {
	t.Parallel()
	asked := auth.Role{Name: "user", Authorizer: "com.authorize"}
	for name, tt := range map[string]struct {
		then auth.Role
		want string
	}{
		"allowed by a rule": {auth.Role{Name: "user", Rules: []auth.Rule{rule(wamp.MatchExact, "p", auth.Call)}}, "no_such_procedure"},
		"not allowed":       {auth.Role{Name: "user"}, "not_authorized"},
		"asked again":       {asked, "not_authorized"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newGuarded(t, auth.Config{}, roles()[0], asked)
				answers := make(chan bool)
				serve(t, r.Router, "com.authorize", func([]any) wamp.Message { return yield(t, <-answers) })
				bob := login(t, r.Router, "bob")
				done := make(chan struct{})
				go func() {
					defer close(done)
					bob.send(`[48, 1, {}, "p"]`)
				}()
				synctest.Wait() // it asks
				r.SetAccess(newAccess(t, nil, roles()[0], tt.then))
				answers <- tt.want != "not_authorized" || tt.then.Authorizer != ""
				if tt.then.Authorizer != "" {
					answers <- false
				}
				<-done
				bob.wants(`[8, 48, 1, {}, "wamp.error.` + tt.want + `", "*"]`)
			})
		})
	}
}
