package router_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// An answering is the Outbox of a callee inside the process: it answers what
// it gets when it is flushed, that is, on the goroutine of whoever called.
type answering struct {
	inbox

	session atomic.Pointer[router.Session]
	asked   []wamp.ID // guarded by inbox.mu
}

func (a *answering) Push(m wamp.Message) error {
	if inv, ok := m.(*wamp.Invocation); ok {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.asked = append(a.asked, inv.Request)
	}
	return nil
}

func (a *answering) Flush() {
	a.mu.Lock()
	asked := a.asked
	a.asked = nil
	a.mu.Unlock()
	for _, id := range asked {
		_ = a.session.Load().Submit(context.Background(), &wamp.Yield{Request: id}) // may have left
	}
}

// A counting is the Outbox of a caller that counts its answers.
type counting struct {
	inbox

	mu      sync.Mutex
	answers map[wamp.ID]int
	wrong   []string
}

func (c *counting) Push(m wamp.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch m := m.(type) {
	case *wamp.Result:
		c.answers[m.Request]++
	case *wamp.Error:
		c.answers[m.Request]++
		if m.Error != wamp.ErrCanceled && m.Error != wamp.ErrNoSuchProcedure {
			c.wrong = append(c.wrong, string(m.Error))
		}
	default:
		c.wrong = append(c.wrong, m.Type().String())
	}
	return nil
}

func local(t *testing.T, r *router.Router, out router.Outbox) *router.Session {
	t.Helper()
	roles := wamp.Roles{Caller: true, Callee: true, CalleeFeatures: wamp.FeatureCallCanceling}
	s, err := r.JoinLocal(wamptest.Realm, wamp.Identity{}, roles, "", out)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Callees come and go while many goroutines share callers' sessions: each call
// gets one answer.
func TestJoinLeaveRaces(t *testing.T) {
	t.Parallel()
	const callees, callers, goroutines, calls = 4, 3, 4, 300
	r := newRouter(dealer.Config{})
	var calling, churning sync.WaitGroup
	stop := make(chan struct{})
	for i := range callees {
		procedure := wamp.URI(fmt.Sprint("com.example.p", i))
		churning.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				out := &answering{}
				s := local(t, r, out)
				out.session.Store(s)
				if err := s.Submit(t.Context(), &wamp.Register{Request: 1, Procedure: procedure}); err != nil {
					t.Error(err)
				}
				for range rand.IntN(50) {
					_ = s.Submit(t.Context(), &wamp.Cancel{Request: 1}) // takes a little time
				}
				go s.Leave() // twice at once, too
				s.Leave()
			}
		})
	}
	outs := make([]*counting, callers)
	for i := range callers {
		outs[i] = &counting{answers: map[wamp.ID]int{}}
		s := local(t, r, outs[i])
		var next atomic.Uint64
		for range goroutines {
			calling.Go(func() {
				for range calls {
					id := wamp.ID(next.Add(1))
					m := &wamp.Call{Request: id, Procedure: wamp.URI(fmt.Sprint("com.example.p", rand.IntN(callees)))}
					if err := s.Submit(t.Context(), m); err != nil {
						t.Error(err)
					}
					if id%10 == 0 {
						_ = s.Submit(t.Context(), &wamp.Cancel{Request: id}) // cannot fail
					}
				}
			})
		}
	}
	calling.Wait()
	close(stop)
	churning.Wait()
	for i, out := range outs {
		out.mu.Lock()
		defer out.mu.Unlock()
		if len(out.wrong) > 0 || len(out.answers) != goroutines*calls {
			t.Errorf("caller %d: %d calls answered and also got %q, want %d answers", i, len(out.answers), out.wrong, goroutines*calls)
		}
		for id, n := range out.answers {
			if n != 1 {
				t.Errorf("caller %d: %d answers to call %d", i, n, id)
			}
		}
	}
	if got := r.Stats(); got.CallsInFlight != 0 || got.Sessions != callers || got.Registrations != 0 {
		t.Errorf("%d calls, %d sessions and %d registrations left, want 0, %d, 0", got.CallsInFlight, got.Sessions, got.Registrations, callers)
	}
}

// Sessions that are opened while the router shuts down are either refused or
// told goodbye.
func TestShutdownRaces(t *testing.T) {
	t.Parallel()
	for range 50 {
		r := newRouter(dealer.Config{})
		var joining sync.WaitGroup
		for range 4 {
			joining.Go(func() {
				for {
					out := &inbox{}
					if _, err := r.JoinLocal(wamptest.Realm, wamp.Identity{}, wamp.Roles{Caller: true}, "", out); err != nil {
						if !errors.Is(err, router.ErrShutdown) {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		r.Shutdown(t.Context())
		joining.Wait()
		r.Shutdown(t.Context())
		if got := r.Stats().Sessions; got != 0 {
			t.Fatalf("%d sessions after Shutdown, want none", got)
		}
	}
}

// A panic in the dealer must not be recovered by net/http.
func TestPanicEndsProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv("WAMPGATE_TEST_PANIC") != "" {
		panicInDealer(t)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPanicEndsProcess$")
	cmd.Env = append(os.Environ(), "WAMPGATE_TEST_PANIC=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("process ended with %v, want exit code 2", err)
	}
	for _, want := range []string{"dealer panicked", "message=CALL", "panic: no luck"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("output does not say %q:\n%s", want, out)
		}
	}
}

func panicInDealer(t *testing.T) {
	t.Helper()
	r := router.New(router.Config{
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Realms: []dealer.Config{{Realm: wamptest.Realm, Rand: func(int) int {
			panic("no luck")
		}}},
	})
	for range 2 {
		join(t, r).send(`[64, 1, {"invoke": "random"}, "com.example.a"]`)
	}
	caller := join(t, r)
	defer func() {
		_ = recover() // as net/http does
		os.Exit(0)
	}()
	caller.send(`[48, 1, {}, "com.example.a"]`)
}
