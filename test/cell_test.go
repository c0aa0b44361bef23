package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A cell is a behavior with one client in one role over one serializer: a
// subtest.
type cell struct {
	*seat
	t   *testing.T
	ctx context.Context
	row behavior
	uri string // for the procedure

	from int    // of the peer's messages, those that belong to the cell
	why  string // why the client cannot
}

// outcome is what the table notes.
func (c *cell) outcome() string {
	switch {
	case c.why != "":
		return c.why
	case c.t.Failed():
		return "fails"
	}
	return passed
}

// cannot ends the cell: it is the client that lacks something.
func (c *cell) cannot(format string, args ...any) {
	c.t.Helper()
	c.why = fmt.Sprintf(format, args...)
	c.t.Skipf("%s %s", c.client.library, c.why)
}

// wampyAliases are options that wampy sends only with a leading underscore. The
// gateway takes them in both forms.
var wampyAliases = []string{
	"concurrency", "disclose_caller", "force_reregister", "forward_timeout", "passthru", "rkey", "runmode",
	"shard", "shard_id", "shard_key", "shard_range", "shard_resolver", "shard_strategy", "trust_level",
}

// options spells options as the client can send them.
func (c *cell) options(options command) command {
	spelled := command{}
	maps.Copy(spelled, options)
	if c.library != "wampy" {
		return spelled
	}
	for k, v := range options {
		if slices.Contains(wampyAliases, k) || k == "invoke" && v == "least_loaded" {
			delete(spelled, k)
			spelled["_"+k] = v
		}
	}
	return spelled
}

// begin gives a client a command that makes a CALL or a REGISTER, waits until
// it is sent, and returns the command's id. A client that refuses, or sends
// less than it was told, cannot.
func (c *cell) begin(who *client, do string, cmd command) int {
	c.t.Helper()
	options, _ := cmd["options"].(command)
	cmd["uri"], cmd["options"] = c.uri, c.options(options)
	from := who.events.len()
	id := who.begin(c.t, do, cmd)
	if who.untraced {
		return id
	}
	sent := who.event(c.ctx, c.t, from, func(e event) bool {
		return e.ID == id || e.Event == "sent" && len(e.Message) > 3 && e.Message[3] == c.uri
	})
	if sent.Error != nil {
		c.cannot("%s", sent.Error.Text)
	}
	got, _ := at[map[string]any](sent.Message, 2)
	asked := c.options(options)
	for _, k := range slices.Sorted(maps.Keys(asked)) {
		if _, ok := got[k]; !ok && asked[k] != "exact" && asked[k] != "single" { // the defaults need no sending
			c.cannot("it does not send the option `%s`", k)
		}
	}
	return id
}

// end waits for the answer to a command.
func (c *cell) end(who *client, id int) (out outcome, failed bool) {
	c.t.Helper()
	return who.end(c.ctx, c.t, id)
}

// call has the client call the procedure.
func (c *cell) call(cmd command) int {
	c.t.Helper()
	return c.begin(c.client, "call", cmd)
}

// register has the client register the procedure.
func (c *cell) register(kind string, options command) {
	c.t.Helper()
	c.registerAt(c.client, command{"kind": kind, "options": options})
}

// registerAt has a client register the procedure.
func (c *cell) registerAt(who *client, cmd command) {
	c.t.Helper()
	if out, failed := c.end(who, c.begin(who, "register", cmd)); failed {
		c.t.Fatalf("register %v = error %+v", cmd, out)
	}
}

// share has two clients register the procedure, one telling "first" and one
// "second", with options for both and, if there are any, options for each.
func (c *cell) share(options command, each ...command) {
	c.t.Helper()
	for i, who := range []*client{c.client, c.twin()} {
		all := maps.Clone(options)
		if each != nil {
			maps.Copy(all, each[i])
		}
		c.registerAt(who, command{"kind": "constant", "value": []string{"first", "second"}[i], "options": all})
	}
}

// twin returns a second client of the same kind.
func (c *cell) twin() *client {
	c.t.Helper()
	if c.second == nil || c.second.hungUp() {
		c.second = c.another(c.t)
	}
	return c.second
}

// wantResult waits for the result of a command.
func (c *cell) wantResult(id int, args []any, kwargs map[string]any) {
	c.t.Helper()
	out, failed := c.end(c.client, id)
	if failed || !equal(out.Args, args) || !equal(out.Kwargs, kwargs) {
		c.t.Errorf("the call ended with %+v (failed %v), want %v %v", out, failed, args, kwargs)
	}
}

// wantError waits for a command to fail.
func (c *cell) wantError(id int, uri string) outcome {
	c.t.Helper()
	out, failed := c.end(c.client, id)
	if !failed || out.URI != uri {
		c.t.Errorf("the call ended with %+v (failed %v), want %s", out, failed, uri)
	}
	return out
}

