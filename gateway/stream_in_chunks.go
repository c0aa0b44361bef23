package gateway

import (
	"encoding/binary"
	"io"
	"sync"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// How bytes become chunks, unless the request says otherwise.
const (
	chunkSize  = 64 << 10
	chunkDelay = 20 * time.Millisecond // how long a chunk may wait to become full
)

// A chunker cuts a body into chunks of bytes. A chunk is given out when it is
// full, or a moment after its first byte came: how the client cuts the body
// makes no difference.
type chunker struct {
	size int
}

// newChunker returns the framer for bodies of bytes, or for multipart bodies
// whose parts are bytes.
func newChunker(q *request) framer {
	c := chunker{size: q.chunk}
	if c.size == 0 {
		c.size = chunkSize
	}
	if q.body.body == bodyMultipart {
		return partFramer{boundary: q.body.boundary, chunks: c}
	}
	return c
}

func (c chunker) read(body *uploadBody, emit func(wamp.Payload) error) error {
	return c.cut(body, body, emit)
}

// cut reads r, which may be a part of body, to its end.
func (c chunker) cut(body *uploadBody, r io.Reader, emit func(wamp.Payload) error) error {
	b := &chunkBuffer{emit: emit, buf: make([]byte, mpHeadSize+c.size), start: mpHeadSize, end: mpHeadSize}
	b.timer = time.AfterFunc(chunkDelay, b.expire)
	b.timer.Stop()
	for {
		n, err := r.Read(b.buf[b.free():])
		body.inFrame = false // whatever came leaves soon
		if err == io.EOF {   //nolint:errorlint // a wrapped io.EOF is not the end of the body
			return b.close(n)
		}
		if err == nil {
			err = b.add(n)
		}
		if err != nil {
			b.drop()
			return err
		}
	}
}

// A chunkBuffer holds one chunk while it grows. The goroutine that reads fills
// it; the chunk leaves on that goroutine or on the timer's.
//
// The head of a chunk's payload is written right before its bytes, over bytes
// that left already, so that nothing is copied.
type chunkBuffer struct {
	emit  func(wamp.Payload) error
	timer *time.Timer

	mu         sync.Mutex // guards the following fields; held while a chunk is given out
	buf        []byte     // a Read may write to what lies behind end
	start, end int        // of the chunk
	err        error      // what emit said
	closed     bool
}

// free makes room, and returns where the next bytes go. Only the goroutine
// that reads moves the chunk and its end.
func (b *chunkBuffer) free() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.start > mpHeadSize {
		b.end = mpHeadSize + copy(b.buf[mpHeadSize:], b.buf[b.start:b.end])
		b.start = mpHeadSize
	}
	return b.end
}

// add takes n more bytes into the chunk.
func (b *chunkBuffer) add(n int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	first := b.start == b.end && n > 0
	b.end += n
	switch {
	case b.end == len(b.buf):
		b.timer.Stop()
		b.give()
	case first:
		b.timer.Reset(chunkDelay)
	}
	return b.err
}

// expire gives out a chunk that did not become full in time.
func (b *chunkBuffer) expire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.give()
	}
}

// close gives out the last chunk, with n more bytes.
func (b *chunkBuffer) close(n int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end += n
	b.closed = true
	b.timer.Stop()
	b.give()
	return b.err
}

// drop forgets a chunk that nobody will get: a body that broke off is not
// delivered in part.
func (b *chunkBuffer) drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.timer.Stop()
}

// give hands the chunk over. The caller holds b.mu.
func (b *chunkBuffer) give() {
	if b.start == b.end || b.err != nil {
		return
	}
	head := b.buf[b.start-mpHeadSize : b.start]
	head[0], head[1] = mpList1, mpBytes32
	binary.BigEndian.PutUint32(head[2:], uint32(b.end-b.start)) //nolint:gosec // at most maxChunk
	b.err = b.emit(wamp.Payload{Serializer: wamp.MsgPack, Args: b.buf[b.start-mpHeadSize : b.end : b.end]})
	b.start = b.end
}
