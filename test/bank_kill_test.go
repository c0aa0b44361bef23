package test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// What the banks of a siege have: accounts with names from 0 on, and one that
// is slow at the third.
const (
	siegeAccounts = 8
	siegeOpening  = 1000
	slowAccount   = "slow"
	noAccount     = "nobody's"
)

// A bankSiege is a gateway that is killed again and again while callers move
// money between two banks, which crash at times, and to a third, which is slow.
type bankSiege struct {
	g       *durableGateway
	banks   []string // the names of the three
	tellers []*teller
	stop    chan struct{} // closed when callers are to end

	mu      sync.Mutex        // guards the following fields
	told    map[string]string // what a caller was told of a transaction: "committed" or "aborted"
	moved   map[string]int    // how many transactions that were committed move this, as netOf says it
	kinds   map[string]int    // how many transactions there were of a kind and an end
	retries int
	wrong   []string
}

// A transfer is a transaction of a caller.
type transfer struct {
	id, kind string
	mode     string
	timeout  int // milliseconds; 0 for the default
	calls    []any
	moves    string // if it is committed, as netOf says it
	commit   bool   // whether the caller wants to commit; one shots do
}

// call makes an element of calls.
func branchCall(bank, operation, account string, amount int) map[string]any {
	return map[string]any{"procedure": bank + "." + operation, "args": []any{account, amount}}
}

// plan thinks of a transfer.
func (s *bankSiege) plan(id string) transfer {
	from, to := s.banks[0], s.banks[1]
	if rand.IntN(2) == 0 {
		from, to = to, from
	}
	source, target := fmt.Sprint(rand.IntN(siegeAccounts)), fmt.Sprint(rand.IntN(siegeAccounts))
	amount := 1 + rand.IntN(siegeOpening/3)
	out, in := "debit", "credit"
	x := transfer{id: id, kind: "saga", mode: "saga", commit: true}
	switch rand.IntN(10) {
	case 0, 1, 2:
		out, in, x.kind, x.mode = "reserve", "expect", "tcc", "tcc"
	case 3:
		out, x.kind, x.mode = "reserve", "mixed", ""
	case 4:
		x.kind = "interactive"
	case 5:
		x.kind, x.commit = "rolled back", false
	case 6:
		target, x.kind = noAccount, "refused"
	case 7:
		return s.overtaken(id, from, rand.IntN(2) == 0)
	}
	x.moves = describeMoves(map[string]float64{from: -float64(amount), to: float64(amount)})
	x.calls = []any{branchCall(from, out, source, amount), branchCall(to, in, target, amount)}
	return x
}

// overtaken thinks of a transfer to the bank that is slow, whose time is over
// before that has done its part: it is undone first.
func (s *bankSiege) overtaken(id, from string, reserving bool) transfer {
	out, in, x := "debit", "credit", transfer{id: id, kind: "overtaken", mode: "saga", timeout: 300, commit: true}
	if reserving {
		out, in, x.mode = "reserve", "expect", "tcc"
	}
	x.moves = describeMoves(map[string]float64{from: -1, s.banks[2]: 1})
	x.calls = []any{branchCall(from, out, fmt.Sprint(rand.IntN(siegeAccounts)), 1), branchCall(s.banks[2], in, slowAccount, 1)}
	return x
}

// overtake makes such transfers until the barrier has seen all that it is for:
// chance might leave something out where few calls are made.
func (s *bankSiege) overtake(ctx context.Context) {
	c := &persistentCaller{addr: s.g.addr}
	defer c.close()
	for n := 0; ctx.Err() == nil; n++ {
		barrier := hits(s.tellers)
		if !slices.ContainsFunc(barrierHits(), func(want string) bool { return barrier[want] == 0 }) {
			return
		}
		x := s.overtaken(fmt.Sprint("late-", n), s.banks[n/2%2], n%2 == 0)
		s.record(x, s.transfer(ctx, c, x))
	}
}

// barrierHits lists what the barrier is for, besides duplicates.
func barrierHits() []string {
	return []string{"null compensate", "dangling action", "null cancel", "dangling try"}
}

