package wire

// MsgPack returns the serializer of MessagePack.
func MsgPack() Serializer {
	return binaryFormat{name: "msgpack", take: takeMsgPack, put: putMsgPack}
}

// A layout says what follows one of the first bytes from 0xC0 to 0xDF: a number
// of width bytes, and what it means. The bytes of extensions have a type byte
// more than the number says.
type layout struct {
	kind  kind
	width byte
	more  byte
}

// layoutOf returns the layout for a first byte from 0xC0 to 0xDF.
func layoutOf(c byte) layout {
	return [32]layout{
		0x00: {kindOther, 0, 0},                  // nil
		0x02: {kindBool, 0, 0}, {kindBool, 0, 0}, // false, true
		0x04: {kindOther, 1, 0}, {kindOther, 2, 0}, {kindOther, 4, 0}, // bin
		0x07: {kindOther, 1, 1}, {kindOther, 2, 1}, {kindOther, 4, 1}, // ext
		0x0A: {kindOther, 0, 4}, {kindOther, 0, 8}, // float
		0x0C: {kindUint, 1, 0}, {kindUint, 2, 0}, {kindUint, 4, 0}, {kindUint, 8, 0}, // uint
		0x10: {kindUint, 1, 0}, {kindUint, 2, 0}, {kindUint, 4, 0}, {kindUint, 8, 0}, // int; an ID is never negative
		0x14: {kindOther, 0, 2}, {kindOther, 0, 3}, {kindOther, 0, 5}, {kindOther, 0, 9}, {kindOther, 0, 17}, // fixext
		0x19: {kindText, 1, 0}, {kindText, 2, 0}, {kindText, 4, 0}, // str
		0x1C: {kindList, 2, 0}, {kindList, 4, 0}, // array
		0x1E: {kindDict, 2, 0}, {kindDict, 4, 0}, // map
	}[c-0xC0]
}

// takeMsgPack takes the head of a value.
func takeMsgPack(b []byte) (kind, uint64, []byte) {
	if len(b) == 0 {
		return kindNone, 0, nil
	}
	c, rest := b[0], b[1:]
	switch {
	case c < 0x80:
		return kindUint, uint64(c), rest
	case c < 0x90:
		return kindDict, uint64(c & 15), rest
	case c < 0xA0:
		return kindList, uint64(c & 15), rest
	case c < 0xC0:
		return kindText, uint64(c & 31), rest
	case c >= 0xE0:
		return kindOther, 0, rest
	}
	l := layoutOf(c)
	n, rest, ok := number(rest, int(l.width))
	if !ok {
		return kindNone, 0, nil
	}
	return l.kind, n + uint64(l.more), rest
}

func putMsgPack(d []byte, k kind, n uint64) []byte {
	switch k {
	case kindUint:
		return putSized(d, n, 0x00, 1<<7, [4]byte{0xCC, 0xCD, 0xCE, 0xCF})
	case kindText:
		return putSized(d, n, 0xA0, 32, [4]byte{0xD9, 0xDA, 0xDB})
	case kindList:
		return putSized(d, n, 0x90, 16, [4]byte{0, 0xDC, 0xDD})
	case kindDict:
		return putSized(d, n, 0x80, 16, [4]byte{0, 0xDE, 0xDF})
	case kindBool:
		return append(d, 0xC2+byte(n))
	case kindNone, kindOther:
	}
	return d
}

// putSized appends n within the first byte, if it is less than small, or with
// the first of the first bytes for 1, 2, 4 and 8 bytes that there is and that
// suffices.
func putSized(d []byte, n uint64, fix byte, small uint64, first [4]byte) []byte {
	switch {
	case n < small:
		return append(d, fix|byte(n))
	case n < 1<<8 && first[0] != 0:
		return append(d, first[0], byte(n))
	case n < 1<<16:
		return appendNumber(append(d, first[1]), n, 2)
	case n < 1<<32:
		return appendNumber(append(d, first[2]), n, 4)
	}
	return appendNumber(append(d, first[3]), n, 8)
}
