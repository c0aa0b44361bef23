package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// deadlettersCommand is what there is to do with calls that were given up.
type deadlettersCommand struct {
	Ls      lettersLsCommand      `cmd:"" help:"List persistent calls that were given up, the latest first."`
	Retry   lettersRetryCommand   `cmd:"" help:"Have such calls made again."`
	Discard lettersDiscardCommand `cmd:"" help:"Forget such calls."`
}

type lettersLsCommand struct {
	keptLimit
	metaOptions
}

// Help is what kong prints below the summary of the command.
func (*lettersLsCommand) Help() string {
	return `A call is given up when its attempts have failed as often as the gateway's
settings allow (wampgate.deadletter.list). LAST is what came of the last one;
with --json each has the history of all. In JSON, times are milliseconds since
1970.`
}

// Run prints the dead letters of a realm.
func (c *lettersLsCommand) Run(ctx context.Context, p *process) error {
	return c.with(ctx, p, func(m *metaClient) error {
		rows, err := keptRows(m, "wampgate.deadletter.list", wamp.Dict{"limit": c.Limit})
		if err != nil {
			return err
		}
		if !c.JSON {
			addLast(rows)
		}
		return printKept(p.Stdout, c.JSON, rows, []column{
			{"CALL", "call_id"},
			{"OWNER", "owner"},
			{"PROCEDURE", "procedure"},
			{"DIED", "died"},
			{"ATTEMPTS", "attempts"},
			{"CRASHES", "crashes"},
			{"LAST", "last"},
		})
	})
}

// addLast makes a column of the end of each history.
func addLast(rows []wamp.Dict) {
	for _, row := range rows {
		if history := listOf(row["history"]); len(history) > 0 {
			row["last"] = history[len(history)-1]
		}
	}
}

// letters names dead letters, and is arguments and flags.
type letters struct {
	Owner string   `placeholder:"AUTHID" help:"Whose they are, where several have one with the same id."`
	IDs   []string `arg:"" name:"id" help:"Ids of calls, as ls prints them."`
}

// each calls a procedure with one id after the other, and says what was done.
// It ends with the first that is refused.
func (l *letters) each(p *process, m *metaClient, procedure wamp.URI, done string) error {
	kwargs := wamp.Dict{}
	if l.Owner != "" {
		kwargs["owner"] = l.Owner
	}
	for _, id := range l.IDs {
		if _, err := askKept(m, procedure, kwargs, id); err != nil {
			return concerning(id, err)
		}
		if _, err := fmt.Fprintf(p.Stdout, "%s: %s\n", done, id); err != nil {
			return err
		}
	}
	return nil
}

// concerning adds to an error what it is about.
func concerning(id string, err error) error {
	var exit *exitError
	if errors.As(err, &exit) {
		return &exitError{exit.code, fmt.Errorf("%s: %w", id, exit.err)}
	}
	return err
}

type lettersRetryCommand struct {
	letters
	metaOptions
}

// Help is what kong prints below the summary of the command.
func (*lettersRetryCommand) Help() string {
	return `Each is accepted anew under its id, and has as many attempts as a new call
(wampgate.deadletter.retry). Those before one that is refused are tried again.`
}

// Run has dead letters made again.
func (c *lettersRetryCommand) Run(ctx context.Context, p *process) error {
	return c.with(ctx, p, func(m *metaClient) error {
		return c.each(p, m, "wampgate.deadletter.retry", "tried again")
	})
}

type lettersDiscardCommand struct {
	letters
	metaOptions
}

// Help is what kong prints below the summary of the command.
func (*lettersDiscardCommand) Help() string {
	return `What the call was is lost; that it failed is kept for as long as other results
(wampgate.deadletter.discard). Those before one that is refused are discarded.`
}

// Run forgets dead letters.
func (c *lettersDiscardCommand) Run(ctx context.Context, p *process) error {
	return c.with(ctx, p, func(m *metaClient) error {
		return c.each(p, m, "wampgate.deadletter.discard", "discarded")
	})
}
