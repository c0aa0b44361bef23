package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// trustPersistent is the trust level of calls that survive whoever has to do
// with them.
const trustPersistent = "persistent"

// callPersistent makes a call that is kept elsewhere. Its ID is the
// Idempotency-Key, or is made up. The client waits for the result, or, with
// Prefer: respond-async, for the word that the call is kept; it may leave
// without changing anything.
func (g *Gateway) callPersistent(w http.ResponseWriter, r *http.Request, q *request) error {
	switch {
	case q.streams():
		return badOption("a persistent call has one argument list and one result: leave ?in= and ?stream= out, and ask for JSON")
	case q.resume > 0:
		return badOption("option resume is for streams")
	}
	if err := g.checkArguments(q, r.Method); err != nil {
		return err
	}
	rec := recordOf(w)
	c, err := g.open(rec.who, q.procedure, false)
	if err != nil {
		return err
	}
	defer c.close()
	if q.persist = q.schedule; q.persist == nil {
		q.persist = new(wamp.KeepOptions)
	}
	q.persist.Async = q.prefer.async
	if q.persist.CallID = q.once; q.once == "" {
		q.persist.CallID = c.id
	}
	rec.began(c)
	w.Header().Set("Location", callsPath+"/"+url.PathEscape(q.persist.CallID))
	if !q.prefer.async {
		err = g.unary(w, r, c, q)
	} else {
		err = g.acceptPersistent(w, r, c, q)
	}
	if notKept(err) {
		w.Header().Del("Location")
	}
	return err
}

// notKept reports whether err says that nobody keeps the call: it was refused
// before, and not the end of it, nor of the wait.
func notKept(err error) bool {
	p, ok := errors.AsType[*problem.Problem](err)
	return ok && p.Source == problem.Dealer && p.Retry != problem.RetryUnknown && p.URI != wamp.ErrIdempotencyConflict
}

// acceptPersistent answers when the call is kept, or, if the client wants to
// wait for a while, has ended by then.
func (g *Gateway) acceptPersistent(w http.ResponseWriter, r *http.Request, c *call, q *request) error {
	rec := recordOf(w)
	c.watch(r)
	e, err := c.ask(r.Context(), q.callOptions(), q.payload)
	if err != nil {
		return g.forsake(rec, r, c, err) //nolint:contextcheck // the CANCEL outlives the request
	}
	if e.kind == eventFailure {
		return g.failure(w, c, q, e)
	}
	rec.outcome = outcomeOK
	d := durableCall{gateway: g, who: g.identity(rec.who), id: q.persist.CallID}
	s := CallStatus{ID: d.id, Procedure: q.procedure, State: CallPending, Created: c.started}
	if g.cfg.Durable != nil {
		if s, err = d.within(r.Context(), q.prefer); err != nil {
			return err
		}
		if s.State.Ended() && q.prefer.waits {
			q.prefer.applied(w.Header())
			return d.writeAnswer(w, r)
		}
	}
	w.Header().Set("Wamp-Call-Id", c.id)
	q.prefer.applied(w.Header())
	return sendStatus(w, http.StatusAccepted, s)
}

// within returns the call as it is, or when it has ended, if the client waits
// for that.
func (d durableCall) within(ctx context.Context, prefer preferences) (CallStatus, error) {
	if !prefer.waits {
		return d.look(ctx)
	}
	waiting, enough := context.WithTimeout(ctx, min(prefer.wait, longPoll))
	defer enough()
	return d.await(waiting)
}
