package test

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/authn"
)

// A permission is one of a role, in the words of the configuration file and as
// an expression that says the same of URIs.
type permission struct {
	role, match, uri string
	set              string // regular expression
	allow            string // actions with a blank behind each
}

// permissions are those of all roles, of each role the one first that goes
// before the others. Role idle has none.
func permissions() []permission {
	const everything = "call register register_http meta admin "
	return []permission{
		{"guest", "exact", "com.public", `^com\.public$`, "call "},
		{"user", "exact", "com.app.users.delete", `^com\.app\.users\.delete$`, "call "},
		{"user", "wildcard", "com.app..delete", `^com\.app\.[^.]+\.delete$`, ""},
		{"user", "prefix", "wamp.registration.", `^wamp\.registration\.`, "meta "},
		{"user", "prefix", "com.app.", `^com\.app\.`, "call register "},
		{"user", "prefix", "com.web.", `^com\.web\.`, "call register_http "},
		{"operator", "exact", "com.app.vault", `^com\.app\.vault$`, ""},
		{"operator", "prefix", "", `^`, everything},
	}
}

// A wish is something to ask for: an action with the URIs of a pattern.
type wish struct{ action, match, uri string }

// wishes are every action with every URI and every pattern.
func wishes() []wish {
	all := []wish{
		{"meta", "exact", "wamp.session.count"},
		{"meta", "exact", "wamp.session.get"},
		{"meta", "exact", "wamp.registration.list"},
		{"meta", "exact", "wamp.registration.get"},
		{"admin", "exact", "wamp.session.kill"},
		{"admin", "exact", "wamp.registration.remove_callee"},
		{"admin", "exact", "wamp.nothing"},
		{"subscribe", "exact", "wamp.session.on_join"},
		{"subscribe", "exact", "wamp.registration.on_create"},
		{"subscribe", "prefix", "wamp.registration."},
	}
	for _, uri := range []string{"com.public", "com.app.list", "com.app.users.delete", "com.app.orders.delete", "com.app.vault", "com.web.index", "com.appx", "org"} {
		all = append(all, wish{"call", "exact", uri}, wish{"register", "exact", uri}, wish{"register_http", "exact", uri})
	}
	for _, action := range []string{"register", "register_http"} {
		for _, uri := range []string{"com.app.", "com.app.users.", "com.app.lists", "com.web.", "com.we", "com", "org"} {
			all = append(all, wish{action, "prefix", uri})
		}
		for _, uri := range []string{"com.app..delete", "com.app..get", "com..index", "com.web.", "com.app.users.", "..get"} {
			all = append(all, wish{action, "wildcard", uri})
		}
	}
	return all
}

// contains reports whether the pattern has a URI.
func (c wish) contains(uri string) bool {
	switch c.match {
	case "prefix":
		return strings.HasPrefix(uri, c.uri)
	case "wildcard":
		want, have := strings.Split(c.uri, "."), strings.Split(uri, ".")
		for i := range min(len(want), len(have)) {
			if want[i] != "" && want[i] != have[i] {
				return false
			}
		}
		return len(want) == len(have)
	}
	return c.uri == uri
}

// An oracle knows what roles may do by going through URIs one by one.
type oracle struct {
	universe []string
	sets     []*regexp.Regexp // of the permissions
}

// newOracle makes up URIs of at most four components, and more than the
// patterns of the wishes name.
func newOracle() *oracle {
	o := &oracle{}
	words := []string{"com", "org", "wamp", "app", "appx", "web", "public", "vault", "users", "lists", "index", "delete", "get", "registration", "x"}
	last := []string{""}
	for range 4 {
		var longer []string
		for _, begin := range last {
			for _, word := range words {
				longer = append(longer, strings.TrimPrefix(begin+"."+word, "."))
			}
		}
		o.universe, last = append(o.universe, longer...), longer
	}
	for _, p := range permissions() {
		o.sets = append(o.sets, regexp.MustCompile(p.set))
	}
	return o
}

