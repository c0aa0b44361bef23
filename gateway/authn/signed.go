package authn

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// What is taken of signed requests.
const (
	signedSkew    = 5 * time.Minute // between the clocks, at most
	maxSignatures = 1 << 17         // remembered, to notice replays
	minSecret     = 16              // bytes
	signedTime    = "2006-01-02T15:04:05.999999Z"
)

// signedParams are the parameters of a signed request's query, in the order in
// which all but the last are signed.
func signedParams() []string { return []string{"key", "timestamp", "seq", "nonce", "signature"} }

// A SigningKey is what signs requests as Crossbar's HTTP bridge has it.
type SigningKey struct {
	Key      string // its name
	Secret   string
	Identity wamp.Identity
}

// Signatures verifies signed requests: HMAC with SHA-256, in base64url, over
// key, timestamp, seq, nonce and body. The signature does not cover the path,
// so that the body must hold the procedure: only requests for the path
// [SignedPath] may be signed. Each signature is good once.
type Signatures struct {
	keys map[string]SigningKey
	max  int64 // bytes of a body
	used *usedSignatures
}

// usedSignatures are those that were good once.
type usedSignatures struct {
	mu       sync.Mutex // guards the following fields
	old, now map[macSum]struct{}
	turned   time.Time // when now became what it is
}

// A macSum is a signature.
type macSum [sha256.Size]byte

// SignedPath is where signed requests go.
const SignedPath = "/call"

// NewSignatures returns what verifies requests signed with the keys, with
// bodies of at most maxBody bytes.
func NewSignatures(keys []SigningKey, maxBody int64) (*Signatures, error) {
	s := &Signatures{keys: make(map[string]SigningKey, len(keys)), max: maxBody, used: &usedSignatures{now: map[macSum]struct{}{}}}
	var errs []error
	for _, k := range keys {
		_, twice := s.keys[k.Key]
		switch {
		case k.Key == "" || len(k.Key) > maxName:
			errs = append(errs, fmt.Errorf("signing key %q: the name is empty or too long", k.Key))
		case twice:
			errs = append(errs, fmt.Errorf("signing key %q is there twice", k.Key))
		case len(k.Secret) < minSecret:
			errs = append(errs, fmt.Errorf("signing key %q: the secret is shorter than %d bytes", k.Key, minSecret))
		case k.Identity.Authid == "" || k.Identity.Authrole == "":
			errs = append(errs, fmt.Errorf("signing key %q gives no authid, or no authrole", k.Key))
		}
		s.keys[k.Key] = k
	}
	return s, errors.Join(errs...)
}

// Follow has s take the place of other Signatures: what they have seen is not
// good again. It is to be called before s is used; before may be nil.
func (s *Signatures) Follow(before *Signatures) {
	if before != nil {
		s.used = before.used
	}
}

// isSigned reports whether r is meant to be a signed request.
func isSigned(r *http.Request) bool {
	return r.URL.Path == SignedPath && strings.Contains(r.URL.RawQuery, "signature=")
}

// verify returns the principal of a signed request. It reads the body and
// leaves one to be read again, and a query without the signature.
func (s *Signatures) verify(r *http.Request) (Principal, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return Principal{}, badRequest(MethodSigned, Malformed, "the query is not well-formed")
	}
	body, err := s.read(r)
	if err != nil {
		return Principal{}, err
	}
	p, err := s.check(query, body, time.Now())
	if err != nil {
		return Principal{}, err
	}
	for _, name := range signedParams() {
		query.Del(name)
	}
	r.URL.RawQuery = query.Encode()
	r.Body = io.NopCloser(bytes.NewReader(body))
	return p, nil
}

func (s *Signatures) read(r *http.Request) ([]byte, error) {
	if r.ContentLength > s.max {
		return nil, tooLargeToSign(s.max)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, s.max+1))
	switch {
	case err != nil:
		return nil, badRequest(MethodSigned, Malformed, "the body broke off").because(err)
	case int64(len(body)) > s.max:
		return nil, tooLargeToSign(s.max)
	}
	return body, nil
}

func tooLargeToSign(limit int64) *Refusal {
	f := badRequest(MethodSigned, Malformed, fmt.Sprintf("the body of a signed request may have %d bytes", limit))
	f.Status = http.StatusRequestEntityTooLarge
	return f
}

// check verifies the signature in a query.
func (s *Signatures) check(query url.Values, body []byte, now time.Time) (Principal, error) {
	var fields [5]string
	for i, name := range signedParams() {
		if values := query[name]; len(values) != 1 || values[0] == "" {
			return Principal{}, badRequest(MethodSigned, Malformed, "a signed request has exactly one "+name)
		}
		fields[i] = query.Get(name)
	}
	key, stamp, seq, nonce := fields[0], fields[1], fields[2], fields[3]
	at, err := time.Parse(signedTime, stamp)
	got, err2 := base64.URLEncoding.Strict().DecodeString(fields[4])
	switch {
	case err != nil:
		return Principal{}, badRequest(MethodSigned, Malformed, "timestamp is not like 2026-11-25T10:00:00.000Z")
	case err2 != nil || len(got) != sha256.Size:
		return Principal{}, badRequest(MethodSigned, Malformed, "signature is not 32 bytes in base64url")
	case !digits(seq) || !digits(nonce):
		return Principal{}, badRequest(MethodSigned, Malformed, "seq and nonce are decimal numbers")
	case len(body) > 0 && digits(string(body[:1])): // would be one with the nonce
		return Principal{}, badRequest(MethodSigned, Malformed, "the body of a signed request is a JSON object")
	}
	known, found := s.keys[key] // without one, the secret is empty
	mac := hmac.New(sha256.New, []byte(known.Secret))
	mac.Write([]byte(key + stamp + seq + nonce))
	mac.Write(body)
	if want := mac.Sum(nil); !hmac.Equal(want, got) || !found {
		return Principal{}, wrong(MethodSigned, WrongSignature, "the request was not signed with that key, or was changed since").of(key)
	}
	if skew := now.Sub(at).Abs(); skew > signedSkew {
		return Principal{}, refused(MethodSigned, ClockSkew,
			fmt.Sprintf("the signature's timestamp is %v away from this gateway's clock; %v are allowed", skew.Round(time.Second), signedSkew)).of(key)
	}
	if err := s.used.once(macSum(got), now); err != nil {
		return Principal{}, err.of(key)
	}
	id := known.Identity
	id.Authmethod = MethodSigned
	return Principal{Identity: id, Credential: key}, nil
}

// once lets a signature pass the first time. Signatures are remembered for as
// long as their timestamps are good; the signature and no part of what was
// signed, since digits could move from seq to nonce.
func (s *usedSignatures) once(signature macSum, now time.Time) *Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.turned) > 2*signedSkew {
		if now.Sub(s.turned) > 4*signedSkew {
			clear(s.now)
		}
		s.old, s.now, s.turned = s.now, map[macSum]struct{}{}, now
	}
	_, young := s.now[signature]
	_, old := s.old[signature]
	switch {
	case young || old:
		return refused(MethodSigned, Replayed, "the signature was used before")
	case len(s.now) >= maxSignatures:
		return broken(MethodSigned, "more signed requests came than can be remembered", nil)
	}
	s.now[signature] = struct{}{}
	return nil
}

// digits reports whether s is a decimal number of a sensible length.
func digits(s string) bool {
	return s != "" && len(s) <= 20 && !slices.ContainsFunc([]byte(s), func(c byte) bool { return c < '0' || c > '9' })
}
