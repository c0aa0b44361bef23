package wire

import (
	"errors"
	"fmt"
	"io"
)

// maxFrame bounds a frame, so that a confused peer cannot make us allocate
// without end.
const maxFrame = 64 << 20

var errTooLarge = errors.New("WebSocket frame is too large")

// A Reader takes WebSocket messages out of a byte stream, as many as came with
// one read. It is used by one goroutine.
type Reader struct {
	// Dry runs before each read that may block. It may be nil.
	Dry func()

	src        io.Reader
	buf        []byte
	start, end int // what of buf has been received and not been returned

	parts   []byte // payload of a fragmented message so far
	partsOp byte
}

// NewReader returns a Reader of src with a buffer of size bytes, which grows
// with the messages. It first returns what is in early.
func NewReader(src io.Reader, size int, early []byte) *Reader {
	r := &Reader{src: src, buf: make([]byte, max(size, len(early)))}
	r.end = copy(r.buf, early)
	return r
}

// Next returns the next message or control frame. The payload is valid until
// the next call.
func (r *Reader) Next() (op byte, payload []byte, err error) {
	for {
		h, p, err := r.frame()
		switch {
		case err != nil:
			return 0, nil, err
		case h.op >= OpClose, h.final && h.op != OpContinuation:
			return h.op, p, nil
		case h.op != OpContinuation:
			r.parts, r.partsOp = append(r.parts[:0], p...), h.op
		default:
			r.parts = append(r.parts, p...)
			if h.final {
				return r.partsOp, r.parts, nil
			}
		}
	}
}

// frame returns the next frame, unmasked.
func (r *Reader) frame() (header, []byte, error) {
	for {
		h, ok := parseHeader(r.buf[r.start:r.end])
		if h.n > maxFrame {
			return h, nil, fmt.Errorf("%w: %d bytes", errTooLarge, h.n)
		}
		need := h.size
		if ok {
			need += int(h.n)
		}
		if ok && r.end-r.start >= need {
			p := r.buf[r.start+h.size : r.start+need]
			r.start += need
			if h.key != 0 {
				unmask(p, h.key)
			}
			return h, p, nil
		}
		if err := r.fill(need); err != nil {
			return h, nil, err
		}
	}
}

// fill reads once, into a buffer that has room for need bytes.
func (r *Reader) fill(need int) error {
	if r.start == r.end {
		r.start, r.end = 0, 0
	}
	if len(r.buf)-r.start < need {
		buf := r.buf
		if len(buf) < need {
			buf = make([]byte, max(need, 2*len(buf)))
		}
		r.end = copy(buf, r.buf[r.start:r.end])
		r.buf, r.start = buf, 0
	}
	if r.Dry != nil {
		r.Dry()
	}
	n, err := r.src.Read(r.buf[r.end:])
	r.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}
