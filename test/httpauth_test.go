package test

import (
	"context"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/authn"
)

// A keeper is a gateway that knows four principals, each with credentials of another
// kind, and lets in nobody else.
type keeper struct {
	*gateway
	authority *authority
	dir       string
	signer    *ecdsa.PrivateKey // of tokens
	password  string            // joe's
	key       string            // robot's
	secret    string            // the callee's
}

const keeperConfig = `disclose: always
rate: 0
auth:
  jwt:
    - issuer: https://id.example.com
      keys: keys.json
      audience: [wampgate]
      algorithms: [ES256]
      roles: {staff: user}
  certificates:
    - {name: "uri:spiffe://example.com/*", role: user}
  http: {procedure: gateway.authenticate, headers: [X-Session]}
roles:
  user:
    permissions:
      - {uri: test.who, allow: [call]}
  service:
    permissions:
      - {uri: test., match: prefix, allow: [register, call]}
      - {uri: gateway.authenticate, allow: [register]}
principals:
  joe: {role: user, ticket-hash: %q}
  signer: {role: user, signing-key: {name: app1, secret: {file: secret}}}
  robot: {role: user, api-keys: [%q]}
  callee: {role: service, ticket: {file: secret}}
`

// startKeeper starts a keeper with a callee that tells who called.
func startKeeper(t *testing.T, args ...string) *keeper {
	t.Helper()
	g := &keeper{authority: newAuthority(t), dir: t.TempDir(), signer: newKey(t), password: "pass: wörd", secret: "callees-secret-ticket"}
	salted, err := auth.HashPassword(g.password, false, []byte("salt of the test"))
	if err != nil {
		t.Fatal(err)
	}
	var kept authn.Fingerprint
	g.key, kept = authn.NewAPIKey()
	g.write(t, "keys.json", publicKeys(t, g.signer))
	g.write(t, "secret", g.secret)
	config := g.write(t, "wampgate.yaml", fmt.Sprintf(keeperConfig, salted.String(), "sha256:"+hex.EncodeToString(kept[:])))
	cert, key := g.authority.issue(t, g.dir, 1, "server")
	args = append([]string{"--tls-cert=" + cert, "--tls-key=" + key, "--tls-client-ca=" + g.authority.path}, args...)
	g.gateway = startCommand(t, nil, []string{"serve", "-c", config}, args...)
	g.trust = g.authority.client(t)
	g.serveWho(t)
	return g
}

func (g *keeper) write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(g.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// publicKeys returns a JSON Web Key Set.
func publicKeys(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":%q,"y":%q}]}`, b64(point[1:33]), b64(point[33:]))
}

// token returns a JWT of ada's that is good for a while.
func (g *keeper) token(t *testing.T, valid time.Duration) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": "https://id.example.com", "aud": "wampgate", "sub": "ada", "role": "staff", "exp": time.Now().Add(valid).Unix(),
	})
	token.Header["kid"] = "1"
	text, err := token.SignedString(g.signer)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// login joins over WebSocket with a ticket.
func (g *keeper) login(ctx context.Context, t *testing.T, authid, ticket string) (*transport.Conn, wamp.Message) {
	t.Helper()
	c, err := transport.Dial(ctx, g.ws(), wamp.JSON, &transport.DialOptions{HTTPClient: g.trust})
	if err != nil {
		t.Fatal(err)
	}
	role := wamp.Dict{"features": wamp.Dict{}}
	details := wamp.Dict{"roles": wamp.Dict{"caller": role, "callee": role}, "authmethods": []any{"ticket"}, "authid": authid}
	var m wamp.Message
	if err := c.Send(&wamp.Hello{Realm: "realm1", Details: details}); err != nil {
		t.Fatal(err)
	}
	if m, err = c.Receive(ctx); err != nil || m.Type() != wamp.TypeChallenge {
		t.Fatalf("got %v, %v; want CHALLENGE", m, err)
	}
	if err := c.Send(&wamp.Authenticate{Signature: ticket}); err != nil {
		t.Fatal(err)
	}
	if m, err = c.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	return c, m
}

// tellWho answers with who called.
func tellWho(inv *wamp.Invocation) wamp.Message {
	who, _ := json.Marshal([]string{inv.Details.CallerAuthid + " " + inv.Details.CallerAuthrole})
	return &wamp.Yield{Request: inv.Request, Payload: wamp.Payload{Serializer: wamp.JSON, Args: who}}
}

// tellSession answers who belongs to the session that a request names.
func tellSession(inv *wamp.Invocation) wamp.Message {
	args := string(inv.Payload.Args)
	known := strings.Contains(args, `"X-Session":"known"`) && strings.Contains(args, `"path":"/call/test.who"`) &&
		strings.Contains(args, `"client":"127.0.0.1"`) && strings.Contains(args, `"method":"POST"`) && strings.HasPrefix(args, `["realm1",`)
	if !known {
		return &wamp.Error{RequestType: wamp.TypeInvocation, Request: inv.Request, Error: "com.example.no_session"}
	}
	answer := []byte(`[{"authid":"mallory","authrole":"user","ttl":60}]`)
	return &wamp.Yield{Request: inv.Request, Payload: wamp.Payload{Serializer: wamp.JSON, Args: answer}}
}

