package wamp

import (
	"bytes"
	"math"
	"math/big"
	"strconv"
)

// maxBigDigits and maxBigBytes bound the integers that are converted between
// decimal and binary, which takes more than linear time: 4,096 bits.
const (
	maxBigBytes  = 512
	maxBigDigits = 1234
)

// setBig takes a CBOR bignum; what fits becomes an ordinary integer.
func (t *token) setBig(negative bool) {
	t.kind, t.number = KindNumber, numberBigPositive
	if negative {
		t.number = numberBigNegative
	}
	if t.form != textPlain {
		t.text, t.form = t.appendText(nil), textPlain
	}
	magnitude := bytes.TrimLeft(t.text, "\x00")
	if len(magnitude) > 8 {
		return
	}
	t.number, t.bits = numberUint, 0
	if negative {
		t.number = numberNegative
	}
	for _, c := range magnitude {
		t.bits = t.bits<<8 | uint64(c)
	}
}

// big returns t, which is of a form beyond 64 bits. It returns nil if it is
// too long to be converted.
func (t *token) big() *big.Int {
	if len(t.text) > maxBigDigits {
		return nil
	}
	if t.number == numberBig {
		v, _ := new(big.Int).SetString(string(t.text), 10)
		return v
	}
	v := new(big.Int).SetBytes(t.text)
	if v.BitLen() > 8*maxBigBytes {
		return nil
	}
	if t.number == numberBigNegative {
		v.Not(v)
	}
	return v
}

// bigFloat returns the float64 next to t, an infinity if t is too large.
func (t *token) bigFloat() float64 {
	if v := t.big(); v != nil {
		f, _ := new(big.Float).SetInt(v).Float64()
		return f
	}
	if t.number == numberBigNegative || t.number == numberBig && t.text[0] == '-' {
		return math.Inf(-1)
	}
	return math.Inf(1)
}

// bigNumber writes an integer beyond 64 bits.
func (w *writer) bigNumber(t *token) {
	v := t.big()
	if v == nil {
		w.fail("%w: an integer of more than %d bits", ErrUntranscodable, 8*maxBigBytes)
		return
	}
	if w.serializer == CBOR {
		w.bigToCBOR(v)
		return
	}
	w.bigInteger(v.Append(nil, 10))
}

func (w *writer) bigToCBOR(v *big.Int) {
	tag := byte(cborTagBigPositive)
	if v.Sign() < 0 {
		tag = cborTagBigNegative
		v.Not(v)
	}
	w.buf = appendCBORHead(w.buf, cborTag, uint64(tag))
	w.bytes(v.Bytes())
}

// bigInteger writes a decimal integer beyond 64 bits. MessagePack has no such
// integers; there it becomes a float64 if that is the same number, or is
// written with the same digits, as JavaScript writes floats up to 1e21.
func (w *writer) bigInteger(literal []byte) {
	if w.serializer == JSON {
		w.separate()
		w.buf = append(w.buf, literal...)
		return
	}
	f, err := strconv.ParseFloat(string(literal), 64)
	var digits [maxBigDigits]byte
	same := err == nil &&
		(bytes.Equal(literal, strconv.AppendFloat(digits[:0], f, 'f', -1, 64)) ||
			bytes.Equal(literal, strconv.AppendFloat(digits[:0], f, 'f', 0, 64)))
	if !same {
		w.fail("%w: the integer %.40s has more than 64 bits, which MessagePack cannot hold", ErrUntranscodable, literal)
		return
	}
	w.float(f, false)
}
