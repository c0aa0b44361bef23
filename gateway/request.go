package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// A request is what an HTTP request for a call comes to, decided before its
// body is read.
type request struct {
	options
	procedure wamp.URI
	body      mediaType
	in        framing // how the body is cut into chunks; resolved
	out       outForm // the form of the answer
	media     string  // Content-Type of a streamed answer
	format    format  // of a unary answer
	timeout   time.Duration
	clamped   bool // the client wanted a longer timeout
	prefer    preferences
	once      string            // the Idempotency-Key; empty if there is none
	persist   *wamp.KeepOptions // of a persistent call; nil for others
	resumed   bool              // the client has read the first events of the stream
	payload   wamp.Payload      // unless the body is streamed

	route *importedRoute           // whose operation is asked for; nil if none
	item  func(frame []byte) error // refuses items of a streamed body; nil takes all

	about   *description // of the procedure; nil if there is none
	trace   *trace       // that the request belongs to; nil if that is none
	headers wamp.Dict    // fields that the callee wants to see; nil if there are none

	// Of an answer that may be kept:
	keep   time.Duration // for how long; 0 if it may not
	public bool          // by others than the client, too
	tags   []string      // If-None-Match
}

// streams reports whether anything of the call is streamed.
func (q *request) streams() bool { return q.in.streams() || q.out.streams() }

// callOptions returns the options of the (first) CALL.
func (q *request) callOptions() wamp.CallOptions {
	return wamp.CallOptions{
		Timeout:         q.timeout.Milliseconds(),
		DiscloseMe:      q.disclose,
		TrustLevel:      q.trust,
		Keep:            q.persist,
		Branch:          q.branch,
		Passthru:        q.passthru,
		ReceiveProgress: q.progress != choiceOff && (q.out.streams() || q.prefer.async && (q.progress == choiceOn || q.in.streams())),
		RoutingKey:      q.key,
		RunMode:         q.runMode,
		Custom:          q.custom(),
	}
}

// read understands all of r but its body, for a call with or without one. The
// error is a problem.
func (g *Gateway) read(r *http.Request, q *request) error {
	var err error
	if q.procedure, err = procedureOf(r); err != nil {
		return err
	}
	q.trace = traceOf(r.Header)
	q.about = g.describe(q.procedure)
	get := r.Method == http.MethodGet || r.Method == http.MethodHead
	if q.options, err = parseOptions(r.URL.RawQuery, get); err != nil {
		return err
	}
	if q.body, err = parseMediaType(r.Header.Get("Content-Type")); err != nil {
		return err
	}
	if q.passthru != nil {
		q.body = mediaType{body: bodyBytes} // whatever the type says, nobody here reads it
	}
	ans, err := negotiate(r.Header["Accept"], &q.options, q.about.bytesMedia())
	if err != nil {
		return err
	}
	q.in = framingOf(q.body, r.ContentLength, &q.options)
	if compressed, err := encoded(r); err != nil || compressed && q.in.streams() {
		return badEncoding(q.in.streams())
	}
	q.out, q.media, q.format = ans.form, ans.media, ans.format
	if err := q.readKeeping(r); err != nil {
		return err
	}
	if err := q.check(get, r.ContentLength); err != nil {
		return err
	}
	if err := q.checkPassthru(r.Method); err != nil {
		return err
	}
	if q.about != nil {
		if err := q.about.check(q); err != nil {
			return err
		}
		q.body.types, q.headers = q.about.types, q.about.requestHeaders(r.Header)
	}
	return g.readTimeout(r.Header, q)
}

// check refuses what does not go together, rather than leaving a part of the
// request unheard.
func (q *request) check(get bool, length int64) error {
	switch {
	case get && length != 0:
		return problem.New(http.StatusBadRequest, uriBadRequest, "a GET takes its arguments from the query: ?args=[…], ?kwargs={…}, ?kw.name=text; send a body with POST")
	case get && q.framing.streams():
		return badOption("option in is for requests with a body")
	case q.progress == choiceOn && !q.out.streams() && !q.prefer.async:
		return badOption("progress=true needs an answer that streams: Accept: text/event-stream, or ?stream=ndjson")
	case q.bare && !q.out.streams():
		return badOption("body=value is for answers that stream")
	case q.chunk != 0 && q.in != framingChunks:
		return badOption("option chunk is for ?in=chunks")
	case q.given&(1<<optionFinal) != 0 && !q.in.streams():
		return badOption("option final is for bodies that stream")
	}
	return q.checkLife(length)
}

// optionFinal is the index of "final" in optionNames.
const optionFinal = 6

