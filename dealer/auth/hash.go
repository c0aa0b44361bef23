package auth

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// A hashKind is how a password was hashed.
type hashKind uint8

const (
	hashSHA256   hashKind = iota // for secrets that cannot be guessed
	hashPBKDF2                   // PBKDF2-HMAC-SHA256
	hashArgon2id                 // Argon2id, version 1.3
)

// The bounds of what a stored hash may ask of this process, which anybody who
// can connect makes it spend.
const (
	minIterations     = 1000 // of PBKDF2
	maxIterations     = 10_000_000
	maxPasses         = 100     // of Argon2id
	maxMemory         = 1 << 20 // KiB
	maxParallel       = 16
	minSalt, maxSalt  = 8, 64
	keyLen            = 32
	defaultIterations = 600_000
)

// A PasswordHash is what is kept of a password or ticket. Its text is one of
//
//	$pbkdf2-sha256$i=600000$SALT$HASH
//	$argon2id$v=19$m=65536,t=3,p=1$SALT$HASH
//	sha256:HEX
//
// with salt and hash in base64 without padding; the last form is for tickets
// that are random and long, since it can be tried quickly.
type PasswordHash struct {
	kind     hashKind
	time     int // iterations or passes
	memory   int // KiB
	parallel int
	salt     []byte
	hash     []byte
}

var errHashForm = errors.New(`not a password hash; make one with "wampgate hash-password"`)

// ParsePasswordHash reads the text of a PasswordHash. The error does not
// repeat it.
func ParsePasswordHash(text string) (*PasswordHash, error) {
	if digits, ok := strings.CutPrefix(text, "sha256:"); ok {
		return parseSHA256(digits)
	}
	parts := strings.Split(text, "$")
	var h *PasswordHash
	switch {
	case len(parts) == 5 && parts[0] == "" && parts[1] == "pbkdf2-sha256":
		n, ok := parameters(parts[2], "i")
		if !ok || n[0] < minIterations || n[0] > maxIterations {
			return nil, fmt.Errorf("a password hash with i not from %d to %d", minIterations, maxIterations)
		}
		h = &PasswordHash{kind: hashPBKDF2, time: n[0]}
	case len(parts) == 6 && parts[0] == "" && parts[1] == "argon2id" && parts[2] == "v=19":
		n, ok := parameters(parts[3], "m", "t", "p")
		if !ok || !argonBounds(n[0], n[1], n[2]) {
			return nil, fmt.Errorf("a password hash with m not from 8 to %d, t not from 1 to %d or p not from 1 to %d", maxMemory, maxPasses, maxParallel)
		}
		h = &PasswordHash{kind: hashArgon2id, memory: n[0], time: n[1], parallel: n[2]}
	default:
		return nil, errHashForm
	}
	return h, h.parseKey(parts[len(parts)-2], parts[len(parts)-1])
}

func parseSHA256(digits string) (*PasswordHash, error) {
	hash, err := hex.DecodeString(digits)
	if err != nil || len(hash) != sha256.Size {
		return nil, errors.New("sha256: is followed by 64 hexadecimal digits")
	}
	return &PasswordHash{kind: hashSHA256, hash: hash}, nil
}

// parameters reads "a=1,b=2" with these names in this order.
func parameters(text string, names ...string) ([]int, bool) {
	parts := strings.Split(text, ",")
	if len(parts) != len(names) {
		return nil, false
	}
	values := make([]int, len(parts))
	for i, name := range names {
		digits, ok := strings.CutPrefix(parts[i], name+"=")
		n, err := strconv.ParseUint(digits, 10, 31)
		if !ok || err != nil {
			return nil, false
		}
		values[i] = int(n)
	}
	return values, true
}

func argonBounds(memory, passes, parallel int) bool {
	return memory >= 8 && memory <= maxMemory && passes >= 1 && passes <= maxPasses && parallel >= 1 && parallel <= maxParallel
}

func (h *PasswordHash) parseKey(salt, hash string) error {
	var err1, err2 error
	h.salt, err1 = base64.RawStdEncoding.Strict().DecodeString(salt)
	h.hash, err2 = base64.RawStdEncoding.Strict().DecodeString(hash)
	switch {
	case err1 != nil || err2 != nil:
		return errors.New("a password hash whose salt or hash is not base64 without padding")
	case len(h.salt) < minSalt || len(h.salt) > maxSalt || len(h.hash) != keyLen:
		return fmt.Errorf("a password hash whose salt has not %d to %d bytes, or whose hash not %d", minSalt, maxSalt, keyLen)
	}
	return nil
}

// HashTicket hashes a ticket that is random and long.
func HashTicket(ticket string) *PasswordHash {
	hash := sha256.Sum256([]byte(ticket))
	return &PasswordHash{kind: hashSHA256, hash: hash[:]}
}

// HashPassword hashes a password that a person might choose, slowly: with
// PBKDF2, or with Argon2id. The salt is random.
func HashPassword(password string, argon bool, salt []byte) (*PasswordHash, error) {
	h := &PasswordHash{kind: hashPBKDF2, time: defaultIterations, salt: salt}
	if argon {
		h = &PasswordHash{kind: hashArgon2id, time: 3, memory: 64 << 10, parallel: 1, salt: salt}
	}
	var err error
	h.hash, err = h.derive(password)
	return h, err
}

// String returns the text of h, which is no secret as a password is, but lets
// whoever has it try passwords.
func (h *PasswordHash) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	switch h.kind {
	case hashPBKDF2:
		return fmt.Sprintf("$pbkdf2-sha256$i=%d$%s$%s", h.time, b64(h.salt), b64(h.hash))
	case hashArgon2id:
		return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", h.memory, h.time, h.parallel, b64(h.salt), b64(h.hash))
	}
	return "sha256:" + hex.EncodeToString(h.hash)
}

// Matches reports whether h is the hash of password. Unless h is a plain
// SHA-256 this takes a tenth of a second or more of a processor.
func (h *PasswordHash) Matches(password string) bool {
	got, err := h.derive(password)
	return err == nil && subtle.ConstantTimeCompare(got, h.hash) == 1
}

// slow reports whether Matches takes long.
func (h *PasswordHash) slow() bool { return h.kind != hashSHA256 }

func (h *PasswordHash) derive(password string) ([]byte, error) {
	switch h.kind {
	case hashPBKDF2:
		return pbkdf2.Key(sha256.New, password, h.salt, h.time, keyLen)
	case hashArgon2id:
		return argon(password, h.salt, h.time, h.memory, h.parallel), nil
	}
	hash := sha256.Sum256([]byte(password))
	return hash[:], nil
}

// argon is Argon2id; the parameters are within bounds.
func argon(password string, salt []byte, passes, memory, parallel int) []byte {
	return argon2.IDKey([]byte(password), salt, uint32(passes), uint32(memory), uint8(parallel), keyLen) //nolint:gosec // within bounds
}
