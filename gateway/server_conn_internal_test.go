//go:build linux

package gateway

import (
	"net/http"
	"testing"

	"golang.org/x/sys/unix"
)

// TestVanishedClientsAreNoticed: the options are on the accepted connection.
// A multipath TCP one would have refused the user timeout.
func TestVanishedClientsAreNoticed(t *testing.T) {
	t.Parallel()
	got := make(chan [4]int, 1)
	s := startServer(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var options [4]int
		c, _ := r.Context().Value(clientConnKey{}).(*clientConn)
		_ = c.socket.Control(func(fd uintptr) {
			for i, option := range []int{unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL, unix.TCP_KEEPCNT, unix.TCP_USER_TIMEOUT} {
				options[i], _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option)
			}
		})
		got <- options
	}))
	fetch(t, http1(t), "http://"+s.addr)
	if options, want := <-got, [4]int{15, 5, 3, 30_000}; options != want {
		t.Errorf("keep-alive idle, interval, count, user timeout = %v, want %v", options, want)
	}
}
