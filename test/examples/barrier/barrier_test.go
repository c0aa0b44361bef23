package barrier_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/wampgate/wampgate/test/examples/barrier"
)

// databases opens a database of the test's own, by kind, with its tables made.
func databases() map[string]func(*testing.T) *sql.DB {
	return map[string]func(*testing.T) *sql.DB{"sqlite": openSQLite, "postgres": openPostgres}
}

func openSQLite(t *testing.T) *sql.DB {
	t.Helper()
	return prepare(t, open(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "test.db")+"?_txlock=immediate&_pragma=busy_timeout(20000)"))
}

// openPostgres makes a schema in the database whose URL is the variable
// WAMPGATE_TEST_POSTGRES.
func openPostgres(t *testing.T) *sql.DB {
	t.Helper()
	url := os.Getenv("WAMPGATE_TEST_POSTGRES")
	if url == "" {
		t.Skip("WAMPGATE_TEST_POSTGRES names no database; left out: the barrier on PostgreSQL")
	}
	schema := strings.ToLower(strings.ReplaceAll(t.Name(), "/", "_"))
	db := open(t, "pgx", url)
	mustExec(t, db, "drop schema if exists "+schema+" cascade")
	mustExec(t, db, "create schema "+schema)
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}
	return prepare(t, open(t, "pgx", url+separator+"search_path="+schema))
}

func open(t *testing.T, driver, name string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func mustExec(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// prepare makes the tables: that of the barrier twice, as it may be.
func prepare(t *testing.T, db *sql.DB) *sql.DB {
	t.Helper()
	mustExec(t, db, barrier.Schema)
	mustExec(t, db, barrier.Schema)
	mustExec(t, db, "create table effect (transaction_id text, branch integer, op text)")
	return db
}

// effect leaves a row, in the transaction.
func effect(ctx context.Context, b barrier.Branch) func(*sql.Tx) error {
	return func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "insert into effect values ($1, $2, $3)", b.Transaction, b.Branch, b.Op)
		return err
	}
}

var errNoFunds = errors.New("no funds")

// failing is effect, and then an error.
func failing(ctx context.Context, b barrier.Branch) func(*sql.Tx) error {
	return func(tx *sql.Tx) error {
		if err := effect(ctx, b)(tx); err != nil {
			return err
		}
		return errNoFunds
	}
}

// effects returns the operations of a transaction that left something, sorted.
func effects(t *testing.T, db *sql.DB, id string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "select op from effect where transaction_id = $1 order by op", id)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // Err tells
	var ops []string
	for rows.Next() {
		var op string
		if err := rows.Scan(&op); err != nil {
			t.Fatal(err)
		}
		ops = append(ops, op)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ops
}

// sequences are invocations of one branch, each with what becomes of it:
// "action: done". With a "!" the effect fails. The last line lists the effects.
func sequences() map[string]string {
	return map[string]string{
		"duplicate action":             "action: done, action: duplicate, action: duplicate; action",
		"compensation":                 "action: done, compensate: done; action compensate",
		"duplicate compensation":       "action: done, compensate: done, compensate: duplicate; action compensate",
		"null compensation":            "compensate: null, compensate: duplicate; ",
		"dangling action":              "compensate: null, action: dangling, action: dangling; ",
		"duplicate after all":          "action: done, compensate: done, action: duplicate; action compensate",
		"refused action":               "action!: no funds, compensate: null, action: dangling; ",
		"action that fails once":       "action!: no funds, action: done; action",
		"compensation that fails once": "action: done, compensate!: no funds, compensate: done; action compensate",
		"confirmation":                 "try: done, confirm: done, confirm: duplicate; confirm try",
		"confirmation that fails once": "try: done, confirm!: no funds, confirm: done; confirm try",
		"cancellation":                 "try: done, cancel: done, cancel: duplicate; cancel try",
		"null cancellation":            "cancel: null, cancel: duplicate; ",
		"dangling try":                 "cancel: null, try: dangling; ",
		"refused try":                  "try!: no funds, cancel: null, try: dangling; ",
	}
}

func TestSequences(t *testing.T) {
	t.Parallel()
	for name, open := range databases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			for name, sequence := range sequences() {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					steps, want, _ := strings.Cut(sequence, "; ")
					for i, step := range strings.Split(steps, ", ") {
						op, want, _ := strings.Cut(step, ": ")
						op, fails := strings.CutSuffix(op, "!")
						b := barrier.Branch{Transaction: name, Branch: 1, Op: op, Attempt: i + 1}
						run := effect(t.Context(), b)
						if fails {
							run = failing(t.Context(), b)
						}
						if got := verdict(barrier.Do(t.Context(), db, b, run)); got != want {
							t.Errorf("step %d, %s = %s, want %s", i+1, op, got, want)
						}
					}
					if got := strings.Join(effects(t, db, name), " "); got != want {
						t.Errorf("effects: %q, want %q", got, want)
					}
				})
			}
		})
	}
}

