package transport

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"

	"github.com/wampgate/wampgate/dealer/router"
)

// writeChunk is how much the writer goroutine writes at a time. After each,
// senders learn that there is room, and the peer has WriteTimeout anew.
const writeChunk = 64 << 10

// tlsChunk is writeChunk over TLS: one record, since a TLS connection is of no
// more use when a write to it has ended half way. A peer has WriteTimeout for
// each record, and one that takes less than that in it is cut off.
const tlsChunk = 16 << 10

// chunkOf returns how much is written to a connection at a time.
func chunkOf(conn net.Conn) int {
	if _, ok := conn.(*tls.Conn); ok {
		return tlsChunk
	}
	return writeChunk
}

// flushRounds is how many times one Flush writes what came up while it was
// writing, before it leaves the rest to the writer goroutine: who flushes has
// other peers to look after.
const flushRounds = 3

// Flush writes what is queued as far as the connection takes it at once, and
// leaves the rest to the writer goroutine. Where somebody is writing already,
// that one will write the rest too.
func (o *outbox) Flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sending {
		o.again = true
		return
	}
	for round := 0; !o.dead && !o.queue.empty(); round++ {
		o.sending, o.again = true, false
		if o.try == nil || round == flushRounds {
			o.handOver()
			return
		}
		o.next()
		if !o.tryRest() || len(o.failed) > 0 {
			o.handOver()
			return
		}
		o.sending = false
		if !o.again {
			return
		}
	}
}

// next takes the queue and turns it into bytes, without the lock: it is let
// go of meanwhile. The caller is the one that writes.
func (o *outbox) next() {
	q, f := o.queue, o.format
	o.queue = queue{}
	o.countPushed()
	if len(q.raw) == 0 && f.framing != batched {
		o.out = q.wire
		o.rest = q.wire.bytes
		return
	}
	o.mu.Unlock()
	var failed []undeliverable
	o.out, failed = q.encode(f, o.buffers)
	o.rest = o.out.bytes
	o.mu.Lock()
	o.failed = append(o.failed, failed...)
	if o.dead {
		return
	}
	if grown := len(o.rest) - q.size; grown > 0 {
		o.grow(grown)
	} else {
		o.shrink(-grown)
	}
}

// tryRest writes as much as possible of rest without waiting, and reports
// whether nothing is left of it. The lock is let go of meanwhile.
func (o *outbox) tryRest() bool {
	o.mu.Unlock()
	n, err := o.try.write(o.rest)
	o.mu.Lock()
	o.written(n)
	if err != nil {
		o.fail(err)
	}
	return len(o.rest) == 0
}

// written counts n bytes of rest as sent. o.mu is held.
func (o *outbox) written(n int) {
	o.rest = o.rest[n:]
	o.traffic.bytesOut.Add(uint64(n)) //nolint:gosec // of a write
	if len(o.rest) == 0 {
		o.buffers.put(o.out)
		o.out, o.rest = nil, nil
	}
	if !o.dead {
		o.shrink(n)
	}
}

// handOver makes the writer goroutine the one that writes. o.mu is held.
func (o *outbox) handOver() {
	if o.dead {
		return
	}
	o.handed = true
	if o.writer == nil {
		o.writer = make(chan struct{})
		go o.writeLoop()
	}
	o.wake.Signal()
}

// writeLoop is the writer goroutine. It ends when the outbox is stopped.
func (o *outbox) writeLoop() {
	defer close(o.writer)
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		for !o.handed && !o.dead {
			o.wake.Wait()
		}
		if o.dead {
			return
		}
		o.handed = false
		o.writeAll()
		o.sending = false
	}
}

// writeAll writes until nothing is queued. o.mu is held, and let go of while
// something takes time.
func (o *outbox) writeAll() {
	for !o.dead {
		switch {
		case len(o.failed) > 0:
			o.report()
		case len(o.rest) > 0:
			o.writeSome()
		case !o.queue.empty():
			o.next()
		default:
			_ = o.conn.SetWriteDeadline(time.Time{}) // for tryRest; a broken connection shows there
			return
		}
	}
}

// writeSome writes the next chunk of rest, and waits for the peer to take it.
// Taking only a part in WriteTimeout is slow, taking nothing is the end; over
// TLS a part of a record is nothing.
func (o *outbox) writeSome() {
	chunk := o.rest[:min(len(o.rest), o.chunk)]
	o.mu.Unlock()
	n, err := 0, o.conn.SetWriteDeadline(time.Now().Add(o.config.WriteTimeout))
	if err == nil {
		n, err = o.conn.Write(chunk)
	}
	o.mu.Lock()
	o.written(n)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if n > 0 {
			return
		}
		err = errWriteTimeout
	}
	if err != nil {
		o.fail(err)
	}
}

// fail ends an outbox whose peer cannot be written to. o.mu is held, and let
// go of while the reader is woken up.
func (o *outbox) fail(err error) {
	o.mu.Unlock()
	o.Close(err)
	o.mu.Lock()
	o.kill(err)
}

// report tells the sessions about messages that could not be sent. o.mu is
// held, and let go of meanwhile: the answers may come to this very outbox.
func (o *outbox) report() {
	failed := o.failed
	o.failed = nil
	o.mu.Unlock()
	defer o.mu.Lock()
	var b router.Batch
	for _, f := range failed {
		f.session.Undeliverable(&b, f.message, f.err)
	}
	b.Flush()
}
