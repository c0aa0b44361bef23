package problem

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// A Failure is an ERROR that ended a call, with what its caller knows of it.
type Failure struct {
	URI     wamp.URI
	Origin  wamp.Origin
	Payload wamp.Payload // in any serializer; it is copied

	Canceled  bool // this caller asked for the end
	Killed    bool // an administrator did
	Anonymous bool // the caller gave no credentials, so it may try some
	Debug     bool // tracebacks may leave the house

	// Of the callees' own errors:
	Declared int  // the status that is declared for the URI; 0 if none is
	Default  int  // the status where nothing else decides; 0 is 500
	Literal  bool // the last component of the URI says nothing about the status
}

// Of returns the problem that a failure is. A payload that has no form in JSON
// is left out.
func Of(f Failure) *Problem {
	status, retry := statusOf(f)
	p := &Problem{Status: status, URI: f.URI, Source: sourceOf(f.Origin), Retry: retryOf(f, retry)}
	p.special(f)
	p.fill(f)
	if p.Status == http.StatusServiceUnavailable && p.Header.Get("Retry-After") == "" {
		_ = p.RetrySoon()
	}
	return p
}

// special applies the rows of the table where the status hangs on more than
// the URI.
func (p *Problem) special(f Failure) {
	switch {
	case p.Status == http.StatusForbidden && f.Anonymous && authorization(f.URI):
		p.Status = http.StatusUnauthorized
	case f.URI == wamp.ErrPayloadSizeExceeded && f.Origin == wamp.OriginDealerDispatched:
		p.Status = http.StatusBadGateway // it was the result that is too large
	case canceled(f.URI) && f.Canceled:
		p.Status = StatusClientClosed
	case canceled(f.URI) && f.Killed:
		p.Status, p.Source = http.StatusConflict, Dealer // whether its callee confirmed that or not
	}
	if p.Status == http.StatusUnauthorized {
		p.set("WWW-Authenticate", "Bearer")
	}
}

// fill takes the error's arguments over.
func (p *Problem) fill(f Failure) {
	payload, err := f.Payload.Transcode(wamp.JSON)
	if err != nil || payload.Empty() {
		return
	}
	p.Detail = firstString(payload.Args)
	if p.Source != Dealer { // all it has to say is in detail
		p.Args = compactUnless(payload.Args, "[]")
	}
	kwargs := payload.Kwargs
	if !f.Debug {
		kwargs = withoutTraceback(kwargs)
	}
	p.Kwargs = compactUnless(kwargs, "{}")
	if f.URI == wamp.ErrRateLimited && p.Source == Dealer {
		p.limited(kwargs)
	}
}

// QuotaExceeded is the registered problem type of a limit of requests.
const QuotaExceeded = "https://iana.org/assignments/http-problem-types#quota-exceeded"

// procedurePolicy names, in the RateLimit fields, what a role's rule allows.
const procedurePolicy = "procedure"

// limited tells what the limit is and when to try again, as the dealer has it
// in its arguments (draft-ietf-httpapi-ratelimit-headers-10). The limit is one
// of calls in flight if it has no window.
func (p *Problem) limited(kwargs []byte) {
	var hint struct {
		RetryAfter int `json:"retry_after"`
		Limit      int `json:"limit"`
		Window     int `json:"window"`
	}
	_ = json.Unmarshal(kwargs, &hint) // without it: soon
	after := max(hint.RetryAfter, 1)
	if hint.Limit > 0 {
		policy, state := `"`+procedurePolicy+`";q=`+strconv.Itoa(hint.Limit), `"`+procedurePolicy+`";r=0`
		if hint.Window > 0 {
			policy, state = policy+";w="+strconv.Itoa(hint.Window), state+";t="+strconv.Itoa(after)
		} else {
			policy += `;qu="concurrent-requests"`
		}
		p.set(policyField, policy)
		p.set(stateField, state)
	}
	p.Type = QuotaExceeded
	p.Policies = []string{procedurePolicy}
	p.Kwargs = nil
	_ = p.RetryAfter(after)
}

// sourceOf returns who made the error.
func sourceOf(o wamp.Origin) Source {
	if o == wamp.OriginCallee {
		return Callee
	}
	return Dealer
}

// retryOf corrects the table's verdict by how far the call came.
func retryOf(f Failure, table Retry) Retry {
	switch {
	case f.Origin == wamp.OriginCallee && table != RetryUnknown:
		return RetryNo
	case f.Origin == wamp.OriginDealerDispatched && table == RetrySafe:
		return RetryUnknown
	case f.Origin == wamp.OriginDealer && table == RetryUnknown:
		return RetrySafe // such as a timeout while the call waited for a callee
	}
	return table
}

// canceled reports whether uri is one of the two spellings.
func canceled(uri wamp.URI) bool { return uri == wamp.ErrCanceled || uri == wamp.ErrCancelled }

// authorization reports whether credentials could help against uri.
func authorization(uri wamp.URI) bool {
	switch uri {
	case wamp.ErrNotAuthorized, wamp.ErrAuthorizationDenied, wamp.ErrAuthorizationRequired, wamp.ErrNoSuchRole:
		return true
	}
	return false
}

// firstString returns the first element of a JSON list if it is text.
func firstString(list []byte) string {
	var elements []json.RawMessage
	if json.Unmarshal(list, &elements) != nil || len(elements) == 0 || elements[0][0] != '"' {
		return ""
	}
	var s string
	if json.Unmarshal(elements[0], &s) != nil || s == "" || s[0] == 0 {
		return "" // a leading NUL marks bytes, which are no text
	}
	return s
}

// withoutTraceback removes what tells strangers about a callee's insides.
func withoutTraceback(object []byte) []byte {
	if !bytes.Contains(object, []byte("traceback")) {
		return object
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil {
		return nil
	}
	delete(members, "traceback")
	object, err := json.Marshal(members)
	if err != nil {
		return nil
	}
	return object
}

// compactUnless returns a copy of JSON b in one line, or nil when b says
// nothing.
func compactUnless(b []byte, empty string) []byte {
	var line bytes.Buffer
	if json.Compact(&line, b) != nil || line.String() == empty {
		return nil
	}
	return line.Bytes()
}
