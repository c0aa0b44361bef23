package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// uriReaderReplaced is the error of a client whose events another one reads.
const uriReaderReplaced wamp.URI = "gateway.error.reader_replaced"

// Why a reader of events is sent away. Both are shared, and never changed.
var (
	errReplaced = problem.New(http.StatusConflict, uriReaderReplaced, "another client reads the events of this call now")
	errOutrun   = problem.New(http.StatusGone, uriReplayWindow,
		"the events after that one are no longer there; GET /calls/{id}/events without Last-Event-ID begins with the oldest that are")
)

// A tail is a reader of the events of a kept call, of which there is one at a
// time. Its fields are guarded by the call's lock.
type tail struct {
	call  *keptCall
	ready chan struct{} // holds a token when take may have something to say

	next uint64 // the number of the event to be handed out next
	err  error  // why there are no more, other than the final event
}

// follow returns a reader of the events after the given one, and sends away the
// one that there may be. If all says that none may be missing, those that are
// make an error, which is a problem; else the oldest that is there comes first.
func (k *keptCall) follow(after uint64, all bool) (*tail, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := after + 1
	switch {
	case next > k.window.last()+1:
		return nil, problem.New(http.StatusBadRequest, uriBadRequest, "Last-Event-ID names an event that is yet to come")
	case next < k.window.first && all && !k.request.latest:
		return nil, errOutrun
	}
	k.reader.dismiss(errReplaced)
	k.reader = &tail{call: k, ready: make(chan struct{}, 1), next: max(next, k.window.first)}
	k.roomy()
	return k.reader, nil
}

// finished reports whether event n is the last one of the call.
func (k *keptCall) finished(n uint64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.window.ended && n == k.window.last()
}

// take returns the next event and its number; ok is false if it is yet to come.
// The error is why there will be none.
func (t *tail) take() (e windowEvent, n uint64, ok bool, err error) {
	k := t.call
	k.mu.Lock()
	defer k.mu.Unlock()
	if t.err == nil && t.next < k.window.first {
		if k.request.latest {
			t.next = k.window.first
		} else {
			t.dismiss(errOutrun)
		}
	}
	if t.err != nil {
		return windowEvent{}, 0, false, t.err
	}
	n = t.next
	if e, ok = k.window.at(n); ok {
		t.next++
		k.roomy()
	}
	return e, n, ok, nil
}

// leave ends the reading.
func (t *tail) leave() {
	t.call.mu.Lock()
	defer t.call.mu.Unlock()
	t.dismiss(errReplaced)
}

// dismiss ends the reading of a client that may still be there. It does nothing
// on a nil tail. The caller holds the call's lock.
func (t *tail) dismiss(why error) {
	if t == nil {
		return
	}
	if t.err == nil {
		t.err = why
		if why == errOutrun { //nolint:errorlint // it is never wrapped
			t.call.gateway.counts.outrun.Add(1)
		}
	}
	if t.call.reader == t {
		t.call.reader = nil
	}
	t.wake()
	t.call.roomy()
}

// wake leaves a token for the reader, if there is one.
func (t *tail) wake() {
	if t != nil {
		signal(t.ready)
	}
}

// serveEvents writes what t reads, as q has it. The first answer to a call
// holds its status back, so that an early error has its own. Whatever ends the
// reading before the call has ended cuts the answer off, but for the end of the
// gateway, which is told.
func (g *Gateway) serveEvents(w http.ResponseWriter, r *http.Request, k *keptCall, q *request, t *tail, first bool) error {
	k.attend()
	defer k.depart()
	defer t.leave()
	g.counts.stream(recordOf(w))
	r, done := untilExpiry(r, recordOf(w).who)
	defer done()
	ctx, unwatch := present(r)
	defer unwatch()
	face := &call{id: k.id, gateway: g, procedure: k.call.procedure, owner: k.call.owner} // what a form needs of it
	o := g.newStreamOut(w, r, face, q)
	defer o.timer.Stop()
	if first {
		o.hold()
	} else {
		o.commit(o.opened())
	}
	err := o.replay(ctx, t)
	if errors.Is(err, errShutdown) && o.tell(err) {
		return nil // the call ends with the gateway; nobody can come back to it
	}
	return err
}

// resumeEvents is serveEvents for a client that has the events up to after.
func (g *Gateway) resumeEvents(w http.ResponseWriter, r *http.Request, k *keptCall, q *request, after uint64) error {
	if k.finished(after) {
		return nothingMore(w)
	}
	t, err := k.follow(after, true)
	if err != nil {
		return err
	}
	as := k.request
	as.out, as.media, as.bare, as.resumed = q.out, q.media, q.bare, true // it knows how the stream begins
	return g.serveEvents(w, r, k, &as, t, false)
}

// replay writes events until the final one. The error is why it is not there,
// or could not be written.
func (o *streamOut) replay(ctx context.Context, t *tail) error {
	for {
		if err := o.replayReady(ctx, t); err != nil || o.ended {
			return err
		}
		select {
		case <-t.ready:
		case <-o.timer.C:
			if err := o.beat(); err != nil {
				return err
			}
		case <-ctx.Done():
			return causeOf(ctx)
		}
	}
}

// replayReady writes the events that are there.
func (o *streamOut) replayReady(ctx context.Context, t *tail) error {
	for !o.ended {
		e, n, ok, err := t.take()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		o.seq = n - 1
		if e.failure != nil {
			return o.replayFailure(e.failure)
		}
		o.call.noted(e.notes)
		if err := o.event(e.event); err != nil { //nolint:contextcheck // a result that breaks its schema is logged, which takes no context
			return o.replayFailure(err) // it has no form here, and would have none the next time
		}
		if len(o.buf) < flushSize || o.ended {
			continue
		}
		if ctx.Err() != nil {
			return causeOf(ctx)
		}
		if err := o.write(); err != nil {
			return err
		}
	}
	return o.flush()
}

// replayFailure ends the answer with an error: the one that the call ended
// with, or an event that cannot be written.
func (o *streamOut) replayFailure(err error) error {
	o.ended = true
	if o.tell(err) {
		return nil
	}
	return err
}

// present returns a context that ends when the client of r leaves, also where
// net/http does not notice. The function must be called in the end.
func present(r *http.Request) (context.Context, func()) {
	client, ok := r.Context().Value(clientConnKey{}).(*clientConn)
	if !ok || r.ProtoMajor != 1 || client.socket == nil {
		return r.Context(), func() {}
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	item := &watch{socket: client.socket, gone: func() { cancel(errClientGone) }}
	client.watcher.add(item)
	return ctx, func() {
		client.watcher.remove(item)
		cancel(nil)
	}
}
