package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
	"github.com/wampgate/wampgate/gateway/sse"
)

// call serves /call/{uri} with any method.
func (g *Gateway) call(w http.ResponseWriter, r *http.Request) error {
	switch r.Method {
	case http.MethodPost:
		return g.callWith(w, r)
	case http.MethodGet, http.MethodHead, methodQuery:
		return g.callSafe(w, r)
	}
	return g.refuseMethod(w, r)
}

// methodQuery is the method of RFC 10008: a GET with a body.
const methodQuery = "QUERY"

// callSafe serves the methods that need a procedure declared safe.
func (g *Gateway) callSafe(w http.ResponseWriter, r *http.Request) error {
	uri, err := procedureOf(r)
	if err != nil {
		return err
	}
	if !g.callable(w, uri) {
		return g.refuseMethod(w, r)
	}
	return g.callWith(w, r)
}

// callable reports whether uri may be called by methods other than POST. Who
// must not learn that it is there is told what he would be told if it were not.
func (g *Gateway) callable(w http.ResponseWriter, uri wamp.URI) bool {
	if !g.safe(uri) {
		return false
	}
	if !g.cfg.HideUnauthorized || g.cfg.Directory == nil {
		return true
	}
	_, visible := g.cfg.Directory.Match(g.identity(recordOf(w).who), uri)
	return visible
}

// callWith makes a call of a request, whatever the method.
func (g *Gateway) callWith(w http.ResponseWriter, r *http.Request) error {
	rec := recordOf(w)
	q := &rec.request
	if err := g.read(r, q); err != nil {
		return err
	}
	if q.out == formSSE {
		if last := r.Header.Get(sse.LastEventID); last != "" {
			return g.resume(w, r, q, last)
		}
	}
	if err := g.shed(rec.who, q.priority); err != nil {
		return err
	}
	b := g.newBuffer()
	defer g.freeBuffer(b)
	g.heed(w, r, q, b)
	if err := g.readPayload(w, r, q, b); err != nil {
		return err
	}
	rec.in = int64(len(b.body()))
	if q.trust == trustPersistent {
		return g.callPersistent(w, r, q)
	}
	if q.transactional() {
		return g.callBranch(w, r, q)
	}
	if q.asResource() {
		if err := g.checkArguments(q, r.Method); err != nil {
			return err
		}
		return g.callKept(w, r, q, b.body())
	}
	return g.perform(w, r, q)
}

// heed does what the callee tells about its procedure before the body is read
// into b.
func (g *Gateway) heed(w http.ResponseWriter, r *http.Request, q *request, b *buffer) {
	if q.about == nil {
		return
	}
	q.about.warn(w.Header(), q.procedure)
	q.kept(r, g.identity(recordOf(w).who) == g.cfg.Anonymous)
	if q.about.maxBody > 0 {
		b.limit = min(b.limit, q.about.maxBody)
	}
}

// perform makes the call that q has become and answers it.
func (g *Gateway) perform(w http.ResponseWriter, r *http.Request, q *request) error {
	rec := recordOf(w)
	if err := g.checkArguments(q, r.Method); err != nil {
		return err
	}
	c, err := g.open(rec.who, q.procedure, q.streams())
	if err != nil {
		return err
	}
	if q.streams() {
		g.counts.stream(rec)
		c.inbox.latest = q.latest
		var done context.CancelFunc
		r, done = untilExpiry(r, rec.who)
		defer done()
	}
	defer c.close()
	rec.began(c)
	switch {
	case q.in.streams():
		return g.streamIn(w, r, c, q)
	case q.out.streams():
		return g.streamOut(w, r, c, q)
	}
	return g.unary(w, r, c, q)
}

// readPayload reads the arguments, unless the body is streamed.
func (g *Gateway) readPayload(w http.ResponseWriter, r *http.Request, q *request, b *buffer) (err error) {
	switch {
	case q.in.streams():
		return nil
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		q.payload, err = q.queryPayload()
		return err
	}
	if err := g.readBody(w, r, b); err != nil {
		return err
	}
	q.payload, err = q.body.payload(b, q.envelope)
	return err
}

