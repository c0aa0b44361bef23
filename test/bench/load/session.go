package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/wampgate/wampgate/test/bench/wire"
)

// A Router is a WAMP router under test.
type Router struct {
	URL   string // of its WebSocket, ws://
	Realm string
}

// joinTimeout bounds what precedes a run: joining, and registering.
const joinTimeout = 20 * time.Second

// A RouterError is an answer of the router that is an error.
type RouterError struct{ URI string }

func (e *RouterError) Error() string { return "the router answers " + e.URI }

// A session is joined to a realm, as caller or callee. It is used by one
// goroutine, apart from close.
type session struct {
	conn       net.Conn
	in         *wire.Reader
	out        *wire.Outbox
	serializer wire.Serializer
	each       bool // write every message on its own
	head       []byte
}

// join opens a session whose read buffer has the given size.
func join(ctx context.Context, r Router, s wire.Serializer, buffer int) (*session, error) {
	conn, in, err := wire.Dial(ctx, r.URL, wire.Subprotocol(s), buffer)
	if err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	out, err := wire.NewOutbox(conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	x := &session{conn: conn, in: in, out: out, serializer: s}
	in.Dry = x.flush
	if err := x.hello(r.Realm); err != nil {
		x.close()
		return nil, fmt.Errorf("join: %w", err)
	}
	return x, nil
}

func (x *session) hello(realm string) error {
	if err := x.conn.SetDeadline(time.Now().Add(joinTimeout)); err != nil {
		return err
	}
	d := x.serializer.Text(x.serializer.Uint(x.serializer.Open(nil, 3), wire.Hello), realm)
	x.send(x.serializer.End(x.serializer.Value(d, details())), nil)
	m, err := x.next()
	if err != nil {
		return err
	}
	if m.Type != wire.Welcome {
		return fmt.Errorf("want WELCOME, got type %d: %.200q", m.Type, m.Rest)
	}
	return x.conn.SetDeadline(time.Time{})
}

// details are those of HELLO.
func details() map[string]any {
	role := func(features ...string) map[string]any {
		set := map[string]any{}
		for _, f := range features {
			set[f] = true
		}
		return map[string]any{"features": set}
	}
	return map[string]any{
		"authmethods": []string{"anonymous"},
		"roles": map[string]any{
			"caller": role("progressive_call_results", "call_canceling", "call_timeout"),
			"callee": role("progressive_call_results", "call_canceling", "pattern_based_registration"),
		},
	}
}

// send queues a message of two parts. It leaves when next finds nothing more
// to return, or with flush.
func (x *session) send(head, tail []byte) {
	x.out.Append(x.serializer.Opcode(), true, head, tail)
	if x.each {
		x.flush()
	}
}

// flush writes what is queued. What fails shows when reading.
func (x *session) flush() { _ = x.out.Flush() }

// next returns the next message, which is valid until it is called again.
func (x *session) next() (wire.Message, error) {
	for {
		op, p, err := x.in.Next()
		switch {
		case err != nil:
			return wire.Message{}, err
		case op == wire.OpClose:
			return wire.Message{}, fmt.Errorf("the router closes: %q: %w", p, io.EOF)
		case op == wire.OpPing:
			x.out.Append(wire.OpPong, true, p, nil)
			x.flush()
		case op == wire.OpText || op == wire.OpBinary:
			return wire.Parse(x.serializer, p)
		}
	}
}

// pipelined is how many REGISTER messages are under way at most.
const pipelined = 64

// register registers procedures and returns when all are.
func (x *session) register(match string, uris ...string) error {
	if err := x.conn.SetDeadline(time.Now().Add(joinTimeout)); err != nil {
		return err
	}
	options := map[string]any{}
	if match != "" {
		options["match"] = match
	}
	for answered := range uris {
		if answered%pipelined == 0 {
			for i, uri := range uris[answered:min(answered+pipelined, len(uris))] {
				tail := wire.Tail(x.serializer, wire.Register, options, uri)
				x.head = wire.Begin(x.serializer, x.head[:0], 4, wire.Register, uint64(answered+i+1))
				x.send(x.head, tail)
			}
		}
		if err := x.registered(); err != nil {
			return fmt.Errorf("register: %w", err)
		}
	}
	return x.conn.SetDeadline(time.Time{})
}

// registered waits for an answer to a REGISTER.
func (x *session) registered() error {
	m, err := x.next()
	switch {
	case err != nil:
		return err
	case m.Type == wire.Error:
		return &RouterError{x.errorURI(m)}
	case m.Type != wire.Registered:
		return fmt.Errorf("want REGISTERED, got type %d", m.Type)
	}
	return nil
}

// errorURI returns the URI of an ERROR.
func (x *session) errorURI(m wire.Message) string {
	rest, ok := x.serializer.Skip(m.Rest)
	if ok {
		if uri, _, ok := x.serializer.TakeText(rest); ok {
			return string(uri)
		}
	}
	return "(malformed)"
}

// leave says goodbye and waits for the answer.
func (x *session) leave() error {
	if err := x.conn.SetDeadline(time.Now().Add(joinTimeout)); err != nil {
		return err
	}
	d := x.serializer.Uint(x.serializer.Open(nil, 3), wire.Goodbye)
	d = x.serializer.Text(x.serializer.Flag(d, ""), "wamp.close.normal")
	x.send(x.serializer.End(d), nil)
	m, err := x.next()
	if err == nil && m.Type != wire.Goodbye {
		return fmt.Errorf("want GOODBYE, got type %d", m.Type)
	}
	return err
}

// close ends the connection. It may be called at any time, more than once.
func (x *session) close() { _ = x.out.Close() }
