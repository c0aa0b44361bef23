package gateway

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// The pace that an upload must keep inside a frame, and up to the end of the
// first one: paceBytes in each paceTime spent waiting for the client. Between
// frames it may rest, as a conversation does.
const (
	paceTime  = 30 * time.Second
	paceBytes = 30 << 10
)

// errHeadTooLong is about the headers between the parts of a multipart body.
var errHeadTooLong = errors.New("the head of the part is too long")

// An uploadBody is the body of a request as framers read it. It counts, looks
// after the client's pace, and turns errors into problems. It belongs to the
// goroutine that reads.
type uploadBody struct {
	body  io.Reader
	bytes int64
	over  atomic.Bool // set by whoever ends the upload: reads fail with errOver

	// inFrame is set by the framer: a frame has begun and is not complete.
	inFrame bool
	// budget, if not 0, is how many bytes may be read until it is set again.
	budget int64

	timer  *time.Timer   // runs while a slow client is waited for
	waited time.Duration // of the current paceTime
	got    int64         // in that time
}

// newUploadBody returns a body that calls stop when the client is too slow.
func newUploadBody(body io.Reader, stop func(error)) *uploadBody {
	b := &uploadBody{body: body, inFrame: true}
	b.timer = time.AfterFunc(paceTime, func() { stop(tooSlow()) })
	b.timer.Stop()
	return b
}

// Read implements io.Reader. Its error is io.EOF at the true end of the body,
// errOver, or a problem.
func (b *uploadBody) Read(p []byte) (int, error) {
	if b.over.Load() {
		return 0, errOver
	}
	n, err := b.timed(p)
	b.bytes += int64(n)
	switch broken := err != nil && err != io.EOF; { //nolint:errorlint // a wrapped io.EOF is not the end of the body
	case broken && vanished(err):
		return n, errOver // the request's context says why
	case broken && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, errOver):
		return n, truncated(b.bytes, err)
	case broken || b.over.Load():
		return 0, errOver // only those who end the upload set deadlines
	case b.budget > 0:
		if b.budget -= int64(n); b.budget <= 0 {
			return n, errHeadTooLong
		}
	}
	return n, err
}

// vanished reports whether err is what HTTP/2 makes of a client that left:
// net/http ends the body with it, and right behind that the request's context.
func vanished(err error) bool {
	text := err.Error()
	return text == "client disconnected" || strings.HasPrefix(text, "stream error: ")
}

// timed reads, and stops the call if the client does not keep the pace. A
// client that was fast before may pause for longer.
func (b *uploadBody) timed(p []byte) (int, error) {
	if !b.inFrame {
		b.waited, b.got = 0, 0
		return b.body.Read(p)
	}
	limit := paceTime
	if b.got >= paceBytes {
		limit = 2 * paceTime
	}
	start := time.Now()
	b.timer.Reset(limit - b.waited)
	n, err := b.body.Read(p)
	b.timer.Stop()
	b.waited += time.Since(start)
	b.got += int64(n)
	if b.waited >= paceTime {
		b.waited, b.got = 0, 0 // had it been too slow, the timer would have fired
	}
	return n, err
}

// close ends the body's use.
func (b *uploadBody) close() { b.timer.Stop() }
