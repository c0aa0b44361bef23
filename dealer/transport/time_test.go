package transport_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// The tests in this file run in a bubble: time is exact, and a goroutine that
// is left behind fails them.

func TestCall(t *testing.T) {
	t.Parallel()
	serializers := []wamp.Serializer{wamp.JSON, wamp.MsgPack, wamp.CBOR}
	for _, from := range serializers {
		for _, to := range serializers {
			t.Run(from.String()+" to "+to.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { relay(t, from, to) })
			})
		}
	}
}

func relay(t *testing.T, from, to wamp.Serializer) {
	t.Helper()
	s := wamptest.Serve(t, wamptest.Config{})
	caller, callee := s.Join(t, from), s.Join(t, to)
	callee.Send(`[64, 1, {}, "com.example.add"]`)
	callee.Want(`[65, 1, 1]`)
	caller.Send(`[48, 1, {}, "com.example.add", [1, 2.5, "ä\u0001"], {"deep": [{"a": null}], "big": 9007199254740993}]`)
	callee.Want(`[68, 1, 1, {"procedure": "com.example.add"}, [1, 2.5, "ä\u0001"], {"deep": [{"a": null}], "big": 9007199254740993}]`)
	callee.Send(`[70, 1, {}, [], {"sum": 3.5}]`)
	caller.Want(`[50, 1, {}, [], {"sum": 3.5}]`)
	caller.Send(`[48, 2, {}, "com.example.add"]`)
	callee.Want(`[68, 2, 1, {"procedure": "com.example.add"}]`)
	callee.Send(`[8, 68, 2, {}, "com.example.bad", ["why"]]`)
	caller.Want(`[8, 48, 2, {}, "com.example.bad", ["why"]]`)
}

func TestHelloDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := wamptest.Serve(t, wamptest.Config{})
		p := s.Dial(t, wamp.JSON)
		start := time.Now()
		p.WantClosed(websocket.StatusPolicyViolation)
		if got := time.Since(start); got != transport.DefaultHelloTimeout {
			t.Errorf("closed after %v, want %v", got, transport.DefaultHelloTimeout)
		}
	})
}

func TestHelloDeadlineAfterGoodbye(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := wamptest.Serve(t, wamptest.Config{})
		p := s.Join(t, wamp.JSON)
		pass(3 * transport.DefaultHelloTimeout / 2) // the deadline was for the first one
		p.Send(`[6, {}, "wamp.close.normal"]`)
		p.Want(`[6, {}, "wamp.close.goodbye_and_out"]`)
		start := time.Now()
		p.WantClosed(websocket.StatusPolicyViolation)
		if got := time.Since(start); got != transport.DefaultHelloTimeout {
			t.Errorf("closed after %v, want %v", got, transport.DefaultHelloTimeout)
		}
	})
}

func TestTimeoutIsExact(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := wamptest.Serve(t, wamptest.Config{})
		caller, callee := s.Join(t, wamp.JSON), s.Join(t, wamp.JSON)
		callee.Send(`[64, 1, {}, "com.example.slow"]`)
		callee.Want(`[65, 1, 1]`)
		start := time.Now()
		caller.Send(`[48, 1, {"timeout": 7000}, "com.example.slow"]`)
		caller.Send(`[48, 2, {"timeout": 3000}, "com.example.slow"]`)
		for _, want := range []struct {
			message string
			after   time.Duration
		}{
			{`[8, 48, 2, {}, "wamp.error.timeout", "*"]`, 3 * time.Second},
			{`[8, 48, 1, {}, "wamp.error.timeout", "*"]`, 7 * time.Second},
		} {
			caller.Want(want.message)
			if got := time.Since(start); got != want.after {
				t.Errorf("%s came after %v, want %v", want.message, got, want.after)
			}
		}
		callee.Want(`[68, 1, 1, "*"]`)
		callee.Want(`[68, 2, 1, "*"]`)
		callee.Want(`[69, 2, {"mode": "killnowait", "reason": "wamp.error.timeout"}]`)
		callee.Want(`[69, 1, {"mode": "killnowait", "reason": "wamp.error.timeout"}]`)
	})
}

func TestKillGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := wamptest.Serve(t, wamptest.Config{})
		caller, callee := s.Join(t, wamp.JSON), s.Join(t, wamp.JSON)
		callee.Send(`[64, 1, {}, "com.example.stubborn"]`)
		callee.Want(`[65, 1, 1]`)
		caller.Send(`[48, 1, {}, "com.example.stubborn"]`)
		callee.Want(`[68, 1, 1, "*"]`)
		start := time.Now()
		caller.Send(`[49, 1, {"mode": "kill"}]`)
		callee.Want(`[69, 1, {"mode": "kill", "reason": "wamp.error.canceled"}]`)
		caller.Want(`[8, 48, 1, {}, "wamp.error.canceled", "*"]`)
		if got := time.Since(start); got != dealer.DefaultKillGrace {
			t.Errorf("canceled after %v, want %v", got, dealer.DefaultKillGrace)
		}
	})
}

