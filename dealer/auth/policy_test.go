package auth_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
)

func rule(match wamp.MatchPolicy, uri wamp.URI, allow ...auth.Action) auth.Rule {
	return auth.Rule{Match: match, URI: uri, Allow: allow}
}

func newPolicy(t testing.TB, roles ...auth.Role) *auth.Policy {
	t.Helper()
	p, err := auth.NewPolicy(roles)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	exact    = wamp.MatchExact
	prefix   = wamp.MatchPrefix
	wildcard = wamp.MatchWildcard
)

// policy is one with a rule of every kind.
func policy(t testing.TB) *auth.Policy {
	t.Helper()
	return newPolicy(
		t,
		auth.Role{Name: "user", Rules: []auth.Rule{
			rule(prefix, "com.", auth.Call),
			rule(prefix, "com.app.", auth.Call, auth.Register),
			rule(wildcard, "com.app..delete"),
			rule(exact, "com.app.users.list", auth.Register),
			rule(exact, "com.app.users.delete", auth.Call),
			rule(prefix, "com.app.web.", auth.RegisterHTTP),
			rule(prefix, "wamp.registration.", auth.Meta),
		}},
		auth.Role{Name: "admin", Rules: []auth.Rule{
			rule(prefix, "", auth.Call, auth.Register, auth.RegisterHTTP, auth.Meta, auth.Admin),
		}},
		auth.Role{Name: "none"},
		auth.Role{Name: "asked", Rules: []auth.Rule{rule(exact, "com.app.ping", auth.Call), rule(exact, "com.app.no")}, Authorizer: "com.auth", AuthorizerTTL: time.Minute},
	)
}

// TestMatrix has every kind of role, action and URI.
func TestMatrix(t *testing.T) {
	t.Parallel()
	p := policy(t)
	// A letter for each action that is allowed: c, r, h, m, a; "?" for one that
	// a procedure decides about.
	for uri, want := range map[wamp.URI]map[string]string{
		"com":                    {"admin": "crhma", "asked": "?????"},
		"com.example":            {"user": "c", "admin": "crhma", "asked": "?????"},
		"com.app.users.get":      {"user": "cr", "admin": "crhma", "asked": "?????"},
		"com.app.users.list":     {"user": "r", "admin": "crhma", "asked": "?????"},
		"com.app.users.delete":   {"user": "c", "admin": "crhma", "asked": "?????"},
		"com.app.orders.delete":  {"admin": "crhma", "asked": "?????"},
		"com.app.orders.x.y":     {"user": "cr", "admin": "crhma", "asked": "?????"},
		"com.app.web.index":      {"user": "h", "admin": "crhma", "asked": "?????"},
		"com.app.ping":           {"user": "cr", "admin": "crhma", "asked": "c"},
		"com.app.no":             {"user": "cr", "admin": "crhma"},
		"wamp.registration.list": {"user": "m", "admin": "crhma", "asked": "?????"},
		"wamp.session.kill":      {"admin": "crhma", "asked": "?????"},
	} {
		for _, role := range []string{"user", "admin", "none", "asked", "unknown"} {
			got := ""
			rights := p.Rights(role)
			for a := auth.Call; a <= auth.Admin; a++ {
				d := rights.May(a, uri)
				switch {
				case d.Ask:
					got += "?"
				case d.Allowed:
					got += "crhma"[a : a+1]
				case !strings.Contains(d.Text, role):
					t.Errorf("%s, %s %s: the text is %q", role, a, uri, d.Text)
				}
			}
			if got != want[role] {
				t.Errorf("%s with %s may %q, want %q", role, uri, got, want[role])
			}
		}
	}
}

// TestPatternRegister authorizes whole patterns.
func TestPatternRegister(t *testing.T) {
	t.Parallel()
	rights := newPolicy(t, auth.Role{Name: "r", Rules: []auth.Rule{
		rule(prefix, "com.app.", auth.Register),
		rule(prefix, "com.app.secret.", auth.Call),
		rule(exact, "com.app.free.closed"),
		rule(wildcard, "org..log", auth.Register),
	}}).Rights("r")
	for _, tt := range []struct {
		match wamp.MatchPolicy
		uri   wamp.URI
		want  bool
	}{
		{exact, "com.app.x", true},
		{prefix, "com.app.free.", false},      // com.app.free.closed is forbidden
		{prefix, "com.app.free.open", true},   //
		{prefix, "com.app.", false},           // parts are forbidden
		{prefix, "com.app", false},            // more than the rule is for
		{prefix, "com.", false},               //
		{prefix, "", false},                   //
		{prefix, "com.app.sec", false},        // com.app.secret. begins so
		{prefix, "com.app.secret.x", false},   //
		{wildcard, "com.app.x.", true},        //
		{wildcard, "com.app..x", false},       // com.app.secret.x
		{wildcard, "com.app.free.", false},    // com.app.free.closed
		{wildcard, "com..x", false},           // com.other.x
		{wildcard, "org..log", true},          //
		{wildcard, "org.a.log", true},         // exact by another name
		{wildcard, "..log", false},            //
		{prefix, "org.a.log", false},          // org.a.logs
		{exact, "org.a.log", true},            //
		{wildcard, "com.app.free.open", true}, //
	} {
		if d := rights.MayAll(auth.Register, tt.match, tt.uri); d.Allowed != tt.want {
			t.Errorf("REGISTER of %s %q: %t, want %t", tt.match, tt.uri, d.Allowed, tt.want)
		}
	}
}

