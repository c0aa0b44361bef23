package main

import (
	"net/http"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A sessionJSON is a session in an answer.
type sessionJSON struct {
	ID            wamp.ID  `json:"id"`
	Realm         wamp.URI `json:"realm"`
	Authid        string   `json:"authid"`
	Authrole      string   `json:"authrole"`
	Authmethod    string   `json:"authmethod"`
	Authprovider  string   `json:"authprovider,omitempty"`
	Agent         string   `json:"agent"`
	Transport     string   `json:"transport"`            // websocket, rawsocket, http or inside
	Serializer    string   `json:"serializer,omitempty"` // empty inside the process
	Peer          string   `json:"peer,omitempty"`
	TLS           bool     `json:"tls"`
	Joined        string   `json:"joined"`
	Registrations int      `json:"registrations"`
	Calls         int      `json:"calls"`       // in flight, that it made
	Invocations   int      `json:"invocations"` // in flight, that it works at
	Queued        *int     `json:"queue_bytes,omitempty"`
}

func newSessionJSON(realm wamp.URI, m *router.Member) sessionJSON {
	j := sessionJSON{
		ID: m.Session, Realm: realm, Authid: m.Identity.Authid, Authrole: m.Identity.Authrole, Authmethod: m.Identity.Authmethod,
		Authprovider: m.Identity.Authprovider, Agent: m.Agent, Transport: m.Transport.String(), Peer: m.Peer, TLS: m.TLS,
		Joined: moment(m.Joined), Registrations: m.Registrations, Calls: m.Calls, Invocations: m.Invocations,
	}
	if m.Transport == router.Inside && m.Agent == httpAgent {
		j.Transport = "http"
	}
	if m.Transport != router.Inside {
		j.Serializer = m.Serializer.String()
	}
	if m.Queued >= 0 {
		j.Queued = &m.Queued
	}
	return j
}

// moment writes a time as ISO 8601 in UTC.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// listSessions answers GET /admin/sessions.
func (n *node) listSessions(w http.ResponseWriter, r *http.Request) error {
	q, err := n.query(r, "limit", "after")
	if err != nil {
		return err
	}
	after, limit, err := q.page()
	if err != nil {
		return err
	}
	list, next := n.router.Members(q.realm, after, limit)
	answer := struct {
		Realm    wamp.URI      `json:"realm"`
		Sessions []sessionJSON `json:"sessions"`
		Next     string        `json:"next,omitempty"`
	}{q.realm, make([]sessionJSON, len(list)), cursor(next)}
	for i := range list {
		answer.Sessions[i] = newSessionJSON(q.realm, &list[i])
	}
	return sendAdmin(w, http.StatusOK, answer)
}

// showSession answers GET /admin/sessions/{id}.
func (n *node) showSession(w http.ResponseWriter, r *http.Request) error {
	q, err := n.query(r)
	if err != nil {
		return err
	}
	id, _ := adminID(r.PathValue("id")) // 0 is nobody's
	m, ok := n.router.Member(q.realm, id)
	if !ok {
		return none(wamp.ErrNoSuchSession, "session")
	}
	return sendAdmin(w, http.StatusOK, newSessionJSON(q.realm, &m))
}

// endSession answers DELETE /admin/sessions/{id}.
func (n *node) endSession(w http.ResponseWriter, r *http.Request) error {
	q, err := n.query(r, "reason", "message")
	if err != nil {
		return err
	}
	reason, err := q.reason(wamp.CloseKilled)
	if err != nil {
		return err
	}
	goodbye := &wamp.Goodbye{Reason: reason}
	if text := q.values.Get("message"); text != "" {
		goodbye.Details = wamp.Dict{"message": text}
	}
	id, _ := adminID(r.PathValue("id")) // 0 is nobody's
	if !n.router.EndSession(q.realm, id, goodbye) {
		return none(wamp.ErrNoSuchSession, "session")
	}
	n.log.InfoContext(r.Context(), "an administrator ended a session", "client", r.RemoteAddr, "realm", string(q.realm), "session", uint64(id), "reason", string(reason))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// A registrationJSON is a registration in an answer.
type registrationJSON struct {
	ID      wamp.ID  `json:"id"`
	Realm   wamp.URI `json:"realm"`
	URI     wamp.URI `json:"uri"`
	Match   string   `json:"match"`
	Invoke  string   `json:"invoke"`
	Created string   `json:"created"`
	Callees int      `json:"callees"`
	Safe    bool     `json:"safe"`
}

func newRegistrationJSON(realm wamp.URI, p *dealer.Procedure) registrationJSON {
	return registrationJSON{p.Registration, realm, p.URI, p.Match.String(), p.Invoke.String(), moment(p.Created), p.Callees, p.Safe}
}

// listRegistrations answers GET /admin/registrations.
func (n *node) listRegistrations(w http.ResponseWriter, r *http.Request) error {
	q, err := n.query(r, "limit", "after")
	if err != nil {
		return err
	}
	after, limit, err := q.page()
	if err != nil {
		return err
	}
	list, next := n.router.Registrations(q.realm, after, limit)
	answer := struct {
		Realm         wamp.URI           `json:"realm"`
		Registrations []registrationJSON `json:"registrations"`
		Next          string             `json:"next,omitempty"`
	}{q.realm, make([]registrationJSON, len(list)), cursor(next)}
	for i := range list {
		answer.Registrations[i] = newRegistrationJSON(q.realm, &list[i])
	}
	return sendAdmin(w, http.StatusOK, answer)
}

// showRegistration answers GET /admin/registrations/{id}, with the sessions of
// its oldest callees.
func (n *node) showRegistration(w http.ResponseWriter, r *http.Request) error {
	q, err := n.query(r)
	if err != nil {
		return err
	}
	id, _ := adminID(r.PathValue("id")) // 0 is no registration's
	p, callees, ok := n.router.Registration(q.realm, id, maxAdminPage)
	if !ok {
		return none(wamp.ErrNoSuchRegistration, "registration")
	}
	return sendAdmin(w, http.StatusOK, struct {
		registrationJSON
		Sessions []wamp.ID `json:"sessions"`
	}{newRegistrationJSON(q.realm, &p), callees})
}

// revokeRegistration answers DELETE /admin/registrations/{id}.
func (n *node) revokeRegistration(w http.ResponseWriter, r *http.Request) error {
	q, err := n.query(r, "reason", "session")
	if err != nil {
		return err
	}
	reason, err := q.reason(wamp.ErrUnregistered)
	if err != nil {
		return err
	}
	id, _ := adminID(r.PathValue("id")) // 0 is no registration's
	var callee wamp.ID
	if text := q.values.Get("session"); text != "" {
		if callee, err = adminID(text); err != nil {
			return none(wamp.ErrNoSuchSession, "session")
		}
	}
	if !n.router.Revoke(q.realm, id, callee, reason) {
		return none(wamp.ErrNoSuchRegistration, "registration")
	}
	n.log.InfoContext(r.Context(), "an administrator revoked a registration", "client", r.RemoteAddr, "realm", string(q.realm), "registration", uint64(id), "reason", string(reason))
	w.WriteHeader(http.StatusNoContent)
	return nil
}
