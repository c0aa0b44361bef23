package test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// A client is a process that runs a WAMP client written by others and does
// what the test tells it; clients/peer.cjs describes the language.
type client struct {
	library, serializer string
	session             any  // id of its session, once it has joined
	untraced            bool // it does not report the messages that it sends

	stdin  *json.Encoder
	events feed[event]
	done   chan struct{} // closed when the process has ended

	mu   sync.Mutex // guards the following field and writes to stdin
	last int        // id of the last command
}

// name is how the client's procedures and subtests are named.
func (c *client) name() string { return c.library + "_" + c.serializer }

// A command tells a client what to do.
type command map[string]any

// An event is one line a client said: an answer to the command ID, or an
// event that nobody asked for.
type event struct {
	ID       int
	OK       *outcome
	Error    *outcome
	Progress *outcome

	Event   string
	Text    string
	URI     string
	Args    []any
	Kwargs  map[string]any
	Details map[string]any
	Message []any // of the events "sent" and "received"
}

// An outcome is what a command ended in, or a progressive result.
type outcome struct {
	Args    []any
	Kwargs  map[string]any
	URI     string         // of an error
	Text    string         // of an error
	Details map[string]any // of WELCOME
	Session any            // of WELCOME
}

// fetchClients gets what the libraries need. That may take its time, so a test
// does it before it sets itself one.
func fetchClients(t *testing.T, libraries ...string) {
	t.Helper()
	for _, library := range libraries {
		program(t, library)
	}
}

// program says how the script of a library is run.
func program(t *testing.T, library string) *exec.Cmd {
	t.Helper()
	if library == "autobahn-python" {
		return exec.Command(pythonPackages(t), "clients/peer.py")
	}
	leftOut := "the conversations with " + library
	cmd := exec.Command(tool(t, "node", leftOut), "clients/"+library+".cjs")
	cmd.Env = append(os.Environ(), "NODE_PATH="+nodePackages(t, leftOut))
	return cmd
}

// startClient runs a client until the test ends. The test fails if the client
// reports a fault: an error that its library did not handle.
func startClient(t *testing.T, library, serializer string) *client {
	t.Helper()
	cmd := program(t, library)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &client{library: library, serializer: serializer, stdin: json.NewEncoder(stdin), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.listen(bufio.NewReader(stdout))
		c.events.end(fmt.Errorf("%s has ended: %w; %s", c.name(), errors.Join(errors.New("end of output"), cmd.Wait()), stderr.String()))
	}()
	t.Cleanup(func() {
		_ = stdin.Close() // it ends by itself then
		select {
		case <-c.done:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			<-c.done
			t.Errorf("%s did not end", c.name())
		}
		c.check(t)
	})
	return c
}

// listen notes what the process says until it ends.
func (c *client) listen(stdout *bufio.Reader) {
	for {
		line, err := stdout.ReadBytes('\n')
		if err != nil {
			return
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			e = event{Event: "fault", Text: "not an event: " + string(line)}
		}
		c.events.add(e)
	}
}

// check reports the faults of the client, and of what the gateway sent it.
func (c *client) check(t *testing.T) {
	t.Helper()
	for _, e := range c.events.all() {
		if e.Event == "fault" {
			t.Errorf("%s failed: %s", c.name(), e.Text)
		}
	}
	checkTraffic(t, c)
	if t.Failed() && testing.Verbose() {
		for _, e := range c.events.all() {
			t.Logf("%s said %+v", c.name(), e)
		}
	}
}

// begin gives a command and returns its id.
func (c *client) begin(t *testing.T, do string, cmd command) int {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	line := command{"id": c.last, "do": do}
	for k, v := range cmd {
		line[k] = v
	}
	if err := c.stdin.Encode(line); err != nil {
		t.Fatalf("%s does not listen: %v", c.name(), err)
	}
	return c.last
}

// end waits for the answer to a command: its outcome and whether that is an
// error.
func (c *client) end(ctx context.Context, t *testing.T, id int) (out outcome, failed bool) {
	t.Helper()
	e, _, err := c.events.find(ctx, 0, func(e event) bool { return e.ID == id && e.Progress == nil })
	if err != nil {
		t.Fatalf("%s did not answer command %d: %v", c.name(), id, err)
	}
	if e.Error != nil {
		return *e.Error, true
	}
	if e.OK != nil {
		out = *e.OK
	}
	return out, false
}

// must gives a command that has to succeed.
func (c *client) must(ctx context.Context, t *testing.T, do string, cmd command) outcome {
	t.Helper()
	out, failed := c.end(ctx, t, c.begin(t, do, cmd))
	if failed {
		t.Fatalf("%s: %s %v = error %+v", c.name(), do, cmd, out)
	}
	return out
}

// mustFail gives a command that has to fail, with this error URI.
func (c *client) mustFail(ctx context.Context, t *testing.T, uri, do string, cmd command) outcome {
	t.Helper()
	out, failed := c.end(ctx, t, c.begin(t, do, cmd))
	if !failed || out.URI != uri {
		t.Fatalf("%s: %s %v = %+v (failed %v), want error %s", c.name(), do, cmd, out, failed, uri)
	}
	return out
}

// progress returns the progressive results that command id got so far.
func (c *client) progress(id int) []outcome {
	var all []outcome
	for _, e := range c.events.all() {
		if e.ID == id && e.Progress != nil {
			all = append(all, *e.Progress)
		}
	}
	return all
}

// invoked waits until a procedure of kind hang is running.
func (c *client) invoked(ctx context.Context, t *testing.T, from int, uri string) {
	t.Helper()
	c.event(ctx, t, from, func(e event) bool { return e.Event == "invoked" && e.URI == uri })
}

// event waits for an event from index from on.
func (c *client) event(ctx context.Context, t *testing.T, from int, match func(event) bool) event {
	t.Helper()
	e, _, err := c.events.find(ctx, from, match)
	if err != nil {
		t.Fatalf("%s: the event did not happen: %v", c.name(), err)
	}
	return e
}

// received returns the messages with this code that the client got; it must
// have joined with trace.
func (c *client) received(code int) [][]any {
	var all [][]any
	for _, e := range c.events.all() {
		if e.Event == "received" && len(e.Message) > 0 && e.Message[0] == float64(code) {
			all = append(all, e.Message)
		}
	}
	return all
}

// announces reports whether the client said in HELLO that it has a feature; it
// must have joined with trace.
func (c *client) announces(role, feature string) bool {
	const codeHello = 1
	for _, e := range c.events.all() {
		if code, _ := at[float64](e.Message, 0); e.Event != "sent" || code != codeHello {
			continue
		}
		hello, _ := at[map[string]any](e.Message, len(e.Message)-1)
		roles := dictOf(hello["roles"])
		return dictOf(dictOf(roles[role])["features"])[feature] == true
	}
	return false
}

// join opens the client's session.
func (c *client) join(ctx context.Context, t *testing.T, g *gateway, more ...command) outcome {
	t.Helper()
	cmd := command{"url": g.ws(), "realm": "realm1", "serializer": c.serializer}
	for _, m := range more {
		for k, v := range m {
			cmd[k] = v
		}
	}
	out := c.must(ctx, t, "join", cmd)
	c.session = out.Session
	return out
}
