//go:build !race

package gateway_test

import (
	"net/http"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestCallAllocates holds the ceiling of what one call allocates in this
// package; net/http's own comes on top, and the fake realm makes two. The test
// may not run beside others: AllocsPerRun counts for the whole process.
func TestCallAllocates(t *testing.T) { //nolint:paralleltest // see above
	const ceiling = 8
	call, w := repeatedCall(t, &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}, `["0123456789abcdef"]`, nil)
	if n := testing.AllocsPerRun(1_000, call); n > ceiling || w.status != http.StatusOK {
		t.Errorf("a call takes %v allocations (status %d), want at most %d", n, w.status, ceiling)
	}
}
