package test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A caller that stops to read while far more answers come than its queue holds
// gets each call answered exactly once, as soon as it reads on; those that found
// no room with an ERROR. In the heavy tier it pauses for half a minute.
func TestCallerCatchesUp(t *testing.T) {
	t.Parallel()
	const calls, size = 512, 64 << 10
	pause := time.Duration(0)
	if heavy() {
		pause = 30 * time.Second
	}
	ctx, g := within(t, 2*patience+pause), start(t)
	callee := join(ctx, t, g)
	callee.register(ctx, t, 1, "test.big")
	caller := dialQuiet(ctx, t, g)
	caller.send(ctx, t, `[1,"realm1",`+allRoles+`]`)
	stopped := time.Now()
	for id := 1; id <= calls; id++ {
		caller.sendf(ctx, t, `[48,%d,{},"test.big"]`, id)
	}
	text := strings.Repeat("x", size)
	for next, taken := 0, 0; taken < calls; taken++ {
		var inv message
		inv, next = callee.wantAfter(ctx, t, next, codeInvocation)
		callee.sendf(ctx, t, `[70,%d,{},[%q]]`, inv.id(0), text)
	}
	callee.sync(ctx, t) // all answers have been handled
	if left := pause - time.Since(stopped); left > 0 {
		<-time.After(left)
	}

	results, refused := 0, 0
	answered := make(map[int]bool)
	for len(answered) < calls {
		_, data, err := caller.conn.Read(ctx)
		if err != nil {
			t.Fatalf("after %d results and %d errors of %d calls: %v", results, refused, calls, err)
		}
		m, err := parseMessage(data)
		if err != nil {
			t.Fatal(err)
		}
		id := 0
		switch m.code {
		case codeWelcome:
			continue
		case codeResult:
			id = m.id(0)
			results++
		case codeError:
			id = m.id(1)
			refused++
			if m.rest[3] != "wamp.error.network_failure" {
				t.Errorf("call %d ended with %v", id, m.rest[3])
			}
		default:
			t.Fatalf("got %.200s", m.text)
		}
		if answered[id] {
			t.Errorf("call %d was answered twice", id)
		}
		answered[id] = true
	}
	t.Logf("%d results, %d errors", results, refused)
	if results < 32 || refused == 0 {
		t.Errorf("%d results and %d errors, want some of both: a queue is 4 MiB", results, refused)
	}
	caller.sendf(ctx, t, `[48,%d,{},"demo.add",[2,3]]`, calls+1)
	if m := caller.take(ctx, t, codeResult); m.text != fmt.Sprintf(`[50,%d,{},[5]]`, calls+1) {
		t.Errorf("got %.200s, want the session to live on", m.text)
	}
}
