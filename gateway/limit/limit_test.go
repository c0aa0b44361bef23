package limit_test

import (
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/wampgate/wampgate/gateway/limit"
)

// TestBucket empties a bucket and waits for it to fill.
func TestBucket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limit.New[string](10, 5, 0)
		for left := 4; left >= 0; left-- {
			if s := l.Take("a"); !s.OK || s.Remaining != left {
				t.Fatalf("%+v, want %d left", s, left)
			}
		}
		for range 3 {
			if s := l.Take("a"); s.OK || s.Remaining != 0 || s.Wait != 100*time.Millisecond || s.Full != 500*time.Millisecond {
				t.Fatalf("an empty bucket is %+v", s)
			}
		}
		if s := l.Take("b"); !s.OK {
			t.Error("another bucket is empty too")
		}
		time.Sleep(99 * time.Millisecond)
		if s := l.Look("a"); s.OK || s.Wait != time.Millisecond {
			t.Errorf("a moment too early: %+v", s)
		}
		time.Sleep(time.Millisecond)
		if s := l.Look("a"); !s.OK || s.Remaining != 1 || s.Wait != 0 {
			t.Errorf("a token later: %+v", s)
		}
		if s := l.Take("a"); !s.OK || s.Remaining != 0 {
			t.Errorf("a token later: %+v", s)
		}
		time.Sleep(time.Hour)
		if s := l.Take("a"); !s.OK || s.Remaining != 4 {
			t.Errorf("a full bucket is %+v", s)
		}
		if l.Burst() != 5 || l.Window() != 500*time.Millisecond {
			t.Errorf("burst %d in %v", l.Burst(), l.Window())
		}
	})
}

// TestRate: whatever the pauses, nobody gets more than the burst and what came
// in meanwhile; and who takes no more than that gets it.
func TestRate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		rate, burst := rapid.IntRange(1, 1000).Draw(rt, "rate"), rapid.IntRange(1, 100).Draw(rt, "burst")
		pauses := rapid.SliceOfN(rapid.IntRange(0, 2_000_000), 1, 200).Draw(rt, "microseconds")
		synctest.Test(t, func(*testing.T) {
			l := limit.New[int](float64(rate), burst, 0)
			start, taken := time.Now(), 0
			for _, pause := range pauses {
				time.Sleep(time.Duration(pause) * time.Microsecond)
				want := l.Look(1)
				got := l.Take(1)
				if got.OK != want.OK || got.OK && got.Remaining != want.Remaining-1 {
					rt.Fatalf("looked %+v, took %+v", want, got)
				}
				if got.OK {
					taken++
				}
				if most := float64(burst) + time.Since(start).Seconds()*float64(rate) + 1e-3; float64(taken) > most {
					rt.Fatalf("%d tokens taken, where %v were there", taken, most)
				}
			}
			time.Sleep(l.Window())
			for range burst {
				if !l.Take(1).OK {
					rt.Fatal("a full bucket holds fewer tokens than burst")
				}
			}
		})
	})
}

// TestBounded: buckets that are full are forgotten, and however many keys come
// there are no more buckets than max.
func TestBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limit.New[string](1, 10, 1_000)
		for range 10 {
			l.Take("busy")
		}
		for i := range 100_000 {
			l.Take(strconv.Itoa(i))
		}
		if n := l.Len(); n > 1_000 {
			t.Errorf("%d buckets, want at most 1000", n)
		}
		if l.Take("busy").OK {
			t.Error("many others emptied the memory of who had spent most")
		}
		time.Sleep(time.Minute)
		for i := range 1_000 {
			l.Take(strconv.Itoa(i % 10))
			time.Sleep(time.Second)
		}
		for i := range 500 {
			l.Take("x" + strconv.Itoa(i))
			time.Sleep(time.Second) // after which it is full again, as all others are
		}
		if n := l.Len(); n > 800 {
			t.Errorf("%d buckets are left, where most had been full for long", n)
		}
	})
}

// TestExtremes: what an operator may write does not overflow.
func TestExtremes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rate  float64
		burst int
	}{{1e-12, 1}, {1e18, 1}, {1e-12, 1 << 40}, {1e18, 1 << 40}, {1, 0}, {5e-324, 1 << 62}} {
		l := limit.New[int](test.rate, test.burst, 0)
		if s := l.Take(1); !s.OK || s.Full < 0 || l.Window() <= 0 {
			t.Errorf("rate %v, burst %d: %+v in %v", test.rate, test.burst, s, l.Window())
		}
	}
}

// TestNetwork: an IPv6 client cannot change its bucket with its address.
func TestNetwork(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"198.51.100.7": "198.51.100.7", "::ffff:198.51.100.7": "198.51.100.7",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "fe80::1%eth0": "fe80::",
	} {
		if got := limit.Network(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s is in %s, want %s", addr, got, want)
		}
	}
	if limit.Network(netip.Addr{}).IsValid() {
		t.Error("no address became one")
	}
}

// TestFailures counts by address and by principal.
func TestFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := limit.NewFailures()
		a, b := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
		for range 10 {
			if f.Wait(a, "joe") != 0 {
				t.Fatal("too early")
			}
			f.Failed(a, "joe")
		}
		f.Failed(b, "")
		for _, test := range []struct {
			from      netip.Addr
			principal string
			want      time.Duration
		}{{a, "joe", 6 * time.Second}, {a, "ann", 6 * time.Second}, {a, "", 6 * time.Second}, {b, "joe", 6 * time.Second}, {b, "ann", 0}, {b, "", 0}} {
			if got := f.Wait(test.from, test.principal); got.Round(time.Millisecond) != test.want {
				t.Errorf("%s as %q waits %v, want %v", test.from, test.principal, got, test.want)
			}
		}
	})
}

// TestAtOnce takes tokens from many goroutines.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	l := limit.New[int](1e-6, 500, 0)
	var work sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for range 8 {
		work.Go(func() {
			for range 100 {
				if l.Take(1).OK {
					mu.Lock()
					taken++
					mu.Unlock()
				}
			}
		})
	}
	work.Wait()
	if taken != 500 {
		t.Errorf("%d tokens were taken, want 500", taken)
	}
}

func BenchmarkTake(b *testing.B) {
	l := limit.New[netip.Addr](1e9, 1_000_000, 0)
	addr := netip.MustParseAddr("198.51.100.1")
	b.ReportAllocs()
	for b.Loop() {
		l.Take(addr)
	}
}
