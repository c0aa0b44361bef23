package authn_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/authn"
	"github.com/wampgate/wampgate/gateway/limit"
)

var theKey = sync.OnceValues(authn.NewAPIKey)

var anonymous = wamp.Identity{Authid: "anonymous", Authrole: "anonymous", Authmethod: "anonymous"}

// lookup knows one fingerprint.
func lookup(known authn.Fingerprint, authid string) authn.Lookup {
	return func(f authn.Fingerprint) (wamp.Identity, bool) {
		return wamp.Identity{Authid: authid, Authrole: "user"}, f == known
	}
}

// passwords knows joe.
func passwords(_ context.Context, user, password string) (wamp.Identity, bool, error) {
	if user == "broken" {
		return wamp.Identity{}, false, errors.New("the database is away")
	}
	return wamp.Identity{Authid: user, Authrole: "user"}, user == "joe" && password == "s3cret: pass", nil
}

// everything takes all kinds of credentials but dynamic ones.
func everything(t testing.TB) authn.Config {
	t.Helper()
	_, kept := theKey()
	certificates, err := authn.NewCertificates(nil, []authn.CertificateRule{
		{Name: "uri:spiffe://example.com/billing", Authid: "billing", Authrole: "service"},
		{Name: "dns:*", Authrole: "host"},
		{Name: "cn:Grace Hopper", Authid: "grace", Authrole: "user"},
	})
	if err != nil {
		t.Fatal(err)
	}
	signatures, err := authn.NewSignatures([]authn.SigningKey{signer}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	proxies, err := authn.ParseProxies([]string{"192.0.2.0/24"})
	if err != nil {
		t.Fatal(err)
	}
	return authn.Config{
		Realm: "realm1", Tokens: newTokens(t, authn.Issuer{}), Keys: lookup(kept, "robot"), Passwords: passwords,
		Certificates: certificates, Signatures: signatures, Proxies: proxies,
	}
}

func newAuthenticator(t testing.TB, cfg authn.Config) *authn.Authenticator {
	t.Helper()
	a, err := authn.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// request makes a request; headers are pairs of name and value.
func request(method, target, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.RemoteAddr = "198.51.100.7:1234"
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// TestCredentials goes through what stands in header fields.
func TestCredentials(t *testing.T) {
	t.Parallel()
	key, _ := theKey()
	other, _ := authn.NewAPIKey()
	for name, test := range map[string]struct {
		headers []string
		authid  string
		reason  authn.Reason
		status  int
	}{
		"none":                    {nil, "", authn.NoCredentials, 401},
		"JWT":                     {[]string{"Authorization", "Bearer " + goodToken()}, "ada", "", 0},
		"scheme in capitals":      {[]string{"Authorization", "BEARER " + goodToken()}, "ada", "", 0},
		"expired JWT":             {[]string{"Authorization", "Bearer " + goodToken("exp", 1)}, "", authn.Expired, 401},
		"no role":                 {[]string{"Authorization", "Bearer " + goodToken("role", nil)}, "", authn.NoRole, 403},
		"API key":                 {[]string{"Authorization", "Bearer " + key}, "robot", "", 0},
		"X-API-Key":               {[]string{"X-API-Key", key}, "robot", "", 0},
		"another API key":         {[]string{"X-API-Key", other}, "", authn.WrongSecret, 401},
		"cut API key":             {[]string{"X-API-Key", key[:len(key)-1]}, "", authn.Malformed, 401},
		"API key with an end":     {[]string{"X-API-Key", key + "x"}, "", authn.Malformed, 401},
		"name of an API key":      {[]string{"X-API-Key", authn.APIKeyName(key)}, "", authn.Malformed, 401},
		"secret of another key":   {[]string{"X-API-Key", authn.APIKeyName(key) + other[len(authn.APIKeyName(key)):]}, "", authn.WrongSecret, 401},
		"Basic":                   {[]string{"Authorization", basic("joe", "s3cret: pass")}, "joe", "", 0},
		"wrong password":          {[]string{"Authorization", basic("joe", "guess")}, "", authn.WrongSecret, 401},
		"unknown user":            {[]string{"Authorization", basic("jim", "s3cret: pass")}, "", authn.WrongSecret, 401},
		"empty password":          {[]string{"Authorization", basic("joe", "")}, "", authn.WrongSecret, 401},
		"database away":           {[]string{"Authorization", basic("broken", "x")}, "", authn.Unavailable, 503},
		"Basic without base64":    {[]string{"Authorization", "Basic joe:x"}, "", authn.Malformed, 400},
		"Basic without colon":     {[]string{"Authorization", "Basic am9l"}, "", authn.Malformed, 400},
		"Basic with a line end":   {[]string{"Authorization", basic("joe", "a\nb")}, "", authn.Malformed, 400},
		"Basic without anything":  {[]string{"Authorization", "Basic"}, "", authn.Malformed, 400},
		"Bearer without anything": {[]string{"Authorization", "Bearer"}, "", authn.Malformed, 401},
		"nothing":                 {[]string{"Authorization", ""}, "", authn.UnknownMethod, 401},
		"Digest":                  {[]string{"Authorization", `Digest username="joe"`}, "", authn.UnknownMethod, 401},
		"two Authorizations":      {[]string{"Authorization", basic("joe", "s3cret: pass"), "Authorization", "Bearer " + key}, "", authn.SeveralMethods, 400},
		"two kinds":               {[]string{"Authorization", basic("joe", "s3cret: pass"), "X-API-Key", key}, "", authn.SeveralMethods, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuthenticator(t, everything(t))
			for range 2 { // what was verified is remembered
				p, err := a.Authenticate(request(http.MethodPost, "/call/test.echo", "", test.headers...))
				if got := reasonOf(t, err); got != test.reason || p.Identity.Authid != test.authid {
					t.Fatalf("%+v, refused for %q; want %q, refused for %q", p, got, test.authid, test.reason)
				}
				checkRefusal(t, err, test.status, test.headers)
			}
		})
	}
}

// checkRefusal looks at the status, at the challenges that belong to it, and
// that no secret is told.
func checkRefusal(t *testing.T, err error, status int, headers []string) {
	t.Helper()
	f, ok := errors.AsType[*authn.Refusal](err)
	if !ok {
		return
	}
	if f.Status != status || (status == 401) != (len(f.Challenges) > 0) || (status == 503) != (f.RetryAfter > 0) {
		t.Errorf("status %d with challenges %q and retry after %v, want status %d", f.Status, f.Challenges, f.RetryAfter, status)
	}
	for _, h := range headers {
		if _, secret, ok := strings.Cut(h, " "); ok && len(secret) > 8 && strings.Contains(fmt.Sprintf("%+v %v", *f, err), secret) {
			t.Errorf("the refusal tells a secret: %v", err)
		}
	}
}

// TestChallenges shows WWW-Authenticate.
func TestChallenges(t *testing.T) {
	t.Parallel()
	all, keys, certs := everything(t), everything(t), everything(t)
	all.Realm = `a "realm"`
	keys.Tokens, keys.Passwords = nil, nil
	certs.Tokens, certs.Passwords, certs.Keys = nil, nil, nil
	for name, test := range map[string]struct {
		cfg    authn.Config
		header string
		want   []string
	}{
		"no credentials":   {all, "", []string{`Bearer realm="a 'realm'"`, `Basic realm="a 'realm'", charset="UTF-8"`}},
		"expired":          {all, "Bearer " + goodToken("exp", 1), []string{`Bearer realm="a 'realm'", error="invalid_token", error_description="the token expired"`, `Basic realm="a 'realm'", charset="UTF-8"`}},
		"wrong password":   {all, basic("joe", "x"), []string{`Bearer realm="a 'realm'"`, `Basic realm="a 'realm'", charset="UTF-8"`}},
		"keys alone":       {keys, "", []string{`Bearer realm="realm1"`}},
		"wrong key":        {keys, "Bearer x", []string{`Bearer realm="realm1", error="invalid_token", error_description="that is not an API key: some of it is missing, or there is something more"`}},
		"certificates":     {certs, "", []string{`Bearer realm="realm1"`}},
		"another's scheme": {keys, basic("joe", "x"), []string{`Bearer realm="realm1"`}},
	} {
		r := request(http.MethodGet, "/", "")
		if test.header != "" {
			r.Header.Set("Authorization", test.header)
		}
		_, err := newAuthenticator(t, test.cfg).Authenticate(r)
		f, ok := errors.AsType[*authn.Refusal](err)
		if !ok || !slices.Equal(f.Challenges, test.want) {
			t.Errorf("%s: %v, challenges %q, want %q", name, err, f.Challenges, test.want)
		}
	}
}

// TestTokensInQueries: they are refused even if they would be good.
func TestTokensInQueries(t *testing.T) {
	t.Parallel()
	cfg := everything(t)
	cfg.Anonymous = &anonymous
	a := newAuthenticator(t, cfg)
	for _, name := range []string{"access_token", "api_key", "token", "jwt"} {
		_, err := a.Authenticate(request(http.MethodGet, "/call/x?timeout=1s&"+name+"="+goodToken(), ""))
		if got := reasonOf(t, err); got != authn.InQuery {
			t.Errorf("%s: refused for %q, want %q", name, got, authn.InQuery)
		}
	}
	if _, err := a.Authenticate(request(http.MethodGet, "/call/x?kw.token=1", "")); err != nil {
		t.Errorf("an argument by that name: %v", err)
	}
}

// TestAnonymous: credentials that are refused do not make anybody anonymous.
func TestAnonymous(t *testing.T) {
	t.Parallel()
	cfg := authn.Config{Anonymous: &anonymous}
	p, err := newAuthenticator(t, cfg).Authenticate(request(http.MethodGet, "/", ""))
	if err != nil || p.Identity != anonymous || !p.Anonymous || p.Credential != "" {
		t.Errorf("%+v, %v", p, err)
	}
	_, err = newAuthenticator(t, cfg).Authenticate(request(http.MethodGet, "/", "", "Authorization", "Bearer x"))
	if got := reasonOf(t, err); got != authn.UnknownMethod {
		t.Errorf("refused for %q, want %q", got, authn.UnknownMethod)
	}
	if _, err := authn.New(authn.Config{}); err == nil {
		t.Error("an Authenticator that lets nobody in: no error")
	}
}

// TestPasswordsAreRemembered: a good one is checked once a minute, a wrong one
// each time.
func TestPasswordsAreRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		checked := 0
		cfg := authn.Config{Passwords: func(ctx context.Context, user, password string) (wamp.Identity, bool, error) {
			checked++
			return passwords(ctx, user, password)
		}}
		a := newAuthenticator(t, cfg)
		for _, step := range []struct {
			after    time.Duration
			password string
			checked  int
		}{
			{0, "s3cret: pass", 1}, {59 * time.Second, "s3cret: pass", 1}, {0, "x", 2}, {0, "x", 3}, {time.Second, "s3cret: pass", 4},
		} {
			time.Sleep(step.after)
			_, err := a.Authenticate(request(http.MethodGet, "/", "", "Authorization", basic("joe", step.password)))
			if checked != step.checked || (err == nil) != (step.password != "x") {
				t.Errorf("%q after %v: %v, checked %d times, want %d", step.password, step.after, err, checked, step.checked)
			}
		}
	})
}

