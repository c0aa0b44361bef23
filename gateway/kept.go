package gateway

import (
	"container/list"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// A keptCall is a call with a place of its own under /calls: one that answers
// later, that survives the connection of its client for a while, or that holds
// an Idempotency-Key. One goroutine takes what the dealer says into the window,
// writes the answer when the call ends, and then ends too; what is left is
// found through the callStore.
type keptCall struct {
	id      string
	gateway *Gateway
	call    *call
	owner   principalKey
	request request       // without payload
	origin  *http.Request // without body: what the answer and the log need of it; nil when it ended
	arrived time.Time     // its request
	created time.Time
	in      int64         // bytes of its request's body
	claim   *claim        // nil without Idempotency-Key
	free    bool          // no client needs to be there
	grace   time.Duration // else: for how long none has to

	over    chan struct{} // closed when the call has ended
	room    chan struct{} // holds a token when the window may have room again
	leaving *time.Timer   // fires when no client has been there for too long
	input   input

	mu         sync.Mutex // guards the following fields
	state      CallState
	attending  int   // clients that are there
	reader     *tail // of events; nil if there is none
	window     window
	vouched    bool            // that the callee has received the call was said
	mode       wamp.CancelMode // asked for before the call was sent
	asked      time.Time       // when its end was asked for
	why        error           // it was; errCanceled or errClientGone
	answer     keptAnswer      // when it has ended
	failure    wamp.URI        // why it failed
	ended      time.Time
	conclusive bool // the answer is what a callee made of the call
	among, own *list.Element
	bytes      int  // counted for it; guarded by the store, as are the two above
	answerGone bool // the answer was too large to be kept
}

// A CallState is how far a call has come. It only grows.
type CallState uint8

// The states of a call that is a resource.
const (
	CallScheduled CallState = iota // its time has not come; of durable calls alone
	CallPending                    // not yet with the dealer, or with its callee
	CallRunning                    // a callee works on it, or it waits for one
	CallCanceling                  // its end was asked for
	CallDone                       // it ended with a result
	CallFailed                     // it ended with an error
	CallCanceled                   // it ended because that was asked for
)

// String returns the word that the API has for s.
func (s CallState) String() string {
	return [...]string{"scheduled", "pending", "running", "canceling", "done", "failed", "canceled"}[s]
}

// Ended reports whether nothing follows.
func (s CallState) Ended() bool { return s >= CallDone }

// errCanceled means that a client asked for the end of its call.
var errCanceled = errors.New("canceled by its caller")

// errIdle means that a callee said nothing for as long as idle_timeout allows.
var errIdle = problem.New(http.StatusGatewayTimeout, wamp.ErrTimeout, "the callee said nothing for as long as idle_timeout allows").Unknown()

// newKept makes a kept call of c, which is open and not yet submitted.
func (g *Gateway) newKept(r *http.Request, q *request, c *call, owner principalKey, made *claim) *keptCall {
	kept := *q
	kept.payload = wamp.Payload{}
	kept.keep = 0           // its answer is for whoever asks for it here, not for caches
	if kept.out.streams() { // its result alone is JSON
		kept.format = format{serializer: wamp.JSON, media: "application/json", raw: true, bytes: q.about.bytesMedia()}
	}
	k := &keptCall{
		id: c.id, gateway: g, call: c, owner: owner, request: kept, created: c.started, claim: made,
		origin: &http.Request{Method: r.Method, URL: r.URL, Proto: r.Proto, Header: r.Header, RemoteAddr: r.RemoteAddr},
		free:   q.prefer.async, grace: q.resume,
		over: make(chan struct{}), room: make(chan struct{}, 1), leaving: time.NewTimer(time.Hour),
		input:  input{turn: make(chan struct{}, 1)},
		state:  CallPending,
		window: window{maxEvents: g.cfg.ReplayEvents, maxBytes: g.cfg.ReplayBytes, first: 1},
	}
	k.leaving.Stop()
	c.kept = k
	return k
}

// start sends the CALL and lets the call run. A refusal that the dealer has at
// hand is there when it returns: the call has ended then.
func (k *keptCall) start(ctx context.Context, o wamp.CallOptions, p wamp.Payload) {
	if k.free || k.grace > 0 {
		ctx = context.WithoutCancel(ctx) // its client may leave just now, too
	}
	err := k.call.submit(ctx, o, p)
	if err != nil {
		k.run(event{}, false, err) //nolint:contextcheck // the call outlives the request
		return
	}
	k.mu.Lock()
	wanted, mode := k.state == CallCanceling, k.mode
	if !wanted {
		k.state = CallRunning
	}
	k.mu.Unlock()
	if wanted {
		k.sendCancel(mode) //nolint:contextcheck // the CANCEL outlives the request
	}
	e, ok, err := k.call.poll()
	if ok && e.kind == eventFailure && e.origin == wamp.OriginDealer {
		k.run(e, ok, err) //nolint:contextcheck // the call outlives the request
		return
	}
	go k.run(e, ok, err) //nolint:contextcheck // the call outlives the request
}

// run goes with the call to its end; e is its first event, if ok.
func (k *keptCall) run(e event, ok bool, err error) {
	defer k.gateway.kept.running.add(-1)
	defer k.call.close()
	defer k.leaving.Stop()
	defer k.rescue()
	if ok && !e.kind.final() {
		k.keep(e)
	}
	if err == nil && (!ok || !e.kind.final()) {
		e, err = k.relay()
	}
	k.end(e, err)
}

// rescue ends a call whose end could not be written because of a panic, which
// is logged, as are those of requests.
func (k *keptCall) rescue() {
	cause := recover()
	if cause == nil {
		return
	}
	k.gateway.cfg.Log.LogAttrs(context.Background(), slog.LevelError, "call panicked",
		slog.String("id", k.id), slog.Any("panic", cause), slog.String("stack", string(debug.Stack())))
	k.mu.Lock()
	ended := k.state.Ended()
	k.mu.Unlock()
	if !ended {
		k.end(event{}, errPanicked)
	}
}

// relay takes what the callee says until its final event, which it returns. The
// error is why there is none.
func (k *keptCall) relay() (event, error) {
	c := k.call
	quiet := newQuiet(k.request.idle)
	defer quiet.stop()
	for {
		e, ok, err := c.poll()
		switch {
		case err != nil:
			return event{}, err
		case ok && e.kind.final():
			return e, nil
		case ok:
			if err := k.gateway.checkResult(context.Background(), c, &k.request, e); err != nil {
				return event{}, err
			}
			k.keep(e)
			c.progressed()
			quiet.restart()
			continue
		}
		select {
		case <-c.ready():
		case <-c.overdue():
			return event{}, errTimeout
		case <-quiet.over():
			return event{}, errIdle
		case <-k.leaving.C:
			k.deserted()
		}
	}
}

// keep adds an event to the window, after waiting for room if a client is to
// read all of them.
func (k *keptCall) keep(e event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e.notes != nil && e.notes.acknowledged {
		if k.request.trust == trustAcknowledged && !k.vouched {
			k.vouched = true
			k.append(event{kind: eventAcknowledged, notes: e.notes})
		}
		others := *e.notes
		others.asked, others.acknowledged = false, false
		e.notes = &others
	}
	if e.kind != eventAcknowledged {
		k.append(e)
	}
}

// append waits for room, adds an event and tells the reader. The caller holds
// k.mu, which is free meanwhile.
func (k *keptCall) append(e event) {
	for k.holdsBack(len(e.payload.Args) + len(e.payload.Kwargs)) {
		k.mu.Unlock()
		goOn := k.awaitRoom()
		k.mu.Lock()
		if !goOn {
			break
		}
	}
	k.window.add(e, nil)
	k.reader.wake()
}

// holdsBack reports whether an event has to wait because one that somebody has
// yet to read would have to go: a reader that is there, or one that may come
// back. The caller holds k.mu.
func (k *keptCall) holdsBack(size int) bool {
	switch {
	case k.window.fits(size) || k.request.latest || k.state == CallCanceling:
		return false
	case k.reader != nil:
		return k.reader.next <= k.window.first
	}
	return !k.free && k.grace > 0
}

// awaitRoom waits until there may be room. It reports false if there is no
// sense in waiting: the session ended, or its callee could not be slowed down.
func (k *keptCall) awaitRoom() bool {
	select {
	case <-k.room:
	case <-k.leaving.C:
		k.deserted()
	case <-k.call.ready():
		return !k.call.inbox.lost()
	}
	return true
}

// roomy leaves a token for awaitRoom.
func (k *keptCall) roomy() { signal(k.room) }

// attend notes that a client is there for the call; depart, that it left. When
// none has been there for the call's grace, the call is killed.
func (k *keptCall) attend() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.attending++
	k.leaving.Stop()
}

