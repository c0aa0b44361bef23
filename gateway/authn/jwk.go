package authn

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// What a set of keys may hold.
const (
	maxKeySet  = 1 << 20 // bytes
	maxKeys    = 256
	minRSABits = 2048
	maxRSABits = 8192
)

// A signingKey is a public key that verifies tokens.
type signingKey struct {
	id     string // may be empty
	alg    string // the only algorithm it is for; empty means any that fits
	public crypto.PublicKey
}

// A jwk is a JSON Web Key (RFC 7517, RFC 7518 section 6, RFC 8037).
type jwk struct {
	Kty    string   `json:"kty"`
	Kid    string   `json:"kid"`
	Use    string   `json:"use"`
	KeyOps []string `json:"key_ops"`
	Alg    string   `json:"alg"`
	Crv    string   `json:"crv"`
	N      string   `json:"n"`
	E      string   `json:"e"`
	X      string   `json:"x"`
	Y      string   `json:"y"`
}

// parseKeySet reads a JSON Web Key Set. Keys that cannot verify a token, such
// as symmetric ones and ones for encryption, are left out; a set without any
// other is an error that says why.
func parseKeySet(data []byte) ([]signingKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("not a JSON Web Key Set: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("a set of %d keys; at most %d are looked at", len(set.Keys), maxKeys)
	}
	var keys []signingKey
	var errs []error
	for i, raw := range set.Keys {
		var k jwk
		err := json.Unmarshal(raw, &k)
		var public crypto.PublicKey
		if err == nil {
			public, err = k.public()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("key %d: %w", i, err))
			continue
		}
		keys = append(keys, signingKey{k.Kid, k.Alg, public})
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("no key in the set verifies tokens: %w", errors.Join(errs...))
	}
	return keys, nil
}

// public returns the public key that k is.
func (k *jwk) public() (crypto.PublicKey, error) {
	if k.Use != "" && k.Use != "sig" || k.KeyOps != nil && !slices.Contains(k.KeyOps, "verify") {
		return nil, errors.New("is not for signatures")
	}
	switch k.Kty {
	case "RSA":
		return k.rsa()
	case "EC":
		return k.ecdsa()
	case "OKP":
		return k.ed25519()
	}
	return nil, fmt.Errorf("type %q is not RSA, EC or OKP", k.Kty)
}

func (k *jwk) rsa() (*rsa.PublicKey, error) {
	n, err1 := field(k.N)
	e, err2 := field(k.E)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n)}
	exponent := new(big.Int).SetBytes(e)
	switch bits := key.N.BitLen(); {
	case bits < minRSABits || bits > maxRSABits:
		return nil, fmt.Errorf("an RSA key of %d bits; wanted are %d to %d", bits, minRSABits, maxRSABits)
	case exponent.BitLen() > 31 || exponent.Int64() < 3 || exponent.Bit(0) == 0:
		return nil, errors.New("the RSA exponent is not an odd number from 3 to 2^31")
	}
	key.E = int(exponent.Int64())
	return key, nil
}

func (k *jwk) ecdsa() (*ecdsa.PublicKey, error) {
	var curve elliptic.Curve
	switch k.Crv {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	case "P-521":
		curve = elliptic.P521()
	default:
		return nil, fmt.Errorf("curve %q is not P-256, P-384 or P-521", k.Crv)
	}
	x, err1 := field(k.X)
	y, err2 := field(k.Y)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	point := append([]byte{4}, x...) // uncompressed
	key, err := ecdsa.ParseUncompressedPublicKey(curve, append(point, y...))
	if err != nil {
		return nil, fmt.Errorf("a point that is not on curve %s: %w", k.Crv, err)
	}
	return key, nil
}

func (k *jwk) ed25519() (ed25519.PublicKey, error) {
	if k.Crv != "Ed25519" {
		return nil, fmt.Errorf("curve %q is not Ed25519", k.Crv)
	}
	x, err := field(k.X)
	if err != nil {
		return nil, err
	}
	if len(x) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("an Ed25519 key of %d bytes", len(x))
	}
	return x, nil
}

// field decodes a member of a key.
func field(text string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) == 0 {
		return nil, errors.New("a member is missing, or not in base64url")
	}
	return b, nil
}

// fits reports whether k may verify what alg signed: an RSA key never checks
// another kind of signature, whatever a token says.
func (k *signingKey) fits(alg string) bool {
	if k.alg != "" && k.alg != alg {
		return false
	}
	switch key := k.public.(type) {
	case *rsa.PublicKey:
		return alg[:2] == "RS" || alg[:2] == "PS"
	case *ecdsa.PublicKey:
		return alg == map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}[key.Curve.Params().Name]
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false
}
