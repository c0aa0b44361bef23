package transport

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

// The buffers coder/websocket works with: a large one to read, and one that
// holds any control frame, so that each arrives as one write.
const (
	readBuffer  = 16 << 10
	writeBuffer = 256
)

// A socket is the network connection as coder/websocket sees it. What is
// written to it are control frames; they go the way of the data frames. A
// read means that everything received so far has been handled.
type socket struct {
	net.Conn // the real one

	out   *outbox
	dry   func()      // runs before each read that may block
	heard atomic.Bool // something was read
}

// Read flushes what came of the input so far, and then reads.
func (s *socket) Read(p []byte) (int, error) {
	s.dry()
	n, err := s.Conn.Read(p)
	if n > 0 {
		s.heard.Store(true)
	}
	return n, err
}

// Write queues a control frame.
func (s *socket) Write(p []byte) (int, error) {
	if err := s.out.control(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close closes the connection. What has not been sent, as the answer to a
// close frame may not, gets a little time to leave.
func (s *socket) Close() error {
	s.out.finish()
	return s.Conn.Close()
}

// A hijacker hands out the connection of an HTTP request, put into a socket.
type hijacker struct {
	http.ResponseWriter

	open func(net.Conn) *socket
}

// Hijack implements [http.Hijacker].
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("take over the connection: %w", err)
	}
	s := h.open(conn)
	early, _ := rw.Reader.Peek(rw.Reader.Buffered()) // sent right behind the handshake
	r := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(early), s), readBuffer)
	if _, err := r.Peek(len(early)); err != nil {
		return nil, nil, fmt.Errorf("keep what was read early: %w", err)
	}
	return s, bufio.NewReadWriter(r, bufio.NewWriterSize(s, writeBuffer)), nil
}
