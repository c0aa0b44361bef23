package transport_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// The types of RawSocket frames.
const (
	rsMessage = 0
	rsPing    = 1
	rsPong    = 2
)

// serveRawSocket serves l until the test ends.
func serveRawSocket(t testing.TB, h *transport.Handler, l net.Listener) {
	t.Helper()
	served := make(chan error, 1)
	go func() { served <- h.ServeRawSocket(l) }()
	t.Cleanup(func() {
		_ = l.Close() // may have been closed
		if err := <-served; err != nil {
			t.Errorf("serve RawSocket: %v", err)
		}
	})
}

// A rawSocketServer is a router that speaks RawSocket too.
type rawSocketServer struct {
	*wamptest.Server

	dial func() (net.Conn, error)
}

// rawSocketOver serves RawSocket over a network: "tcp", "unix" or, for a bubble
// of synctest, "memory".
func rawSocketOver(t testing.TB, network string, c wamptest.Config) rawSocketServer {
	t.Helper()
	c.Loopback = network != "memory"
	s := wamptest.Serve(t, c)
	if network == "memory" {
		l := wamptest.NewListener()
		serveRawSocket(t, s.Handler, l)
		return rawSocketServer{s, func() (net.Conn, error) { return l.DialContext(t.Context(), "", "") }}
	}
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	serveRawSocket(t, s.Handler, l)
	return rawSocketServer{s, func() (net.Conn, error) {
		return (&net.Dialer{}).DialContext(t.Context(), network, l.Addr().String())
	}}
}

func rawSocketServe(t testing.TB, c transport.Config) rawSocketServer {
	t.Helper()
	return rawSocketOver(t, "tcp", wamptest.Config{Transport: c})
}

// A rawSocketClient speaks RawSocket octet by octet.
type rawSocketClient struct {
	t    testing.TB
	conn net.Conn
}

// connect opens a connection and sends early, the handshake and perhaps more.
func (s rawSocketServer) connect(t testing.TB, early string) rawSocketClient {
	t.Helper()
	conn, err := s.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // may have been closed
	c := rawSocketClient{t, conn}
	c.write(early)
	return c
}

// join opens a session with a handshake of JSON and messages of up to 16 MiB.
func (s rawSocketServer) join(t testing.TB) rawSocketClient {
	t.Helper()
	c := s.connect(t, "\x7f\xf1\x00\x00")
	c.wantOctets("\x7f\xb1\x00\x00")
	c.send(wamptest.Hello)
	c.want(`[2, "*", "*"]`)
	return c
}

func (c rawSocketClient) write(octets string) {
	c.t.Helper()
	if octets == "" {
		return // a pipe would wait for somebody to read that
	}
	if _, err := io.WriteString(c.conn, octets); err != nil {
		c.t.Fatal(err)
	}
}

// prefixed returns a frame of less than 16 MiB.
func prefixed(typ byte, payload string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(typ)<<24|uint32(len(payload)))) + payload
}

func (c rawSocketClient) send(message string) {
	c.t.Helper()
	c.write(prefixed(rsMessage, message))
}

func (c rawSocketClient) readFull(n int) string {
	c.t.Helper()
	b := make([]byte, n)
	if n, err := io.ReadFull(c.conn, b); err != nil {
		c.t.Fatalf("read %q, %v", b[:n], err)
	}
	return string(b)
}

func (c rawSocketClient) wantOctets(want string) {
	c.t.Helper()
	if got := c.readFull(len(want)); got != want {
		c.t.Fatalf("read %x, want %x", got, want)
	}
}

// read returns the next frame.
func (c rawSocketClient) read() (first byte, payload string) {
	c.t.Helper()
	prefix := binary.BigEndian.Uint32([]byte(c.readFull(4)))
	first, size := byte(prefix>>24), int(prefix&0xffffff)
	if first&0x08 != 0 && size == 0 {
		size = 1 << 24
	}
	return first, c.readFull(size)
}