// record notes what a caller was told of a transfer.
func (s *bankSiege) record(x transfer, told string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told[x.id] = told
	if told == "committed" {
		s.moved[x.moves]++
	}
	s.kinds[x.kind+" "+told]++
}

// caller makes transfers, each until it knows for certain how it ended.
func (s *bankSiege) caller(ctx context.Context, name string) {
	c := &persistentCaller{addr: s.g.addr}
	defer c.close()
	for n := 0; ; n++ {
		select {
		case <-s.stop:
			return
		default:
		}
		x := s.plan(fmt.Sprintf("%s-%d", name, n))
		told := s.transfer(ctx, c, x)
		if ctx.Err() != nil {
			return
		}
		s.record(x, told)
		pauseFor(2 * time.Millisecond)
	}
}

// transfer makes a transfer and returns what the caller was told in the end.
func (s *bankSiege) transfer(ctx context.Context, c *persistentCaller, x transfer) string {
	if x.kind == "interactive" || x.kind == "rolled back" {
		return s.interactive(ctx, c, x)
	}
	kwargs := map[string]any{"id": x.id, "calls": x.calls}
	if x.mode != "" {
		kwargs["mode"] = x.mode
	}
	if x.timeout > 0 {
		kwargs["timeout"] = x.timeout
	}
	a := s.insist(ctx, c, nil, "wampgate.tx.run", nil, kwargs)
	if a.kwargs["rolled_back"] == true {
		return "aborted"
	}
	return fmt.Sprint(a.status()["state"])
}

// status returns what an answer tells of a transaction.
func (a wampAnswer) status() map[string]any {
	if a.uri != "" {
		return a.kwargs
	}
	return element[map[string]any](a.args, 0)
}

// interactive begins a transaction, makes its calls, and commits or rolls back.
func (s *bankSiege) interactive(ctx context.Context, c *persistentCaller, x transfer) string {
	a := s.insist(ctx, c, nil, "wampgate.tx.begin", nil, map[string]any{"id": x.id, "mode": x.mode})
	for n, call := range x.calls {
		if a.uri != "" {
			break
		}
		m, _ := call.(map[string]any)
		options := map[string]any{"transaction": x.id, "call_id": fmt.Sprint(n)}
		args, _ := m["args"].([]any)
		a = s.insist(ctx, c, options, fmt.Sprint(m["procedure"]), args, nil)
	}
	switch {
	case a.uri != "":
	case x.commit:
		s.insist(ctx, c, nil, "wampgate.tx.commit", []any{x.id}, nil)
	default:
		s.insist(ctx, c, nil, "wampgate.tx.rollback", []any{x.id}, nil)
	}
	a = s.insist(ctx, c, nil, "wampgate.tx.wait", []any{x.id}, nil)
	return fmt.Sprint(a.status()["state"])
}

// insist calls until there is an answer that is one: not that something is
// missing for now, nor that nobody knows.
func (s *bankSiege) insist(ctx context.Context, c *persistentCaller, options map[string]any, procedure string, args []any, kwargs map[string]any) wampAnswer {
	for {
		a, err := c.call(ctx, options, procedure, args, kwargs)
		if ctx.Err() != nil {
			return a
		}
		definite := a.uri == "" || a.uri == "bank.error.refused" || a.kwargs["rolled_back"] == true || a.uri == "wampgate.error.transaction_ended"
		if err == nil && definite {
			return a
		}
		s.mu.Lock()
		s.retries++
		if err == nil && !slices.Contains([]string{"wamp.error.unavailable", "wamp.error.canceled", "wamp.error.timeout", "wamp.error.no_such_procedure"}, a.uri) {
			s.wrong = append(s.wrong, fmt.Sprintf("%s: %+v", procedure, a))
		}
		s.mu.Unlock()
		pauseFor(5 * time.Millisecond)
	}
}

// A movement is what a bank did in one operation of a transaction.
type movement struct {
	bank, op                  string
	branch, times, free, held float64
}

