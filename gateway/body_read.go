package gateway

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// headroom is what a buffer keeps free before the body: enough for the head of
// a MessagePack list with one long string, so that raw bodies become arguments
// without being copied.
const headroom = 6

// A buffer holds the body of a request.
type buffer struct {
	b     []byte    // the first headroom bytes are not the body's
	paced pacedBody // where it is read from
	limit int64     // bytes of the body, decompressed
}

// The MessagePack types of strings with a length of 32 bits.
const (
	mpBytes  = 0xc6
	mpString = 0xdb
)

// body returns what was read.
func (b *buffer) body() []byte { return b.b[headroom:] }

// single returns the body as the only positional argument, of the given
// MessagePack type.
func (b *buffer) single(kind byte) wamp.Payload {
	const listOfOne = 0x91
	b.b[0], b.b[1] = listOfOne, kind
	binary.BigEndian.PutUint32(b.b[2:headroom], uint32(len(b.body()))) //nolint:gosec // bodies are limited to less
	return wamp.Payload{Serializer: wamp.MsgPack, Args: b.b}
}

// newBuffer takes an empty buffer from the pool, or makes one.
func (g *Gateway) newBuffer() *buffer {
	b, ok := g.buffers.Get().(*buffer)
	if !ok {
		b = &buffer{b: make([]byte, 0, 1024)}
	}
	b.b, b.limit = b.b[:headroom], g.cfg.MaxBody
	return b
}

// freeBuffer puts a buffer back.
func (g *Gateway) freeBuffer(b *buffer) {
	b.paced = pacedBody{}
	if cap(b.b) <= keptBytes {
		g.buffers.Put(b)
	}
}

// readBody reads the body of r to its end, which is also what makes net/http
// notice from then on that the client leaves. The error is a problem, or the
// cause for which the context of r ended.
func (g *Gateway) readBody(w http.ResponseWriter, r *http.Request, b *buffer) error {
	compressed, err := encoded(r)
	if err != nil {
		return err
	}
	if r.ContentLength > b.limit {
		return tooLarge(b.limit)
	}
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	if n := r.ContentLength; n > 0 && !compressed {
		b.grow(int(n) + 1) // with one byte more, the read that fills it also sees the end
	}
	b.paced = pacedBody{body: r.Body, w: w, started: time.Now()}
	if compressed {
		err = b.inflate(&b.paced)
	} else {
		err = b.readAll(&b.paced)
	}
	if err != nil {
		return b.paced.broken(r, err)
	}
	b.paced.arrived()
	return nil
}

