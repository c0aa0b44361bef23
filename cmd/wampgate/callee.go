package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// The bounds of a callee.
const (
	maxInvocations = 1000 // at once; more are answered with wamp.error.unavailable
	maxChunks      = 16   // of one progressive call, waiting to be read
	goodbyeTime    = time.Second
	firstBackOff   = 500 * time.Millisecond
	longestBackOff = 30 * time.Second
)

// A procedure is what a callee offers under a URI.
type procedure struct {
	uri     wamp.URI
	options wamp.RegisterOptions
	serve   handler
}

// A handler serves an invocation. A *callError, as the error, becomes an ERROR
// with its URI, any other error one with wamp.error.runtime_error. When ctx
// ends the answer no longer matters.
type handler func(ctx context.Context, inv *invocation) (wamp.Payload, error)

// A callError is the ERROR that a procedure answers with.
type callError struct {
	uri     wamp.URI
	payload wamp.Payload
	text    string // for Error; what the payload says
}

func (e *callError) Error() string { return string(e.uri) + ": " + e.text }

// A refusal is the router's no to a callee: an ABORT, or an ERROR to a
// REGISTER. Trying again changes nothing, unless an earlier session of the
// same callee is still about to end.
type refusal struct{ error }

// A callee serves procedures. Its fields are set before serve is called.
type callee struct {
	url    string       // of the router's WebSocket
	client *http.Client // that reaches it; nil stands for http.DefaultClient
	// join opens a session; nil stands for transport.Conn.Join.
	join       func(context.Context, *transport.Conn, *wamp.Hello) (*wamp.Welcome, error)
	serializer wamp.Serializer
	realm      wamp.URI
	procedures []procedure
	log        *slog.Logger
}

// serve keeps a session with the router and serves procedures over it until ctx
// ends. It calls ready each time all procedures are registered. A connection
// that cannot be made or breaks is made anew after a while; a refusal of the
// first session is returned at once.
func (c *callee) serve(ctx context.Context, ready func()) error {
	served := false
	for wait := firstBackOff; ctx.Err() == nil; wait = min(2*wait, longestBackOff) {
		err := c.serveOnce(ctx, func() {
			served, wait = true, firstBackOff
			ready()
		})
		var no *refusal
		if errors.As(err, &no) && !served {
			return err
		}
		if ctx.Err() == nil {
			pause := wait/2 + rand.N(wait/2+1) //nolint:gosec // spreads load, hides nothing
			c.log.Warn("callee has no session", "err", err, "retry_in", pause.Round(time.Millisecond))
			_ = sleep(ctx, pause)
		}
	}
	return nil
}

// sleep waits for d. The error is that of ctx, if it ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// serveOnce serves over one connection and returns when all that it started
// has ended.
func (c *callee) serveOnce(ctx context.Context, ready func()) error {
	conn, err := transport.Dial(ctx, c.url, c.serializer, &transport.DialOptions{HTTPClient: c.client})
	if err != nil {
		return err
	}
	s := &calleeSession{callee: c, conn: conn, ready: ready, handlers: map[wamp.ID]handler{}, running: map[wamp.ID]*invocation{}}
	// The session outlives ctx by the time that a good-bye takes.
	sessionCtx, end := context.WithCancelCause(context.WithoutCancel(ctx))
	s.work.Go(func() {
		select {
		case <-ctx.Done():
			s.sayGoodbye(sessionCtx, end)
		case <-sessionCtx.Done():
		}
	})
	err = s.run(sessionCtx)
	end(err)
	_ = conn.Close() // ends what still sends; how the session ended is known
	s.work.Wait()
	return err
}

// A calleeSession is a callee's session with a router.
type calleeSession struct {
	callee *callee
	conn   *transport.Conn
	ready  func()
	work   sync.WaitGroup // everything that the session started

	// Owned by run.
	handlers map[wamp.ID]handler // by registration
	last     wamp.ID             // the last invocation

	mu      sync.Mutex // guards the following fields
	running map[wamp.ID]*invocation
}

// run joins, registers, and takes what the router says until the session ends.
func (s *calleeSession) run(ctx context.Context) error {
	if err := s.join(ctx); err != nil {
		return err
	}
	for i, p := range s.callee.procedures {
		err := s.conn.Send(&wamp.Register{Request: wamp.ID(i + 1), Options: p.options, Procedure: p.uri})
		if err != nil {
			return err
		}
	}
	for {
		m, err := s.conn.Receive(ctx)
		if err != nil {
			return err
		}
		if err := s.receive(ctx, m); err != nil {
			return err
		}
	}
}

// join opens the session.
func (s *calleeSession) join(ctx context.Context) error {
	features := wamp.FeatureProgressiveCallResults | wamp.FeatureProgressiveCallInvocations |
		wamp.FeatureCallCanceling | wamp.FeatureCallerIdentification
	hello := &wamp.Hello{Realm: s.callee.realm, Details: wamp.Dict{
		"agent": "wampgate/" + version,
		"roles": wamp.Dict{"callee": wamp.Dict{"features": features.Dict()}},
	}}
	var err error
	if s.callee.join != nil {
		_, err = s.callee.join(ctx, s.conn, hello)
	} else {
		_, err = s.conn.Join(ctx, hello)
	}
	if errors.Is(err, transport.ErrAborted) {
		return &refusal{err}
	}
	return err
}

