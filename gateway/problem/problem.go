// Package problem turns failures into RFC 9457 problem details. It holds the
// one table from WAMP error URIs to HTTP status codes.
//
// A problem says, beyond what the RFC asks for, which error URI it stands for
// (error: the key that programs go by), who failed (source) and whether the
// call may be repeated (retry). The same three are header fields.
package problem

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// MediaType is the media type of a problem in JSON.
const MediaType = "application/problem+json"

// A Source is who failed.
type Source string

// The sources.
const (
	Gateway Source = "gateway" // refused before or beside the realm
	Dealer  Source = "dealer"
	Callee  Source = "callee"
)

// A Retry says whether the same call may be made again.
type Retry string

// The verdicts on a retry.
const (
	RetrySafe    Retry = "safe"    // no callee ever saw the call
	RetryUnknown Retry = "unknown" // a callee saw it, and that is all we know
	RetryNo      Retry = "no"      // the callee answered, or it would fail again
)

// StatusClientClosed is the status, known from nginx, of a call whose client
// asked for its end or left. Package http has no name for it.
const StatusClientClosed = 499

// A Problem is one failed request. It is an error, so that handlers can return
// it. It must not be changed once it is shared.
type Problem struct { //nolint:errname // RFC 9457's word
	Type     string   // absolute URI; empty means about:blank
	Status   int      // HTTP status code
	Detail   string   // one sentence for people
	Instance string   // URI of this occurrence, or empty
	URI      wamp.URI // the member "error"
	Args     []byte   // JSON list the error came with, or nil
	Kwargs   []byte   // JSON object the error came with, or nil
	Source   Source
	Retry    Retry
	Errors   []Violation // what exactly is wrong with the request, or nil
	TraceID  string      // of the W3C trace that the request belongs to, or empty

	Undone *Undone // that the call was part of a transaction, which was rolled back; nil for others

	Policies []string // the quota policies that were violated, or nil

	Header http.Header // further header fields of the answer, or nil

	cause error // for the log alone
}

// A Violation is one fault in a request.
type Violation struct {
	Pointer   string // JSON pointer into the body, such as "/args/0"
	Parameter string // name of the parameter that is wrong; empty if it is the body
	Detail    string
}

// New returns a problem of the gateway itself, which is not to be retried.
func New(status int, uri wamp.URI, detail string) *Problem {
	return &Problem{Status: status, URI: uri, Detail: detail, Source: Gateway, Retry: RetryNo}
}

// Safe marks the problem as one that came before any callee saw the call, and
// that may be gone the next time.
func (p *Problem) Safe() *Problem {
	p.Retry = RetrySafe
	return p
}

// Unknown marks the problem as one of a call that a callee may have run.
func (p *Problem) Unknown() *Problem {
	p.Retry = RetryUnknown
	return p
}

// Because notes an error that the log shall show and the client shall not.
func (p *Problem) Because(err error) *Problem {
	p.cause = err
	return p
}

// With adds a header field to the answer.
func (p *Problem) With(field, value string) *Problem {
	p.set(field, value)
	return p
}

func (p *Problem) set(field, value string) {
	if p.Header == nil {
		p.Header = make(http.Header)
	}
	p.Header.Set(field, value)
}

// RetryAfter tells the client how many seconds to wait.
func (p *Problem) RetryAfter(seconds int) *Problem {
	return p.With("Retry-After", strconv.Itoa(seconds))
}

// soonest and spread are the seconds in which clients come back that are told
// to soon. They are spread, so that those who are refused together do not come
// back together.
const (
	soonest = 1
	spread  = 3
)

// RetrySoon tells the client to wait for a moment.
func (p *Problem) RetrySoon() *Problem {
	return p.RetryAfter(soonest + rand.IntN(spread)) //nolint:gosec // nothing secret
}

// Error says the same as the problem, for logs.
func (p *Problem) Error() string {
	text := string(p.URI)
	if p.Detail != "" {
		text += ": " + p.Detail
	}
	if p.cause != nil {
		text += ": " + p.cause.Error()
	}
	return text
}

// Unwrap returns the error that Because noted.
func (p *Problem) Unwrap() error { return p.cause }

// Title returns the short text that goes with the status, as RFC 9110 has it.
func (p *Problem) Title() string {
	switch p.Status {
	case StatusClientClosed:
		return "Client Closed Request"
	case http.StatusRequestEntityTooLarge:
		return "Content Too Large"
	case http.StatusUnprocessableEntity:
		return "Unprocessable Content"
	}
	return http.StatusText(p.Status)
}