// serveWho registers test.who and test.secret, which tell who called, and
// gateway.authenticate.
func (g *keeper) serveWho(t *testing.T) {
	t.Helper()
	c, welcome := g.login(soon(t), t, "callee", g.secret)
	if welcome.Type() != wamp.TypeWelcome {
		t.Fatalf("the callee got %v", welcome.Type())
	}
	answers := map[wamp.ID]func(*wamp.Invocation) wamp.Message{}
	for uri, answer := range map[wamp.URI]func(*wamp.Invocation) wamp.Message{
		"test.who": tellWho, "test.secret": tellWho, "gateway.authenticate": tellSession,
	} {
		if err := c.Send(&wamp.Register{Request: wamp.ID(len(answers) + 1), Procedure: uri}); err != nil {
			t.Fatal(err)
		}
		m, err := c.Receive(soon(t))
		registered, ok := m.(*wamp.Registered)
		if err != nil || !ok {
			t.Fatalf("got %v, %v; want REGISTERED", m, err)
		}
		answers[registered.Registration] = answer
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			m, err := c.Receive(context.Background())
			if err != nil {
				return
			}
			inv, ok := m.(*wamp.Invocation)
			if ok && c.Send(answers[inv.Registration](inv)) != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { _ = c.Close(); <-done })
}

// TestHTTPCredentials sends credentials of each kind as people do it, with curl.
func TestHTTPCredentials(t *testing.T) {
	t.Parallel()
	g := startKeeper(t)
	cert, key := g.authority.issue(t, g.dir, 7, "billing", "spiffe://example.com/billing")
	strange, strangeKey := newAuthority(t).issue(t, t.TempDir(), 8, "billing", "spiffe://example.com/billing")
	bearer := func(token string) []string { return []string{"-H", "Authorization: Bearer " + token} }
	other, _ := authn.NewAPIKey()
	good, expired := g.token(t, time.Minute), g.token(t, -time.Minute)
	confused := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": "https://id.example.com", "sub": "ada"})
	hs256, err := confused.SignedString([]byte(publicKeys(t, g.signer)))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		args   []string
		status int
		want   string // in the body
		reason string // in the log
	}{
		{"nothing", nil, 401, "authentication_required", "no_credentials"},
		{"Basic", []string{"-u", "joe:" + g.password}, 200, `"joe user"`, ""},
		{"wrong password", []string{"-u", "joe:guess"}, 401, "authentication_denied", "wrong_secret"},
		{"unknown name", []string{"-u", "jim:" + g.password}, 401, "authentication_denied", "wrong_secret"},
		{"API key", []string{"-H", "X-API-Key: " + g.key}, 200, `"robot user"`, ""},
		{"API key as bearer", bearer(g.key), 200, `"robot user"`, ""},
		{"another API key", bearer(other), 401, "the API key is not valid", "wrong_secret"},
		{"JWT", bearer(good), 200, `"ada user"`, ""},
		{"expired JWT", bearer(expired), 401, "the token expired", "expired"},
		{"changed JWT", bearer(strings.Replace(good, ".", ".AA", 1)), 401, "authentication_denied", "malformed"},
		{"algorithm confusion", bearer(hs256), 401, "not signed with the algorithm", "wrong_algorithm"},
		{"certificate", []string{"--cert", cert, "--key", key}, 200, `"spiffe://example.com/billing user"`, ""},
		{"session", []string{"-H", "X-Session: known"}, 200, `"mallory user"`, ""},
		{"unknown session", []string{"-H", "X-Session: forged"}, 401, "does not know these credentials", "denied"},
		{"token in the URL", []string{"--url-query", "access_token=" + good}, 400, "do not belong into a URL", "token_in_query"},
		{"two at once", append(bearer(good), "-H", "X-API-Key: "+g.key), 400, "in one way", "several_methods"},
	} {
		from := g.lines.len()
		args := append([]string{"--cacert", g.authority.path, "-w", "%{http_code}", "-X", "POST"}, test.args...)
		got := curlOnce(t, append(args, g.url("/call/test.who"))...)
		if !strings.HasSuffix(got, fmt.Sprint(test.status)) || !strings.Contains(got, test.want) {
			t.Errorf("%s: %s, want %d with %s", test.name, got, test.status, test.want)
		}
		if test.reason != "" {
			g.wantLog(soon(t), t, from, "credentials refused", "reason="+test.reason)
		}
	}
	// A certificate of an authority that is not trusted ends the handshake.
	_, err = fetchWith(strange, strangeKey, g)
	if err == nil {
		t.Error("a certificate of an unknown authority was taken")
	}
	g.wantSigned(t)
	challenge := curlOnce(t, "--cacert", g.authority.path, "-i", "--http1.1", "-X", "POST", g.url("/call/test.who"))
	for _, want := range []string{`Www-Authenticate: Bearer realm="realm1"`, `Www-Authenticate: Basic realm="realm1", charset="UTF-8"`} {
		if !strings.Contains(challenge, want) {
			t.Errorf("the refusal lacks %q:\n%s", want, challenge)
		}
	}
	forbidden := curlOnce(t, "--cacert", g.authority.path, "-w", "%{http_code}", "-X", "POST", "-u", "joe:"+g.password, g.url("/call/test.secret"))
	if !strings.HasSuffix(forbidden, "403") {
		t.Errorf("a call that joe has no permission for: %s", forbidden)
	}
	g.wantNoSecrets(t, g.password, g.key, g.secret, good, expired, other[12:], base64.StdEncoding.EncodeToString([]byte("joe:"+g.password)))
}

