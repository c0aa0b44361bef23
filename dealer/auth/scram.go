package auth

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A SCRAMVerifier is what is kept of a password for WAMP-SCRAM. Whoever has it
// can try passwords and pretend to be this router, but cannot log in. Its text
// is
//
//	$wamp-scram$pbkdf2$i=4096$SALT$STORED$SERVER$STORED2$SERVER2
//	$wamp-scram$argon2id13$i=3,m=65536$SALT$STORED$SERVER$STORED2$SERVER2
//
// in base64 without padding. The second pair of keys is for autobahn's dialect,
// whose keys are made of the text of a hash and not of its bytes.
type SCRAMVerifier struct {
	argon      bool
	salt       []byte
	iterations int
	memory     int // KiB; with Argon2id alone
	spec       scramKeys
	autobahn   scramKeys
}

type scramKeys struct{ stored, server [sha256.Size]byte }

// The bounds of what a client is asked to compute.
const (
	minSCRAMIterations = 4096 // RFC 7677
	minNonce           = 16
	maxNonce           = 128 // characters
)

// NewSCRAMVerifier derives a verifier, with PBKDF2 or with Argon2id; memory is
// in KiB and for Argon2id alone.
func NewSCRAMVerifier(password string, argon bool, salt []byte, iterations, memory int) (*SCRAMVerifier, error) {
	v := &SCRAMVerifier{argon: argon, salt: salt, iterations: iterations, memory: memory}
	if err := v.check(); err != nil {
		return nil, err
	}
	salted, err := v.saltedPassword(password)
	if err != nil {
		return nil, err
	}
	v.spec = newSCRAMKeys(salted)
	v.autobahn = newSCRAMKeys([]byte(base64.RawStdEncoding.EncodeToString(salted)))
	return v, nil
}

func (v *SCRAMVerifier) saltedPassword(password string) ([]byte, error) {
	prepared, err := saslPrep(password)
	if err != nil {
		return nil, fmt.Errorf("password: %w", err)
	}
	if v.argon {
		return argon(prepared, v.salt, v.iterations, v.memory, 1), nil
	}
	return pbkdf2.Key(sha256.New, prepared, v.salt, v.iterations, keyLen)
}

func newSCRAMKeys(salted []byte) scramKeys {
	return scramKeys{
		stored: sha256.Sum256(hmacSHA256(salted, "Client Key")),
		server: [sha256.Size]byte(hmacSHA256(salted, "Server Key")),
	}
}

func hmacSHA256(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(text)) // never fails
	return mac.Sum(nil)
}

func (v *SCRAMVerifier) check() error {
	switch {
	case len(v.salt) < minSalt || len(v.salt) > maxSalt:
		return fmt.Errorf("the salt has not %d to %d bytes", minSalt, maxSalt)
	case v.argon && !argonBounds(v.memory, v.iterations, 1):
		return fmt.Errorf("m is not from 8 to %d, or i not from 1 to %d", maxMemory, maxPasses)
	case !v.argon && (v.iterations < minSCRAMIterations || v.iterations > maxIterations):
		return fmt.Errorf("i is not from %d to %d", minSCRAMIterations, maxIterations)
	}
	return nil
}

var errVerifierForm = errors.New(`not a SCRAM verifier; make one with "wampgate hash-password --for scram"`)

// ParseSCRAMVerifier reads the text of a SCRAMVerifier. The error does not
// repeat it.
func ParseSCRAMVerifier(text string) (*SCRAMVerifier, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 9 || parts[0] != "" || parts[1] != SCRAM {
		return nil, errVerifierForm
	}
	v, ok := new(SCRAMVerifier), false
	var n []int
	switch parts[2] {
	case "pbkdf2":
		if n, ok = parameters(parts[3], "i"); ok {
			v.iterations = n[0]
		}
	case "argon2id13":
		if n, ok = parameters(parts[3], "i", "m"); ok {
			v.argon, v.iterations, v.memory = true, n[0], n[1]
		}
	}
	if !ok {
		return nil, errVerifierForm
	}
	var err error
	if v.salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[4]); err != nil {
		return nil, errVerifierForm
	}
	for i, key := range []*[sha256.Size]byte{&v.spec.stored, &v.spec.server, &v.autobahn.stored, &v.autobahn.server} {
		raw, err := base64.RawStdEncoding.Strict().DecodeString(parts[5+i])
		if err != nil || len(raw) != len(key) {
			return nil, errVerifierForm
		}
		copy(key[:], raw)
	}
	return v, v.check()
}

// String returns the text of v.
func (v *SCRAMVerifier) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	kdf, parameters := "pbkdf2", fmt.Sprintf("i=%d", v.iterations)
	if v.argon {
		kdf, parameters = "argon2id13", fmt.Sprintf("i=%d,m=%d", v.iterations, v.memory)
	}
	return strings.Join([]string{
		"", SCRAM, kdf, parameters, b64(v.salt),
		b64(v.spec.stored[:]), b64(v.spec.server[:]), b64(v.autobahn.stored[:]), b64(v.autobahn.server[:]),
	}, "$")
}

