package gateway

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// maxTraceState is how many characters of a tracestate are passed on, as the
// specification asks for.
const maxTraceState = 512

// A trace is the W3C trace context of a request, continued: the gateway is one
// span of it. A request that brings none starts none.
type trace struct {
	parent string // traceparent for the callee and the answer
	id     string // of the trace, 32 hexadecimal digits
	state  string // tracestate for the callee, or empty
}

// traceOf returns the trace that a request belongs to, or nil. A traceparent
// that is not valid is passed over with its tracestate, as the specification
// has it (Trace Context, section 4.3): tracing never makes a call fail.
func traceOf(h http.Header) *trace {
	given := h["Traceparent"]
	if len(given) != 1 {
		return nil
	}
	parent := given[0]
	if !validParent(parent) {
		return nil
	}
	var ours [8]byte
	for ours == [8]byte{} {
		_, _ = rand.Read(ours[:]) // never fails
	}
	return &trace{
		parent: "00-" + parent[3:35] + "-" + hex.EncodeToString(ours[:]) + "-" + parent[53:55],
		id:     strings.Clone(parent[3:35]),
		state:  traceState(h["Tracestate"]),
	}
}

// validParent reports whether s is version "-" trace-id "-" parent-id "-" flags.
// Later versions may add more after another "-".
func validParent(s string) bool {
	if len(s) < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return false
	}
	version, id, span, flags := s[:2], s[3:35], s[36:52], s[53:55]
	if version == "ff" || len(s) > 55 && (version == "00" || s[55] != '-') {
		return false
	}
	return lowerHex(version) && lowerHex(flags) &&
		lowerHex(id) && strings.Trim(id, "0") != "" && lowerHex(span) && strings.Trim(span, "0") != ""
}

// traceState joins the fields, or returns nothing where one is too long or no
// printable ASCII.
func traceState(fields []string) string {
	state := strings.Join(fields, ",")
	if len(state) > maxTraceState || fieldText(state) != state {
		return ""
	}
	return strings.Trim(state, " ,")
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// custom returns the details of the INVOCATION that WAMP has no words for: the
// trace, and those header fields of the request that the callee asked for.
func (q *request) custom() wamp.Dict {
	if q.trace == nil && q.headers == nil {
		return nil
	}
	d := make(wamp.Dict)
	if q.trace != nil {
		d["_traceparent"] = q.trace.parent
		if q.trace.state != "" {
			d["_tracestate"] = q.trace.state
		}
	}
	if q.headers != nil {
		d["_headers"] = q.headers
	}
	return d
}

// requestHeaders returns those fields of h that the callee asked for, by their
// names in lower case; nil if there are none.
func (x *description) requestHeaders(h http.Header) wamp.Dict {
	var d wamp.Dict
	for _, name := range x.headers {
		if values := h[name]; values != nil {
			if d == nil {
				d = make(wamp.Dict)
			}
			d[strings.ToLower(name)] = strings.ToValidUTF8(strings.Join(values, ", "), "\uFFFD")
		}
	}
	return d
}
