package auth_test

import (
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
)

func TestPasswordHash(t *testing.T) {
	t.Parallel()
	for _, argon := range []bool{false, true} {
		h, err := auth.HashPassword("pass word", argon, []byte("0123456789abcdef"))
		if err != nil {
			t.Fatal(err)
		}
		again, err := auth.ParsePasswordHash(h.String())
		if err != nil || again.String() != h.String() {
			t.Fatalf("%s was read as %v, %v", h, again, err)
		}
		if !again.Matches("pass word") || again.Matches("pass  word") {
			t.Errorf("%s does not match its password alone", h)
		}
	}
}

// TestBadCredentials has texts that no credential has. The errors do not repeat
// them.
func TestBadCredentials(t *testing.T) {
	t.Parallel()
	const salt, key = "MDEyMzQ1Njc4OWFiY2RlZg", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	long := strings.Repeat("A", 100)
	for _, text := range []string{
		"", "secretsecret", "sha256:secret", "sha256:00", "$pbkdf2-sha256$i=999$" + salt + "$" + key, "$pbkdf2-sha256$i=x$" + salt + "$" + key,
		"$pbkdf2-sha256$i=100000000$" + salt + "$" + key, "$pbkdf2-sha256$i=1000$secret$" + key, "$pbkdf2-sha256$i=1000$" + salt + "$AAAA",
		"$pbkdf2-sha256$i=1000$" + long + "$" + key, "$argon2id$v=16$m=8,t=1,p=1$" + salt + "$" + key, "$argon2id$v=19$m=8,t=1$" + salt + "$" + key,
		"$argon2id$v=19$m=99999999,t=1,p=1$" + salt + "$" + key, "$argon2id$v=19$m=8,t=0,p=1$" + salt + "$" + key, "$argon2id$v=19$m=8,t=1,p=99$" + salt + "$" + key,
	} {
		if h, err := auth.ParsePasswordHash(text); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("password hash %q = %v, %v", text, h, err)
		}
	}
	for _, text := range []string{
		"", "secret", "$wamp-scram$md5$i=1$" + salt + strings.Repeat("$"+key, 4), "$wamp-scram$pbkdf2$i=1$" + salt + strings.Repeat("$"+key, 4),
		"$wamp-scram$argon2id13$i=1,m=1$" + salt + strings.Repeat("$"+key, 4), "$wamp-scram$pbkdf2$i=4096$secret%" + strings.Repeat("$"+key, 4),
		"$wamp-scram$pbkdf2$i=4096$" + salt + strings.Repeat("$secret", 4), "$wamp-scram$pbkdf2$i=4096$AAAA" + strings.Repeat("$"+key, 4),
	} {
		if v, err := auth.ParseSCRAMVerifier(text); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("verifier %q = %v, %v", text, v, err)
		}
	}
	for _, c := range []struct {
		key, salt          string
		iterations, keylen int
	}{
		{key + "=", "", 0, 0},
		{"secret", "salt", 0, 0},
		{key + "=", "salt", -1, 0},
		{key + "=", "salt", 0, 8},
		{key + "=", "salt", 0, 33},
	} {
		if s, err := auth.NewCRAKey(c.key, c.salt, c.iterations, c.keylen); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("CRA key %+v = %v, %v", c, s, err)
		}
	}
	if _, err := auth.ParsePublicKey("secret"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("public key: %v", err)
	}
	if _, err := auth.NewSCRAMVerifier("secret\x00", false, make([]byte, 16), 4096, 0); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("password with a control character: %v", err)
	}
	if _, err := auth.NewSCRAMVerifier("secret", false, nil, 4096, 0); err == nil {
		t.Error("verifier without salt")
	}
}

func TestSCRAMVerifierText(t *testing.T) {
	t.Parallel()
	for _, argon := range []bool{false, true} {
		v, err := auth.NewSCRAMVerifier("pass word", argon, make([]byte, 16), map[bool]int{false: 4096, true: 1}[argon], 64)
		if err != nil {
			t.Fatal(err)
		}
		again, err := auth.ParseSCRAMVerifier(v.String())
		if err != nil || again.String() != v.String() {
			t.Errorf("%s was read as %v, %v", v, again, err)
		}
	}
}

func FuzzPasswordHash(f *testing.F) {
	f.Add("sha256:a41380dafd06dd500955d37194e14235ccf8f254e9fa0888f4c2aade0a4b308d")
	f.Add("$pbkdf2-sha256$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := auth.ParsePasswordHash(text)
		if err != nil {
			return
		}
		again, err := auth.ParsePasswordHash(h.String())
		if err != nil || again.String() != h.String() {
			t.Errorf("%q was written as %q and read as %v, %v", text, h, again, err)
		}
	})
}

func FuzzSCRAMVerifier(f *testing.F) {
	const key = "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	f.Add("$wamp-scram$pbkdf2$i=4096$MDEyMzQ1Njc4OWFiY2RlZg" + key + key + key + key)
	f.Add("$wamp-scram$argon2id13$i=1,m=64$MDEyMzQ1Njc4OWFiY2RlZg" + key + key + key + key)
	f.Fuzz(func(t *testing.T, text string) {
		v, err := auth.ParseSCRAMVerifier(text)
		if err != nil {
			return
		}
		again, err := auth.ParseSCRAMVerifier(v.String())
		if err != nil || again.String() != v.String() {
			t.Errorf("%q was written as %q and read as %v, %v", text, v, again, err)
		}
	})
}

// FuzzAuthenticate has a stranger say anything, to every method: it is never
// let in, and nothing breaks.
func FuzzAuthenticate(f *testing.F) {
	f.Add("ticket", "ada", "", "pass", "")
	f.Add("wampcra", "ada", "", "AAAA", "")
	f.Add("wamp-scram", "ada", "AAECAwQFBgcICQoLDA0ODw==", "AAAA", "AAECAwQFBgcICQoLDA0ODw==")
	f.Add("scram", "zoe", "AAECAwQFBgcICQoLDA0ODw==", "AAAA", "")
	f.Add("cryptosign", "", "1adfc8bfe1d35616e64dffbd900096f23b066f914c8c2ffbb66f6075b96e116d", "00", "")
	a := newAuthenticator(f, auth.Config{Principals: people(f)})
	f.Fuzz(func(t *testing.T, method, authid, extra, signature, nonce string) {
		peer := newPeer(wamp.Dict{
			"authmethods": []any{method}, "authid": authid,
			"authextra": wamp.Dict{"nonce": extra, "pubkey": extra, "channel_binding": nonce},
		})
		outcome, _ := a.Begin(t.Context(), peer)
		if outcome.Exchange != nil {
			m := &wamp.Authenticate{Signature: signature, Extra: wamp.Dict{"nonce": nonce}}
			outcome = outcome.Exchange.Authenticate(t.Context(), m)
		}
		if outcome.Grant != nil && signature != "pass word" {
			t.Errorf("%q came in as %+v", authid, outcome.Grant)
		}
		if d := outcome.Denial; d != nil && len(signature) > 8 && strings.Contains(d.Text+d.Cause, signature) && !strings.Contains(authid+method, signature) {
			t.Errorf("the signature is in %+v", d)
		}
	})
}
