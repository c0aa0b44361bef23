package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/authn"
	"github.com/wampgate/wampgate/gateway/problem"
)

// dealerMargin is how much longer than the dealer's own timer the gateway
// waits, so that the answer is the dealer's.
const dealerMargin = 250 * time.Millisecond

// A call is one CALL of a principal, from its request ID to its final event.
// It is made by Gateway.open and ended by close. Except for put, fail and
// stop, its methods belong to the goroutine that serves the request; submit
// may instead be called by the one goroutine that pumps an upload.
type call struct {
	id        string // shown to people; 128 random bits
	procedure wamp.URI
	from      netip.Addr // of an anonymous caller; for the limits of his role
	stream    bool       // counts as a stream; not pooled

	gateway *Gateway
	owner   *principal
	request wamp.ID
	inbox   inbox
	timer   *time.Timer   // fires when the dealer should have answered long ago
	patient time.Duration // of timer; 0 if the call has no timeout
	message wamp.Call     // scratch of submit
	started time.Time
	timing  string // Server-Timing of the answer, or empty

	served       wamp.Served     // of the event that was polled last
	acknowledged string          // what the answer says about it, or empty
	passthru     *wamp.Passthru  // of the answer
	undone       *problem.Undone // the transaction that it was part of; nil if none was

	dispatched atomic.Bool // the dealer has a CALL, or had its chance
	unwanted   atomic.Bool // its end was asked for, not by leaving

	kept *keptCall // what it is for those who ask for it by its ID; nil if nobody can

	watcher  *watcher // that looks after the client; nil if none does
	presence watch

	cancel   context.CancelCauseFunc // of follow's context; nil if none
	unfollow func() bool
	canceler sync.WaitGroup // the goroutine that follow's context starts when it ends
}

// An outcome is how a call ended, as the log says it.
type outcome string

// The outcomes.
const (
	outcomeOK            outcome = "ok"
	outcomeError         outcome = "error"          // an ERROR, or refused
	outcomeCanceled      outcome = "canceled"       // given up, and the callee stopped
	outcomeCompletedLate outcome = "completed_late" // given up, but the callee had finished
	outcomeUnconfirmed   outcome = "unconfirmed"    // given up, and nobody knows
)

// open makes a call and gives it a place among those in flight. Nothing is
// sent yet. The error is a problem: 429 or 503.
func (g *Gateway) open(who authn.Principal, procedure wamp.URI, stream bool) (*call, error) {
	if g.inFlight.Add(1) > int64(g.cfg.MaxCalls) {
		g.inFlight.Add(-1)
		return nil, overloaded("max-calls", "the gateway has as many calls in flight as it takes")
	}
	c := g.newCall(stream)
	c.procedure, c.from = procedure, who.From
	if err := g.place(c, who); err != nil {
		g.inFlight.Add(-1)
		return nil, err
	}
	return c, nil
}

// place finds the session of c's principal. A session that ends just then is
// tried once more.
func (g *Gateway) place(c *call, who authn.Principal) error {
	for {
		p, err := g.principals.of(g.identity(who), credential(who.Credential))
		if err != nil {
			return err
		}
		if err = p.add(c); !errors.Is(err, errSessionEnded) {
			return err
		}
	}
}

// newCall takes a call from the pool, or makes one. Calls that stream or are
// kept are never reused: others may still look at them.
func (g *Gateway) newCall(stream bool) *call {
	if !stream {
		if c, ok := g.calls.Get().(*call); ok {
			c.id, c.started = newID('c'), time.Now()
			return c
		}
	}
	c := &call{
		id:      newID('c'),
		gateway: g,
		stream:  stream,
		inbox:   newInbox(g.cfg.QueueEvents, g.cfg.QueueBytes),
		timer:   time.NewTimer(time.Hour),
		started: time.Now(),
	}
	c.timer.Stop()
	c.presence.gone = c.clientLeft
	return c
}

// newID returns a letter for what it is the ID of, "_", and 128 random bits.
func newID(kind byte) string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	var text [2 + 2*len(random)]byte
	text[0], text[1] = kind, '_'
	hex.Encode(text[2:], random[:])
	return string(text[:])
}

// submit sends a CALL: the first one of the call, or the next chunk of an open
// progressive one. The payload is not kept. It waits while the callee has too
// much queued, at most until ctx ends. The error is the cause of ctx, or a
// problem when the session has ended.
func (c *call) submit(ctx context.Context, o wamp.CallOptions, p wamp.Payload) error {
	if ctx.Err() != nil {
		return causeOf(ctx) // or the dealer would hear of a call that nobody waits for
	}
	c.message = wamp.Call{Request: c.request, Options: o, Procedure: c.procedure, Payload: p, From: c.from}
	first := !c.dispatched.Load()
	if first && o.Timeout > 0 {
		c.patient = time.Duration(o.Timeout)*time.Millisecond + dealerMargin
		c.timer.Reset(c.patient)
	}
	err := c.owner.session.Submit(ctx, &c.message)
	c.dispatched.Store(true)
	if first && ctx.Err() != nil && err == nil {
		c.kill() //nolint:contextcheck // ctx has ended; follow's kill may have come too early to find a call
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return causeOf(ctx)
	}
	return sessionEnded(wamp.CloseNormal, !first).Because(err)
}

// progressed notes that the callee is at work: the dealer's timer starts again
// with each progressive result, and so does the one behind it.
func (c *call) progressed() {
	if c.patient > 0 {
		c.timer.Reset(c.patient)
	}
}

