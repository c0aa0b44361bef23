package gateway

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// Descriptions knows what callees tell about their procedures. Its methods may
// be called by many goroutines at once.
type Descriptions interface {
	// Generation returns 0 while no procedure is described, and another number
	// whenever Describe may have come to answer something else. It is asked
	// with every call, and takes no lock.
	Generation() uint64
	// Describe returns the registration that a call of uri goes to, whoever
	// asks.
	Describe(uri wamp.URI) (Procedure, bool)
}

// A description is what a callee tells about its procedure, understood. It is
// shared and never changes.
type description struct {
	registration wamp.ID
	told         []byte // the JSON object that it was made of

	cache      time.Duration // how long an answer to a GET may be kept; 0 is not at all
	media      string        // of results that are one byte string, or empty
	headers    []string      // fields of the request that the callee wants, canonical
	errors     []declaredError
	respond    bool      // the result may say its status
	maxBody    int64     // of a single call; 0 is no limit of its own
	deprecated time.Time // zero if it is not
	sunset     time.Time // when it goes away; zero if it does not
	whole      bool      // it takes no streams
	single     bool      // it makes none
	types      map[string]fieldType
	schemas    *toldSchemas // nil if none is told
}

// A declaredError is the status for error URIs that begin with a prefix.
type declaredError struct {
	prefix wamp.URI
	status int
}

// toldJSON is the form of a description as the dealer lets it in.
type toldJSON struct {
	Cache      float64            `json:"cache"` // seconds
	Media      string             `json:"media"`
	Headers    []string           `json:"headers"`
	Errors     map[string]float64 `json:"errors"`
	Respond    bool               `json:"respond"`
	MaxBody    float64            `json:"max_body"`
	Deprecated any                `json:"deprecated"` // seconds since 1970, or a bool
	Sunset     float64            `json:"sunset"`     // seconds since 1970
	Stream     struct {
		In  *bool `json:"in"`
		Out *bool `json:"out"`
	} `json:"stream"`
	Schema map[string]json.RawMessage `json:"schema"`
}

// newDescription returns the description of a registration; nil if there is
// none. What does not make sense is left out: the dealer has refused it.
func newDescription(p *Procedure) *description {
	if len(p.Description) == 0 {
		return nil
	}
	x := &description{registration: p.Registration, told: p.Description}
	var told toldJSON
	if json.Unmarshal(p.Description, &told) != nil {
		return x
	}
	x.cache = time.Duration(min(told.Cache, maxAge)) * time.Second
	x.media, x.respond = told.Media, told.Respond
	x.maxBody = int64(min(told.MaxBody, 1<<40))
	x.headers = wantedHeaders(told.Headers)
	x.errors = declaredErrors(told.Errors)
	switch at := told.Deprecated.(type) {
	case float64:
		x.deprecated = time.Unix(int64(at), 0)
	case bool:
		if at {
			x.deprecated = p.Created
		}
	}
	if told.Sunset > 0 {
		x.sunset = time.Unix(int64(told.Sunset), 0)
	}
	x.whole = told.Stream.In != nil && !*told.Stream.In
	x.single = told.Stream.Out != nil && !*told.Stream.Out
	x.types = fieldTypes(told.Schema["kwargs"])
	x.schemas = newToldSchemas(told.Schema)
	return x
}

// maxAge is the longest time, in seconds, that caches are told: a year.
const maxAge = 365 * 24 * 3600

// declaredErrors sorts so that the first prefix that fits is the longest one.
func declaredErrors(statuses map[string]float64) []declaredError {
	list := make([]declaredError, 0, len(statuses))
	for _, uri := range slices.Sorted(maps.Keys(statuses)) {
		list = append(list, declaredError{prefix: wamp.URI(uri), status: int(statuses[uri])})
	}
	slices.SortStableFunc(list, func(a, b declaredError) int { return len(b.prefix) - len(a.prefix) })
	return list
}

