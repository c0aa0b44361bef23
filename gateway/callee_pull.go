package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
	"github.com/wampgate/wampgate/gateway/sse"
)

// pull registers for as long as the answer, a stream of events, is read: the
// callee answers each invocation with a request of its own.
func (g *Gateway) pull(w http.ResponseWriter, r *http.Request, spec registrationSpec) error {
	rec := recordOf(w)
	owner := g.ownerOf(rec.who)
	c, err := g.register(r.Context(), owner, g.identity(rec.who), spec, nil)
	if err != nil {
		return err
	}
	g.callees.pulling.add(1)
	defer g.callees.pulling.add(-1)
	defer c.leave()
	r, done := untilExpiry(r, rec.who)
	defer done()
	ctx, unwatch := present(r)
	defer unwatch()
	g.counts.stream(rec)
	h := w.Header()
	streamHeaders(h, sse.ContentType)
	w.WriteHeader(http.StatusOK)
	return c.stream(ctx, w) //nolint:contextcheck // it is the request's
}

// stream writes events until somebody leaves. The error is why it ended.
func (c *callee) stream(ctx context.Context, w http.ResponseWriter) error {
	registered, err := json.Marshal(c.describe()) //nolint:gosec // the secret is left out
	if err != nil {
		return err
	}
	out := sse.Event{Name: "registration", Data: registered}.Append(nil)
	beat := time.NewTimer(heartbeatTime)
	defer beat.Stop()
	drain := c.gateway.drain
	for {
		if err := c.write(w, out); err != nil {
			return err
		}
		if (drain == nil || c.revoked.Load()) && c.idle() {
			c.leave()
		}
		beat.Reset(heartbeatTime)
		select {
		case <-c.ready:
			if out, err = c.events(ctx, out[:0]); err != nil {
				return err
			}
		case <-drain:
			drain, out = nil, out[:0]
		case <-beat.C:
			out = sse.AppendComment(out[:0], "hb")
		case <-c.over:
			_ = c.write(w, sse.Event{Name: "unregistered", Data: []byte("{}")}.Append(nil)) // a client that is gone needs no word
			return nil
		case <-ctx.Done():
			return causeOf(ctx)
		}
	}
}

// write sends a piece of the stream; a client that takes nothing for too long
// is given up.
func (c *callee) write(w http.ResponseWriter, piece []byte) error {
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(c.gateway.cfg.WriteTimeout)) // a writer without deadlines has none
	if _, err := w.Write(piece); err != nil {
		return errClientGone
	}
	if err := rc.Flush(); err != nil {
		return errClientGone
	}
	return nil
}

// events appends what there is to do.
func (c *callee) events(ctx context.Context, dst []byte) ([]byte, error) {
	for _, t := range c.take() {
		i := t.invocation
		if t.interrupt {
			data, err := json.Marshal(map[string]string{"id": i.id, "mode": t.mode.String()})
			if err != nil {
				return dst, err
			}
			dst = sse.Event{Name: "interrupt", Data: data}.Append(dst)
			continue
		}
		data, err := i.data()
		if err != nil {
			i.refuse(ctx, err)
			continue
		}
		c.gateway.callees.offer(i)
		dst = sse.Event{Name: "invocation", Data: data}.Append(dst)
	}
	return dst, nil
}

// refuse answers an invocation whose arguments have no form in JSON.
func (i *invocation) refuse(ctx context.Context, err error) {
	_ = i.fail(context.WithoutCancel(ctx), wamp.ErrInvalidArgument, textArgs("the arguments have no form in JSON: "+err.Error())) // its caller may be gone
}

// textArgs is a payload of one text.
func textArgs(text string) wamp.Payload {
	p, _ := wamp.NewPayload(wamp.JSON, []any{text}, nil) // always has a form
	return p
}

