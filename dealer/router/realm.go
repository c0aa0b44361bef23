package router

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A realm is a lock around a dealer, and the way from the dealer's deliveries
// to the sessions' outboxes. Under the lock are maps, appends and arithmetic;
// nothing waits there, logs, or calls back. An outbox has a lock of its own,
// taken after the realm's and never the other way round.
type realm struct {
	name   wamp.URI
	router *Router

	descriptions atomic.Uint64        // what the dealer says of them; written under the lock
	outwaited    [parts]atomic.Uint64 // waits for congested receivers that ended before these caught up

	mu       sync.Mutex // guards the following fields
	dealer   *dealer.Dealer
	sessions map[wamp.ID]*Session // joined; nobody else gets messages
	parting  map[wamp.ID]*Session // sent GOODBYE, which they have not answered
	closing  bool                 // nobody joins any more
	timer    *time.Timer          // runs expire; nil until the first deadline
	armed    time.Time            // what timer is set to; zero if it is not set
	gone     []*Session           // cut off in this step, not yet out of the dealer
	counters counters
	access   *Access
	rights   map[string]*auth.Rights // by role, of those that are or were here
	asker    asker

	allowances map[allowanceKey]*allowance // of those who call under rules with bounds
}

func newRealm(r *Router, c dealer.Config) *realm {
	m := &realm{
		name:     c.Realm,
		router:   r,
		sessions: make(map[wamp.ID]*Session),
		parting:  make(map[wamp.ID]*Session),
		rights:   make(map[string]*auth.Rights),

		allowances: make(map[allowanceKey]*allowance),
		access:     r.access.Load(),
	}
	m.asker.realm = m
	if r.config.Policy != nil && c.MaySee == nil {
		c.MaySee = m.maySee
	}
	m.dealer = dealer.New(c)
	return m
}

// join adds s, pushes its WELCOME, if it gets one, so that nothing can overtake
// that, and lets the others know.
func (r *realm) join(s *Session, roles wamp.Roles, agent string, welcome *wamp.Welcome) error {
	b := r.router.batch()
	defer r.router.release(b)
	now := time.Now()
	r.mu.Lock()
	defer r.crashOnPanic(wamp.TypeHello)
	err := r.enter(now, s, roles, agent, welcome)
	if err == nil {
		r.deliver(b, now, r.dealer.Announce(now, s.id), nil)
	}
	r.unlock(b, now)
	b.Flush()
	return err
}

// enter is join without telling others.
func (r *realm) enter(now time.Time, s *Session, roles wamp.Roles, agent string, welcome *wamp.Welcome) error {
	if r.closing {
		return ErrShutdown
	}
	if !r.keeps(s) {
		return ErrWithdrawn
	}
	peer := dealer.Peer{ID: s.id, Identity: s.identity, Roles: roles, Agent: agent, Local: s.local, Acknowledges: s.acknowledges, Keeps: s.keeps, Coordinates: s.coordinates}
	if err := r.dealer.Join(peer); err != nil {
		return err
	}
	if welcome != nil {
		if err := s.out.Push(welcome); err != nil {
			r.dealer.Leave(now, s.id)
			return fmt.Errorf("push WELCOME: %w", err)
		}
	}
	s.rights = r.rightsOf(s)
	s.expireAt(now, s.expires)
	r.sessions[s.id] = s
	r.counters.joined++
	r.counters.links.of(s.link).opened()
	return nil
}

func (r *realm) receive(b *Batch, s *Session, m wamp.Message) error {
	now := b.time()
	r.mu.Lock()
	defer r.crashOnPanic(m.Type())
	err := r.step(b, now, s, m)
	r.unlock(b, now)
	return err
}

// step handles one message.
func (r *realm) step(b *Batch, now time.Time, s *Session, m wamp.Message) error {
	if s.state != stateJoined {
		return r.part(b, s, m)
	}
	if s.rights != nil {
		if done, err := r.authorize(b, now, s, m); done {
			return err
		}
	}
	return r.act(b, now, s, m)
}

// act handles one message that s may send.
func (r *realm) act(b *Batch, now time.Time, s *Session, m wamp.Message) error {
	switch m.(type) {
	case *wamp.Goodbye:
		r.reply(b, s, &wamp.Goodbye{Reason: wamp.CloseGoodbyeAndOut})
		r.remove(b, now, s)
		return ErrClosed
	case *wamp.Abort:
		r.remove(b, now, s)
		return ErrClosed
	case *wamp.Call:
		r.counters.calls++
		// Who does not read answers must not ask for more of them.
		b.wait(s, asCaller, r.router.config.StallLimit)
	}
	r.counters.messages++
	out, err := r.dealer.Receive(now, s.id, m)
	if err != nil {
		return err
	}
	r.deliver(b, now, out, s)
	if call, ok := m.(*wamp.Call); ok && s.spent != nil && !r.dealer.Continues(s.id, call) {
		s.giveBack(call.Request) // such as a late chunk, which nothing answers
	}
	return nil
}

