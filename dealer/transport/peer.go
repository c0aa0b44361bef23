package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A peer is a client on a WebSocket or RawSocket connection. It has at most one session at
// a time: after a GOODBYE it may say HELLO again.
//
// Its methods belong to the goroutine that runs serve, except pings and alive.
type peer struct {
	config *Config
	name   string // address, for logs

	socket    *socket
	out       *outbox
	reader    reader
	decoder   *wamp.Decoder
	heartbeat heartbeat

	session *router.Session   // nil if none is open
	pending *router.Handshake // nil unless the peer has to answer a CHALLENGE
	tls     *tls.ConnectionState
	handler *Handler // counts

	messages int           // received since they were counted last
	batch    *router.Batch // what this peer's messages led to; outlives the peer in its receivers' sessions
	waiting  atomic.Bool   // for others to read; nothing is read here meanwhile
}

// An ending is how a connection ends, in terms of WebSocket. The zero ending
// stands for one that goes on.
type ending struct {
	code   websocket.StatusCode // that is sent, or has been received; -1 for none
	reason string               // sent as far as there is room
	how    manner
}

// A manner is what is left to do with a connection that ends.
type manner int

const (
	handshake manner = iota // send a close frame and wait for the peer's
	answer                  // the peer has sent its close frame; send one back
	failure                 // send a close frame; what the peer sends has no frames any more
	lost                    // the peer is gone, or as good as gone: send nothing
)

func (e ending) none() bool { return e == ending{} }

// serve reads until the connection ends, and ends it.
func (p *peer) serve() {
	end := p.helloWithin(p.config.HelloTimeout)
	p.heartbeat.start()
	if end.none() {
		end = p.read()
	}
	p.heartbeat.stop()
	p.dry()
	if p.session != nil {
		p.session.Leave()
	}
	if p.pending != nil {
		p.pending.Drop(p.out.open)
	}
	p.logEnd(end)
	p.close(end)
	p.reader.release()
	p.socket.release()
	p.out.stop()
}

// dry runs when all that was received has been handled.
func (p *peer) dry() {
	p.countReceived() // first, or who is answered could look before
	p.batch.Flush()
}

// logEnd says why the connection ends. Operators should know of peers that are
// given up while their connection stands.
func (p *peer) logEnd(end ending) {
	log := p.config.Log.Debug
	if reason := p.out.closed(); errors.Is(reason, errWriteTimeout) || errors.Is(reason, errPingTimeout) {
		log = p.config.Log.Warn
	}
	log("connection ends", "peer", p.name, "status", int(end.code), "reason", end.reason)
}

// read handles messages until one of them, the peer or the router ends the
// connection.
func (p *peer) read() ending {
	for {
		opcode, message, err := p.reader.next()
		if err != nil {
			return p.broken(err)
		}
		if end := p.receive(opcode, message); !end.none() {
			return end
		}
	}
}

// broken returns what a failed read means.
func (p *peer) broken(err error) ending {
	var closed *closeError
	if errors.As(err, &closed) {
		return ending{code: closed.code, reason: closed.reason, how: answer}
	}
	if reason := p.out.closed(); reason != nil {
		return closedBy(reason)
	}
	var violated protocolError
	switch {
	case errors.As(err, &violated):
		p.config.Log.Info("protocol violation", "peer", p.name, "reason", err.Error())
		return ending{code: violated.status(), reason: err.Error(), how: failure}
	case errors.Is(err, errFrameTooLarge):
		return ending{code: websocket.StatusMessageTooBig, reason: fmt.Sprintf("a message may have %d bytes", p.config.MaxFrame)}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ending{code: websocket.StatusPolicyViolation, reason: fmt.Sprintf("no %s within %v", p.expected(), p.config.HelloTimeout)}
	}
	return ending{code: -1, reason: err.Error(), how: lost}
}

// closedBy returns how a connection ends whose outbox was closed.
func closedBy(reason error) ending {
	switch {
	case errors.Is(reason, router.ErrShutdown):
		return ending{code: websocket.StatusGoingAway, reason: reason.Error()}
	case errors.Is(reason, router.ErrKilled): // by a GOODBYE that is yet to be sent
		return ending{code: websocket.StatusNormalClosure, reason: reason.Error()}
	}
	return ending{code: websocket.StatusPolicyViolation, reason: reason.Error(), how: lost}
}

// receive handles one WebSocket message or one RawSocket frame.
func (p *peer) receive(opcode byte, message []byte) ending {
	f := &p.out.format
	if opcode != f.opcode() {
		return p.violation(fmt.Sprintf("%v is sent in the wrong type of WebSocket message", f.serializer))
	}
	if f.framing == batched {
		return p.receiveBatch(message)
	}
	return p.message(message)
}

// receiveBatch handles the messages of a batch one after the other, up to the
// first that ends the connection.
func (p *peer) receiveBatch(batch []byte) ending {
	for {
		message, rest, err := p.out.format.cut(batch)
		if err != nil {
			return p.violation(err.Error())
		}
		if p.session == nil && !p.out.format.serializer.Binary() {
			p.separate(batch[len(message)])
		}
		if end := p.message(message); !end.none() || len(rest) == 0 {
			return end
		}
		batch = rest
	}
}

