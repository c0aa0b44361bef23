package wamp

// Shortcuts for what nearly every message has: small integers and empty dicts.
// Each reports false, and moves nothing, when the value is of another form.

// smallUint reads a non-negative integer in its usual form.
func (s *scanner) smallUint() (uint64, bool) {
	if s.pos >= len(s.buf) {
		return 0, false
	}
	c := s.buf[s.pos]
	switch {
	case s.serializer == JSON:
		return s.shortDigits()
	case s.serializer == MsgPack && c < mpFixMap, s.serializer == CBOR && c < cborOneByte:
		s.pos++
		return uint64(c), true
	case s.serializer == MsgPack && c >= mpUint8 && c <= mpUint64:
		return s.fixedUint(1 << (c - mpUint8))
	case s.serializer == CBOR && c >= cborOneByte && c <= cborEightByte:
		return s.fixedUint(1 << (c - cborOneByte))
	}
	return 0, false
}

// fixedUint reads the n bytes of an integer behind its head.
func (s *scanner) fixedUint(n int) (uint64, bool) {
	if len(s.buf)-s.pos <= n {
		return 0, false
	}
	var v uint64
	for _, c := range s.buf[s.pos+1 : s.pos+1+n] {
		v = v<<8 | uint64(c)
	}
	s.pos += 1 + n
	return v, true
}

// shortDigits reads a JSON integer of at most 16 digits that is followed by a
// comma or the end of the list.
func (s *scanner) shortDigits() (uint64, bool) {
	var v uint64
	for i, c := range s.buf[s.pos:min(s.pos+17, len(s.buf))] {
		switch {
		case '0' <= c && c <= '9':
			v = v*10 + uint64(c-'0')
			continue
		case i == 0 || c != ',' && c != ']' || s.buf[s.pos] == '0' && i > 1:
			return 0, false
		}
		s.pos += i
		return v, true
	}
	return 0, false
}

// commaOnly moves to the next element where a comma is all that separates it
// from the one before.
func (s *scanner) commaOnly(c *container) bool {
	i := s.pos + 1
	if !c.begun || i >= len(s.buf) || s.buf[i-1] != ',' || s.buf[i] <= ' ' || s.buf[i] == c.close {
		return false
	}
	s.pos = i
	return true
}

// emptyMap reads a map without entries.
func (s *scanner) emptyMap() bool {
	switch {
	case s.serializer == JSON && len(s.buf)-s.pos >= 2 && s.buf[s.pos] == '{' && s.buf[s.pos+1] == '}':
		s.pos += 2
	case s.serializer == MsgPack && s.pos < len(s.buf) && s.buf[s.pos] == mpFixMap,
		s.serializer == CBOR && s.pos < len(s.buf) && s.buf[s.pos] == cborMap<<5:
		s.pos++
	default:
		return false
	}
	return true
}
