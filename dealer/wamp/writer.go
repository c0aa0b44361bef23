package wamp

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A writer appends encoded values. After a failure the first error stays.
type writer struct {
	serializer Serializer
	buf        []byte
	start      int // where this writer began in buf
	err        error
}

func (w *writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// separate writes the comma between JSON values. What was written last tells
// whether one is due: a value ends in a letter, digit, quote or closing
// bracket.
func (w *writer) separate() {
	if w.serializer != JSON || len(w.buf) == w.start {
		return
	}
	switch w.buf[len(w.buf)-1] {
	case '[', '{', ':':
	default:
		w.buf = append(w.buf, ',')
	}
}

func (w *writer) openList(n int) {
	switch w.serializer {
	case JSON:
		w.separate()
		w.buf = append(w.buf, '[')
	case MsgPack:
		w.buf = appendMsgPackList(w.buf, n)
	case CBOR:
		w.buf = appendCBORLen(w.buf, cborArray, n)
	default:
		w.fail("no serializer was chosen")
	}
}

func (w *writer) closeList() {
	if w.serializer == JSON {
		w.buf = append(w.buf, ']')
	}
}

func (w *writer) openMap(n int) {
	switch w.serializer {
	case JSON:
		w.separate()
		w.buf = append(w.buf, '{')
	case MsgPack:
		w.buf = appendMsgPackMap(w.buf, n)
	case CBOR:
		w.buf = appendCBORLen(w.buf, cborMap, n)
	default:
		w.fail("no serializer was chosen")
	}
}

func (w *writer) closeMap() {
	if w.serializer == JSON {
		w.buf = append(w.buf, '}')
	}
}

// key writes the key of a map's entry.
func (w *writer) key(k string) {
	w.string(k)
	w.colon()
}

func (w *writer) colon() {
	if w.serializer == JSON {
		w.buf = append(w.buf, ':')
	}
}

func (w *writer) null() {
	switch w.serializer {
	case JSON:
		w.separate()
		w.buf = append(w.buf, "null"...)
	case MsgPack:
		w.buf = append(w.buf, mpNil)
	case CBOR:
		w.buf = append(w.buf, cborNull)
	}
}

func (w *writer) bool(v bool) {
	var bit byte
	if v {
		bit = 1
	}
	switch w.serializer {
	case JSON:
		w.separate()
		w.buf = strconv.AppendBool(w.buf, v)
	case MsgPack:
		w.buf = append(w.buf, mpFalse+bit)
	case CBOR:
		w.buf = append(w.buf, cborFalse+bit)
	}
}

func (w *writer) uint(v uint64) {
	switch w.serializer {
	case JSON:
		w.separate()
		w.buf = appendJSONUint(w.buf, v)
	case MsgPack:
		w.buf = appendMsgPackUint(w.buf, v)
	case CBOR:
		w.buf = appendCBORHead(w.buf, cborUint, v)
	}
}

// negative writes the integer -1-v.
func (w *writer) negative(v uint64) {
	switch w.serializer {
	case JSON:
		w.separate()
		w.buf = appendJSONNegative(w.buf, v)
	case MsgPack:
		if v > math.MaxInt64 {
			w.bigInteger(appendJSONNegative(nil, v))
			return
		}
		w.buf = appendMsgPackNegative(w.buf, v)
	case CBOR:
		w.buf = appendCBORHead(w.buf, cborNegative, v)
	}
}

func (w *writer) int(v int64) {
	if v < 0 {
		w.negative(uint64(^v)) //nolint:gosec // ^v is -1-v, from 0 on
		return
	}
	w.uint(uint64(v))
}

// float writes v; in the binary serializers with 32 bits if narrow.
func (w *writer) float(v float64, narrow bool) {
	switch w.serializer {
	case JSON:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			w.fail("%w: JSON has no %v", ErrUntranscodable, v)
			return
		}
		w.separate()
		w.buf = appendJSONFloat(w.buf, v)
	case MsgPack:
		w.buf = appendFloat(w.buf, mpFloat32, v, narrow)
	case CBOR:
		w.buf = appendFloat(w.buf, cborFloat32, v, narrow)
	}
}

// string writes v, with U+FFFD for what is not UTF-8.
func (w *writer) string(v string) {
	plain := plainASCII(v)
	if !plain && !utf8.ValidString(v) {
		v = strings.ToValidUTF8(v, string(utf8.RuneError))
	}
	switch w.serializer {
	case JSON:
		w.separate()
		w.buf = appendJSONString(w.buf, v, plain)
	case MsgPack:
		w.buf = append(appendMsgPackString(w.buf, len(v)), v...)
	case CBOR:
		w.buf = append(appendCBORLen(w.buf, cborText, len(v)), v...)
	}
}

func (w *writer) bytes(v []byte) {
	switch w.serializer {
	case JSON:
		w.separate()
		w.buf = append(w.buf, '"')
		w.buf = append(w.buf, binaryPrefix...)
		w.buf = base64.StdEncoding.AppendEncode(w.buf, v)
		w.buf = append(w.buf, '"')
	case MsgPack:
		w.buf = append(appendMsgPackBytes(w.buf, len(v)), v...)
	case CBOR:
		w.buf = append(appendCBORLen(w.buf, cborBytes, len(v)), v...)
	}
}

// value writes one encoded value: as it is, or transcoded.
func (w *writer) value(b []byte, from Serializer) {
	if from == w.serializer {
		w.separate()
		w.buf = append(w.buf, b...)
		return
	}
	w.transcode(b, from)
}

// flag writes an option that is only there when it is true.
func (w *writer) flag(key string, v bool) {
	if v {
		w.key(key)
		w.bool(true)
	}
}

// text writes an option that is only there when it is not empty.
func (w *writer) text(key, v string) {
	if v != "" {
		w.key(key)
		w.string(v)
	}
}

// milliseconds writes an option that is only there when it is not 0.
func (w *writer) milliseconds(key string, v int64) {
	if v != 0 {
		w.key(key)
		w.int(v)
	}
}

func (w *writer) dict(d Dict) {
	w.anyDict(d, 1)
}

// entries writes the entries of d in the order of their keys. Lists and maps
// among the values are at level depth.
func (w *writer) entries(d Dict, depth int) {
	if len(d) == 0 {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(d)) {
		w.key(key)
		w.any(d[key], depth)
	}
}
