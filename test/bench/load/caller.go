package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"github.com/wampgate/wampgate/test/bench/wire"
)

// A caller keeps calls in flight on a session.
type caller struct {
	*session
	run     *run
	tails   [][]byte // of the calls to choose from
	payload []byte   // what the first result must have
	window  window
	random  *rand.Rand
	result  Result
}

// issue sends a call, if there are any left.
func (c *caller) issue(now time.Duration) {
	if !c.run.take() {
		return
	}
	tail := c.tails[0]
	if len(c.tails) > 1 {
		tail = c.tails[c.random.IntN(len(c.tails))]
	}
	c.head = wire.Begin(c.serializer, c.head[:0], 5, wire.Call, c.window.add(now))
	c.send(c.head, tail)
}

// serve handles answers until none are awaited.
func (c *caller) serve() error {
	for c.window.open > 0 {
		m, err := c.next()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
			c.result.Unanswered = uint64(c.window.open)
			return fmt.Errorf("the router ended a caller's connection: %w", err)
		}
		if err == nil {
			err = c.handle(m)
		}
		if err != nil {
			return err
		}
	}
	c.result.Unanswered = uint64(c.window.open)
	return nil
}

// handle takes an answer, and makes the next call if it is final.
func (c *caller) handle(m wire.Message) error {
	if m.Type != wire.Result && m.Type != wire.Error {
		return fmt.Errorf("want RESULT or ERROR, got type %d", m.Type)
	}
	call := c.window.find(m.ID)
	if call == nil {
		c.result.Twice++
		return nil
	}
	if m.Type == wire.Result && c.run.Results > 1 && isProgressive(c.serializer, m) {
		call.part++
		return nil
	}
	now := c.run.now()
	if m.Type == wire.Error {
		c.result.failed(c.errorURI(m))
	} else if err := c.succeeded(m, call, now); err != nil {
		return err
	}
	c.window.remove(call)
	c.issue(now)
	return nil
}

// isProgressive tells whether more results follow a RESULT.
func isProgressive(s wire.Serializer, m wire.Message) bool {
	rest, ok := s.Skip(m.Rest)
	return ok && wire.HasFlag(m.Rest[:len(m.Rest)-len(rest)], "progress")
}

// succeeded counts a call that came to a good end.
func (c *caller) succeeded(m wire.Message, call *slot, now time.Duration) error {
	if c.payload != nil && !bytes.Contains(m.Rest, c.payload) {
		return fmt.Errorf("a result is not what was sent: %.100q", m.Rest)
	}
	c.payload = nil
	if want := c.run.Results - 1; call.part != want && c.run.Results > 1 {
		c.result.failed(fmt.Sprintf("%d of %d progressive results", call.part, want))
		return nil
	}
	if c.run.measuring.Load() {
		c.result.Done++
		c.result.Latency.Add(now - call.sent)
	}
	return nil
}
