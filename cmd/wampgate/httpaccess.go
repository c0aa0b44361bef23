package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/authn"
)

// An httpAccess is what the section "auth" says of credentials that come over
// HTTP, beside those of the principals.
type httpAccess struct {
	issuers      []authn.Issuer
	tokens       *authn.Tokens // of the issuers; nil if there are none
	certificates []authn.CertificateRule
	dynamic      *httpDynamic
	signing      []authn.SigningKey // of principals; their roles are not filled in
}

// An httpDynamic is a procedure that decides who sent a request. It is called
// with
//
//	[realm, {"method", "path", "headers", "client"}]
//
// and returns {"authid", "authrole", "authprovider", "ttl": seconds}, of which
// the last two may be missing, or {"denied": true, "detail": text}. An ERROR
// denies as well.
type httpDynamic struct {
	procedure wamp.URI
	headers   []string
}

// known reports whether somebody can come in by it.
func (h *httpAccess) known() bool {
	return h.tokens != nil || len(h.certificates) > 0 || h.dynamic != nil
}

// roles returns the roles that it may give, as far as it names them.
func (h *httpAccess) roles() []string {
	var roles []string
	for i := range h.issuers {
		for _, r := range h.issuers[i].Roles {
			roles = append(roles, r.Authrole)
		}
		if h.issuers[i].DefaultRole != "" {
			roles = append(roles, h.issuers[i].DefaultRole)
		}
	}
	for i := range h.certificates {
		roles = append(roles, h.certificates[i].Authrole)
	}
	return roles
}

// describe tells of it in words.
func (h *httpAccess) describe() []string {
	var lines []string
	for i := range h.issuers {
		lines = append(lines, fmt.Sprintf("tokens of %s for %s", h.issuers[i].Issuer, strings.Join(h.issuers[i].Audience, ", ")))
	}
	for i := range h.certificates {
		lines = append(lines, fmt.Sprintf("certificates with %s: role %s", h.certificates[i].Name, h.certificates[i].Authrole))
	}
	if h.dynamic != nil {
		lines = append(lines, "HTTP requests: "+string(h.dynamic.procedure)+" decides")
	}
	return lines
}