// want reads the next frame, which must be this message.
func (c rawSocketClient) want(message string) {
	c.t.Helper()
	if first, payload := c.read(); first != rsMessage || !wamptest.Match(c.t, payload, message) {
		c.t.Fatalf("got frame %x %.1000q, want %q", first, payload, message)
	}
}

// wantControl reads the next frame, which must be a PING or PONG.
func (c rawSocketClient) wantControl(typ byte, payload string) {
	c.t.Helper()
	if first, got := c.read(); first != typ || got != payload {
		c.t.Fatalf("got frame %x %.1000q, want %x %.1000q", first, got, typ, payload)
	}
}

// wantEnd wants the connection to end.
func (c rawSocketClient) wantEnd() {
	c.t.Helper()
	b := make([]byte, 1000)
	if n, err := c.conn.Read(b); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		c.t.Fatalf("read %q, %v; want the end", b[:n], err)
	}
}

func TestRawSocketHandshake(t *testing.T) {
	t.Parallel()
	s := rawSocketServe(t, transport.Config{})
	for _, test := range []struct{ name, offer, answer string }{
		{"JSON", "\x7f\xf1\x00\x00", "\x7f\xb1\x00\x00"},
		{"MessagePack, 2 KiB", "\x7f\x22\x00\x00", "\x7f\xb2\x00\x00"},
		{"CBOR", "\x7f\xb3\x00\x00", "\x7f\xb3\x00\x00"},
		{"UBJSON", "\x7f\xf4\x00\x00", "\x7f\x10\x00\x00"},
		{"FlatBuffers", "\x7f\xf5\x00\x00", "\x7f\x10\x00\x00"},
		{"illegal serializer", "\x7f\xf0\x00\x00", "\x7f\x10\x00\x00"},
		{"last serializer", "\x7f\xff\x00\x00", "\x7f\x10\x00\x00"},
		{"512 bytes", "\x7f\x01\x00\x00", "\x7f\x20\x00\x00"},
		{"1 KiB", "\x7f\x13\x00\x00", "\x7f\x20\x00\x00"},
		{"third octet", "\x7f\xf1\x01\x00", "\x7f\x30\x00\x00"},
		{"fourth octet", "\x7f\xf0\x00\x80", "\x7f\x30\x00\x00"},
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", ""},
		{"WebSocket frame", "\x81\x85\x00\x00", ""},
		{"TLS", "\x16\x03\x01\x02\x00\x01", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := s.connect(t, test.offer)
			c.wantOctets(test.answer)
			if test.answer == "" || test.answer[1]>>4 != 11 { // which is 1 MiB
				c.wantEnd()
			}
		})
	}
}

// Handshakes that do not end, or come in pieces.
func TestRawSocketSlowHandshake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rawSocketOver(t, "memory", wamptest.Config{})
		start := time.Now()
		pieces, cut, silent, half, noHello := s.connect(t, "\x7f"), s.connect(t, "\x7f\xf1"), s.connect(t, ""), s.connect(t, "\x7f\xf1\x00"), s.connect(t, "\x7f\xf1\x00\x00")
		if err := cut.conn.Close(); err != nil {
			t.Fatal(err)
		}
		for _, octet := range []string{"\xf1", "\x00", "\x00"} {
			pass(3 * time.Second)
			pieces.write(octet)
		}
		pieces.wantOctets("\x7f\xb1\x00\x00")
		silent.wantEnd()
		half.wantEnd()
		if got := time.Since(start); got != transport.DefaultHelloTimeout {
			t.Errorf("given up after %v, want %v", got, transport.DefaultHelloTimeout)
		}
		noHello.wantOctets("\x7f\xb1\x00\x00")
		pieces.send(wamptest.Hello)
		pieces.want(`[2, "*", "*"]`)
		noHello.wantEnd()
		synctest.Wait()
		if got := s.Handler.Stats(); got.Accepted != 5 || got.Conns != 1 {
			t.Errorf("got %+v, want 5 connections, 1 of them open", got)
		}
	})
}

