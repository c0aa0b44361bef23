package gateway

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/bind"
	"github.com/wampgate/wampgate/openapi"
	"github.com/wampgate/wampgate/openapi/validate"
)

// An AnswerCheck says what becomes of an answer that is not as its document
// describes it.
type AnswerCheck uint8

// The checks of answers.
const (
	AnswersUnchecked AnswerCheck = iota
	AnswersLogged                // it is sent, and logged
	AnswersEnforced              // a problem is sent in its place, 502
)

// An Import is a document whose operations are served as routes.
type Import struct {
	Name       string // of the import, for messages
	Prefix     string // of the paths, such as "/api"; neither empty nor ending in '/'
	Document   *openapi.Document
	Operations []*validate.Operation // compiled, in the document's order
	Answers    AnswerCheck
}

// An ImportedOperation is a route that an Import makes.
type ImportedOperation struct {
	Import       string
	Method, Path string // with the prefix; a template
	ID           string // operationId, or empty
	Procedure    wamp.URI
}

// imports are all routes that come of documents. They do not change.
type imports struct {
	mux      *chi.Mux
	routes   map[string]*importedRoute // by method, space, pattern
	safe     map[wamp.URI]bool         // procedures that a document declares safe
	list     []ImportedOperation
	contexts sync.Pool // of *chi.Context
}

// An importedRoute is one operation of a document, ready to be served.
type importedRoute struct {
	*openapi.Operation
	name    string // of the import
	binding *bind.Binding
	checks  *validate.Operation
	answers AnswerCheck

	status, empty int      // of results with a body, and without
	media         []string // in JSON, that results with a body may have
}

