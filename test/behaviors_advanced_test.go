package test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// busy are the rows about callees that have much to do.
func busy() []behavior {
	const feature = "shared_registration"
	leastLoaded := func(c *cell) bool {
		m := c.reply(c.request(`[64,%d,{"invoke":"least_loaded"},"test.probe.least_loaded_%[1]d"]`))
		return m.code == codeRegistered
	}
	return []behavior{
		{
			name: "invoke least_loaded", feature: feature, there: leastLoaded,
			callee: func(c *cell) {
				options := command{"invoke": "least_loaded"}
				c.register("hang", options)
				from := c.client.events.len()
				id := c.request(`[48,%d,{},%q]`, c.uri)
				c.client.invoked(c.ctx, c.t, from, c.uri)
				c.registerAt(c.twin(), command{"kind": "constant", "value": "idle", "options": options})
				for range 3 {
					c.want(c.ask(`{}`, ``), codeResult, `["idle"]`)
				}
				c.client.must(c.ctx, c.t, "answer", nil)
				c.want(c.reply(id), codeResult, `["late"]`)
			},
		},
		{
			name: "concurrency", feature: feature, there: leastLoaded, // they came together
			callee: func(c *cell) {
				c.register("hang", command{"concurrency": 1})
				from := c.client.events.len()
				first, second := c.request(`[48,%d,{},%q]`, c.uri), c.request(`[48,%d,{},%q]`, c.uri)
				for _, id := range []int{first, second} {
					c.client.invoked(c.ctx, c.t, from, c.uri)
					c.askFor("test.nowhere.at.all", `{}`, ``) // is answered when the calls have reached the dealer
					invoked := 0
					for _, e := range c.client.events.all()[from:] {
						if e.Event == "invoked" {
							invoked++
						}
					}
					if invoked != 1 {
						c.t.Errorf("%d invocations at once", invoked)
					}
					from = c.client.events.len()
					c.client.must(c.ctx, c.t, "answer", nil)
					c.want(c.reply(id), codeResult, `["late"]`)
				}
			},
		},
	}
}

func rerouting() []behavior {
	const unavailable = "wamp.error.unavailable"
	return []behavior{
		{
			name: "re-routing", feature: "call_reroute",
			callee: func(c *cell) {
				options := command{"invoke": "roundrobin"}
				c.register("error", options)
				c.registerAt(c.twin(), command{"kind": "constant", "value": "second", "options": options})
				m := c.ask(`{}`, fmt.Sprintf(`[%q]`, unavailable))
				c.unannounced(m, unavailable)
				c.want(m, codeResult, `["second"]`)
			},
		},
		{
			name: "revocation", feature: "registration_revocation",
			callee: func(c *cell) {
				c.register("echo", nil)
				c.serve(`{"force_reregister":true}`)
				id := c.request(`[48,%d,{},%q]`, c.uri)
				c.yield(c.invocation(), `{}`, `["mine now"]`)
				c.want(c.reply(id), codeResult, `["mine now"]`)
				c.stillServes()
				if !c.announces(c.row.feature) {
					c.cannot("%s: it is not told", doesNotAnnounce(c.row.feature))
				}
			},
		},
		{
			name: "force_reregister", feature: "registration_revocation",
			callee: func(c *cell) {
				c.serve(`{}`)
				c.register("echo", command{"force_reregister": true})
				c.find(func(m message) bool { return m.code == codeUnregistered && m.id(0) == 0 })
				c.want(c.ask(`{}`, `["taken over"]`), codeResult, `["taken over"]`)
			},
		},
	}
}

