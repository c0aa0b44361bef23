package load

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wampgate/wampgate/test/bench/wire"
)

// smallBuffer is the read buffer of a session that has nothing to say.
const smallBuffer = 512

// joiners is how many sessions join at the same time.
const joiners = 16

// settle is how long sessions are idle before it counts.
const settle = time.Second

// Idle joins sessions that then do nothing. It stops after so many, or when
// the time is up. The meter begins before the first joins and ends when all
// have been idle for a second; Done says how many joined.
func Idle(ctx context.Context, r Router, s wire.Serializer, sessions int, within time.Duration, meter Meter) (Result, error) {
	var all []*session
	defer func() {
		for _, x := range all {
			x.close()
		}
	}()
	var mu sync.Mutex // guards all
	var left atomic.Int64
	left.Store(int64(sessions))
	meter.Begin()
	result, err := inParallel(ctx, within, func(ctx context.Context, result *Result) (bool, error) {
		if left.Add(-1) < 0 {
			return false, nil
		}
		began := time.Now()
		x, err := join(ctx, r, s, smallBuffer)
		if err != nil {
			return false, err
		}
		result.Done++
		result.Latency.Add(time.Since(began))
		mu.Lock()
		defer mu.Unlock()
		all = append(all, x)
		return true, nil
	})
	pause(ctx, settle)
	meter.End()
	return result, err
}

// Churn has sessions join and leave again for some time; Done says how many.
func Churn(ctx context.Context, r Router, s wire.Serializer, within time.Duration, meter Meter) (Result, error) {
	meter.Begin()
	defer meter.End()
	return inParallel(ctx, within, func(ctx context.Context, result *Result) (bool, error) {
		began := time.Now()
		x, err := join(ctx, r, s, smallBuffer)
		if err != nil {
			return false, err
		}
		defer x.close()
		if err := x.leave(); err != nil {
			return false, err
		}
		result.Done++
		result.Latency.Add(time.Since(began))
		return true, nil
	})
}

// inParallel calls step over and over in several goroutines, until it returns
// false or an error, or the time is up.
func inParallel(ctx context.Context, within time.Duration, step func(context.Context, *Result) (bool, error)) (Result, error) {
	began := time.Now()
	results, errs := make([]Result, joiners), make([]error, joiners)
	var work sync.WaitGroup
	for i := range joiners {
		work.Go(func() {
			more := true
			for more && errs[i] == nil && ctx.Err() == nil && time.Since(began) < within {
				more, errs[i] = step(ctx, &results[i])
			}
		})
	}
	work.Wait()
	sum := Result{Elapsed: time.Since(began)}
	for i := range results {
		sum.merge(&results[i])
	}
	return sum, errors.Join(errs...)
}

// Probe joins once and leaves.
func Probe(ctx context.Context, r Router, s wire.Serializer) error {
	x, err := join(ctx, r, s, smallBuffer)
	if err != nil {
		return err
	}
	defer x.close()
	return x.leave()
}
