package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// maxQuestions bounds the questions of one realm that wait for an answer.
const maxQuestions = 1000

var errManyQuestions = errors.New("too many questions wait for an answer")

// An asker calls procedures of a realm in the router's own name, to ask who may
// join or do something. It joins with the first question. It is the Outbox of
// its session.
type asker struct {
	realm *realm

	mu      sync.Mutex // guards the following fields; taken after the realm's lock
	session *Session   // nil: not joined
	last    wamp.ID    // request id given last
	waiting map[wamp.ID]chan answer
}

// An answer is what a question came to.
type answer struct {
	payload wamp.Payload
	err     error
}

// ask calls a procedure and returns the arguments of its result. See
// [auth.Ask] for the error.
func (a *asker) ask(ctx context.Context, procedure wamp.URI, args []any) ([]any, error) {
	payload, err := wamp.NewPayload(wamp.MsgPack, args, nil)
	if err != nil {
		return nil, err
	}
	session, id, answers, err := a.open()
	if err != nil {
		return nil, err
	}
	defer a.close(id)
	if err := session.Submit(ctx, &wamp.Call{Request: id, Procedure: procedure, Payload: payload}); err != nil {
		return nil, err
	}
	select {
	case got := <-answers:
		if got.err != nil {
			return nil, got.err
		}
		result, _, err := got.payload.Decode()
		return result, err
	case <-ctx.Done():
		_ = session.Submit(context.WithoutCancel(ctx), &wamp.Cancel{Request: id}) // the answer is not waited for
		return nil, errors.New("no answer in time")
	}
}

// open makes room for a question, and joins the realm if need be.
func (a *asker) open() (*Session, wamp.ID, <-chan answer, error) {
	session, err := a.join()
	if err != nil {
		return nil, 0, nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) >= maxQuestions {
		return nil, 0, nil, errManyQuestions
	}
	if a.waiting == nil {
		a.waiting = make(map[wamp.ID]chan answer)
	}
	a.last = a.last.Next()
	answers := make(chan answer, 1) // the one answer, so that who gives it does not wait
	a.waiting[a.last] = answers
	return session, a.last, answers, nil
}

// join returns the session. Of two that are opened at once one is left again.
func (a *asker) join() (*Session, error) {
	a.mu.Lock()
	session := a.session
	a.mu.Unlock()
	if session != nil {
		return session, nil
	}
	id := wamp.Identity{Authid: "wampgate", Authrole: "router", Authmethod: "internal", Authprovider: "internal"}
	session = &Session{realm: a.realm, out: a, identity: id, local: true, trusted: true}
	if err := a.realm.router.openLocal(session, wamp.Roles{Caller: true}, a.realm.router.config.Agent); err != nil {
		return nil, err
	}
	a.mu.Lock()
	other := a.session
	if other == nil {
		a.session = session
	}
	a.mu.Unlock()
	if other != nil {
		session.Leave()
		return other, nil
	}
	return session, nil
}

func (a *asker) close(id wamp.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiting, id)
}

// Push implements Outbox.
func (a *asker) Push(m wamp.Message) error {
	switch m := m.(type) {
	case *wamp.Result:
		payload := m.Payload
		payload.Args, payload.Kwargs = slices.Clone(payload.Args), nil
		a.answer(m.Request, answer{payload: payload})
	case *wamp.Error:
		err := fmt.Errorf("%s", m.Error)
		if m.Origin == wamp.OriginCallee {
			err = fmt.Errorf("%w by the procedure: %s", auth.ErrRefused, m.Error)
		}
		a.answer(m.Request, answer{err: err})
	}
	return nil
}

func (a *asker) answer(id wamp.ID, got answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.waiting[id]; c != nil {
		delete(a.waiting, id)
		c <- got // has room for one
	}
}

// Close implements Outbox: whoever waits gets no answer any more.
func (a *asker) Close(reason error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.session = nil
	for id, c := range a.waiting {
		delete(a.waiting, id)
		c <- answer{err: reason} // has room for one
	}
}

// Flush implements Outbox.
func (*asker) Flush() {}

// Congested implements Outbox.
func (*asker) Congested() bool { return false }

// Drained implements Outbox.
func (*asker) Drained(context.Context) error { return nil }
