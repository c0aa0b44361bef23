package auth_test

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// proof is a SCRAM client, written from the specification and not from the
// router's side.
func proof(t testing.TB, authid, password string, c *wamp.Challenge) *wamp.Authenticate {
	t.Helper()
	client, _ := nonce()["authextra"].(wamp.Dict).String("nonce")
	combined, _ := c.Extra.String("nonce")
	salt, _ := c.Extra.String("salt")
	iterations, _ := c.Extra["iterations"].(int)
	raw := fromBase64(t, salt)
	var salted []byte
	if c.Extra["kdf"] == "pbkdf2" {
		salted, _ = pbkdf2.Key(sha256.New, password, raw, iterations, 32)
	} else {
		salted = argon2.IDKey([]byte(password), raw, uint32(iterations), uint32(c.Extra["memory"].(int)), 1, 32)
	}
	binding := "biws"
	m := &wamp.Authenticate{Extra: wamp.Dict{"nonce": combined, "channel_binding": nil, "cbind_data": nil}}
	if c.AuthMethod == auth.AutobahnSCRAM {
		salted, binding = []byte(base64.RawStdEncoding.EncodeToString(salted)), ""
		m.Extra = nil
	}
	message := fmt.Sprintf("n=%s,r=%s,r=%s,s=%s,i=%d,c=%s,r=%s", authid, client, combined, salt, iterations, binding, combined)
	key := mac(salted, "Client Key")
	stored := sha256.Sum256(key)
	signature := mac(stored[:], message)
	for i := range key {
		key[i] ^= signature[i]
	}
	m.Signature = base64.StdEncoding.EncodeToString(key)
	return m
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
