package wamp

import (
	"strings"
	"unicode"
)

// URI names a realm, a procedure, a topic or an error.
type URI string

// Valid reports whether u matches the loose pattern without empty components,
// which CALL, exact REGISTER and error URIs must: components hold neither
// white space nor '#' (spec, section "Relaxed/Loose URIs"). White space is
// Unicode's, as in clients of other languages.
func (u URI) Valid() bool {
	return u.validComponents() && u[0] != '.' && u[len(u)-1] != '.' && !strings.Contains(string(u), "..")
}

// ValidPattern reports whether u may be registered under policy p: MatchPrefix
// allows an empty last component, MatchWildcard allows any to be empty.
func (u URI) ValidPattern(p MatchPolicy) bool {
	switch p {
	case MatchPrefix:
		return URI(strings.TrimSuffix(string(u), ".")).Valid()
	case MatchWildcard:
		return u.validComponents()
	}
	return u.Valid()
}

// Strict reports whether u holds only the characters that the strict pattern
// allows in components: a-z, 0-9 and '_'.
func (u URI) Strict() bool {
	for i := range len(u) {
		c := u[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// Reserved reports whether u lies in the namespace that the specification
// keeps for itself: its first component is "wamp".
func (u URI) Reserved() bool {
	return u == "wamp" || strings.HasPrefix(string(u), "wamp.")
}

// validComponents reports whether u is not empty and holds no character that
// is refused everywhere.
func (u URI) validComponents() bool {
	if u == "" {
		return false
	}
	for i := range len(u) {
		c := u[i]
		if c >= 0x80 {
			return validRunes(string(u[i:]))
		}
		if c == '#' || c == ' ' || c >= '\t' && c <= '\r' {
			return false
		}
	}
	return true
}

func validRunes(s string) bool {
	for _, r := range s {
		if r == '#' || r == unicode.ReplacementChar || unicode.IsSpace(r) {
			return false
		}
	}
	return true
}

// The predefined error URIs and close reasons that wampgate sends or gives a
// meaning to (spec, section "Predefined URIs").
const (
	ErrInvalidURI             URI = "wamp.error.invalid_uri"
	ErrNoSuchProcedure        URI = "wamp.error.no_such_procedure"
	ErrProcedureAlreadyExists URI = "wamp.error.procedure_already_exists"
	ErrNoSuchRegistration     URI = "wamp.error.no_such_registration"
	ErrNoSuchSubscription     URI = "wamp.error.no_such_subscription"
	ErrNoSuchSession          URI = "wamp.error.no_such_session"
	ErrNoSuchRealm            URI = "wamp.error.no_such_realm"
	ErrNoSuchRole             URI = "wamp.error.no_such_role"
	ErrNoSuchPrincipal        URI = "wamp.error.no_such_principal"
	ErrInvalidArgument        URI = "wamp.error.invalid_argument"
	ErrInvalidPayload         URI = "wamp.error.invalid_payload"
	ErrPayloadSizeExceeded    URI = "wamp.error.payload_size_exceeded"
	ErrCanceled               URI = "wamp.error.canceled"
	ErrCancelled              URI = "wamp.error.cancelled" // accepted, never sent
	ErrTimeout                URI = "wamp.error.timeout"
	ErrUnavailable            URI = "wamp.error.unavailable"
	ErrIdempotencyConflict    URI = "wampgate.error.idempotency_conflict" // ours: the id of a persistent call came with another payload
	ErrNoSuchCall             URI = "wampgate.error.no_such_call"         // ours: of persistent calls
	ErrExpired                URI = "wampgate.error.expired"              // ours: nobody got to a persistent call in time
	ErrDeadLettered           URI = "wampgate.error.dead_lettered"        // ours: all attempts of a persistent call failed
	ErrNotTransactional       URI = "wampgate.error.not_transactional"    // ours: nothing is registered that would end a call in a transaction
	ErrNoSuchTransaction      URI = "wampgate.error.no_such_transaction"  // ours
	ErrTransactionEnded       URI = "wampgate.error.transaction_ended"    // ours: a transaction is not active any more
	ErrDangling               URI = "wampgate.error.dangling"             // ours: of barriers, to an action that comes after its compensation
	ErrUpstream               URI = "gateway.error.upstream"              // ours: a webhook did not answer as it should
	ErrRateLimited            URI = "gateway.error.rate_limited"          // ours: the specification has none
	ErrNoAvailableCallee      URI = "wamp.error.no_available_callee"
	ErrNoEligibleCallee       URI = "wamp.error.no_eligible_callee"
	ErrFeatureNotSupported    URI = "wamp.error.feature_not_supported"
	ErrOptionNotAllowed       URI = "wamp.error.option_not_allowed"
	ErrOptionDisallowedMe     URI = "wamp.error.option_disallowed.disclose_me"
	ErrDiscloseMeNotAllowed   URI = "wamp.error.disclose_me.not_allowed"
	ErrNetworkFailure         URI = "wamp.error.network_failure"
	ErrNotAuthorized          URI = "wamp.error.not_authorized"
	ErrAuthorizationDenied    URI = "wamp.error.authorization_denied"
	ErrAuthorizationRequired  URI = "wamp.error.authorization_required"
	ErrAuthorizationFailed    URI = "wamp.error.authorization_failed"
	ErrAuthenticationDenied   URI = "wamp.error.authentication_denied"
	ErrAuthenticationRequired URI = "wamp.error.authentication_required"
	ErrAuthenticationFailed   URI = "wamp.error.authentication_failed"
	ErrNoMatchingAuthMethod   URI = "wamp.error.no_matching_auth_method"
	ErrUnregistered           URI = "wamp.error.unregistered" // why a registration was revoked
	ErrProtocolViolation      URI = "wamp.error.protocol_violation"
	ErrRuntimeError           URI = "wamp.error.runtime_error"
	CloseSystemShutdown       URI = "wamp.close.system_shutdown"
	CloseRealm                URI = "wamp.close.close_realm"
	CloseGoodbyeAndOut        URI = "wamp.close.goodbye_and_out"
	CloseKilled               URI = "wamp.close.killed"
	CloseNormal               URI = "wamp.close.normal"
)
