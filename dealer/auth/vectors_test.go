package auth_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"testing"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// The values in this file come from other implementations.

func TestCRAVectors(t *testing.T) {
	t.Parallel()
	const challenge = `{"authid":"peter","authrole":"user","authmethod":"wampcra","authprovider":"userdb","session":3251278072152162,"nonce":"LHRTC9zeOIrt_9U3","timestamp":"2014-06-22T16:36:25.448Z"}`
	if got, want := auth.SignCRA([]byte("secret1"), challenge), "z01QANISZU7q6oYU037y3PfNdjRyCSQ8KiFyEUVltDU="; got != want {
		t.Errorf("unsalted signature %s, want %s", got, want)
	}
	key, err := auth.DeriveCRAKey("secret1", "salt123", 1000, 32)
	if want := "64xfzBvZhGDT7PB0bQwDeI8/WR1M9x6Cw5dt0yP9koc="; err != nil || key != want {
		t.Errorf("derived key %s, %v, want %s", key, err, want)
	}
	if got, want := auth.SignCRA([]byte(key), challenge), "zxPZIDVYiw5/sPnf9Atfz7ap0m29f7mlEEEZ2q8LPFQ="; got != want {
		t.Errorf("salted signature %s, want %s", got, want)
	}
}

func TestSCRAMVectors(t *testing.T) {
	t.Parallel()
	const client, combined = "AAECAwQFBgcICQoLDA0ODw==", "AAECAwQFBgcICQoLDA0ODw==EBESExQVFhcYGRobHB0eHw=="
	salt := fromBase64(t, "ICEiIyQlJicoKSorLC0uLw==")
	pbkdf2, err := auth.NewSCRAMVerifier("pencil", false, salt, 4096, 0)
	if err != nil {
		t.Fatal(err)
	}
	argon, err := auth.NewSCRAMVerifier("pencil", true, salt, 3, 4096)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		verifier          *auth.SCRAMVerifier
		autobahn          bool
		salted, proof     string
		extra, signature  string
		stored, serverKey string
	}{
		"pbkdf2": {
			verifier: pbkdf2, salted: "c46080148908a5354956df56b1d913980d0ba888c3ea3d35ecd96c4bde518bec",
			stored:    "6535a08fbf1b5c2710789ce1be76507764c9a7892a86529d4cd749147ab3ed16",
			serverKey: "d80d3a6aeb366ebe3d23d7254fa0dc7a259608cabd6fd283d0e76c1ab4cd200e",
			proof:     "CkM2+8SW2mNh1Bhn9yXgeGjlnM9TIb6IjXorKFVF7K8=", extra: "verifier", signature: "mYm0ckTL/OhOl9ADWWxy7hXMMAzP7S1hkt/4jZYsZvk=",
		},
		"argon2id13": {
			verifier: argon, salted: "dec5b3092be04a8aee67b5ad8afc0adcb21209933eb5c2511fdbb3e32c040ae5",
			proof: "YOaQJKZpjuaLywuZmmcPDC+9pxjKMx3IChQT2SEJ7EY=", extra: "verifier", signature: "4GbofvfmDsH0r4Sbl5bSTZyYMSdvSEiBxsQVvV8bcis=",
		},
		"autobahn": {verifier: argon, autobahn: true, proof: "RkmaPYOXCQq6V1fZ3Cbml+Vd3uQGUuN+chBTq1N8eAI=", extra: "scram_server_signature"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &wamp.Authenticate{Signature: tt.proof, Extra: wamp.Dict{"nonce": combined, "channel_binding": nil, "cbind_data": nil}}
			message, extra, wrong := tt.verifier.CheckProof(tt.autobahn, "user", client, combined, m)
			if wrong != "" {
				t.Errorf("the proof is refused: %s", wrong)
			}
			if got := extra[tt.extra]; tt.signature != "" && got != tt.signature {
				t.Errorf("authextra = %v, want %s: %s", extra, tt.extra, tt.signature)
			}
			if salted, err := tt.verifier.SaltedPassword("pencil"); err != nil || tt.salted != "" && hex.EncodeToString(salted) != tt.salted {
				t.Errorf("salted password %x, %v, want %s", salted, err, tt.salted)
			}
			stored, server := tt.verifier.Keys()
			if tt.stored != "" && (hex.EncodeToString(stored[:]) != tt.stored || hex.EncodeToString(server[:]) != tt.serverKey) {
				t.Errorf("keys %x, %x, want %s, %s", stored, server, tt.stored, tt.serverKey)
			}
			const want = "n=user,r=AAECAwQFBgcICQoLDA0ODw==,r=AAECAwQFBgcICQoLDA0ODw==EBESExQVFhcYGRobHB0eHw==,s=ICEiIyQlJicoKSorLC0uLw==,i=4096,c=biws,r=AAECAwQFBgcICQoLDA0ODw==EBESExQVFhcYGRobHB0eHw=="
			if name == "pbkdf2" && message != want {
				t.Errorf("AuthMessage %s, want %s", message, want)
			}
			m.Signature = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
			if _, _, wrong := tt.verifier.CheckProof(tt.autobahn, "user", client, combined, m); wrong == "" {
				t.Error("another proof is taken")
			}
		})
	}
}

