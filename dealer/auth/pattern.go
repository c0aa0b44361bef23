package auth

import (
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A pattern is a set of URIs: those that a registration or a rule is for. The
// empty prefix is all of them.
type pattern struct {
	match wamp.MatchPolicy
	uri   string
}

// matches reports whether uri is in the set.
func (p pattern) matches(uri string) bool {
	switch p.match {
	case wamp.MatchPrefix:
		return strings.HasPrefix(uri, p.uri)
	case wamp.MatchWildcard:
		return sameShape(p.uri, uri, func(want, have string) bool { return want == "" || want == have })
	}
	return p.uri == uri
}

// covers reports whether all URIs of q are in p.
func (p pattern) covers(q pattern) bool {
	switch {
	case q.match == wamp.MatchExact:
		return p.matches(q.uri)
	case p.match == wamp.MatchPrefix && q.match == wamp.MatchPrefix:
		return strings.HasPrefix(q.uri, p.uri)
	case p.match == wamp.MatchPrefix:
		return strings.HasPrefix(head(q.uri), p.uri)
	case p.match == wamp.MatchWildcard && q.match == wamp.MatchWildcard:
		return sameShape(p.uri, q.uri, func(mine, its string) bool { return mine == "" || mine == its })
	}
	return p == q // an exact URI, or one shape, is less than a pattern
}

// overlaps reports whether a URI may be in both sets.
func (p pattern) overlaps(q pattern) bool {
	switch {
	case q.match == wamp.MatchExact:
		return p.matches(q.uri)
	case p.match == wamp.MatchExact:
		return q.matches(p.uri)
	case p.match == wamp.MatchPrefix && q.match == wamp.MatchPrefix:
		return strings.HasPrefix(p.uri, q.uri) || strings.HasPrefix(q.uri, p.uri)
	case p.match == wamp.MatchPrefix:
		return beginsWith(q.uri, p.uri)
	case q.match == wamp.MatchPrefix:
		return beginsWith(p.uri, q.uri)
	}
	return sameShape(p.uri, q.uri, func(a, b string) bool { return a == "" || b == "" || a == b })
}

// literals returns how many bytes of a URI the pattern spells out.
func (p pattern) literals() int {
	if p.match != wamp.MatchWildcard {
		return len(p.uri)
	}
	n := len(p.uri)
	for c := range strings.SplitSeq(p.uri, ".") {
		if c == "" {
			n-- // one dot less
		}
	}
	return max(n, 0)
}

// compare is negative if p spells out more of a URI than q: an exact URI before
// all patterns, then the one with more literal bytes.
func (p pattern) compare(q pattern) int {
	if (p.match == wamp.MatchExact) != (q.match == wamp.MatchExact) {
		if p.match == wamp.MatchExact {
			return -1
		}
		return 1
	}
	if n := q.literals() - p.literals(); n != 0 {
		return n
	}
	if p.match != q.match {
		return int(q.match) - int(p.match) // a wildcard fixes the number of components as well
	}
	return strings.Compare(p.uri, q.uri)
}

// String returns the pattern for people.
func (p pattern) String() string {
	if p.match == wamp.MatchExact {
		return p.uri
	}
	return p.match.String() + ":" + p.uri
}

// sameShape reports whether two URIs have as many components, and same for each
// pair of them.
func sameShape(a, b string, same func(a, b string) bool) bool {
	for {
		a1, a2, more := strings.Cut(a, ".")
		b1, b2, also := strings.Cut(b, ".")
		if more != also || !same(a1, b1) {
			return false
		}
		if !more {
			return true
		}
		a, b = a2, b2
	}
}

// head returns what all URIs of a wildcard pattern begin with.
func head(wildcard string) string {
	if strings.HasPrefix(wildcard, ".") || wildcard == "" {
		return ""
	}
	if before, _, ok := strings.Cut(wildcard, ".."); ok {
		return before + "."
	}
	return wildcard // without empty components, or with the last one
}

// beginsWith reports whether a URI of a wildcard pattern may begin with prefix.
func beginsWith(wildcard, prefix string) bool {
	for {
		w, restW, moreW := strings.Cut(wildcard, ".")
		p, restP, moreP := strings.Cut(prefix, ".")
		if !moreP {
			return w == "" || strings.HasPrefix(w, p)
		}
		if !moreW || w != "" && w != p {
			return false
		}
		wildcard, prefix = restW, restP
	}
}
