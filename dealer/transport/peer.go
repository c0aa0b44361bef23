package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A peer is a client on a WebSocket connection. It has at most one session at
// a time: after a GOODBYE it may say HELLO again.
//
// Its methods belong to the goroutine that runs serve, except alive.
type peer struct {
	config *Config
	name   string // address, for logs

	socket    *socket
	out       *outbox
	ws        *websocket.Conn
	decoder   *wamp.Decoder
	buffers   *bufferPool
	heartbeat heartbeat

	session *router.Session // nil if none is open
	batch   *router.Batch   // what this peer's messages led to; outlives the peer in its receivers' sessions
	waiting atomic.Bool     // for others to read; nothing is read here meanwhile
}

// An ending is how a connection ends. The zero ending stands for one that
// goes on.
type ending struct {
	code   websocket.StatusCode // that is sent, or has been received; -1 for none
	reason string               // of at most 123 bytes, unless lost
	lost   bool                 // the peer is gone: no closing handshake, nothing more is sent
}

func (e ending) none() bool { return e == ending{} }

// serve reads until the connection ends, and ends it.
func (p *peer) serve() {
	end := p.helloWithin(p.config.HelloTimeout)
	p.heartbeat.start()
	if end.none() {
		end = p.read()
	}
	p.heartbeat.stop()
	p.batch.Flush()
	if p.session != nil {
		p.session.Leave()
	}
	p.config.Log.Debug("connection ends", "peer", p.name, "status", int(end.code), "reason", end.reason)
	p.close(end)
	p.out.stop()
}

// read handles messages until one of them, the peer or the router ends the
// connection.
func (p *peer) read() ending {
	for {
		// A context that can end costs 8 allocations a read. What ends a read
		// here is the read deadline.
		typ, r, err := p.ws.Reader(context.Background())
		if err != nil {
			return p.broken(err)
		}
		b := p.buffers.get()
		b.bytes, err = readAll(b.bytes, r, p.config.MaxFrame)
		if err != nil {
			return p.broken(err)
		}
		end := p.frame(typ, b.bytes)
		p.buffers.put(b)
		if !end.none() {
			return end
		}
	}
}

var errFrameTooLarge = errors.New("message is too large")

// readAll appends all of r to b, unless that is more than limit bytes.
func readAll(b []byte, r io.Reader, limit int) ([]byte, error) {
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > limit:
			return b, errFrameTooLarge
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return b, err
		case len(b) == cap(b):
			b = append(b, 0)[:len(b)]
		}
	}
}

// broken returns what a failed read means.
func (p *peer) broken(err error) ending {
	if reason := p.out.closed(); reason != nil {
		return closedBy(reason)
	}
	switch {
	case errors.Is(err, errFrameTooLarge):
		return ending{code: websocket.StatusMessageTooBig, reason: fmt.Sprintf("a message may have %d bytes", p.config.MaxFrame)}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ending{code: websocket.StatusPolicyViolation, reason: fmt.Sprintf("no HELLO within %v", p.config.HelloTimeout)}
	}
	return ending{code: websocket.CloseStatus(err), reason: err.Error(), lost: true}
}

// closedBy returns how a connection ends whose outbox was closed.
func closedBy(reason error) ending {
	if errors.Is(reason, router.ErrShutdown) {
		return ending{code: websocket.StatusGoingAway, reason: reason.Error()}
	}
	return ending{code: websocket.StatusPolicyViolation, reason: reason.Error(), lost: true}
}

// frame handles one WebSocket message.
func (p *peer) frame(typ websocket.MessageType, frame []byte) ending {
	if binary := typ == websocket.MessageBinary; binary != p.out.format.serializer.Binary() {
		return p.violation(fmt.Sprintf("%v is not sent in %v messages", p.out.format.serializer, typ))
	}
	m, err := p.decoder.Decode(frame)
	if err != nil {
		return p.violation(err.Error())
	}
	if p.session == nil {
		return p.hello(m)
	}
	err = p.session.Receive(p.batch, m)
	switch {
	case errors.Is(err, router.ErrClosed):
		return p.closed(m)
	case err != nil:
		return p.violation(err.Error())
	}
	if p.batch.Congested() {
		p.giveWay()
	}
	return ending{}
}

