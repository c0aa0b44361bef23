package wire

import (
	"bytes"
	"errors"
	"fmt"
)

// Types of WAMP messages.
const (
	Hello      = 1
	Welcome    = 2
	Abort      = 3
	Goodbye    = 6
	Error      = 8
	Call       = 48
	Result     = 50
	Register   = 64
	Registered = 65
	Invocation = 68
	Yield      = 70
)

// ErrMalformed says that a message was not what WAMP has there.
var ErrMalformed = errors.New("malformed message")

// A Serializer writes and scans WAMP messages element by element. What takes
// elements returns what follows them; ok is false if there is something else.
// Values have no state and may be used by several goroutines.
type Serializer interface {
	// Name is the serializer's name in WebSocket subprotocols.
	Name() string
	// Opcode is that of the frames.
	Opcode() byte

	// Open begins a message of n elements, and End ends it.
	Open(d []byte, n int) []byte
	End(d []byte) []byte
	// Uint, Text, Flag and Value append an element. That of Flag is a dictionary
	// in which a key is true, or an empty one if the key is "". Values are
	// strings, lists of them, unsigned integers, booleans, and maps of values.
	Uint(d []byte, v uint64) []byte
	Text(d []byte, s string) []byte
	Flag(d []byte, key string) []byte
	Value(d []byte, v any) []byte

	// TakeList takes the begin of a message. A serializer that does not say how
	// many elements follow returns 0, and ignores n in Open.
	TakeList(b []byte) (n int, rest []byte, ok bool)
	TakeUint(b []byte) (v uint64, rest []byte, ok bool)
	// TakeText takes a string, which is part of b.
	TakeText(b []byte) (s, rest []byte, ok bool)
	// Skip takes any element.
	Skip(b []byte) (rest []byte, ok bool)
}

// Serializers returns all there are.
func Serializers() []Serializer { return []Serializer{JSON(), MsgPack(), CBOR()} }

// Subprotocol returns the WebSocket subprotocol that stands for s.
func Subprotocol(s Serializer) string { return "wamp.2." + s.Name() }

// Named returns the serializer of a subprotocol.
func Named(subprotocol string) (Serializer, error) {
	for _, s := range Serializers() {
		if Subprotocol(s) == subprotocol {
			return s, nil
		}
	}
	return nil, fmt.Errorf("no serializer for subprotocol %q", subprotocol)
}

// A Message is a scanned message.
type Message struct {
	Type uint64
	ID   uint64 // of the request, or of the session in WELCOME; else 0
	Len  int    // number of elements, 0 if the serializer does not say
	Rest []byte // what follows the type and ID
}

// Parse scans a message. Rest is part of b.
func Parse(s Serializer, b []byte) (Message, error) {
	var m Message
	n, rest, ok := s.TakeList(b)
	if ok {
		m.Len = n
		m.Type, m.Rest, ok = s.TakeUint(rest)
	}
	switch m.Type {
	case Hello, Abort, Goodbye: // no ID
	case Error: // the type of the request comes first
		if _, m.Rest, ok = s.TakeUint(m.Rest); !ok {
			break
		}
		fallthrough
	default:
		if ok {
			m.ID, m.Rest, ok = s.TakeUint(m.Rest)
		}
	}
	if !ok {
		return m, fmt.Errorf("%w: %.100q", ErrMalformed, b)
	}
	return m, nil
}

// HasFlag tells whether an encoded dictionary, of whichever serializer, has the
// key set to true. It takes the first place where the key's name stands.
func HasFlag(dict []byte, key string) bool {
	_, after, ok := bytes.Cut(dict, []byte(key))
	after = bytes.TrimLeft(after, `": `)
	return ok && len(after) > 0 && (after[0] == 't' || after[0] == 0xC3 || after[0] == 0xF5)
}

// Begin appends the begin of a message of n elements, up to its ID.
func Begin(s Serializer, d []byte, n int, kind, id uint64) []byte {
	return s.Uint(s.Uint(s.Open(d, n), kind), id)
}

// Tail encodes a message of the given elements and returns what follows its
// ID, so that it can be sent with any.
func Tail(s Serializer, kind uint64, elements ...any) []byte {
	d := Begin(s, nil, 2+len(elements), kind, 1)
	begin := len(d)
	for _, e := range elements {
		d = s.Value(d, e)
	}
	return s.End(d)[begin:]
}