// may reports whether a role may do what a wish is, with all of its URIs.
func (o *oracle) may(role string, c wish) bool {
	action := strings.Replace(c.action, "subscribe", "meta", 1)
	if c.match == "exact" {
		return o.mayOne(role, action, c.uri)
	}
	for _, uri := range o.universe {
		if c.contains(uri) && !o.mayOne(role, action, uri) {
			return false
		}
	}
	return true
}

func (o *oracle) mayOne(role, action, uri string) bool {
	for i, p := range permissions() {
		if p.role == role && o.sets[i].MatchString(uri) {
			return strings.Contains(p.allow, action+" ")
		}
	}
	return false
}

// An actor is somebody who comes in, or does not, with credentials of one kind.
type actor struct {
	name   string
	role   string // empty: is refused
	client *http.Client

	http    []string // header fields; nil: HTTP has no place for the credentials
	signed  func(body string) url.Values
	hello   wamp.Dict // nil: WAMP has none
	respond func(*wamp.Challenge) *wamp.Authenticate
}

// tries makes every call of the wishes over HTTP.
func (a *actor) tryHTTP(ctx context.Context, t *testing.T, g *gateway, o *oracle) (allowed, refused int) {
	t.Helper()
	for _, c := range wishes() {
		if strings.HasPrefix(c.action, "register") || c.action == "subscribe" {
			continue // which HTTP has no way to do
		}
		address, body := g.url("/call/"+c.uri), "[1]"
		if a.signed != nil {
			body = fmt.Sprintf(`{"procedure":%q,"args":[1]}`, c.uri)
			address = g.url("/call?" + a.signed(body).Encode())
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		for i := 0; i+1 < len(a.http); i += 2 {
			req.Header.Set(a.http[i], a.http[i+1])
		}
		resp, err := a.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		uri := resp.Header.Get("Wamp-Error")
		want := a.role != "" && o.may(a.role, c)
		may := resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusTooManyRequests
		if may != want {
			t.Errorf("%s over HTTP: %v = %d %s, want allowed %t", a.name, c, resp.StatusCode, uri, want)
		}
		if may {
			allowed++
		} else {
			refused++
		}
	}
	return allowed, refused
}

// join says HELLO, answers the CHALLENGE and returns what came last.
func (a *actor) join(ctx context.Context, t *testing.T, g *gateway) (*transport.Conn, wamp.Message) {
	t.Helper()
	c, err := transport.Dial(ctx, g.ws(), wamp.JSON, &transport.DialOptions{HTTPClient: a.client})
	if err != nil {
		t.Fatal(err)
	}
	role := wamp.Dict{"features": wamp.Dict{}}
	details := wamp.Dict{"roles": wamp.Dict{"caller": role, "callee": role, "subscriber": role}}
	for key, value := range a.hello {
		details[key] = value
	}
	if err := c.Send(&wamp.Hello{Realm: "realm1", Details: details}); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := c.Receive(ctx)
		if err != nil {
			t.Fatalf("%s: %v", a.name, err)
		}
		challenge, ok := m.(*wamp.Challenge)
		if !ok {
			return c, m
		}
		if err := c.Send(a.respond(challenge)); err != nil {
			t.Fatal(err)
		}
	}
}

// message returns what asks for it.
func (c wish) message(id wamp.ID) wamp.Message {
	match := map[string]wamp.MatchPolicy{"exact": wamp.MatchExact, "prefix": wamp.MatchPrefix, "wildcard": wamp.MatchWildcard}[c.match]
	switch c.action {
	case "register":
		return &wamp.Register{Request: id, Procedure: wamp.URI(c.uri), Options: wamp.RegisterOptions{Match: match}}
	case "register_http":
		custom := wamp.Dict{"_http": wamp.Dict{"safe": true}}
		return &wamp.Register{Request: id, Procedure: wamp.URI(c.uri), Options: wamp.RegisterOptions{Match: match, Custom: custom}}
	case "subscribe":
		return &wamp.Subscribe{Request: id, Topic: wamp.URI(c.uri), Match: match}
	}
	return &wamp.Call{Request: id, Procedure: wamp.URI(c.uri), Payload: wamp.Payload{Serializer: wamp.JSON, Args: []byte("[1]")}}
}

