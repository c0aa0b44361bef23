package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/coder/websocket"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// ErrAborted is wrapped by the error of [Conn.Join] when the router answered
// with an ABORT.
var ErrAborted = errors.New("the router refused the session")

// maxKept is the capacity up to which a Conn keeps its buffers.
const maxKept = 1 << 20

// DialOptions change how Dial connects. The zero DialOptions are fine.
type DialOptions struct {
	HTTPClient *http.Client // default http.DefaultClient
	Header     http.Header  // sent with the handshake
	MaxFrame   int64        // bytes of a message from the router; default 16 MiB
}

// A Conn is the client's end of WAMP over WebSocket. Any number of goroutines
// may send at once; one receives. Pings are answered while Receive is running.
type Conn struct {
	ws         *websocket.Conn
	serializer wamp.Serializer
	typ        websocket.MessageType

	// Owned by Receive.
	decoder *wamp.Decoder
	in      []byte
	limit   int

	mu  sync.Mutex // guards out, and keeps messages in the order of their Sends
	out []byte
}

// Dial connects to url (ws:, wss:, http: or https:) with serializer s. ctx
// bounds the handshake only. A nil opts stands for the zero one.
func Dial(ctx context.Context, url string, s wamp.Serializer, opts *DialOptions) (*Conn, error) {
	var o DialOptions
	if opts != nil {
		o = *opts
	}
	if o.MaxFrame <= 0 {
		o.MaxFrame = 16 << 20
	}
	ws, response, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient:   o.HTTPClient,
		HTTPHeader:   o.Header,
		Subprotocols: []string{Subprotocol(s)},
	})
	if response != nil && response.Body != nil {
		defer response.Body.Close() //nolint:errcheck // nothing to learn from it
	}
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", url, err)
	}
	if ws.Subprotocol() != Subprotocol(s) {
		_ = ws.CloseNow()
		return nil, fmt.Errorf("connect to %s: the server does not speak %s", url, Subprotocol(s))
	}
	ws.SetReadLimit(-1) // readAll has its own
	c := &Conn{ws: ws, serializer: s, typ: websocket.MessageText, decoder: wamp.NewDecoder(s), limit: int(o.MaxFrame)}
	if s.Binary() {
		c.typ = websocket.MessageBinary
	}
	return c, nil
}

// Join says hello and waits for the answer. The error wraps [ErrAborted] if
// the router refused, and then tells its reason.
func (c *Conn) Join(ctx context.Context, hello *wamp.Hello) (*wamp.Welcome, error) {
	return c.Login(ctx, hello, nil)
}

// Login is Join for a router that wants to know who comes: answer makes the
// AUTHENTICATE of a CHALLENGE. Its error ends the login, and is wrapped.
func (c *Conn) Login(ctx context.Context, hello *wamp.Hello, answer func(*wamp.Challenge) (*wamp.Authenticate, error)) (*wamp.Welcome, error) {
	m, err := c.ask(ctx, hello)
	if challenge, ok := m.(*wamp.Challenge); ok && answer != nil {
		var reply *wamp.Authenticate
		if reply, err = answer(challenge); err == nil {
			m, err = c.ask(ctx, reply)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("join realm %s: %w", hello.Realm, err)
	}
	switch m := m.(type) {
	case *wamp.Welcome:
		return m, nil
	case *wamp.Abort:
		text, _ := m.Details.String("message")
		return nil, fmt.Errorf("join realm %s: %w: %s: %s", hello.Realm, ErrAborted, m.Reason, text)
	}
	return nil, fmt.Errorf("join realm %s: %w: %v in answer to HELLO", hello.Realm, wamp.ErrMalformed, m.Type())
}

// ask sends a message and waits for one.
func (c *Conn) ask(ctx context.Context, m wamp.Message) (wamp.Message, error) {
	if err := c.Send(m); err != nil {
		return nil, err
	}
	return c.Receive(ctx)
}

// Serializer returns the encoding of the messages.
func (c *Conn) Serializer() wamp.Serializer { return c.serializer }

// Send sends a message; it waits while the network takes nothing. m is not
// kept. An error that wraps [wamp.ErrUntranscodable] leaves the connection
// usable, others end it.
func (c *Conn) Send(m wamp.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	out, err := c.serializer.Append(c.out[:0], m)
	if err != nil {
		return fmt.Errorf("send %v: %w", m.Type(), err)
	}
	if cap(out) <= maxKept {
		c.out = out
	}
	if err := c.ws.Write(context.Background(), c.typ, out); err != nil {
		return fmt.Errorf("send %v: %w", m.Type(), err)
	}
	return nil
}

// Receive waits for a message. The message and its payload are valid until the
// next call. When ctx ends the connection ends with it, as it does after any
// other error.
func (c *Conn) Receive(ctx context.Context) (wamp.Message, error) {
	_, r, err := c.ws.Reader(ctx)
	if err != nil {
		return nil, fmt.Errorf("receive: %w", err)
	}
	if cap(c.in) > maxKept {
		c.in = nil
	}
	if c.in, err = readAll(c.in[:0], r, c.limit); err != nil {
		return nil, fmt.Errorf("receive: %w", err)
	}
	m, err := c.decoder.Decode(c.in)
	if err != nil {
		return nil, fmt.Errorf("receive: %w", err)
	}
	return m, nil
}

// readAll appends all of r to b, unless that is more than limit bytes.
func readAll(b []byte, r io.Reader, limit int) ([]byte, error) {
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > limit:
			return b, errFrameTooLarge
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return b, err
		case len(b) == cap(b):
			b = append(b, 0)[:len(b)]
		}
	}
}

// Close ends the connection with a closing handshake, for which it waits at
// most 5 s. Sends and Receives that are under way fail.
func (c *Conn) Close() error {
	if err := c.ws.Close(websocket.StatusNormalClosure, ""); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}
