package test

import (
	"bufio"
	"context"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// These tests are what the product promises first: who hangs up has the work
// stopped. The client is curl as people have it, the callee a peer that notes
// when INTERRUPT came.

// A hangup is a way to leave while a call is running.
type hangup struct {
	name string
	// begin makes a call of test.hang, which callee serves, and brings it to
	// the point where the client leaves; leave makes it leave.
	begin func(ctx context.Context, t *testing.T, g *gateway, callee *peer, from int) (leave func())
	// upload tells that the call has an open progressive input.
	upload bool
}

func hangups() []hangup {
	return []hangup{
		{name: "unary", begin: curlUnary()},
		{name: "unary_h2c", begin: curlUnary("--http2-prior-knowledge")},
		{name: "events", begin: curlEvents()},
		{name: "events_h2c", begin: curlEvents("--http2-prior-knowledge")},
		{name: "upload", begin: curlUpload(), upload: true},
		{name: "upload_h2c", begin: curlUpload("--http2-prior-knowledge"), upload: true},
		{name: "extra_byte", begin: extraByte},
	}
}

// TestHangUp wants INTERRUPT in mode kill from every hangup; and the heavy
// tier, within 50 ms in half of a hundred tries.
func TestHangUp(t *testing.T) { //nolint:paralleltest // the heavy tier takes the time
	if !heavy() {
		t.Parallel()
	}
	tool(t, "curl", "Ctrl-C of curl in all its forms")
	for _, h := range hangups() {
		t.Run(h.name, func(t *testing.T) {
			rounds := 100
			if !heavy() {
				t.Parallel()
				rounds = 3
			}
			g := start(t)
			callee := join(soon(t), t, g)
			callee.register(soon(t), t, 1, "test.hang")
			var took []time.Duration
			for range rounds {
				took = append(took, h.round(t, g, callee))
			}
			slices.Sort(took)
			median := took[len(took)/2]
			t.Logf("INTERRUPT after %v (median of %d), %v at most", median, rounds, took[len(took)-1])
			if heavy() && median > 50*time.Millisecond {
				t.Errorf("the median is %v, want 50ms at most", median)
			}
		})
	}
}

// round plays a hangup and returns how long INTERRUPT took.
func (h hangup) round(t *testing.T, g *gateway, callee *peer) time.Duration {
	t.Helper()
	ctx := soon(t)
	from, lines := callee.got.len(), g.lines.len()
	leave := h.begin(ctx, t, g, callee, from)
	inv, _ := callee.wantAfter(ctx, t, from, codeInvocation)

	left := time.Now()
	leave()
	interrupt, next := callee.wantAfter(ctx, t, from, codeInterrupt)
	if interrupt.id(0) != inv.id(0) || interrupt.dict(1)["mode"] != "kill" {
		t.Errorf("got %s, want INTERRUPT of %d in mode kill", interrupt.text, inv.id(0))
	}
	callee.sendf(ctx, t, `[8,68,%d,{},"wamp.error.canceled"]`, inv.id(0))
	g.wantLog(ctx, t, lines, "test.hang", "client gone", "outcome=canceled")
	for _, m := range callee.got.all()[from:] {
		if m.code == codeInvocation && h.upload && m.dict(2)["progress"] != true {
			t.Errorf("a cut upload ended with %s, as if it were complete", m.text)
		}
	}
	if late := callee.got.len(); late > next {
		t.Errorf("after INTERRUPT came %v", callee.got.all()[next:])
	}
	return interrupt.at.Sub(left)
}

// A curl is a running curl.
type curl struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
}

