package test

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "rewrite conformance/README.md with what the run saw")

// conformanceTable is where the table is committed.
const conformanceTable = "conformance/README.md"

// A behavior is a row of the table: what a client does as caller, as callee or
// as both, and the gateway with it. The other side is played by hand.
type behavior struct {
	name    string
	feature string           // what WELCOME calls it; empty if it has no name for it
	there   func(*cell) bool // whether the gateway has it, where the feature does not tell
	caller  func(*cell)      // the client calls
	callee  func(*cell)      // the client serves
}

// conformers are the clients of the table, in the order of its columns.
func conformers() []string { return []string{"wampy", "autobahn", "autobahn-python"} }

// TestConformance fills the table: each behavior with each client as caller and
// as callee, over each serializer. What a client cannot do it says by itself,
// or it shows in what it sends. The table that comes out must be the committed
// one.
func TestConformance(t *testing.T) { //nolint:tparallel // the table is made when the cells are through
	t.Parallel()
	g := start(t, rawSocketFlags(t)...)
	rows := behaviorsOf(t, g)
	saw := newTable(rows)
	t.Run("clients", func(t *testing.T) { // returns when all cells are through
		for _, library := range conformers() {
			t.Run(library, func(t *testing.T) {
				t.Parallel()
				fetchClients(t, library)
				saw.has(library)
				for _, serializer := range serializers() {
					for _, role := range []string{"caller", "callee"} {
						t.Run(serializer+"_"+role, func(t *testing.T) {
							t.Parallel()
							s := &seat{t: t, g: g, library: library, serializer: serializer, role: role}
							s.fill(rows, saw)
						})
					}
				}
			})
		}
	})
	saw.check(t)
}

// behaviorsOf returns the rows that this gateway has.
func behaviorsOf(t *testing.T, g *gateway) []behavior {
	t.Helper()
	p := joinWith(soon(t), t, g, handFeatures)
	announced := featuresOf(p.want(soon(t), t, codeWelcome).dict(1))
	s := &seat{t: t, g: g, peer: p}
	return slices.DeleteFunc(behaviors(), func(b behavior) bool {
		c := &cell{seat: s, t: t, ctx: soon(t), row: b, uri: "test.probe"}
		return b.feature != "" && !slices.Contains(announced, b.feature) || b.there != nil && !b.there(c)
	})
}

// handFeatures are what the peers that are played by hand can do.
const handFeatures = `"call_canceling":true,"call_reroute":true,"call_timeout":true,"call_trustlevels":true,"caller_identification":true,
	"pattern_based_registration":true,"payload_passthru_mode":true,"progressive_call_invocations":true,"progressive_call_results":true,
	"registration_revocation":true,"sharded_registration":true,"shared_registration":true`

// A seat is where the clients of one kind sit, one after the other: some
// behavior makes a client hang up.
type seat struct {
	t                         *testing.T
	g                         *gateway
	library, serializer, role string

	client *client // at present; nil before the first
	second *client // of the same kind, beside it; nil before it is needed
	peer   *peer   // the other side
	last   int     // request id of the peer
}

// fill runs the cells of a column.
func (s *seat) fill(rows []behavior, saw *table) {
	s.t.Helper()
	s.peer = joinWith(within(s.t, 4*patience), s.t, s.g, handFeatures)
	for i, row := range rows {
		do := row.caller
		if s.role == "callee" {
			do = row.callee
		}
		if do == nil {
			continue
		}
		s.sit()
		s.t.Run(row.name, func(t *testing.T) {
			uri := fmt.Sprintf("%s_row_%d", procedure(s.client, s.role), i)
			c := &cell{seat: s, t: t, ctx: soon(t), row: row, uri: uri, from: s.peer.got.len()}
			defer func() { saw.note(i, s, c.outcome()) }()
			do(c)
		})
	}
}

// sit makes sure that there is a client with a session.
func (s *seat) sit() {
	s.t.Helper()
	if s.client == nil || s.client.hungUp() {
		s.client = s.another(s.t)
	}
}

// another starts a further client, which stays as long as the seat; it is t
// that fails if it cannot join.
func (s *seat) another(t *testing.T) *client {
	t.Helper()
	c := startClient(s.t, s.library, s.serializer)
	c.join(soon(t), t, s.g, command{"trace": true})
	return c
}

// hungUp reports whether the client's session has ended.
func (c *client) hungUp() bool {
	return slices.ContainsFunc(c.events.all(), func(e event) bool { return e.Event == "closed" })
}

