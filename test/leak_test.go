package test

import (
	"context"
	"fmt"
	"io"
	"net/http"
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
	before := g.goroutines(ctx, t)

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
		p.sync(ctx, t, 3)
		all.Go(func() { _ = p.conn.CloseNow() })
	}
	all.Wait()

	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		after := g.goroutines(ctx, t)
		if after <= before {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("%d goroutines before, %d after:\n%s", before, after, g.profile(t, "goroutine?debug=1"))
		}
	}
}

// giveUp makes a call and hangs up after 50 ms.
func (g *gateway) giveUp(ctx context.Context, path string) {
	ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, _ = g.do(ctx, http.MethodPost, path, http.NoBody)
}

// goroutines asks the admin listener how many there are.
func (g *gateway) goroutines(ctx context.Context, t *testing.T) int {
	t.Helper()
	if err := ctx.Err(); err != nil {
		t.Fatal(err)
	}
	n := 0
	if _, err := fmt.Sscanf(g.profile(t, "goroutine?debug=1"), "goroutine profile: total %d", &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// profile fetches a profile from the admin listener, also when time is up.
func (g *gateway) profile(t *testing.T, name string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.admin+"/debug/pprof/"+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", name, resp.Status, err)
	}
	return string(text)
}
