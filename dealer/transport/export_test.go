package transport

import "net"

// Unmask is unmask.
func Unmask(b []byte, key uint32) uint32 { return unmask(b, key) }

// A MessageReader reads messages from a connection as a peer does.
type MessageReader struct{ r reader }

// NewMessageReader returns a MessageReader that sends control frames with
// control.
func NewMessageReader(conn net.Conn, limit int, control func([]byte) error) *MessageReader {
	s := newSocket(conn, func() {}, &inputPool{})
	return &MessageReader{reader{socket: s, limit: limit, buffers: &bufferPool{}, control: control}}
}

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
