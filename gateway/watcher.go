package gateway

import (
	"context"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// How often connections with a call in flight are looked at: often while they
// are few, and never more than one each watchCost.
const (
	minWatchInterval = 25 * time.Millisecond
	maxWatchInterval = 250 * time.Millisecond
	watchCost        = 25 * time.Microsecond
)

// A watcher notices clients that hang up where net/http cannot: on HTTP/1.1 it
// only listens once the body was read to its end, and never again after a
// pipelined byte. The watcher asks the kernel for the state of every watched
// connection; whatever is not ESTABLISHED has left, half-closed ones included.
//
// The zero value is ready. Nothing runs while nothing is watched.
type watcher struct {
	mu      sync.Mutex // guards the following fields
	watched map[*watch]struct{}
	timer   *time.Timer // nil until the first watch
	armed   bool        // the timer will run, or runs, scan
	stopped bool

	scanning sync.Mutex // held by scan, so that stop can wait for it
	scratch  []*watch   // owned by scan
}

// A watch is one call on one connection.
type watch struct {
	socket syscall.RawConn
	gone   func()
}

// add calls gone, at most a few times and on a goroutine of the watcher, after
// the peer of socket left. gone must not block. The returned function ends the
// watch; gone may be running when it returns.
func (w *watcher) add(socket syscall.RawConn, gone func()) (remove func()) {
	item := &watch{socket: socket, gone: gone}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return func() {}
	}
	if w.watched == nil {
		w.watched = make(map[*watch]struct{})
	}
	w.watched[item] = struct{}{}
	w.arm()
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.watched, item)
	}
}

// arm makes scan run after a while; w.mu is held.
func (w *watcher) arm() {
	if w.armed || w.stopped || len(w.watched) == 0 {
		return
	}
	w.armed = true
	interval := time.Duration(len(w.watched)) * watchCost
	interval = min(max(interval, minWatchInterval), maxWatchInterval)
	if w.timer == nil {
		w.timer = time.AfterFunc(interval, w.scan)
		return
	}
	w.timer.Reset(interval)
}

// scan looks at each connection once. The lock is free while it asks the
// kernel, so that calls come and go undisturbed.
func (w *watcher) scan() {
	w.scanning.Lock()
	defer w.scanning.Unlock()
	w.mu.Lock()
	list := w.scratch[:0]
	for item := range w.watched {
		list = append(list, item)
	}
	w.mu.Unlock()

	for _, item := range list {
		if !connected(item.socket) {
			item.gone()
		}
	}
	clear(list)

	w.mu.Lock()
	defer w.mu.Unlock()
	w.scratch = list
	w.armed = false
	w.arm()
}

// stop ends all watches and waits for a scan at work.
func (w *watcher) stop() {
	w.mu.Lock()
	w.stopped = true
	clear(w.watched)
	if w.timer != nil {
		w.timer.Stop()
	}
	w.mu.Unlock()
	w.scanning.Lock()
	defer w.scanning.Unlock()
}

// watched makes the context of a request end with cause errClientGone when its
// client hangs up while next runs. It leaves requests alone that did not come
// through a [Server], and HTTP/2, where net/http notices by itself.
func watched(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(clientConnKey{}).(*clientConn)
		if !ok || r.ProtoMajor != 1 || c.socket == nil {
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		defer c.watcher.add(c.socket, func() { cancel(errClientGone) })()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// connected reports whether the TCP connection stands in both directions. It
// is true for what is no TCP connection.
func connected(socket syscall.RawConn) bool {
	established := true
	err := socket.Control(func(fd uintptr) { established = tcpEstablished(fd) })
	return err == nil && established // err: closed by this side
}
