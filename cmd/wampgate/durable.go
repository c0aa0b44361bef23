package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/wampgate/wampgate/dealer/durable"
	"github.com/wampgate/wampgate/dealer/engine"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// lastAttempts is how long persistent calls that are under way may go on when
// all others have ended. The next start makes them again.
const lastAttempts = 5 * time.Second

func replicasFault(n int) string {
	if n < 1 || n > 5 {
		return "is not from 1 to 5"
	}
	return ""
}

// newStore returns the store of persistent calls; nil if there is no place for
// them. It opens nothing.
func newStore(s *settings, place *storage, log *slog.Logger) *durable.Store {
	if place == nil {
		return nil
	}
	retryOn := make([]wamp.URI, len(s.DurableRetryOn))
	for i, uri := range s.DurableRetryOn {
		retryOn[i] = wamp.URI(uri)
	}
	return durable.New(durable.Config{
		Open:           place.open,
		Holds:          place.holds,
		Log:            log,
		MaxBytes:       int64(s.DurableMaxBytes),
		MaxCalls:       s.DurableMaxCalls,
		MaxOutcomes:    s.DurableMaxResults,
		MaxDeadLetters: s.DurableMaxLetters,
		Retention:      s.DurableRetention,
		MinRetention:   s.DurableMinKeep,
		ShareAnonymous: s.access == nil, // in dev
		Expiry:         s.DurableExpiry,
		MaxAttempts:    s.DurableAttempts,
		MaxCrashes:     s.DurableCrashes,
		AttemptTimeout: s.DurableAttemptTime,
		MaxRunning:     s.DurableConcurrency,
		RetryOn:        retryOn,
	})
}

// startKept has persistent calls kept, and goes on with those that were. What
// is not in order with the default folder stops only them, unless calls that
// were accepted may be lost.
func (n *node) startKept(ctx context.Context) error {
	if n.durable == nil {
		return nil
	}
	for _, realm := range n.settings.Realm {
		if err := n.durable.Join(n.router, wamp.URI(realm)); err != nil {
			return errors.Join(err, n.endKept())
		}
		if err := n.transactions.Join(n.router, wamp.URI(realm)); err != nil {
			return errors.Join(err, n.endKept())
		}
	}
	if !n.storage.holds() {
		return nil
	}
	err := n.durable.Start(ctx)
	if err == nil {
		err = n.transactions.Start(ctx)
	}
	switch {
	case err == nil:
	case n.storage.auto && !errors.Is(err, engine.ErrDamaged):
		n.log.Warn("persistent calls are refused", "err", err)
	default:
		return errors.Join(fmt.Errorf("persistent calls: %w", err), n.endKept())
	}
	return nil
}

// endKept closes all that keeps something, and its storage.
func (n *node) endKept() error {
	n.durable.Close()
	n.transactions.Close()
	return n.storage.close()
}

// stopKeeping accepts no more calls, and starts none of those that are kept.
func (n *node) stopKeeping() {
	if n.durable != nil {
		ended, end := context.WithCancel(context.Background())
		end()
		n.durable.Drain(ended)
		n.transactions.Drain(ended)
	}
}

// closeKept ends the store when the calls under way have ended, or had the time
// for it. Closing twice does nothing.
func (n *node) closeKept(ctx context.Context) {
	if n.durable == nil {
		return
	}
	limited, cancel := context.WithTimeout(ctx, min(lastAttempts, n.settings.Drain))
	defer cancel()
	n.durable.Drain(limited)
	n.transactions.Drain(limited)
	if err := n.endKept(); err != nil {
		n.log.Warn("the store of persistent calls was not closed in order", "err", err)
	}
}