// movements asks the banks what they did, by transaction.
func movements(ctx context.Context, t *testing.T, p *wampPeer, banks []string) map[string][]movement {
	t.Helper()
	all := map[string][]movement{}
	for _, bank := range banks {
		after := []any{"", 0, ""}
		for {
			lines := element[[]any](mustCall(ctx, t, p, nil, bank+".statement", after...).args, 0)
			if len(lines) == 0 {
				break
			}
			for _, line := range lines {
				f, _ := line.([]any)
				id := element[string](f, 0)
				all[id] = append(all[id], movement{
					bank: bank, op: element[string](f, 2), branch: element[float64](f, 1),
					times: element[float64](f, 3), free: element[float64](f, 4), held: element[float64](f, 5),
				})
				after = f[:3]
			}
		}
	}
	return all
}

// netOf returns what the movements of a transaction come to, "" if to
// nothing, and what is wrong with them: each operation happened at most once,
// nothing is held any more, and what one bank lost another has.
func netOf(ms []movement) (moves, fault string) {
	free, held, sum := map[string]float64{}, 0.0, 0.0
	for _, m := range ms {
		if m.times != 1 {
			return "", fmt.Sprintf("%s happened %v times", m.op, m.times)
		}
		free[m.bank] += m.free
		held += m.held
		sum += m.free
	}
	switch {
	case held != 0:
		return "", fmt.Sprintf("%v is still held", held)
	case sum != 0:
		return "", fmt.Sprintf("%v came from nowhere", sum)
	}
	return describeMoves(free), ""
}

// describeMoves lists what banks got, or lost.
func describeMoves(free map[string]float64) string {
	var moves []string
	for bank, amount := range free {
		if amount != 0 {
			moves = append(moves, fmt.Sprint(bank, " ", amount))
		}
	}
	slices.Sort(moves)
	return strings.Join(moves, ", ")
}

// balances sums up all accounts of the banks.
func balances(ctx context.Context, t *testing.T, p *wampPeer, banks []string) (free, held float64) {
	t.Helper()
	for _, bank := range banks {
		for _, account := range siegeNames() {
			a := mustCall(ctx, t, p, nil, bank+".balance", account)
			free += element[float64](a.args, 0)
			held += element[float64](a.args, 1)
		}
	}
	return free, held
}

func siegeNames() []string {
	names := []string{slowAccount}
	for i := range siegeAccounts {
		names = append(names, fmt.Sprint(i))
	}
	return names
}

// besiege starts a gateway and the banks, each of two tellers: one bank in Go,
// one in JavaScript, and one in both, whose barrier they share.
func besiege(t *testing.T, kind string) *bankSiege {
	t.Helper()
	s := &bankSiege{
		g: startDurable(t, t.TempDir()), banks: []string{"north", "south", "east"}, stop: make(chan struct{}),
		told: map[string]string{}, moved: map[string]int{}, kinds: map[string]int{},
	}
	commands, database := bankCommands(t), vaults()[kind](t)
	accounts := strings.Join(siegeNames(), fmt.Sprintf("=%d,", siegeOpening)) + fmt.Sprintf("=%d", siegeOpening)
	for bank, languages := range map[string][]string{"north": {"go", "go"}, "south": {"javascript", "javascript"}, "east": {"go", "javascript"}} {
		args := []string{"--db=" + database(t, bank), "--accounts=" + accounts, "--crash=0.04"}
		if bank == "east" {
			args = append(args[:2], "--slow="+slowAccount)
		}
		for _, language := range languages {
			s.tellers = append(s.tellers, openBank(t, commands[language], s.g, bank, args...))
		}
	}
	return s
}

// TestBankKills kills the gateway again and again, 10 times or, in the heavy
// tier, 50, and there on PostgreSQL, too, while callers move money between banks
// that crash after 4 of 100 operations, or act late: no money is made or lost, each
// transaction is done wholly or not at all, as its caller was told, and none is
// left open.
func TestBankKills(t *testing.T) {
	t.Parallel()
	kinds, kills := []string{"sqlite"}, 10
	if heavy() {
		kinds, kills = []string{"sqlite", "postgres"}, 50
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			ctx := within(t, time.Duration(kills)*3*time.Second+4*patience)
			s := besiege(t, kind)
			var callers sync.WaitGroup
			for i := range 12 {
				callers.Go(func() { s.caller(ctx, fmt.Sprint("c", i)) })
			}
			for range kills {
				pauseFor(time.Duration(200+rand.IntN(400)) * time.Millisecond)
				s.g.restart(t)
			}
			pauseFor(time.Second)
			close(s.stop)
			callers.Wait()
			s.overtake(ctx)
			s.judge(ctx, t, kills)
		})
	}
}