// tryWAMP has all wishes over WebSocket. What was registered goes at once,
// so that calls find nobody.
func (a *actor) tryWAMP(ctx context.Context, t *testing.T, g *gateway, o *oracle) (allowed, refused int) {
	t.Helper()
	conn, m := a.join(ctx, t, g)
	defer func() { _ = conn.Close() }()
	if _, welcome := m.(*wamp.Welcome); !welcome {
		if a.role != "" {
			t.Errorf("%s over WebSocket: %+v, want WELCOME", a.name, m)
		}
		return 0, len(wishes())
	}
	id := wamp.ID(0)
	ask := func(m wamp.Message) wamp.Message {
		if err := conn.Send(m); err != nil {
			t.Fatal(err)
		}
		for {
			answer, err := conn.Receive(ctx)
			if err != nil {
				t.Fatalf("%s: %v", a.name, err)
			}
			if _, event := answer.(*wamp.Event); !event {
				return answer
			}
		}
	}
	for _, c := range wishes() {
		id++
		answer := ask(c.message(id))
		e, failed := answer.(*wamp.Error)
		may, want := !failed || e.Error != wamp.ErrNotAuthorized, o.may(a.role, c)
		if may != want {
			t.Errorf("%s over WebSocket: %v = %+v, want allowed %t", a.name, c, answer, want)
		}
		if may {
			allowed++
		} else {
			refused++
		}
		if r, ok := answer.(*wamp.Registered); ok {
			id++
			ask(&wamp.Unregister{Request: id, Registration: r.Registration})
		}
	}
	return allowed, refused
}

// scramProof answers a CHALLENGE as RFC 5802 says, with pbkdf2.
func scramProof(authid, password, nonce string, c *wamp.Challenge) *wamp.Authenticate {
	text, _ := json.Marshal(c.Extra)
	var extra struct {
		Nonce, Salt string
		Iterations  int
	}
	_ = json.Unmarshal(text, &extra)
	salt, _ := base64.StdEncoding.DecodeString(extra.Salt)
	salted, _ := pbkdf2.Key(sha256.New, password, salt, extra.Iterations, 32)
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		_, _ = h.Write([]byte(text))
		return h.Sum(nil)
	}
	key := mac(salted, "Client Key")
	stored := sha256.Sum256(key)
	signature := mac(stored[:], fmt.Sprintf("n=%s,r=%s,r=%s,s=%s,i=%d,c=biws,r=%[3]s", authid, nonce, extra.Nonce, extra.Salt, extra.Iterations))
	for i := range key {
		key[i] ^= signature[i]
	}
	return &wamp.Authenticate{
		Signature: base64.StdEncoding.EncodeToString(key),
		Extra:     wamp.Dict{"nonce": extra.Nonce, "channel_binding": nil, "cbind_data": nil},
	}
}

// A troupe is a gateway and actors of every kind.
type troupe struct {
	*gateway
	config  string            // path of the configuration file
	secrets map[string]string // all that nobody may see, by name
	actors  []*actor
}

