package main

import "github.com/wampgate/wampgate/dealer/transaction"

// whileCoordinated makes a tell of one that is for gateways that coordinate
// transactions.
func whileCoordinated(tell func(x *transaction.Stats, o out)) func(*snapshot, out) {
	return func(s *snapshot, o out) {
		if s.transactions != nil {
			tell(s.transactions, o)
		}
	}
}

// transactionFamilies are about transactions. Nothing is put out for them if
// none are coordinated.
func transactionFamilies() []family {
	return []family{
		{
			"wampgate_transactions_begun_total", counter, nil,
			"Transactions begun.",
			whileCoordinated(func(x *transaction.Stats, o out) { o.count(x.Begun) }),
		},
		{
			"wampgate_transactions_refused_total", counter, nil,
			"Transactions that could not be begun.",
			whileCoordinated(func(x *transaction.Stats, o out) { o.count(x.Refused) }),
		},
		{
			"wampgate_transactions_ended_total", counter,
			[]string{"state"},
			"Transactions that are over: committed, aborted, or forced by an operator.",
			whileCoordinated(func(x *transaction.Stats, o out) {
				o.each(map[string]uint64{"committed": x.Committed, "aborted": x.Aborted, "forced": x.Forced})
			}),
		},
		{
			"wampgate_transactions", gauge,
			[]string{"state"},
			"Transactions that are not over: active, committing or aborting.",
			whileCoordinated(func(x *transaction.Stats, o out) {
				for state, n := range map[string]int{"active": x.Active, "committing": x.Committing, "aborting": x.Aborting} {
					o.put(float64(n), state)
				}
			}),
		},
		{
			"wampgate_transactions_stuck", gauge, nil,
			"Of those that are committing or aborting, the ones that an operator should look at: a callee has failed too often.",
			whileCoordinated(func(x *transaction.Stats, o out) { o.put(float64(x.Stuck)) }),
		},
		{
			"wampgate_transactions_oldest_seconds", gauge, nil,
			"For how long the oldest transaction that is not over has been there.",
			whileCoordinated(func(x *transaction.Stats, o out) { o.put(x.Oldest.Seconds()) }),
		},
		{
			"wampgate_transactions_calls_total", counter, nil,
			"Calls made of branches, with those that confirm and undo.",
			whileCoordinated(func(x *transaction.Stats, o out) { o.count(x.Attempts) }),
		},
		{
			"wampgate_transactions_failures_total", counter, nil,
			"Of these, those that should confirm or undo and failed.",
			whileCoordinated(func(x *transaction.Stats, o out) { o.count(x.Failures) }),
		},
	}
}
