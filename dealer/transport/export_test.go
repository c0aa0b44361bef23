package transport

import (
	"net"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// Unmask is unmask.
func Unmask(b []byte, key uint32) uint32 { return unmask(b, key) }

// A MessageReader reads messages from a connection as a peer does.
type MessageReader struct{ r reader }

// NewMessageReader returns a MessageReader that sends control frames with
// control.
func NewMessageReader(conn net.Conn, limit int, control func([]byte) error) *MessageReader {
	s := newSocket(conn, func() {}, &inputPool{})
	return &MessageReader{reader{socket: s, limit: limit, buffers: &bufferPool{}, control: control, ponged: func([]byte) {}}}
}

// RawSocket makes m read RawSocket frames.
func (m *MessageReader) RawSocket() { m.r.rawSocket = true }

// Next returns the next message.
func (m *MessageReader) Next() (opcode byte, message []byte, err error) { return m.r.next() }

// Held returns how many bytes of input there is room for.
func (m *MessageReader) Held() int {
	n := 0
	if m.r.socket.in != nil {
		n = len(input{})
	}
	if m.r.message != nil {
		n += cap(m.r.message.bytes)
	}
	return n
}

// OnDry makes dry run before each wait for input.
func (m *MessageReader) OnDry(dry func()) { m.r.socket.dry = dry }

// Merge puts payloads into frames of a batched connection, pings between them
// where a payload is "ping", and returns what would be written.
func Merge(s wamp.Serializer, limit int, payloads ...string) []byte {
	f := newFormat(s, batched, limit)
	b := &buffer{}
	for _, p := range payloads {
		if p == "ping" {
			b.bytes = append(b.bytes, f.ping(receipt{})...)
			continue
		}
		var blank [maxHeader]byte
		header, start := headerLen(len(p)), len(b.bytes)
		b.bytes = append(append(b.bytes, blank[:header]...), p...)
		putHeader(b.bytes[start:], f.first, len(p))
	}
	return f.mergeAll(b, &bufferPool{}).bytes
}

// Cut cuts a batch into its messages, up to the first error.
func Cut(s wamp.Serializer, batch []byte) (messages [][]byte, err error) {
	f := newFormat(s, batched, 0)
	for {
		message, rest, err := f.cut(batch)
		if err != nil {
			return messages, err
		}
		messages = append(messages, message)
		if len(rest) == 0 {
			return messages, nil
		}
		batch = rest
	}
}
