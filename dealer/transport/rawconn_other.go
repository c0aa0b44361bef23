//go:build !unix

package transport

import "net"

// A tryWriter does not exist on this system: the writer goroutines do all the
// writing.
type tryWriter struct{}

func newTryWriter(net.Conn) *tryWriter { return nil }

func (*tryWriter) write([]byte) (int, error) { return 0, nil }

// A lazyReader does not exist on this system: a connection that waits holds a
// buffer.
type lazyReader struct{}

func newLazyReader(net.Conn, *inputPool) *lazyReader { return nil }

func (*lazyReader) read([]byte) (*input, int, error) { return nil, 0, nil }
