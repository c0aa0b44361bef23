package durable

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer/custody"
	"github.com/wampgate/wampgate/dealer/engine"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestWhatIsRefused makes calls, and asks questions, that cannot be.
func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, newDisk(), Config{MaxCalls: 1})
		caller := g.join(person("ada"))
		day := (24 * time.Hour).Milliseconds()
		for _, tt := range []struct {
			keep wamp.KeepOptions
			args string
			err  wamp.URI
			text string
		}{
			{wamp.KeepOptions{CallID: strings.Repeat("x", 256)}, "[]", wamp.ErrInvalidArgument, "255 bytes"},
			{wamp.KeepOptions{CallID: "a b"}, "[]", wamp.ErrInvalidArgument, "visible ASCII"},
			{wamp.KeepOptions{Delay: 31 * day}, "[]", wamp.ErrInvalidArgument, "reach at most"},
			{wamp.KeepOptions{Delay: 1, NotBefore: time.Now().UnixMilli() + 1000}, "[]", wamp.ErrInvalidArgument, "do not go together"},
			{wamp.KeepOptions{Delay: 2000, Expiry: 1000}, "[]", wamp.ErrInvalidArgument, "expire before it is due"},
			{wamp.KeepOptions{}, `["` + strings.Repeat("x", maxPayload) + `"]`, wamp.ErrPayloadSizeExceeded, "at most"},
			{wamp.KeepOptions{CallID: "a", NotBefore: time.Now().UnixMilli() + 60_000}, "[]", "", ""},
			{wamp.KeepOptions{}, "[]", wamp.ErrUnavailable, "durable-max-calls"},
			{wamp.KeepOptions{CallID: "a"}, "[1]", ErrConflict, "another procedure or payload"},
		} {
			if r := caller.accept("my.absent", tt.keep, "", tt.args); r.err != tt.err || !strings.Contains(r.args, tt.text) {
				t.Errorf("%+v: %.200v, want %s %s", tt.keep, r, tt.err, tt.text)
			}
		}
		for _, tt := range []struct {
			procedure, args, kwargs string
			err                     wamp.URI
		}{
			{"call.get", "[]", "{}", wamp.ErrInvalidArgument},
			{"call.get", "[", "{}", wamp.ErrInvalidArgument},
			{"call.wait", "[1]", "{}", wamp.ErrInvalidArgument},
			{"call.wait", `["a"]`, `{"timeout":0}`, wamp.ErrInvalidArgument},
			{"call.wait", `["b"]`, `{}`, ErrNoSuchCall},
			{"call.cancel", "[]", "{}", wamp.ErrInvalidArgument},
			{"call.cancel", `["a"]`, `{"mode":"kindly"}`, wamp.ErrInvalidArgument},
			{"call.cancel", `["b"]`, `{"mode":"skip"}`, ErrNoSuchCall},
			{"call.list", "[]", `{"limit":0}`, wamp.ErrInvalidArgument},
			{"call.nothing", "[]", "{}", wamp.ErrNoSuchProcedure},
			{"deadletter.list", "[]", `{"limit":2000}`, wamp.ErrInvalidArgument},
			{"deadletter.retry", "[]", "{}", wamp.ErrInvalidArgument},
			{"deadletter.discard", `["b"]`, "{}", ErrNoSuchCall},
		} {
			g.want(tt.procedure+tt.args+tt.kwargs, caller.ask(wamp.URI("wampgate."+tt.procedure), tt.args, tt.kwargs).err, tt.err)
		}
		g.want("scheduled", caller.state("a"), Scheduled)
		g.want("cancel", caller.ask("wampgate.call.cancel", `["a"]`, `{"mode":"killnowait"}`).err, "")
		g.want("canceled", caller.state("a"), Canceled)
	})
}

