package wamptest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// Hello opens a session in Realm with every role and feature.
const Hello = `[1, "realm1", {"agent": "wamptest", "roles": {
	"caller": {"features": {"progressive_call_results": true, "progressive_call_invocations": true,
		"call_timeout": true, "call_canceling": true, "caller_identification": true}},
	"callee": {"features": {"progressive_call_results": true, "progressive_call_invocations": true,
		"call_canceling": true, "caller_identification": true, "pattern_based_registration": true,
		"shared_registration": true}}}}]`

// A Peer is a client that sends and expects what a script says. It reads only
// when it is asked to, and then answers pings and closes. It belongs to one
// goroutine, the test's.
type Peer struct {
	WS *websocket.Conn

	t          testing.TB
	serializer wamp.Serializer
	patience   time.Duration
}

// Dial connects a Peer that has no session yet.
func (s *Server) Dial(t testing.TB, serializer wamp.Serializer) *Peer {
	t.Helper()
	return s.DialWith(t, serializer, &websocket.DialOptions{})
}

// DialWith is Dial with more options than where to connect and how to speak.
func (s *Server) DialWith(t testing.TB, serializer wamp.Serializer, options *websocket.DialOptions) *Peer {
	t.Helper()
	options.HTTPClient = s.Client
	options.Subprotocols = []string{transport.Subprotocol(serializer)}
	ws, _, err := websocket.Dial(t.Context(), s.URL, options) //nolint:bodyclose // of an upgrade there is none
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	ws.SetReadLimit(-1)
	t.Cleanup(func() { _ = ws.CloseNow() }) // may have been closed
	return &Peer{WS: ws, t: t, serializer: serializer, patience: s.patience}
}

// Join connects a Peer and opens a session with Hello.
func (s *Server) Join(t testing.TB, serializer wamp.Serializer) *Peer {
	t.Helper()
	p := s.Dial(t, serializer)
	p.Send(Hello)
	p.Want(`[2, "*", "*"]`)
	return p
}

// Send sends a message, given as JSON.
func (p *Peer) Send(message string) {
	p.t.Helper()
	b := []byte(message)
	if p.serializer != wamp.JSON {
		var err error
		if b, err = wamp.Transcode(nil, p.serializer, b, wamp.JSON); err != nil {
			p.t.Fatalf("send %s: %v", message, err)
		}
	}
	typ := websocket.MessageText
	if p.serializer.Binary() {
		typ = websocket.MessageBinary
	}
	p.SendFrame(typ, b)
}

// SendFrame sends a WebSocket message as it is.
func (p *Peer) SendFrame(typ websocket.MessageType, b []byte) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), p.patience)
	defer cancel()
	if err := p.WS.Write(ctx, typ, b); err != nil {
		p.t.Fatalf("send %.100q: %v", b, err)
	}
}

// Receive waits for a message and returns it as JSON.
func (p *Peer) Receive() string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), p.patience)
	defer cancel()
	typ, b, err := p.WS.Read(ctx)
	if err != nil {
		p.t.Fatalf("receive: %v", err)
	}
	if binary := typ == websocket.MessageBinary; binary != p.serializer.Binary() {
		p.t.Fatalf("received a %v message in %v", typ, p.serializer)
	}
	if p.serializer == wamp.JSON {
		return string(b)
	}
	text, err := wamp.Transcode(nil, wamp.JSON, b, p.serializer)
	if err != nil {
		p.t.Fatalf("received %x: %v", b, err)
	}
	return string(text)
}

// Want waits for the next message, which must be equal to the one given as
// JSON. "*" in place of a value stands for any.
func (p *Peer) Want(message string) {
	p.t.Helper()
	if got := p.Receive(); !Match(p.t, got, message) {
		p.t.Fatalf("received %.1000s, want %.1000s", got, message)
	}
}

// WantClosed waits for the connection to be closed with a status; messages
// that come before that are failures.
func (p *Peer) WantClosed(status websocket.StatusCode) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), p.patience)
	defer cancel()
	_, b, err := p.WS.Read(ctx)
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != status {
		p.t.Fatalf("received %.200q and error %v, want status %v", b, err, status)
	}
}

// WantLost waits for the connection to break without a closing handshake. What
// comes before that is dropped.
func (p *Peer) WantLost() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), p.patience)
	defer cancel()
	for {
		_, _, err := p.WS.Read(ctx)
		if err == nil {
			continue
		}
		if websocket.CloseStatus(err) != -1 || ctx.Err() != nil {
			p.t.Fatalf("connection ended with %v, want a broken connection", err)
		}
		return
	}
}