// The answer to the handshake tells what is accepted, and that holds.
func TestRawSocketLimits(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		maxFrame int
		exponent byte // as in the handshake
	}{{1, 0}, {512, 0}, {1023, 0}, {1024, 1}, {5000, 3}, {1 << 20, 11}, {4 << 20, 13}, {1 << 24, 15}, {1 << 30, 15}} {
		t.Run(fmt.Sprint(test.maxFrame), func(t *testing.T) {
			t.Parallel()
			limit := 1 << (9 + test.exponent)
			s := rawSocketServe(t, transport.Config{MaxFrame: test.maxFrame})
			c := s.connect(t, "\x7f\xf1\x00\x00"+prefixed(rsMessage, `[1,"realm1",{"roles":{"caller":{}}}]`))
			c.wantOctets(string([]byte{0x7f, test.exponent<<4 | 1, 0, 0}))
			c.want(`[2, "*", "*"]`)
			message := `[48, 1, {}, "com.example.none"` + strings.Repeat(" ", limit-31) + `]`
			if limit == 1<<24 {
				c.write("\x08\x00\x00\x00" + message)
			} else {
				c.send(message)
			}
			c.want(`[8, 48, 1, {}, "wamp.error.no_such_procedure", "*"]`)
			if limit == 1<<24 {
				return // no prefix says more
			}
			c.write(prefixed(rsMessage, message+" "))
			c.wantEnd()
		})
	}
}

// A client gets no message that is larger than it says it takes.
func TestRawSocketPeerLimit(t *testing.T) {
	t.Parallel()
	s := rawSocketServe(t, transport.Config{})
	callee := s.Join(t, wamp.JSON)
	c := s.connect(t, "\x7f\x31\x00\x00"+prefixed(rsMessage, wamptest.Hello))
	c.wantOctets("\x7f\xb1\x00\x00")
	c.want(`[2, "*", "*"]`)
	callee.Send(`[64, 1, {}, "com.example.size"]`)
	callee.Want(`[65, 1, "*"]`)
	for id, size := range []int{4095, 4096, 4097, 1 << 20} {
		result := fmt.Sprintf(`[50,%d,{},["%s"]]`, id+1, strings.Repeat("x", size-14))
		c.send(fmt.Sprintf(`[48,%d,{},"com.example.size"]`, id+1))
		callee.Want(fmt.Sprintf(`[68, %d, "*", "*"]`, id+1))
		callee.Send("[70" + result[len("[50"):])
		if size > 4096 {
			result = fmt.Sprintf(`[8, 48, %d, {}, "wamp.error.payload_size_exceeded", "*"]`, id+1)
		}
		c.want(result)
	}
}

// The largest frame of all has a length of zero, and a bit beside it.
func TestRawSocketLongestFrame(t *testing.T) {
	t.Parallel()
	s := rawSocketServe(t, transport.Config{MaxFrame: 1 << 24, MaxFrameOut: 1 << 25, Queue: 1 << 26})
	join := func() rawSocketClient {
		c := s.connect(t, "\x7f\xf1\x00\x00"+prefixed(rsMessage, wamptest.Hello))
		c.wantOctets("\x7f\xf1\x00\x00")
		c.want(`[2, "*", "*"]`)
		return c
	}
	caller, callee := join(), join()
	callee.send(`[64, 1, {}, "com.example.long"]`)
	callee.want(`[65, 1, "*"]`)
	caller.send(`[48, 1, {}, "com.example.long"]`)
	callee.want(`[68, 1, "*", "*"]`)
	rest := `,1,{},["` + strings.Repeat("x", 1<<24-14) + `"]]`
	callee.write("\x08\x00\x00\x00[70" + rest)
	if first, payload := caller.read(); first != 0x08 || payload != "[50"+rest {
		t.Errorf("got frame %x of %d bytes, want the longest", first, len(payload))
	}
}

