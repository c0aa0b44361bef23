package test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A shop is a callee whose procedures take part in transactions: shop.reserve
// is undone by shop.release, and shop.charge always refuses.
type shop struct {
	mu   sync.Mutex // guards seen
	seen []string   // what it was asked, in order
}

func (s *shop) serve(i invocation) ([]any, bool) {
	procedure, tx := fmt.Sprint(i.details["procedure"]), element[map[string]any]([]any{i.details["transaction"]}, 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	line := fmt.Sprintf("%s %v %v", procedure, tx["op"], i.args)
	s.seen = append(s.seen, line)
	if procedure == "shop.charge" {
		return []any{errURI("com.shop.no_money")}, false
	}
	return []any{fmt.Sprint(i.args...)}, false
}

// open registers the procedures.
func (s *shop) open(ctx context.Context, t *testing.T, g *durableGateway) {
	t.Helper()
	p := g.join(t, s.serve) //nolint:contextcheck // it ends with the test
	undone := map[string]any{"transaction": map[string]any{"compensate": "shop.release"}}
	for _, r := range []struct {
		procedure string
		options   map[string]any
	}{{"shop.release", nil}, {"shop.look", nil}, {"shop.reserve", undone}, {"shop.charge", undone}} {
		if err := p.register(ctx, r.options, r.procedure); err != nil {
			t.Fatalf("%s: %v", r.procedure, err)
		}
	}
}

func (s *shop) asked(line string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.seen, line)
}

// begin begins a transaction and returns where it is.
func (g *durableGateway) begin(ctx context.Context, t *testing.T, body string) (at, id string) {
	t.Helper()
	status, at, answer := g.ask(ctx, t, http.MethodPost, "/transactions", body)
	var begun struct{ Transaction, State string }
	if err := json.Unmarshal([]byte(answer), &begun); err != nil || status != http.StatusCreated || begun.State != "active" || at != "/transactions/"+begun.Transaction {
		t.Fatalf("begin: %d %s at %s: %v", status, answer, at, err)
	}
	return at, begun.Transaction
}

// TestTransactionsOverHTTP commits, rolls back, and lets time run out, and
// looks at what the callee was asked.
func TestTransactionsOverHTTP(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), startDurable(t, t.TempDir())
	s := new(shop)
	s.open(ctx, t, g)

	// The gateway is killed between two calls of the transaction.
	at, id := g.begin(ctx, t, `{}`)
	g.expect(ctx, t, "POST", "/call/shop.reserve?transaction="+id, `["a"]`, 200, `"a"`)
	g.restart(t)
	s.open(ctx, t, g)
	g.expect(ctx, t, "POST", "/call/shop.reserve?transaction="+id, `["b"]`, 200, `"b"`)
	g.expect(ctx, t, "POST", "/call/shop.look?transaction="+id, `["b"]`, 409, "wampgate.error.not_transactional")
	g.expect(ctx, t, "POST", "/call/shop.look?readonly=true&transaction="+id, `["b"]`, 200, `"b"`)
	g.expect(ctx, t, "POST", at+"/commit", "", 200, `"state":"commit`)
	g.expect(ctx, t, "GET", at+"?wait=20s", "", 200, `"state":"committed"`)
	g.expect(ctx, t, "POST", at+"/commit", "", 200, `"state":"committed"`)
	g.expect(ctx, t, "POST", "/call/shop.reserve?transaction="+id, `["c"]`, 409, "wampgate.error.transaction_ended")
	if s.asked("shop.release compensate [a]") || !s.asked("shop.reserve action [b]") {
		t.Errorf("committed, and the callee was asked %q", s.seen)
	}

	// A refusal undoes what was done before.
	at, id = g.begin(ctx, t, `{}`)
	g.expect(ctx, t, "POST", "/call/shop.reserve?transaction="+id, `["d"]`, 200, `"d"`)
	g.expect(ctx, t, "POST", "/call/shop.charge?transaction="+id, `["d"]`, 500, `"rolled_back":true,"transaction":"`+id+`"`)
	g.expect(ctx, t, "GET", at, "", 200, `"state":"abort`, "Prefer", "wait=20")
	g.await(ctx, t, func() bool { return s.asked("shop.release compensate [d]") })

	// So do its owner, and the end of its time.
	at, id = g.begin(ctx, t, `{}`)
	g.expect(ctx, t, "POST", "/call/shop.reserve?transaction="+id, `["e"]`, 200, `"e"`)
	g.expect(ctx, t, "POST", at+"/rollback", "", 200, `"state":"abort`)
	g.await(ctx, t, func() bool { return s.asked("shop.release compensate [e]") })
	at, id = g.begin(ctx, t, `{"timeout":300}`)
	g.expect(ctx, t, "POST", "/call/shop.reserve?transaction="+id, `["f"]`, 200, `"f"`)
	g.expect(ctx, t, "GET", at+"?wait=20s", "", 200, `"state":"aborted"`)
	if !s.asked("shop.release compensate [f]") {
		t.Errorf("the time ran out, and the callee was asked %q", s.seen)
	}
	g.expect(ctx, t, "GET", "/transactions", "", 200, `{"transactions":[]}`) // of those without credentials nothing is listed
	g.expect(ctx, t, "GET", "/transactions/unknown", "", 404, `"error":"wampgate.error.no_such_transaction","source":"dealer","retry":"safe"`)
}

