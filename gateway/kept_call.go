package gateway

import (
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/wampgate/wampgate/gateway/authn"
	"github.com/wampgate/wampgate/gateway/problem"
)

// callKept makes a call that is a resource under /calls: because the client
// wants to have its answer later (Prefer: respond-async), to find its stream
// again after its connection broke (?resume=), or never to have the same call
// made twice (Idempotency-Key).
func (g *Gateway) callKept(w http.ResponseWriter, r *http.Request, q *request, body []byte) error {
	return g.callClaimed(w, r, q, g.newClaim(recordOf(w), r, q, body))
}

// callClaimed is callKept for the claim that the request makes; nil if none.
func (g *Gateway) callClaimed(w http.ResponseWriter, r *http.Request, q *request, made *claim) error {
	rec := recordOf(w)
	if made != nil {
		if holder := g.kept.holder(made.scope); holder != nil {
			return g.answerAgain(w, r, q, holder, made)
		}
	}
	c, err := g.open(rec.who, q.procedure, q.streams())
	if err != nil {
		return err
	}
	c.inbox.latest = q.latest
	k := g.newKept(r, q, c, g.ownerOf(rec.who), made)
	k.arrived, k.in = rec.started, rec.in
	if holder, err := g.kept.add(k); holder != nil || err != nil {
		c.close()
		if err != nil {
			return err
		}
		return g.answerAgain(w, r, q, holder, made) // somebody was faster
	}
	return g.answerKept(w, r, k, q)
}

// answerKept starts a call and answers its request.
func (g *Gateway) answerKept(w http.ResponseWriter, r *http.Request, k *keptCall, q *request) error {
	o := q.callOptions()
	o.Progress = q.in.streams()
	streams := q.out.streams() && !k.free
	var t *tail
	if streams {
		t, _ = k.follow(0, true) // there is nothing yet that could be missing
	}
	if !k.free {
		k.attend()
		defer k.depart()
	}
	k.start(r.Context(), o, q.payload)
	switch {
	case r.Context().Err() != nil:
		return causeOf(r.Context())
	case k.isOver() && k.refused():
		g.kept.forget(k)
		return g.replay(w, k)
	case streams:
		return g.serveEvents(w, r, k, q, t, true) //nolint:contextcheck // it is the request's
	case k.free && !q.prefer.waits:
		return g.accept(w, k, q)
	}
	return g.awaitKept(w, r, k, q) //nolint:contextcheck // it is the request's
}

// awaitKept waits for the end of a call and answers with what it came to; the
// client of a detached call may have said how long it wants to wait.
func (g *Gateway) awaitKept(w http.ResponseWriter, r *http.Request, k *keptCall, q *request) error {
	ctx, unwatch := present(r)
	defer unwatch()
	var enough <-chan time.Time
	if k.free {
		timer := time.NewTimer(q.prefer.wait)
		defer timer.Stop()
		enough = timer.C
	}
	select {
	case <-k.over:
	case <-enough:
		return g.accept(w, k, q)
	case <-ctx.Done():
		return causeOf(ctx)
	}
	if k.free {
		preferences{waits: true, wait: q.prefer.wait}.applied(w.Header())
	}
	return g.replay(w, k)
}

// accept answers that the call goes on, and where to find it.
func (g *Gateway) accept(w http.ResponseWriter, k *keptCall, q *request) error {
	h := w.Header()
	h.Set("Location", callsPath+"/"+k.id)
	h.Set("Wamp-Call-Id", k.id)
	q.prefer.applied(h)
	if q.clamped {
		h.Set("Wamp-Timeout", strconv.FormatInt(q.timeout.Milliseconds(), 10))
	}
	return sendStatus(w, http.StatusAccepted, k.status())
}

// replay answers with what was written down when the call ended.
func (g *Gateway) replay(w http.ResponseWriter, k *keptCall) error {
	k.mu.Lock()
	answer, gone := k.answer, k.answerGone
	k.mu.Unlock()
	if gone {
		return problem.New(http.StatusGone, uriNotKept, "the answer was too large to be kept; the call has ended")
	}
	maps.Copy(w.Header(), answer.header)
	w.WriteHeader(answer.status)
	return g.writeBody(w, answer.body)
}

// isOver reports whether the call has ended.
func (k *keptCall) isOver() bool {
	select {
	case <-k.over:
		return true
	default:
		return false
	}
}

// refused reports whether the call ended before any callee saw it.
func (k *keptCall) refused() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state == CallFailed && !k.conclusive
}

// ownerOf returns whose calls somebody's are.
func (g *Gateway) ownerOf(who authn.Principal) principalKey {
	id := g.identity(who)
	return principalKey{authid: id.Authid, authrole: id.Authrole, credential: credential(who.Credential)}
}
