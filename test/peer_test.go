package test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A peer is a WAMP session over JSON that a test plays by hand: it sends what
// the test says and notes what arrives, and when.
type peer struct {
	conn  *websocket.Conn
	got   feed[message]
	read  sync.WaitGroup
	syncs atomic.Int64 // how often sync was called
}

// A message is one that a peer received.
type message struct {
	at   time.Time
	text string // as it was on the wire
	code int
	rest []any // what follows the code
}

// The message codes that tests name.
const (
	codeWelcome      = 2
	codeAbort        = 3
	codeGoodbye      = 6
	codeError        = 8
	codeCall         = 48
	codeCancel       = 49
	codeResult       = 50
	codeRegister     = 64
	codeRegistered   = 65
	codeUnregistered = 67
	codeInvocation   = 68
	codeInterrupt    = 69
	codeYield        = 70
	messageReadLimit = 64 << 20
)

// all are the roles of a peer that can do everything.
const allRoles = `{"roles":{
	"caller":{"features":{"call_canceling":true,"call_timeout":true,"caller_identification":true,
		"progressive_call_results":true,"progressive_call_invocations":true}},
	"callee":{"features":{"call_canceling":true,"caller_identification":true,
		"progressive_call_results":true,"progressive_call_invocations":true}}}}`

// dial opens a WebSocket without a session. It is closed when the test ends.
func dial(ctx context.Context, t *testing.T, g *gateway) *peer {
	t.Helper()
	p := dialQuiet(ctx, t, g)
	life, stop := context.WithCancel(context.WithoutCancel(ctx)) // some checks run when the test's context has ended
	p.read.Go(func() { p.got.end(p.listen(life)) })
	t.Cleanup(func() {
		stop()
		_ = p.conn.CloseNow()
		p.read.Wait()
	})
	return p
}

// take reads messages until one with this code comes, and returns it. It is for
// peers of dialQuiet. A chunk that says it is the last one fails the test.
func (p *peer) take(ctx context.Context, t *testing.T, code int) message {
	t.Helper()
	for {
		_, data, err := p.conn.Read(ctx)
		if err != nil {
			t.Fatalf("no message %d came: %v", code, err)
		}
		m, err := parseMessage(data)
		if err != nil {
			t.Fatal(err)
		}
		if m.code == codeInvocation && m.dict(2)["progress"] != true {
			t.Errorf("got a last chunk: %.200s", m.text)
		}
		if m.code == code {
			return m
		}
	}
}

// dialQuiet opens a WebSocket that nobody reads from but take.
func dialQuiet(ctx context.Context, t *testing.T, g *gateway) *peer {
	t.Helper()
	conn, _, err := websocket.Dial(ctx, g.ws(), &websocket.DialOptions{HTTPClient: g.trust, Subprotocols: []string{"wamp.2.json"}})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(messageReadLimit)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &peer{conn: conn}
}

// join opens a WebSocket and a session that can do everything.
func join(ctx context.Context, t *testing.T, g *gateway) *peer {
	t.Helper()
	p := dial(ctx, t, g)
	p.send(ctx, t, `[1,"realm1",`+allRoles+`]`)
	p.want(ctx, t, codeWelcome)
	return p
}

// joinWith opens a WebSocket and a session that announces features for both
// roles.
func joinWith(ctx context.Context, t *testing.T, g *gateway, features string) *peer {
	t.Helper()
	p := dial(ctx, t, g)
	p.sendf(ctx, t, `[1,"realm1",{"roles":{"caller":{"features":{%s}},"callee":{"features":{%[1]s}}}}]`, features)
	p.want(ctx, t, codeWelcome)
	return p
}

// listen notes messages until the connection ends.
func (p *peer) listen(ctx context.Context) error {
	for {
		_, data, err := p.conn.Read(ctx)
		if err != nil {
			return err
		}
		m, err := parseMessage(data)
		if err != nil {
			return err
		}
		p.got.add(m)
	}
}

func parseMessage(data []byte) (message, error) {
	m := message{at: time.Now(), text: string(data)}
	if err := json.Unmarshal(data, &m.rest); err != nil {
		return m, err
	}
	code, ok := m.rest[0].(float64)
	if !ok {
		return m, fmt.Errorf("no message code: %s", data)
	}
	m.code, m.rest = int(code), m.rest[1:]
	return m, nil
}