// startCurl runs curl until it ends by itself or the test does.
func startCurl(t *testing.T, args ...string) *curl {
	t.Helper()
	cmd := exec.Command(tool(t, "curl", "the tests with curl"), append([]string{"-sSN"}, args...)...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &curl{cmd: cmd, stdin: stdin, stdout: bufio.NewReader(stdout)}
	t.Cleanup(c.kill)
	return c
}

// interrupt is Ctrl-C.
func (c *curl) interrupt() { _ = c.cmd.Process.Signal(syscall.SIGINT) }

// kill ends curl, unless it has ended, and waits for it.
func (c *curl) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// wantLine reads curl's output until a line begins with prefix.
func (c *curl) wantLine(t *testing.T, prefix string) string {
	t.Helper()
	for {
		line, err := c.stdout.ReadString('\n')
		if strings.HasPrefix(line, prefix) {
			return line
		}
		if err != nil {
			t.Fatalf("curl printed no line %q: %v", prefix, err)
		}
	}
}

type beginFunc = func(context.Context, *testing.T, *gateway, *peer, int) func()

// curlUnary waits for an answer.
func curlUnary(args ...string) beginFunc {
	return func(ctx context.Context, t *testing.T, g *gateway, callee *peer, from int) func() {
		t.Helper()
		c := startCurl(t, append(args, "--json", "[60]", g.url("/call/test.hang"))...)
		callee.wantAfter(ctx, t, from, codeInvocation)
		return c.interrupt
	}
}

// curlEvents has read the first progressive result of a stream.
func curlEvents(args ...string) beginFunc {
	return func(ctx context.Context, t *testing.T, g *gateway, callee *peer, from int) func() {
		t.Helper()
		c := startCurl(t, append(args, "-H", "Accept: text/event-stream", "--json", "[60]", g.url("/call/test.hang"))...)
		inv, _ := callee.wantAfter(ctx, t, from, codeInvocation)
		callee.sendf(ctx, t, `[70,%d,{"progress":true},[1]]`, inv.id(0))
		c.wantLine(t, "event: progress")
		return c.interrupt
	}
}

// curlUpload has sent a part of its input.
func curlUpload(args ...string) beginFunc {
	return func(ctx context.Context, t *testing.T, g *gateway, callee *peer, from int) func() {
		t.Helper()
		c := startCurl(t, append(args, "-X", "POST", "-T", "-", g.url("/call/test.hang"))...)
		if _, err := io.WriteString(c.stdin, "a part"); err != nil {
			t.Fatal(err)
		}
		callee.wantAfter(ctx, t, from, codeInvocation)
		return c.interrupt
	}
}

// extraByte sends one byte behind its request, which keeps net/http from
// noticing that the client leaves.
func extraByte(ctx context.Context, t *testing.T, g *gateway, callee *peer, from int) func() {
	t.Helper()
	c := g.connect(ctx, t)
	c.write(t, "POST /call/test.hang HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n[60]")
	callee.wantAfter(ctx, t, from, codeInvocation)
	c.write(t, "G")
	return func() { _ = c.Close() }
}

// TestHangUpWhilePaused leaves while the gateway reads nothing from the client,
// because the callee does not read either. When the callee reads again it finds
// that the upload was cut.
func TestHangUpWhilePaused(t *testing.T) {
	t.Parallel()
	tool(t, "curl", "uploads that are cut while they are paused")
	for name, args := range map[string][]string{"h1": nil, "h2c": {"--http2-prior-knowledge"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, g := within(t, 2*patience), start(t)
			callee := dialQuiet(ctx, t, g)
			callee.send(ctx, t, `[1,"realm1",`+allRoles+`]`)
			callee.send(ctx, t, `[64,1,{},"test.hang"]`)
			callee.take(ctx, t, codeRegistered)

			lines := g.lines.len()
			c := startCurl(t, append(args, "-X", "POST", "-T", "-", g.url("/call/test.hang"))...)
			paused(t, c.stdin)
			c.kill()
			if name != "h1" { // there, the end of the client is stuck behind what nobody reads
				g.wantLog(ctx, t, lines, "test.hang", "client gone")
			}
			interrupt := callee.take(ctx, t, codeInterrupt)
			if mode := interrupt.dict(1)["mode"]; mode != "kill" && mode != "killnowait" {
				t.Errorf("got %s, want mode kill", interrupt.text)
			}
		})
	}
}

// paused writes until nothing is taken for a while.
func paused(t *testing.T, w io.Writer) {
	t.Helper()
	var taken atomic.Int64
	go func() {
		block := make([]byte, 64<<10)
		for {
			if _, err := w.Write(block); err != nil {
				return
			}
			taken.Add(1)
		}
	}()
	look := time.NewTicker(300 * time.Millisecond)
	defer look.Stop()
	for before := int64(-1); ; {
		<-look.C
		now := taken.Load()
		if now == before {
			return
		}
		before = now
	}
}
