package test

import (
	"fmt"
	"reflect"
	"slices"
)

// behaviors returns the rows of the table. One that a gateway does not have is
// left out, and comes in by itself when it does.
func behaviors() []behavior {
	return slices.Concat(basics(), progress(), canceling(), timeouts(), identification(), patterns(), sharing(),
		busy(), rerouting(), sharding(), trust(), passthru(), meta(), connections())
}

func basics() []behavior {
	const uri = "com.example.error.no_funds"
	return []behavior{
		{
			name: "arguments and keyword arguments",
			caller: func(c *cell) {
				c.serve(`{}`)
				id := c.call(command{"args": []any{1, "two"}, "kwargs": command{"three": []any{3}}})
				inv := c.invocation()
				if got := inv.rest[3:]; !reflect.DeepEqual(got, []any{[]any{1.0, "two"}, map[string]any{"three": []any{3.0}}}) {
					c.t.Errorf("the peer was invoked with %v", got)
				}
				c.yield(inv, `{}`, `[4],{"five":6}`)
				c.wantResult(id, []any{4.0}, map[string]any{"five": 6.0})
			},
			callee: func(c *cell) {
				c.register("echo", nil)
				c.want(c.ask(`{}`, `[1,"two"],{"three":[3]}`), codeResult, `[1,"two"],{"three":[3]}`)
			},
		},
		{
			name: "errors with arguments",
			caller: func(c *cell) {
				c.serve(`{}`)
				id := c.call(command{})
				c.fail(c.invocation(), uri, `["too little"],{"balance":3}`)
				out := c.wantError(id, uri)
				if !equal(out.Args, []any{"too little"}) || !equal(out.Kwargs, map[string]any{"balance": 3.0}) {
					c.t.Errorf("the error came with %v %v", out.Args, out.Kwargs)
				}
			},
			callee: func(c *cell) {
				c.register("error", nil)
				c.want(c.ask(`{}`, `["`+uri+`","too little"],{"balance":3}`), codeError, `"`+uri+`",["too little"],{"balance":3}`)
			},
		},
		{
			name: "unregister, no such procedure",
			caller: func(c *cell) {
				c.wantError(c.call(command{}), "wamp.error.no_such_procedure")
			},
			callee: func(c *cell) {
				c.register("echo", nil)
				c.client.must(c.ctx, c.t, "unregister", command{"uri": c.uri})
				if m := c.ask(`{}`, ``); m.code != codeError || m.rest[3] != "wamp.error.no_such_procedure" {
					c.t.Errorf("a call of what was unregistered ended with %s", m.text)
				}
			},
		},
	}
}

func progress() []behavior {
	return []behavior{
		{
			name: "progressive results", feature: "progressive_call_results",
			caller: func(c *cell) {
				c.serve(`{}`)
				id := c.call(command{"progress": true})
				inv := c.invocation()
				if inv.dict(2)["receive_progress"] != true {
					c.t.Errorf("the peer was invoked with %s, want receive_progress", inv.text)
				}
				c.yield(inv, `{"progress":true}`, `[1]`)
				c.yield(inv, `{"progress":true}`, `[2]`)
				c.yield(inv, `{}`, `["done"]`)
				c.wantResult(id, []any{"done"}, nil)
				if got := c.client.progress(id); len(got) != 2 || !equal(got[0].Args, []any{1.0}) || !equal(got[1].Args, []any{2.0}) {
					c.t.Errorf("the client got the progressive results %v", got)
				}
			},
			callee: func(c *cell) {
				c.register("progress", nil)
				from := c.peer.got.len()
				c.want(c.ask(`{"receive_progress":true}`, `[3]`), codeResult, `["done"]`)
				for i := range 2 {
					var m message
					m, from = c.peer.wantAfter(c.ctx, c.t, from, codeResult)
					c.want(m, codeResult, fmt.Sprintf(`[%d],{"of":3}`, i+1))
				}
			},
		},
		{
			name: "progressive calls", feature: "progressive_call_invocations",
			caller: func(c *cell) {
				c.serve(`{}`)
				id := c.begin(c.client, "stream", command{"args": []any{1}})
				c.client.must(c.ctx, c.t, "send", command{"call": id, "args": []any{2}})
				c.client.must(c.ctx, c.t, "send", command{"call": id, "args": []any{3}, "final": true})
				var inv message
				for i := range 3 {
					inv = c.invocation()
					if args, _ := inv.rest[3].([]any); !equal(args, []any{float64(i + 1)}) || (inv.dict(2)["progress"] == true) != (i < 2) {
						c.t.Errorf("chunk %d is %s", i+1, inv.text)
					}
				}
				c.yield(inv, `{}`, `[6]`)
				c.wantResult(id, []any{6.0}, nil)
			},
			callee: func(c *cell) {
				c.register("upload", nil)
				id := c.request(`[48,%d,{"progress":true},%q,[1]]`, c.uri)
				c.peer.sendf(c.ctx, c.t, `[48,%d,{"progress":true},%q,[2]]`, id, c.uri)
				c.peer.sendf(c.ctx, c.t, `[48,%d,{},%q,[3]]`, id, c.uri)
				m := c.reply(id)
				c.unannounced(m, "wamp.error.feature_not_supported")
				c.want(m, codeResult, `[6]`)
			},
		},
	}
}

