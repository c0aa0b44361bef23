package router

import (
	"context"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// Shutdown ends all sessions with a GOODBYE (wamp.close.system_shutdown) and
// waits until the peers have answered or left, or until ctx ends; who is there
// then is cut off. The GOODBYE ends calls in flight without another answer,
// except those whose callee happened to go first: they get an ERROR before it.
// HELLOs that come meanwhile or later get an ABORT with the same reason. A
// second Shutdown only waits.
func (r *Router) Shutdown(ctx context.Context) {
	b := r.batch()
	defer r.release(b)
	if r.beginClosing() {
		for _, realm := range r.realms {
			realm.sayGoodbye(b)
			b.Flush()
		}
	}
	select {
	case <-r.empty:
	case <-ctx.Done():
		for _, realm := range r.realms {
			realm.cutParting(b)
		}
	}
}

// beginClosing reports whether it was not called before.
func (r *Router) beginClosing() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing {
		return false
	}
	r.closing = true
	if len(r.ids) == 0 {
		r.closeEmpty()
	}
	return true
}

// closeEmpty closes r.empty, once. r.mu is held.
func (r *Router) closeEmpty() {
	select {
	case <-r.empty:
	default:
		close(r.empty)
	}
}

func (r *Router) isClosing() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closing
}

// sayGoodbye ends all sessions. Those inside the process are over with it, the
// others part when they have answered.
func (r *realm) sayGoodbye(b *Batch) {
	now := time.Now()
	r.mu.Lock()
	defer r.crashOnPanic(wamp.TypeGoodbye)
	r.closing = true
	r.dealer.Mute()
	for id := range r.sessions {
		r.deliver(b, now, r.dealer.Leave(now, id), nil)
	}
	goodbye := &wamp.Goodbye{Details: wamp.Dict{"message": ErrShutdown.Error()}, Reason: wamp.CloseSystemShutdown}
	for id, s := range r.sessions {
		r.reply(b, s, goodbye)
		if s.local {
			r.forget(s)
			b.end(s, ErrShutdown)
			continue
		}
		s.state = stateParting
		delete(r.sessions, id)
		r.parting[id] = s
	}
	if r.timer != nil {
		r.timer.Stop()
	}
	r.unlock(b, now)
}

// cutParting cuts off the sessions that have not answered the GOODBYE.
func (r *realm) cutParting(b *Batch) {
	now := time.Now()
	r.mu.Lock()
	for _, s := range r.parting {
		r.forget(s)
		r.counters.cutOther++
		b.end(s, ErrShutdown)
	}
	r.unlock(b, now)
}