// PINGs of any size are answered, in order, also between the pieces of a
// message on their way.
func TestRawSocketPing(t *testing.T) {
	t.Parallel()
	s := rawSocketServe(t, transport.Config{})
	c := s.join(t)
	for _, size := range []int{0, 1, 4, 16<<10 - 5, 16<<10 - 4, 16<<10 - 3, 100_000, 1 << 20} {
		ping := strings.Repeat("p", size)
		c.write(prefixed(rsPong, "unasked") + prefixed(rsPing, ping) + prefixed(rsMessage, `[48, 1, {}, "com.example.none"]`))
		c.wantControl(rsPong, ping)
		c.want(`[8, 48, 1, {}, "wamp.error.no_such_procedure", "*"]`)
	}
	c.write("\x01\x10\x00\x01")
	c.wantEnd()
}

// What comes octet by octet is taken as well.
func TestRawSocketPieces(t *testing.T) {
	t.Parallel()
	c := rawSocketServe(t, transport.Config{}).join(t)
	for _, octet := range []byte(prefixed(rsPing, "?") + prefixed(rsMessage, `[48, 1, {}, "com.example.none"]`)) {
		c.write(string(octet))
	}
	c.wantControl(rsPong, "?")
	c.want(`[8, 48, 1, {}, "wamp.error.no_such_procedure", "*"]`)
}

// What breaks the framing ends the connection, whatever comes behind it.
func TestRawSocketBrokenFrames(t *testing.T) {
	t.Parallel()
	s := rawSocketServe(t, transport.Config{MaxFrame: 1024})
	for name, frame := range map[string]string{
		"type 3":              "\x03\x00\x00\x00",
		"type 7":              "\x07\x00\x00\x01x",
		"reserved bit 4":      "\x10\x00\x00\x01x",
		"reserved bit 7":      "\x80\x00\x00\x01x",
		"all bits":            "\xff\xff\xff\xff",
		"longest with length": "\x08\x00\x00\x01x",
		"longest, too large":  "\x08\x00\x00\x00x",
		"too large":           "\x00\x00\x04\x01",
		"PING too large":      "\x01\x00\x04\x01",
		"PONG too large":      "\x02\x00\x04\x01",
		"HTTP":                "GET / HTTP/1.1\r\n\r\n",
	} {
		for _, behind := range []int{0, 300_000} {
			t.Run(fmt.Sprint(name, ", ", behind), func(t *testing.T) {
				t.Parallel()
				c := s.connect(t, "\x7f\xf1\x00\x00"+prefixed(rsMessage, wamptest.Hello))
				c.wantOctets("\x7f\x11\x00\x00")
				c.want(`[2, "*", "*"]`)
				c.write(frame + strings.Repeat("\xff", behind))
				c.wantEnd()
			})
		}
	}
}

// What breaks WAMP gets an ABORT.
func TestRawSocketViolation(t *testing.T) {
	t.Parallel()
	s := rawSocketServe(t, transport.Config{})
	for _, message := range []string{"", "nonsense", "[]", `[50, 1, {}]`, "\x94\x30\x01\x80\xa1a"} {
		c := s.join(t)
		c.send(message)
		c.want(`[3, {"message": "*"}, "wamp.error.protocol_violation"]`)
		c.wantEnd()
	}
	c := s.connect(t, "\x7f\xf1\x00\x00"+prefixed(rsMessage, `[1, "nowhere", {"roles": {"caller": {}}}]`))
	c.wantOctets("\x7f\xb1\x00\x00")
	c.want(`[3, {"message": "*"}, "wamp.error.no_such_realm"]`)
	c.wantEnd()
}

