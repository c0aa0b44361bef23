package authn_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/authn"
)

const (
	issuerName = "https://id.example.com/"
	audience   = "wampgate"
)

// The keys of all tests: making RSA ones takes time.
var (
	rsaKey     = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherRSA   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey      = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	ed25519Key = sync.OnceValue(func() ed25519.PrivateKey { _, k, err := ed25519.GenerateKey(rand.Reader); return must(k, err) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// asJWK writes a public key as a JSON Web Key.
func asJWK(kid string, key crypto.PublicKey, more ...string) map[string]any {
	k := map[string]any{"kid": kid, "use": "sig"}
	b64 := base64.RawURLEncoding.EncodeToString
	switch key := key.(type) {
	case *rsa.PublicKey:
		k["kty"], k["n"], k["e"] = "RSA", b64(key.N.Bytes()), b64(big.NewInt(int64(key.E)).Bytes())
	case *ecdsa.PublicKey:
		point := must(key.Bytes())
		half := (len(point) - 1) / 2
		k["kty"], k["crv"], k["x"], k["y"] = "EC", key.Curve.Params().Name, b64(point[1:1+half]), b64(point[1+half:])
	case ed25519.PublicKey:
		k["kty"], k["crv"], k["x"] = "OKP", "Ed25519", b64(key)
	}
	for i := 0; i+1 < len(more); i += 2 {
		k[more[i]] = more[i+1]
	}
	return k
}

func keySet(keys ...map[string]any) []byte {
	return must(json.Marshal(map[string]any{"keys": keys}))
}

// allKeys is a set with a key of each kind.
func allKeys() []byte {
	return keySet(asJWK("rsa", rsaKey().Public()), asJWK("ec", ecKey().Public()), asJWK("ed", ed25519Key().Public()))
}

func writeFile(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// goodClaims are those of a token that is let in.
func goodClaims(change ...any) jwt.MapClaims {
	now := time.Now().Unix()
	claims := jwt.MapClaims{"iss": issuerName, "aud": audience, "sub": "ada", "role": "user", "iat": now, "exp": now + 300}
	for i := 0; i+1 < len(change); i += 2 {
		if change[i+1] == nil {
			delete(claims, change[i].(string))
			continue
		}
		claims[change[i].(string)] = change[i+1]
	}
	return claims
}

func sign(method jwt.SigningMethod, kid string, key any, claims jwt.MapClaims, header ...any) string {
	token := jwt.NewWithClaims(method, claims)
	if kid != "" {
		token.Header["kid"] = kid
	}
	for i := 0; i+1 < len(header); i += 2 {
		token.Header[header[i].(string)] = header[i+1]
	}
	return must(token.SignedString(key))
}

func goodToken(change ...any) string {
	return sign(jwt.SigningMethodRS256, "rsa", rsaKey(), goodClaims(change...))
}

func newTokens(t testing.TB, issuer authn.Issuer) *authn.Tokens {
	t.Helper()
	if issuer.Issuer == "" {
		issuer.Issuer = issuerName
	}
	if issuer.Audience == nil {
		issuer.Audience = []string{audience, "other-gateway"}
	}
	if issuer.Keys == "" {
		issuer.Keys = writeFile(t, allKeys())
	}
	tokens, err := authn.NewTokens([]authn.Issuer{issuer})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// reasonOf returns why something was refused.
func reasonOf(t testing.TB, err error) authn.Reason {
	t.Helper()
	if err == nil {
		return ""
	}
	f, ok := errors.AsType[*authn.Refusal](err)
	if !ok {
		t.Fatalf("%v is no refusal", err)
	}
	if f.Detail == "" || f.Status < 400 {
		t.Errorf("refusal %+v lacks a text or a status", f)
	}
	return f.Reason
}

// tamper changes a part of a token.
func tamper(token string, part int, change func(string) string) string {
	parts := strings.Split(token, ".")
	parts[part] = change(parts[part])
	return strings.Join(parts, ".")
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// TestTokens goes through tokens that are refused, each for its own reason, and
// through some that are not.
func TestTokens(t *testing.T) {
	t.Parallel()
	now := time.Now().Unix()
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(rsaKey().Public()))})
	modulus := rsaKey().N.Bytes()
	good := goodToken()
	for name, test := range map[string]struct {
		token string
		want  authn.Reason
	}{
		"RS256":                          {good, ""},
		"ES256":                          {sign(jwt.SigningMethodES256, "ec", ecKey(), goodClaims()), ""},
		"EdDSA":                          {sign(jwt.SigningMethodEdDSA, "ed", ed25519Key(), goodClaims()), ""},
		"no kid, and one key that fits":  {sign(jwt.SigningMethodES256, "", ecKey(), goodClaims()), ""},
		"one of several audiences":       {goodToken("aud", []string{"x", audience}), ""},
		"expired, but within the leeway": {goodToken("exp", now-20), ""},
		"a clock that is 20 s ahead":     {goodToken("iat", now+20, "nbf", now+20), ""},

		"expired":                 {goodToken("exp", now-40), authn.Expired},
		"expired long ago":        {goodToken("exp", 1), authn.Expired},
		"never expires":           {goodToken("exp", nil), authn.MissingClaim},
		"expires in words":        {goodToken("exp", "tomorrow"), authn.Malformed},
		"not yet valid":           {goodToken("nbf", now+40), authn.NotYetValid},
		"issued in the future":    {goodToken("iat", now+40), authn.NotYetValid},
		"wrong issuer":            {goodToken("iss", "https://evil.example/"), authn.UnknownIssuer},
		"issuer without a slash":  {goodToken("iss", strings.TrimSuffix(issuerName, "/")), authn.UnknownIssuer},
		"no issuer":               {goodToken("iss", nil), authn.UnknownIssuer},
		"issuers in a list":       {goodToken("iss", []string{issuerName}), authn.UnknownIssuer},
		"wrong audience":          {goodToken("aud", "billing"), authn.WrongAudience},
		"audience in capitals":    {goodToken("aud", strings.ToUpper(audience)), authn.WrongAudience},
		"no audience":             {goodToken("aud", nil), authn.MissingClaim},
		"no subject":              {goodToken("sub", nil), authn.MissingClaim},
		"empty subject":           {goodToken("sub", ""), authn.MissingClaim},
		"subject with a line end": {goodToken("sub", "a\nb"), authn.MissingClaim},
		"no role":                 {goodToken("role", nil), authn.NoRole},
		"two roles":               {goodToken("role", []string{"a", "b"}), authn.NoRole},
		"a role that is a number": {goodToken("role", []any{1}), ""},
		"a role that is a map":    {goodToken("role", map[string]any{"a": 1}), authn.NoRole},

		"alg none": {sign(jwt.SigningMethodNone, "rsa", jwt.UnsafeAllowNoneSignatureType, goodClaims()), authn.AlgorithmNone},
		"alg None": {tamper(good, 0, func(string) string { return encode(`{"alg":"None","kid":"rsa"}`) }), authn.AlgorithmNone},
		"alg none with a signature": {
			tamper(good, 0, func(string) string { return encode(`{"alg":"none","kid":"rsa"}`) }), authn.AlgorithmNone,
		},
		"no alg":                    {tamper(good, 0, func(string) string { return encode(`{"kid":"rsa"}`) }), authn.WrongAlgorithm},
		"ALG in capitals":           {tamper(good, 0, func(string) string { return encode(`{"ALG":"RS256","kid":"rsa"}`) }), authn.WrongAlgorithm},
		"HS256 with the public key": {sign(jwt.SigningMethodHS256, "rsa", publicPEM, goodClaims()), authn.WrongAlgorithm},
		"HS256 with the modulus":    {sign(jwt.SigningMethodHS256, "rsa", modulus, goodClaims()), authn.WrongAlgorithm},
		"an algorithm not allowed":  {sign(jwt.SigningMethodRS512, "rsa", rsaKey(), goodClaims()), authn.WrongAlgorithm},
		"ES256 with the RSA key's name": {
			sign(jwt.SigningMethodES256, "rsa", ecKey(), goodClaims()), authn.UnknownKey,
		},
		"key not found":   {sign(jwt.SigningMethodRS256, "gone", rsaKey(), goodClaims()), authn.UnknownKey},
		"another's key":   {sign(jwt.SigningMethodRS256, "rsa", otherRSA(), goodClaims()), authn.WrongSignature},
		"changed claims":  {tamper(good, 1, func(s string) string { return encode(string(must(json.Marshal(goodClaims("sub", "eve"))))) }), authn.WrongSignature},
		"cut signature":   {good[:len(good)-6], authn.WrongSignature},
		"empty signature": {tamper(good, 2, func(string) string { return "" }), authn.WrongSignature},
		"crit":            {sign(jwt.SigningMethodRS256, "rsa", rsaKey(), goodClaims(), "crit", []string{"b64"}), authn.Malformed},
		"a key in the token": {
			sign(jwt.SigningMethodRS256, "mine", otherRSA(), goodClaims(), "jwk", asJWK("mine", otherRSA().Public())), authn.UnknownKey,
		},

		"empty":             {"", authn.Malformed},
		"two parts":         {"a.b", authn.Malformed},
		"four parts":        {good + ".x", authn.Malformed},
		"padding":           {tamper(good, 0, func(s string) string { return s + "=" }), authn.Malformed},
		"no JSON":           {tamper(good, 1, func(string) string { return encode("nonsense") }), authn.Malformed},
		"claims in a list":  {tamper(good, 1, func(string) string { return encode("[]") }), authn.Malformed},
		"blank in the text": {strings.Replace(good, ".", " .", 1), authn.Malformed},
		"too long":          {goodToken("x", strings.Repeat("x", 8<<10)), authn.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tokens := newTokens(t, authn.Issuer{})
			p, err := tokens.Verify(t.Context(), test.token)
			if got := reasonOf(t, err); got != test.want {
				t.Fatalf("refused for %q, want %q (%v)", got, test.want, err)
			}
			if err != nil {
				if test.token != "" && strings.Contains(err.Error(), test.token) {
					t.Errorf("the error tells the token: %v", err)
				}
				return
			}
			if p.Identity.Authid != "ada" || p.Identity.Authprovider != issuerName || p.Credential != issuerName || p.Expires.IsZero() {
				t.Errorf("principal %+v", p)
			}
		})
	}
}

// TestAmbiguousKey: a token without a name for its key is refused when there
// are two that could be it.
func TestAmbiguousKey(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t, authn.Issuer{Keys: writeFile(t, keySet(asJWK("a", rsaKey().Public()), asJWK("b", otherRSA().Public())))})
	_, err := tokens.Verify(t.Context(), sign(jwt.SigningMethodRS256, "", rsaKey(), goodClaims()))
	if got := reasonOf(t, err); got != authn.UnknownKey {
		t.Errorf("refused for %q, want %q", got, authn.UnknownKey)
	}
}

// TestClaims shows what authid and authrole are made of.
func TestClaims(t *testing.T) {
	t.Parallel()
	roles := []authn.RoleOf{{Value: "admins", Authrole: "ops"}, {Value: "staff", Authrole: "user"}}
	nested := goodToken("realm_access", map[string]any{"roles": []string{"x", "staff", "admins"}}, "tenant", map[string]any{"id": 7})
	for name, test := range map[string]struct {
		issuer authn.Issuer
		token  string
		want   wamp.Identity
		reason authn.Reason
	}{
		"defaults":           {authn.Issuer{}, goodToken(), wamp.Identity{Authid: "ada", Authrole: "user"}, ""},
		"template":           {authn.Issuer{Authid: "t{tenant.id}/{sub}"}, nested, wamp.Identity{Authid: "t7/ada", Authrole: "user"}, ""},
		"list of roles":      {authn.Issuer{Authrole: "realm_access.roles", Roles: roles}, nested, wamp.Identity{Authid: "ada", Authrole: "ops"}, ""},
		"name with dots":     {authn.Issuer{Authrole: "https://x.example/role"}, goodToken("https://x.example/role", "r"), wamp.Identity{Authid: "ada", Authrole: "r"}, ""},
		"value not mapped":   {authn.Issuer{Roles: roles}, goodToken(), wamp.Identity{}, authn.NoRole},
		"default role":       {authn.Issuer{Roles: roles, DefaultRole: "guest"}, goodToken(), wamp.Identity{Authid: "ada", Authrole: "guest"}, ""},
		"missing in authid":  {authn.Issuer{Authid: "{email}"}, goodToken(), wamp.Identity{}, authn.MissingClaim},
		"no object in a dot": {authn.Issuer{Authid: "{sub.x}"}, goodToken(), wamp.Identity{}, authn.MissingClaim},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, expires, err := newTokens(t, test.issuer).Ticket(t.Context(), test.token)
			if reason := reasonOf(t, err); reason != test.reason {
				t.Fatalf("refused for %q, want %q (%v)", reason, test.reason, err)
			}
			if err != nil {
				return
			}
			test.want.Authmethod, test.want.Authprovider = authn.MethodJWT, issuerName
			if got != test.want || time.Until(expires) < 5*time.Minute {
				t.Errorf("%+v until %v, want %+v", got, expires, test.want)
			}
		})
	}
}

