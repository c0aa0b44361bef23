package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/webhook"
)

// registerWebhook registers for a lease; the answer holds the secret that
// requests are signed with, this once.
func (g *Gateway) registerWebhook(w http.ResponseWriter, r *http.Request, spec registrationSpec) error {
	rec := recordOf(w)
	spec.secret = webhook.NewSecret()
	c, err := g.register(r.Context(), g.ownerOf(rec.who), g.identity(rec.who), spec, (*callee).dispatch)
	if err != nil {
		return err
	}
	if !c.renew() {
		c.leave()
		return sessionEnded(wamp.CloseNormal, false)
	}
	j := c.describe()
	j.Secret = spec.secret
	w.Header().Set("Location", registrationsPath+"/"+c.id)
	return sendNow(w, http.StatusCreated, j) // a client that is gone lets its lease end
}

// renew makes the lease last from now on, unless it is over.
func (c *callee) renew() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.revoked.Load() || c.lease != nil && !c.lease.Stop() {
		return false
	}
	c.expires = time.Now().Add(c.spec.ttl)
	c.lease = time.AfterFunc(c.spec.ttl, c.expire)
	return true
}

// expire ends a registration that was not renewed.
func (c *callee) expire() {
	c.leave()
	c.gateway.cfg.Log.Info("the lease of a webhook has ended", "registration", c.id, "procedure", string(c.spec.Procedure), "authid", c.owner.authid)
}

// leaveIfRevoked ends a registration that was taken away, with the last call
// that it worked at.
func (c *callee) leaveIfRevoked() {
	if c.revoked.Load() && c.idle() {
		c.leave()
	}
}

// renewRegistration answers PUT /registrations/{id}.
func (g *Gateway) renewRegistration(w http.ResponseWriter, r *http.Request) error {
	c, err := g.registrationOf(w, r)
	if err != nil {
		return err
	}
	if c.spec.URL == "" {
		return badOption("this registration has no lease: it lives as long as its stream")
	}
	if !c.renew() {
		_, err := g.registrationOf(w, r)
		return err
	}
	return sendJSON(w, r, c.describe())
}

// dispatch has what was queued done, each invocation by a goroutine of its own
// for as long as its request takes; the dealer lets no more come than the
// registration's concurrency.
func (c *callee) dispatch() {
	for _, t := range c.take() {
		i := t.invocation
		ctx, cancel := context.WithCancelCause(context.Background())
		if !i.begin(cancel) {
			cancel(errSessionEnded)
			continue
		}
		go func() {
			defer c.gateway.callees.work.Done()
			defer c.leaveIfRevoked()
			defer cancel(nil)
			i.call(ctx)
		}()
	}
}

// begin has cancel stop the request from now on; it reports false if the
// registration is over.
func (i *invocation) begin(cancel context.CancelCauseFunc) bool {
	c := i.callee
	c.mu.Lock()
	defer c.mu.Unlock()
	i.cancel = cancel
	if !i.interrupted.IsZero() {
		cancel(errInterrupted)
	}
	return !c.ended && c.gateway.callees.begin()
}

// begin counts a request to a webhook, unless the gateway has been closed.
func (s *callees) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.work.Add(1)
	}
	return !s.closed
}

// errInterrupted is why a request to a webhook is stopped.
var errInterrupted = errors.New("the call was canceled")

// call makes the request of an invocation, and answers with what comes back. A
// request that failed is not made again: nobody knows what it did.
func (i *invocation) call(ctx context.Context) {
	c := i.callee
	patience := c.spec.timeout
	if i.timeout > 0 {
		patience = min(patience, i.timeout)
	}
	limited, done := context.WithTimeout(ctx, patience)
	defer done()
	r, err := i.message()
	if err != nil {
		i.refuse(ctx, err)
		return
	}
	answer, err := c.gateway.cfg.Webhooks.Do(limited, r, func(a webhook.Answer) error {
		p, err := payloadFrom(a)
		if err != nil {
			return err
		}
		return i.yield(limited, true, p)
	})
	if err == nil {
		var p wamp.Payload
		if p, err = payloadFrom(answer); err == nil {
			c.gateway.counts.webhooks.add("ok")
			_ = i.yield(ctx, false, p) // its caller may be gone
			return
		}
	}
	i.failed(ctx, err)
}

// failed answers with why there is no result.
func (i *invocation) failed(ctx context.Context, err error) {
	f, ok := errors.AsType[*webhook.CallError](err)
	if !ok {
		f = &webhook.CallError{URI: wamp.ErrUpstream, Detail: "the webhook's answer cannot be a result: " + err.Error()}
	}
	if errors.Is(context.Cause(ctx), errInterrupted) {
		f = &webhook.CallError{URI: wamp.ErrCanceled, Detail: "the request to the webhook was stopped"}
	}
	i.callee.gateway.counts.webhook(f.URI)
	i.callee.gateway.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "a webhook failed", slog.String("registration", i.callee.id),
		slog.String("procedure", string(i.procedure)), slog.String("error", string(f.URI)), slog.String("detail", f.Detail), slog.Any("err", f.Err))
	p := wamp.Payload{Serializer: wamp.JSON, Args: f.Args, Kwargs: f.Kwargs}
	if len(p.Args) == 0 && f.Detail != "" {
		p.Args, _ = json.Marshal([]string{f.Detail}) // never fails
	}
	_ = i.fail(context.WithoutCancel(ctx), f.URI, p) // its caller may be gone
}

// message returns what is sent for an invocation.
func (i *invocation) message() (*webhook.Request, error) {
	p, err := i.payload.Transcode(wamp.JSON)
	if err != nil {
		return nil, err
	}
	body := struct {
		Args   json.RawMessage `json:"args"`
		Kwargs json.RawMessage `json:"kwargs"`
	}{json.RawMessage("[]"), json.RawMessage("{}")}
	if len(p.Args) > 0 {
		body.Args = p.Args
	}
	if len(p.Kwargs) > 0 {
		body.Kwargs = p.Kwargs
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	spec := &i.callee.spec
	return &webhook.Request{
		URL: spec.URL, Secret: spec.secret, ID: i.id, Procedure: i.procedure, Request: i.request,
		CallerAuthid: i.authid, Traceparent: i.parent, Tracestate: i.traces, Progress: i.progress, Body: text,
	}, nil
}

// payloadFrom makes a result of a webhook's answer, by its media type as with
// the body of a call.
func payloadFrom(a webhook.Answer) (wamp.Payload, error) {
	m, err := parseMediaType(a.ContentType)
	if err != nil {
		return wamp.Payload{}, err
	}
	b := &buffer{b: make([]byte, headroom, headroom+len(a.Body))}
	b.b = append(b.b, a.Body...)
	return m.payload(b, false)
}
