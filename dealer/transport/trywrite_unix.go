//go:build unix

package transport

import (
	"errors"
	"net"
	"syscall"
)

// A tryWriter writes to a connection without ever waiting. Only one goroutine
// at a time may use it, and none may write to the connection meanwhile.
type tryWriter struct {
	raw  syscall.RawConn
	call func(fd uintptr) bool // made once, so that a write allocates nothing

	// Of the write going on.
	b   []byte
	n   int
	err error
}

// newTryWriter returns nil if conn cannot do it, as TLS connections and pipes
// cannot.
func newTryWriter(conn net.Conn) *tryWriter {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	w := &tryWriter{raw: raw}
	w.call = w.writeTo
	return w
}

// write writes as much of b as the kernel has room for. It returns how much
// that was; having no room is not an error.
func (w *tryWriter) write(b []byte) (int, error) {
	w.b, w.n, w.err = b, 0, nil
	err := w.raw.Write(w.call)
	w.b = nil
	if err == nil {
		err = w.err
	}
	return w.n, err
}

// writeTo always says that it is done: the caller must not wait.
func (w *tryWriter) writeTo(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), w.b)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
		case err != nil:
			w.err = err
		default:
			w.n = n
		}
		return true
	}
}