// send sends a message as it is written.
func (p *peer) send(ctx context.Context, t *testing.T, text string) {
	t.Helper()
	if err := p.write(ctx, text); err != nil {
		t.Fatal(err)
	}
}

// write is send for goroutines other than the test's.
func (p *peer) write(ctx context.Context, text string) error {
	if err := p.conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		return fmt.Errorf("sending %.200s: %w", text, err)
	}
	return nil
}

// sendf sends a formatted message.
func (p *peer) sendf(ctx context.Context, t *testing.T, format string, args ...any) {
	t.Helper()
	p.send(ctx, t, fmt.Sprintf(format, args...))
}

// want waits for the next message with this code, in any order with others.
// Each message is returned once per from; use wantAfter to go on.
func (p *peer) want(ctx context.Context, t *testing.T, code int) message {
	t.Helper()
	m, _ := p.wantAfter(ctx, t, 0, code)
	return m
}

// wantAfter waits for a message with this code from index from on, and returns
// the index behind it too.
func (p *peer) wantAfter(ctx context.Context, t *testing.T, from, code int) (message, int) {
	t.Helper()
	m, next, err := p.after(ctx, from, code)
	if err != nil {
		t.Fatal(err)
	}
	return m, next
}

// after is wantAfter for goroutines other than the test's.
func (p *peer) after(ctx context.Context, from, code int) (message, int, error) {
	m, next, err := p.got.find(ctx, from, func(m message) bool { return m.code == code })
	if err != nil {
		return m, next, fmt.Errorf("no message %d came after the first %d: %w; got %v", code, from, err, p.codes())
	}
	return m, next, nil
}

// codes lists the codes of all messages so far.
func (p *peer) codes() []int {
	var codes []int
	for _, m := range p.got.all() {
		codes = append(codes, m.code)
	}
	return codes
}

// count returns how many messages with this code came so far.
func (p *peer) count(code int) int {
	n := 0
	for _, c := range p.codes() {
		if c == code {
			n++
		}
	}
	return n
}

// register registers a procedure; request ids are up to the test.
func (p *peer) register(ctx context.Context, t *testing.T, request int, uri string) {
	t.Helper()
	from := p.got.len()
	p.sendf(ctx, t, `[64,%d,{},%q]`, request, uri)
	p.wantAfter(ctx, t, from, codeRegistered)
}

// serve registers a procedure and answers every call of it with args, until
// the test ends.
func (p *peer) serve(ctx context.Context, t *testing.T, request int, uri, args string) {
	t.Helper()
	p.serveWith(ctx, t, request, "{}", uri, args)
}

// serveWith is serve with options of the REGISTER.
func (p *peer) serveWith(ctx context.Context, t *testing.T, request int, options, uri, args string) {
	t.Helper()
	from := p.got.len()
	p.sendf(ctx, t, `[64,%d,%s,%q]`, request, options, uri)
	registered, _ := p.wantAfter(ctx, t, from, codeRegistered)
	life := context.WithoutCancel(ctx) // it is the end of the connection that ends the goroutine
	p.read.Go(func() {
		for next := from; ; {
			m, after, err := p.after(life, next, codeInvocation)
			if err != nil {
				return
			}
			if next = after; m.id(1) != registered.id(1) {
				continue
			}
			if err := p.write(life, fmt.Sprintf(`[70,%d,{},%s]`, m.id(0), args)); err != nil {
				return
			}
		}
	})
}

// sync waits until the dealer has handled all this peer sent, and the peer
// has read all that was sent to it up to now: a call to nowhere is answered in
// turn. It uses request ids from syncIDs on.
func (p *peer) sync(ctx context.Context, t *testing.T) {
	t.Helper()
	id := syncIDs + int(p.syncs.Add(1))
	p.sendf(ctx, t, `[48,%d,{},"test.nowhere.at.all"]`, id)
	_, _, err := p.got.find(ctx, 0, func(m message) bool { return m.code == codeError && m.id(1) == id })
	if err != nil {
		t.Fatalf("no answer to the call of nothing: %v; got %v", err, p.codes())
	}
}

// syncIDs is beyond the request ids that tests choose.
const syncIDs = 1_000_000

// id returns an integer element, counted from behind the code.
func (m message) id(i int) int {
	n, _ := m.rest[i].(float64)
	return int(n)
}

// dict returns an element that is a dict, or nil.
func (m message) dict(i int) map[string]any {
	d, _ := m.rest[i].(map[string]any)
	return d
}
