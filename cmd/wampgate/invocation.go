package main

import (
	"bytes"
	"context"
	"errors"

	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// errInterrupted is the cause for which the context of a canceled invocation
// ends.
var errInterrupted = errors.New("interrupted")

// An invocation is a call as its callee sees it. Its methods are for the
// goroutine that serves it.
type invocation struct {
	id        wamp.ID
	procedure wamp.URI
	progress  bool // the caller takes progressive results

	conn   *transport.Conn
	cancel context.CancelCauseFunc
	chunks chan chunk
	done   chan struct{} // closed when nobody reads chunks any more
}

// A chunk is one CALL of a progressive call; an ordinary call has one.
type chunk struct {
	payload wamp.Payload
	more    bool
}

// next waits for the next chunk and says whether more will follow.
func (inv *invocation) next(ctx context.Context) (payload wamp.Payload, more bool, err error) {
	select {
	case c := <-inv.chunks:
		return c.payload, c.more, nil
	case <-ctx.Done():
		return wamp.Payload{}, false, context.Cause(ctx)
	}
}

// yield sends a progressive result. It waits while the router does not read.
// Without inv.progress it does nothing.
func (inv *invocation) yield(payload wamp.Payload) error {
	if !inv.progress {
		return nil
	}
	return inv.conn.Send(&wamp.Yield{Request: inv.id, Options: wamp.YieldOptions{Progress: true}, Payload: payload})
}

func clonePayload(p wamp.Payload) wamp.Payload {
	p.Args, p.Kwargs = bytes.Clone(p.Args), bytes.Clone(p.Kwargs)
	return p
}

// newCallError returns an ERROR whose one argument is text.
func newCallError(uri wamp.URI, text string) *callError {
	return &callError{uri: uri, text: text, payload: values(text)}
}

// values returns a payload in JSON that holds args.
func values(args ...any) wamp.Payload {
	p, err := wamp.NewPayload(wamp.JSON, args, nil)
	if err != nil {
		p, _ = wamp.NewPayload(wamp.JSON, []any{err.Error()}, nil)
	}
	return p
}

// firstText returns the first argument of a payload if it is a string.
func firstText(p wamp.Payload) string {
	args, _, err := p.Decode()
	if err != nil || len(args) == 0 {
		return ""
	}
	text, _ := args[0].(string)
	return text
}