func (k *keptCall) depart() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.attending--; k.attending == 0 && !k.free && !k.state.Ended() {
		k.leaving.Reset(k.grace)
	}
}

// deserted kills a call that no client came back to.
func (k *keptCall) deserted() {
	k.mu.Lock()
	alone := k.attending == 0
	k.mu.Unlock()
	if alone {
		k.cancel(wamp.CancelKill, errClientGone)
	}
}

// cancel asks for the end of the call, for a reason. It may be asked for again,
// in another mode. It reports false if the call has ended.
func (k *keptCall) cancel(mode wamp.CancelMode, why error) bool {
	k.mu.Lock()
	before := k.state
	if before.Ended() {
		k.mu.Unlock()
		return false
	}
	if before != CallCanceling {
		k.state, k.asked, k.why = CallCanceling, time.Now(), why
	}
	k.mode = mode
	k.call.unwanted.Store(true)
	k.mu.Unlock()
	k.roomy()
	if before != CallPending && k.call.dispatched.Load() { // else start does it
		k.sendCancel(mode)
	}
	return true
}

// sendCancel sends CANCEL. It waits for a callee that has too much queued, but
// not longer than for the callee's answer.
func (k *keptCall) sendCancel(mode wamp.CancelMode) {
	ctx, stop := context.WithTimeout(context.Background(), k.gateway.confirmWait())
	defer stop()
	k.call.timer.Reset(k.gateway.confirmWait())
	// An error means that the session has ended, and the call with it, or that
	// the callee is stuck; the call's timer notices.
	_ = k.call.owner.session.Submit(ctx, &wamp.Cancel{Request: k.call.request, Mode: mode})
}

