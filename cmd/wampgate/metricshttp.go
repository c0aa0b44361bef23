package main

// httpFamilies are about HTTP requests, and the calls made with them.
func httpFamilies() []family {
	return append([]family{
		{
			"wampgate_http_requests_total", counter,
			[]string{"route", "method", "status"},
			"Requests that are over. route is a pattern of the gateway's own routes, \"imported\" for all operations of OpenAPI documents, or \"other\"; " +
				"status is its class, \"499\" if the client had left, or \"none\" if the answer was cut off before it had one.",
			func(s *snapshot, o out) {
				for _, r := range s.http.Requests {
					o.count(r.N, r.Route, r.Method, r.Class)
				}
			},
		},
		{
			"wampgate_http_request_duration_seconds", histogram,
			[]string{"route"},
			"How long requests took, with the time of their callees, but those with a streamed body or answer.",
			func(s *snapshot, o out) {
				for i := range s.http.Durations {
					o.histogram(&s.http.Durations[i].Histogram, s.http.Durations[i].Route)
				}
			},
		},
		{
			"wampgate_http_stream_duration_seconds", histogram, nil,
			"How long requests with a streamed body or answer took: calls, batches, readers of events, and callees that read a stream.",
			func(s *snapshot, o out) { o.histogram(&s.http.Streams) },
		},
		{
			"wampgate_http_requests_in_flight", gauge, nil,
			"Requests that are being served.",
			func(s *snapshot, o out) { o.put(float64(s.requests)) },
		},
		{
			"wampgate_http_streams_open", gauge, nil,
			"Of these, those with a streamed body or answer.",
			func(s *snapshot, o out) { o.put(float64(s.http.StreamsOpen)) },
		},
		{
			"wampgate_http_request_bytes_total", counter, nil,
			"Bytes of the bodies of calls, decompressed.",
			func(s *snapshot, o out) { o.count(s.http.BytesIn) },
		},
		{
			"wampgate_http_response_bytes_total", counter, nil,
			"Bytes of the bodies of answers.",
			func(s *snapshot, o out) { o.count(s.http.BytesOut) },
		},
		{
			"wampgate_http_refused_total", counter,
			[]string{"limit"},
			"Requests, and lines of batches, that were refused over a limit of HTTP. limit is the setting, \"rate\" standing for rate and burst, or max-principals.",
			func(s *snapshot, o out) { o.each(s.http.Refused) },
		},
		{
			"wampgate_http_authentication_failures_total", counter,
			[]string{"reason"},
			"Requests whose credentials were refused, by the reason that the log has; too_many_failures is the lockout.",
			func(s *snapshot, o out) { o.each(s.http.Denied) },
		},
	}, httpCallFamilies()...)
}

// httpCallFamilies are about calls over HTTP.
func httpCallFamilies() []family {
	return append([]family{
		{
			"wampgate_http_calls_total", counter,
			[]string{"outcome", "source"},
			"Calls over HTTP that are over, whether they had a request for themselves or not. outcome is as in the log: ok, error, or, if the call was given up, " +
				"canceled, completed_late or unconfirmed; source is who it failed by: gateway, dealer, callee, client or none.",
			func(s *snapshot, o out) {
				for _, c := range s.http.Calls {
					o.count(c.N, c.Outcome, c.Source)
				}
			},
		},
		{
			"wampgate_http_calls_in_flight", gauge, nil,
			"Calls over HTTP that are not over.",
			func(s *snapshot, o out) { o.put(float64(s.http.CallsInFlight)) },
		},
		{
			"wampgate_http_disconnects_total", counter,
			[]string{"outcome"},
			"Calls that were canceled because their client left, by what became of them: canceled, completed_late or unconfirmed.",
			func(s *snapshot, o out) { o.each(s.http.Disconnects) },
		},
		{
			"wampgate_http_events_total", counter, nil,
			"Progressive results sent to clients.",
			func(s *snapshot, o out) { o.count(s.http.Events) },
		},
		{
			"wampgate_http_events_dropped_total", counter, nil,
			"Progressive results dropped for the sake of later ones, as ?overflow=latest asks for.",
			func(s *snapshot, o out) { o.count(s.http.EventsDropped) },
		},
		{
			"wampgate_http_queue_overflows_total", counter, nil,
			"Calls canceled because their client read too slowly and the queue was full.",
			func(s *snapshot, o out) { o.count(s.http.Overflows) },
		},
		{
			"wampgate_http_readers_outrun_total", counter, nil,
			"Readers of a call's events that were too slow, and were sent away.",
			func(s *snapshot, o out) { o.count(s.http.Outrun) },
		},
	}, httpStateFamilies()...)
}

// httpStateFamilies are about what the gateway holds now.
func httpStateFamilies() []family {
	return []family{
		{
			"wampgate_http_sessions", gauge, nil,
			"Principals with a session in the realm because they call, or called a moment ago.",
			func(s *snapshot, o out) { o.put(float64(s.http.Sessions)) },
		},
		{
			"wampgate_http_callees", gauge, nil,
			"Registrations made over HTTP.",
			func(s *snapshot, o out) { o.put(float64(s.http.Callees)) },
		},
		{
			"wampgate_webhook_requests_total", counter,
			[]string{"outcome"},
			"Requests to webhooks: ok, error (of the webhook's own), unreachable (or its answer is none), timeout or canceled.",
			func(s *snapshot, o out) { o.each(s.http.Webhooks) },
		},
		{
			"wampgate_http_kept_calls", gauge, nil,
			"Calls under /calls in memory, running and ended.",
			func(s *snapshot, o out) { o.put(float64(s.http.Kept)) },
		},
		{
			"wampgate_http_kept_bytes", gauge, nil,
			"Bytes that the ended ones hold.",
			func(s *snapshot, o out) { o.put(float64(s.http.KeptBytes)) },
		},
		{
			"wampgate_http_shed_level", gauge, nil,
			"How many calls are refused since requests wait too long: 0 none, 1 anonymous ones and those of low priority, 2 all but those of high priority, 3 the same and /readyz says no.",
			func(s *snapshot, o out) { o.put(float64(s.http.Shedding)) },
		},
	}
}