// readTimeout decides the call's timeout: the option, else what gRPC's or
// Connect's header says, else the default. A longer one than allowed is cut.
func (g *Gateway) readTimeout(h http.Header, q *request) error {
	wanted, given := q.options.timeout, q.hasTimeout
	var err error
	switch {
	case given:
	case h["Connect-Timeout-Ms"] != nil:
		if wanted, err = parseConnectTimeout(h.Get("Connect-Timeout-Ms")); err != nil {
			return badOption("header Connect-Timeout-Ms: %v", err)
		}
		given = true
	case h["Grpc-Timeout"] != nil:
		if wanted, err = parseGRPCTimeout(h.Get("Grpc-Timeout")); err != nil {
			return badOption("header Grpc-Timeout: %v", err)
		}
		given = true
	}
	switch {
	case !given && q.streams():
		q.timeout = min(g.cfg.StreamTimeout, g.cfg.MaxTimeout)
	case !given:
		q.timeout = min(g.cfg.Timeout, g.cfg.MaxTimeout)
	case wanted == 0:
		q.timeout = g.cfg.MaxTimeout
	default:
		q.timeout = min(wanted, g.cfg.MaxTimeout)
		q.clamped = wanted > g.cfg.MaxTimeout
	}
	return nil
}

// callPath is what the path of a call begins with; the procedure follows.
const callPath = "/call/"

// procedureOf returns the procedure that a path names. The error is a problem.
func procedureOf(r *http.Request) (wamp.URI, error) {
	name, err := segment(r, callPath)
	uri := wamp.URI(name)
	if err != nil || !uri.Valid() || strings.ContainsFunc(name, unicode.IsControl) {
		return "", invalidURI(name)
	}
	return uri, nil
}

// segment returns the segment that follows prefix in the path of r, decoded.
func segment(r *http.Request, prefix string) (string, error) {
	name, _, _ := strings.Cut(strings.TrimPrefix(routedPath(r), prefix), "/")
	if r.URL.RawPath == "" {
		return name, nil
	}
	decoded, err := url.PathUnescape(name)
	if err != nil {
		return name, err
	}
	return decoded, nil
}

// routedPath returns the path of r as it decides on the route: as it came if
// it holds an escape that Go would write differently, and decoded otherwise.
func routedPath(r *http.Request) string {
	if r.URL.RawPath != "" {
		return r.URL.RawPath
	}
	return r.URL.Path
}

func invalidURI(name string) *problem.Problem {
	return problem.New(http.StatusBadRequest, wamp.ErrInvalidURI,
		fmt.Sprintf("%s is no procedure URI: components must not be empty, nor hold white space, control characters or '#'", quoteShort(name)))
}

// queryPayload makes arguments of a GET's query.
func (q *request) queryPayload() (wamp.Payload, error) {
	p := wamp.Payload{Serializer: wamp.JSON}
	if q.args != "" {
		if err := jsonOption("args", q.args, wamp.KindList); err != nil {
			return p, err
		}
		p.Args = []byte(q.args)
	}
	if q.kwargs != "" {
		if err := jsonOption("kwargs", q.kwargs, wamp.KindMap); err != nil {
			return p, err
		}
		p.Kwargs = []byte(q.kwargs)
	}
	if len(q.named) == 0 {
		return p, nil
	}
	if q.kwargs != "" {
		return p, badOption("give keyword arguments as kwargs or as kw.name, not both")
	}
	return p, q.addNamed(&p)
}

// addNamed makes keyword arguments of kw.name=text and kw.name:=json. A
// repeated name collects a list.
func (q *request) addNamed(p *wamp.Payload) error {
	values := make(map[string][][]byte, len(q.named))
	var names []string
	lists := make(map[string]bool) // by the schema; a list that is given as JSON is one already
	for _, arg := range q.named {
		value, err := arg.encode(q.body.types)
		if err != nil {
			return err
		}
		if values[arg.name] == nil {
			names = append(names, arg.name)
		}
		values[arg.name] = append(values[arg.name], value)
		lists[arg.name] = !arg.json && q.body.types[arg.name].name == "array"
	}
	entries := make([]wamp.Entry, 0, len(names))
	for _, name := range names {
		value := values[name][0]
		if len(values[name]) > 1 || lists[name] {
			value = wamp.JSON.AppendList(nil, values[name]...)
		}
		entries = append(entries, wamp.Entry{Key: name, Value: value})
	}
	p.Kwargs = wamp.JSON.AppendMap(nil, entries...)
	return nil
}

// encode returns the argument in JSON: as it was given, as the schema of the
// procedure wants it, or as text.
func (arg namedArg) encode(types map[string]fieldType) ([]byte, error) {
	if arg.json {
		return []byte(arg.value), jsonOption("kw."+arg.name+":", arg.value, wamp.KindInvalid)
	}
	if typed, err := convert(types, arg.name, arg.value); typed != nil || err != nil {
		return typed, err
	}
	text, err := wamp.JSON.AppendValue(nil, arg.value)
	if err != nil {
		return nil, badOption("kw.%s cannot be passed on", arg.name)
	}
	return text, nil
}

// jsonOption checks JSON in a query; kind KindInvalid allows all.
func jsonOption(name, value string, kind wamp.Kind) error {
	if err := wamp.JSON.ValidStrict([]byte(value)); err != nil {
		return badOption("%s is not valid JSON: %v", name, err)
	}
	if got := wamp.JSON.Kind([]byte(value)); kind != wamp.KindInvalid && got != kind {
		return badOption("%s must be %v in JSON, not %v", name, kind, got)
	}
	return nil
}
