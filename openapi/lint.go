package openapi

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Lint returns what is against the rules of OpenAPI in a document that can be
// read, as kin-openapi knows them and in its words. Much of it keeps nobody
// from serving the document.
func Lint(ctx context.Context, file string, text []byte) (faults Faults) {
	defer func() {
		if recover() != nil { // the checker is written by others, for documents that are nearly right
			faults = Faults{{File: file, Text: "cannot be checked"}}
		}
	}()
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err == nil {
		err = doc.Validate(ctx, openapi3.EnableMultiError(), openapi3.DisableSchemaPatternValidation())
	}
	for _, e := range flat(err) {
		line, _, _ := strings.Cut(e.Error(), "\n") // what follows repeats the schema
		faults = append(faults, Fault{File: file, Text: line})
	}
	return faults.sorted()
}

// flat returns the errors that one is put together from.
func flat(err error) (all []error) {
	var several openapi3.MultiError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &several) && slices.ContainsFunc(several, func(e error) bool { return e != nil }):
		for _, e := range several {
			all = append(all, flat(e)...)
		}
		return all
	}
	return []error{err}
}
