package durable

import (
	"testing"
	"time"
)

// TestLag: the log is told now and then while calls wait for too long, and once
// when they no longer do.
func TestLag(t *testing.T) {
	t.Parallel()
	var l lag
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, step := range []struct {
		passed         time.Duration
		oldest         time.Duration
		late, caughtUp bool
	}{
		{0, lagLimit - 1, false, false},
		{time.Minute, lagLimit, true, false},
		{time.Minute, lagLimit + time.Minute, false, false},
		{lagEvery - time.Minute, lagLimit + time.Hour, true, false},
		{time.Minute, 0, false, true},
		{time.Minute, 0, false, false},
		{time.Minute, lagLimit, true, false},
	} {
		now = now.Add(step.passed)
		if late, caughtUp := l.due(now, Stats{Oldest: step.oldest}); late != step.late || caughtUp != step.caughtUp {
			t.Errorf("step %d: late %t and caught up %t, want %t and %t", i, late, caughtUp, step.late, step.caughtUp)
		}
	}
}
