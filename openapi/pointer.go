package openapi

import (
	"net/url"
	"strconv"
	"strings"
)

// join appends tokens to a JSON pointer (RFC 6901).
func join(pointer string, tokens ...string) string {
	var b strings.Builder
	b.WriteString(pointer)
	for _, t := range tokens {
		b.WriteByte('/')
		b.WriteString(EscapeToken(t))
	}
	return b.String()
}

// EscapeToken writes one token of a JSON pointer.
func EscapeToken(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1")
}

// tokens splits a JSON pointer. It fails if the pointer is none.
func tokens(pointer string) ([]string, bool) {
	if pointer == "" {
		return nil, true
	}
	if pointer[0] != '/' {
		return nil, false
	}
	all := strings.Split(pointer[1:], "/")
	for i, t := range all {
		if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(t), "~") {
			return nil, false
		}
		all[i] = strings.ReplaceAll(strings.ReplaceAll(t, "~1", "/"), "~0", "~")
	}
	return all, true
}

// Lookup returns what a JSON pointer leads to in a tree of plain values.
func Lookup(tree any, pointer string) (any, bool) {
	path, ok := tokens(pointer)
	if !ok {
		return nil, false
	}
	for _, t := range path {
		switch at := tree.(type) {
		case map[string]any:
			if tree, ok = at[t]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(t)
			if err != nil || i < 0 || i >= len(at) || strconv.Itoa(i) != t {
				return nil, false
			}
			tree = at[i]
		default:
			return nil, false
		}
	}
	return tree, true
}

// localRef returns the JSON pointer that a $ref within a document means. It
// fails for references to elsewhere.
func localRef(ref string) (pointer string, ok bool) {
	fragment, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return "", false
	}
	pointer, err := url.PathUnescape(fragment)
	if err != nil {
		return "", false
	}
	_, ok = tokens(pointer)
	return pointer, ok
}

// Resolve returns what a $ref within a document leads to.
func Resolve(root any, ref string) (any, bool) {
	pointer, ok := localRef(ref)
	if !ok {
		return nil, false
	}
	return Lookup(root, pointer)
}

// Tokens splits a JSON pointer that is known to be one.
func Tokens(pointer string) []string {
	all, _ := tokens(pointer)
	return all
}
