package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/bind"
	"github.com/wampgate/wampgate/gateway/problem"
	"github.com/wampgate/wampgate/openapi"
	"github.com/wampgate/wampgate/openapi/validate"
)

// A toldSchemas holds the schemas that a callee tells, compiled when a call
// first needs them. A schema that cannot be used allows everything: the
// document says so.
type toldSchemas struct {
	told map[string]json.RawMessage

	compiled                       sync.Once
	args, kwargs, result, progress *validate.Schema // nil allows everything
}

// newToldSchemas returns the schemas of a description; nil if it has none.
func newToldSchemas(told map[string]json.RawMessage) *toldSchemas {
	if len(told) == 0 {
		return nil
	}
	return &toldSchemas{told: told}
}

func (s *toldSchemas) compile() {
	s.compiled.Do(func() {
		for name, into := range map[string]**validate.Schema{"args": &s.args, "kwargs": &s.kwargs, "result": &s.result, "progress": &s.progress} {
			if len(s.told[name]) == 0 {
				continue
			}
			tree, err := openapi.ForeignSchema(s.told[name])
			if err != nil {
				continue
			}
			if schema, err := validate.Standalone(tree); err == nil {
				*into = schema
			}
		}
		s.told = nil
	})
}

// schemas returns those that a call of q is held against; nil if there are none.
// Opaque payloads are nobody's business.
func (q *request) schemas() *toldSchemas {
	if q.about == nil || q.about.schemas == nil || q.passthru != nil {
		return nil
	}
	q.about.schemas.compile()
	return q.about.schemas
}

// checkArguments holds the arguments of a call against the schemas of its
// procedure, before anybody is called. The error is a problem: 400 if they came
// in the query, 422 otherwise.
func (g *Gateway) checkArguments(q *request, method string) error {
	s := q.schemas()
	if s == nil || q.in.streams() { // each item is checked
		return nil
	}
	status := http.StatusUnprocessableEntity
	if method == http.MethodGet || method == http.MethodHead {
		status = http.StatusBadRequest
	}
	whole := q.payload
	if whole.Args == nil && whole.Kwargs == nil {
		whole.Serializer = wamp.JSON // it has none yet
	}
	if whole.Args == nil {
		whole.Args = whole.Serializer.AppendList(nil)
	}
	if whole.Kwargs == nil {
		whole.Kwargs = whole.Serializer.AppendMap(nil)
	}
	if p := s.check(whole, status); p != nil {
		return p
	}
	return nil
}

// checkItem returns what holds an item of a streamed body against the schemas
// of the arguments, of which it may leave one kind out; nil if there are none.
func (q *request) checkItem() func(wamp.Payload) error {
	s := q.schemas()
	if s == nil {
		return nil
	}
	return func(p wamp.Payload) error {
		if refused := s.check(p, http.StatusUnprocessableEntity); refused != nil {
			return refused.Unknown()
		}
		return nil
	}
}

// check holds the arguments that are there against their schemas. It returns nil
// if they fit.
func (s *toldSchemas) check(p wamp.Payload, status int) *problem.Problem {
	var wrong []problem.Violation
	for _, part := range []struct {
		at     string
		schema *validate.Schema
		value  []byte
	}{{"/args", s.args, p.Args}, {"/kwargs", s.kwargs, p.Kwargs}} {
		if part.schema == nil || part.value == nil {
			continue
		}
		tree, err := treeOf(part.value, p.Serializer)
		if err != nil {
			wrong = append(wrong, problem.Violation{Pointer: part.at, Detail: "has no form in JSON, in which its schema is"})
			continue
		}
		for _, v := range part.schema.Check(tree) {
			wrong = append(wrong, problem.Violation{Pointer: part.at + v.Pointer, Detail: v.Detail})
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	refused := problem.New(status, wamp.ErrInvalidArgument, "the arguments are not as the procedure describes them")
	refused.Errors = wrong
	return refused
}

// treeOf returns a value as schemas are checked with.
func treeOf(value []byte, s wamp.Serializer) (any, error) {
	text, err := transcoded(value, wamp.JSON, s)
	if err != nil {
		return nil, err
	}
	return bind.Tree(text)
}

// checkResult holds a result, final or progressive, against its schema: as it
// is answered in JSON, null if it has no values. The error is a problem: 502,
// if that is to be enforced.
func (g *Gateway) checkResult(ctx context.Context, c *call, q *request, e event) error {
	if g.cfg.Results == AnswersUnchecked || e.kind != eventResult && e.kind != eventProgress {
		return nil
	}
	s := q.schemas()
	if s == nil {
		return nil
	}
	schema, what := s.result, "result"
	if e.kind == eventProgress {
		schema, what = s.progress, "progressive result"
	}
	if schema == nil {
		return nil
	}
	tree, err := resultTree(e.payload, q.about.respond)
	if err != nil {
		return err
	}
	wrong := schema.Check(tree)
	if len(wrong) == 0 {
		return nil
	}
	g.cfg.Log.LogAttrs(ctx, slog.LevelWarn, what+" is not as the procedure describes it", slog.String("id", c.id),
		slog.String("procedure", string(c.procedure)), slog.String("pointer", wrong[0].Pointer), slog.String("fault", wrong[0].Detail))
	return misfit(g.cfg.Results, "the "+what+" is not as the procedure describes it")
}

// misfit returns the problem of an answer that is not as it is described, 502;
// nil if that is not enforced.
func misfit(checked AnswerCheck, detail string) error {
	if checked != AnswersEnforced {
		return nil
	}
	p := problem.New(http.StatusBadGateway, wamp.ErrInvalidPayload, detail)
	p.Source = problem.Callee
	return p
}

// unfit reports whether err is that of a progressive result that is not as its
// procedure has it: the call goes on, and has to be ended.
func unfit(err error) bool {
	p, ok := errors.AsType[*problem.Problem](err)
	return ok && p.Source == problem.Callee && p.URI == wamp.ErrInvalidPayload
}

// resultTree returns a result as schemas are checked with.
func resultTree(p wamp.Payload, responds bool) (any, error) {
	if responds {
		var err error
		if p, _, err = respond(http.Header{}, p); err != nil {
			return nil, err
		}
	}
	shape, value, err := shapeOf(p, false)
	if err != nil {
		return nil, badResult(err)
	}
	if shape == resultNone {
		return nil, nil //nolint:nilnil // null
	}
	return shapeTree(p, shape, value)
}

// shapeTree is resultTree for one whose shape is known.
func shapeTree(p wamp.Payload, shape shape, value []byte) (any, error) {
	text, err := encodeResult(p, shape, value, wamp.JSON)
	if err != nil {
		return nil, badResult(err)
	}
	tree, err := bind.Tree(text)
	if err != nil {
		return nil, badResult(err)
	}
	return tree, nil
}
