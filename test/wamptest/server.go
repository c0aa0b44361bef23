package wamptest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// Realm is the realm of a Server that was not told of others.
const Realm wamp.URI = "realm1"

// A Config sets up a Server. The zero Config is one realm in memory.
type Config struct {
	Router    router.Config    // Realms: default one named by Realm
	Transport transport.Config // Router is set by Serve
	Loopback  bool             // listen on 127.0.0.1 and not in memory
}

// A Server is a router with a WebSocket endpoint at every path.
type Server struct {
	Router  *router.Router
	Handler *transport.Handler
	URL     string       // ws://…
	Client  *http.Client // reaches URL

	patience time.Duration // of its peers
}

// Serve starts a Server, which is stopped with the test.
func Serve(t testing.TB, c Config) *Server {
	t.Helper()
	if len(c.Router.Realms) == 0 {
		c.Router.Realms = []dealer.Config{{Realm: Realm}}
	}
	r := router.New(c.Router)
	c.Transport.Router = r
	s := &Server{Router: r, Handler: transport.New(c.Transport)}
	s.start(t, s.listen(t, c.Loopback))
	return s
}

// listen opens the listener and says how it is reached.
func (s *Server) listen(t testing.TB, loopback bool) net.Listener {
	t.Helper()
	if !loopback {
		l := NewListener()
		s.URL, s.patience = "ws://wamptest/ws", 24*time.Hour
		s.Client = &http.Client{Transport: &http.Transport{DialContext: l.DialContext}}
		return l
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.URL, s.patience = "ws://"+l.Addr().String()+"/ws", 20*time.Second
	s.Client = &http.Client{Transport: &http.Transport{}}
	return l
}

func (s *Server) start(t testing.TB, l net.Listener) {
	t.Helper()
	srv := &http.Server{Handler: s.Handler, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Handler.Shutdown(ctx) // peers of a test need not be polite
		if err := srv.Close(); err != nil {
			t.Errorf("close server: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Errorf("serve: %v", err)
		}
		s.Client.CloseIdleConnections()
	})
}

// Connect opens a client connection with a session as NewHello asks for, for
// tests that talk in messages and not in scripts. It is closed with the test.
func (s *Server) Connect(t testing.TB, serializer wamp.Serializer) *transport.Conn {
	t.Helper()
	c, err := transport.Dial(t.Context(), s.URL, serializer, &transport.DialOptions{HTTPClient: s.Client})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // may have been closed
	if _, err := c.Join(t.Context(), NewHello()); err != nil {
		t.Fatal(err)
	}
	return c
}
