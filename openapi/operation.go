package openapi

import (
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// An Operation is one method of one path.
type Operation struct {
	Method, Path string // upper case; the template as it stands in the document
	ID, Summary  string
	Pointer      string // JSON pointer of the operation
	Deprecated   bool
	Parameters   []Parameter // its own and those of its path
	Body         *Body       // nil if it takes none
	Responses    []Response  // by status
	Call         Call
}

// PathNames returns the names of the parameters in the operation's path, in the
// order in which they stand there.
func (op *Operation) PathNames() (names []string) {
	for path := op.Path; ; {
		_, after, opened := strings.Cut(path, "{")
		name, rest, closed := strings.Cut(after, "}")
		if !opened || !closed {
			return names
		}
		names, path = append(names, name), rest
	}
}

// A Call says what an operation does.
type Call struct {
	Procedure wamp.URI
	Derived   bool                // Procedure comes of the Mapping, not of the document
	Args      []Template          // x-wamp-args; nil leaves all to Kwargs
	Kwargs    map[string]Template // x-wamp-kwargs; nil with nil Args means everything, by name
	WholeBody bool                // an object in the body is one keyword argument, "body"
	Status    int                 // of a result; 0 leaves it to the responses
	Errors    map[wamp.URI]int    // statuses of error URIs, or of those they begin with
	Timeout   time.Duration       // 0 if the document does not say
	Safe      *bool               // nil if the document does not say
}

// Explicit reports whether the document says which arguments a call has.
func (c *Call) Explicit() bool { return c.Args != nil || c.Kwargs != nil }

// The places of parameters.
const (
	InPath   = "path"
	InQuery  = "query"
	InHeader = "header"
	InCookie = "cookie"
)

// A Parameter is one of an operation.
type Parameter struct {
	Name, In   string
	Required   bool
	Style      string // form, simple, …
	Explode    bool
	AllowEmpty bool
	JSON       bool   // it is written as JSON, as "content" says
	Schema     string // JSON pointer of its schema, or ""
	Shape      *Shape // never nil
}

// A Body is what an operation takes.
type Body struct {
	Required bool
	Content  []Content
}

// A Content is one media type of a body.
type Content struct {
	Pointer string // JSON pointer of the content
	Media   string // as written, or a range such as "text/*"
	Schema  string // JSON pointer of its schema, or ""
	Shape   *Shape // never nil
}

// A Response is one answer of an operation.
type Response struct {
	Status  string // "200", "4XX" or "default"
	Content []Content
	Pointer string // JSON pointer of the response
}

// methods lists those that a path may have.
func methods() []string {
	return []string{"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"}
}

// pathItem reads the operations of a path.
func (l *loader) pathItem(item member) {
	if strings.ContainsAny(item.key, "?#*") {
		l.warn(item.at, "a path with '?', '#' or '*' can never be asked for, and is left out")
		return
	}
	names := l.template(item)
	n := l.follow(item.node)
	var shared []Parameter
	if list, ok := n.get("parameters"); ok {
		shared = l.parameters(list)
	}
	for _, m := range l.members(n) {
		if !slices.Contains(methods(), m.key) {
			continue
		}
		op := Operation{Method: strings.ToUpper(m.key), Path: item.key, Pointer: join(item.at, m.key)}
		l.operation(&op, m.node, shared, names)
	}
}

// template checks the path that an item stands under and returns the names of
// its parameters.
func (l *loader) template(item member) (names []string) {
	if !strings.HasPrefix(item.key, "/") {
		l.fault(item.at, "a path begins with '/'")
		return nil
	}
	rest := item.key
	for {
		before, after, opened := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			l.fault(item.at, "a '}' without '{'")
		}
		if !opened {
			return names
		}
		name, next, closed := strings.Cut(after, "}")
		if !closed || name == "" || strings.Contains(name, "{") || strings.Contains(name, "/") {
			l.fault(item.at, "a '{' without the name of a parameter and '}'")
			return names
		}
		if slices.Contains(names, name) {
			l.fault(item.at, "the parameter {%s} is there twice", name)
		}
		names, rest = append(names, name), next
	}
}

