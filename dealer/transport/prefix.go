package transport

import (
	"encoding/binary"
	"fmt"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// The first octets of RawSocket frames (spec, section "RawSocket Transport").
// The upper four bits are reserved.
const (
	prefixMessage = 0
	prefixPing    = 1
	prefixPong    = 2
	bitLongest    = 0x08 // the payload has maxPrefixed bytes, the length says 0
)

// prefixSize is the size of the prefix: the first octet and a length.
const prefixSize = 4

// maxPrefixed is the size of the largest payload.
const maxPrefixed = 1 << 24

// parsePrefix returns the header of the RawSocket frame that b begins with, in
// terms of WebSocket: without a mask, and final. It has no length if it is not
// complete.
func parsePrefix(b []byte) (header, error) {
	if len(b) < prefixSize {
		return header{}, nil
	}
	h := header{length: prefixSize, size: int(b[1])<<16 | int(b[2])<<8 | int(b[3])}
	first := b[0]
	if first&bitLongest != 0 {
		if h.size != 0 {
			return header{}, errPrefixLength
		}
		h.size = maxPrefixed
		first &^= bitLongest
	}
	switch {
	case first == prefixMessage:
		h.first = frameBinary
	case first == prefixPing:
		h.first = framePing
	case first == prefixPong:
		h.first = framePong
	case first < bitLongest:
		return header{}, errPrefixType
	default:
		return header{}, errReserved
	}
	return h, nil
}

func putPrefix(b []byte, first byte, size int) {
	if size == maxPrefixed {
		first, size = first|bitLongest, 0
	}
	binary.BigEndian.PutUint32(b, uint32(first)<<24|uint32(size))
}

// appendPrefixed appends a frame.
func appendPrefixed(dst []byte, first byte, payload []byte) []byte {
	var prefix [prefixSize]byte
	putPrefix(prefix[:], first, len(payload))
	return append(append(dst, prefix[:]...), payload...)
}

// appendRawSocket appends m as a RawSocket frame; see append.
func (f format) appendRawSocket(dst []byte, m wamp.Message) ([]byte, error) {
	start := len(dst)
	out, err := f.serializer.Append(append(dst, 0, 0, 0, 0), m)
	if err != nil {
		return dst, fmt.Errorf("encode %v: %w", m.Type(), err)
	}
	size := len(out) - start - prefixSize
	if size > f.limit {
		return dst, f.tooLarge()
	}
	putPrefix(out[start:], prefixMessage, size)
	return f.appendReceipt(out, m), nil
}

// nextPrefixed is next for RawSocket frames. The peer's PINGs are bounded as
// its messages are.
func (r *reader) nextPrefixed() (opcode byte, message []byte, err error) {
	for {
		h, err := r.socket.prefix()
		if err != nil {
			return 0, nil, err
		}
		if h.size > r.limit {
			return 0, nil, errFrameTooLarge
		}
		if message, err = r.whole(h); err != nil {
			return 0, nil, err
		}
		switch h.opcode() {
		case opBinary:
			return opBinary, message, nil
		case opPing:
			r.socket.pinged.Store(true)
			if err := r.control(appendPrefixed(nil, prefixPong, message)); err != nil {
				return 0, nil, err
			}
		case opPong:
			r.ponged(message)
		}
		r.release()
	}
}

// whole returns the payload of h, where it lies if there is room for it.
func (r *reader) whole(h header) ([]byte, error) {
	if h.length+h.size <= len(input{}) {
		return r.socket.payload(h)
	}
	r.message = r.buffers.get()
	if err := r.fill(h); err != nil {
		return nil, err
	}
	return r.message.bytes, nil
}