// TestMethods uses the store as the gateway does.
func TestMethods(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		g := newStage(t, newDisk(), Config{MaxCrashes: 2})
		caller := g.join(person("ada"))
		admin := person("root")
		admin.Authrole = custody.AdminRole
		if d, err := g.store.Durability(); d != engine.Synced || err != nil {
			t.Errorf("durability %s, %v", d, err)
		}
		caller.accept("my.work", wamp.KeepOptions{CallID: "a"}, "", "[]")
		if _, err := g.store.Outcome(ctx, realm, admin, "a"); !errors.Is(err, errRunning) {
			t.Errorf("outcome of one that waits: %v", err)
		}
		first := g.join(person("bob"))
		first.register("my.work")
		status, err := g.store.Find(ctx, realm, admin, "a")
		if err != nil || status.State != Running || status.Owner != "ada" {
			t.Errorf("running: %+v, %v", status, err)
		}
		first.session.Leave() // with the call
		synctest.Wait()
		g.want("after a crash", caller.state("a"), Accepted)
		second := g.join(person("bob"))
		second.register("my.work")
		sleep(time.Second)
		works := second.take()
		if len(works) != 1 || works[0].attempt != 2 {
			t.Fatalf("works %+v, want the second attempt", works)
		}
		if _, err := g.store.Cancel(ctx, realm, caller.who, "a", wamp.CancelKill); err != nil {
			t.Error(err)
		}
		works[0].fail(wamp.ErrCanceled)
		status, err = g.store.Await(ctx, realm, admin, "a")
		if err != nil || status.State != Canceled || status.Dict()["attempts"] != int64(2) {
			t.Errorf("canceled: %+v, %v", status, err)
		}
		out, err := g.store.Outcome(ctx, realm, caller.who, "a")
		if err != nil || out.Error != wamp.ErrCanceled {
			t.Errorf("outcome: %+v, %v", out, err)
		}
		if _, err := g.store.Outcome(ctx, realm, caller.who, "b"); !errors.Is(err, ErrNotFound) {
			t.Errorf("outcome of none: %v", err)
		}
		if list, err := g.store.List(ctx, realm, caller.who, 10); err != nil || len(list) != 1 {
			t.Errorf("list %+v, %v", list, err)
		}
		if usage := g.store.Usage(); len(usage) != 3 {
			t.Errorf("usage %+v", usage)
		}
		caller.accept("my.work", wamp.KeepOptions{CallID: "c"}, "", "[]")
		limited, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		g.store.Drain(limited) // c runs
		g.want("after draining", caller.accept("my.work", wamp.KeepOptions{}, "", "[]").err, wamp.ErrUnavailable)
		second.take()[0].done()
		g.store.Drain(ctx)
		g.want("c", caller.state("c"), Succeeded)
	})
}

// TestVerdicts answers calls in the ways that decide what comes next.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	s := New(Config{RetryOn: []wamp.URI{"my.busy"}})
	for _, tt := range []struct {
		a        custody.Answer
		canceled bool
		want     verdict
	}{
		{custody.Answer{}, false, verdictFinal},
		{custody.Answer{Error: "my.own", Origin: wamp.OriginCallee}, false, verdictFinal},
		{custody.Answer{Error: "my.busy", Origin: wamp.OriginCallee}, false, verdictFailure},
		{custody.Answer{Error: "my.busy", Origin: wamp.OriginCallee}, true, verdictFinal},
		{custody.Answer{Error: wamp.ErrCanceled, Origin: wamp.OriginDealerDispatched}, true, verdictFinal},
		{custody.Answer{Error: wamp.ErrCanceled, Origin: wamp.OriginDealerDispatched}, false, verdictCrash},
		{custody.Answer{Error: wamp.ErrTimeout, Origin: wamp.OriginDealerDispatched}, false, verdictFailure},
		{custody.Answer{Error: wamp.ErrNoSuchProcedure, Origin: wamp.OriginDealer}, false, verdictNobody},
		{custody.Answer{Error: wamp.ErrUnavailable, Origin: wamp.OriginDealer}, false, verdictLater},
		{custody.Answer{Error: wamp.ErrInvalidArgument, Origin: wamp.OriginDealer}, false, verdictFinal},
	} {
		if got := s.judge(&call{canceled: tt.canceled}, &tt.a); got != tt.want {
			t.Errorf("%+v, canceled %v: verdict %d, want %d", tt.a, tt.canceled, got, tt.want)
		}
	}
}

// TestStoreTakenOver has somebody else write to the journals.
func TestStoreTakenOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, newDisk(), Config{})
		caller := g.join(person("ada"))
		j, err := g.disk.Journal(t.Context(), engine.LogConfig{Name: "calls"})
		if err != nil {
			t.Fatal(err)
		}
		state, err := j.State(t.Context())
		if err == nil {
			_, err = j.Append(t.Context(), make([]byte, batchHeader), state.Last)
		}
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if r := caller.accept("my.absent", wamp.KeepOptions{CallID: "a"}, "", "[]"); r.err != wamp.ErrUnavailable || !strings.Contains(r.args, "another gateway") {
				t.Errorf("accepted: %+v", r)
			}
		}
		if _, err := g.store.Durability(); !errors.Is(err, engine.ErrStale) {
			t.Errorf("durability: %v", err)
		}
	})
}

