package router_test

import (
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// TestVouched: nobody registers a procedure for transactions who may not call
// what undoes it himself.
func TestVouched(t *testing.T) {
	t.Parallel()
	r := newGuarded(t, auth.Config{}, roles()...)
	bob := login(t, r.Router, "bob")
	bob.send(`[64, 1, {"transaction": {"compensate": "com.secret"}}, "com.bob.x"]`)
	bob.wants(`[8, 64, 1, {}, "wamp.error.not_authorized", ["who registers a procedure for transactions must have the right to call what ends them: role \"user\" has no permission \"call\" for com.secret"]]`)
	bob.send(`[64, 2, {"transaction": {"confirm": "com.example.a", "cancel": "com.secret"}}, "com.bob.x"]`)
	bob.wants(`[8, 64, 2, {}, "wamp.error.not_authorized", "*"]`)
	bob.send(`[64, 3, {"transaction": {"compensate": "com.example.a"}}, "com.bob.x"]`)
	bob.wants(`[65, 3, "*"]`)
	if o, ok := r.Transaction(wamptest.Realm, "com.bob.x"); !ok || o == nil || o.Compensate != "com.example.a" {
		t.Errorf("Transaction(com.bob.x) = %v, %v", o, ok)
	}
	if _, ok := r.Transaction("nowhere", "com.bob.x"); ok {
		t.Error("there is a procedure in a realm that is not there")
	}
}

// TestVouchedAsked has the realm's authorizer decide about all that a REGISTER
// answers for.
func TestVouchedAsked(t *testing.T) {
	t.Parallel()
	r := newGuarded(t, auth.Config{}, roles()[0], auth.Role{Name: "user", Authorizer: "com.authorize", AuthorizerTTL: time.Minute})
	serve(t, r.Router, "com.authorize", func(args []any) wamp.Message {
		return yield(t, wamp.Dict{"allow": args[1] != "com.secret", "ttl": 0})
	})
	bob := login(t, r.Router, "bob")
	bob.send(`[64, 1, {"transaction": {"compensate": "com.secret"}}, "com.bob.x"]`)
	bob.wants(`[8, 64, 1, {}, "wamp.error.not_authorized", ["the realm's authorizer has refused this"]]`)
	bob.send(`[64, 2, {"transaction": {"compensate": "com.undo"}}, "com.bob.x"]`)
	bob.wants(`[65, 2, "*"]`)
}

// TestPermit: what somebody may call goes by his role.
func TestPermit(t *testing.T) {
	t.Parallel()
	r := newGuarded(t, auth.Config{}, roles()...)
	who := wamp.Behalf{Identity: wamp.Identity{Authid: "bob", Authrole: "user"}}
	for uri, want := range map[wamp.URI]wamp.URI{"com.example.a": "", "com.secret": wamp.ErrNotAuthorized} {
		if p, later := r.Permit(wamptest.Realm, who, &wamp.Call{Procedure: uri}); p.Reason != want || later != nil {
			t.Errorf("Permit(%s) = %+v", uri, p)
		}
	}
	if p, _ := r.Permit("nowhere", who, &wamp.Call{Procedure: "com.example.a"}); p.Reason != wamp.ErrNoSuchRealm {
		t.Errorf("Permit in no realm = %+v", p)
	}
}
