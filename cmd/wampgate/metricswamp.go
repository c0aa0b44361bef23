package main

import (
	"strconv"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
)

// perRealm makes a tell of one that puts out what a realm has.
func perRealm(tell func(r *router.RealmStats, o out)) func(*snapshot, out) {
	return func(s *snapshot, o out) {
		for i := range s.realms {
			tell(&s.realms[i], o)
		}
	}
}

// callFamilies are about the calls of realms, whatever they came over.
func callFamilies() []family {
	realm := []string{"realm"}
	return []family{
		{
			"wampgate_calls_total", counter, realm,
			"Calls received, over HTTP and WAMP, and those that are made of persistent calls.",
			perRealm(func(r *router.RealmStats, o out) { o.count(r.Calls.Calls, string(r.Realm)) }),
		},
		{
			"wampgate_calls_ended_total", counter,
			[]string{"realm", "outcome", "source"},
			"Calls that are over. source is who ended them: callee (result, error), caller (canceled, caller_gone) or dealer (all others).",
			perRealm(func(r *router.RealmStats, o out) {
				for i, n := range r.Calls.Ended {
					outcome := dealer.Outcome(i)
					o.count(n, string(r.Realm), outcome.String(), outcome.Source())
				}
			}),
		},
		{
			"wampgate_calls_in_flight", gauge, realm,
			"Calls that are not over, with the parts of those to all members of a shard group.",
			perRealm(func(r *router.RealmStats, o out) { o.put(float64(r.CallsInFlight), string(r.Realm)) }),
		},
		{
			"wampgate_procedure_calls_total", counter,
			[]string{"realm", "procedure", "match", "outcome"},
			"Calls that had got to a callee and are over: result, error of the callee, or failed. Those procedures are counted by themselves that were registered first, up to metrics-procedures; " +
				"others together, with procedure and match \"\".",
			perRealm(tellProcedures),
		},
		{
			"wampgate_late_answers_total", counter, realm,
			"Answers of callees to calls that were over.",
			perRealm(func(r *router.RealmStats, o out) { o.count(r.Calls.Late, string(r.Realm)) }),
		},
		{
			"wampgate_kill_grace_expired_total", counter, realm,
			"Canceled calls whose callee took no notice within kill-grace.",
			perRealm(func(r *router.RealmStats, o out) { o.count(r.Calls.Ungraceful, string(r.Realm)) }),
		},
		{
			"wampgate_calls_rerouted_total", counter, realm,
			"Calls given to another callee because the first declined.",
			perRealm(func(r *router.RealmStats, o out) { o.count(r.Calls.PassedOn, string(r.Realm)) }),
		},
		{
			"wampgate_answers_undelivered_total", counter, realm,
			"Calls that had ended with a callee's answer, whose caller got an error in its place.",
			perRealm(func(r *router.RealmStats, o out) { o.count(r.Calls.Undelivered, string(r.Realm)) }),
		},
	}
}

func tellProcedures(r *router.RealmStats, o out) {
	each := func(p *dealer.ProcedureStats, match string) {
		for outcome, n := range map[string]uint64{"result": p.Results, "error": p.Errors, "failed": p.Failed} {
			o.count(n, string(r.Realm), string(p.URI), match, outcome)
		}
	}
	for i := range r.Procedures {
		each(&r.Procedures[i], r.Procedures[i].Match.String())
	}
	if r.Others != (dealer.ProcedureStats{}) {
		each(&r.Others, "")
	}
}