// All serializers, over all networks, to and from WebSocket.
func TestRawSocketCalls(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix"} {
		if network == "unix" && runtime.GOOS == "windows" {
			continue
		}
		s := rawSocketOver(t, network, wamptest.Config{})
		s.Echo(t, wamp.CBOR, "com.example.echo")
		for id, serializer := range []wamp.Serializer{wamp.JSON, wamp.MsgPack, wamp.CBOR} {
			t.Run(fmt.Sprint(network, "/", serializer), func(t *testing.T) {
				t.Parallel()
				code := func(text string) string {
					b, err := wamp.Transcode(nil, serializer, []byte(text), wamp.JSON)
					if err != nil {
						t.Fatal(err)
					}
					return string(b)
				}
				offer := string([]byte{0x7f, 0xf0 | byte(id+1), 0, 0})
				c := s.connect(t, offer+prefixed(rsMessage, code(wamptest.Hello)))
				c.wantOctets(string([]byte{0x7f, 0xb0 | byte(id+1), 0, 0}))
				c.read()
				for i := 1; i <= 3; i++ {
					c.write(prefixed(rsMessage, code(fmt.Sprintf(`[48,%d,{},"com.example.echo",["a",%d]]`, i, i))))
					want := code(fmt.Sprintf(`[50,%d,{},["a",%d]]`, i, i))
					if first, got := c.read(); first != rsMessage || got != want {
						t.Fatalf("got frame %x %q, want %q", first, got, want)
					}
				}
				c.write(prefixed(rsMessage, code(`[6,{},"wamp.close.normal"]`)))
				if _, got := c.read(); got != code(`[6,{},"wamp.close.goodbye_and_out"]`) {
					t.Errorf("got %q, want GOODBYE", got)
				}
				c.write(prefixed(rsMessage, code(wamptest.Hello))) // once more
				c.read()
			})
		}
	}
}

// Both kinds of connections count against the same limit. Who is refused is
// told, and somebody who says nothing to that does not stay.
func TestRawSocketFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rawSocketOver(t, "memory", wamptest.Config{Transport: transport.Config{MaxConns: 2}})
		s.Join(t, wamp.JSON)
		inside := s.join(t)
		start := time.Now()
		told, silent := s.connect(t, "\x7f\xf1\x00\x00"), s.connect(t, "")
		told.wantOctets("\x7f\x40\x00\x00")
		told.wantEnd()
		silent.wantEnd()
		if got := time.Since(start); got != time.Second {
			t.Errorf("hung up after %v, want 1s", got)
		}
		if got := s.Handler.Stats(); got.Refused != 2 || got.Conns != 2 {
			t.Errorf("got %+v, want 2 connections and 2 refused", got)
		}
		var crowd []rawSocketClient
		for range 65 {
			crowd = append(crowd, s.connect(t, ""))
		}
		crowd[64].wantEnd()
		if got := time.Since(start); got != time.Second {
			t.Errorf("the 65th was hung up on after %v, want it to be at once", got-time.Second)
		}
		if err := inside.conn.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s.join(t)
	})
}

// A client is pinged once it has shown that it knows PING.
func TestRawSocketHeartbeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rawSocketOver(t, "memory", wamptest.Config{})
		plain, pinged := s.join(t), s.join(t)
		start := time.Now()
		pinged.write(prefixed(rsPing, "hi"))
		pinged.wantControl(rsPong, "hi")
		for range 10 {
			pinged.wantControl(rsPing, "ping")
			pinged.write(prefixed(rsPong, "ping"))
		}
		if got, want := time.Since(start), 10*transport.DefaultPingInterval; got != want {
			t.Errorf("10 PINGs took %v, want %v", got, want)
		}
		plain.send(`[48, 1, {}, "com.example.none"]`)
		plain.want(`[8, 48, 1, {}, "wamp.error.no_such_procedure", "*"]`)
	})
}

func TestRawSocketPingTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rawSocketOver(t, "memory", wamptest.Config{})
		c := s.join(t)
		start := time.Now()
		c.write(prefixed(rsPing, ""))
		c.wantControl(rsPong, "")
		c.wantControl(rsPing, "ping")
		c.wantEnd()
		if got, want := time.Since(start), transport.DefaultPingInterval+transport.DefaultPingTimeout; got != want {
			t.Errorf("cut off after %v, want %v", got, want)
		}
		synctest.Wait()
		if got := s.Handler.Stats(); got.PingTimeouts != 1 || got.Conns != 0 {
			t.Errorf("got %+v, want one ping timeout", got)
		}
	})
}

