//go:build unix

package transport

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// rawConn returns nil if conn has no file descriptor to work on, as TLS
// connections and pipes have not.
func rawConn(conn net.Conn) syscall.RawConn {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

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

// newTryWriter returns nil if conn cannot do it.
func newTryWriter(conn net.Conn) *tryWriter {
	raw := rawConn(conn)
	if raw == nil {
		return nil
	}
	w := &tryWriter{raw: raw}
	w.call = w.tryOn
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

// tryOn always says that it is done: the caller must not wait.
func (w *tryWriter) tryOn(fd uintptr) bool {
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

// A lazyReader reads from a connection into a buffer that it takes from a pool
// when there is something to read, so that a connection that waits holds none.
// It belongs to one goroutine.
type lazyReader struct {
	raw     syscall.RawConn
	call    func(fd uintptr) bool // made once, so that a read allocates nothing
	buffers *inputPool

	// Of the read going on.
	p   []byte // to read into; nil for a buffer from the pool
	in  *input
	n   int
	err error
}

// newLazyReader returns nil if conn cannot do it.
func newLazyReader(conn net.Conn, buffers *inputPool) *lazyReader {
	raw := rawConn(conn)
	if raw == nil {
		return nil
	}
	r := &lazyReader{raw: raw, buffers: buffers}
	r.call = r.tryOn
	return r
}

// read waits for input and reads it into p. If p is nil it returns a buffer
// that holds n bytes of input, to be given back to the pool. Without input
// there is an error, which is io.EOF at the end.
func (r *lazyReader) read(p []byte) (in *input, n int, err error) {
	r.p, r.n, r.err = p, 0, nil
	err = r.raw.Read(r.call)
	if err == nil {
		err = r.err
	}
	in, r.in, r.p = r.in, nil, nil
	return in, r.n, err
}

// tryOn reports whether there was something to read, or something wrong.
func (r *lazyReader) tryOn(fd uintptr) bool {
	p := r.p
	if p == nil {
		r.in = r.buffers.get()
		p = r.in[:]
	}
	n, err := readFd(int(fd), p)
	if n > 0 {
		r.n = n
		return true
	}
	if r.in != nil {
		r.buffers.put(r.in)
		r.in = nil
	}
	if r.err = err; err == nil {
		r.err = io.EOF
	}
	return !errors.Is(err, syscall.EAGAIN)
}

func readFd(fd int, p []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, p)
		if !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}