func (s *calleeSession) receive(ctx context.Context, m wamp.Message) error {
	switch m := m.(type) {
	case *wamp.Registered:
		return s.registered(m)
	case *wamp.Error:
		if m.RequestType != wamp.TypeRegister || !s.asked(m.Request) {
			return fmt.Errorf("unexpected ERROR: %s", m.Error)
		}
		uri := s.callee.procedures[m.Request-1].uri
		return &refusal{fmt.Errorf("register %s: %s: %s", uri, m.Error, firstText(m.Payload))}
	case *wamp.Invocation:
		return s.invoke(ctx, m)
	case *wamp.Interrupt:
		s.interrupt(m.Request)
		return nil
	}
	return s.ended(m)
}

// ended returns the reason that m gives for the end of the session.
func (s *calleeSession) ended(m wamp.Message) error {
	goodbye, ok := m.(*wamp.Goodbye)
	if !ok {
		return fmt.Errorf("unexpected %v", m.Type())
	}
	if goodbye.Reason != wamp.CloseGoodbyeAndOut {
		// If it does not get through, the connection is at its end anyway.
		_ = s.conn.Send(&wamp.Goodbye{Reason: wamp.CloseGoodbyeAndOut})
	}
	return fmt.Errorf("the router closed the session: %s", goodbye.Reason)
}

// asked reports whether id is the request of one of the REGISTERs.
func (s *calleeSession) asked(id wamp.ID) bool {
	return id >= 1 && id <= wamp.ID(len(s.callee.procedures))
}

func (s *calleeSession) registered(m *wamp.Registered) error {
	if !s.asked(m.Request) {
		return fmt.Errorf("REGISTERED for an unknown request, %d", m.Request)
	}
	s.handlers[m.Registration] = s.callee.procedures[m.Request-1].serve
	if len(s.handlers) == len(s.callee.procedures) {
		s.ready()
	}
	return nil
}

// sayGoodbye ends the session in good order, or after a while in any.
func (s *calleeSession) sayGoodbye(ctx context.Context, end context.CancelCauseFunc) {
	patience := time.AfterFunc(goodbyeTime, func() { end(context.DeadlineExceeded) })
	defer patience.Stop()
	if err := s.conn.Send(&wamp.Goodbye{Reason: wamp.CloseNormal}); err != nil {
		end(err)
	}
	<-ctx.Done() // run ends it when the answer has come
}

// invoke starts a new invocation, or adds a chunk to one that runs. It waits
// while the invocation has chunks enough to read: the reader's pause is what
// slows the caller down.
func (s *calleeSession) invoke(ctx context.Context, m *wamp.Invocation) error {
	inv, err := s.find(ctx, m)
	if inv == nil || err != nil {
		return err
	}
	c := chunk{payload: clonePayload(m.Payload), more: m.Details.Progress}
	select {
	case inv.chunks <- c:
	case <-inv.done:
	case <-ctx.Done():
	}
	return nil
}

// find returns the invocation that m belongs to; nil if it has ended, or may
// not begin.
func (s *calleeSession) find(ctx context.Context, m *wamp.Invocation) (*invocation, error) {
	s.mu.Lock()
	inv, n := s.running[m.Request], len(s.running)
	s.mu.Unlock()
	if inv != nil || m.Request <= s.last {
		return inv, nil
	}
	s.last = m.Request
	serve, ok := s.handlers[m.Registration]
	if !ok {
		return nil, fmt.Errorf("INVOCATION of an unknown registration, %d", m.Registration)
	}
	if n >= maxInvocations {
		return nil, s.answer(m.Request, wamp.Payload{}, newCallError(wamp.ErrUnavailable, "the callee has too much to do"))
	}
	return s.start(ctx, m, serve), nil
}

func (s *calleeSession) start(ctx context.Context, m *wamp.Invocation, serve handler) *invocation {
	inv := &invocation{
		id:        m.Request,
		procedure: m.Details.Procedure,
		progress:  m.Details.ReceiveProgress,
		conn:      s.conn,
		chunks:    make(chan chunk, maxChunks),
		done:      make(chan struct{}),
	}
	var serving context.Context
	serving, inv.cancel = context.WithCancelCause(ctx)
	s.mu.Lock()
	s.running[inv.id] = inv
	s.mu.Unlock()
	s.work.Go(func() {
		defer inv.cancel(nil)
		payload, err := serve(serving, inv)
		if err != nil && errors.Is(context.Cause(serving), errInterrupted) {
			err = newCallError(wamp.ErrCanceled, "canceled by the caller")
		}
		s.finish(inv, payload, err)
	})
	return inv
}

// finish forgets an invocation and answers it.
func (s *calleeSession) finish(inv *invocation, payload wamp.Payload, err error) {
	close(inv.done)
	s.mu.Lock()
	delete(s.running, inv.id)
	s.mu.Unlock()
	if err := s.answer(inv.id, payload, err); err != nil {
		s.callee.log.Debug("answer not sent", "procedure", inv.procedure, "err", err)
	}
}

// answer sends the final answer of an invocation.
func (s *calleeSession) answer(id wamp.ID, payload wamp.Payload, err error) error {
	if err == nil {
		return s.conn.Send(&wamp.Yield{Request: id, Payload: payload})
	}
	var e *callError
	if !errors.As(err, &e) {
		e = newCallError(wamp.ErrRuntimeError, err.Error())
	}
	return s.conn.Send(&wamp.Error{RequestType: wamp.TypeInvocation, Request: id, Error: e.uri, Payload: e.payload})
}

func (s *calleeSession) interrupt(id wamp.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if inv := s.running[id]; inv != nil {
		inv.cancel(errInterrupted)
	}
}