// TestBadIssuers shows what cannot be configured.
func TestBadIssuers(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*authn.Issuer){
		"no name":               func(is *authn.Issuer) { is.Issuer = "" },
		"no audience":           func(is *authn.Issuer) { is.Audience = nil },
		"alg none":              func(is *authn.Issuer) { is.Algorithms = []string{"none"} },
		"a symmetric algorithm": func(is *authn.Issuer) { is.Algorithms = []string{"RS256", "HS256"} },
		"keys over http":        func(is *authn.Issuer) { is.Keys = "http://id.example.com/keys" },
		"discovery over http":   func(is *authn.Issuer) { is.Issuer, is.Keys = "http://id.example.com", "" },
		"no claim in authid":    func(is *authn.Issuer) { is.Authid = "everybody" },
		"open brace":            func(is *authn.Issuer) { is.Authid = "{sub" },
	} {
		issuer := authn.Issuer{Issuer: issuerName, Audience: []string{audience}, Keys: "keys.json"}
		change(&issuer)
		if _, err := authn.NewTokens([]authn.Issuer{issuer}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	twice := authn.Issuer{Issuer: issuerName, Audience: []string{audience}, Keys: "keys.json"}
	if _, err := authn.NewTokens([]authn.Issuer{twice, twice}); err == nil {
		t.Error("an issuer that is there twice: no error")
	}
}

// An idp is an identity provider on loopback.
type idp struct {
	*httptest.Server
	keys  atomic.Pointer[[]byte]
	asked atomic.Int32
}

func newIDP(t *testing.T) *idp {
	t.Helper()
	p := &idp{}
	mux := http.NewServeMux()
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		p.asked.Add(1)
		_, _ = w.Write(*p.keys.Load())
	})
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, p.URL, p.URL+"/keys")
	})
	mux.HandleFunc("/impostor/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, p.URL, p.URL+"/keys")
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *idp) serve(keys ...map[string]any) {
	set := keySet(keys...)
	p.keys.Store(&set)
}