// outpaced is called when the callee waited in vain for a reader to catch up.
// That ends the reading, and not the call, unless that hangs on the reader.
func (k *keptCall) outpaced() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.free && k.reader != nil {
		k.reader.dismiss(errOutrun)
	}
}

// holds reports whether the call holds its Idempotency-Key: it runs, or its
// answer is what a callee made of it.
func (k *keptCall) holds() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.state.Ended() || k.conclusive
}

// expiry is when the retention of an ended call is over.
func (k *keptCall) expiry() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ended.Add(k.gateway.cfg.Retention)
}

// keptOverhead is what a call counts for beside its answer and its events.
const keptOverhead = 2 << 10

// end writes the answer, from the final event or from the error that stands in
// its place, and lets the world know.
func (k *keptCall) end(e event, err error) {
	answer := &keptAnswer{header: make(http.Header)}
	rec := &record{ResponseWriter: answer, started: k.arrived, in: k.in}
	rec.began(k.call)
	conclusive := err == nil && conclusive(e)
	failed := k.write(rec, e, err)
	if size := k.seal(answer, e, failed, conclusive); !k.gateway.kept.retire(k, size) {
		k.mu.Lock()
		k.answer.body, k.answerGone = nil, true
		k.mu.Unlock()
	}
	rec.events = int(k.status().Events) - 1 //nolint:gosec // of one call; the final one is no progress
	k.gateway.counts.call(rec)
	k.gateway.log(k.origin, rec, time.Since(rec.started))
	k.origin = nil
}

