package test

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// curl runs curl on a path of the gateway and returns what it prints.
func (g *gateway) curl(ctx context.Context, t *testing.T, path string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(ctx, "curl", append([]string{"-sS", "http://" + g.addr + path}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("curl %q of %s: %v\n%s", args, path, err, out)
	}
	return string(out)
}

// location is what curl -i shows of a call that answers later.
var location = regexp.MustCompile(`(?m)^[Ll]ocation: (/calls/c_[0-9a-f]{32})\r$`)

// later makes a call with Prefer: respond-async and returns where it is.
func (g *gateway) later(ctx context.Context, t *testing.T, path string, args ...string) string {
	t.Helper()
	out := g.curl(ctx, t, path, append([]string{"-i", "-H", "Prefer: respond-async"}, args...)...)
	at := location.FindStringSubmatch(out)
	if at == nil || !strings.Contains(out, " 202 ") {
		t.Fatalf("want 202 with Location:\n%s", out)
	}
	return at[1]
}

// TestSplitDuplexWithCurl: a conversation with a callee, each item and the
// events in a request of its own.
func TestSplitDuplexWithCurl(t *testing.T) {
	t.Parallel()
	tool(t, "curl", "split duplex with curl")
	g, ctx := start(t), soon(t)
	at := g.later(ctx, t, "/call/demo.grep?in=lines", "-X", "POST")
	for i, line := range []string{"an error", "all is well", "another error"} {
		g.curl(ctx, t, at+"/input", "-d", line, "-H", "Content-Type: text/plain", "-H", fmt.Sprintf("Wamp-Seq: %d", i+1))
	}
	g.curl(ctx, t, at+"/input?final=true", "-X", "POST", "-H", "Wamp-Seq: 4")
	events := g.curl(ctx, t, at+"/events", "-N", "-H", "Accept: application/x-ndjson")
	for _, want := range []string{"an error", "another error", `"event":"result"`} {
		if !strings.Contains(events, want) {
			t.Errorf("the events lack %s:\n%s", want, events)
		}
	}
	if strings.Contains(events, "all is well") {
		t.Errorf("the events have more than was asked for:\n%s", events)
	}
	if got := g.curl(ctx, t, at+"/result"); got != "2\n" {
		t.Errorf("result: %q, want 2", got)
	}
}

// TestCallLaterWithCurl: a call that answers later, from its beginning to its
// end, and one that is canceled.
func TestCallLaterWithCurl(t *testing.T) {
	t.Parallel()
	tool(t, "curl", "calls that answer later with curl")
	g, ctx := start(t), soon(t)
	at := g.later(ctx, t, "/call/demo.add", "--json", "[2,3]")
	if got := g.curl(ctx, t, at+"?wait=20s"); !strings.Contains(got, `"state":"done"`) {
		t.Errorf("the call is %s", got)
	}
	if got := g.curl(ctx, t, at+"/result"); got != "5\n" {
		t.Errorf("result: %q, want 5", got)
	}
	at = g.later(ctx, t, "/call/demo.sleep", "--json", "[60]")
	if got := g.curl(ctx, t, at, "-X", "DELETE"); !strings.Contains(got, at[len("/calls/"):]) {
		t.Errorf("DELETE: %s", got)
	}
	if got := g.curl(ctx, t, at+"?wait=20s"); !strings.Contains(got, `"state":"canceled"`) {
		t.Errorf("the call is %s", got)
	}
	for range 2 {
		if got := g.curl(ctx, t, "/call/demo.add", "--json", "[2,3]", "-H", "Idempotency-Key: order-7"); got != "5\n" {
			t.Errorf("with a key: %q, want 5", got)
		}
	}
}
