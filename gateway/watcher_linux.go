package gateway

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// tcpEstablished asks the kernel for the connection's state, which is the
// first byte of TCP_INFO; the rest is not fetched.
func tcpEstablished(fd uintptr) bool {
	const stateEstablished = 1 // TCP_ESTABLISHED of linux/tcp_states.h
	head, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return true // not TCP
	}
	var info [4]byte
	binary.NativeEndian.PutUint32(info[:], uint32(head)) //nolint:gosec // four bytes, as the kernel wrote them
	return info[0] == stateEstablished
}

// setUserTimeout limits how long sent data may stay unacknowledged.
func setUserTimeout(fd uintptr, d time.Duration) error {
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
}
