package transaction

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/engine"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
)

const realm wamp.URI = "realm1"

// A stage is a coordinator with a router around it, in a bubble of synctest. Its
// callees answer at once, and outlive what is crashed.
type stage struct {
	t           *testing.T
	log         *fakeLog
	router      *router.Router
	coordinator *Coordinator
	config      Config

	mu     sync.Mutex
	calls  map[string]int      // that callees got, by "branch op"
	refuse map[string]wamp.URI // what a procedure answers with
}

func newStage(t *testing.T, c Config) *stage {
	t.Helper()
	g := &stage{t: t, log: newLog(), config: c, calls: map[string]int{}, refuse: map[string]wamp.URI{}}
	g.open()
	t.Cleanup(func() { g.close() })
	return g
}

func (g *stage) open() {
	g.t.Helper()
	g.router = router.New(router.Config{Agent: "test", Realms: []dealer.Config{{Realm: realm, MetaInside: true}}})
	g.coordinator = New(g.config)
	l := g.log
	g.coordinator.source = func(context.Context) (source, error) { return l, nil }
	if err := g.coordinator.Join(g.router, realm); err != nil {
		g.t.Fatal(err)
	}
	if err := g.coordinator.Start(context.Background()); err != nil {
		g.t.Fatal(err)
	}
	callee := g.join("callee", "user")
	saga, tcc := &wamp.TransactionOptions{Compensate: "a.undo"}, &wamp.TransactionOptions{Confirm: "b.confirm", Cancel: "b.cancel"}
	options := map[wamp.URI]*wamp.TransactionOptions{"a.do": saga, "c.do": saga, "b.try": tcc, "a.undo": nil, "b.confirm": nil, "b.cancel": nil}
	for uri, o := range options {
		callee.last++
		callee.submit(&wamp.Register{Request: callee.last, Procedure: uri, Options: wamp.RegisterOptions{Transaction: o}})
	}
	synctest.Wait()
}

func (g *stage) close() {
	g.coordinator.Close()
	g.router.Shutdown(context.Background())
	synctest.Wait()
}

// crash loses all but the log, and starts anew.
func (g *stage) crash() {
	g.t.Helper()
	g.log = g.log.again()
	g.close()
	g.open()
}

func (g *stage) answer(procedure string, uri wamp.URI) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuse[procedure] = uri
}

// A client is a session of the stage, caller or callee.
type client struct {
	stage   *stage
	session *router.Session
	last    wamp.ID
	mu      sync.Mutex
	replies map[wamp.ID]string
}

func (g *stage) join(authid, role string) *client {
	g.t.Helper()
	c := &client{stage: g, replies: map[wamp.ID]string{}}
	who := wamp.Identity{Authid: authid, Authrole: role, Authmethod: "ticket"}
	var err error
	if c.session, err = g.router.JoinLocal(realm, who, wamp.Roles{Caller: true, CallerFeatures: wamp.FeatureCallCanceling, Callee: true, CalleeFeatures: wamp.FeatureCallCanceling}, "test", c); err != nil {
		g.t.Fatal(err)
	}
	return c
}

// Push implements router.Outbox.
func (c *client) Push(m wamp.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch m := m.(type) {
	case *wamp.Result:
		c.replies[m.Request] = "ok " + string(m.Payload.Args)
	case *wamp.Error:
		c.replies[m.Request] = fmt.Sprint(m.Error, " rolled_back=", m.Details["rolled_back"], " ", string(m.Payload.Kwargs))
	case *wamp.Invocation:
		g := c.stage
		of, _ := m.Details.Custom["transaction"].(wamp.Dict)
		g.mu.Lock()
		g.calls[fmt.Sprint(of["branch"], " ", of["op"])]++
		uri := g.refuse[fmt.Sprint(of["branch"], " ", of["op"])]
		g.mu.Unlock()
		if uri == silence {
			return nil
		}
		var reply wamp.Message = &wamp.Yield{Request: m.Request}
		if uri != "" {
			reply = &wamp.Error{RequestType: wamp.TypeInvocation, Request: m.Request, Error: uri}
		}
		go c.submit(reply)
	case *wamp.Interrupt:
		go c.submit(&wamp.Error{RequestType: wamp.TypeInvocation, Request: m.Request, Error: wamp.ErrCanceled})
	}
	return nil
}

// silence stands for no answer, until the callee is interrupted.
const silence wamp.URI = "silence"

func (*client) Flush()                        {}
func (*client) Congested() bool               { return false }
func (*client) Drained(context.Context) error { return nil }
func (*client) Close(error)                   {}

func (c *client) submit(m wamp.Message) { _ = c.session.Submit(context.Background(), m) }

// ask sends a CALL and returns what comes back at once.
func (c *client) ask(procedure wamp.URI, o wamp.CallOptions, args, kwargs string) string {
	c.last++
	c.submit(&wamp.Call{Request: c.last, Procedure: procedure, Options: o, Payload: wamp.Payload{Serializer: wamp.JSON, Args: []byte(args), Kwargs: []byte(kwargs)}})
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.replies[c.last]
}

func (c *client) run() string {
	return c.ask("wampgate.tx.run", wamp.CallOptions{}, "[]", `{"id":"t","calls":[{"procedure":"a.do"},{"procedure":"b.try"},{"procedure":"c.do"}]}`)
}

func (g *stage) want(what, got string, parts ...string) {
	g.t.Helper()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			g.t.Errorf("%s: %q, want %q in it", what, got, part)
		}
	}
}

func sleep(d time.Duration) {
	time.Sleep(d) // of the bubble
	synctest.Wait()
}

// decisions returns how many the log has.
func (g *stage) decisions() (n int) {
	_ = g.log.each("", func(e engine.Entry) error {
		b, err := readBatch(e.Data)
		if err != nil {
			g.t.Fatal(err)
		}
		for _, e := range b.Entries {
			if e.Kind == kindDecide {
				n++
			}
		}
		return nil
	})
	return n
}
