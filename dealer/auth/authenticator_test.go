package auth_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
)

const realm wamp.URI = "realm1"

func newAuthenticator(t testing.TB, c auth.Config) *auth.Authenticator {
	t.Helper()
	a, err := auth.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// newPeer returns a peer that said HELLO with these details.
func newPeer(details wamp.Dict) *auth.Peer {
	return &auth.Peer{
		Realm: realm, Session: 4711, Details: details, Addr: "192.0.2.1:1",
		Now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), Nonce: sha256.Sum256([]byte("nonce")),
	}
}

// seed makes ada's cryptosign key.
func seed() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, 32)) }

// people are principals who have credentials for every method.
func people(t testing.TB) []auth.Principal {
	t.Helper()
	salt := []byte("0123456789abcdef")
	scram, err := auth.NewSCRAMVerifier("pass word", true, salt, 1, 64)
	if err != nil {
		t.Fatal(err)
	}
	key, err := auth.DeriveCRAKey("pass word", "salt", 1000, 32)
	if err != nil {
		t.Fatal(err)
	}
	salted, err := auth.NewCRAKey(key, "salt", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	public := auth.PublicKey(seed().Public().(ed25519.PublicKey))
	return []auth.Principal{
		{
			Authid: "ada", Role: "admin", Ticket: auth.HashTicket("pass word"), CRA: auth.NewCRASecret("pass word"), SCRAM: scram,
			Keys: []auth.PublicKey{public}, Certificates: []auth.Fingerprint{sha256.Sum256([]byte("certificate"))},
			APIKeys: []auth.Fingerprint{sha256.Sum256([]byte("key"))},
		},
		{Authid: "bob", Role: "user", CRA: salted, Realms: []wamp.URI{realm}},
		{Authid: "eve", Role: "user", Ticket: auth.HashTicket("pass word"), Realms: []wamp.URI{"realm2"}},
	}
}

// hello returns the details of a HELLO.
func hello(authid, method string, more ...wamp.Dict) wamp.Dict {
	d := wamp.Dict{"authid": authid, "authmethods": []any{method}}
	for _, m := range more {
		for k, v := range m {
			d[k] = v
		}
	}
	return d
}

// answer is what a good client with this password answers to a challenge.
func answer(t testing.TB, authid, password string, c *wamp.Challenge) *wamp.Authenticate {
	t.Helper()
	m := &wamp.Authenticate{}
	switch c.AuthMethod {
	case auth.Ticket:
		m.Signature = password
	case auth.CRA:
		challenge, _ := c.Extra.String("challenge")
		key := password
		if salt, ok := c.Extra.String("salt"); ok {
			key, _ = auth.DeriveCRAKey(password, salt, c.Extra["iterations"].(int), c.Extra["keylen"].(int))
		}
		m.Signature = auth.SignCRA([]byte(key), challenge)
	case auth.SCRAM, auth.AutobahnSCRAM:
		m = proof(t, authid, password, c)
	case auth.Cryptosign:
		text, _ := c.Extra.String("challenge")
		message, _ := hex.DecodeString(text)
		key := seed()
		if password != "pass word" {
			key = ed25519.NewKeyFromSeed([]byte(strings.Repeat("x", 32)))
		}
		m.Signature = hex.EncodeToString(ed25519.Sign(key, message)) + text
	}
	return m
}

// nonce is what clients send for SCRAM.
func nonce() wamp.Dict { return wamp.Dict{"authextra": wamp.Dict{"nonce": "AAECAwQFBgcICQoLDA0ODw=="}} }

func TestAccepted(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, auth.Config{AnonymousRole: "guest", Principals: people(t)})
	if got, want := a.Methods(), []string{"anonymous", "cryptosign", "scram", "ticket", "tls", "wamp-scram", "wampcra"}; !reflect.DeepEqual(got, want) {
		t.Errorf("methods %v, want %v", got, want)
	}
	for _, tt := range []struct{ authid, method, role string }{
		{"ada", auth.Ticket, "admin"},
		{"ada", auth.CRA, "admin"},
		{"bob", auth.CRA, "user"},
		{"ada", auth.SCRAM, "admin"},
		{"ada", auth.AutobahnSCRAM, "admin"},
		{"ada", auth.Cryptosign, "admin"},
	} {
		t.Run(tt.authid+" "+tt.method, func(t *testing.T) {
			t.Parallel()
			outcome, attempt := a.Begin(t.Context(), newPeer(hello(tt.authid, tt.method, nonce(), wamp.Dict{"authrole": tt.role})))
			if outcome.Exchange == nil {
				t.Fatalf("HELLO came to %+v %+v", outcome, outcome.Denial)
			}
			if want := (auth.Attempt{Method: tt.method, Authid: tt.authid}); attempt != want {
				t.Errorf("attempt %+v, want %+v", attempt, want)
			}
			outcome = outcome.Exchange.Authenticate(t.Context(), answer(t, tt.authid, "pass word", outcome.Exchange.Challenge))
			want := wamp.Identity{Authid: tt.authid, Authrole: tt.role, Authmethod: tt.method, Authprovider: "static"}
			if outcome.Grant == nil || outcome.Grant.Identity != want {
				t.Errorf("AUTHENTICATE came to %+v %+v, want %+v", outcome.Grant, outcome.Denial, want)
			}
		})
	}
}

