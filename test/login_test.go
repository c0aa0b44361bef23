package test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/auth"
)

// The secrets that nobody may find in the log. The seed is a vector's: its
// public key is below.
const (
	loginPassword = "planted-7f3a"
	loginSeed     = "4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510"
	wrongSecret   = "planted-wrong-91bc"
	wrongSeed     = "0000000000000000000000000000000000000000000000000000000000000001"
)

// loginConfig lets ada do everything, with every method, and bob little. %s is
// ada's SCRAM verifier.
const loginConfig = `
rate: 0
log-level: debug
roles:
  admin:
    permissions:
      - {uri: "", match: prefix, allow: [call, register, register_http, meta, admin]}
  user:
    permissions:
      - {uri: test.open., match: prefix, allow: call}
      - {uri: test.mine., match: prefix, allow: register}
principals:
  ada:
    role: admin
    ticket: {env: ADA_PASSWORD}
    wampcra: {env: ADA_PASSWORD}
    scram: %s
    cryptosign: 1adfc8bfe1d35616e64dffbd900096f23b066f914c8c2ffbb66f6075b96e116d
  bob:
    role: user
    ticket: {env: ADA_PASSWORD}
    wampcra-key: {key: {env: BOB_KEY}, salt: salt123, iterations: 1000, keylen: 32}
`

// guarded starts a gateway with loginConfig. What it prints holds no secret.
func guarded(t *testing.T) *gateway {
	t.Helper()
	verifier, err := auth.NewSCRAMVerifier(loginPassword, true, []byte("0123456789abcdef"), 2, 1024)
	if err != nil {
		t.Fatal(err)
	}
	key, err := auth.DeriveCRAKey(loginPassword, "salt123", 1000, 32)
	if err != nil {
		t.Fatal(err)
	}
	g := serve(t, fmt.Sprintf(loginConfig, verifier), []string{"ADA_PASSWORD=" + loginPassword, "BOB_KEY=" + key})
	t.Cleanup(func() {
		for _, line := range g.lines.all() {
			for _, secret := range []string{loginPassword, wrongSecret, key, verifier.String()} {
				if strings.Contains(line, secret) {
					t.Errorf("a secret is in the log: %s", line)
				}
			}
		}
	})
	return g
}

// loginMethods are those that a library has.
func loginMethods(library string) []string {
	if library == "autobahn-python" {
		return []string{"ticket", "wampcra", "cryptosign", "scram"}
	}
	return []string{"ticket", "wampcra", "cryptosign"}
}

// secrets returns a right and a wrong secret for a method.
func secrets(method string) (right, wrong string) {
	if method == "cryptosign" {
		return loginSeed, wrongSeed
	}
	return loginPassword, wrongSecret
}

// TestLogin has every client log in with every method that it knows, and be
// refused with a wrong secret, in a wrong realm and for a name that nobody has.
func TestLogin(t *testing.T) {
	t.Parallel()
	all := []string{"wampy", "autobahn", "autobahn-python"}
	fetchClients(t, all...)
	for _, library := range all {
		t.Run(library, func(t *testing.T) {
			t.Parallel()
			ctx, g := within(t, 2*patience), guarded(t) // one for each, or so many wrong secrets would lock them out
			c := startClient(t, library, "json")
			for _, method := range loginMethods(library) {
				login(ctx, t, g, c, method)
			}
		})
	}
}

func login(ctx context.Context, t *testing.T, g *gateway, c *client, method string) {
	t.Helper()
	right, wrong := secrets(method)
	const denied = "wamp.error.authentication_denied"
	for _, tt := range []struct{ authid, secret, realm, want, log string }{
		{"ada", right, "realm1", "", "outcome=accepted"},
		{"ada", wrong, "realm1", denied, "outcome=denied"},
		{"zoe", right, "realm1", denied, "no such principal"},
		{"ada", right, "realm2", "wamp.error.no_such_realm", "there is no realm"},
	} {
		printed, from := g.lines.len(), c.events.len()
		id := c.begin(t, "join", command{
			"url": g.ws(), "realm": tt.realm, "serializer": "json",
			"auth": command{"method": method, "authid": tt.authid, "secret": tt.secret},
		})
		out, failed := c.end(ctx, t, id)
		if failed != (tt.want != "") || failed && refusedWith(out, c, from) != tt.want {
			t.Errorf("%s as %s in %s: %+v (failed %t), want %q", method, tt.authid, tt.realm, out, failed, tt.want)
		}
		g.wantLog(ctx, t, printed, "msg=authentication", tt.log, "realm="+tt.realm, "authid="+tt.authid, "peer=127.0.0.1")
		if failed {
			continue
		}
		if out.Details["authid"] != "ada" || out.Details["authrole"] != "admin" {
			t.Errorf("%s: WELCOME %v", method, out.Details)
		}
		c.must(ctx, t, "leave", nil)
	}
}

