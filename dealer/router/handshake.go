package router

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A Step is how far a peer has come on its way to a session. One of its fields
// is set.
type Step struct {
	// Session is open; its WELCOME has been pushed.
	Session *Session
	// Pending waits for the peer's AUTHENTICATE; the CHALLENGE has been pushed.
	Pending *Handshake
	// Abort is for the caller to send; there is no session.
	Abort *wamp.Abort
}

// A Handshake is a session that is not open yet: its peer has to answer a
// CHALLENGE. It counts as a session until it has, or is dropped. It belongs to
// one goroutine at a time.
type Handshake struct {
	session   *Session
	roles     wamp.Roles
	agent     string
	transport TransportInfo
	exchange  *auth.Exchange
	attempt   auth.Attempt
}

// Hello begins a session for a peer that said HELLO; out is where its messages
// go, to be flushed by the caller. It may wait, until ctx ends, where a
// procedure decides who may join.
func (r *Router) Hello(ctx context.Context, hello *wamp.Hello, t TransportInfo, out Outbox) Step {
	realm, roles, abort := r.admit(hello)
	if abort != nil {
		r.logRefused(ctx, hello, t, abort)
		return Step{Abort: abort}
	}
	id, err := r.reserve()
	if err != nil {
		return Step{Abort: refusal(err)}
	}
	agent, _ := hello.Details.String("agent")
	session := &Session{
		id: id, realm: realm, out: out, link: Link{t.Transport, t.Serializer}, peer: t.Peer, tls: t.TLS != nil, acknowledges: t.Acknowledges,
	}
	h := &Handshake{session: session, roles: roles, agent: agent, transport: t}
	peer := &auth.Peer{
		Realm: realm.name, Session: id, Details: hello.Details, Addr: t.Peer,
		Now: time.Now(), Ask: r.askProcedure,
	}
	_, _ = rand.Read(peer.Nonce[:]) // never fails
	peer.Certificate, peer.Exporter = channel(t.TLS)
	h.session.access = r.access.Load()
	outcome, attempt := h.session.access.Auth.Begin(ctx, peer)
	h.attempt = attempt
	return h.take(ctx, outcome)
}

// channel returns what authentication may know of a connection: the client's
// certificate and the channel binding "tls-exporter" (RFC 9266).
func channel(c *tls.ConnectionState) (certificate, exporter []byte) {
	if c == nil {
		return nil, nil
	}
	if len(c.PeerCertificates) > 0 {
		certificate = c.PeerCertificates[0].Raw
	}
	if c.Version >= tls.VersionTLS13 {
		exporter, _ = c.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32) // nil if there is none
	}
	return certificate, exporter
}

// Authenticate judges the peer's answer to the CHALLENGE. It may wait, until ctx
// ends, where others decide. The Handshake is over unless the Step says that
// another answer is pending.
func (h *Handshake) Authenticate(ctx context.Context, m *wamp.Authenticate) Step {
	return h.take(ctx, h.judge(ctx, m))
}

// Drop ends a Handshake whose peer went away or broke the protocol.
func (h *Handshake) Drop(ctx context.Context) {
	h.session.realm.router.drop(h.session.id)
	h.audit(ctx, "dropped", "the peer gave no answer")
}

// take acts on what was decided.
func (h *Handshake) take(ctx context.Context, o auth.Outcome) Step {
	switch {
	case o.Exchange != nil:
		return h.challenge(o.Exchange)
	case o.Grant != nil:
		return h.welcome(ctx, o.Grant)
	}
	r := h.session.realm.router
	r.drop(h.session.id)
	r.countDenied(h.attempt.Method, o.Denial)
	h.audit(ctx, "denied", o.Denial.Cause)
	return Step{Abort: NewAbort(o.Denial.Reason, o.Denial.Text)}
}

func (h *Handshake) challenge(x *auth.Exchange) Step {
	if err := h.session.out.Push(x.Challenge); err != nil {
		h.session.realm.router.drop(h.session.id)
		return Step{Abort: refusal(err)}
	}
	h.exchange = x
	return Step{Pending: h}
}

// welcome opens the session.
func (h *Handshake) welcome(ctx context.Context, g *auth.Grant) Step {
	s := h.session
	r := s.realm.router
	s.identity, s.expires, s.from = g.Identity, g.Expires, network(addrOf(h.transport.Peer))
	h.attempt = auth.Attempt{Method: g.Identity.Authmethod, Authid: g.Identity.Authid}
	welcome := &wamp.Welcome{Session: s.id, Details: r.welcome(s, g.Extra)}
	if err := r.open(s, h.roles, h.agent, welcome); err != nil {
		return Step{Abort: refusal(err)}
	}
	h.audit(ctx, "accepted", "")
	r.config.Log.Debug("session opened", "realm", string(s.realm.name), "session", uint64(s.id),
		"peer", h.transport.Peer, "serializer", h.transport.Serializer.String(), "agent", h.agent)
	return Step{Session: s}
}

// audit logs an attempt to authenticate: one line each, except for those who
// need no credentials and have none.
func (h *Handshake) audit(ctx context.Context, outcome, reason string) {
	s := h.session
	level := slog.LevelInfo
	if outcome == "accepted" && h.attempt.Method == auth.Anonymous {
		level = slog.LevelDebug
	}
	s.realm.router.config.Log.Log(ctx, level, "authentication", "outcome", outcome,
		"realm", string(s.realm.name), "authid", brief(h.attempt.Authid), "method", brief(h.attempt.Method),
		"role", s.identity.Authrole, "session", uint64(s.id), "peer", h.transport.Peer, "reason", reason)
}

// logRefused logs a HELLO that did not come to an attempt.
func (r *Router) logRefused(ctx context.Context, hello *wamp.Hello, t TransportInfo, abort *wamp.Abort) {
	authid, _ := hello.Details.String("authid")
	text, _ := abort.Details.String("message")
	r.config.Log.InfoContext(ctx, "authentication", "outcome", "denied", "realm", brief(string(hello.Realm)),
		"authid", brief(authid), "peer", t.Peer, "reason", text)
}

// brief shortens what a stranger says of himself.
func brief(s string) string {
	const limit = 128
	return s[:min(len(s), limit)]
}

// askProcedure is the [auth.Ask] of this router.
func (r *Router) askProcedure(ctx context.Context, realm, procedure wamp.URI, args []any) ([]any, error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.AskTimeout)
	defer cancel()
	return r.realms[realm].asker.ask(ctx, procedure, args)
}
