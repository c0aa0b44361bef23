package test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// bankCommands returns what runs the bank example, by language.
func bankCommands(t *testing.T) map[string][]string {
	t.Helper()
	const leftOut = "the bank example"
	return map[string][]string{
		"go":         {built(t, "bank", buildBank)},
		"javascript": {tool(t, "node", leftOut), filepath.Join(exampleFolder(t, leftOut), "bank", "bank.js")},
	}
}

// buildBank makes the binary of the bank once, for the first test that needs it.
var buildBank = sync.OnceValues(func() (string, error) { return goBuild("examples", "./bank") })

// crashed is the exit code of a bank that ends itself (its flag crash).
const crashed = 3

// A teller is a process of the bank example, which is started again when it
// has crashed.
type teller struct {
	name    string
	lines   feed[string]
	crashes atomic.Int64
}

// openBank runs a teller until the test ends, and waits until it serves.
func openBank(t *testing.T, command []string, g *durableGateway, name string, args ...string) *teller {
	t.Helper()
	s := &teller{name: name}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.run(ctx, command, g.ws(), append(args, "--name="+name)) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if t.Failed() {
			lines := s.lines.all()
			t.Logf("the last lines of %s:\n%s", name, strings.Join(lines[max(0, len(lines)-20):], "\n"))
		}
	})
	s.wait(soon(t), t, name+" is open")
	return s
}

// run runs the process again and again until ctx ends, or it ends otherwise
// than it should.
func (s *teller) run(ctx context.Context, command []string, url string, args []string) error {
	for ctx.Err() == nil {
		cmd := exec.CommandContext(ctx, command[0], append(command[1:len(command):len(command)], args...)...)
		cmd.Env = append(os.Environ(), "WAMP_URL="+url)
		out, in := io.Pipe()
		cmd.Stdout, cmd.Stderr = in, in
		var reading sync.WaitGroup
		reading.Go(func() {
			for lines := bufio.NewScanner(out); lines.Scan(); {
				s.lines.add(lines.Text())
			}
		})
		err := cmd.Run()
		_ = in.Close()
		reading.Wait()
		var exit *exec.ExitError
		switch died := errors.As(err, &exit) && exit.ExitCode() == crashed; {
		case ctx.Err() != nil:
		case died:
			s.crashes.Add(1)
		default:
			s.lines.end(err)
			return fmt.Errorf("it ended with %w", err)
		}
	}
	return nil
}

// wait waits for a line that holds text.
func (s *teller) wait(ctx context.Context, t *testing.T, text string) {
	t.Helper()
	if _, _, err := s.lines.find(ctx, 0, func(line string) bool { return strings.Contains(line, text) }); err != nil {
		t.Fatalf("%s did not say %q: %v\n%s", s.name, text, err, strings.Join(s.lines.all(), "\n"))
	}
}

var hitLine = regexp.MustCompile(`barrier: \S+ branch \d+ attempt \d+: (\w+ \w+)$`)

// hits counts what the barriers of tellers kept from doing harm: "null
// compensate", "dangling try" and so on.
func hits(tellers []*teller) map[string]int {
	count := map[string]int{}
	for _, s := range tellers {
		for _, line := range s.lines.all() {
			if m := hitLine.FindStringSubmatch(line); m != nil {
				count[m[1]]++
			}
		}
	}
	return count
}

// A vault is where the banks of a test keep their money.
type vault func(t *testing.T, name string) string

// vaults returns the kinds there are: each call makes a database.
func vaults() map[string]func(*testing.T) vault {
	return map[string]func(*testing.T) vault{
		"sqlite": func(t *testing.T) vault {
			t.Helper()
			dir := t.TempDir()
			return func(_ *testing.T, name string) string { return filepath.Join(dir, name+".db") }
		},
		"postgres": func(t *testing.T) vault {
			t.Helper()
			url := startPostgres(t, "the bank on PostgreSQL")
			return func(t *testing.T, name string) string {
				t.Helper()
				return createDatabase(t, url, name)
			}
		},
	}
}

