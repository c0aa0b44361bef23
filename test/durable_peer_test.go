package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A wampPeer is a WAMP client in JSON that makes calls and serves a procedure.
// One goroutine reads; any may call.
type wampPeer struct {
	ws     *websocket.Conn
	serve  func(invocation) (args []any, hangUp bool) // nil if it serves nothing
	closed chan struct{}                              // when nothing is read any more

	mu      sync.Mutex // guards the following fields
	last    int
	waiting map[int]chan wampAnswer
}

// An invocation is what a callee gets.
type invocation struct {
	args    []any
	details map[string]any
}

// A wampAnswer is a RESULT, or an ERROR if uri is set.
type wampAnswer struct {
	args    []any
	kwargs  map[string]any
	details map[string]any
	uri     string
}

func (a wampAnswer) text() string {
	if len(a.args) > 0 {
		return fmt.Sprint(a.args[0])
	}
	return ""
}

var errPeerGone = errors.New("the connection is lost")

// joinDurable opens a session at a gateway.
func joinDurable(ctx context.Context, addr string, serve func(invocation) ([]any, bool)) (*wampPeer, error) {
	ws, _, err := websocket.Dial(ctx, "ws://"+addr+"/ws", &websocket.DialOptions{Subprotocols: []string{"wamp.2.json"}})
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(-1)
	p := &wampPeer{ws: ws, serve: serve, closed: make(chan struct{}), waiting: make(map[int]chan wampAnswer)}
	err = p.send(ctx, []any{1, "realm1", map[string]any{"roles": map[string]any{
		"caller": map[string]any{"features": map[string]any{"progressive_call_results": true}},
		"callee": map[string]any{"features": map[string]any{"call_canceling": true}},
	}}})
	if err == nil {
		_, _, err = ws.Read(ctx)
	}
	if err != nil {
		_ = ws.CloseNow()
		return nil, err
	}
	go p.read() //nolint:contextcheck // it ends with the connection
	return p, nil
}

func (p *wampPeer) send(ctx context.Context, m []any) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return p.ws.Write(ctx, websocket.MessageText, b)
}

func (p *wampPeer) close() {
	_ = p.ws.CloseNow()
	<-p.closed
}

func (p *wampPeer) read() {
	defer close(p.closed)
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range p.waiting {
			close(c)
		}
		p.waiting = nil
	}()
	for {
		_, b, err := p.ws.Read(context.Background())
		if err != nil {
			return
		}
		var m []any
		if json.Unmarshal(b, &m) != nil {
			return
		}
		if !p.handle(m) {
			_ = p.ws.CloseNow()
			return
		}
	}
}

func element[T any](m []any, i int) T {
	var zero T
	if i < len(m) {
		if v, ok := m[i].(T); ok {
			return v
		}
	}
	return zero
}

// handle takes a message; false means to hang up.
func (p *wampPeer) handle(m []any) bool {
	switch int(element[float64](m, 0)) {
	case 68:
		args, hangUp := p.serve(invocation{element[[]any](m, 4), element[map[string]any](m, 3)})
		if hangUp {
			return false
		}
		answer := []any{70, m[1], map[string]any{}, args}
		if len(args) > 0 {
			if uri, failed := args[0].(errURI); failed {
				answer = []any{8, 68, m[1], map[string]any{}, string(uri)}
			}
		}
		return p.send(context.Background(), answer) == nil
	case 50:
		details := element[map[string]any](m, 2)
		if details["progress"] == true {
			return true
		}
		p.answer(m[1], wampAnswer{args: element[[]any](m, 3), kwargs: element[map[string]any](m, 4), details: details})
	case 65:
		p.answer(m[1], wampAnswer{})
	case 8:
		p.answer(m[2], wampAnswer{uri: element[string](m, 4), args: element[[]any](m, 5), kwargs: element[map[string]any](m, 6)})
	}
	return true
}

// An errURI as first result makes the answer an ERROR.
type errURI string

func (p *wampPeer) answer(id any, a wampAnswer) {
	n, _ := id.(float64)
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.waiting[int(n)]; c != nil {
		delete(p.waiting, int(n))
		c <- a
	}
}

// ask sends a request and waits for what answers it.
func (p *wampPeer) ask(ctx context.Context, message func(id int) []any) (wampAnswer, error) {
	p.mu.Lock()
	if p.waiting == nil {
		p.mu.Unlock()
		return wampAnswer{}, errPeerGone
	}
	p.last++
	id, c := p.last, make(chan wampAnswer, 1)
	p.waiting[id] = c
	p.mu.Unlock()
	if err := p.send(ctx, message(id)); err != nil {
		select {
		case a, ok := <-c: // it was answered, and the next message made the peer hang up before send returned
			if ok {
				return a, nil
			}
		default:
		}
		return wampAnswer{}, err
	}
	select {
	case a, ok := <-c:
		if !ok {
			return a, errPeerGone
		}
		return a, nil
	case <-ctx.Done():
		return wampAnswer{}, ctx.Err()
	}
}

func (p *wampPeer) call(ctx context.Context, options map[string]any, procedure string, args []any, kwargs map[string]any) (wampAnswer, error) {
	if options == nil {
		options = map[string]any{}
	}
	if args == nil {
		args = []any{}
	}
	if kwargs == nil {
		kwargs = map[string]any{}
	}
	return p.ask(ctx, func(id int) []any { return []any{48, id, options, procedure, args, kwargs} })
}

func (p *wampPeer) register(ctx context.Context, options map[string]any, procedure string) error {
	if options == nil {
		options = map[string]any{}
	}
	a, err := p.ask(ctx, func(id int) []any { return []any{64, id, options, procedure} })
	if err == nil && a.uri != "" {
		err = errors.New(a.uri)
	}
	return err
}

// A persistentCaller calls over a session that it opens whenever it has none.
type persistentCaller struct {
	addr string
	p    *wampPeer
}

func (c *persistentCaller) call(ctx context.Context, options map[string]any, procedure string, args []any, kwargs map[string]any) (wampAnswer, error) {
	if c.p == nil {
		p, err := joinDurable(ctx, c.addr, nil)
		if err != nil {
			return wampAnswer{}, err
		}
		c.p = p
	}
	a, err := c.p.call(ctx, options, procedure, args, kwargs)
	if err != nil {
		c.close()
	}
	return a, err
}

func (c *persistentCaller) close() {
	if c.p != nil {
		c.p.close()
		c.p = nil
	}
}

// A durableGateway is a gateway with a data directory that can be killed and
// started again under the same address.
type durableGateway struct {
	*gateway  // the process of now
	addr, dir string
}

func startDurable(t *testing.T, dir string) *durableGateway {
	t.Helper()
	g := &durableGateway{dir: dir}
	g.start(t, "127.0.0.1:0")
	g.addr = g.gateway.addr
	return g
}

// start runs the gateway and waits until it can be reached.
func (g *durableGateway) start(t *testing.T, listen string) {
	t.Helper()
	g.gateway = startCommand(t, nil, []string{"serve", "--anonymous"}, "--listen="+listen, "--data-dir="+g.dir, "--rate=0")
}

// restart kills the gateway, and runs it again.
func (g *durableGateway) restart(t *testing.T) {
	t.Helper()
	g.kill()
	g.start(t, g.addr)
}

// pauseFor lets time pass between two looks at a process of its own.
func pauseFor(d time.Duration) { <-time.After(d) }

func (g *durableGateway) join(t *testing.T, serve func(invocation) ([]any, bool)) *wampPeer {
	t.Helper()
	p, err := joinDurable(t.Context(), g.addr, serve)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}
