package gateway

import (
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/bind"
	"github.com/wampgate/wampgate/gateway/problem"
	"github.com/wampgate/wampgate/gateway/sse"
	"github.com/wampgate/wampgate/openapi"
)

// callImported makes a call of a request for the operation of a document.
func (g *Gateway) callImported(w http.ResponseWriter, r *http.Request, rt *importedRoute, path []string) error {
	rec := recordOf(w)
	q := &rec.request
	if err := g.readImported(r, rt, q); err != nil {
		return err
	}
	if err := g.shed(rec.who, priorityNormal); err != nil {
		return err
	}
	if last := r.Header.Get(sse.LastEventID); last != "" && q.out == formSSE {
		return g.resume(w, r, q, last)
	}
	request := bind.Request{Method: r.Method, URL: requestURL(r), Path: path, Query: r.URL.RawQuery, Header: r.Header}
	values, wrong := rt.binding.Parameters(&request)
	wrong = append(wrong, rt.checkParameters(values)...)
	b := g.newBuffer()
	defer g.freeBuffer(b)
	g.heed(w, r, q, b)
	var body bind.Body
	if !q.in.streams() {
		if err := g.readBody(w, r, b); err != nil {
			return err
		}
		rec.in = int64(len(b.body()))
		var err error
		var violations []openapi.Violation
		if body, violations, err = rt.readBody(q, b, r.Header.Get("Content-Type")); err != nil {
			return err
		}
		wrong = append(wrong, violations...)
	}
	payload, violations := rt.binding.Payload(&request, values, body)
	if wrong = append(wrong, violations...); len(wrong) > 0 {
		return badRequest(rt, wrong)
	}
	q.payload = payload
	if q.asResource() {
		return g.callKept(w, r, q, append([]byte(r.Method+" "+r.URL.RequestURI()+"\n"), b.body()...))
	}
	return g.perform(w, r, q)
}

// readImported understands all of r but its parameters and its body.
func (g *Gateway) readImported(r *http.Request, rt *importedRoute, q *request) (err error) {
	q.route, q.procedure = rt, rt.Call.Procedure
	q.about, q.trace = g.describe(q.procedure), traceOf(r.Header)
	if q.body, err = parseMediaType(r.Header.Get("Content-Type")); err != nil {
		return err
	}
	ans, err := rt.negotiate(r.Header["Accept"], q.about.bytesMedia())
	if err != nil {
		return err
	}
	q.out, q.media, q.format = ans.form, ans.media, ans.format
	if rt.Body != nil && rt.content(r.Header.Get("Content-Type")) >= 0 {
		q.in = framingOf(q.body, r.ContentLength, &q.options)
	}
	if compressed, err := encoded(r); err != nil || compressed && q.in.streams() {
		return badEncoding(q.in.streams())
	}
	if q.in.streams() {
		q.item = rt.checkItems(q)
	}
	if err := q.readKeeping(r); err != nil {
		return err
	}
	if err := q.checkLife(r.ContentLength); err != nil {
		return err
	}
	if rt.Call.Timeout > 0 {
		q.options.timeout, q.hasTimeout = rt.Call.Timeout, true
	}
	return g.readTimeout(r.Header, q)
}

// negotiate chooses the form of the answer: one of JSON that the document
// names, or what every call can be answered with.
func (rt *importedRoute) negotiate(accept []string, bytes string) (answer, error) {
	var o options
	if len(rt.media) == 0 || slices.Contains(rt.media, "application/json") && len(accept) == 0 {
		return negotiate(accept, &o, bytes)
	}
	ranges := parseAccept(strings.Join(accept, ","))
	if len(accept) == 0 {
		ranges = parseAccept("*/*")
	}
	var best string
	var highest preference
	for _, media := range rt.media {
		if p := rank(ranges, media); p.above(highest) {
			best, highest = media, p
		}
	}
	general, isGeneral := choose(ranges, bytes, false)
	if best == "" || isGeneral && rank(ranges, general.media).above(highest) {
		return negotiate(accept, &o, bytes)
	}
	return answer{format: format{serializer: wamp.JSON, media: best}}, nil
}

// requestURL returns the URL of a request as its client knows it.
func requestURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return strings.ToValidUTF8(scheme+"://"+r.Host+r.URL.RequestURI(), "\uFFFD")
}

