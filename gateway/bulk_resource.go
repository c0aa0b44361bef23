package gateway

import (
	"bytes"
	"context"
	"net/http"
	"strconv"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// outlives reports whether the call of a line is one under /calls, or one that
// is kept elsewhere.
func (q *request) outlives() bool { return q.trust == trustPersistent || q.asResource() }

// resource makes such a call as a request of its own would, and returns head
// with what that was answered. The error is a problem, or why the batch ended.
func (b *bulk) resource(ctx context.Context, rec *record, head []byte) ([]byte, error) {
	g, q := b.gateway, &rec.request
	answer := keptAnswer{header: make(http.Header)}
	rec.ResponseWriter = &answer
	r := b.r.WithContext(ctx)
	r.Header = r.Header.Clone()
	r.Header.Del("Accept") // of the whole batch
	q.format = format{serializer: wamp.JSON, media: "application/vnd.wamp.call+json", envelope: true}
	var err error
	if q.trust == trustPersistent {
		err = g.callPersistent(rec, r, q) //nolint:contextcheck // the CANCEL outlives the request
	} else {
		err = g.callKept(rec, r, q, bytes.Join([][]byte{q.payload.Args, q.payload.Kwargs}, []byte{0})) //nolint:contextcheck // it is the request's
	}
	if err != nil {
		return nil, err
	}
	return answer.line(head)
}

// line returns head with an answer in the form of a batch.
func (a *keptAnswer) line(head []byte) ([]byte, error) {
	text := strconv.AppendInt(append(head, `"status":`...), int64(a.status), 10)
	if a.header.Get("Idempotency-Replayed") != "" {
		text = append(text, `,"replayed":true`...)
	}
	body := bytes.TrimSpace(a.body)
	switch {
	case a.status >= http.StatusBadRequest:
		text = append(append(text, `,"problem":`...), body...)
	case a.status == http.StatusAccepted:
		text = append(append(text, `,"call":`...), body...)
	case len(body) > 0:
		p, err := payloadOf(body, wamp.JSON, true)
		if err == nil {
			text, err = appendArguments(text, p)
		}
		if err != nil {
			return nil, badResult(err)
		}
	}
	return append(text, '}'), nil
}
