package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// The lengths of a page of /procedures.
const (
	defaultPage = 100
	maxPage     = 1000
)

// proceduresPath is where procedures are listed; below it each has a page.
const proceduresPath = "/procedures"

// procedurePath returns the path of a procedure's page.
func procedurePath(uri wamp.URI) string { return proceduresPath + "/" + url.PathEscape(string(uri)) }

// A Procedure is what there is to tell about a registration.
type Procedure struct {
	Registration wamp.ID
	URI          wamp.URI // or the pattern
	Match        wamp.MatchPolicy
	Invoke       wamp.InvokePolicy
	Created      time.Time
	Callees      int
	Safe         bool   // calls change nothing, and GET may make them
	Description  []byte // what a callee tells, a JSON object; nil if none does; only read
}

// A Directory knows the registrations of the realm. Its methods may be called
// by many goroutines at once. They tell of what the principal may know of.
type Directory interface {
	// List returns at most limit registrations, the oldest first, from after
	// the given one on. next is what to go on after, 0 at the end.
	List(who wamp.Identity, after wamp.ID, limit int) (list []Procedure, next wamp.ID)
	// Find returns the registration of a URI under a match policy.
	Find(who wamp.Identity, uri wamp.URI, policy wamp.MatchPolicy) (Procedure, bool)
	// Match returns the registration that a call of uri goes to.
	Match(who wamp.Identity, uri wamp.URI) (Procedure, bool)
}

// procedureJSON is a Procedure in an answer.
type procedureJSON struct {
	URI          wamp.URI        `json:"uri"`
	Match        string          `json:"match"`
	Invoke       string          `json:"invoke"`
	Callees      int             `json:"callees"`
	Safe         bool            `json:"safe"`
	Registration wamp.ID         `json:"registration"`
	Created      string          `json:"created"`
	HTTP         json.RawMessage `json:"http,omitempty"` // as the callee said it
}

// timestamp returns a point in time as answers have it; nothing for none.
func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

func newProcedureJSON(p *Procedure) procedureJSON {
	return procedureJSON{
		URI:          p.URI,
		Match:        p.Match.String(),
		Invoke:       p.Invoke.String(),
		Callees:      p.Callees,
		Safe:         p.Safe,
		Registration: p.Registration,
		Created:      timestamp(p.Created),
		HTTP:         p.Description,
	}
}

// procedures answers GET /procedures.
func (g *Gateway) procedures(w http.ResponseWriter, r *http.Request) error {
	after, limit := wamp.ID(0), defaultPage
	err := readQuery(r.URL.RawQuery, []string{"after", "limit"}, func(name, value string) (err error) {
		if name == "after" {
			after, err = parseAfter(value)
			return err
		}
		limit, err = parseLimit(value)
		return err
	})
	if err != nil {
		return err
	}
	list, next := g.cfg.Directory.List(g.identity(recordOf(w).who), after, limit)
	answer := struct {
		Procedures []procedureJSON `json:"procedures"`
		Next       string          `json:"next,omitempty"` // where the list goes on
	}{Procedures: make([]procedureJSON, len(list))}
	for i := range list {
		answer.Procedures[i] = newProcedureJSON(&list[i])
	}
	if next != 0 {
		answer.Next = fmt.Sprintf("%s?after=%d&limit=%d", proceduresPath, next, limit)
	}
	return sendJSON(w, r, answer)
}

