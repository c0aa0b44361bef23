package transport

import (
	"errors"
	"slices"
)

// A reader makes messages of the frames in a connection's input, and answers
// pings (RFC 6455, sections 5 and 6.2). After an error it can only drain.
//
// A message that comes in one frame with room in an [input] stays there, and
// is unmasked where it lies. All others are collected in a buffer.
type reader struct {
	socket    *socket
	rawSocket bool // the frames are those of prefix.go
	limit     int  // bytes of a message
	buffers   *bufferPool
	control   func(frame []byte) error // sends a control frame, and does not keep it
	ponged    func(payload []byte)     // is told of each pong

	opcode  byte    // of the message that is being collected, 0 if none is
	message *buffer // as much of it as has come
	left    int     // bytes of its current frame that have not
	pong    [2 + maxControl]byte
}

// next waits for a message and returns its opcode and its bytes, which are
// valid until the next call. The error is a [protocolError], a [*closeError],
// errFrameTooLarge, or one of the connection.
func (r *reader) next() (opcode byte, message []byte, err error) {
	r.release()
	if r.rawSocket {
		return r.nextPrefixed()
	}
	for {
		h, err := r.socket.header()
		switch {
		case err != nil:
		case h.control():
			err = r.answer(h)
		case h.final() && r.opcode == 0 && h.length+h.size <= len(input{}):
			return r.inPlace(h)
		default:
			err = r.collect(h)
			if err == nil && h.final() {
				return r.opcode, r.message.bytes, nil
			}
		}
		if err != nil {
			return 0, nil, err
		}
	}
}

// release gives the last message back, and whatever part of the next one.
func (r *reader) release() {
	if r.message != nil {
		r.buffers.put(r.message)
	}
	r.message, r.opcode = nil, 0
}

// inPlace returns the message in a frame of its own.
func (r *reader) inPlace(h header) (opcode byte, message []byte, err error) {
	if err := r.check(h); err != nil {
		return 0, nil, err
	}
	message, err = r.socket.payload(h)
	return h.opcode(), message, err
}

// check tells whether the data frame h may come next.
func (r *reader) check(h header) error {
	room := r.limit
	if r.message != nil {
		room -= len(r.message.bytes)
	}
	switch continues := h.opcode() == opContinuation; {
	case continues && r.opcode == 0:
		return errContinuation
	case !continues && r.opcode != 0:
		return errInterleaved
	case h.size > room:
		return errFrameTooLarge
	}
	return nil
}

// collect appends the payload of the data frame h to the message.
func (r *reader) collect(h header) error {
	if err := r.check(h); err != nil {
		return err
	}
	if r.opcode == 0 {
		r.opcode, r.message = h.opcode(), r.buffers.get()
	}
	return r.fill(h)
}

// fill appends the payload of h to the message.
func (r *reader) fill(h header) error {
	r.socket.take(h.length)
	r.left = h.size
	for key := h.key; r.left > 0; {
		have := r.message.bytes
		have = slices.Grow(have, growth(r.left, len(have), cap(have)))
		n, err := r.socket.read(have[len(have):min(len(have)+r.left, cap(have))])
		if err != nil {
			return err
		}
		r.message.bytes = have[:len(have)+n]
		key = unmask(r.message.bytes[len(have):], key)
		r.left -= n
	}
	return nil
}

// growth returns for how many more bytes a buffer should have room of which
// have bytes are in use. It does not rely on what a header promises: peers
// that send headers only shall not cost memory.
func growth(promised, have, room int) int {
	if have < room {
		return 0
	}
	return min(promised, max(have, len(input{})))
}

// answer handles the control frame h.
func (r *reader) answer(h header) error {
	payload, err := r.socket.payload(h)
	if err != nil {
		return err
	}
	switch h.opcode() {
	case opClose:
		return parseClose(payload)
	case opPing:
		frame := append(r.pong[:0], framePong, byte(len(payload))) //nolint:gosec // at most maxControl
		return r.control(append(frame, payload...))
	case opPong:
		r.ponged(payload)
	}
	return nil
}

// drain reads to the peer's close frame or any error, and drops everything. It
// reports whether it could not make frames of what comes.
func (r *reader) drain() (broken bool) {
	r.release()
	for {
		if r.skip() != nil {
			return false
		}
		h, err := r.socket.header()
		if err != nil {
			var violated protocolError
			return errors.As(err, &violated)
		}
		if h.opcode() == opClose {
			return false
		}
		r.socket.take(h.length)
		r.left = h.size
	}
}

// skip drops what is left of a frame.
func (r *reader) skip() error {
	for r.left > 0 {
		if len(r.socket.rest()) == 0 {
			if err := r.socket.more(); err != nil {
				return err
			}
		}
		n := min(r.left, len(r.socket.rest()))
		r.socket.take(n)
		r.left -= n
	}
	return nil
}
