package wire

// CBOR returns the serializer of CBOR (RFC 8949), which knows no indefinite
// lengths.
func CBOR() Serializer { return binaryFormat{name: "cbor", take: takeCBOR, put: putCBOR} }

// takeCBOR takes the head of a data item.
func takeCBOR(b []byte) (kind, uint64, []byte) {
	if len(b) == 0 {
		return kindNone, 0, nil
	}
	major, info := b[0]>>5, b[0]&31
	n, rest, ok := uint64(info), b[1:], info < 28
	if info >= 24 && ok {
		n, rest, ok = number(rest, 1<<(info-24))
	}
	if !ok {
		return kindNone, 0, nil
	}
	switch major {
	case 0:
		return kindUint, n, rest
	case 2:
		return kindOther, n, rest
	case 3:
		return kindText, n, rest
	case 4:
		return kindList, n, rest
	case 5:
		return kindDict, n, rest
	case 6: // a tag has one value
		return kindList, 1, rest
	}
	return kindOther, 0, rest // a negative integer, a simple value or a float
}

func putCBOR(d []byte, k kind, n uint64) []byte {
	var major byte
	switch k {
	case kindText:
		major = 3 << 5
	case kindList:
		major = 4 << 5
	case kindDict:
		major = 5 << 5
	case kindBool:
		return append(d, 0xF4+byte(n))
	case kindNone, kindUint, kindOther:
	}
	switch {
	case n < 24:
		return append(d, major|byte(n))
	case n < 1<<8:
		return append(d, major|24, byte(n))
	case n < 1<<16:
		return appendNumber(append(d, major|25), n, 2)
	case n < 1<<32:
		return appendNumber(append(d, major|26), n, 4)
	}
	return appendNumber(append(d, major|27), n, 8)
}
