package transport

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
	"time"

	"github.com/coder/websocket"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// The first octet of both sides' handshake (spec, section "RawSocket
// Transport"). The second one has an exponent in its upper four bits and the
// serializer in the lower ones; if those are 0, the upper ones are an error.
const magic = 0x7f

// handshakeSize is the number of octets that each side's handshake has.
const handshakeSize = 4

// minExponent is that of the smallest message, 512 bytes, and maxExponent that
// of the largest, 16 MiB.
const (
	minExponent = 9
	maxExponent = 24
)

// minRawSocket is the least that a client must take in a message: a WELCOME
// does not fit into less.
const minRawSocket = 2 << 10

// maxRefusals bounds the clients that are being told that there is no room, and
// refuseTime how long that may take. More are hung up on without a word.
const (
	maxRefusals = 64
	refuseTime  = time.Second
)

// A refusalError is why a handshake failed, in the number that the client is
// told.
type refusalError byte

const (
	errSerializer     refusalError = 1
	errLength         refusalError = 2
	errReservedOctets refusalError = 3
	errNoRoom         refusalError = 4
)

func (r refusalError) Error() string {
	switch r {
	case errSerializer:
		return "serializer is not supported"
	case errLength:
		return fmt.Sprintf("the client takes messages of less than %d bytes", minRawSocket)
	case errReservedOctets:
		return "reserved bits are set"
	}
	return "there is no room for more connections"
}

// octets returns the handshake that tells a client why it failed.
func (r refusalError) octets() []byte { return []byte{magic, byte(r) << 4, 0, 0} }

// errNoRawSocket says that a client speaks something else.
var errNoRawSocket = errors.New("this is no RawSocket handshake")

// ServeRawSocket accepts RawSocket connections until l is closed, and then
// returns nil. Any other error of l is returned; connections go on until they
// end by themselves or with [Handler.Shutdown], which does not close l.
//
// A client may send messages of up to MaxFrame bytes, rounded down to a power
// of two between 512 bytes and 16 MiB, and gets none that are larger than it
// says or than MaxFrameOut.
func (h *Handler) ServeRawSocket(l net.Listener) error {
	for wait := time.Duration(0); ; {
		conn, err := l.Accept()
		switch {
		case err == nil:
			wait = 0
			h.startRawSocket(conn)
		case errors.Is(err, net.ErrClosed):
			return nil
		case !passes(err):
			return fmt.Errorf("accept RawSocket connection: %w", err)
		default:
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			h.config.Log.Warn("no RawSocket connection accepted", "err", err, "next_try_in", wait)
			<-time.After(wait)
		}
	}
}

// passes reports whether accepting may work again after err, as it does when
// there are fewer open files.
func passes(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Temporary() //nolint:staticcheck // nothing has taken its place here
}

// startRawSocket starts a goroutine for a connection, if there is room.
func (h *Handler) startRawSocket(conn net.Conn) {
	p := h.newPeer(addressOf(conn))
	if !h.enter(p) {
		h.refuse(conn)
		return
	}
	h.keepAlive(conn)
	h.open(p, conn, newFormat(wamp.JSON, rawSocket, 0)) // until the handshake
	go func() {
		defer h.leave(p)
		p.serveRawSocket()
		h.count(p.out.closed())
	}()
}

// addressOf returns the address of conn's other end, for logs. Clients of a
// Unix domain socket have none.
func addressOf(conn net.Conn) string {
	if remote := conn.RemoteAddr(); remote.Network() != "unix" {
		return remote.String()
	}
	return "unix:" + conn.LocalAddr().String()
}

// keepAlive has the network tell of a vanished client about when a heartbeat
// would. It is what there is for clients that do not know PING.
func (h *Handler) keepAlive(conn net.Conn) {
	const probes = 4
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{
			Enable: true, Idle: h.config.PingInterval, Interval: h.config.PingTimeout / probes, Count: probes,
		})
	}
}

