package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// mock returns a principal that does not exist, for an authid that nobody has:
// it is challenged like any other, and no answer is right. The same authid gets
// the same salt and the same costs each time, and they are those of some real
// principal, so that nothing tells the two apart.
func (a *Authenticator) mock(authid, method string) *Principal {
	seed := a.seed(authid, method)
	p := &Principal{Authid: authid, Role: "user", mock: true}
	var model Principal
	if like := a.directory.with[credential(method)]; len(like) > 0 {
		model = *like[binary.BigEndian.Uint64(seed[:])%uint64(len(like))]
		p.Role = model.Role
	}
	switch method {
	case Ticket:
		p.Ticket = model.Ticket.mock(seed)
	case CRA:
		p.CRA = model.CRA.mock(seed)
	case SCRAM, AutobahnSCRAM:
		p.SCRAM = model.SCRAM.mock(seed)
	}
	return p
}

// seed returns bytes that depend on the authid and that nobody outside can
// know.
func (a *Authenticator) seed(authid, method string) [sha256.Size]byte {
	mac := hmac.New(sha256.New, a.config.Secret[:])
	_, _ = mac.Write([]byte(credential(method) + "\x00" + authid)) // never fails
	return [sha256.Size]byte(mac.Sum(nil))
}

// expand returns n bytes, at most 64, that depend on a seed and a label.
func expand(seed [sha256.Size]byte, label string, n int) []byte {
	out := append(hmacSHA256(seed[:], label+"1"), hmacSHA256(seed[:], label+"2")...)
	return out[:n]
}

func (h *PasswordHash) mock(seed [sha256.Size]byte) *PasswordHash {
	m := PasswordHash{kind: hashPBKDF2, time: defaultIterations, salt: make([]byte, 16)}
	if h != nil {
		m = *h
	}
	m.salt = expand(seed, "salt", len(m.salt))
	m.hash = expand(seed, "hash", keyLen)
	return &m
}

func (s *CRASecret) mock(seed [sha256.Size]byte) *CRASecret {
	m := CRASecret{}
	if s != nil {
		m = *s
	}
	m.key = []byte(base64.StdEncoding.EncodeToString(expand(seed, "key", keyLen)))
	if m.salt != "" {
		salt := base64.RawURLEncoding.EncodeToString(expand(seed, "salt", 64))
		m.salt = salt[:min(len(m.salt), len(salt))]
	}
	return &m
}

func (v *SCRAMVerifier) mock(seed [sha256.Size]byte) *SCRAMVerifier {
	m := SCRAMVerifier{argon: true, iterations: 3, memory: 64 << 10, salt: make([]byte, 16)}
	if v != nil {
		m = *v
	}
	m.salt = expand(seed, "salt", len(m.salt))
	for i, keys := range []*scramKeys{&m.spec, &m.autobahn} {
		label := string(rune('a' + i))
		keys.stored = [sha256.Size]byte(expand(seed, "stored"+label, sha256.Size))
		keys.server = [sha256.Size]byte(expand(seed, "server"+label, sha256.Size))
	}
	return &m
}
