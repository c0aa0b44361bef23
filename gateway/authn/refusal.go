package authn

import (
	"net/http"
	"strings"
	"time"
)

// A Reason says why credentials were refused. It is what the log and tests go
// by; clients get a sentence.
type Reason string

// The reasons.
const (
	NoCredentials   Reason = "no_credentials"
	SeveralMethods  Reason = "several_methods"   // more than one kind of credentials
	InQuery         Reason = "token_in_query"    // where logs and histories keep it
	UnknownMethod   Reason = "unknown_method"    // not offered here
	Malformed       Reason = "malformed"         // not what the method's credentials look like
	AlgorithmNone   Reason = "algorithm_none"    // a JWT that nobody signed
	WrongAlgorithm  Reason = "wrong_algorithm"   // one that this issuer does not use
	UnknownIssuer   Reason = "unknown_issuer"    //
	UnknownKey      Reason = "unknown_key"       // the issuer has no such key
	WrongSignature  Reason = "wrong_signature"   //
	WrongAudience   Reason = "wrong_audience"    // meant for somebody else
	Expired         Reason = "expired"           //
	NotYetValid     Reason = "not_yet_valid"     //
	MissingClaim    Reason = "missing_claim"     // a token that lacks what it needs
	NoRole          Reason = "no_role"           // a good token that gives none
	WrongSecret     Reason = "wrong_secret"      // name or secret; it is not said which
	UnknownName     Reason = "unknown_name"      // a good certificate that stands for nobody
	NotVerified     Reason = "not_verified"      // a certificate of an unknown authority
	UntrustedProxy  Reason = "untrusted_proxy"   // a forwarded certificate from anybody
	Replayed        Reason = "replayed"          // a signature that was used before
	ClockSkew       Reason = "clock_skew"        // a signature made too long ago or in the future
	Denied          Reason = "denied"            // by the application
	TooManyFailures Reason = "too_many_failures" // wait
	Unavailable     Reason = "unavailable"       // the check itself failed
)

// A Refusal is why a request has no principal. It is an error, made once per
// request and not shared.
type Refusal struct { //nolint:errname // what it is
	Status  int // 400, 401, 403, 429 or 503
	Reason  Reason
	Detail  string // one sentence for the client
	Method  string // of the credentials; empty if there were none
	Subject string // who the credentials claim to belong to, for the log; may be empty
	// Challenges are the values of WWW-Authenticate; set if Status is 401.
	Challenges []string
	// RetryAfter is set if Status is 429 or 503.
	RetryAfter time.Duration

	guess bool  // counts as a try to guess a secret
	cause error // for the log
}

// Error says the same as the refusal, for logs.
func (f *Refusal) Error() string {
	text := string(f.Reason) + ": " + f.Detail
	if f.cause != nil {
		text += ": " + f.cause.Error()
	}
	return text
}

// Unwrap returns what made the check fail, if something did.
func (f *Refusal) Unwrap() error { return f.cause }

// refused returns a refusal of credentials that may be good another time, or
// of ones that are good but for somebody else.
func refused(method string, reason Reason, detail string) *Refusal {
	return &Refusal{Status: http.StatusUnauthorized, Reason: reason, Detail: detail, Method: method}
}

// wrong returns a refusal of credentials that may have been guessed.
func wrong(method string, reason Reason, detail string) *Refusal {
	f := refused(method, reason, detail)
	f.guess = true
	return f
}

// badRequest returns a refusal of a request that should not have been made.
func badRequest(method string, reason Reason, detail string) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Reason: reason, Detail: detail, Method: method}
}

// broken returns a refusal for want of what it takes to decide.
func broken(method, detail string, cause error) *Refusal {
	return &Refusal{
		Status: http.StatusServiceUnavailable, Reason: Unavailable, Detail: detail, Method: method,
		RetryAfter: 5 * time.Second, cause: cause,
	}
}

// of notes who the credentials claim to belong to. What clients send may be
// long.
func (f *Refusal) of(subject string) *Refusal {
	f.Subject = subject[:min(len(subject), maxName)]
	return f
}

// because notes what the log shall show and the client shall not.
func (f *Refusal) because(cause error) *Refusal {
	f.cause = cause
	return f
}

// challenge returns a value of WWW-Authenticate (RFC 9110, section 11.6.1)
// for a scheme. Bearer names the error if there is one (RFC 6750, section 3).
func challenge(scheme, realm string, f *Refusal) string {
	var b strings.Builder
	b.WriteString(scheme + ` realm="` + quotable(realm) + `"`)
	switch {
	case scheme == "Basic":
		b.WriteString(`, charset="UTF-8"`)
	case f.Method == MethodJWT || f.Method == MethodAPIKey:
		b.WriteString(`, error="invalid_token", error_description="` + quotable(f.Detail) + `"`)
	}
	return b.String()
}

// quotable returns s without what may not stand in a quoted string, nor in
// error_description (RFC 6750, section 3).
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < ' ' || r > '~':
			return -1
		}
		return r
	}, s)
}
