package wire

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// dialKey is the nonce of all handshakes, for nothing here needs to be safe
// from caches.
const dialKey = "d2FtcGdhdGUgYmVuY2hlcw=="

// handshakeTimeout bounds connecting and the handshake.
const handshakeTimeout = 20 * time.Second

// ErrNotLoopback says that an address is not of this machine. Nothing else is
// put under load.
var ErrNotLoopback = errors.New("not a loopback address")

// DialTCP connects to an address, host:port, on this machine.
func DialTCP(ctx context.Context, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("%s: %w", addr, ErrNotLoopback)
	}
	d := net.Dialer{Timeout: handshakeTimeout}
	return d.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
}

// Dial opens a WebSocket with a subprotocol, and a Reader of it with a buffer
// of the given size.
func Dial(ctx context.Context, rawURL, subprotocol string, buffer int) (net.Conn, *Reader, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, nil, err
	}
	if u.Scheme != "ws" {
		return nil, nil, fmt.Errorf("%s: want a URL with ws://", rawURL)
	}
	conn, err := DialTCP(ctx, u.Host)
	if err != nil {
		return nil, nil, err
	}
	early, err := handshake(conn, u, subprotocol)
	if err != nil {
		return nil, nil, fmt.Errorf("WebSocket handshake: %w", errors.Join(err, conn.Close()))
	}
	return conn, NewReader(conn, buffer, early), nil
}

// handshake asks for the WebSocket. It returns what came right behind the
// answer.
func handshake(conn net.Conn, u *url.URL, subprotocol string) (early []byte, err error) {
	if err := conn.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return nil, err
	}
	request := "GET " + u.RequestURI() + " HTTP/1.1\r\nHost: " + u.Host +
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + dialKey +
		"\r\nSec-WebSocket-Protocol: " + subprotocol + "\r\n\r\n"
	if _, err := conn.Write([]byte(request)); err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(conn, 1024)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return nil, err
	}
	_ = answer.Body.Close() // there is none
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return nil, fmt.Errorf("status %s", answer.Status)
	}
	if got := answer.Header.Get("Sec-WebSocket-Protocol"); got != subprotocol {
		return nil, fmt.Errorf("subprotocol %q, want %q", got, subprotocol)
	}
	early, _ = in.Peek(in.Buffered())
	return early, conn.SetDeadline(time.Time{})
}

// Accept takes over the connection of a WebSocket handshake and answers it. It
// checks nothing that a client of this package does right.
func Accept(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	answer := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\nSec-WebSocket-Protocol: " + r.Header.Get("Sec-WebSocket-Protocol") + "\r\n\r\n"
	if _, err := conn.Write([]byte(answer)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
