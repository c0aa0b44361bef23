package transport

import (
	"sync"
	"time"
)

// A heartbeat pings the peer and gives it up when it is silent. It is a timer
// and no goroutine.
type heartbeat struct {
	peer *peer

	mu      sync.Mutex // guards the following fields
	timer   *time.Timer
	asked   bool // a ping was sent that nothing has come after
	stopped bool
}

// start sets the first ping.
func (h *heartbeat) start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer = time.AfterFunc(h.peer.config.PingInterval, h.beat)
}

// beat sends a ping, or looks what came of the last one.
func (h *heartbeat) beat() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return
	}
	c := h.peer.config
	switch {
	case !h.peer.pings():
		h.timer.Reset(c.PingInterval)
	case !h.asked:
		h.asked = true
		h.peer.socket.heard.Store(false)
		_ = h.peer.out.ping() // fails only if the connection has ended
		h.timer.Reset(c.PingTimeout)
	case h.peer.alive():
		h.asked = false
		h.timer.Reset(max(c.PingInterval-c.PingTimeout, time.Millisecond))
	default:
		h.peer.out.Close(errPingTimeout)
	}
}

func (h *heartbeat) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	h.timer.Stop()
}
