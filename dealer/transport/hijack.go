package transport

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
)

// A hijacker takes the connection of an HTTP request and keeps it: the one
// that makes the handshake is done with it then, and gets a [vacant] one.
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
	h.open(conn).unread(early)
	var none vacant
	return none, bufio.NewReadWriter(bufio.NewReaderSize(none, 16), bufio.NewWriterSize(none, 16)), nil
}

// A vacant connection has nobody at the other end.
type vacant struct{ net.Conn }

func (vacant) Read([]byte) (int, error)    { return 0, io.EOF }
func (vacant) Write(p []byte) (int, error) { return 0, io.ErrClosedPipe }
func (vacant) Close() error                { return nil }
