package gateway

import "encoding/binary"

// A msgpackSplitter takes MessagePack values, one after the other. It only
// looks at the heads of values; whether they are valid is checked later.
type msgpackSplitter struct {
	limit int

	begun  bool
	seen   int    // bytes looked at or passed over
	values uint64 // that must still come before the frame is complete
	skip   uint64 // bytes to pass over before the next value
}

func (s *msgpackSplitter) split(data []byte, atEOF bool) (size int, frame []byte, err error) {
	if !s.begun {
		*s = msgpackSplitter{limit: s.limit, begun: true, values: 1}
	}
	for {
		passed := min(s.skip, uint64(len(data)-s.seen)) //nolint:gosec // not negative
		s.skip -= passed
		s.seen += int(passed) //nolint:gosec // at most len(data)
		if s.skip == 0 && s.values == 0 {
			s.begun = false
			return s.seen, data[:s.seen], nil
		}
		if s.skip > 0 || !s.head(data[s.seen:]) {
			break
		}
		if limit := uint64(s.limit); s.skip > limit || s.values > limit { //nolint:gosec // not negative
			return 0, nil, errTooLarge
		}
	}
	if atEOF {
		return 0, nil, errCutFrame
	}
	return 0, nil, nil
}

// head takes the head of the next value into account. It reports false when
// the head is not complete.
func (s *msgpackSplitter) head(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	form := mpForms(b[0])
	if len(b) < 1+form.length {
		return false
	}
	n := form.fixed
	switch form.length {
	case 1:
		n += uint64(b[1]) * form.each
	case 2:
		n += uint64(binary.BigEndian.Uint16(b[1:])) * form.each
	case 4:
		n += uint64(binary.BigEndian.Uint32(b[1:])) * form.each
	}
	s.seen += 1 + form.length
	s.values--
	if form.values {
		s.values += n
	} else {
		s.skip = n
	}
	return true
}

// An mpForm says what follows the first byte of a MessagePack value: a length
// of so many bytes, and then fixed + each*length bytes or values.
type mpForm struct {
	length int
	fixed  uint64
	each   uint64
	values bool
}

// mpForms returns the form of the values that begin with a byte.
func mpForms(c byte) mpForm {
	switch {
	case c <= 0x7f || c >= 0xe0: // fixint
		return mpForm{}
	case c <= 0x8f: // fixmap
		return mpForm{fixed: 2 * uint64(c&0x0f), values: true}
	case c <= 0x9f: // fixarray
		return mpForm{fixed: uint64(c & 0x0f), values: true}
	case c <= 0xbf: // fixstr
		return mpForm{fixed: uint64(c & 0x1f)}
	case c <= 0xc3: // nil, never used, false, true
		return mpForm{}
	}
	return [32]mpForm{ // by the last five bits
		0x04: {length: 1, each: 1},               // bin 8
		0x05: {length: 2, each: 1},               // bin 16
		0x06: {length: 4, each: 1},               // bin 32
		0x07: {length: 1, fixed: 1, each: 1},     // ext 8
		0x08: {length: 2, fixed: 1, each: 1},     // ext 16
		0x09: {length: 4, fixed: 1, each: 1},     // ext 32
		0x0a: {fixed: 4},                         // float 32
		0x0b: {fixed: 8},                         // float 64
		0x0c: {fixed: 1},                         // uint 8
		0x0d: {fixed: 2},                         // uint 16
		0x0e: {fixed: 4},                         // uint 32
		0x0f: {fixed: 8},                         // uint 64
		0x10: {fixed: 1},                         // int 8
		0x11: {fixed: 2},                         // int 16
		0x12: {fixed: 4},                         // int 32
		0x13: {fixed: 8},                         // int 64
		0x14: {fixed: 2},                         // fixext 1
		0x15: {fixed: 3},                         // fixext 2
		0x16: {fixed: 5},                         // fixext 4
		0x17: {fixed: 9},                         // fixext 8
		0x18: {fixed: 17},                        // fixext 16
		0x19: {length: 1, each: 1},               // str 8
		0x1a: {length: 2, each: 1},               // str 16
		0x1b: {length: 4, each: 1},               // str 32
		0x1c: {length: 2, each: 1, values: true}, // array 16
		0x1d: {length: 4, each: 1, values: true}, // array 32
		0x1e: {length: 2, each: 2, values: true}, // map 16
		0x1f: {length: 4, each: 2, values: true}, // map 32
	}[c&0x1f]
}
