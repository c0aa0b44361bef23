package webhook

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// lines iterates over the lines of a stream that are not longer than a limit,
// without their ends.
type lines struct {
	in    *bufio.Reader
	limit int64
}

var errLong = errors.New("line too long")

// next returns a line without its end, in memory of its own; io.EOF after the
// last one, which must have an end like all others.
func (l *lines) next() ([]byte, error) {
	var line []byte
	for {
		piece, err := l.in.ReadSlice('\n')
		line = append(line, piece...)
		text := bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		switch {
		case int64(len(text)) > l.limit:
			return nil, errLong
		case err == nil:
			return text, nil
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, io.ErrUnexpectedEOF // a line that broke off is not one
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// broken returns the failure of a stream that cannot be read on.
func (c *Client) broken(err error) *CallError {
	if errors.Is(err, errLong) {
		return upstream(nil, "an item of the webhook's answer is larger than %d bytes", c.cfg.MaxBody)
	}
	return upstream(err, "the webhook's answer broke off")
}

// readLines reads NDJSON: each line is a progressive result and the last one
// the result. A line is held back until it is known whether another follows.
func (c *Client) readLines(from io.Reader, r *Request, progress func(Answer) error) (Answer, error) {
	in := &lines{bufio.NewReader(from), c.cfg.MaxBody}
	var held []byte
	for {
		line, err := in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Answer{}, c.broken(err)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if held != nil && r.Progress {
			if err := progress(Answer{"application/json", held}); err != nil {
				return Answer{}, err
			}
		}
		held = line
	}
	if held == nil {
		return Answer{}, nil
	}
	return Answer{"application/json", held}, nil
}

// envelope is the media type of the data of events: args and kwargs.
const envelope = "application/vnd.wamp.call+json"

// byteOrderMark may begin a stream of events, and means nothing.
const byteOrderMark = "\ufeff"

// readEvents reads server-sent events, as the gateway writes them itself:
// progress, and a last one, result or error.
func (c *Client) readEvents(from io.Reader, r *Request, progress func(Answer) error) (Answer, error) {
	in := &lines{bufio.NewReader(from), c.cfg.MaxBody + int64(len("data: "))}
	if mark, err := in.in.Peek(len(byteOrderMark)); err == nil && string(mark) == byteOrderMark {
		_, _ = in.in.Discard(len(mark)) // never fails: it is there
	}
	var name string
	var data []byte
	for {
		line, err := in.next()
		switch {
		case errors.Is(err, io.EOF):
			return Answer{}, upstream(nil, "the webhook's events ended without a result")
		case err != nil:
			return Answer{}, c.broken(err)
		case len(line) > 0:
			if name, data = field(line, name, data); int64(len(data)) > c.cfg.MaxBody {
				return Answer{}, c.broken(errLong)
			}
			continue
		}
		a, last, err := event(name, data)
		switch {
		case err != nil || last:
			return a, err
		case name == "progress" && r.Progress:
			if err := progress(a); err != nil {
				return Answer{}, err
			}
		}
		name, data = "", nil
	}
}

// field takes a line of an event (WHATWG HTML, section 9.2.6).
func field(line []byte, name string, data []byte) (string, []byte) {
	key, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(key) {
	case "event":
		return string(value), data
	case "data":
		if data != nil {
			data = append(data, '\n')
		}
		return name, append(data, value...)
	}
	return name, data
}

// event returns what an event says; last is set for a result.
func event(name string, data []byte) (a Answer, last bool, err error) {
	switch name {
	case "progress", "result":
		return Answer{envelope, data}, name == "result", nil
	case "error":
		if f := failureOf(data); f != nil {
			return Answer{}, true, f
		}
		return Answer{}, true, upstream(nil, "the webhook's events ended with an error that names none")
	}
	return Answer{}, false, nil // of other uses
}
