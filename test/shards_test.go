package test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

const (
	orderURI  = "com.example.order.process"
	customers = 12
)

// A ledger is what the workers of all shards write down together. Whatever it
// finds wrong is a fault.
type ledger struct {
	mu     sync.Mutex
	active map[string]*worker // who works on an order of a customer
	last   map[string]int     // number of the last order by caller and customer
	epochs map[string]float64 // highest epoch by customer
	owners map[string][]string
	faults []string
}

func newLedger() *ledger {
	return &ledger{active: map[string]*worker{}, last: map[string]int{}, epochs: map[string]float64{}, owners: map[string][]string{}}
}

func (l *ledger) fault(format string, args ...any) {
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

// begin writes an INVOCATION down. The caller holds mu.
func (l *ledger) begin(w *worker, m message) {
	details, customer := m.dict(2), customerOf(m)
	shard, _ := details["shard"].(map[string]any)
	epoch, _ := shard["epoch"].(float64)
	args, _ := m.rest[3].([]any)
	line := fmt.Sprint(args[0], " of ", customer)
	number, _ := args[1].(float64)
	switch {
	case l.active[customer] != nil:
		l.fault("%s gets order %v by %s while %s works on one", w.id, number, line, l.active[customer].id)
	case l.last[line] >= int(number):
		l.fault("%s gets order %v by %s after order %d", w.id, number, line, l.last[line])
	case l.epochs[customer] > epoch:
		l.fault("%s gets order %v by %s in epoch %v after epoch %v", w.id, number, line, epoch, l.epochs[customer])
	case details["shard_id"] != w.id:
		l.fault("%s is called as %v", w.id, details["shard_id"])
	}
	l.active[customer], l.last[line], l.epochs[customer] = w, int(number), epoch
	if !slices.Contains(l.owners[customer], w.id) {
		l.owners[customer] = append(l.owners[customer], w.id)
	}
}

// check reports faults, and customers with more than one owner since the last
// check.
func (l *ledger) check(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, fault := range l.faults {
		t.Error(fault)
	}
	for customer, owners := range l.owners {
		if len(owners) > 1 {
			t.Errorf("%s had the owners %v, though nobody came or went", customer, owners)
		}
	}
}

func customerOf(m message) string {
	customer, _ := m.dict(2)["rkey"].(string)
	return customer
}

// A worker is a callee that processes orders. What it gets together it has in
// hand together, and answers from the last to the first.
type worker struct {
	id     string
	peer   *peer
	ledger *ledger

	// ledger.mu guards the following fields
	held     []message // not answered
	answered int
	frozen   bool          // answers nothing
	lost     bool          // what it has in hand does not count any more
	changed  chan struct{} // closed when one of these changes
}

// newWorker joins a worker and registers it.
func newWorker(ctx context.Context, t *testing.T, g *gateway, l *ledger, id string) *worker {
	t.Helper()
	w := &worker{id: id, ledger: l, peer: join(ctx, t, g), changed: make(chan struct{})}
	w.peer.sendf(ctx, t, `[64,1,{"shard":"order_processor","shard_strategy":"hash","shard_id":%q},%q]`, id, orderURI)
	w.peer.want(ctx, t, codeRegistered)
	w.peer.read.Go(func() { w.work(context.WithoutCancel(ctx)) })
	return w
}

// work runs until the connection ends.
func (w *worker) work(ctx context.Context) {
	for next := 0; ; {
		came, grown, ended := w.peer.got.look(next)
		next += len(came)
		done, changed := w.take(came)
		for _, m := range slices.Backward(done) {
			if w.peer.write(ctx, fmt.Sprintf(`[70,%d,{},[%q]]`, m.id(0), w.id)) != nil {
				return
			}
		}
		if ended != nil {
			return
		}
		select {
		case <-grown:
		case <-changed:
		}
	}
}

// take writes down what has come, and returns what is to be answered now.
func (w *worker) take(came []message) (done []message, changed <-chan struct{}) {
	l := w.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range came {
		if m.code == codeInvocation && !w.lost {
			l.begin(w, m)
			w.held = append(w.held, m)
		}
	}
	if w.frozen {
		return nil, w.changed
	}
	done, w.held = w.held, nil
	w.answered += len(done)
	for _, m := range done {
		delete(l.active, customerOf(m))
	}
	return done, w.changed
}

// set changes the worker.
func (w *worker) set(change func()) {
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	change()
	close(w.changed)
	w.changed = make(chan struct{})
}

// freeze lets the worker answer nothing, or go on.
func (w *worker) freeze(frozen bool) { w.set(func() { w.frozen = frozen }) }

// unregister lets the frozen worker give its place up, and then go on.
func (w *worker) unregister(ctx context.Context, t *testing.T) {
	t.Helper()
	if w.inHand(ctx, t) == 0 {
		t.Fatalf("%s has no orders in hand", w.id)
	}
	w.peer.sendf(ctx, t, `[66,2,%d]`, w.peer.want(ctx, t, codeRegistered).id(1))
	w.peer.want(ctx, t, codeUnregistered)
	w.freeze(false)
}

// inHand returns how many orders the frozen worker has in hand.
func (w *worker) inHand(ctx context.Context, t *testing.T) int {
	t.Helper()
	w.peer.sync(ctx, t)
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	return w.peer.count(codeInvocation) - w.answered
}

// cut ends the frozen worker's connection, and returns how many orders it had
// in hand.
func (w *worker) cut(ctx context.Context, t *testing.T) int {
	t.Helper()
	n := w.inHand(ctx, t)
	w.set(func() {
		w.lost = true
		for customer, who := range w.ledger.active {
			if who == w {
				delete(w.ledger.active, customer)
			}
		}
	})
	_ = w.peer.conn.CloseNow()
	return n
}

// An orderer is a caller that places orders without waiting for answers.
type orderer struct {
	name    string
	peer    *peer
	request int
	numbers map[string]int
	seen    int // messages looked at
}

// place places n orders of each customer.
func (o *orderer) place(ctx context.Context, n int) error {
	for range n {
		for c := range customers {
			customer := fmt.Sprintf("customer-%d", c)
			o.request++
			o.numbers[customer]++
			call := fmt.Sprintf(`[48,%d,{"shard_key":%q},%q,[%q,%d]]`, o.request, customer, orderURI, o.name, o.numbers[customer])
			if err := o.peer.write(ctx, call); err != nil {
				return err
			}
		}
	}
	return nil
}

// answers waits for n answers, and returns how many of them said that the call
// was canceled. Other errors fail the test.
func (o *orderer) answers(ctx context.Context, t *testing.T, n int) (canceled int) {
	t.Helper()
	for range n {
		m, next, err := o.peer.got.find(ctx, o.seen, func(m message) bool {
			return m.code == codeResult || m.code == codeError && m.id(1) < syncIDs
		})
		if err != nil {
			t.Fatalf("%s waits for answers: %v", o.name, err)
		}
		o.seen = next
		switch {
		case m.code == codeResult:
		case strings.Contains(m.text, "wamp.error.canceled"):
			canceled++
		default:
			t.Errorf("%s got %s", o.name, m.text)
		}
	}
	return canceled
}

// ordersEach is how many orders a caller places for a customer in a round.
const ordersEach = 5

// round lets all place orders at once, disturbs them when the gateway has all
// of them, and returns how many were canceled.
func round(ctx context.Context, t *testing.T, orderers []*orderer, disturb func()) (canceled int) {
	t.Helper()
	failed := make([]error, len(orderers))
	var placing sync.WaitGroup
	for i, o := range orderers {
		placing.Go(func() { failed[i] = o.place(ctx, ordersEach) })
	}
	placing.Wait()
	if err := errors.Join(failed...); err != nil {
		t.Fatal(err)
	}
	for _, o := range orderers {
		o.peer.sync(ctx, t)
	}
	disturb()
	for _, o := range orderers {
		canceled += o.answers(ctx, t, ordersEach*customers)
	}
	return canceled
}

// TestShards processes orders that are sharded by customer, as in the
// reference. In the first round one of four workers gives its place up while it
// is at work, in the second one another is cut off, the third is undisturbed.
// No customer's orders overlap or overtake each other, and each order has one
// answer.
func TestShards(t *testing.T) {
	t.Parallel()
	ctx, g, l := within(t, 2*patience), start(t), newLedger()
	var workers []*worker
	for i := range 4 {
		workers = append(workers, newWorker(ctx, t, g, l, fmt.Sprintf("worker-%d", i)))
	}
	orderers := make([]*orderer, 3)
	for i := range orderers {
		orderers[i] = &orderer{name: fmt.Sprintf("caller-%d", i), peer: join(ctx, t, g), numbers: map[string]int{}}
	}

	leaver := workers[1]
	leaver.freeze(true)
	if canceled := round(ctx, t, orderers, func() { leaver.unregister(ctx, t) }); canceled > 0 {
		t.Errorf("%d orders were canceled, though nobody was lost", canceled)
	}
	if codes := leaver.peer.codes(); slices.Contains(codes[slices.Index(codes, codeUnregistered):], codeInvocation) {
		t.Errorf("%s was called after it had unregistered", leaver.id)
	}

	victim, lost := workers[2], 0
	victim.freeze(true)
	canceled := round(ctx, t, orderers, func() { lost = victim.cut(ctx, t) })
	if canceled != lost || lost == 0 {
		t.Errorf("%d orders were canceled, want the %d that the lost worker had in hand, and more than none", canceled, lost)
	}

	clear(l.owners)
	if canceled := round(ctx, t, orderers, func() {}); canceled > 0 {
		t.Errorf("%d orders were canceled in a round that nobody disturbed", canceled)
	}
	l.check(t)
}

// TestShardsOverHTTP calls a sharded procedure with the options of the query.
func TestShardsOverHTTP(t *testing.T) {
	t.Parallel()
	ctx, g := soon(t), start(t)
	for i, id := range []string{"a", "b"} {
		p := join(ctx, t, g)
		p.serveWith(ctx, t, i+1, fmt.Sprintf(`{"shard":"users","shard_id":%q}`, id), "test.sharded", fmt.Sprintf(`[%q]`, id))
		p.serveWith(ctx, t, i+10, fmt.Sprintf(`{"shard":"users","shard_strategy":"range","shard_id":%q,"shard_range":{"from":%d,"to":%d,"type":"number"}}`,
			id, i*10, i*10+10), "test.ranges", fmt.Sprintf(`[%q]`, id))
	}
	for path, want := range map[string]string{
		"test.sharded?rkey=7":                            `200 "a"`, // as the transcripts have it
		"test.sharded?shard_key=1&runmode=partition":     `200 "b"`,
		"test.sharded?rkey:=4":                           `200 "b"`,
		"test.sharded?rkey=4":                            `200 "a"`,
		"test.ranges?rkey:=9.5":                          `200 "a"`,
		"test.ranges?shard_key:=10":                      `200 "b"`,
		"test.sharded?runmode=all":                       `200 [{"shard_id":"a","args":["a"]},{"shard_id":"b","args":["b"]}]`,
		"test.sharded":                                   `400 wamp.error.invalid_argument`,
		"test.sharded?runmode=partition":                 `400 wamp.error.invalid_argument`,
		"test.sharded?runmode=all&rkey=7":                `400 wamp.error.invalid_argument`,
		"test.ranges?rkey=7":                             `400 wamp.error.invalid_argument`,
		"test.ranges?rkey:=20":                           `503 wamp.error.no_available_callee`,
		"test.sharded?runmode=some":                      `400 wamp.error.option_not_allowed`,
		"test.sharded?rkey:=[7]":                         `400 wamp.error.option_not_allowed`,
		"test.sharded?rkey=" + strings.Repeat("x", 2000): `400 wamp.error.option_not_allowed`,
		"demo.add?rkey=7":                                `501 wamp.error.feature_not_supported`,
	} {
		a := g.call(ctx, t, path, "")
		got := fmt.Sprint(a.status, " ", a.body)
		if a.status != 200 {
			got = fmt.Sprint(a.status, " ", a.header.Get("Wamp-Error"))
		}
		if got != want {
			t.Errorf("%.60s = %s %.200s, want %s", path, got, a.body, want)
		}
	}
	a := g.post(ctx, t, "/call/test.sharded?runmode=all", "", "Accept", "application/x-ndjson")
	lines := strings.Split(a.body, "\n")
	if a.status != 200 || len(lines) != 3 || !strings.Contains(lines[0], `"shard_id":`) || !strings.Contains(lines[1], `"shard_id":`) ||
		!strings.Contains(lines[2], `{"errors":0,"members":2,"results":2}`) {
		t.Errorf("a stream of all members = %d %s", a.status, a.body)
	}
}
