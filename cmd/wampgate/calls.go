package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// callsCommand is what there is to do with persistent calls.
type callsCommand struct {
	Ls     callsLsCommand     `cmd:"" help:"List persistent calls, the latest first."`
	Show   callsShowCommand   `cmd:"" help:"Tell what is known of a persistent call."`
	Cancel callsCancelCommand `cmd:"" help:"Ask for the end of a persistent call."`
}

// keptHelp is what the help of all commands about persistent calls ends with.
const keptHelp = `
A call is seen by who made it, and by role admin. In JSON, times are
milliseconds since 1970.`

type callsLsCommand struct {
	keptLimit
	metaOptions
}

// keptLimit bounds a list and says how it is printed, and is flags.
type keptLimit struct {
	Limit int  `default:"1000" placeholder:"N" help:"The most to list, from 1 to ${default}."`
	JSON  bool `name:"json" help:"Print a JSON object for each, one a line."`
}

// Help is what kong prints below the summary of the command.
func (*callsLsCommand) Help() string {
	return `The list (wampgate.call.list) has the calls that have not ended, and those whose
results are still kept.` + "\n" + keptHelp
}

// Run prints the calls of a realm.
func (c *callsLsCommand) Run(ctx context.Context, p *process) error {
	return c.with(ctx, p, func(m *metaClient) error {
		rows, err := keptRows(m, "wampgate.call.list", wamp.Dict{"limit": c.Limit})
		if err != nil {
			return err
		}
		return printKept(p.Stdout, c.JSON, rows, []column{
			{"CALL", "call_id"},
			{"OWNER", "owner"},
			{"PROCEDURE", "procedure"},
			{"STATE", "state"},
			{"ACCEPTED", "accepted"},
			{"ATTEMPTS", "attempts"},
			{"ERROR", "error"},
		})
	})
}

type callsShowCommand struct {
	keptCall
	metaOptions
}

// keptCall names a call and says how it is printed, and is arguments and flags.
type keptCall struct {
	JSON bool   `name:"json" help:"Print a JSON object."`
	ID   string `arg:"" name:"id" help:"Id of the call, as ls prints it."`
}

// Help is what kong prints below the summary of the command.
func (*callsShowCommand) Help() string {
	return `Its state is scheduled, accepted or running before its end, and succeeded,
failed, canceled, expired or dead_lettered afterwards (wampgate.call.get).` + "\n" + keptHelp
}

// Run prints a call.
func (c *callsShowCommand) Run(ctx context.Context, p *process) error {
	return c.with(ctx, p, func(m *metaClient) error {
		return showKept(p.Stdout, m, c.JSON, "wampgate.call.get", nil, c.ID)
	})
}

type callsCancelCommand struct {
	Mode string `default:"kill" enum:"skip,kill,killnowait" help:"How a callee that has it is canceled: ${enum}; ${default} unless given."`
	keptCall
	metaOptions
}

// Help is what kong prints below the summary of the command.
func (*callsCancelCommand) Help() string {
	return `A call that waits ends at once; one that a callee has ends if the callee can be
interrupted (wampgate.call.cancel). What is printed is the call at this moment:
'show' tells later what became of it. For a call that has ended nothing changes.` + "\n" + keptHelp
}

// Run asks for the end of a call and prints the call.
func (c *callsCancelCommand) Run(ctx context.Context, p *process) error {
	return c.with(ctx, p, func(m *metaClient) error {
		return showKept(p.Stdout, m, c.JSON, "wampgate.call.cancel", wamp.Dict{"mode": c.Mode}, c.ID)
	})
}

// askKept calls a procedure of who keeps calls. Where nobody does, the error
// says what a gateway needs for it.
func askKept(m *metaClient, procedure wamp.URI, kwargs wamp.Dict, args ...any) (*metaCall, error) {
	call, err := m.call(procedure, kwargs, args...)
	var refused *metaError
	if errors.As(err, &refused) && refused.uri == wamp.ErrNoSuchProcedure {
		return nil, &exitError{exitRefused, fmt.Errorf("%s: the gateway keeps nothing\n  its settings data-dir and nats-urls say where it could", procedure)}
	}
	return call, err
}

// keptRows returns the first entries of a list.
func keptRows(m *metaClient, procedure wamp.URI, kwargs wamp.Dict) ([]wamp.Dict, error) {
	call, err := askKept(m, procedure, kwargs)
	if err != nil || len(call.result) == 0 {
		return nil, err
	}
	return dictsIn(call.result[0]), nil
}

// dictsIn returns the dicts in a list, none if it is none.
func dictsIn(list any) []wamp.Dict {
	var dicts []wamp.Dict
	for _, v := range listOf(list) {
		if d, ok := v.(wamp.Dict); ok {
			dicts = append(dicts, d)
		}
	}
	return dicts
}

// showKept asks for a dict and prints it.
func showKept(out io.Writer, m *metaClient, asJSON bool, procedure wamp.URI, kwargs wamp.Dict, args ...any) error {
	call, err := askKept(m, procedure, kwargs, args...)
	if err != nil {
		return err
	}
	return printFields(out, asJSON, call.dictOf(), keptFields())
}

// keptFields are the keys of what is known of a call, in the order in which
// they are printed.
func keptFields() []string {
	return []string{"call_id", "owner", "procedure", "state", "error", "accepted", "due", "expires", "ended", "forgotten", "attempts", "crashes"}
}

// printKept is printRows for dicts with times.
func printKept(out io.Writer, asJSON bool, rows []wamp.Dict, columns []column) error {
	if !asJSON {
		for _, row := range rows {
			writeInstants(row)
		}
	}
	return printRows(out, asJSON, rows, columns)
}

// printFields writes a dict: as JSON, or as lines of a key and its value, in
// the order of fields, which others are left out.
func printFields(out io.Writer, asJSON bool, row wamp.Dict, fields []string) error {
	if asJSON {
		return printRows(out, true, []wamp.Dict{row}, nil)
	}
	writeInstants(row)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, key := range fields {
		if v, ok := row[key]; ok {
			_, _ = fmt.Fprintf(table, "%s:\t%s\n", strings.ReplaceAll(key, "_", " "), cell(v)) // Flush returns the error
		}
	}
	return table.Flush()
}

// writeInstants makes text of the times of a dict, as the meta API does.
func writeInstants(row wamp.Dict) {
	for _, key := range []string{"accepted", "begun", "due", "expires", "ended", "forgotten", "died"} {
		if ms, ok := row.Int(key); ok {
			row[key] = moment(time.UnixMilli(ms))
		}
	}
}
