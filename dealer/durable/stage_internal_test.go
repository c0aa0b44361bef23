package durable

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
)

const realm wamp.URI = "realm1"

// A stage is a store with a router around it, in a bubble of synctest.
type stage struct {
	t      *testing.T
	disk   *disk
	config Config
	store  *Store
	router *router.Router
}

// newStage sets a stage up on a disk. The store does not outlive the bubble.
func newStage(t *testing.T, d *disk, c Config) *stage {
	t.Helper()
	g := &stage{t: t, disk: d, config: c}
	g.open()
	t.Cleanup(func() { g.close() })
	return g
}

func (g *stage) open() {
	g.t.Helper()
	g.router = router.New(router.Config{Agent: "test", Realms: []dealer.Config{{Realm: realm, MetaInside: true}}})
	g.store = New(g.config)
	d := g.disk
	g.store.source = func(context.Context) (source, error) { return d, nil }
	if err := g.store.Join(g.router, realm); err != nil {
		g.t.Fatal(err)
	}
	if err := g.store.Start(context.Background()); err != nil {
		g.t.Fatal(err)
	}
}

func (g *stage) close() {
	g.store.Close()
	g.router.Shutdown(context.Background())
	synctest.Wait()
}

// crash loses all but the disk, and starts anew.
func (g *stage) crash() {
	g.t.Helper()
	g.restart(false)
}

// restart is a crash, perhaps by a loss of power.
func (g *stage) restart(powerLoss bool) {
	g.t.Helper()
	g.disk = g.disk.again(powerLoss)
	g.close()
	g.open()
}

// A reply is a RESULT, or an ERROR.
type reply struct {
	err  wamp.URI
	args string // JSON
}

// A work is an INVOCATION.
type work struct {
	client  *client
	request wamp.ID
	id      string
	attempt int64
	args    string
}

// A client is a session of the stage, caller and callee.
type client struct {
	stage   *stage
	session *router.Session
	who     wamp.Identity

	mu      sync.Mutex // guards the following fields
	last    wamp.ID
	replies map[wamp.ID]reply
	works   []work
	serve   func(work) // nil: works are left in works
}

func person(authid string) wamp.Identity {
	return wamp.Identity{Authid: authid, Authrole: "user", Authmethod: "ticket"}
}

func (g *stage) join(who wamp.Identity) *client {
	g.t.Helper()
	c := &client{stage: g, who: who, replies: map[wamp.ID]reply{}}
	roles := wamp.Roles{
		Caller: true, CallerFeatures: wamp.FeatureCallCanceling | wamp.FeatureProgressiveCallResults,
		Callee: true, CalleeFeatures: wamp.FeatureCallCanceling,
	}
	var err error
	if c.session, err = g.router.JoinLocal(realm, who, roles, "test", c); err != nil {
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
		if !m.Details.Progress {
			c.replies[m.Request] = reply{args: string(m.Payload.Args)}
		}
	case *wamp.Error:
		c.replies[m.Request] = reply{m.Error, string(m.Payload.Args)}
	case *wamp.Invocation:
		w := work{client: c, request: m.Request, args: string(m.Payload.Args)}
		w.id, _ = m.Details.Custom["call_id"].(string)
		w.attempt, _ = m.Details.Custom["attempt"].(int64)
		if c.serve != nil {
			go c.serve(w)
			return nil
		}
		c.works = append(c.works, w)
	}
	return nil
}

func (*client) Flush()                        {}
func (*client) Congested() bool               { return false }
func (*client) Drained(context.Context) error { return nil }
func (*client) Close(error)                   {}

func (c *client) submit(m wamp.Message) { _ = c.session.Submit(context.Background(), m) }

// send sends a CALL, and returns its number when all has settled.
func (c *client) send(procedure wamp.URI, o wamp.CallOptions, args string, kwargs ...string) wamp.ID {
	c.last++
	p := wamp.Payload{Serializer: wamp.JSON, Args: []byte(args)}
	if len(kwargs) > 0 {
		p.Kwargs = []byte(kwargs[0])
	}
	c.submit(&wamp.Call{Request: c.last, Procedure: procedure, Options: o, Payload: p})
	synctest.Wait()
	return c.last
}

// reply returns what came back for a CALL so far.
func (c *client) reply(request wamp.ID) (reply, bool) {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.replies[request]
	return r, ok
}

// ask sends a CALL and returns what comes back at once.
func (c *client) ask(procedure wamp.URI, args string, kwargs ...string) reply {
	r, ok := c.reply(c.send(procedure, wamp.CallOptions{}, args, kwargs...))
	if !ok {
		return reply{err: "no answer"}
	}
	return r
}

// accept makes a persistent call and returns what comes back at once.
func (c *client) accept(procedure wamp.URI, k wamp.KeepOptions, key string, args string) reply {
	k.Async = true
	r, ok := c.reply(c.send(procedure, wamp.CallOptions{TrustLevel: trustPersistent, RoutingKey: wamp.Key(key), Keep: &k}, args))
	if !ok {
		return reply{err: "no answer"}
	}
	return r
}

func (c *client) register(procedure wamp.URI) {
	c.last++
	c.submit(&wamp.Register{Request: c.last, Procedure: procedure})
	synctest.Wait()
}

// take returns what the client was asked to do since the last time.
func (c *client) take() []work {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.works
	c.works = nil
	return all
}

// done answers a work with its id, or as many bytes. Nor it nor fail waits until
// that is settled.
func (w work) done(size ...int) {
	text := w.id
	if len(size) > 0 {
		text = strings.Repeat("x", size[0])
	}
	w.client.submit(&wamp.Yield{Request: w.request, Payload: wamp.Payload{Serializer: wamp.JSON, Args: fmt.Appendf(nil, "[%q]", text)}})
}

func (w work) fail(uri wamp.URI) {
	w.client.submit(&wamp.Error{RequestType: wamp.TypeInvocation, Request: w.request, Error: uri})
}

// state returns the state of a call.
func (c *client) state(id string) string {
	r := c.ask("wampgate.call.get", fmt.Sprintf("[%q]", id))
	if m := regexp.MustCompile(`"state":"(\w+)"`).FindStringSubmatch(r.args); m != nil {
		return m[1]
	}
	return string(r.err)
}

func (g *stage) want(what string, got, want any) {
	g.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		g.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// recorded returns how many outcomes the disk has of each call.
func (g *stage) recorded() map[string]int {
	found := map[string]int{}
	for _, body := range g.disk.bodies("outcomes") {
		_ = entries(body, func(_ int, e entry) error {
			o, err := readHeader[outcome](e)
			if err == nil {
				found[o.ID]++
			}
			return err
		})
	}
	return found
}

func sleep(d time.Duration) {
	time.Sleep(d) // of the bubble
	synctest.Wait()
}
