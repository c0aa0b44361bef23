package wire

import "encoding/binary"

// Opcodes of WebSocket frames (RFC 6455 section 5.2).
const (
	OpContinuation = 0x0
	OpText         = 0x1
	OpBinary       = 0x2
	OpClose        = 0x8
	OpPing         = 0x9
	OpPong         = 0xA
)

// Bits of the first two bytes of a frame.
const (
	finalBit = 0x80
	maskBit  = 0x80
)

// AppendHeader appends the header of a frame that is a whole message of n
// bytes. Frames of clients must be masked. The mask is all zeros: the server
// has to apply it as it would any other, and the client is spared the work.
func AppendHeader(d []byte, op byte, n int, masked bool) []byte {
	var mask byte
	if masked {
		mask = maskBit
	}
	d = append(d, finalBit|op)
	switch {
	case n < 126:
		d = append(d, mask|byte(n))
	case n < 1<<16:
		d = binary.BigEndian.AppendUint16(append(d, mask|126), uint16(n))
	default:
		d = binary.BigEndian.AppendUint64(append(d, mask|127), uint64(n))
	}
	if masked {
		d = append(d, 0, 0, 0, 0)
	}
	return d
}

// A header is what stands before the payload of a frame.
type header struct {
	final bool
	op    byte
	key   uint32 // mask, 0 if there is none
	size  int    // bytes of the header itself
	n     uint64 // bytes of payload
}

// parseHeader reads the header at the start of b. If b is too short, size is
// the number of bytes to try again with, and ok is false.
func parseHeader(b []byte) (h header, ok bool) {
	h.size = 2
	if len(b) < h.size {
		return h, false
	}
	h.final, h.op = b[0]&finalBit != 0, b[0]&0x0F
	h.n = uint64(b[1] &^ maskBit)
	length := 0
	switch h.n {
	case 126:
		length = 2
	case 127:
		length = 8
	}
	masked := b[1]&maskBit != 0
	h.size += length
	if masked {
		h.size += 4
	}
	if len(b) < h.size {
		return h, false
	}
	if length > 0 {
		h.n = bigEndian(b[2 : 2+length])
	}
	if masked {
		h.key = binary.LittleEndian.Uint32(b[h.size-4:])
	}
	return h, true
}

// bigEndian reads an unsigned number of up to eight bytes.
func bigEndian(b []byte) uint64 {
	var v uint64
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

// unmask takes the mask off p in place.
func unmask(p []byte, key uint32) {
	wide := uint64(key)<<32 | uint64(key)
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= byte(key >> (8 * i & 31))
	}
}
