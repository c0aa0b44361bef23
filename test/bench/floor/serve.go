package floor

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"

	"github.com/coder/websocket"

	"github.com/wampgate/wampgate/test/bench/wire"
)

// readBuffer is the size of the read buffer of a connection.
const readBuffer = 16 << 10

// ServeRaw serves WebSocket connections with framing of our own.
func (d *Dealer) ServeRaw(w http.ResponseWriter, r *http.Request) {
	serializer, err := wire.Named(r.Header.Get("Sec-WebSocket-Protocol"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	conn, err := wire.Accept(w, r)
	if err != nil {
		return
	}
	out, err := wire.NewOutbox(conn)
	if err != nil {
		return
	}
	s := d.newSession(serializer, out)
	in := wire.NewReader(conn, readBuffer, nil)
	in.Dry = s.flush
	s.serve(func() ([]byte, error) {
		op, p, err := in.Next()
		if op == wire.OpClose {
			return nil, io.EOF
		}
		return p, err
	})
}

// serve handles what read returns, until it fails.
func (s *session) serve(read func() ([]byte, error)) {
	defer func() {
		s.dealer.leave(s)
		_ = s.out.Close()
	}()
	for {
		b, err := read()
		if err != nil || s.receive(b) != nil {
			return
		}
	}
}

// ServeCoder serves WebSocket connections as the gateway does: coder/websocket
// does the handshake and reads, and frames are written beside it.
func (d *Dealer) ServeCoder(w http.ResponseWriter, r *http.Request) {
	hook := &hooked{ResponseWriter: w}
	options := &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled}
	for _, s := range wire.Serializers() {
		options.Subprotocols = append(options.Subprotocols, wire.Subprotocol(s))
	}
	ws, err := websocket.Accept(hook, r, options)
	if err != nil {
		return
	}
	defer func() { _ = ws.CloseNow() }()
	ws.SetReadLimit(-1)
	serializer, err := wire.Named(ws.Subprotocol())
	if err != nil {
		return
	}
	s := d.newSession(serializer, hook.conn.out)
	hook.conn.dry = s.flush
	background := context.Background() // with one that can end, each read would cost more
	var buf bytes.Buffer
	s.serve(func() ([]byte, error) {
		_, in, err := ws.Reader(background)
		if err != nil {
			return nil, err
		}
		buf.Reset()
		_, err = buf.ReadFrom(in)
		return buf.Bytes(), err
	})
}

// A hookedConn is a connection as coder/websocket sees it: a read means that
// all input so far was handled, and writes go the way of the data frames.
type hookedConn struct {
	net.Conn

	out *wire.Outbox
	dry func()
}

func (c *hookedConn) Write(p []byte) (int, error) { return c.out.Write(p) }

func (c *hookedConn) Read(p []byte) (int, error) {
	if c.dry != nil {
		c.dry()
	}
	return c.Conn.Read(p)
}

// hooked makes coder/websocket work on a hookedConn.
type hooked struct {
	http.ResponseWriter

	conn *hookedConn
}

// Hijack implements [http.Hijacker].
func (h *hooked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	out, err := wire.NewOutbox(conn)
	if err != nil {
		return nil, nil, err
	}
	h.conn = &hookedConn{Conn: conn, out: out}
	early, _ := rw.Peek(rw.Reader.Buffered())
	in := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(early), h.conn), readBuffer)
	if _, err := in.Peek(len(early)); err != nil { // coder/websocket keeps what is buffered, not what is not
		return nil, nil, err
	}
	return h.conn, bufio.NewReadWriter(in, bufio.NewWriterSize(h.conn, 256)), nil
}
