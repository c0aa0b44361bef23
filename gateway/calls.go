package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/go-chi/chi/v5"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
	"github.com/wampgate/wampgate/gateway/sse"
)

// The errors of calls that are resources.
const (
	uriStillRunning wamp.URI = "gateway.error.call_running"
	uriNotKept      wamp.URI = "gateway.error.result_not_kept"
)

// callsPath is where the calls are that can be asked for.
const callsPath = "/calls"

// A resource is a call under /calls, wherever it is kept. The errors of its
// methods are problems.
type resource interface {
	// look returns the call as it is.
	look(ctx context.Context) (CallStatus, error)
	// await returns it when it has ended, or as it is when ctx ends.
	await(ctx context.Context) (CallStatus, error)
	// writeAnswer answers with what it ended with.
	writeAnswer(w http.ResponseWriter, r *http.Request) error
	// stop asks for its end; asked is false if it had ended before.
	stop(ctx context.Context, mode wamp.CancelMode) (s CallStatus, asked bool, err error)
}

// routeCalls adds what is below /calls.
func (g *Gateway) routeCalls(r chi.Router) {
	g.get(r, callsPath, g.reads(g.listCalls))
	g.get(r, callsPath+"/{id}", g.reads(g.showCall))
	g.get(r, callsPath+"/{id}/result", g.reads(g.showAnswer))
	r.Get(callsPath+"/{id}/events", g.handle(g.reads(g.callEvents)))
	r.Post(callsPath+"/{id}/input", g.handle(g.admitted(g.callInput)))
	r.Delete(callsPath+"/{id}", g.handle(g.reads(g.cancelCall)))
}

// resourceOf returns the call that the path of r names. The error is a problem.
func (g *Gateway) resourceOf(w http.ResponseWriter, r *http.Request) (resource, error) {
	who := recordOf(w).who
	id, err := segment(r, callsPath+"/") // it may be a client's Idempotency-Key
	if err != nil {
		return nil, noSuchCall()
	}
	if k := g.kept.find(g.ownerOf(who), id); k != nil {
		return k, nil
	}
	if g.cfg.Durable != nil {
		return durableCall{gateway: g, who: g.identity(who), id: id}, nil
	}
	return nil, noSuchCall()
}

// listCalls answers GET /calls: the latest first, no more than a principal may
// have.
func (g *Gateway) listCalls(w http.ResponseWriter, r *http.Request) error {
	if err := noOptions(r); err != nil {
		return err
	}
	who := recordOf(w).who
	var list []CallStatus
	for _, k := range g.kept.of(g.ownerOf(who)) {
		list = append(list, k.status())
	}
	if g.cfg.Durable != nil {
		durable, err := g.cfg.Durable.List(r.Context(), g.identity(who), g.cfg.MaxKeptCalls)
		if err != nil {
			return durableError(err)
		}
		list = append(list, durable...)
	}
	slices.SortFunc(list, func(a, b CallStatus) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
	})
	answer := struct {
		Calls []callJSON `json:"calls"`
	}{Calls: make([]callJSON, len(list))}
	for i := range list {
		answer.Calls[i] = newCallJSON(&list[i])
	}
	return sendJSON(w, r, answer)
}

// showCall answers GET /calls/{id}, at once or when the call has ended.
func (g *Gateway) showCall(w http.ResponseWriter, r *http.Request) error {
	prefer, err := readWait(r)
	if err != nil {
		return err
	}
	at, err := g.resourceOf(w, r)
	if err != nil {
		return err
	}
	if prefer.wait <= 0 {
		return showStatus(w)(at.look(r.Context()))
	}
	ctx, unwatch := present(r)
	defer unwatch()
	waiting, enough := context.WithTimeout(ctx, prefer.wait)
	defer enough()
	s, err := at.await(waiting) //nolint:contextcheck // it is the request's
	if ctx.Err() != nil {
		return causeOf(ctx) //nolint:contextcheck // it is the request's
	}
	if prefer.waits {
		prefer.applied(w.Header())
	}
	return showStatus(w)(s, err)
}

// showStatus returns what answers with a call.
func showStatus(w http.ResponseWriter) func(CallStatus, error) error {
	return func(s CallStatus, err error) error {
		if err != nil {
			return err
		}
		return sendStatus(w, http.StatusOK, s)
	}
}

// showAnswer answers GET /calls/{id}/result: as the request of the call was
// answered, or would have been.
func (g *Gateway) showAnswer(w http.ResponseWriter, r *http.Request) error {
	if err := noOptions(r); err != nil {
		return err
	}
	at, err := g.resourceOf(w, r)
	if err != nil {
		return err
	}
	return at.writeAnswer(w, r)
}

