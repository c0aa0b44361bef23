package test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// reloadConfig is a configuration with a callee and two who call. The verbs are
// bob's role and what users may call.
const reloadConfig = `rate: 0
roles:
  user: {permissions: [{uri: %[2]s, allow: call}]}
  guest: {permissions: [{uri: test.who, allow: call}]}
  service: {permissions: [{uri: test., match: prefix, allow: [register, call]}]}
principals:
  ada: {role: user, ticket: {file: secret}}
  bob: {role: %[1]s, ticket: {file: secret}}
  callee: {role: service, ticket: {file: secret}}
`

// startReloading starts a gateway whose configuration will change, with a
// callee of test.who.
func startReloading(t *testing.T) *keeper {
	t.Helper()
	k := &keeper{dir: t.TempDir(), secret: "planted-secret-of-all"}
	k.write(t, "secret", k.secret)
	config := k.write(t, "wampgate.yaml", fmt.Sprintf(reloadConfig, "user", "test.who"))
	k.gateway = startCommand(t, nil, []string{"serve", "-c", config})
	c := k.enter(t, "callee")
	if err := c.Send(&wamp.Register{Request: 1, Procedure: "test.who"}); err != nil {
		t.Fatal(err)
	}
	receiveAs[*wamp.Registered](t, c)
	var work sync.WaitGroup
	work.Go(func() {
		for {
			m, err := c.Receive(context.Background())
			if err != nil {
				return
			}
			if inv, ok := m.(*wamp.Invocation); ok && c.Send(tellWho(inv)) != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		_ = c.Close()
		work.Wait()
	})
	return k
}

// enter logs in.
func (g *keeper) enter(t *testing.T, authid string) *transport.Conn {
	t.Helper()
	c, m := g.login(soon(t), t, authid, g.secret)
	if m.Type() != wamp.TypeWelcome {
		t.Fatalf("%s got %+v", authid, m)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// receiveAs returns the next message, which is an M.
func receiveAs[M wamp.Message](t *testing.T, c *transport.Conn) M {
	t.Helper()
	m, err := c.Receive(soon(t))
	got, ok := m.(M)
	if err != nil || !ok {
		t.Fatalf("got %+v, %v; want %T", m, err, got)
	}
	return got
}

// callWho calls test.who over WAMP, and returns the error's URI, if it is one.
func callWho(t *testing.T, c *transport.Conn, request wamp.ID) wamp.URI {
	t.Helper()
	if err := c.Send(&wamp.Call{Request: request, Procedure: "test.who"}); err != nil {
		t.Fatal(err)
	}
	m, err := c.Receive(soon(t))
	switch m := m.(type) {
	case *wamp.Result:
		return ""
	case *wamp.Error:
		return m.Error
	}
	t.Fatalf("got %+v, %v; want RESULT or ERROR", m, err)
	return ""
}

// basic is the value of Authorization for a name and a password.
func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// change replaces the configuration in one step, and has it read at once if
// hangup is set. It returns the line of the log that tells the outcome.
func (g *keeper) change(t *testing.T, config, outcome string, hangup bool) string {
	t.Helper()
	from := g.lines.len()
	g.replace(t, config)
	if hangup {
		g.hangUp(t)
	}
	return g.wantLog(soon(t), t, from, outcome)
}

func (g *keeper) replace(t *testing.T, config string) {
	t.Helper()
	if err := os.Rename(g.write(t, "next.yaml", config), g.dir+"/wampgate.yaml"); err != nil {
		t.Fatal(err)
	}
}

func (g *keeper) hangUp(t *testing.T) {
	t.Helper()
	if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// The outcomes of a reload.
const (
	wasRead   = "configuration was read again"
	unchanged = "configuration stays as it was"
)

// TestReload changes the configuration of a gateway that runs: what is valid
// holds for those who are connected, and what is not changes nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	g := startReloading(t)
	ada, bob := g.enter(t, "ada"), g.enter(t, "bob")
	if got := callWho(t, ada, 1); got != "" {
		t.Fatalf("call = %s", got)
	}

	g.change(t, fmt.Sprintf(reloadConfig, "guest", "test.who"), "sessions_closed=1", true) // bob's role
	if got := receiveAs[*wamp.Goodbye](t, bob); got.Reason != wamp.CloseKilled {
		t.Errorf("GOODBYE %+v, want %s", got, wamp.CloseKilled)
	}
	if got := callWho(t, ada, 2); got != "" {
		t.Errorf("the call of another = %s", got)
	}
	if got := callWho(t, g.enter(t, "bob"), 1); got != "" {
		t.Errorf("the call of a new session = %s", got)
	}

	g.change(t, fmt.Sprintf(reloadConfig, "guest", "test.other"), "sessions_closed=0", false) // found by looking
	if got := callWho(t, ada, 3); got != wamp.ErrNotAuthorized {
		t.Errorf("a call that is not allowed any more = %q", got)
	}
	if got := g.as(t, "ada"); got.status != http.StatusForbidden {
		t.Errorf("the same over HTTP = %d %s", got.status, got.body)
	}

	line := g.change(t, "rate: 0\nroles:\n  user: {permissions: [{uri: test.who, alow: call}]}\n", unchanged, true)
	if want := `wampgate.yaml:3: role \"user\": permission: unknown key \"alow\"; did you mean \"allow\"?`; !strings.Contains(line, want) {
		t.Errorf("the log says %s, want %s", line, want)
	}
	line = g.change(t, "anonymous: true\n", unchanged, false)
	if !strings.Contains(line, "takes a restart") {
		t.Errorf("roles that go away: %s", line)
	}
	if got := callWho(t, ada, 4); got != wamp.ErrNotAuthorized {
		t.Errorf("a call after a reload that failed = %q", got)
	}

	line = g.change(t, "max-calls: 7\nlog-level: debug\nqueue: 1MiB\n"+fmt.Sprintf(reloadConfig, "guest", "test.who"), "take a restart", true)
	if !strings.Contains(line, `settings="max-calls, queue"`) {
		t.Errorf("settings that take a restart: %s", line)
	}
	if got := callWho(t, ada, 5); got != "" {
		t.Errorf("call = %s", got)
	}

	g.write(t, "secret", "another-secret-of-all") // of the callee, too
	g.wantLog(soon(t), t, 0, "sessions_closed=4")
	if got := receiveAs[*wamp.Goodbye](t, ada); got.Reason != wamp.CloseKilled {
		t.Errorf("GOODBYE %+v, want %s", got, wamp.CloseKilled)
	}
	if got := g.as(t, "ada"); got.status != http.StatusUnauthorized {
		t.Errorf("with the old secret over HTTP: %d %s", got.status, got.body)
	}
}

// as calls test.who over HTTP.
func (g *keeper) as(t *testing.T, authid string) answer {
	t.Helper()
	return g.post(soon(t), t, "/call/test.who", "", "Authorization", basic(authid, g.secret))
}

// TestReloadUnderLoad reloads again and again while calls come in over HTTP and
// WebSocket, of which none fails. The heavy tier reloads 1,000 times.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	reloads, limit := 50, 2*patience
	if heavy() {
		reloads, limit = 1000, 10*time.Minute
	}
	ctx := within(t, limit)
	g := startReloading(t)
	stop := make(chan struct{})
	var calls atomic.Int64
	var work sync.WaitGroup
	defer work.Wait()
	defer close(stop)
	repeat := func(call func(request wamp.ID) error) {
		work.Go(func() {
			for request := wamp.ID(1); ; request++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := call(request); err != nil {
					t.Errorf("call %d failed: %v", request, err)
					return
				}
				calls.Add(1)
			}
		})
	}
	conn := g.enter(t, "ada")
	repeat(func(request wamp.ID) error {
		if err := conn.Send(&wamp.Call{Request: request, Procedure: "test.who"}); err != nil {
			return err
		}
		m, err := conn.Receive(ctx)
		if _, ok := m.(*wamp.Result); err == nil && !ok {
			err = fmt.Errorf("answered with %+v", m)
		}
		return err
	})
	for range 2 {
		repeat(func(wamp.ID) error {
			got, err := g.do(ctx, http.MethodPost, "/call/test.who", http.NoBody, "Authorization", basic("ada", g.secret))
			if err == nil && got.status != http.StatusOK {
				err = fmt.Errorf("%d %s", got.status, got.body)
			}
			return err
		})
	}
	for i := range reloads {
		from := g.lines.len()
		g.replace(t, fmt.Sprintf(reloadConfig, []string{"user", "guest"}[i%2], "test.who"))
		g.hangUp(t)
		g.wantLog(ctx, t, from, wasRead)
	}
	t.Logf("%d reloads, %d calls", reloads, calls.Load())
}
