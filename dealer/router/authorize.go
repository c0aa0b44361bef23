package router

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// errAsk says that a procedure must be asked before a message can be handled.
var errAsk = errors.New("a procedure decides")

// maxVerdicts bounds the answers that are kept for one session.
const maxVerdicts = 1000

// verdicts are the answers of a role's authorizer about one session.
type verdicts map[auth.Request]verdict

// A verdict is one answer.
type verdict struct {
	allowed bool
	until   time.Time
}

// rightsOf returns what s may do; nil means everything. The realm's lock is
// held.
func (r *realm) rightsOf(s *Session) *auth.Rights {
	if r.access.Policy == nil || s.trusted {
		return nil
	}
	return r.rightsOfRole(s.identity.Authrole)
}

// maySee reports whether somebody may know of a registration. The realm's lock
// is held.
func (r *realm) maySee(who wamp.Identity, uri wamp.URI) bool {
	return r.rightsOfRole(who.Authrole).Sees(uri)
}

// rightsOfRole returns what a role may do, under a policy.
func (r *realm) rightsOfRole(role string) *auth.Rights {
	if !r.access.Policy.Has(role) {
		role = "" // nobody's: roles that others make up must not add up
	}
	rights := r.rights[role]
	if rights == nil {
		rights = r.access.Policy.Rights(role)
		r.rights[role] = rights
	}
	return rights
}

// authorize refuses a message that s may not send, and reports whether it has
// been dealt with; errAsk means that a procedure decides.
func (r *realm) authorize(b *Batch, now time.Time, s *Session, m wamp.Message) (done bool, err error) {
	request, needed := auth.RequestOf(m)
	if !needed {
		return false, nil
	}
	decision := s.rights.Decide(request)
	call, _ := m.(*wamp.Call)
	undecided := false
	if register, ok := m.(*wamp.Register); ok && register.Options.Transaction != nil {
		var text string
		if text, undecided = s.vouches(now, register); text != "" {
			return true, r.deny(b, now, s, m, wamp.ErrNotAuthorized, text)
		}
	}
	switch {
	case decision.Ask && call != nil && r.dealer.Continues(s.id, call):
		return false, nil
	case decision.Ask:
		v, known := s.verdicts[request]
		if !known || !now.Before(v.until) {
			return true, errAsk
		}
		return r.follow(b, now, s, m, v.allowed)
	case !decision.Allowed:
		return true, r.deny(b, now, s, m, wamp.ErrNotAuthorized, decision.Text)
	}
	if undecided {
		return true, errAsk
	}
	if call == nil {
		return false, nil
	}
	return r.bound(b, now, s, call, decision.Rule)
}

// bound refuses a call that is beyond the bounds of the rule that allows it, and
// reports whether it has been dealt with.
func (r *realm) bound(b *Batch, now time.Time, s *Session, call *wamp.Call, rule *auth.Rule) (done bool, err error) {
	if reason, text := rule.Limit(&call.Options); reason != "" {
		return true, r.deny(b, now, s, call, reason, text)
	}
	if e := r.spend(now, s, call, rule); e != nil {
		return true, r.denyForNow(b, now, s, call, e)
	}
	return false, nil
}

// vouches says why s may not register a procedure for transactions: it must
// have the right to call what ends them, since the calls of that are made in
// nobody's name but the gateway's. It also reports whether the authorizer has
// to be asked.
func (s *Session) vouches(now time.Time, m *wamp.Register) (text string, undecided bool) {
	for _, request := range auth.Vouched(m) {
		d := s.rights.Decide(request)
		switch v, known := s.verdicts[request]; {
		case !d.Ask && !d.Allowed:
			return "who registers a procedure for transactions must have the right to call what ends them: " + d.Text, false
		case !d.Ask:
		case !known || !now.Before(v.until):
			undecided = true
		case !v.allowed:
			return "the realm's authorizer has refused the right to call " + string(request.URI), false
		}
	}
	return "", undecided
}

// follow acts on an authorizer's answer.
func (r *realm) follow(b *Batch, now time.Time, s *Session, m wamp.Message, allowed bool) (done bool, err error) {
	if allowed {
		return false, nil
	}
	return true, r.deny(b, now, s, m, wamp.ErrNotAuthorized, "the realm's authorizer has refused this")
}

// deny answers a message that has no effect.
func (r *realm) deny(b *Batch, now time.Time, s *Session, m wamp.Message, reason wamp.URI, text string) error {
	r.counters.messages++
	out, err := r.dealer.Deny(now, s.id, m, reason, text)
	if err != nil {
		return err
	}
	r.deliver(b, now, out, s)
	return nil
}

