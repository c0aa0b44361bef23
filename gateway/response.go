package gateway

import (
	"cmp"
	"net/http"
	"strconv"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// writeResult answers a unary request with the final result of its call.
//
//	no args, no kwargs   204            Wamp-Result: none
//	one arg, no kwargs   the value      Wamp-Result: value
//	only kwargs          the object     Wamp-Result: kwargs
//	else                 an envelope    Wamp-Result: call
//
// The error is a problem: a result that has no form in what was asked for.
func (g *Gateway) writeResult(w http.ResponseWriter, c *call, q *request, e event) error {
	status := 0
	if q.route != nil {
		if err := g.checkAnswer(c, q, e); err != nil {
			return err
		}
	}
	if q.about != nil && q.about.respond {
		var err error
		if e.payload, status, err = respond(w.Header(), e.payload); err != nil {
			return err
		}
	}
	shape, value, err := shapeOf(e.payload, q.format.envelope)
	if err != nil {
		return badResult(err)
	}
	status = q.route.statusFor(status, shape)
	v := g.callHeaders(w.Header(), c, q)
	v.set("Wamp-Result", shape.String())
	switch {
	case bodyless(status) && shape != resultNone:
		return badRespond("has a status whose answers have no body, but the result has values")
	case shape == resultNone:
		w.WriteHeader(cmp.Or(status, http.StatusNoContent))
		return nil
	}
	if q.format.raw && shape == resultValue {
		if raw, ok := rawResult(c, value, e.payload.Serializer); ok {
			return g.send(w, v, q, status, q.format.bytes, raw)
		}
	}
	body, err := encodeResult(e.payload, shape, value, q.format.serializer)
	if err != nil {
		return badResult(err)
	}
	return g.send(w, v, q, status, q.format.media, body)
}

// rawResult returns a result that is one byte string, or opaque text, as it is.
func rawResult(c *call, value []byte, s wamp.Serializer) ([]byte, bool) {
	if raw, ok := s.BytesValue(value); ok || c.passthru == nil {
		return raw, ok
	}
	opaque, err := appendContent(nil, value, s)
	return opaque, err == nil
}

// send writes a whole answer. JSON gets a line feed, for terminals. A status of
// 0 is 200.
func (g *Gateway) send(w http.ResponseWriter, v *fieldValues, q *request, status int, media string, body []byte) error {
	if q.keep > 0 && status == 0 && q.keepable(w.Header(), body) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	line := media == q.format.media && q.format.serializer == wamp.JSON
	length := len(body)
	if line {
		length++
	}
	v.set("Content-Type", media)
	v.set("Content-Length", strconv.Itoa(length))
	w.WriteHeader(cmp.Or(status, http.StatusOK))
	if err := g.writeBody(w, body); err != nil {
		return err
	}
	if line {
		_, _ = w.Write([]byte{'\n'}) // fits into the buffer of net/http
	}
	return nil
}

// writeBody writes the body of an answer. A large one goes out piece by piece,
// each with a deadline, so that a client that does not read is given up; small
// ones fit into the buffers between. The error is errClientGone or
// errSlowConsumer, which cancel nothing any more: the call has ended.
func (g *Gateway) writeBody(w http.ResponseWriter, body []byte) error {
	if len(body) <= writeSize {
		_, _ = w.Write(body) // if nobody is there, nobody has to be told
		return nil
	}
	control := http.NewResponseController(w)
	for len(body) > 0 {
		piece := body[:min(len(body), writeSize)]
		body = body[len(piece):]
		deadline := time.Now().Add(g.cfg.WriteTimeout)
		_ = control.SetWriteDeadline(deadline) // not all writers know deadlines; those of tests don't
		if _, err := w.Write(piece); err != nil && !time.Now().Before(deadline) {
			return errSlowConsumer
		} else if err != nil {
			return errClientGone
		}
	}
	_ = control.SetWriteDeadline(time.Time{}) // or it would cut the next answer on the connection
	return nil
}

// callHeaders sets the header fields of every answer of a call, and returns
// where to set more.
func (g *Gateway) callHeaders(h http.Header, c *call, q *request) *fieldValues {
	v := &fieldValues{header: h}
	v.set("Cache-Control", "no-store")
	v.set("X-Content-Type-Options", "nosniff")
	v.set("Wamp-Call-Id", c.id)
	if c.timing != "" {
		v.set("Server-Timing", c.timing)
	}
	if q.trace != nil {
		v.set("Traceparent", q.trace.parent)
	}
	if q.clamped {
		v.set("Wamp-Timeout", strconv.FormatInt(q.timeout.Milliseconds(), 10))
	}
	c.noteHeaders(v, q)
	if g.cfg.ExposeCallee && c.served != (wamp.Served{}) {
		v.set("Wamp-Registration", strconv.FormatUint(uint64(c.served.Registration), 10))
		v.set("Wamp-Callee", strconv.FormatUint(uint64(c.served.Callee), 10))
	}
	return v
}

// fieldValues sets header fields, with one allocation for the values of all.
type fieldValues struct {
	header http.Header
	values [8]string
	n      int
}

// set sets a field. The name must be in canonical form.
func (v *fieldValues) set(name, value string) {
	if v.n == len(v.values) {
		v.header[name] = []string{value}
		return
	}
	v.values[v.n] = value
	v.header[name] = v.values[v.n : v.n+1 : v.n+1]
	v.n++
}

// serverTiming says where the time went, in milliseconds: in the gateway until
// the CALL left, and from then until the answer.
func serverTiming(gateway, callee time.Duration) string {
	b := make([]byte, 0, 48)
	b = append(b, "gw;dur="...)
	b = appendMillis(b, gateway)
	b = append(b, ", callee;dur="...)
	return string(appendMillis(b, callee))
}

// appendMillis appends d in milliseconds with two decimals.
func appendMillis(b []byte, d time.Duration) []byte {
	hundredths := d.Microseconds() / 10
	b = strconv.AppendInt(b, hundredths/100, 10)
	return append(b, '.', byte('0'+hundredths/10%10), byte('0'+hundredths%10))
}

// A shape is what a result looks like.
type shape uint8

const (
	resultNone shape = iota
	resultValue
	resultKwargs
	resultCall
)

// String returns the word for the Wamp-Result header.
func (s shape) String() string {
	return [...]string{"none", "value", "kwargs", "call"}[s]
}

// shapeOf decides how a result is written. Of resultValue it returns the one
// argument.
func shapeOf(p wamp.Payload, envelope bool) (s shape, value []byte, err error) {
	n := 0
	if p.Args != nil && p.Serializer.Kind(p.Args) != wamp.KindList {
		n, value = 1, p.Args // payload transparency: bytes in place of the list
	} else if p.Args != nil {
		for element, err := range p.Serializer.Elements(p.Args) {
			if err != nil {
				return 0, nil, err
			}
			if value = element; n == 1 {
				n = 2
				break
			}
			n = 1
		}
	}
	kwargs := !(wamp.Payload{Serializer: p.Serializer, Kwargs: p.Kwargs}).Empty()
	switch {
	case envelope:
		return resultCall, nil, nil
	case n == 0 && !kwargs:
		return resultNone, nil, nil
	case n == 1 && !kwargs:
		return resultValue, value, nil
	case n == 0:
		return resultKwargs, nil, nil
	}
	return resultCall, nil, nil
}

// encodeResult returns a result in encoding to. It may alias p.
func encodeResult(p wamp.Payload, s shape, value []byte, to wamp.Serializer) ([]byte, error) {
	switch s {
	case resultValue:
		return transcoded(value, to, p.Serializer)
	case resultKwargs:
		return transcoded(p.Kwargs, to, p.Serializer)
	}
	return encodeEnvelope(nil, p, to)
}

// encodeEnvelope appends {"args":[…],"kwargs":{…}} in encoding to.
func encodeEnvelope(dst []byte, p wamp.Payload, to wamp.Serializer) ([]byte, error) {
	p, err := p.Transcode(to)
	if err != nil {
		return dst, err
	}
	if p.Args == nil {
		p.Args = to.AppendList(nil)
	}
	if p.Kwargs == nil {
		p.Kwargs = to.AppendMap(nil)
	}
	return to.AppendMap(dst, wamp.Entry{Key: "args", Value: p.Args}, wamp.Entry{Key: "kwargs", Value: p.Kwargs}), nil
}

// transcoded returns value in encoding to; itself if it is in it already.
func transcoded(value []byte, to, from wamp.Serializer) ([]byte, error) {
	if to == from {
		return value, nil
	}
	return wamp.Transcode(nil, to, value, from)
}

// badResult is the problem of a result that cannot be written as was asked.
func badResult(err error) *problem.Problem {
	p := problem.New(http.StatusBadGateway, wamp.ErrInvalidPayload, "the callee's result has no form in the media type of the answer").Because(err)
	p.Source = problem.Callee
	return p
}

// problemOf returns the problem of a call that ended with an ERROR.
func (g *Gateway) problemOf(c *call, q *request, e event) *problem.Problem {
	if g.cfg.HideUnauthorized && e.origin == wamp.OriginDealer && e.uri == wamp.ErrNotAuthorized {
		e = event{kind: e.kind, uri: wamp.ErrNoSuchProcedure, origin: e.origin}
	}
	p := problem.Of(problem.Failure{
		Declared:  q.about.status(e.uri),
		Default:   g.cfg.ErrorStatus,
		Literal:   g.cfg.ErrorsLiteral,
		URI:       e.uri,
		Origin:    e.origin,
		Payload:   e.payload,
		Canceled:  c.unwanted.Load(),
		Killed:    e.killed,
		Anonymous: c.owner.identity.Authid == g.cfg.Anonymous.Authid,
		Debug:     g.cfg.Debug,
	})
	if q.transactional() {
		p.Undone = c.undone
	}
	if e.uri == wamp.ErrNoSuchProcedure && e.origin == wamp.OriginDealer {
		p.Detail = g.noProcedure(c.procedure)
	}
	if q.route != nil && e.origin == wamp.OriginCallee {
		if status, ok := q.route.statusOf(e.uri); ok {
			p.Status = status
		}
	}
	return p
}

// noProcedure says that a procedure is not there, and what may have been
// meant.
func (g *Gateway) noProcedure(uri wamp.URI) string {
	text := "no procedure " + string(uri)
	if near, ok := g.cfg.Nearest(uri); ok {
		text += "; did you mean " + string(near) + "?"
	}
	return text
}