// TestAtOnce lets peers in without a challenge.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, auth.Config{AnonymousRole: "guest", Principals: people(t)})
	for name, tt := range map[string]struct {
		details     wamp.Dict
		certificate string
		want        string // role
	}{
		"no methods":               {wamp.Dict{"authid": "ada"}, "", "guest"},
		"empty methods":            {wamp.Dict{"authmethods": []any{}}, "", "guest"},
		"certificate":              {hello("", "tls"), "certificate", "admin"},
		"certificate with name":    {hello("ada", "tls"), "certificate", "admin"},
		"certificate of another":   {wamp.Dict{"authid": "bob", "authmethods": []any{"tls", "anonymous"}}, "certificate", "guest"},
		"unknown certificate":      {wamp.Dict{"authmethods": []any{"tls", "anonymous"}}, "other", "guest"},
		"no certificate":           {wamp.Dict{"authmethods": []any{"tls", "anonymous"}}, "", "guest"},
		"methods that are unknown": {wamp.Dict{"authmethods": []any{"persona", 7, "anonymous"}}, "", "guest"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peer := newPeer(tt.details)
			if tt.certificate != "" {
				peer.Certificate = []byte(tt.certificate)
			}
			outcome, _ := a.Begin(t.Context(), peer)
			if outcome.Grant == nil || outcome.Grant.Identity.Authrole != tt.want {
				t.Fatalf("HELLO came to %+v %+v, want role %s", outcome.Grant, outcome.Denial, tt.want)
			}
			if id := outcome.Grant.Identity; tt.want == "guest" && (len(id.Authid) < 20 || id.Authid == "ada") {
				t.Errorf("anonymous authid %q", id.Authid)
			}
		})
	}
}