// refusedWith returns the reason of the ABORT. wampy tells it in an event alone,
// which comes after index from.
func refusedWith(out outcome, c *client, from int) string {
	if out.URI != "" {
		return out.URI
	}
	for _, e := range c.events.all()[from:] {
		if e.Event == "error" && e.URI != "" {
			return e.URI
		}
	}
	return ""
}

// TestLoginSalted has clients log in with a secret that is salted, and do what
// their role may do and no more.
func TestLoginSalted(t *testing.T) {
	t.Parallel()
	all := []string{"wampy", "autobahn", "autobahn-python"}
	fetchClients(t, all...)
	ctx, g := within(t, 2*patience), guarded(t)
	admin := startClient(t, "wampy", "msgpack")
	admin.join(ctx, t, g, command{"auth": command{"method": "ticket", "authid": "ada", "secret": loginPassword, "role": "admin"}})
	for _, uri := range []string{"test.open.echo", "test.closed.echo"} {
		admin.must(ctx, t, "register", command{"uri": uri, "kind": "echo"})
	}
	for _, library := range all {
		t.Run(library, func(t *testing.T) {
			t.Parallel()
			const refused = "wamp.error.not_authorized"
			ctx, c := within(t, 2*patience), startClient(t, library, "cbor")
			c.join(ctx, t, g, command{"auth": command{"method": "wampcra", "authid": "bob", "secret": loginPassword}})
			if got := c.must(ctx, t, "call", command{"uri": "test.open.echo", "args": []any{"a"}}); !reflect.DeepEqual(got.Args, []any{"a"}) {
				t.Errorf("echo = %v", got.Args)
			}
			c.mustFail(ctx, t, refused, "call", command{"uri": "test.closed.echo"})
			c.mustFail(ctx, t, refused, "call", command{"uri": "wamp.session.list"})
			c.mustFail(ctx, t, refused, "register", command{"uri": "test.open." + library, "kind": "echo"})
			c.must(ctx, t, "register", command{"uri": "test.mine." + strings.ReplaceAll(library, "-", "_"), "kind": "echo"})
		})
	}
}

// TestProceduresDecide has procedures of a real client decide who comes in, and
// what they may do.
func TestProceduresDecide(t *testing.T) {
	t.Parallel()
	fetchClients(t, "wampy", "autobahn")
	const dynamic = `
auth:
  dynamic: {procedure: test.authenticate, methods: [ticket, wampcra]}
roles:
  admin: {permissions: [{uri: "", match: prefix, allow: [call, register]}]}
  user: {authorizer: test.authorize, authorizer-ttl: 1m}
principals:
  ada: {role: admin, ticket: {env: ADA_PASSWORD}}
`
	ctx, g := within(t, 2*patience), serve(t, dynamic, []string{"ADA_PASSWORD=" + loginPassword})
	admin := startClient(t, "autobahn", "msgpack")
	admin.join(ctx, t, g, command{"auth": command{"method": "ticket", "authid": "ada", "secret": loginPassword}})
	zoe := command{"auth": command{"method": "wampcra", "authid": "zoe", "secret": loginPassword}}

	early := startClient(t, "wampy", "json")
	id := early.begin(t, "join", command{"url": g.ws(), "realm": "realm1", "serializer": "json", "auth": zoe["auth"]})
	if out, failed := early.end(ctx, t, id); !failed || refusedWith(out, early, 0) != "wamp.error.authentication_failed" {
		t.Errorf("login that nobody decides about: %+v (failed %t)", out, failed)
	}

	admin.must(ctx, t, "register", command{"uri": "test.authenticate", "kind": "constant", "value": command{"role": "user", "secret": loginPassword}})
	admin.must(ctx, t, "register", command{"uri": "test.echo", "kind": "echo"})
	c := startClient(t, "wampy", "cbor")
	if got := c.join(ctx, t, g, zoe); got.Details["authrole"] != "user" || got.Details["authprovider"] != "dynamic" {
		t.Errorf("WELCOME %v", got.Details)
	}
	c.mustFail(ctx, t, "wamp.error.authorization_failed", "call", command{"uri": "test.echo"})
	admin.must(ctx, t, "register", command{"uri": "test.authorize", "kind": "constant", "value": true})
	if got := c.must(ctx, t, "call", command{"uri": "test.echo", "args": []any{"a"}}); !reflect.DeepEqual(got.Args, []any{"a"}) {
		t.Errorf("echo = %v", got.Args)
	}
	admin.must(ctx, t, "unregister", command{"uri": "test.authorize"})
	c.must(ctx, t, "call", command{"uri": "test.echo"}) // the answer holds for a minute
	for _, line := range g.lines.all() {
		if strings.Contains(line, loginPassword) {
			t.Errorf("a secret is in the log: %s", line)
		}
	}
}