// uris are all URIs of up to three components over a small alphabet.
func uris() []string {
	parts := []string{"a", "b", "ab"}
	all := append([]string{}, parts...)
	for _, x := range parts {
		for _, y := range parts {
			all = append(all, x+"."+y)
			for _, z := range parts {
				all = append(all, x+"."+y+"."+z)
			}
		}
	}
	return all
}

func genPattern(t *rapid.T, label string) auth.Pattern {
	match := rapid.SampledFrom([]wamp.MatchPolicy{exact, prefix, wildcard}).Draw(t, label+" match")
	uri := rapid.StringMatching(`(a|b|ab)(\.(a|b|ab)){0,2}`).Draw(t, label)
	switch match {
	case prefix:
		uri = uri[:rapid.IntRange(0, len(uri)).Draw(t, label+" cut")]
	case wildcard:
		parts := strings.Split(uri, ".")
		for i := range parts {
			if rapid.Bool().Draw(t, label+" any") {
				parts[i] = ""
			}
		}
		uri = strings.Join(parts, ".")
	}
	return auth.NewPattern(match, uri)
}

// TestPatterns compares what is said of two patterns with what they match.
func TestPatterns(t *testing.T) {
	t.Parallel()
	all := uris()
	rapid.Check(t, func(t *rapid.T) {
		p, q := genPattern(t, "p"), genPattern(t, "q")
		both, all2 := false, true
		for _, uri := range all {
			mine, its := auth.Matches(p, uri), auth.Matches(q, uri)
			both = both || mine && its
			all2 = all2 && (mine || !its)
		}
		if auth.Covers(p, q) && !all2 {
			t.Fatalf("%v covers %v, but does not match all of it", p, q)
		}
		if both && !auth.Overlaps(p, q) {
			t.Fatalf("%v does not overlap %v, but they have URIs in common", p, q)
		}
		if auth.Overlaps(p, q) != auth.Overlaps(q, p) {
			t.Fatalf("whether %v and %v overlap depends on the order", p, q)
		}
		if !auth.Covers(p, p) || auth.Covers(p, q) && both != auth.Overlaps(p, q) && both {
			t.Fatalf("%v covers itself: %t", p, auth.Covers(p, p))
		}
	})
}