// TestRotation has an issuer replace its key: the first token with the new one
// is let in, and the old one is not known any more.
func TestRotation(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	p.serve(asJWK("1", rsaKey().Public()))
	tokens := newTokens(t, authn.Issuer{Keys: p.URL + "/keys"})
	first := func() string { return sign(jwt.SigningMethodRS256, "1", rsaKey(), goodClaims("jti", rand.Text())) }
	second := func() string { return sign(jwt.SigningMethodRS256, "2", otherRSA(), goodClaims("jti", rand.Text())) }
	for range 3 {
		if _, err := tokens.Verify(t.Context(), first()); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.asked.Load(); n != 1 {
		t.Errorf("three tokens fetched the keys %d times, want 1", n)
	}
	p.serve(asJWK("2", otherRSA().Public()))
	if _, err := tokens.Verify(t.Context(), second()); err != nil {
		t.Errorf("after the rotation: %v", err)
	}
	_, err := tokens.Verify(t.Context(), first())
	if got := reasonOf(t, err); got != authn.UnknownKey {
		t.Errorf("the old key: refused for %q, want %q", got, authn.UnknownKey)
	}
	if n := p.asked.Load(); n != 2 {
		t.Errorf("the keys were fetched %d times, want 2: a miss is no reason for more within a minute", n)
	}
}

// TestDiscovery finds the keys by OpenID Connect Discovery, and does not take
// another issuer's document.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	p.serve(asJWK("ec", ecKey().Public()))
	for issuer, want := range map[string]authn.Reason{p.URL: "", p.URL + "/impostor": authn.Unavailable, p.URL + "/nothing": authn.Unavailable} {
		tokens, err := authn.NewTokens([]authn.Issuer{{Issuer: issuer, Audience: []string{audience}}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = tokens.Verify(t.Context(), sign(jwt.SigningMethodES256, "ec", ecKey(), goodClaims("iss", issuer)))
		if got := reasonOf(t, err); got != want {
			t.Errorf("issuer %s: refused for %q, want %q (%v)", issuer, got, want, err)
		}
	}
}

// fetches is a transport that answers with keys.
type fetches struct {
	n    int
	body func(n int) ([]byte, error)
}

func (f *fetches) RoundTrip(*http.Request) (*http.Response, error) {
	f.n++
	body, err := f.body(f.n)
	if err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	_, _ = w.Write(body)
	return w.Result(), nil
}

// TestFetching shows when keys are fetched, by a clock that jumps.
func TestFetching(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := false
		f := &fetches{body: func(int) ([]byte, error) {
			if down {
				return nil, errors.New("no route to host")
			}
			return allKeys(), nil
		}}
		tokens := newTokens(t, authn.Issuer{Keys: "https://id.example.com/keys", Client: &http.Client{Transport: f}})
		verify := func(kid string) authn.Reason {
			_, err := tokens.Verify(t.Context(), sign(jwt.SigningMethodRS256, kid, rsaKey(), goodClaims("jti", rand.Text())))
			return reasonOf(t, err)
		}
		steps := []struct {
			what  string
			after time.Duration
			down  bool
			kid   string
			want  authn.Reason
			n     int
		}{
			{"no keys yet, and no issuer", 0, true, "rsa", authn.Unavailable, 1},
			{"again at once", 0, true, "rsa", authn.Unavailable, 1},
			{"later", 5 * time.Second, false, "rsa", "", 2},
			{"a key that is missing", 10 * time.Second, false, "gone", authn.UnknownKey, 3},
			{"again within a minute", 59 * time.Second, false, "gone", authn.UnknownKey, 3},
			{"after a minute", time.Second, false, "gone", authn.UnknownKey, 4},
			{"others don't mind", 0, false, "rsa", "", 4},
			{"when they are old", 15 * time.Minute, false, "rsa", "", 5},
			{"old ones will do", 20 * time.Minute, true, "rsa", "", 6},
			{"and are not asked for each time", 59 * time.Second, true, "rsa", "", 6},
			{"but not for ever", 24 * time.Hour, true, "rsa", authn.Unavailable, 7},
			{"and back", 5 * time.Second, false, "rsa", "", 8},
		}
		for _, step := range steps {
			time.Sleep(step.after)
			down = step.down
			if got := verify(step.kid); got != step.want || f.n != step.n {
				t.Errorf("%s: refused for %q after %d fetches, want %q after %d", step.what, got, f.n, step.want, step.n)
			}
		}
	})
}

