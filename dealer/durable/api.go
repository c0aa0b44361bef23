package durable

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/wampgate/wampgate/dealer/custody"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// ErrNotFound means that there is no such call, or that it is not one of who
// asks.
var ErrNotFound = errors.New("no such call")

// A Status is what there is to tell of a call.
type Status struct {
	ID        string
	Realm     wamp.URI
	Owner     string // authid; "anonymous" for all without credentials
	Procedure wamp.URI
	State     State
	Accepted  time.Time
	Due       time.Time // zero when it has ended
	Expires   time.Time // zero when it has ended
	Ended     time.Time // zero before
	Forgotten time.Time // when its outcome will be; zero before it has ended
	Error     wamp.URI  // that it ended with, or empty
	Attempts  int       // that failed; when it has ended, all
	Crashes   int
}

// Dict returns the status as the procedures tell it: times are milliseconds
// since 1970.
func (s *Status) Dict() wamp.Dict {
	d := wamp.Dict{
		"call_id": s.ID, "owner": s.Owner, "procedure": string(s.Procedure), "state": string(s.State),
		"accepted": s.Accepted.UnixMilli(), "attempts": int64(s.Attempts),
	}
	for key, at := range map[string]time.Time{"due": s.Due, "expires": s.Expires, "ended": s.Ended, "forgotten": s.Forgotten} {
		if !at.IsZero() {
			d[key] = at.UnixMilli()
		}
	}
	if s.Error != "" {
		d["error"] = string(s.Error)
	}
	if s.Crashes > 0 {
		d["crashes"] = int64(s.Crashes)
	}
	return d
}

func (c *call) status() Status {
	return Status{
		ID: c.ID, Realm: c.Realm, Owner: custody.Readable(c.Owner), Procedure: c.Procedure, State: c.public(),
		Accepted: c.Accepted, Due: c.Due, Expires: c.Expires, Attempts: c.attempts.Failed, Crashes: c.attempts.Crashes,
	}
}

func (o *outcome) status(retention time.Duration) Status {
	return Status{
		ID: o.ID, Realm: o.Realm, Owner: custody.Readable(o.Owner), Procedure: o.Procedure, State: o.State,
		Accepted: o.Accepted, Ended: o.Ended, Forgotten: o.Ended.Add(retention), Error: o.Error, Attempts: o.Attempts,
	}
}

// find returns a call that who may see: one that is not over, or one that is.
// An admin who has none with that id gets somebody's. s.mu is held.
func (s *Store) find(realm wamp.URI, who wamp.Identity, id string) (*call, *kept) {
	n := name{realm, custody.Owner(who), id}
	c, done := s.byName[n], s.done[n]
	if c != nil || done != nil || who.Authrole != custody.AdminRole {
		return visible(c), done
	}
	for n, c := range s.byName {
		if n.Realm == realm && n.ID == id && c.state != writing {
			return c, nil
		}
	}
	for n, done := range s.done {
		if n.Realm == realm && n.ID == id {
			return nil, done
		}
	}
	return nil, nil
}

// visible hides a call that is not accepted yet.
func visible(c *call) *call {
	if c == nil || c.state == writing {
		return nil
	}
	return c
}

// statusOf is find for who wants to know its status.
func (s *Store) statusOf(realm wamp.URI, who wamp.Identity, id string) (Status, *call, *kept, error) {
	switch c, done := s.find(realm, who, id); {
	case c != nil:
		return c.status(), c, nil, nil
	case done != nil:
		return done.status(s.config.Retention), nil, done, nil
	}
	return Status{}, nil, nil, ErrNotFound
}

