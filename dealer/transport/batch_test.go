package transport_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// A batchClient speaks one of the batched subprotocols frame by frame.
// Messages are given and wanted as JSON.
type batchClient struct {
	*rawClient

	serializer wamp.Serializer
	separator  string
}

func dialBatch(t testing.TB, s *wamptest.Server, serializer wamp.Serializer) batchClient {
	t.Helper()
	return batchClient{dialRaw(t, s, transport.Subprotocol(serializer)+".batched", ""), serializer, "\x1e"}
}

// opcode returns that of the client's messages.
func (c batchClient) opcode() byte {
	if c.serializer.Binary() {
		return opBinary
	}
	return opText
}

// batch returns messages as a batch.
func (c batchClient) batch(messages ...string) string {
	c.t.Helper()
	var b []byte
	for _, m := range messages {
		if !c.serializer.Binary() {
			b = append(b, m+c.separator...)
			continue
		}
		encoded, err := wamp.Transcode(nil, c.serializer, []byte(m), wamp.JSON)
		if err != nil {
			c.t.Fatal(err)
		}
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(encoded))), encoded...)
	}
	return string(b)
}

// sendBatch sends messages in one frame.
func (c batchClient) sendBatch(messages ...string) {
	c.t.Helper()
	c.send(fin|c.opcode(), c.batch(messages...))
}

// wantBatch reads the next frame, which must hold just these messages.
func (c batchClient) wantBatch(want ...string) {
	c.t.Helper()
	first, payload := c.read()
	if first != fin|c.opcode() {
		c.t.Fatalf("got frame %x %q, want opcode %x", first, payload, c.opcode())
	}
	got := c.split(payload)
	if len(got) != len(want) {
		c.t.Fatalf("got %d messages %q, want %q", len(got), got, want)
	}
	for i := range want {
		if !wamptest.Match(c.t, got[i], want[i]) {
			c.t.Fatalf("got %q, want %q", got[i], want[i])
		}
	}
}

// split takes a batch apart, in another way than the package does.
func (c batchClient) split(batch []byte) (messages []string) {
	c.t.Helper()
	if !c.serializer.Binary() {
		all, ok := strings.CutSuffix(string(batch), c.separator)
		if !ok {
			c.t.Fatalf("batch %q does not end in %q", batch, c.separator)
		}
		return strings.Split(all, c.separator)
	}
	for len(batch) > 0 {
		size := binary.BigEndian.Uint32(batch)
		text, err := wamp.Transcode(nil, wamp.JSON, batch[4:4+size], c.serializer)
		if err != nil {
			c.t.Fatal(err)
		}
		messages = append(messages, string(text))
		batch = batch[4+size:]
	}
	return messages
}

// What comes in one batch is answered in one, whatever the answers are made
// of.
func TestBatch(t *testing.T) {
	t.Parallel()
	s := loopback(t, transport.Config{})
	for _, serializer := range []wamp.Serializer{wamp.JSON, wamp.MsgPack, wamp.CBOR} {
		t.Run(serializer.String(), func(t *testing.T) {
			t.Parallel()
			c := dialBatch(t, s, serializer)
			c.sendBatch(wamptest.Hello)
			c.wantBatch(`[2, "*", "*"]`)
			uri := "com.example." + serializer.String()
			c.sendBatch(
				fmt.Sprintf(`[64, 1, {}, %q]`, uri),
				`[48, 2, {}, "com.example.none"]`,
				`[48, 3, {}, "com.example.none.either"]`,
			)
			c.wantBatch(`[65, 1, "*"]`, `[8, 48, 2, {}, "wamp.error.no_such_procedure", "*"]`, `[8, 48, 3, {}, "wamp.error.no_such_procedure", "*"]`)

			// Messages that are transcoded have their place among the others.
			for _, other := range []batchClient{dialBatch(t, s, wamp.JSON), dialBatch(t, s, wamp.CBOR)} {
				other.sendBatch(wamptest.Hello)
				other.wantBatch(`[2, "*", "*"]`)
				call := func(id int, args string) string { return fmt.Sprintf(`[48, %d, {}, %q%s]`, id, uri, args) }
				other.sendBatch(call(1, ""), call(2, `, ["two"]`), call(3, ""), call(4, `, ["four"]`), call(5, `, ["five"]`))
				c.wantBatch(`[68, "*", "*", "*"]`, `[68, "*", "*", "*", ["two"]]`, `[68, "*", "*", "*"]`,
					`[68, "*", "*", "*", ["four"]]`, `[68, "*", "*", "*", ["five"]]`)
			}

			// To this one nobody else writes, who could still be at it.
			alone := dialBatch(t, s, serializer)
			alone.sendBatch(wamptest.Hello)
			alone.wantBatch(`[2, "*", "*"]`)
			alone.sendBatch(`[6, {}, "wamp.close.normal"]`, wamptest.Hello, `[48, 1, {}, "com.example.none"]`)
			alone.wantBatch(`[6, {}, "wamp.close.goodbye_and_out"]`, `[2, "*", "*"]`) // WELCOME does not wait
			alone.wantBatch(`[8, 48, 1, {}, "wamp.error.no_such_procedure", "*"]`)
		})
	}
}

