package transport_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// The tests in this file use sockets, since they look at single frames and at
// what HTTP clients see.

func loopback(t testing.TB, c transport.Config) *wamptest.Server {
	t.Helper()
	return wamptest.Serve(t, wamptest.Config{Transport: c, Loopback: true})
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	s := loopback(t, transport.Config{OriginPatterns: []string{"*.example.com", "https://console.example.org"}})
	const known = "wamp.2.json, wamp.2.msgpack, wamp.2.cbor, wamp.2.json.batched, wamp.2.msgpack.batched, wamp.2.cbor.batched"
	for _, test := range []struct {
		name     string
		upgrade  bool
		offers   []string
		origin   string
		status   int
		protocol string
		body     string
	}{
		{"json", true, []string{"wamp.2.json"}, "", 101, "wamp.2.json", ""},
		{"client's order", true, []string{"wamp.2.cbor, wamp.2.json"}, "", 101, "wamp.2.cbor", ""},
		{"first known", true, []string{"wamp.2.flatbuffers", "wamp.2.msgpack, wamp.2.json"}, "", 101, "wamp.2.msgpack", ""},
		{"batched", true, []string{"wamp.2.msgpack.batched, wamp.2.json"}, "", 101, "wamp.2.msgpack.batched", ""},
		{"batched twice", true, []string{"wamp.2.json.batched.batched", "wamp.2.cbor.batched"}, "", 101, "wamp.2.cbor.batched", ""},
		{"none known", true, []string{"wamp.2.ubjson, soap"}, "", 400, "", known},
		{"none offered", true, nil, "", 400, "", known},
		{"no WebSocket", false, nil, "", 426, "", ""},
		{"foreign page", true, []string{"wamp.2.json"}, "https://evil.example.net", 403, "", ""},
		{"own page", true, []string{"wamp.2.json"}, strings.Replace(s.URL, "ws", "http", 1), 101, "wamp.2.json", ""},
		{"friend's page", true, []string{"wamp.2.json"}, "http://www.example.com", 101, "wamp.2.json", ""},
		{"friend's page, scheme", true, []string{"wamp.2.json"}, "https://console.example.org", 101, "wamp.2.json", ""},
		{"friend's page, wrong scheme", true, []string{"wamp.2.json"}, "http://console.example.org", 403, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(s.URL, "ws", "http", 1), nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.upgrade {
				r.Header.Set("Connection", "Upgrade")
				r.Header.Set("Upgrade", "websocket")
				r.Header.Set("Sec-WebSocket-Version", "13")
				r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
			}
			for _, offer := range test.offers {
				r.Header.Add("Sec-WebSocket-Protocol", offer)
			}
			if test.origin != "" {
				r.Header.Set("Origin", test.origin)
			}
			response, err := s.Client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close() //nolint:errcheck // nothing to learn from it
			protocol := response.Header.Get("Sec-WebSocket-Protocol")
			if response.StatusCode != test.status || protocol != test.protocol {
				t.Errorf("got %s with subprotocol %q, want %d with %q", response.Status, protocol, test.status, test.protocol)
			}
			if test.status == http.StatusSwitchingProtocols {
				return
			}
			body, err := io.ReadAll(response.Body)
			if err != nil || !strings.Contains(string(body), test.body) {
				t.Errorf("body %q, error %v, want it to name %s", body, err, test.body)
			}
		})
	}
}

// Whatever breaks the protocol gets an ABORT, and then the connection is
// closed.
func TestProtocolViolation(t *testing.T) {
	t.Parallel()
	s := loopback(t, transport.Config{})
	const text, binary = websocket.MessageText, websocket.MessageBinary
	for _, test := range []struct {
		name       string
		serializer wamp.Serializer
		joined     bool
		typ        websocket.MessageType
		message    string
	}{
		{"binary JSON", wamp.JSON, true, binary, `[48, 1, {}, "com.example.a"]`},
		{"text MessagePack", wamp.MsgPack, true, text, "\x94\x30\x01\x80\xa1a"},
		{"text CBOR", wamp.CBOR, false, text, "\x80"},
		{"broken JSON", wamp.JSON, true, text, `[48, 1, {}, "com.`},
		{"broken MessagePack", wamp.MsgPack, true, binary, "\xc1"},
		{"broken CBOR", wamp.CBOR, true, binary, "\xff"},
		{"bad UTF-8", wamp.JSON, true, text, "[48, 1, {}, \"com.example.\xff\"]"},
		{"empty message", wamp.JSON, true, text, ``},
		{"empty list", wamp.JSON, true, text, `[]`},
		{"garbage first", wamp.JSON, false, text, `GET / HTTP/1.1`},
		{"CALL before HELLO", wamp.JSON, false, text, `[48, 1, {}, "com.example.a"]`},
		{"GOODBYE before HELLO", wamp.JSON, false, text, `[6, {}, "wamp.close.normal"]`},
		{"second HELLO", wamp.JSON, true, text, wamptest.Hello},
		{"router's message", wamp.JSON, true, text, `[50, 1, {}]`},
		{"depth", wamp.JSON, true, text, `[48, 1, {}, "com.example.a", ` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := s.Dial(t, test.serializer)
			if test.joined {
				p.Send(wamptest.Hello)
				p.Want(`[2, "*", "*"]`)
			}
			p.SendFrame(test.typ, []byte(test.message))
			p.Want(`[3, {"message": "*"}, "wamp.error.protocol_violation"]`)
			p.WantClosed(websocket.StatusProtocolError)
		})
	}
}