// procedure answers GET /procedures/{uri}: with the registration that a call of
// the URI goes to, or with the one of just this URI under the match policy that
// is asked for.
func (g *Gateway) procedure(w http.ResponseWriter, r *http.Request) error {
	name, err := segment(r, proceduresPath+"/")
	if err != nil {
		return invalidURI(name)
	}
	policy, exactly := wamp.MatchExact, false
	err = readQuery(r.URL.RawQuery, []string{"match"}, func(_, value string) (err error) {
		exactly = true
		policy, err = oneOf[wamp.MatchPolicy](value, matchNames())
		return err
	})
	if err != nil {
		return err
	}
	uri := wamp.URI(name)
	if !uri.ValidPattern(policy) || strings.ContainsFunc(name, unicode.IsControl) {
		return invalidURI(name)
	}
	var found Procedure
	var ok bool
	if exactly {
		found, ok = g.cfg.Directory.Find(g.identity(recordOf(w).who), uri, policy)
	} else {
		found, ok = g.cfg.Directory.Match(g.identity(recordOf(w).who), uri)
	}
	if !ok {
		return problem.New(http.StatusNotFound, wamp.ErrNoSuchProcedure, g.noProcedure(uri)).Safe()
	}
	return sendJSON(w, r, newProcedureJSON(&found))
}

// matchNames are the match policies, in the order of the constants.
func matchNames() []string { return []string{"exact", "prefix", "wildcard"} }

// readQuery hands the options of a query to set; others than the known ones,
// or one given twice, are a problem.
func readQuery(query string, known []string, set func(name, value string) error) error {
	given := make(map[string]bool, len(known))
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, err := unescapePair(pair)
		switch {
		case err != nil:
			return err
		case !slices.Contains(known, name):
			return notAmong(name, known)
		case given[name]:
			return badOption("option %s is given twice", name)
		}
		given[name] = true
		if err := set(name, value); err != nil {
			return badOption("option %s=%s: %v", name, value, err)
		}
	}
	return nil
}

// noOptions refuses a query where none belongs. The error is a problem.
func noOptions(r *http.Request) error { return readQuery(r.URL.RawQuery, nil, nil) }

// notAmong is the problem of an option that is not in a closed set.
func notAmong(name string, known []string) *problem.Problem {
	if len(known) == 0 {
		return badOption("there is no option %s; this path has none with this method", quoteShort(name))
	}
	if best, ok := nearestName(name, known); ok {
		return badOption("there is no option %s; did you mean %s?", quoteShort(name), best)
	}
	return badOption("there is no option %s; the options are %s", quoteShort(name), strings.Join(known, ", "))
}

func parseAfter(s string) (wamp.ID, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || !wamp.ID(n).Valid() {
		return 0, errors.New("want what an earlier answer named as next")
	}
	return wamp.ID(n), nil
}

func parseLimit(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxPage || !allDigits(s) {
		return 0, fmt.Errorf("want a number from 1 to %d", maxPage)
	}
	return n, nil
}

// sendJSON answers with v. Who has it already is told so.
func sendJSON(w http.ResponseWriter, r *http.Request, v any) error {
	if err := acceptable(r, "application/json"); err != nil {
		return err
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	sendTagged(w, r, entityTag(body.Bytes()), "application/json", body.Bytes())
	return nil
}

// acceptable refuses requests that do not take the one media type that there
// is. The error is a problem: 406.
func acceptable(r *http.Request, media string) error {
	accept := r.Header.Values("Accept")
	if len(accept) == 0 || rank(parseAccept(strings.Join(accept, ",")), media).quality > 0 {
		return nil
	}
	return problem.New(http.StatusNotAcceptable, uriNotAcceptable, "the answer comes as "+media+", which is not in the Accept header")
}

// sendTagged answers with a body that clients may keep and ask for again; who
// has it already is told so.
func sendTagged(w http.ResponseWriter, r *http.Request, tag, media string, body []byte) {
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, no-cache") // keep it, and ask whether it still holds
	h.Set("Vary", "Accept, Authorization")
	h.Set("X-Content-Type-Options", "nosniff")
	if holdsTag(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", media)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // a client that is gone needs no answer
}

// holdsTag reports whether an If-None-Match header names tag (RFC 9110, section
// 13.1.2).
func holdsTag(fields []string, tag string) bool {
	for candidate := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == tag || candidate == "*" {
			return true
		}
	}
	return false
}