// TestRefused is the table of refusals: what the peer is told, and what the
// operator.
func TestRefused(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, auth.Config{Principals: people(t), Secret: [32]byte{1}})
	wrong := func(c *wamp.Challenge) *wamp.Authenticate { return answer(t, "ada", "wrong", c) }
	signature := func(s string) func(*wamp.Challenge) *wamp.Authenticate {
		return func(*wamp.Challenge) *wamp.Authenticate { return &wamp.Authenticate{Signature: s} }
	}
	right := func(c *wamp.Challenge) *wamp.Authenticate { return answer(t, "ada", "pass word", c) }
	old := [32]byte{7}
	replayed := hex.EncodeToString(ed25519.Sign(seed(), old[:])) + hex.EncodeToString(old[:])
	const denied = wamp.ErrAuthenticationDenied
	for name, tt := range map[string]struct {
		details wamp.Dict
		answer  func(*wamp.Challenge) *wamp.Authenticate // nil: refused at once
		reason  wamp.URI
		cause   string
	}{
		"no credentials":          {wamp.Dict{}, nil, wamp.ErrAuthenticationRequired, "no credentials"},
		"anonymous":               {hello("", "anonymous"), nil, wamp.ErrAuthenticationRequired, "no credentials"},
		"unknown method":          {hello("ada", "persona"), nil, wamp.ErrNoMatchingAuthMethod, "no method"},
		"methods are no list":     {wamp.Dict{"authmethods": "ticket"}, nil, wamp.ErrNoMatchingAuthMethod, "no method"},
		"tls without certificate": {hello("ada", "tls"), nil, wamp.ErrNoMatchingAuthMethod, "no method"},
		"no authid":               {hello("", "ticket"), nil, wamp.ErrAuthenticationFailed, "needs an authid"},
		"long authid":             {hello(strings.Repeat("a", 1025), "ticket"), nil, wamp.ErrAuthenticationFailed, "longer"},
		"wrong ticket":            {hello("ada", "ticket"), wrong, denied, "wrong ticket"},
		"unknown, ticket":         {hello("zoe", "ticket"), right, denied, "no such principal"},
		"wrong realm":             {hello("eve", "ticket"), right, denied, "no such principal"},
		"no such credential":      {hello("bob", "ticket"), right, denied, "no such principal"},
		"wrong role":              {hello("ada", "ticket", wamp.Dict{"authrole": "user"}), right, wamp.ErrNoSuchRole, "wrong role"},
		"wrong role and ticket":   {hello("ada", "ticket", wamp.Dict{"authrole": "user"}), wrong, denied, "wrong ticket"},
		"wrong CRA secret":        {hello("ada", "wampcra"), wrong, denied, "wrong signature"},
		"CRA, no base64":          {hello("ada", "wampcra"), signature("%"), denied, "wrong signature"},
		"CRA, empty":              {hello("ada", "wampcra"), signature(""), denied, "wrong signature"},
		"unknown, CRA":            {hello("zoe", "wampcra"), right, denied, "no such principal"},
		"SCRAM without nonce":     {hello("ada", "wamp-scram"), nil, wamp.ErrAuthenticationFailed, "nonce"},
		"SCRAM, short nonce":      {hello("ada", "scram", wamp.Dict{"authextra": wamp.Dict{"nonce": "AAEC"}}), nil, wamp.ErrAuthenticationFailed, "nonce"},
		"SCRAM, channel binding": {
			hello("ada", "scram", wamp.Dict{"authextra": wamp.Dict{"nonce": nonce()["authextra"].(wamp.Dict)["nonce"], "channel_binding": "tls-unique"}}),
			nil, wamp.ErrAuthenticationFailed, "channel binding",
		},
		"SCRAM, odd authid":       {hello("a\x07", "scram", nonce()), nil, wamp.ErrAuthenticationFailed, "prepared"},
		"wrong SCRAM password":    {hello("ada", "wamp-scram", nonce()), wrong, denied, "wrong proof"},
		"wrong scram password":    {hello("ada", "scram", nonce()), wrong, denied, "wrong proof"},
		"SCRAM, short proof":      {hello("ada", "scram", nonce()), signature("AAEC"), denied, "32 bytes"},
		"SCRAM, other nonce":      {hello("ada", "wamp-scram", nonce()), signature("AAEC"), denied, "nonce"},
		"unknown, SCRAM":          {hello("zoe", "wamp-scram", nonce()), right, denied, "no such principal"},
		"wrong key":               {hello("ada", "cryptosign"), wrong, denied, "none of the principal's keys"},
		"another's key announced": {hello("ada", "cryptosign", wamp.Dict{"authextra": wamp.Dict{"pubkey": strings.Repeat("00", 32)}}), right, denied, "none of"},
		"unknown, cryptosign":     {hello("zoe", "cryptosign"), right, denied, "no such principal"},
		"unknown key, no name":    {hello("", "cryptosign", wamp.Dict{"authextra": wamp.Dict{"pubkey": strings.Repeat("00", 32)}}), right, denied, "no such principal"},
		"cryptosign, no name":     {hello("", "cryptosign"), nil, wamp.ErrAuthenticationFailed, "needs an authid"},
		"replayed signature":      {hello("ada", "cryptosign"), signature(replayed), denied, "another message"},
		"short signature":         {hello("ada", "cryptosign"), signature("00"), denied, "192"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outcome, _ := a.Begin(t.Context(), newPeer(tt.details))
			if (outcome.Exchange != nil) != (tt.answer != nil) {
				t.Fatalf("HELLO came to %+v", outcome)
			}
			if outcome.Exchange != nil {
				outcome = outcome.Exchange.Authenticate(t.Context(), tt.answer(outcome.Exchange.Challenge))
			}
			d := outcome.Denial
			if d == nil || d.Reason != tt.reason || !strings.Contains(d.Cause, tt.cause) || d.Text == "" {
				t.Fatalf("came to %+v %+v, want %s because of %q", outcome.Grant, d, tt.reason, tt.cause)
			}
			if d.Reason == denied && d.Text != "the credentials are not accepted" {
				t.Errorf("the peer is told %q, which says too much", d.Text)
			}
		})
	}
}

