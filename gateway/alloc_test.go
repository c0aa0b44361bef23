//go:build !race

package gateway_test

import (
	"net/http"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// TestCallAllocates holds the ceiling of what one call allocates in this
// package; net/http's own comes on top, and the fake realm makes two. The test
// may not run beside others: AllocsPerRun counts for the whole process.
func TestCallAllocates(t *testing.T) { //nolint:paralleltest // see above
	const ceiling = 8
	r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
	call, w := repeatedCall(t, r, `["0123456789abcdef"]`, nil)
	if n := testing.AllocsPerRun(1_000, call); n > ceiling || w.status != http.StatusOK {
		t.Errorf("a call takes %v allocations (status %d), want at most %d", n, w.status, ceiling)
	}
	// To know who calls takes none, to count the calls two.
	known := func(cfg *gateway.Config) { cfg.Authenticate, cfg.Rate, cfg.Burst = bouncer(t, nil), 1e9, 1e6 }
	call, w = repeatedCall(t, r, `["0123456789abcdef"]`, known, func(req *http.Request) { req.Header.Set("X-Api-Key", theKey) })
	if n := testing.AllocsPerRun(1_000, call); n > ceiling+2 || w.status != http.StatusOK {
		t.Errorf("a robot's call takes %v allocations (status %d), want at most %d", n, w.status, ceiling+2)
	}
}
