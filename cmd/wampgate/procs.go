package main

import (
	"cmp"
	"context"
	"slices"

	"github.com/wampgate/wampgate/dealer/wamp"
)

type procsCommand struct {
	metaOptions
	JSON bool `name:"json" help:"Print a JSON object for each procedure, one a line."`
}

// Help is what kong prints below the summary of the command.
func (*procsCommand) Help() string {
	return `The list comes from the registration meta API (wamp.registration.list and
others) over WebSocket, and holds what the session may know of. Summaries are
what callees said when they registered. The admin listener lists all
registrations, and revokes them: /admin/registrations.`
}

// Run prints the registrations of a realm in the order of their URIs.
func (c *procsCommand) Run(ctx context.Context, p *process) error {
	return c.with(ctx, p, func(m *metaClient) error {
		rows, err := registrations(m)
		if err != nil {
			return err
		}
		if !c.JSON {
			addSummaries(rows)
		}
		return printRows(p.Stdout, c.JSON, rows, []column{
			{"PROCEDURE", "uri"}, {"MATCH", "match"}, {"INVOKE", "invoke"}, {"CALLEES", "callees"}, {"SINCE", "created"}, {"SUMMARY", "summary"},
		})
	})
}

// registrations returns what there is to tell of each registration. Those that
// went while others were asked for are left out.
func registrations(m *metaClient) ([]wamp.Dict, error) {
	var ids []any
	err := m.pages("wamp.registration.list", func(result any) {
		lists, _ := result.(wamp.Dict)
		for _, policy := range []string{"exact", "prefix", "wildcard"} {
			ids = append(ids, listOf(lists[policy])...)
		}
	})
	if err != nil {
		return nil, err
	}
	var calls []*metaCall
	for _, id := range ids {
		calls = append(calls,
			&metaCall{procedure: "wamp.registration.get", args: []any{id}},
			&metaCall{procedure: "wamp.registration.count_callees", args: []any{id}})
	}
	if err := m.all(calls); err != nil {
		return nil, err
	}
	var rows []wamp.Dict
	for i := 0; i < len(calls); i += 2 {
		row := calls[i].dictOf()
		if row == nil {
			continue
		}
		if count := calls[i+1].result; len(count) > 0 {
			row["callees"] = count[0]
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b wamp.Dict) int {
		return cmp.Or(cmp.Compare(cell(a["uri"]), cell(b["uri"])), cmp.Compare(cell(a["match"]), cell(b["match"])))
	})
	return rows, describe(m, rows)
}

// describe adds what callees said, where the router knows the reflection API.
func describe(m *metaClient, rows []wamp.Dict) error {
	calls := make([]*metaCall, len(rows))
	for i, row := range rows {
		calls[i] = &metaCall{
			procedure: "wamp.reflection.procedure.describe",
			args:      []any{row["uri"], wamp.Dict{"match": row["match"]}},
		}
	}
	if err := m.all(calls); err != nil {
		return err
	}
	for i, row := range rows {
		about := calls[i].dictOf()
		if http, ok := about.Dict("http"); ok {
			row["http"] = http
		}
	}
	return nil
}

// addSummaries makes a column of what callees said.
func addSummaries(rows []wamp.Dict) {
	for _, row := range rows {
		if http, ok := row.Dict("http"); ok {
			row["summary"] = http["summary"]
		}
	}
}
