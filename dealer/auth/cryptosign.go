package auth

import (
	"crypto/ed25519"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// tlsExporter is the channel binding that this router agrees to (RFC 9266).
const tlsExporter = "tls-exporter"

// A PublicKey is one that cryptosign signatures are checked with.
type PublicKey [ed25519.PublicKeySize]byte

// ParsePublicKey reads 64 hexadecimal digits.
func ParsePublicKey(text string) (PublicKey, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return PublicKey{}, errors.New("a cryptosign key is 64 hexadecimal digits")
	}
	return PublicKey(raw), nil
}

// String returns the key as ParsePublicKey reads it.
func (k PublicKey) String() string { return hex.EncodeToString(k[:]) }

// announced returns the public key of a HELLO.
func announced(details wamp.Dict) (PublicKey, bool) {
	extra, _ := details.Dict("authextra")
	text, _ := extra.String("pubkey")
	key, err := ParsePublicKey(text)
	return key, err == nil
}

// cryptosign begins WAMP-cryptosign (spec, section "Cryptosign-based
// Authentication").
func (a *attempt) cryptosign(p *Principal) Outcome {
	keys := p.Keys
	if key, ok := announced(a.peer.Details); ok {
		known := slices.Contains(keys, key)
		if keys = []PublicKey{key}; !known {
			keys = nil // whatever is signed then is wrong
		}
	}
	message := slices.Clone(a.peer.Nonce[:])
	extra := wamp.Dict{"challenge": hex.EncodeToString(message), "channel_binding": nil}
	if hello, _ := a.peer.Details.Dict("authextra"); hello["channel_binding"] == tlsExporter && len(a.peer.Exporter) == len(message) {
		extra["channel_binding"] = tlsExporter
		subtle.XORBytes(message, message, a.peer.Exporter)
	}
	return a.challenge(p, extra, func(m *wamp.Authenticate) (wamp.Dict, string) {
		return nil, checkSignature(keys, message, m.Signature)
	})
}

// checkSignature says what is wrong with a signature. The message that came
// with it must be the one that was to be signed: any old signature would pass
// otherwise.
func checkSignature(keys []PublicKey, message []byte, signature string) string {
	raw, err := hex.DecodeString(signature)
	if err != nil || len(raw) != ed25519.SignatureSize+len(message) {
		return "the signature is not 192 hexadecimal digits"
	}
	signed := raw[ed25519.SignatureSize:]
	if subtle.ConstantTimeCompare(signed, message) != 1 {
		return "another message is signed than the challenge"
	}
	for _, key := range keys {
		if ed25519.Verify(key[:], message, raw[:ed25519.SignatureSize]) {
			return ""
		}
	}
	return "the signature is of none of the principal's keys"
}
