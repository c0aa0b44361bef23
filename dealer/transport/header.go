package transport

import (
	"encoding/binary"
	"math"
)

// The bits and opcodes of a frame's first octet (RFC 6455, section 5.2).
const (
	bitFinal     = 0x80
	bitsReserved = 0x70
	bitControl   = 0x08
	maskOpcode   = 0x0f

	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// The bits of its second octet.
const (
	bitMasked  = 0x80
	maskLength = 0x7f
)

// maxControl is the size of the largest payload of a control frame (section
// 5.5).
const maxControl = 125

// A header is that of a frame from a client.
type header struct {
	first  byte   // octet: FIN and opcode
	length int    // of the header itself; 0 if it is not complete
	size   int    // of the payload
	key    uint32 // that the payload is masked with, first byte lowest
}

func (h header) opcode() byte  { return h.first & maskOpcode }
func (h header) final() bool   { return h.first&bitFinal != 0 }
func (h header) control() bool { return h.first&bitControl != 0 }

// parseHeader returns the header that b begins with. What can be wrong with it
// shows as soon as its first two octets are there, except for a negative
// length. A length that would fit into fewer octets is taken.
func parseHeader(b []byte) (header, error) {
	if len(b) < 2 {
		return header{}, nil
	}
	h := header{first: b[0], size: int(b[1] & maskLength)}
	if err := h.check(b[1]); err != nil {
		return header{}, err
	}
	at := 2
	switch {
	case h.size == 126 && len(b) >= 4:
		h.size, at = int(binary.BigEndian.Uint16(b[2:])), 4
	case h.size == 127 && len(b) >= 10:
		size := binary.BigEndian.Uint64(b[2:])
		if size > math.MaxInt64 {
			return header{}, errNegative
		}
		h.size, at = int(min(size, math.MaxInt)), 10 // the most an int holds is over any limit
	case h.size > maxControl:
		return header{}, nil
	}
	if len(b) < at+4 {
		return header{}, nil
	}
	h.key = binary.LittleEndian.Uint32(b[at:])
	h.length = at + 4
	return h, nil
}

// check looks at the first two octets; size is still what the second one says.
func (h header) check(second byte) error {
	switch {
	case h.first&bitsReserved != 0:
		return errReserved
	case h.opcode()&^bitControl > opBinary:
		return errOpcode
	case second&bitMasked == 0:
		return errUnmasked
	case h.control() && !h.final():
		return errFragmentedControl
	case h.control() && h.size > maxControl:
		return errLongControl
	}
	return nil
}