// A client that takes no bytes is given up, and holds nobody up.
func TestRawSocketSlowReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rawSocketOver(t, "memory", wamptest.Config{})
		asleep, caller := s.join(t), s.Join(t, wamp.JSON)
		asleep.send(`[64, 1, {}, "com.example.asleep"]`)
		asleep.want(`[65, 1, 1]`)
		start := time.Now()
		caller.Send(`[48, 1, {}, "com.example.asleep"]`)
		caller.Want(`[8, 48, 1, {}, "wamp.error.canceled", "*"]`)
		if got := time.Since(start); got != transport.DefaultWriteTimeout {
			t.Errorf("given up after %v, want %v", got, transport.DefaultWriteTimeout)
		}
		synctest.Wait()
		if got := s.Handler.Stats(); got.WriteTimeouts != 1 || got.Conns != 1 {
			t.Errorf("got %+v, want one connection and one write timeout", got)
		}
	})
}

// A client that closes its half, or all, loses its session at once.
func TestRawSocketLost(t *testing.T) {
	t.Parallel()
	s := rawSocketServe(t, transport.Config{})
	caller := s.Join(t, wamp.JSON)
	for i, end := range []func(c *net.TCPConn) error{(*net.TCPConn).CloseWrite, (*net.TCPConn).Close} {
		for j, cut := range []string{"", "\x00", "\x00\x00\x00\x09[1"} {
			callee, id := s.join(t), 3*i+j+1
			callee.send(`[64, 1, {}, "com.example.lost"]`)
			callee.want(`[65, 1, "*"]`)
			caller.Send(fmt.Sprintf(`[48, %d, {}, "com.example.lost"]`, id))
			callee.want(`[68, 1, "*", "*"]`)
			callee.write(cut)
			if err := end(callee.conn.(*net.TCPConn)); err != nil {
				t.Fatal(err)
			}
			caller.Want(fmt.Sprintf(`[8, 48, %d, {}, "wamp.error.canceled", "*"]`, id))
		}
	}
}

func TestRawSocketShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rawSocketOver(t, "memory", wamptest.Config{})
		polite, rude, idle, early := s.join(t), s.join(t), s.connect(t, "\x7f\xf1\x00\x00"), s.connect(t, "\x7f")
		idle.wantOctets("\x7f\xb1\x00\x00")
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		done := make(chan error)
		go func() {
			s.Router.Shutdown(ctx)
			done <- s.Handler.Shutdown(context.WithoutCancel(ctx))
		}()
		polite.want(`[6, {"message": "*"}, "wamp.close.system_shutdown"]`)
		polite.send(`[6, {}, "wamp.close.goodbye_and_out"]`)
		polite.wantEnd()
		rude.want(`[6, {"message": "*"}, "wamp.close.system_shutdown"]`)
		rude.wantEnd()
		idle.wantEnd()
		early.wantEnd()
		if err := <-done; err != nil || s.Handler.Conns() != 0 {
			t.Errorf("Handler.Shutdown: %v, %d connections", err, s.Handler.Conns())
		}
		s.connect(t, "").wantEnd()
	})
}