// separate makes the peer's separator that of its answers.
func (p *peer) separate(separator byte) {
	if f := p.out.format; f.separator != separator {
		f.separator = separator
		p.out.setFormat(f)
	}
}

// message handles one WAMP message.
func (p *peer) message(message []byte) ending {
	p.messages++
	m, err := p.decoder.Decode(message)
	if err != nil {
		return p.violation(err.Error())
	}
	switch {
	case p.pending != nil:
		return p.authenticate(m)
	case p.session == nil:
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
	link := p.out.format.link()
	info := router.TransportInfo{Peer: p.name, Transport: link.Transport, Serializer: link.Serializer, TLS: p.tls, Acknowledges: p.pings()}
	ctx, done := p.patience()
	defer done()
	return p.advance(p.config.Router.Hello(ctx, hello, info, p.out))
}

// authenticate handles the answer to a CHALLENGE. There is one.
func (p *peer) authenticate(m wamp.Message) ending {
	switch m := m.(type) {
	case *wamp.Abort:
		return ending{code: websocket.StatusNormalClosure}
	case *wamp.Authenticate:
		handshake := p.pending
		p.pending = nil
		ctx, done := p.patience()
		defer done()
		return p.advance(handshake.Authenticate(ctx, m))
	}
	return p.violation(fmt.Sprintf("%v in answer to CHALLENGE", m.Type()))
}

// patience bounds how long others may take to decide about the peer, from which
// nothing is read meanwhile.
func (p *peer) patience() (ctx context.Context, done func()) {
	p.waiting.Store(true)
	ctx, cancel := context.WithTimeout(p.out.open, p.config.HelloTimeout)
	return ctx, func() {
		cancel()
		p.waiting.Store(false)
	}
}

// advance takes the next step to a session.
func (p *peer) advance(step router.Step) ending {
	switch {
	case step.Abort != nil:
		return p.abort(step.Abort)
	case step.Pending != nil:
		p.pending = step.Pending
		p.out.Flush()
		return ending{}
	}
	p.session = step.Session
	p.out.session.Store(step.Session)
	p.out.Flush()
	return p.helloWithin(0)
}

// expected names what a peer without a session has to send.
func (p *peer) expected() string {
	if p.pending != nil {
		return "AUTHENTICATE"
	}
	return "HELLO"
}

// helloWithin bounds the time until there is a session; 0 lifts the bound.
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
	<-p.out.open.Done() // the router is just about to close the outbox
	return closedBy(p.out.closed())
}

// violation ends the session and the connection of a peer that broke the
// protocol.
func (p *peer) violation(text string) ending {
	p.config.Log.Info("protocol violation", "peer", p.name, "reason", text)
	if p.session == nil {
		return p.abort(router.NewAbort(wamp.ErrProtocolViolation, text))
	}
	p.handler.countAbort(wamp.ErrProtocolViolation)
	p.session.Abort(p.batch, wamp.ErrProtocolViolation, text)
	return ending{code: websocket.StatusProtocolError, reason: "protocol violation"}
}

// abort refuses a session.
func (p *peer) abort(m *wamp.Abort) ending {
	p.handler.countAbort(m.Reason)
	if err := p.out.Push(m); err != nil {
		return ending{code: websocket.StatusInternalError, reason: err.Error(), how: lost}
	}
	p.out.Flush()
	if m.Reason == wamp.ErrProtocolViolation {
		return ending{code: websocket.StatusProtocolError, reason: "protocol violation"}
	}
	return ending{code: websocket.StatusPolicyViolation, reason: "no session"}
}

// close sends what is left and closes the connection. A peer that has closed
// it in the right way gets everything that was for it.
func (p *peer) close(end ending) {
	defer p.socket.Close() //nolint:errcheck // nothing to learn from it
	if end.how == lost || !p.out.finish() {
		p.out.abandon()
		return
	}
	_ = p.socket.SetReadDeadline(time.Now().Add(p.config.CloseTimeout))
	if p.reader.rawSocket { // which has no closing handshake
		p.socket.linger()
		return
	}
	if p.out.control(closeFrame(end.code, end.reason)) != nil {
		return
	}
	broken := end.how == failure
	if end.how == handshake {
		broken = p.reader.drain() // at once: the peer may wait for room before it reads
	}
	if p.out.finish() && broken {
		p.socket.linger()
	}
}

// pings reports whether the peer may be pinged. Some RawSocket clients, of
// which autobahn-python is one, lose their connection over a PING, so only
// those get one that sent one. For the others there is TCP's keep-alive.
func (p *peer) pings() bool {
	return !p.reader.rawSocket || p.socket.pinged.Load()
}

// alive reports whether a peer that was asked by a ping counts as answering.
// It need not answer while nothing is read from it, or while the ping may be
// stuck behind data that it has yet to take, which has a timeout of its own.
func (p *peer) alive() bool {
	return p.socket.heard.Load() || p.waiting.Load() || p.out.busy()
}