// Send answers a request with the problem: as JSON, or as two lines of plain
// text when text is true. The answer has a Content-Length, since curl loses
// early answers to uploads without one.
func (p *Problem) Send(w http.ResponseWriter, text bool) {
	h := w.Header()
	p.Fields(h)
	body, media := append(p.AppendJSON(nil), '\n'), MediaType
	if text {
		body, media = p.AppendText(nil), "text/plain; charset=utf-8"
	}
	h.Set("Content-Type", media)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // a client that is gone needs no answer
}

// The lists of limits, spelled as http.Header does.
const (
	policyField = "Ratelimit-Policy"
	stateField  = "Ratelimit"
)

// Fields sets the header fields that the problem has whatever its body is. The
// limit that it tells of comes after those that h has already.
func (p *Problem) Fields(h http.Header) {
	for name, values := range p.Header {
		if name == policyField || name == stateField {
			values = slices.Concat(h[name], values) // what h has may be shared
		}
		h[name] = values
	}
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Wamp-Error", fieldValue(string(p.URI)))
	h.Set("Wamp-Error-Source", string(p.Source))
	h.Set("Wamp-Retry", string(p.Retry))
}

// AppendJSON appends the problem as one line of compact JSON.
func (p *Problem) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"type":`...)
	if p.Type == "" {
		dst = append(dst, `"about:blank"`...)
	} else {
		dst = appendString(dst, p.Type)
	}
	dst = appendMember(dst, "title", p.Title())
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(p.Status), 10)
	dst = appendMember(dst, "detail", p.Detail)
	dst = appendMember(dst, "instance", p.Instance)
	dst = appendMember(dst, "error", string(p.URI))
	dst = appendRaw(dst, "args", p.Args)
	dst = appendRaw(dst, "kwargs", p.Kwargs)
	dst = appendMember(dst, "source", string(p.Source))
	dst = appendMember(dst, "retry", string(p.Retry))
	dst = appendMember(dst, "trace_id", p.TraceID)
	dst = p.appendUndone(dst)
	dst = p.appendErrors(dst)
	dst = p.appendPolicies(dst)
	return append(dst, '}')
}

// An Undone tells of the transaction that a failed call was part of.
type Undone struct {
	RolledBack  bool   `json:"rolled_back"`
	Transaction string `json:"transaction"`
	Branch      int    `json:"branch"` // from 1; 0 if it is not known
}

// appendUndone appends what became of the transaction.
func (p *Problem) appendUndone(dst []byte) []byte {
	if p.Undone == nil {
		return dst
	}
	dst = append(dst, `,"rolled_back":`...)
	dst = strconv.AppendBool(dst, p.Undone.RolledBack)
	dst = appendMember(dst, "transaction", p.Undone.Transaction)
	if p.Undone.Branch > 0 {
		dst = append(dst, `,"branch":`...)
		dst = strconv.AppendInt(dst, int64(p.Undone.Branch), 10)
	}
	return dst
}

// appendPolicies appends the member that the problem type quota-exceeded has.
func (p *Problem) appendPolicies(dst []byte) []byte {
	if len(p.Policies) == 0 {
		return dst
	}
	dst = append(dst, `,"violated-policies":`...)
	for i, name := range p.Policies {
		dst = append(dst, "[,"[min(i, 1)])
		dst = appendString(dst, name)
	}
	return append(dst, ']')
}

func (p *Problem) appendErrors(dst []byte) []byte {
	if len(p.Errors) == 0 {
		return dst
	}
	dst = append(dst, `,"errors":`...)
	for i, v := range p.Errors {
		dst = append(dst, "[,"[min(i, 1)])
		if v.Parameter != "" {
			dst = append(dst, `{"parameter":`...)
			dst = appendString(dst, v.Parameter)
		} else {
			dst = append(dst, `{"pointer":`...)
			dst = appendString(dst, v.Pointer)
		}
		dst = appendMember(dst, "detail", v.Detail)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// AppendText appends the problem as two lines for people.
func (p *Problem) AppendText(dst []byte) []byte {
	dst = strconv.AppendInt(dst, int64(p.Status), 10)
	dst = append(dst, ' ')
	dst = append(dst, p.Title()...)
	if p.Detail != "" {
		dst = append(dst, ": "...)
		dst = append(dst, oneLine(p.Detail)...)
	}
	dst = append(dst, '\n')
	dst = append(dst, oneLine(string(p.URI))...)
	dst = append(dst, " ("...)
	dst = append(dst, p.Source...)
	dst = append(dst, ", retry "...)
	dst = append(dst, p.Retry...)
	return append(dst, ")\n"...)
}

// oneLine replaces control characters by spaces.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
