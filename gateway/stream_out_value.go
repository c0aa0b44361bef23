package gateway

import (
	"bytes"
	"errors"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// errNotBytes is about progress in a download that is neither bytes nor text.
var errNotBytes = errors.New("progress is neither bytes nor text")

// appendArguments appends the members args and kwargs, those that are not
// empty, to an object that dst ends inside of.
func appendArguments(dst []byte, p wamp.Payload) ([]byte, error) {
	dst, err := appendMember(dst, "args", p.Args, p.Serializer)
	if err != nil {
		return dst, err
	}
	return appendMember(dst, "kwargs", p.Kwargs, p.Serializer)
}

// appendMember appends one member to an object, unless it is empty.
func appendMember(dst []byte, name string, value []byte, from wamp.Serializer) ([]byte, error) {
	if value == nil {
		return dst, nil
	}
	mark := len(dst)
	if dst[mark-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	at := len(dst)
	dst, err := appendJSON(dst, value, from)
	if got := string(dst[at:]); err != nil || got == "[]" || got == "{}" {
		return dst[:mark], err
	}
	return dst, nil
}

// appendBare appends what a payload amounts to: its one argument, its keyword
// arguments if it has no others, null if it is empty, else all in an envelope.
func appendBare(dst []byte, p wamp.Payload) ([]byte, error) {
	shape, value, err := shapeOf(p, false)
	if err != nil {
		return dst, err
	}
	switch shape {
	case resultNone:
		return append(dst, "null"...), nil
	case resultValue:
		return appendJSON(dst, value, p.Serializer)
	case resultKwargs:
		return appendJSON(dst, p.Kwargs, p.Serializer)
	}
	dst, err = appendArguments(append(dst, '{'), p)
	return append(dst, '}'), err
}

// appendRaw appends the bytes and texts of a payload's positional arguments.
func appendRaw(dst []byte, p wamp.Payload) ([]byte, error) {
	if p.Args == nil {
		return dst, nil
	}
	if p.Serializer.Kind(p.Args) != wamp.KindList {
		return appendContent(dst, p.Args, p.Serializer)
	}
	for element, err := range p.Serializer.Elements(p.Args) {
		if err == nil {
			dst, err = appendContent(dst, element, p.Serializer)
		}
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// appendContent appends what a string or byte string holds.
func appendContent(dst, value []byte, s wamp.Serializer) ([]byte, error) {
	if b, ok := s.BytesValue(value); ok {
		return append(dst, b...), nil
	}
	v, err := s.Value(value)
	if err != nil {
		return dst, err
	}
	text, ok := v.(string)
	if !ok {
		return dst, errNotBytes
	}
	return append(dst, text...), nil
}

// appendJSON appends one encoded value as JSON without white space.
func appendJSON(dst, value []byte, from wamp.Serializer) ([]byte, error) {
	if from == wamp.JSON {
		return appendCompact(dst, value), nil
	}
	return wamp.Transcode(dst, wamp.JSON, value, from)
}

// appendCompact appends valid JSON without the white space between its tokens.
// Whatever it is given, it appends no control character: a line stays one.
func appendCompact(dst, value []byte) []byte {
	for len(value) > 0 {
		i := bytes.IndexByte(value, '"')
		if i < 0 {
			return appendTokens(dst, value)
		}
		dst = appendTokens(dst, value[:i])
		n := stringLength(value[i:])
		dst = appendString(dst, value[i:i+n])
		value = value[i+n:]
	}
	return dst
}

// appendTokens appends JSON that holds no strings.
func appendTokens(dst, tokens []byte) []byte {
	for _, c := range tokens {
		if c > ' ' {
			dst = append(dst, c)
		}
	}
	return dst
}

// stringLength returns the length of the JSON string that b begins with.
func stringLength(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return len(b)
}

// appendString appends a JSON string; control characters, which it must not
// hold, are escaped.
func appendString(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	start := 0
	for i, c := range text {
		if c >= ' ' {
			continue
		}
		dst = append(dst, text[start:i]...)
		dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		start = i + 1
	}
	return append(dst, text[start:]...)
}
