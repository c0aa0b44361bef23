package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/authn"
)

// An entrance is who is let in and what they may do there, as one reading of
// the configuration file has it. It does not change: a reload makes another.
type entrance struct {
	access    *access
	anonymous bool

	rights       *router.Access
	authenticate func(*http.Request) (authn.Principal, error)
	signatures   *authn.Signatures // nil if nobody signs
	principals   map[string]*auth.Principal
}

// newEntrance makes an entrance of settings; before is the one in whose place
// it comes, or nil.
func (n *node) newEntrance(s *settings, before *entrance) (*entrance, error) {
	a := s.access
	if before == nil {
		_, _ = rand.Read(a.seed[:]) // never fails
	} else {
		a.follow(before.access)
	}
	e := &entrance{access: a, anonymous: s.anonymous, principals: map[string]*auth.Principal{}}
	for i := range a.principals {
		e.principals[a.principals[i].Authid] = &a.principals[i]
	}
	known, err := a.authenticator(s.anonymous)
	if err != nil {
		return nil, err
	}
	policy, err := a.policy()
	if err != nil {
		return nil, err
	}
	e.rights = &router.Access{Auth: known, Policy: policy, Keeps: e.keeps, Source: e}
	proxies, _ := authn.ParseProxies(s.TrustedProxies) // which have been checked
	if err := n.authenticateHTTP(e, s, known, proxies); err != nil {
		return nil, err
	}
	if before != nil && e.signatures != nil {
		e.signatures.Follow(before.signatures)
	}
	return e, nil
}

// follow takes over what must outlive a reload: how unknown principals are
// answered, and the keys of issuers that are fetched from elsewhere, who may
// be away just now. Files with keys are read again.
func (a *access) follow(before *access) {
	a.seed = before.seed
	isFile := func(i authn.Issuer) bool { return i.Keys != "" && !strings.Contains(i.Keys, "://") }
	if !slices.ContainsFunc(a.http.issuers, isFile) && reflect.DeepEqual(a.http.issuers, before.http.issuers) {
		a.http.tokens = before.http.tokens
	}
}

// keeps is [router.Access].Keeps: who came in as somebody who is no more, or
// has another role, or with credentials that are no longer good, has to go.
func (e *entrance) keeps(before *router.Access, realm wamp.URI, who wamp.Identity) bool {
	var old *entrance
	if before != nil {
		old, _ = before.Source.(*entrance)
	}
	if policy := e.rights.Policy; policy != nil && !policy.Has(who.Authrole) {
		return false
	}
	switch {
	case who.Authmethod == auth.Anonymous:
		return e.anonymous && who.Authrole == e.access.anonymousRole
	case who.Authprovider == auth.Static && who.Authmethod != authn.MethodDynamic:
		return e.keepsPrincipal(old, realm, who)
	}
	return old == nil || reflect.DeepEqual(e.access.source(who), old.access.source(who))
}

// source returns what of the configuration let somebody in who is not among
// the principals.
func (a *access) source(who wamp.Identity) any {
	switch who.Authmethod {
	case authn.MethodJWT:
		i := slices.IndexFunc(a.http.issuers, func(i authn.Issuer) bool { return i.Issuer == who.Authprovider })
		if i < 0 {
			return nil
		}
		return a.http.issuers[i]
	case authn.MethodDynamic:
		return a.http.dynamic
	case authn.MethodCertificate:
		if who.Authprovider == "" {
			return a.http.certificates
		}
	}
	return a.dynamic
}

// keepsPrincipal is keeps for one that the file names.
func (e *entrance) keepsPrincipal(old *entrance, realm wamp.URI, who wamp.Identity) bool {
	p := e.principals[who.Authid]
	switch {
	case p == nil || p.Role != who.Authrole || len(p.Realms) > 0 && !slices.Contains(p.Realms, realm):
		return false
	case old == nil:
		return true
	case who.Authmethod == authn.MethodSigned:
		return reflect.DeepEqual(e.access.signing(who.Authid), old.access.signing(who.Authid))
	}
	before := old.principals[who.Authid]
	return before == nil || keepsCredentials(before, p, who.Authmethod)
}

// signing returns the signing key of a principal.
func (a *access) signing(authid string) *authn.SigningKey {
	for i := range a.http.signing {
		if a.http.signing[i].Identity.Authid == authid {
			return &a.http.signing[i]
		}
	}
	return nil
}

// keepsCredentials reports whether all credentials for a method are still good:
// a session does not know which of several keys it came in with.
func keepsCredentials(before, now *auth.Principal, method string) bool {
	switch method {
	case auth.Ticket, authn.MethodBasic:
		return reflect.DeepEqual(before.Ticket, now.Ticket)
	case auth.CRA:
		return reflect.DeepEqual(before.CRA, now.CRA)
	case auth.SCRAM, auth.AutobahnSCRAM:
		return reflect.DeepEqual(before.SCRAM, now.SCRAM)
	case auth.Cryptosign:
		return keepsAll(before.Keys, now.Keys)
	case auth.TLS:
		return keepsAll(before.Certificates, now.Certificates)
	case authn.MethodAPIKey:
		return keepsAll(before.APIKeys, now.APIKeys)
	}
	return true
}

func keepsAll[T comparable](before, now []T) bool {
	return !slices.ContainsFunc(before, func(v T) bool { return !slices.Contains(now, v) })
}

var errGuarded = errors.New("to have roles where there were none, or none where there were some, takes a restart")

// reload makes of a reading what is in force. If it returns an error, nothing
// has changed.
func (n *node) reload(ctx context.Context, r *reading) error {
	next := *n.settings
	next.access, next.anonymous = r.sources.access, r.command.Anonymous
	next.AdminKeys = r.command.AdminKeys
	next.Rate, next.Burst, next.LogLevel = r.command.Rate, r.command.Burst, r.command.LogLevel
	if next.guarded() != n.settings.guarded() {
		return &settingError{fmt.Sprintf("%s:%d", r.sources.path, max(1, next.access.lines["roles"])), errGuarded.Error()}
	}
	e, err := n.newEntrance(&next, n.entrance)
	if err != nil {
		return fmt.Errorf("%s: %w", r.sources.path, err)
	}
	next.imports, next.OpenapiPrefix, next.OpenapiAnswers = r.sources.imports, r.command.OpenapiPrefix, r.command.OpenapiAnswers
	if err := n.imports.read(ctx, &next); err != nil {
		return err
	}
	// From here on nothing can fail.
	withdrawn := n.router.SetAccess(e.rights)
	n.gateway.SetAdmission(e.authenticate, next.Rate, next.Burst)
	n.adminDoor.setKeys(next.AdminKeys)
	n.level.Set(logLevel(next.LogLevel))
	n.told.set(r.sources.descriptions)
	n.entrance = e
	n.config.reload(r)
	n.log.InfoContext(ctx, "configuration was read again", "file", r.sources.path, "roles", len(next.access.roles),
		"principals", len(next.access.principals), "sessions_closed", withdrawn)
	return nil
}
