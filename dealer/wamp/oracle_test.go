package wamp_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// Other people's decoders say what a value is. Each oracle returns a canonical
// text: equal values have equal texts, whatever they are encoded in.

var errOracle = errors.New("the oracle cannot tell")

// canonical returns the canonical text of the one value in b.
func canonical(s wamp.Serializer, b []byte) (string, error) {
	switch s {
	case wamp.JSON:
		return canonicalJSON(b)
	case wamp.MsgPack:
		return canonicalMsgPack(b)
	default:
		return canonicalCBOR(b)
	}
}

func canonicalJSON(b []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	text, err := walkJSON(d)
	if err != nil {
		return "", err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", errors.New("trailing bytes")
	}
	return text, nil
}

func walkJSON(d *json.Decoder) (string, error) {
	token, err := d.Token()
	if err != nil {
		return "", err
	}
	switch v := token.(type) {
	case nil:
		return "null", nil
	case json.Delim:
		return walkJSONContainer(d, v)
	case json.Number:
		return canonicalLiteral(v.String())
	case string:
		return canonicalString(v), nil
	default:
		return fmt.Sprint(v), nil
	}
}

func walkJSONContainer(d *json.Decoder, open json.Delim) (string, error) {
	var elements, keys []string
	for d.More() {
		if open == '{' {
			key, err := walkJSON(d)
			if err != nil {
				return "", err
			}
			keys = append(keys, key)
		}
		element, err := walkJSON(d)
		if err != nil {
			return "", err
		}
		elements = append(elements, element)
	}
	if _, err := d.Token(); err != nil {
		return "", err
	}
	if open == '{' {
		return canonicalMap(keys, elements), nil
	}
	return "[" + strings.Join(elements, ",") + "]", nil
}

func canonicalLiteral(literal string) (string, error) {
	if !strings.ContainsAny(literal, ".eE") && literal != "-0" {
		v, ok := new(big.Int).SetString(literal, 10)
		if !ok {
			return "", errOracle
		}
		return canonicalInt(v), nil
	}
	v, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return "", errOracle
	}
	return canonicalFloat(v), nil
}

// canonicalInt takes an integer beyond 64 bits for the float next to it:
// MessagePack has no other form for it.
func canonicalInt(v *big.Int) string {
	if v.IsInt64() || v.IsUint64() {
		return v.String()
	}
	f, _ := new(big.Float).SetInt(v).Float64()
	return canonicalFloat(f)
}

func canonicalFloat(v float64) string {
	if math.IsNaN(v) {
		return "NaN"
	}
	return "f" + strconv.FormatFloat(v, 'x', -1, 64)
}

// canonicalString takes a string for bytes when JSON would.
func canonicalString(v string) string {
	if rest, ok := strings.CutPrefix(v, "\x00"); ok && !strings.ContainsAny(rest, "\r\n") {
		if b, err := base64.StdEncoding.Strict().DecodeString(rest); err == nil {
			return canonicalBytes(b)
		}
	}
	return fmt.Sprintf("%q", v)
}

func canonicalBytes(v []byte) string { return fmt.Sprintf("x%x", v) }

// canonicalMap sorts the entries; of those with the same key the last counts.
func canonicalMap(keys, values []string) string {
	last := make(map[string]string)
	for i, key := range keys {
		last[key] = values[i]
	}
	entries := make([]string, 0, len(last))
	for key, value := range last {
		entries = append(entries, key+":"+value)
	}
	slices.Sort(entries)
	return "{" + strings.Join(entries, ",") + "}"
}

func canonicalMsgPack(b []byte) (string, error) {
	r := bytes.NewReader(b)
	d := msgpack.NewDecoder(r)
	text, err := (&msgpackWalk{d: d, r: r}).value(0)
	if err != nil {
		return "", err
	}
	if r.Len() > 0 {
		return "", errors.New("trailing bytes")
	}
	return text, nil
}

// A msgpackWalk reads values with another decoder. Lengths are checked before
// it sees them: it allocates what they claim.
type msgpackWalk struct {
	d *msgpack.Decoder
	r *bytes.Reader
}

// content reads n bytes.
func (w *msgpackWalk) content(n int, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	if n > w.r.Len() {
		return nil, io.ErrUnexpectedEOF
	}
	b := make([]byte, n)
	return b, w.d.ReadFull(b)
}

