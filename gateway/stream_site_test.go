package gateway_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
	"github.com/wampgate/wampgate/test/wamptest"
)

// patience is how long tests wait for what must happen.
const patience = 20 * time.Second

// A site is a gateway with its server in front of a real router.
type site struct {
	router  *router.Router
	gateway *gateway.Gateway
	server  *gateway.Server
	url     string
	dialer  func(ctx context.Context, network, addr string) (net.Conn, error)
	stopped sync.Once
}

// newSite starts a site on the loopback interface, or in memory for tests with
// a clock of their own. It ends with the test.
func newSite(t testing.TB, inMemory bool, change ...func(*gateway.Config)) *site {
	t.Helper()
	s := &site{router: router.New(router.Config{Realms: []dealer.Config{{Realm: "realm1"}}})}
	cfg := gateway.Config{
		Realm: "realm1",
		Log:   slog.New(slog.DiscardHandler),
		Join: func(id wamp.Identity, out gateway.Outbox) (gateway.Session, error) {
			roles := wamp.Roles{Caller: true, CallerFeatures: ^wamp.Features(0)}
			return s.router.JoinLocal("realm1", id, roles, "gateway", out)
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	g, err := gateway.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.gateway = g
	s.server = gateway.NewServer(gateway.ServerConfig{
		Handler: g, Draining: g.Drain, Linger: g.Linger, Drain: time.Millisecond, Log: slog.New(slog.DiscardHandler),
	})
	served := make(chan error, 1)
	l := s.listen(t, inMemory)
	go func() { served <- s.server.Serve(l) }()
	t.Cleanup(func() {
		s.stop(t)
		if err := <-served; err != nil {
			t.Errorf("Serve() = %v", err)
		}
		g.Close()
		s.router.Shutdown(context.WithoutCancel(t.Context()))
	})
	return s
}

func (s *site) listen(t testing.TB, inMemory bool) net.Listener {
	t.Helper()
	if inMemory {
		l := wamptest.NewListener()
		s.url, s.dialer = "http://site", l.DialContext
		return l
	}
	l, err := s.server.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url, s.dialer = "http://"+l.Addr().String(), new(net.Dialer).DialContext
	return l
}

// stop shuts the server down, once.
func (s *site) stop(t testing.TB) {
	t.Helper()
	s.stopped.Do(func() {
		if err := s.server.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("Shutdown() = %v", err)
		}
	})
}

// clients returns a client for each version of HTTP.
func (s *site) clients(t testing.TB) map[string]*http.Client {
	t.Helper()
	return map[string]*http.Client{"HTTP/1.1": s.client(t, false), "HTTP/2": s.client(t, true)}
}

func (s *site) client(t testing.TB, http2 bool) *http.Client {
	t.Helper()
	p := new(http.Protocols)
	p.SetHTTP1(!http2)
	p.SetUnencryptedHTTP2(http2)
	tr := &http.Transport{Protocols: p, DialContext: s.dialer, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// conn opens a connection for plain bytes.
func (s *site) conn(t testing.TB) net.Conn {
	t.Helper()
	c, err := s.dialer(t.Context(), "tcp", s.url[len("http://"):])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// A callee is a session that serves procedures. It handles one message at a
// time, on a goroutine of its own; while it does, its outbox fills.
type callee struct {
	session *router.Session
	handle  func(*callee, *wamp.Invocation)
	events  chan string // what came: "call", "more", "last", "interrupt kill"

	mu       sync.Mutex // guards the following fields
	changed  *sync.Cond
	queue    []wamp.Message
	bytes    int
	peak     int // most bytes that were queued
	closed   bool
	finished chan struct{}
}

// congestedAt is how many queued bytes make a callee's outbox congested.
const congestedAt = 256 << 10

// serve joins a callee that serves a procedure; it leaves with the test.
func (s *site) serve(t testing.TB, uri wamp.URI, handle func(*callee, *wamp.Invocation)) *callee {
	t.Helper()
	return s.serveAs(t, uri, ^wamp.Features(0), handle)
}

func (s *site) serveAs(t testing.TB, uri wamp.URI, can wamp.Features, handle func(*callee, *wamp.Invocation)) *callee {
	t.Helper()
	c := &callee{handle: handle, events: make(chan string, 1<<16), finished: make(chan struct{})}
	c.changed = sync.NewCond(&c.mu)
	session, err := s.router.JoinLocal("realm1", wamp.Identity{}, wamp.Roles{Callee: true, CalleeFeatures: can}, "callee", c)
	if err != nil {
		t.Fatal(err)
	}
	c.session = session
	go c.run()
	t.Cleanup(func() {
		session.Leave()
		c.Close(nil)
		<-c.finished
	})
	if err := session.Submit(t.Context(), &wamp.Register{Request: 1, Procedure: uri}); err != nil {
		t.Fatal(err)
	}
	return c
}

// run handles what is pushed until the session ends.
func (c *callee) run() {
	defer close(c.finished)
	for m := c.next(); m != nil; m = c.next() {
		switch m := m.(type) {
		case *wamp.Invocation:
			c.handle(c, m)
		case *wamp.Interrupt:
			c.events <- "interrupt " + m.Mode.String()
			c.fail(m.Request, wamp.ErrCanceled)
		}
	}
}

func (c *callee) next() wamp.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 && !c.closed {
		c.changed.Wait()
	}
	if len(c.queue) == 0 {
		return nil
	}
	m := c.queue[0]
	c.queue = c.queue[1:]
	c.bytes -= sizeOf(m)
	c.changed.Broadcast()
	return m
}

func sizeOf(m wamp.Message) int {
	if inv, ok := m.(*wamp.Invocation); ok {
		return len(inv.Payload.Args) + len(inv.Payload.Kwargs)
	}
	return 0
}

// Push implements router.Outbox.
func (c *callee) Push(m wamp.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch in := m.(type) {
	case *wamp.Invocation:
		inv := *in
		inv.Payload.Args, inv.Payload.Kwargs = bytes.Clone(in.Payload.Args), bytes.Clone(in.Payload.Kwargs)
		m = &inv
	case *wamp.Interrupt:
		interrupt := *in
		m = &interrupt
	default:
		return nil
	}
	c.queue = append(c.queue, m)
	c.bytes += sizeOf(m)
	c.peak = max(c.peak, c.bytes)
	c.changed.Broadcast()
	return nil
}

// Flush implements router.Outbox.
func (c *callee) Flush() {}

// Congested implements router.Outbox.
func (c *callee) Congested() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes >= congestedAt
}

// Drained implements router.Outbox.
func (c *callee) Drained(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.changed.Broadcast()
	})()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.bytes > congestedAt/2 && !c.closed && ctx.Err() == nil {
		c.changed.Wait()
	}
	return ctx.Err()
}

