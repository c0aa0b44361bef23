package gateway

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
	"github.com/wampgate/wampgate/gateway/sse"
)

// Where callees over HTTP register, and answer.
const (
	registrationsPath = "/registrations"
	invocationsPath   = "/invocations"
)

// Bounds of what a registration may ask for.
const (
	defaultConcurrency = 16
	maxConcurrency     = 256
	defaultLease       = time.Minute
	maxLease           = 24 * time.Hour
	defaultPatience    = 30 * time.Second // with a webhook
	maxPatience        = 10 * time.Minute
	maxSpec            = 64 << 10 // bytes of a registration
)

// routeCallees adds what callees over HTTP need.
func (g *Gateway) routeCallees(r chi.Router) {
	if g.cfg.JoinCallee == nil {
		return
	}
	r.Post(registrationsPath, g.handle(g.admitted(g.newRegistration)))
	g.get(r, registrationsPath, g.reads(g.listRegistrations))
	g.get(r, registrationsPath+"/{id}", g.reads(g.showRegistration))
	r.Put(registrationsPath+"/{id}", g.handle(g.reads(g.renewRegistration)))
	r.Delete(registrationsPath+"/{id}", g.handle(g.reads(g.endRegistration)))
	r.Post(invocationsPath+"/{id}/result", g.handle(g.admitted(g.invocationResult)))
	r.Post(invocationsPath+"/{id}/progress", g.handle(g.admitted(g.invocationProgress)))
	r.Post(invocationsPath+"/{id}/error", g.handle(g.admitted(g.invocationError)))
}

// A registrationSpec is the body of POST /registrations. Durations are as in
// ?timeout=.
type registrationSpec struct {
	Procedure   wamp.URI        `json:"procedure"`
	Match       string          `json:"match,omitempty"`
	Invoke      string          `json:"invoke,omitempty"`
	Concurrency wholeNumber     `json:"concurrency,omitempty"`
	Disclose    bool            `json:"disclose_caller,omitempty"`
	HTTP        json.RawMessage `json:"http,omitempty"` // as _http of REGISTER
	URL         string          `json:"url,omitempty"`
	Timeout     string          `json:"timeout,omitempty"`
	TTL         string          `json:"ttl,omitempty"`

	match   wamp.MatchPolicy
	invoke  wamp.InvokePolicy
	http    wamp.Dict
	timeout time.Duration
	ttl     time.Duration
	secret  string // of a webhook
}

// A wholeNumber is an integer as JSON Schema has it: 5.0 is one.
type wholeNumber int

// UnmarshalJSON implements json.Unmarshaler.
func (n *wholeNumber) UnmarshalJSON(text []byte) error {
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > math.MaxInt32 {
		return errors.New("want a whole number")
	}
	*n = wholeNumber(f)
	return nil
}

// policies are the values of invoke, in the order of the constants.
func policies() []string {
	return []string{"single", "roundrobin", "random", "first", "last", "least_loaded"}
}

// readSpec reads the body of r. The error is a problem.
func (g *Gateway) readSpec(w http.ResponseWriter, r *http.Request, pull bool) (s registrationSpec, err error) {
	if err := g.readObject(w, r, &s); err != nil {
		return s, err
	}
	if err := s.check(pull); err != nil {
		return s, badBody("the registration cannot be made: " + err.Error())
	}
	if s.URL != "" {
		if g.cfg.Webhooks == nil {
			return s, problem.New(http.StatusForbidden, wamp.ErrNotAuthorized,
				"webhooks are turned off here; register with Accept: text/event-stream and answer over HTTP, or ask the operator for webhook-allow")
		}
		if err := g.cfg.Webhooks.Check(s.URL); err != nil {
			return s, badBody("the url cannot be called: " + err.Error())
		}
	}
	return s, nil
}

