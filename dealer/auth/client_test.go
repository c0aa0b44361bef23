package auth_test

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// proof is a SCRAM client, written from the specification and not from the
// router's side.
func proof(t testing.TB, authid, password string, c *wamp.Challenge) *wamp.Authenticate {
	t.Helper()
	return boundProof(t, authid, password, c, nil)
}

// boundProof is proof with the channel binding "tls-exporter" to channel, if
// that is not nil (RFC 9266).
func boundProof(t testing.TB, authid, password string, c *wamp.Challenge, channel []byte) *wamp.Authenticate {
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
	if channel != nil {
		binding = base64.StdEncoding.EncodeToString([]byte("p=tls-exporter,," + string(channel)))
		m.Extra["channel_binding"], m.Extra["cbind_data"] = "tls-exporter", base64.StdEncoding.EncodeToString(channel)
	}
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

// TestSCRAMBinding binds the exchange to a connection (RFC 5802, section 6, with
// the type of RFC 9266): a proof for another one, or for none, lets nobody in,
// and neither does a connection that cannot be bound to.
func TestSCRAMBinding(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, auth.Config{Principals: people(t)})
	ours, others := []byte("the connection of ada, 32 bytes."), []byte("another connection with 32 bytes")
	begin := func(asked any, exporter []byte) auth.Outcome {
		details := hello("ada", auth.SCRAM, wamp.Dict{"authextra": wamp.Dict{"nonce": "AAECAwQFBgcICQoLDA0ODw==", "channel_binding": asked}})
		peer := newPeer(details)
		peer.Exporter = exporter
		outcome, _ := a.Begin(t.Context(), peer)
		return outcome
	}
	for name, tt := range map[string]struct {
		asked    any
		exporter []byte
		bound    []byte
		change   func(*wamp.Authenticate)
		ok       bool
	}{
		"bound":              {"tls-exporter", ours, ours, nil, true},
		"not asked for":      {nil, ours, nil, nil, true},
		"to another":         {"tls-exporter", ours, others, nil, false},
		"not at all":         {"tls-exporter", ours, nil, nil, false},
		"though not asked":   {nil, ours, ours, nil, false},
		"data of another":    {"tls-exporter", ours, ours, func(m *wamp.Authenticate) { m.Extra["cbind_data"] = base64.StdEncoding.EncodeToString(others) }, false},
		"no data":            {"tls-exporter", ours, ours, func(m *wamp.Authenticate) { m.Extra["cbind_data"] = nil }, false},
		"no base64":          {"tls-exporter", ours, ours, func(m *wamp.Authenticate) { m.Extra["cbind_data"] = "?" }, false},
		"another type":       {"tls-exporter", ours, ours, func(m *wamp.Authenticate) { m.Extra["channel_binding"] = "tls-unique" }, false},
		"data, but proof of": {"tls-exporter", ours, others, func(m *wamp.Authenticate) { m.Extra["cbind_data"] = base64.StdEncoding.EncodeToString(ours) }, false},
	} {
		outcome := begin(tt.asked, tt.exporter)
		if outcome.Exchange == nil {
			t.Errorf("%s: HELLO came to %+v", name, outcome)
			continue
		}
		m := boundProof(t, "ada", "pass word", outcome.Exchange.Challenge, tt.bound)
		if tt.change != nil {
			tt.change(m)
		}
		if outcome = outcome.Exchange.Authenticate(t.Context(), m); (outcome.Grant != nil) != tt.ok {
			t.Errorf("%s: %+v", name, outcome)
		}
	}
	if outcome := begin("tls-exporter", nil); outcome.Denial == nil || !strings.Contains(outcome.Denial.Text, "TLS 1.3") {
		t.Errorf("without TLS 1.3: %+v", outcome)
	}
	if outcome := begin("tls-unique", ours); outcome.Denial == nil || !strings.Contains(outcome.Denial.Text, "only channel binding here is tls-exporter") {
		t.Errorf("another type: %+v", outcome)
	}
}
