package durable

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wampgate/wampgate/dealer/custody"
	"github.com/wampgate/wampgate/dealer/wamp"
)

const (
	maxList     = 1000
	defaultWait = 30 * time.Second
	maxWait     = time.Hour
)

// A question is a call of a procedure of the store.
type question struct {
	*arrival
	args   []any
	kwargs wamp.Dict
	who    wamp.Identity
}

// refusedError is what a procedure refuses to do: the URI of its ERROR, and why.
type refusedError struct {
	uri  wamp.URI
	text string
}

func (e *refusedError) Error() string { return e.text }

// asked answers a call of a procedure of the store.
func (s *Store) asked(a *arrival) {
	q := &question{arrival: a, who: a.Caller.Identity}
	var err error
	if q.args, q.kwargs, err = a.Payload.Decode(); err != nil {
		a.keeper.refuse(a.Invocation, wamp.ErrInvalidArgument, "the arguments cannot be read: "+err.Error(), nil)
		return
	}
	run := s.procedure(a.Procedure)
	if run == nil {
		a.keeper.refuse(a.Invocation, wamp.ErrNoSuchProcedure, "no procedure "+string(a.Procedure), nil)
		return
	}
	result, err := run(q)
	var refused *refusedError
	switch {
	case errors.Is(err, errLater):
	case errors.Is(err, ErrNotFound):
		a.keeper.refuse(a.Invocation, ErrNoSuchCall, err.Error(), nil)
	case errors.As(err, &refused):
		a.keeper.refuse(a.Invocation, refused.uri, refused.text, nil)
	case err != nil:
		a.keeper.refuse(a.Invocation, wamp.ErrUnavailable, err.Error(), nil)
	default:
		p, _ := wamp.NewPayload(wamp.JSON, []any{result}, nil) // its types all have a form
		a.keeper.yield(a.Invocation, p, nil, nil, false)
	}
}

// errLater means that somebody else will answer.
var errLater = errors.New("answered later")

func (s *Store) procedure(uri wamp.URI) func(*question) (any, error) {
	switch uri {
	case "wampgate.call.get":
		return s.askGet
	case "wampgate.call.wait":
		return s.askWait
	case "wampgate.call.cancel":
		return s.askCancel
	case "wampgate.call.list":
		return s.askList
	case "wampgate.deadletter.list":
		return s.askLetters
	case "wampgate.deadletter.retry":
		return s.askRetry
	case "wampgate.deadletter.discard":
		return s.askDiscard
	}
	return nil
}

// id returns the first argument.
func (q *question) id() (string, error) {
	if len(q.args) > 0 {
		if id, ok := q.args[0].(string); ok && id != "" {
			return id, nil
		}
	}
	return "", &refusedError{wamp.ErrInvalidArgument, "argument 0 must be the id of a call, a string"}
}

func (s *Store) askGet(q *question) (any, error) {
	id, err := q.id()
	if err != nil {
		return nil, err
	}
	status, err := s.Find(s.ctx, q.keeper.Realm, q.who, id)
	if err != nil {
		return nil, err
	}
	return status.Dict(), nil
}

// askWait answers with the outcome of the call, as its own CALL is answered.
func (s *Store) askWait(q *question) (any, error) {
	id, err := q.id()
	if err != nil {
		return nil, err
	}
	timeout := defaultWait
	if ms, ok := q.kwargs.Int("timeout"); ok {
		timeout = time.Duration(ms) * time.Millisecond
	} else if q.Options.Timeout > 0 {
		timeout = time.Duration(q.Options.Timeout) * time.Millisecond
	}
	if timeout <= 0 || timeout > maxWait {
		return nil, &refusedError{wamp.ErrInvalidArgument, fmt.Sprintf("timeout must be from 1 ms to %v", maxWait)}
	}
	w := &waiter{keeper: q.keeper, invocation: q.Invocation}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, c, done, err := s.statusOf(q.keeper.Realm, q.who, id)
	switch {
	case err != nil:
		return nil, err
	case c != nil:
		c.join(w)
		w.limit(s, timeout)
	default:
		s.mu.Later(func() { s.replay(done, w) })
	}
	return nil, errLater
}

func (s *Store) askCancel(q *question) (any, error) {
	id, err := q.id()
	if err != nil {
		return nil, err
	}
	mode := wamp.CancelKill
	switch q.kwargs["mode"] {
	case nil, "kill":
	case "skip":
		mode = wamp.CancelSkip
	case "killnowait":
		mode = wamp.CancelKillNoWait
	default:
		return nil, &refusedError{wamp.ErrInvalidArgument, "mode is none of skip, kill, killnowait"}
	}
	status, err := s.Cancel(s.ctx, q.keeper.Realm, q.who, id, mode)
	if err != nil {
		return nil, err
	}
	return status.Dict(), nil
}

// limit returns how many entries of a list are wanted.
func (q *question) limit() (int, error) {
	n, given := q.kwargs.Int("limit")
	switch {
	case !given:
		return maxList, nil
	case n < 1 || n > maxList:
		return 0, &refusedError{wamp.ErrInvalidArgument, fmt.Sprintf("limit must be an integer from 1 to %d", maxList)}
	}
	return int(n), nil
}

