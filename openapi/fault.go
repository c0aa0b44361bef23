package openapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxFaults is how many faults of a document are told.
const maxFaults = 100

// A Fault is one thing wrong with a document, and where.
type Fault struct {
	File    string
	Line    int    // counted from 1; 0 if it is not known
	Pointer string // JSON pointer into the document, "" for all of it
	Text    string
}

// String returns the fault as one line, such as "pets.yaml:7 /paths/~1pets/get: …".
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	if f.Pointer != "" {
		b.WriteByte(' ')
		b.WriteString(f.Pointer)
	}
	b.WriteString(": ")
	b.WriteString(f.Text)
	return b.String()
}

// Faults are what keeps a document from being used, in the order of its lines;
// never empty.
type Faults []Fault //nolint:errname // a list of them, and then an error

// Error returns all faults, each in a line of its own.
func (fs Faults) Error() string {
	lines := make([]string, 0, len(fs)+1)
	for _, f := range fs[:min(len(fs), maxFaults)] {
		lines = append(lines, f.String())
	}
	if n := len(fs) - maxFaults; n > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", n))
	}
	return strings.Join(lines, "\n")
}

// sorted orders faults by where they are, and drops those said twice.
func (fs Faults) sorted() Faults {
	slices.SortStableFunc(fs, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Pointer, b.Pointer), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(fs)
}

// A Violation is one thing wrong with a request or an answer, by its schema.
type Violation struct {
	Pointer   string // JSON pointer into the body; "" with Parameter, or for all of the body
	Parameter string // name of the parameter, or ""
	Detail    string // one sentence in our words
}
