package main

import (
	"context"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// transactionsCommand is what there is to do with transactions.
type transactionsCommand struct {
	Ls       transactionsLsCommand       `cmd:"" help:"List transactions."`
	Show     transactionsShowCommand     `cmd:"" help:"Tell what is known of a transaction and its calls."`
	Rollback transactionsRollbackCommand `cmd:"" help:"Have what a transaction has done undone."`
	ForceEnd transactionsForceEndCommand `cmd:"" name:"force-end" help:"End a transaction that is stuck, and leave what is not done."`
}

type transactionsLsCommand struct {
	State string `placeholder:"STATE" help:"Only those that are active, committing, committed, aborting, aborted or forced."`
	keptLimit
	metaOptions
}

// Help is what kong prints below the summary of the command.
func (*transactionsLsCommand) Help() string {
	return `The list (wampgate.tx.list) has those that have not ended, and those that ended
a while ago. STUCK are those whose calls to undo or confirm something have failed
many times; they are tried again until they succeed. A transaction is seen by
who began it, and by role admin. In JSON, times are milliseconds since 1970.`
}

// Run prints the transactions of a realm.
func (c *transactionsLsCommand) Run(ctx context.Context, p *process) error {
	return c.with(ctx, p, func(m *metaClient) error {
		kwargs := wamp.Dict{"limit": c.Limit}
		if c.State != "" {
			kwargs["state"] = c.State
		}
		rows, err := keptRows(m, "wampgate.tx.list", kwargs)
		if err != nil {
			return err
		}
		return printKept(p.Stdout, c.JSON, rows, []column{
			{"TRANSACTION", "transaction"}, {"OWNER", "owner"}, {"STATE", "state"}, {"STUCK", "stuck"}, {"BEGUN", "begun"}, {"EXPIRES", "expires"}, {"ERROR", "error"},
		})
	})
}

// oneTransaction names a transaction and says how it is printed, and is
// arguments and flags.
type oneTransaction struct {
	JSON bool   `name:"json" help:"Print a JSON object."`
	ID   string `arg:"" name:"id" help:"Id of the transaction, as ls prints it."`
}

// ask calls a procedure with the id and prints the transaction that it answers
// with.
func (o *oneTransaction) ask(p *process, m *metaClient, procedure wamp.URI, more ...any) error {
	call, err := askKept(m, procedure, nil, append([]any{o.ID}, more...)...)
	if err != nil {
		return err
	}
	t := call.dictOf()
	err = printFields(p.Stdout, o.JSON, t, []string{
		"transaction", "owner", "mode", "state", "stuck", "error", "reason", "begun", "expires", "ended",
	})
	if err != nil || o.JSON {
		return err
	}
	return printRows(p.Stdout, false, dictsIn(t["branches"]), []column{
		{"BRANCH", "branch"}, {"PROCEDURE", "procedure"}, {"KIND", "kind"}, {"STATE", "state"}, {"ATTEMPTS", "attempts"}, {"ERROR", "error"},
	})
}

type transactionsShowCommand struct {
	oneTransaction
	metaOptions
}

// Run prints a transaction.
func (c *transactionsShowCommand) Run(ctx context.Context, p *process) error {
	return c.with(ctx, p, func(m *metaClient) error { return c.ask(p, m, "wampgate.tx.get") })
}

type transactionsRollbackCommand struct {
	oneTransaction
	metaOptions
}

// Help is what kong prints below the summary of the command.
func (*transactionsRollbackCommand) Help() string {
	return `What its calls have done is undone, the last one first (wampgate.tx.rollback);
what is printed is the transaction at this moment. It is too late for one that
is being committed.`
}

// Run rolls a transaction back and prints it.
func (c *transactionsRollbackCommand) Run(ctx context.Context, p *process) error {
	return c.with(ctx, p, func(m *metaClient) error { return c.ask(p, m, "wampgate.tx.rollback") })
}

type transactionsForceEndCommand struct {
	Reason string `required:"" placeholder:"TEXT" help:"Why; it is kept, and logged with what is left undone."`
	oneTransaction
	metaOptions
}

// Help is what kong prints below the summary of the command.
func (*transactionsForceEndCommand) Help() string {
	return `For role admin, when somebody has put in order by hand what the transaction
cannot (wampgate.tx.force_end). Its callees are not asked any more.`
}

// Run ends a transaction and prints it.
func (c *transactionsForceEndCommand) Run(ctx context.Context, p *process) error {
	return c.with(ctx, p, func(m *metaClient) error { return c.ask(p, m, "wampgate.tx.force_end", c.Reason) })
}
