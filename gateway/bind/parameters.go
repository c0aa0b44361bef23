package bind

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/wampgate/wampgate/openapi"
)

// Parameters reads the parameters of a request, in the order of the
// operation's. What cannot be read, is missing, or is in the query without
// being a parameter, is returned as violations.
func (b *Binding) Parameters(r *Request) ([]Value, []openapi.Violation) {
	p := reader{Binding: b, request: r, values: make([]Value, len(b.op.Parameters))}
	p.splitQuery()
	for i := range b.op.Parameters {
		parameter := &b.op.Parameters[i]
		v, fault := p.read(parameter)
		switch {
		case fault != "":
			p.fault(parameter.Name, fault)
		case !v.Given && parameter.Required && parameter.In != openapi.InCookie:
			p.fault(parameter.Name, "is missing; it is a "+parameter.In+" parameter")
		}
		p.values[i] = v
	}
	for _, pair := range p.query {
		if !pair.claimed {
			p.fault(pair.name, "is no parameter of this operation"+p.offer())
		}
	}
	return p.values, p.violations
}

// A reader reads the parameters of one request.
type reader struct {
	*Binding
	request    *Request
	values     []Value
	query      []pair
	violations []openapi.Violation
}

// A pair is one name=value of the query.
type pair struct {
	name    string
	raw     string // the value, still escaped
	claimed bool   // some parameter is read from it
}

func (p *reader) fault(name, detail string) {
	v := openapi.Violation{Parameter: strings.ToValidUTF8(name, "\uFFFD"), Detail: detail}
	if !slices.Contains(p.violations, v) {
		p.violations = append(p.violations, v)
	}
}

// offer lists the query's parameters.
func (p *reader) offer() string {
	var names []string
	for i := range p.op.Parameters {
		if parameter := &p.op.Parameters[i]; parameter.In == openapi.InQuery {
			names = append(names, parameter.Name)
		}
	}
	if len(names) == 0 {
		return ", which has none in the query"
	}
	return "; there are " + strings.Join(names, ", ")
}

// splitQuery splits the query. Values stay as they are: a comma that separates
// is written, one that belongs to a value is escaped.
func (p *reader) splitQuery() {
	for part := range strings.SplitSeq(p.request.Query, "&") {
		if part == "" {
			continue
		}
		name, raw, _ := strings.Cut(part, "=")
		decoded, err := url.QueryUnescape(name)
		if err != nil {
			p.fault(name, "has a bad percent escape")
			continue
		}
		p.query = append(p.query, pair{name: decoded, raw: raw})
	}
}

// read returns the value of one parameter.
func (p *reader) read(parameter *openapi.Parameter) (Value, string) {
	switch parameter.In {
	case openapi.InPath:
		i := slices.Index(p.path, parameter.Name)
		if i < 0 || i >= len(p.request.Path) {
			return Value{}, ""
		}
		return inPath(parameter, p.request.Path[i])
	case openapi.InHeader:
		fields := p.request.Header[http.CanonicalHeaderKey(parameter.Name)]
		if len(fields) == 0 {
			return Value{}, ""
		}
		return written(parameter, strings.Join(fields, ","), ",", func(s string) (string, error) { return strings.TrimSpace(s), nil })
	case openapi.InQuery:
		return p.inQuery(parameter)
	}
	return Value{}, ""
}

// inPath reads a parameter of the path, which has the styles simple, label and
// matrix.
func inPath(p *openapi.Parameter, raw string) (Value, string) {
	separator := ","
	switch p.Style {
	case "label":
		text, ok := strings.CutPrefix(raw, ".")
		if !ok {
			return Value{}, "must begin with '.'"
		}
		if raw = text; p.Explode {
			separator = "."
		}
	case "matrix":
		text, ok := strings.CutPrefix(raw, ";")
		if !ok {
			return Value{}, "must begin with ';'"
		}
		raw = text
		if p.Explode && p.Shape.Kinds.Has(openapi.Array) {
			raw, separator = strings.TrimPrefix(strings.ReplaceAll(raw, ";"+p.Name+"=", ";"), p.Name+"="), ";"
			break
		}
		if p.Explode && p.Shape.Kinds.Has(openapi.Object) {
			separator = ";"
			break
		}
		if raw, ok = strings.CutPrefix(raw, p.Name+"="); !ok {
			return Value{}, "must begin with ';" + p.Name + "='"
		}
	}
	return written(p, raw, separator, url.PathUnescape)
}

// written reads a value whose parts stand in one text.
func written(p *openapi.Parameter, raw, separator string, decode func(string) (string, error)) (Value, string) {
	kinds := p.Shape.Kinds
	switch {
	case p.JSON:
		text, err := decode(raw)
		if err != nil {
			return Value{}, "has a bad percent escape"
		}
		return fromJSON(text)
	case kinds.Has(openapi.Array) && !kinds.Has(openapi.String):
		return list(p.Shape.Items, strings.Split(raw, separator), decode)
	case kinds.Has(openapi.Object) && !kinds.Has(openapi.String):
		return object(p.Shape, members(raw, separator, p.Explode), decode)
	}
	text, err := decode(raw)
	if err != nil {
		return Value{}, "has a bad percent escape"
	}
	return scalar(p.Shape, text)
}

