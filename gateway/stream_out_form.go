package gateway

import (
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
	"github.com/wampgate/wampgate/gateway/sse"
)

// A streamForm is one way to write the events of a call. Its methods append to
// a buffer.
type streamForm interface {
	// begin appends what opens the stream.
	begin(dst []byte) []byte
	// event appends progress or the result. On an error, a payload that has
	// no place in the form, dst is returned as it came.
	event(dst []byte, seq uint64, e event) ([]byte, error)
	// acknowledged appends that the callee has received the call. It reports
	// false if the form cannot say it.
	acknowledged(dst []byte, seq uint64) ([]byte, bool)
	// failure appends what ends the stream with an error. It reports false if
	// the form cannot say it; the answer must then be cut off.
	failure(dst []byte, seq uint64, p *problem.Problem) ([]byte, bool)
	// beat appends what readers skip; nothing if there is no such thing.
	beat(dst []byte) []byte
}

// newStreamForm returns the form that a request asked for; nil if that is no
// stream.
func newStreamForm(c *call, q *request) streamForm {
	switch q.out {
	case formNDJSON:
		return &recordForm{call: c.id, bare: q.bare}
	case formJSONSeq:
		return &recordForm{call: c.id, bare: q.bare, opening: "\x1e"}
	case formArray:
		return &arrayForm{}
	case formRaw:
		return rawForm{}
	case formSSE:
		return &sseForm{call: c, bare: q.bare}
	}
	return nil
}

// retryTime is how long an EventSource waits before it reconnects.
const retryTime = 2 * time.Second

// sseForm is an event stream: the events call, acknowledged, progress, result
// and error.
type sseForm struct {
	call *call
	bare bool // data is the value alone, not {"args":[…],"kwargs":{…}}
	data []byte
}

func (f *sseForm) begin(dst []byte) []byte {
	f.data = append(f.data[:0], `{"id":`...)
	f.data = appendText(f.data, f.call.id)
	f.data = append(f.data, `,"procedure":`...)
	f.data = appendText(f.data, string(f.call.procedure))
	f.data = append(f.data, '}')
	return f.append(sse.AppendRetry(dst, retryTime), "call", 0)
}

func (f *sseForm) event(dst []byte, seq uint64, e event) ([]byte, error) {
	var err error
	if f.bare {
		f.data, err = appendBare(f.data[:0], e.payload)
	} else {
		f.data, err = appendArguments(append(f.data[:0], '{'), e.payload)
		f.data = append(appendNotes(f.data, e.notes), '}')
	}
	if err != nil {
		return dst, err
	}
	if e.kind.final() {
		f.ends(seq)
	}
	return f.append(dst, eventName(e.kind), seq), nil
}

func (f *sseForm) acknowledged(dst []byte, seq uint64) ([]byte, bool) {
	f.data = append(f.data[:0], "{}"...)
	return f.append(dst, "acknowledged", seq), true
}

func (f *sseForm) failure(dst []byte, seq uint64, p *problem.Problem) ([]byte, bool) {
	f.data = appendCompact(f.data[:0], p.AppendJSON(nil))
	f.ends(seq)
	return f.append(dst, "error", seq), true
}

func (f *sseForm) beat(dst []byte) []byte { return sse.AppendComment(dst, "hb") }

// ends remembers the last event, for a client that reconnects after it.
func (f *sseForm) ends(seq uint64) {
	f.call.gateway.endings.add(sse.ID{Call: f.call.id, Seq: seq})
}

// append appends an event with the data that was collected.
func (f *sseForm) append(dst []byte, name string, seq uint64) []byte {
	dst = sse.Event{Name: name, ID: sse.ID{Call: f.call.id, Seq: seq}, Data: f.data}.Append(dst)
	if cap(f.data) > writeSize {
		f.data = nil // made by one large event
	}
	return dst
}

// eventName returns what an event that is no failure is called.
func eventName(k eventKind) string {
	if k == eventProgress {
		return "progress"
	}
	return "result"
}

// recordForm writes a JSON object a line: NDJSON, or RFC 7464 JSON text
// sequences, whose records begin with RS as well. Bare records are values; they
// leave no word for an error.
type recordForm struct {
	call    string
	bare    bool
	opening string
}

