package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// bridgePath is where the requests of clients of Crossbar's HTTP bridge go.
const bridgePath = "/call"

// bridge serves calls as Crossbar's HTTP bridge has them: the body of the
// request is {"procedure", "args", "kwargs", "options"}, that of the answer
// {"args", "kwargs"}. The statuses are our own.
func (g *Gateway) bridge(w http.ResponseWriter, r *http.Request) error {
	rec := recordOf(w)
	q := &rec.request
	if err := readBridgeHead(r, q); err != nil {
		return err
	}
	b := g.newBuffer()
	defer g.freeBuffer(b)
	if err := g.readBody(w, r, b); err != nil {
		return err
	}
	rec.in = int64(len(b.body()))
	if err := readBridgeBody(b.body(), q); err != nil {
		return err
	}
	if err := g.readTimeout(r.Header, q); err != nil {
		return err
	}
	c, err := g.open(rec.who, q.procedure, false)
	if err != nil {
		return err
	}
	defer c.close()
	rec.began(c)
	return g.unary(w, r, c, q)
}

// readBridgeHead checks what comes before the body.
func readBridgeHead(r *http.Request, q *request) (err error) {
	if r.URL.RawQuery != "" {
		return badOption("the options of %s stand in its body; POST /call/{procedure} has them in the query", bridgePath)
	}
	q.format = format{serializer: wamp.JSON, media: "application/json", envelope: true}
	if q.body, err = parseMediaType(r.Header.Get("Content-Type")); err != nil {
		return err
	}
	if q.body.body != bodyJSON || q.body.envelope {
		return problem.New(http.StatusUnsupportedMediaType, uriMediaType, bridgePath+" takes application/json; POST /call/{procedure} takes more")
	}
	return nil
}

// readBridgeBody reads the body.
func readBridgeBody(body []byte, q *request) error {
	rest, err := payloadOf(body, wamp.JSON, false)
	if err != nil {
		return err
	}
	if rest.Kwargs == nil {
		return badBody(`the body must be an object with procedure, and perhaps args, kwargs and options`)
	}
	q.payload.Serializer = wamp.JSON
	for entry, err := range wamp.JSON.Entries(rest.Kwargs) {
		if err != nil {
			return malformedBody(wamp.JSON, err)
		}
		if err := q.bridgeMember(entry); err != nil {
			return err
		}
	}
	if !q.procedure.Valid() {
		return invalidURI(string(q.procedure))
	}
	return nil
}

// bridgeMember takes one member of the body.
func (q *request) bridgeMember(entry wamp.Entry) error {
	kinds := map[string]wamp.Kind{"procedure": wamp.KindString, "args": wamp.KindList, "kwargs": wamp.KindMap, "options": wamp.KindMap}
	want, known := kinds[entry.Key]
	if !known {
		return badBody(fmt.Sprintf("the body may hold procedure, args, kwargs and options, not %s", quoteShort(entry.Key)))
	}
	if got := wamp.JSON.Kind(entry.Value); got != want {
		return badBody(fmt.Sprintf("the member %s must be %v, not %v", entry.Key, want, got))
	}
	switch entry.Key {
	case "procedure":
		return json.Unmarshal(entry.Value, &q.procedure)
	case "args":
		q.payload.Args = entry.Value
	case "kwargs":
		q.payload.Kwargs = entry.Value
	case "options":
		return q.bridgeOptions(entry.Value)
	}
	return nil
}

// bridgeOptions reads the options that CALL has and a single answer allows.
func (q *request) bridgeOptions(object []byte) error {
	for entry, err := range wamp.JSON.Entries(object) {
		if err != nil {
			return malformedBody(wamp.JSON, err)
		}
		switch entry.Key {
		case "timeout":
			var ms int64
			if json.Unmarshal(entry.Value, &ms) != nil || ms < 0 || ms > int64(time.Duration(1<<62)/time.Millisecond) {
				return badBody("the option timeout must be a number of milliseconds")
			}
			q.options.timeout, q.hasTimeout = time.Duration(ms)*time.Millisecond, true
		case "disclose_me":
			if json.Unmarshal(entry.Value, &q.disclose) != nil {
				return badBody("the option disclose_me must be true or false")
			}
		default:
			return badBody(fmt.Sprintf("the option %s is not offered here; POST /call/{procedure} has more", quoteShort(entry.Key)))
		}
	}
	return nil
}
