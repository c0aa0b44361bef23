package authn

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// Config says which credentials are taken. What is nil is not.
type Config struct {
	Realm string // names the gateway to people who are asked for a password

	Tokens       *Tokens
	Keys         Lookup // of API keys
	Passwords    PasswordCheck
	Certificates *Certificates
	Signatures   *Signatures
	// Dynamic decides about all credentials that nothing else here is for.
	Dynamic *Dynamic
	// Anonymous is who sends requests without credentials; nil refuses them.
	Anonymous *wamp.Identity

	Proxies Proxies
	// Guard slows down those who guess; nil lets them.
	Guard Guard
}

// A Guard counts wrong credentials. Its methods may be called at once from any
// goroutine.
type Guard interface {
	// Wait returns how long it takes until somebody at that address may try
	// to be that principal again; 0 if he may. The principal may be unknown.
	Wait(from netip.Addr, principal string) time.Duration
	// Failed notes a wrong try.
	Failed(from netip.Addr, principal string)
}

// An Authenticator finds out who sent a request. Its methods may be called at
// once from any goroutine.
type Authenticator struct {
	cfg      Config
	verdicts *verdicts
	checking chan struct{} // holds a token for each password being checked
	schemes  []string      // that are offered to clients without credentials
}

// New returns an Authenticator. It fails if nothing at all would be let in.
func New(cfg Config) (*Authenticator, error) {
	a := &Authenticator{cfg: cfg, verdicts: newVerdicts(maxVerdicts), checking: make(chan struct{}, checksAtOnce)}
	if cfg.Tokens != nil || cfg.Keys != nil || cfg.Dynamic != nil {
		a.schemes = append(a.schemes, "Bearer")
	}
	if cfg.Passwords != nil {
		a.schemes = append(a.schemes, "Basic")
	}
	if a.schemes == nil && cfg.Certificates == nil && cfg.Signatures == nil && cfg.Anonymous == nil {
		return nil, errors.New("authn: no credentials are taken, and nobody is let in without")
	}
	return a, nil
}

// Authenticate returns who sent r. The error is a [*Refusal]. Only a signed
// request loses its body to it, and gets it back.
func (a *Authenticator) Authenticate(r *http.Request) (Principal, error) {
	p, err := a.authenticate(r)
	if err == nil {
		return p, nil
	}
	var f *Refusal
	if !errors.As(err, &f) {
		f = broken("", "who you are cannot be found out now", err)
	}
	if f.guess && f.Method != MethodBasic { // which has counted it, before the next one was checked
		f = a.guessed(r, f)
	}
	if f.Status == http.StatusUnauthorized {
		a.challenge(f)
	}
	return Principal{}, f
}

// guessed counts wrong credentials, and returns what to answer. Where they
// cost nothing to speak of, they are looked at first: so nobody who has good
// ones waits because of others at the same address.
func (a *Authenticator) guessed(r *http.Request, f *Refusal) *Refusal {
	if a.cfg.Guard == nil {
		return f
	}
	from := a.cfg.Proxies.ClientIP(r)
	if wait := a.mustWait(from, f.Method, f.Subject); wait != nil {
		return wait
	}
	a.cfg.Guard.Failed(from, f.Subject)
	return f
}

// challenge tells which credentials would be taken. There is always a
// challenge, since RFC 9110 wants one with each 401.
func (a *Authenticator) challenge(f *Refusal) {
	schemes := a.schemes
	if len(schemes) == 0 {
		schemes = []string{"Bearer"}
	}
	for _, scheme := range schemes {
		f.Challenges = append(f.Challenges, challenge(scheme, a.cfg.Realm, f))
	}
}