// callEvents answers GET /calls/{id}/events.
func (g *Gateway) callEvents(w http.ResponseWriter, r *http.Request) error {
	q := &request{out: formSSE, media: sse.ContentType}
	err := readQuery(r.URL.RawQuery, []string{"stream"}, func(_, value string) (err error) {
		switch value {
		case "sse":
			q.stream = streamSSE
		case "ndjson":
			q.stream = streamNDJSON
		default:
			return errors.New("want sse or ndjson")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if accept := r.Header["Accept"]; q.stream != streamByAccept || len(accept) > 0 && accept[0] != "" && accept[0] != "*/*" {
		answer, err := negotiate(accept, &q.options, mediaBytes)
		if err != nil {
			return err
		}
		if q.out, q.media = answer.form, answer.media; !q.out.numbered() {
			return notEvents()
		}
	}
	at, err := g.resourceOf(w, r)
	if err != nil {
		return err
	}
	k, ok := at.(*keptCall)
	if !ok {
		return problem.New(http.StatusNotFound, uriNotFound, "a durable call has no events; GET /calls/{id}?wait=30s waits for its end")
	}
	return g.eventsSince(w, r, k, q)
}

// eventsSince answers with the events after Last-Event-ID, or with all that are
// still there.
func (g *Gateway) eventsSince(w http.ResponseWriter, r *http.Request, k *keptCall, q *request) error {
	last := r.Header.Get(sse.LastEventID)
	if last == "" {
		t, err := k.follow(0, false)
		if err != nil {
			return err
		}
		as := k.request
		as.out, as.media, as.bare = q.out, q.media, false
		return g.serveEvents(w, r, k, &as, t, false)
	}
	id, ok := sse.ParseID(last)
	if !ok || id.Call != k.id {
		return problem.New(http.StatusBadRequest, uriBadRequest, "Last-Event-ID is "+quoteShort(last)+", which is no event of this call")
	}
	return g.resumeEvents(w, r, k, q, id.Seq)
}

// notEvents is the problem of a client that takes no events.
func notEvents() *problem.Problem {
	return problem.New(http.StatusNotAcceptable, uriNotAcceptable,
		"events come as text/event-stream, application/x-ndjson, application/jsonl or application/json-seq; ask for one of them first, or add ?stream=ndjson")
}

// cancelCall answers DELETE /calls/{id}.
func (g *Gateway) cancelCall(w http.ResponseWriter, r *http.Request) error {
	mode := wamp.CancelKill
	err := readQuery(r.URL.RawQuery, []string{"mode"}, func(_, value string) error {
		switch value {
		case "kill":
		case "killnowait":
			mode = wamp.CancelKillNoWait
		case "skip":
			mode = wamp.CancelSkip
		default:
			return errors.New("want kill (the callee is interrupted, and its answer waited for), killnowait (not waited for) or skip (not interrupted)")
		}
		return nil
	})
	if err != nil {
		return err
	}
	at, err := g.resourceOf(w, r)
	if err != nil {
		return err
	}
	s, asked, err := at.stop(r.Context(), mode)
	if err != nil {
		return err
	}
	if !asked {
		return nothingMore(w)
	}
	return sendStatus(w, http.StatusAccepted, s)
}

// status returns the call as it is.
func (k *keptCall) status() CallStatus {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := CallStatus{
		ID: k.id, Procedure: k.call.procedure, State: k.state, Created: k.created,
		Ended: k.ended, Status: k.answer.status, Error: k.failure, Events: k.window.last(),
	}
	if !k.ended.IsZero() {
		s.Expires = k.ended.Add(k.gateway.cfg.Retention)
	}
	return s
}

func (k *keptCall) look(context.Context) (CallStatus, error) { return k.status(), nil }

func (k *keptCall) await(ctx context.Context) (CallStatus, error) {
	select {
	case <-k.over:
	case <-ctx.Done():
	}
	return k.status(), nil
}

func (k *keptCall) stop(_ context.Context, mode wamp.CancelMode) (CallStatus, bool, error) {
	asked := k.cancel(mode, errCanceled) //nolint:contextcheck // the CANCEL outlives the request
	return k.status(), asked, nil
}

func (k *keptCall) writeAnswer(w http.ResponseWriter, _ *http.Request) error {
	if !k.isOver() {
		return stillRuns(k.status())
	}
	return k.gateway.replay(w, k)
}

// callJSON is a CallStatus in an answer.
type callJSON struct {
	ID        string   `json:"id"`
	Procedure wamp.URI `json:"procedure"`
	State     string   `json:"state"`
	Created   string   `json:"created"`
	Due       string   `json:"due,omitempty"`
	Ended     string   `json:"ended,omitempty"`
	Expires   string   `json:"expires,omitempty"`
	Status    int      `json:"status,omitempty"`
	Error     wamp.URI `json:"error,omitempty"`
	Events    uint64   `json:"events"`
}

func newCallJSON(s *CallStatus) callJSON {
	return callJSON{
		ID: s.ID, Procedure: s.Procedure, State: s.State.String(), Created: timestamp(s.Created), Due: timestamp(s.Due), Ended: timestamp(s.Ended),
		Expires: timestamp(s.Expires), Status: s.Status, Error: s.Error, Events: s.Events,
	}
}

// sendStatus answers with a call.
func sendStatus(w http.ResponseWriter, code int, s CallStatus) error {
	return sendNow(w, code, newCallJSON(&s))
}

// sendNow answers with an object that is so at the moment: nobody may keep it.
func sendNow(w http.ResponseWriter, code int, object any) error {
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // a client that is gone needs no answer
	return nil
}

// noSuchCall is the problem of an ID that is not one of the principal's calls.
func noSuchCall() *problem.Problem {
	return problem.New(http.StatusNotFound, uriNotFound, "none of your calls has that ID; ended calls are forgotten after a while")
}

// stillRuns is the problem of an answer that is not there yet.
func stillRuns(s CallStatus) *problem.Problem {
	p := problem.New(http.StatusConflict, uriStillRunning,
		fmt.Sprintf("the call is %v; GET %s/%s?wait=30s waits for its end", s.State, callsPath, s.ID)).Unknown().RetryAfter(1)
	p.Instance = callsPath + "/" + s.ID
	return p
}

// isProblem reports whether err is or wraps a problem.
func isProblem(err error) bool {
	_, ok := errors.AsType[*problem.Problem](err)
	return ok
}