// content returns which of the contents of the operation's body a Content-Type
// is; -1 if none.
func (rt *importedRoute) content(contentType string) int {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil || rt.Body == nil {
		return -1
	}
	return openapi.Match(rt.Body.Content, media)
}

// checkParameters holds the parameters against their schemas.
func (rt *importedRoute) checkParameters(values []bind.Value) (wrong []openapi.Violation) {
	for i, v := range values {
		p := &rt.Parameters[i]
		if !v.Given || p.AllowEmpty && v.Any == "" {
			continue
		}
		for _, violation := range rt.checks.Parameters[i].Check(v.Any) {
			if violation.Pointer != "" {
				violation.Detail = violation.Pointer + " " + violation.Detail
			}
			wrong = append(wrong, openapi.Violation{Parameter: p.Name, Detail: violation.Detail})
		}
	}
	return wrong
}

// checkItems returns what holds each item of a streamed body against its
// schema: a document describes a stream by its items. It is nil if there is
// nothing to check.
func (rt *importedRoute) checkItems(q *request) func(frame []byte) error {
	i := slices.IndexFunc(rt.Body.Content, func(c openapi.Content) bool { return classify(c.Media).body == bodyStream })
	if i < 0 || q.in != framingNDJSON && q.in != framingJSONSeq {
		return nil
	}
	schema := rt.checks.Body[i]
	return func(frame []byte) error {
		tree, err := bind.Tree(frame)
		if err != nil {
			return nil //nolint:nilerr // what follows says what is wrong
		}
		if wrong := schema.Check(tree); len(wrong) > 0 {
			return badRequest(rt, wrong)
		}
		return nil
	}
}

// badRequest is the problem of a request that is not as its document has it:
// 400 for its parameters, 422 for its body alone.
func badRequest(rt *importedRoute, wrong []openapi.Violation) *problem.Problem {
	status := http.StatusUnprocessableEntity
	for _, v := range wrong {
		if v.Parameter != "" {
			status = http.StatusBadRequest
		}
	}
	detail := fmt.Sprintf("the request is not as %s %s describes it", rt.Method, rt.Path)
	p := problem.New(status, wamp.ErrInvalidArgument, detail)
	for _, v := range wrong {
		p.Errors = append(p.Errors, problem.Violation{Pointer: v.Pointer, Parameter: v.Parameter, Detail: v.Detail})
	}
	return p
}

// checkAnswer holds a result against the document. The error is a problem:
// 502, if that is to be enforced.
func (g *Gateway) checkAnswer(c *call, q *request, e event) error {
	rt := q.route
	if rt.answers == AnswersUnchecked {
		return nil
	}
	response, _ := rt.Response(rt.status)
	i := openapi.Match(response.Content, q.format.media)
	shape, value, err := shapeOf(e.payload, q.format.envelope)
	if err != nil || i < 0 || shape == resultNone {
		return err
	}
	schema := rt.checks.Answers[response.Content[i].Schema]
	tree, err := shapeTree(e.payload, shape, value)
	if err != nil {
		return err
	}
	wrong := schema.Check(tree)
	if len(wrong) == 0 {
		return nil
	}
	g.cfg.Log.Warn("answer is not as its document describes it",
		slog.String("id", c.id), slog.String("procedure", string(c.procedure)),
		slog.String("operation", rt.Method+" "+rt.Path), slog.String("pointer", wrong[0].Pointer), slog.String("fault", wrong[0].Detail))
	return misfit(rt.answers, "the callee's answer is not as its document describes it")
}

// statusOf returns the status that a document gives an error: that of the URI,
// or of the longest one that it begins with.
func (rt *importedRoute) statusOf(uri wamp.URI) (status int, ok bool) {
	longest := -1
	for known, s := range rt.Call.Errors {
		exact := known == uri || strings.HasSuffix(string(known), ".") && strings.HasPrefix(string(uri), string(known))
		if exact && len(known) > longest {
			status, longest = s, len(known)
		}
	}
	return status, longest >= 0
}

// statusFor returns the status of a result: the one it has, else the one that
// the operation has for it. 0 stands for 200, or 204 if there is nothing in it.
func (rt *importedRoute) statusFor(status int, s shape) int {
	switch {
	case status != 0 || rt == nil:
		return status
	case s == resultNone && rt.empty != http.StatusNoContent:
		return rt.empty
	case s != resultNone && rt.status != http.StatusOK:
		return rt.status
	}
	return 0
}
