package router

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/wampgate/wampgate/dealer/wamp"
)

var errTooManySessions = errors.New("too many sessions")

// Anonymous is the name of the authentication method that asks for nothing,
// and of the role that it gives.
const Anonymous = "anonymous"

// A TransportInfo says how a peer is connected.
type TransportInfo struct {
	Peer       string // the other side's address, for logs
	Serializer wamp.Serializer

	// Acknowledges says that the peer's receiving of an INVOCATION with a
	// Receipt is reported with [Session.Acknowledged].
	Acknowledges bool
}

// NewAbort returns an ABORT with a text for people.
func NewAbort(reason wamp.URI, text string) *wamp.Abort {
	return &wamp.Abort{Details: wamp.Dict{"message": text}, Reason: reason}
}

// Join opens a session for a peer that said HELLO. Its WELCOME has then been
// pushed to out, to be flushed by the caller. Otherwise nothing has been
// pushed, and the ABORT returned is for the caller to send.
func (r *Router) Join(hello *wamp.Hello, t TransportInfo, out Outbox) (*Session, *wamp.Abort) {
	realm, roles, abort := r.admit(hello)
	if abort != nil {
		return nil, abort
	}
	s := &Session{realm: realm, out: out, acknowledges: t.Acknowledges, identity: wamp.Identity{
		Authid:       rand.Text(),
		Authrole:     Anonymous,
		Authmethod:   Anonymous,
		Authprovider: "static",
	}}
	agent, _ := hello.Details.String("agent")
	if err := r.open(s, roles, agent, true); err != nil {
		return nil, refusal(err)
	}
	r.config.Log.Debug("session opened", "realm", string(realm.name), "session", uint64(s.id),
		"peer", t.Peer, "serializer", t.Serializer.String(), "agent", agent)
	return s, nil
}

// JoinLocal opens a session for a peer inside the process, which gets no
// WELCOME; it has received what out takes. It fails if there is no such realm, no room, or the router shuts
// down (wraps [ErrShutdown]).
func (r *Router) JoinLocal(realm wamp.URI, id wamp.Identity, roles wamp.Roles, agent string, out Outbox) (*Session, error) {
	s := &Session{realm: r.realms[realm], out: out, identity: id, local: true, acknowledges: true}
	if s.realm == nil {
		return nil, fmt.Errorf("join realm %q: no such realm", realm)
	}
	if err := r.open(s, roles, agent, false); err != nil {
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
	if !acceptsAnonymous(hello.Details) {
		return nil, roles, NewAbort(wamp.ErrNoMatchingAuthMethod, `the only authentication method here is "anonymous"`)
	}
	return realm, roles, nil
}

// acceptsAnonymous reports whether a client wants to join anonymously: it says
// so, or asks for no method at all.
func acceptsAnonymous(details wamp.Dict) bool {
	if details["authmethods"] == nil {
		return true
	}
	methods, ok := details.List("authmethods")
	return ok && (len(methods) == 0 || slices.Contains(methods, any(Anonymous)))
}

// open gives s an id and puts it into its realm.
func (r *Router) open(s *Session, roles wamp.Roles, agent string, welcome bool) error {
	id, err := r.newID()
	if err != nil {
		return err
	}
	s.id = id
	var m *wamp.Welcome
	if welcome {
		m = &wamp.Welcome{Session: id, Details: r.welcome(s)}
	}
	if err := s.realm.join(s, roles, agent, m); err != nil {
		r.forget(id)
		return err
	}
	return nil
}

// welcome returns the details of a WELCOME. Every role has a features dict and
// authid and authrole are strings: clients fail without. Only roles that exist
// are announced.
func (r *Router) welcome(s *Session) wamp.Dict {
	return wamp.Dict{
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
}

// refusal returns the ABORT for a session that could not be opened.
func refusal(err error) *wamp.Abort {
	if errors.Is(err, ErrShutdown) {
		return NewAbort(wamp.CloseSystemShutdown, err.Error())
	}
	return NewAbort(wamp.ErrUnavailable, err.Error())
}
