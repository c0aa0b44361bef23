package openapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// call reads the x-wamp-… members of an operation. It reports false if the
// operation has no procedure.
func (l *loader) call(op *Operation, n node) bool {
	c := &op.Call
	object, _ := n.v.(map[string]any)
	if _, ok := object["x-wamp-procedure"]; ok {
		c.Procedure = wamp.URI(text(object["x-wamp-procedure"]))
	} else if l.mapping.Procedure != "" {
		c.Procedure, c.Derived = derive(l.mapping.Procedure, op), true
		c.WholeBody = l.mapping.WholeBody
	}
	for key := range object {
		if strings.HasPrefix(key, "x-wamp-") && !slices.Contains(extensions(), key) {
			l.fault(join(n.at, key), "there is no %s; there are %s", key, strings.Join(extensions(), ", "))
		}
	}
	if c.Procedure == "" && object["x-wamp-procedure"] == nil {
		return false
	}
	if match := text(object["x-wamp-match"]); match == "prefix" || match == "wildcard" {
		return false // a registration of many procedures, in a document that wampgate made
	}
	if !c.Procedure.Valid() || strings.ContainsFunc(string(c.Procedure), unicode.IsControl) {
		l.fault(join(n.at, "x-wamp-procedure"), "%.80q is no procedure URI", c.Procedure)
	}
	l.arguments(op, n)
	l.results(c, n)
	if !c.Explicit() {
		l.clashes(op)
	}
	return true
}

// extensions lists what is read.
func extensions() []string {
	return []string{
		"x-wamp-procedure", "x-wamp-args", "x-wamp-kwargs", "x-wamp-status", "x-wamp-errors", "x-wamp-timeout", "x-wamp-safe",
		"x-wamp-match", "x-wamp-invoke", "x-wamp-progress", "x-wamp-untyped", "x-wamp-schema-faults", "x-wamp-deprecated", "x-wamp-sunset", // of documents that wampgate made
	}
}

// derive makes a procedure of an operation that names none: its operationId,
// or else its method and path, behind a prefix.
func derive(prefix string, op *Operation) wamp.URI {
	name := op.ID
	if name == "" {
		name = strings.ToLower(op.Method) + op.Path
	}
	components := strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '.' || r == '{' || r == '}' })
	for i, c := range components {
		components[i] = strings.Map(func(r rune) rune {
			if r == '#' || unicode.IsSpace(r) || unicode.IsControl(r) {
				return '_'
			}
			return r
		}, c)
	}
	if !strings.HasSuffix(prefix, ".") {
		prefix += "."
	}
	return wamp.URI(prefix + strings.Join(components, "."))
}

// arguments reads x-wamp-args and x-wamp-kwargs.
func (l *loader) arguments(op *Operation, n node) {
	if list, ok := n.get("x-wamp-args"); ok {
		op.Call.Args = []Template{}
		for _, e := range l.elements(list) {
			op.Call.Args = append(op.Call.Args, l.argument(op, e))
		}
	}
	if object, ok := n.get("x-wamp-kwargs"); ok {
		op.Call.Kwargs = map[string]Template{}
		for _, m := range l.members(object) {
			op.Call.Kwargs[m.key] = l.argument(op, m.node)
		}
	}
}

// argument reads one, and checks that the operation has what it names.
func (l *loader) argument(op *Operation, n node) Template {
	t, err := ParseTemplate(n.v)
	if err != nil {
		l.fault(n.at, "%v", err)
		return t
	}
	for _, e := range t.Expressions() {
		switch {
		case e.Place == InPath && !has(op.Parameters, InPath, e.Name):
			l.fault(n.at, "%s: the path has no {%s}", e, e.Name)
		case e.Place == InQuery && !has(op.Parameters, InQuery, e.Name):
			l.fault(n.at, "%s: the operation has no query parameter %q", e, e.Name)
		case e.Place == PlaceBody && op.Body == nil:
			l.fault(n.at, "%s: the operation takes no body", e)
		}
	}
	return t
}

// results reads what says how calls end.
func (l *loader) results(c *Call, n node) {
	if v, ok := n.get("x-wamp-status"); ok {
		if c.Status = wholeNumber(v.v); c.Status < http.StatusOK || c.Status >= http.StatusMultipleChoices {
			l.fault(v.at, "must be a status from 200 to 299")
		}
	}
	if v, ok := n.get("x-wamp-errors"); ok {
		c.Errors = map[wamp.URI]int{}
		for _, m := range l.members(v) {
			status := wholeNumber(m.v)
			if status < http.StatusBadRequest || status > 599 {
				l.fault(m.at, "must be a status from 400 to 599")
			}
			c.Errors[wamp.URI(m.key)] = status
		}
	}
	if v, ok := n.get("x-wamp-timeout"); ok {
		var valid bool
		if c.Timeout, valid = timeout(v.v); !valid {
			l.fault(v.at, "must be a number of milliseconds above 0, or a text such as 1.5s or 2m")
		}
	}
	if v, ok := n.get("x-wamp-safe"); ok {
		safe, valid := v.v.(bool)
		if !valid {
			l.fault(v.at, "must be true or false")
		}
		c.Safe = &safe
	}
}

// wholeNumber returns a number that should be one; -1 if it is none.
func wholeNumber(v any) int {
	n, ok := v.(json.Number)
	if !ok {
		return -1
	}
	i, err := n.Int64()
	if err != nil || int64(int(i)) != i {
		return -1
	}
	return int(i)
}

func timeout(v any) (time.Duration, bool) {
	const longest = 1 << 40 // milliseconds
	if ms := wholeNumber(v); ms > 0 && ms < longest {
		return time.Duration(ms) * time.Millisecond, true
	}
	d, err := time.ParseDuration(text(v))
	return d, err == nil && d >= time.Millisecond
}

// bodyName is the keyword argument that a body becomes that is no object.
const bodyName = "body"

// clashes refuses what would become the same keyword argument twice.
func (l *loader) clashes(op *Operation) {
	from := map[string]string{}
	for _, p := range op.Parameters {
		if p.In == InCookie {
			continue
		}
		if before, twice := from[p.Name]; twice {
			l.fault(op.Pointer, "the parameter %q is in %s and in %s; x-wamp-kwargs can keep them apart", p.Name, before, p.In)
		}
		from[p.Name] = p.In
	}
	if op.Body == nil {
		return
	}
	for _, c := range op.Body.Content {
		if in, twice := from[bodyName]; twice && (op.Call.WholeBody || c.Shape.Kinds != Object) {
			l.fault(op.Pointer, "the %s parameter %q has the name of the body; x-wamp-kwargs can keep them apart", in, bodyName)
		}
		if op.Call.WholeBody {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(c.Shape.Properties)) {
			if in, twice := from[name]; twice {
				l.fault(op.Pointer, "the body's member %q has the name of a %s parameter; x-wamp-kwargs, or the setting body: whole, keeps them apart", name, in)
			}
		}
	}
}
