package load

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/wampgate/wampgate/test/bench/wire"
)

// A callee echoes arguments.
type callee struct {
	*session
	results int           // for each call; all but the last are progressive
	nap     time.Duration // sleep so long when the first call comes
}

// ServeEcho registers a procedure that returns its arguments, calls ready, and
// serves it until ctx ends.
func ServeEcho(ctx context.Context, r Router, s wire.Serializer, uri string, ready func()) error {
	x, err := join(ctx, r, s, readBuffer)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, x.close)()
	defer x.close()
	if err := x.register("", uri); err != nil {
		return err
	}
	ready()
	return (&callee{session: x, results: 1}).serve()
}

// serve answers invocations until the connection ends.
func (c *callee) serve() error {
	for {
		m, err := c.next()
		if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if m.Type != wire.Invocation {
			continue
		}
		if c.nap > 0 {
			time.Sleep(c.nap)
			c.nap = 0
		}
		if err := c.answer(m); err != nil {
			return err
		}
	}
}

// answer yields the arguments of an invocation, as often as asked for.
func (c *callee) answer(m wire.Message) error {
	_, rest, ok := c.serializer.TakeUint(m.Rest) // registration
	if !ok {
		return wire.ErrMalformed
	}
	arguments, ok := c.serializer.Skip(rest) // details
	if !ok {
		return wire.ErrMalformed
	}
	for left := c.results - 1; left >= 0; left-- {
		flag := ""
		if left > 0 {
			flag = "progress"
		}
		c.head = c.serializer.Flag(wire.Begin(c.serializer, c.head[:0], m.Len-1, wire.Yield, m.ID), flag)
		c.send(c.head, arguments)
	}
	return nil
}
