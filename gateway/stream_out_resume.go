package gateway

import (
	"net/http"
	"sync"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
	"github.com/wampgate/wampgate/gateway/sse"
)

// uriReplayWindow is the error of a client that wants to go on with a call
// whose events are no longer there.
const uriReplayWindow wamp.URI = "gateway.error.replay_window"

// resume answers clients that want to go on with an event stream. An
// EventSource reconnects whenever its stream ended and repeats its request,
// which must not call the procedure again: it goes on with the call that it
// names. After the last event of a call it is told that there is nothing more
// (204), and if the call is not there, that it is gone (410). Both stop it.
func (g *Gateway) resume(w http.ResponseWriter, r *http.Request, q *request, last string) error {
	id, ok := sse.ParseID(last)
	if ok && g.endings.has(id) {
		return nothingMore(w)
	}
	k := g.kept.find(g.ownerOf(recordOf(w).who), id.Call)
	if ok && k != nil && k.call.procedure == q.procedure {
		return g.resumeEvents(w, r, k, q, id.Seq)
	}
	return problem.New(http.StatusGone, uriReplayWindow,
		"the call that "+sse.LastEventID+" names cannot be gone on with; make the request without that header to call again")
}

// nothingMore answers a client that has all events of a call.
func nothingMore(w http.ResponseWriter) error {
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// keptEndings is how many event streams are remembered after their end.
const keptEndings = 4096

// endings remembers which event was the last of its call, for the latest event
// streams. The zero value is ready.
type endings struct {
	mu    sync.Mutex // guards the following fields
	known map[sse.ID]struct{}
	ring  []sse.ID // of known, oldest at next once it is full
	next  int
}

// add remembers the final event of a call.
func (e *endings) add(id sse.ID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.known == nil {
		e.known = make(map[sse.ID]struct{})
	}
	e.known[id] = struct{}{}
	if len(e.ring) < keptEndings {
		e.ring = append(e.ring, id)
		return
	}
	delete(e.known, e.ring[e.next])
	e.ring[e.next] = id
	e.next = (e.next + 1) % keptEndings
}

// has reports whether id is the final event of a call.
func (e *endings) has(id sse.ID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.known[id]
	return ok
}