func (s *Store) askList(q *question) (any, error) {
	limit, err := q.limit()
	if err != nil {
		return nil, err
	}
	list, err := s.List(s.ctx, q.keeper.Realm, q.who, limit)
	if err != nil {
		return nil, err
	}
	all := make([]any, len(list))
	for i := range list {
		all[i] = list[i].Dict()
	}
	return all, nil
}

// askLetters lists the dead letters of the realm, the latest first. Who may
// call it is a matter of the realm's rules.
func (s *Store) askLetters(q *question) (any, error) {
	limit, err := q.limit()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*deadLetter
	for _, l := range s.dead {
		if l.Realm == q.keeper.Realm {
			found = append(found, l)
		}
	}
	slices.SortFunc(found, func(a, b *deadLetter) int { return cmp.Compare(b.Number, a.Number) })
	all := []any{}
	for _, l := range found[:min(len(found), limit)] {
		reason := make([]any, len(l.Reason))
		for i := range l.Reason {
			reason[i] = l.Reason[i]
		}
		all = append(all, wamp.Dict{
			"call_id": l.ID, "owner": custody.Readable(l.Owner), "procedure": string(l.Procedure), "accepted": l.Accepted.UnixMilli(),
			"died": l.Died.UnixMilli(), "bytes": int64(l.size), "attempts": int64(l.Attempts), "crashes": int64(l.Crashes), "history": reason,
		})
	}
	return all, nil
}

// letter returns the dead letter that a question names, by its id and, if
// several owners have one with that id, the owner.
func (s *Store) letter(q *question) (*deadLetter, error) {
	id, err := q.id()
	if err != nil {
		return nil, err
	}
	owner, named := q.kwargs["owner"].(string)
	var found *deadLetter
	for n, l := range s.dead {
		if n.Realm != q.keeper.Realm || n.ID != id || named && custody.Readable(n.Owner) != owner {
			continue
		}
		if found != nil {
			return nil, &refusedError{wamp.ErrInvalidArgument, "several owners have a dead letter with this id; name the owner"}
		}
		found = l
	}
	if found == nil {
		return nil, ErrNotFound
	}
	return found, nil
}

// askDiscard forgets a dead letter. The outcome of its call stays.
func (s *Store) askDiscard(q *question) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.letter(q)
	if err != nil {
		return nil, err
	}
	delete(s.dead, l.name)
	s.letters.release(l.at.seq)
	if done := s.done[l.name]; done != nil && done.held {
		s.forget(done) // it was kept with the letter, beyond its time
	}
	s.log.Info("a dead letter was discarded", "call", l.ID, "realm", string(l.Realm), "by", q.who.Authid)
	return true, nil
}

// askRetry accepts the call of a dead letter anew, under the same id. From
// then on it has no outcome.
func (s *Store) askRetry(q *question) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.letter(q)
	if err != nil {
		return nil, err
	}
	if why := s.checkRevival(); why != "" {
		return nil, &refusedError{wamp.ErrUnavailable, why}
	}
	if s.byName[l.name] != nil {
		return nil, &refusedError{wamp.ErrUnavailable, "the call is being ended or tried again just now"}
	}
	s.number++
	c := &call{record: l.record, state: writing, keeper: q.keeper, again: true, heap: -1}
	c.Number, c.Accepted = s.number, time.Now().UTC()
	c.Due, c.Expires = c.Accepted, c.Accepted.Add(s.config.Expiry)
	s.enter(c, l.size)
	s.queueUp(c)
	s.mu.Later(func() { s.revive(q, c, l) })
	return nil, errLater
}

// revive stores the call of a dead letter once more, and only then lets go of
// the letter and the outcome.
func (s *Store) revive(q *question, c *call, l *deadLetter) {
	fail := func(err error) {
		s.mu.Lock()
		s.remove(c)
		s.leaveLine(c)
		c.state = finished
		waiters := c.dismiss()
		s.mu.Unlock()
		for _, w := range waiters {
			w.failed(wamp.ErrUnavailable, notAccepted(err))
		}
		q.keeper.refuse(q.Invocation, wamp.ErrUnavailable, notAccepted(err), nil)
	}
	stored, err := s.letters.get(s.ctx, l.at)
	if err != nil {
		fail(err)
		return
	}
	stored.payload.Serializer = wamp.Serializer(c.Serializer) //nolint:gosec // was one
	e, err := newEntry(kindCall, &c.record, stored.payload)
	if err == nil {
		err = s.calls.add(e, func(at place, err error) {
			if err != nil {
				fail(err)
				return
			}
			s.revived(q, c, l, at)
		})
	}
	if err != nil {
		fail(err)
	}
}

func (s *Store) revived(q *question, c *call, l *deadLetter, at place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if done := s.done[c.name]; done != nil {
		s.forget(done)
	}
	if s.dead[l.name] == l {
		delete(s.dead, l.name)
		s.letters.release(l.at.seq)
	}
	s.log.Info("a dead letter is tried again", "call", c.ID, "realm", string(c.Realm), "by", q.who.Authid)
	c.at, c.state = at, queued
	s.expiries.add(c)
	for _, w := range slices.Clone(c.waiters) {
		s.attach(c, w)
	}
	s.begin(c)
	s.mu.Later(func() {
		p, _ := wamp.NewPayload(wamp.JSON, []any{true}, nil)
		q.keeper.yield(q.Invocation, p, nil, nil, false)
	})
}