// TestLockout: 1,000 rapid wrong logins lock out their address and the name
// that they were for, and nobody else. Who has logged in stays so.
func TestLockout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := everything(t)
		checked := 0
		cfg.Guard = limit.NewFailures()
		cfg.Passwords = func(ctx context.Context, user, password string) (wamp.Identity, bool, error) {
			checked++
			return wamp.Identity{Authid: user, Authrole: "user"}, password == "good", nil
		}
		a := newAuthenticator(t, cfg)
		try := func(from, authorization string) authn.Reason {
			r := request(http.MethodPost, "/call/x", "", "Authorization", authorization)
			r.RemoteAddr = from
			_, err := a.Authenticate(r)
			return reasonOf(t, err)
		}
		const evil, good = "203.0.113.9:1", "198.51.100.7:1"
		if got := try(good, basic("early", "good")); got != "" {
			t.Fatal(got)
		}
		refused := map[authn.Reason]int{}
		for i := range 1_000 {
			refused[try(evil, basic("joe", fmt.Sprint(i)))]++
		}
		if refused[authn.WrongSecret] != 10 || refused[authn.TooManyFailures] != 990 || checked != 11 {
			t.Errorf("1,000 guesses were refused as %v, and %d passwords were checked", refused, checked)
		}
		for name, test := range map[string]struct {
			from, authorization string
			want                authn.Reason
		}{
			"the guesser, right at last":    {evil, basic("joe", "good"), authn.TooManyFailures},
			"the guesser, as somebody else": {evil, basic("bea", "good"), authn.TooManyFailures},
			"joe, from elsewhere":           {good, basic("joe", "good"), authn.TooManyFailures},
			"somebody else":                 {good, basic("ann", "good"), ""},
			"who was there before":          {evil, basic("early", "good"), ""},
			"a good token from there":       {evil, "Bearer " + goodToken(), ""},
			"a wrong token from there":      {evil, "Bearer x", authn.TooManyFailures},
			"a wrong token from elsewhere":  {good, "Bearer x", authn.Malformed},
		} {
			if got := try(test.from, test.authorization); got != test.want {
				t.Errorf("%s: refused for %q, want %q", name, got, test.want)
			}
		}
		time.Sleep(6 * time.Second)
		if got := try(good, basic("joe", "good")); got != "" {
			t.Errorf("six seconds later joe is refused for %q", got)
		}
	})
}