// TestBank lets transactions succeed, be refused, and overtake themselves, with
// each language on each database.
func TestBank(t *testing.T) {
	t.Parallel()
	g, commands := startDurable(t, t.TempDir()), bankCommands(t)
	for kind, open := range vaults() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			database := open(t)
			for language, command := range commands {
				t.Run(language, func(t *testing.T) {
					t.Parallel()
					name := kind + "_" + language
					s := openBank(t, command, g, name, "--db="+database(t, language), "--accounts=alice=100,bob=100,carol=0", "--slow=carol")
					testBank(t, g.join(t, nil), s)
				})
			}
		})
	}
}

// testBank makes transactions at one bank, each with its outcome and what
// alice, bob and carol have afterwards, free and held.
func testBank(t *testing.T, p *wampPeer, s *teller) {
	t.Helper()
	ctx := within(t, 2*patience)
	for _, tt := range []struct {
		calls   []any
		timeout int
		error   string
		balance string
		said    []string
	}{
		{calls: []any{s.call("debit", "alice", 30), s.call("credit", "bob", 30)}, balance: "70 0, 130 0, 0 0"},
		{calls: []any{s.call("reserve", "bob", 30), s.call("expect", "alice", 30)}, balance: "100 0, 100 0, 0 0"},
		{calls: []any{s.call("reserve", "bob", 30), s.call("credit", "alice", 30)}, balance: "130 0, 70 0, 0 0"},
		{calls: []any{s.call("debit", "alice", 30), s.call("credit", "nobody", 30)}, error: "bank.error.refused", balance: "130 0, 70 0, 0 0"},
		{calls: []any{s.call("reserve", "alice", 30), s.call("expect", "nobody", 30)}, error: "bank.error.refused", balance: "130 0, 70 0, 0 0"},
		{calls: []any{s.call("debit", "alice", 131)}, error: "bank.error.refused", balance: "130 0, 70 0, 0 0"},
		{
			calls: []any{s.call("debit", "alice", 30), s.call("credit", "carol", 30)}, timeout: 200, error: "wamp.error.timeout",
			balance: "130 0, 70 0, 0 0", said: []string{"null compensate", "dangling action"},
		},
		{
			calls: []any{s.call("reserve", "alice", 30), s.call("expect", "carol", 30)}, timeout: 200, error: "wamp.error.timeout",
			balance: "130 0, 70 0, 0 0", said: []string{"null cancel", "dangling try"},
		},
	} {
		kwargs := map[string]any{"calls": tt.calls}
		if tt.timeout > 0 {
			kwargs["timeout"] = tt.timeout
		}
		a, err := p.call(ctx, nil, "wampgate.tx.run", nil, kwargs)
		if err != nil || a.uri != tt.error || (a.uri == "") != (a.status()["state"] == "committed") || (a.uri != "") != (a.kwargs["rolled_back"] == true) {
			t.Errorf("%v: %+v, %v", tt.calls, a, err)
		}
		if a := mustCall(ctx, t, p, nil, "wampgate.tx.wait", a.status()["transaction"]); a.uri != "" {
			t.Errorf("%v: wait: %+v", tt.calls, a)
		}
		for _, line := range tt.said {
			s.wait(ctx, t, line)
		}
		var balance []string
		for _, account := range []string{"alice", "bob", "carol"} {
			balance = append(balance, strings.Trim(fmt.Sprint(mustCall(ctx, t, p, nil, s.name+".balance", account).args), "[]"))
		}
		if got := strings.Join(balance, ", "); got != tt.balance {
			t.Errorf("after %v: %s, want %s", tt.calls, got, tt.balance)
		}
	}
	if a := mustCall(ctx, t, p, nil, s.name+".debit", "alice", 1); a.uri != "wamp.error.not_authorized" {
		t.Errorf("a debit outside of a transaction: %+v", a)
	}
}

// call makes one of the calls of a transaction.
func (s *teller) call(operation, account string, amount int) map[string]any {
	return branchCall(s.name, operation, account, amount)
}
