package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// metaWindow is how many calls of the meta API are under way at once.
const metaWindow = 64

// metaOptions say whom to ask, and are flags.
type metaOptions struct {
	login
	URL     string        `group:"Gateway" name:"url" default:"${url}" help:"Where the gateway, or another WAMP router, is (http, https, ws or wss)."`
	Realm   string        `group:"Gateway" default:"realm1" placeholder:"URI" help:"Realm to join."`
	Timeout time.Duration `short:"t" default:"30s" placeholder:"TIME" help:"Time that everything may take; ${default} unless given."`
}

// with joins the realm over WebSocket and does something there. Errors carry
// their exit codes.
func (o *metaOptions) with(ctx context.Context, p *process, do func(*metaClient) error) error {
	router, err := routerURL(o.URL)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if err := o.checkWAMP(p); err != nil {
		return &exitError{exitUsage, err}
	}
	client, err := o.client()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	defer client.CloseIdleConnections()
	limited, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	err = o.session(limited, p, client, router, do)
	switch {
	case err == nil || ctx.Err() == nil && limited.Err() == nil:
		return err
	case ctx.Err() != nil:
		return &exitError{exitInterrupted, errors.New("interrupted")}
	}
	return &exitError{exitTimeout, fmt.Errorf("no answer from %s within %v", o.URL, o.Timeout)}
}

func (o *metaOptions) session(ctx context.Context, p *process, client *http.Client, router string, do func(*metaClient) error) error {
	conn, err := transport.Dial(ctx, router, wamp.JSON, &transport.DialOptions{HTTPClient: client})
	if err != nil {
		return &exitError{exitUnavailable, err}
	}
	defer conn.Close() //nolint:errcheck // all that was asked for has been answered
	welcome, err := o.join(ctx, p, conn, &wamp.Hello{Realm: wamp.URI(o.Realm), Details: wamp.Dict{
		"agent": "wampgate/" + version,
		"roles": wamp.Dict{"caller": wamp.Dict{"features": wamp.Dict{}}},
	}})
	switch {
	case errors.Is(err, transport.ErrAborted):
		return &exitError{exitRefused, err}
	case err != nil:
		return &exitError{exitUnavailable, err}
	}
	return do(&metaClient{ctx: ctx, conn: conn, self: welcome.Session})
}

// A metaClient calls procedures of the meta API over a session of its own.
type metaClient struct {
	ctx  context.Context
	conn *transport.Conn
	self wamp.ID // its session
	last wamp.ID
}

// A metaCall is a CALL and what answers it.
type metaCall struct {
	procedure wamp.URI
	args      []any
	kwargs    wamp.Dict

	result []any
	next   any        // where a list goes on
	err    *metaError // the ERROR that answered it
}

// A metaError is an ERROR of the router.
type metaError struct {
	procedure, uri wamp.URI
	text           string
}

func (e *metaError) Error() string {
	what := strings.TrimPrefix(strings.TrimPrefix(string(e.uri), "wampgate.error."), "wamp.error.")
	what = strings.ReplaceAll(what, "_", " ")
	if e.text == "" || e.text == what {
		return fmt.Sprintf("%s: %s", e.procedure, what)
	}
	return fmt.Sprintf("%s: %s\n  %s", e.procedure, what, e.text)
}

// code returns the exit code for the error.
func (e *metaError) code() int {
	if e.uri == wamp.ErrUnavailable {
		return exitUnavailable
	}
	return exitRefused
}

// call makes one call.
func (c *metaClient) call(procedure wamp.URI, kwargs wamp.Dict, args ...any) (*metaCall, error) {
	calls := []*metaCall{{procedure: procedure, args: args, kwargs: kwargs}}
	if err := c.all(calls); err != nil {
		return nil, err
	}
	if err := calls[0].err; err != nil {
		return nil, &exitError{err.code(), err}
	}
	return calls[0], nil
}

// all makes calls, some at once. Each gets its answer, be it an ERROR; the
// error is that of the connection.
func (c *metaClient) all(calls []*metaCall) error {
	for len(calls) > 0 {
		n := min(len(calls), metaWindow)
		if err := c.some(calls[:n]); err != nil {
			return &exitError{exitUnavailable, err}
		}
		calls = calls[n:]
	}
	return nil
}

func (c *metaClient) some(calls []*metaCall) error {
	first := c.last + 1
	for _, call := range calls {
		payload, err := wamp.NewPayload(wamp.JSON, call.args, call.kwargs)
		if err != nil {
			return err
		}
		c.last++
		if err := c.conn.Send(&wamp.Call{Request: c.last, Procedure: call.procedure, Payload: payload}); err != nil {
			return err
		}
	}
	for open := len(calls); open > 0; open-- {
		m, err := c.conn.Receive(c.ctx)
		if err != nil {
			return err
		}
		if err := answered(calls, first, m); err != nil {
			return err
		}
	}
	return nil
}

// answered notes the answer to one of the calls, whose requests begin with
// first.
func answered(calls []*metaCall, first wamp.ID, m wamp.Message) error {
	switch m := m.(type) {
	case *wamp.Result:
		if i := m.Request - first; i < wamp.ID(len(calls)) {
			return calls[i].succeed(m.Payload)
		}
	case *wamp.Error:
		if i := m.Request - first; i < wamp.ID(len(calls)) {
			calls[i].err = &metaError{calls[i].procedure, m.Error, firstText(m.Payload)}
			return nil
		}
	case *wamp.Goodbye:
		return fmt.Errorf("the router closed the session: %s", m.Reason)
	}
	return fmt.Errorf("unexpected %v", m.Type())
}

func (c *metaCall) succeed(p wamp.Payload) error {
	args, kwargs, err := p.Decode()
	c.result, c.next = args, kwargs["next"]
	return err
}

// pages calls a procedure that lists something until it has listed all.
func (c *metaClient) pages(procedure wamp.URI, take func(result any)) error {
	var kwargs wamp.Dict
	for {
		call, err := c.call(procedure, kwargs)
		if err != nil {
			return err
		}
		if len(call.result) > 0 {
			take(call.result[0])
		}
		if call.next == nil {
			return nil
		}
		kwargs = wamp.Dict{"after": call.next}
	}
}

// listOf returns v as a list, empty if it is none.
func listOf(v any) []any {
	list, _ := v.([]any)
	return list
}

// dictOf returns the first result of a call as a dict, empty if it is none.
func (c *metaCall) dictOf() wamp.Dict {
	if len(c.result) == 0 {
		return nil
	}
	dict, _ := c.result[0].(wamp.Dict)
	return dict
}
