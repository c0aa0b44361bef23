package generate

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/wampgate/wampgate/openapi"
)

// The media types of calls.
const (
	mediaJSON    = "application/json"
	mediaCall    = "application/vnd.wamp.call+json"
	mediaMsgPack = "application/msgpack"
	mediaBytes   = "application/octet-stream"
	mediaSSE     = "text/event-stream"
	mediaNDJSON  = "application/x-ndjson"
)

// told is what is used of what a callee tells.
type told struct {
	Summary    string                     `json:"summary"`
	Media      string                     `json:"media"`
	Cache      float64                    `json:"cache"`
	Respond    bool                       `json:"respond"`
	Errors     map[string]float64         `json:"errors"`
	Deprecated any                        `json:"deprecated"`
	Sunset     float64                    `json:"sunset"`
	Schema     map[string]json.RawMessage `json:"schema"`
	Stream     struct {
		In  *bool `json:"in"`
		Out *bool `json:"out"`
	} `json:"stream"`
}

// A described is a procedure as it is written down.
type described struct {
	*Procedure
	told
	args, kwargs, result, progress any // schemas; nil where none is told
	faults                         []any
}

// read understands what the callee tells. What makes no sense is left out.
func (w *writer) read(p *Procedure) *described {
	d := &described{Procedure: p}
	if len(p.Description) > 0 {
		_ = json.Unmarshal(p.Description, &d.told) // what it says is as empty then as without it
	}
	into := map[string]*any{"args": &d.args, "kwargs": &d.kwargs, "result": &d.result, "progress": &d.progress}
	for _, name := range slices.Sorted(maps.Keys(into)) {
		raw, given := d.Schema[name]
		if !given {
			continue
		}
		schema, err := openapi.ForeignSchema(raw)
		switch {
		case err != nil:
			d.faults = append(d.faults, name+": "+openapi.Escaped(err.Error()))
		case !w.Compiles(schema):
			d.faults = append(d.faults, name+": the schema is none")
		default:
			*into[name] = w.placed(p.Match+"."+p.URI+"."+name, schema)
		}
	}
	return d
}

// placed returns a schema for use in the document. Its definitions become
// components; name is what theirs begin with.
func (w *writer) placed(name string, schema any) any {
	in, _ := schema.(object)
	definitions := member(in, "$defs")
	if definitions == nil {
		return schema
	}
	components := make(map[string]string, len(definitions))
	for _, definition := range slices.Sorted(maps.Keys(definitions)) {
		component := componentName(name + "." + definition)
		for n := 2; w.schemas[component] != nil; n++ {
			component = componentName(name+"."+definition) + "-" + strconv.Itoa(n)
		}
		components[definition] = component
		w.schemas[component] = object{} // taken
	}
	to := func(definition string) string { return "#/components/schemas/" + components[definition] }
	for definition, component := range components {
		w.schemas[component] = openapi.Relocated(definitions[definition], to)
	}
	return openapi.Relocated(schema, to)
}

// componentName returns a name with the characters that those of components may
// have.
func componentName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '_'
	}, name)
}

// procedure adds the path of a procedure.
func (w *writer) procedure(p *Procedure) {
	d := w.read(p)
	tag := tagOf(p.URI)
	if w.tags[tag] == nil {
		w.tags[tag] = "Procedures of " + openapi.Escaped(tag)
	}
	path, parameters := pathOf(p)
	item := object{"post": w.operation(d, tag, "", object{"requestBody": w.requestBody(d)})}
	if p.Safe {
		item["get"] = w.operation(d, tag, ".get", object{"parameters": w.queryOf(d)})
	}
	if p.Safe && w.Version == V32 {
		item["query"] = w.operation(d, tag, ".query", object{"requestBody": w.requestBody(d)})
	}
	if parameters != nil {
		item["parameters"] = parameters
	}
	w.paths[path] = item
}

// tagOf returns the first two components of a URI.
func tagOf(uri string) string {
	parts := strings.SplitN(uri, ".", 3)
	parts = slices.DeleteFunc(parts[:min(len(parts), 2)], func(s string) bool { return s == "" })
	if len(parts) == 0 {
		return "*"
	}
	return strings.Join(parts, ".")
}

// pathOf returns the path of a procedure, and the parameters in it: what a
// prefix is followed by, or what stands in the empty components of a wildcard.
func pathOf(p *Procedure) (path string, parameters []any) {
	escape := strings.NewReplacer("{", "%7B", "}", "%7D")
	parameter := func(name, description string) string {
		parameters = append(parameters, object{"name": name, "in": "path", "required": true, "description": description, "schema": object{"type": "string", "minLength": 1}})
		return "{" + name + "}"
	}
	switch p.Match {
	case "prefix":
		return "/call/" + escape.Replace(url.PathEscape(p.URI)) + parameter("rest", "The rest of the URI"), parameters
	case "wildcard":
		parts := strings.Split(p.URI, ".")
		for i, part := range parts {
			if parts[i] = escape.Replace(url.PathEscape(part)); part == "" {
				parts[i] = parameter("part"+strconv.Itoa(i+1), "Component "+strconv.Itoa(i+1)+" of the URI")
			}
		}
		return "/call/" + strings.Join(parts, "."), parameters
	}
	return "/call/" + escape.Replace(url.PathEscape(p.URI)), nil
}

