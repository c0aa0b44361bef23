package router

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/wampgate/wampgate/dealer/wamp"
)

var (
	errTooManySessions = errors.New("too many sessions")
	errTooManyOfOne    = errors.New("you have as many sessions as one principal, or an address without credentials, may have; close some")
)

// Anonymous is the name of the authentication method that asks for nothing,
// and of the role that it gives.
const Anonymous = "anonymous"

// A TransportInfo says how a peer is connected.
type TransportInfo struct {
	Peer       string // the other side's address, for logs
	Transport  Transport
	Serializer wamp.Serializer
	TLS        *tls.ConnectionState // nil without TLS

	// Acknowledges says that the peer's receiving of an INVOCATION with a
	// Receipt is reported with [Session.Acknowledged].
	Acknowledges bool
}

// NewAbort returns an ABORT with a text for people.
func NewAbort(reason wamp.URI, text string) *wamp.Abort {
	return &wamp.Abort{Details: wamp.Dict{"message": text}, Reason: reason}
}

// Join opens a session for a peer that said HELLO, if that takes no
// credentials; see [Router.Hello] for peers that are asked for some. Its
// WELCOME has then been pushed to out, to be flushed by the caller. Otherwise
// nothing that counts has been pushed, and the ABORT returned is for the caller
// to send.
func (r *Router) Join(hello *wamp.Hello, t TransportInfo, out Outbox) (*Session, *wamp.Abort) {
	ctx := context.Background()
	step := r.Hello(ctx, hello, t, out)
	if step.Pending != nil {
		step.Pending.Drop(ctx)
		return nil, NewAbort(wamp.ErrAuthenticationRequired, "this session takes an answer to a CHALLENGE")
	}
	return step.Session, step.Abort
}

// JoinLocal opens a session for a peer inside the process, which gets no
// WELCOME; it has received what out takes. It fails if there is no such realm, no room, or the router shuts
// down (wraps [ErrShutdown]).
func (r *Router) JoinLocal(realm wamp.URI, id wamp.Identity, roles wamp.Roles, agent string, out Outbox) (*Session, error) {
	s := &Session{realm: r.realms[realm], out: out, identity: id, local: true, acknowledges: true}
	if s.realm == nil {
		return nil, fmt.Errorf("join realm %q: no such realm", realm)
	}
	if err := r.openLocal(s, roles, agent); err != nil {
		return nil, fmt.Errorf("join realm %q: %w", realm, err)
	}
	return s, nil
}

// JoinKeeper opens the session that keeps the persistent calls of a realm, and
// makes them; see [dealer.Peer.Keeps]. It may do everything. The errors are
// those of JoinLocal.
func (r *Router) JoinKeeper(realm wamp.URI, out Outbox) (*Session, error) {
	return r.joinPart(&Session{realm: r.realms[realm], out: out, keeps: true}, realm)
}

// JoinCoordinator opens the session that coordinates the transactions of a
// realm; see [dealer.Peer.Coordinates]. It may do everything. The errors are
// those of JoinLocal.
func (r *Router) JoinCoordinator(realm wamp.URI, out Outbox) (*Session, error) {
	return r.joinPart(&Session{realm: r.realms[realm], out: out, coordinates: true}, realm)
}

// joinPart opens a session that is a part of the dealer, as others see it.
func (r *Router) joinPart(s *Session, realm wamp.URI) (*Session, error) {
	s.identity = wamp.Identity{Authid: "wampgate", Authrole: "router", Authmethod: "internal", Authprovider: "internal"}
	s.local, s.trusted = true, true
	if s.realm == nil {
		return nil, fmt.Errorf("join realm %q: no such realm", realm)
	}
	r.mu.Lock()
	r.keepers++
	r.mu.Unlock()
	if err := r.openLocal(s, wamp.Roles{
		Caller: true, CallerFeatures: wamp.FeatureCallCanceling | wamp.FeaturePayloadPassthruMode,
		Callee: true, CalleeFeatures: wamp.FeatureCallCanceling, // of those who wait for a call
	}, r.config.Agent); err != nil {
		return nil, fmt.Errorf("join realm %q: %w", realm, err)
	}
	return s, nil
}

// admit checks a HELLO.
func (r *Router) admit(hello *wamp.Hello) (*realm, wamp.Roles, *wamp.Abort) {
	var roles wamp.Roles
	if r.isClosing() {
		return nil, roles, refusal(ErrShutdown)
	}
	if !hello.Realm.Valid() {
		return nil, roles, NewAbort(wamp.ErrInvalidURI, fmt.Sprintf("realm %q is not a valid URI", hello.Realm))
	}
	realm := r.realms[hello.Realm]
	if realm == nil {
		return nil, roles, NewAbort(wamp.ErrNoSuchRealm, fmt.Sprintf("there is no realm %q", hello.Realm))
	}
	roles, err := wamp.ParseRoles(hello.Details)
	if err != nil {
		return nil, roles, NewAbort(wamp.ErrProtocolViolation, err.Error())
	}
	return realm, roles, nil
}

// openLocal opens a session inside the process, which gets no WELCOME.
func (r *Router) openLocal(s *Session, roles wamp.Roles, agent string) error {
	id, err := r.reserve()
	if err != nil {
		return err
	}
	s.id = id
	return r.open(s, roles, agent, nil)
}

// open puts s, whose id is reserved, into its realm.
func (r *Router) open(s *Session, roles wamp.Roles, agent string, welcome *wamp.Welcome) error {
	if err := r.admitSession(s); err != nil {
		return err
	}
	if err := s.realm.join(s, roles, agent, welcome); err != nil {
		r.forget(s)
		return err
	}
	return nil
}

// welcome returns the details of a WELCOME. Every role has a features dict and
// authid and authrole are strings: clients fail without. Only roles that exist
// are announced.
func (r *Router) welcome(s *Session, extra wamp.Dict) wamp.Dict {
	details := wamp.Dict{
		"realm":        string(s.realm.name),
		"authid":       s.identity.Authid,
		"authrole":     s.identity.Authrole,
		"authmethod":   s.identity.Authmethod,
		"authprovider": s.identity.Authprovider,
		"agent":        r.config.Agent,
		"roles": wamp.Dict{
			"broker": wamp.Dict{"features": s.realm.dealer.BrokerFeatures().Dict()},
			"dealer": wamp.Dict{"features": s.realm.dealer.Features().Dict()},
		},
	}
	if extra != nil {
		details["authextra"] = extra
	}
	return details
}

// refusal returns the ABORT for a session that could not be opened.
func refusal(err error) *wamp.Abort {
	if errors.Is(err, ErrShutdown) {
		return NewAbort(wamp.CloseSystemShutdown, err.Error())
	}
	if errors.Is(err, ErrWithdrawn) {
		return NewAbort(wamp.ErrAuthenticationDenied, "your rights were withdrawn; log in again")
	}
	return NewAbort(wamp.ErrUnavailable, err.Error())
}