func canceling() []behavior {
	rows := []behavior{}
	for _, mode := range []string{"", "skip", "kill", "killnowait"} {
		name := "cancel, mode " + mode
		if mode == "" {
			name = "cancel without a mode"
		}
		rows = append(rows, behavior{
			name: name, feature: "call_canceling",
			caller: func(c *cell) { cancels(c, mode) },
			callee: func(c *cell) { isCanceled(c, mode) },
		})
	}
	return rows
}

// cancels has the client cancel a call.
func cancels(c *cell, mode string) {
	const own, canceled = "com.example.error.stopped", "wamp.error.canceled"
	c.serve(`{}`)
	id := c.call(command{})
	inv := c.invocation()
	if out, failed := c.end(c.client, c.client.begin(c.t, "cancel", command{"call": id, "mode": mode})); failed {
		c.fail(inv, own, "")
		c.cannot("%s", out.Text)
	}
	if mode != "skip" {
		interrupt := c.find(func(m message) bool { return m.code == codeInterrupt && m.id(0) == inv.id(0) })
		if want := map[string]string{"": "killnowait"}[mode]; interrupt.dict(1)["mode"] != want+mode {
			c.t.Errorf("the peer got %s", interrupt.text)
		}
	}
	want := canceled
	if mode == "kill" { // the callee's answer is the answer
		c.fail(inv, own, "")
		want = own
	}
	if out, _ := c.end(c.client, id); out.URI == "Cancelled" { // not a word of the gateway's
		c.client.event(c.ctx, c.t, 0, func(e event) bool { return e.Event == "closed" })
		c.cannot("it forgets a call that it canceled in any mode but kill, and hangs up when the call is answered")
	}
	c.wantError(id, want)
	c.stillThere()
}

// isCanceled has the peer cancel a call of the client's.
func isCanceled(c *cell, mode string) {
	c.register("hang", nil)
	from := c.client.events.len()
	id := c.request(`[48,%d,{},%q]`, c.uri)
	c.client.invoked(c.ctx, c.t, from, c.uri)
	options := fmt.Sprintf(`{"mode":%q}`, mode)
	if mode == "" {
		options = `{}`
	}
	c.peer.sendf(c.ctx, c.t, `[49,%d,%s]`, id, options)
	if m := c.reply(id); m.code != codeError || m.rest[3] != "wamp.error.canceled" {
		c.t.Errorf("the call that was canceled ended with %s", m.text)
	}
	if mode != "skip" && c.announces("call_canceling") {
		c.client.event(c.ctx, c.t, from, func(e event) bool { return e.Event == "canceled" })
	}
	c.stillServes()
	if mode != "skip" && !c.announces("call_canceling") {
		c.cannot("%s: the caller is answered, the callee not interrupted", doesNotAnnounce("call_canceling"))
	}
}

