package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// TestClientsThatLeave: the context of a request ends soon after its client
// left, however the client hides it from net/http.
func TestClientsThatLeave(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the state of sockets is only asked for on Linux")
	}
	readAll := func(b io.Reader) { _, _ = io.Copy(io.Discard, b) }
	readTwo := func(b io.Reader) { _, _ = io.ReadFull(b, make([]byte, 2)) }
	readNone := func(io.Reader) {}
	hangUp := func(c *wire) error { return c.Close() }
	reset := func(c *wire) error {
		if err := c.SetLinger(0); err != nil {
			return err
		}
		return c.Close()
	}
	halfClose := func(c *wire) error { return c.CloseWrite() }
	const post = "POST / HTTP/1.1\r\nHost: x\r\n"
	tests := []struct {
		name    string
		request string
		read    func(io.Reader)
		leave   func(*wire) error
		later   string // sent once the body was read
	}{
		{"no body", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", readNone, hangUp, ""},
		{"body read", post + "Content-Length: 2\r\n\r\nab", readAll, hangUp, ""},
		{"body read, reset", post + "Content-Length: 2\r\n\r\nab", readAll, reset, ""},
		{"body read, half-closed", post + "Content-Length: 2\r\n\r\nab", readAll, halfClose, ""},
		{"body unread", post + "Content-Length: 2\r\n\r\nab", readNone, hangUp, ""},
		{"body unread, half-closed", post + "Content-Length: 2\r\n\r\nab", readNone, halfClose, ""},
		{"body unread, reset", post + "Content-Length: 2\r\n\r\nab", readNone, reset, ""},
		{"reader paused", post + "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n", readTwo, hangUp, ""},
		{"reader paused, reset", post + "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n", readTwo, reset, ""},
		{"last chunk not read", post + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", readTwo, hangUp, ""},
		{"pipelined byte", post + "Content-Length: 2\r\n\r\nab", readAll, hangUp, "X"},
		{"pipelined request", post + "Content-Length: 2\r\n\r\nab", readAll, hangUp, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"pipelined with the body", post + "Content-Length: 2\r\n\r\nabX", readAll, hangUp, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			started, ended := make(chan struct{}), make(chan error, 1)
			s := startServer(t, settle(watched(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				tt.read(r.Body)
				close(started)
				<-r.Context().Done()
				ended <- context.Cause(r.Context())
				panic(http.ErrAbortHandler)
			}))))
			c := dial(t, s.addr)
			c.send(t, tt.request)
			wait(t, started, "the request")
			c.send(t, tt.later)
			if err := tt.leave(c); err != nil {
				t.Fatal(err)
			}
			select {
			case cause := <-ended:
				if !clientGone(cause) {
					t.Errorf("cause = %v, want one that says that the client is gone", cause)
				}
			case <-time.After(patience):
				t.Error("the client left and nobody noticed")
			}
		})
	}
}

// TestClientsThatStay: a scan leaves those alone that are there.
func TestClientsThatStay(t *testing.T) {
	t.Parallel()
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nabX",
	} {
		started, finish := make(chan struct{}), make(chan struct{})
		s := startServer(t, settle(watched(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(started)
			<-finish
			if r.Context().Err() != nil {
				w.WriteHeader(http.StatusTeapot)
			}
		}))))
		c := dial(t, s.addr)
		c.send(t, request)
		wait(t, started, "the request")
		s.watcher.scan()
		close(finish)
		if got := c.answer(t).StatusCode; got != http.StatusOK {
			t.Errorf("%q: status = %d, want 200: the client never left", request, got)
		}
	}
}

// TestWatcherRests: nothing is armed once there is nothing to watch.
func TestWatcherRests(t *testing.T) {
	t.Parallel()
	var w watcher
	socket := rawConn(t)
	remove := w.add(socket, func() { t.Error("gone was called for a connection that stands") })
	if armed, _ := state(&w); !armed {
		t.Error("a watch did not arm the timer")
	}
	w.scan()
	remove()
	w.scan()
	if armed, watched := state(&w); armed || watched > 0 {
		t.Errorf("armed = %t with %d watches, want false with 0", armed, watched)
	}
	w.stop()
	w.add(socket, func() { t.Error("gone was called after stop") })()
	if armed, _ := state(&w); armed {
		t.Error("a watch after stop armed the timer")
	}
}

func state(w *watcher) (armed bool, watched int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.armed, len(w.watched)
}

// rawConn returns a connection that stands until the test is over.
func rawConn(t testing.TB) syscall.RawConn {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	socket, err := dial(t, l.Addr().String()).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return socket
}

func BenchmarkWatcher(b *testing.B) {
	var w watcher
	socket := rawConn(b)
	b.ReportAllocs()
	for b.Loop() {
		w.add(socket, func() {})()
	}
}
