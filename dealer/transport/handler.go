package transport

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/coder/websocket"

	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A Handler serves WAMP over WebSocket: it is the [http.Handler] of the path
// that clients connect to. Requests that are no WebSocket handshake get the
// status that RFC 6455 asks for; one that offers no subprotocol spoken here
// gets 400, one from a foreign page 403.
//
// With [Handler.ServeRawSocket] it serves WAMP over RawSocket as well. Limits
// and counters are for both together.
type Handler struct {
	config  Config
	buffers bufferPool
	inputs  inputPool
	traffic traffics
	serving sync.WaitGroup

	mu       sync.Mutex // guards the following fields
	peers    map[*peer]struct{}
	refusing int // RawSocket clients that are told so
	closing  bool
	stats    Stats // without Conns
	aborts   map[wamp.URI]uint64
}

// New returns a Handler.
func New(c Config) *Handler {
	return &Handler{config: c.withDefaults(), peers: make(map[*peer]struct{}), aborts: make(map[wamp.URI]uint64)}
}

// ServeHTTP upgrades a request. It returns after the handshake; the connection
// goes on until it ends by itself or with Shutdown.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	subprotocol, format, ok := negotiate(r.Header, h.config.MaxFrameOut)
	if !ok && isUpgrade(r.Header) {
		http.Error(w, "none of the subprotocols offered is spoken here; these are: "+strings.Join(Subprotocols(), ", "),
			http.StatusBadRequest)
		return
	}
	p := h.newPeer(h.nameOf(r))
	p.decoder = wamp.NewDecoder(format.serializer)
	p.tls = r.TLS
	if !h.enter(p) {
		http.Error(w, "no room for more connections", http.StatusServiceUnavailable)
		return
	}
	if !h.accept(p, w, r, subprotocol, format) {
		h.leave(p)
		return
	}
	// Not in this goroutine: the request and net/http's buffers would live as
	// long as the connection and be more than half of its memory.
	go func() { //nolint:contextcheck // the connection outlives the request
		defer h.leave(p)
		p.serve()
		h.count(p.out.closed())
	}()
}

// nameOf returns the address that a WebSocket comes from.
func (h *Handler) nameOf(r *http.Request) string {
	if h.config.ClientIP == nil {
		return r.RemoteAddr
	}
	return h.config.ClientIP(r).String()
}

// newPeer returns a peer that has no connection yet.
func (h *Handler) newPeer(name string) *peer {
	p := &peer{config: &h.config, name: name, batch: &router.Batch{}, handler: h}
	p.heartbeat.peer = p
	return p
}

// open gives p its connection.
func (h *Handler) open(p *peer, conn net.Conn, f format) {
	// WriteTimeout shall decide, not what was good for the HTTP request.
	if err := setUserTimeout(conn, h.config.WriteTimeout+h.config.CloseTimeout); err != nil {
		h.config.Log.Debug("peers that take nothing may be given up early", "peer", p.name, "err", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	p.out = newOutbox(conn, f, &h.config, &h.buffers, &h.traffic)
	p.socket = newSocket(conn, p.dry, &h.inputs)
	p.reader = reader{socket: p.socket, limit: h.config.MaxFrame, buffers: &h.buffers, control: p.out.control, ponged: p.pong}
	if h.closing {
		p.out.Close(router.ErrShutdown)
	}
}

// accept makes the handshake. If that fails, the request has been answered.
func (h *Handler) accept(p *peer, w http.ResponseWriter, r *http.Request, subprotocol string, f format) bool {
	open := func(conn net.Conn) *socket {
		h.open(p, conn, f)
		return p.socket
	}
	ws, err := websocket.Accept(&hijacker{w, open}, r, &websocket.AcceptOptions{
		Subprotocols:    []string{subprotocol},
		OriginPatterns:  h.config.OriginPatterns,
		CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		h.config.Log.Info("handshake failed", "peer", p.name, "reason", err.Error())
		if p.socket != nil {
			_ = p.socket.Close()
			p.out.stop()
		}
		return false
	}
	_ = ws.CloseNow() // lets go of a connection that is vacant
	return true
}

// enter counts a connection in.
func (h *Handler) enter(p *peer) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing || len(h.peers) >= h.config.MaxConns {
		h.stats.Refused++
		return false
	}
	h.stats.Accepted++
	h.peers[p] = struct{}{}
	h.serving.Add(1)
	return true
}

func (h *Handler) leave(p *peer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.peers, p)
	h.serving.Done()
}

// Shutdown closes all connections, and waits until their goroutines have
// ended; when ctx ends it stops being polite, and its error is ctx's. It is
// meant to follow [router.Router.Shutdown], which ends the sessions. Requests
// that come meanwhile or later get status 503.
func (h *Handler) Shutdown(ctx context.Context) error {
	h.closeAll(func(p *peer) { p.out.Close(router.ErrShutdown) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.serving.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	h.closeAll(func(p *peer) { _ = p.socket.Close() })
	<-done
	return ctx.Err()
}

// closeAll calls end for each connection that is past its handshake, and lets
// no more in.
func (h *Handler) closeAll(end func(*peer)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closing = true
	for p := range h.peers {
		if p.socket != nil {
			end(p)
		}
	}
}

// Conns returns how many connections are open.
func (h *Handler) Conns() int { return h.Stats().Conns }
