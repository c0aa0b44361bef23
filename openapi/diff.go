package openapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Change is one difference between two documents.
type Change struct {
	Breaking  bool   // clients of the first document may fail with the second
	Operation string // such as "GET /pets/{id}"
	Where     string // within it, such as "query parameter limit" or "request body /name"
	Text      string
}

// String returns the change as one line.
func (c Change) String() string {
	where := c.Operation
	if c.Where != "" {
		where += ", " + c.Where
	}
	return where + ": " + c.Text
}

// Diff returns what has changed from one document to another, those changes
// first that break clients. What only people read is not looked at. Schemas
// are compared by their parts, in the order in which these stand: one that says
// the same in another way may count as changed.
func Diff(before, after *Document) []Change {
	d := differ{}
	old, now := before.byRoute(), after.byRoute()
	for route, a := range old {
		b, ok := now[route]
		d.operation = a.Method + " " + a.Path
		if !ok {
			d.add(true, "", "is gone")
			continue
		}
		d.parameters(before, after, a, b)
		d.bodies(before, after, a, b)
		d.responses(before, after, a, b)
		if !a.Deprecated && b.Deprecated {
			d.add(false, "", "is deprecated now")
		}
	}
	for route, b := range now {
		if _, ok := old[route]; !ok {
			d.operation = b.Method + " " + b.Path
			d.add(false, "", "is new")
		}
	}
	slices.SortFunc(d.changes, func(a, b Change) int {
		if a.Breaking != b.Breaking {
			return map[bool]int{true: -1, false: 1}[a.Breaking]
		}
		return cmp.Or(cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Where, b.Where), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(d.changes)
}

// byRoute returns all operations by method and path; what the parameters of
// the path are called makes no difference.
func (d *Document) byRoute() map[string]*Operation {
	all := map[string]*Operation{}
	for _, list := range [][]Operation{d.Operations, d.Skipped} {
		for i := range list {
			var route strings.Builder
			route.WriteString(list[i].Method + " ")
			for rest := list[i].Path; rest != ""; {
				literal, after, _ := strings.Cut(rest, "{")
				route.WriteString(literal + "{")
				_, rest, _ = strings.Cut(after, "}")
			}
			all[route.String()] = &list[i]
		}
	}
	return all
}

// A differ collects changes.
type differ struct {
	operation string
	changes   []Change
}

func (d *differ) add(breaking bool, where, format string, args ...any) {
	d.changes = append(d.changes, Change{breaking, d.operation, where, fmt.Sprintf(format, args...)})
}

// parameters compares those of two operations; those of the path by their
// order.
func (d *differ) parameters(before, after *Document, a, b *Operation) {
	for i := range a.Parameters {
		p := &a.Parameters[i]
		where := p.In + " parameter " + p.Name
		q := counterpart(a, b, p)
		if q == nil {
			d.add(p.In != InCookie, where, "is gone, and refused")
			continue
		}
		if q.Required && !p.Required {
			d.add(true, where, "is required now")
		}
		if p.Style != q.Style || p.Explode != q.Explode || p.JSON != q.JSON {
			d.add(true, where, "is written in another way")
		}
		d.schemas(where, comparison{before.tree, after.tree, true}, p.Schema, q.Schema)
	}
	for i := range b.Parameters {
		if q := &b.Parameters[i]; counterpart(b, a, q) == nil {
			where := q.In + " parameter " + q.Name
			if q.Required {
				d.add(true, where, "is new and required")
			} else {
				d.add(false, where, "is new")
			}
		}
	}
}

// counterpart returns the parameter of another operation that one is.
func counterpart(own, other *Operation, p *Parameter) *Parameter {
	name := p.Name
	if p.In == InPath {
		i := slices.Index(own.PathNames(), name)
		names := other.PathNames()
		if i < 0 || i >= len(names) {
			return nil
		}
		name = names[i]
	}
	i := slices.IndexFunc(other.Parameters, func(q Parameter) bool {
		return q.In == p.In && (q.Name == name || q.In == InHeader && strings.EqualFold(q.Name, name))
	})
	if i < 0 {
		return nil
	}
	return &other.Parameters[i]
}

func (d *differ) bodies(before, after *Document, a, b *Operation) {
	const where = "request body"
	switch {
	case a.Body == nil && b.Body == nil:
		return
	case a.Body == nil:
		d.add(b.Body.Required, where, "is new")
		return
	case b.Body == nil:
		d.add(true, where, "is gone, and refused")
		return
	}
	if b.Body.Required && !a.Body.Required {
		d.add(true, where, "is required now")
	}
	for _, c := range a.Body.Content {
		i := Match(b.Body.Content, c.Media)
		if i < 0 {
			d.add(true, where, "%s is taken no longer", c.Media)
			continue
		}
		d.schemas(where, comparison{before.tree, after.tree, true}, c.Schema, b.Body.Content[i].Schema)
	}
}

func (d *differ) responses(before, after *Document, a, b *Operation) {
	for _, r := range a.Responses {
		where := "response " + r.Status
		i := slices.IndexFunc(b.Responses, func(o Response) bool { return o.Status == r.Status })
		if i < 0 {
			d.add(strings.HasPrefix(r.Status, "2"), where, "is gone")
			continue
		}
		for _, c := range r.Content {
			j := Match(b.Responses[i].Content, c.Media)
			if j < 0 {
				d.add(true, where, "%s is offered no longer", c.Media)
				continue
			}
			d.schemas(where, comparison{before.tree, after.tree, false}, c.Schema, b.Responses[i].Content[j].Schema)
		}
	}
}

// schemas compares those at two pointers, either of which may be empty.
func (d *differ) schemas(where string, c comparison, a, b string) {
	read := func(tree map[string]any, pointer string) any {
		if pointer == "" {
			return true
		}
		v, _ := Lookup(tree, pointer)
		return v
	}
	w := schemaDiffer{differ: d, comparison: c, where: where, seen: map[[2]string]bool{}}
	w.compare("", read(c.before, a), read(c.after, b), 0)
}
