package router_test

import (
	"context"
	"sync"
	"testing"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// An inbox is an Outbox whose other end is the test.
type inbox struct {
	mu        sync.Mutex // guards the following fields
	messages  []string   // JSON
	flushed   int        // of messages
	refuse    func(wamp.Message) error
	congested bool
	drained   chan struct{} // closed when it is no longer congested
	closed    error
}

func (i *inbox) Push(m wamp.Message) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed != nil {
		return router.ErrClosed
	}
	if i.refuse != nil {
		if err := i.refuse(m); err != nil {
			return err
		}
	}
	b, err := wamp.JSON.Append(nil, m)
	if err != nil {
		return err
	}
	i.messages = append(i.messages, string(b))
	return nil
}

func (i *inbox) Flush() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.flushed = len(i.messages)
}

func (i *inbox) Congested() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.congested
}

func (i *inbox) Drained(ctx context.Context) error {
	i.mu.Lock()
	drained := i.drained
	i.mu.Unlock()
	if drained == nil {
		return nil
	}
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (i *inbox) Close(reason error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = reason
}

// congest makes the inbox congested until the function returned is called.
func (i *inbox) congest() (drain func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	drained := make(chan struct{})
	i.congested, i.drained = true, drained
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.congested, i.drained = false, nil
		close(drained)
	}
}

// refuseAll makes Push return err for messages of the types.
func (i *inbox) refuseAll(err error, types ...wamp.MessageType) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.refuse = func(m wamp.Message) error {
		for _, t := range types {
			if m.Type() == t {
				return err
			}
		}
		return nil
	}
}

// want takes what has arrived and been flushed, which must be these messages.
func (i *inbox) want(t *testing.T, messages ...string) {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	got := i.messages[:i.flushed]
	i.messages = i.messages[i.flushed:]
	i.flushed = 0
	for n, want := range messages {
		if n >= len(got) || !wamptest.Match(t, got[n], want) {
			t.Fatalf("got messages %q, want %q", got, messages)
		}
	}
	if len(got) > len(messages) || len(i.messages) > 0 {
		t.Fatalf("got messages %q and %q, which were not flushed; want %q", got, i.messages, messages)
	}
}

// wantClosed wants the outbox to have been closed for a reason; nil if it must
// not have been.
func (i *inbox) wantClosed(t *testing.T, reason error) {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	if !is(i.closed, reason) {
		t.Errorf("outbox closed with %v, want %v", i.closed, reason)
	}
}

// A peer is a session and its inbox.
type peer struct {
	*router.Session
	*inbox

	t       *testing.T
	decoder *wamp.Decoder
	batch   router.Batch
}

func newRouter(c dealer.Config) *router.Router {
	c.Realm = wamptest.Realm
	return router.New(router.Config{Realms: []dealer.Config{c}})
}

// hello returns a HELLO given as JSON.
func hello(t *testing.T, text string) *wamp.Hello {
	t.Helper()
	m, err := wamp.NewDecoder(wamp.JSON).Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	h, ok := m.(*wamp.Hello)
	if !ok {
		t.Fatalf("%s is no HELLO", text)
	}
	return h
}

// join opens a session that announces every feature.
func join(t *testing.T, r *router.Router) *peer {
	t.Helper()
	p := &peer{t: t, inbox: &inbox{}, decoder: wamp.NewDecoder(wamp.JSON)}
	s, abort := r.Join(hello(t, wamptest.Hello), router.TransportInfo{}, p.inbox)
	if abort != nil {
		t.Fatalf("join: %s", abort.Reason)
	}
	p.Session = s
	p.Flush()
	p.want(t, `[2, "*", "*"]`)
	return p
}

// send handles a message, given as JSON, and flushes.
func (p *peer) send(text string) {
	p.t.Helper()
	if err := p.try(text); err != nil {
		p.t.Fatalf("%s: %v", text, err)
	}
}

func (p *peer) try(text string) error {
	p.t.Helper()
	m, err := p.decoder.Decode([]byte(text))
	if err != nil {
		p.t.Fatal(err)
	}
	defer p.batch.Flush()
	return p.Receive(&p.batch, m)
}

// wants takes the messages that have arrived.
func (p *peer) wants(messages ...string) {
	p.t.Helper()
	p.want(p.t, messages...)
}