// ask has the role's authorizer decide about a message, and handles it then.
// Meanwhile nothing else is read from the peer, so that messages keep their
// order.
func (s *Session) ask(ctx context.Context, b *Batch, m wamp.Message) error {
	b.Flush()
	rights := s.realm.rightsNow(s)
	procedure, ttl := rights.Authorizer()
	if procedure == "" {
		return s.realm.receive(b, s, m) // the policy has changed since
	}
	given, allowed := verdicts{}, true
	for _, request := range s.realm.toAsk(s, m) {
		v, err := s.realm.consult(ctx, wamp.Behalf{Session: s.id, Identity: s.identity}, procedure, ttl, request)
		if err != nil {
			return s.realm.unauthorized(b, s, m)
		}
		given[request] = v
		if allowed = v.allowed; !allowed {
			break
		}
	}
	return s.realm.decided(b, s, m, rights, given, allowed)
}

// toAsk returns what the authorizer has to be asked about a message.
func (r *realm) toAsk(s *Session, m wamp.Message) []auth.Request {
	request, _ := auth.RequestOf(m)
	all := []auth.Request{request}
	if register, ok := m.(*wamp.Register); ok {
		all = append(all, auth.Vouched(register)...)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(all, func(q auth.Request) bool { return !s.rights.Decide(q).Ask })
}

// errNoVerdict means that an authorizer gave no answer.
var errNoVerdict = errors.New("the authorizer gave no answer")

// consult has an authorizer decide about a request. The error has been logged.
func (r *realm) consult(ctx context.Context, who wamp.Behalf, procedure wamp.URI, ttl time.Duration, request auth.Request) (verdict, error) {
	result, err := r.router.askProcedure(ctx, r.name, procedure, []any{
		wamp.Dict{
			"session": who.Session, "realm": string(r.name), "authid": who.Identity.Authid, "authrole": who.Identity.Authrole,
			"authmethod": who.Identity.Authmethod, "authprovider": who.Identity.Authprovider,
		},
		string(request.URI), request.Action.String(),
		wamp.Dict{"match": request.Match.String()},
	})
	allowed, answerTTL, ok := readVerdict(result)
	if answerTTL >= 0 {
		ttl = answerTTL
	}
	switch {
	case errors.Is(err, auth.ErrRefused):
		allowed, ttl = false, 0
	case err != nil || !ok:
		r.router.config.Log.Warn(errNoVerdict.Error(), "realm", string(r.name), "procedure", string(procedure),
			"session", uint64(who.Session), "authid", who.Identity.Authid, "err", err)
		return verdict{}, errNoVerdict
	}
	return verdict{allowed, time.Now().Add(ttl)}, nil
}

// readVerdict reads an authorizer's answer; ttl is negative if it names none.
func readVerdict(result []any) (allowed bool, ttl time.Duration, ok bool) {
	if len(result) != 1 {
		return false, -1, false
	}
	switch v := result[0].(type) {
	case bool:
		return v, -1, true
	case wamp.Dict:
		allowed, ok = v.Bool("allow")
		if seconds, named := v.Int("ttl"); named && seconds >= 0 {
			return allowed, time.Duration(min(seconds, 24*60*60)) * time.Second, ok
		}
		return allowed, -1, ok
	}
	return false, -1, false
}

// rightsNow returns what a session under a policy may do.
func (r *realm) rightsNow(s *Session) *auth.Rights {
	r.mu.Lock()
	defer r.mu.Unlock()
	return s.rights
}

// decided handles a message that the authorizer of some rights has judged. If
// the session has others by now, it is judged again.
func (r *realm) decided(b *Batch, s *Session, m wamp.Message, rights *auth.Rights, given verdicts, allowed bool) error {
	now := time.Now()
	r.mu.Lock()
	defer r.crashOnPanic(m.Type())
	var err error
	if s.rights != rights {
		err = r.step(b, now, s, m)
	} else {
		for request, v := range given {
			s.remember(request, v, v.until.Sub(now))
		}
		err = r.judged(b, now, s, m, allowed)
	}
	r.unlock(b, now)
	return err
}

func (r *realm) judged(b *Batch, now time.Time, s *Session, m wamp.Message, allowed bool) error {
	if s.state != stateJoined {
		return r.part(b, s, m)
	}
	if done, err := r.follow(b, now, s, m, allowed); done {
		return err
	}
	return r.act(b, now, s, m)
}

// unauthorized answers a message that no authorizer could judge.
func (r *realm) unauthorized(b *Batch, s *Session, m wamp.Message) error {
	now := time.Now()
	r.mu.Lock()
	defer r.crashOnPanic(m.Type())
	var err error
	if s.state != stateJoined {
		err = r.part(b, s, m)
	} else {
		err = r.deny(b, now, s, m, wamp.ErrAuthorizationFailed, "the realm's authorizer cannot decide now; try again later")
	}
	r.unlock(b, now)
	return err
}

// remember keeps an answer for as long as it holds. The realm's lock is held.
func (s *Session) remember(request auth.Request, v verdict, ttl time.Duration) {
	if ttl <= 0 {
		return
	}
	if s.verdicts == nil || len(s.verdicts) >= maxVerdicts {
		s.verdicts = make(verdicts)
	}
	request.URI = wamp.URI(strings.Clone(string(request.URI))) // may be part of a buffer
	s.verdicts[request] = v
}
