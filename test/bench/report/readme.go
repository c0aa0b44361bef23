package report

import (
	"errors"
	"strings"
)

// The lines between which a document holds results.
const (
	beginMark = "<!-- results: begin, written by -update-readme -->\n"
	endMark   = "<!-- results: end -->\n"
)

// Replace returns a document with its results replaced.
func Replace(document, results string) (string, error) {
	before, rest, ok := strings.Cut(document, beginMark)
	_, after, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return "", errors.New("the document has no place for results")
	}
	return before + beginMark + "\n" + strings.TrimSpace(results) + "\n\n" + endMark + after, nil
}