// Close implements router.Outbox.
func (c *callee) Close(error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.changed.Broadcast()
}

// note tells the test what came.
func (c *callee) note(inv *wamp.Invocation) {
	args, _ := inv.Payload.Transcode(wamp.JSON)
	kind := "last "
	if inv.Details.Progress {
		kind = "more "
	}
	c.events <- kind + string(args.Args) + string(args.Kwargs)
}

// yield answers with a payload in JSON.
func (c *callee) yield(request wamp.ID, progress bool, args string) {
	c.yieldPayload(request, progress, jsonPayload(args, ""))
}

func (c *callee) yieldPayload(request wamp.ID, progress bool, p wamp.Payload) {
	_ = c.session.Submit(context.Background(), &wamp.Yield{Request: request, Options: wamp.YieldOptions{Progress: progress}, Payload: p})
}

// fail answers with an error.
func (c *callee) fail(request wamp.ID, uri wamp.URI) {
	_ = c.session.Submit(context.Background(), &wamp.Error{RequestType: wamp.TypeInvocation, Request: request, Error: uri})
}

// want waits for what came next.
func (c *callee) want(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-c.events:
		if got != want {
			t.Fatalf("the callee got %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("the callee got nothing, want %q", want)
	}
}

// nothing fails the test if something came.
func (c *callee) nothing(t *testing.T) {
	t.Helper()
	select {
	case got := <-c.events:
		t.Errorf("the callee got %q, want nothing more", got)
	default:
	}
}
