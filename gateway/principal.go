package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// A Session is a place in a realm, as the gateway needs it. Submit may be
// called by many goroutines at once. It returns once the dealer has the
// message, after waiting, at most until ctx ends, for a receiver that has too
// much queued already; an error other than the context's means that the
// session has ended.
type Session interface {
	ID() wamp.ID
	Submit(ctx context.Context, m wamp.Message) error
	Leave()
}

// An Outbox is the way from the dealer to a session. The gateway implements
// it; see package dealer/router, which calls it, for what its methods mean.
type Outbox interface {
	Push(m wamp.Message) error
	Flush()
	Congested() bool
	Drained(ctx context.Context) error
	Close(reason error)
}

// errSessionEnded says that a principal's session is no more, before a call
// was registered with it.
var errSessionEnded = errors.New("session ended")

// A credential tells principals apart that have the same names.
type credential string

// A principalKey identifies a principal: two requests with equal keys share a
// session.
type principalKey struct {
	authid, authrole string
	credential       credential
}

// principals keeps one session per principal: opened by the first call, closed
// when it has been idle for a while.
type principals struct {
	join func(wamp.Identity, Outbox) (Session, error)
	idle time.Duration
	max  int
	cfg  *Config

	mu     sync.Mutex // guards the following fields; taken before a principal's
	open   map[principalKey]*principal
	sweep  *time.Timer // runs while open is not empty
	closed bool
}

func newPrincipals(cfg *Config) *principals {
	return &principals{
		join: cfg.Join,
		idle: cfg.SessionIdle,
		max:  cfg.MaxSessions,
		cfg:  cfg,
		open: make(map[principalKey]*principal),
	}
}

// of returns the principal for an identity, which it lets join the realm when
// it has no session. The error is a problem.
func (ps *principals) of(id wamp.Identity, c credential) (*principal, error) {
	key := principalKey{authid: id.Authid, authrole: id.Authrole, credential: c}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.open[key]; p != nil && !p.ended() {
		return p, nil
	}
	if ps.closed {
		return nil, unavailable("the gateway is shutting down")
	}
	delete(ps.open, key)
	if len(ps.open) >= ps.max && !ps.evict() {
		return nil, overloaded("max-principals", "too many principals have calls in flight")
	}
	p := newPrincipal(id, ps.cfg)
	s, err := ps.join(id, p)
	if err != nil {
		return nil, unavailable("the realm takes no sessions now").Because(err)
	}
	p.session = s
	ps.open[key] = p
	ps.schedule()
	return p, nil
}

// schedule starts the sweep timer if it does not run. The caller holds ps.mu.
func (ps *principals) schedule() {
	if ps.sweep == nil {
		ps.sweep = time.AfterFunc(ps.idle, ps.closeIdle)
	}
}

// closeIdle closes the sessions that have been idle for long.
func (ps *principals) closeIdle() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.closed {
		return
	}
	next := ps.idle
	for key, p := range ps.open {
		idle, left := p.idleFor(ps.idle)
		if idle {
			delete(ps.open, key)
			p.leave()
			continue
		}
		next = min(next, left)
	}
	ps.sweep = nil
	if len(ps.open) > 0 {
		ps.sweep = time.AfterFunc(next, ps.closeIdle)
	}
}

// evict closes one session that has no call in flight, and reports whether
// there was one. The caller holds ps.mu.
func (ps *principals) evict() bool {
	for key, p := range ps.open {
		if idle, _ := p.idleFor(0); idle {
			delete(ps.open, key)
			p.leave()
			return true
		}
	}
	return false
}

// close ends all sessions, and with them the calls that are still open.
func (ps *principals) close() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.closed = true
	if ps.sweep != nil {
		ps.sweep.Stop()
	}
	for key, p := range ps.open {
		delete(ps.open, key)
		p.leave()
	}
}

// A principal is somebody who calls over HTTP, with the session that his calls
// share. It is the session's Outbox: what the dealer says goes to the inbox of
// the call that it is about.
type principal struct {
	identity wamp.Identity
	session  Session // set before the first call
	cfg      *Config

	mu      sync.Mutex // guards the following fields; a call's inbox comes after
	calls   map[wamp.ID]*call
	streams int
	last    wamp.ID // the request ID given last
	since   time.Time
	over    bool
	crowded *call // whose inbox the last push left more than half full, or nil
}

func newPrincipal(id wamp.Identity, cfg *Config) *principal {
	return &principal{identity: id, cfg: cfg, calls: make(map[wamp.ID]*call), since: time.Now()}
}

// add gives c a request ID and a place among the calls in flight. The error is
// errSessionEnded or a problem.
func (p *principal) add(c *call) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.over:
		return errSessionEnded
	case len(p.calls) >= p.cfg.MaxCallsPerPrincipal:
		return tooMany("max-calls-each", "calls", p.cfg.MaxCallsPerPrincipal)
	case c.stream && p.streams >= p.cfg.MaxStreamsPerPrincipal:
		return tooMany("max-streams-each", "streams", p.cfg.MaxStreamsPerPrincipal)
	}
	p.last = p.last.Next()
	c.owner, c.request = p, p.last
	p.calls[c.request] = c
	if c.stream {
		p.streams++
	}
	return nil
}

