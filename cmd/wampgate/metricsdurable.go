package main

import "github.com/wampgate/wampgate/dealer/durable"

// whileKept makes a tell of one that is for gateways that keep calls.
func whileKept(tell func(k *durable.Stats, o out)) func(*snapshot, out) {
	return func(s *snapshot, o out) {
		if s.kept != nil {
			tell(s.kept, o)
		}
	}
}

// durableFamilies are about persistent calls. Nothing is put out for them if no
// calls are kept.
func durableFamilies() []family {
	return append([]family{
		{
			"wampgate_durable_accepted_total", counter, nil,
			"Persistent calls accepted: they are stored.",
			whileKept(func(k *durable.Stats, o out) { o.count(k.Accepted) }),
		},
		{
			"wampgate_durable_refused_total", counter, nil,
			"Persistent calls that were not accepted, since the store was full, broken or closing.",
			whileKept(func(k *durable.Stats, o out) { o.count(k.Refused) }),
		},
		{
			"wampgate_durable_attempts_total", counter, nil,
			"Attempts made.",
			whileKept(func(k *durable.Stats, o out) { o.count(k.Attempts) }),
		},
		{
			"wampgate_durable_attempts_failed_total", counter, nil,
			"Attempts that failed, so that the call is tried again or becomes a dead letter.",
			whileKept(func(k *durable.Stats, o out) { o.count(k.Failures) }),
		},
		{
			"wampgate_durable_ended_total", counter,
			[]string{"state"},
			"Persistent calls that are over.",
			whileKept(func(k *durable.Stats, o out) {
				for state, n := range map[durable.State]uint64{
					durable.Succeeded: k.Succeeded, durable.Failed: k.Failed, durable.Canceled: k.Canceled,
					durable.Expired: k.Expired, durable.DeadLettered: k.DeadLettered,
				} {
					o.count(n, string(state))
				}
			}),
		},
	}, keptFamilies()...)
}

// keptFamilies are about what is kept now.
func keptFamilies() []family {
	return []family{
		{
			"wampgate_durable_calls", gauge,
			[]string{"state"},
			"Persistent calls that are not over: running, scheduled for later, waiting for their turn or for the next attempt, or parked since nobody has registered their procedure.",
			whileKept(func(k *durable.Stats, o out) {
				o.put(float64(k.Running), "running")
				o.put(float64(k.Scheduled), "scheduled")
				o.put(float64(k.Waiting-k.Parked), "waiting")
				o.put(float64(k.Parked), "parked")
			}),
		},
		{
			"wampgate_durable_oldest_seconds", gauge, nil,
			"For how long the oldest call that is not over has been due.",
			whileKept(func(k *durable.Stats, o out) { o.put(k.Oldest.Seconds()) }),
		},
		{
			"wampgate_durable_outcomes", gauge, nil,
			"Outcomes that are kept.",
			whileKept(func(k *durable.Stats, o out) { o.put(float64(k.Outcomes)) }),
		},
		{
			"wampgate_durable_outcomes_forgotten_total", counter, nil,
			"Outcomes that had to go before durable-retention was over, to make room.",
			whileKept(func(k *durable.Stats, o out) { o.count(k.Forgotten) }),
		},
		{
			"wampgate_durable_dead_letters", gauge, nil,
			"Dead letters that an operator has yet to look at.",
			whileKept(func(k *durable.Stats, o out) { o.put(float64(k.DeadLetters)) }),
		},
		{
			"wampgate_durable_stored_bytes", gauge,
			[]string{"log"},
			"Bytes of what is stored, of at most durable-max-bytes each for calls and for outcomes; absent while that cannot be found out.",
			func(s *snapshot, o out) {
				for _, u := range s.keptLogs {
					o.put(float64(u.Bytes), u.Log)
				}
			},
		},
		{
			"wampgate_durable_info", gauge,
			[]string{"durability"},
			"1 while calls can be kept, with what they survive: synced, unsynced or unverified; 0 with \"none\" if they cannot, for which the log and /readyz of the admin listener have the reason.",
			func(s *snapshot, o out) {
				switch {
				case s.kept == nil:
				case s.keeping.Error != "":
					o.put(0, "none")
				default:
					o.put(1, s.keeping.State)
				}
			},
		},
	}
}
