package transport

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// setUserTimeout sets how long the kernel keeps a TCP connection whose peer
// acknowledges or takes nothing. It does nothing to what is no TCP connection.
func setUserTimeout(conn net.Conn, d time.Duration) error {
	if below, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = below.NetConn() // of a TLS connection
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return failed
}