// judge looks at what is left when the callers have ended.
func (s *bankSiege) judge(ctx context.Context, t *testing.T, kills int) {
	t.Helper()
	p, err := joinDurable(ctx, s.g.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	ends, unfinished, misled := map[string]int{}, 0, 0
	for id, told := range s.told {
		a := mustCall(ctx, t, p, nil, "wampgate.tx.wait", id)
		state := fmt.Sprint(a.status()["state"])
		ends[state]++
		if state != "committed" && state != "aborted" {
			unfinished++
			t.Logf("%s: %+v", id, a)
		} else if state != told {
			misled++
			t.Logf("%s: %s, its caller was told %q", id, state, told)
		}
	}
	half := 0
	for id, ms := range movements(ctx, t, p, s.banks) {
		moves, fault := netOf(ms)
		if fault != "" {
			half++
			t.Logf("%s: %s: %+v", id, fault, ms)
		} else if moves != "" {
			s.moved[moves]--
		}
	}
	for moves, n := range s.moved {
		if n != 0 {
			half++
			t.Logf("%q was committed %d times more than it happened", moves, n)
		}
	}
	free, held := balances(ctx, t, p, s.banks)
	opening := float64(siegeOpening * len(siegeNames()) * len(s.banks))
	var crashes int64
	for _, teller := range s.tellers {
		crashes += teller.crashes.Load()
	}
	barrier := hits(s.tellers)
	t.Logf("%d kills of the gateway, %d crashes of banks, %d transactions: %v; by kind: %v; %d calls repeated", kills, crashes, len(s.told), ends, s.kinds, s.retries)
	t.Logf("sum of balances %v (%v held), at the beginning %v; half-applied %d, unfinished %d, callers misled %d; stopped by the barrier: %v",
		free+held, held, opening, half, unfinished, misled, barrier)
	if free+held != opening || held != 0 || half > 0 || unfinished > 0 || misled > 0 || len(s.wrong) > 0 {
		t.Errorf("transactions do not hold; answers that nobody expected: %q", s.wrong)
	}
	for _, want := range barrierHits() {
		if barrier[want] == 0 {
			t.Errorf("the barrier saw no %s", want)
		}
	}
}

// TestNet plants faults, since a judge who finds none would pass
// TestBankKills, too.
func TestNet(t *testing.T) {
	t.Parallel()
	debit, credit := movement{bank: "n", op: "action", branch: 1, times: 1, free: -5}, movement{bank: "s", op: "action", branch: 2, times: 1, free: 5}
	undo := movement{bank: "n", op: "compensate", branch: 1, times: 1, free: 5}
	try, cancel := movement{bank: "n", op: "try", branch: 1, times: 1, free: -5, held: 5}, movement{bank: "n", op: "cancel", branch: 1, times: 1, free: 5, held: -5}
	twice := movement{bank: "n", op: "action", branch: 1, times: 2, free: -10}
	for name, tt := range map[string]struct {
		did   []movement
		moves string
		fault bool
	}{
		"committed":               {[]movement{debit, credit}, "n -5, s 5", false},
		"rolled back":             {[]movement{debit, undo}, "", false},
		"canceled":                {[]movement{try, cancel}, "", false},
		"nothing to roll back":    {nil, "", false},
		"one half":                {[]movement{debit}, "", true},
		"half rolled back":        {[]movement{debit, credit, undo}, "", true},
		"still held":              {[]movement{try, credit}, "", true},
		"compensated for nothing": {[]movement{undo}, "", true},
		"twice":                   {[]movement{twice, credit}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if moves, fault := netOf(tt.did); moves != tt.moves || (fault != "") != tt.fault {
				t.Errorf("netOf = %q, %q; want %q, a fault: %v", moves, fault, tt.moves, tt.fault)
			}
		})
	}
}
