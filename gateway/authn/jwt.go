package authn

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// maxToken is the size of the largest JWT that is looked at.
const maxToken = 8 << 10

// An Issuer is who signs tokens that are taken here, and what they mean.
type Issuer struct {
	// Issuer is the claim iss of its tokens; required.
	Issuer string
	// Keys is the file or URL of its JSON Web Key Set. If it is empty, the
	// issuer is asked, by OpenID Connect Discovery.
	Keys string
	// Audience is what aud must hold one of; required, or a token meant for
	// somebody else would be good here.
	Audience []string
	// Algorithms are those that are allowed; default RS256, ES256 and EdDSA.
	// None is not among those that can be, and neither are symmetric ones.
	Algorithms []string
	// Leeway is how far clocks may differ; default 30 s.
	Leeway time.Duration

	// Authid makes the authid: text with claims in braces. Default "{sub}".
	// A claim in an object is written with dots.
	Authid string
	// Authrole names the claim with the role or a list of them. Default "role".
	Authrole string
	// Roles gives the authrole for a value of that claim; the first that is
	// there counts. Without any, the claim must hold one authrole.
	Roles []RoleOf
	// DefaultRole is for tokens whose claim gives none; empty refuses them.
	DefaultRole string

	// Client fetches the keys; nil stands for one with sensible timeouts.
	Client *http.Client
}

// A RoleOf is what a value of a claim means.
type RoleOf struct{ Value, Authrole string }

// Tokens verifies the tokens of some issuers. Its methods may be called at
// once from any goroutine.
type Tokens struct {
	issuers  map[string]*issuer
	verdicts *verdicts
}

// An issuer is an Issuer, ready for use.
type issuer struct {
	Issuer
	parser *jwt.Parser
	keys   *keySet
	authid []piece
}

// A piece of Authid is text, or the value of a claim.
type piece struct {
	text  string
	claim bool
}

// NewTokens returns what verifies tokens of the issuers. Keys are fetched when
// the first token comes.
func NewTokens(issuers []Issuer) (*Tokens, error) {
	t := &Tokens{issuers: make(map[string]*issuer, len(issuers)), verdicts: newVerdicts(maxVerdicts)}
	var errs []error
	for _, one := range issuers {
		is, err := newIssuer(one)
		if _, twice := t.issuers[one.Issuer]; twice && err == nil {
			err = errors.New("is there twice")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("issuer %q: %w", one.Issuer, err))
		}
		t.issuers[one.Issuer] = is
	}
	return t, errors.Join(errs...)
}

// algorithms are those that can be allowed.
func algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

func newIssuer(from Issuer) (*issuer, error) {
	is := &issuer{Issuer: from}
	if is.Issuer.Issuer == "" || len(is.Audience) == 0 {
		return nil, errors.New("an issuer needs its name and the audience of the tokens that are meant for this gateway")
	}
	if is.Algorithms == nil {
		is.Algorithms = []string{"RS256", "ES256", "EdDSA"}
	}
	for _, alg := range is.Algorithms {
		if !slices.Contains(algorithms(), alg) {
			return nil, fmt.Errorf("algorithm %q is none of %s", alg, strings.Join(algorithms(), ", "))
		}
	}
	if is.Leeway == 0 {
		is.Leeway = 30 * time.Second
	}
	if is.Authid == "" {
		is.Authid = "{sub}"
	}
	if is.Authrole == "" {
		is.Authrole = "role"
	}
	if is.Client == nil {
		is.Client = keyClient()
	}
	var err error
	if is.authid, err = parsePieces(is.Authid); err != nil {
		return nil, err
	}
	if is.keys, err = newKeySet(is.Issuer.Issuer, is.Keys, is.Client); err != nil {
		return nil, err
	}
	is.parser = jwt.NewParser(
		jwt.WithValidMethods(is.Algorithms), jwt.WithIssuer(is.Issuer.Issuer), jwt.WithAudience(is.Audience...),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(is.Leeway),
		jwt.WithStrictDecoding(), jwt.WithJSONNumber(),
	)
	return is, nil
}