func sharding() []behavior {
	const feature = "sharded_registration"
	first, second := command{"shard_id": "a"}, command{"shard_id": "b"}
	return []behavior{
		{
			name: "sharding by hash", feature: feature,
			caller: func(c *cell) {
				c.serve(`{"shard":"g","shard_strategy":"hash"}`)
				id := c.call(command{"options": command{"shard_key": "ada"}})
				c.yield(c.invocation(), `{}`, `[1]`)
				c.wantResult(id, []any{1.0}, nil)
				c.wantError(c.call(command{}), "wamp.error.invalid_argument")
			},
			callee: func(c *cell) {
				c.share(command{"shard": "g", "shard_strategy": "hash"})
				for i := range 8 {
					key := fmt.Sprintf(`{"rkey":"customer %d"}`, i)
					first := c.ask(key, ``)
					if again := c.ask(key, ``); first.code != codeResult || fmt.Sprint(again.rest[1:]) != fmt.Sprint(first.rest[1:]) {
						c.t.Errorf("calls with %s were answered by %s and %s", key, first.text, again.text)
					}
				}
			},
		},
		{
			name: "sharding by range", feature: feature,
			callee: func(c *cell) {
				low, high := command{"to": 100, "type": "number"}, command{"from": 100, "type": "number"}
				c.share(command{"shard": "g", "shard_strategy": "range"},
					command{"shard_id": "a", "shard_range": low}, command{"shard_id": "b", "shard_range": high})
				c.want(c.ask(`{"rkey":99}`, ``), codeResult, `["first"]`)
				c.want(c.ask(`{"rkey":100}`, ``), codeResult, `["second"]`)
			},
		},
		{
			name: "sharding by a resolver", feature: feature,
			callee: func(c *cell) {
				resolver := c.uri + "_where"
				if m := c.reply(c.request(`[64,%d,{},%q]`, resolver)); m.code != codeRegistered {
					c.t.Fatalf("the peer cannot register: %s", m.text)
				}
				c.share(command{"shard": "g", "shard_strategy": "custom", "shard_resolver": resolver}, first, second)
				id := c.request(`[48,%d,{"rkey":"ada"},%q]`, c.uri)
				c.yield(c.invocation(), `{}`, `["b"]`)
				c.want(c.reply(id), codeResult, `["second"]`)
			},
		},
		{
			name: "calls of all shards", feature: feature,
			caller: func(c *cell) {
				c.serve(`{"shard":"g","shard_id":"a"}`)
				id := c.call(command{"options": command{"runmode": "all"}})
				c.yield(c.invocation(), `{}`, `[1]`)
				c.wantResult(id, []any{[]any{map[string]any{"shard_id": "a", "args": []any{1.0}}}}, nil)
			},
			callee: func(c *cell) {
				c.share(command{"shard": "g"}, first, second)
				c.want(c.ask(`{"runmode":"all"}`, ``), codeResult, `[[{"shard_id":"a","args":["first"]},{"shard_id":"b","args":["second"]}]]`)
			},
		},
	}
}

func trust() []behavior {
	const feature = "call_trustlevels"
	return []behavior{{
		name: "trust level acknowledged", feature: feature,
		caller: func(c *cell) {
			c.serve(`{}`)
			id := c.call(command{"options": command{"trust_level": "acknowledged"}})
			c.yield(c.invocation(), `{}`, `[1]`)
			c.wantResult(id, []any{1.0}, nil)
		},
		callee: func(c *cell) {
			c.register("hang", nil)
			from := c.client.events.len()
			id := c.request(`[48,%d,{"trust_level":"acknowledged","receive_progress":true},%q]`, c.uri)
			c.find(func(m message) bool {
				return m.code == codeResult && m.id(0) == id && m.dict(1)["acknowledged"] == true
			})
			c.client.invoked(c.ctx, c.t, from, c.uri)
			c.client.must(c.ctx, c.t, "answer", nil)
			c.want(c.reply(id), codeResult, `["late"]`)
		},
	}}
}

func passthru() []behavior {
	const feature = "payload_passthru_mode"
	pack := func(args string) string { // as a string in the one argument there is
		text, _ := json.Marshal(`{"args":` + args + `,"kwargs":{}}`)
		return `[` + string(text) + `]`
	}
	return []behavior{{
		name: "payload passthru mode", feature: feature,
		caller: func(c *cell) {
			if !c.announces(feature) {
				c.cannot("%s", doesNotAnnounce(feature))
			}
			c.serve(`{}`)
			id := c.call(command{"args": []any{1, 2}, "options": command{"ppt_scheme": "x_test", "ppt_serializer": "json"}})
			inv := c.invocation()
			if inv.dict(2)["ppt_scheme"] != "x_test" || inv.dict(2)["ppt_serializer"] != "json" || !strings.Contains(inv.text, `\"args\":[1,2]`) {
				c.t.Errorf("the peer was invoked with %s", inv.text)
			}
			c.yield(inv, `{"ppt_scheme":"x_test","ppt_serializer":"json"}`, pack(`[3]`))
			c.wantResult(id, []any{3.0}, nil)
		},
		callee: func(c *cell) {
			c.register("echo", nil)
			m := c.ask(`{"ppt_scheme":"x_test","ppt_serializer":"json"}`, pack(`[4]`))
			c.unannounced(m, "wamp.error.feature_not_supported")
			c.want(m, codeResult, `[4]`)
		},
	}}
}

