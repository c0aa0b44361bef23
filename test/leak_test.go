package test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestNoGoroutineLeft wants as many goroutines after all kinds of calls as
// before.
func TestNoGoroutineLeft(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 3*patience), start(t)
	keeper := join(ctx, t, g)
	keeper.register(ctx, t, 1, "test.hang")
	g.call(ctx, t, "demo.add", "[2,3]") // the HTTP principal has its session now
	before := lasting(g.goroutines(ctx, t))

	var all sync.WaitGroup
	for i := range 20 {
		for path, body := range map[string]string{
			"/call/demo.add":                   "[2,3]",
			"/call/demo.sleep?timeout=20ms":    "[60]",
			"/call/demo.count?stream=sse":      "[50]",
			"/call/demo.count?stream=ndjson":   "[50]",
			"/call/demo.add?body=call":         `{"broken":`,
			"/call/demo.grep?in=ndjson&body=x": "[]",
			"/call/demo.grep?in=ndjson":        strings.Repeat("[\"an error\"]\n", 50),
		} {
			all.Go(func() {
				if _, err := g.do(ctx, http.MethodPost, path, strings.NewReader(body), "Content-Type", "application/json"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Go(func() { g.giveUp(ctx, "/call/test.hang") })
		all.Go(func() { g.giveUp(ctx, "/call/test.hang?stream=sse") })
		p := join(ctx, t, g)
		p.register(ctx, t, 1, fmt.Sprintf("test.short.%d", i))
		p.send(ctx, t, `[48,2,{},"test.hang"]`)
		p.sync(ctx, t)
		all.Go(func() { _ = p.conn.CloseNow() })
	}
	all.Wait()

	enough := within(t, patience)
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		n, profile := g.goroutines(ctx, t)
		after := lasting(n, profile)
		if after <= before {
			return
		}
		select {
		case <-look.C:
		case <-enough.Done():
			t.Fatalf("%d goroutines before, %d after:\n%s", before, after, profile)
		}
	}
}

// lasting returns how many of n goroutines there are without the writers of
// open connections: one is started when a peer is slow for the first time, and
// stays as long as its connection.
func lasting(n int, profile string) int {
	writers := running(profile, "transport.(*outbox).writeLoop")
	return n - min(writers, running(profile, "transport.(*peer).serve"))
}

// running returns how many goroutines of a profile are in a function.
func running(profile, function string) int {
	all := 0
	_, profile, _ = strings.Cut(profile, "\n") // the headline
	for group := range strings.SplitSeq(profile, "\n\n") {
		if count, _, ok := strings.Cut(group, " @ "); ok && strings.Contains(group, function) {
			n, _ := strconv.Atoi(count)
			all += n
		}
	}
	return all
}

// giveUp makes a call and hangs up after 50 ms.
func (g *gateway) giveUp(ctx context.Context, path string) {
	ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, _ = g.do(ctx, http.MethodPost, path, http.NoBody)
}

// goroutines returns the admin listener's word on how many there are.
func (g *gateway) goroutines(ctx context.Context, t *testing.T) (n int, profile string) {
	t.Helper()
	url := "http://" + g.admin + "/debug/pprof/goroutine?debug=1"
	a, err := fetch(ctx, "h1", http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(a.body, "goroutine profile: total %d", &n); err != nil {
		t.Fatalf("%s: %v in %.100q", url, err, a.body)
	}
	return n, a.body
}