// parsePieces reads text with claims in braces.
func parsePieces(text string) ([]piece, error) {
	var pieces []piece
	for rest := text; rest != ""; {
		before, after, found := strings.Cut(rest, "{")
		if before != "" {
			pieces = append(pieces, piece{text: before})
		}
		if !found {
			break
		}
		claim, behind, closed := strings.Cut(after, "}")
		if !closed || claim == "" {
			return nil, fmt.Errorf("%q: a claim stands in braces, such as {sub}", text)
		}
		pieces = append(pieces, piece{text: claim, claim: true})
		rest = behind
	}
	if !slices.ContainsFunc(pieces, func(p piece) bool { return p.claim }) {
		return nil, fmt.Errorf("%q: without a claim in braces, all tokens would stand for the same principal", text)
	}
	return pieces, nil
}

// Ticket verifies a token that a WAMP client gave as its ticket. The error is
// a [*Refusal].
func (t *Tokens) Ticket(ctx context.Context, token string) (wamp.Identity, time.Time, error) {
	p, err := t.Verify(ctx, token)
	return p.Identity, p.Expires, err
}

// Verify returns the principal of a token. The error is a [*Refusal]. What was
// verified is remembered for a minute.
func (t *Tokens) Verify(ctx context.Context, token string) (Principal, error) {
	key, now := t.verdicts.key(MethodJWT, token), time.Now()
	if p, ok := t.verdicts.get(key, now); ok {
		return p, nil
	}
	p, err := t.verify(ctx, token)
	if err != nil {
		return Principal{}, err
	}
	t.verdicts.put(key, p, now, verdictTime)
	return p, nil
}

func (t *Tokens) verify(ctx context.Context, token string) (Principal, error) {
	head, iss, err := peek(token)
	if err != nil {
		return Principal{}, err
	}
	if strings.EqualFold(head.alg, "none") {
		return Principal{}, wrong(MethodJWT, AlgorithmNone, "the token is not signed")
	}
	is := t.issuers[iss]
	switch {
	case is == nil:
		return Principal{}, wrong(MethodJWT, UnknownIssuer, "tokens of that issuer are not taken here")
	case !slices.Contains(is.Algorithms, head.alg):
		return Principal{}, wrong(MethodJWT, WrongAlgorithm, "the issuer's tokens are not signed with the algorithm that the token names")
	case head.critical:
		return Principal{}, refused(MethodJWT, Malformed, "the token asks for extensions that are not known here")
	}
	key, err := is.keys.find(ctx, head.kid, head.alg)
	switch {
	case errors.Is(err, errUnknownKey):
		return Principal{}, wrong(MethodJWT, UnknownKey, "the issuer has no key by the name that the token gives, for its algorithm")
	case err != nil:
		return Principal{}, broken(MethodJWT, "the keys of the issuer cannot be had now", err)
	}
	claims := jwt.MapClaims{}
	_, err = is.parser.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return key, nil })
	if err != nil {
		return Principal{}, refusalOf(err).because(err)
	}
	return is.principal(claims)
}

// A header is what the header of a token says.
type header struct {
	alg, kid string
	critical bool // there is a crit (RFC 7515, section 4.1.11)
}

// peek reads of a token, before it is verified, what it takes to verify it.
func peek(token string) (h header, iss string, err error) {
	if len(token) > maxToken {
		return h, "", badRequest(MethodJWT, Malformed, fmt.Sprintf("the token is longer than %d bytes", maxToken))
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return h, "", wrong(MethodJWT, Malformed, "the token is neither an API key nor a signed JWT of three parts")
	}
	var head, claims map[string]any // and no struct, whose keys would match in any case
	if !decodePart(parts[0], &head) || !decodePart(parts[1], &claims) {
		return h, "", wrong(MethodJWT, Malformed, "a part of the token is not JSON in base64url")
	}
	h.alg, _ = head["alg"].(string)
	h.kid, _ = head["kid"].(string)
	_, h.critical = head["crit"]
	iss, _ = claims["iss"].(string)
	return h, iss, nil
}

