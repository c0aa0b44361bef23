package transport_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wampgate/wampgate/test/wamptest"
)

// The opcodes and bits of WebSocket frames (RFC 6455, section 5.2).
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
	fin            = 0x80
)

// A rawClient speaks WebSocket frame by frame, as no library would.
type rawClient struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// dialRaw makes a handshake over TCP; early is sent in the same write.
func dialRaw(t testing.TB, s *wamptest.Server, subprotocol, early string) *rawClient {
	t.Helper()
	address := strings.TrimSuffix(strings.TrimPrefix(s.URL, "ws://"), "/ws")
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // may have been closed
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	c := &rawClient{t, conn, bufio.NewReader(conn)}
	c.write(fmt.Appendf(nil, "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+
		"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: %s\r\n\r\n%s", address, subprotocol, early))
	response, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // nothing to learn from it
	if response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: %s", response.Status)
	}
	if got := response.Header.Get("Sec-WebSocket-Extensions"); got != "" {
		t.Errorf("negotiated %q, want no compression", got)
	}
	return c
}

func (c *rawClient) write(b []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// frame returns a masked frame; first is FIN and opcode.
func frame(first byte, payload string) []byte {
	return appendFrame(nil, first, [4]byte{1, 2, 3, 4}, []byte(payload))
}

// appendFrame appends a frame masked with mask.
func appendFrame(b []byte, first byte, mask [4]byte, payload []byte) []byte {
	b = append(b, first)
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, mask[:]...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	return b
}

func (c *rawClient) send(first byte, payload string) {
	c.t.Helper()
	c.write(frame(first, payload))
}

// read returns the next frame.
func (c *rawClient) read() (first byte, payload []byte) {
	c.t.Helper()
	var head [2]byte
	c.readFull(head[:])
	if head[1]&0x80 != 0 || head[0]&0x70 != 0 {
		c.t.Fatalf("frame begins with %x: masked or reserved bits", head)
	}
	size := int(head[1])
	switch size {
	case 126:
		var b [2]byte
		c.readFull(b[:])
		if size = int(binary.BigEndian.Uint16(b[:])); size < 126 {
			c.t.Fatalf("length %d not in its shortest form", size)
		}
	case 127:
		var b [8]byte
		c.readFull(b[:])
		if size = int(binary.BigEndian.Uint64(b[:])); size < 1<<16 {
			c.t.Fatalf("length %d not in its shortest form", size)
		}
	}
	payload = make([]byte, size)
	c.readFull(payload)
	return head[0], payload
}

func (c *rawClient) readFull(b []byte) {
	c.t.Helper()
	if _, err := io.ReadFull(c.r, b); err != nil {
		c.t.Fatalf("read frame: %v", err)
	}
}

// want reads the next frame, which must have this opcode and, if text is not
// "*", this payload; texts are compared as JSON.
func (c *rawClient) want(opcode byte, text string) {
	c.t.Helper()
	first, payload := c.read()
	if first != fin|opcode {
		c.t.Fatalf("got frame %x %q, want opcode %x", first, payload, opcode)
	}
	if text == "*" || string(payload) == text {
		return
	}
	if opcode != opText || !wamptest.Match(c.t, string(payload), text) {
		c.t.Fatalf("got frame %x %q, want %q", first, payload, text)
	}
}

// end sends nothing more.
func (c *rawClient) end() {
	c.t.Helper()
	if err := c.conn.(*net.TCPConn).CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
}

// wantEnd wants the connection to be closed.
func (c *rawClient) wantEnd() {
	c.t.Helper()
	if b, err := c.r.ReadByte(); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		c.t.Fatalf("read %x, %v; want the end", b, err)
	}
}

// closeFrame returns the payload of a close frame.
func closeFrame(status uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, status)) + reason
}
