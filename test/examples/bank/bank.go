package main

import (
	"context"
	"database/sql"
	_ "embed" // for schema
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // for PostgreSQL
	_ "modernc.org/sqlite"             // for SQLite

	"github.com/wampgate/wampgate/test/examples/barrier"
)

//go:embed schema.sql
var schema string

// A bank keeps accounts. Any number of processes may be the same bank.
type bank struct {
	name  string
	db    *sql.DB
	crash float64 // the share of the work after which the process ends
	slow  string  // the account for which actions begin late
	log   *log.Logger
}

// open connects to a database, makes the tables, and opens accounts
// ("id=amount,…") that are not there.
func open(ctx context.Context, name, accounts string) (*sql.DB, error) {
	driver := "pgx"
	if !strings.HasPrefix(name, "postgres:") {
		// Whoever begins waits for its turn. A commit is on the disk before it
		// is answered: synchronous is FULL unless one says otherwise.
		driver, name = "sqlite", "file:"+name+"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)"
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(8)
	if _, err := db.ExecContext(ctx, barrier.Schema+schema); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	for account := range strings.SplitSeq(accounts, ",") {
		id, amount, _ := strings.Cut(account, "=")
		n, err := strconv.Atoi(amount)
		if err == nil {
			_, err = db.ExecContext(ctx, "insert into account (id, free) values ($1, $2) on conflict do nothing", id, n)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("account %q: %w", account, err), db.Close())
		}
	}
	return db, nil
}

// A change is what an operation adds to an account, in amounts of the call. An
// action or a try may be refused; nothing else may.
type change struct {
	free, held int64
	refusable  bool
}

// changes tells what each operation of each procedure does.
func changes() map[string]map[string]change {
	return map[string]map[string]change{
		"debit":   {"action": {free: -1, refusable: true}, "compensate": {free: +1}},
		"credit":  {"action": {free: +1, refusable: true}, "compensate": {free: -1}}, // even if it was spent meanwhile
		"reserve": {"try": {free: -1, held: +1, refusable: true}, "confirm": {held: -1}, "cancel": {free: +1, held: -1}},
		"expect":  {"try": {refusable: true}, "confirm": {free: +1}, "cancel": {}},
	}
}

// procedures lists what the bank offers.
func (b *bank) procedures() []procedure {
	all := []procedure{
		{uri: b.name + ".balance", handle: b.balance},
		{uri: b.name + ".statement", handle: b.statement},
	}
	for name, ops := range changes() {
		uri, option := b.name+"."+name, map[string]any{}
		handle := func(ctx context.Context, i *invocation) ([]any, error) { return b.change(ctx, ops, i) }
		for op := range ops {
			if op != "action" && op != "try" {
				option[op] = uri + "." + op
				all = append(all, procedure{uri: uri + "." + op, handle: handle})
			}
		}
		all = append(all, procedure{uri: uri, transaction: option, handle: handle})
	}
	return all
}

// change serves an operation of a transaction: (account, amount).
func (b *bank) change(ctx context.Context, ops map[string]change, i *invocation) ([]any, error) {
	branch := i.Details.Transaction
	if branch == nil {
		return nil, &refusal{"wamp.error.not_authorized", "only within a transaction"}
	}
	var account string
	var amount int64
	if err := i.scan(&account, &amount); err != nil || amount <= 0 {
		return nil, &refusal{"wamp.error.invalid_argument", "wants an account and an amount"}
	}
	c, known := ops[branch.Op]
	if !known {
		return nil, &refusal{"wamp.error.invalid_argument", "no operation " + branch.Op}
	}
	if account == b.slow && c.refusable {
		pause(ctx, time.Second)
	}
	outcome, err := barrier.Do(ctx, b.db, *branch, func(tx *sql.Tx) error { return move(ctx, tx, branch, account, amount, c) })
	if errors.Is(err, barrier.ErrDangling) {
		outcome, err = "dangling", &refusal{barrier.Dangling, err.Error()}
	}
	if outcome != barrier.Done && outcome != "" {
		b.log.Printf("barrier: %s branch %d attempt %d: %s %s", branch.Transaction, branch.Branch, branch.Attempt, outcome, branch.Op)
	}
	if rand.Float64() < b.crash { //nolint:gosec // hides nothing
		os.Exit(3)
	}
	return []any{outcome}, err
}

// move is the effect of an operation.
func move(ctx context.Context, tx *sql.Tx, b *barrier.Branch, account string, amount int64, c change) error {
	update := "update account set free = free + $1, held = held + $2 where id = $3"
	if c.refusable {
		update += " and free + $1 >= 0"
	}
	result, err := tx.ExecContext(ctx, update, c.free*amount, c.held*amount, account)
	if err != nil {
		return err
	}
	switch n, err := result.RowsAffected(); {
	case err != nil:
		return err
	case n == 0:
		return &refusal{"bank.error.refused", fmt.Sprintf("no account %s that can do %s of %d", account, b.Op, amount)}
	}
	const insert = "insert into movement (transaction_id, branch, op, account, free, held) values ($1, $2, $3, $4, $5, $6)"
	_, err = tx.ExecContext(ctx, insert, b.Transaction, b.Branch, b.Op, account, c.free*amount, c.held*amount)
	return err
}

// balance returns what of an account is free and what is held.
func (b *bank) balance(ctx context.Context, i *invocation) ([]any, error) {
	var account string
	if err := i.scan(&account); err != nil {
		return nil, &refusal{"wamp.error.invalid_argument", "wants an account"}
	}
	var free, held int64
	err := b.db.QueryRowContext(ctx, "select free, held from account where id = $1", account).Scan(&free, &held)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, &refusal{"bank.error.refused", "no account " + account}
	}
	return []any{free, held}, err
}

// statement sums up what was done for transactions, in lists of (transaction,
// branch, op, how often, free, held): up to 1000 behind (transaction, branch,
// op).
func (b *bank) statement(ctx context.Context, i *invocation) ([]any, error) {
	var after struct {
		id, op string
		branch int64
	}
	if err := i.scan(&after.id, &after.branch, &after.op); err != nil {
		return nil, &refusal{"wamp.error.invalid_argument", "wants a transaction, a branch and an operation"}
	}
	const query = `select transaction_id, branch, op, count(*), cast(sum(free) as bigint), cast(sum(held) as bigint) from movement
		where (transaction_id, branch, op) > ($1, $2, $3)
		group by transaction_id, branch, op order by transaction_id, branch, op limit 1000`
	rows, err := b.db.QueryContext(ctx, query, after.id, after.branch, after.op)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err tells
	lines := []any{}
	for rows.Next() {
		var id, op string
		var branch, count, free, held int64
		if err := rows.Scan(&id, &branch, &op, &count, &free, &held); err != nil {
			return nil, err
		}
		lines = append(lines, []any{id, branch, op, count, free, held})
	}
	return []any{lines}, rows.Err()
}
