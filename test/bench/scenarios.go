package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/wampgate/wampgate/test/bench/load"
	"github.com/wampgate/wampgate/test/bench/report"
	"github.com/wampgate/wampgate/test/bench/wire"
)

// A scenario is something to do with each system.
type scenario struct {
	report.Scenario

	fresh bool // needs a system that has done nothing yet
	run   func(context.Context, *running, load.Meter) (load.Result, error)
}

// Groups of scenarios.
const (
	groupWAMP = "WAMP over WebSocket"
	groupHTTP = "HTTP POST"
)

// scenarios returns all scenarios, timed by the options. The one that needs a
// fresh system comes first, those that leave much to clean up come last.
func scenarios(o options) []scenario {
	return slices.Concat(sessions(o), echoes(o), others(o), posts(o), overloads(o), procedures(o))
}

// calls makes a scenario of WAMP calls.
func calls(group, name string, c load.Calls) scenario {
	return scenario{
		Scenario: report.Scenario{Name: name, Group: group, Unit: "/s"},
		run: func(ctx context.Context, r *running, m load.Meter) (load.Result, error) {
			c := c
			if r.passThrough {
				c.Callee = c.Caller
			}
			return c.Run(ctx, r.router, m)
		},
	}
}

// echoes are calls of several sizes, one after the other and many at once.
func echoes(o options) []scenario {
	var all []scenario
	for _, s := range wire.Serializers() {
		for _, c := range []struct{ size, inFlight int }{{16, 1}, {16, 256}, {1 << 10, 256}, {64 << 10, 16}, {1 << 20, 4}} {
			if s.Name() == "cbor" && c.size != 16 && c.size != 64<<10 {
				continue // what the other two show is enough
			}
			name := fmt.Sprintf("%s %s, %d in flight", s.Name(), bytesName(c.size), c.inFlight)
			all = append(all, calls(groupWAMP, name, load.Calls{
				Caller: s, Callee: s, Size: c.size, InFlight: c.inFlight, Warm: o.warm, Time: o.dur,
			}))
		}
	}
	return all
}

func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func bytesName(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

// others are calls under other conditions.
func others(o options) []scenario {
	js, mp := wire.JSON(), wire.MsgPack()
	timed := func(name string, c load.Calls) scenario {
		c.Warm, c.Time = o.warm, o.dur
		return calls(groupWAMP, name, c)
	}
	return []scenario{
		timed("each message its own write", load.Calls{Caller: js, Callee: js, Size: 16, InFlight: 256, EachWrite: true}),
		timed("256 callers of one call", load.Calls{Caller: js, Callee: js, Size: 16, InFlight: 256, Callers: 256, Callees: 4}),
		timed("json → msgpack 16 B", load.Calls{Caller: js, Callee: mp, Size: 16, InFlight: 256}),
		timed("json → msgpack 64 KiB", load.Calls{Caller: js, Callee: mp, Size: 64 << 10, InFlight: 16}),
		timed("100 progressive results", load.Calls{Caller: js, Callee: js, Size: 16, InFlight: 4, Results: 100}),
	}
}

// procedures are calls where many procedures are registered.
func procedures(o options) []scenario {
	var all []scenario
	for _, p := range []struct {
		name, match string
		n           int
	}{{"1,000 exact procedures", "", 1_000}, {"10,000 prefix procedures", "prefix", 10_000}, {"100,000 exact procedures", "", 100_000}} {
		if o.quick && p.n > 10_000 {
			continue
		}
		all = append(all, calls(groupWAMP, p.name, load.Calls{
			Caller: wire.JSON(), Callee: wire.JSON(), Size: 16, InFlight: 64, Procedures: p.n, Match: p.match, Warm: o.warm, Time: o.dur,
		}))
	}
	return all
}

// sessions are scenarios without calls.
func sessions(o options) []scenario {
	return []scenario{
		{
			Scenario: report.Scenario{Name: fmt.Sprintf("%d idle sessions", o.sessions), Group: groupWAMP, Unit: "KiB each", Less: true},
			fresh:    true,
			run: func(ctx context.Context, r *running, m load.Meter) (load.Result, error) {
				return load.Idle(ctx, r.router, wire.JSON(), o.sessions, 8*time.Second, m)
			},
		},
		{
			Scenario: report.Scenario{Name: "join and leave", Group: groupWAMP, Unit: "/s"},
			run: func(ctx context.Context, r *running, m load.Meter) (load.Result, error) {
				return load.Churn(ctx, r.router, wire.JSON(), o.dur, m)
			},
		},
	}
}

// posts are HTTP requests.
func posts(o options) []scenario {
	var all []scenario
	for _, c := range []struct{ size, conns int }{{16, 1}, {16, 64}, {1 << 10, 64}, {64 << 10, 16}} {
		p := load.Posts{Size: c.size, Conns: c.conns, Warm: o.warm, Time: o.dur}
		all = append(all, scenario{
			Scenario: report.Scenario{Name: fmt.Sprintf("%s, %s", bytesName(c.size), counted(c.conns, "connection")), Group: groupHTTP, Unit: "/s"},
			run: func(ctx context.Context, r *running, m load.Meter) (load.Result, error) {
				return p.Run(ctx, r.endpoint, m)
			},
		})
	}
	return all
}

// overloads bring a router to its limits, and count what comes back.
func overloads(o options) []scenario {
	one := func(c load.Calls) load.Calls {
		c.Caller, c.Callee, c.Callers, c.Callees = wire.JSON(), wire.JSON(), 1, 1
		return c
	}
	return []scenario{
		calls(report.Overload, "256 in flight on one connection", one(load.Calls{Size: 16, InFlight: 256, Limit: 20_000})),
		calls(report.Overload, "callee sleeps", one(load.Calls{Size: 64 << 10, InFlight: 256, Limit: 1_000, CalleeNap: o.stall, Others: true})),
		calls(report.Overload, "caller stops reading", one(load.Calls{Size: 64 << 10, InFlight: 256, Limit: 1_000, CallerNap: o.stall, Others: true})),
		calls(report.Overload, "burst of 10,000 calls", one(load.Calls{Size: 16, InFlight: 10_000, Limit: 10_000})),
		calls(report.Overload, "100 calls of 100 results", one(load.Calls{Size: 16, InFlight: 100, Limit: 100, Results: 100})),
	}
}
