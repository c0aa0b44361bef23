package test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer/durable"
	"github.com/wampgate/wampgate/dealer/engine"
)

// A siege is a gateway that is killed again and again while callers and
// callees are at work.
type siege struct {
	g    *durableGateway
	stop chan struct{} // closed when callers are to end

	mu       sync.Mutex // guards the following fields
	accepted map[string]bool
	poison   map[string]bool // of accepted
	invoked  map[string]int
	newest   map[string]float64 // by key: the number of the latest call that was begun
	disorder []string
	crashes  int
}

// work is the callee: it notes what it gets, and at times dies of it.
func (s *siege) work(i invocation) ([]any, bool) {
	id, key, n := fmt.Sprint(i.args[0]), fmt.Sprint(i.args[1]), element[float64](i.args, 2)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.invoked[id]++
	if key != "" && s.invoked[id] == 1 {
		if n < s.newest[key] {
			s.disorder = append(s.disorder, fmt.Sprintf("%s: %v after %v", key, n, s.newest[key]))
		}
		s.newest[key] = n
	}
	if strings.HasPrefix(id, "poison") || s.invoked[id] == 1 && rand.IntN(20) == 0 {
		s.crashes++
		return nil, true
	}
	return []any{id}, false
}

// callee keeps a callee there until ctx ends. It takes one call at a time, so
// that only what it works at can be what it died of.
func (s *siege) callee(ctx context.Context) {
	for ctx.Err() == nil {
		p, err := joinDurable(ctx, s.g.addr, s.work)
		if err != nil {
			pauseFor(5 * time.Millisecond)
			continue
		}
		if p.register(ctx, map[string]any{"invoke": "roundrobin", "concurrency": 1}, "test.work") == nil {
			select {
			case <-p.closed:
			case <-ctx.Done():
			}
		}
		p.close()
	}
}

// caller makes calls, each until it is accepted for certain.
func (s *siege) caller(ctx context.Context, name, key string) {
	c := &persistentCaller{addr: s.g.addr}
	defer c.close()
	for n := 0; ; n++ {
		select {
		case <-s.stop:
			return
		default:
		}
		id := fmt.Sprintf("%s-%d", name, n)
		if key == "" && rand.IntN(200) == 0 {
			id = "poison-" + id
		}
		options := map[string]any{"trust_level": "persistent", "call_id": id, "async": true}
		if key != "" {
			options["rkey"] = key
		}
		for {
			a, err := c.call(ctx, options, "test.work", []any{id, key, n}, nil)
			if err == nil && a.uri == "" {
				break
			}
			if ctx.Err() != nil {
				return
			}
			pauseFor(5 * time.Millisecond)
		}
		s.mu.Lock()
		s.accepted[id] = true
		if strings.HasPrefix(id, "poison") {
			s.poison[id] = true
		}
		s.mu.Unlock()
		pauseFor(2 * time.Millisecond)
	}
}

// TestKills kills the gateway again and again under load, 10 times or, in the
// heavy tier, 50: no accepted call is lost, each has one result, those with a
// key are begun in order, and what kills its callees ends among the dead
// letters. In the end the store holds the results, each once, and no call.
func TestKills(t *testing.T) {
	t.Parallel()
	kills := 10
	if os.Getenv("WAMPGATE_TEST_HEAVY") != "" {
		kills = 50
	}
	ctx := within(t, time.Duration(kills)*3*time.Second+2*patience)
	s := &siege{
		g: startDurable(t, t.TempDir()), stop: make(chan struct{}), accepted: map[string]bool{}, poison: map[string]bool{},
		invoked: map[string]int{}, newest: map[string]float64{},
	}
	working, rest := context.WithCancel(ctx)
	var callers, callees sync.WaitGroup
	defer callees.Wait()
	defer rest()
	for range 4 {
		callees.Go(func() { s.callee(working) })
	}
	for i := range 16 {
		key := ""
		if i < 8 {
			key = fmt.Sprint("key", i)
		}
		callers.Go(func() { s.caller(ctx, fmt.Sprint("c", i), key) })
	}
	for range kills {
		pauseFor(time.Duration(200+rand.IntN(400)) * time.Millisecond)
		s.g.restart(t)
	}
	close(s.stop)
	callers.Wait()

	p := s.g.join(t, nil)
	lost, wrong, twice := 0, 0, 0
	for id := range s.accepted {
		a := mustCall(ctx, t, p, nil, "wampgate.call.wait", id)
		switch {
		case s.poison[id] && a.uri == "wampgate.error.dead_lettered", !s.poison[id] && a.text() == id:
		case s.poison[id] == strings.Contains(a.uri, "dead_lettered"):
			lost++
		default:
			wrong++
			t.Logf("%s: %+v", id, a)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, n := range s.invoked {
		if n > 1 && !s.poison[id] {
			twice++
		}
	}
	t.Logf("%d kills, %d calls accepted, %d lost, %d with a wrong outcome, %d poison, %d invoked more than once (%d callees crashed), %d out of order",
		kills, len(s.accepted), lost, wrong, len(s.poison), twice, s.crashes, len(s.disorder))
	if lost > 0 || wrong > 0 || len(s.disorder) > 0 {
		t.Errorf("lost %d, wrong %d, out of order %v", lost, wrong, s.disorder)
	}
	dead := map[string]bool{}
	for _, l := range element[[]any](mustCall(ctx, t, p, nil, "wampgate.deadletter.list").args, 0) {
		row, _ := l.(map[string]any)
		dead[fmt.Sprint(row["call_id"])] = true
	}
	if !maps.Equal(dead, s.poison) {
		t.Errorf("dead letters %v, want %v", dead, s.poison)
	}
	rest()
	callees.Wait()
	if err := s.g.stop(); err != nil {
		t.Errorf("the gateway ended with %v", err)
	}
	s.checkStore(ctx, t)
}

// checkStore looks into the folder of a gateway that has drained.
func (s *siege) checkStore(ctx context.Context, t *testing.T) {
	t.Helper()
	e, err := engine.Open(ctx, engine.Config{Dir: s.g.dir})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close() //nolint:errcheck // nothing is lost with it
	store := durable.New(durable.Config{Open: func(context.Context) (*engine.Engine, error) { return e, nil }})
	defer store.Close()
	if err := store.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if st := store.Stats(); st.Waiting+st.Running+st.Scheduled != 0 || st.DeadLetters != len(s.poison) {
		t.Errorf("the store has %+v, want no calls and %d dead letters", st, len(s.poison))
	}
	results, err := e.Journal(ctx, engine.LogConfig{Name: "outcomes", MaxBytes: durable.DefaultMaxBytes})
	if err != nil {
		t.Fatal(err)
	}
	recorded, id := map[string]int{}, regexp.MustCompile(`"id":"([^"]+)"`)
	err = results.Read(ctx, func(stored engine.Entry) error {
		for _, m := range id.FindAllSubmatch(stored.Data, -1) {
			recorded[string(m[1])]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range s.accepted {
		if recorded[name] != 1 {
			t.Errorf("the result of %s is recorded %d times", name, recorded[name])
		}
	}
	calls, err := e.Journal(ctx, engine.LogConfig{Name: "calls", MaxBytes: durable.DefaultMaxBytes})
	if err != nil {
		t.Fatal(err)
	}
	for { // what is not needed is deleted in the background
		switch state, err := calls.State(ctx); {
		case err != nil:
			t.Fatalf("the log of calls: %+v, %v", state, err)
		case state.Entries == 0:
			return
		}
		pauseFor(5 * time.Millisecond)
	}
}
