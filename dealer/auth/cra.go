package auth

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// What a salted CHALLENGE means where it does not say.
const (
	DefaultCRAIterations = 1000
	DefaultCRAKeylen     = 32
)

// A CRASecret is what WAMP-CRA signs with. Whoever has its key can sign, salted
// or not.
type CRASecret struct {
	key        []byte // of the HMAC, as text
	salt       string // empty: the key is the secret itself
	iterations int
	keylen     int
}

// NewCRASecret returns the unsalted secret.
func NewCRASecret(secret string) *CRASecret { return &CRASecret{key: []byte(secret)} }

// NewCRAKey returns a salted secret by its derived key (in base64) and the
// parameters that it was derived with. Zero parameters are the defaults.
func NewCRAKey(key, salt string, iterations, keylen int) (*CRASecret, error) {
	s := &CRASecret{key: []byte(key), salt: salt, iterations: iterations, keylen: keylen}
	if s.iterations == 0 {
		s.iterations = DefaultCRAIterations
	}
	if s.keylen == 0 {
		s.keylen = DefaultCRAKeylen
	}
	raw, err := base64.StdEncoding.DecodeString(key)
	switch {
	case salt == "":
		return nil, fmt.Errorf("a derived key needs the salt that it was derived with")
	case s.iterations < 1 || s.iterations > maxIterations || s.keylen < 16 || s.keylen > 64:
		return nil, fmt.Errorf("iterations are not from 1 to %d, or keylen is not from 16 to 64", maxIterations)
	case err != nil || len(raw) != s.keylen:
		return nil, fmt.Errorf("the derived key is not the base64 of %d bytes", s.keylen)
	}
	return s, nil
}

// DeriveCRAKey returns the key for NewCRAKey. It is the base64 text, and not
// the bytes it stands for, that signs.
func DeriveCRAKey(secret, salt string, iterations, keylen int) (string, error) {
	raw, err := pbkdf2.Key(sha256.New, secret, []byte(salt), iterations, keylen)
	if err != nil {
		return "", fmt.Errorf("derive key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}

// SignCRA answers a CHALLENGE.
func SignCRA(key []byte, challenge string) string {
	return base64.StdEncoding.EncodeToString(signCRA(key, challenge))
}

func signCRA(key []byte, challenge string) []byte {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(challenge)) // never fails
	return mac.Sum(nil)
}

// craText is the JSON of a CHALLENGE; the peer signs it letter by letter.
type craText struct {
	Authid       string  `json:"authid"`
	Authrole     string  `json:"authrole"`
	Authmethod   string  `json:"authmethod"`
	Authprovider string  `json:"authprovider"`
	Session      wamp.ID `json:"session"`
	Nonce        string  `json:"nonce"`
	Timestamp    string  `json:"timestamp"`
}

// cra begins WAMP-CRA (spec, section "Challenge-Response Authentication").
func (a *attempt) cra(p *Principal) Outcome {
	s := p.CRA
	text, err := json.Marshal(craText{
		a.authid, p.Role, CRA, Static, a.peer.Session,
		base64.RawURLEncoding.EncodeToString(a.peer.Nonce[:]), a.peer.Now.UTC().Format(time.RFC3339Nano),
	})
	if err != nil {
		return Outcome{Denial: failed("the challenge cannot be written", err.Error())}
	}
	extra := wamp.Dict{"challenge": string(text)}
	if s.salt != "" {
		extra["salt"], extra["iterations"], extra["keylen"] = s.salt, s.iterations, s.keylen
	}
	want := signCRA(s.key, string(text))
	return a.challenge(p, extra, func(m *wamp.Authenticate) (wamp.Dict, string) {
		got, err := base64.StdEncoding.DecodeString(m.Signature)
		if err != nil || !hmac.Equal(got, want) {
			return nil, "wrong signature"
		}
		return nil, ""
	})
}
