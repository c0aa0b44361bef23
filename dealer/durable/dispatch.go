package durable

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/wampgate/wampgate/dealer/custody"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// begin does what is next for a call that is accepted: it waits for its time,
// for its turn, for room or a callee, or it is made.
func (s *Store) begin(c *call) {
	switch {
	case c.state == delayed:
		s.wakeAt(c, c.Due)
		return
	case c.state != queued || c.pool != nil || c.timer != nil || c.noting:
		return
	}
	s.queueUp(c)
	if c.line != nil && c.line.calls[0] != c {
		return
	}
	key := poolKey{c.Realm, c.Procedure}
	p := s.pools[key]
	if p == nil {
		p = &pool{realm: c.Realm, procedure: c.Procedure}
		s.pools[key] = p
	}
	c.pool = p
	p.ready = append(p.ready, c)
	s.fill(p)
}

// wakeAt has a call begun at a time.
func (s *Store) wakeAt(c *call, at time.Time) {
	c.stopTimer()
	var timer *time.Timer
	timer = time.AfterFunc(time.Until(at), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if c.timer != timer {
			return // it was stopped too late
		}
		c.timer = nil
		if c.state == delayed {
			c.state = queued
		}
		s.begin(c)
	})
	c.timer = timer
}

// fill makes calls of a procedure as long as there is room.
func (s *Store) fill(p *pool) {
	for len(p.ready) > 0 && !p.parked && p.running < s.config.MaxRunning && s.inFlight.Count() < maxRunning && !s.inFlight.Draining() {
		if !s.mayStart() {
			break
		}
		c := p.ready[0]
		p.ready[0] = nil
		p.ready = p.ready[1:]
		s.start(c)
	}
	s.tidy(p)
}

// fillAll makes calls of other procedures that had no room.
func (s *Store) fillAll() {
	for _, p := range s.pools {
		if len(p.ready) > 0 && !p.parked && s.inFlight.Count() < maxRunning {
			s.fill(p)
		}
	}
}

// tidy forgets a pool that has no calls.
func (s *Store) tidy(p *pool) {
	if p.running == 0 && len(p.ready) == 0 {
		delete(s.pools, poolKey{p.realm, p.procedure})
	}
}

// start makes a call.
func (s *Store) start(c *call) {
	k := c.keeper
	k.last = k.last.Next()
	c.request, c.state, c.given = k.last, running, false
	k.running[c.request] = c
	c.pool.running++
	s.inFlight.Begin()
	s.stats.Attempts++
	m := &wamp.Call{Request: c.request, Procedure: c.Procedure, Payload: c.payload, Options: wamp.CallOptions{
		Timeout: s.config.AttemptTimeout.Milliseconds(), DiscloseMe: c.Disclose, RoutingKey: wamp.Key(c.Key), Passthru: c.Passthru,
		Behalf: &c.Caller,
		Custom: wamp.Dict{"call_id": c.ID, "attempt": int64(c.attempts.Failed + 1), "redelivered": c.again},
	}}
	c.again = true
	loaded := c.loaded
	s.mu.Later(func() {
		if !loaded {
			e, err := s.calls.get(s.ctx, c.at)
			if err != nil {
				s.unreadable(c, err)
				return
			}
			m.Payload = e.payload
			m.Payload.Serializer = wamp.Serializer(c.Serializer) //nolint:gosec // was one
		}
		if k.Submit(m) != nil {
			return // the session is over; the next start makes the call again
		}
		k.Behind(func() { s.given(k, c, m.Request) })
	})
}

// given notes that a callee has a call, which the dealer would have refused by
// now.
func (s *Store) given(k *keeper, c *call, request wamp.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.running[request] == c {
		c.given = true
	}
}

