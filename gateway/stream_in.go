package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// The errors of uploads.
const (
	uriBadFrame        wamp.URI = "gateway.error.bad_frame"
	uriUploadTruncated wamp.URI = "gateway.error.upload_truncated"
)

// streamIn makes a progressive call of a body that is read as it comes. The
// answer may be a stream at the same time.
func (g *Gateway) streamIn(w http.ResponseWriter, r *http.Request, c *call, q *request) error {
	sendContinue(w, r)
	ctx := c.follow(r.Context())
	c.watch(r)
	out := g.newStreamOut(w, r, c, q)
	out.upload = g.startUpload(ctx, w, r, c, q)
	defer out.upload.cut() // if something below panics
	return out.serve(ctx, out.upload.dispatched)
}

// sendContinue sends the interim answer that a client may wait for before it
// uploads anything. Once the header has left it would be too late.
func sendContinue(w http.ResponseWriter, r *http.Request) {
	if r.ProtoAtLeast(1, 1) && strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		w.WriteHeader(http.StatusContinue)
	}
}

// An upload turns the body of a request into the CALLs of a progressive call.
// One goroutine reads the body; nothing else does, and it is waited for before
// the handler returns.
//
// While the callee has too much queued the goroutine waits in submit and reads
// nothing, so that the client has to wait as well. A body that does not end as
// it should never makes a final CALL.
type upload struct {
	call    *call
	body    *uploadBody
	frames  framer
	options wamp.CallOptions // of the first CALL
	first   wamp.Payload     // that comes before all items of the body, if it is not empty
	final   finalFrame
	check   func(wamp.Payload) error // refuses items; nil takes all
	writer  http.ResponseWriter
	rec     *record

	release    context.CancelFunc
	dispatched chan struct{} // closed when the first CALL is sent
	done       chan struct{} // closed when the goroutine ended
	err        error         // why it ended before the body did; set before done

	// Owned by the goroutine, or by whom the framer lets emit.
	sent    bool
	holding bool // held is an item that may be the last
	held    wamp.Payload
}

// errOver ends the reading of a body: nobody needs the rest.
var errOver = errors.New("the call is over")

// startUpload begins to read. settle or cut must be called before the handler
// returns.
func (g *Gateway) startUpload(ctx context.Context, w http.ResponseWriter, r *http.Request, c *call, q *request) *upload {
	ctx, release := context.WithCancel(ctx)
	u := &upload{
		call:       c,
		frames:     newFramer(q, g.cfg.MaxFrame),
		options:    q.callOptions(),
		first:      q.payload,
		final:      q.final,
		check:      q.checkItem(),
		writer:     w,
		rec:        recordOf(w),
		release:    release,
		dispatched: make(chan struct{}),
		done:       make(chan struct{}),
	}
	u.body = newUploadBody(r.Body, u.stop)
	go u.run(ctx)
	return u
}

// run submits frame after frame, and then the end.
func (u *upload) run(ctx context.Context) {
	defer close(u.done)
	defer u.body.close()
	var err error
	if !u.first.Empty() {
		err = u.frame(ctx, u.first)
	}
	if err == nil {
		err = u.frames.read(u.body, func(p wamp.Payload) error { return u.frame(ctx, p) })
	}
	if err == nil {
		err = u.submit(ctx, u.held, false) // nothing if no item is held
	}
	if err != nil && !errors.Is(err, errOver) {
		u.err = err
		u.stop(err)
	}
}

// stop gives the call up because of its upload.
func (u *upload) stop(err error) {
	p, ok := errors.AsType[*problem.Problem](err)
	if ok && p.URI == uriUploadTruncated && !u.call.dispatched.Load() {
		err = p.Safe()
	}
	u.call.stop(err)
}

// frame takes one item of the body.
func (u *upload) frame(ctx context.Context, p wamp.Payload) error {
	if u.check != nil {
		if err := u.check(p); err != nil {
			return err
		}
	}
	if u.final != finalLast {
		return u.submit(ctx, p, true)
	}
	if u.holding {
		if err := u.submit(ctx, u.held, true); err != nil {
			return err
		}
	}
	u.holding = true
	u.held.Serializer = p.Serializer
	u.held.Args = keep(u.held.Args, p.Args)
	u.held.Kwargs = keep(u.held.Kwargs, p.Kwargs)
	return nil
}

// keep copies b over what old held; an absent value stays absent.
func keep(old, b []byte) []byte {
	if b == nil {
		return nil
	}
	return append(old[:0], b...)
}

// submit sends one CALL; the first one has all the options. It fails with
// errOver: why is for those to say who ended the call.
func (u *upload) submit(ctx context.Context, p wamp.Payload, more bool) error {
	var o wamp.CallOptions
	if !u.sent {
		u.sent = true
		o = u.options
		close(u.dispatched)
	}
	o.Progress = more
	if err := u.call.submit(ctx, o, p); err != nil {
		return fmt.Errorf("%w: %w", errOver, err)
	}
	return nil
}

// settle ends the upload after the answer was written, and waits for the
// goroutine: what the client still sends is dropped, but read for a moment, so
// that the answer is not lost. It does nothing on a nil upload.
func (u *upload) settle() {
	if u == nil {
		return
	}
	rc := http.NewResponseController(u.writer)
	u.end(func() {
		_ = rc.Flush() // the answer leaves first
		_ = rc.SetReadDeadline(time.Now().Add(lingerTime))
	})
}

// cut ends the upload of a request whose answer is cut off.
func (u *upload) cut() {
	if u == nil {
		return
	}
	u.end(func() { _ = http.NewResponseController(u.writer).SetReadDeadline(time.Unix(1, 0)) })
}

// brokeOff ends the upload of a client that left, and returns the problem to
// tell it if it left by ending its request too early: it may have closed only
// its sending side, and wait for an answer.
func (u *upload) brokeOff() (*problem.Problem, bool) {
	if u == nil {
		return nil, false
	}
	u.cut()
	return errors.AsType[*problem.Problem](u.err)
}

// end makes the goroutine stop. If it is still there, hurry must get it out of
// a Read; reads fail from then on.
func (u *upload) end(hurry func()) {
	u.body.over.Store(true)
	u.release()
	select {
	case <-u.done:
	default:
		hurry()
		<-u.done
	}
	u.rec.in = u.body.bytes
}

// wholeHint tells the caller of a procedure that does not take progressive
// calls how to call it.
func wholeHint(err error) error {
	p, ok := errors.AsType[*problem.Problem](err)
	if ok && p.URI == wamp.ErrFeatureNotSupported && p.Source == problem.Dealer {
		p.Detail = strings.TrimPrefix(p.Detail+"; add ?in=whole to send the body in one call", "; ")
	}
	return err
}

// truncated is the problem of a body that ended before its end.
func truncated(n int64, err error) *problem.Problem {
	detail := fmt.Sprintf("the upload broke off after %d bytes, so the call was canceled", n)
	return problem.New(http.StatusBadRequest, uriUploadTruncated, detail).Unknown().Because(err)
}

// tooSlow is the problem of a body that comes byte by byte.
func tooSlow() *problem.Problem {
	detail := fmt.Sprintf("the upload stalled inside a frame: fewer than %d bytes in %v", paceBytes, paceTime)
	return problem.New(http.StatusRequestTimeout, uriUploadTruncated, detail).Unknown()
}

// badFrame is the problem of frame n, counted from 1.
func badFrame(n int, detail string) *problem.Problem {
	return problem.New(http.StatusBadRequest, uriBadFrame, fmt.Sprintf("frame %d: %s", n, detail))
}