// A table is what the cells have shown.
type table struct {
	rows []behavior

	mu    sync.Mutex                   // guards the following fields
	cells map[string]map[string]string // row and column → serializer → outcome
	seen  []string                     // the libraries that were there
}

// passed is the outcome of a cell whose client did what it should. Other
// outcomes are why it cannot.
const passed = "yes"

func newTable(rows []behavior) *table {
	return &table{rows: rows, cells: map[string]map[string]string{}}
}

func (x *table) has(library string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen = append(x.seen, library)
}

func (x *table) note(row int, s *seat, outcome string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	key := columnKey(row, s.library, s.role)
	if x.cells[key] == nil {
		x.cells[key] = map[string]string{}
	}
	x.cells[key][s.serializer] = outcome
}

func columnKey(row int, library, role string) string {
	return fmt.Sprint(row, " ", library, " ", role)
}

// check compares the table with the committed one.
func (x *table) check(t *testing.T) {
	t.Helper()
	if t.Failed() {
		return // a table of failures is none
	}
	if len(x.seen) < len(conformers()) {
		without(t, "client of each kind", "the comparison with "+conformanceTable)
	}
	got := x.String()
	if *update {
		if err := os.WriteFile(conformanceTable, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(conformanceTable)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what the run saw; go test ./test -run Conformance -update rewrites it:\n%s", conformanceTable, got)
	}
}

const conformanceHead = `# Conformance

What WAMP clients written by others can do with wampgate, as callers and as callees. ` + "`go test ./test -run Conformance`" + ` runs every cell against the built
gateway, over JSON, MessagePack and CBOR, and fails when this file says something else; with ` + "`-update`" + ` it writes this file. "yes" is what works with
all three. A number leads to why a client cannot: what its library says, or what is missing in the messages that it sends.

`

// String returns the file.
func (x *table) String() string {
	var b strings.Builder
	b.WriteString(conformanceHead)
	fmt.Fprintf(&b, "The clients: %s.\n\n", strings.Join(clientVersions(), ", "))
	b.WriteString("| behavior | feature |")
	rule := "|---|---|"
	for _, library := range conformers() {
		fmt.Fprintf(&b, " %s calls | serves |", displayName(library))
		rule += "---|---|"
	}
	b.WriteString("\n" + rule + "\n")
	var notes []string
	for i, row := range x.rows {
		fmt.Fprintf(&b, "| %s | %s |", row.name, code(row.feature))
		for _, library := range conformers() {
			for _, role := range []string{"caller", "callee"} {
				fmt.Fprintf(&b, " %s |", x.cell(i, library, role, &notes))
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	for i, note := range notes {
		fmt.Fprintf(&b, "%d. %s\n", i+1, note)
	}
	return b.String()
}

// cell returns the text of a cell: "yes", numbers of notes, or nothing where
// the behavior is none of this role. Serializers are named where they differ.
func (x *table) cell(row int, library, role string, notes *[]string) string {
	outcomes := x.cells[columnKey(row, library, role)]
	var texts []string
	for _, serializer := range serializers() {
		text := outcomes[serializer]
		if text != passed && text != "" {
			i := slices.Index(*notes, text)
			if i < 0 {
				i = len(*notes)
				*notes = append(*notes, text)
			}
			text = fmt.Sprintf("no (%d)", i+1)
		}
		texts = append(texts, text)
	}
	if len(slices.Compact(slices.Clone(texts))) == 1 {
		return texts[0]
	}
	for i, serializer := range serializers() {
		texts[i] = serializer + ": " + texts[i]
	}
	return strings.Join(texts, ", ")
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

func displayName(library string) string {
	return cmp.Or(map[string]string{"autobahn": "autobahn-js"}[library], library)
}

// clientVersions names the clients as the tests install them.
func clientVersions() []string {
	var npm struct{ Dependencies map[string]string }
	data, _ := os.ReadFile("clients/package.json")
	_ = json.Unmarshal(data, &npm)
	requirements, _ := os.ReadFile("clients/requirements.txt")
	python := regexp.MustCompile(`autobahn==(\S+)`).FindSubmatch(requirements)
	var names []string
	for _, library := range conformers() {
		version := npm.Dependencies[library]
		if version == "" && len(python) == 2 {
			version = string(python[1])
		}
		names = append(names, displayName(library)+" "+version)
	}
	return names
}