// meta are the rows about what the gateway tells of itself. They have callers
// only: the callee is the dealer.
func meta() []behavior {
	return []behavior{
		{
			name: "session meta API", feature: "session_meta_api",
			caller: func(c *cell) {
				c.uri = "wamp.session.get"
				out, failed := c.end(c.client, c.call(command{"args": []any{c.client.session}}))
				if got, _ := at[map[string]any](out.Args, 0); failed || got["session"] != c.client.session {
					c.t.Errorf("wamp.session.get = %+v (failed %v)", out, failed)
				}
				c.wantError(c.call(command{"args": []any{1}}), "wamp.error.no_such_session")
			},
		},
		{
			name: "session meta events", feature: "session_meta_api",
			caller: func(c *cell) { hearsOf(c, "wamp.session.on_join", command{}) },
		},
		{
			name: "meta events by prefix", feature: "pattern_based_subscription",
			caller: func(c *cell) { hearsOf(c, "wamp.session", command{"match": "prefix"}) },
		},
		{
			name: "registration meta API", feature: "registration_meta_api",
			caller: func(c *cell) {
				c.serve(`{}`)
				procedure := c.uri
				c.uri = "wamp.registration.match"
				out, failed := c.end(c.client, c.call(command{"args": []any{procedure}}))
				if failed || len(out.Args) != 1 || out.Args[0] == nil {
					c.t.Fatalf("wamp.registration.match(%s) = %+v (failed %v)", procedure, out, failed)
				}
				c.uri = "wamp.registration.list_callees"
				callee := c.peer.want(c.ctx, c.t, codeWelcome).id(0)
				c.wantResult(c.call(command{"args": out.Args}), []any{[]any{float64(callee)}}, nil)
			},
		},
		{
			name: "procedure reflection", feature: "reflection",
			caller: func(c *cell) {
				c.serve(`{}`)
				procedure := c.uri
				c.uri = "wamp.reflection.procedure.list"
				out, failed := c.end(c.client, c.call(command{}))
				if list, _ := at[[]any](out.Args, 0); failed || !slices.Contains(list, any(procedure)) {
					c.t.Errorf("%s = %+v (failed %v), want %s in it", c.uri, out, failed, procedure)
				}
			},
		},
	}
}

// hearsOf has the client subscribe and somebody join.
func hearsOf(c *cell, topic string, options command) {
	id := c.client.begin(c.t, "subscribe", command{"uri": topic, "options": options})
	if out, failed := c.end(c.client, id); failed {
		c.t.Fatalf("subscribe %s = error %+v", topic, out)
	}
	joined := join(c.ctx, c.t, c.g).want(c.ctx, c.t, codeWelcome).id(0)
	c.client.event(c.ctx, c.t, 0, func(e event) bool {
		details, _ := at[map[string]any](e.Args, 0)
		return e.Event == "heard" && e.URI == topic && details["session"] == float64(joined)
	})
}

// connections are the rows about how messages travel.
func connections() []behavior {
	batched := func(c *cell) bool {
		conn, _, err := websocket.Dial(c.ctx, c.g.ws(), &websocket.DialOptions{Subprotocols: []string{"wamp.2.json.batched"}})
		if err != nil {
			return false
		}
		_ = conn.CloseNow()
		return conn.Subprotocol() != ""
	}
	raw := func(c *cell) bool { return rawSocketOf(c.g) != "" }
	return []behavior{
		over("batched serializers", batched, func(c *cell) command { return command{"serializer": c.serializer + ".batched"} }),
		over("RawSocket", raw, func(c *cell) command { return command{"url": rawSocketOf(c.g)} }),
	}
}

// over has a client that joins in another way call and serve.
func over(name string, there func(*cell) bool, how func(*cell) command) behavior {
	rejoin := func(c *cell) {
		other := startClient(c.t, c.library, c.serializer)
		cmd := command{"realm": "realm1", "url": c.g.ws(), "serializer": c.serializer, "trace": true}
		for k, v := range how(c) {
			cmd[k] = v
		}
		out, failed := c.end(other, other.begin(c.t, "join", cmd))
		if failed {
			c.cannot("%s", out.Text)
		}
		other.untraced = c.library == "autobahn" && strings.HasPrefix(fmt.Sprint(cmd["url"]), "rs:")
		usual := c.client
		c.client = other
		c.t.Cleanup(func() { c.client = usual })
	}
	row := basics()[0]
	return behavior{
		name: name, there: there,
		caller: func(c *cell) { rejoin(c); row.caller(c) },
		callee: func(c *cell) { rejoin(c); row.callee(c) },
	}
}

// rawSocketFlags returns what has a gateway listen for RawSocket, if it knows
// it.
func rawSocketFlags(t *testing.T) []string {
	t.Helper()
	const flag = "--rawsocket-listen"
	help, _ := exec.CommandContext(soon(t), binary(t), "dev", "--help").CombinedOutput()
	if !strings.Contains(string(help), flag) {
		return nil
	}
	return []string{flag + "=127.0.0.1:0"}
}

// rawSocketOf returns the address of RawSocket, or nothing.
func rawSocketOf(g *gateway) string {
	m := regexp.MustCompile(`  (rs://\S+)`).FindStringSubmatch(strings.Join(g.lines.all(), "\n"))
	if m == nil {
		return ""
	}
	return m[1]
}