func TestAbort(t *testing.T) {
	t.Parallel()
	s := loopback(t, transport.Config{})
	p := s.Dial(t, wamp.JSON)
	p.Send(`[1, "nowhere", {"roles": {"caller": {}}}]`)
	p.Want(`[3, {"message": "there is no realm \"nowhere\""}, "wamp.error.no_such_realm"]`)
	p.WantClosed(websocket.StatusPolicyViolation)

	for _, joined := range []bool{false, true} {
		p := s.Dial(t, wamp.JSON)
		if joined {
			p = s.Join(t, wamp.JSON)
		}
		p.Send(`[3, {}, "wamp.error.cannot_authenticate"]`)
		p.WantClosed(websocket.StatusNormalClosure)
	}
}

func TestSessionAfterSession(t *testing.T) {
	t.Parallel()
	s := loopback(t, transport.Config{})
	p := s.Dial(t, wamp.CBOR)
	for range 3 {
		p.Send(wamptest.Hello)
		p.Want(`[2, "*", "*"]`)
		p.Send(`[64, 1, {}, "com.example.again"]`) // gone with each session, or it would exist
		p.Want(`[65, 1, "*"]`)
		p.Send(`[6, {}, "wamp.close.normal"]`)
		p.Want(`[6, {}, "wamp.close.goodbye_and_out"]`)
	}
	if err := p.WS.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestMessageTooLarge(t *testing.T) {
	t.Parallel()
	const limit = 4096
	s := loopback(t, transport.Config{MaxFrame: limit})
	big, other := dialRaw(t, s, "wamp.2.json", ""), s.Join(t, wamp.JSON)
	big.send(fin|opText, wamptest.Hello)
	big.want(opText, `[2, "*", "*"]`)
	message := func(size int) string {
		const head, tail = `[64, 1, {}, "com.example.big"`, `]`
		return head + strings.Repeat(" ", size-len(head)-len(tail)) + tail
	}
	big.send(fin|opText, message(limit))
	big.want(opText, `[65, 1, "*"]`)
	big.send(fin|opText, message(limit+1))
	big.want(opClose, closeFrame(1009, "a message may have 4096 bytes"))
	big.send(fin|opClose, closeFrame(1009, ""))
	big.wantEnd()
	other.Send(`[64, 1, {}, "com.example.big"]`) // free again
	other.Want(`[65, 1, "*"]`)
}

// Frames may be fragmented, with control frames between the fragments, and
// come in any number of packets.
func TestFragments(t *testing.T) {
	t.Parallel()
	s := loopback(t, transport.Config{})
	c := dialRaw(t, s, "wamp.2.json", string(frame(fin|opText, wamptest.Hello)))
	c.want(opText, `[2, "*", "*"]`)
	c.send(opText, `[48, 1, {}, "com.`)
	c.send(opContinuation, ``)
	c.send(fin|opPing, `are you there?`)
	c.want(opPong, `are you there?`)
	c.send(opContinuation, `example.none`)
	for _, b := range frame(fin|opContinuation, `"]`) {
		c.write([]byte{b})
	}
	c.want(opText, `[8, 48, 1, {}, "wamp.error.no_such_procedure", "*"]`)
	c.send(fin|opPong, `unasked`)
	c.send(fin|opClose, closeFrame(1000, "bye"))
	c.want(opClose, closeFrame(1000, "bye"))
	c.wantEnd()
}

// What breaks the framing gets a close frame that says what, whatever comes
// behind it.
func TestBrokenFrames(t *testing.T) {
	t.Parallel()
	s := loopback(t, transport.Config{MaxFrame: 1000})
	begun := string(frame(opText, `[`))
	for _, test := range []struct {
		name   string
		frames string
		status uint16
		reason string
	}{
		{"reserved bit 1", string(frame(fin|0x40|opText, `[]`)), 1002, "reserved bits are set in a frame"},
		{"reserved bit 2", string(frame(fin|0x20|opText, `[]`)), 1002, "reserved bits are set in a frame"},
		{"reserved bit 3", string(frame(fin|0x10|opPing, ``)), 1002, "reserved bits are set in a frame"},
		{"first unknown data opcode", string(frame(fin|0x3, ``)), 1002, "a frame has an unknown opcode"},
		{"last unknown data opcode", string(frame(fin|0x7, ``)), 1002, "a frame has an unknown opcode"},
		{"first unknown control opcode", string(frame(fin|0xb, ``)), 1002, "a frame has an unknown opcode"},
		{"last unknown control opcode", string(frame(fin|0xf, ``)), 1002, "a frame has an unknown opcode"},
		{"data not masked", "\x81\x02[]", 1002, "a frame is not masked"},
		{"ping not masked", "\x89\x00", 1002, "a frame is not masked"},
		{"first octets only", "\x81\x02", 1002, "a frame is not masked"},
		{"long ping", string(frame(fin|opPing, strings.Repeat("p", 126))), 1002, "a control frame has more than 125 bytes"},
		{"long close", string(frame(fin|opClose, closeFrame(1000, strings.Repeat("p", 124)))), 1002, "a control frame has more than 125 bytes"},
		{"ping with short long length", "\x89\xfe\x00\x01\x00\x00\x00\x00p", 1002, "a control frame has more than 125 bytes"},
		{"fragmented ping", string(frame(opPing, ``)), 1002, "a control frame is fragmented"},
		{"fragmented close", string(frame(opClose, ``)), 1002, "a control frame is fragmented"},
		{"lone continuation", string(frame(fin|opContinuation, `[]`)), 1002, "a continuation frame continues nothing"},
		{"lone first continuation", string(frame(opContinuation, `[]`)), 1002, "a continuation frame continues nothing"},
		{"continuation of whole message", string(frame(fin|opText, `[6, {}, "wamp.close.normal"]`)) + string(frame(opContinuation, ``)), 1002, "a continuation frame continues nothing"},
		{"text inside message", begun + string(frame(fin|opText, `]`)), 1002, "a message begins inside another one"},
		{"binary inside message", begun + string(frame(opBinary, `]`)), 1002, "a message begins inside another one"},
		{"negative length", "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00", 1002, "the length of a frame is negative"},
		{"close with half a status", string(frame(fin|opClose, "\x03")), 1002, "a close frame has no valid status"},
		{"close status 999", string(frame(fin|opClose, closeFrame(999, ""))), 1002, "a close frame has no valid status"},
		{"close status 1004", string(frame(fin|opClose, closeFrame(1004, ""))), 1002, "a close frame has no valid status"},
		{"close status 1005", string(frame(fin|opClose, closeFrame(1005, ""))), 1002, "a close frame has no valid status"},
		{"close status 1006", string(frame(fin|opClose, closeFrame(1006, ""))), 1002, "a close frame has no valid status"},
		{"close status 1015", string(frame(fin|opClose, closeFrame(1015, ""))), 1002, "a close frame has no valid status"},
		{"close status 2999", string(frame(fin|opClose, closeFrame(2999, ""))), 1002, "a close frame has no valid status"},
		{"close status 5000", string(frame(fin|opClose, closeFrame(5000, ""))), 1002, "a close frame has no valid status"},
		{"close reason not UTF-8", string(frame(fin|opClose, closeFrame(1000, "\xc3("))), 1007, "the reason in a close frame is not UTF-8"},
		{"too large", "\x81\xfe\x03\xe9\x00\x00\x00\x00", 1009, "a message may have 1000 bytes"},
		{"as large as can be", "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", 1009, "a message may have 1000 bytes"},
		{"too large in fragments", begun + string(frame(fin|opContinuation, strings.Repeat(" ", 1000))), 1009, "a message may have 1000 bytes"},
	} {
		for _, behind := range []int{0, 300_000} {
			t.Run(fmt.Sprint(test.name, ", ", behind), func(t *testing.T) {
				t.Parallel()
				c := dialRaw(t, s, "wamp.2.json", "")
				c.send(fin|opText, wamptest.Hello)
				c.want(opText, `[2, "*", "*"]`)
				c.write([]byte(test.frames + strings.Repeat("\xff", behind)))
				if strings.Contains(test.name, "whole message") {
					c.want(opText, `[6, {}, "*"]`)
				}
				c.want(opClose, closeFrame(test.status, test.reason))
				if test.status == 1009 {
					c.end() // or the server would wait for a close frame
				}
				c.wantEnd()
			})
		}
	}
}

// Close frames are answered with what they say, after everything that came
// before them.
func TestCloseFrames(t *testing.T) {
	t.Parallel()
	s := loopback(t, transport.Config{})
	for _, payload := range []string{
		"",
		closeFrame(1000, ""), closeFrame(1001, "good bye"), closeFrame(1003, ""),
		closeFrame(1007, ""), closeFrame(1014, ""), closeFrame(3000, ""),
		closeFrame(4999, strings.Repeat("ä", 61)+"."),
	} {
		t.Run(fmt.Sprintf("%.6q", payload), func(t *testing.T) {
			t.Parallel()
			c := dialRaw(t, s, "wamp.2.json", "")
			c.write(slices.Concat(frame(fin|opText, wamptest.Hello), frame(fin|opPing, "?"), frame(fin|opClose, payload),
				frame(fin|opText, `[64, 1, {}, "com.example.ignored"]`)))
			c.want(opText, `[2, "*", "*"]`)
			c.want(opPong, "?")
			c.want(opClose, payload)
			c.wantEnd()
		})
	}
}

// A peer that leaves in the middle of a frame leaves.
func TestCutFrame(t *testing.T) {
	t.Parallel()
	s := loopback(t, transport.Config{})
	for _, frames := range []string{"\x81", "\x81\xfe", "\x81\xff\x00\x00\x00\x00\x00\x00\x00\x09", "\x81\x82\x00\x00\x00\x00[", string(frame(opText, "["))} {
		c := dialRaw(t, s, "wamp.2.json", "")
		c.send(fin|opText, wamptest.Hello)
		c.want(opText, `[2, "*", "*"]`)
		c.write([]byte(frames))
		c.end()
		c.wantEnd()
	}
}

// Frame headers have three sizes, and the room for them is reserved before the
// size is known.
func TestFrameSizes(t *testing.T) {
	t.Parallel()
	s := loopback(t, transport.Config{})
	s.Echo(t, wamp.JSON, "com.example.echo")
	c := dialRaw(t, s, "wamp.2.json", "")
	c.send(fin|opText, wamptest.Hello)
	c.want(opText, `[2, "*", "*"]`)
	var ids int
	for _, border := range []int{126, 1 << 16} {
		for size := border - 60; size < border+20; size++ {
			ids++
			arg := strings.Repeat("x", size-len(`[50,100,{},[""]]`))
			c.send(fin|opText, fmt.Sprintf(`[48, %d, {}, "com.example.echo", ["%s"]]`, ids, arg))
			want := fmt.Sprintf(`[50,%d,{},["%s"]]`, ids, arg)
			if first, payload := c.read(); first != fin|opText || string(payload) != want {
				t.Fatalf("got frame %x of %d bytes, want RESULT of %d", first, len(payload), len(want))
			}
		}
	}
}

// Control frames never cut data frames in two, however both come.
func TestControlBetweenData(t *testing.T) {
	t.Parallel()
	const calls = 300
	s := loopback(t, transport.Config{})
	s.Echo(t, wamp.JSON, "com.example.echo")
	c := dialRaw(t, s, "wamp.2.json", "")
	c.send(fin|opText, wamptest.Hello)
	c.want(opText, `[2, "*", "*"]`)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range calls {
			var b bytes.Buffer
			b.Write(frame(fin|opPing, fmt.Sprint(i)))
			b.Write(frame(fin|opText, fmt.Sprintf(`[48, %d, {}, "com.example.echo", ["%s"]]`, i+1, strings.Repeat("x", i*100))))
			if _, err := c.conn.Write(b.Bytes()); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	pongs, results := 0, map[int]bool{}
	for pongs < calls || len(results) < calls {
		first, payload := c.read()
		switch first {
		case fin | opPong:
			if string(payload) != fmt.Sprint(pongs) {
				t.Fatalf("pong %q, want %d", payload, pongs)
			}
			pongs++
		case fin | opText:
			var id int
			if _, err := fmt.Sscanf(string(payload), "[50,%d,", &id); err != nil || results[id] {
				t.Fatalf("got %.100q, want a RESULT that has not come yet", payload)
			}
			if want := fmt.Sprintf(`[50,%d,{},["%s"]]`, id, strings.Repeat("x", (id-1)*100)); string(payload) != want {
				t.Fatalf("got %.100q… of %d bytes, want %.100q… of %d", payload, len(payload), want, len(want))
			}
			results[id] = true
		default:
			t.Fatalf("got frame %x", first)
		}
	}
	<-done
}
