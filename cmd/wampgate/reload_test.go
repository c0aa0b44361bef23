package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/authn"
)

// keysOf are SHA-256 sums that differ in a digit.
func keysOf(digits string) string {
	var list []string
	for _, d := range digits {
		list = append(list, strings.Repeat(string(d), 64))
	}
	return strings.Join(list, ", ")
}

// entranceOf reads a configuration.
func entranceOf(t *testing.T, config string, before *entrance) *entrance {
	t.Helper()
	path := writeFile(t, "wampgate.yaml", config)
	r, err := readAgain(&process{
		Args: []string{"serve", "-c", path},
		Env:  []string{"A=a-secret-of-the-test", "B=another-secret-of-the-test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := r.command.settings
	s.access, s.anonymous = r.sources.access, r.command.Anonymous
	e, err := (&node{settings: &s, log: slog.New(slog.DiscardHandler)}).newEntrance(&s, before)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// keptConfig lets somebody in in every way.
var keptConfig = `anonymous: true
auth:
  dynamic: {procedure: com.example.a}
  jwt: [{issuer: https://one.example, audience: a}, {issuer: https://two.example, audience: a}]
  certificates: [{name: "dns:a.example", role: user}]
  http: {procedure: com.example.h}
roles: {user: {}, other: {}, anonymous: {}}
principals:
  ada:
    role: user
    ticket: {env: A}
    wampcra: {env: A}
    cryptosign: [` + keysOf("12") + `]
    certificates: [` + keysOf("12") + `]
    api-keys: [` + keysOf("12") + `]
    signing-key: {name: k, secret: {env: A}}
`

// TestKeeps: a session stays if, and only if, what let it in still does.
func TestKeeps(t *testing.T) {
	t.Parallel()
	all := map[string]wamp.Identity{}
	for _, method := range []string{
		auth.Ticket, auth.CRA, auth.Cryptosign, auth.TLS, authn.MethodBasic, authn.MethodAPIKey, authn.MethodSigned, auth.SCRAM,
	} {
		all[method] = wamp.Identity{Authid: "ada", Authrole: "user", Authmethod: method, Authprovider: auth.Static}
	}
	all["anonymous"] = wamp.Identity{Authid: "anonymous", Authrole: "anonymous", Authmethod: auth.Anonymous, Authprovider: auth.Static}
	all["dynamic"] = wamp.Identity{Authid: "zoe", Authrole: "user", Authmethod: auth.Ticket, Authprovider: "dynamic"}
	all["dynamic-http"] = wamp.Identity{Authid: "zoe", Authrole: "user", Authmethod: authn.MethodDynamic, Authprovider: auth.Static}
	all["jwt"] = wamp.Identity{Authid: "zoe", Authrole: "user", Authmethod: authn.MethodJWT, Authprovider: "https://one.example"}
	all["rule"] = wamp.Identity{Authid: "zoe", Authrole: "user", Authmethod: authn.MethodCertificate}
	adas := "api-key basic cryptosign signed ticket tls wamp-scram wampcra"
	before := entranceOf(t, keptConfig, nil)
	for name, tt := range map[string]struct{ old, new, gone string }{
		"nothing":              {"", "", ""},
		"anonymous":            {"anonymous: true", "anonymous: false", "anonymous"},
		"anonymous role":       {"auth:\n", "auth:\n  anonymous-role: other\n", "anonymous"},
		"role of a principal":  {"role: user\n", "role: other\n", adas},
		"name of a principal":  {"  ada:", "  adam:", adas},
		"realms":               {"role: user\n", "role: user\n    realms: [realm1]\n", ""},
		"ticket":               {"ticket: {env: A}", "ticket: {env: B}", "basic ticket"},
		"secret":               {"wampcra: {env: A}", "wampcra: {env: B}", "wampcra"},
		"new keys":             {keysOf("12"), keysOf("123"), ""},
		"other keys":           {keysOf("12"), keysOf("2"), "api-key cryptosign tls"},
		"signing key":          {"secret: {env: A}", "secret: {env: B}", "signed"},
		"dynamic":              {"com.example.a", "com.example.b", "dynamic"},
		"dynamic over http":    {"com.example.h", "com.example.i", "dynamic-http"},
		"issuer":               {"one.example", "three.example", "jwt"},
		"issuer's audience":    {"audience: a}, ", "audience: b}, ", "jwt"},
		"other issuer":         {"two.example", "three.example", ""},
		"rule of certificates": {"a.example\"", "b.example\"", "rule"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(keptConfig, tt.old) {
				t.Fatalf("no %q to replace", tt.old)
			}
			now := entranceOf(t, strings.ReplaceAll(keptConfig, tt.old, tt.new), before)
			var gone []string
			for what, who := range all {
				if !now.keeps(before.rights, "realm1", who) {
					gone = append(gone, what)
				}
				if !now.keeps(nil, "realm1", who) && !slices.Contains(strings.Fields(tt.gone), what) {
					t.Errorf("%s does not come in", what)
				}
			}
			slices.Sort(gone)
			if want := strings.Fields(tt.gone); !slices.Equal(gone, want) {
				t.Errorf("gone are %q, want %q", gone, want)
			}
		})
	}
	none := entranceOf(t, strings.Replace(keptConfig, "other: {}", "new: {}", 1), before)
	if none.keeps(before.rights, "realm1", wamp.Identity{Authid: "zoe", Authrole: "other", Authmethod: authn.MethodJWT, Authprovider: "https://two.example"}) {
		t.Error("who has a role that is no more stays")
	}
	if other := entranceOf(t, strings.Replace(keptConfig, "role: user\n", "role: user\n    realms: [realm1]\n", 1), before); other.keeps(before.rights, "realm2", all["ticket"]) {
		t.Error("a principal stays in a realm that is not his")
	}
	if none.access.http.tokens != before.access.http.tokens || none.access.seed != before.access.seed {
		t.Error("the keys of issuers, or the seed, did not outlive the reload")
	}
	if !none.keeps(&router.Access{}, "realm1", all["jwt"]) {
		t.Error("an Access from elsewhere counts")
	}
}

// TestNeedRestart names the settings that a reload leaves as they are.
func TestNeedRestart(t *testing.T) {
	t.Parallel()
	values := func(config string) map[string]any {
		r, err := readAgain(&process{Args: []string{"serve", "-c", writeFile(t, "wampgate.yaml", config)}})
		if err != nil {
			t.Fatal(err)
		}
		return r.values
	}
	running := values("anonymous: true\n")
	if got := needRestart(running, values("anonymous: true\nrate: 7\nburst: 8\nlog-level: warn\n")); got != nil {
		t.Errorf("%q, want none", got)
	}
	got := needRestart(running, values("anonymous: true\nrealm: [a]\nmax-body: 1MiB\nlisten: 127.0.0.1:1\n"))
	if want := []string{"listen", "max-body", "realm"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	got = needRestart(running, values("anonymous: true\ndisclose: never\ndisclose-for: [com.example.p=never]\ntrustlevel: [com.example.p=1]\nmax-sessions-each: 5\n"))
	if want := []string{"disclose", "disclose-for", "max-sessions-each", "trustlevel"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestReadAgainFaults: what cannot be used is told with its place, as at the
// start, and nothing is printed.
func TestReadAgainFaults(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		"lisen: x\n":                 `FILE:1: unknown setting "lisen"`,
		"anonymous: true\nlisten: x": `FILE:2: listen: "x" is not HOST:PORT`,
		"roles: [":                   "FILE:1: ",
		"":                           "nobody may call anything",
		"anonymous: true\nroles: {a: {}}\nprincipals: {ada: {role: b}}\n": `there is no role`,
	} {
		path := writeFile(t, "wampgate.yaml", config)
		_, err := readAgain(&process{Args: []string{"serve", "-c", path}})
		if err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(want, "FILE", path)) {
			t.Errorf("%q: %v, want %s", config, err, want)
		}
	}
}

// TestSettled: a file that is being written is left alone until two looks see
// the same.
func TestSettled(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "wampgate.yaml", "anonymous: true\n")
	r := &reloader{files: []string{path}, seen: stampOf([]string{path})}
	write := func(n int) {
		if err := os.WriteFile(path, []byte(fmt.Sprintf("anonymous: true\n#%*d\n", n, n)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i, step := range []struct{ size, looks int }{{0, 1}, {3, 1}, {4, 1}, {5, 2}} {
		if step.size > 0 {
			write(step.size)
		}
		for look := 1; look <= step.looks; look++ {
			if got := r.changed(); got != (look == 2) {
				t.Errorf("step %d, look %d: changed %t", i, look, got)
			}
		}
	}
	if err := os.Remove(path); err != nil || r.changed() || !r.changed() {
		t.Errorf("a file that is gone (%v) has not changed", err)
	}
}

// TestNoRolesWhereSomeWere takes a restart.
func TestNoRolesWhereSomeWere(t *testing.T) {
	t.Parallel()
	e := entranceOf(t, keptConfig, nil)
	n := &node{settings: &settings{access: e.access}, entrance: e, log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	r, err := readAgain(&process{Args: []string{"serve", "-c", writeFile(t, "wampgate.yaml", "anonymous: true\n")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.reload(context.Background(), r); err == nil || !strings.Contains(err.Error(), "takes a restart") || n.entrance != e {
		t.Errorf("reload = %v", err)
	}
}
