package gateway

import (
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
	scratch  []sighting // owned by scan
}

// A watch is one call on one connection. While it is added it does not change.
type watch struct {
	socket syscall.RawConn
	gone   func() // must not block, nor call the watcher
}

// A sighting is a watch as a scan found it: a call that ended meanwhile may be
// used again, for a client on another connection.
type sighting struct {
	item   *watch
	socket syscall.RawConn
}

// add makes the watcher call item.gone, once and on a goroutine of its own,
// after the peer of item.socket left.
func (w *watcher) add(item *watch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	if w.watched == nil {
		w.watched = make(map[*watch]struct{})
	}
	w.watched[item] = struct{}{}
	w.arm()
}

// remove ends a watch; gone does not run any more when it returns. Those that
// are not watched may be removed too.
func (w *watcher) remove(item *watch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.watched, item)
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
		list = append(list, sighting{item, item.socket})
	}
	w.mu.Unlock()

	for _, seen := range list {
		if !connected(seen.socket) {
			w.report(seen)
		}
	}
	clear(list)

	w.mu.Lock()
	defer w.mu.Unlock()
	w.scratch = list
	w.armed = false
	w.arm()
}

// report ends the watch of a client that left, unless it has ended already.
func (w *watcher) report(left sighting) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.watched[left.item]; ok && left.item.socket == left.socket {
		delete(w.watched, left.item)
		left.item.gone()
	}
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

// watch gives the call up when the client of r hangs up, until close. It leaves
// requests alone that did not come through a [Server], and HTTP/2, where
// net/http notices by itself.
func (c *call) watch(r *http.Request) {
	client, ok := r.Context().Value(clientConnKey{}).(*clientConn)
	if !ok || r.ProtoMajor != 1 || client.socket == nil {
		return
	}
	c.watcher = client.watcher
	c.presence.socket = client.socket
	c.watcher.add(&c.presence)
}

// unwatch ends what watch began.
func (c *call) unwatch() {
	if c.watcher != nil {
		c.watcher.remove(&c.presence)
		c.watcher, c.presence.socket = nil, nil
	}
}

// clientLeft is what the watcher calls.
func (c *call) clientLeft() {
	if c.cancel != nil {
		c.cancel(errClientGone)
		return
	}
	c.inbox.cutOff(errClientGone)
}

// connected reports whether the TCP connection stands in both directions. It
// is true for what is no TCP connection.
func connected(socket syscall.RawConn) bool {
	established := true
	err := socket.Control(func(fd uintptr) { established = tcpEstablished(fd) })
	return err == nil && established // err: closed by this side
}