// TestUnopenable has the engine not open, and then hold what cannot be read.
func TestUnopenable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, newDisk(), Config{})
		g.close()
		fault := errors.New("no disk")
		holds := false
		g.config.Holds = func() bool { return holds }
		g.router = newStage(t, newDisk(), Config{}).router
		asked := 0
		s := New(g.config)
		s.source = func(context.Context) (source, error) { asked++; return nil, fault }
		defer s.Close()
		if list, err := s.List(t.Context(), realm, person("ada"), 10); err != nil || len(list) != 0 || asked != 0 {
			t.Errorf("a list of nothing: %v, %v, the engine was asked for %d times", list, err, asked)
		}
		holds = true
		for range 3 {
			if _, err := s.Find(t.Context(), realm, person("ada"), "a"); !errors.Is(err, fault) {
				t.Errorf("Find: %v", err)
			}
		}
		if _, err := s.Durability(); !errors.Is(err, fault) || asked != 1 {
			t.Errorf("durability: %v; asked %d times", err, asked)
		}
		sleep(custody.ReopenAfter)
		for _, log := range []string{"outcomes", "letters", "calls"} {
			d := newDisk()
			j, _ := d.Journal(t.Context(), engine.LogConfig{Name: log})
			if _, err := j.Append(t.Context(), append(make([]byte, batchHeader), 'x', 9), 0); err != nil {
				t.Fatal(err)
			}
			s.source = func(context.Context) (source, error) { return d, nil }
			if err := s.Start(t.Context()); !errors.Is(err, errBatch) || !strings.Contains(err.Error(), log) {
				t.Errorf("damaged %s: %v", log, err)
			}
			sleep(custody.ReopenAfter)
		}
		g.want("told of a fault", custody.Told(fault, notKept), "persistent calls cannot be kept now; the gateway's log says why")
		g.want("told after Close", custody.Told(custody.ErrClosed, notKept), "the gateway is shutting down")
		g.want("told in own words", custody.Told(fmt.Errorf("wrapped: %w", toldError{}), notKept), "own words")
	})
}

type toldError struct{}

func (toldError) Error() string { return "/a/path" }
func (toldError) Told() string  { return "own words" }

// TestWrittenMeanwhile has somebody else write to a journal that has been read:
// all are read again, what he wrote included.
func TestWrittenMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		g := newStage(t, d, Config{})
		g.want("a", g.join(person("ada")).accept("my.work", wamp.KeepOptions{CallID: "a"}, "", "[]").err, "")
		g.store.Close()
		calls, letters, reads := d.journals["calls"], d.journals["letters"], 0
		letters.onRead = func() {
			if reads++; reads > 1 {
				return
			}
			theirs := calls.entries[len(calls.entries)-1].Data // the same call once more
			if _, err := calls.Append(context.Background(), theirs, calls.last); err != nil {
				t.Error(err)
			}
		}
		s := New(Config{})
		defer s.Close()
		s.source = func(context.Context) (source, error) { return d, nil }
		if err := s.Start(t.Context()); err != nil || reads != 2 {
			t.Errorf("Start: %v, read %d times", err, reads)
		}
		if s.calls.last != calls.last || len(s.byName) != 1 {
			t.Errorf("the last entry is %d, not %d; %d calls", s.calls.last, calls.last, len(s.byName))
		}
	})
}

// TestRunning looks at calls that nobody gets, and at one that a callee has.
func TestRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newStage(t, newDisk(), Config{})
		caller := g.join(person("ada"))
		shown := map[State]int{}
		over, looked := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(looked)
			for {
				select {
				case <-over:
					return
				default:
				}
				list, _ := g.store.List(t.Context(), realm, person("ada"), 1000)
				for _, s := range list {
					shown[s.State]++
				}
				runtime.Gosched()
			}
		}()
		for range 100 {
			caller.last++
			caller.submit(&wamp.Call{Request: caller.last, Procedure: "my.absent", Options: wamp.CallOptions{
				TrustLevel: trustPersistent, Keep: &wamp.KeepOptions{Async: true},
			}, Payload: wamp.Payload{Serializer: wamp.JSON, Args: []byte("[]")}})
		}
		close(over)
		<-looked
		if shown[Running] > 0 {
			t.Errorf("without a callee calls were shown as %v", shown)
		}
		synctest.Wait()
		callee := g.join(person("bob"))
		callee.register("my.work")
		caller.accept("my.work", wamp.KeepOptions{CallID: "w"}, "", "[]")
		g.want("with a callee", caller.state("w"), Running)
	})
}