// remove ends what add began. Nothing is pushed to c afterwards.
func (p *principal) remove(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.calls, c.request)
	if c.stream {
		p.streams--
	}
	if p.crowded == c {
		p.crowded = nil
	}
	if len(p.calls) == 0 {
		p.since = time.Now()
	}
}

// ended reports whether the session is over.
func (p *principal) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

// idleFor reports whether p has had no call for d, and how long it would take
// until that could be so. An idle principal takes no calls from then on.
func (p *principal) idleFor(d time.Duration) (idle bool, left time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.calls) > 0 {
		return false, max(d, time.Second)
	}
	left = d - time.Since(p.since)
	if left > 0 {
		return false, left
	}
	p.over = true
	return true, 0
}

// leave ends the session and fails the calls that are still open.
func (p *principal) leave() {
	p.session.Leave()
	p.Close(errSessionEnded)
}

// Push implements Outbox: it copies m into the inbox of its call. It never
// refuses a message, since a call that overflows is cut off by itself.
func (p *principal) Push(m wamp.Message) error {
	switch m := m.(type) {
	case *wamp.Result:
		kind := eventResult
		switch {
		case m.Details.Progress && m.Details.Acknowledged && m.Payload.Empty():
			kind = eventAcknowledged
		case m.Details.Progress:
			kind = eventProgress
		}
		p.deliver(m.Request, event{kind: kind, payload: m.Payload, served: m.Served, notes: notesOfResult(&m.Details)})
	case *wamp.Error:
		p.deliver(m.Request, event{kind: eventFailure, payload: m.Payload, uri: m.Error, origin: m.Origin, killed: m.Killed, served: m.Served, notes: notesOfError(m.Details)})
	case *wamp.Goodbye:
		p.end(m.Reason)
	case *wamp.Abort:
		p.end(m.Reason)
	}
	return nil
}

// deliver hands an event to the call with that request ID, if it is open.
func (p *principal) deliver(request wamp.ID, e event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.calls[request]
	if c == nil {
		return
	}
	c.put(e)
	p.crowded = nil
	if (c.stream || c.kept != nil) && c.inbox.crowd() != nil {
		p.crowded = c
	}
}

// Flush implements Outbox. There is nothing to send.
func (p *principal) Flush() {}

// Congested implements Outbox. It tells whether the last push left the inbox
// of its call more than half full; the router asks after each push, before it
// lets another one in. Other calls of the session are not slowed down.
func (p *principal) Congested() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.crowded != nil
}

// Drained implements Outbox. A call that is waited for in vain is not waited
// for again until its client has caught up; if it doesn't, the inbox overflows
// and that call alone is canceled.
func (p *principal) Drained(ctx context.Context) error {
	c := p.crowdedCall()
	if c == nil {
		return nil
	}
	room := c.inbox.crowd()
	if room == nil {
		return nil
	}
	select {
	case <-room:
		return nil
	case <-ctx.Done():
		c.inbox.giveUp()
		if c.kept != nil {
			c.kept.outpaced()
		}
		return ctx.Err()
	}
}

func (p *principal) crowdedCall() *call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.crowded
}

// Close implements Outbox: the calls that are still open fail.
func (p *principal) Close(error) { p.end(wamp.CloseNormal) }

// end fails the open calls, with the reason why the session ended.
func (p *principal) end(reason wamp.URI) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	for _, c := range p.calls {
		c.fail(reason)
	}
}

// tooMany is the problem of a principal who has reached a limit of that name.
func tooMany(name limitError, what string, limit int) *problem.Problem {
	return problem.New(http.StatusTooManyRequests, wamp.ErrRateLimited,
		fmt.Sprintf("%d %s are in flight already, which is the limit for one principal; wait for some to end", limit, what)).
		Because(name).Safe().RetryAfter(1)
}

// overloaded is the problem of a gateway that has reached a limit of that name.
func overloaded(name limitError, why string) *problem.Problem {
	return problem.New(http.StatusServiceUnavailable, uriOverloaded, why).Because(name).Safe().RetrySoon()
}

// unavailable is the problem of a gateway that takes no calls.
func unavailable(why string) *problem.Problem {
	return problem.New(http.StatusServiceUnavailable, wamp.ErrUnavailable, why).Safe().RetrySoon()
}

// sessionEnded is the problem of a call whose session ended under it, before
// or after the call was dispatched.
func sessionEnded(reason wamp.URI, dispatched bool) *problem.Problem {
	p := problem.New(http.StatusServiceUnavailable, reason, "the gateway's session with the realm has ended").RetrySoon()
	if dispatched {
		return p.Unknown()
	}
	return p.Safe()
}
