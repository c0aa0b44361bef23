package transport_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// The tests in this file are about peers that do not read. Pipes hold no
// bytes, so that what is not read waits in the router, and bubbles make the
// limits exact.

// queue is the size of the outboxes; small, so that it takes few messages to
// fill them.
const queue = 400_000

func smallQueues(t testing.TB) *wamptest.Server {
	t.Helper()
	return wamptest.Serve(t, wamptest.Config{Transport: transport.Config{Queue: queue}})
}

// text returns a payload of one string of n bytes.
func text(n int) wamp.Payload {
	return wamp.Payload{Serializer: wamp.JSON, Args: fmt.Appendf(nil, `["%s"]`, strings.Repeat("x", n))}
}

// A tally counts the answers to a caller's calls.
type tally struct {
	results int
	errors  map[wamp.URI]int
	seen    map[wamp.ID]bool
}

// call sends n calls as fast as it can and reads the answers, each call's
// exactly one, until all are there.
func call(t *testing.T, c *transport.Conn, procedure wamp.URI, n int, p wamp.Payload) tally {
	t.Helper()
	var sent sync.WaitGroup
	sent.Go(func() {
		for i := range n {
			if err := c.Send(&wamp.Call{Request: wamp.ID(i + 1), Procedure: procedure, Payload: p}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer sent.Wait()
	count := tally{errors: map[wamp.URI]int{}, seen: map[wamp.ID]bool{}}
	for len(count.seen) < n {
		m, err := c.Receive(t.Context())
		if err != nil {
			t.Errorf("after %d of %d answers: %v", len(count.seen), n, err)
			return count
		}
		count.add(t, m)
	}
	return count
}

func (c *tally) add(t *testing.T, m wamp.Message) {
	t.Helper()
	var id wamp.ID
	switch m := m.(type) {
	case *wamp.Result:
		id = m.Request
		c.results++
	case *wamp.Error:
		id = m.Request
		c.errors[m.Error]++
	default:
		t.Fatalf("got %v", m.Type())
	}
	if c.seen[id] {
		t.Errorf("two answers to call %d", id)
	}
	c.seen[id] = true
}

// A callee that does not read for a while makes its callers wait, and loses
// nothing: 10,000 calls are more than the queue holds.
func TestBurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const calls = 10_000
		s := smallQueues(t)
		callee, caller := s.Connect(t, wamp.JSON), s.Connect(t, wamp.JSON)
		wamptest.Register(t, callee, "com.example.slow")
		start := time.Now()
		var answered sync.WaitGroup
		answered.Go(func() {
			pass(router.DefaultStallLimit - time.Second)
			wamptest.Answer(callee)
		})
		got := call(t, caller, "com.example.slow", calls, text(100))
		if got.results != calls {
			t.Errorf("%d results and errors %v, want %d results", got.results, got.errors, calls)
		}
		if took := time.Since(start); took != router.DefaultStallLimit-time.Second {
			t.Errorf("took %v, want no longer than the callee's pause", took)
		}
		_ = callee.Close() // makes Answer return
		answered.Wait()
	})
}

// The same over sockets, where the kernel takes a part of what is written.
func TestBurstOnSockets(t *testing.T) {
	t.Parallel()
	const calls = 3_000 // 12 MB
	s := loopback(t, transport.Config{})
	callee, caller := s.Connect(t, wamp.MsgPack), s.Connect(t, wamp.JSON)
	wamptest.Register(t, callee, "com.example.slow")
	var answered sync.WaitGroup
	answered.Go(func() {
		for s.Router.Stats().Calls < 250 { // as many as it takes to be congested
			runtime.Gosched()
		}
		wamptest.Answer(callee)
	})
	if got := call(t, caller, "com.example.slow", calls, text(4000)); got.results != calls {
		t.Errorf("%d results and errors %v, want %d results", got.results, got.errors, calls)
	}
	_ = callee.Close() // makes Answer return
	answered.Wait()
}

// A callee that never reads is given up. Each call to it gets one answer: an
// error, at the latest when the callee is cut off. Nobody else waits.
func TestSilentCallee(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const calls = 900 // 900,000 bytes
		s := smallQueues(t)
		silent, caller := s.Connect(t, wamp.JSON), s.Connect(t, wamp.JSON)
		wamptest.Register(t, silent, "com.example.silent")
		s.Echo(t, wamp.JSON, "com.example.echo")
		other := s.Connect(t, wamp.JSON)
		start := time.Now()
		var others sync.WaitGroup
		others.Go(func() {
			for i := range 40 {
				if got := call(t, other, "com.example.echo", 20, text(1000)); got.results != 20 {
					t.Errorf("%d results and errors %v, want 20 results", got.results, got.errors)
				}
				if took := time.Since(start); took != time.Duration(i)*time.Second {
					t.Errorf("others' calls took %v, want no time", took-time.Duration(i)*time.Second)
				}
				pass(time.Second)
			}
		})
		got := call(t, caller, "com.example.silent", calls, text(1000))
		if got.results != 0 || len(got.errors) != 2 || got.errors[wamp.ErrUnavailable] == 0 {
			t.Errorf("%d results and errors %v, want errors %s and %s", got.results, got.errors, wamp.ErrUnavailable, wamp.ErrCanceled)
		}
		if held, limit := got.errors[wamp.ErrCanceled]*1000, queue; held < limit/2 || held > limit {
			t.Errorf("%d bytes waited for the callee, want not much less than %d", held, limit)
		}
		if took := time.Since(start); took != transport.DefaultWriteTimeout {
			t.Errorf("took %v, want %v", took, transport.DefaultWriteTimeout)
		}
		others.Wait()
	})
}

