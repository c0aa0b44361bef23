package wire_test

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/iotest"

	"github.com/wampgate/wampgate/test/bench/wire"
)

func TestReaderTakesWhatAppendHeaderMakes(t *testing.T) {
	t.Parallel()
	sizes := []int{0, 1, 125, 126, 65_535, 65_536, 300_000}
	for _, masked := range []bool{false, true} {
		var stream []byte
		for i, n := range sizes {
			stream = wire.AppendHeader(stream, wire.OpBinary, n, masked)
			stream = append(stream, bytes.Repeat([]byte{byte(i)}, n)...)
		}
		for name, src := range map[string]io.Reader{
			"at once": bytes.NewReader(stream), "in halves": iotest.HalfReader(bytes.NewReader(stream)), "by the byte": iotest.OneByteReader(bytes.NewReader(stream)),
		} {
			r := wire.NewReader(src, 64, nil)
			for i, n := range sizes {
				op, p, err := r.Next()
				if err != nil || op != wire.OpBinary || !bytes.Equal(p, bytes.Repeat([]byte{byte(i)}, n)) {
					t.Fatalf("%s, masked %v: Next() = %d, %d bytes, %v; want %d, %d bytes", name, masked, op, len(p), err, wire.OpBinary, n)
				}
			}
			if _, _, err := r.Next(); err != io.EOF {
				t.Errorf("%s: Next() at the end = %v, want EOF", name, err)
			}
		}
	}
}

func TestReaderJoinsFragments(t *testing.T) {
	t.Parallel()
	stream := []byte{0x01, 2, 'a', 'b', 0x89, 1, 'p', 0x00, 1, 'c', 0x80, 1, 'd', 0x81, 1, 'e'}
	r := wire.NewReader(bytes.NewReader(stream[3:]), 4, stream[:3])
	for _, want := range []struct {
		op      byte
		payload string
	}{{wire.OpPing, "p"}, {wire.OpText, "abcd"}, {wire.OpText, "e"}} {
		op, p, err := r.Next()
		if err != nil || op != want.op || string(p) != want.payload {
			t.Errorf("Next() = %d, %q, %v; want %d, %q", op, p, err, want.op, want.payload)
		}
	}
}

func TestReaderTakesTheMaskOff(t *testing.T) {
	t.Parallel()
	key, text := []byte{1, 2, 3, 4}, "eleven byte"
	stream := append([]byte{0x81, 0x80 | byte(len(text))}, key...)
	for i := range len(text) {
		stream = append(stream, text[i]^key[i%4])
	}
	_, p, err := wire.NewReader(bytes.NewReader(stream), 64, nil).Next()
	if err != nil || string(p) != text {
		t.Errorf("Next() = %q, %v; want %q", p, err, text)
	}
}

func TestReaderRefusesWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	stream := []byte{0x82, 127, 1, 0, 0, 0, 0, 0, 0, 0}
	if _, _, err := wire.NewReader(bytes.NewReader(stream), 64, nil).Next(); err == nil {
		t.Error("Next() takes a frame of 2^56 bytes")
	}
}

// What the kernel does not take at once follows in order, without anybody
// waiting for it.
func TestOutboxKeepsOrder(t *testing.T) {
	t.Parallel()
	client, server := tcpPair(t)
	out, err := wire.NewOutbox(client)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	const messages, size = 200, 100_000
	for i := range messages {
		out.Append(wire.OpBinary, true, []byte{byte(i)}, make([]byte, size-1))
		if err := out.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	in := wire.NewReader(server, 4096, nil)
	for i := range messages {
		_, p, err := in.Next()
		if err != nil || len(p) != size || p[0] != byte(i) {
			t.Fatalf("message %d: %d bytes, %v; want %d bytes that begin with %d", i, len(p), err, size, byte(i))
		}
	}
}

func tcpPair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	client, err = wire.DialTCP(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return client, server
}

func TestOnlyLoopback(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"192.0.2.1:80", "example.com:80", "0.0.0.0:80", "[2001:db8::1]:80", "nonsense"} {
		if conn, err := wire.DialTCP(t.Context(), addr); err == nil {
			_ = conn.Close()
			t.Errorf("DialTCP(%s) connects", addr)
		}
	}
}