// refuse tells a client that there is no room for it, unless too many others
// are being told.
func (h *Handler) refuse(conn net.Conn) {
	if !h.enterRefused() {
		_ = conn.Close()
		return
	}
	go func() {
		defer h.leaveRefused()
		defer conn.Close() //nolint:errcheck // nothing to learn from it
		_ = conn.SetDeadline(time.Now().Add(refuseTime))
		var offer [handshakeSize]byte
		if _, err := io.ReadFull(conn, offer[:]); err == nil { // unread, it would reset the connection
			_, _ = conn.Write(errNoRoom.octets())
		}
	}()
}

func (h *Handler) enterRefused() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing || h.refusing >= maxRefusals {
		return false
	}
	h.refusing++
	h.serving.Add(1)
	return true
}

func (h *Handler) leaveRefused() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refusing--
	h.serving.Done()
}

// serveRawSocket makes the handshake and serves.
func (p *peer) serveRawSocket() {
	end := p.helloWithin(p.config.HelloTimeout)
	if end.none() {
		end = p.handshake()
	}
	if end.none() {
		p.serve()
		return
	}
	p.config.Log.Info("handshake failed", "peer", p.name, "reason", end.reason)
	if end.how != lost {
		_ = p.socket.SetReadDeadline(time.Now().Add(p.config.CloseTimeout))
		p.socket.linger()
	}
	_ = p.socket.Close()
	p.socket.release()
	p.out.stop()
}

// handshake reads the client's handshake and answers it.
func (p *peer) handshake() ending {
	var offer [handshakeSize]byte
	if _, err := io.ReadFull(p.socket.Conn, offer[:]); err != nil {
		return p.broken(err)
	}
	f, err := agree(offer, p.config.MaxFrameOut)
	var refused refusalError
	switch {
	case errors.As(err, &refused):
		if err := p.answer(refused.octets()); err != nil {
			return p.broken(err)
		}
		return ending{code: websocket.StatusProtocolError, reason: err.Error(), how: failure}
	case err != nil:
		return ending{code: websocket.StatusProtocolError, reason: err.Error(), how: lost}
	}
	exponent := exponentOf(p.config.MaxFrame)
	p.reader.rawSocket, p.reader.limit = true, 1<<exponent
	p.decoder = wamp.NewDecoder(f.serializer)
	p.out.setFormat(f)
	if err := p.answer([]byte{magic, byte(exponent-minExponent)<<4 | rawSocketID(f.serializer), 0, 0}); err != nil { //nolint:gosec // at most 15
		return p.broken(err)
	}
	return ending{}
}

// answer writes the answer to a handshake. Nothing has been sent before.
func (p *peer) answer(octets []byte) error {
	if err := p.socket.SetWriteDeadline(time.Now().Add(p.config.WriteTimeout)); err != nil {
		return err
	}
	if _, err := p.socket.Write(octets); err != nil {
		return err
	}
	return p.socket.SetWriteDeadline(time.Time{})
}

// agree returns the format that a client's handshake asks for. The error is a
// [refusalError], or errNoRawSocket. limit is the most that we would send.
func agree(offer [handshakeSize]byte, limit int) (format, error) {
	if offer[0] != magic {
		return format{}, errNoRawSocket
	}
	if offer[2] != 0 || offer[3] != 0 {
		return format{}, errReservedOctets
	}
	for _, s := range []wamp.Serializer{wamp.JSON, wamp.MsgPack, wamp.CBOR} {
		if rawSocketID(s) != offer[1]&0x0f {
			continue
		}
		takes := 1 << (minExponent + int(offer[1]>>4))
		if takes < minRawSocket {
			return format{}, errLength
		}
		return newFormat(s, rawSocket, min(limit, takes)), nil
	}
	return format{}, errSerializer
}

// rawSocketID returns the number of a serializer in the handshake.
func rawSocketID(s wamp.Serializer) byte {
	switch s {
	case wamp.MsgPack:
		return 2
	case wamp.CBOR:
		return 3
	}
	return 1
}

// exponentOf returns the exponent of the largest power of two that is not
// above size, as far as a handshake can tell it.
func exponentOf(size int) int {
	return min(max(bits.Len(uint(size))-1, minExponent), maxExponent)
}
