package gateway

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// respondKey is the keyword of a result that says how it is to be answered.
const respondKey = "_http"

// respondFields are the header fields that a callee may set: those that say
// something about the result, and nothing about the connection, the caches on
// the way or the gateway.
func respondFields() []string {
	return []string{"Content-Disposition", "Content-Language", "Content-Location", "Last-Modified", "Link", "Location", "Retry-After"}
}

// respond takes kwargs._http = {"status":201,"headers":{"Location":"…"}} out of
// a result whose procedure was registered with it: it returns the rest, and the
// status, 0 if the result says none. The error is a problem.
func respond(h http.Header, p wamp.Payload) (rest wamp.Payload, status int, err error) {
	if (wamp.Payload{Serializer: p.Serializer, Kwargs: p.Kwargs}).Empty() {
		return p, 0, nil
	}
	var said []byte
	kept := make([]wamp.Entry, 0, 8)
	for entry, err := range p.Serializer.Entries(p.Kwargs) {
		if err != nil {
			return p, 0, badResult(err)
		}
		if entry.Key == respondKey {
			said = entry.Value
			continue
		}
		kept = append(kept, entry)
	}
	if said == nil {
		return p, 0, nil
	}
	p.Kwargs = nil
	if len(kept) > 0 {
		p.Kwargs = p.Serializer.AppendMap(nil, kept...)
	}
	if said, err = transcoded(said, wamp.JSON, p.Serializer); err != nil {
		return p, 0, badResult(err)
	}
	status, err = respondWith(h, said)
	return p, status, err
}

// respondWith applies what a result says of its answer.
func respondWith(h http.Header, said []byte) (status int, err error) {
	var answer struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
	}
	if json.Unmarshal(said, &answer) != nil {
		return 0, badRespond("wants an object with status, a number, and headers, an object of texts")
	}
	if answer.Status != 0 && (answer.Status < 200 || answer.Status > 499) {
		return 0, badRespond("has a status that is not from 200 to 499")
	}
	for name, value := range answer.Headers {
		name = http.CanonicalHeaderKey(name)
		if !slices.Contains(respondFields(), name) {
			return 0, badRespond("sets a header field that is none of " + strings.Join(respondFields(), ", "))
		}
		if fieldText(value) != value {
			return 0, badRespond("sets a header field to what is not printable ASCII")
		}
		h.Set(name, value)
	}
	return answer.Status, nil
}

// badRespond is the problem of a result whose _http makes no sense.
func badRespond(what string) *problem.Problem {
	p := problem.New(http.StatusBadGateway, wamp.ErrInvalidPayload, "the keyword "+respondKey+" of the callee's result "+what)
	p.Source = problem.Callee
	return p
}

// bodyless reports whether an answer with this status has no body.
func bodyless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusResetContent || status == http.StatusNotModified
}
