package main

import (
	"log/slog"

	"github.com/wampgate/wampgate/dealer/transaction"
)

// newCoordinator returns the coordinator of transactions; nil if there is no
// place for their log. It opens nothing.
func newCoordinator(s *settings, place *storage, log *slog.Logger) *transaction.Coordinator {
	if place == nil {
		return nil
	}
	return transaction.New(transaction.Config{
		Open: place.open, Holds: place.holds, Log: log, Timeout: s.TransactionTimeout, MaxOpen: s.TransactionMax,
		Retention: s.TransactionRetention, StuckAfter: s.TransactionStuckAfter,
		ShareAnonymous: s.access == nil, // in dev
	})
}