// TestOneShotOverHTTP makes transactions with one request each.
func TestOneShotOverHTTP(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), startDurable(t, t.TempDir())
	s := new(shop)
	s.open(ctx, t, g)
	const both = `{"calls":[{"procedure":"shop.reserve","args":["a"]},{"procedure":"shop.reserve","args":["b"]}]}`
	g.expect(ctx, t, "POST", "/transactions", both, 200, `"state":"committed"`, "Idempotency-Key", "k")
	g.expect(ctx, t, "POST", "/transactions", both, 200, `"state":"committed"`, "Idempotency-Key", "k")
	g.expect(ctx, t, "POST", "/transactions", strings.Replace(both, `"b"`, `"c"`, 1), 409, "wampgate.error.idempotency_conflict", "Idempotency-Key", "k")
	g.expect(ctx, t, "POST", "/transactions", `{"calls":[{"procedure":"shop.reserve","args":["d"]},{"procedure":"shop.charge","args":["d"]}]}`,
		500, `"rolled_back":true`)
	g.await(ctx, t, func() bool { return s.asked("shop.release compensate [d]") })
	g.expect(ctx, t, "POST", "/call/shop.reserve?trust=transactional", `["e"]`, 200, `"e"`)
	g.expect(ctx, t, "POST", "/call/shop.charge?trust=transactional", `["e"]`, 500, `"rolled_back":true`)
	g.expect(ctx, t, "POST", "/call/shop.look?trust=transactional", `["e"]`, 409, "wampgate.error.not_transactional")
	s.mu.Lock()
	defer s.mu.Unlock()
	made := 0
	for _, line := range s.seen {
		if line == "shop.reserve action [a]" {
			made++
		}
	}
	if made != 1 {
		t.Errorf("the same key made the call %d times: %q", made, s.seen)
	}
}

// TestTransactionsOfOthers shows that a transaction is its principal's.
func TestTransactionsOfOthers(t *testing.T) {
	t.Parallel()
	ctx := soon(t)
	g := &durableGateway{gateway: serve(t, `rate: 0
roles:
  user:
    permissions: [{uri: "", match: prefix, allow: [call, register]}]
principals:
  ada: {role: user, ticket: {env: TICKET}}
  bob: {role: user, ticket: {env: TICKET}}
`, []string{"TICKET=open-sesame"}, "--data-dir="+filepath.Join(t.TempDir(), "data"))}
	as := func(name string) []string {
		return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":open-sesame"))}
	}
	status, at, answer := g.ask(ctx, t, http.MethodPost, "/transactions", `{"id":"mine"}`, as("ada")...)
	if status != http.StatusCreated {
		t.Fatalf("%d %s", status, answer)
	}
	g.expect(ctx, t, "GET", at, "", 200, `"owner":"ada"`, as("ada")...)
	g.expect(ctx, t, "GET", "/transactions?state=active", "", 200, `"transaction":"mine"`, as("ada")...)
	g.expect(ctx, t, "GET", "/transactions", "", 200, `{"transactions":[]}`, as("bob")...)
	g.expect(ctx, t, "GET", at, "", 404, "no_such_transaction", as("bob")...)
	g.expect(ctx, t, "POST", at+"/commit", "", 404, "no_such_transaction", as("bob")...)
	g.expect(ctx, t, "POST", "/call/shop.reserve?transaction=mine", `[]`, 404, "no_such_transaction", as("bob")...)
	g.expect(ctx, t, "POST", at+"/rollback", "", 200, `"state":"abort`, as("ada")...)
}
