package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/coder/websocket"

	"github.com/wampgate/wampgate/test/examples/barrier"
)

// This file is what a callee needs of WAMP: HELLO, REGISTER, and an answer to
// each INVOCATION. There are libraries that do more.

// concurrency is how many invocations of a procedure a callee takes at once;
// the gateway lets others wait. It bounds the goroutines of a session.
const concurrency = 16

// A procedure is what a callee offers.
type procedure struct {
	uri         string
	transaction map[string]any // the option of that name; nil if it takes no part
	handle      func(context.Context, *invocation) ([]any, error)
}

// An invocation is what a callee is asked.
type invocation struct {
	Request int64
	Details struct {
		Transaction *barrier.Branch `json:"transaction"` // nil outside of transactions
	}
	Args []json.RawMessage
}

// scan reads the arguments, of which there must be as many.
func (i *invocation) scan(into ...any) error {
	if len(i.Args) != len(into) {
		return fmt.Errorf("%d arguments", len(i.Args))
	}
	for n, p := range into {
		if err := json.Unmarshal(i.Args[n], p); err != nil {
			return err
		}
	}
	return nil
}

// A refusal is an error with a URI for the caller.
type refusal struct{ uri, text string }

func (r *refusal) Error() string { return r.text }

// A session is a connection with a gateway.
type session struct {
	ws         *websocket.Conn
	procedures []procedure
	ready      func()
	registered map[int64]procedure
	work       sync.WaitGroup
}

// serve joins realm1, registers procedures, calls ready, and answers
// invocations until the connection or ctx ends. What is still at work then
// goes on to its end, and its answer is dropped: the number of an invocation
// means nothing in another session.
func serve(ctx context.Context, url string, procedures []procedure, ready func()) error {
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{"wamp.2.json"}})
	if err != nil {
		return err
	}
	s := &session{ws: ws, procedures: procedures, ready: ready, registered: map[int64]procedure{}}
	defer s.work.Wait()
	defer ws.CloseNow() //nolint:errcheck // nothing to learn from it
	if err := s.send(ctx, 1, "realm1", map[string]any{"roles": map[string]any{"callee": map[string]any{}}}); err != nil {
		return err
	}
	for {
		_, b, err := ws.Read(ctx)
		if err != nil {
			return err
		}
		var m []json.RawMessage
		if err := json.Unmarshal(b, &m); err != nil || len(m) < 2 {
			return fmt.Errorf("not a message: %s", b)
		}
		if err := s.take(ctx, m); err != nil {
			return fmt.Errorf("%w: %s", err, b)
		}
	}
}

// send sends a message.
func (s *session) send(ctx context.Context, message ...any) error {
	b, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return s.ws.Write(ctx, websocket.MessageText, b)
}

// take does what a message of the gateway asks for.
func (s *session) take(ctx context.Context, m []json.RawMessage) error {
	switch string(m[0]) {
	case "2": // WELCOME
		return s.register(ctx)
	case "65": // REGISTERED
		var request, registration int64
		if err := errors.Join(at(m, 1, &request), at(m, 2, &registration)); err != nil {
			return err
		}
		if request < 1 || request > int64(len(s.procedures)) {
			return errors.New("nobody asked for that")
		}
		s.registered[registration] = s.procedures[request-1]
		if len(s.registered) == len(s.procedures) {
			s.ready()
		}
		return nil
	case "68": // INVOCATION
		var i invocation
		var registration int64
		if err := errors.Join(at(m, 1, &i.Request), at(m, 2, &registration), at(m, 3, &i.Details)); err != nil {
			return err
		}
		if len(m) > 4 {
			if err := at(m, 4, &i.Args); err != nil {
				return err
			}
		}
		p, ok := s.registered[registration]
		if !ok {
			return errors.New("no such registration")
		}
		s.work.Go(func() { _ = s.send(ctx, answer(ctx, p.handle, &i)...) })
		return nil
	}
	return errors.New("the gateway ends the session") // ABORT, GOODBYE, or an ERROR to REGISTER
}

// register asks for all registrations.
func (s *session) register(ctx context.Context) error {
	for n, p := range s.procedures {
		options := map[string]any{"invoke": "roundrobin", "concurrency": concurrency}
		if p.transaction != nil {
			options["transaction"] = p.transaction
		}
		if err := s.send(ctx, 64, n+1, options, p.uri); err != nil {
			return err
		}
	}
	return nil
}

// at reads an element of a message.
func at(m []json.RawMessage, n int, into any) error {
	if n >= len(m) {
		return errors.New("message too short")
	}
	return json.Unmarshal(m[n], into)
}

// answer runs a handler and makes its YIELD or ERROR.
func answer(ctx context.Context, handle func(context.Context, *invocation) ([]any, error), i *invocation) []any {
	results, err := handle(ctx, i)
	if err == nil {
		return []any{70, i.Request, struct{}{}, results}
	}
	uri := "wamp.error.runtime_error"
	var no *refusal
	if errors.As(err, &no) {
		uri = no.uri
	}
	return []any{8, 68, i.Request, struct{}{}, uri, []any{err.Error()}}
}