// readObject reads a JSON body that has the members of v and no others.
func (g *Gateway) readObject(w http.ResponseWriter, r *http.Request, v any) error {
	m, err := parseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if m.body != bodyJSON {
		return badMediaType("the body must be JSON; with curl: --json")
	}
	b := g.newBuffer()
	defer g.freeBuffer(b)
	b.limit = min(b.limit, maxSpec)
	if err := g.readBody(w, r, b); err != nil {
		return err
	}
	if err := wamp.JSON.ValidStrict(b.body()); err != nil {
		return malformedBody(wamp.JSON, err)
	}
	if err := wholeObject(b.body()); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b.body()))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return badBody("the body " + inWords(err))
	}
	return nil
}

// wholeObject refuses what Go would take for an object without members, or for
// one without a member: null.
func wholeObject(text []byte) error {
	if wamp.JSON.Kind(text) != wamp.KindMap {
		return badBody("the body must be an object")
	}
	for member, err := range wamp.JSON.Entries(text) {
		switch {
		case err != nil:
			return malformedBody(wamp.JSON, err)
		case wamp.JSON.Kind(member.Value) == wamp.KindNull:
			return badBody("the member " + quoteShort(member.Key) + " may not be null; leave it out")
		}
	}
	return nil
}

// inWords says what is wrong with a value without the words of Go.
func inWords(err error) string {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("has the wrong type at %s: %s", quoteShort(wrong.Field), wrong.Value)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return "may not have the member " + name
	}
	if errors.Is(err, io.EOF) {
		return "is empty"
	}
	return "is not an object of the right form"
}

// check completes and judges a registration.
func (s *registrationSpec) check(pull bool) (err error) {
	if s.match, err = oneOf[wamp.MatchPolicy](cmp.Or(s.Match, "exact"), matchNames()); err != nil {
		return fmt.Errorf("match: %w", err)
	}
	if s.invoke, err = oneOf[wamp.InvokePolicy](cmp.Or(s.Invoke, "single"), policies()); err != nil {
		return fmt.Errorf("invoke: %w", err)
	}
	if !s.Procedure.ValidPattern(s.match) {
		return fmt.Errorf("procedure: %s is no URI to be matched with %v", quoteShort(string(s.Procedure)), s.match)
	}
	orDefault(&s.Concurrency, defaultConcurrency)
	if s.Concurrency < 1 || s.Concurrency > maxConcurrency {
		return fmt.Errorf("concurrency: want a number from 1 to %d", maxConcurrency)
	}
	if len(s.HTTP) > 0 {
		if s.http, err = dictOf(s.HTTP); err != nil {
			return fmt.Errorf("http: %w", err)
		}
	}
	if pull {
		return s.checkPull()
	}
	return s.checkWebhook()
}

func (s *registrationSpec) checkPull() error {
	if s.URL != "" || s.TTL != "" || s.Timeout != "" {
		return errors.New("url, timeout and ttl are for webhooks; this registration lives as long as its stream")
	}
	return nil
}

func (s *registrationSpec) checkWebhook() (err error) {
	if s.URL == "" {
		return errors.New("it has no url; a callee without one asks with Accept: text/event-stream")
	}
	if s.ttl, err = span(s.TTL, defaultLease, time.Second, maxLease); err != nil {
		return fmt.Errorf("ttl: %w", err)
	}
	if s.timeout, err = span(s.Timeout, defaultPatience, time.Millisecond, maxPatience); err != nil {
		return fmt.Errorf("timeout: %w", err)
	}
	if s.http == nil {
		s.http = wamp.Dict{} // a REGISTER with options for HTTP takes the right to register_http
	}
	return nil
}

// span reads a duration within bounds.
func span(text string, otherwise, least, most time.Duration) (time.Duration, error) {
	if text == "" {
		return otherwise, nil
	}
	d, err := parseDuration(text)
	if err == nil && (d < least || d > most) {
		err = fmt.Errorf("want %v to %v", least, most)
	}
	return d, err
}

// dictOf decodes a JSON object.
func dictOf(object []byte) (wamp.Dict, error) {
	_, kwargs, err := wamp.Payload{Serializer: wamp.JSON, Kwargs: object}.Decode()
	if err != nil {
		return nil, errors.New("want an object")
	}
	return kwargs, nil
}

