package wamp

import (
	"errors"
	"fmt"
)

// A Serializer is one of the encodings of WAMP messages.
type Serializer uint8

// The serializers.
const (
	JSON Serializer = 1 + iota
	MsgPack
	CBOR
)

// String returns the name that the WebSocket subprotocol uses: "json",
// "msgpack" or "cbor".
func (s Serializer) String() string {
	switch s {
	case JSON:
		return "json"
	case MsgPack:
		return "msgpack"
	case CBOR:
		return "cbor"
	}
	return "unknown"
}

// Binary reports whether messages travel in binary WebSocket frames.
func (s Serializer) Binary() bool { return s != JSON }

// ErrMalformed is wrapped by every error about a message that breaks the
// protocol: undecodable, of wrong length or element type, out of limits. The
// session it came on must be aborted with wamp.error.protocol_violation.
var ErrMalformed = errors.New("malformed WAMP message")

// ErrUntranscodable is wrapped by errors about a payload that the receiver's
// serializer cannot express, such as a map with non-string keys in JSON.
var ErrUntranscodable = errors.New("payload has no form in the receiver's serializer")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// MaxDepth is how deep lists and maps may nest inside a payload.
const MaxDepth = 64
