package auth

import (
	"context"
	"errors"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// ticket asks for a ticket (spec, section "Ticket-based Authentication"): a
// password, or a token. It is the only method whose secret crosses the wire.
func (a *attempt) ticket() Outcome {
	return a.exchange(wamp.Dict{}, func(ctx context.Context, m *wamp.Authenticate) Outcome {
		if a.config.Token != nil && isToken(m.Signature) {
			return a.token(ctx, m.Signature)
		}
		return a.password(ctx, m.Signature)
	})
}

// isToken reports whether a ticket looks like a JSON Web Token: three parts in
// base64, the first of which opens a JSON object.
func isToken(s string) bool { return strings.HasPrefix(s, "ey") && strings.Count(s, ".") == 2 }

func (a *attempt) token(ctx context.Context, token string) Outcome {
	g, err := a.config.Token(ctx, a.peer.Realm, token)
	switch {
	case errors.Is(err, ErrRefused):
		return Outcome{Denial: denied(err.Error())}
	case err != nil:
		return Outcome{Denial: failed("the token cannot be checked now", err.Error())}
	case a.authid != "" && a.authid != g.Identity.Authid:
		return Outcome{Denial: denied("the token is another principal's")}
	case !g.Expires.IsZero() && !a.peer.Now.Before(g.Expires):
		return Outcome{Denial: denied("the token has expired")}
	}
	g.Identity.Authmethod = Ticket
	return a.welcome(g)
}

// password compares a ticket with the principal's. For somebody unknown it does
// the same work, for nothing.
func (a *attempt) password(ctx context.Context, password string) Outcome {
	p := a.known()
	if p == nil && a.config.Dynamic.decides(Ticket) {
		return a.ask(ctx, password)
	}
	if p == nil {
		p = a.mock(a.authid, Ticket)
	}
	ok, err := a.matches(ctx, p.Ticket, password)
	switch {
	case err != nil:
		return Outcome{Denial: failed("the ticket cannot be checked now", err.Error())}
	case p.mock:
		return Outcome{Denial: denied("no such principal with this method")}
	case !ok:
		return Outcome{Denial: denied("wrong ticket")}
	}
	return a.welcome(Grant{Identity: p.identity(Ticket, Static)})
}

// matches compares a password with its hash, when there is a place to do so.
func (a *Authenticator) matches(ctx context.Context, h *PasswordHash, password string) (bool, error) {
	if !h.slow() {
		return h.Matches(password), nil
	}
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
		return h.Matches(password), nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// Password returns the principal of a realm whose ticket that is, for those who
// authenticate without a WAMP session. An error that wraps [ErrRefused] means
// that there is none, in the same time whether the authid exists or not.
func (a *Authenticator) Password(ctx context.Context, realm wamp.URI, authid, password string) (wamp.Identity, error) {
	t := &attempt{Authenticator: a, peer: &Peer{Realm: realm}, method: Ticket, authid: authid}
	p := t.known()
	if p == nil {
		p = a.mock(authid, Ticket)
	}
	ok, err := a.matches(ctx, p.Ticket, password)
	switch {
	case err != nil:
		return wamp.Identity{}, err
	case p.mock || !ok:
		return wamp.Identity{}, ErrRefused
	}
	return p.identity(Ticket, Static), nil
}

// APIKey returns the principal of a realm by the SHA-256 of its API key.
func (a *Authenticator) APIKey(realm wamp.URI, key Fingerprint) (wamp.Identity, bool) {
	return a.byFingerprint(realm, a.directory.apiKeys[key], "api-key")
}

// Certificate returns the principal of a realm by the SHA-256 of the DER of its
// certificate.
func (a *Authenticator) Certificate(realm wamp.URI, certificate Fingerprint) (wamp.Identity, bool) {
	return a.byFingerprint(realm, a.directory.certificates[certificate], TLS)
}

func (*Authenticator) byFingerprint(realm wamp.URI, p *Principal, method string) (wamp.Identity, bool) {
	if p == nil || !p.in(realm) {
		return wamp.Identity{}, false
	}
	return p.identity(method, Static), true
}
