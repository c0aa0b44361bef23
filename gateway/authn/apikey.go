package authn

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// An API key is "wgk_", eight characters that name it, "_" and 52 that are
// secret. Those are 256 random bits, so that a plain hash of it tells nothing.
const (
	keyPrefix = "wgk_"
	keyIDLen  = len(keyPrefix) + 8
	keyLen    = keyIDLen + 1 + 52
)

// A Fingerprint is the SHA-256 of an API key, or of a certificate in DER.
type Fingerprint [sha256.Size]byte

// A Lookup returns whom a fingerprint stands for.
type Lookup func(Fingerprint) (wamp.Identity, bool)

// NewAPIKey makes an API key at random. It returns the key, which its owner
// gets and nobody else keeps, and what is kept of it.
func NewAPIKey() (key string, kept Fingerprint) {
	var random [5 + 32]byte
	_, _ = rand.Read(random[:]) // never fails
	enc := base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	key = keyPrefix + enc.EncodeToString(random[:5]) + "_" + enc.EncodeToString(random[5:])
	return key, sha256.Sum256([]byte(key))
}

// APIKeyName returns the part of an API key that is no secret.
func APIKeyName(key string) string { return key[:min(len(key), keyIDLen)] }

// isAPIKey reports whether a bearer token is an API key, good or not.
func isAPIKey(token string) bool { return strings.HasPrefix(token, keyPrefix) }

// apiKey returns the principal of a key. Finding out is as cheap as
// remembering.
func (a *Authenticator) apiKey(key string) (Principal, error) {
	if len(key) != keyLen || !isAPIKey(key) || key[keyIDLen] != '_' {
		return Principal{}, wrong(MethodAPIKey, Malformed, "that is not an API key: some of it is missing, or there is something more")
	}
	name := APIKeyName(key)
	id, ok := a.cfg.Keys(sum(key))
	if !ok {
		return Principal{}, wrong(MethodAPIKey, WrongSecret, "the API key is not valid").of(name)
	}
	id.Authmethod = MethodAPIKey
	return Principal{Identity: id, Credential: name}, nil
}

// sum returns the fingerprint of an API key, and allocates nothing.
func sum(key string) Fingerprint {
	var room [keyLen]byte
	return sha256.Sum256(append(room[:0], key...))
}