// TestOneAttempt answers a challenge again, the second time rightly.
func TestOneAttempt(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, auth.Config{Principals: people(t)})
	outcome, _ := a.Begin(t.Context(), newPeer(hello("ada", "ticket")))
	if o := outcome.Exchange.Authenticate(t.Context(), &wamp.Authenticate{Signature: "no"}); o.Denial == nil {
		t.Error("a wrong ticket is taken")
	}
	if o := outcome.Exchange.Authenticate(t.Context(), &wamp.Authenticate{Signature: "pass word"}); o.Denial == nil {
		t.Error("a second attempt is taken")
	}
}

// TestReplayedChallenge answers a challenge with what was right for another.
func TestReplayedChallenge(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, auth.Config{Principals: people(t)})
	for _, method := range []string{auth.CRA, auth.SCRAM, auth.AutobahnSCRAM, auth.Cryptosign} {
		first, _ := a.Begin(t.Context(), newPeer(hello("ada", method, nonce())))
		old := answer(t, "ada", "pass word", first.Exchange.Challenge)
		peer := newPeer(hello("ada", method, nonce()))
		peer.Nonce = sha256.Sum256([]byte("another nonce"))
		second, _ := a.Begin(t.Context(), peer)
		if o := second.Exchange.Authenticate(t.Context(), old); o.Denial == nil || o.Denial.Reason != wamp.ErrAuthenticationDenied {
			t.Errorf("%s: a replayed answer came to %+v", method, o)
		}
	}
}

// TestMock compares the challenges of somebody unknown with those of somebody
// known: they have the same form, and do not change from one time to the next.
func TestMock(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, auth.Config{Principals: people(t)[:1], Secret: [32]byte{1}})
	for _, method := range []string{auth.Ticket, auth.CRA, auth.SCRAM, auth.AutobahnSCRAM, auth.Cryptosign} {
		challenge := func(authid string) wamp.Dict {
			outcome, _ := a.Begin(t.Context(), newPeer(hello(authid, method, nonce())))
			return outcome.Exchange.Challenge.Extra
		}
		known, unknown := challenge("ada"), challenge("zoe")
		for k, v := range known {
			if reflect.TypeOf(v) != reflect.TypeOf(unknown[k]) || k == "salt" && len(v.(string)) != len(unknown[k].(string)) {
				t.Errorf("%s: %s is %v for somebody known and %v for somebody unknown", method, k, v, unknown[k])
			}
		}
		if len(known) != len(unknown) || !reflect.DeepEqual(unknown, challenge("zoe")) {
			t.Errorf("%s: challenges %v, %v, then %v", method, known, unknown, challenge("zoe"))
		}
		if salt := unknown["salt"]; salt != nil && salt == challenge("zac")["salt"] {
			t.Errorf("%s: two have the salt %v", method, salt)
		}
	}
	// With nobody like them, they get some challenge all the same.
	none := newAuthenticator(t, auth.Config{Methods: []string{auth.CRA, auth.SCRAM, auth.Cryptosign}})
	for _, method := range none.Methods() {
		if outcome, _ := none.Begin(t.Context(), newPeer(hello("zoe", method, nonce()))); outcome.Exchange == nil {
			t.Errorf("%s came to %+v", method, outcome)
		}
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	now := newPeer(nil).Now
	verify := func(_ context.Context, r wamp.URI, token string) (auth.Grant, error) {
		g := auth.Grant{Identity: wamp.Identity{Authid: "ada", Authrole: "admin", Authprovider: "issuer"}, Expires: now.Add(time.Hour)}
		switch {
		case r != realm || token == "ey.bad.token":
			return auth.Grant{}, fmt.Errorf("%w: alg is none", auth.ErrRefused)
		case token == "ey.lost.issuer":
			return auth.Grant{}, errors.New("no keys")
		case token == "ey.old.token":
			g.Expires = now
		}
		return g, nil
	}
	a := newAuthenticator(t, auth.Config{Token: verify, Principals: people(t)})
	for _, tt := range []struct {
		authid, ticket string
		want           wamp.URI
	}{
		{"", "ey.good.token", ""},
		{"ada", "ey.good.token", ""},
		{"ada", "pass word", ""},
		{"bob", "ey.good.token", wamp.ErrAuthenticationDenied},
		{"", "ey.bad.token", wamp.ErrAuthenticationDenied},
		{"", "ey.old.token", wamp.ErrAuthenticationDenied},
		{"", "ey.lost.issuer", wamp.ErrAuthenticationFailed},
		{"", "pass word", wamp.ErrAuthenticationDenied},
	} {
		outcome, _ := a.Begin(t.Context(), newPeer(hello(tt.authid, "ticket")))
		outcome = outcome.Exchange.Authenticate(t.Context(), &wamp.Authenticate{Signature: tt.ticket})
		if got := reason(outcome); got != tt.want {
			t.Errorf("%q with %q came to %q, want %q", tt.authid, tt.ticket, got, tt.want)
		}
	}
}

