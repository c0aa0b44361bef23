package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// The reasons for which this package closes an outbox.
var (
	errPingTimeout  = errors.New("the peer does not answer pings")
	errWriteTimeout = errors.New("the peer takes no bytes")
)

// An outbox is the way out of a connection, for data and control frames. It
// implements [router.Outbox].
//
// Frames are appended under its lock and written without. Whoever finds
// sending false and sets it is the only one that writes, until it has handed
// over to the writer goroutine or set sending to false again; so frames leave
// whole and in the order of their pushes.
type outbox struct {
	conn    net.Conn // below the frames
	try     *tryWriter
	chunk   int      // bytes of a write that waits
	format  format   // changed by the reader alone, with mu held and no session open
	traffic *traffic // changed with format
	all     *traffics
	config  *Config
	buffers *bufferPool

	open        context.Context    // ends with Close; bounds the waits of this connection's reader
	stopWaiting context.CancelFunc // ends open

	session   atomic.Pointer[router.Session] // whose messages these are; nil if none is open
	congested atomic.Bool                    // written with mu held

	mu      sync.Mutex // guards the following fields
	wake    sync.Cond  // signals handed and dead; L is &mu
	queue   queue
	size    int  // bytes pushed and not yet sent
	pushed  int  // messages, since they were counted last
	sending bool // somebody writes
	again   bool // Flush was called meanwhile
	waiters []waiter
	asked   receipt       // for last
	closing error         // why nothing is pushed any more
	dead    bool          // nothing is sent any more either
	handed  bool          // the writer goroutine is the one that writes
	writer  chan struct{} // nil before it is started, closed when it has ended

	// Belong to the one that writes.
	rest   []byte  // of out, still to be written
	out    *buffer // taken from queue
	failed []undeliverable
}

// A waiter waits for size to be no more than mark.
type waiter struct {
	mark    int
	reached chan struct{}
}

func newOutbox(conn net.Conn, f format, config *Config, buffers *bufferPool, all *traffics) *outbox {
	o := &outbox{conn: conn, try: newTryWriter(conn), chunk: chunkOf(conn), config: config, buffers: buffers, all: all}
	o.setFormat(f)
	o.open, o.stopWaiting = context.WithCancel(context.Background())
	o.wake.L = &o.mu
	return o
}

// Push appends m's frame to the queue; see [router.Outbox].
func (o *outbox) Push(m wamp.Message) error {
	payload := payloadOf(m)
	if payloadSize(payload) > o.format.limit {
		return o.format.tooLarge()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing != nil {
		return fmt.Errorf("%w: %w", router.ErrClosed, o.closing)
	}
	if o.size >= o.limit(m) {
		return fmt.Errorf("%w: %d bytes are waiting", router.ErrFull, o.size)
	}
	before := o.queue.size
	if payload != nil && payload.Serializer != o.format.serializer && !payload.Empty() {
		o.queue.pushRaw(o.session.Load(), m)
	} else if err := o.pushFrame(m); err != nil {
		return err
	}
	o.pushed++
	o.grow(o.queue.size - before)
	if r := receiptOf(m); r != (receipt{}) {
		o.asked = r
	}
	return nil
}

// setFormat changes the format of what is pushed from now on.
func (o *outbox) setFormat(f format) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.format, o.traffic = f, o.all.of(f.link())
}

func (o *outbox) pushFrame(m wamp.Message) error {
	b := o.room()
	before := len(b.bytes)
	var err error
	if b.bytes, err = o.format.append(b.bytes, m); err != nil {
		return err
	}
	o.queue.size += len(b.bytes) - before
	return nil
}

// room returns the buffer to append frames to.
func (o *outbox) room() *buffer {
	if o.queue.wire == nil {
		o.queue.wire = o.buffers.get()
	}
	return o.queue.wire
}

// limit returns how full the queue may be for m to be taken: messages that the
// dealer can put an ERROR in place of leave room for it.
func (o *outbox) limit(m wamp.Message) int {
	switch m := m.(type) {
	case *wamp.Invocation, *wamp.Result:
		return o.config.Queue
	case *wamp.Error:
		if m.Origin == wamp.OriginCallee {
			return o.config.Queue
		}
	}
	return o.config.Queue + o.config.Queue/4
}

