package test

import (
	"testing"
)

// TestTransactionWithoutUndo kills the gateway before a callee ran its action,
// and lets nobody be there for what undoes it: the transaction waits for that,
// and goes on when it comes.
func TestTransactionWithoutUndo(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), startDurable(t, t.TempDir())
	p := g.join(t, nil)
	arrived, hold := make(chan struct{}, 10), make(chan struct{})
	defer close(hold)
	slow := g.join(t, func(invocation) ([]any, bool) { arrived <- struct{}{}; <-hold; return nil, true })
	if err := slow.register(ctx, map[string]any{"transaction": map[string]any{"compensate": "test.undo"}}, "test.pay"); err != nil {
		t.Fatal(err)
	}
	begin(ctx, t, p, "w", "timeout", 2000)
	go func() { _, _ = p.call(ctx, map[string]any{"transaction": "w"}, "test.pay", []any{"1"}, nil) }()
	<-arrived
	g.restart(t)
	p = g.join(t, nil)
	if a := mustCall(ctx, t, p, nil, "wampgate.tx.rollback", "w"); a.uri != "wampgate.error.transaction_ended" && state(a) != "aborting" {
		t.Errorf("without a callee: %+v", a)
	}
	l := &bookkeeper{}
	l.join(ctx, t, g)
	if a := mustCall(ctx, t, p, nil, "wampgate.tx.wait", "w"); state(a) != "aborted" {
		t.Errorf("with a callee: %+v", a)
	}
	if got := l.seen(); got != "1 compensate" {
		t.Errorf("the callee saw %s", got)
	}
}

// TestTransactionRace has a commit and a rollback come at once: one decides,
// and all hear the same.
func TestTransactionRace(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), startDurable(t, t.TempDir())
	l := &bookkeeper{}
	l.join(ctx, t, g)
	p, other := g.join(t, nil), g.join(t, nil)
	for range 30 {
		begun, err := p.call(ctx, nil, "wampgate.tx.begin", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		id := element[map[string]any](begun.args, 0)["transaction"]
		mustCall(ctx, t, p, map[string]any{"transaction": id}, "test.pay", "x")
		undone := make(chan wampAnswer, 1)
		go func() {
			a, _ := other.call(ctx, nil, "wampgate.tx.rollback", []any{id}, nil)
			undone <- a
		}()
		c, u := mustCall(ctx, t, p, nil, "wampgate.tx.commit", id), <-undone
		if (c.uri == "") == (u.uri == "") {
			t.Fatalf("commit: %+v, rollback: %+v", c, u)
		}
	}
}