// A caller that does not read its results holds a callee up for
// AnswerStallLimit, and once only.
func TestSilentCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := smallQueues(t)
		s.Echo(t, wamp.JSON, "com.example.echo")
		silent, other := s.Connect(t, wamp.JSON), s.Connect(t, wamp.JSON)
		var sending sync.WaitGroup
		sending.Go(func() {
			for i := wamp.ID(1); ; i++ {
				if silent.Send(&wamp.Call{Request: i, Procedure: "com.example.echo", Payload: text(1000)}) != nil {
					return // cut off
				}
			}
		})
		start := time.Now()
		for range 40 {
			if got := call(t, other, "com.example.echo", 20, text(1000)); got.results != 20 {
				t.Errorf("%d results and errors %v, want 20 results", got.results, got.errors)
			}
		}
		if took := time.Since(start); took > router.DefaultAnswerStallLimit {
			t.Errorf("others' calls took %v, want at most %v", took, router.DefaultAnswerStallLimit)
		}
		sending.Wait()
		if took, limit := time.Since(start), transport.DefaultWriteTimeout+transport.DefaultCloseTimeout; took > limit {
			t.Errorf("the silent caller was cut off after %v, want at most %v", took, limit)
		}
		if got := s.Router.Stats().Sessions; got != 2 {
			t.Errorf("%d sessions, want the silent one to be gone and 2 left", got)
		}
	})
}

// Progressive results that are not read end their call, and nothing else.
func TestSlowConsumer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := smallQueues(t)
		callee, caller := s.Connect(t, wamp.JSON), s.Connect(t, wamp.JSON)
		wamptest.Register(t, callee, "com.example.count")
		m := &wamp.Call{Request: 1, Procedure: "com.example.count", Options: wamp.CallOptions{ReceiveProgress: true}}
		if err := caller.Send(m); err != nil {
			t.Fatal(err)
		}
		flood(t, callee)
		progress := 0
		for {
			m, err := caller.Receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if e, ok := m.(*wamp.Error); ok {
				if e.Error != wamp.ErrNetworkFailure {
					t.Errorf("call ended with %s, want %s", e.Error, wamp.ErrNetworkFailure)
				}
				break
			}
			progress++
		}
		if most := queue / 1000; progress < most/2 || progress > most {
			t.Errorf("%d results of 1000 bytes arrived before the end, want about %d", progress, most)
		}
		if err := caller.Send(&wamp.Call{Request: 2, Procedure: "com.example.none"}); err != nil {
			t.Fatal(err)
		}
		if m, err := caller.Receive(t.Context()); err != nil || m.Type() != wamp.TypeError {
			t.Errorf("got %v, %v; want the session to live on", m, err)
		}
	})
}