// signingKeys returns those of the principals that exist in a realm.
func (a *access) signingKeys(realm wamp.URI) []authn.SigningKey {
	var keys []authn.SigningKey
	for _, key := range a.http.signing {
		for i := range a.principals {
			p := &a.principals[i]
			if p.Authid == key.Identity.Authid && (len(p.Realms) == 0 || slices.Contains(p.Realms, realm)) {
				key.Identity.Authrole, key.Identity.Authprovider = p.Role, auth.Static
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// verifyToken is how WAMP clients with a token for a ticket are let in.
func (h *httpAccess) verifyToken() auth.TokenVerifier {
	if h.tokens == nil {
		return nil
	}
	return func(ctx context.Context, _ wamp.URI, token string) (auth.Grant, error) {
		id, expires, err := h.tokens.Ticket(ctx, token)
		if err == nil {
			return auth.Grant{Identity: id, Expires: expires}, nil
		}
		if f, ok := errors.AsType[*authn.Refusal](err); ok && f.Reason != authn.Unavailable {
			return auth.Grant{}, fmt.Errorf("%w: %s: %s", auth.ErrRefused, f.Reason, f.Detail)
		}
		return auth.Grant{}, err
	}
}

// authenticateHTTP returns who decides about HTTP requests; nil, everybody is
// let in, without a configuration.
func (n *node) authenticateHTTP(known *auth.Authenticator, proxies authn.Proxies) (func(*http.Request) (authn.Principal, error), error) {
	s, realm := n.settings, wamp.URI(n.settings.Realm[0])
	if s.access == nil {
		return nil, nil
	}
	h := &s.access.http
	if !s.anonymous && !h.known() && !s.access.any(overHTTP) && len(h.signing) == 0 {
		return nobody, nil // there are WAMP clients alone
	}
	cfg := authn.Config{Realm: string(realm), Tokens: h.tokens, Proxies: proxies, Guard: n.failures}
	if s.anonymous {
		cfg.Anonymous = &wamp.Identity{Authid: auth.Anonymous, Authrole: s.access.anonymousRole, Authmethod: auth.Anonymous}
	}
	if h.dynamic != nil {
		cfg.Dynamic = &authn.Dynamic{Ask: n.askWhoCalls, Headers: h.dynamic.headers}
	}
	if err := s.access.principalsOverHTTP(&cfg, known, realm, s); err != nil {
		return nil, err
	}
	a, err := authn.New(cfg)
	if err != nil {
		return nil, err
	}
	return a.Authenticate, nil
}

// overHTTP reports whether a principal has credentials that HTTP has a place
// for.
func overHTTP(p *auth.Principal) bool {
	return p.Ticket != nil || len(p.APIKeys) > 0 || len(p.Certificates) > 0
}

// principalsOverHTTP adds to cfg what the principals of a realm have.
func (a *access) principalsOverHTTP(cfg *authn.Config, known *auth.Authenticator, realm wamp.URI, s *settings) (err error) {
	if a.any(func(p *auth.Principal) bool { return p.Ticket != nil }) {
		cfg.Passwords = func(ctx context.Context, user, password string) (wamp.Identity, bool, error) {
			id, err := known.Password(ctx, realm, user, password)
			if errors.Is(err, auth.ErrRefused) {
				return id, false, nil
			}
			return id, err == nil, err
		}
	}
	if a.any(func(p *auth.Principal) bool { return len(p.APIKeys) > 0 }) {
		cfg.Keys = func(key authn.Fingerprint) (wamp.Identity, bool) { return known.APIKey(realm, auth.Fingerprint(key)) }
	}
	if len(a.http.signing) > 0 {
		if cfg.Signatures, err = authn.NewSignatures(a.signingKeys(realm), int64(s.MaxBody)); err != nil {
			return err
		}
	}
	if s.TLSClientCA != "" || len(a.http.certificates) > 0 || a.any(func(p *auth.Principal) bool { return len(p.Certificates) > 0 }) {
		lookup := func(c authn.Fingerprint) (wamp.Identity, bool) { return known.Certificate(realm, auth.Fingerprint(c)) }
		cfg.Certificates, err = authn.NewCertificates(lookup, a.http.certificates)
	}
	return err
}

// nobody comes in over HTTP.
func nobody(*http.Request) (authn.Principal, error) {
	return authn.Principal{}, &authn.Refusal{
		Status: http.StatusUnauthorized, Reason: authn.NoCredentials, Challenges: []string{"Bearer"},
		Detail: "nobody is let in over HTTP: no principal has a ticket, an API key or a certificate",
	}
}

// askWhoCalls is an [authn.Asker].
func (n *node) askWhoCalls(ctx context.Context, q authn.Question) (authn.Answer, error) {
	headers := make(map[string]any, len(q.Header))
	for name := range q.Header {
		headers[name] = q.Header.Get(name)
	}
	details := map[string]any{"method": q.Method, "path": q.Path, "headers": headers, "client": q.Client.String()}
	result, err := n.router.Ask(ctx, wamp.URI(q.Realm), n.settings.access.http.dynamic.procedure, []any{q.Realm, details})
	if errors.Is(err, auth.ErrRefused) {
		return authn.Answer{Denied: true}, nil
	}
	if err != nil {
		return authn.Answer{}, err
	}
	return readAnswer(result)
}

var errAnswer = errors.New("the procedure's result is not one dict with authid and authrole, or denied")

// readAnswer reads what the procedure says.
func readAnswer(result []any) (authn.Answer, error) {
	if len(result) != 1 {
		return authn.Answer{}, errAnswer
	}
	var dict wamp.Dict
	switch d := result[0].(type) {
	case map[string]any:
		dict = d
	case wamp.Dict:
		dict = d
	default:
		return authn.Answer{}, errAnswer
	}
	if denied, _ := dict["denied"].(bool); denied {
		detail, _ := dict.String("detail")
		return authn.Answer{Denied: true, Detail: detail}, nil
	}
	var a authn.Answer
	a.Identity.Authid, _ = dict.String("authid")
	a.Identity.Authrole, _ = dict.String("authrole")
	a.Identity.Authprovider, _ = dict.String("authprovider")
	if a.Identity.Authid == "" || a.Identity.Authrole == "" {
		return authn.Answer{}, errAnswer
	}
	if seconds, ok := dict.Int("ttl"); ok && seconds > 0 {
		a.TTL = time.Duration(min(seconds, 3600)) * time.Second
	}
	return a, nil
}
