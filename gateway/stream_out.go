package gateway

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/wampgate/wampgate/gateway/problem"
)

// The rhythm of a streamed answer.
const (
	commitTime    = time.Second      // after the CALL: how long the status may be held back
	heartbeatTime = 15 * time.Second // silence after which a client is told that the stream lives
	lastTime      = time.Second      // that a client gets for what it hangs on when its call was given up
	writeSize     = 64 << 10         // bytes of a piece
	flushSize     = 32 << 10         // bytes of events that are written without waiting for more
)

// streamOut makes one call, whose arguments are there, and answers with a
// stream of what the callee says.
func (g *Gateway) streamOut(w http.ResponseWriter, r *http.Request, c *call, q *request) error {
	ctx := c.follow(r.Context())
	c.watch(r)
	if err := c.submit(ctx, q.callOptions(), q.payload); err != nil {
		return g.forsake(recordOf(w), r, c, err) //nolint:contextcheck // the CANCEL outlives the request
	}
	return g.newStreamOut(w, r, c, q).serve(ctx, nil)
}

// A streamOut writes the answer of a call of which something is streamed: the
// answer, the upload, or both. Its methods belong to the goroutine of the
// request.
//
// The header is held back until the callee says something, so that an error
// gets its own status, but for no longer than commitTime. Events are collected
// while there are more, and flushed when the call's inbox ran dry: a fast
// callee costs few writes, a slow one no delay.
type streamOut struct {
	gateway *Gateway
	w       http.ResponseWriter
	r       *http.Request
	rec     *record
	call    *call
	request *request
	form    streamForm // nil if the answer is the result alone
	upload  *upload    // nil if the body was read before

	buf       []byte
	seq       uint64    // of the event written last
	committed bool      // the status is decided
	dirty     bool      // there is something to flush
	ended     bool      // the final event came
	told      bool      // that the call was acknowledged
	lost      bool      // the session ended, and the call with it
	deadline  time.Time // of writes
	timer     *time.Timer
	quiet     quiet // of the callee
}

func (g *Gateway) newStreamOut(w http.ResponseWriter, r *http.Request, c *call, q *request) *streamOut {
	timer := time.NewTimer(commitTime)
	timer.Stop()
	return &streamOut{
		gateway: g, w: w, r: r, rec: recordOf(w), call: c, request: q,
		form:  newStreamForm(c, q),
		timer: timer,
	}
}

// serve writes the answer to its end. dispatched is closed once the CALL was
// sent; nil means that it was. The error is for the handler to return.
func (o *streamOut) serve(ctx context.Context, dispatched <-chan struct{}) error {
	defer o.timer.Stop()
	defer o.hurry(ctx)()
	o.quiet = newQuiet(o.request.idle)
	defer o.quiet.stop()
	if dispatched == nil {
		o.hold()
	}
	err := o.relay(ctx, dispatched)
	if err == nil {
		o.upload.settle()
		return nil
	}
	// A write may have been hanging while the call was given up; its failure
	// then only follows from why that was.
	if cause := causeOf(ctx); cause != nil && !clientGone(cause) && !o.ended {
		err = cause
	}
	return o.conclude(err) //nolint:contextcheck // the CANCEL outlives the request
}

// hurry makes a write that hangs end soon when the call is given up because
// the client reads too slowly: nothing but its stream hangs on it then. The
// function it returns undoes that, and must be called.
func (o *streamOut) hurry(ctx context.Context) (undo func()) {
	hurried := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(hurried)
		if errors.Is(context.Cause(ctx), errSlowConsumer) {
			_ = http.NewResponseController(o.w).SetWriteDeadline(time.Now().Add(lastTime))
		}
	})
	return func() {
		if !stop() {
			<-hurried
		}
	}
}

