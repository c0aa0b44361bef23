// Package auth says who may join a realm and what they may do there.
//
// An [Authenticator] answers a HELLO: it lets the peer in, refuses it, or has
// it answer a CHALLENGE (spec, section "Authentication"). A [Policy] holds the
// rights of roles: for each action, the rule that spells out most of a URI
// decides, and where no rule does, the answer is no.
//
// The package opens no connection, reads no clock and makes no random
// numbers: the time, nonces and session ids are given, and so is the way to
// ask a procedure or the issuer of a token ([Ask], [TokenVerifier]). Nothing
// here writes a secret into an error or a log text.
package auth