// part handles a message from a session that is not joined: once the router
// has sent GOODBYE it waits for the peer's and ignores everything else (spec,
// section "Session Closing").
func (r *realm) part(b *Batch, s *Session, m wamp.Message) error {
	if s.state == stateLeft {
		return ErrClosed
	}
	if t := m.Type(); t != wamp.TypeGoodbye && t != wamp.TypeAbort {
		return nil
	}
	r.forget(s)
	b.end(s, ErrShutdown)
	return ErrClosed
}

// undeliverable ends the call that m belongs to.
func (r *realm) undeliverable(b *Batch, s *Session, m wamp.Message, err error) {
	now := time.Now()
	r.mu.Lock()
	defer r.crashOnPanic(m.Type())
	if s.state == stateJoined {
		r.push(b, now, r.refused(b, now, s, m, err), nil)
		r.settle(b, now)
	}
	r.unlock(b, now)
}

// acknowledged notes that s has received an INVOCATION. Nobody waits for those
// who are told.
func (r *realm) acknowledged(b *Batch, s *Session, invocation wamp.ID) {
	now := time.Now()
	r.mu.Lock()
	defer r.crashOnPanic(wamp.TypeInvocation)
	if s.state == stateJoined {
		r.deliver(b, now, r.dealer.Acknowledged(s.id, invocation), nil)
	}
	r.unlock(b, now)
}

func (r *realm) abort(b *Batch, s *Session, m *wamp.Abort) {
	now := time.Now()
	r.mu.Lock()
	defer r.crashOnPanic(m.Type())
	if s.state == stateJoined {
		r.reply(b, s, m)
		r.counters.aborted++
	}
	r.remove(b, now, s)
	r.unlock(b, now)
}

func (r *realm) leave(b *Batch, s *Session) {
	now := time.Now()
	r.mu.Lock()
	defer r.crashOnPanic(0)
	r.remove(b, now, s)
	r.unlock(b, now)
}

// remove takes s out of the realm and the dealer.
func (r *realm) remove(b *Batch, now time.Time, s *Session) {
	joined := s.state == stateJoined
	r.forget(s)
	if joined {
		r.deliver(b, now, r.dealer.Leave(now, s.id), nil)
	}
}

// forget takes s out of the realm, but not out of the dealer.
func (r *realm) forget(s *Session) {
	if s.state == stateLeft {
		return
	}
	s.state = stateLeft
	s.batch = nil
	r.counters.links.of(s.link).Sessions--
	s.giveAllBack()
	if s.expiry != nil {
		s.expiry.Stop()
	}
	delete(r.sessions, s.id)
	delete(r.parting, s.id)
	r.router.forget(s)
}

// expire is what the timer runs.
func (r *realm) expire() {
	b := r.router.batch()
	defer r.router.release(b)
	r.expireAt(b, time.Now())
	b.Flush()
}

func (r *realm) expireAt(b *Batch, now time.Time) {
	r.mu.Lock()
	defer r.crashOnPanic(0)
	r.armed = time.Time{}
	r.deliver(b, now, r.dealer.Expire(now), nil)
	r.unlock(b, now)
}

// unlock ends a step: it sets the timer, lets go of the lock and does what
// had to wait for that.
func (r *realm) unlock(b *Batch, now time.Time) {
	if n := r.dealer.Descriptions(); n != r.descriptions.Load() {
		r.descriptions.Store(n)
	}
	r.setTimer(now)
	r.mu.Unlock()
	if len(b.ended) > 0 {
		b.closeEnded()
	}
}

// setTimer makes sure that the timer runs at the dealer's next deadline at
// the latest. It is not put off when a deadline goes away: then it runs for
// nothing, which is cheaper than to move it with every call.
func (r *realm) setTimer(now time.Time) {
	next, ok := r.dealer.NextDeadline()
	if !ok || !r.armed.IsZero() && !next.Before(r.armed) {
		return
	}
	r.armed = next
	if r.timer == nil {
		r.timer = time.AfterFunc(next.Sub(now), r.expire)
		return
	}
	r.timer.Reset(next.Sub(now))
}

// logEnd says that the router ended a session. The lock is not held.
func (r *realm) logEnd(s *Session, reason error) {
	log := r.router.config.Log.Warn
	switch {
	case errors.Is(reason, ErrShutdown):
		log = r.router.config.Log.Debug
	case errors.Is(reason, ErrKilled):
		log = r.router.config.Log.Info
	}
	log("session ended by the router", "realm", string(r.name), "session", uint64(s.id),
		"authid", s.identity.Authid, "reason", reason.Error())
}

// crashOnPanic ends the process if the dealer panicked: a realm after half a
// step must not live on. It has to be forced, since net/http recovers the
// panics of its handlers, and calls over HTTP come from there. t is the type of
// the message that did it, 0 if it was none.
func (r *realm) crashOnPanic(t wamp.MessageType) {
	if p := recover(); p != nil {
		r.router.config.Log.Error("dealer panicked", "realm", string(r.name), "message", t.String(),
			"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		go panic(p) //nolint:forbidigo // nothing recovers the panic of a goroutine of its own
		select {}
	}
}
