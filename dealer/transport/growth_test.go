package transport_test

import (
	"runtime"
	"testing"

	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// Sessions that have left leave nothing behind. The test may not run beside
// others: the heap is that of the whole process.
func TestJoinLeaveLeavesNothing(t *testing.T) { //nolint:paralleltest // see above
	const cycles, allowed = 10_000, 256 << 10
	s := loopback(t, transport.Config{})
	cycle := func(n int) {
		for range n {
			c, err := transport.Dial(t.Context(), s.URL, wamp.JSON, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Join(t.Context(), wamptest.NewHello()); err != nil {
				t.Fatal(err)
			}
			wamptest.Register(t, c, "com.example.brief")
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	cycle(100) // what is made once, and pools
	before := heap()
	cycle(cycles)
	if grown := heap() - before; grown > allowed {
		t.Errorf("%d sessions left %d bytes behind, want at most %d", cycles, grown, allowed)
	} else {
		t.Logf("%d sessions left %d bytes behind", cycles, grown)
	}
}

// heap returns the bytes of what can be reached.
func heap() int64 {
	runtime.GC()
	runtime.GC() // which empties the pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
