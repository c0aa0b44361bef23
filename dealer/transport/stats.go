package transport

import (
	"errors"
	"maps"
	"sync/atomic"

	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// Stats are a Handler's counters since its start.
type Stats struct {
	Conns         int    // open now
	Accepted      uint64 // connections
	Refused       uint64 // for want of room
	PingTimeouts  uint64 // connections given up for silence
	WriteTimeouts uint64 // connections given up because they took no bytes
}

// Stats returns the counters.
func (h *Handler) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	stats := h.stats
	stats.Conns = len(h.peers)
	return stats
}

// count counts a connection that has ended, for the reason its outbox was
// closed with.
func (h *Handler) count(reason error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case errors.Is(reason, errPingTimeout):
		h.stats.PingTimeouts++
	case errors.Is(reason, errWriteTimeout):
		h.stats.WriteTimeouts++
	}
}

// Aborts returns how many sessions were refused or ended with an ABORT, by its
// reason. There are as many reasons as this package and its lower ones have;
// what applications may add is counted under the empty one.
func (h *Handler) Aborts() map[wamp.URI]uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.aborts)
}

// countAbort counts an ABORT that is about to be sent.
func (h *Handler) countAbort(reason wamp.URI) {
	switch reason {
	case wamp.ErrProtocolViolation, wamp.ErrInvalidURI, wamp.ErrNoSuchRealm, wamp.ErrNoSuchRole, wamp.ErrNoSuchPrincipal,
		wamp.ErrAuthenticationDenied, wamp.ErrAuthenticationFailed, wamp.ErrAuthenticationRequired, wamp.ErrNoMatchingAuthMethod,
		wamp.ErrNotAuthorized, wamp.ErrUnavailable, wamp.CloseSystemShutdown:
	default:
		reason = ""
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.aborts[reason]++
}

// A Traffic is what has gone over the connections of one kind: WAMP messages,
// and bytes as they are on the connection, those of control frames among them
// but neither handshakes nor TLS.
type Traffic struct {
	router.Link
	MessagesIn, MessagesOut uint64 // the latter when they leave the queue
	BytesIn, BytesOut       uint64
}

// Traffic returns what has gone over all connections since the start, by kind.
// What belongs to a read that is being handled is not counted yet.
func (h *Handler) Traffic() []Traffic {
	all := make([]Traffic, 0, len(h.traffic))
	for _, transport := range []router.Transport{router.WebSocket, router.RawSocket} {
		for _, serializer := range []wamp.Serializer{wamp.JSON, wamp.MsgPack, wamp.CBOR} {
			link := router.Link{Transport: transport, Serializer: serializer}
			t := h.traffic.of(link)
			all = append(all, Traffic{link, t.messagesIn.Load(), t.messagesOut.Load(), t.bytesIn.Load(), t.bytesOut.Load()})
		}
	}
	return all
}

// A traffic is counted once for each read and each write, whatever they hold.
type traffic struct {
	messagesIn, bytesIn atomic.Uint64
	_                   [48]byte // readers and writers do not share a cache line
	messagesOut         atomic.Uint64
	bytesOut            atomic.Uint64
	_                   [48]byte
}

// traffics are those of a Handler.
type traffics [6]traffic

func (t *traffics) of(l router.Link) *traffic {
	i := int(l.Serializer - wamp.JSON)
	if l.Transport == router.RawSocket {
		i += len(t) / 2
	}
	return &t[i]
}

// link returns what connections of the format are counted as.
func (f format) link() router.Link {
	l := router.Link{Transport: router.WebSocket, Serializer: f.serializer}
	if f.framing == rawSocket {
		l.Transport = router.RawSocket
	}
	return l
}

// countPushed counts the messages that were pushed. o.mu is held.
func (o *outbox) countPushed() {
	o.traffic.messagesOut.Add(uint64(o.pushed)) //nolint:gosec // it counts up from 0
	o.pushed = 0
}

// countReceived counts what was received since it was called last.
func (p *peer) countReceived() {
	if n := p.socket.received; n > 0 {
		p.out.traffic.messagesIn.Add(uint64(p.messages)) //nolint:gosec // it counts up from 0
		p.out.traffic.bytesIn.Add(uint64(n))
		p.messages, p.socket.received = 0, 0
	}
}
