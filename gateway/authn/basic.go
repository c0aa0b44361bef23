package authn

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A PasswordCheck tells whether a password is that of a user, and who that is.
// Unknown users must take as long as wrong passwords. An error means that it
// could not find out.
type PasswordCheck func(ctx context.Context, user, password string) (id wamp.Identity, ok bool, err error)

// maxPassword is how many bytes a password may have.
const maxPassword = 1 << 10

// checksAtOnce is how many passwords are checked at the same time. Each takes
// a core for a good part of a second.
const checksAtOnce = 2

// password verifies name and password, a few at a time: it is meant to be
// costly.
func (a *Authenticator) password(r *http.Request, encoded string) (Principal, error) {
	key := a.verdicts.key(MethodBasic, encoded)
	if p, ok := a.verdicts.get(key, time.Now()); ok {
		return p, nil
	}
	name, password, err := parseBasic(encoded)
	if err != nil {
		return Principal{}, err
	}
	select {
	case a.checking <- struct{}{}:
		defer func() { <-a.checking }()
	case <-r.Context().Done():
		return Principal{}, fmt.Errorf("waiting to check a password: %w", r.Context().Err())
	}
	if p, ok := a.verdicts.get(key, time.Now()); ok {
		return p, nil // of a request that came at the same time
	}
	p, err := a.checkPassword(r, name, password)
	if err == nil {
		a.verdicts.put(key, p, time.Now(), verdictTime)
	}
	return p, err
}

func (a *Authenticator) checkPassword(r *http.Request, name, password string) (Principal, error) {
	from := a.cfg.Proxies.ClientIP(r)
	if wait := a.mustWait(from, MethodBasic, name); wait != nil {
		return Principal{}, wait
	}
	id, ok, err := a.cfg.Passwords(r.Context(), name, password)
	switch {
	case err != nil:
		return Principal{}, broken(MethodBasic, "passwords cannot be checked now", err).of(name)
	case !ok:
		f := wrong(MethodBasic, WrongSecret, "the name is not known, or the password is not right").of(name)
		return Principal{}, a.guessed(r, f)
	}
	id.Authmethod = MethodBasic
	return Principal{Identity: id, Credential: MethodBasic}, nil
}

// parseBasic reads the credentials of the scheme Basic (RFC 7617). The error
// is a [*Refusal].
func parseBasic(encoded string) (name, password string, err error) {
	if len(encoded) > 2*(maxName+maxPassword) {
		return "", "", badRequest(MethodBasic, Malformed, "name and password are too long")
	}
	text, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return "", "", badRequest(MethodBasic, Malformed, "the credentials after Basic are not in base64")
	}
	name, password, ok := strings.Cut(string(text), ":")
	switch {
	case !ok:
		return "", "", badRequest(MethodBasic, Malformed, "the credentials after Basic hold no colon between name and password")
	case len(name) > maxName || len(password) > maxPassword || strings.ContainsFunc(name+password, isControl):
		return "", "", badRequest(MethodBasic, Malformed, "name or password are too long, or hold control characters")
	}
	return name, password, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
