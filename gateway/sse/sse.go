// Package sse writes event streams, the format behind the browser's
// EventSource (WHATWG HTML, section 9.2 "Server-sent events").
//
// It appends to byte slices: when bytes are written and flushed, and how long
// that may take, is decided by whoever has the connection.
package sse

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"
)

// ContentType is the media type of an event stream. It has no parameters: the
// encoding is always UTF-8.
const ContentType = "text/event-stream"

// LastEventID is the header in which a client that reconnects names the last
// event it got.
const LastEventID = "Last-Event-ID"

// An ID tells which event of which call a client got last. Its text form is
// the call's ID, a slash and the number: "c_7f3k/2".
type ID struct {
	Call string // not empty, without '/' and control characters
	Seq  uint64 // counts the events of the call from 0
}

// Append appends the text form of id to dst.
func (id ID) Append(dst []byte) []byte {
	dst = append(dst, id.Call...)
	dst = append(dst, '/')
	return strconv.AppendUint(dst, id.Seq, 10)
}

// ParseID reads the text form of an ID. ok is false for anything that Append
// does not write.
func ParseID(s string) (id ID, ok bool) {
	call, seq, found := strings.Cut(s, "/")
	if !found || call == "" || strings.ContainsFunc(call, isControl) {
		return ID{}, false
	}
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil || seq != strconv.FormatUint(n, 10) {
		return ID{}, false
	}
	return ID{Call: call, Seq: n}, true
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// An Event is one event of a stream.
type Event struct {
	Name string // what addEventListener listens to; one line; "" means "message"
	ID   ID     // left out if it names no call
	Data []byte // any text; a client gets its line ends as LF
}

// Append appends the event to dst, with the empty line that makes the client
// dispatch it. An event without data is dispatched too.
func (e Event) Append(dst []byte) []byte {
	if e.Name != "" {
		dst = append(dst, "event: "...)
		dst = append(dst, e.Name...)
		dst = append(dst, '\n')
	}
	if e.ID.Call != "" {
		dst = append(dst, "id: "...)
		dst = e.ID.Append(dst)
		dst = append(dst, '\n')
	}
	return append(appendLines(dst, "data: ", e.Data), '\n')
}

// AppendComment appends a comment, which clients skip. It keeps an idle
// connection open.
func AppendComment(dst []byte, text string) []byte {
	return append(appendLines(dst, ": ", []byte(text)), '\n')
}

// AppendRetry appends the time that the client is to wait before it
// reconnects, in whole milliseconds. It belongs to the event appended next.
func AppendRetry(dst []byte, d time.Duration) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, min(max(d.Milliseconds(), 0), math.MaxInt32), 10)
	return append(dst, '\n')
}

// appendLines appends text with prefix before each of its lines. CR, LF and
// both together end a line, so that no text can break out of its field.
func appendLines(dst []byte, prefix string, text []byte) []byte {
	for {
		dst = append(dst, prefix...)
		end := bytes.IndexAny(text, "\r\n")
		if end < 0 {
			return append(append(dst, text...), '\n')
		}
		dst = append(append(dst, text[:end]...), '\n')
		if text[end] == '\r' && end+1 < len(text) && text[end+1] == '\n' {
			end++
		}
		text = text[end+1:]
	}
}
