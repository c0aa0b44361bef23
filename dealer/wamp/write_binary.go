//nolint:gosec // binary formats take narrowing conversions, each behind a check of its range
package wamp

import (
	"encoding/binary"
	"math"
)

// appendSized appends a head whose length field has 1, 2 or 4 bytes: head8
// with one byte, head8+1 with two, head8+2 with four.
func appendSized(dst []byte, head8 byte, n int) []byte {
	switch {
	case n <= math.MaxUint8:
		return append(dst, head8, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, head8+1), uint16(n))
	default:
		return binary.BigEndian.AppendUint32(append(dst, head8+2), uint32(n))
	}
}

// appendMsgPackString appends the head of a string of n bytes.
func appendMsgPackString(dst []byte, n int) []byte {
	if n < 32 {
		return append(dst, mpFixStr|byte(n))
	}
	return appendSized(dst, mpStr8, n)
}

// appendMsgPackBytes appends the head of a byte string of n bytes.
func appendMsgPackBytes(dst []byte, n int) []byte { return appendSized(dst, mpBin8, n) }

// appendMsgPackList appends the head of a list of n elements.
func appendMsgPackList(dst []byte, n int) []byte {
	return appendMsgPackContainer(dst, mpFixArray, mpArray16, n)
}

// appendMsgPackMap appends the head of a map of n entries.
func appendMsgPackMap(dst []byte, n int) []byte {
	return appendMsgPackContainer(dst, mpFixMap, mpMap16, n)
}

func appendMsgPackContainer(dst []byte, fix, head16 byte, n int) []byte {
	switch {
	case n < 16:
		return append(dst, fix|byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, head16), uint16(n))
	default:
		return binary.BigEndian.AppendUint32(append(dst, head16+1), uint32(n))
	}
}

// appendMsgPackUint appends v in the shortest form.
func appendMsgPackUint(dst []byte, v uint64) []byte {
	switch {
	case v < mpFixMap:
		return append(dst, byte(v))
	case v <= math.MaxUint8:
		return append(dst, mpUint8, byte(v))
	case v <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, mpUint16), uint16(v))
	case v <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, mpUint32), uint32(v))
	default:
		return binary.BigEndian.AppendUint64(append(dst, mpUint64), v)
	}
}

// appendMsgPackNegative appends -1-v in the shortest form; v fits into 63
// bits.
func appendMsgPackNegative(dst []byte, v uint64) []byte {
	switch {
	case v < 32:
		return append(dst, ^byte(v))
	case v <= math.MaxInt8:
		return append(dst, mpInt8, ^byte(v))
	case v <= math.MaxInt16:
		return binary.BigEndian.AppendUint16(append(dst, mpInt16), ^uint16(v))
	case v <= math.MaxInt32:
		return binary.BigEndian.AppendUint32(append(dst, mpInt32), ^uint32(v))
	default:
		return binary.BigEndian.AppendUint64(append(dst, mpInt64), ^v)
	}
}

// appendFloat appends v behind head32 with 32 bits if narrow, else behind the
// following head with 64.
func appendFloat(dst []byte, head32 byte, v float64, narrow bool) []byte {
	if narrow {
		return binary.BigEndian.AppendUint32(append(dst, head32), math.Float32bits(float32(v)))
	}
	return binary.BigEndian.AppendUint64(append(dst, head32+1), math.Float64bits(v))
}

// appendCBORLen appends the head of a string, list or map of length n.
func appendCBORLen(dst []byte, major byte, n int) []byte {
	return appendCBORHead(dst, major, uint64(n))
}

// appendCBORHead appends the shortest head of a data item.
func appendCBORHead(dst []byte, major byte, v uint64) []byte {
	major <<= 5
	switch {
	case v < cborOneByte:
		return append(dst, major|byte(v))
	case v <= math.MaxUint8:
		return append(dst, major|cborOneByte, byte(v))
	case v <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(v))
	case v <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(v))
	default:
		return binary.BigEndian.AppendUint64(append(dst, major|27), v)
	}
}