// relay writes events until the final one. The error is why there is none, or
// why it could not be written.
func (o *streamOut) relay(ctx context.Context, dispatched <-chan struct{}) error {
	for {
		if err := o.drain(ctx); err != nil || o.ended {
			return err
		}
		select {
		case <-o.call.ready():
		case <-dispatched:
			dispatched = nil
			o.hold()
		case <-o.timer.C:
			if err := o.beat(); err != nil {
				return err
			}
		case <-o.call.overdue():
			return errTimeout
		case <-o.quiet.over():
			return errIdle
		case <-ctx.Done():
			return causeOf(ctx)
		}
	}
}

// hold lets the status be held back from now on. A single answer is held back
// for as long as it takes.
func (o *streamOut) hold() {
	if o.form != nil && !o.committed {
		o.timer.Reset(commitTime)
	}
}

// drain writes all events that are there, and flushes.
func (o *streamOut) drain(ctx context.Context) error {
	before := o.rec.events
	for !o.ended {
		e, ok, err := o.call.poll()
		if err != nil {
			o.lost = !errors.Is(err, errSlowConsumer)
			return err
		}
		if !ok {
			break
		}
		if err := o.event(e); err != nil { //nolint:contextcheck // a result that breaks its schema is logged, which takes no context
			return err
		}
		if len(o.buf) < flushSize {
			continue
		}
		if ctx.Err() != nil && !o.ended {
			return causeOf(ctx)
		}
		if err := o.write(); err != nil {
			return err
		}
	}
	if o.rec.events > before {
		o.call.progressed()
		o.quiet.restart()
	}
	return o.flush()
}

// event adds one event to what is to be written. The error is a problem: that
// of a call that failed, or of a result that the form has no word for.
func (o *streamOut) event(e event) error {
	if o.ended = e.kind.final(); o.ended {
		o.rec.dealt = time.Since(o.call.started)
	}
	if !o.committed {
		o.call.timing = serverTiming(o.call.started.Sub(o.rec.started), time.Since(o.call.started))
	}
	switch {
	case e.kind == eventFailure:
		return wholeHint(o.gateway.failure(o.w, o.call, o.request, e))
	case o.form == nil:
		return o.single(e)
	case e.notes != nil && e.notes.acknowledged:
		o.acknowledged()
	}
	if e.kind == eventAcknowledged {
		return nil
	}
	if err := o.gateway.checkResult(o.r.Context(), o.call, o.request, e); err != nil {
		return err
	}
	buf, err := o.form.event(o.opened(), o.seq+1, e)
	if err != nil {
		return badResult(err)
	}
	o.commit(buf)
	o.seq++
	if o.ended {
		o.rec.outcome = outcomeOK
		return nil
	}
	o.rec.events++
	return nil
}

// acknowledged tells the client that the callee has received the call, once
// and in forms that have a word for it.
func (o *streamOut) acknowledged() {
	if o.told || o.request.trust != trustAcknowledged {
		return
	}
	o.told = true
	if buf, ok := o.form.acknowledged(o.opened(), o.seq+1); ok {
		o.commit(buf)
		o.seq++
	}
}

// single answers with the result alone. Progress was not asked for.
func (o *streamOut) single(e event) error {
	if !o.ended {
		return nil
	}
	err := o.gateway.checkResult(o.r.Context(), o.call, o.request, e)
	if err == nil {
		err = o.gateway.writeResult(o.w, o.call, o.request, e)
	}
	if err == nil {
		o.rec.outcome = outcomeOK
	}
	return err
}

// say adds an event that tells of err, if the form has one. The log is told in
// any case.
func (o *streamOut) say(err error) bool {
	p := o.gateway.problemFor(err, o.rec)
	o.rec.failed(p.Status, err)
	buf, ok := o.form.failure(o.buf, o.seq+1, p)
	if ok {
		o.seq++
		o.buf = buf
	}
	return ok
}

// opened returns what is to be written next, with what opens a stream if
// nothing was committed yet.
func (o *streamOut) opened() []byte {
	if o.committed || o.request.resumed {
		return o.buf
	}
	return o.form.begin(o.buf)
}

