package main

import (
	"context"

	"github.com/wampgate/wampgate/dealer/wamp"
)

type psCommand struct {
	metaOptions
	JSON bool `name:"json" help:"Print a JSON object for each session, one a line."`
}

// Help is what kong prints below the summary of the command.
func (*psCommand) Help() string {
	return `The list comes from the session meta API (wamp.session.list and others) over
WebSocket. The session that asks is left out. The admin listener tells more, of
all realms: GET /admin/sessions.`
}

// Run prints the sessions of a realm in the order they joined.
func (c *psCommand) Run(ctx context.Context, p *process) error {
	return c.with(ctx, p, func(m *metaClient) error {
		rows, err := sessions(m)
		if err != nil {
			return err
		}
		return printRows(p.Stdout, c.JSON, rows, []column{
			{"SESSION", "session"}, {"AUTHID", "authid"}, {"AUTHROLE", "authrole"}, {"SINCE", "joined"}, {"AGENT", "agent"},
		})
	})
}

// sessions returns what there is to tell of each other session. Those that left
// while others were asked for are left out.
func sessions(m *metaClient) ([]wamp.Dict, error) {
	var calls []*metaCall
	err := m.pages("wamp.session.list", func(result any) {
		for _, id := range listOf(result) {
			if n, ok := id.(int64); !ok || wamp.ID(n) != m.self { //nolint:gosec // an id
				calls = append(calls, &metaCall{procedure: "wamp.session.get", args: []any{id}})
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if err := m.all(calls); err != nil {
		return nil, err
	}
	var rows []wamp.Dict
	for _, call := range calls {
		if row := call.dictOf(); row != nil {
			rows = append(rows, row)
		}
	}
	return rows, nil
}
