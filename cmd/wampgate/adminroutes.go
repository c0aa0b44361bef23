package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	problems "github.com/wampgate/wampgate/gateway/problem"
	"github.com/wampgate/wampgate/openapi"
)

// routesPath is where documents are listed on the admin listener; below it
// each has its own.
const routesPath = "/admin/routes"

// The error URIs of the admin listener.
const (
	uriBadDocument wamp.URI = "gateway.error.bad_document"
	uriConflict    wamp.URI = "gateway.error.conflict"
	uriAdminNone   wamp.URI = "gateway.error.not_found"
	uriAdminMethod wamp.URI = "gateway.error.method_not_allowed"
	uriAdminUsage  wamp.URI = "gateway.error.bad_request"
)

// routes adds those for documents to the admin listener.
func (i *importer) routes(mux *http.ServeMux) {
	adminPath(mux, routesPath, map[string]adminHandler{http.MethodGet: i.list})
	adminPath(mux, routesPath+"/{name}", map[string]adminHandler{http.MethodGet: i.show, http.MethodPut: i.accept, http.MethodDelete: i.drop})
}

// adminProblem returns the problem that an error is.
func adminProblem(err error) *problems.Problem {
	var p *problems.Problem
	var faults openapi.Faults
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &faults):
		p = problems.New(http.StatusUnprocessableEntity, uriBadDocument, "the document cannot be served; what was served before still is")
		for _, f := range faults[:min(len(faults), maxAdminFaults)] {
			p.Errors = append(p.Errors, problems.Violation{Pointer: f.Pointer, Detail: f.String()})
		}
		return p
	case errors.Is(err, errOfFile):
		return problems.New(http.StatusConflict, uriConflict, err.Error())
	case errors.Is(err, errNoImport):
		return problems.New(http.StatusNotFound, uriAdminNone, err.Error())
	}
	return problems.New(http.StatusBadRequest, uriAdminUsage, err.Error())
}

// maxAdminFaults is how many faults of a document an answer tells.
const maxAdminFaults = 100

// documentTime is how long a document may take to arrive.
const documentTime = time.Minute

// An importJSON is a document in an answer.
type importJSON struct {
	Name             string `json:"name"`
	File             string `json:"file,omitempty"` // empty if it came over the admin listener
	Title            string `json:"title,omitempty"`
	Version          string `json:"version,omitempty"`
	OpenAPI          string `json:"openapi"`
	Prefix           string `json:"prefix"`
	Answers          string `json:"answers"`
	Operations       int    `json:"operations"`
	WithoutProcedure int    `json:"without_procedure"`
}

// An operationJSON is a route in an answer.
type operationJSON struct {
	Import    string   `json:"import"`
	Method    string   `json:"method"`
	Path      string   `json:"path"`
	ID        string   `json:"operation_id,omitempty"`
	Procedure wamp.URI `json:"procedure"`
	Callee    *bool    `json:"callee,omitempty"` // whether there is one
}

func newImportJSON(l *loadedImport) importJSON {
	doc := l.in.Document
	return importJSON{
		Name: l.spec.Name, File: l.spec.File, Title: doc.Title, Version: doc.Version, OpenAPI: doc.OpenAPI, Prefix: l.in.Prefix,
		Answers: answerChecks()[l.in.Answers], Operations: len(doc.Operations), WithoutProcedure: len(doc.Skipped),
	}
}

// list answers GET /admin/routes: the documents, and the operations that
// nobody would answer now.
func (i *importer) list(w http.ResponseWriter, _ *http.Request) error {
	loaded, operations := i.all()
	answer := struct {
		Imports       []importJSON    `json:"imports"`
		WithoutCallee []operationJSON `json:"without_callee"`
	}{[]importJSON{}, []operationJSON{}}
	for j := range loaded {
		answer.Imports = append(answer.Imports, newImportJSON(&loaded[j]))
	}
	for _, op := range operations {
		if !i.registered(op.Procedure) {
			answer.WithoutCallee = append(answer.WithoutCallee, operationJSON{op.Import, op.Method, op.Path, op.ID, op.Procedure, nil})
		}
	}
	return sendAdmin(w, http.StatusOK, answer)
}

// show answers GET /admin/routes/{name}: the document with its operations.
func (i *importer) show(w http.ResponseWriter, r *http.Request) error {
	loaded, operations := i.all()
	name := r.PathValue("name")
	at := slices.IndexFunc(loaded, func(l loadedImport) bool { return l.spec.Name == name })
	if at < 0 {
		return errNoImport
	}
	answer := struct {
		importJSON
		Routes []operationJSON `json:"routes"`
	}{newImportJSON(&loaded[at]), []operationJSON{}}
	for _, op := range operations {
		if op.Import == name {
			there := i.registered(op.Procedure)
			answer.Routes = append(answer.Routes, operationJSON{op.Import, op.Method, op.Path, op.ID, op.Procedure, &there})
		}
	}
	return sendAdmin(w, http.StatusOK, answer)
}

// accept answers PUT /admin/routes/{name}, whose body is a document.
func (i *importer) accept(w http.ResponseWriter, r *http.Request) error {
	spec := importSpec{Name: r.PathValue("name")}
	if err := spec.readQuery(r.URL.RawQuery); err != nil {
		return err
	}
	if text := spec.fault(); text != "" {
		return errors.New(text)
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(documentTime)) // all servers of ours know deadlines
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, openapi.MaxDocument))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return problems.New(http.StatusRequestEntityTooLarge, wamp.ErrPayloadSizeExceeded, "the document is larger than 32 MiB")
	case err != nil:
		return errors.New("the document did not arrive")
	}
	created, err := i.put(r.Context(), spec, text)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
		w.Header().Set("Location", routesPath+"/"+spec.Name)
	}
	loaded, _ := i.all()
	at := slices.IndexFunc(loaded, func(l loadedImport) bool { return l.spec.Name == spec.Name })
	if at < 0 {
		return errNoImport // somebody was quicker
	}
	return sendAdmin(w, status, newImportJSON(&loaded[at]))
}

// readQuery reads how a document is to be served.
func (spec *importSpec) readQuery(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("the query cannot be read")
	}
	options := map[string]*string{"prefix": &spec.Prefix, "procedure": &spec.Procedure, "body": &spec.Body, "answers": &spec.Answers}
	for name, given := range values {
		option, known := options[name]
		if !known || len(given) != 1 {
			return errors.New("the options are prefix, procedure, body and answers, each once at most, not " + strings.ToValidUTF8(name, "\uFFFD"))
		}
		*option = given[0]
	}
	return nil
}

// drop answers DELETE /admin/routes/{name}.
func (i *importer) drop(w http.ResponseWriter, r *http.Request) error {
	if err := i.remove(r.Context(), r.PathValue("name")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// sendAdmin answers with v.
func sendAdmin(w http.ResponseWriter, status int, v any) error {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // a client that is gone needs no answer
	return nil
}