// A client that ends its messages as autobahn-python does gets them ended that
// way; both ends are understood.
func TestBatchSeparators(t *testing.T) {
	t.Parallel()
	s := loopback(t, transport.Config{})
	for _, separator := range []string{"\x1e", "\x18"} {
		c := dialBatch(t, s, wamp.JSON)
		c.separator = separator
		for range 2 {
			c.sendBatch(wamptest.Hello)
			c.wantBatch(`[2, "*", "*"]`)
			c.send(fin|opText, "[48, 1, {}, \"com.example.a\"]\x18[48, 2, {}, \"com.example.b\"]\x1e")
			c.wantBatch(`[8, 48, 1, {}, "wamp.error.no_such_procedure", "*"]`, `[8, 48, 2, {}, "wamp.error.no_such_procedure", "*"]`)
			c.sendBatch(`[6, {}, "wamp.close.normal"]`)
			c.wantBatch(`[6, {}, "wamp.close.goodbye_and_out"]`)
		}
	}
}

// A batch that is not one ends the session, behind what is right in it.
func TestBrokenBatch(t *testing.T) {
	t.Parallel()
	s := loopback(t, transport.Config{})
	const good = `[48, 1, {}, "com.example.none"]`
	for _, test := range []struct {
		name       string
		serializer wamp.Serializer
		good       bool // the bytes follow a good message in the same batch
		bytes      string
	}{
		{"empty", wamp.JSON, false, ""},
		{"empty", wamp.MsgPack, false, ""},
		{"no separator", wamp.JSON, false, good},
		{"no separator behind the last", wamp.JSON, true, good},
		{"empty message", wamp.JSON, false, "\x1e"},
		{"empty message behind another", wamp.JSON, true, "\x1e"},
		{"not JSON", wamp.JSON, true, "nonsense\x1e"},
		{"unbatched", wamp.MsgPack, false, "\x94\x30\x01\x80\xa1a"},
		{"half a length", wamp.CBOR, true, "\x00\x00"},
		{"length only", wamp.MsgPack, true, "\x00\x00\x00\x05"},
		{"length of 4 GiB", wamp.CBOR, true, "\xff\xff\xff\xff\x80"},
		{"message cut short", wamp.MsgPack, true, "\x00\x00\x00\x06\x94\x30\x01\x80\xa1"},
		{"empty message", wamp.CBOR, true, "\x00\x00\x00\x00"},
		{"not CBOR", wamp.CBOR, true, "\x00\x00\x00\x01\xff"},
	} {
		t.Run(fmt.Sprint(test.name, ", ", test.serializer), func(t *testing.T) {
			t.Parallel()
			c := dialBatch(t, s, test.serializer)
			c.sendBatch(wamptest.Hello)
			c.wantBatch(`[2, "*", "*"]`)
			const abort = `[3, {"message": "*"}, "wamp.error.protocol_violation"]`
			if test.good {
				c.send(fin|c.opcode(), c.batch(good)+test.bytes)
				c.wantBatch(`[8, 48, 1, {}, "wamp.error.no_such_procedure", "*"]`, abort)
			} else {
				c.send(fin|c.opcode(), test.bytes)
				c.wantBatch(abort)
			}
			c.want(opClose, closeFrame(1002, "protocol violation"))
			c.end()
			c.wantEnd()
		})
	}
	c := dialBatch(t, s, wamp.JSON)
	c.send(fin|opBinary, c.batch(wamptest.Hello))
	c.wantBatch(`[3, {"message": "*"}, "wamp.error.protocol_violation"]`)
}

// A batch is bounded as a message is, both ways.
func TestBatchLimits(t *testing.T) {
	t.Parallel()
	s := loopback(t, transport.Config{MaxFrame: 4096, MaxFrameOut: 4096})
	c, callee := dialBatch(t, s, wamp.JSON), s.Join(t, wamp.JSON)
	c.sendBatch(wamptest.Hello)
	c.wantBatch(`[2, "*", "*"]`)
	callee.Send(`[64, 1, {}, "com.example.big"]`)
	callee.Want(`[65, 1, "*"]`)
	for id, size := range []int{4094, 4095, 4096} { // and the separator
		result := fmt.Sprintf(`[50,%d,{},["%s"]]`, id+1, strings.Repeat("x", size-14))
		c.sendBatch(fmt.Sprintf(`[48,%d,{},"com.example.big"]`, id+1))
		callee.Want(`[68, "*", "*", "*"]`)
		callee.Send("[70" + result[len("[50"):])
		if size == 4096 {
			result = `[8, 48, 3, {}, "wamp.error.payload_size_exceeded", "*"]`
		}
		c.wantBatch(result)
	}
	const call = `[48, 4, {}, "com.example.none"]`
	calls := slices.Repeat([]string{call}, 4096/len(call+"\x1e"))
	c.sendBatch(calls...)
	batches := 0
	for answers := 0; answers < len(calls); batches++ {
		_, payload := c.read()
		if n := len(payload); n > 4096 {
			t.Errorf("got a batch of %d bytes, want at most 4096", n)
		}
		answers += len(c.split(payload))
	}
	if batches < 2 || batches > 5 { // the answers are about three times as long as the calls
		t.Errorf("%d answers came in %d batches, want no more than it takes", len(calls), batches)
	}
	c.send(fin|opText, strings.Repeat(call+"\x1e", 4096/len(call+"\x1e")+1))
	c.want(opClose, closeFrame(1009, "a message may have 4096 bytes"))
}

