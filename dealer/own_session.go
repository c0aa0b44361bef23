package dealer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// maxAgent is how much is kept of what a client says about itself, in bytes.
const maxAgent = 128

// enroll puts a session on the lists of the meta API.
func (d *Dealer) enroll(s *session, agent string) {
	s.agent = strings.Clone(strings.ToValidUTF8(agent[:min(len(agent), maxAgent)], ""))
	d.lastNumber = d.lastNumber.Next()
	s.number = d.lastNumber
	d.members.add(s.number, s)
	d.roles[s.identity.Authrole]++
}

// strike takes a session off the lists.
func (d *Dealer) strike(s *session) {
	d.members.remove(s.number)
	role := s.identity.Authrole
	if d.roles[role]--; d.roles[role] == 0 {
		delete(d.roles, role)
	}
}

// dict returns what the meta API tells of a session.
func (s *session) dict() wamp.Dict {
	return wamp.Dict{
		"session":      s.id,
		"authid":       s.identity.Authid,
		"authrole":     s.identity.Authrole,
		"authmethod":   s.identity.Authmethod,
		"authprovider": s.identity.Authprovider,
		"agent":        s.agent,
		"joined":       timestamp(s.joined),
	}
}

// sessionProcedure returns a procedure of the session meta API, and whether it
// kills.
func sessionProcedure(uri wamp.URI) (run ownProcedure, kills bool) {
	switch uri {
	case "wamp.session.count":
		return (*Dealer).sessionCount, false
	case "wamp.session.list":
		return (*Dealer).sessionList, false
	case "wamp.session.get":
		return (*Dealer).sessionGet, false
	case "wamp.session.kill":
		return (*Dealer).sessionKill, true
	case "wamp.session.kill_by_authid":
		return (*Dealer).sessionKillByAuthid, true
	case "wamp.session.kill_by_authrole":
		return (*Dealer).sessionKillByAuthrole, true
	case "wamp.session.kill_all":
		return (*Dealer).sessionKillAll, true
	}
	return nil, false
}

func (d *Dealer) sessionCount(c *ownCall) ([]any, refusal) {
	roles, all, why := c.roles()
	if all || why.uri != "" {
		return []any{d.peers()}, why
	}
	n := 0
	for _, role := range roles {
		n += d.roles[role]
	}
	return []any{n}, refusal{}
}

// peers returns how many sessions there are but for those of who keeps
// persistent calls and of who coordinates transactions, which are nobody's.
func (d *Dealer) peers() int {
	n := len(d.sessions)
	for _, p := range [...]*place{d.keeper, d.coordinator} {
		if p != nil {
			n--
		}
	}
	return n
}

func (d *Dealer) sessionList(c *ownCall) ([]any, refusal) {
	roles, all, why := c.roles()
	if why.uri != "" {
		return nil, why
	}
	var ids []wamp.ID
	why = list(c, &d.members, func(s *session) {
		if all || slices.Contains(roles, s.identity.Authrole) {
			ids = append(ids, s.id)
		}
	})
	return []any{ids}, why
}

// roles returns the roles that the first argument names, each once; all is
// true if it is absent.
func (c *ownCall) roles() (roles []string, all bool, why refusal) {
	if c.arg(0) == nil {
		return nil, true, refusal{}
	}
	list, ok := c.arg(0).([]any)
	for _, v := range list {
		role, isText := v.(string)
		ok = ok && isText
		roles = append(roles, role)
	}
	if !ok {
		return nil, false, invalid("argument 0 must be a list of roles")
	}
	slices.Sort(roles)
	return slices.Compact(roles), false, refusal{}
}

func (d *Dealer) sessionGet(c *ownCall) ([]any, refusal) {
	id, why := c.id(0, "session")
	if why.uri != "" {
		return nil, why
	}
	s := d.member(id)
	if s == nil {
		return nil, noSuchSession(id)
	}
	return []any{s.dict()}, refusal{}
}

func noSuchSession(id wamp.ID) refusal {
	return refusal{wamp.ErrNoSuchSession, fmt.Sprintf("there is no session %d", id)}
}

func (d *Dealer) sessionKill(c *ownCall) ([]any, refusal) {
	id, why := c.id(0, "session")
	if why.uri != "" {
		return nil, why
	}
	s := d.member(id)
	switch s {
	case nil:
		return nil, noSuchSession(id)
	case c.from:
		return nil, refusal{wamp.ErrNoSuchSession, "a session does not kill itself"}
	}
	return nil, d.kills(c, []*session{s})
}

func (d *Dealer) sessionKillByAuthid(c *ownCall) ([]any, refusal) {
	authid, why := c.name("an authid")
	if why.uri != "" {
		return nil, why
	}
	victims := d.others(c, func(s *session) bool { return s.identity.Authid == authid })
	ids := make([]wamp.ID, len(victims))
	for i, s := range victims {
		ids[i] = s.id
	}
	return []any{ids}, d.kills(c, victims)
}

func (d *Dealer) sessionKillByAuthrole(c *ownCall) ([]any, refusal) {
	role, why := c.name("an authrole")
	if why.uri != "" {
		return nil, why
	}
	victims := d.others(c, func(s *session) bool { return s.identity.Authrole == role })
	return []any{len(victims)}, d.kills(c, victims)
}

// sessionKillAll kills all others. There is only the caller left to tell, who
// knows: no events are published.
func (d *Dealer) sessionKillAll(c *ownCall) ([]any, refusal) {
	victims := d.others(c, func(*session) bool { return true })
	why := d.kills(c, victims)
	if kill := c.then; kill != nil {
		c.then = func() {
			muted := d.broker.muted
			d.broker.muted = true
			kill()
			d.broker.muted = muted
		}
	}
	return []any{len(victims)}, why
}

// others returns the sessions that are meant, apart from the caller. It looks
// at all of the realm, which may take milliseconds.
func (d *Dealer) others(c *ownCall, meant func(*session) bool) []*session {
	var found []*session
	for _, s := range d.members.after(0) {
		if s != c.from && meant(s) {
			found = append(found, s)
		}
	}
	return found
}

// kills reads how the victims are told, and kills them when the caller has got
// its answer.
func (d *Dealer) kills(c *ownCall, victims []*session) refusal {
	reason, why := c.reason(wamp.CloseKilled)
	if why.uri != "" {
		return why
	}
	goodbye := &wamp.Goodbye{Reason: reason}
	switch message := c.kwargs["message"].(type) {
	case nil:
	case string:
		goodbye.Details = wamp.Dict{"message": message}
	default:
		return invalid("message must be a string")
	}
	c.then = func() { d.killSessions(c.now, victims, goodbye) }
	return refusal{}
}

// reason returns the keyword argument "reason", which must be a URI.
func (c *ownCall) reason(unlessGiven wamp.URI) (wamp.URI, refusal) {
	v := c.kwargs["reason"]
	if v == nil {
		return unlessGiven, refusal{}
	}
	reason, ok := v.(string)
	if !ok || !wamp.URI(reason).Valid() {
		return "", refusal{wamp.ErrInvalidURI, "reason must be a URI"}
	}
	return wamp.URI(reason), refusal{}
}

// killSessions ends sessions. A GOODBYE is what tells the router to do so too.
// The victims are not told about each other, and what one leaves makes no room
// for the calls of the next.
func (d *Dealer) killSessions(now time.Time, victims []*session, goodbye *wamp.Goodbye) {
	for _, s := range victims {
		d.broker.removeMembers(s)
		d.dropWaiting(now, s)
	}
	for _, s := range victims {
		d.out.add(s, goodbye)
		d.leave(now, s)
	}
}