// wantedHeaders returns names in canonical form, without those of credentials:
// these are for the gateway alone.
func wantedHeaders(names []string) []string {
	var wanted []string
	for _, name := range names {
		switch name = http.CanonicalHeaderKey(name); name {
		case "Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "X-Forwarded-Client-Cert":
		default:
			wanted = append(wanted, name)
		}
	}
	return wanted
}

// status returns the status that is declared for an error URI, 0 if none is.
// A prefix ends where a component of the URI does.
func (x *description) status(uri wamp.URI) int {
	if x == nil {
		return 0
	}
	for _, e := range x.errors {
		rest, ok := strings.CutPrefix(string(uri), string(e.prefix))
		if ok && (rest == "" || rest[0] == '.') {
			return e.status
		}
	}
	return 0
}

// bytesMedia returns the media type of a result that is one byte string.
func (x *description) bytesMedia() string {
	if x == nil || x.media == "" {
		return mediaBytes
	}
	return x.media
}

// warn sets the header fields that tell of the procedure's end (RFC 9745, RFC
// 8594).
func (x *description) warn(h http.Header, uri wamp.URI) {
	if x == nil || x.deprecated.IsZero() && x.sunset.IsZero() {
		return
	}
	page := "<" + procedurePath(uri) + ">"
	if !x.deprecated.IsZero() {
		h.Set("Deprecation", "@"+strconv.FormatInt(x.deprecated.Unix(), 10))
		h.Add("Link", page+`; rel="deprecation"; type="application/json"`)
	}
	if !x.sunset.IsZero() {
		h.Set("Sunset", x.sunset.UTC().Format(http.TimeFormat))
		h.Add("Link", page+`; rel="sunset"; type="application/json"`)
	}
}

// check refuses what a procedure does not offer, before it is called.
func (x *description) check(q *request) error {
	switch {
	case x.whole && q.in.streams():
		return problem.New(http.StatusNotImplemented, wamp.ErrFeatureNotSupported,
			string(q.procedure)+" takes its arguments at once; add ?in=whole to send the body in one call").Safe()
	case x.single && q.out.streams():
		return problem.New(http.StatusNotAcceptable, uriNotAcceptable,
			string(q.procedure)+" answers once; ask for application/json, or leave ?stream= out")
	}
	return nil
}

// keptDescriptions is how many procedures the gateway remembers the
// descriptions of, or that they have none.
const keptDescriptions = 4096

// described remembers descriptions until they may have changed. The zero value
// is ready.
type described struct {
	mu         sync.RWMutex // guards the following fields
	generation uint64
	known      map[wamp.URI]*description // nil where there is none
	before     map[wamp.URI]*description // of the generation before, to be taken over
}

// describe returns what is told about the procedure that a call of uri goes
// to, nil if nothing is.
func (g *Gateway) describe(uri wamp.URI) *description {
	if g.cfg.Descriptions == nil {
		return nil
	}
	generation := g.cfg.Descriptions.Generation()
	if generation == 0 {
		return nil
	}
	d := &g.described
	d.mu.RLock()
	x, ok := d.known[uri]
	ok = ok && d.generation == generation
	d.mu.RUnlock()
	if ok {
		return x
	}
	p, found := g.cfg.Descriptions.Describe(uri) // which is as new as generation, or newer
	if !found {
		p = Procedure{}
	}
	return d.add(generation, uri, &p)
}

// add remembers the description of p for uri.
func (d *described) add(generation uint64, uri wamp.URI, p *Procedure) *description {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.generation != generation || len(d.known) >= keptDescriptions {
		d.before = d.known
		d.generation, d.known = generation, make(map[wamp.URI]*description)
	}
	x := d.before[uri]
	if x == nil || !x.of(p) {
		x = newDescription(p)
	}
	d.known[wamp.URI(strings.Clone(string(uri)))] = x
	return x
}

// of reports whether x is the description of p. Mostly that is in the same
// place, and then the comparison is short.
func (x *description) of(p *Procedure) bool {
	return x.registration == p.Registration && len(p.Description) > 0 && bytes.Equal(x.told, p.Description)
}
