package transport_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wampgate/wampgate/dealer/transport"
)

// A chunkConn is a connection whose Reads return the chunks of its input, each
// on its own.
type chunkConn struct {
	net.Conn

	chunks [][]byte
	wait   func() // runs when there are no more; may be nil
}

func (c *chunkConn) Read(p []byte) (int, error) {
	if len(c.chunks) == 0 {
		if c.wait != nil {
			c.wait()
		}
		return 0, io.EOF
	}
	n := copy(p, c.chunks[0])
	if c.chunks[0] = c.chunks[0][n:]; len(c.chunks[0]) == 0 {
		c.chunks = c.chunks[1:]
	}
	return n, nil
}

// received is everything that comes of some input.
type received struct {
	messages []string // opcode and bytes
	control  []byte   // that was sent
	err      error    // at the end
}

// receive reads everything there is, with all that a reader promises.
func receive(t interface{ Errorf(string, ...any) }, limit int, chunks ...[]byte) received {
	var got received
	m := transport.NewMessageReader(&chunkConn{chunks: chunks}, limit, func(frame []byte) error {
		got.control = append(got.control, frame...)
		return nil
	})
	for {
		opcode, message, err := m.Next()
		if err != nil {
			got.err = err
			return got
		}
		if opcode != opText && opcode != opBinary {
			t.Errorf("a message has opcode %x", opcode)
		}
		if len(message) > limit {
			t.Errorf("a message has %d bytes, want at most %d", len(message), limit)
		}
		got.messages = append(got.messages, string(append([]byte{opcode}, message...)))
	}
}

// split cuts b at random places.
func split(t *rapid.T, b []byte) [][]byte {
	most := rapid.SampledFrom([]int{1, 3, 100, 5_000, 1 << 20}).Draw(t, "chunk size")
	var chunks [][]byte
	for len(b) > 0 {
		n := rapid.IntRange(1, min(most, len(b))).Draw(t, "chunk")
		chunks = append(chunks, slices.Clone(b[:n])) // which is unmasked in place, perhaps
		b = b[n:]
		if len(chunks) > 200 {
			most = 1 << 20 // or it takes long
		}
	}
	return chunks
}

// stream makes random messages and their frames: fragmented, with control
// frames between the fragments.
func stream(t *rapid.T) (frames []byte, want received) {
	put := func(first byte, payload []byte) {
		key := rapid.Uint32().Draw(t, "mask")
		frames = appendFrame(frames, first, [4]byte(binary.BigEndian.AppendUint32(nil, key)), payload)
	}
	sizes := rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(16_300, 16_500), rapid.IntRange(0, 70_000))
	for range rapid.IntRange(1, 6).Draw(t, "messages") {
		opcode := rapid.SampledFrom([]byte{opText, opBinary}).Draw(t, "opcode")
		message := bytes.Repeat([]byte("0123456789abcdefghi"), 4_000)[:sizes.Draw(t, "size")]
		want.messages = append(want.messages, string(append([]byte{opcode}, message...)))
		for first := opcode; ; first = opContinuation {
			for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "control frames") {
				ping := []byte(strings.Repeat("p", rapid.IntRange(0, 125).Draw(t, "ping size")))
				put(fin|opPing, ping)
				put(fin|opPong, ping)
				want.control = append(append(want.control, fin|opPong, byte(len(ping))), ping...)
			}
			if rapid.Bool().Draw(t, "final") {
				put(fin|first, message)
				break
			}
			n := rapid.IntRange(0, len(message)).Draw(t, "fragment")
			put(first, message[:n])
			message = message[n:]
		}
	}
	want.err = io.EOF
	return frames, want
}

// The same messages come however they are fragmented, and however the frames
// are split into reads.
func TestAnySplit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		frames, want := stream(t)
		got := receive(t, 70_000, split(t, frames)...)
		if !errors.Is(got.err, want.err) {
			t.Errorf("ended with %v, want %v", got.err, want.err)
		}
		if !slices.Equal(got.messages, want.messages) {
			t.Errorf("got %d messages, which are not the %d that were sent", len(got.messages), len(want.messages))
		}
		if !bytes.Equal(got.control, want.control) {
			t.Errorf("got control frames %q, want %q", got.control, want.control)
		}
	})
}

// Whatever comes: nothing panics, limits hold, and reads make no difference.
func FuzzFrames(f *testing.F) {
	f.Add(frame(fin|opText, `[48, 1, {}, "com.example.a"]`), uint16(100), uint8(7))
	f.Add(slices.Concat(frame(opText, `[`), frame(fin|opPing, `?`), frame(fin|opContinuation, `]`)), uint16(2), uint8(1))
	f.Add(slices.Concat(frame(opBinary, ``), frame(opContinuation, `123`), frame(fin|opContinuation, `4`)), uint16(3), uint8(3))
	f.Add(frame(fin|opBinary, strings.Repeat("x", 17_000)), uint16(20_000), uint8(200))
	f.Add(frame(fin|opClose, closeFrame(1000, "bye")), uint16(0), uint8(2))
	f.Add([]byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"), uint16(9), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, limit uint16, chunk uint8) {
		whole := receive(t, int(limit), slices.Clone(b))
		parts := receive(t, int(limit), slices.Collect(slices.Chunk(b, max(1, int(chunk))))...)
		if !slices.Equal(whole.messages, parts.messages) || !bytes.Equal(whole.control, parts.control) {
			t.Errorf("messages %.200q in one read, %.200q in parts", whole.messages, parts.messages)
		}
		if whole.err.Error() != parts.err.Error() {
			t.Errorf("ended with %v in one read, %v in parts", whole.err, parts.err)
		}
	})
}