func timeouts() []behavior {
	const feature, timeout = "call_timeout", "wamp.error.timeout"
	return []behavior{
		{
			name: "timeout", feature: feature,
			caller: func(c *cell) {
				c.serve(`{}`)
				c.wantError(c.call(command{"options": command{"timeout": 30}}), timeout)
				c.stillThere()
			},
			callee: func(c *cell) {
				c.register("hang", nil)
				if m := c.ask(`{"timeout":30}`, ``); m.code != codeError || m.rest[3] != timeout {
					c.t.Errorf("the call ended with %s", m.text)
				}
				c.stillServes()
			},
		},
		{
			name: "timeout kept by the callee", feature: feature,
			callee: func(c *cell) {
				c.register("hang", command{"forward_timeout": true})
				from := c.client.events.len()
				id := c.request(`[48,%d,{"timeout":%d},%q]`, 50_000, c.uri)
				inv := c.client.event(c.ctx, c.t, from, func(e event) bool {
					code, _ := at[float64](e.Message, 0)
					return e.Event == "received" && code == codeInvocation
				})
				if details, _ := at[map[string]any](inv.Message, 3); details["timeout"] != 50_000.0 {
					c.t.Errorf("the client received %v, want the timeout", inv.Message)
				}
				c.client.invoked(c.ctx, c.t, from, c.uri)
				c.client.must(c.ctx, c.t, "answer", nil)
				c.want(c.reply(id), codeResult, `["late"]`)
			},
		},
	}
}

func identification() []behavior {
	return []behavior{{
		name: "caller identification", feature: "caller_identification",
		caller: func(c *cell) {
			c.serve(`{"disclose_caller":true}`)
			id := c.call(command{"options": command{"disclose_me": true}})
			inv := c.invocation()
			if inv.dict(2)["caller"] != c.client.session || c.client.session == nil {
				c.t.Errorf("the peer was invoked with %s, want caller %v", inv.text, c.client.session)
			}
			c.yield(inv, `{}`, ``)
			c.wantResult(id, nil, nil)
		},
		callee: func(c *cell) {
			c.register("tell", command{"disclose_caller": true})
			session := c.peer.want(c.ctx, c.t, codeWelcome).id(0)
			c.want(c.ask(`{"disclose_me":true}`, ``), codeResult, fmt.Sprintf(`[],{"procedure":%q,"caller":%d}`, c.uri, session))
			c.want(c.ask(`{}`, ``), codeResult, fmt.Sprintf(`[],{"procedure":%q,"caller":0}`, c.uri))
		},
	}}
}

func patterns() []behavior {
	const feature = "pattern_based_registration"
	match := func(name, pattern, called string) behavior {
		return behavior{
			name: "match " + name, feature: feature,
			callee: func(c *cell) {
				uri := c.uri
				c.uri = fmt.Sprintf(pattern, uri)
				c.register("tell", command{"match": name})
				called := fmt.Sprintf(called, uri)
				c.want(c.askFor(called, `{}`, ``), codeResult, fmt.Sprintf(`[],{"procedure":%q,"caller":0}`, called))
			},
		}
	}
	return []behavior{
		match("exact", "%s", "%s"),
		match("prefix", "%s", "%s.users.get"),
		match("wildcard", "%s..get", "%s.users.get"),
	}
}

// sharing are the policies: two clients of a kind share a procedure.
func sharing() []behavior {
	const feature = "shared_registration"
	shared := func(name string, order func(call int) string) behavior {
		return behavior{
			name: "invoke " + name, feature: feature,
			callee: func(c *cell) {
				c.share(command{"invoke": name})
				for i := range 4 {
					c.want(c.ask(`{}`, ``), codeResult, fmt.Sprintf(`[%q]`, order(i)))
				}
			},
		}
	}
	always := func(who string) func(int) string { return func(int) string { return who } }
	turns := func(i int) string { return []string{"first", "second"}[i%2] }
	return []behavior{
		shared("roundrobin", turns),
		shared("first", always("first")),
		shared("last", always("second")),
		{
			name: "invoke random", feature: feature,
			callee: func(c *cell) {
				c.share(command{"invoke": "random"})
				seen := map[string]bool{}
				for i := 0; len(seen) < 2 && i < 200; i++ {
					seen[fmt.Sprint(c.ask(`{}`, ``).rest[2:])] = true
				}
				if !seen["[[first]]"] || !seen["[[second]]"] {
					c.t.Errorf("200 calls were answered by %v", seen) // chance does that once in 2^199
				}
			},
		},
		{
			name: "invoke single", feature: feature,
			callee: func(c *cell) {
				options := command{"invoke": "single"}
				c.register("echo", options)
				id := c.begin(c.twin(), "register", command{"kind": "echo", "options": options})
				if out, failed := c.end(c.second, id); !failed || out.URI != "wamp.error.procedure_already_exists" {
					c.t.Errorf("a second callee was answered with %+v (failed %v)", out, failed)
				}
			},
		},
	}
}