// operation reads one and files it.
func (l *loader) operation(op *Operation, n node, shared []Parameter, names []string) {
	object, ok := n.v.(map[string]any)
	if !ok {
		l.fault(n.at, "must be an object")
		return
	}
	op.ID, op.Summary, op.Deprecated = text(object["operationId"]), text(object["summary"]), truth(object["deprecated"])
	if list, ok := n.get("parameters"); ok {
		op.Parameters = l.parameters(list)
	}
	for _, p := range shared {
		if !has(op.Parameters, p.In, p.Name) {
			op.Parameters = append(op.Parameters, p)
		}
	}
	op.Parameters = slices.DeleteFunc(op.Parameters, func(p Parameter) bool { return p.In == InPath && !slices.Contains(names, p.Name) })
	for _, name := range names {
		if !has(op.Parameters, InPath, name) {
			l.warn(n.at, "the parameter {%s} of the path is not described; it is taken as text", name)
			op.Parameters = append(op.Parameters, Parameter{
				Name: name, In: InPath, Required: true, Style: "simple", Shape: &Shape{Kinds: String, Open: true},
			})
		}
	}
	if body, ok := n.get("requestBody"); ok {
		op.Body = l.body(body)
	}
	if responses, ok := n.get("responses"); ok {
		l.responses(op, responses)
	}
	if l.call(op, n) {
		l.doc.Operations = append(l.doc.Operations, *op)
	} else {
		l.doc.Skipped = append(l.doc.Skipped, *op)
	}
}

func has(parameters []Parameter, in, name string) bool {
	return slices.ContainsFunc(parameters, func(p Parameter) bool { return p.In == in && p.Name == name })
}

// parameters reads a list of them. Those that OpenAPI says to ignore, and
// cookies, which are none of an API's business here, are left out.
func (l *loader) parameters(list node) (all []Parameter) {
	for _, entry := range l.elements(list) {
		n := l.follow(entry)
		object, ok := n.v.(map[string]any)
		if !ok {
			l.fault(entry.at, "must be a parameter, which is an object")
			continue
		}
		p := Parameter{Name: text(object["name"]), In: text(object["in"]), Required: truth(object["required"]), AllowEmpty: truth(object["allowEmptyValue"])}
		switch {
		case p.Name == "":
			l.fault(entry.at, "the parameter has no name")
			continue
		case !slices.Contains([]string{InPath, InQuery, InHeader, InCookie}, p.In):
			l.fault(entry.at, `the parameter %q has "in": %q; want path, query, header or cookie`, p.Name, p.In)
			continue
		case p.In == InHeader && ignored(p.Name):
			continue
		case has(all, p.In, p.Name):
			l.fault(entry.at, "the %s parameter %q is there twice", p.In, p.Name)
			continue
		}
		l.serialization(&p, n, object)
		all = append(all, p)
	}
	return all
}

// ignored reports whether a header is one that OpenAPI describes elsewhere.
func ignored(header string) bool {
	switch textproto.CanonicalMIMEHeaderKey(header) {
	case "Accept", "Content-Type", "Authorization":
		return true
	}
	return false
}

// serialization reads how a parameter is written, and its schema.
func (l *loader) serialization(p *Parameter, n node, object map[string]any) {
	p.Style, p.Shape = text(object["style"]), &Shape{Open: true}
	styles := map[string][]string{
		InPath: {"simple", "label", "matrix"}, InQuery: {"form", "spaceDelimited", "pipeDelimited", "deepObject"},
		InHeader: {"simple"}, InCookie: {"form"},
	}[p.In]
	if p.Style == "" {
		p.Style = styles[0]
	}
	if !slices.Contains(styles, p.Style) {
		l.fault(n.at, "the style %q is not for a %s parameter; want one of %s", p.Style, p.In, strings.Join(styles, ", "))
	}
	p.Explode = p.Style == "form"
	if explode, ok := object["explode"].(bool); ok {
		p.Explode = explode
	}
	schema, ok := n.get("schema")
	if content, described := n.get("content"); described {
		for _, c := range l.content(content) {
			p.JSON = JSONMedia(c.Media)
			p.Schema, p.Shape = c.Schema, c.Shape
		}
		return
	}
	if ok {
		p.Schema, p.Shape = schema.at, l.shape(schema)
	}
}

