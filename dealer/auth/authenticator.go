package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A Config sets up an Authenticator. The zero Config lets nobody in.
type Config struct {
	// Methods are those that are offered; default: anonymous if it has a role,
	// and the others for which somebody has credentials.
	Methods []string

	// AnonymousRole is the role of peers that show no credentials. Without it
	// there are none.
	AnonymousRole string

	// Principals are those that are known beforehand.
	Principals []Principal

	// Secret makes the challenges of unknown principals look like those of
	// known ones; random, and kept for as long as they shall look the same.
	Secret [32]byte

	// Token decides about tickets that are JSON Web Tokens; nil: they are
	// tickets like others.
	Token TokenVerifier

	// Dynamic has a procedure decide about those who are not among Principals;
	// nil: they are unknown.
	Dynamic *Dynamic

	// MaxHashing bounds how many passwords are hashed at a time; the others
	// wait. Default 2.
	MaxHashing int
}

// A TokenVerifier returns whom a token (JWT) stands for. It may ask the issuer
// for keys, until ctx ends. An error that wraps [ErrRefused] means that the
// token is not valid, any other that it could not be checked; its text goes to
// the log and must not hold the token.
type TokenVerifier func(ctx context.Context, realm wamp.URI, token string) (Grant, error)

// ErrRefused says that somebody who was asked has said no.
var ErrRefused = errors.New("refused")

// maxAuthid bounds the bytes of an authid.
const maxAuthid = 1024

// maxMethods bounds how many methods of a HELLO are looked at.
const maxMethods = 32

// An Authenticator decides who may join. Its methods may be called by any
// number of goroutines at once.
type Authenticator struct {
	config    Config
	directory *directory
	hashing   chan struct{} // a place for each that hashes a password
}

// New returns an Authenticator. It fails if two principals could be taken for
// each other.
func New(c Config) (*Authenticator, error) {
	d, err := newDirectory(slices.Clone(c.Principals))
	if err != nil {
		return nil, err
	}
	if c.MaxHashing <= 0 {
		c.MaxHashing = 2
	}
	a := &Authenticator{config: c, directory: d, hashing: make(chan struct{}, c.MaxHashing)}
	if c.Methods == nil {
		a.config.Methods = a.usable()
	}
	return a, nil
}

// usable returns the methods that somebody can use.
func (a *Authenticator) usable() []string {
	methods := map[string]bool{Anonymous: a.config.AnonymousRole != "", Ticket: a.config.Token != nil}
	for method := range a.directory.with {
		methods[method] = true
	}
	if a.config.Dynamic != nil {
		for _, method := range a.config.Dynamic.Methods {
			methods[method] = true
		}
	}
	methods[AutobahnSCRAM] = methods[SCRAM]
	maps.DeleteFunc(methods, func(_ string, on bool) bool { return !on })
	return slices.Sorted(maps.Keys(methods))
}

// Methods returns the methods that are offered.
func (a *Authenticator) Methods() []string { return slices.Clone(a.config.Methods) }

// A Peer is what is known of somebody who says HELLO.
type Peer struct {
	Realm   wamp.URI
	Session wamp.ID   // that WELCOME will carry
	Details wamp.Dict // of the HELLO
	Addr    string    // the other side's address

	Now   time.Time
	Nonce [32]byte // random, and used for this peer alone

	// Certificate is the DER of the client's certificate, whose key it has
	// shown to have; nil if there is none.
	Certificate []byte

	// Exporter is the channel binding "tls-exporter" of the connection, 32
	// bytes; nil without TLS 1.3.
	Exporter []byte

	// Ask calls a procedure of the realm; needed for dynamic authentication.
	Ask Ask
}

// Begin answers a HELLO. The first method of the client's that is offered is
// taken. It may wait, until ctx ends, where a procedure decides.
func (a *Authenticator) Begin(ctx context.Context, peer *Peer) (Outcome, Attempt) {
	methods := wanted(peer.Details)
	authid, _ := peer.Details.String("authid")
	for _, method := range methods {
		t := &attempt{Authenticator: a, peer: peer, method: method, authid: authid}
		if outcome, taken := t.begin(ctx); taken {
			return outcome, Attempt{t.method, t.authid}
		}
	}
	return Outcome{Denial: a.noMethod(methods)}, Attempt{strings.Join(methods, ","), authid}
}

// wanted returns the methods that a client would use, the best one first.
func wanted(details wamp.Dict) []string {
	if details["authmethods"] == nil {
		return []string{Anonymous}
	}
	list, ok := details.List("authmethods")
	if ok && len(list) == 0 {
		return []string{Anonymous}
	}
	var methods []string
	for _, v := range list[:min(len(list), maxMethods)] {
		if method, ok := v.(string); ok {
			methods = append(methods, method)
		}
	}
	return methods
}

func (a *Authenticator) noMethod(methods []string) *Denial {
	offered := strings.Join(a.config.Methods, ", ")
	if len(methods) == 1 && methods[0] == Anonymous {
		return &Denial{
			wamp.ErrAuthenticationRequired,
			"nobody is let in without credentials; the authentication methods here are: " + offered, "no credentials",
		}
	}
	return &Denial{wamp.ErrNoMatchingAuthMethod, "the authentication methods here are: " + offered, "no method that is offered"}
}

// An attempt is one peer's authentication with one method.
type attempt struct {
	*Authenticator
	peer   *Peer
	method string
	authid string
}