func reason(o auth.Outcome) wamp.URI {
	if o.Denial == nil {
		return ""
	}
	return o.Denial.Reason
}

// TestDynamic has a procedure decide.
func TestDynamic(t *testing.T) {
	t.Parallel()
	scram := people(t)[0].SCRAM.String()
	public := hex.EncodeToString(seed().Public().(ed25519.PublicKey))
	key, _ := auth.DeriveCRAKey("pass word", "salt", 1000, 32)
	a := newAuthenticator(t, auth.Config{
		Principals: people(t),
		Dynamic:    &auth.Dynamic{Procedure: "com.example.authenticate", Methods: []string{auth.Ticket, auth.CRA, auth.SCRAM, auth.Cryptosign}},
	})
	role := wamp.Dict{"role": "user"}
	with := func(more wamp.Dict) wamp.Dict {
		more["role"] = "user"
		return more
	}
	for name, tt := range map[string]struct {
		method string
		result any
		err    error
		want   wamp.URI
	}{
		"ticket":              {auth.Ticket, role, nil, ""},
		"ticket, role":        {auth.Ticket, "user", nil, ""},
		"ticket, refused":     {auth.Ticket, nil, fmt.Errorf("%w: wrong", auth.ErrRefused), wamp.ErrAuthenticationDenied},
		"ticket, nobody":      {auth.Ticket, nil, errors.New("no such procedure"), wamp.ErrAuthenticationFailed},
		"ticket, odd":         {auth.Ticket, 7, nil, wamp.ErrAuthenticationFailed},
		"ticket, no role":     {auth.Ticket, wamp.Dict{}, nil, wamp.ErrAuthenticationFailed},
		"CRA":                 {auth.CRA, with(wamp.Dict{"secret": "pass word"}), nil, ""},
		"CRA, salted":         {auth.CRA, with(wamp.Dict{"secret": key, "salt": "salt", "iterations": int64(1000), "keylen": int64(32)}), nil, ""},
		"CRA, wrong":          {auth.CRA, with(wamp.Dict{"secret": "other"}), nil, wamp.ErrAuthenticationDenied},
		"CRA, refused":        {auth.CRA, nil, auth.ErrRefused, wamp.ErrAuthenticationDenied},
		"CRA, nobody":         {auth.CRA, nil, errors.New("timeout"), wamp.ErrAuthenticationFailed},
		"CRA, no secret":      {auth.CRA, role, nil, wamp.ErrAuthenticationFailed},
		"SCRAM":               {auth.SCRAM, with(wamp.Dict{"verifier": scram}), nil, ""},
		"autobahn's SCRAM":    {auth.AutobahnSCRAM, with(wamp.Dict{"verifier": scram}), nil, ""},
		"SCRAM, odd":          {auth.SCRAM, with(wamp.Dict{"verifier": "x"}), nil, wamp.ErrAuthenticationFailed},
		"cryptosign":          {auth.Cryptosign, with(wamp.Dict{"pubkeys": []any{public}}), nil, ""},
		"cryptosign, no keys": {auth.Cryptosign, role, nil, wamp.ErrAuthenticationFailed},
		"cryptosign, no key":  {auth.Cryptosign, with(wamp.Dict{"pubkeys": []any{7}}), nil, wamp.ErrAuthenticationFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peer := newPeer(hello("zoe", tt.method, nonce()))
			peer.Ask = func(_ context.Context, r, procedure wamp.URI, args []any) ([]any, error) {
				details := args[2].(wamp.Dict)
				if r != realm || procedure != "com.example.authenticate" || args[0] != "realm1" || args[1] != "zoe" ||
					details["authmethod"] != tt.method || (details["ticket"] == "pass word") != (tt.method == auth.Ticket) {
					t.Errorf("asked %s %s %v", r, procedure, args)
				}
				return []any{tt.result}, tt.err
			}
			outcome, _ := a.Begin(t.Context(), peer)
			if outcome.Exchange != nil {
				outcome = outcome.Exchange.Authenticate(t.Context(), answer(t, "zoe", "pass word", outcome.Exchange.Challenge))
			}
			if got := reason(outcome); got != tt.want {
				t.Fatalf("came to %q (%+v), want %q", got, outcome.Denial, tt.want)
			}
			if g := outcome.Grant; g != nil && (g.Identity.Authid != "zoe" || g.Identity.Authrole != "user" || g.Identity.Authprovider != "dynamic") {
				t.Errorf("granted %+v", g)
			}
		})
	}
}