// TestKeyFile: a file is read again when it has changed.
func TestKeyFile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := writeFile(t, keySet(asJWK("1", rsaKey().Public())))
		tokens := newTokens(t, authn.Issuer{Keys: path})
		verify := func(kid string, key *rsa.PrivateKey) authn.Reason {
			_, err := tokens.Verify(t.Context(), sign(jwt.SigningMethodRS256, kid, key, goodClaims("jti", rand.Text())))
			return reasonOf(t, err)
		}
		if got := verify("1", rsaKey()); got != "" {
			t.Fatalf("refused for %q", got)
		}
		if err := os.WriteFile(path, keySet(asJWK("2", otherRSA().Public()), map[string]any{"kty": "oct"}), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := verify("2", otherRSA()); got != "" {
			t.Errorf("after the change: refused for %q", got)
		}
		if got := verify("1", rsaKey()); got != authn.UnknownKey {
			t.Errorf("the old key: refused for %q, want %q", got, authn.UnknownKey)
		}
		if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := verify("2", otherRSA()); got != "" {
			t.Errorf("a broken file: refused for %q, want the keys it had before", got)
		}
	})
}

// TestVerdictsEnd: a verdict is remembered for a minute at most, and not beyond
// the token's validity.
func TestVerdictsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tokens := newTokens(t, authn.Issuer{})
		token := goodToken("exp", time.Now().Unix()+10)
		for _, step := range []struct {
			after time.Duration
			want  authn.Reason
		}{{0, ""}, {39 * time.Second, ""}, {time.Second, authn.Expired}, {time.Hour, authn.Expired}} {
			time.Sleep(step.after)
			_, err := tokens.Verify(t.Context(), token)
			if got := reasonOf(t, err); got != step.want {
				t.Errorf("%v later: refused for %q, want %q", step.after, got, step.want)
			}
		}
	})
}

