package test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// A bookkeeper is a callee of transactions that notes what it is asked to do.
type bookkeeper struct {
	mu     sync.Mutex // guards the following fields
	done   []string   // "branch op"
	refuse string     // the action with this first argument
	hangUp string     // the same, once
}

func (l *bookkeeper) serve(i invocation) ([]any, bool) {
	tx := element[map[string]any]([]any{i.details["transaction"]}, 0)
	op, first := fmt.Sprint(tx["op"]), fmt.Sprint(i.args[0])
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = append(l.done, fmt.Sprint(first, " ", op))
	switch {
	case first == l.hangUp:
		l.hangUp = ""
		return nil, true
	case first == l.refuse && (op == "action" || op == "try"):
		return []any{errURI("com.example.refused")}, false
	}
	return []any{first}, false
}

func (l *bookkeeper) seen() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.done, ", ")
}

func (l *bookkeeper) join(ctx context.Context, t *testing.T, g *durableGateway) *wampPeer {
	t.Helper()
	p := g.join(t, l.serve) //nolint:contextcheck // it lives as long as the test
	for uri, option := range map[string]any{
		"test.pay":     map[string]any{"compensate": "test.undo"},
		"test.undo":    nil,
		"test.reserve": map[string]any{"confirm": "test.settle", "cancel": "test.settle"},
		"test.settle":  nil,
	} {
		options := map[string]any{}
		if option != nil {
			options["_transaction"] = option
		}
		if err := p.register(ctx, options, uri); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func state(a wampAnswer) any { return element[map[string]any](a.args, 0)["state"] }

// begin begins a transaction; more are pairs of the name and value of arguments.
func begin(ctx context.Context, t *testing.T, p *wampPeer, id string, more ...any) {
	t.Helper()
	if a, err := p.call(ctx, nil, "wampgate.tx.begin", nil, with(map[string]any{"id": id}, more...)); err != nil || state(a) != "active" {
		t.Fatalf("begin %s: %+v, %v", id, a, err)
	}
}

func run(ctx context.Context, t *testing.T, p *wampPeer, more map[string]any, calls ...string) wampAnswer {
	t.Helper()
	list := []any{}
	for _, c := range calls {
		uri, arg, _ := strings.Cut(c, " ")
		list = append(list, map[string]any{"procedure": uri, "args": []any{arg}})
	}
	kwargs := map[string]any{"calls": list}
	for key, value := range more {
		kwargs[key] = value
	}
	a, err := p.call(ctx, nil, "wampgate.tx.run", nil, kwargs)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestTransactionOneShot(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), startDurable(t, t.TempDir())
	l := &bookkeeper{refuse: "no"}
	l.join(ctx, t, g)
	p := g.join(t, nil)
	a := mustCall(ctx, t, p, map[string]any{"_trust_level": "transactional", "call_id": "one"}, "test.pay", "a")
	if a.text() != "a" || a.details["transaction"] != "one" {
		t.Errorf("one call: %+v", a)
	}
	if a := run(ctx, t, p, map[string]any{"id": "two"}, "test.pay b", "test.reserve c"); state(a) != "committed" || !strings.Contains(fmt.Sprint(a.args), "[b]") {
		t.Errorf("run: %+v", a)
	}
	a = run(ctx, t, p, map[string]any{"id": "three"}, "test.pay d", "test.reserve e", "test.pay f", "test.pay no", "test.pay never")
	if a.uri != "com.example.refused" || a.kwargs["rolled_back"] != true || a.kwargs["branch"] != 4.0 || a.kwargs["transaction"] != "three" {
		t.Errorf("a refusal: %+v", a)
	}
	want := "a action, b action, c try, c confirm, d action, e try, f action, no action, f compensate, e cancel, d compensate"
	if got := l.seen(); got != want {
		t.Errorf("the callee saw\n%s, want\n%s", got, want)
	}
	if a := run(ctx, t, p, nil, "test.undo x"); a.uri != "wampgate.error.not_transactional" {
		t.Errorf("not transactional: %+v", a)
	}
	g.restart(t) // nobody needs to be there for what has ended
	p = g.join(t, nil)
	if a := run(ctx, t, p, map[string]any{"id": "two"}, "test.pay b", "test.reserve c"); state(a) != "committed" || !strings.Contains(fmt.Sprint(a.args), "[b]") {
		t.Errorf("the same id: %+v", a)
	}
	if a := run(ctx, t, p, map[string]any{"id": "two"}, "test.pay other"); a.uri != "wampgate.error.idempotency_conflict" {
		t.Errorf("the same id for others: %+v", a)
	}
	a = run(ctx, t, p, map[string]any{"id": "three"}, "test.pay d", "test.reserve e", "test.pay f", "test.pay no", "test.pay never")
	if a.uri != "com.example.refused" || a.kwargs["branch"] != 4.0 {
		t.Errorf("the same refusal: %+v", a)
	}
	if a := mustCall(ctx, t, p, map[string]any{"trust_level": "transactional", "call_id": "one"}, "test.pay", "a"); a.text() != "a" {
		t.Errorf("the same call: %+v", a)
	}
	for _, id := range []string{"one", "two", "three"} {
		if a := mustCall(ctx, t, p, nil, "wampgate.tx.get", id); fmt.Sprint(element[map[string]any](a.args, 0)["transaction"]) != id {
			t.Errorf("get %s: %+v", id, a)
		}
	}
	if a := mustCall(ctx, t, p, nil, "wampgate.tx.list"); len(element[[]any](a.args, 0)) != 0 {
		t.Errorf("who has no credentials lists those of all such: %+v", a)
	}
	if err := g.stop(); err != nil {
		t.Errorf("the gateway ended with %v", err)
	}
}

func TestTransactionInteractive(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), startDurable(t, t.TempDir())
	l := &bookkeeper{refuse: "no", hangUp: "die"}
	callee := l.join(ctx, t, g)
	p := g.join(t, nil)
	in := func(id string, more ...any) map[string]any { return with(map[string]any{"_transaction": id}, more...) }
	for _, wrong := range []map[string]any{{"timeout": "soon"}, {"timeout": 1.5}, {"timeout": 1 << 60}, {"timeout": 0}, {"id": 7}, {"mode": "xa"}} {
		if a, err := p.call(ctx, nil, "wampgate.tx.begin", nil, wrong); err != nil || a.uri != "wamp.error.invalid_argument" {
			t.Errorf("begin %v: %+v, %v", wrong, a, err)
		}
	}
	begin(ctx, t, p, "a")
	if a := mustCall(ctx, t, p, in("a", "call_id", "x"), "test.pay", "1"); a.text() != "1" || a.details["branch"] != 1.0 {
		t.Errorf("a branch: %+v", a)
	}
	if a := mustCall(ctx, t, p, in("a", "call_id", "x"), "test.pay", "1"); a.text() != "1" || a.details["branch"] != 1.0 {
		t.Errorf("the same branch: %+v", a)
	}
	if a := mustCall(ctx, t, p, in("a", "readonly", true), "test.undo", "look"); a.text() != "look" {
		t.Errorf("readonly: %+v", a)
	}
	if a := mustCall(ctx, t, p, in("a"), "test.undo", "2"); a.uri != "wampgate.error.not_transactional" {
		t.Errorf("not transactional: %+v", a)
	}
	if a := mustCall(ctx, t, p, nil, "wampgate.tx.commit", "a"); state(a) != "committed" {
		t.Errorf("commit: %+v", a)
	}
	if a := mustCall(ctx, t, p, nil, "wampgate.tx.commit", "a"); state(a) != "committed" {
		t.Errorf("commit again: %+v", a)
	}
	if a := mustCall(ctx, t, p, nil, "wampgate.tx.rollback", "a"); a.uri != "wampgate.error.transaction_ended" {
		t.Errorf("rollback after commit: %+v", a)
	}
	if a := mustCall(ctx, t, p, in("a"), "test.pay", "late"); a.uri != "wampgate.error.transaction_ended" {
		t.Errorf("a branch after commit: %+v", a)
	}
	if a := mustCall(ctx, t, p, in("none"), "test.pay", "late"); a.uri != "wampgate.error.no_such_transaction" {
		t.Errorf("a branch of nothing: %+v", a)
	}
	begin(ctx, t, p, "b")
	mustCall(ctx, t, p, in("b"), "test.pay", "3")
	mustCall(ctx, t, p, in("b"), "test.reserve", "4")
	if a := mustCall(ctx, t, p, nil, "wampgate.tx.rollback", "b"); state(a) != "aborted" {
		t.Errorf("rollback: %+v", a)
	}
	if a := mustCall(ctx, t, p, nil, "wampgate.tx.commit", "b"); a.uri != "wampgate.error.transaction_ended" || a.kwargs["state"] != "aborted" {
		t.Errorf("commit after rollback: %+v", a)
	}
	begin(ctx, t, p, "c", "timeout", 500)
	mustCall(ctx, t, p, in("c"), "test.pay", "5")
	if a := mustCall(ctx, t, p, nil, "wampgate.tx.wait", "c"); state(a) != "aborted" {
		t.Errorf("timeout: %+v", a)
	}
	begin(ctx, t, p, "d")
	mustCall(ctx, t, p, in("d"), "test.pay", "6")
	if a := mustCall(ctx, t, p, in("d"), "test.pay", "no"); a.uri != "com.example.refused" {
		t.Errorf("refused: %+v", a)
	}
	if a := mustCall(ctx, t, p, nil, "wampgate.tx.get", "d"); state(a) != "aborted" {
		t.Errorf("get: %+v", a)
	}
	want := "1 action, look <nil>, 3 action, 4 try, 4 cancel, 3 compensate, 5 action, 5 compensate, 6 action, no action, 6 compensate"
	if got := l.seen(); got != want {
		t.Errorf("the callee saw\n%s, want\n%s", got, want)
	}
	if a := mustCall(ctx, t, p, nil, "wampgate.tx.force_end", "d", "because"); a.uri != "wamp.error.not_authorized" {
		t.Errorf("force_end: %+v", a)
	}

	// A callee that dies gets its branch again.
	begin(ctx, t, p, "e")
	answers := make(chan wampAnswer, 1)
	go func() {
		a, _ := p.call(ctx, in("e"), "test.pay", []any{"die"}, nil)
		answers <- a
	}()
	<-callee.closed
	l.join(ctx, t, g)
	if a := <-answers; a.text() != "die" {
		t.Errorf("after the callee died: %+v", a)
	}
	if a := mustCall(ctx, t, p, nil, "wampgate.tx.commit", "e"); state(a) != "committed" {
		t.Errorf("commit: %+v", a)
	}
}

// TestTransactionRestart kills the gateway in the middle of transactions.
func TestTransactionRestart(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 3*patience), startDurable(t, t.TempDir())
	l := &bookkeeper{}
	l.join(ctx, t, g)
	p := g.join(t, nil)
	begin(ctx, t, p, "open", "timeout", 3000)
	mustCall(ctx, t, p, map[string]any{"transaction": "open"}, "test.pay", "1")
	silent := g.join(t, func(invocation) ([]any, bool) { return nil, true })
	if err := silent.register(ctx, map[string]any{"transaction": map[string]any{"compensate": "test.undo"}}, "test.last"); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = p.call(ctx, nil, "wampgate.tx.run", nil, map[string]any{"id": "shot", "calls": []any{
			map[string]any{"procedure": "test.pay", "args": []any{"2"}}, map[string]any{"procedure": "test.last", "args": []any{"3"}},
		}})
	}()
	<-silent.closed
	g.restart(t)
	p = g.join(t, nil)
	callee := l.join(ctx, t, g)
	if err := callee.register(ctx, map[string]any{"transaction": map[string]any{"compensate": "test.undo"}}, "test.last"); err != nil {
		t.Fatal(err)
	}
	if a := mustCall(ctx, t, p, nil, "wampgate.tx.wait", "shot"); state(a) != "committed" {
		t.Errorf("one shot after the restart: %+v", a)
	}
	if a := mustCall(ctx, t, p, nil, "wampgate.tx.wait", "open"); state(a) != "aborted" {
		t.Errorf("interactive after the restart: %+v", a)
	}
	want := "1 action, 2 action, 3 action, 1 compensate"
	if got := l.seen(); got != want {
		t.Errorf("the callee saw\n%s, want\n%s", got, want)
	}
}
