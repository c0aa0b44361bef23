package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// The server's fixed limits. There is no ReadTimeout and no WriteTimeout: they
// would cut streams in the middle and, on HTTP/2, swallow answers. Handlers set
// deadlines per request.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 120 * time.Second
	maxHeaderBytes    = 32 << 10
	maxHeaderCount    = 100
	maxHTTP2Streams   = 250              // per connection
	sendPingTimeout   = 15 * time.Second // silence after which an HTTP/2 client is pinged
	pingTimeout       = 10 * time.Second // and how long it may take to answer
	defaultDrain      = 20 * time.Second
	lastWordsTime     = 5 * time.Second // for the answers that shutting down causes
)

// ServerConfig says what a [Server] serves and how it ends.
type ServerConfig struct {
	Handler http.Handler // required
	Log     *slog.Logger // required

	// TLS, if set, makes the server speak it, and nothing else.
	TLS *tls.Config
	// Drain is how long requests in flight may go on after Shutdown began;
	// 0 means 20 s.
	Drain time.Duration
	// Draining, if set, is called when Shutdown begins: readiness probes must
	// fail from then on.
	Draining func()
	// Answering, if set, is called next, while connections are still accepted. It
	// returns when no work is left whose end has to come over a new one, or ctx
	// ends, with the drain time.
	Answering func(ctx context.Context)
	// Linger, if set, is called when no request is left, and returns when the
	// work that goes on without one has ended, or ctx, with the drain time.
	Linger func(ctx context.Context)
	// Goodbye, if set, is called after the drain time or when all requests
	// ended before. It ends the connections that are no longer HTTP (WebSocket)
	// and returns when they ended or ctx did.
	Goodbye func(ctx context.Context)
}

// A Server serves HTTP/1.1 and HTTP/2, the latter without TLS to clients that
// know beforehand ("prior knowledge"). It notices clients that left, and it
// drains before it ends. Its methods may be called at once from any goroutine.
type Server struct {
	cfg  ServerConfig
	http http.Server

	cancel   context.CancelCauseFunc // ends the contexts of all requests
	watcher  watcher
	running  gauge
	warnOnce sync.Once
}

// NewServer returns a Server; it starts nothing.
func NewServer(cfg ServerConfig) *Server {
	if cfg.Drain == 0 {
		cfg.Drain = defaultDrain
	}
	base, cancel := context.WithCancelCause(context.Background())
	s := &Server{cfg: cfg, cancel: cancel}
	s.http = http.Server{
		Handler:           s.running.count(cfg.Handler),
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       s.connContext,
		ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelWarn),
		Protocols:         new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxHTTP2Streams,
			SendPingTimeout:      sendPingTimeout,
			PingTimeout:          pingTimeout,
		},
	}
	s.http.Protocols.SetHTTP1(true)
	s.http.Protocols.SetHTTP2(true)
	s.http.Protocols.SetUnencryptedHTTP2(cfg.TLS == nil)
	s.http.TLSConfig = cfg.TLS
	return s
}

// Listen returns a TCP listener on addr ("host:port") that suits Serve. It is
// never a multipath TCP one, whose connections refuse the options that reveal
// vanished clients.
func (s *Server) Listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for HTTP: %w", err)
	}
	return l, nil
}

// Serve answers the requests that come over l, and closes it. It returns nil
// once Shutdown was called, which may still be at work then.
func (s *Server) Serve(l net.Listener) error {
	var err error
	if s.cfg.TLS != nil {
		err = s.http.ServeTLS(l, "", "")
	} else {
		err = s.http.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve HTTP: %w", err)
}

// Shutdown ends the server in order: it reports not ready, waits for answers that
// come over connections of their own, stops accepting, lets requests go on for the drain time, cancels what is left (calls are
// answered with 503, streams with an error event), says good-bye to WebSockets
// and returns when every handler returned. When ctx ends earlier it cuts the
// connections and still waits for the handlers; the error is then ctx's.
func (s *Server) Shutdown(ctx context.Context) error { return s.ShutdownWithin(ctx, s.cfg.Drain) }

// ShutdownWithin is Shutdown with another drain time.
func (s *Server) ShutdownWithin(ctx context.Context, drain time.Duration) error {
	if s.cfg.Draining != nil {
		s.cfg.Draining()
	}
	s.drain(ctx, drain)
	s.cancel(errShutdown)
	last, done := context.WithTimeout(ctx, lastWordsTime)
	defer done()
	if s.cfg.Goodbye != nil {
		s.cfg.Goodbye(last)
	}
	if err := s.http.Shutdown(last); err != nil {
		s.cut()
	}
	<-s.running.quiet()
	s.watcher.stop()
	return ctx.Err()
}

// drain stops accepting, when nobody needs a new connection any more, and waits
// until no request is left or time is over.
func (s *Server) drain(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	if s.cfg.Answering != nil {
		s.cfg.Answering(ctx)
	}
	if err := s.http.Shutdown(ctx); err != nil {
		s.cfg.Log.Info("drain time is over, canceling what is left", "handlers", s.running.value())
		return
	}
	if s.cfg.Linger != nil {
		s.cfg.Linger(ctx)
	}
}

// cut closes the connections of clients that do not take their answers.
func (s *Server) cut() {
	if err := s.http.Close(); err != nil {
		s.cfg.Log.Warn("closing connections", "err", err)
	}
}

// A gauge counts what is at work, so that it can be waited for: handlers, of
// which http.Server forgets those whose connection it closed or gave away, and
// calls that go on without one.
type gauge struct {
	mu   sync.Mutex // guards the following fields
	n    int
	idle chan struct{} // closed when n falls to 0; nil if nobody waits
}

// count wraps next so that it is counted while it runs.
func (g *gauge) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.add(1)
		defer g.add(-1)
		next.ServeHTTP(w, r)
	})
}

func (g *gauge) add(delta int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n += delta
	if g.n == 0 && g.idle != nil {
		close(g.idle)
		g.idle = nil
	}
}

func (g *gauge) value() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n
}

// wait returns when nothing is at work, or ctx ends.
func (g *gauge) wait(ctx context.Context) {
	select {
	case <-g.quiet():
	case <-ctx.Done():
	}
}

// InFlight returns how many requests are being served.
func (s *Server) InFlight() int { return s.running.value() }

// quiet returns a channel that is closed as soon as nothing is at work.
func (g *gauge) quiet() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.idle == nil {
		g.idle = make(chan struct{})
	}
	idle := g.idle
	if g.n == 0 {
		close(g.idle)
		g.idle = nil
	}
	return idle
}