func (w *msgpackWalk) value(depth int) (string, error) {
	d := w.d
	code, err := d.PeekCode()
	if err != nil {
		return "", err
	}
	switch {
	case code == 0xc0:
		return "null", d.DecodeNil()
	case code == 0xc1:
		return "", errors.New("0xc1")
	case code == 0xc2 || code == 0xc3:
		v, err := d.DecodeBool()
		return fmt.Sprint(v), err
	case code >= 0xc4 && code <= 0xc6:
		v, err := w.content(d.DecodeBytesLen())
		return canonicalBytes(v), err
	case code == 0xca:
		v, err := d.DecodeFloat32()
		return canonicalFloat(float64(v)), err
	case code == 0xcb:
		v, err := d.DecodeFloat64()
		return canonicalFloat(v), err
	case code >= 0xcc && code <= 0xcf:
		v, err := d.DecodeUint64()
		return fmt.Sprint(v), err
	case code < 0x80 || code >= 0xe0 || code >= 0xd0 && code <= 0xd3:
		v, err := d.DecodeInt64()
		return fmt.Sprint(v), err
	case code >= 0xa0 && code < 0xc0 || code >= 0xd9 && code <= 0xdb:
		v, err := w.content(d.DecodeBytesLen())
		if err == nil && !utf8.Valid(v) {
			err = errors.New("not UTF-8")
		}
		return canonicalString(string(v)), err
	case code >= 0xc7 && code <= 0xc9 || code >= 0xd4 && code <= 0xd8:
		return w.ext()
	default:
		return w.container(code, depth+1)
	}
}

func (w *msgpackWalk) ext() (string, error) {
	id, n, err := w.d.DecodeExtHeader()
	data, err := w.content(n, err)
	if err != nil {
		return "", err
	}
	if id == 0 && n == 1 && data[0] == 0 {
		return "null", nil
	}
	return fmt.Sprintf("ext%d:%x", id, data), nil
}

func (w *msgpackWalk) container(code byte, depth int) (string, error) {
	if depth > wamp.MaxDepth {
		return "", errors.New("too deep")
	}
	isMap := code < 0x90 || code >= 0xde
	length := w.d.DecodeArrayLen
	if isMap {
		length = w.d.DecodeMapLen
	}
	n, err := length()
	if err != nil {
		return "", err
	}
	var elements, keys []string
	for range n {
		if isMap {
			key, err := w.value(depth)
			if err != nil {
				return "", err
			}
			keys = append(keys, key)
		}
		element, err := w.value(depth)
		if err != nil {
			return "", err
		}
		elements = append(elements, element)
	}
	if isMap {
		return canonicalMap(keys, elements), nil
	}
	return "[" + strings.Join(elements, ",") + "]", nil
}

// cborMode accepts what RFC 8949 does.
func cborMode() (cbor.DecMode, error) {
	return cbor.DecOptions{
		MaxNestedLevels:      1000,
		MaxArrayElements:     math.MaxInt32,
		MaxMapPairs:          math.MaxInt32,
		IntDec:               cbor.IntDecConvertNone,
		BigIntDec:            cbor.BigIntDecodePointer,
		MapKeyByteString:     cbor.MapKeyByteStringAllowed,
		UnrecognizedTagToAny: cbor.UnrecognizedTagContentToAny,
	}.DecMode()
}

// canonicalCBOR returns errOracle for what its oracle refuses for reasons that
// have nothing to do with the encoding.
func canonicalCBOR(b []byte) (string, error) {
	mode, err := cborMode()
	if err != nil {
		return "", err
	}
	var v any
	if err := mode.Unmarshal(b, &v); err != nil {
		return "", fmt.Errorf("%w: %w", errOracle, err)
	}
	return walkCBOR(v)
}

func walkCBOR(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "null", nil
	case bool, uint64, int64:
		return fmt.Sprint(v), nil
	case *big.Int:
		return canonicalInt(v), nil
	case big.Int:
		return canonicalInt(&v), nil
	case float64:
		return canonicalFloat(v), nil
	case float32:
		return canonicalFloat(float64(v)), nil
	case string:
		return canonicalString(v), nil
	case []byte:
		return canonicalBytes(v), nil
	case cbor.ByteString:
		return canonicalBytes([]byte(v)), nil
	case []any:
		elements := make([]string, len(v))
		for i := range v {
			var err error
			if elements[i], err = walkCBOR(v[i]); err != nil {
				return "", err
			}
		}
		return "[" + strings.Join(elements, ",") + "]", nil
	case map[any]any:
		return walkCBORMap(v)
	}
	return "", errOracle // times, simple values
}

func walkCBORMap(m map[any]any) (string, error) {
	var keys, values []string
	for k, v := range m {
		key, err := walkCBOR(k)
		if err != nil {
			return "", err
		}
		value, err := walkCBOR(v)
		if err != nil {
			return "", err
		}
		keys, values = append(keys, key), append(values, value)
	}
	if len(slices.Compact(slices.Sorted(slices.Values(keys)))) < len(keys) {
		return "", errOracle // 1 and big 1, say: which comes last is lost
	}
	return canonicalMap(keys, values), nil
}