// register returns the REGISTER.
func (s *registrationSpec) register() *wamp.Register {
	m := &wamp.Register{Request: 1, Procedure: s.Procedure, Options: wamp.RegisterOptions{
		Match: s.match, Invoke: s.invoke, Concurrency: int(s.Concurrency), DiscloseCaller: s.Disclose, ForwardTimeout: s.URL != "",
	}}
	if s.http != nil {
		m.Options.Custom = wamp.Dict{"_http": s.http}
	}
	return m
}

// newRegistration answers POST /registrations.
func (g *Gateway) newRegistration(w http.ResponseWriter, r *http.Request) error {
	if err := noOptions(r); err != nil {
		return err
	}
	stream := rank(parseAccept(strings.Join(r.Header.Values("Accept"), ",")), sse.ContentType)
	pull := stream.specificity == 3 && stream.quality > 0 // a wish for anything is none for a stream
	spec, err := g.readSpec(w, r, pull)
	if err != nil {
		return err
	}
	if pull {
		return g.pull(w, r, spec)
	}
	return g.registerWebhook(w, r, spec)
}

// registrationJSON is a registration in an answer.
type registrationJSON struct {
	ID           string   `json:"id"`
	Kind         string   `json:"kind"` // webhook or pull
	Procedure    wamp.URI `json:"procedure"`
	Match        string   `json:"match"`
	Invoke       string   `json:"invoke"`
	Concurrency  int      `json:"concurrency"`
	URL          string   `json:"url,omitempty"`
	Timeout      string   `json:"timeout,omitempty"`
	TTL          string   `json:"ttl,omitempty"`
	Created      string   `json:"created"`
	Expires      string   `json:"expires,omitempty"`
	Registration wamp.ID  `json:"registration"`
	Invocations  int      `json:"invocations"` // that it works at
	Secret       string   `json:"secret,omitempty"`
}

// describe returns c as it is; the secret is left out.
func (c *callee) describe() registrationJSON {
	c.mu.Lock()
	defer c.mu.Unlock()
	j := registrationJSON{
		ID: c.id, Kind: "pull", Procedure: c.spec.Procedure, Match: c.spec.match.String(), Invoke: c.spec.invoke.String(),
		Concurrency: int(c.spec.Concurrency), Created: timestamp(c.created), Registration: c.entry, Invocations: len(c.open),
	}
	if c.spec.URL != "" {
		j.Kind, j.URL, j.Timeout, j.TTL = "webhook", c.spec.URL, c.spec.timeout.String(), c.spec.ttl.String()
		j.Expires = timestamp(c.expires)
	}
	return j
}

// listRegistrations answers GET /registrations with one's own.
func (g *Gateway) listRegistrations(w http.ResponseWriter, r *http.Request) error {
	if err := noOptions(r); err != nil {
		return err
	}
	answer := struct {
		Registrations []registrationJSON `json:"registrations"`
	}{Registrations: []registrationJSON{}}
	for _, c := range g.callees.of(g.ownerOf(recordOf(w).who)) {
		answer.Registrations = append(answer.Registrations, c.describe())
	}
	return sendJSON(w, r, answer)
}

// registrationOf returns the registration that the path of r names. The error
// is a problem.
func (g *Gateway) registrationOf(w http.ResponseWriter, r *http.Request) (*callee, error) {
	if err := noOptions(r); err != nil {
		return nil, err
	}
	c := g.callees.find(g.ownerOf(recordOf(w).who), chi.URLParam(r, "id"))
	if c == nil {
		return nil, problem.New(http.StatusNotFound, wamp.ErrNoSuchRegistration,
			"none of your registrations has that ID; a webhook's ends with its lease, another one's with its stream")
	}
	return c, nil
}

// showRegistration answers GET /registrations/{id}.
func (g *Gateway) showRegistration(w http.ResponseWriter, r *http.Request) error {
	c, err := g.registrationOf(w, r)
	if err != nil {
		return err
	}
	return sendJSON(w, r, c.describe())
}

// endRegistration answers DELETE /registrations/{id}.
func (g *Gateway) endRegistration(w http.ResponseWriter, r *http.Request) error {
	c, err := g.registrationOf(w, r)
	if err != nil {
		return err
	}
	c.leave()
	return nothingMore(w)
}
