package gateway

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// ErrFull is what the Outbox of a callee refuses an INVOCATION with that finds
// no room; the session need not end for that.
var ErrFull = errors.New("the callee has too much queued")

// A callee is a registration made over HTTP: a session of its own that has
// registered one procedure, so that both begin and end together. It is the
// session's Outbox.
type callee struct {
	id      string // of the registration under /registrations; 128 random bits
	owner   principalKey
	spec    registrationSpec
	created time.Time
	gateway *Gateway
	session Session

	ready chan struct{} // holds a token when there is something to take
	over  chan struct{} // closed when the session has ended

	revoked atomic.Bool // by an operator: it takes no more calls

	mu      sync.Mutex // guards the following fields; taken after the realm's lock
	refused *wamp.Error
	entry   wamp.ID // the dealer's; 0 until it is registered
	queue   []task
	bytes   int // of the payloads in queue
	open    map[wamp.ID]*invocation
	ended   bool
	expires time.Time // of the lease; zero if there is none
	lease   *time.Timer
	flushed func() // called without a lock when something was queued; nil for nothing
}

// A task is what a callee is to do next.
type task struct {
	invocation *invocation
	interrupt  bool // it is to be stopped, and not begun
	mode       wamp.CancelMode
}

// An invocation is a call that a callee over HTTP works at.
type invocation struct {
	id      string // "i_" and 128 random bits
	callee  *callee
	request wamp.ID

	// Copies of what the INVOCATION says.
	procedure      wamp.URI
	progress       bool // the caller takes progressive results
	caller         wamp.ID
	authid, role   string
	timeout        time.Duration
	parent, traces string // traceparent and tracestate
	payload        wamp.Payload

	cancel      context.CancelCauseFunc // guarded by callee.mu; nil if nothing is to be stopped
	interrupted time.Time               // guarded by callee.mu; zero if nobody asked
}

// callees are the registrations made over HTTP.
type callees struct {
	mu          sync.Mutex // guards the following fields; taken after a callee's
	count       int        // with those that are about to register
	byID        map[string]*callee
	invocations map[string]*invocation
	each        map[principalKey]int
	closed      bool
	work        sync.WaitGroup // requests to webhooks
	pulling     gauge          // callees that read a stream
}

func newCallees() *callees {
	return &callees{byID: map[string]*callee{}, invocations: map[string]*invocation{}, each: map[principalKey]int{}}
}

// register opens a session that registers what spec says. The error is a
// problem.
func (g *Gateway) register(ctx context.Context, owner principalKey, id wamp.Identity, spec registrationSpec, flushed func(*callee)) (*callee, error) {
	c := &callee{
		id: newID('r'), owner: owner, spec: spec, created: time.Now(), gateway: g,
		ready: make(chan struct{}, 1), over: make(chan struct{}), open: map[wamp.ID]*invocation{},
	}
	if flushed != nil {
		c.flushed = func() { flushed(c) }
	}
	if err := g.callees.add(c, g.cfg.MaxCallees, g.cfg.MaxCalleesPerPrincipal); err != nil {
		return nil, err
	}
	session, err := g.cfg.JoinCallee(id, c)
	if err != nil {
		g.callees.remove(c)
		return nil, unavailable("the realm takes no sessions now").Because(err)
	}
	c.session = session
	err = c.enter(ctx)
	if err == nil && !g.callees.publish(c) {
		err = unavailable("the gateway is shutting down")
	}
	if err != nil {
		c.leave()
		return nil, err
	}
	return c, nil
}