// authenticate looks for credentials and has them verified. Those that a
// client gives on purpose come before the certificate that its connection has.
func (a *Authenticator) authenticate(r *http.Request) (Principal, error) {
	if tokenInQuery(r.URL.RawQuery) {
		return Principal{}, badRequest("", InQuery, "credentials do not belong into a URL, which ends up in logs; send Authorization: Bearer")
	}
	auth, keys := r.Header["Authorization"], r.Header["X-Api-Key"]
	signed := a.cfg.Signatures != nil && isSigned(r)
	switch {
	case len(auth)+len(keys) > 1 || signed && len(auth)+len(keys) > 0:
		return Principal{}, badRequest("", SeveralMethods, "give credentials once, in one way")
	case signed:
		return a.cfg.Signatures.verify(r)
	case len(auth) == 1:
		return a.authorization(r, auth[0])
	case len(keys) == 1 && a.cfg.Keys != nil:
		return a.apiKey(keys[0])
	case len(keys) == 1:
		return a.other(r)
	}
	if p, given, err := a.certificate(r); given {
		return p, err
	}
	if a.cfg.Dynamic != nil {
		if q, ok := a.question(r); ok {
			return a.dynamic(r, q)
		}
	}
	if a.cfg.Anonymous == nil {
		return Principal{}, refused("", NoCredentials, "this gateway wants to know who calls; "+a.accepted())
	}
	return Principal{Identity: *a.cfg.Anonymous, Anonymous: true}, nil
}

// accepted tells people what they could send.
func (a *Authenticator) accepted() string {
	var ways []string
	for _, way := range []struct {
		is   bool
		text string
	}{
		{a.cfg.Keys != nil, "an API key"},
		{a.cfg.Tokens != nil, "a JWT"},
		{a.cfg.Passwords != nil, "name and password"},
		{a.cfg.Certificates != nil, "a client certificate"},
		{a.cfg.Dynamic != nil, "what its application knows"},
	} {
		if way.is {
			ways = append(ways, way.text)
		}
	}
	if ways == nil {
		return "it takes signed requests"
	}
	return "it takes " + strings.Join(ways, ", ")
}

// authorization verifies what stands in the field Authorization.
func (a *Authenticator) authorization(r *http.Request, value string) (Principal, error) {
	scheme, rest, _ := strings.Cut(value, " ")
	rest = strings.Trim(rest, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer") && isAPIKey(rest) && a.cfg.Keys != nil:
		return a.apiKey(rest)
	case strings.EqualFold(scheme, "Bearer") && a.cfg.Tokens != nil:
		return a.cfg.Tokens.Verify(r.Context(), rest)
	case strings.EqualFold(scheme, "Bearer") && a.cfg.Keys != nil:
		return a.apiKey(rest)
	case strings.EqualFold(scheme, "Basic") && a.cfg.Passwords != nil:
		return a.password(r, rest)
	}
	return a.other(r)
}

// other asks the application about credentials that nothing else is for.
func (a *Authenticator) other(r *http.Request) (Principal, error) {
	if a.cfg.Dynamic != nil {
		if q, ok := a.question(r); ok {
			return a.dynamic(r, q)
		}
	}
	return Principal{}, refused("", UnknownMethod, "credentials of that kind are not taken here; "+a.accepted())
}

// mustWait refuses credentials from where too many wrong ones came, or for a
// principal for whom they did; nil if that is not so.
func (a *Authenticator) mustWait(from netip.Addr, method, principal string) *Refusal {
	if a.cfg.Guard == nil {
		return nil
	}
	wait := a.cfg.Guard.Wait(from, principal)
	if wait <= 0 {
		return nil
	}
	f := &Refusal{
		Status: http.StatusTooManyRequests, Reason: TooManyFailures, Method: method, RetryAfter: wait,
		Detail: "too many wrong credentials came from your address or for this name; wait before you try again",
	}
	return f.of(principal)
}

// tokenInQuery reports whether a query holds what should be a header field
// (RFC 6750, section 2.3, which nobody should use).
func tokenInQuery(query string) bool {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if name, _, _ := strings.Cut(pair, "="); IsCredential(name) {
			return true
		}
	}
	return false
}

// IsCredential reports whether a name in a query stands for credentials, for
// which every request is refused that has it.
func IsCredential(name string) bool {
	switch name {
	case "access_token", "api_key", "apikey", "token", "jwt":
		return true
	}
	return false
}
