package wire

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// JSON returns the serializer of JSON.
func JSON() Serializer { return jsonFormat{} }

type jsonFormat struct{}

func (jsonFormat) Name() string                { return "json" }
func (jsonFormat) Opcode() byte                { return OpText }
func (jsonFormat) Open(d []byte, _ int) []byte { return append(d, '[') }
func (jsonFormat) End(d []byte) []byte         { return append(d, ']') }

func (f jsonFormat) Uint(d []byte, v uint64) []byte {
	return strconv.AppendUint(f.comma(d), v, 10)
}

func (f jsonFormat) Text(d []byte, s string) []byte { return f.Value(d, s) }

func (f jsonFormat) Flag(d []byte, key string) []byte {
	if key == "" {
		return append(f.comma(d), "{}"...)
	}
	return append(append(append(f.comma(d), `{"`...), key...), `":true}`...)
}

func (f jsonFormat) Value(d []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		text = []byte("null") // not for what the interface names
	}
	return append(f.comma(d), text...)
}

// comma appends one unless an element is the first.
func (jsonFormat) comma(d []byte) []byte {
	if len(d) == 0 || d[len(d)-1] == '[' {
		return d
	}
	return append(d, ',')
}

// between takes what stands between elements.
func between(b []byte) []byte {
	for len(b) > 0 && (b[0] == ',' || b[0] == ' ' || b[0] == '\t' || b[0] == '\n' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

func (jsonFormat) TakeList(b []byte) (int, []byte, bool) {
	b = between(b)
	if len(b) == 0 || b[0] != '[' {
		return 0, nil, false
	}
	return 0, b[1:], true
}

func (jsonFormat) TakeUint(b []byte) (v uint64, rest []byte, ok bool) {
	b = between(b)
	i := 0
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		v = v*10 + uint64(b[i]-'0')
		i++
	}
	return v, b[i:], i > 0
}

func (jsonFormat) TakeText(b []byte) (s, rest []byte, ok bool) {
	b = between(b)
	n := textEnd(b)
	if n < 2 {
		return nil, nil, false
	}
	return b[1 : n-1], b[n:], true
}

// textEnd returns the length of the string with quotes at the start of b, 0 if
// there is none.
func textEnd(b []byte) int {
	if len(b) == 0 || b[0] != '"' {
		return 0
	}
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

func (jsonFormat) Skip(b []byte) ([]byte, bool) {
	b = between(b)
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			n := textEnd(b[i:])
			if n == 0 {
				return nil, false
			}
			i += n - 1
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',', ':', ' ', '\t', '\n', '\r':
			continue
		default: // a number, true, false or null
			i += max(bytes.IndexAny(b[i:], ",]} \t\r\n"), 1) - 1
		}
		if depth <= 0 {
			return b[i+1:], depth == 0
		}
	}
	return nil, false
}
