package transport

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/wampgate/wampgate/dealer/router"
)

// The defaults of a Config.
const (
	DefaultMaxFrame     = 1 << 20
	DefaultMaxFrameOut  = 4 << 20
	DefaultQueue        = 4 << 20
	DefaultHelloTimeout = 10 * time.Second
	DefaultPingInterval = 30 * time.Second
	DefaultPingTimeout  = 20 * time.Second
	DefaultWriteTimeout = 60 * time.Second
	DefaultCloseTimeout = 5 * time.Second
	DefaultMaxConns     = 100_000
)

// A Config sets up a Handler. Zero stands for the default.
type Config struct {
	Router *router.Router // required
	Log    *slog.Logger   // default: nothing is logged

	// ClientIP returns the address that a WebSocket comes from, where that is
	// not the connection's other end but behind a proxy; default: it is.
	ClientIP func(*http.Request) netip.Addr

	// OriginPatterns are the hosts, besides the one that is asked, whose pages
	// may connect: path.Match patterns for "host" or "scheme://host". Others
	// get status 403. Requests without an Origin do not come from a page.
	OriginPatterns []string

	// MaxFrame bounds the bytes of a message from a peer, or of a batch; a larger
	// one closes the connection (with status 1009). Default 1 MiB.
	MaxFrame int

	// MaxFrameOut bounds the bytes of a message to a peer, and of a batch; what a
	// RawSocket peer says that it takes may bound them closer. A call that needs
	// a larger message ends with wamp.error.payload_size_exceeded. Default 4 MiB.
	MaxFrameOut int

	// Queue bounds the bytes that wait for a peer to take them. From a quarter
	// on the peer is congested and its senders pause, until no more than an
	// eighth is left. A full queue refuses calls and the answers of callees; a
	// quarter more is left for the errors that take their place, and whatever
	// else ends the session if it is lost. Default 4 MiB.
	Queue int

	// HelloTimeout is how long a connection may be without a session, and so
	// how long authentication may take. Default 10 s.
	HelloTimeout time.Duration

	// PingInterval is the time between pings, and PingTimeout how long after
	// one the peer may be silent before it is given up. Default 30 s and 20 s.
	PingInterval, PingTimeout time.Duration

	// WriteTimeout is how long a peer may take no bytes while there are some
	// for it. Default 60 s.
	WriteTimeout time.Duration

	// CloseTimeout bounds the time to send what is left and for the closing
	// handshake, each. Default 5 s.
	CloseTimeout time.Duration

	// MaxConns bounds the connections open at once; more get status 503, or the
	// error that RawSocket has for that. Default 100,000.
	MaxConns int
}

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	setDefault(&c.MaxFrame, DefaultMaxFrame)
	setDefault(&c.MaxFrameOut, DefaultMaxFrameOut)
	setDefault(&c.Queue, DefaultQueue)
	setDefault(&c.HelloTimeout, DefaultHelloTimeout)
	setDefault(&c.PingInterval, DefaultPingInterval)
	setDefault(&c.PingTimeout, DefaultPingTimeout)
	setDefault(&c.WriteTimeout, DefaultWriteTimeout)
	setDefault(&c.CloseTimeout, DefaultCloseTimeout)
	setDefault(&c.MaxConns, DefaultMaxConns)
	return c
}

// setDefault sets v if it was left at zero.
func setDefault[T int | time.Duration](v *T, value T) {
	if *v <= 0 {
		*v = value
	}
}