// giveWay waits for receivers that do not keep up; see [router.Batch].
func (p *peer) giveWay() {
	p.waiting.Store(true)
	defer p.waiting.Store(false)
	p.batch.Flush()
	_ = p.batch.Drained(p.out.open) // fails if the connection is to end
}

// hello handles the first message of a session.
func (p *peer) hello(m wamp.Message) ending {
	hello, ok := m.(*wamp.Hello)
	if _, aborts := m.(*wamp.Abort); aborts {
		return ending{code: websocket.StatusNormalClosure}
	}
	if !ok {
		return p.violation(fmt.Sprintf("%v before HELLO", m.Type()))
	}
	info := router.TransportInfo{Peer: p.name, Serializer: p.out.format.serializer}
	session, abort := p.config.Router.Join(hello, info, p.out)
	if abort != nil {
		return p.abort(abort)
	}
	p.session = session
	p.out.session.Store(session)
	p.out.Flush()
	return p.helloWithin(0)
}

// helloWithin bounds the time until a HELLO; 0 lifts the bound.
func (p *peer) helloWithin(d time.Duration) ending {
	var deadline time.Time
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	if err := p.socket.SetReadDeadline(deadline); err != nil {
		return p.broken(err)
	}
	// Closing the outbox sets the read deadline as well, and must not be undone.
	if reason := p.out.closed(); reason != nil {
		return closedBy(reason)
	}
	return ending{}
}

// closed handles the end of the session: m ended it, unless the router did.
func (p *peer) closed(m wamp.Message) ending {
	p.session = nil
	if reason := p.out.closed(); reason != nil {
		return closedBy(reason)
	}
	switch m.Type() {
	case wamp.TypeGoodbye:
		return p.helloWithin(p.config.HelloTimeout)
	case wamp.TypeAbort:
		return ending{code: websocket.StatusNormalClosure}
	}
	return closedBy(router.ErrClosed) // the router is just about to close the outbox
}

// violation ends the session and the connection of a peer that broke the
// protocol.
func (p *peer) violation(text string) ending {
	p.config.Log.Info("protocol violation", "peer", p.name, "reason", text)
	if p.session == nil {
		return p.abort(router.NewAbort(wamp.ErrProtocolViolation, text))
	}
	p.session.Abort(p.batch, wamp.ErrProtocolViolation, text)
	return ending{code: websocket.StatusProtocolError, reason: "protocol violation"}
}

// abort refuses a session.
func (p *peer) abort(m *wamp.Abort) ending {
	if err := p.out.Push(m); err != nil {
		return ending{code: websocket.StatusInternalError, reason: err.Error(), lost: true}
	}
	p.out.Flush()
	if m.Reason == wamp.ErrProtocolViolation {
		return ending{code: websocket.StatusProtocolError, reason: "protocol violation"}
	}
	return ending{code: websocket.StatusPolicyViolation, reason: "no session"}
}

// close sends what is left and closes the connection.
func (p *peer) close(end ending) {
	if end.lost || !p.out.finish() {
		p.out.abandon()
		_ = p.ws.CloseNow()
		return
	}
	_ = p.socket.SetReadDeadline(time.Now().Add(p.config.CloseTimeout))
	_ = p.ws.Close(end.code, end.reason)
}

// alive reports whether a peer that was asked by a ping counts as answering.
// It need not answer while nothing is read from it, or while the ping may be
// stuck behind data that it has yet to take, which has a timeout of its own.
func (p *peer) alive() bool {
	return p.socket.heard.Load() || p.waiting.Load() || p.out.busy()
}