// flood answers an INVOCATION with progressive results of 1000 bytes until it
// is interrupted.
func flood(t *testing.T, callee *transport.Conn) {
	t.Helper()
	if m, err := callee.Receive(t.Context()); err != nil || m.Type() != wamp.TypeInvocation {
		t.Fatalf("got %v, %v", m, err)
	}
	interrupted := make(chan struct{})
	go func() {
		defer close(interrupted)
		if m, err := callee.Receive(t.Context()); err != nil || m.Type() != wamp.TypeInterrupt {
			t.Errorf("got %v, %v; want INTERRUPT", m, err)
		}
	}()
	for {
		select {
		case <-interrupted:
			return
		default:
		}
		m := &wamp.Yield{Request: 1, Options: wamp.YieldOptions{Progress: true}, Payload: text(1000)}
		if err := callee.Send(m); err != nil {
			t.Fatal(err)
		}
	}
}

// Two peers that write to each other without ever reading do not stop the
// router for good: the limits end it.
func TestBothWriteOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := smallQueues(t)
		a, b := s.Connect(t, wamp.JSON), s.Connect(t, wamp.JSON)
		wamptest.Register(t, a, "com.example.a")
		wamptest.Register(t, b, "com.example.b")
		start := time.Now()
		var flooding sync.WaitGroup
		for c, procedure := range map[*transport.Conn]wamp.URI{a: "com.example.b", b: "com.example.a"} {
			flooding.Go(func() {
				for i := wamp.ID(2); ; i++ {
					if c.Send(&wamp.Call{Request: i, Procedure: procedure, Payload: text(1000)}) != nil {
						return
					}
				}
			})
		}
		flooding.Wait()
		if took := time.Since(start); took > transport.DefaultWriteTimeout+transport.DefaultCloseTimeout {
			t.Errorf("took %v, want the peers to be given up sooner", took)
		}
		synctest.Wait()
		if got := s.Router.Stats(); got.Sessions != 0 || got.CallsInFlight != 0 {
			t.Errorf("%d sessions and %d calls left, want none", got.Sessions, got.CallsInFlight)
		}
	})
}

// With all limits small everything is refused at some point; still each call
// that was sent gets its one answer.
func TestOverload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := wamptest.Serve(t, wamptest.Config{
			Router: router.Config{
				Realms:           []dealer.Config{{Realm: wamptest.Realm, MaxCalls: 50}},
				StallLimit:       time.Nanosecond,
				AnswerStallLimit: time.Hour, // or callers would be cut off, and get no answers
			},
			Transport: transport.Config{Queue: 20_000},
		})
		for i := range 4 {
			s.Echo(t, wamp.Serializer(1+i%3), wamp.URI(fmt.Sprint("com.example.echo", i)))
		}
		var callers sync.WaitGroup
		for i := range 8 {
			c := s.Connect(t, wamp.Serializer(1+i%3))
			callers.Go(func() {
				got := call(t, c, wamp.URI(fmt.Sprint("com.example.echo", i%4)), 500, text(900))
				for uri := range got.errors {
					if uri != wamp.ErrUnavailable {
						t.Errorf("got error %s", uri)
					}
				}
			})
		}
		callers.Wait()
		if got := s.Router.Stats(); got.CallsInFlight != 0 || got.Calls != 4_000 {
			t.Errorf("%d calls, %d left; want 4000 and none", got.Calls, got.CallsInFlight)
		}
	})
}
