package load

import (
	"context"
	"sync/atomic"
	"time"
)

// The phases of a run: warming up, measuring, and waiting for the last
// answers.
type phases struct {
	measuring atomic.Bool
	ended     atomic.Bool // no more calls are made
}

// pass lets the phases pass, faster if ctx ends, and returns how long was
// measured.
func (p *phases) pass(ctx context.Context, warm, measured time.Duration, meter Meter) time.Duration {
	pause(ctx, warm)
	meter.Begin()
	began := time.Now()
	p.measuring.Store(true)
	pause(ctx, measured)
	p.measuring.Store(false)
	elapsed := time.Since(began)
	meter.End()
	p.ended.Store(true)
	return elapsed
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
