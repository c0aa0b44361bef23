package wamptest

import (
	"context"
	"net"
	"sync"
)

// A Listener accepts connections that are made in memory.
type Listener struct {
	conns  chan net.Conn
	closed chan struct{}
	close  sync.Once
}

// NewListener returns a Listener.
func NewListener() *Listener {
	return &Listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// DialContext connects to the listener, wherever the address points to. It is
// what an http.Transport's DialContext is set to.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and DialContext with [net.ErrClosed].
func (l *Listener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return nil
}

// Addr returns the address of a pipe.
func (l *Listener) Addr() net.Addr {
	a, b := net.Pipe()
	defer a.Close() //nolint:errcheck // a pipe
	defer b.Close() //nolint:errcheck // a pipe
	return a.LocalAddr()
}