// verdict names what Do returned.
func verdict(outcome barrier.Outcome, err error) string {
	switch {
	case errors.Is(err, barrier.ErrDangling):
		return "dangling"
	case err != nil:
		return err.Error()
	}
	return string(outcome)
}

// TestApart shows that branches and transactions do not touch each other, and
// that an unknown operation does nothing.
func TestApart(t *testing.T) {
	t.Parallel()
	for name, open := range databases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			for _, b := range []barrier.Branch{
				{Transaction: "a", Branch: 1, Op: "action"}, {Transaction: "a", Branch: 2, Op: "action"}, {Transaction: "b", Branch: 1, Op: "action"},
			} {
				if got := verdict(barrier.Do(t.Context(), db, b, effect(t.Context(), b))); got != "done" {
					t.Errorf("%+v: %s", b, got)
				}
			}
			b := barrier.Branch{Transaction: "c", Branch: 1, Op: "commit"}
			if got := verdict(barrier.Do(t.Context(), db, b, effect(t.Context(), b))); got != `barrier: unknown operation "commit"` {
				t.Errorf("an unknown operation: %s", got)
			}
			if got := effects(t, db, "c"); got != nil {
				t.Errorf("its effects: %q", got)
			}
		})
	}
}

// many runs the operations at once, each on a connection of its own, and counts
// the verdicts.
func many(t *testing.T, db *sql.DB, id string, ops ...string) map[string]int {
	t.Helper()
	verdicts := make([]string, len(ops))
	start := make(chan struct{})
	var all sync.WaitGroup
	for i, op := range ops {
		all.Go(func() {
			b := barrier.Branch{Transaction: id, Branch: 1, Op: op}
			<-start
			verdicts[i] = op + ": " + verdict(barrier.Do(t.Context(), db, b, effect(t.Context(), b)))
		})
	}
	close(start)
	all.Wait()
	count := map[string]int{}
	for _, v := range verdicts {
		count[v]++
	}
	return count
}

func TestConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	for name, open := range databases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			for round := range 10 {
				for _, ops := range [][2]string{{"action", "compensate"}, {"try", "cancel"}, {"try", "confirm"}} {
					id := fmt.Sprint(ops, round)
					for i, op := range ops {
						count := many(t, db, id, slices.Repeat([]string{op}, 6)...)
						if count[op+": done"] != 1 || count[op+": duplicate"] != 5 {
							t.Errorf("%s %d: %v", id, i, count)
						}
					}
					if got := effects(t, db, id); len(got) != 2 {
						t.Errorf("%s: effects %q", id, got)
					}
				}
			}
		})
	}
}

// TestConcurrentActionAndCompensation lets them race: either the action comes
// first and is undone, or it does nothing for ever.
func TestConcurrentActionAndCompensation(t *testing.T) {
	t.Parallel()
	for name, open := range databases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			for round := range 30 {
				id := fmt.Sprint(round)
				count := many(t, db, id, "action", "compensate", "action", "compensate")
				got := strings.Join(effects(t, db, id), " ")
				undone := count["action: done"] == 1 && count["action: duplicate"] == 1 &&
					count["compensate: done"] == 1 && count["compensate: duplicate"] == 1 && got == "action compensate"
				never := count["action: dangling"] == 2 && count["compensate: null"] == 1 && count["compensate: duplicate"] == 1 && got == ""
				if !undone && !never {
					t.Errorf("round %d: %v, effects %q", round, count, got)
				}
			}
		})
	}
}

// TestFailureWhileAnotherWaits makes an action fail while its duplicate waits
// for it: the duplicate does the work.
func TestFailureWhileAnotherWaits(t *testing.T) {
	t.Parallel()
	for name, open := range databases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			b := barrier.Branch{Transaction: "a", Branch: 1, Op: "action"}
			second := make(chan string, 1)
			first := verdict(barrier.Do(t.Context(), db, b, func(tx *sql.Tx) error {
				go func() { second <- verdict(barrier.Do(t.Context(), db, b, effect(t.Context(), b))) }()
				return failing(t.Context(), b)(tx)
			}))
			if second := <-second; first != "no funds" || second != "done" {
				t.Errorf("first %s, second %s", first, second)
			}
			if got := effects(t, db, "a"); !slices.Equal(got, []string{"action"}) {
				t.Errorf("effects: %q", got)
			}
		})
	}
}

// TestHiddenFailure lets an effect hide that a statement of it failed.
// PostgreSQL then rolls back, and whoever called must hear of it.
func TestHiddenFailure(t *testing.T) {
	t.Parallel()
	for name, open := range databases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			b := barrier.Branch{Transaction: "a", Branch: 1, Op: "action"}
			_, err := barrier.Do(t.Context(), db, b, func(tx *sql.Tx) error {
				if err := effect(t.Context(), b)(tx); err != nil {
					return err
				}
				_, _ = tx.ExecContext(t.Context(), "insert into nowhere values (1)")
				return nil
			})
			if done := len(effects(t, db, "a")) == 1; done != (err == nil) {
				t.Errorf("error %v, and the effect is there: %v", err, done)
			}
		})
	}
}
