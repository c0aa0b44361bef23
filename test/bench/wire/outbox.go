package wire

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
)

// An Outbox collects the frames that go out on a connection, so that many
// leave in one write. It may be used by several goroutines at once. It has no
// limit: whoever fills it bounds what is in flight.
type Outbox struct {
	conn net.Conn
	raw  syscall.RawConn

	mu      sync.Mutex // guards the following fields
	out     []byte
	writing bool // a goroutine writes what the kernel did not take at once
	closed  bool
	err     error

	work sync.WaitGroup
}

// NewOutbox returns an Outbox of a TCP connection.
func NewOutbox(conn net.Conn) (*Outbox, error) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("%T has no file descriptor", conn)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("get at the file descriptor: %w", err)
	}
	return &Outbox{conn: conn, raw: raw}, nil
}

// Append adds a message of two parts as one frame. It tells whether it is the
// first to wait: then the caller must see to it that Flush is called.
func (o *Outbox) Append(op byte, masked bool, head, tail []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	first := len(o.out) == 0 && !o.writing
	o.out = AppendHeader(o.out, op, len(head)+len(tail), masked)
	o.out = append(append(o.out, head...), tail...)
	return first
}

// Write adds bytes that are frames already, and flushes.
func (o *Outbox) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.out = append(o.out, p...)
	return len(p), o.flush()
}

// Flush gives the kernel what it takes at once. The rest is left to a
// goroutine, so Flush never waits for the peer.
func (o *Outbox) Flush() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.flush()
}

func (o *Outbox) flush() error {
	if o.writing || o.closed || o.err != nil || len(o.out) == 0 {
		return o.err
	}
	n, err := o.try(o.out)
	if err != nil {
		o.err = err
		return err
	}
	o.out = o.out[:copy(o.out, o.out[n:])]
	if len(o.out) > 0 {
		o.writing = true
		o.work.Go(o.drain)
	}
	return nil
}

// try writes without blocking.
func (o *Outbox) try(p []byte) (n int, err error) {
	var failed error
	err = o.raw.Write(func(fd uintptr) bool {
		n, failed = syscall.Write(int(fd), p)
		return true
	})
	if errors.Is(failed, syscall.EAGAIN) || errors.Is(failed, syscall.EINTR) {
		return 0, err
	}
	return max(n, 0), errors.Join(err, failed)
}

// drain writes until nothing waits.
func (o *Outbox) drain() {
	o.mu.Lock()
	defer o.mu.Unlock()
	var spare []byte
	for len(o.out) > 0 && o.err == nil {
		out := o.out
		o.out = spare[:0]
		o.mu.Unlock()
		_, err := o.conn.Write(out)
		o.mu.Lock()
		o.err = err
		spare = out
	}
	o.writing = false
}

// Close closes the connection and waits for the goroutine that may write. What
// waits is lost.
func (o *Outbox) Close() error {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	err := o.conn.Close()
	o.work.Wait()
	return err
}
