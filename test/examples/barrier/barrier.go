// Package barrier makes a procedure safe to take part in transactions of
// wampgate: what it does to a database happens once, however often and in
// whatever order its invocations come.
//
// An invocation may come twice, when an answer was lost (a duplicate). The
// compensation of an action may come although the action never did (a null
// compensation), and the action after it, when it was held up on the way (a
// dangling action). The package keeps a row for each operation in the table
// that [Schema] defines, within the database transaction of the effect, so that
// both are there or neither is.
//
// It works with PostgreSQL (isolation READ COMMITTED, the default) and SQLite
// through database/sql. Copy it, or import it.
package barrier

import (
	"context"
	"database/sql"
	_ "embed" // for Schema
	"errors"
	"fmt"
)

// Schema makes the table wampgate_barrier unless it is there. Rows may be
// deleted when no invocation of their transaction can come any more: a week
// after it has ended is plenty.
//
//go:embed schema.sql
var Schema string

// Dangling is the URI of the ERROR that a procedure answers with when [Do] or
// [Enter] returns [ErrDangling].
const Dangling = "wampgate.error.dangling"

// ErrDangling says that an action or a try came after its transaction had been
// rolled back. Nothing was done.
var ErrDangling = errors.New("the transaction was rolled back before")

// A Branch is the dictionary "transaction" of INVOCATION.Details.
type Branch struct {
	Transaction string `json:"id"`
	Branch      int    `json:"branch"`  // from 1
	Op          string `json:"op"`      // "action", "compensate", "try", "confirm" or "cancel"
	Attempt     int    `json:"attempt"` // from 1; the barrier does not care
}

// An Outcome is what the barrier made of an invocation. Each of them is to be
// answered with a RESULT.
type Outcome string

// The outcomes.
const (
	Done      Outcome = "done"      // the effect is there now (Enter: is to be made)
	Duplicate Outcome = "duplicate" // the effect was there before
	Null      Outcome = "null"      // a compensate or cancel of what never happened and never will
)

// Do begins a transaction of db, runs effect in it if that is to be run, and
// commits. An error means that nothing was done (or that nobody knows, if the
// connection ended during the commit): answer with an ERROR, which rolls back
// or, for compensate, confirm and cancel, makes the coordinator come again.
// Do may be called by many goroutines and processes at once.
func Do(ctx context.Context, db *sql.DB, b Branch, effect func(*sql.Tx) error) (Outcome, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return "", fmt.Errorf("barrier: begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	outcome, err := Enter(ctx, tx, b)
	if err != nil {
		return "", err
	}
	if outcome == Done {
		if err := effect(tx); err != nil {
			return "", err
		}
	}
	if err := tx.Commit(); err != nil {
		return "", fmt.Errorf("barrier: commit: %w", err)
	}
	return outcome, nil
}

// Enter is Do for those who run database transactions themselves. It must be
// the first statement in tx. After Done the caller makes the effect in tx;
// unless there is an error he commits, after other outcomes, too.
func Enter(ctx context.Context, tx *sql.Tx, b Branch) (Outcome, error) {
	var undoes string // the operation that this one makes up for
	switch b.Op {
	case "action", "try", "confirm":
	case "compensate":
		undoes = "action"
	case "cancel":
		undoes = "try"
	default:
		return "", fmt.Errorf("barrier: unknown operation %q", b.Op)
	}
	null := false
	if undoes != "" {
		var err error
		if null, err = mark(ctx, tx, b, undoes); err != nil {
			return "", err
		}
	}
	switch marked, err := mark(ctx, tx, b, b.Op); {
	case err != nil:
		return "", err
	case !marked:
		return taken(ctx, tx, b)
	case null:
		return Null, nil
	}
	return Done, nil
}

// mark inserts the marker of op in the name of b's operation, and reports
// whether it was not there. It waits for another database transaction that is
// inserting the same.
func mark(ctx context.Context, tx *sql.Tx, b Branch, op string) (bool, error) {
	const insert = `insert into wampgate_barrier (transaction_id, branch, op, by_op) values ($1, $2, $3, $4) on conflict do nothing`
	result, err := tx.ExecContext(ctx, insert, b.Transaction, b.Branch, op, b.Op)
	if err != nil {
		return false, fmt.Errorf("barrier: mark %s: %w", op, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("barrier: mark %s: %w", op, err)
	}
	return n > 0, nil
}

// taken tells why the marker of b's operation was there.
func taken(ctx context.Context, tx *sql.Tx, b Branch) (Outcome, error) {
	const by = `select by_op from wampgate_barrier where transaction_id = $1 and branch = $2 and op = $3`
	var op string
	if err := tx.QueryRowContext(ctx, by, b.Transaction, b.Branch, b.Op).Scan(&op); err != nil {
		return "", fmt.Errorf("barrier: who marked %s: %w", b.Op, err)
	}
	if op != b.Op {
		return "", ErrDangling
	}
	return Duplicate, nil
}
