package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// A keeping is a gateway that keeps calls, and a session there.
type keeping struct {
	t    *testing.T
	url  string
	conn *transport.Conn
	last wamp.ID
}

func startKeeping(t *testing.T, args ...string) *keeping {
	t.Helper()
	_, url := dev(t, append([]string{"--data-dir", t.TempDir()}, args...)...)
	conn, _ := member(t, url)
	return &keeping{t: t, url: url, conn: conn}
}

// run runs a command at the gateway.
func (k *keeping) run(args ...string) outcome {
	k.t.Helper()
	return runWith(soon(k.t), nil, append(args, "--url", k.url)...)
}

// accept makes a persistent call and waits until it is accepted.
func (k *keeping) accept(id string, procedure wamp.URI) {
	k.t.Helper()
	k.last++
	err := k.conn.Send(&wamp.Call{Request: k.last, Procedure: procedure, Options: wamp.CallOptions{
		TrustLevel: "persistent", Keep: &wamp.KeepOptions{CallID: id, Async: true},
	}})
	if err != nil {
		k.t.Fatal(err)
	}
	if m, err := k.conn.Receive(soon(k.t)); err != nil || m.Type() != wamp.TypeResult {
		k.t.Fatalf("got %+v, %v, want RESULT", m, err)
	}
}

// serve registers a procedure and waits for a call of it.
func (k *keeping) serve(procedure wamp.URI) (*transport.Conn, *wamp.Invocation) {
	k.t.Helper()
	conn, _ := member(k.t, k.url)
	if err := conn.Send(&wamp.Register{Request: 1, Procedure: procedure}); err != nil {
		k.t.Fatal(err)
	}
	if m, err := conn.Receive(soon(k.t)); err != nil || m.Type() != wamp.TypeRegistered {
		k.t.Fatalf("got %+v, %v, want REGISTERED", m, err)
	}
	m, err := conn.Receive(soon(k.t))
	inv, ok := m.(*wamp.Invocation)
	if err != nil || !ok {
		k.t.Fatalf("got %+v, %v, want INVOCATION", m, err)
	}
	return conn, inv
}

// settled waits until a call has ended.
func (k *keeping) settled(id string) {
	k.t.Helper()
	k.call("wampgate.call.wait", []any{id}, nil)
}

// call calls a procedure and waits until it has answered.
func (k *keeping) call(procedure wamp.URI, args []any, kwargs wamp.Dict) {
	k.t.Helper()
	k.last++
	p, err := wamp.NewPayload(wamp.JSON, args, kwargs)
	if err == nil {
		err = k.conn.Send(&wamp.Call{Request: k.last, Procedure: procedure, Payload: p})
	}
	if err == nil {
		_, err = k.conn.Receive(soon(k.t))
	}
	if err != nil {
		k.t.Fatal(err)
	}
}

// want checks what a command came to.
func (k *keeping) want(got outcome, code int, stdout, stderr string) {
	k.t.Helper()
	if got.code != code || !regexp.MustCompile(stdout).MatchString(got.stdout) || !strings.Contains(got.stderr, stderr) || stderr == "" && got.stderr != "" {
		k.t.Errorf("code %d, stdout %q, stderr %q; want %d, %s, …%s…", got.code, got.stdout, got.stderr, code, stdout, stderr)
	}
}

