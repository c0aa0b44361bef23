package transport

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// The sizes of coder/websocket's buffers. It reads frame headers through the
// first one; what is longer goes around it. The second holds any control
// frame, so that each arrives as one write.
const (
	headerBuffer  = 512
	controlBuffer = 256
)

// An input holds what was read from a connection at a time.
type input [16 << 10]byte

// An inputPool is shared by the connections of a Handler.
type inputPool struct{ pool sync.Pool }

func (p *inputPool) get() *input {
	if in, ok := p.pool.Get().(*input); ok {
		return in
	}
	return new(input)
}

func (p *inputPool) put(in *input) { p.pool.Put(in) }

// A socket is the network connection as coder/websocket sees it. What is
// written to it are control frames; they go the way of the data frames. When
// its input has run dry, everything received so far has been handled.
type socket struct {
	net.Conn // the real one

	out    *outbox
	dry    func() // runs before each wait for input
	inputs *inputPool
	heard  atomic.Bool // something was read

	// Owned by the reader.
	lazy *lazyReader // nil where that cannot be
	in   *input      // nil while there is no input
	rest []byte      // of in, still to be handed out
}

func newSocket(conn net.Conn, out *outbox, dry func(), inputs *inputPool) *socket {
	return &socket{Conn: conn, out: out, dry: dry, inputs: inputs, lazy: newLazyReader(conn, inputs)}
}

// Read hands out input. Before it waits for more, it flushes what came of the
// input so far.
func (s *socket) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		if len(p) >= len(input{}) {
			return s.wait(p)
		}
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	if len(s.rest) == 0 {
		s.release()
	}
	return n, nil
}

// fill waits for input and keeps it for Read.
func (s *socket) fill() error {
	if s.lazy == nil {
		s.in = s.inputs.get()
		n, err := s.wait(s.in[:])
		s.rest = s.in[:n]
		if n == 0 {
			s.release()
		}
		return err
	}
	n, err := s.wait(nil)
	if s.in != nil {
		s.rest = s.in[:n]
	}
	return err
}

// wait reads into p, or if p is nil into s.in, when there is something to
// read. There is, or else an error.
func (s *socket) wait(p []byte) (n int, err error) {
	s.dry()
	if s.lazy != nil {
		s.in, n, err = s.lazy.read(p)
	} else {
		n, err = s.Conn.Read(p)
	}
	if n > 0 {
		s.heard.Store(true)
		return n, nil // an error will come again
	}
	return 0, err
}

// unread puts early input in front of what is read next. There must be none.
func (s *socket) unread(early []byte) {
	if len(early) > 0 {
		s.in = s.inputs.get()
		s.rest = s.in[:copy(s.in[:], early)]
	}
}

func (s *socket) release() {
	if s.in != nil {
		s.inputs.put(s.in)
	}
	s.in, s.rest = nil, nil
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
	early, err := rw.Peek(rw.Reader.Buffered()) // sent right behind the handshake
	if err != nil || len(early) > len(input{}) {
		_ = conn.Close()
		return nil, nil, fmt.Errorf("take over %d bytes of input: %w", len(early), err)
	}
	s := h.open(conn)
	s.unread(early)
	return s, bufio.NewReadWriter(bufio.NewReaderSize(s, headerBuffer), bufio.NewWriterSize(s, controlBuffer)), nil
}
