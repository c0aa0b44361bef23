package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
	problems "github.com/wampgate/wampgate/gateway/problem"
)

// An adminHandler answers a request to the admin listener; an error becomes a
// problem.
type adminHandler func(http.ResponseWriter, *http.Request) error

// The entries of a list in one answer.
const (
	adminPage    = 100
	maxAdminPage = 1000
)

// adminPath adds a path and its methods to the admin listener. What changes
// something is refused to pages of other origins, and other methods with a list
// of those that there are.
func adminPath(mux *http.ServeMux, pattern string, methods map[string]adminHandler) {
	if get := methods[http.MethodGet]; get != nil {
		methods[http.MethodHead] = get
	}
	allow := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
	guard := http.NewCrossOriginProtection()
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		handle := methods[r.Method]
		err := guard.Check(r)
		switch {
		case handle == nil:
			err = problems.New(http.StatusMethodNotAllowed, uriAdminMethod, "the methods of this path are "+allow).With("Allow", allow)
		case err != nil:
			err = problems.New(http.StatusForbidden, wamp.ErrNotAuthorized, "pages of other origins may change nothing here")
		default:
			err = handle(w, r)
		}
		if err != nil {
			adminProblem(err).Send(w, false)
		}
	})
}

// operatorRoutes adds what operators see and end.
func (n *node) operatorRoutes(mux *http.ServeMux) {
	type methods = map[string]adminHandler
	adminPath(mux, "/admin/sessions", methods{http.MethodGet: n.listSessions})
	adminPath(mux, "/admin/sessions/{id}", methods{http.MethodGet: n.showSession, http.MethodDelete: n.endSession})
	adminPath(mux, "/admin/registrations", methods{http.MethodGet: n.listRegistrations})
	adminPath(mux, "/admin/registrations/{id}", methods{http.MethodGet: n.showRegistration, http.MethodDelete: n.revokeRegistration})
	adminPath(mux, "/admin/calls", methods{http.MethodGet: n.listCalls})
	adminPath(mux, "/admin/calls/{id}", methods{http.MethodGet: n.showCall, http.MethodDelete: n.endCall})
	adminPath(mux, "/admin/drain", methods{http.MethodPost: n.askDrain})
	adminPath(mux, "/admin/config", methods{http.MethodGet: n.showConfig})
	mux.HandleFunc("/admin/", func(w http.ResponseWriter, _ *http.Request) {
		problems.New(http.StatusNotFound, uriAdminNone, "nothing is here; see the manual of the admin listener").Send(w, false)
	})
}

// An adminQuery is the query of a request to the admin listener: each option
// once, and none that is not known.
type adminQuery struct {
	values url.Values
	realm  wamp.URI
}

// query reads the query of r, which may hold realm and the named options.
func (n *node) query(r *http.Request, options ...string) (adminQuery, error) {
	q := adminQuery{realm: wamp.URI(n.settings.Realm[0])}
	var err error
	if q.values, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return q, errors.New("the query cannot be read")
	}
	options = append(options, "realm")
	for name, given := range q.values {
		if !slices.Contains(options, name) || len(given) != 1 {
			return q, fmt.Errorf("the options are %s, each once at most, not %s", strings.Join(options, ", "), strings.ToValidUTF8(name, "\uFFFD"))
		}
	}
	if realm := q.values.Get("realm"); realm != "" {
		if !slices.Contains(n.settings.Realm, realm) {
			return q, problems.New(http.StatusNotFound, wamp.ErrNoSuchRealm, "there is no realm of that name")
		}
		q.realm = wamp.URI(realm)
	}
	return q, nil
}

// limit returns how many entries of a list are asked for.
func (q adminQuery) limit() (int, error) {
	text := q.values.Get("limit")
	if text == "" {
		return adminPage, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > maxAdminPage {
		return 0, fmt.Errorf("limit is from 1 to %d", maxAdminPage)
	}
	return limit, nil
}

// page returns which part of a list is asked for.
func (q adminQuery) page() (after wamp.ID, limit int, err error) {
	if limit, err = q.limit(); err != nil {
		return 0, 0, err
	}
	if text := q.values.Get("after"); text != "" {
		if after, err = adminID(text); err != nil {
			return 0, 0, errors.New("after is what an earlier answer named as next")
		}
	}
	return after, limit, nil
}

// reason returns the URI of the option reason.
func (q adminQuery) reason(unlessGiven wamp.URI) (wamp.URI, error) {
	reason := wamp.URI(q.values.Get("reason"))
	switch {
	case reason == "":
		return unlessGiven, nil
	case !reason.Valid():
		return "", errors.New("reason is a URI, such as com.example.maintenance")
	}
	return reason, nil
}

// adminID reads an id of WAMP.
func adminID(text string) (wamp.ID, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if id := wamp.ID(n); err == nil && id.Valid() {
		return id, nil
	}
	return 0, errors.New("no id")
}

// cursor writes what a list goes on after; empty if there is no more.
func cursor(next wamp.ID) string {
	if next == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(next), 10)
}

// none is the problem of an id that names nothing.
func none(uri wamp.URI, what string) error {
	return problems.New(http.StatusNotFound, uri, "there is no such "+what+" in this realm")
}