// Memory is for what has come, not for what a header promises; and not for
// what has been handled.
func TestHeldInput(t *testing.T) {
	t.Parallel()
	whole, empty := frame(fin|opText, "[]"), frame(opText, "")
	promise := frame(fin|opBinary, strings.Repeat("x", 1<<20))[:1000]
	fragment := append(frame(opText, strings.Repeat("[", 70_000)), frame(fin|opContinuation, strings.Repeat("x", 900_000))[:20]...)
	for _, test := range []struct {
		name  string
		input []byte
		most  int
	}{
		{"nothing", nil, 16 << 10}, // where there is no lazyReader
		{"one message", whole, 16 << 10},
		{"part of a header", whole[:1], 16 << 10},
		{"part of a message", whole[:7], 16 << 10},
		{"empty fragment", empty, 20 << 10},
		{"large message begun", promise, 32 << 10},
		{"large fragment begun", fragment, 200 << 10},
	} {
		var m *transport.MessageReader
		var held int
		conn := &chunkConn{chunks: [][]byte{test.input}, wait: func() { held = m.Held() }}
		m = transport.NewMessageReader(conn, 1<<20, nil)
		var err error
		for err == nil {
			_, _, err = m.Next()
		}
		if held > test.most {
			t.Errorf("%s: %d bytes held, want at most %d", test.name, held, test.most)
		}
	}
}

// A connection that waits between messages holds nothing at all.
func TestIdleHoldsNothing(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no lazyReader")
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nothing to learn from it
	client, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close() //nolint:errcheck // nothing to learn from it
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close() //nolint:errcheck // nothing to learn from it
	m := transport.NewMessageReader(server, 1<<20, nil)
	m.OnDry(func() {
		if held := m.Held(); held != 0 {
			t.Errorf("%d bytes held, want none", held)
		}
	})
	for _, size := range []int{0, 1_000, 100} {
		if _, err := client.Write(frame(fin|opText, strings.Repeat("x", size))); err != nil {
			t.Fatal(err)
		}
		if _, message, err := m.Next(); err != nil || len(message) != size {
			t.Fatalf("got %d bytes, %v; want %d", len(message), err, size)
		}
	}
}

// A connRing has the same input again and again.
type connRing struct {
	net.Conn

	input []byte
	at    int
}

func (c *connRing) Read(p []byte) (n int, err error) {
	for n < len(p) {
		copied := copy(p[n:], c.input[c.at:])
		n += copied
		c.at = (c.at + copied) % len(c.input)
	}
	return n, nil
}

// The test may not run beside others: AllocsPerRun counts for the whole process.
func TestReaderAllocatesNothing(t *testing.T) { //nolint:paralleltest // see above
	for _, size := range []int{0, 16, 1_024, 16_000} {
		conn := &connRing{input: slices.Concat(frame(fin|opText, strings.Repeat("x", size)), frame(fin|opPing, "?"))}
		m := transport.NewMessageReader(conn, 1<<20, func([]byte) error { return nil })
		n := testing.AllocsPerRun(1_000, func() {
			if _, message, err := m.Next(); err != nil || len(message) != size {
				t.Fatalf("got %d bytes, %v; want %d", len(message), err, size)
			}
		})
		if n != 0 {
			t.Errorf("a message of %d bytes takes %v allocations, want none", size, n)
		}
	}
}

// The mask is the same whatever the length and the alignment.
func TestUnmask(t *testing.T) {
	t.Parallel()
	key := [4]byte{0x12, 0x34, 0x56, 0x78}
	whole := make([]byte, 200)
	for start := range 17 {
		for end := start; end <= 150; end++ {
			clear(whole)
			next := transport.Unmask(whole[start:end], binary.LittleEndian.Uint32(key[:]))
			next = transport.Unmask(whole[end:end+3], next)
			transport.Unmask(whole[end+3:end+20], next)
			for i, b := range whole {
				var want byte
				if i >= start && i < end+20 {
					want = key[(i-start)%4]
				}
				if b != want {
					t.Fatalf("octets %d to %d: octet %d has mask %x, want %x", start, end, i, b, want)
				}
			}
		}
	}
}

// BenchmarkReader reads messages from memory.
func BenchmarkReader(b *testing.B) {
	for _, size := range []int{16, 125, 1 << 10, 16 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size, "B"), func(b *testing.B) {
			conn := &connRing{input: frame(fin|opText, strings.Repeat("x", size))}
			m := transport.NewMessageReader(conn, 1<<20, nil)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, _, err := m.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
