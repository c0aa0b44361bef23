package gateway

import (
	"errors"
	"net/http"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// bridgePath is where the requests of clients of Crossbar's HTTP bridge go.
const bridgePath = "/call"

// bridge serves calls as Crossbar's HTTP bridge has them: the body of the
// request is {"procedure", "args", "kwargs", "options"}, that of the answer
// {"args", "kwargs"}. The statuses are our own, unless ?errors=200 asks for
// Crossbar's.
func (g *Gateway) bridge(w http.ResponseWriter, r *http.Request) error {
	rec := recordOf(w)
	q := &rec.request
	crossbar, err := readBridgeHead(r, q)
	if err != nil {
		return err
	}
	if err := g.shed(rec.who, priorityNormal); err != nil {
		return err
	}
	b := g.newBuffer()
	defer g.freeBuffer(b)
	if err := g.readBody(w, r, b); err != nil {
		return err
	}
	rec.in = int64(len(b.body()))
	call := callObject{request: q}
	if err := call.read(b.body()); err != nil {
		return err
	}
	if err := g.checkBridged(w, r, q); err != nil {
		return err
	}
	if q.trust == trustPersistent && !crossbar {
		return g.callPersistent(w, r, q)
	}
	if q.asResource() {
		if crossbar {
			return badOption("option errors=200 is for calls that are answered at once, and not with an Idempotency-Key")
		}
		return g.callKept(w, r, q, b.body())
	}
	c, err := g.open(rec.who, q.procedure, false)
	if err != nil {
		return err
	}
	defer c.close()
	rec.began(c)
	err = g.unary(w, r, c, q)
	if crossbar && err != nil {
		return g.asCrossbar(w, err)
	}
	return err
}

// checkBridged checks a call whose body is read.
func (g *Gateway) checkBridged(w http.ResponseWriter, r *http.Request, q *request) error {
	q.about = g.describe(q.procedure)
	q.about.warn(w.Header(), q.procedure)
	if err := g.readTimeout(r.Header, q); err != nil {
		return err
	}
	if err := g.checkArguments(q, r.Method); err != nil {
		return err
	}
	if err := q.readKeeping(r); err != nil {
		return err
	}
	return q.checkGuarantee()
}

// readBridgeHead checks what comes before the body. It reports whether errors
// are to be told as Crossbar tells them.
func readBridgeHead(r *http.Request, q *request) (crossbar bool, err error) {
	err = readQuery(r.URL.RawQuery, []string{"errors"}, func(_, value string) error {
		if crossbar = value == "200"; !crossbar {
			return errors.New("want 200, which answers errors of calls as Crossbar's bridge does")
		}
		return nil
	})
	if err != nil {
		return false, problemHint(err, "the options of a call stand in its body; POST /call/{procedure} has them in the query")
	}
	q.format = format{serializer: wamp.JSON, media: "application/json", envelope: true}
	q.trace = traceOf(r.Header)
	if q.body, err = parseMediaType(r.Header.Get("Content-Type")); err != nil {
		return false, err
	}
	if q.body.body != bodyJSON || q.body.envelope {
		return false, problem.New(http.StatusUnsupportedMediaType, uriMediaType, bridgePath+" takes application/json; POST /call/{procedure} takes more")
	}
	return crossbar, nil
}

// problemHint adds a sentence to a problem that nobody else has yet.
func problemHint(err error, hint string) error {
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		p.Detail += " (" + hint + ")"
	}
	return err
}

// asCrossbar answers with an error of a call as Crossbar's bridge does: 200 and
// {"error","args","kwargs"}. Who fails, and whether to call again, is in the
// header.
func (g *Gateway) asCrossbar(w http.ResponseWriter, err error) error {
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok || p.Source == problem.Gateway {
		return err
	}
	rec := recordOf(w)
	rec.failed(p.Status, err)
	args, kwargs := p.Args, p.Kwargs
	if args == nil {
		args = wamp.JSON.AppendList(nil)
		if text, err := wamp.JSON.AppendValue(nil, p.Detail); err == nil && p.Detail != "" {
			args = wamp.JSON.AppendList(nil, text)
		}
	}
	if kwargs == nil {
		kwargs = wamp.JSON.AppendMap(nil)
	}
	uri, err := wamp.JSON.AppendValue(nil, string(p.URI))
	if err != nil {
		return err
	}
	body := wamp.JSON.AppendMap(nil, wamp.Entry{Key: "args", Value: args}, wamp.Entry{Key: "error", Value: uri}, wamp.Entry{Key: "kwargs", Value: kwargs})
	p.Fields(w.Header())
	v := &fieldValues{header: w.Header()}
	return g.send(w, v, &rec.request, http.StatusOK, "application/json", body)
}