// enter registers the procedure. The dealer has answered when Submit returns.
func (c *callee) enter(ctx context.Context) error {
	if err := c.session.Submit(ctx, c.spec.register()); err != nil {
		return sessionEnded(wamp.CloseNormal, false).Because(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.refused != nil:
		return problem.Of(problem.Failure{
			URI: c.refused.Error, Origin: wamp.OriginDealer, Payload: c.refused.Payload,
			Anonymous: c.owner.authid == c.gateway.cfg.Anonymous.Authid,
		})
	case c.ended || c.entry == 0:
		return sessionEnded(wamp.CloseNormal, false)
	}
	return nil
}

// leave ends the registration: its callers get their errors from the dealer.
func (c *callee) leave() {
	c.session.Leave()
	c.end()
}

// end notes that the session is over; what was worked at is given up.
func (c *callee) end() {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended = true
	close(c.over)
	if c.lease != nil {
		c.lease.Stop()
	}
	open := make([]*invocation, 0, len(c.open))
	for _, i := range c.open {
		open = append(open, i)
	}
	clear(c.open)
	c.queue, c.bytes = nil, 0
	c.mu.Unlock()
	for _, i := range open {
		c.gateway.callees.forget(i)
		i.interrupt(errSessionEnded)
	}
	c.gateway.callees.remove(c)
}

// Push implements Outbox.
func (c *callee) Push(m wamp.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch m := m.(type) {
	case *wamp.Registered:
		c.entry = m.Registration
	case *wamp.Error:
		if m.RequestType == wamp.TypeRegister {
			c.refused = &wamp.Error{Error: m.Error, Payload: copyPayload(m.Payload)}
		}
	case *wamp.Invocation:
		return c.invoked(m)
	case *wamp.Interrupt:
		c.interrupt(m)
	case *wamp.Unregistered:
		c.revoke()
	}
	return nil
}

// revoke has the session end when what is worked at has been answered: the
// registration was taken away. c.mu is held.
func (c *callee) revoke() {
	c.revoked.Store(true)
	signal(c.ready)
	if c.lease != nil && len(c.open) == 0 {
		c.lease.Stop()
		c.lease = time.AfterFunc(0, c.leave) // not under the realm's lock
	}
}

// invoked queues an INVOCATION, if there is room. c.mu is held.
func (c *callee) invoked(m *wamp.Invocation) error {
	size := len(m.Payload.Args) + len(m.Payload.Kwargs)
	c.forgetInterrupted()
	if c.ended || c.bytes > 0 && c.bytes+size > c.gateway.cfg.QueueBytes || len(c.open) >= 2*int(c.spec.Concurrency) {
		return ErrFull // the dealer keeps to the concurrency; what is above it was given up
	}
	i := &invocation{
		id: newID('i'), callee: c, request: m.Request, procedure: wamp.URI(strings.Clone(string(m.Details.Procedure))),
		progress: m.Details.ReceiveProgress, caller: m.Details.Caller, authid: m.Details.CallerAuthid, role: m.Details.CallerAuthrole,
		timeout: time.Duration(m.Details.Timeout) * time.Millisecond, payload: copyPayload(m.Payload),
	}
	i.parent, _ = m.Details.Custom.String("_traceparent")
	i.traces, _ = m.Details.Custom.String("_tracestate")
	c.open[m.Request] = i
	c.bytes += size
	c.enqueue(task{invocation: i})
	return nil
}

// interrupt queues an INTERRUPT. Nobody waits for the answer unless the mode is
// kill. c.mu is held.
func (c *callee) interrupt(m *wamp.Interrupt) {
	i := c.open[m.Request]
	if i == nil {
		return
	}
	i.interrupted = time.Now()
	switch {
	case c.spec.URL == "":
		c.enqueue(task{invocation: i, interrupt: true, mode: m.Mode})
	case i.cancel != nil:
		i.cancel(errInterrupted)
	}
	if m.Mode != wamp.CancelKill {
		c.giveUp(i)
	}
}

// forgetInterrupted gives up what was to be killed so long ago that the dealer
// has given it up, too. c.mu is held.
func (c *callee) forgetInterrupted() {
	if len(c.open) < int(c.spec.Concurrency) {
		return
	}
	for _, i := range c.open {
		if !i.interrupted.IsZero() && time.Since(i.interrupted) > c.gateway.confirmWait() {
			c.giveUp(i)
		}
	}
}

// giveUp forgets an invocation that nobody waits for. c.mu is held.
func (c *callee) giveUp(i *invocation) {
	delete(c.open, i.request)
	c.gateway.callees.forget(i)
}

// enqueue adds a task. c.mu is held.
func (c *callee) enqueue(t task) {
	c.queue = append(c.queue, t)
	signal(c.ready)
}

// take returns what is to do, in order.
func (c *callee) take() []task {
	c.mu.Lock()
	defer c.mu.Unlock()
	tasks := c.queue
	c.queue, c.bytes = nil, 0
	return tasks
}

// idle reports whether there is nothing to do.
func (c *callee) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open) == 0 && len(c.queue) == 0
}

