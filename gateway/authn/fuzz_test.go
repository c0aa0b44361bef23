package authn_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wampgate/wampgate/gateway/authn"
)

// fuzzed has a request authenticated. Nobody without good credentials comes in,
// and whatever is refused is refused in order.
func fuzzed(t *testing.T, a *authn.Authenticator, r *http.Request) (authn.Principal, bool) {
	t.Helper()
	p, err := a.Authenticate(r)
	if err == nil {
		if p.Identity.Authid == "" || p.Identity.Authrole == "" || p.Identity.Authmethod == "" {
			t.Errorf("let in as %+v", p)
		}
		return p, true
	}
	f, ok := errors.AsType[*authn.Refusal](err)
	if !ok || f.Detail == "" || f.Status < 400 || (f.Status == 401) != (len(f.Challenges) > 0) {
		t.Errorf("refused with %+v", err)
	}
	for _, c := range f.Challenges {
		if strings.ContainsAny(c, "\r\n") || strings.Count(c, `"`)%2 != 0 {
			t.Errorf("challenge %q", c)
		}
	}
	return p, false
}

// withHeader makes a request with a field as a server would have it.
func withHeader(name, value string) *http.Request {
	r := request(http.MethodPost, "/call/x", "")
	r.Header[name] = []string{value}
	return r
}

func FuzzAuthorization(f *testing.F) {
	key, _ := theKey()
	for _, s := range []string{
		"", "Bearer", "Bearer ", "Bearer a.b.c", "bearer " + goodToken(), "Bearer " + key, basic("joe", "s3cret: pass"), basic("joe", "x"),
		"Basic " + strings.Repeat("A", 5000), "Basic Og==", "Digest x", "Bearer " + sign(jwt.SigningMethodNone, "", jwt.UnsafeAllowNoneSignatureType, goodClaims()),
	} {
		f.Add(s)
	}
	a := newAuthenticator(f, everything(f))
	good := map[string]bool{"joe": true, "robot": true, "ada": true}
	f.Fuzz(func(t *testing.T, value string) {
		if p, in := fuzzed(t, a, withHeader("Authorization", value)); in && !good[p.Identity.Authid] {
			t.Errorf("%q was let in as %+v", value, p)
		}
	})
}

func FuzzAPIKey(f *testing.F) {
	key, _ := theKey()
	for _, s := range []string{"", "wgk_", key, key[1:], key + "=", strings.ToUpper(key)} {
		f.Add(s)
	}
	a := newAuthenticator(f, everything(f))
	f.Fuzz(func(t *testing.T, value string) {
		if _, in := fuzzed(t, a, withHeader("X-Api-Key", value)); in != (value == key) {
			t.Errorf("%q let in: %v", value, in)
		}
	})
}

// FuzzToken changes the parts of a token, which is good only as it is.
func FuzzToken(f *testing.F) {
	tokens := newTokens(f, authn.Issuer{})
	claims := goodClaims("exp", time.Now().Add(24*time.Hour).Unix())
	for _, good := range []string{sign(jwt.SigningMethodES256, "ec", ecKey(), claims), sign(jwt.SigningMethodEdDSA, "ed", ed25519Key(), claims)} {
		parts := strings.Split(good, ".")
		f.Add(parts[0], parts[1], parts[2])
		f.Add(encode(`{"alg":"none"}`), parts[1], "")
		f.Add(encode(`{"alg":["ES256"],"kid":1}`), encode(`{"iss":"`+issuerName+`","exp":1e400}`), parts[2])
	}
	f.Fuzz(func(t *testing.T, header, payload, signature string) {
		p, err := tokens.Verify(t.Context(), header+"."+payload+"."+signature)
		if err != nil {
			reasonOf(t, err)
			return
		}
		if p.Identity.Authid != "ada" {
			t.Errorf("a token of %+v", p)
		}
	})
}

func FuzzForwardedCert(f *testing.F) {
	for _, s := range []string{
		"", ",", ";", "=", `""`, `URI="`, `Subject="CN=a,CN=b"`, `Subject="O=\"x\",CN=Grace Hopper";URI=spiffe://example.com/billing,DNS=a`,
		"Hash=" + strings.Repeat("0", 64), `a=\`, `"\`,
	} {
		f.Add(s)
	}
	a := newAuthenticator(f, everything(f))
	f.Fuzz(func(t *testing.T, value string) {
		r := withHeader("X-Forwarded-Client-Cert", value)
		r.RemoteAddr = "192.0.2.1:1"
		fuzzed(t, a, r)
		names, err := authn.ParseForwardedCert(value)
		for _, name := range names {
			if err != nil || !strings.HasPrefix(name, "uri:") && !strings.HasPrefix(name, "dns:") && !strings.HasPrefix(name, "cn:") {
				t.Errorf("name %q, %v", name, err)
			}
		}
	})
}

func FuzzSigned(f *testing.F) {
	good := must(url.Parse(signedTarget(signer, time.Now(), "1", "2", "{}"))).RawQuery
	for _, s := range []string{good, good + "&seq=1", "signature=", "signature=%zz", "key=app1&signature=" + strings.Repeat("A", 44), ""} {
		f.Add(s, "{}")
	}
	a := newAuthenticator(f, everything(f))
	f.Fuzz(func(t *testing.T, query, body string) {
		r := request(http.MethodPost, "/call", body)
		r.URL.RawQuery = query
		if p, in := fuzzed(t, a, r); in && (p.Identity.Authid != "app" || body != "{}") {
			t.Errorf("%q with body %q was let in as %+v", query, body, p)
		}
	})
}

func FuzzForwardedFor(f *testing.F) {
	for _, s := range []string{"", ",", "1.2.3.4", "1.2.3.4, 192.0.2.2", "[::1]:1", "::ffff:1.2.3.4", "fe80::1%x", " , 1.2.3.4"} {
		f.Add(s)
	}
	proxies := must(authn.ParseProxies([]string{"192.0.2.0/24"}))
	f.Fuzz(func(t *testing.T, value string) {
		r := withHeader("X-Forwarded-For", value)
		r.RemoteAddr = "192.0.2.1:1"
		if addr := proxies.ClientIP(r); !addr.IsValid() || addr.Zone() != "" || addr.Is4In6() {
			t.Errorf("client %v", addr)
		}
	})
}

func FuzzKeySet(f *testing.F) {
	f.Add(allKeys())
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"","e":"AQAB"},{"kty":"EC","crv":"P-256"},{}]}`))
	f.Add([]byte(`{"keys":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if keys, err := authn.ParseKeySet(data); err == nil && len(keys) == 0 {
			t.Error("a set without keys, and no error")
		}
	})
}
