package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long tests wait for what must happen. It is long, since it
// only passes when they fail.
const patience = 20 * time.Second

// A testServer is a Server on a real socket of the loopback interface.
type testServer struct {
	*Server
	addr string
	log  *logBuffer
}

// startServer serves h until the test is over.
func startServer(t *testing.T, h http.Handler) *testServer {
	t.Helper()
	return startConfigured(t, ServerConfig{Handler: h, Drain: time.Millisecond})
}

func startConfigured(t *testing.T, cfg ServerConfig) *testServer {
	t.Helper()
	log := &logBuffer{}
	cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	s := &testServer{Server: NewServer(cfg), log: log}
	l, err := s.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("Shutdown() = %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve() = %v", err)
		}
	})
	return s
}

// logBuffer collects a log.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// A wire is a client's end of a connection, spoken to in plain bytes.
type wire struct {
	*net.TCPConn
	r *bufio.Reader
}

func dial(t testing.TB, addr string) *wire {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		t.Fatalf("Dial() = %T", c)
	}
	return &wire{TCPConn: tcp, r: bufio.NewReader(c)}
}

func (w *wire) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(w.TCPConn, text); err != nil {
		t.Fatal(err)
	}
}

// answer reads the head of the next answer. Its body is read by the test.
func (w *wire) answer(t *testing.T) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(w.r, nil)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// ended fails the test if anything but the end of the connection follows.
func (w *wire) ended(t *testing.T) {
	t.Helper()
	rest, err := io.ReadAll(w.r)
	if len(rest) > 0 || isTimeout(err) {
		t.Errorf("after the answer came %q, %v, want the end of the connection", rest, err)
	}
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error) //nolint:errorlint // as it comes from the connection
	return ok && ne.Timeout()
}

// wait fails the test if c is not closed in time.
func wait(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("waited in vain for: %s", what)
	}
}

// h2c is a client that speaks HTTP/2 without TLS.
func h2c(t *testing.T) *http.Client {
	t.Helper()
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: p}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// http1 is a client that speaks HTTP/1.1.
func http1(t *testing.T) *http.Client {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

func TestServerProtocols(t *testing.T) {
	t.Parallel()
	s := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	for proto, client := range map[string]*http.Client{"HTTP/1.1": http1(t), "HTTP/2.0": h2c(t)} {
		if got := fetch(t, client, "http://"+s.addr); got != proto {
			t.Errorf("served over %q, want %q", got, proto)
		}
	}
}

// fetch returns the body of a GET.
func fetch(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return string(body)
}

func TestServerRefusesHeaderFloods(t *testing.T) {
	t.Parallel()
	s := startServer(t, limitHeaders(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	tests := []struct {
		name    string
		headers string
		want    int
	}{
		{"100 fields", strings.Repeat("X-A: b\r\n", 100), http.StatusOK},
		{"101 fields", strings.Repeat("X-A: b\r\n", 101), http.StatusRequestHeaderFieldsTooLarge},
		{"30 KiB", "X-A: " + strings.Repeat("b", 30<<10) + "\r\n", http.StatusOK},
		{"64 KiB", "X-A: " + strings.Repeat("b", 64<<10) + "\r\n", http.StatusRequestHeaderFieldsTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, s.addr)
			c.send(t, "GET / HTTP/1.1\r\nHost: x\r\n"+tt.headers+"\r\n")
			if got := c.answer(t).StatusCode; got != tt.want {
				t.Errorf("status = %d, want %d", got, tt.want)
			}
		})
	}
}

// TestShutdownOrder follows one request that outlives the drain time through
// all steps.
func TestShutdownOrder(t *testing.T) {
	t.Parallel()
	steps := make(chan string, 8)
	started := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
		steps <- context.Cause(r.Context()).Error()
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	s := NewServer(ServerConfig{
		Handler:  handler,
		Log:      slog.New(slog.DiscardHandler),
		Drain:    time.Millisecond,
		Draining: func() { steps <- "draining" },
		Goodbye:  func(context.Context) { steps <- "goodbye" },
	})
	l, err := s.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	c := dial(t, l.Addr().String())
	c.send(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	wait(t, started, "the request")
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown() = %v, want nil", err)
	}
	steps <- "down"
	if err := <-served; err != nil {
		t.Errorf("Serve() = %v, want nil", err)
	}
	if got := c.answer(t).StatusCode; got != http.StatusServiceUnavailable {
		t.Errorf("status = %d, want 503", got)
	}
	got := []string{<-steps, <-steps, <-steps, <-steps}
	if got[0] != "draining" || got[3] != "down" {
		t.Errorf("steps = %q, want draining first and down last", got)
	}
	if middle := strings.Join(got[1:3], " "); !strings.Contains(middle, errShutdown.Error()) || !strings.Contains(middle, "goodbye") {
		t.Errorf("steps = %q, want a cancel by %q and goodbye in between", got, errShutdown)
	}
}

func TestShutdownLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	started, finish := make(chan struct{}), make(chan struct{})
	var once sync.Once
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-finish
		if r.Context().Err() != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	s := startConfigured(t, ServerConfig{
		Handler:  handler,
		Draining: func() { once.Do(func() { close(finish) }) },
	})
	c := dial(t, s.addr)
	c.send(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	wait(t, started, "the request")
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown() = %v, want nil", err)
	}
	if got := c.answer(t).StatusCode; got != http.StatusOK {
		t.Errorf("status = %d, want 200", got)
	}
}

// TestShutdownCutsShort checks that the end of Shutdown's own context cuts the
// connections, but never abandons a handler.
func TestShutdownCutsShort(t *testing.T) {
	t.Parallel()
	started, ended := make(chan struct{}), make(chan struct{})
	s := startConfigured(t, ServerConfig{
		Drain: time.Hour,
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(started)
			<-r.Context().Done()
			close(ended)
		}),
	})
	c := dial(t, s.addr)
	c.send(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	wait(t, started, "the request")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); err != context.Canceled { //nolint:errorlint // exactly this one
		t.Errorf("Shutdown() = %v, want %v", err, context.Canceled)
	}
	select {
	case <-ended:
	default:
		t.Error("Shutdown returned before the handler did")
	}
}

// TestHTTP2Streams: the server tells a client of HTTP/2 how many requests it may
// have at once.
func TestHTTP2Streams(t *testing.T) {
	t.Parallel()
	s := startServer(t, http.NotFoundHandler())
	c := dial(t, s.addr)
	c.send(t, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00") // the preface, and no settings
	var head [9]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil || head[3] != 4 {
		t.Fatalf("the first frame begins with %x, %v; want SETTINGS", head, err)
	}
	settings := make([]byte, int(head[1])<<8|int(head[2]))
	if _, err := io.ReadFull(c.r, settings); err != nil {
		t.Fatal(err)
	}
	for ; len(settings) >= 6; settings = settings[6:] {
		if settings[1] == 3 { // SETTINGS_MAX_CONCURRENT_STREAMS
			if n := binary.BigEndian.Uint32(settings[2:]); n != maxHTTP2Streams {
				t.Errorf("%d streams, want %d", n, maxHTTP2Streams)
			}
			return
		}
	}
	t.Error("no limit was told")
}