// wantSigned makes a signed request, twice.
func (g *keeper) wantSigned(t *testing.T) {
	t.Helper()
	const body = `{"procedure":"test.who"}`
	stamp := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	mac := hmac.New(sha256.New, []byte(g.secret))
	_, _ = mac.Write([]byte("app1" + stamp + "1" + "4711" + body))
	query := url.Values{
		"key": {"app1"}, "timestamp": {stamp}, "seq": {"1"}, "nonce": {"4711"}, "signature": {base64.URLEncoding.EncodeToString(mac.Sum(nil))},
	}
	for _, want := range []string{`{"args":["signer user"],"kwargs":{}}` + "\n200", "the signature was used before"} {
		got := curlOnce(t, "--cacert", g.authority.path, "-w", "%{http_code}", "--json", body, g.url("/call?"+query.Encode()))
		if !strings.Contains(got, want) {
			t.Errorf("a signed request: %s, want %s", got, want)
		}
	}
}

// fetchWith makes a request with a client certificate.
func fetchWith(cert, key string, g *keeper) (*http.Response, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	transport := g.trust.Transport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	transport.TLSClientConfig.Certificates = []tls.Certificate{pair}
	resp, err := (&http.Client{Transport: transport}).Get(g.url("/healthz"))
	if err == nil {
		_ = resp.Body.Close()
	}
	return resp, err
}

// wantNoSecrets looks for secrets in all that the gateway printed.
func (g *keeper) wantNoSecrets(t *testing.T, secrets ...string) {
	t.Helper()
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	for _, line := range g.lines.all() {
		for _, s := range secrets {
			if strings.Contains(line, s) {
				t.Errorf("a secret was logged: %s", line)
			}
		}
	}
}

// TestSamePrincipal: a token makes the same principal over WebSocket and HTTP,
// and one that was changed makes none.
func TestSamePrincipal(t *testing.T) {
	t.Parallel()
	g := startKeeper(t)
	ctx := soon(t)
	c, m := g.login(ctx, t, "ada", g.token(t, time.Minute))
	defer func() { _ = c.Close() }()
	welcome, ok := m.(*wamp.Welcome)
	if !ok {
		t.Fatalf("got %v, want WELCOME", m.Type())
	}
	authid, _ := welcome.Details.String("authid")
	authrole, _ := welcome.Details.String("authrole")
	if authid != "ada" || authrole != "user" {
		t.Errorf("ada is %s with role %s", authid, authrole)
	}
	for _, bad := range []string{g.token(t, -time.Minute), strings.Replace(g.token(t, time.Minute), ".", ".AA", 1)} {
		refused, m := g.login(ctx, t, "ada", bad)
		if abort, ok := m.(*wamp.Abort); !ok || abort.Reason != wamp.ErrAuthenticationDenied {
			t.Errorf("a bad token got %v, want ABORT", m.Type())
		}
		_ = refused.Close()
	}
}

// TestRateLimitOverHTTP calls more often than a principal may.
func TestRateLimitOverHTTP(t *testing.T) {
	t.Parallel()
	g := startKeeper(t, "--rate=0.01", "--burst=2")
	statuses := ""
	for range 3 {
		statuses += curlOnce(t, "--cacert", g.authority.path, "-w", "%{http_code} ", "-o", os.DevNull, "-X", "POST", "-H", "X-API-Key: "+g.key, g.url("/call/test.who"))
	}
	if statuses != "200 200 429 " {
		t.Errorf("three calls with a burst of two: %s", statuses)
	}
	got := curlOnce(t, "--cacert", g.authority.path, "-i", "--http1.1", "-X", "POST", "-H", "X-API-Key: "+g.key, g.url("/call/test.who"))
	for _, want := range []string{"Retry-After: ", `Ratelimit-Policy: "call";q=2;w=200`, `Ratelimit: "call";r=0;t=`, "quota-exceeded"} {
		if !strings.Contains(got, want) {
			t.Errorf("the answer lacks %q:\n%s", want, got)
		}
	}
	if got := curlOnce(t, "--cacert", g.authority.path, "-w", "%{http_code}", "-X", "POST", "-u", "joe:"+g.password, g.url("/call/test.who")); !strings.HasSuffix(got, "200") {
		t.Errorf("another principal: %s", got)
	}
}