// TestVerdictsAreBounded verifies more tokens than are remembered.
func TestVerdictsAreBounded(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t, authn.Issuer{})
	for range authn.MaxVerdicts + 1_000 {
		token := sign(jwt.SigningMethodEdDSA, "ed", ed25519Key(), goodClaims("jti", rand.Text()))
		if _, err := tokens.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if n := tokens.Verdicts(); n > authn.MaxVerdicts {
		t.Errorf("%d verdicts are remembered, want at most %d", n, authn.MaxVerdicts)
	}
}

// TestKeySets shows which keys are taken.
func TestKeySets(t *testing.T) {
	t.Parallel()
	weak := must(rsa.GenerateKey(rand.Reader, 1024))
	for name, test := range map[string]struct {
		key  map[string]any
		want string // in the error; empty if the key is taken
	}{
		"RSA":                {asJWK("", rsaKey().Public()), ""},
		"EC":                 {asJWK("", ecKey().Public()), ""},
		"Ed25519":            {asJWK("", ed25519Key().Public()), ""},
		"symmetric":          {map[string]any{"kty": "oct", "k": "c2VjcmV0"}, `type "oct"`},
		"for encryption":     {asJWK("", rsaKey().Public(), "use", "enc"), "not for signatures"},
		"weak RSA":           {asJWK("", weak.Public()), "RSA key of 1024 bits"},
		"exponent 1":         {asJWK("", rsaKey().Public(), "e", "AQ"), "exponent"},
		"even exponent":      {asJWK("", rsaKey().Public(), "e", "BA"), "exponent"},
		"huge exponent":      {asJWK("", rsaKey().Public(), "e", "AQAAAAAAAAAB"), "exponent"},
		"not on the curve":   {asJWK("", ecKey().Public(), "x", encode(strings.Repeat("x", 32))), "not on curve"},
		"another curve":      {asJWK("", ecKey().Public(), "crv", "secp256k1"), `curve "secp256k1"`},
		"Ed448":              {asJWK("", ed25519Key().Public(), "crv", "Ed448"), `curve "Ed448"`},
		"short Ed25519":      {asJWK("", ed25519Key().Public(), "x", "AQ"), "1 bytes"},
		"member missing":     {asJWK("", rsaKey().Public(), "n", ""), "missing"},
		"member with blanks": {asJWK("", rsaKey().Public(), "e", "AQ AB"), "base64url"},
	} {
		_, err := authn.ParseKeySet(keySet(test.key))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestWaiting: of many requests that come before there are keys, one fetches
// them, and one that hangs up does not spoil it for the others.
func TestWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fetches{body: func(int) ([]byte, error) { time.Sleep(time.Second); return allKeys(), nil }}
		tokens := newTokens(t, authn.Issuer{Keys: "https://id.example.com/keys", Client: &http.Client{Transport: f}})
		var work sync.WaitGroup
		for i := range 50 {
			ctx, cancel := context.WithCancel(t.Context())
			if i == 0 {
				cancel()
			}
			work.Go(func() {
				defer cancel()
				if _, err := tokens.Verify(ctx, goodToken("jti", rand.Text())); err != nil && i > 0 {
					t.Errorf("request %d: %v", i, err)
				}
			})
		}
		work.Wait()
		if f.n != 1 {
			t.Errorf("the keys were fetched %d times, want 1", f.n)
		}
	})
}