// TestCalls lists, shows and cancels persistent calls.
func TestCalls(t *testing.T) {
	t.Parallel()
	k := startKeeping(t)
	k.want(k.run("calls", "ls"), exitOK, `^CALL  OWNER  PROCEDURE  STATE  ACCEPTED  ATTEMPTS  ERROR\n$`, "")
	k.accept("first", "my.absent")
	k.accept("second", "my.absent")
	k.want(k.run("calls", "ls"), exitOK,
		`^CALL .*\nsecond  anonymous  my\.absent  accepted  20\S+T\S+\.\d{3}Z  0 +-\nfirst  .*\n$`, "")
	k.want(k.run("calls", "ls", "--limit", "1"), exitOK, `^CALL.*\nsecond .*\n$`, "")
	k.want(k.run("calls", "ls", "--limit", "0"), exitRefused, `^$`, "limit must be an integer from 1 to 1000")
	k.want(k.run("calls", "show", "first"), exitOK,
		`^call id: +first\nowner: +anonymous\nprocedure: +my\.absent\nstate: +accepted\naccepted: +20\S+Z\ndue: +20\S+Z\nexpires: +20\S+Z\nattempts: +0\n$`, "")
	k.want(k.run("calls", "cancel", "first"), exitOK, `(?m)^call id: +first$`, "")
	k.settled("first")
	k.want(k.run("calls", "show", "first"), exitOK, `state: +canceled\nerror: +wamp\.error\.canceled\naccepted: +20\S+Z\nended: +20\S+Z\nforgotten: +20\S+Z\n`, "")
	k.want(k.run("calls", "cancel", "first"), exitOK, `state: +canceled`, "")

	var row struct {
		CallID   string `json:"call_id"`
		State    string
		Accepted int64
	}
	got := k.run("calls", "show", "second", "--json")
	if err := json.Unmarshal([]byte(got.stdout), &row); err != nil || row.CallID != "second" || row.State != "accepted" || row.Accepted < 1e12 {
		t.Errorf("--json: %v, %+v", err, got)
	}
	if lines := strings.Count(k.run("calls", "ls", "--json").stdout, "\n"); lines != 2 {
		t.Errorf("ls --json printed %d lines, want 2", lines)
	}

	k.want(k.run("calls", "show", "third"), exitRefused, `^$`, "wampgate.call.get: no such call\n")
	k.want(k.run("calls", "cancel", "third"), exitRefused, `^$`, "wampgate.call.cancel: no such call\n")
	k.want(k.run("calls", "show"), exitUsage, `^$`, `expected "<id>"`)
	k.want(k.run("calls", "cancel", "second", "--mode", "kindly"), exitUsage, `^$`, "--mode")
	k.want(runWith(soon(t), nil, "calls"), exitUsage, `^$`, `expected one of "ls", "show", "cancel"`)
	k.want(k.run("calls", "cancel", "--help"), exitOK, `'show' tells later what became of it`, "")
}

// TestDeadLetters gives a call up that takes its callee along, and has it made
// again, and then forgotten.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	k := startKeeping(t, "--durable-crashes", "1")
	die := func() {
		conn, _ := k.serve("my.poison")
		_ = conn.Close()
		k.settled("bad")
	}
	k.accept("bad", "my.poison")
	die()
	k.want(k.run("calls", "show", "bad"), exitOK, `state: +dead_lettered\n`, "")
	k.want(k.run("deadletters", "ls"), exitOK,
		`^CALL +OWNER +PROCEDURE +DIED +ATTEMPTS +CRASHES +LAST\nbad +anonymous +my\.poison +20\S+Z +1 +1 +\S.*\n$`, "")
	if got := k.run("deadletters", "ls", "--json"); !strings.Contains(got.stdout, `"history":["`) {
		t.Errorf("--json: %+v", got)
	}

	k.want(k.run("deadletters", "retry", "bad"), exitOK, `^tried again: bad\n$`, "")
	k.want(k.run("deadletters", "ls"), exitOK, `^CALL .*\n$`, "")
	conn, inv := k.serve("my.poison")
	if err := conn.Send(&wamp.Yield{Request: inv.Request}); err != nil {
		t.Fatal(err)
	}
	k.settled("bad")
	k.want(k.run("calls", "show", "bad"), exitOK, `state: +succeeded\n`, "")
	_ = conn.Close()

	k.accept("worse", "my.other")
	other, _ := k.serve("my.other")
	_ = other.Close()
	k.settled("worse")
	k.want(k.run("deadletters", "discard", "worse", "--owner", "somebody"), exitRefused, `^$`, "worse: wampgate.deadletter.discard: no such call\n")
	k.want(k.run("deadletters", "discard", "worse", "--owner", "anonymous"), exitOK, `^discarded: worse\n$`, "")
	k.want(k.run("deadletters", "retry", "worse"), exitRefused, `^$`, "worse: wampgate.deadletter.retry: no such call\n")
	k.want(k.run("deadletters", "discard"), exitUsage, `^$`, `expected "<id>`)
}

// TestNothingKept asks a gateway that keeps no calls.
func TestNothingKept(t *testing.T) {
	t.Parallel()
	_, url := dev(t, "--data-dir=")
	for _, command := range []string{"calls ls", "calls show x", "calls cancel x", "deadletters ls", "deadletters retry x", "deadletters discard x"} {
		got := runWith(soon(t), nil, append(strings.Fields(command), "--url", url)...)
		if got.code != exitRefused || !strings.Contains(got.stderr, "the gateway keeps nothing") || !strings.Contains(got.stderr, "data-dir") {
			t.Errorf("%s: %+v", command, got)
		}
	}
}
