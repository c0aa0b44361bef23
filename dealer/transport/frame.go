package transport

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// The first octets of unfragmented frames (RFC 6455, section 5.2).
const (
	frameText   = bitFinal | opText
	frameBinary = bitFinal | opBinary
	frameClose  = bitFinal | opClose
	framePing   = bitFinal | opPing
	framePong   = bitFinal | opPong
)

const maxHeader = 10 // of a frame that is not masked

// A framing is how messages are told from each other on a connection.
type framing uint8

const (
	webSocket framing = iota // a message is a WebSocket message
	batched                  // a WebSocket message holds one message or more
	rawSocket                // a message has a prefix that tells its length
)

// A format is how the messages to one peer are put into frames.
type format struct {
	serializer wamp.Serializer
	framing    framing
	first      byte // octet of each WebSocket frame with a message
	separator  byte // behind each message of a batch in JSON
	limit      int  // bytes of a message
}

func newFormat(s wamp.Serializer, framing framing, limit int) format {
	f := format{s, framing, frameBinary, recordSeparator, limit}
	if framing != rawSocket && !s.Binary() {
		f.first = frameText
	}
	return f
}

// opcode returns the opcode of the WebSocket messages of both sides.
func (f format) opcode() byte { return f.first & maskOpcode }

// ping returns a frame that the peer answers, and so gives the receipt again
// that was asked for last. The one of RawSocket has a payload in any case:
// autobahn-js answers one without only when something follows.
func (f format) ping(last receipt) []byte {
	switch {
	case last != receipt{}:
		return f.appendPing(nil, last)
	case f.framing == rawSocket:
		return appendPrefixed(nil, prefixPing, []byte("ping"))
	}
	return []byte{framePing, 0}
}

// append appends m as one frame. The error wraps [wamp.ErrUntranscodable] if m
// has no form in the serializer, and [router.ErrTooLarge] if it has too large
// a one; dst is then returned as it came.
func (f format) append(dst []byte, m wamp.Message) ([]byte, error) {
	switch f.framing {
	case batched:
		return f.appendElement(dst, m)
	case rawSocket:
		return f.appendRawSocket(dst, m)
	}
	start := len(dst)
	var blank [maxHeader]byte
	header := headerLen(sizeHint(m))
	out, err := f.serializer.Append(append(dst, blank[:header]...), m)
	if err != nil {
		return dst, fmt.Errorf("encode %v: %w", m.Type(), err)
	}
	size := len(out) - start - header
	if size > f.limit {
		return dst, f.tooLarge()
	}
	return f.appendReceipt(seal(out, start, header, f.first), m), nil
}

func (f format) tooLarge() error {
	return fmt.Errorf("%w: more than %d bytes", router.ErrTooLarge, f.limit)
}

// seal makes a frame of out[start:], which is room for a header of that many
// bytes with the payload behind it.
func seal(out []byte, start, header int, first byte) []byte {
	size := len(out) - start - header
	if exact := headerLen(size); exact != header { // the hint was wrong
		var blank [maxHeader]byte
		out = append(out, blank[:max(0, exact-header)]...)
		copy(out[start+exact:], out[start+header:start+header+size])
		out = out[:start+exact+size]
	}
	putHeader(out[start:], first, size)
	return out
}

// headerLen returns the length of the header of a frame with size bytes of
// payload.
func headerLen(size int) int {
	switch {
	case size < 126:
		return 2
	case size <= math.MaxUint16:
		return 4
	}
	return maxHeader
}

func putHeader(b []byte, first byte, size int) {
	b[0] = first
	switch headerLen(size) {
	case 2:
		b[1] = byte(size) //nolint:gosec // checked by headerLen
	case 4:
		b[1] = 126
		binary.BigEndian.PutUint16(b[2:], uint16(size)) //nolint:gosec // checked by headerLen
	default:
		b[1] = 127
		binary.BigEndian.PutUint64(b[2:], uint64(size)) //nolint:gosec // a length
	}
}

// sizeHint guesses the size of m in a frame.
func sizeHint(m wamp.Message) int {
	const head = 48 // type, ids, details of most messages
	return head + payloadSize(payloadOf(m))
}

// payloadOf returns the payload of a message that a router sends, nil if that
// type has none.
func payloadOf(m wamp.Message) *wamp.Payload {
	switch m := m.(type) {
	case *wamp.Invocation:
		return &m.Payload
	case *wamp.Result:
		return &m.Payload
	case *wamp.Error:
		return &m.Payload
	case *wamp.Event:
		return &m.Payload
	}
	return nil
}

func payloadSize(p *wamp.Payload) int {
	if p == nil {
		return 0
	}
	return len(p.Args) + len(p.Kwargs)
}