// TestBadRoles has roles that no policy takes.
func TestBadRoles(t *testing.T) {
	t.Parallel()
	for name, roles := range map[string][]auth.Role{
		"twice":          {{Name: "a"}, {Name: "a"}},
		"no name":        {{}},
		"bad URI":        {{Name: "a", Rules: []auth.Rule{rule(exact, "a b")}}},
		"empty URI":      {{Name: "a", Rules: []auth.Rule{rule(exact, "")}}},
		"empty wildcard": {{Name: "a", Rules: []auth.Rule{rule(wildcard, "")}}},
		"same rule":      {{Name: "a", Rules: []auth.Rule{rule(prefix, "x."), rule(exact, "x"), rule(prefix, "x.", auth.Call)}}},
		"short timeout":  {{Name: "a", Rules: []auth.Rule{{URI: "x", MaxTimeout: 1}}}},
		"negative":       {{Name: "a", Rules: []auth.Rule{{URI: "x", Rate: -1}}}},
	} {
		if _, err := auth.NewPolicy(roles); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestDecisionsAreBounded asks about more URIs than are kept.
func TestDecisionsAreBounded(t *testing.T) {
	t.Parallel()
	rights := policy(t).Rights("user")
	for i := range auth.MaxDecisions + 10 {
		rights.May(auth.Call, wamp.URI(fmt.Sprint("com.x", i)))
	}
	if got := rights.Kept(auth.Call); got > auth.MaxDecisions || got == 0 {
		t.Errorf("%d decisions are kept, want at most %d", got, auth.MaxDecisions)
	}
}

// TestDecisionIsFree makes a decision once more.
func TestDecisionIsFree(t *testing.T) { //nolint:paralleltest // AllocsPerRun wants to be alone
	rights := policy(t).Rights("user")
	rights.May(auth.Call, "com.x")
	if n := testing.AllocsPerRun(100, func() { rights.May(auth.Call, "com.x") }); n != 0 {
		t.Errorf("a decision that was made before allocates %v times", n)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	p := policy(t)
	for _, tt := range []struct {
		role   string
		action auth.Action
		uri    wamp.URI
		want   string
	}{
		{"user", auth.Call, "com.x", `yes: the rule of role "user" for prefix:com. allows call`},
		{"user", auth.Call, "com.app.x.delete", `no: the rule of role "user" for wildcard:com.app..delete allows nothing`},
		{"user", auth.Call, "org.x", `no: no rule of role "user" is for org.x`},
		{"asked", auth.Call, "org.x", `asked: no rule of role "asked" is for org.x, so com.auth decides`},
		{"guest", auth.Call, "org.x", `no: there is no role "guest"`},
	} {
		if got := p.Explain(tt.role, tt.action, tt.uri); got != tt.want {
			t.Errorf("Explain(%s, %s, %s) = %s, want %s", tt.role, tt.action, tt.uri, got, tt.want)
		}
	}
}

func TestRequestOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		m    wamp.Message
		want string
	}{
		{&wamp.Call{Procedure: "com.x"}, "call exact com.x"},
		{&wamp.Call{Procedure: "wamp.session.count"}, "meta exact wamp.session.count"},
		{&wamp.Call{Procedure: "wamp.session.kill_by_authid"}, "admin exact wamp.session.kill_by_authid"},
		{&wamp.Call{Procedure: "wamp.registration.remove_callee"}, "admin exact wamp.registration.remove_callee"},
		{&wamp.Call{Procedure: "gateway.describe"}, ""},
		{&wamp.Call{Procedure: "wamp"}, "admin exact wamp"},
		{&wamp.Register{Procedure: "com.", Options: wamp.RegisterOptions{Match: prefix}}, "register prefix com."},
		{&wamp.Register{Procedure: "com.x", Options: wamp.RegisterOptions{Custom: wamp.Dict{"_http": wamp.Dict{}}}}, "register_http exact com.x"},
		{&wamp.Subscribe{Topic: "wamp.session.", Match: prefix}, "meta prefix wamp.session."},
		{&wamp.Yield{}, ""},
		{&wamp.Cancel{}, ""},
	} {
		got := ""
		if q, ok := auth.RequestOf(tt.m); ok {
			got = fmt.Sprint(q.Action, " ", q.Match, " ", q.URI)
		}
		if got != tt.want {
			t.Errorf("RequestOf(%s) = %q, want %q", tt.m.Type(), got, tt.want)
		}
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	r := &auth.Rule{MaxTimeout: time.Second, TrustLevels: []string{"best_effort", "acknowledged"}, Disclose: auth.DiscloseYes}
	for in, want := range map[int64]int64{0: 1000, 10: 10, 1000: 1000, 2000: 1000} {
		o := wamp.CallOptions{Timeout: in}
		if reason, text := r.Limit(&o); reason != "" || o.Timeout != want || !o.DiscloseMe {
			t.Errorf("timeout %d became %d (%s %s), want %d", in, o.Timeout, reason, text, want)
		}
	}
	if reason, _ := r.Limit(&wamp.CallOptions{TrustLevel: "persistent"}); reason != wamp.ErrOptionNotAllowed {
		t.Errorf("trust level persistent: %q", reason)
	}
	if reason, _ := r.Limit(&wamp.CallOptions{TrustLevel: "acknowledged"}); reason != "" {
		t.Errorf("trust level acknowledged: %q", reason)
	}
	no := &auth.Rule{Disclose: auth.DiscloseNo}
	if reason, _ := no.Limit(&wamp.CallOptions{DiscloseMe: true}); reason != wamp.ErrOptionDisallowedMe {
		t.Errorf("disclose_me: %q", reason)
	}
	if reason, _ := no.Limit(&wamp.CallOptions{}); reason != "" {
		t.Errorf("no disclose_me: %q", reason)
	}
}

func TestParseAction(t *testing.T) {
	t.Parallel()
	for a := auth.Call; a <= auth.Admin; a++ {
		if got, err := auth.ParseAction(a.String()); err != nil || got != a {
			t.Errorf("ParseAction(%s) = %s, %v", a, got, err)
		}
	}
	if _, err := auth.ParseAction("publish"); err == nil {
		t.Error("publish is an action")
	}
}

func BenchmarkMay(b *testing.B) {
	rights := policy(b).Rights("user")
	b.ReportAllocs()
	for b.Loop() {
		rights.May(auth.Call, "com.app.users.get")
	}
}

// TestSees shows which registrations a role may know of.
func TestSees(t *testing.T) {
	t.Parallel()
	rights := policy(t).Rights("user")
	for uri, want := range map[wamp.URI]bool{"com.example": true, "com.app.users.list": true, "com.app.x.delete": false, "org.x": false, "wamp.registration.x": false} {
		if got := rights.Sees(uri); got != want {
			t.Errorf("Sees(%s) = %t, want %t", uri, got, want)
		}
	}
	if procedure, ttl := policy(t).Rights("asked").Authorizer(); procedure != "com.auth" || ttl != time.Minute {
		t.Errorf("Authorizer = %s, %v", procedure, ttl)
	}
	if d := rights.Decide(auth.Request{Action: auth.Call, URI: wamp.URI(strings.Repeat("x", 1000))}); d.Allowed || len(d.Text) > 250 {
		t.Errorf("a long URI: %+v", d)
	}
}
