package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// maxImports is how many documents may be served at once.
const maxImports = 100

// An importer keeps the OpenAPI documents that a gateway serves as routes:
// those that the configuration file names, and those that came over the admin
// listener, which live as long as the process.
type importer struct {
	gateway    *gateway.Gateway
	log        *slog.Logger
	registered func(wamp.URI) bool // whether a procedure has a callee

	mu       sync.Mutex // guards the following fields, and orders changes
	settings *settings  // the last that were read
	files    []loadedImport
	pushed   []loadedImport
}

// A loadedImport is a document that was read.
type loadedImport struct {
	spec importSpec
	sum  [sha256.Size]byte // of the text and of what it was read with
	in   gateway.Import
	took time.Duration // to read it
}

// read reads the documents of the configuration file and serves them in the
// place of those of the file before. If one cannot be used nothing changes.
func (i *importer) read(ctx context.Context, s *settings) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	files, err := loadImports(s.imports, s, i.files)
	if err != nil {
		return err
	}
	for _, f := range files {
		if slices.ContainsFunc(i.pushed, func(p loadedImport) bool { return p.spec.Name == f.spec.Name }) {
			return &settingError{f.spec.where, fmt.Sprintf("openapi: a document %q came over the admin listener; remove it there, or rename this one", f.spec.Name)}
		}
	}
	if err := i.serve(files, i.pushed); err != nil {
		return err
	}
	i.settings, i.files = s, files
	for _, f := range files {
		i.logServed(ctx, f)
	}
	return nil
}

// logServed says what is served of a document.
func (i *importer) logServed(ctx context.Context, l loadedImport) {
	doc := l.in.Document
	i.log.LogAttrs(ctx, slog.LevelInfo, "OpenAPI document is served", slog.String("name", l.spec.Name), slog.String("file", l.spec.File),
		slog.String("prefix", l.in.Prefix), slog.Int("operations", len(doc.Operations)), slog.Int("without_procedure", len(doc.Skipped)), slog.Int("warnings", len(doc.Warnings)), slog.Duration("took", l.took.Round(time.Millisecond)))
}

// serve has the gateway serve files and pushed, or neither.
func (i *importer) serve(files, pushed []loadedImport) error {
	var all []gateway.Import
	for _, l := range slices.Concat(files, pushed) {
		all = append(all, l.in)
	}
	if len(all) > maxImports {
		return fmt.Errorf("there are more than %d OpenAPI documents", maxImports)
	}
	return i.gateway.SetImports(all)
}

// loadImports reads documents; known ones whose text has not changed are not
// read again. The error joins what is wrong with each.
func loadImports(specs []importSpec, s *settings, known []loadedImport) ([]loadedImport, error) {
	var all []loadedImport
	var errs []error
	for _, spec := range specs {
		text, err := readDocument(spec.File)
		if err != nil {
			errs = append(errs, &settingError{spec.where, "openapi: " + err.Error()})
			continue
		}
		l, err := spec.loaded(text, s, known)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, l)
	}
	return all, errors.Join(errs...)
}

// loaded reads a document, unless it is known.
func (spec *importSpec) loaded(text []byte, s *settings, known []loadedImport) (loadedImport, error) {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%q %q %q %q %q %q %q %q\n", spec.Name, spec.File, spec.Prefix, spec.Procedure, spec.Body, spec.Answers, s.OpenapiPrefix, s.OpenapiAnswers)
	_, _ = h.Write(text)
	l := loadedImport{spec: *spec}
	h.Sum(l.sum[:0])
	if j := slices.IndexFunc(known, func(k loadedImport) bool { return k.sum == l.sum }); j >= 0 {
		return known[j], nil
	}
	started := time.Now()
	var err error
	l.in, err = spec.load(text, s)
	l.took = time.Since(started)
	return l, err
}

// The errors of put and remove.
var (
	errOfFile   = errors.New("the configuration file names that document; change it there")
	errNoImport = errors.New("there is no such document")
)

// put serves a document that came over the admin listener, in the place of an
// earlier one of that name. It reports whether there was none.
func (i *importer) put(ctx context.Context, spec importSpec, text []byte) (created bool, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if slices.ContainsFunc(i.files, func(l loadedImport) bool { return l.spec.Name == spec.Name }) {
		return false, errOfFile
	}
	l, err := spec.loaded(text, i.settings, i.pushed)
	if err != nil {
		return false, err
	}
	pushed := slices.Clone(i.pushed)
	at := slices.IndexFunc(pushed, func(p loadedImport) bool { return p.spec.Name == spec.Name })
	if at < 0 {
		pushed = append(pushed, l)
	} else {
		pushed[at] = l
	}
	if err := i.serve(i.files, pushed); err != nil {
		return false, err
	}
	i.pushed = pushed
	i.logServed(ctx, l)
	return at < 0, nil
}

// remove takes a document that came over the admin listener out of service.
func (i *importer) remove(ctx context.Context, name string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if slices.ContainsFunc(i.files, func(l loadedImport) bool { return l.spec.Name == name }) {
		return errOfFile
	}
	pushed := slices.DeleteFunc(slices.Clone(i.pushed), func(l loadedImport) bool { return l.spec.Name == name })
	if len(pushed) == len(i.pushed) {
		return errNoImport
	}
	if err := i.serve(i.files, pushed); err != nil {
		return err // cannot be: fewer routes cannot clash
	}
	i.pushed = pushed
	i.log.InfoContext(ctx, "OpenAPI document is served no longer", "name", name)
	return nil
}

// all returns what is served: the documents, and their routes by path.
func (i *importer) all() ([]loadedImport, []gateway.ImportedOperation) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Concat(i.files, i.pushed), i.gateway.Imported()
}
