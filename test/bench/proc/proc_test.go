package proc_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wampgate/wampgate/test/bench/proc"
)

func TestUsageOfThisProcess(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc here")
	}
	u := proc.UsageOf(os.Getpid())
	if u.Memory < 1<<20 || u.Peak < u.Memory {
		t.Errorf("UsageOf(this) = %+v, want some memory and no lower peak", u)
	}
	if u := proc.UsageOf(0); u != (proc.Usage{}) {
		t.Errorf("UsageOf(0) = %+v, want nothing", u)
	}
	if busy, all := proc.Machine(); busy <= 0 || all < busy {
		t.Errorf("Machine() = %v of %v", busy, all)
	}
}

// The CPU time of a process's children counts as its own.
func TestUsageOfAGroup(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc here")
	}
	p, err := proc.Start("", "sh", "-c", `exec 3<&0; (i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo busy; read -r line <&3) & wait`)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	if line, err := p.Line(t.Context()); err != nil || line != "busy" {
		t.Fatalf("Line() = %q, %v; want busy", line, err)
	}
	if u := proc.UsageOf(p.PID()); u.CPU < 10*time.Millisecond {
		t.Errorf("UsageOf = %+v, want CPU time", u)
	}
}

func TestProcessThatFails(t *testing.T) {
	t.Parallel()
	p, err := proc.Start("", "sh", "-c", "echo it is broken >&2; exit 1")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	if _, err := p.Line(t.Context()); err == nil || !strings.Contains(err.Error(), "it is broken") {
		t.Errorf("Line() = %v, want what the process says", err)
	}
	if !p.Exited() {
		t.Error("the process has not ended")
	}
}

func TestProcessThatHangs(t *testing.T) {
	t.Parallel()
	p, err := proc.Start("", "sh", "-c", `trap "" TERM; echo up; while :; do sleep 1; done`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Line(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if line, err := p.Line(ctx); err == nil {
		t.Errorf("Line() = %q, want an error", line)
	}
	p.Stop()
	if !p.Exited() {
		t.Error("the process has not ended")
	}
}