// SetImports puts other documents in the place of those that are served. Each
// request meets the old routes or the new ones. The error, an openapi.Faults,
// says what cannot be a route; nothing changes then.
func (g *Gateway) SetImports(all []Import) error {
	next := &imports{mux: chi.NewRouter(), routes: map[string]*importedRoute{}, safe: map[wamp.URI]bool{}}
	var faults openapi.Faults
	for i := range all {
		for j := range all[i].Document.Operations {
			op := &all[i].Document.Operations[j]
			if text := next.add(&all[i], op, all[i].Operations[j]); text != "" {
				faults = append(faults, openapi.Fault{File: all[i].Document.File, Pointer: op.Pointer, Text: text})
			}
		}
	}
	if len(faults) > 0 {
		return faults
	}
	next.headsToo()
	slices.SortFunc(next.list, func(a, b ImportedOperation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	if len(all) == 0 {
		next = nil
	}
	g.imports.Store(next)
	return nil
}

// Imported lists the routes that come of documents, by path and method.
func (g *Gateway) Imported() []ImportedOperation {
	if t := g.imports.Load(); t != nil {
		return slices.Clone(t.list)
	}
	return nil
}

// reservedNames lists what the gateway has, or may come to have, below "/".
func reservedNames() []string {
	return []string{
		"admin", "batch", "call", "calls", "console", "debug", "docs", "healthz", "invocations", "metrics",
		"openapi.json", "openapi.yaml", "problems", "procedures", "readyz", "registrations", "transactions", "ws",
	}
}

// add makes a route of an operation. It returns why it cannot be one.
func (t *imports) add(in *Import, op *openapi.Operation, checks *validate.Operation) (fault string) {
	path := in.Prefix + op.Path
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if slices.Contains(reservedNames(), first) || first == "" || strings.Contains(first, "{") {
		return fmt.Sprintf("the path %s would shadow what the gateway has at /%s; give the document a prefix such as /api", path, first)
	}
	pattern := patternOf(path)
	key := op.Method + " " + pattern
	if before, twice := t.routes[key]; twice {
		return fmt.Sprintf("%s %s leads where %s of %q leads; give one of the documents another prefix", op.Method, path, before.Path, before.name)
	}
	if !t.route(op.Method, pattern) {
		return fmt.Sprintf("the path %s cannot be told from others: parameters must be apart from each other", path)
	}
	rt := &importedRoute{Operation: op, name: in.Name, binding: bind.New(op), checks: checks, answers: in.Answers}
	rt.status, rt.empty = op.Success()
	if answer, ok := op.Response(rt.status); ok {
		for _, c := range answer.Content {
			if openapi.JSONMedia(c.Media) {
				rt.media = append(rt.media, c.Media)
			}
		}
	}
	t.routes[key] = rt
	t.list = append(t.list, ImportedOperation{in.Name, op.Method, path, op.ID, op.Call.Procedure})
	if safe := op.Call.Safe; safe != nil && *safe {
		t.safe[op.Call.Procedure] = true
	}
	return ""
}

// route teaches the mux a pattern. It reports whether the mux takes it.
func (t *imports) route(method, pattern string) (ok bool) {
	defer func() { ok = recover() == nil }() // the mux panics over what it cannot tell apart
	t.mux.MethodFunc(method, pattern, func(http.ResponseWriter, *http.Request) {})
	return true
}

// headsToo lets HEAD ask for what GET does, unless that is not safe.
func (t *imports) headsToo() {
	for key, rt := range t.routes {
		pattern, isGet := strings.CutPrefix(key, http.MethodGet+" ")
		if !isGet || rt.Call.Safe != nil && !*rt.Call.Safe {
			continue
		}
		head := http.MethodHead + " " + pattern
		if _, own := t.routes[head]; !own && t.route(http.MethodHead, pattern) {
			t.routes[head] = rt
		}
	}
}

// patternOf makes a pattern for the mux of a path template. Parameters are
// called by their number, since names in documents hold anything; the rest is
// escaped as the paths of requests are.
func patternOf(path string) string {
	var b strings.Builder
	for n := 0; ; n++ {
		literal, rest, opened := strings.Cut(path, "{")
		escaped := url.URL{Path: literal}
		b.WriteString(escaped.EscapedPath())
		if !opened {
			return b.String()
		}
		fmt.Fprintf(&b, "{%d}", n)
		_, path, _ = strings.Cut(rest, "}")
	}
}

// plainPath writes an escaped path without escapes that it does not need, which
// mean the same (RFC 3986, section 2.3).
func plainPath(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	b := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && i+2 < len(path) {
			c, err := strconv.ParseUint(path[i+1:i+3], 16, 8)
			if err == nil && strings.IndexByte(unreserved, byte(c)) >= 0 {
				b = append(b, byte(c))
				i += 2
				continue
			}
		}
		b = append(b, path[i])
	}
	return string(b)
}

// unreserved are the characters that never need an escape.
const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

// find returns the route of a request and what stands for the parameters of
// its path, still escaped; nil if there is none.
func (t *imports) find(method, path string) (rt *importedRoute, parameters []string) {
	ctx, ok := t.contexts.Get().(*chi.Context)
	if !ok {
		ctx = chi.NewRouteContext()
	}
	defer t.contexts.Put(ctx)
	ctx.Reset()
	rt = t.routes[method+" "+t.mux.Find(ctx, method, path)]
	if rt == nil || slices.Contains(ctx.URLParams.Values, "") {
		return nil, nil
	}
	return rt, slices.Clone(ctx.URLParams.Values)
}

// allowed lists the methods that a path has.
func (t *imports) allowed(path string) (methods []string) {
	for _, m := range []string{"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT", "QUERY", "TRACE"} {
		if rt, _ := t.find(m, path); rt != nil {
			methods = append(methods, m)
		}
	}
	if methods != nil {
		methods = append(methods, http.MethodOptions)
		slices.Sort(methods)
	}
	return methods
}

// safe reports whether a procedure is declared safe, by its callee or by a
// document.
func (g *Gateway) safe(uri wamp.URI) bool {
	if t := g.imports.Load(); t != nil && t.safe[uri] {
		return true
	}
	return g.cfg.Safe(uri)
}

// elsewhere serves what is not at any of the gateway's own paths: the routes
// of documents.
func (g *Gateway) elsewhere(w http.ResponseWriter, r *http.Request) error {
	t := g.imports.Load()
	if t == nil {
		return g.notFound(w, r)
	}
	path := plainPath(r.URL.EscapedPath())
	rt, parameters := t.find(r.Method, path)
	if rt == nil {
		if methods := t.allowed(path); methods != nil {
			return refuse(w, r, methods)
		}
		return g.notFound(w, r)
	}
	return g.admitted(func(w http.ResponseWriter, r *http.Request) error {
		return g.callImported(w, r, rt, parameters)
	})(w, r)
}
