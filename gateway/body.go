package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// A bodyType is what the Content-Type of a request comes to.
type bodyType uint8

const (
	bodyNone bodyType = iota // no Content-Type
	bodyJSON
	bodyMsgPack
	bodyCBOR
	bodyForm
	bodyMultipart
	bodyText
	bodyBytes // anything else
	bodyStream
)

// raw reports whether a body of this type and of unknown length is cut into
// chunks. Bodies of the other types hold one value, however they are sent.
func (t bodyType) raw() bool { return t == bodyNone || t == bodyText || t == bodyBytes }

// binary reports whether the body is a value in a binary encoding.
func (t bodyType) binary() bool { return t == bodyMsgPack || t == bodyCBOR }

// serializer returns the encoding of a body that holds a value.
func (t bodyType) serializer() wamp.Serializer {
	switch t {
	case bodyMsgPack:
		return wamp.MsgPack
	case bodyCBOR:
		return wamp.CBOR
	}
	return wamp.JSON
}

// A mediaType is a Content-Type, understood.
type mediaType struct {
	body     bodyType
	envelope bool    // a …call+… type: {"args":…,"kwargs":…}
	framing  framing // of bodyStream
	boundary string  // of bodyMultipart

	types map[string]fieldType // of the fields of a form; nil if they are all text
}

// parseMediaType reads a Content-Type. The error is a problem: 415.
func parseMediaType(contentType string) (mediaType, error) {
	switch contentType {
	case "":
		return mediaType{}, nil
	case "application/json":
		return mediaType{body: bodyJSON}, nil
	}
	name, params, err := mime.ParseMediaType(contentType)
	if err != nil || !strings.Contains(name, "/") {
		return mediaType{}, badMediaType(fmt.Sprintf("the Content-Type %s cannot be read", quoteShort(contentType)))
	}
	m := classify(name)
	if m.body == bodyMultipart {
		if m.boundary = params["boundary"]; m.boundary == "" {
			return m, badMediaType("the Content-Type of a multipart body needs a boundary")
		}
	}
	if charset := params["charset"]; m.body != bodyBytes && charset != "" && !isUTF8(charset) {
		return m, badMediaType(fmt.Sprintf("the charset %s is not understood; send UTF-8", quoteShort(charset)))
	}
	return m, nil
}

// classify returns what a media type, in lower case, means.
func classify(name string) mediaType {
	switch name {
	case "application/vnd.wamp.call+json":
		return mediaType{body: bodyJSON, envelope: true}
	case "application/vnd.wamp.call+msgpack":
		return mediaType{body: bodyMsgPack, envelope: true}
	case "application/vnd.wamp.call+cbor":
		return mediaType{body: bodyCBOR, envelope: true}
	case "application/msgpack", "application/x-msgpack", "application/vnd.msgpack":
		return mediaType{body: bodyMsgPack}
	case "application/cbor":
		return mediaType{body: bodyCBOR}
	case "application/x-www-form-urlencoded":
		return mediaType{body: bodyForm}
	case "multipart/form-data":
		return mediaType{body: bodyMultipart}
	case "text/plain":
		return mediaType{body: bodyText}
	case "application/x-ndjson", "application/jsonl":
		return mediaType{body: bodyStream, framing: framingNDJSON}
	case "application/json-seq":
		return mediaType{body: bodyStream, framing: framingJSONSeq}
	case "application/vnd.wamp.stream+msgpack":
		return mediaType{body: bodyStream, framing: framingMsgPack}
	}
	if name == "application/json" || strings.HasSuffix(name, "+json") {
		return mediaType{body: bodyJSON}
	}
	return mediaType{body: bodyBytes}
}

func isUTF8(charset string) bool {
	return strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8") || strings.EqualFold(charset, "us-ascii")
}

// framingOf decides whether a request's body makes a progressive call, and how
// it is cut. A stream type does, and ?in=, and a raw type of unknown length;
// chunked transfer coding by itself does not, since it is the business of one
// hop, and JSON often comes that way.
func framingOf(m mediaType, length int64, o *options) framing {
	switch {
	case o.framing != framingNone:
		return o.framing
	case m.body == bodyStream:
		return m.framing
	case length < 0 && m.body.raw():
		return framingChunks
	}
	return framingNone
}

// payload makes a call's arguments of a body that was read whole. An empty
// body means no arguments, whatever its type. The payload aliases b. The error
// is a problem.
func (m mediaType) payload(b *buffer, envelope bool) (wamp.Payload, error) {
	body := b.body()
	if len(body) == 0 {
		return wamp.Payload{}, nil
	}
	envelope = envelope || m.envelope
	switch m.body {
	case bodyJSON, bodyMsgPack, bodyCBOR:
		return payloadOf(body, m.body.serializer(), envelope)
	}
	if envelope {
		return wamp.Payload{}, badMediaType("body=call needs a body in JSON, MessagePack or CBOR")
	}
	switch m.body {
	case bodyForm:
		return formPayload(body, m.types)
	case bodyMultipart:
		return multipartPayload(body, m.boundary, m.types)
	case bodyText:
		if !utf8.Valid(body) {
			return wamp.Payload{}, badBody("the text is not valid UTF-8")
		}
		return b.single(mpString), nil
	}
	return b.single(mpBytes), nil
}