// operation describes a call by one method, with more of its own.
func (w *writer) operation(d *described, tag, suffix string, more object) object {
	id := d.URI
	if d.Match != "exact" {
		id += "." + d.Match
	}
	o := object{
		"operationId": id + suffix, "tags": []any{tag}, "summary": summaryOf(d), "description": descriptionOf(d),
		"responses":        w.responses(d, suffix != ""),
		"x-wamp-procedure": d.URI, "x-wamp-match": d.Match, "x-wamp-invoke": d.Invoke, "x-wamp-progress": d.streamsOut(),
	}
	if d.args == nil && d.kwargs == nil || d.result == nil {
		o["x-wamp-untyped"] = true
	}
	if d.faults != nil {
		o["x-wamp-schema-faults"] = d.faults
	}
	switch at := d.Deprecated.(type) {
	case bool:
		if at {
			o["deprecated"] = true
		}
	case float64:
		o["deprecated"], o["x-wamp-deprecated"] = true, at
	}
	if d.Sunset > 0 {
		o["x-wamp-sunset"] = d.Sunset
	}
	own, _ := more["parameters"].([]any)
	o["parameters"] = append(own, w.callParameters(suffix == "")...)
	if body, ok := more["requestBody"]; ok {
		o["requestBody"] = body
	}
	return o
}

// callParameters returns the parameters that any call by a method has; post is
// whether it is POST.
func (w *writer) callParameters(post bool) []any {
	names := []string{"timeout"}
	if post && w.keepsCalls() {
		names = append(names, "prefer", "idempotencyKey")
	}
	if post && w.Persistent {
		names = append(names, "trust", "delay", "not_before", "expiry")
	}
	if w.transactions() {
		names = append(names, "transaction", "readonly")
	}
	list := make([]any, len(names))
	for i, name := range names {
		list[i] = ref("parameters", name)
	}
	return list
}

func (d *described) streamsOut() bool { return d.Stream.Out == nil || *d.Stream.Out }

func summaryOf(d *described) string {
	if d.Summary != "" {
		return openapi.Escaped(d.Summary)
	}
	return "Call " + openapi.Escaped(d.URI)
}

func descriptionOf(d *described) string {
	switch d.Match {
	case "prefix":
		return "Calls any procedure whose URI begins with " + openapi.Escaped(d.URI) + " and that has no nearer registration."
	case "wildcard":
		return "Calls any procedure whose URI has something in the empty components of " + openapi.Escaped(d.URI) + "."
	}
	return "Calls the procedure " + openapi.Escaped(d.URI) + "."
}

// ref returns a reference to a component.
func ref(kind, name string) object { return object{"$ref": "#/components/" + kind + "/" + name} }

// responses describes the answers to a call.
func (w *writer) responses(d *described, cached bool) object {
	all := object{
		"200": object{
			"description": "The result",
			"headers":     object{"Wamp-Call-Id": ref("headers", "Wamp-Call-Id"), "Wamp-Result": ref("headers", "Wamp-Result"), "Server-Timing": ref("headers", "Server-Timing")},
			"content":     w.resultContent(d),
		},
		"204": object{"description": "The procedure returned nothing", "headers": object{"Wamp-Call-Id": ref("headers", "Wamp-Call-Id")}},
		"4XX": ref("responses", "Problem"),
		"5XX": ref("responses", "Problem"),
	}
	if d.Respond {
		all["2XX"] = object{"description": "What the procedure answers itself", "content": object{mediaJSON: object{"schema": orAny(d.result)}}}
		all["3XX"] = object{"description": "What the procedure answers itself"}
	}
	if cached && d.Cache > 0 {
		all["304"] = object{"description": "The client has the result already"}
	}
	if !cached && w.keepsCalls() {
		all["202"] = ref("responses", "Accepted")
	}
	byStatus := map[int][]string{}
	for uri, status := range d.Errors {
		byStatus[int(status)] = append(byStatus[int(status)], uri)
	}
	for status, uris := range byStatus {
		slices.Sort(uris)
		all[strconv.Itoa(status)] = object{
			"description": "The procedure failed, or the gateway: " + openapi.Escaped(strings.Join(uris, ", ")), "x-wamp-errors": uris,
			"headers": object{"Wamp-Error": ref("headers", "Wamp-Error"), "Wamp-Error-Source": ref("headers", "Wamp-Error-Source"), "Wamp-Retry": ref("headers", "Wamp-Retry")},
			"content": problemContent(),
		}
	}
	return all
}

// keepsCalls reports whether calls can be asked for.
func (w *writer) keepsCalls() bool { return member(w.paths, "/calls/{id}")["get"] != nil }

// transactions reports whether calls can be part of a transaction.
func (w *writer) transactions() bool { return member(w.paths, "/transactions")["post"] != nil }

func problemContent() object {
	return object{"application/problem+json": object{"schema": ref("schemas", "Problem")}}
}

func orAny(schema any) any {
	if schema == nil {
		return object{}
	}
	return schema
}

// resultContent describes the forms of a result.
func (w *writer) resultContent(d *described) object {
	content := object{
		mediaJSON:    object{"schema": orAny(d.result)},
		mediaCall:    object{"schema": ref("schemas", "Result")},
		mediaMsgPack: object{},
	}
	switch {
	case d.Media != "":
		content[d.Media] = object{}
	case d.result == nil:
		content[mediaBytes] = object{}
	}
	if d.streamsOut() {
		key := "schema"
		if w.Version == V32 {
			key = "itemSchema"
		}
		content[mediaSSE] = object{key: ref("schemas", "Event")}
		content[mediaNDJSON] = object{key: ref("schemas", "Line")}
		if d.progress != nil {
			content[mediaNDJSON] = object{key: ref("schemas", "Line"), "x-wamp-progress-schema": d.progress}
		}
	}
	return content
}