func (f *recordForm) begin(dst []byte) []byte { return dst }

func (f *recordForm) event(dst []byte, seq uint64, e event) ([]byte, error) {
	mark := len(dst)
	if f.bare && e.kind == eventResult && e.payload.Empty() {
		return dst, nil // the end says it all
	}
	dst = append(dst, f.opening...)
	var err error
	if f.bare {
		dst, err = appendBare(dst, e.payload)
	} else {
		dst, err = appendArguments(f.head(dst, eventName(e.kind), seq), e.payload)
		dst = append(appendNotes(dst, e.notes), '}')
	}
	if err != nil {
		return dst[:mark], err
	}
	return append(dst, '\n'), nil
}

func (f *recordForm) acknowledged(dst []byte, seq uint64) ([]byte, bool) {
	if f.bare {
		return dst, false
	}
	dst = append(dst, f.opening...)
	return append(f.head(dst, "acknowledged", seq), "}\n"...), true
}

func (f *recordForm) failure(dst []byte, seq uint64, p *problem.Problem) ([]byte, bool) {
	if f.bare {
		return dst, false
	}
	dst = append(dst, f.opening...)
	dst = append(f.head(dst, "error", seq), ',')
	members := p.AppendJSON(nil)[1:] // without the brace
	return append(appendCompact(dst, members), '\n'), true
}

func (f *recordForm) beat(dst []byte) []byte {
	if f.bare {
		return append(dst, '\n')
	}
	dst = append(dst, f.opening...)
	return append(dst, `{"event":"ping"}`+"\n"...)
}

// head appends a record without its end.
func (f *recordForm) head(dst []byte, name string, seq uint64) []byte {
	dst = append(dst, `{"event":"`...)
	dst = append(dst, name...)
	dst = append(dst, `","id":"`...)
	dst = sse.ID{Call: f.call, Seq: seq}.Append(dst)
	return append(dst, '"')
}

// arrayForm writes one JSON list of bare values, element by element. An empty
// result adds no element.
type arrayForm struct{ some bool }

func (f *arrayForm) begin(dst []byte) []byte { return append(dst, '[') }

func (f *arrayForm) event(dst []byte, _ uint64, e event) ([]byte, error) {
	mark := len(dst)
	if e.kind != eventResult || !e.payload.Empty() {
		if f.some {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendBare(dst, e.payload); err != nil {
			return dst[:mark], err
		}
		f.some = true
	}
	if e.kind == eventResult {
		dst = append(dst, ']')
	}
	return dst, nil
}

func (f *arrayForm) acknowledged(dst []byte, _ uint64) ([]byte, bool) { return dst, false }

func (f *arrayForm) failure(dst []byte, _ uint64, _ *problem.Problem) ([]byte, bool) {
	return dst, false // the missing bracket says it
}

func (f *arrayForm) beat(dst []byte) []byte { return append(dst, '\n') }

// rawForm writes the bytes and texts among the positional arguments, one after
// the other: downloads. A result may be something else, such as a count; it is
// then no part of what is downloaded.
type rawForm struct{}

func (rawForm) begin(dst []byte) []byte { return dst }

func (rawForm) event(dst []byte, _ uint64, e event) ([]byte, error) {
	mark := len(dst)
	dst, err := appendRaw(dst, e.payload)
	switch {
	case err == nil:
		return dst, nil
	case e.kind == eventResult:
		return dst[:mark], nil
	}
	return dst[:mark], err
}

func (rawForm) acknowledged(dst []byte, _ uint64) ([]byte, bool) { return dst, false }

func (rawForm) failure(dst []byte, _ uint64, _ *problem.Problem) ([]byte, bool) { return dst, false }

func (rawForm) beat(dst []byte) []byte { return dst }

// appendText appends s as a JSON string. It is ASCII, or a checked URI.
func appendText(dst []byte, s string) []byte {
	text, err := wamp.JSON.AppendValue(dst, s)
	if err != nil {
		return append(dst, `""`...)
	}
	return text
}