// begin starts the attempt, or passes if the method cannot be taken.
func (a *attempt) begin(ctx context.Context) (outcome Outcome, taken bool) {
	if !slices.Contains(a.config.Methods, a.method) {
		return Outcome{}, false
	}
	switch a.method {
	case Anonymous:
		return a.anonymous(), true
	case TLS:
		return a.tls()
	}
	if why := a.checkAuthid(); why != "" {
		return Outcome{Denial: failed(why, why)}, true
	}
	if a.method == Ticket {
		return a.ticket(), true
	}
	p, denial := a.principal(ctx)
	switch {
	case denial != nil:
		return Outcome{Denial: denial}, true
	case a.method == CRA:
		return a.cra(p), true
	case a.method == Cryptosign:
		return a.cryptosign(p), true
	}
	return a.scram(p), true
}

// anonymous lets a peer in that shows nothing. The authid that it asks for is
// not its to choose.
func (a *attempt) anonymous() Outcome {
	if a.config.AnonymousRole == "" {
		return Outcome{Denial: a.noMethod([]string{Anonymous})}
	}
	a.authid = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(a.peer.Nonce[:20])
	return Outcome{Grant: &Grant{Identity: wamp.Identity{
		Authid: a.authid, Authrole: a.config.AnonymousRole, Authmethod: Anonymous, Authprovider: Static,
	}}}
}

// tls lets a peer in by its certificate. Without one that is known, the peer's
// next method is tried.
func (a *attempt) tls() (outcome Outcome, taken bool) {
	if a.peer.Certificate == nil {
		return Outcome{}, false
	}
	p := a.directory.certificates[sha256.Sum256(a.peer.Certificate)]
	if p == nil || !p.in(a.peer.Realm) || a.authid != "" && a.authid != p.Authid {
		return Outcome{}, false
	}
	a.authid = p.Authid
	return a.welcome(Grant{Identity: p.identity(TLS, Static)}), true
}

// checkAuthid says what is wrong with the name that the peer gives itself.
func (a *attempt) checkAuthid() string {
	_, named := announced(a.peer.Details)
	switch {
	case len(a.authid) > maxAuthid:
		return fmt.Sprintf("authid is longer than %d bytes", maxAuthid)
	case a.authid != "" || a.method == Ticket && a.config.Token != nil || a.method == Cryptosign && named:
		return ""
	}
	return "this authentication method needs an authid"
}

// principal returns whom the peer says it is. For somebody unknown that is a
// mock, so that the exchange takes its course.
func (a *attempt) principal(ctx context.Context) (*Principal, *Denial) {
	if p := a.known(); p != nil {
		a.authid = p.Authid
		return p, nil
	}
	if a.config.Dynamic.decides(a.method) {
		p, denial := a.lookup(ctx)
		if p != nil || denial != nil {
			return p, denial
		}
	}
	return a.mock(a.authid, a.method), nil
}

// known returns the principal by that name, or with that key, that can use the
// method in the realm; nil if there is none.
func (a *attempt) known() *Principal {
	p := a.directory.authids[a.authid]
	if key, ok := announced(a.peer.Details); ok && a.authid == "" && a.method == Cryptosign {
		p = a.directory.keys[key]
	}
	if p == nil || !p.in(a.peer.Realm) || !p.has(a.method) {
		return nil
	}
	return p
}

// welcome grants what was authenticated, unless the peer wants another role.
func (a *attempt) welcome(g Grant) Outcome {
	if role, _ := a.peer.Details.String("authrole"); role != "" && role != g.Identity.Authrole {
		text := fmt.Sprintf("%q does not have the role %q", shorten(g.Identity.Authid), shorten(role))
		return Outcome{Denial: &Denial{wamp.ErrNoSuchRole, text, "wrong role"}}
	}
	return Outcome{Grant: &g}
}

// challenge makes the peer answer a CHALLENGE. check returns what WELCOME says
// in authextra, or what is wrong with the answer.
func (a *attempt) challenge(p *Principal, extra wamp.Dict, check func(*wamp.Authenticate) (wamp.Dict, string)) Outcome {
	return a.exchange(extra, func(_ context.Context, m *wamp.Authenticate) Outcome {
		extra, wrong := check(m)
		switch {
		case p.mock:
			return Outcome{Denial: denied("no such principal with this method")}
		case wrong != "":
			return Outcome{Denial: denied(wrong)}
		}
		provider := Static
		if p.dynamic {
			provider = dynamicProvider
		}
		return a.welcome(Grant{Identity: p.identity(a.method, provider), Extra: extra})
	})
}

func (a *attempt) exchange(extra wamp.Dict, check func(context.Context, *wamp.Authenticate) Outcome) Outcome {
	return Outcome{Exchange: &Exchange{
		Challenge: &wamp.Challenge{AuthMethod: a.method, Extra: extra},
		check:     check,
	}}
}

// An Exchange is an authentication that waits for the answer to its CHALLENGE.
// It belongs to one goroutine at a time.
type Exchange struct {
	Challenge *wamp.Challenge // to be sent

	check func(context.Context, *wamp.Authenticate) Outcome // nil after the first attempt
}

// Authenticate judges the answer. There is one attempt. It may wait, until ctx
// ends, where a procedure or the issuer of a token decides.
func (x *Exchange) Authenticate(ctx context.Context, m *wamp.Authenticate) Outcome {
	if x.check == nil {
		return Outcome{Denial: denied("second answer to a challenge")}
	}
	check := x.check
	x.check = nil
	return check(ctx, m)
}

// shorten makes a stranger's text fit for a message.
func shorten(s string) string {
	const limit = 128
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
