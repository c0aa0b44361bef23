package transport_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// Over TLS a connection cannot be tried for room, and the writer goroutines do
// all the writing.
func TestTLS(t *testing.T) {
	t.Parallel()
	r := router.New(router.Config{Realms: []dealer.Config{{Realm: wamptest.Realm}}})
	h := transport.New(transport.Config{Router: r})
	server := httptest.NewTLSServer(h)
	t.Cleanup(server.Close)
	connect := func() *transport.Conn {
		t.Helper()
		url := strings.Replace(server.URL, "https", "wss", 1)
		c, err := transport.Dial(t.Context(), url, wamp.JSON, &transport.DialOptions{HTTPClient: server.Client()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Join(t.Context(), wamptest.NewHello()); err != nil {
			t.Fatal(err)
		}
		return c
	}
	callee, caller := connect(), connect()
	wamptest.Register(t, callee, "com.example.echo")
	done := make(chan struct{})
	go func() {
		defer close(done)
		wamptest.Answer(callee)
	}()
	for _, size := range []int{1, 1_000, 500_000} {
		if got := call(t, caller, "com.example.echo", 5, text(size)); got.results != 5 {
			t.Errorf("%d bytes: %d results and errors %v, want 5 results", size, got.results, got.errors)
		}
	}
	if err := caller.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := callee.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	<-done
	if err := h.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMaxConns(t *testing.T) {
	t.Parallel()
	s := loopback(t, transport.Config{MaxConns: 1})
	first := s.Dial(t, wamp.JSON)
	refused := func() {
		t.Helper()
		_, err := transport.Dial(t.Context(), s.URL, wamp.JSON, nil)
		if err == nil || !strings.Contains(err.Error(), "503") {
			t.Errorf("second connection: %v, want status 503", err)
		}
	}
	refused()
	first.Send(`[3, {}, "wamp.close.normal"]`)
	first.WantClosed(1000)
	for { // until its goroutine has ended
		if c, err := transport.Dial(t.Context(), s.URL, wamp.JSON, nil); err == nil {
			defer c.Close() //nolint:errcheck // the server may be first
			break
		}
	}
	refused()
}

// Whom a WebSocket comes from is what ClientIP says of its request, and else
// the other end of the connection. Who has no credentials is counted by that.
func TestClientIP(t *testing.T) {
	t.Parallel()
	const field = "X-Client"
	for name, test := range map[string]struct {
		clientIP func(*http.Request) netip.Addr
		welcome  []bool // from 192.0.2.1, 192.0.2.2 and 192.0.2.1 again
	}{
		"asked": {func(r *http.Request) netip.Addr { return netip.MustParseAddr(r.Header.Get(field)) }, []bool{true, true, false}},
		"none":  {nil, []bool{true, false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := wamptest.Serve(t, wamptest.Config{
				Router:    router.Config{Realms: []dealer.Config{{Realm: wamptest.Realm}}, MaxSessionsEach: 1},
				Transport: transport.Config{ClientIP: test.clientIP}, Loopback: true,
			})
			for i, from := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.1"} {
				p := s.DialWith(t, wamp.JSON, &websocket.DialOptions{HTTPHeader: http.Header{field: {from}}})
				p.Send(wamptest.Hello)
				if test.welcome[i] {
					p.Want(`[2, "*", "*"]`)
				} else {
					p.Want(`[3, "*", "wamp.error.unavailable"]`)
				}
			}
		})
	}
}

// Shutdown ends in time although a peer's reader waits for another one.
func TestShutdownOfStalled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := smallQueues(t)
		silent, caller := s.Connect(t, wamp.JSON), s.Connect(t, wamp.JSON)
		wamptest.Register(t, silent, "com.example.silent")
		go func() {
			for i := range wamp.ID(2 * queue / 1000) { // and no more, or no time would pass
				m := &wamp.Call{Request: i + 1, Procedure: "com.example.silent", Payload: text(1000)}
				if caller.Send(m) != nil {
					return
				}
			}
		}()
		synctest.Wait() // the caller's reader waits for the callee
		if got := s.Router.Stats().Calls; got < queue/5/1000 || got > queue/3/1000 {
			t.Errorf("%d calls were received, want about %d", got, queue/4/1000)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := s.Handler.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v, want DeadlineExceeded", err)
		}
		if got := time.Since(start); got != time.Second {
			t.Errorf("Shutdown took %v, want 1s", got)
		}
		if _, err := transport.Dial(t.Context(), s.URL, wamp.JSON, &transport.DialOptions{HTTPClient: s.Client}); err == nil {
			t.Error("connected after Shutdown")
		}
	})
}

// A client that dials something else gets an error that says what.
func TestDialElsewhere(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	if _, err := transport.Dial(t.Context(), server.URL, wamp.JSON, nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("Dial: %v, want status 404", err)
	}
	s := loopback(t, transport.Config{})
	c, err := transport.Dial(t.Context(), s.URL, wamp.CBOR, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Join(t.Context(), &wamp.Hello{Realm: "nowhere"}); !errors.Is(err, transport.ErrAborted) {
		t.Errorf("Join: %v, want ErrAborted", err)
	}
	_ = c.Close() // the router closes it as well
}
