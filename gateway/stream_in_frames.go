package gateway

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// A framer cuts a body into the payloads of a progressive call's CALLs.
type framer interface {
	// read reads body to its end and calls emit with one payload after the
	// other; they are valid during the call only, and calls never overlap. It
	// returns nil at the true end of the body, the error of emit, or what is
	// wrong with the body: errOver or a problem.
	//
	// How the body comes in pieces makes no difference to the payloads, but for
	// those of chunks.
	read(body *uploadBody, emit func(wamp.Payload) error) error
}

// newFramer returns the framer for a request; no frame may have more than
// limit bytes.
func newFramer(q *request, limit int) framer {
	f := &frameReader{limit: limit, payload: valueFrame(wamp.JSON, q.envelope || q.body.envelope)}
	switch q.in {
	case framingNDJSON:
		f.split = &lineSplitter{skipBlank: true}
	case framingJSONSeq:
		f.split = &sequenceSplitter{}
	case framingMsgPack:
		f.split = &msgpackSplitter{limit: limit}
		f.payload = valueFrame(wamp.MsgPack, q.envelope || q.body.envelope)
	case framingLines:
		f.split = &lineSplitter{}
		f.payload = lineFrame()
	default:
		return newChunker(q)
	}
	if q.item != nil {
		f.payload = checkedFrame(q.item, f.payload)
	}
	return f
}

// checkedFrame has each item checked before it becomes a payload.
func checkedFrame(check func([]byte) error, payload func([]byte) (wamp.Payload, error)) func([]byte) (wamp.Payload, error) {
	return func(frame []byte) (wamp.Payload, error) {
		if err := check(frame); err != nil {
			return wamp.Payload{}, err
		}
		return payload(frame)
	}
}

// A splitter finds frames in a stream of bytes. It is shown the same frame
// again and again while that grows, and keeps what it learned, so that no byte
// is looked at twice.
type splitter interface {
	// split looks for the end of the frame that data, which is not empty,
	// begins with. It returns how many bytes the frame takes with all that
	// surrounds it, 0 if its end is not there yet, and the frame itself, nil if
	// those bytes hold none. atEOF says that nothing follows.
	split(data []byte, atEOF bool) (size int, frame []byte, err error)
}

// The errors of splitters.
var (
	errTooLarge    = errors.New("too large")
	errCutFrame    = errors.New("it is cut off")
	errNoSeparator = errors.New("a record must begin with the character RS (0x1E)")
)

// A frameReader reads frames that have ends of their own. It holds no more than
// one incomplete frame.
type frameReader struct {
	split   splitter
	payload func(frame []byte) (wamp.Payload, error)
	limit   int

	buf    []byte // read and not yet given out
	frames int    // given out
}

// frameBuffer is how much is read at once, to begin with.
const frameBuffer = 16 << 10

func (f *frameReader) read(body *uploadBody, emit func(wamp.Payload) error) error {
	f.buf = make([]byte, 0, frameBuffer)
	for {
		if len(f.buf) == cap(f.buf) {
			f.buf = append(f.buf, 0)[:len(f.buf)] // twice as large; emitAll bounds it
		}
		n, err := body.Read(f.buf[len(f.buf):cap(f.buf)])
		f.buf = f.buf[:len(f.buf)+n]
		if err == io.EOF { //nolint:errorlint // a wrapped io.EOF is not the end of the body
			return f.emitAll(emit, true)
		}
		if err == nil {
			err = f.emitAll(emit, false)
		}
		if err != nil {
			return err
		}
		body.inFrame = len(f.buf) > 0 || f.frames == 0
	}
}

// emitAll gives out all frames that are complete, and keeps the rest.
func (f *frameReader) emitAll(emit func(wamp.Payload) error, atEOF bool) error {
	rest := f.buf
	for len(rest) > 0 {
		size, frame, err := f.split.split(rest, atEOF)
		if err != nil || len(frame) > f.limit || size == 0 && len(rest) > f.limit+frameEnds {
			return f.bad(err)
		}
		if size == 0 {
			break
		}
		rest = rest[size:]
		if frame == nil {
			continue
		}
		f.frames++
		if err := f.emit(frame, emit); err != nil {
			return err
		}
	}
	f.buf = f.buf[:copy(f.buf, rest)]
	return nil
}

// frameEnds is how many bytes around a frame are not counted: CR LF, or RS and
// LF.
const frameEnds = 2

// emit gives out one frame.
func (f *frameReader) emit(frame []byte, emit func(wamp.Payload) error) error {
	p, err := f.payload(frame)
	if err == nil {
		return emit(p)
	}
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		bad := badFrame(f.frames, p.Detail)
		bad.Errors = p.Errors
		return bad
	}
	return badFrame(f.frames, err.Error())
}