// commit decides that buf is written, and if it is the first, on the header.
func (o *streamOut) commit(buf []byte) {
	o.buf = buf
	if o.committed {
		return
	}
	o.committed, o.dirty = true, true
	h := o.w.Header()
	o.gateway.callHeaders(h, o.call, o.request)
	streamHeaders(h, o.request.media)
	o.w.WriteHeader(http.StatusOK)
}

// streamHeaders sets the header fields of an answer that is sent piece by piece:
// nothing on the way may keep, transform or collect it.
func streamHeaders(h http.Header, media string) {
	h.Set("Content-Type", media)
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no")
}

// beat is called after a silence: it commits, or shows that the stream lives.
func (o *streamOut) beat() error {
	buf := o.opened()
	if o.committed {
		buf = o.form.beat(buf)
	}
	o.commit(buf)
	o.timer.Reset(heartbeatTime)
	return o.flush()
}

// write sends what was collected, without forcing it out. Each piece has its
// own deadline, so that a slow client is only given up if it stalls.
func (o *streamOut) write() error {
	o.dirty = o.dirty || len(o.buf) > 0
	for rest := o.buf; len(rest) > 0; {
		piece := rest[:min(len(rest), writeSize)]
		rest = rest[len(piece):]
		o.extend()
		if _, err := o.w.Write(piece); err != nil {
			return o.broken(err)
		}
	}
	if o.buf = o.buf[:0]; cap(o.buf) > 4*writeSize {
		o.buf = nil // made by one large event
	}
	return nil
}

// flush forces out what was collected, and puts off the heartbeat.
func (o *streamOut) flush() error {
	if !o.dirty && len(o.buf) == 0 {
		return nil
	}
	if err := o.write(); err != nil {
		return err
	}
	o.extend()
	if err := http.NewResponseController(o.w).Flush(); err != nil {
		return o.broken(err)
	}
	o.dirty = false
	o.timer.Reset(heartbeatTime)
	return nil
}

// extend renews the deadline of writes. It is not exact to the second, which
// saves asking for it with each event.
func (o *streamOut) extend() {
	now := time.Now()
	patience := o.gateway.cfg.WriteTimeout
	if o.deadline.Sub(now) > patience-patience/30 {
		return
	}
	o.deadline = now.Add(patience)
	// A writer without deadlines leaves it to the call's inbox to notice.
	_ = http.NewResponseController(o.w).SetWriteDeadline(o.deadline)
}

// broken returns what a failed write means. A deadline shows in different
// ways, HTTP version by version.
func (o *streamOut) broken(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(o.deadline) {
		return errSlowConsumer
	}
	return errClientGone
}

// conclude ends an answer that did not end with a result. A callee that still
// works is told first; what it says to that is waited for last.
func (o *streamOut) conclude(cause error) error {
	if !o.ended {
		o.call.stop(cause)
	}
	told := o.tell(cause)
	if told {
		o.upload.settle()
	} else {
		o.upload.cut()
	}
	if !o.ended {
		abandon(o.rec, o.call, cause, o.lost)
	}
	if clientGone(cause) {
		o.rec.status = problem.StatusClientClosed // whatever was sent, nobody has it
	}
	if told {
		return nil
	}
	return cause
}

// tell lets the client know why there is no result: by a status if that is
// still free, else by an event. It reports false when the client cannot be told
// and the answer must be cut off.
func (o *streamOut) tell(cause error) bool {
	switch {
	case clientGone(cause):
		p, ok := o.upload.brokeOff()
		return ok && o.tell(p)
	case !o.committed:
		o.gateway.callHeaders(o.w.Header(), o.call, o.request)
		o.gateway.fail(o.w, o.r, cause)
		return http.NewResponseController(o.w).Flush() == nil
	}
	said := o.say(cause)
	return o.flush() == nil && said
}

// abandon gives a call up and notes what became of it; a lost call has ended
// with its session, and there is nobody to ask.
func abandon(rec *record, c *call, cause error, lost bool) {
	if lost {
		rec.failed(http.StatusServiceUnavailable, cause)
		return
	}
	rec.abandon(c, cause)
}