// A ping amid a batch is answered before the batch is, one behind it after.
func TestBatchAndControl(t *testing.T) {
	t.Parallel()
	s := loopback(t, transport.Config{})
	c := dialBatch(t, s, wamp.JSON)
	c.sendBatch(wamptest.Hello)
	c.wantBatch(`[2, "*", "*"]`)
	batch := c.batch(`[48, 1, {}, "com.example.none"]`, `[48, 2, {}, "com.example.none"]`)
	c.write(slices.Concat(frame(opText, batch[:40]), frame(fin|opPing, "?"), frame(fin|opContinuation, batch[40:]), frame(fin|opPing, "!")))
	c.want(opPong, "?")
	const refused = `[8, 48, "*", {}, "wamp.error.no_such_procedure", "*"]`
	c.wantBatch(refused, refused)
	c.want(opPong, "!")
	c.send(fin|opClose, closeFrame(1000, ""))
	c.want(opClose, closeFrame(1000, ""))
	c.wantEnd()
}

// Frames are merged as far as the limit goes, in their order, and control
// frames stay whole in their places.
func TestMerge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.SampledFrom([]int{300, 1_000, 66_000, 200_000}).Draw(t, "limit")
		sizes := rapid.OneOf(rapid.IntRange(0, min(limit, 130)), rapid.IntRange(0, limit))
		var payloads []string
		for i := range rapid.IntRange(1, 12).Draw(t, "frames") {
			if rapid.IntRange(0, 4).Draw(t, "ping") == 0 {
				payloads = append(payloads, "ping")
				continue
			}
			payloads = append(payloads, strings.Repeat(string(rune('a'+i)), sizes.Draw(t, "size")))
		}
		var want []string // runs between pings, as large as the limit allows
		merging := false
		for _, p := range payloads {
			last := len(want) - 1
			switch {
			case p == "ping":
				merging = false
				want = append(want, p)
			case merging && len(want[last])+len(p) <= limit:
				want[last] += p
			default:
				merging = true
				want = append(want, p)
			}
		}
		if got := unmasked(t, transport.Merge(wamp.MsgPack, limit, payloads...)); !slices.Equal(got, want) {
			t.Errorf("got %d frames %.300q, want %d %.300q", len(got), got, len(want), want)
		}
	})
}

// unmasked returns the payloads of frames that a server sends, "ping" for a
// ping. All must be whole.
func unmasked(t *rapid.T, frames []byte) (payloads []string) {
	for len(frames) > 0 {
		size, header := int(frames[1]), 2
		switch size {
		case 126:
			size, header = int(binary.BigEndian.Uint16(frames[2:])), 4
		case 127:
			size, header = int(binary.BigEndian.Uint64(frames[2:])), 10
		}
		switch payload := string(frames[header : header+size]); frames[0] {
		case fin | opBinary:
			payloads = append(payloads, payload)
		case fin | opPing:
			payloads = append(payloads, "ping"+payload)
		default:
			t.Fatalf("a frame begins with %x", frames[0])
		}
		frames = frames[header+size:]
	}
	return payloads
}

// Whatever comes: nothing panics, and the messages are what is between the
// separators, or behind the lengths.
func FuzzBatch(f *testing.F) {
	f.Add([]byte("[1]\x1e[2]\x18"), true)
	f.Add([]byte("[1]\x1e\x1e[2]"), true)
	f.Add([]byte(""), true)
	f.Add([]byte("\x00\x00\x00\x01\x80\x00\x00\x00\x00"), false)
	f.Add([]byte("\xff\xff\xff\xff\x80"), false)
	f.Add([]byte("\x00\x00\x00"), false)
	f.Fuzz(func(t *testing.T, batch []byte, text bool) {
		serializer := wamp.CBOR
		if text {
			serializer = wamp.JSON
		}
		messages, err := transport.Cut(serializer, batch)
		var whole []byte
		for _, m := range messages {
			if !text {
				whole = append(binary.BigEndian.AppendUint32(whole, uint32(len(m))), m...)
				continue
			}
			if bytes.ContainsAny(m, "\x18\x1e") {
				t.Errorf("a separator is inside %q", m)
			}
			whole = append(append(whole, m...), batch[len(whole)+len(m)])
		}
		if !bytes.HasPrefix(batch, whole) || (err == nil) != (len(whole) == len(batch) && len(batch) > 0) {
			t.Errorf("%q was cut into %q, %v", batch, messages, err)
		}
	})
}