func decodePart(part string, into *map[string]any) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(part)
	return err == nil && json.Unmarshal(b, into) == nil
}

// refusalOf says what the parser found wrong. A token may be wrong in several
// ways; the signature comes first, since nothing else counts without it.
func refusalOf(err error) *Refusal {
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return wrong(MethodJWT, Malformed, "the token is not a JWT")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenUnverifiable):
		return wrong(MethodJWT, WrongSignature, "the token was not signed by its issuer, or was changed since")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return refused(MethodJWT, WrongAudience, "the token is meant for somebody else")
	case errors.Is(err, jwt.ErrTokenExpired):
		return refused(MethodJWT, Expired, "the token expired")
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return refused(MethodJWT, NotYetValid, "the token is not valid yet")
	case errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return refused(MethodJWT, NotYetValid, "the token was issued in the future, by this gateway's clock")
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return refused(MethodJWT, MissingClaim, "the token lacks exp or aud")
	}
	return refused(MethodJWT, Malformed, "the token's claims are not what they should be")
}

// principal returns who the claims of a good token stand for.
func (is *issuer) principal(claims jwt.MapClaims) (Principal, error) {
	authid, err := is.authidOf(claims)
	if err != nil {
		return Principal{}, err
	}
	role := is.roleOf(claims)
	if role == "" {
		return Principal{}, &Refusal{
			Status: http.StatusForbidden, Reason: NoRole, Method: MethodJWT, Subject: authid,
			Detail: fmt.Sprintf("the token's claim %s gives no role here", is.Authrole),
		}
	}
	expires, err := claims.GetExpirationTime()
	if err != nil || expires == nil {
		return Principal{}, refused(MethodJWT, MissingClaim, "the token does not say when it expires").of(authid)
	}
	return Principal{
		Identity:   wamp.Identity{Authid: authid, Authrole: role, Authmethod: MethodJWT, Authprovider: is.Issuer.Issuer},
		Credential: is.Issuer.Issuer,
		Expires:    expires.Add(is.Leeway),
	}, nil
}

// authidOf fills the claims in.
func (is *issuer) authidOf(claims jwt.MapClaims) (string, error) {
	var b strings.Builder
	for _, p := range is.authid {
		text := p.text
		if p.claim {
			text = textOf(claimAt(claims, p.text))
			if text == "" {
				return "", refused(MethodJWT, MissingClaim, fmt.Sprintf("the token lacks the claim %s", p.text))
			}
		}
		b.WriteString(text)
	}
	authid := b.String()
	if len(authid) > maxName || strings.ContainsFunc(authid, isControl) {
		return "", refused(MethodJWT, MissingClaim, "the token's name for its holder is too long, or holds control characters")
	}
	return authid, nil
}

// roleOf returns the role that the claims give, or "".
func (is *issuer) roleOf(claims jwt.MapClaims) string {
	var values []string
	switch v := claimAt(claims, is.Authrole).(type) {
	case []any:
		for _, item := range v {
			values = append(values, textOf(item))
		}
	default:
		values = []string{textOf(v)}
	}
	for _, r := range is.Roles {
		if slices.Contains(values, r.Value) {
			return r.Authrole
		}
	}
	one := len(values) == 1 && values[0] != "" && len(values[0]) <= maxName && !strings.ContainsFunc(values[0], isControl)
	if one && len(is.Roles) == 0 {
		return values[0]
	}
	return is.DefaultRole
}

// claimAt returns a claim by its name, or where its dots lead.
func claimAt(claims map[string]any, name string) any {
	if v, ok := claims[name]; ok {
		return v
	}
	first, rest, dotted := strings.Cut(name, ".")
	if inner, ok := claims[first].(map[string]any); ok && dotted {
		return claimAt(inner, rest)
	}
	return nil
}

// textOf returns text or a number as text, and "" for anything else.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}