// conclusive reports whether a final event is what a callee made of the call,
// and not that it was stopped.
func conclusive(e event) bool {
	if e.kind == eventResult {
		return true
	}
	return e.origin == wamp.OriginCallee && !slices.Contains([]wamp.URI{wamp.ErrCanceled, wamp.ErrCancelled, wamp.ErrTimeout}, e.uri)
}

// write answers to rec. It returns the problem that the answer is, or nil.
func (k *keptCall) write(rec *record, e event, err error) *problem.Problem {
	g, c, q := k.gateway, k.call, &k.request
	k.mu.Lock()
	asked, why := k.asked, k.why
	k.mu.Unlock()
	q.about.warn(rec.Header(), c.procedure)
	took := time.Since(k.created)
	_, known := errors.AsType[*problem.Problem](err)
	switch {
	case err == nil:
		rec.dealt = took
		c.timing = serverTiming(k.created.Sub(k.arrived), took)
	case known && !errors.Is(err, errIdle) && !unfit(err):
		rec.failed(0, err) // the session is gone, and the call with it
	default:
		rec.abandon(c, err)
	}
	if err == nil && e.kind == eventFailure {
		err = g.failure(rec, c, q, e)
	} else if err == nil {
		if err = g.checkResult(context.Background(), c, q, e); err == nil {
			err = g.writeResult(rec, c, q, e)
		}
	} else {
		g.callHeaders(rec.Header(), c, q)
	}
	if !asked.IsZero() && rec.outcome == "" {
		rec.killed, rec.confirmed, rec.outcome, rec.err = true, time.Since(asked), confirmed(e), why
	}
	if err == nil {
		if rec.outcome == "" {
			rec.outcome = outcomeOK
		}
		return nil
	}
	p := g.problemFor(err, rec)
	p.Instance = callsPath + "/" + k.id
	rec.failed(p.Status, err)
	p.Send(rec, wantsText(k.origin.Header.Values("Accept")))
	return p
}

// seal notes how the call ended, and returns how many bytes that takes.
func (k *keptCall) seal(answer *keptAnswer, e event, failed *problem.Problem, conclusive bool) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answer, k.ended, k.conclusive = *answer, time.Now(), conclusive
	switch {
	case failed == nil:
		k.state = CallDone
		k.window.add(e, nil)
	case k.state == CallCanceling && !conclusive:
		k.state = CallCanceled
	default:
		k.state = CallFailed
	}
	if failed != nil {
		k.failure = failed.URI
		k.window.add(event{kind: eventFailure}, failed)
	}
	k.reader.wake()
	close(k.over)
	return k.window.bytes + len(k.answer.body) + keptOverhead
}

// A keptAnswer is an answer that is written down: status, header and body.
type keptAnswer struct {
	status int
	header http.Header
	body   []byte
}

// Header implements http.ResponseWriter.
func (a *keptAnswer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *keptAnswer) WriteHeader(code int) { a.status = code }

// Write implements http.ResponseWriter.
func (a *keptAnswer) Write(b []byte) (int, error) {
	a.body = append(a.body, b...)
	return len(b), nil
}

// A quiet is a timer for silence, if any is too long.
type quiet struct {
	limit time.Duration // 0 if none is
	timer *time.Timer
}

func newQuiet(limit time.Duration) quiet {
	if limit == 0 {
		return quiet{}
	}
	return quiet{limit, time.NewTimer(limit)}
}

// over fires when the silence was too long.
func (q quiet) over() <-chan time.Time {
	if q.timer == nil {
		return nil
	}
	return q.timer.C
}

// restart begins to count anew.
func (q quiet) restart() {
	if q.timer != nil {
		q.timer.Reset(q.limit)
	}
}

// stop ends it.
func (q quiet) stop() {
	if q.timer != nil {
		q.timer.Stop()
	}
}