// Messages that are pushed from several serializers keep their order.
func TestRawSocketOrder(t *testing.T) {
	t.Parallel()
	const calls = 1_000
	s := rawSocketServe(t, transport.Config{})
	callee, caller := s.join(t), s.Connect(t, wamp.MsgPack)
	callee.send(`[64, 1, {}, "com.example.order"]`)
	callee.want(`[65, 1, "*"]`)
	sent := make(chan error, 1)
	go func() {
		for i := range calls {
			m := &wamp.Call{Request: wamp.ID(i + 1), Procedure: "com.example.order"}
			if i%3 != 0 {
				m.Payload = text(i)
			}
			if err := caller.Send(m); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for i := range calls {
		if first, payload := callee.read(); first != rsMessage || !strings.HasPrefix(payload, fmt.Sprintf("[68,%d,", i+1)) {
			t.Fatalf("got frame %x %.100q, want INVOCATION %d", first, payload, i+1)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// A failingListener fails as often as there are errors, and then is closed.
type failingListener struct {
	net.Listener

	errs []error
}

func (l *failingListener) Accept() (net.Conn, error) {
	if len(l.errs) == 0 {
		return nil, net.ErrClosed
	}
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, err
}

// A lack of open files passes, other errors do not.
func TestRawSocketAccept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := router.New(router.Config{Realms: []dealer.Config{{Realm: wamptest.Realm}}})
		h := transport.New(transport.Config{Router: r})
		start := time.Now()
		full := &net.OpError{Op: "accept", Err: syscall.EMFILE}
		if err := h.ServeRawSocket(&failingListener{errs: slices.Repeat([]error{full}, 10)}); err != nil {
			t.Errorf("got %v, want nil", err)
		}
		if got, want := time.Since(start), 5*255*time.Millisecond+2*time.Second; got != want {
			t.Errorf("waited %v, want %v", got, want)
		}
		broken := errors.New("broken")
		if err := h.ServeRawSocket(&failingListener{errs: []error{broken}}); !errors.Is(err, broken) {
			t.Errorf("got %v, want %v", err, broken)
		}
	})
}

// receiveRawSocket is receive for RawSocket frames.
func receiveRawSocket(t *testing.T, limit int, chunks ...[]byte) received {
	t.Helper()
	var got received
	m := transport.NewMessageReader(&chunkConn{chunks: chunks}, limit, func(frame []byte) error {
		got.control = append(got.control, frame...)
		return nil
	})
	m.RawSocket()
	for {
		opcode, message, err := m.Next()
		if err != nil {
			got.err = err
			return got
		}
		if opcode != opBinary || len(message) > limit {
			t.Errorf("got opcode %x and %d bytes, want %x and at most %d", opcode, len(message), opBinary, limit)
		}
		got.messages = append(got.messages, string(message))
	}
}

// Whatever comes: nothing panics, limits hold, reads make no difference, and a
// plain reading of the same octets finds the same.
func FuzzRawSocket(f *testing.F) {
	f.Add([]byte(prefixed(rsMessage, "[]")+prefixed(rsPing, "?")+prefixed(rsMessage, "")), uint16(100), uint8(3))
	f.Add([]byte(prefixed(rsPong, "?")+prefixed(rsMessage, strings.Repeat("x", 17_000))), uint16(20_000), uint8(200))
	f.Add([]byte("\x08\x00\x00\x00"), uint16(9), uint8(1))
	f.Add([]byte("\x08\x00\x00\x01"), uint16(9), uint8(4))
	f.Add([]byte("\x03\x00\x00\x01x"), uint16(9), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, limit uint16, chunk uint8) {
		whole := receiveRawSocket(t, int(limit), slices.Clone(b))
		parts := receiveRawSocket(t, int(limit), slices.Collect(slices.Chunk(b, max(1, int(chunk))))...)
		if !slices.Equal(whole.messages, parts.messages) || !bytes.Equal(whole.control, parts.control) || whole.err.Error() != parts.err.Error() {
			t.Errorf("got %.200q, %v in one read; %.200q, %v in parts", whole.messages, whole.err, parts.messages, parts.err)
		}
		messages, control := readPlainly(b, int(limit))
		if !slices.Equal(whole.messages, messages) || string(whole.control) != control {
			t.Errorf("got %.200q and %.200q, want %.200q and %.200q", whole.messages, whole.control, messages, control)
		}
	})
}

// readPlainly takes frames apart up to the first that is wrong or cut.
func readPlainly(b []byte, limit int) (messages []string, control string) {
	for len(b) >= 4 && b[0] <= rsPong {
		size := int(binary.BigEndian.Uint32(b) & 0xffffff)
		if size > limit || size > len(b)-4 {
			break
		}
		payload := string(b[4 : 4+size])
		switch b[0] {
		case rsMessage:
			messages = append(messages, payload)
		case rsPing:
			control += prefixed(rsPong, payload)
		}
		b = b[4+size:]
	}
	return messages, control
}

// The test may not run beside others: AllocsPerRun counts for the whole process.
func TestRawSocketReaderAllocatesNothing(t *testing.T) { //nolint:paralleltest // see above
	for _, size := range []int{0, 16, 1_024, 16_000} {
		conn := &connRing{input: []byte(prefixed(rsMessage, strings.Repeat("x", size)))}
		m := transport.NewMessageReader(conn, 1<<20, nil)
		m.RawSocket()
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