// TestGuessesAtOnce: those that come at the same time do not get around the
// limit.
func TestGuessesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		checked := 0
		a := newAuthenticator(t, authn.Config{Guard: limit.NewFailures(), Passwords: func(context.Context, string, string) (wamp.Identity, bool, error) {
			mu.Lock()
			checked++
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			return wamp.Identity{}, false, nil
		}})
		var work sync.WaitGroup
		for i := range 100 {
			work.Go(func() {
				_, err := a.Authenticate(request(http.MethodGet, "/", "", "Authorization", basic("joe", fmt.Sprint(i))))
				if err == nil {
					t.Error("a guess was right")
				}
			})
		}
		work.Wait()
		if checked > 11 {
			t.Errorf("%d of 100 passwords were checked, want at most 11", checked)
		}
	})
}

// TestDynamic asks an application.
func TestDynamic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked []authn.Question
		answers := map[string]authn.Answer{
			"Token ok":     {Identity: wamp.Identity{Authid: "ada", Authrole: "user", Authprovider: "app"}, TTL: 10 * time.Second},
			"Token once":   {Identity: wamp.Identity{Authid: "bob", Authrole: "user"}},
			"Token denied": {Denied: true, Detail: "your trial is over"},
			"Token noname": {Identity: wamp.Identity{Authrole: "user"}},
		}
		cfg := authn.Config{Realm: "realm1", Anonymous: &anonymous, Guard: limit.NewFailures(), Dynamic: &authn.Dynamic{
			Ask: func(_ context.Context, q authn.Question) (authn.Answer, error) {
				asked = append(asked, q)
				answer, ok := answers[q.Header.Get("Authorization")]
				if !ok {
					return authn.Answer{}, errors.New("no such procedure")
				}
				return answer, nil
			},
			Headers: []string{"authorization", "x-tenant"},
		}}
		a := newAuthenticator(t, cfg)
		for _, step := range []struct {
			what    string
			after   time.Duration
			path    string
			headers []string
			authid  string
			reason  authn.Reason
			asked   int
		}{
			{"nothing to ask about", 0, "/call/a", []string{"X-Other", "x"}, "anonymous", "", 0},
			{"known", 0, "/call/a", []string{"Authorization", "Token ok"}, "ada", "", 1},
			{"remembered", 9 * time.Second, "/call/a", []string{"Authorization", "Token ok"}, "ada", "", 1},
			{"another path", 0, "/call/b", []string{"Authorization", "Token ok"}, "ada", "", 2},
			{"another tenant", 0, "/call/a", []string{"Authorization", "Token ok", "X-Tenant", "t"}, "ada", "", 3},
			{"not any longer", time.Second, "/call/a", []string{"Authorization", "Token ok"}, "ada", "", 4},
			{"not at all", 0, "/call/a", []string{"Authorization", "Token once"}, "bob", "", 5},
			{"not at all, again", 0, "/call/a", []string{"Authorization", "Token once"}, "bob", "", 6},
			{"denied", 0, "/call/a", []string{"Authorization", "Token denied"}, "", authn.Denied, 7},
			{"without a name", 0, "/call/a", []string{"Authorization", "Token noname"}, "", authn.Unavailable, 8},
			{"no answer", 0, "/call/a", []string{"Authorization", "Token x"}, "", authn.Unavailable, 9},
		} {
			time.Sleep(step.after)
			p, err := a.Authenticate(request(http.MethodPost, step.path, "", step.headers...))
			if got := reasonOf(t, err); got != step.reason || p.Identity.Authid != step.authid || len(asked) != step.asked {
				t.Errorf("%s: %+v, refused for %q, asked %d times; want %q, %q, %d", step.what, p, got, len(asked), step.authid, step.reason, step.asked)
			}
		}
		q := asked[2]
		if q.Realm != "realm1" || q.Method != http.MethodPost || q.Path != "/call/a" || q.Client.String() != "198.51.100.7" || len(q.Header) != 2 {
			t.Errorf("the application was told %+v", q)
		}
	})
}

