package gateway

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

// How soon a client that vanished without a word is given up: idle connections
// after 15 + 3*5 s, those with unacknowledged data after userTimeout.
const (
	keepAliveIdle     = 15 * time.Second
	keepAliveInterval = 5 * time.Second
	keepAliveCount    = 3
	userTimeout       = 30 * time.Second
)

// clientConnKey is the context key of the *clientConn below a request.
type clientConnKey struct{}

// A clientConn is what a request knows of its connection.
type clientConn struct {
	socket  syscall.RawConn // nil if there is no file descriptor below
	watcher *watcher
}

// connContext prepares an accepted connection and hands it to its requests.
func (s *Server) connContext(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn() // below TLS
	}
	cc := &clientConn{watcher: &s.watcher}
	if sc, ok := c.(syscall.Conn); ok {
		if socket, err := sc.SyscallConn(); err == nil {
			cc.socket = socket
		}
	}
	if err := noticeVanished(c, cc.socket); err != nil {
		s.warnOnce.Do(func() {
			s.cfg.Log.Warn("vanished clients will be noticed late", "err", err)
		})
	}
	return context.WithValue(ctx, clientConnKey{}, cc)
}

// noticeVanished sets the TCP options that end a connection whose peer does
// not acknowledge. The user timeout is set on each connection: a multipath
// listener would not take it.
func noticeVanished(c net.Conn, socket syscall.RawConn) error {
	tcp, ok := c.(*net.TCPConn)
	if !ok || socket == nil {
		return nil
	}
	keep := tcp.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable:   true,
		Idle:     keepAliveIdle,
		Interval: keepAliveInterval,
		Count:    keepAliveCount,
	})
	var user error
	control := socket.Control(func(fd uintptr) { user = setUserTimeout(fd, userTimeout) })
	return errors.Join(keep, control, user)
}