// Flush implements Outbox.
func (c *callee) Flush() {
	if c.flushed != nil {
		c.flushed()
	}
}

// Congested implements Outbox: what finds no room is refused.
func (c *callee) Congested() bool { return false }

// Drained implements Outbox.
func (c *callee) Drained(context.Context) error { return nil }

// Close implements Outbox: the dealer has ended the session.
func (c *callee) Close(error) { c.end() }

// finish takes an invocation out of those worked at, and reports whether it
// was one.
func (i *invocation) finish() bool {
	c := i.callee
	c.mu.Lock()
	open := c.open[i.request] == i
	delete(c.open, i.request)
	signal(c.ready)
	c.mu.Unlock()
	c.gateway.callees.forget(i)
	return open
}

// yield answers with a result, or with a progressive one, of which there may be
// more. It waits while the caller has too much queued.
func (i *invocation) yield(ctx context.Context, progress bool, p wamp.Payload) error {
	if !progress && !i.finish() {
		return errNotOpen
	}
	return i.callee.session.Submit(ctx, &wamp.Yield{Request: i.request, Options: wamp.YieldOptions{Progress: progress}, Payload: p})
}

// fail answers with an error.
func (i *invocation) fail(ctx context.Context, uri wamp.URI, p wamp.Payload) error {
	if !i.finish() {
		return errNotOpen
	}
	return i.callee.session.Submit(ctx, &wamp.Error{RequestType: wamp.TypeInvocation, Request: i.request, Error: uri, Payload: p})
}

// interrupt stops the request to a webhook that works at it, if there is one.
func (i *invocation) interrupt(cause error) {
	i.callee.mu.Lock()
	cancel := i.cancel
	i.callee.mu.Unlock()
	if cancel != nil {
		cancel(cause)
	}
}

// errNotOpen says that an invocation has been answered, or is gone.
var errNotOpen = errors.New("the invocation is over")

// add takes a callee in, within the limits. The error is a problem.
func (s *callees) add(c *callee, most, each int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return unavailable("the gateway is shutting down")
	case s.each[c.owner] >= each:
		return tooMany("max-callees-each", "registrations", each)
	case s.count >= most:
		return overloaded("max-callees", "the gateway has as many registrations over HTTP as it takes")
	}
	s.count++
	s.each[c.owner]++
	return nil
}

// publish makes a callee known to its owner, unless the gateway has been closed
// meanwhile.
func (s *callees) publish(c *callee) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.byID[c.id] = c
	return true
}

// remove undoes add and publish. It is for once.
func (s *callees) remove(c *callee) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count--
	delete(s.byID, c.id)
	if s.each[c.owner]--; s.each[c.owner] == 0 {
		delete(s.each, c.owner)
	}
}

// find returns somebody's registration, or nil.
func (s *callees) find(owner principalKey, id string) *callee {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.byID[id]; c != nil && c.owner == owner && !c.revoked.Load() {
		return c
	}
	return nil
}

// of returns somebody's registrations, the oldest first.
func (s *callees) of(owner principalKey) []*callee {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*callee
	for _, c := range s.byID {
		if c.owner == owner && !c.revoked.Load() {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *callee) int { return a.created.Compare(b.created) })
	return list
}

// offer makes an invocation known to those who answer by its ID.
func (s *callees) offer(i *invocation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.invocations[i.id] = i
}

func (s *callees) forget(i *invocation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.invocations, i.id)
}

// invocation returns one that somebody works at. The error is a problem.
func (s *callees) invocation(owner principalKey, id string) (*invocation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.invocations[id]; i != nil && i.callee.owner == owner {
		return i, nil
	}
	return nil, noSuchInvocation()
}

func noSuchInvocation() *problem.Problem {
	return problem.New(http.StatusNotFound, uriNotFound,
		"no invocation of yours has that ID; one that was answered, or whose caller or registration is gone, has none")
}

// close ends all registrations and waits for what they do.
func (s *callees) close() {
	s.mu.Lock()
	s.closed = true
	all := make([]*callee, 0, len(s.byID))
	for _, c := range s.byID {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		c.leave()
	}
	s.work.Wait()
}

// copyPayload returns a payload with bytes of its own.
func copyPayload(p wamp.Payload) wamp.Payload {
	p.Args, p.Kwargs = bytes.Clone(p.Args), bytes.Clone(p.Kwargs)
	return p
}
