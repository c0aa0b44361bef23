package test

import (
	"cmp"
	"context"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// A pace is how fast calls were answered.
type pace struct {
	rate float64 // a second
	p99  time.Duration
}

// measure has so many callers, spread over the peers, make calls one after the
// other for a while.
func measure(t *testing.T, peers []*wampPeer, callers int, options map[string]any, procedure string, while time.Duration) pace {
	t.Helper()
	var mu sync.Mutex
	var all []time.Duration
	var work sync.WaitGroup
	begun := time.Now()
	for i := range callers {
		work.Go(func() {
			var took []time.Duration
			for time.Since(begun) < while {
				at := time.Now()
				a, err := peers[i%len(peers)].call(t.Context(), options, procedure, []any{"0123456789abcdef"}, nil)
				if err != nil || a.uri != "" {
					t.Errorf("%s: %+v, %v", procedure, a, err)
					break
				}
				took = append(took, time.Since(at))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
		})
	}
	work.Wait()
	if len(all) == 0 {
		t.Fatal("no call was answered")
	}
	slices.Sort(all)
	return pace{float64(len(all)) / time.Since(begun).Seconds(), all[len(all)*99/100]}
}

// speedGateway starts a gateway with a callee and eight connections of callers.
func speedGateway(t *testing.T, args ...string) []*wampPeer {
	t.Helper()
	g := &durableGateway{gateway: startCommand(t, nil, []string{"serve", "--anonymous"}, append(args, "--rate=0", "--log-level=warn")...)}
	g.addr = g.gateway.addr
	callee := g.join(t, func(i invocation) ([]any, bool) { return i.args, false })
	if err := callee.register(t.Context(), nil, "test.echo"); err != nil {
		t.Fatal(err)
	}
	peers := make([]*wampPeer, 8)
	for i := range peers {
		peers[i] = g.join(t, nil)
	}
	return peers
}

// TestDurableSpeed measures how many persistent calls are accepted in a second
// when the disk is waited for, and how fast other calls are where nothing is
// kept, where the store is idle and where it is busy, by turns. It takes half a
// minute of all processors:
//
//	WAMPGATE_TEST_SPEED=1 go test ./test -run DurableSpeed -v
//
//nolint:paralleltest // it measures
func TestDurableSpeed(t *testing.T) {
	if os.Getenv("WAMPGATE_TEST_SPEED") == "" {
		t.Skip("measures only if WAMPGATE_TEST_SPEED is set")
	}
	const rounds, while = 3, 2 * time.Second
	off, on := speedGateway(t, "--data-dir="), speedGateway(t, "--data-dir="+t.TempDir())
	accept := map[string]any{"trust_level": "persistent", "async": true}
	var accepted []pace
	plain := map[string][]pace{}
	for range rounds {
		accepted = append(accepted, measure(t, on, 64, accept, "test.absent", while))
		plain["off"] = append(plain["off"], measure(t, off, 64, nil, "test.echo", while))
		plain["idle"] = append(plain["idle"], measure(t, on, 64, nil, "test.echo", while))
		busy, enough := context.WithCancel(t.Context())
		var work sync.WaitGroup
		for i := range 8 { // some 800 calls a second
			work.Go(func() {
				for busy.Err() == nil {
					if a, err := on[i].call(busy, accept, "test.absent", []any{"x"}, nil); busy.Err() == nil && (err != nil || a.uri != "") {
						t.Errorf("while busy: %+v, %v", a, err)
						return
					}
					pauseFor(10 * time.Millisecond)
				}
			})
		}
		plain["busy"] = append(plain["busy"], measure(t, on, 64, nil, "test.echo", while))
		enough()
		work.Wait()
	}
	a := median(accepted)
	t.Logf("accepted: %.0f/s, p99 %v (64 callers)", a.rate, a.p99.Round(10*time.Microsecond))
	if a.rate < 10_000 {
		t.Errorf("fewer than 10,000 a second")
	}
	for _, name := range []string{"off", "idle", "busy"} {
		p := median(plain[name])
		t.Logf("best effort, store %s: %.0f/s, p99 %v", name, p.rate, p.p99.Round(10*time.Microsecond))
	}
}

func median(paces []pace) pace {
	slices.SortFunc(paces, func(a, b pace) int { return cmp.Compare(a.rate, b.rate) })
	return paces[len(paces)/2]
}