// unary makes one call and answers with its result.
func (g *Gateway) unary(w http.ResponseWriter, r *http.Request, c *call, q *request) error {
	rec := recordOf(w)
	c.watch(r)
	sent := time.Now()
	e, err := c.ask(r.Context(), q.callOptions(), q.payload)
	if err != nil {
		return g.forsake(rec, r, c, err) //nolint:contextcheck // the CANCEL outlives the request
	}
	rec.dealt = time.Since(sent)
	c.timing = serverTiming(sent.Sub(rec.started), rec.dealt)
	if e.kind == eventFailure {
		return g.failure(w, c, q, e)
	}
	if err := g.checkResult(r.Context(), c, q, e); err != nil {
		return err
	}
	err = g.writeResult(w, c, q, e)
	switch {
	case err == nil:
		rec.outcome = outcomeOK
	case rec.wrote:
		rec.outcome = outcomeCompletedLate // nobody was there to read all of it
	}
	return err
}

// forsake ends a unary call that nobody waits for any longer. A client that is
// still there is told before the callee's last word is waited for.
func (g *Gateway) forsake(rec *record, r *http.Request, c *call, cause error) error {
	if _, ended := errors.AsType[*problem.Problem](cause); ended || clientGone(cause) {
		return g.giveUp(rec, c, cause)
	}
	c.kill()
	g.fail(rec, r, cause)
	_ = http.NewResponseController(rec).Flush() // fails if the client has left by now
	return g.giveUp(rec, c, nil)
}

// giveUp ends a call that will not be answered, and returns why.
func (g *Gateway) giveUp(rec *record, c *call, cause error) error {
	if _, ended := errors.AsType[*problem.Problem](cause); ended {
		return cause // the session is gone, and the call with it
	}
	rec.abandon(c, cause)
	return cause
}

// failure returns the problem of a call that ended with an ERROR.
func (g *Gateway) failure(w http.ResponseWriter, c *call, q *request, e event) error {
	g.callHeaders(w.Header(), c, q)
	p := g.problemOf(c, q, e)
	if p.URI == wamp.ErrInvalidArgument && !q.envelope && q.payload.Serializer == wamp.JSON && envelopeKeys(q.payload.Kwargs) {
		p.Detail = strings.TrimSpace(p.Detail + " (if the body was meant to hold both args and kwargs, add ?body=call)")
	}
	return p
}

// refuseMethod answers OPTIONS, and refuses what /call/{uri} does not do.
func (g *Gateway) refuseMethod(w http.ResponseWriter, r *http.Request) error {
	allow := []string{http.MethodPost, http.MethodOptions}
	if uri, err := procedureOf(r); err == nil && g.callable(w, uri) {
		allow = append(allow, http.MethodGet, http.MethodHead, methodQuery)
	}
	slices.Sort(allow)
	return refuse(w, r, allow)
}

// methodNotAllowed serves requests for a path that knows other methods.
func (g *Gateway) methodNotAllowed(mux *chi.Mux) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		path := routedPath(r)
		if strings.HasPrefix(path, callPath) {
			return g.refuseMethod(w, r)
		}
		allow := []string{http.MethodOptions}
		for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete} {
			if mux.Match(chi.NewRouteContext(), m, path) {
				allow = append(allow, m)
			}
		}
		slices.Sort(allow)
		return refuse(w, r, allow)
	}
}

// refuse answers OPTIONS with what is allowed, and other methods with 405.
func refuse(w http.ResponseWriter, r *http.Request, allow []string) error {
	list := strings.Join(allow, ", ")
	if r.Method == http.MethodOptions {
		w.Header().Set("Allow", list)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	detail := "the method " + quoteShort(r.Method) + " is not for this path; allowed: " + list
	if r.Method == http.MethodPut {
		detail += "; curl -T sends PUT: add -X POST"
	}
	return problem.New(http.StatusMethodNotAllowed, uriMethod, detail).With("Allow", list)
}
