package match

// The bounds of Nearest: it costs a tenth of a millisecond at most, however many
// URIs are stored and however long the one asked for is.
const (
	nearestScan   = 1000 // URIs looked at
	nearestLength = 256  // bytes; longer URIs have no neighbors
	nearestEdits  = 2    // edits that count as a slip of the finger
)

// Nearest returns the stored URI that uri is probably a misspelling of: at
// most two edits away (one in URIs below six bytes, none below three), where
// an edit inserts, deletes or replaces a byte or swaps two neighbors. Among
// equally near ones it takes the first in byte order. It looks at no more
// than 1,000 URIs, so in larger indexes it may miss some; it finds nothing
// for a URI of more than 256 bytes.
func (x *Index[T]) Nearest(uri string) (string, bool) {
	best, limit := "", min(nearestEdits, len(uri)/3)
	if limit == 0 || len(uri) > nearestLength {
		return "", false
	}
	var m matrix
	for _, candidate := range x.exact.uris[:min(len(x.exact.uris), nearestScan)] {
		edits := m.distance(uri, candidate, limit)
		if edits > limit || edits == limit && best != "" && best < candidate {
			continue
		}
		best, limit = candidate, edits
	}
	return best, best != ""
}

// A matrix is the working space of distance: the last three rows of the table
// of edit distances between prefixes.
type matrix [3][nearestLength + nearestEdits + 1]int

// distance returns the edit distance of a and b with swaps of neighbors
// (optimal string alignment), or limit+1 if it is larger than limit. Only
// cells within limit of the diagonal are worked out, since all others are
// above it.
func (m *matrix) distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	a, b = trimCommon(a, b)
	for j := range min(len(b), limit) + 1 {
		m[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		if m.row(a, b, i, limit) > limit {
			return limit + 1
		}
	}
	return min(m[len(a)%3][len(b)], limit+1)
}

// row fills row i and returns its least value.
func (m *matrix) row(a, b string, i, limit int) int {
	before, above, row := &m[(i+1)%3], &m[(i+2)%3], &m[i%3]
	from, to := max(1, i-limit), min(len(b), i+limit)
	row[from-1] = limit + 1
	if from == 1 {
		row[0] = i
	}
	if to == i+limit { // the cell above lies outside the band
		above[to] = limit + 1
	}
	least := row[from-1]
	for j := from; j <= to; j++ {
		cost := above[j-1]
		if a[i-1] != b[j-1] {
			cost = 1 + min(cost, above[j], row[j-1])
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cost = min(cost, before[j-2]+1)
			}
		}
		row[j] = cost
		least = min(least, cost)
	}
	return least
}

// trimCommon removes what both strings begin and end with.
func trimCommon(a, b string) (string, string) {
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return a, b
}