// pass lets fake time pass.
func pass(d time.Duration) { <-time.After(d) }

// A peer that answers pings stays for as long as it likes.
func TestPing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := wamptest.Serve(t, wamptest.Config{})
		ended := s.Join(t, wamp.JSON).WS.CloseRead(t.Context())
		pass(time.Hour)
		if ended.Err() != nil || s.Handler.Conns() != 1 {
			t.Errorf("%d connections and %v, want the peer to be there", s.Handler.Conns(), ended.Err())
		}
	})
}

func TestPingTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := wamptest.Serve(t, wamptest.Config{})
		start := time.Now()
		p := s.DialWith(t, wamp.JSON, &websocket.DialOptions{
			OnPingReceived: func(context.Context, []byte) bool { return false }, // no pong
		})
		p.Send(wamptest.Hello)
		p.Want(`[2, "*", "*"]`)
		p.WantLost()
		if got, want := time.Since(start), transport.DefaultPingInterval+transport.DefaultPingTimeout; got != want {
			t.Errorf("cut off after %v, want %v", got, want)
		}
		synctest.Wait()
		if got := s.Handler.Stats(); got.PingTimeouts != 1 || got.Accepted != 1 || got.Conns != 0 {
			t.Errorf("got %+v, want one connection and its ping timeout", got)
		}
	})
}

// A peer that takes no bytes is given up even if it never has to answer.
func TestWriteTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := wamptest.Serve(t, wamptest.Config{})
		asleep, caller := s.Join(t, wamp.JSON), s.Join(t, wamp.JSON)
		asleep.Send(`[64, 1, {}, "com.example.asleep"]`)
		asleep.Want(`[65, 1, 1]`)
		start := time.Now()
		caller.Send(`[48, 1, {}, "com.example.asleep"]`)
		caller.Want(`[8, 48, 1, {}, "wamp.error.canceled", "*"]`)
		if got := time.Since(start); got != transport.DefaultWriteTimeout {
			t.Errorf("given up after %v, want %v", got, transport.DefaultWriteTimeout)
		}
		asleep.WantLost()
		synctest.Wait()
		if got := s.Handler.Stats(); got.WriteTimeouts != 1 || got.Accepted != 2 || got.Conns != 1 {
			t.Errorf("got %+v, want two connections and one write timeout", got)
		}
	})
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := wamptest.Serve(t, wamptest.Config{})
		polite, rude, idle := s.Join(t, wamp.JSON), s.Join(t, wamp.MsgPack), s.Dial(t, wamp.JSON)
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		done := make(chan time.Duration)
		go func() {
			start := time.Now()
			s.Router.Shutdown(ctx)
			done <- time.Since(start)
		}()
		polite.Want(`[6, {"message": "*"}, "wamp.close.system_shutdown"]`)
		polite.Send(`[48, 1, {}, "com.example.ignored"]`)
		polite.Send(`[6, {}, "wamp.close.goodbye_and_out"]`)
		polite.WantClosed(websocket.StatusGoingAway)
		rude.Want(`[6, {"message": "*"}, "wamp.close.system_shutdown"]`)
		idle.Send(wamptest.Hello)
		idle.Want(`[3, {"message": "*"}, "wamp.close.system_shutdown"]`)
		idle.WantClosed(websocket.StatusPolicyViolation)
		if got := <-done; got != 8*time.Second {
			t.Errorf("Shutdown took %v, want all of its time", got)
		}
		rude.WantClosed(websocket.StatusGoingAway)
		if err := s.Handler.Shutdown(t.Context()); err != nil || s.Handler.Conns() != 0 {
			t.Errorf("Handler.Shutdown: %v, %d connections", err, s.Handler.Conns())
		}
		if got := s.Router.Stats(); got.Sessions != 0 {
			t.Errorf("%d sessions after Shutdown, want 0", got.Sessions)
		}
	})
}

// A session whose peer drops the connection ends at once.
func TestLostConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := wamptest.Serve(t, wamptest.Config{Router: router.Config{}})
		caller, callee := s.Join(t, wamp.JSON), s.Join(t, wamp.JSON)
		callee.Send(`[64, 1, {}, "com.example.lost"]`)
		callee.Want(`[65, 1, 1]`)
		caller.Send(`[48, 1, {}, "com.example.lost"]`)
		callee.Want(`[68, 1, 1, "*"]`)
		if err := callee.WS.CloseNow(); err != nil {
			t.Fatal(err)
		}
		caller.Want(`[8, 48, 1, {}, "wamp.error.canceled", "*"]`)
		caller.Send(`[48, 2, {}, "com.example.lost"]`)
		caller.Want(`[8, 48, 2, {}, "wamp.error.no_such_procedure", "*"]`)
	})
}