// inQuery reads a parameter of the query.
func (p *reader) inQuery(parameter *openapi.Parameter) (Value, string) {
	kinds := parameter.Shape.Kinds
	switch {
	case parameter.Style == "deepObject":
		return p.deepObject(parameter)
	case explodes(parameter):
		return p.exploded(parameter)
	}
	raw := p.claim(parameter.Name)
	isList := kinds.Has(openapi.Array) && !parameter.JSON
	if isList && len(raw) == 0 {
		raw = p.claim(parameter.Name + "[]") // as many write lists
	}
	separator := delimiter(parameter.Style, raw)
	switch {
	case len(raw) == 0:
		return Value{}, ""
	case isList && parameter.Explode && (len(raw) > 1 || !kinds.Has(openapi.String)):
		return list(parameter.Shape.Items, raw, url.QueryUnescape)
	case len(raw) > 1:
		return Value{}, "is given more than once"
	case raw[0] == "" && parameter.AllowEmpty:
		return Value{true, empty(kinds)}, ""
	}
	return written(parameter, raw[0], separator, url.QueryUnescape)
}

// explodes reports whether a parameter is an object whose members stand in the
// query by their own names.
func explodes(p *openapi.Parameter) bool {
	return p.Explode && !p.JSON && p.Shape.Kinds.Has(openapi.Object) && !p.Shape.Kinds.Has(openapi.String|openapi.Array)
}

// delimiter returns what separates the parts of values in a style, and writes
// it in one way in all of them.
func delimiter(style string, raw []string) string {
	delimiter, other := ",", strings.NewReplacer()
	switch style {
	case "spaceDelimited":
		delimiter, other = "%20", strings.NewReplacer("+", "%20")
	case "pipeDelimited":
		delimiter, other = "|", strings.NewReplacer("%7C", "|", "%7c", "|")
	}
	for i := range raw {
		raw[i] = other.Replace(raw[i])
	}
	return delimiter
}

// empty returns what a parameter without a value is that may have none.
func empty(kinds openapi.Kinds) any {
	if kinds.Has(openapi.Boolean) {
		return true
	}
	return ""
}

// claim takes the values with a name out of the query.
func (p *reader) claim(name string) (raw []string) {
	for i := range p.query {
		if p.query[i].name == name {
			p.query[i].claimed = true
			raw = append(raw, p.query[i].raw)
		}
	}
	return raw
}

// exploded reads an object whose members stand in the query by their own
// names. One that may have any takes all that are nobody else's.
func (p *reader) exploded(parameter *openapi.Parameter) (Value, string) {
	var found [][2]string
	for i := range p.query {
		pair := &p.query[i]
		_, known := parameter.Shape.Properties[pair.name]
		if known || len(parameter.Shape.Properties) == 0 && parameter.Shape.Open && !p.known(pair.name) {
			pair.claimed = true
			found = append(found, [2]string{pair.name, pair.raw})
		}
	}
	if found == nil {
		return Value{}, ""
	}
	return object(parameter.Shape, found, url.QueryUnescape)
}

// known reports whether a parameter of the query has that name.
func (p *reader) known(name string) bool {
	return slices.ContainsFunc(p.op.Parameters, func(o openapi.Parameter) bool { return o.In == openapi.InQuery && o.Name == name })
}

// deepObject reads an object from name[member]=value, name[a][b]=value.
func (p *reader) deepObject(parameter *openapi.Parameter) (Value, string) {
	root := map[string]any{}
	given := false
	for i := range p.query {
		rest, ok := strings.CutPrefix(p.query[i].name, parameter.Name+"[")
		if !ok || !strings.HasSuffix(rest, "]") {
			continue
		}
		p.query[i].claimed, given = true, true
		text, err := url.QueryUnescape(p.query[i].raw)
		if err != nil {
			return Value{}, "has a bad percent escape"
		}
		path := strings.Split(strings.TrimSuffix(rest, "]"), "][")
		if fault := place(root, parameter.Shape, path, text); fault != "" {
			return Value{}, fault
		}
	}
	return Value{given, root}, ""
}

// maxNesting is how deep name[a][b]… goes.
const maxNesting = 8

// place puts a value where its path leads to, making objects on the way. An
// empty name appends to a list.
func place(at map[string]any, shape *openapi.Shape, path []string, text string) string {
	if len(path) > maxNesting {
		return "is nested too deep"
	}
	for len(path) > 2 || len(path) == 2 && path[1] != "" {
		next, _ := at[path[0]].(map[string]any)
		if at[path[0]] != nil && next == nil {
			return "has " + path[0] + " as a value and as an object"
		}
		if next == nil {
			next = map[string]any{}
			at[path[0]] = next
		}
		at, shape, path = next, Property(shape, path[0]), path[1:]
	}
	return set(at, shape, path, text)
}

// set puts a value into the object that holds it.
func set(at map[string]any, shape *openapi.Shape, path []string, text string) string {
	of := Property(shape, path[0])
	before, again := at[path[0]]
	if of != nil && of.Kinds.Has(openapi.Array) || len(path) == 2 {
		items, _ := before.([]any)
		var itemShape *openapi.Shape
		if of != nil {
			itemShape = of.Items
		}
		v, fault := scalar(itemShape, text)
		at[path[0]] = append(items, v.Any)
		return fault
	}
	if again {
		return "has " + path[0] + " more than once"
	}
	v, fault := scalar(of, text)
	at[path[0]] = v.Any
	return fault
}

// Property returns the shape of a member; nil if nothing is known of it.
func Property(s *openapi.Shape, name string) *openapi.Shape {
	if s == nil {
		return nil
	}
	return s.Properties[name]
}

// members splits name,value,name,value or name=value,name=value.
func members(raw, separator string, explode bool) (all [][2]string) {
	parts := strings.Split(raw, separator)
	if explode {
		for _, part := range parts {
			name, value, _ := strings.Cut(part, "=")
			all = append(all, [2]string{name, value})
		}
		return all
	}
	for i := 0; i < len(parts); i += 2 {
		pair := [2]string{parts[i]}
		if i+1 < len(parts) {
			pair[1] = parts[i+1]
		}
		all = append(all, pair)
	}
	return all
}