// unreadable puts off a call whose payload cannot be read now.
func (s *Store) unreadable(c *call, err error) {
	s.log.Error("an accepted call cannot be read; it is tried again", "call", c.ID, "err", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped(c.keeper, c.request) == c {
		c.state = queued
		s.wakeAt(c, time.Now().Add(lastBackoff))
	}
}

// stopped returns the call that the request was made for; it does not run any
// more.
func (s *Store) stopped(k *keeper, request wamp.ID) *call {
	c := k.running[request]
	if c == nil {
		return nil
	}
	delete(k.running, request)
	p := c.pool
	p.running--
	s.inFlight.End()
	c.pool = nil
	return c
}

// answered handles the answer to a call.
func (s *Store) answered(k *keeper, a *custody.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	running := k.running[a.Request]
	if running == nil {
		return
	}
	p := running.pool
	c := s.stopped(k, a.Request)
	full := s.inFlight.Count() == maxRunning-1
	v := s.judge(c, a)
	switch {
	case v == verdictFinal:
	case c.canceled:
		s.conclude(c, Canceled, wamp.ErrCanceled, wamp.Payload{}, nil)
		v = verdictOver
	case !time.Now().Before(c.Expires):
		s.expire(c)
		v = verdictOver
	}
	switch v {
	case verdictOver:
	case verdictFinal:
		s.end(c, a)
	case verdictNobody:
		p.parked = true
		c.state, c.pool = queued, p
		p.ready = slices.Insert(p.ready, 0, c)
		c.again = c.attempts.Failed > 0 || c.noted != 0
	case verdictLater:
		c.state = queued
		s.wakeAt(c, time.Now().Add(backoff(1)))
	case verdictCrash:
		s.failedAttempt(c, a, true)
	case verdictFailure:
		s.failedAttempt(c, a, false)
	}
	s.fill(p)
	if full {
		s.fillAll()
	}
}

// A verdict is what an answer means for its call.
type verdict int

const (
	verdictFinal   verdict = iota // it is the outcome
	verdictNobody                 // there is no callee
	verdictLater                  // nobody got it: try again
	verdictFailure                // the attempt failed
	verdictCrash                  // and the callee's session is gone
	verdictOver                   // there is no further attempt
)

func (s *Store) judge(c *call, a *custody.Answer) verdict {
	switch {
	case a.Error == "" || a.Killed:
		return verdictFinal
	case a.Origin == wamp.OriginCallee:
		if slices.Contains(s.config.RetryOn, a.Error) && !c.canceled {
			return verdictFailure
		}
		return verdictFinal
	case c.canceled && a.Error == wamp.ErrCanceled:
		return verdictFinal
	}
	switch a.Error {
	case wamp.ErrPayloadSizeExceeded, wamp.ErrInvalidArgument, wamp.ErrInvalidURI, wamp.ErrOptionNotAllowed,
		wamp.ErrOptionDisallowedMe, wamp.ErrDiscloseMeNotAllowed, wamp.ErrFeatureNotSupported:
		return verdictFinal // no attempt could do better
	}
	switch {
	case a.Origin == wamp.OriginDealer && (a.Error == wamp.ErrNoSuchProcedure || a.Error == wamp.ErrNoAvailableCallee):
		return verdictNobody
	case a.Origin == wamp.OriginDealer:
		return verdictLater
	case a.Error == wamp.ErrCanceled:
		return verdictCrash
	}
	return verdictFailure
}

// failedAttempt notes an attempt that failed, and what comes next.
func (s *Store) failedAttempt(c *call, a *custody.Answer, crash bool) {
	n := &c.attempts
	n.name, n.Number = c.name, c.Number
	n.Failed++
	what := string(a.Error)
	if crash {
		n.Crashes++
		what = "the callee's session ended"
	}
	n.History = append(n.History, fmt.Sprintf("%s attempt %d: %s", time.Now().UTC().Format(time.RFC3339), n.Failed, what))
	n.History = n.History[max(0, len(n.History)-maxHistory):]
	s.stats.Failures++
	c.state = queued
	next := time.Now().Add(backoff(n.Failed))
	if !s.exhausted(c) {
		s.log.Info("a persistent call is tried again", "call", c.ID, "procedure", string(c.Procedure), "attempt", n.Failed, "reason", what)
	}
	c.noting = true
	e, err := newEntry(kindAttempts, n, wamp.Payload{})
	if err == nil {
		err = s.calls.add(e, func(at place, err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.noted(c, at, err, next)
		})
	}
	if err != nil {
		s.noted(c, place{}, err, next)
	}
}

// exhausted reports whether a call has no attempt left.
func (s *Store) exhausted(c *call) bool {
	return c.attempts.Failed >= s.config.MaxAttempts || c.attempts.Crashes >= s.config.MaxCrashes
}

// noted handles the news that the attempts of a call are stored. If they
// cannot be, they count in memory.
func (s *Store) noted(c *call, at place, err error, next time.Time) {
	c.noting = false
	if err == nil {
		s.calls.release(c.noted)
		c.noted = at.seq
	} else {
		s.log.Warn("a failed attempt cannot be noted", "call", c.ID, "err", err)
	}
	switch c.state {
	case finished:
		s.calls.release(c.noted)
		c.noted = 0
	case queued:
		if s.exhausted(c) {
			s.giveUp(c)
			return
		}
		s.wakeAt(c, next)
	}
}

// backoff is how long to wait after an attempt.
func backoff(failed int) time.Duration {
	return min(firstBackoff<<min(failed-1, 20), lastBackoff)
}

// giveUp puts a call among the dead letters, when there is room.
func (s *Store) giveUp(c *call) {
	c.state = finishing
	s.expiries.remove(c)
	l := &deadLetter{letter: letter{
		record: c.record, Died: time.Now().UTC(), Attempts: c.attempts.Failed, Crashes: c.attempts.Crashes, Reason: c.attempts.History,
	}}
	s.graves = append(s.graves, grave{c, l})
	s.mu.Later(s.dig)
}

// bury stores a dead letter, and then the outcome of its call.
func (s *Store) bury(c *call, l *deadLetter) {
	p := c.payload
	if !c.loaded {
		stored, err := s.calls.get(s.ctx, c.at)
		if err != nil {
			s.unburied(c, l, err)
			return
		}
		p = stored.payload
	}
	e, err := newEntry(kindLetter, &l.letter, p)
	if err == nil {
		err = s.letters.add(e, func(at place, err error) {
			if err != nil {
				s.unburied(c, l, err)
				return
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.digging--
			l.at, l.size = at, e.size()
			s.dead[c.name] = l
			s.stats.DeadLettered++
			s.log.Error("a persistent call was given up; see wampgate.deadletter.list", "call", c.ID, "realm", string(c.Realm),
				"procedure", string(c.Procedure), "attempts", l.Attempts, "crashes", l.Crashes, "reason", l.Reason[len(l.Reason)-1])
			s.conclude(c, DeadLettered, ErrDeadLettered, deadText(&l.letter), nil)
		})
	}
	if err != nil {
		s.unburied(c, l, err)
	}
}

// retry has f done again later, unless the store is being closed.
func (s *Store) retry(f func(), what string, c *call, err error) {
	if s.ctx.Err() != nil {
		return
	}
	s.log.Warn(what+"; it is tried again", "call", c.ID, "err", err)
	s.work.Go(func() {
		if wait(s.ctx, laneRetry); s.ctx.Err() == nil {
			f()
		}
	})
}

// end concludes a call with what its callee answered.
func (s *Store) end(c *call, a *custody.Answer) {
	state := Succeeded
	switch {
	case a.Error != "" && c.canceled && a.Error == wamp.ErrCanceled:
		state = Canceled
	case a.Error != "":
		state = Failed
	}
	s.conclude(c, state, a.Error, a.Payload, a.Passthru)
}

// conclude stores the outcome of a call, and then lets go of the call.
func (s *Store) conclude(c *call, state State, why wamp.URI, p wamp.Payload, passthru *wamp.Passthru) {
	c.state = finishing
	c.stopTimer()
	s.leavePool(c)
	s.expiries.remove(c)
	o := &outcome{
		name: c.name, Number: c.Number, Procedure: c.Procedure, Digest: c.Digest, State: state, Error: why, Passthru: passthru,
		Accepted: c.Accepted, Ended: time.Now().UTC(), Attempts: c.attempts.Failed + 1, Serializer: int(p.Serializer),
	}
	e, err := newEntry(kindOutcome, o, p)
	if err == nil && !s.holdsOutcome(&e) {
		o.State, o.Error, o.Passthru = Failed, wamp.ErrPayloadSizeExceeded, nil
		e, err = newEntry(kindOutcome, o, s.unkept())
		o.Serializer = int(e.payload.Serializer)
	}
	if err != nil {
		s.log.Error("an outcome cannot be written", "call", c.ID, "err", err) // its types all have a form
		return
	}
	s.storing += int64(e.size())
	s.mu.Later(func() { s.store(c, o, e, false) })
}

// store stores an outcome; late means that this was tried before.
func (s *Store) store(c *call, o *outcome, e entry, late bool) {
	again := func(err error) {
		if !late {
			s.mu.Lock()
			s.unstored++
			s.mu.Unlock()
		}
		s.retry(func() { s.store(c, o, e, true) }, "the outcome of a call cannot be stored", c, err)
	}
	err := s.outcomes.add(e, func(at place, err error) {
		if err != nil {
			again(err)
			return
		}
		if late {
			s.mu.Lock()
			s.unstored--
			s.mu.Unlock()
		}
		s.concluded(c, o, &e, at)
	})
	if err != nil {
		again(err)
	}
}

// concluded lets go of a call whose outcome is stored.
func (s *Store) concluded(c *call, o *outcome, e *entry, at place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.state = finished
	s.storing -= int64(e.size())
	s.remove(c)
	p := e.payload
	s.remember(o, at)
	s.calls.release(c.at.seq)
	s.calls.release(c.noted)
	c.noted = 0
	s.loadedBytes -= c.counted
	c.counted = 0
	s.stats.count(o.State)
	waiters := c.dismiss()
	p.Serializer = wamp.Serializer(o.Serializer) //nolint:gosec // was one
	s.mu.Later(func() {
		for _, w := range waiters {
			w.finished(o, p)
		}
	})
	s.leaveLine(c)
	s.fillWhenRoom()
}

// leavePool takes a call out of those that wait for room or a callee.
func (s *Store) leavePool(c *call) {
	p := c.pool
	if p == nil {
		return
	}
	c.pool = nil
	if i := slices.Index(p.ready, c); i >= 0 {
		p.ready = slices.Delete(p.ready, i, i+1)
	}
	s.tidy(p)
}

// remember keeps an outcome.
func (s *Store) remember(o *outcome, at place) {
	done := &kept{outcome: o, at: at}
	s.done[o.name] = done
	s.ended = append(s.ended, done)
}

// load reads an outcome.
func (s *Store) load(ctx context.Context, done *kept) (*outcome, wamp.Payload, error) {
	e, err := s.outcomes.get(ctx, done.at)
	if err != nil {
		return nil, wamp.Payload{}, err
	}
	o, err := readHeader[outcome](e)
	if err != nil {
		return nil, wamp.Payload{}, err
	}
	e.payload.Serializer = wamp.Serializer(o.Serializer) //nolint:gosec // was one
	return o, e.payload, nil
}

// registered makes the calls that waited for a callee of what somebody has
// registered.
func (s *Store) registered(k *keeper, r custody.Registration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Exact {
		if p := s.pools[poolKey{k.Realm, r.Procedure}]; p != nil {
			p.parked = false
			s.fill(p)
		}
		return
	}
	s.unpark(k.Realm)
}

// unpark tries all procedures of a realm again.
func (s *Store) unpark(realm wamp.URI) {
	for _, p := range s.pools {
		if p.realm == realm && p.parked {
			p.parked = false
			s.fill(p)
		}
	}
}