// TestProxies shows which address counts.
func TestProxies(t *testing.T) {
	t.Parallel()
	proxies, err := authn.ParseProxies([]string{"10.0.0.0/8", "::1", "2001:db8::/32"})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		remote    string
		forwarded []string
		want      string
	}{
		"direct":                {"198.51.100.7:1", nil, "198.51.100.7"},
		"liar":                  {"198.51.100.7:1", []string{"1.2.3.4"}, "198.51.100.7"},
		"proxy":                 {"10.1.1.1:1", []string{"198.51.100.7"}, "198.51.100.7"},
		"liar behind a proxy":   {"10.1.1.1:1", []string{"1.2.3.4, 198.51.100.7"}, "198.51.100.7"},
		"two proxies":           {"10.1.1.1:1", []string{"1.2.3.4, 198.51.100.7, 10.2.2.2"}, "198.51.100.7"},
		"two lines":             {"10.1.1.1:1", []string{"1.2.3.4", "198.51.100.7,10.2.2.2"}, "198.51.100.7"},
		"proxies all the way":   {"10.1.1.1:1", []string{"10.3.3.3, 10.2.2.2"}, "10.3.3.3"},
		"nonsense":              {"10.1.1.1:1", []string{"1.2.3.4, who?"}, "10.1.1.1"},
		"empty item":            {"10.1.1.1:1", []string{"1.2.3.4,"}, "10.1.1.1"},
		"silent proxy":          {"10.1.1.1:1", nil, "10.1.1.1"},
		"with ports":            {"[::1]:1", []string{"198.51.100.7:555"}, "198.51.100.7"},
		"IPv6":                  {"[2001:db8::1]:1", []string{"[2001:db9::1]"}, "2001:db9::1"},
		"IPv4 in IPv6":          {"[::ffff:10.1.1.1]:1", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		"zone":                  {"[fe80::1%eth0]:1", nil, "fe80::1"},
		"no address":            {"@", []string{"1.2.3.4"}, "invalid IP"},
		"a proxy after a liar":  {"198.51.100.7:1", []string{"1.2.3.4, 10.1.1.1"}, "198.51.100.7"},
		"a client in the chain": {"10.1.1.1:1", []string{"10.9.9.9, 198.51.100.7, 10.2.2.2"}, "198.51.100.7"},
	} {
		r := request(http.MethodGet, "/", "")
		r.RemoteAddr, r.Header["X-Forwarded-For"] = test.remote, test.forwarded
		if got := proxies.ClientIP(r).String(); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
	for _, bad := range []string{"", "10.0.0.0/33", "proxy.example.com"} {
		if _, err := authn.ParseProxies([]string{bad}); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
	if !proxies.Trust(netip.MustParseAddr("10.255.255.255")) || proxies.Trust(netip.MustParseAddr("11.0.0.0")) {
		t.Error("10.0.0.0/8 is not what it should be")
	}
}

// certificate makes a client certificate that nobody has to verify.
func certificate(cn string, until time.Time, dns []string, uris ...string) *x509.Certificate {
	c := &x509.Certificate{Raw: []byte(cn), Subject: pkix.Name{CommonName: cn}, DNSNames: dns, NotAfter: until}
	for _, u := range uris {
		c.URIs = append(c.URIs, must(url.Parse(u)))
	}
	return c
}

// TestCertificates shows whom certificates stand for, on the connection and
// forwarded.
func TestCertificates(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(time.Hour)
	hash := sha256.Sum256([]byte("Known"))
	proxy, stranger := "192.0.2.1:1", "198.51.100.7:1"
	for name, test := range map[string]struct {
		remote    string
		cert      *x509.Certificate
		forwarded string
		authid    string
		reason    authn.Reason
	}{
		"URI":                   {stranger, certificate("x", later, nil, "spiffe://example.com/billing"), "", "billing", ""},
		"URI before DNS":        {stranger, certificate("x", later, []string{"a.example"}, "spiffe://example.com/billing"), "", "billing", ""},
		"DNS":                   {stranger, certificate("x", later, []string{"a.example"}), "", "a.example", ""},
		"common name":           {stranger, certificate("Grace Hopper", later, nil), "", "grace", ""},
		"fingerprint":           {stranger, certificate("Known", later, []string{"a.example"}), "", "known", ""},
		"nobody":                {stranger, certificate("Eve", later, nil), "", "", authn.UnknownName},
		"expired":               {stranger, certificate("Grace Hopper", time.Now().Add(-time.Second), nil), "", "", authn.Expired},
		"none":                  {stranger, nil, "", "", authn.NoCredentials},
		"forwarded by a proxy":  {proxy, nil, `By=x;Hash=` + strings.Repeat("a", 64) + `;Subject="CN=x";URI=spiffe://example.com/billing;DNS=a.example`, "billing", ""},
		"forwarded hash":        {proxy, nil, fmt.Sprintf("Hash=%x", hash), "known", ""},
		"forwarded subject":     {proxy, nil, `Subject="O=\"Navy, US\",CN=Grace Hopper"`, "", authn.UnknownName},
		"forwarded CN":          {proxy, nil, `Subject="CN=Grace Hopper,O=Navy"`, "grace", ""},
		"OpenSSL's subject":     {proxy, nil, `Subject="/O=Navy/CN=Grace Hopper"`, "", authn.UnknownName},
		"subject in two parts":  {proxy, nil, `Subject="CN=Grace Hopper+UID=eve"`, "", authn.UnknownName},
		"two CNs":               {proxy, nil, `Subject="CN=Grace Hopper,CN=Eve"`, "", authn.UnknownName},
		"the nearest counts":    {proxy, nil, `URI=spiffe://example.com/billing,DNS=evil.example`, "evil.example", ""},
		"forwarded by anybody":  {stranger, nil, `URI=spiffe://example.com/billing`, "", authn.UntrustedProxy},
		"anybody with his own":  {stranger, certificate("Grace Hopper", later, nil), `URI=spiffe://example.com/billing`, "", authn.UntrustedProxy},
		"the proxy's own":       {proxy, certificate("Grace Hopper", later, nil), `DNS=a.example`, "a.example", ""},
		"quote not closed":      {proxy, nil, `Subject="CN=x`, "", authn.Malformed},
		"no pair":               {proxy, nil, `spiffe`, "", authn.Malformed},
		"bad hash":              {proxy, nil, `Hash=ab`, "", authn.Malformed},
		"quoted separator":      {proxy, nil, `DNS="a;URI=spiffe://example.com/billing"`, `a;URI=spiffe://example.com/billing`, ""},
		"empty forwarded":       {proxy, nil, ` `, "", authn.Malformed},
		"control in a name":     {proxy, nil, "DNS=a\x01b", "", authn.UnknownName},
		"the case of a URI":     {proxy, nil, `URI=spiffe://example.com/Billing`, "", authn.UnknownName},
		"longer than the rule":  {proxy, nil, `URI=spiffe://example.com/billing2`, "", authn.UnknownName},
		"long chain in between": {proxy, nil, `Chain="` + strings.Repeat("x", 9<<10) + `"`, "", authn.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := everything(t)
			certificates, err := authn.NewCertificates(lookup(hash, "known"), []authn.CertificateRule{
				{Name: "uri:spiffe://example.com/billing", Authid: "billing", Authrole: "service"},
				{Name: "dns:*", Authrole: "host"},
				{Name: "cn:Grace Hopper", Authid: "grace", Authrole: "user"},
			})
			if err != nil {
				t.Fatal(err)
			}
			cfg.Certificates = certificates
			r := request(http.MethodPost, "/call/x", "")
			r.RemoteAddr = test.remote
			if test.cert != nil {
				r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{test.cert}, VerifiedChains: [][]*x509.Certificate{{test.cert}}}
			}
			if test.forwarded != "" {
				r.Header.Set("X-Forwarded-Client-Cert", test.forwarded)
			}
			p, err := newAuthenticator(t, cfg).Authenticate(r)
			if got := reasonOf(t, err); got != test.reason || p.Identity.Authid != test.authid {
				t.Errorf("%+v, refused for %q; want %q, refused for %q (%v)", p, got, test.authid, test.reason, err)
			}
		})
	}
	cfg := everything(t)
	r := request(http.MethodPost, "/call/x", "")
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate("Grace Hopper", later, nil)}}
	_, err := newAuthenticator(t, cfg).Authenticate(r)
	if got := reasonOf(t, err); got != authn.NotVerified {
		t.Errorf("not verified: refused for %q, want %q", got, authn.NotVerified)
	}
	for _, bad := range []authn.CertificateRule{{Name: "x", Authrole: "r"}, {Name: "dns:", Authrole: "r"}, {Name: "ip:1", Authrole: "r"}, {Name: "dns:*.x", Authrole: "r"}, {Name: "dns:x"}} {
		if _, err := authn.NewCertificates(nil, []authn.CertificateRule{bad}); err == nil {
			t.Errorf("rule %+v: no error", bad)
		}
	}
}

