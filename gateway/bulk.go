package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// bulkPath is where many calls in one request go.
const bulkPath = "/batch"

// The bounds of a batch.
const (
	bulkLines = 1000 // calls
	bulkCalls = 16   // of them in flight
)

// mediaNDJSON is the media type of lines of JSON.
const mediaNDJSON = "application/x-ndjson"

// bulk makes the calls of an NDJSON body, one a line, and answers each with a
// line when it has ended. The body is read to its end before anybody is called:
// one that broke off calls nobody, and a client that leaves is noticed. Nothing
// holds more than that body and an answer for each call in flight.
func (g *Gateway) bulk(w http.ResponseWriter, r *http.Request) error {
	if err := checkBulk(r); err != nil {
		return err
	}
	rec := recordOf(w)
	buf := g.newBuffer()
	defer g.freeBuffer(buf)
	if err := g.readBody(w, r, buf); err != nil {
		return err
	}
	rec.in = int64(len(buf.body()))
	lines, err := bulkLinesOf(buf.body())
	if err != nil {
		return err
	}
	r, done := untilExpiry(r, rec.who)
	defer done()
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	b := &bulk{gateway: g, w: w, r: r, rec: rec, gate: g.gate.Load(), trace: traceOf(r.Header), cancel: cancel}
	g.counts.stream(rec)
	b.commit()
	b.run(ctx, lines)
	return b.failed(r.Context())
}

// checkBulk refuses requests that are no batch. The error is a problem.
func checkBulk(r *http.Request) error {
	if r.URL.RawQuery != "" {
		return badOption("the options of calls stand in the lines of %s", bulkPath)
	}
	if r.Header["Idempotency-Key"] != nil {
		return badKey("is for one call: lines have the option idempotency_key")
	}
	media, err := parseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if media.body != bodyStream || media.framing != framingNDJSON {
		return badMediaType(bulkPath + " takes " + mediaNDJSON + ": a call a line")
	}
	if accept := r.Header["Accept"]; len(accept) > 0 {
		ranges := parseAccept(strings.Join(accept, ","))
		if rank(ranges, mediaNDJSON).quality == 0 && rank(ranges, "application/jsonl").quality == 0 {
			return problem.New(http.StatusNotAcceptable, uriNotAcceptable, "the answer comes as "+mediaNDJSON+", which is not in the Accept header")
		}
	}
	return nil
}

// bulkLinesOf cuts a body into lines, those without anything in them left out. The
// first one must be a call, or the whole body most likely is something else.
// The error is a problem.
func bulkLinesOf(body []byte) ([][]byte, error) {
	var lines [][]byte
	for line := range bytes.SplitSeq(body, []byte{'\n'}) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if len(lines) == bulkLines {
			return nil, problem.New(http.StatusRequestEntityTooLarge, wamp.ErrPayloadSizeExceeded,
				fmt.Sprintf("the batch has more than %d lines; send it in parts", bulkLines))
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return nil, badBody("the batch has no lines")
	}
	first := callObject{request: new(request), hasID: true}
	if err := first.read(lines[0]); err != nil {
		return nil, problemHint(err, "line 1 of the batch; no call was made")
	}
	return lines, nil
}

// A bulk is a batch: a request that makes several calls. They fail one by one; what
// ends all of them is that nobody reads their answers.
type bulk struct {
	gateway *Gateway
	w       http.ResponseWriter
	r       *http.Request
	rec     *record
	gate    *gate
	trace   *trace
	cancel  context.CancelCauseFunc

	mu  sync.Mutex // guards the following fields, and w
	err error      // of the first write that failed
}

// commit sends the header: the status of each call is in its line.
func (b *bulk) commit() {
	h := b.w.Header()
	streamHeaders(h, mediaNDJSON)
	h.Set("X-Content-Type-Options", "nosniff")
	if b.trace != nil {
		h.Set("Traceparent", b.trace.parent)
	}
	b.w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(b.w).Flush() // what fails here fails again with the first line
}

// run makes the calls, some at once, and returns when all have ended.
func (b *bulk) run(ctx context.Context, lines [][]byte) {
	var calls sync.WaitGroup
	defer calls.Wait()
	room := make(chan struct{}, bulkCalls)
	for i, line := range lines {
		room <- struct{}{} // a call ends when ctx does
		if b.failed(ctx) != nil {
			return
		}
		calls.Go(func() {
			defer func() { <-room }()
			b.answer(ctx, i, line)
		})
	}
}