// bad is the problem of the frame that comes next; err may be nil, which means
// that it is too large.
func (f *frameReader) bad(err error) error {
	if err == nil || errors.Is(err, errTooLarge) {
		return badFrame(f.frames+1, fmt.Sprintf("it is larger than %d bytes", f.limit))
	}
	return badFrame(f.frames+1, err.Error())
}

// valueFrame makes payloads of frames that are one encoded value.
func valueFrame(s wamp.Serializer, envelope bool) func([]byte) (wamp.Payload, error) {
	return func(frame []byte) (wamp.Payload, error) { return payloadOf(frame, s, envelope) }
}

// The heads of MessagePack values, with lengths of 32 bits.
const (
	mpList1    = 0x91
	mpString32 = 0xdb
	mpBytes32  = 0xc6
	mpHeadSize = 6 // of a list that holds one string or byte string
)

// lineFrame makes payloads of lines: the only argument is the text.
func lineFrame() func([]byte) (wamp.Payload, error) {
	var args []byte
	return func(line []byte) (wamp.Payload, error) {
		if !utf8.Valid(line) {
			return wamp.Payload{}, errors.New("it is not valid UTF-8; send bytes with ?in=chunks")
		}
		args = append(args[:0], mpList1, mpString32)
		args = binary.BigEndian.AppendUint32(args, uint32(len(line))) //nolint:gosec // bounded by the frame limit
		args = append(args, line...)
		return wamp.Payload{Serializer: wamp.MsgPack, Args: args}, nil
	}
}

// A lineSplitter takes lines, which end with LF or CR LF, or with the body.
type lineSplitter struct {
	skipBlank bool // lines of nothing but white space are no frames

	seen int // bytes that hold no LF
}

func (s *lineSplitter) split(data []byte, atEOF bool) (size int, frame []byte, err error) {
	end := bytes.IndexByte(data[s.seen:], '\n')
	switch {
	case end >= 0:
		frame = data[:s.seen+end]
		size = len(frame) + 1
	case !atEOF:
		s.seen = len(data)
		return 0, nil, nil
	default:
		frame, size = data, len(data)
	}
	s.seen = 0
	frame = bytes.TrimSuffix(frame, []byte{'\r'})
	if s.skipBlank && len(bytes.TrimLeft(frame, " \t\r")) == 0 {
		return size, nil, nil
	}
	return size, frame, nil
}

// A sequenceSplitter takes the records of a JSON text sequence (RFC 7464): RS,
// one JSON value, LF. The value may hold LF as white space, so its end is the
// first LF outside of all brackets and strings.
type sequenceSplitter struct {
	seen             int  // bytes looked at
	begun, some      bool // RS was seen; something after it was
	inText, escaping bool
	depth            int
}

const recordSeparator = 0x1e

func (s *sequenceSplitter) split(data []byte, atEOF bool) (size int, frame []byte, err error) {
	for i := s.seen; i < len(data); i++ {
		c := data[i]
		switch {
		case !s.begun:
			if c != recordSeparator {
				return 0, nil, errNoSeparator
			}
			s.begun = true
		case c == recordSeparator:
			if s.some {
				return 0, nil, errCutFrame
			}
			return i, nil, s.reset() // an empty record
		case c == '\n' && s.some && !s.inText && s.depth <= 0:
			return i + 1, data[1:i], s.reset()
		default:
			s.see(c)
		}
	}
	s.seen = len(data)
	if !atEOF {
		return 0, nil, nil
	}
	return s.last(data)
}

// last decides on a record that the body ends in. Numbers and literals could
// have been longer; all else shows where it ends.
func (s *sequenceSplitter) last(data []byte) (size int, frame []byte, err error) {
	if !s.some {
		return len(data), nil, nil
	}
	text := bytes.TrimRight(data, " \t\r\n")
	if s.inText || s.depth > 0 || !bytes.ContainsRune([]byte(`"]}`), rune(text[len(text)-1])) {
		return 0, nil, errCutFrame
	}
	return len(data), data[1:], nil
}

// see follows strings and brackets. Whether they match is checked later.
func (s *sequenceSplitter) see(c byte) {
	switch {
	case s.escaping:
		s.escaping = false
	case s.inText:
		s.escaping = c == '\\'
		s.inText = c != '"'
	case c == '"':
		s.inText = true
	case c == '[' || c == '{':
		s.depth++
	case c == ']' || c == '}':
		s.depth--
	}
	s.some = s.some || c > ' '
}

func (s *sequenceSplitter) reset() error {
	*s = sequenceSplitter{}
	return nil
}