// payloadOf makes a call's arguments of one encoded value: a list becomes the
// positional, a map the keyword arguments, anything else the only positional
// one. With envelope it must be a map with the members args and kwargs. The
// value is checked; the payload aliases it. The error is a problem.
func payloadOf(value []byte, s wamp.Serializer, envelope bool) (wamp.Payload, error) {
	if err := s.ValidStrict(value); err != nil {
		return wamp.Payload{}, malformedBody(s, err)
	}
	if s == wamp.JSON {
		if at := loneSurrogate(value); at >= 0 {
			return wamp.Payload{}, badBody(fmt.Sprintf("the body is not valid JSON: half of a surrogate pair, which is no character, at byte %d", at))
		}
		value = bytes.Trim(value, " \t\r\n")
	}
	switch kind := s.Kind(value); {
	case envelope:
		return envelopePayload(value, s, kind)
	case kind == wamp.KindList:
		return wamp.Payload{Serializer: s, Args: value}, nil
	case kind == wamp.KindMap:
		if err := stringKeys(value, s); err != nil {
			return wamp.Payload{}, err
		}
		return wamp.Payload{Serializer: s, Kwargs: value}, nil
	}
	return wamp.Payload{Serializer: s, Args: s.AppendList(nil, value)}, nil
}

// loneSurrogate returns the offset of the first escape of half a surrogate
// pair in valid JSON, or -1. Such a string has no form in UTF-8, so that a
// callee with another serializer would get something else than was sent.
func loneSurrogate(value []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(value[i:], '\\')
		if n < 0 {
			return -1
		}
		i += n
		unit, ok := escapedUnit(value[i:])
		switch {
		case !ok:
			i += 2
			continue
		case !utf16.IsSurrogate(unit):
			i += 6
			continue
		}
		low, _ := escapedUnit(value[i+6:])
		if utf16.DecodeRune(unit, low) == utf8.RuneError {
			return i
		}
		i += 12
	}
}

// escapedUnit returns the UTF-16 code unit that b begins with, if it begins
// with \uXXXX.
func escapedUnit(b []byte) (unit rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return rune(n), err == nil
}

// envelopePayload takes args and kwargs out of an object.
func envelopePayload(value []byte, s wamp.Serializer, kind wamp.Kind) (wamp.Payload, error) {
	if kind != wamp.KindMap {
		return wamp.Payload{}, badBody(fmt.Sprintf("the body must be an object with the members args and kwargs, not %v", kind))
	}
	p := wamp.Payload{Serializer: s}
	for entry, err := range s.Entries(value) {
		if err != nil {
			return p, malformedBody(s, err)
		}
		switch kind := s.Kind(entry.Value); entry.Key {
		case "args":
			if kind != wamp.KindList {
				return p, badBody(fmt.Sprintf("the member args must be a list, not %v", kind))
			}
			p.Args = entry.Value
		case "kwargs":
			if kind != wamp.KindMap {
				return p, badBody(fmt.Sprintf("the member kwargs must be an object, not %v", kind))
			}
			if err := stringKeys(entry.Value, s); err != nil {
				return p, err
			}
			p.Kwargs = entry.Value
		default:
			return p, badBody(fmt.Sprintf("the body may hold the members args and kwargs, not %s", quoteShort(entry.Key)))
		}
	}
	return p, nil
}

// stringKeys checks that a valid map can be keyword arguments.
func stringKeys(value []byte, s wamp.Serializer) error {
	if s == wamp.JSON {
		return nil // it has no other keys
	}
	for _, err := range s.Entries(value) {
		if err != nil {
			return malformedBody(s, err)
		}
	}
	return nil
}

// envelopeKeys reports whether a JSON object holds nothing but args and
// kwargs: its sender may have meant an envelope.
func envelopeKeys(object []byte) bool {
	n := 0
	for entry, err := range wamp.JSON.Entries(object) {
		if err != nil || entry.Key != "args" && entry.Key != "kwargs" {
			return false
		}
		n++
	}
	return n > 0
}

// malformedBody is the problem of a body that is not what its type says.
func malformedBody(s wamp.Serializer, err error) *problem.Problem {
	name := map[wamp.Serializer]string{wamp.JSON: "JSON", wamp.MsgPack: "MessagePack", wamp.CBOR: "CBOR"}[s]
	var syntax *wamp.SyntaxError
	if !errors.As(err, &syntax) {
		return badBody("the body is not valid " + name).Because(err)
	}
	return badBody(fmt.Sprintf("the body is not valid %s: %s at byte %d", name, syntax.Text, syntax.Offset))
}

// badBody is the problem of a body that cannot be a call's arguments.
func badBody(detail string) *problem.Problem {
	return problem.New(http.StatusBadRequest, wamp.ErrInvalidPayload, detail)
}

// badMediaType is the problem of a body that is in no known form.
func badMediaType(detail string) *problem.Problem {
	return problem.New(http.StatusUnsupportedMediaType, uriMediaType, detail)
}