var signer = authn.SigningKey{Key: "app1", Secret: "0123456789abcdef", Identity: wamp.Identity{Authid: "app", Authrole: "signer"}}

// signedTarget returns the URL of a request signed as Crossbar's clients do.
func signedTarget(k authn.SigningKey, at time.Time, seq, nonce, body string) string {
	stamp := at.UTC().Format("2006-01-02T15:04:05.000Z")
	mac := hmac.New(sha256.New, []byte(k.Secret))
	_, _ = io.WriteString(mac, k.Key+stamp+seq+nonce+body)
	q := url.Values{
		"key": {k.Key}, "timestamp": {stamp}, "seq": {seq}, "nonce": {nonce},
		"signature": {base64.URLEncoding.EncodeToString(mac.Sum(nil))}, "timeout": {"5s"},
	}
	return "/call?" + q.Encode()
}

// TestSigned goes through signed requests.
func TestSigned(t *testing.T) {
	t.Parallel()
	const body = `{"procedure":"demo.add","args":[2,3]}`
	now := time.Now()
	good := signedTarget(signer, now, "1", "42", body)
	stranger := signer
	stranger.Key = "app2"
	guess := signer
	guess.Secret = "0123456789abcdeF"
	edit := func(name, value string) string {
		u := must(url.Parse(good))
		q := u.Query()
		q.Set(name, value)
		return "/call?" + q.Encode()
	}
	for name, test := range map[string]struct {
		target, body string
		headers      []string
		want         authn.Reason
	}{
		"good":                     {good, body, nil, ""},
		"other body":               {good, strings.Replace(body, "3", "4", 1), nil, authn.WrongSignature},
		"other key":                {signedTarget(stranger, now, "1", "42", body), body, nil, authn.WrongSignature},
		"other secret":             {signedTarget(guess, now, "1", "42", body), body, nil, authn.WrongSignature},
		"other nonce":              {edit("nonce", "43"), body, nil, authn.WrongSignature},
		"other time":               {edit("timestamp", now.Add(time.Second).UTC().Format("2006-01-02T15:04:05.000Z")), body, nil, authn.WrongSignature},
		"too old":                  {signedTarget(signer, now.Add(-6*time.Minute), "1", "42", body), body, nil, authn.ClockSkew},
		"from the future":          {signedTarget(signer, now.Add(6*time.Minute), "1", "42", body), body, nil, authn.ClockSkew},
		"a little off":             {signedTarget(signer, now.Add(-4*time.Minute), "1", "42", body), body, nil, ""},
		"no nonce":                 {edit("nonce", ""), body, nil, authn.Malformed},
		"nonce that is no number":  {edit("nonce", "4x"), body, nil, authn.Malformed},
		"timestamp in seconds":     {edit("timestamp", "1700000000"), body, nil, authn.Malformed},
		"signature cut":            {edit("signature", "AAAA"), body, nil, authn.Malformed},
		"key twice":                {good + "&key=app1", body, nil, authn.Malformed},
		"body that joins nonce":    {signedTarget(signer, now, "1", "4", "2"), "2", nil, authn.Malformed},
		"with a token":             {good, body, []string{"Authorization", "Bearer x"}, authn.SeveralMethods},
		"path that is not covered": {strings.Replace(good, "/call?", "/call/demo.add?", 1), body, nil, authn.NoCredentials},
		"large":                    {good, strings.Repeat("x", 1<<20+1), nil, authn.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuthenticator(t, everything(t))
			r := request(http.MethodPost, test.target, test.body, test.headers...)
			p, err := a.Authenticate(r)
			if got := reasonOf(t, err); got != test.want {
				t.Fatalf("%+v, refused for %q, want %q (%v)", p, got, test.want, err)
			}
			if err != nil {
				return
			}
			rest, err := io.ReadAll(r.Body)
			if err != nil || string(rest) != test.body || r.URL.RawQuery != "timeout=5s" || p.Identity.Authid != "app" {
				t.Errorf("principal %+v; left are query %q and body %q, %v", p, r.URL.RawQuery, rest, err)
			}
			_, err = a.Authenticate(request(http.MethodPost, test.target, test.body))
			if got := reasonOf(t, err); got != authn.Replayed {
				t.Errorf("a second time: refused for %q, want %q", got, authn.Replayed)
			}
		})
	}
}