// grow counts bytes pushed. o.mu is held.
func (o *outbox) grow(n int) {
	o.size += n
	if o.size > o.config.Queue/4 {
		o.congested.Store(true)
	}
}

// shrink counts bytes sent. o.mu is held.
func (o *outbox) shrink(n int) {
	o.size -= n
	if o.size <= o.lowMark() {
		o.congested.Store(false)
	}
	kept := o.waiters[:0]
	for _, w := range o.waiters {
		if o.size <= w.mark {
			close(w.reached)
			continue
		}
		kept = append(kept, w)
	}
	clear(o.waiters[len(kept):])
	o.waiters = kept
}

func (o *outbox) lowMark() int { return o.config.Queue / 8 }

// Congested reports whether more than a quarter of the queue is in use, or was
// and more than an eighth is.
func (o *outbox) Congested() bool { return o.congested.Load() }

// Drained waits until no more than an eighth of the queue is in use.
func (o *outbox) Drained(ctx context.Context) error { return o.atMost(ctx, o.lowMark()) }

// atMost waits until no more than mark bytes wait to be sent, or none ever
// will be. The error is ctx's.
func (o *outbox) atMost(ctx context.Context, mark int) error {
	o.mu.Lock()
	if o.dead || o.size <= mark {
		o.mu.Unlock()
		return nil
	}
	reached := make(chan struct{})
	o.waiters = append(o.waiters, waiter{mark, reached})
	o.mu.Unlock()
	select {
	case <-reached:
		return nil
	case <-ctx.Done():
		o.forget(reached)
		return ctx.Err()
	}
}

func (o *outbox) forget(reached chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, w := range o.waiters {
		if w.reached == reached {
			last := len(o.waiters) - 1
			o.waiters[i] = o.waiters[last]
			o.waiters[last] = waiter{}
			o.waiters = o.waiters[:last]
			return
		}
	}
}

// control appends a control frame and starts sending. A queue full of pongs
// is the peer's fault and ends the connection.
func (o *outbox) control(frame []byte) error {
	o.mu.Lock()
	if o.dead || o.size >= 2*o.config.Queue {
		o.mu.Unlock()
		return net.ErrClosed
	}
	b := o.room()
	b.bytes = append(b.bytes, frame...)
	o.queue.size += len(frame)
	o.grow(len(frame))
	o.mu.Unlock()
	o.Flush()
	return nil
}

// ping sends a frame that the peer answers.
func (o *outbox) ping() error {
	o.mu.Lock()
	frame := o.format.ping(o.asked)
	o.mu.Unlock()
	return o.control(frame)
}

// finish waits until everything has been sent, for CloseTimeout at most, and
// reports whether that was so.
func (o *outbox) finish() bool {
	ctx, cancel := context.WithTimeout(context.Background(), o.config.CloseTimeout)
	defer cancel()
	o.Flush()
	return o.atMost(ctx, 0) == nil
}

// abandon drops what has not been sent.
func (o *outbox) abandon() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kill(net.ErrClosed)
}

// Close lets the connection end, for the reason given: nothing is pushed any
// more, and the reader is woken up to do the rest. The first reason counts.
func (o *outbox) Close(reason error) {
	o.mu.Lock()
	first := o.closing == nil
	if first {
		o.closing = reason
	}
	o.mu.Unlock()
	if first {
		o.stopWaiting()
		_ = o.conn.SetReadDeadline(time.Unix(1, 0)) // fails only if there is nobody to wake
	}
}

// closed returns why the outbox was closed, nil if it was not.
func (o *outbox) closed() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closing
}

// Queued returns how many bytes wait to be sent.
func (o *outbox) Queued() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size
}

// busy reports whether something waits to be sent.
func (o *outbox) busy() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size > 0
}

// stop ends the outbox and waits for the writer goroutine. The connection has
// been closed.
func (o *outbox) stop() {
	o.abandon()
	o.mu.Lock()
	writer := o.writer
	o.mu.Unlock()
	if writer != nil {
		<-writer
	}
}

// kill drops what has not been sent. o.mu is held.
func (o *outbox) kill(reason error) {
	if o.closing == nil {
		o.closing = reason
	}
	o.dead = true
	o.stopWaiting()
	o.buffers.put(o.queue.wire)
	o.queue = queue{}
	o.shrink(o.size)
	o.wake.Broadcast()
}
