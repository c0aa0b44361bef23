package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/alecthomas/kong"

	"github.com/wampgate/wampgate/dealer/match"
	"github.com/wampgate/wampgate/openapi"
)

// openapiCommand is what there is to do with OpenAPI documents.
type openapiCommand struct {
	Export openapiExportCommand `cmd:"" help:"Print the document of what a gateway lets you call."`
	Check  openapiCheckCommand  `cmd:"" help:"Say whether a gateway could serve a document."`
	Diff   openapiDiffCommand   `cmd:"" help:"Say what has changed between two documents, and whether it breaks clients."`
}

type openapiCheckCommand struct {
	File      string `arg:"" placeholder:"FILE" help:"The document, in JSON or YAML."`
	Procedure string `placeholder:"PREFIX" help:"What the procedures of operations without x-wamp-procedure begin with."`
	Body      string `default:"merge" enum:"merge,whole" help:"Whether the members of a body that is an object are keyword arguments, or it is one: ${enum}."`
	Prefix    string `default:"/api" placeholder:"PATH" help:"What its paths begin with."`
	Callees   bool   `help:"Ask a gateway, as with --url, and list the operations without a callee."`
	Strict    bool   `help:"Also list what is against the rules of OpenAPI, though it can be served."`
	Quiet     bool   `short:"q" help:"Leave warnings out."`

	metaOptions
}

// Help is what kong prints below the summary of the command.
func (*openapiCheckCommand) Help() string {
	return `All faults are listed, each with line and JSON pointer; the exit code is 1 if
there is one. With --url or --callees a gateway is asked for the operations
without a callee that the session may know of; the exit code is 1 if there are
any, and so it is if --strict finds something.`
}

// Run reads the document as a gateway would.
func (c *openapiCheckCommand) Run(ctx context.Context, kctx *kong.Context, p *process) error {
	spec := importSpec{Name: "document", File: c.File, Prefix: c.Prefix, Procedure: c.Procedure, Body: c.Body, Answers: "enforce"}
	if text := spec.fault(); text != "" {
		return &exitError{exitUsage, errors.New(text)}
	}
	text, err := readDocument(c.File)
	if err != nil {
		return err
	}
	in, err := spec.load(text, &settings{})
	if err != nil {
		return err
	}
	doc := in.Document
	if !c.Quiet {
		for _, w := range doc.Warnings {
			if _, err := fmt.Fprintln(p.Stdout, "warning:", w); err != nil {
				return err
			}
		}
	}
	var broken openapi.Faults
	if c.Strict {
		broken = openapi.Lint(ctx, c.File, text)
	}
	for _, f := range broken {
		if _, err := fmt.Fprintln(p.Stdout, "rule:", f); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(p.Stdout, "%s: OpenAPI %s, %q %s: %d operations to serve, %d without a procedure, %d warnings\n",
		c.File, doc.OpenAPI, doc.Title, doc.Version, len(doc.Operations), len(doc.Skipped), len(doc.Warnings))
	if err == nil && (c.Callees || urlGiven(kctx)) {
		err = c.callees(ctx, p, doc)
	}
	if err == nil && len(broken) > 0 {
		return &exitError{exitFailed, fmt.Errorf("the document breaks rules of OpenAPI: %d", len(broken))}
	}
	return err
}

// urlGiven reports whether the command line names a gateway.
func urlGiven(kctx *kong.Context) bool {
	return slices.ContainsFunc(kctx.Path, func(step *kong.Path) bool { return step.Flag != nil && step.Flag.Name == "url" && !step.Resolved })
}

// callees lists the operations whose procedures nobody has registered.
func (c *openapiCheckCommand) callees(ctx context.Context, p *process, doc *openapi.Document) error {
	var index match.Index[struct{}]
	err := c.with(ctx, p, func(m *metaClient) error {
		rows, err := registrations(m)
		for _, row := range rows {
			uri, _ := row.String("uri")
			name, _ := row.String("match")
			policy := max(0, slices.Index([]string{"exact", "prefix", "wildcard"}, name))
			index.Set(match.Policy(policy), uri, struct{}{}) //nolint:gosec // three policies
		}
		return err
	})
	if err != nil {
		return err
	}
	missing := 0
	for i := range doc.Operations {
		op := &doc.Operations[i]
		if _, ok := index.Best(string(op.Call.Procedure)); ok {
			continue
		}
		missing++
		if _, err := fmt.Fprintf(p.Stdout, "no callee: %s %s%s -> %s\n", op.Method, c.Prefix, op.Path, op.Call.Procedure); err != nil {
			return err
		}
	}
	if missing > 0 {
		return &exitError{exitFailed, fmt.Errorf("%d of %d operations have no callee", missing, len(doc.Operations))}
	}
	return nil
}

type openapiDiffCommand struct {
	Before string `arg:"" placeholder:"BEFORE" help:"The document that clients know."`
	After  string `arg:"" placeholder:"AFTER" help:"The one to come."`
	All    bool   `short:"a" help:"List what breaks no client, too."`
}

// Help is what kong prints below the summary of the command.
func (*openapiDiffCommand) Help() string {
	return `Breaking is what a client of the first document may trip over: operations,
parameters and statuses that are gone, what is required now, requests that may
be less than before, answers that may be more. The exit code is 1 if there is
any. Descriptions and the like are not compared.`
}

// Run compares the two documents.
func (c *openapiDiffCommand) Run(p *process) error {
	before, err := loadForDiff(c.Before)
	if err != nil {
		return err
	}
	after, err := loadForDiff(c.After)
	if err != nil {
		return err
	}
	breaking, others := 0, 0
	for _, change := range openapi.Diff(before, after) {
		kind := "breaking"
		if change.Breaking {
			breaking++
		} else {
			kind = "        "
			others++
		}
		if change.Breaking || c.All {
			if _, err := fmt.Fprintln(p.Stdout, kind, change); err != nil {
				return err
			}
		}
	}
	if _, err := fmt.Fprintf(p.Stdout, "%d breaking changes, %d others\n", breaking, others); err != nil {
		return err
	}
	if breaking > 0 {
		return &exitError{exitFailed, nil}
	}
	return nil
}

// loadForDiff reads a document, whatever its procedures are.
func loadForDiff(path string) (*openapi.Document, error) {
	text, err := readDocument(path)
	if err != nil {
		return nil, err
	}
	return openapi.Load(path, text, openapi.Mapping{})
}