// clientFrom returns a client that comes from an address, with a certificate if
// there is one.
func (g *troupe) clientFrom(t *testing.T, from string, pairs ...tls.Certificate) *http.Client {
	t.Helper()
	transport := g.trust.Transport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext
	transport.TLSClientConfig.Certificates = pairs
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// rolesYAML writes the permissions as a configuration file has them.
func rolesYAML() string {
	text := strings.Builder{}
	text.WriteString("roles:\n  idle: {permissions: []}\n")
	role := ""
	for _, p := range permissions() {
		if p.role != role {
			role = p.role
			fmt.Fprintf(&text, "  %s:\n    permissions:\n", role)
		}
		fmt.Fprintf(&text, "      - {uri: %q, match: %s, allow: [%s]}\n", p.uri, p.match, strings.Join(strings.Fields(p.allow), ", "))
	}
	return text.String()
}

// privateKey returns the middle of a PEM file.
func privateKey(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")[1]
}

// startTroupe starts a gateway that has principals with credentials of all
// kinds.
func startTroupe(t *testing.T, args ...string) *troupe {
	t.Helper()
	const password, wrong = "the password of all", "what somebody guesses"
	k := &keeper{authority: newAuthority(t), dir: t.TempDir(), signer: newKey(t), secret: password}
	verifier, err := auth.NewSCRAMVerifier(password, false, []byte("0123456789abcdef"), 4096, 0)
	if err != nil {
		t.Fatal(err)
	}
	key, kept := authn.NewAPIKey()
	strange, _ := authn.NewAPIKey()
	k.write(t, "keys.json", publicKeys(t, k.signer))
	cert, certKey := k.authority.issue(t, k.dir, 9, "crt")
	pair, err := tls.LoadX509KeyPair(cert, certKey)
	if err != nil {
		t.Fatal(err)
	}
	config := "rate: 0\nanonymous: true\n" + `auth:
  anonymous-role: guest
  jwt: [{issuer: https://id.example.com, keys: keys.json, audience: [wampgate], algorithms: [ES256], roles: {staff: user}}]
` + rolesYAML() + fmt.Sprintf(`principals:
  tic: {role: user, ticket: {env: PASSWORD}}
  ops: {role: operator, ticket: {env: PASSWORD}}
  idl: {role: idle, ticket: {env: PASSWORD}}
  cra: {role: operator, wampcra: {env: PASSWORD}}
  scr: {role: user, scram: %q}
  sig: {role: operator, cryptosign: 1adfc8bfe1d35616e64dffbd900096f23b066f914c8c2ffbb66f6075b96e116d}
  key: {role: operator, api-keys: ["sha256:%x"]}
  crt: {role: user, certificates: ["sha256:%x"]}
  bar: {role: user, signing-key: {name: app1, secret: {env: PASSWORD}}}
`, verifier.String(), kept[:], sha256.Sum256(pair.Certificate[0]))
	server, serverKey := k.authority.issue(t, k.dir, 1, "server")
	path := k.write(t, "wampgate.yaml", config)
	g := &troupe{config: path}
	args = append(args, "--tls-cert="+server, "--tls-key="+serverKey, "--tls-client-ca="+k.authority.path)
	g.gateway = startCommand(t, []string{"PASSWORD=" + password}, []string{"serve", "-c", path}, args...)
	g.trust = k.authority.client(t)

	basic := func(name, secret string) []string {
		return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+secret))}
	}
	hello := func(method, authid string) wamp.Dict {
		return wamp.Dict{"authmethods": []any{method}, "authid": authid}
	}
	say := func(signature string) func(*wamp.Challenge) *wamp.Authenticate {
		return func(*wamp.Challenge) *wamp.Authenticate { return &wamp.Authenticate{Signature: signature} }
	}
	cra := func(secret string) func(*wamp.Challenge) *wamp.Authenticate {
		return func(c *wamp.Challenge) *wamp.Authenticate {
			challenge, _ := c.Extra.String("challenge")
			return &wamp.Authenticate{Signature: auth.SignCRA([]byte(secret), challenge)}
		}
	}
	nonce := base64.StdEncoding.EncodeToString([]byte("nonce of the client"))
	scramHello := hello("wamp-scram", "scr")
	scramHello["authextra"] = wamp.Dict{"nonce": nonce, "channel_binding": nil}
	scram := func(secret string) func(*wamp.Challenge) *wamp.Authenticate {
		return func(c *wamp.Challenge) *wamp.Authenticate { return scramProof("scr", secret, nonce, c) }
	}
	sign := func(seed string) func(*wamp.Challenge) *wamp.Authenticate {
		raw, _ := hex.DecodeString(seed)
		return func(c *wamp.Challenge) *wamp.Authenticate {
			text, _ := c.Extra.String("challenge")
			challenge, _ := hex.DecodeString(text)
			return &wamp.Authenticate{Signature: hex.EncodeToString(ed25519.Sign(ed25519.NewKeyFromSeed(raw), challenge)) + text}
		}
	}
	sequence := 0
	crossbar := func(secret string) func(string) url.Values {
		return func(body string) url.Values {
			sequence++
			stamp, seq := time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), fmt.Sprint(sequence)
			mac := hmac.New(sha256.New, []byte(secret))
			_, _ = mac.Write([]byte("app1" + stamp + seq + seq + body))
			return url.Values{
				"key": {"app1"}, "timestamp": {stamp}, "seq": {seq}, "nonce": {seq}, "signature": {base64.URLEncoding.EncodeToString(mac.Sum(nil))},
			}
		}
	}
	good, expired := k.token(t, time.Hour), k.token(t, -time.Hour)
	g.secrets = map[string]string{
		"password": password, "wrong password": wrong, "API key": key, "another's API key": strange[12:], "JWT": good, "expired JWT": expired, "JWT's signature": strings.Split(good, ".")[2],
		"seed": loginSeed, "wrong seed": wrongSeed, "stored key": strings.Split(verifier.String(), "$")[5],
		"password in Basic": basic("tic", password)[1][len("Basic "):], "private key": privateKey(t, serverKey),
	}
	bearer := func(token string) []string { return []string{"Authorization", "Bearer " + token} }
	g.actors = []*actor{
		{name: "anonymous", role: "guest", http: []string{}, hello: wamp.Dict{}},
		{name: "password and ticket", role: "user", http: basic("tic", password), hello: hello("ticket", "tic"), respond: say(password)},
		{name: "an operator's ticket", role: "operator", http: basic("ops", password), hello: hello("ticket", "ops"), respond: say(password)},
		{name: "a role that may do nothing", role: "idle", http: basic("idl", password), hello: hello("ticket", "idl"), respond: say(password)},
		{name: "JWT", role: "user", http: bearer(good), hello: hello("ticket", "ada"), respond: say(good)},
		{name: "API key", role: "operator", http: []string{"X-Api-Key", key}},
		{name: "certificate", role: "user", http: []string{}, hello: wamp.Dict{"authmethods": []any{"tls"}}, client: g.clientFrom(t, "127.0.0.1", pair)},
		{name: "signed request", role: "user", http: []string{}, signed: crossbar(password)},
		{name: "wampcra", role: "operator", hello: hello("wampcra", "cra"), respond: cra(password)},
		{name: "scram", role: "user", hello: scramHello, respond: scram(password)},
		{name: "cryptosign", role: "operator", hello: hello("cryptosign", "sig"), respond: sign(loginSeed)},
		{name: "wrong password and ticket", http: basic("tic", wrong), hello: hello("ticket", "tic"), respond: say(wrong)},
		{name: "nobody's name", http: basic("zoe", password), hello: hello("ticket", "zoe"), respond: say(password)},
		{name: "expired JWT", http: bearer(expired), hello: hello("ticket", "ada"), respond: say(expired)},
		{name: "another's API key", http: []string{"X-Api-Key", strange}},
		{name: "wrongly signed request", http: []string{}, signed: crossbar(wrong)},
		{name: "wrong wampcra", hello: hello("wampcra", "cra"), respond: cra(wrong)},
		{name: "wrong scram", hello: scramHello, respond: scram(wrong)},
		{name: "wrong cryptosign", hello: hello("cryptosign", "sig"), respond: sign(wrongSeed)},
		{name: "a method that is not offered", hello: hello("persona", "tic")},
	}
	for i, a := range g.actors {
		if a.client == nil {
			a.client = g.clientFrom(t, fmt.Sprintf("127.0.1.%d", i+1)) // guesses count by address
		}
	}
	return g
}

// TestRights has principals with credentials of all kinds ask for everything,
// over WebSocket and over HTTP: what they get is what the permissions say, in
// all cells.
func TestRights(t *testing.T) {
	t.Parallel()
	ctx, g, o := within(t, 2*patience), startTroupe(t), newOracle()
	allowed, refused := 0, 0
	for _, a := range g.actors {
		if a.http != nil {
			yes, no := a.tryHTTP(ctx, t, g.gateway, o)
			allowed, refused = allowed+yes, refused+no
		}
		if a.hello != nil {
			yes, no := a.tryWAMP(ctx, t, g.gateway, o)
			allowed, refused = allowed+yes, refused+no
		}
	}
	t.Logf("%d cells allowed, %d refused", allowed, refused)
	if allowed < 100 || refused < 100 {
		t.Errorf("%d cells are allowed and %d refused, which shows little", allowed, refused)
	}
}