// readAll appends all of from, up to the limit.
func (b *buffer) readAll(from io.Reader) error {
	for {
		if len(b.b) == cap(b.b) {
			b.grow(len(b.b))
		}
		n, err := from.Read(b.b[len(b.b):cap(b.b)])
		b.b = b.b[:len(b.b)+n]
		switch {
		case int64(len(b.body())) > b.limit:
			return tooLarge(b.limit)
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// maxRatio is how many times as large as its compressed form a body may be.
// A body below freeRatio bytes may be anything.
const (
	maxRatio  = 100
	freeRatio = 64 << 10
)

// inflate appends what the gzip stream from holds.
func (b *buffer) inflate(from io.Reader) error {
	counted := &countedReader{from: io.LimitReader(from, b.limit+1)}
	z, err := gzip.NewReader(counted)
	if err != nil {
		return err
	}
	for {
		if len(b.b) == cap(b.b) {
			b.grow(len(b.b))
		}
		n, err := z.Read(b.b[len(b.b):cap(b.b)])
		b.b = b.b[:len(b.b)+n]
		size := int64(len(b.body()))
		switch {
		case size > b.limit || counted.n > b.limit:
			return tooLarge(b.limit)
		case size > freeRatio && size > maxRatio*counted.n:
			return problem.New(http.StatusRequestEntityTooLarge, wamp.ErrPayloadSizeExceeded,
				fmt.Sprintf("the body is more than %d times as large as its compressed form; send it uncompressed", maxRatio))
		case err == io.EOF: //nolint:errorlint // only the value itself is the end
			return nil
		case err != nil:
			return err
		}
	}
}

// encoded reports whether the body of r is compressed. The error is a problem:
// 415 for encodings other than gzip.
func encoded(r *http.Request) (bool, error) {
	switch strings.ToLower(strings.Join(r.Header["Content-Encoding"], ",")) {
	case "", "identity":
		return false, nil
	case "gzip", "x-gzip":
		return true, nil
	}
	return false, badEncoding(false)
}

// badEncoding is the problem of a body that came in a Content-Encoding which
// is not understood there.
func badEncoding(stream bool) *problem.Problem {
	if stream {
		return badMediaType("a body that streams must not be compressed").With("Accept-Encoding", "identity")
	}
	return badMediaType("the Content-Encoding is not understood; send the body as it is, or in gzip").
		With("Accept-Encoding", "gzip, identity")
}

// grow makes room for n more bytes.
func (b *buffer) grow(n int) {
	if cap(b.b)-len(b.b) >= n {
		return
	}
	larger := make([]byte, len(b.b), len(b.b)+n)
	copy(larger, b.b)
	b.b = larger
}

// tooLarge is the problem of a body over the limit.
func tooLarge(limit int64) *problem.Problem {
	return problem.New(http.StatusRequestEntityTooLarge, wamp.ErrPayloadSizeExceeded,
		fmt.Sprintf("the body is larger than %s, the limit for a single call; stream it: curl -X POST -T - …, or ?in=chunks", sizeText(limit)))
}

// sizeText writes a limit in the unit that people set it in.
func sizeText(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return strconv.FormatInt(n>>20, 10) + " MiB"
	case n >= 1<<10 && n%(1<<10) == 0:
		return strconv.FormatInt(n>>10, 10) + " KiB"
	}
	return strconv.FormatInt(n, 10) + " bytes"
}

// The pace that a body has to keep: slowestBody bytes a second, after
// slowBody for a start.
const (
	slowBody    = 30 * time.Second
	slowestBody = 1 << 10
)

// A pacedBody is a request body that has to come within a time.
type pacedBody struct {
	body    io.Reader
	w       http.ResponseWriter // knows the connection
	started time.Time
	n       int64
	err     error // of the last read
}

// Read implements io.Reader.
func (p *pacedBody) Read(b []byte) (int, error) {
	// Not all writers know deadlines; those of tests don't.
	_ = http.NewResponseController(p.w).SetReadDeadline(p.started.Add(slowBody + time.Duration(p.n/slowestBody)*time.Second))
	n, err := p.body.Read(b)
	p.n += int64(n)
	p.err = err
	return n, err
}

// broken tells a client that left from one that is slow and from one that
// sends nonsense. err is what came of reading the body of r, after decoding.
func (p *pacedBody) broken(r *http.Request, err error) error {
	if refused, ok := errors.AsType[*problem.Problem](err); ok {
		return refused
	}
	switch {
	case errors.Is(p.err, os.ErrDeadlineExceeded): // which ends the context, too
		return problem.New(http.StatusRequestTimeout, uriBadRequest,
			fmt.Sprintf("the body came too slowly: less than %d bytes a second", slowestBody))
	case r.Context().Err() != nil:
		return causeOf(r.Context())
	case p.err == nil || p.err == io.EOF: //nolint:errorlint // only the value itself is the end
		return badBody("the body is not valid gzip").Because(err) // all of it came
	case errors.Is(p.err, io.ErrUnexpectedEOF):
		return errClientGone // it hung up in the middle of its body
	}
	return problem.New(http.StatusBadRequest, uriBadRequest, "the body could not be read").Because(err)
}

// arrived lifts the deadline, or the connection would end with it.
func (p *pacedBody) arrived() { _ = http.NewResponseController(p.w).SetReadDeadline(time.Time{}) }

// A countedReader counts.
type countedReader struct {
	from io.Reader
	n    int64
}

// Read implements io.Reader.
func (c *countedReader) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	c.n += int64(n)
	return n, err
}
