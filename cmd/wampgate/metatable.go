package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A column of a table is a key of the dicts that its rows are.
type column struct{ title, key string }

// printRows writes dicts: as JSON, one a line, or as a table with the columns.
func printRows(out io.Writer, asJSON bool, rows []wamp.Dict, columns []column) error {
	if asJSON {
		for _, row := range rows {
			line, err := wamp.JSON.AppendValue(nil, row)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(out, "%s\n", line); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	titles := make([]string, len(columns))
	for i, c := range columns {
		titles[i] = c.title
	}
	_, _ = fmt.Fprintln(table, strings.Join(titles, "\t")) // Flush returns the error
	for _, row := range rows {
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = cell(row[c.key])
		}
		_, _ = fmt.Fprintln(table, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	return table.Flush()
}

// cell writes a value into a table. What others have said may hold characters
// that would move the cursor of a terminal.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case string:
		if v == "" {
			return "-"
		}
		return strings.Map(func(r rune) rune {
			if r < ' ' || r >= 0x7f && r < 0xa0 {
				return ' '
			}
			return r
		}, v)
	}
	return fmt.Sprint(v)
}