// Find returns a call of who, or anybody's for the role admin.
func (s *Store) Find(ctx context.Context, realm wamp.URI, who wamp.Identity, id string) (Status, error) {
	if err := s.look(ctx); err != nil {
		return Status{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	status, _, _, err := s.statusOf(realm, who, id)
	return status, err
}

// Await returns a call when it has ended, or as it is when ctx ends.
func (s *Store) Await(ctx context.Context, realm wamp.URI, who wamp.Identity, id string) (Status, error) {
	if err := s.look(ctx); err != nil {
		return Status{}, err
	}
	s.mu.Lock()
	status, c, _, err := s.statusOf(realm, who, id)
	if err != nil || c == nil {
		s.mu.Unlock()
		return status, err
	}
	w := &waiter{ended: make(chan struct{})}
	c.join(w)
	s.mu.Unlock()
	select {
	case <-w.ended:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.leave()
	status, _, _, err = s.statusOf(realm, who, id)
	return status, err
}

// An Outcome is what a call ended with: a result, or the error that Error
// names.
type Outcome struct {
	Payload  wamp.Payload
	Passthru *wamp.Passthru
	Error    wamp.URI
}

// OriginOf returns who made the error that a call ended with. Of those that the
// store makes, callees may have seen an attempt before.
func OriginOf(uri wamp.URI) wamp.Origin {
	switch uri {
	case ErrExpired, ErrDeadLettered, wamp.ErrCanceled:
		return wamp.OriginDealerDispatched
	}
	return wamp.OriginCallee
}

// errRunning means that a call has no outcome yet.
var errRunning = errors.New("the call has not ended")

// Outcome returns what a call that has ended came to.
func (s *Store) Outcome(ctx context.Context, realm wamp.URI, who wamp.Identity, id string) (Outcome, error) {
	if err := s.look(ctx); err != nil {
		return Outcome{}, err
	}
	s.mu.Lock()
	c, done := s.find(realm, who, id)
	s.mu.Unlock()
	switch {
	case c != nil:
		return Outcome{}, errRunning
	case done == nil:
		return Outcome{}, ErrNotFound
	}
	o, p, err := s.load(ctx, done)
	if err != nil {
		return Outcome{}, err
	}
	return Outcome{Payload: p, Passthru: o.Passthru, Error: o.Error}, nil
}

// Cancel asks for the end of a call, and returns it as it is then. One that
// waits ends at once, one that a callee has is canceled there, if the callee
// can be interrupted. Nothing changes for one that has ended.
func (s *Store) Cancel(ctx context.Context, realm wamp.URI, who wamp.Identity, id string, mode wamp.CancelMode) (Status, error) {
	if err := s.look(ctx); err != nil {
		return Status{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	status, c, _, err := s.statusOf(realm, who, id)
	if c == nil {
		return status, err
	}
	s.cancelCall(c, mode)
	return status, nil
}

func (s *Store) cancelCall(c *call, mode wamp.CancelMode) {
	switch c.state {
	case delayed, queued:
		text, _ := wamp.NewPayload(wamp.JSON, []any{"canceled before a callee had it"}, nil)
		s.conclude(c, Canceled, wamp.ErrCanceled, text, nil)
	case running:
		c.canceled = true
		m := &wamp.Cancel{Request: c.request, Mode: mode}
		s.mu.Later(func() { _ = c.keeper.Submit(m) }) // as in start
	case writing, finishing, finished:
	}
}

// List returns the calls of who, or everybody's for the role admin, the latest
// first, at most limit. It looks at all that there are. For who came without
// credentials the list is empty, unless [Config.ShareAnonymous] is set.
func (s *Store) List(ctx context.Context, realm wamp.URI, who wamp.Identity, limit int) ([]Status, error) {
	if err := s.look(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	owner, all := custody.Owner(who), who.Authrole == custody.AdminRole
	if owner == custody.Anonymous && !all && !s.config.ShareAnonymous {
		return nil, nil // they are many; each knows the ids of his own
	}
	mine := func(n *name) bool { return n.Realm == realm && (all || n.Owner == owner) }
	var list []Status
	for _, c := range s.byName {
		if mine(&c.name) && c.state != writing {
			list = append(list, c.status())
		}
	}
	for _, done := range s.done {
		if mine(&done.name) {
			list = append(list, done.status(s.config.Retention))
		}
	}
	slices.SortFunc(list, func(a, b Status) int { return cmp.Or(b.Accepted.Compare(a.Accepted), cmp.Compare(a.ID, b.ID)) })
	return list[:min(len(list), limit)], nil
}