// invocationJSON is an invocation as callees over HTTP get it.
type invocationJSON struct {
	ID             string          `json:"id,omitempty"`
	Procedure      wamp.URI        `json:"procedure,omitempty"`
	Args           json.RawMessage `json:"args"`
	Kwargs         json.RawMessage `json:"kwargs,omitempty"`
	Progress       bool            `json:"progress,omitempty"` // the caller takes progressive results
	Timeout        int64           `json:"timeout,omitempty"`  // milliseconds
	Caller         wamp.ID         `json:"caller,omitempty"`
	CallerAuthid   string          `json:"caller_authid,omitempty"`
	CallerAuthrole string          `json:"caller_authrole,omitempty"`
	Traceparent    string          `json:"traceparent,omitempty"`
}

// data returns the event of an invocation.
func (i *invocation) data() ([]byte, error) {
	p, err := i.payload.Transcode(wamp.JSON)
	if err != nil {
		return nil, err
	}
	j := invocationJSON{
		ID: i.id, Procedure: i.procedure, Args: p.Args, Kwargs: p.Kwargs, Progress: i.progress, Timeout: i.timeout.Milliseconds(),
		Caller: i.caller, CallerAuthid: i.authid, CallerAuthrole: i.role, Traceparent: i.parent,
	}
	if len(j.Args) == 0 {
		j.Args = json.RawMessage("[]")
	}
	return json.Marshal(j)
}

// invocationResult answers POST /invocations/{id}/result: the body is the
// result, read as the arguments of a call are.
func (g *Gateway) invocationResult(w http.ResponseWriter, r *http.Request) error {
	return g.answerInvocation(w, r, false)
}

// invocationProgress answers POST /invocations/{id}/progress.
func (g *Gateway) invocationProgress(w http.ResponseWriter, r *http.Request) error {
	return g.answerInvocation(w, r, true)
}

func (g *Gateway) answerInvocation(w http.ResponseWriter, r *http.Request, progress bool) error {
	i, err := g.callees.invocation(g.ownerOf(recordOf(w).who), chi.URLParam(r, "id"))
	if err != nil {
		return err
	}
	envelope := false
	err = readQuery(r.URL.RawQuery, []string{"body"}, func(_, value string) error {
		if envelope = value == "call"; !envelope {
			return errors.New("want call (the body is an object with args and kwargs)")
		}
		return nil
	})
	if err != nil {
		return err
	}
	m, err := parseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if m.body == bodyStream {
		return badMediaType("each result has a request of its own: send one value")
	}
	if progress && !i.progress {
		return problem.New(http.StatusConflict, uriBadRequest, "the caller takes no progressive results; send the result alone")
	}
	b := g.newBuffer()
	defer g.freeBuffer(b)
	if err := g.readBody(w, r, b); err != nil {
		return err
	}
	p, err := m.payload(b, envelope)
	if err != nil {
		return err
	}
	return answered(w, i.yield(r.Context(), progress, p))
}

// invocationError answers POST /invocations/{id}/error.
func (g *Gateway) invocationError(w http.ResponseWriter, r *http.Request) error {
	i, err := g.callees.invocation(g.ownerOf(recordOf(w).who), chi.URLParam(r, "id"))
	if err != nil {
		return err
	}
	if err := noOptions(r); err != nil {
		return err
	}
	var failure struct {
		Error  wamp.URI        `json:"error"`
		Args   json.RawMessage `json:"args"`
		Kwargs json.RawMessage `json:"kwargs"`
	}
	if err := g.readObject(w, r, &failure); err != nil {
		return err
	}
	p := wamp.Payload{Serializer: wamp.JSON, Args: failure.Args, Kwargs: failure.Kwargs}
	switch {
	case !failure.Error.Valid():
		return badBody("the member error must be the URI of an error, such as com.example.error.no_funds")
	case len(p.Args) > 0 && wamp.JSON.Kind(p.Args) != wamp.KindList:
		return badBody("the member args must be a list")
	case len(p.Kwargs) > 0 && wamp.JSON.Kind(p.Kwargs) != wamp.KindMap:
		return badBody("the member kwargs must be an object")
	}
	return answered(w, i.fail(r.Context(), failure.Error, p))
}

// answered tells a callee what came of its answer.
func answered(w http.ResponseWriter, err error) error {
	switch {
	case errors.Is(err, errNotOpen):
		return noSuchInvocation()
	case err != nil:
		return sessionEnded(wamp.CloseNormal, true).Because(err)
	}
	return nothingMore(w)
}