// equal compares what JSON can tell apart, but for nothing and empty.
func equal(a, b any) bool {
	empty := func(v any) bool { return v == nil || reflect.ValueOf(v).Len() == 0 }
	return empty(a) && empty(b) || reflect.DeepEqual(a, b)
}

// stillThere wants the client to go on as if nothing had happened.
func (c *cell) stillThere() {
	c.t.Helper()
	c.client.mustFail(c.ctx, c.t, "wamp.error.no_such_procedure", "call", command{"uri": "test.nowhere.at.all"})
}

// stillServes wants the client to answer further calls.
func (c *cell) stillServes() {
	c.t.Helper()
	c.client.must(c.ctx, c.t, "answer", nil) // what is hung
	c.uri += "_again"
	c.register("echo", nil)
	c.want(c.ask(`{}`, `["alive"]`), codeResult, `["alive"]`)
}

// announces reports whether the client's HELLO has a feature for the cell's role.
func (c *cell) announces(feature string) bool { return c.client.announces(c.role, feature) }

// request sends a message of the peer, whose first %d is its request id.
func (c *cell) request(format string, args ...any) int {
	c.t.Helper()
	c.last++
	c.peer.sendf(c.ctx, c.t, format, append([]any{c.last}, args...)...)
	return c.last
}

// find waits for a message to the peer that belongs to the cell.
func (c *cell) find(match func(message) bool) message {
	c.t.Helper()
	m, _, err := c.peer.got.find(c.ctx, c.from, match)
	if err != nil {
		c.t.Fatalf("the message did not come: %v; got %v", err, c.peer.codes())
	}
	return m
}

// reply waits for the final answer to a request of the peer.
func (c *cell) reply(id int) message {
	c.t.Helper()
	return c.find(func(m message) bool {
		switch m.code {
		case codeError:
			return m.id(1) == id
		case codeResult:
			return m.id(0) == id && m.dict(1)["progress"] != true
		case codeRegistered:
			return m.id(0) == id
		}
		return false
	})
}

// serve has the peer register the procedure.
func (c *cell) serve(options string) {
	c.t.Helper()
	if m := c.reply(c.request(`[64,%d,%s,%q]`, options, c.uri)); m.code != codeRegistered {
		c.t.Fatalf("the peer cannot register: %s", m.text)
	}
}

// invocation waits for the peer to be invoked once more.
func (c *cell) invocation() message {
	c.t.Helper()
	m, next, err := c.peer.after(c.ctx, c.from, codeInvocation)
	if err != nil {
		c.t.Fatal(err)
	}
	c.from = next
	return m
}

// yield has the peer answer an INVOCATION; payload is what follows the options.
func (c *cell) yield(inv message, options, payload string) {
	c.t.Helper()
	c.peer.sendf(c.ctx, c.t, `[70,%d,%s%s]`, inv.id(0), options, comma(payload))
}

// fail has the peer answer an INVOCATION with an error.
func (c *cell) fail(inv message, uri, payload string) {
	c.t.Helper()
	c.peer.sendf(c.ctx, c.t, `[8,68,%d,{},%q%s]`, inv.id(0), uri, comma(payload))
}

// ask has the peer call the procedure and waits for the final answer.
func (c *cell) ask(options, payload string) message {
	c.t.Helper()
	return c.askFor(c.uri, options, payload)
}

// askFor is ask for another procedure.
func (c *cell) askFor(uri, options, payload string) message {
	c.t.Helper()
	return c.reply(c.request(`[48,%d,%s,%q%s]`, options, uri, comma(payload)))
}

func comma(payload string) string {
	if payload == "" {
		return ""
	}
	return "," + payload
}

// want checks an answer that the peer got: its code, then for an error its URI,
// then its payload.
func (c *cell) want(m message, code int, payload string) {
	c.t.Helper()
	got := m.rest[min(len(m.rest), 2):]
	if m.code == codeError {
		got = m.rest[3:]
	}
	var want []any
	if err := json.Unmarshal([]byte("["+payload+"]"), &want); err != nil {
		c.t.Fatal(errors.Join(errors.New(payload), err))
	}
	if m.code != code || !equal(got, want) {
		c.t.Errorf("the peer got %s, want message %d with %s", m.text, code, payload)
	}
}

// unannounced ends the cell if the dealer's answer is an error that comes of
// the client not announcing the row's feature.
func (c *cell) unannounced(m message, uri string) {
	c.t.Helper()
	if m.code == codeError && m.rest[3] == uri && !c.announces(c.row.feature) {
		c.cannot("%s", doesNotAnnounce(c.row.feature))
	}
}

func doesNotAnnounce(features ...string) string {
	return "it does not announce `" + strings.Join(features, "`, `") + "`"
}