// body reads what an operation takes.
func (l *loader) body(n node) *Body {
	n = l.follow(n)
	object, ok := n.v.(map[string]any)
	if !ok {
		l.fault(n.at, "must be a request body, which is an object")
		return nil
	}
	b := &Body{Required: truth(object["required"])}
	if content, ok := n.get("content"); ok {
		b.Content = l.content(content)
	}
	return b
}

// content reads the media types of a body, the exact ones first.
func (l *loader) content(n node) (all []Content) {
	for _, m := range l.members(n) {
		c := Content{Pointer: m.at, Media: strings.ToLower(strings.TrimSpace(m.key)), Shape: &Shape{Open: true}}
		if media, _, ok := strings.Cut(c.Media, ";"); ok {
			c.Media = strings.TrimSpace(media)
		}
		if major, minor, ok := strings.Cut(c.Media, "/"); !ok || major == "" || minor == "" {
			l.warn(m.at, "%.80q is no media type, and is left out", m.key)
			continue
		}
		if schema, ok := m.get("schema"); ok {
			c.Schema, c.Shape = schema.at, l.shape(schema)
		}
		all = append(all, c)
	}
	slices.SortStableFunc(all, func(a, b Content) int {
		return strings.Count(a.Media, "*") - strings.Count(b.Media, "*")
	})
	return all
}

// JSONMedia reports whether a media type is one of JSON.
func JSONMedia(media string) bool {
	return media == "application/json" || strings.HasSuffix(media, "+json")
}

// responses reads the answers of an operation.
func (l *loader) responses(op *Operation, n node) {
	for _, m := range l.members(n) {
		if _, err := strconv.ParseUint(m.key, 10, 16); (err != nil || len(m.key) != 3) && m.key != "default" && !statusRange(m.key) {
			l.fault(m.at, "%.20q is no status: want one such as 200, 4XX, or default", m.key)
			continue
		}
		response := l.follow(m.node)
		r := Response{Status: strings.ToUpper(m.key), Pointer: response.at}
		if m.key == "default" {
			r.Status = m.key
		}
		if content, ok := response.get("content"); ok {
			r.Content = l.content(content)
		}
		op.Responses = append(op.Responses, r)
	}
}

func statusRange(s string) bool {
	return len(s) == 3 && s[0] >= '1' && s[0] <= '5' && strings.EqualFold(s[1:], "XX")
}

// Success returns the status of a result, by what the operation describes:
// the lowest one that has a body, and the lowest one that has none. Either is
// the other's where only one is described, 200 and 204 where none is.
// x-wamp-status comes before all, but a result that has a body never gets a
// status that has none.
func (op *Operation) Success() (body, empty int) {
	body, empty = op.described()
	switch s := op.Call.Status; {
	case s == 0:
	case bodyless(s):
		empty = s
	default:
		body, empty = s, s
	}
	return body, empty
}

// described is Success by the responses alone.
func (op *Operation) described() (body, empty int) {
	for _, r := range op.Responses {
		status, err := strconv.Atoi(r.Status)
		if err != nil || status < http.StatusOK || status >= http.StatusMultipleChoices {
			continue
		}
		if at := &body; len(r.Content) == 0 || bodyless(status) {
			at = &empty
			if *at == 0 {
				*at = status
			}
		} else if *at == 0 {
			*at = status
		}
	}
	switch {
	case body == 0 && empty == 0:
		return http.StatusOK, http.StatusNoContent
	case body == 0 && bodyless(empty):
		return http.StatusOK, empty
	case body == 0:
		return empty, empty
	case empty == 0:
		return body, http.StatusNoContent
	}
	return body, empty
}

// bodyless reports whether answers with a status have no body.
func bodyless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusResetContent
}

// Response returns what is described for a status: exactly, as a range, or as
// the default.
func (op *Operation) Response(status int) (Response, bool) {
	code := strconv.Itoa(status)
	for _, name := range []string{code, code[:1] + "XX", "default"} {
		if i := slices.IndexFunc(op.Responses, func(r Response) bool { return r.Status == name }); i >= 0 {
			return op.Responses[i], true
		}
	}
	return Response{}, false
}

// Match returns the content that a media type, in lower case and without
// parameters, is; -1 if there is none.
func Match(all []Content, media string) int {
	major, _, _ := strings.Cut(media, "/")
	return slices.IndexFunc(all, func(c Content) bool {
		return c.Media == media || c.Media == "*/*" || c.Media == major+"/*"
	})
}
