package validate

import (
	"errors"

	"github.com/wampgate/wampgate/openapi"
)

// An Operation holds the compiled schemas of one operation.
type Operation struct {
	Parameters []*Schema          // as openapi.Operation has them
	Body       []*Schema          // as its body has contents
	Answers    map[string]*Schema // by the pointer of the schema
}

// Compile compiles the schemas of all operations of a document, in their
// order; those of answers only if they are wanted. It has no lines in its
// faults; openapi.Locate adds them.
func Compile(doc *openapi.Document, answers bool) ([]*Operation, error) {
	c := compilation{Schemas: New(doc), file: doc.File}
	all := make([]*Operation, len(doc.Operations))
	for i := range doc.Operations {
		all[i] = c.operation(&doc.Operations[i], answers)
	}
	if len(c.faults) > 0 {
		return nil, c.faults
	}
	return all, nil
}

// A compilation goes on after a fault.
type compilation struct {
	*Schemas
	file   string
	faults openapi.Faults
}

func (c *compilation) operation(op *openapi.Operation, answers bool) *Operation {
	o := &Operation{Parameters: make([]*Schema, len(op.Parameters))}
	for i := range op.Parameters {
		o.Parameters[i] = c.schema(c.Request, op.Parameters[i].Schema)
	}
	if op.Body != nil {
		for i := range op.Body.Content {
			o.Body = append(o.Body, c.schema(c.Request, op.Body.Content[i].Schema))
		}
	}
	if !answers {
		return o
	}
	o.Answers = map[string]*Schema{}
	for _, r := range op.Responses {
		for i := range r.Content {
			if at := r.Content[i].Schema; at != "" && openapi.JSONMedia(r.Content[i].Media) {
				o.Answers[at] = c.schema(c.Answer, at)
			}
		}
	}
	return o
}

// schema compiles one; none if there is none.
func (c *compilation) schema(compile func(string) (*Schema, error), pointer string) *Schema {
	if pointer == "" {
		return nil
	}
	schema, err := compile(pointer)
	if err != nil {
		var elsewhere *SchemaError
		if errors.As(err, &elsewhere) {
			pointer = elsewhere.Pointer
		}
		c.faults = append(c.faults, openapi.Fault{File: c.file, Pointer: pointer, Text: err.Error()})
	}
	return schema
}