// answer makes the call of line i, counted from 0, and sends its answer.
func (b *bulk) answer(ctx context.Context, i int, line []byte) {
	rec := &record{ResponseWriter: b.w, started: time.Now(), who: b.rec.who}
	defer func() {
		b.gateway.counts.call(rec)
		b.gateway.log(b.r, rec, time.Since(rec.started))
	}()
	defer func() { // a fault of one call is not to be one of the process
		if cause := recover(); cause != nil {
			b.gateway.logPanic(b.r, cause)
			b.cancel(errPanicked)
		}
	}()
	object := callObject{request: &rec.request, hasID: true}
	rec.request.trace = b.trace
	err := object.read(line)
	if err == nil && i > 0 {
		err = b.gate.again(b.r, b.rec)
	}
	head := object.head(i)
	var text []byte
	if err == nil {
		text, err = b.call(ctx, rec, head)
	}
	if err != nil {
		if clientGone(err) {
			return
		}
		p := b.gateway.problemFor(err, rec)
		rec.failed(p.Status, err)
		text = append(strconv.AppendInt(append(head, `"status":`...), int64(p.Status), 10), `,"problem":`...)
		text = append(appendCompact(text, p.AppendJSON(nil)), '}')
	}
	b.send(append(text, '\n'))
}

// head begins the answer to the call on line i: by its id, or else by its line.
func (o *callObject) head(i int) []byte {
	if o.id != nil {
		return append(append([]byte(`{"id":`), o.id...), ',')
	}
	return append(strconv.AppendInt([]byte(`{"line":`), int64(i+1), 10), ',')
}

// call makes one call and returns head with its result. The error is a problem,
// or why the batch ended.
func (b *bulk) call(ctx context.Context, rec *record, head []byte) ([]byte, error) {
	g, q := b.gateway, &rec.request
	if err := g.shed(b.rec.who, q.priority); err != nil {
		return nil, err
	}
	q.about = g.describe(q.procedure)
	if err := g.readTimeout(nil, q); err != nil {
		return nil, err
	}
	if err := q.checkGuarantee(); err != nil {
		return nil, err
	}
	if err := g.checkArguments(q, http.MethodPost); err != nil {
		return nil, err
	}
	if q.outlives() {
		return b.resource(ctx, rec, head)
	}
	c, err := g.open(b.rec.who, q.procedure, false)
	if err != nil {
		return nil, err
	}
	defer c.close() //nolint:contextcheck // the CANCEL outlives the request
	rec.began(c)
	c.watch(b.r)
	e, err := c.ask(ctx, q.callOptions(), q.payload)
	if err != nil {
		return nil, g.giveUp(rec, c, err) //nolint:contextcheck // the CANCEL outlives the request
	}
	rec.dealt = time.Since(c.started)
	if e.kind == eventFailure {
		return nil, g.problemOf(c, q, e)
	}
	if err := g.checkResult(ctx, c, q, e); err != nil {
		return nil, err
	}
	text, err := appendArguments(strconv.AppendInt(append(head, `"status":`...), http.StatusOK, 10), e.payload)
	if err != nil {
		return nil, badResult(err)
	}
	if c.acknowledged != "" && q.trust == trustAcknowledged {
		text = append(append(text, `,"acknowledged":`...), c.acknowledged...)
	}
	rec.status, rec.outcome = http.StatusOK, outcomeOK
	return append(text, '}'), nil
}

// send writes one line. A client that does not take it within the write timeout
// is given up, and with it all calls.
func (b *bulk) send(line []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return
	}
	control := http.NewResponseController(b.w)
	deadline := time.Now().Add(b.gateway.cfg.WriteTimeout)
	_ = control.SetWriteDeadline(deadline) // not all writers know deadlines; those of tests don't
	_, err := b.w.Write(line)
	if err == nil {
		err = control.Flush()
	}
	if err == nil || errors.Is(err, http.ErrNotSupported) {
		_ = control.SetWriteDeadline(time.Time{})
		return
	}
	if b.err = errClientGone; !time.Now().Before(deadline) {
		b.err = errSlowConsumer
	}
	b.cancel(b.err)
}

// failed returns why not all lines were answered, nil if they were.
func (b *bulk) failed(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	if cause := causeOf(ctx); clientGone(cause) {
		return cause
	}
	return nil
}