// TestAmbiguous has principals that could be taken for each other.
func TestAmbiguous(t *testing.T) {
	t.Parallel()
	key, fingerprint := []auth.PublicKey{{1}}, []auth.Fingerprint{{1}}
	for name, principals := range map[string][]auth.Principal{
		"authid":      {{Authid: "a"}, {Authid: "a"}},
		"no authid":   {{}},
		"key":         {{Authid: "a", Keys: key}, {Authid: "b", Keys: key}},
		"certificate": {{Authid: "a", Certificates: fingerprint}, {Authid: "b", Certificates: fingerprint}},
		"API key":     {{Authid: "a", APIKeys: fingerprint}, {Authid: "b", APIKeys: fingerprint}},
	} {
		if _, err := auth.New(auth.Config{Principals: principals}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestHTTP finds principals without a session.
func TestHTTP(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, auth.Config{Principals: people(t)})
	if id, err := a.Password(t.Context(), realm, "ada", "pass word"); err != nil || id.Authrole != "admin" {
		t.Errorf("Password = %+v, %v", id, err)
	}
	for _, c := range [][3]string{{"realm1", "ada", "no"}, {"realm1", "zoe", "pass word"}, {"realm1", "eve", "pass word"}} {
		if id, err := a.Password(t.Context(), wamp.URI(c[0]), c[1], c[2]); !errors.Is(err, auth.ErrRefused) {
			t.Errorf("Password(%v) = %+v, %v", c, id, err)
		}
	}
	if id, ok := a.APIKey(realm, sha256.Sum256([]byte("key"))); !ok || id.Authid != "ada" || id.Authmethod != "api-key" {
		t.Errorf("APIKey = %+v, %t", id, ok)
	}
	if id, ok := a.Certificate(realm, sha256.Sum256([]byte("certificate"))); !ok || id.Authid != "ada" || id.Authmethod != "tls" {
		t.Errorf("Certificate = %+v, %t", id, ok)
	}
	if id, ok := a.APIKey(realm, auth.Fingerprint{}); ok {
		t.Errorf("APIKey of nobody = %+v", id)
	}
}

// TestSlowHash compares passwords that are hashed slowly, one at a time: who
// finds no place gets no answer when his time is over.
func TestSlowHash(t *testing.T) {
	t.Parallel()
	h, err := auth.ParsePasswordHash("$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	if err != nil {
		t.Fatal(err)
	}
	a := newAuthenticator(t, auth.Config{Principals: []auth.Principal{{Authid: "ada", Role: "user", Ticket: h}}, MaxHashing: 1})
	try := func(ctx context.Context, authid string) auth.Outcome {
		outcome, _ := a.Begin(ctx, newPeer(hello(authid, "ticket")))
		return outcome.Exchange.Authenticate(ctx, &wamp.Authenticate{Signature: "wrong"})
	}
	for _, authid := range []string{"ada", "zoe"} {
		if got := reason(try(t.Context(), authid)); got != wamp.ErrAuthenticationDenied {
			t.Errorf("%s came to %q", authid, got)
		}
	}
	leave := a.Hash()
	defer leave()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if got := reason(try(over, "ada")); got != wamp.ErrAuthenticationFailed {
		t.Errorf("without a place: %q", got)
	}
	if _, err := a.Password(over, realm, "ada", "wrong"); !errors.Is(err, context.Canceled) {
		t.Errorf("Password without a place: %v", err)
	}
}

// TestOffered has methods that are offered although nobody can use them.
func TestOffered(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, auth.Config{Methods: []string{auth.Anonymous, auth.Ticket}})
	outcome, _ := a.Begin(t.Context(), newPeer(nil))
	if got := reason(outcome); got != wamp.ErrAuthenticationRequired {
		t.Errorf("anonymous without a role came to %q", got)
	}
	outcome, _ = a.Begin(t.Context(), newPeer(hello("ada", "ticket", wamp.Dict{"authrole": strings.Repeat("x", 1000)})))
	if outcome.Exchange == nil {
		t.Errorf("ticket came to %+v", outcome.Denial)
	}
}
