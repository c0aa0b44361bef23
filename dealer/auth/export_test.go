package auth

import "github.com/wampgate/wampgate/dealer/wamp"

// CheckProof checks a SCRAM proof for nonces of the test's choice.
func (v *SCRAMVerifier) CheckProof(autobahn bool, authid, client, combined string, m *wamp.Authenticate) (message string, extra wamp.Dict, wrong string) {
	x := scramExchange{verifier: v, autobahn: autobahn, nonce: combined, message: v.message(authid, client, combined, autobahn, nil)}
	extra, wrong = x.check(m)
	return x.message, extra, wrong
}

// Keys returns the keys of the specification's dialect.
func (v *SCRAMVerifier) Keys() (stored, server [32]byte) { return v.spec.stored, v.spec.server }

// SaltedPassword returns what the keys are made of.
func (v *SCRAMVerifier) SaltedPassword(password string) ([]byte, error) {
	return v.saltedPassword(password)
}

// SASLPrep is saslPrep.
func SASLPrep(s string) (string, error) { return saslPrep(s) }

// A Pattern is a pattern.
type Pattern = pattern

// NewPattern returns a pattern.
func NewPattern(match wamp.MatchPolicy, uri string) Pattern { return pattern{match, uri} }

// Matches is pattern.matches.
func Matches(p Pattern, uri string) bool { return p.matches(uri) }

// Covers is pattern.covers.
func Covers(p, q Pattern) bool { return p.covers(q) }

// Overlaps is pattern.overlaps.
func Overlaps(p, q Pattern) bool { return p.overlaps(q) }

// MaxDecisions bounds the decisions that are kept.
const MaxDecisions = maxDecisions

// Kept returns how many decisions are kept for an action.
func (r *Rights) Kept(a Action) int { return len(r.made[a]) }

// Hash takes a place of those who hash passwords.
func (a *Authenticator) Hash() (leave func()) {
	a.hashing <- struct{}{}
	return func() { <-a.hashing }
}