// extra returns the CHALLENGE.Extra of either dialect. autobahn takes no other
// entries than these, and no null.
func (v *SCRAMVerifier) extra(nonce string, autobahn bool) wamp.Dict {
	extra := wamp.Dict{
		"nonce":      nonce,
		"salt":       base64.StdEncoding.EncodeToString(v.salt),
		"kdf":        "pbkdf2",
		"iterations": v.iterations,
	}
	switch {
	case v.argon && autobahn:
		extra["kdf"], extra["memory"] = "argon2id-13", v.memory
	case v.argon:
		extra["kdf"], extra["memory"] = "argon2id13", v.memory
	case !autobahn:
		extra["memory"] = nil
	}
	return extra
}

// scram begins WAMP-SCRAM (spec, section "Salted Challenge Response
// Authentication Mechanism") or autobahn's dialect of it.
func (a *attempt) scram(p *Principal) Outcome {
	extra, _ := a.peer.Details.Dict("authextra")
	client, _ := extra.String("nonce")
	raw, err := base64.StdEncoding.DecodeString(client)
	if err != nil || len(raw) < minNonce || len(client) > maxNonce {
		return Outcome{Denial: failed(fmt.Sprintf("authextra.nonce is not the base64 of %d or more bytes", minNonce), "no usable nonce")}
	}
	bound, why := a.scramBinding(extra["channel_binding"])
	if why != "" {
		return Outcome{Denial: failed(why, "channel binding that cannot be had")}
	}
	name, err := saslPrep(a.authid)
	if err != nil {
		return Outcome{Denial: failed("authid: "+err.Error(), "authid cannot be prepared")}
	}
	x := scramExchange{verifier: p.SCRAM, autobahn: a.method == AutobahnSCRAM, bound: bound}
	server := a.peer.Nonce[:minNonce]
	x.nonce = client + base64.StdEncoding.EncodeToString(server)
	if x.autobahn {
		x.nonce = base64.StdEncoding.EncodeToString(append(raw, server...))
	}
	x.message = p.SCRAM.message(name, client, x.nonce, x.autobahn, bound)
	return a.challenge(p, p.SCRAM.extra(x.nonce, x.autobahn), x.check)
}

// scramBinding returns the data that the exchange is bound to: nil if the
// client asks for no channel binding. The text says why it cannot have it;
// without a binding that the client counts on, nobody logs in.
func (a *attempt) scramBinding(asked any) (data []byte, why string) {
	switch {
	case asked == nil || asked == "":
		return nil, ""
	case a.method == AutobahnSCRAM || asked != tlsExporter:
		return nil, "the only channel binding here is " + tlsExporter + ", with " + SCRAM
	case len(a.peer.Exporter) == 0:
		return nil, "channel binding " + tlsExporter + " takes a connection with TLS 1.3 that ends here"
	}
	return a.peer.Exporter, ""
}

// message returns what both sides sign. bound is the channel binding data of
// the connection, or nil.
func (v *SCRAMVerifier) message(name, client, nonce string, autobahn bool, bound []byte) string {
	binding := ""
	if !autobahn {
		name = strings.NewReplacer("=", "=3D", ",", "=2C").Replace(name)
		input := []byte("n,,") // gs2-header of RFC 5802: no channel binding
		if bound != nil {
			input = append([]byte("p="+tlsExporter+",,"), bound...)
		}
		binding = base64.StdEncoding.EncodeToString(input)
	}
	return fmt.Sprintf("n=%s,r=%s,r=%s,s=%s,i=%d,c=%s,r=%s", name, client,
		nonce, base64.StdEncoding.EncodeToString(v.salt), v.iterations, binding, nonce)
}

// A scramExchange waits for the client's proof.
type scramExchange struct {
	verifier *SCRAMVerifier
	autobahn bool
	nonce    string // the client's and the router's
	bound    []byte // data of the channel binding; nil without
	message  string
}

func (x *scramExchange) check(m *wamp.Authenticate) (wamp.Dict, string) {
	keys, name := &x.verifier.spec, "verifier"
	if x.autobahn {
		keys, name = &x.verifier.autobahn, "scram_server_signature"
	} else if why := x.checkExtra(m.Extra); why != "" {
		return nil, why
	}
	proof, err := base64.StdEncoding.DecodeString(m.Signature)
	if err != nil || len(proof) != sha256.Size {
		return nil, "the proof is not 32 bytes"
	}
	key := make([]byte, sha256.Size)
	subtle.XORBytes(key, proof, hmacSHA256(keys.stored[:], x.message))
	if got := sha256.Sum256(key); subtle.ConstantTimeCompare(got[:], keys.stored[:]) != 1 {
		return nil, "wrong proof"
	}
	signature := hmacSHA256(keys.server[:], x.message)
	return wamp.Dict{name: base64.StdEncoding.EncodeToString(signature)}, ""
}

// checkExtra compares what the client repeats of the CHALLENGE.
func (x *scramExchange) checkExtra(extra wamp.Dict) string {
	if nonce, _ := extra.String("nonce"); nonce != x.nonce {
		return "the nonce is not that of the challenge"
	}
	if x.bound == nil {
		if extra["channel_binding"] != nil || extra["cbind_data"] != nil {
			return "channel binding that was not agreed on"
		}
		return ""
	}
	data, _ := extra.String("cbind_data")
	raw, err := base64.StdEncoding.DecodeString(data)
	if extra["channel_binding"] != tlsExporter || err != nil || subtle.ConstantTimeCompare(raw, x.bound) != 1 {
		return "channel binding to another connection, or none"
	}
	return ""
}
