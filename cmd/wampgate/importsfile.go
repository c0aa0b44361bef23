package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
	"github.com/wampgate/wampgate/gateway/authn"
	"github.com/wampgate/wampgate/openapi"
	"github.com/wampgate/wampgate/openapi/validate"
)

// importNamePattern is what imports may be called: it is a part of a path.
const importNamePattern = `^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`

// An importSpec says how an OpenAPI document is to be served.
type importSpec struct {
	Name      string
	File      string // its path; empty if it came over the admin listener
	Prefix    string // empty: the setting's
	Procedure string
	Body      string // "merge", "whole" or empty, which is merge
	Answers   string // empty: the setting's

	where string // in the configuration file
}

// answerChecks lists what may become of answers that are not as described, in
// the order of the gateway's constants.
func answerChecks() []string { return []string{"off", "log", "enforce"} }

// readImports reads the section openapi.
func readImports(path string, node ast.Node) ([]importSpec, error) {
	if node == nil {
		return nil, nil
	}
	r := &accessReader{path: path}
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		return nil, at(path, node, "openapi: must be a list of documents")
	}
	var all []importSpec
	for _, item := range list.Values {
		spec := importSpec{where: fmt.Sprintf("%s:%d", path, lineOf(item))}
		if _, isMap := item.(ast.MapNode); isMap {
			r.fields(item, "openapi", map[string]field{
				"file": readText(&spec.File), "name": readText(&spec.Name), "prefix": readText(&spec.Prefix),
				"procedure": readText(&spec.Procedure), "body": readText(&spec.Body), "answers": readText(&spec.Answers),
			})
		} else if err := readText(&spec.File)(item); err != nil {
			r.fault(item, "openapi: %w", err)
			continue
		}
		r.finish(item, &spec)
		if slices.ContainsFunc(all, func(s importSpec) bool { return s.Name == spec.Name }) {
			r.fault(item, "openapi: there are two documents %q; give one of them a name", spec.Name)
		}
		all = append(all, spec)
	}
	return all, errors.Join(r.errs...)
}

// finish fills in what an import has by default, and checks it.
func (r *accessReader) finish(item ast.Node, spec *importSpec) {
	if spec.File == "" {
		r.fault(item, "openapi: file is missing")
		return
	}
	if spec.Name == "" {
		base := filepath.Base(spec.File)
		spec.Name = strings.TrimSuffix(base, filepath.Ext(base))
	}
	if !filepath.IsAbs(spec.File) {
		spec.File = filepath.Join(filepath.Dir(r.path), spec.File)
	}
	if text := spec.fault(); text != "" {
		r.fault(item, "openapi: %s", text)
	}
}

// fault says what is wrong with an import beside its document.
func (spec *importSpec) fault() string {
	switch {
	case !regexp.MustCompile(importNamePattern).MatchString(spec.Name):
		return fmt.Sprintf("the name %q holds more than letters, digits, '.', '_' and '-'", spec.Name)
	case spec.Prefix != "" && prefixFault(spec.Prefix) != "":
		return "prefix: " + prefixFault(spec.Prefix)
	case spec.Procedure != "" && !wamp.URI(strings.TrimSuffix(spec.Procedure, ".")).Valid():
		return fmt.Sprintf("procedure: %q is not what a procedure URI can begin with", spec.Procedure)
	case !slices.Contains([]string{"", "merge", "whole"}, spec.Body):
		return fmt.Sprintf("body: %q is none of merge, whole", spec.Body)
	case spec.Answers != "" && !slices.Contains(answerChecks(), spec.Answers):
		return fmt.Sprintf("answers: %q is none of %s", spec.Answers, strings.Join(answerChecks(), ", "))
	}
	return ""
}

// prefixFault says what is wrong with the prefix of paths.
func prefixFault(prefix string) string {
	if !strings.HasPrefix(prefix, "/") || len(prefix) == 1 || strings.HasSuffix(prefix, "/") || strings.ContainsAny(prefix, "{}*?#% ") || strings.Contains(prefix, "//") {
		return fmt.Sprintf("%q is not the beginning of a path, such as /api", prefix)
	}
	return ""
}

// load reads a document. The error tells all that is wrong with it.
func (spec *importSpec) load(text []byte, s *settings) (gateway.Import, error) {
	answers, prefix := s.OpenapiAnswers, s.OpenapiPrefix
	if spec.Answers != "" {
		answers = spec.Answers
	}
	if spec.Prefix != "" {
		prefix = spec.Prefix
	}
	check := gateway.AnswerCheck(max(0, slices.Index(answerChecks(), answers))) //nolint:gosec // three values
	file := spec.File
	if file == "" {
		file = spec.Name
	}
	doc, err := openapi.Load(file, text, openapi.Mapping{Procedure: spec.Procedure, WholeBody: spec.Body == "whole"})
	if err != nil {
		return gateway.Import{}, err
	}
	operations, err := validate.Compile(doc, check != gateway.AnswersUnchecked)
	var faults openapi.Faults
	if errors.As(err, &faults) {
		return gateway.Import{}, openapi.Locate(text, faults)
	}
	if len(doc.Operations) == 0 {
		return gateway.Import{}, openapi.Faults{{File: file, Text: "no operation has x-wamp-procedure; to make procedures of all operations, give the document a procedure to begin them with"}}
	}
	warnOfCredentials(doc)
	return gateway.Import{Name: spec.Name, Prefix: prefix, Document: doc.Trimmed(), Operations: operations, Answers: check}, nil
}

// warnOfCredentials notes parameters that no request can have. The document is
// nobody else's yet.
func warnOfCredentials(doc *openapi.Document) {
	for i := range doc.Operations {
		for _, p := range doc.Operations[i].Parameters {
			if p.In == openapi.InQuery && authn.IsCredential(p.Name) {
				doc.Warnings = append(doc.Warnings, openapi.Fault{
					File: doc.File, Pointer: doc.Operations[i].Pointer,
					Text: fmt.Sprintf("the query parameter %q has a name of credentials, which no URL may hold: requests with it are refused where principals are known", p.Name),
				})
			}
		}
	}
}

// readDocument reads the text of a document, which has a limit.
func readDocument(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > openapi.MaxDocument {
		return nil, fmt.Errorf("%s: is larger than %d MiB", path, openapi.MaxDocument>>20)
	}
	return os.ReadFile(path) //nolint:gosec // the operator names the file
}