// sessionFamilies are about sessions, and the connections that they have.
func sessionFamilies() []family {
	return append([]family{
		{
			"wampgate_sessions", gauge,
			[]string{"realm", "transport", "serializer"},
			"Sessions that are open. transport is websocket, rawsocket or, for those of HTTP clients and of the gateway itself, inside.",
			perRealm(func(r *router.RealmStats, o out) {
				for _, l := range r.Links {
					o.put(float64(l.Sessions), string(r.Realm), l.Transport.String(), serializerName(l.Link))
				}
			}),
		},
		{
			"wampgate_sessions_opened_total", counter,
			[]string{"realm", "transport", "serializer"},
			"Sessions that were opened.",
			perRealm(func(r *router.RealmStats, o out) {
				for _, l := range r.Links {
					o.count(l.Joined, string(r.Realm), l.Transport.String(), serializerName(l.Link))
				}
			}),
		},
		{
			"wampgate_sessions_cut_total", counter,
			[]string{"realm", "reason"},
			"Sessions that the gateway ended: protocol_violation, queue_full (the peer took nothing), broken, or killed (through the meta API, or since credentials expired or rights were withdrawn).",
			perRealm(func(r *router.RealmStats, o out) {
				for reason, n := range map[string]uint64{"protocol_violation": r.Aborted, "queue_full": r.CutFull, "broken": r.CutOther, "killed": r.Killed} {
					o.count(n, string(r.Realm), reason)
				}
			}),
		},
		{
			"wampgate_sessions_pending", gauge, nil,
			"Peers that have yet to answer a CHALLENGE.",
			func(s *snapshot, o out) { o.put(float64(s.router.Pending)) },
		},
		{
			"wampgate_aborts_total", counter,
			[]string{"reason"},
			"ABORTs sent to peers over WebSocket and RawSocket, by their reason; those of an application's own are \"other\".",
			func(s *snapshot, o out) { o.each(s.aborts) },
		},
		{
			"wampgate_authentication_failures_total", counter,
			[]string{"method", "locked_out"},
			"WAMP peers that could not prove who they are. locked_out says that too many wrong credentials had come before.",
			func(s *snapshot, o out) {
				for kind, n := range s.denials {
					o.count(n, kind.Method, strconv.FormatBool(kind.LockedOut))
				}
			},
		},
		{
			"wampgate_registrations", gauge,
			[]string{"realm"},
			"Registrations; one that callees share counts once.",
			perRealm(func(r *router.RealmStats, o out) { o.put(float64(r.Registrations), string(r.Realm)) }),
		},
	}, connectionFamilies()...)
}

func serializerName(l router.Link) string {
	if l.Transport == router.Inside {
		return "none"
	}
	return l.Serializer.String()
}

// connectionFamilies are about WebSocket and RawSocket, and what goes over them.
func connectionFamilies() []family {
	return append([]family{
		{
			"wampgate_messages_total", counter,
			[]string{"transport", "serializer", "direction"},
			"WAMP messages, in from peers or out to them.",
			func(s *snapshot, o out) {
				for _, t := range s.traffic {
					o.count(t.MessagesIn, t.Transport.String(), t.Serializer.String(), "in")
					o.count(t.MessagesOut, t.Transport.String(), t.Serializer.String(), "out")
				}
			},
		},
		{
			"wampgate_connection_bytes_total", counter,
			[]string{"transport", "serializer", "direction"},
			"Bytes that went over the connections, without handshakes and TLS.",
			func(s *snapshot, o out) {
				for _, t := range s.traffic {
					o.count(t.BytesIn, t.Transport.String(), t.Serializer.String(), "in")
					o.count(t.BytesOut, t.Transport.String(), t.Serializer.String(), "out")
				}
			},
		},
		{
			"wampgate_connections", gauge, nil,
			"Connections that are open, over WebSocket and RawSocket.",
			func(s *snapshot, o out) { o.put(float64(s.wamp.Conns)) },
		},
		{
			"wampgate_connections_accepted_total", counter, nil,
			"Connections that were accepted.",
			func(s *snapshot, o out) { o.count(s.wamp.Accepted) },
		},
		{
			"wampgate_connections_refused_total", counter, nil,
			"Connections that were refused for want of room (max-sessions).",
			func(s *snapshot, o out) { o.count(s.wamp.Refused) },
		},
		{
			"wampgate_connections_given_up_total", counter,
			[]string{"reason"},
			"Connections that were given up: ping_timeout (no sign of life), or write_timeout (the peer took no bytes for stall-timeout).",
			func(s *snapshot, o out) {
				o.count(s.wamp.PingTimeouts, "ping_timeout")
				o.count(s.wamp.WriteTimeouts, "write_timeout")
			},
		},
	}, queueFamilies()...)
}

// queueFamilies are about peers that do not keep up.
func queueFamilies() []family {
	return []family{
		{
			"wampgate_messages_refused_total", counter,
			[]string{"realm", "reason"},
			"Messages that a peer's queue did not take: full, too_large, untranscodable, closed. The call then ends with an error, or the session ends.",
			perRealm(func(r *router.RealmStats, o out) {
				for i, n := range r.Refused {
					o.count(n, string(r.Realm), router.Refusal(i).String())
				}
			}),
		},
		{
			"wampgate_stalls_total", counter,
			[]string{"realm", "slow"},
			"How often a sender was made to wait since a callee or caller does not keep up.",
			perRealm(func(r *router.RealmStats, o out) {
				o.count(r.Waits.Callee, string(r.Realm), "callee")
				o.count(r.Waits.Caller, string(r.Realm), "caller")
			}),
		},
		{
			"wampgate_stalls_exceeded_total", counter,
			[]string{"realm", "slow"},
			"How often it had waited long enough and went on, so that the other's queue fills.",
			perRealm(func(r *router.RealmStats, o out) {
				o.count(r.Outwaited.Callee, string(r.Realm), "callee")
				o.count(r.Outwaited.Caller, string(r.Realm), "caller")
			}),
		},
	}
}
