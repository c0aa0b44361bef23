package gateway

import (
	"context"
	"errors"
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
	item := &watch{socket, func() { t.Error("gone was called for a connection that stands") }}
	w.add(item)
	if armed, _ := state(&w); !armed {
		t.Error("a watch did not arm the timer")
	}
	w.scan()
	w.remove(item)
	w.scan()
	if armed, watched := state(&w); armed || watched > 0 {
		t.Errorf("armed = %t with %d watches, want false with 0", armed, watched)
	}
	w.stop()
	w.add(&watch{socket, func() { t.Error("gone was called after stop") }})
	if armed, _ := state(&w); armed {
		t.Error("a watch after stop armed the timer")
	}
}

// TestWatchesAreReused: a scan that saw a client leave does not take the next
// client of the same watch for it.
func TestWatchesAreReused(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the state of sockets is only asked for on Linux")
	}
	var w watcher
	here, left := rawConn(t), rawConn(t)
	if err := left.Control(func(fd uintptr) { _ = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) }); err != nil {
		t.Fatal(err)
	}
	wrong := errors.New("no client left, but one was reported")
	reports := make(chan error, 1)
	item := &watch{gone: func() {}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 2000 {
			item.socket, item.gone = left, func() {}
			w.add(item)
			w.remove(item)
			item.socket, item.gone = here, func() { reports <- wrong }
			w.add(item)
			w.remove(item)
		}
	}()
	for ended := false; !ended; {
		w.scan()
		select {
		case err := <-reports:
			t.Error(err)
			ended = true
		case <-done:
			ended = true
		default:
		}
	}
	<-done
	w.stop()
}

// watched makes the context of a request end when its client hangs up.
func watched(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client := r.Context().Value(clientConnKey{}).(*clientConn)
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		item := &watch{client.socket, func() { cancel(errClientGone) }}
		client.watcher.add(item)
		defer client.watcher.remove(item)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
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
	item := &watch{rawConn(b), func() {}}
	b.ReportAllocs()
	for b.Loop() {
		w.add(item)
		w.remove(item)
	}
}