// TestSCRAMEscapes has a name that needs escaping in the specification's
// dialect.
func TestSCRAMEscapes(t *testing.T) {
	t.Parallel()
	v, err := auth.NewSCRAMVerifier("pencil", false, make([]byte, 16), 4096, 0)
	if err != nil {
		t.Fatal(err)
	}
	message, _, _ := v.CheckProof(false, "a=b,c", "x", "xy", &wamp.Authenticate{})
	if want := "n=a=3Db=2Cc,r=x,"; message[:len(want)] != want {
		t.Errorf("AuthMessage %s, want %s…", message, want)
	}
}

func TestCryptosignVectors(t *testing.T) {
	t.Parallel()
	const public = "1adfc8bfe1d35616e64dffbd900096f23b066f914c8c2ffbb66f6075b96e116d"
	const ff = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
	key, err := auth.ParsePublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	a := newAuthenticator(t, auth.Config{Principals: []auth.Principal{{Authid: "device", Role: "user", Keys: []auth.PublicKey{key}}}})
	for name, tt := range map[string]struct{ channel, signature string }{
		"no binding": {"", "b32675b221f08593213737bef8240e7c15228b07028e19595294678c90d11c0cae80a357331bfc5cc9fb71081464e6e75013517c2cf067ad566a6b7b728e5d03" + ff},
		"bound": {
			"62e935ae755f3d48f80d4d59f6121358c435722a67e859cc0caa8b539027f2ff",
			"9b6f41540c9b95b4b7b281c3042fa9c54cef43c842d62ea3fd6030fcb66e70b3e80d49d44c29d1635da9348d02ec93f3ed1ef227dfb59a07b580095c2b82f80f" +
				"9d16ca518aa0c2b707f2b2a609edeca73bca8dd59817a633f35574ac6fd80d00",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			extra := wamp.Dict{"pubkey": public}
			peer := newPeer(wamp.Dict{"authmethods": []any{"cryptosign"}, "authextra": extra})
			peer.Nonce = [32]byte(bytes.Repeat([]byte{0xff}, 32))
			if tt.channel != "" {
				extra["channel_binding"] = "tls-exporter"
				peer.Exporter, _ = hex.DecodeString(tt.channel)
			}
			outcome, _ := a.Begin(t.Context(), peer)
			if outcome.Exchange == nil {
				t.Fatalf("HELLO came to %+v", outcome)
			}
			binding := outcome.Exchange.Challenge.Extra["channel_binding"]
			if (binding == "tls-exporter") != (tt.channel != "") || outcome.Exchange.Challenge.Extra["challenge"] != ff {
				t.Errorf("CHALLENGE %v", outcome.Exchange.Challenge.Extra)
			}
			outcome = outcome.Exchange.Authenticate(t.Context(), &wamp.Authenticate{Signature: tt.signature})
			if outcome.Grant == nil || outcome.Grant.Identity.Authid != "device" {
				t.Errorf("the signature came to %+v", outcome)
			}
		})
	}
}

// TestTicketVector compares with the stored hash of a ticket.
func TestTicketVector(t *testing.T) {
	t.Parallel()
	h, err := auth.ParsePasswordHash("sha256:a41380dafd06dd500955d37194e14235ccf8f254e9fa0888f4c2aade0a4b308d")
	if err != nil {
		t.Fatal(err)
	}
	if !h.Matches("secret!!!") || h.Matches("secret!!") {
		t.Error("the ticket is not compared as it should be")
	}
}

// TestSASLPrep has the examples of RFC 4013, section 3, and some of RFC 3454.
func TestSASLPrep(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"I\u00ADX": "IX", "user": "user", "USER": "USER", "\u00AA": "a", "\u2168": "IX",
		"a\u00A0b": "a b", "\u0627\u0031\u0628": "\u0627\u0031\u0628", "": "",
	} {
		if got, err := auth.SASLPrep(in); err != nil || got != want {
			t.Errorf("SASLprep(%+q) = %+q, %v, want %+q", in, got, err, want)
		}
	}
	for _, in := range []string{"\u0007", "\u0627\u0031", "\u0627a\u0628", "\xff", "\ufffd", "\ue000"} {
		if got, err := auth.SASLPrep(in); err == nil {
			t.Errorf("SASLprep(%+q) = %+q, want an error", in, got)
		}
	}
}

func fromBase64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
