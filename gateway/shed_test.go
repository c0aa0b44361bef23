package gateway_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// TestShedding shows whose calls are refused when they would wait, and that one
// slow moment, or a queue that empties at times, refuses nobody.
func TestShedding(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var delay atomic.Int64
		r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
		g := newGateway(t, r, func(c *gateway.Config) {
			c.ShedDelay = 50 * time.Millisecond
			c.Probe = func() { <-time.After(time.Duration(delay.Load())) }
			c.Authenticate = bouncer(t, &wamp.Identity{Authid: "anonymous", Authrole: "anonymous", Authmethod: "anonymous"})
		})
		// refused tells whose calls are refused: the anonymous, those of low,
		// of normal and of high priority; and whether /readyz says no.
		refused := func() string {
			codes := []int{
				post(g, "/call/test.echo", "").Code,
				post(g, "/call/test.echo?priority=low", "", "X-Api-Key", theKey).Code,
				post(g, "/call/test.echo", "", "X-Api-Key", theKey).Code,
				post(g, "/call/test.echo?priority=high", "", "X-Api-Key", theKey).Code,
				do(g, http.MethodGet, "/readyz", nil).Code,
			}
			var all strings.Builder
			for i, code := range codes {
				if code == http.StatusServiceUnavailable {
					all.WriteByte("alnhr"[i])
				}
			}
			return all.String()
		}
		wait := func(d time.Duration) { // while calls come
			for end := time.Now().Add(d); time.Now().Before(end); {
				<-time.After(min(200*time.Millisecond, time.Until(end)))
				refused()
			}
		}
		for _, step := range []struct {
			delay, lasts time.Duration
			want         string
		}{
			{0, 2 * time.Second, ""},
			{60 * time.Millisecond, time.Second, ""}, // not yet
			{60 * time.Millisecond, 2 * time.Second, "al"},
			{120 * time.Millisecond, 5 * time.Second, "aln"},
			{250 * time.Millisecond, 8 * time.Second, "alnr"},
			{0, 500 * time.Millisecond, ""}, // one moment without a queue is enough
		} {
			delay.Store(int64(step.delay))
			wait(step.lasts)
			if got := refused(); got != step.want {
				t.Errorf("a delay of %v for %v refuses %q, want %q", step.delay, step.lasts, got, step.want)
			}
			if got := g.Stats().Shedding; got != max(len(step.want)-1, 0) {
				t.Errorf("a delay of %v for %v is counted as level %d while %q are refused", step.delay, step.lasts, got, step.want)
			}
		}
		delay.Store(int64(300 * time.Millisecond))
		wait(350 * time.Millisecond)
		delay.Store(0)
		wait(time.Second)
		if got := refused(); got != "" {
			t.Errorf("one slow moment refuses %q", got)
		}
		delay.Store(int64(60 * time.Millisecond))
		wait(3 * time.Second)
		w := post(g, "/call/test.echo", "")
		if w.Header().Get("Retry-After") == "" || w.Header().Get("Wamp-Retry") != "safe" || w.Header().Get("Wamp-Error") != "gateway.error.overloaded" {
			t.Errorf("refused with %d %v", w.Code, w.Header())
		}
		before := g.Stats().Refused["shed-delay"]
		post(g, "/call/test.echo", "")
		do(g, http.MethodGet, "/readyz", nil)
		if got := g.Stats().Refused["shed-delay"] - before; got != 1 {
			t.Errorf("%d refusals are counted, want 1", got)
		}
		<-time.After(3 * time.Second)
		if got := refused(); got != "" {
			t.Errorf("after a time without calls %q are refused", got)
		}
	})
}