// TestReplay: digits that move between two fields do not make a new signature,
// and a signature is remembered for as long as its timestamp is good.
func TestReplay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthenticator(t, everything(t))
		ahead := time.Now().Add(5 * time.Minute) // the client's clock
		first := signedTarget(signer, ahead, "12", "3", "{}")
		try := func(target string) authn.Reason {
			_, err := a.Authenticate(request(http.MethodPost, target, "{}"))
			return reasonOf(t, err)
		}
		if got := try(first); got != "" {
			t.Fatal(got)
		}
		if got := try(signedTarget(signer, ahead, "1", "23", "{}")); got != authn.Replayed {
			t.Errorf("moved digits: refused for %q, want %q", got, authn.Replayed)
		}
		for minute := 1; minute <= 25; minute++ {
			time.Sleep(time.Minute)
			want := authn.Replayed
			if minute > 10 {
				want = authn.ClockSkew
			}
			if got := try(first); got != want {
				t.Errorf("after %d minutes: refused for %q, want %q", minute, got, want)
			}
			if got := try(signedTarget(signer, time.Now(), "1", fmt.Sprint(minute), "{}")); got != "" {
				t.Errorf("after %d minutes, a new one: refused for %q", minute, got)
			}
		}
	})
}

// TestReplayFollowed: what was good once is not good again for those who follow.
func TestReplayFollowed(t *testing.T) {
	t.Parallel()
	cfg := everything(t)
	target := signedTarget(signer, time.Now(), "1", "42", "{}")
	if _, err := newAuthenticator(t, cfg).Authenticate(request(http.MethodPost, target, "{}")); err != nil {
		t.Fatal(err)
	}
	next := everything(t)
	next.Signatures.Follow(nil)
	next.Signatures.Follow(cfg.Signatures)
	_, err := newAuthenticator(t, next).Authenticate(request(http.MethodPost, target, "{}"))
	if got := reasonOf(t, err); got != authn.Replayed {
		t.Errorf("refused for %q, want %q", got, authn.Replayed)
	}
}

// TestBadSigningKeys shows what cannot be configured.
func TestBadSigningKeys(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][]authn.SigningKey{
		"twice":        {signer, signer},
		"no name":      {{Secret: signer.Secret, Identity: signer.Identity}},
		"short secret": {{Key: "a", Secret: "short", Identity: signer.Identity}},
		"no role":      {{Key: "a", Secret: signer.Secret, Identity: wamp.Identity{Authid: "a"}}},
	} {
		_, err := authn.NewSignatures(keys, 1)
		if err == nil || strings.Contains(err.Error(), signer.Secret) {
			t.Errorf("%s: %v, want an error without the secret", name, err)
		}
	}
}