// ready returns a channel that holds a token when poll has something to say.
// Poll until there is nothing more before waiting on it again.
func (c *call) ready() <-chan struct{} { return c.inbox.ready }

// overdue returns a channel that fires when the dealer has let the call's
// timeout pass without an answer.
func (c *call) overdue() <-chan time.Time { return c.timer.C }

// poll takes the next event, if there is one. It never blocks. The event's
// payload is valid until the next poll or next. The error, after which there
// are no events, is errSlowConsumer, or a problem when the session ended. Once
// a CANCEL is on its way there are none either: what comes of it is for confirm.
func (c *call) poll() (e event, ok bool, err error) {
	e, ok, err = c.inbox.poll()
	if e.notes != nil {
		c.noted(e.notes)
	}
	if ok {
		c.served = e.served
	}
	return e, ok, err
}

// next waits for the next event. The error is the cause of ctx, errTimeout
// when the dealer stays silent beyond its own timeout, or one of poll's.
func (c *call) next(ctx context.Context) (event, error) {
	for {
		e, ok, err := c.poll()
		if ok || err != nil {
			return e, err
		}
		select {
		case <-c.inbox.ready:
		case <-ctx.Done():
			return event{}, causeOf(ctx)
		case <-c.timer.C:
			return event{}, errTimeout
		}
	}
}

// ask sends the CALL of a call that is not progressive, and waits for its
// answer. The error is one of submit or next.
func (c *call) ask(ctx context.Context, o wamp.CallOptions, p wamp.Payload) (event, error) {
	if err := c.submit(ctx, o, p); err != nil {
		return event{}, err
	}
	return c.next(ctx)
}

// follow ties the call to ctx: the context it returns ends with ctx, by stop,
// or when the inbox overflows. If that is before the final event, a CANCEL
// kill goes out at once, whatever the call's goroutine is doing.
func (c *call) follow(ctx context.Context) context.Context {
	ctx, c.cancel = context.WithCancelCause(ctx)
	c.canceler.Add(1)
	c.unfollow = context.AfterFunc(ctx, func() {
		defer c.canceler.Done()
		c.kill()
	})
	return ctx
}

// stop ends the context of a followed call; the first cause counts. It may be
// called by any goroutine.
func (c *call) stop(cause error) {
	if c.cancel != nil {
		c.cancel(cause)
	}
}

// kill sends CANCEL in mode kill, once, if there is a call to cancel. It waits
// for a callee that has too much queued, but not longer than it would wait for
// the callee's answer.
func (c *call) kill() {
	if !c.dispatched.Load() || !c.inbox.hold() {
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), c.gateway.confirmWait())
	defer stop()
	// An error means that the session has ended, and its calls with it, or
	// that the callee is stuck; confirm tells either.
	_ = c.owner.session.Submit(ctx, &wamp.Cancel{Request: c.request, Mode: wamp.CancelKill})
}

// confirm gives the call up: it sends CANCEL if that was not done, and waits
// for the dealer's final word on it, a little longer than the dealer waits for
// the callee's. Afterwards there are no more events.
func (c *call) confirm() outcome {
	c.kill()
	c.inbox.drain()
	if !c.dispatched.Load() {
		return outcomeCanceled
	}
	c.timer.Reset(c.gateway.confirmWait())
	for {
		e, ok, err := c.inbox.poll()
		switch {
		case err != nil:
			return outcomeUnconfirmed
		case ok && e.kind.final():
			return confirmed(e)
		}
		select {
		case <-c.inbox.ready:
		case <-c.timer.C:
			return outcomeUnconfirmed
		}
	}
}

// confirmed says what a final event after a CANCEL means.
func confirmed(e event) outcome {
	switch {
	case e.kind == eventResult:
		return outcomeCompletedLate
	case e.origin == wamp.OriginDealerDispatched:
		return outcomeUnconfirmed // the dealer did not hear from the callee
	}
	return outcomeCanceled
}

// close ends the call. It waits for the goroutine that follow started. A call
// should have had its final event by then, or been given up by confirm; one
// that a panic left open is canceled, and nobody waits for its end.
func (c *call) close() {
	c.unwatch()
	c.kill()
	if c.unfollow != nil {
		if c.unfollow() {
			c.canceler.Done()
		}
		c.cancel(nil)
		c.canceler.Wait()
	}
	c.owner.remove(c)
	c.timer.Stop()
	g := c.gateway
	g.inFlight.Add(-1)
	if c.kept != nil {
		c.inbox.release()
	}
	if c.stream || c.kept != nil {
		return
	}
	c.inbox.reset()
	c.owner, c.message, c.patient, c.timing = nil, wamp.Call{}, 0, ""
	c.acknowledged, c.passthru, c.undone, c.served = "", nil, nil, wamp.Served{}
	c.dispatched.Store(false)
	g.calls.Put(c)
}

// put takes an event from the dealer. It is called with the realm's lock held.
func (c *call) put(e event) {
	if !c.inbox.put(e) {
		c.gateway.counts.overflows.Add(1)
		c.stop(errSlowConsumer)
	}
	if n := c.inbox.skipped; n > 0 {
		c.gateway.counts.eventsDropped.Add(uint64(n))
		c.inbox.skipped = 0
	}
}

// fail ends a call whose session has ended, for the given reason.
func (c *call) fail(reason wamp.URI) {
	c.inbox.fail(sessionEnded(reason, true)) // as far as anybody knows
}

// causeOf returns why ctx ended, as one of the err… values of this package
// where it is known.
func causeOf(ctx context.Context) error {
	cause := context.Cause(ctx)
	if clientGone(cause) {
		return errClientGone
	}
	return cause
}
