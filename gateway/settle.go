package gateway

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// How much of an unread request body is swallowed after the answer was sent:
// what the client has on the way, so that a reset does not eat the answer.
const (
	lingerTime  = 250 * time.Millisecond
	lingerBytes = 8 << 20
)

// settle makes early and interleaved answers safe: whatever next does with the
// request body, no byte of it is ever taken for the next request, and an answer
// given before the body was read arrives. It must be the outermost middleware.
//
// On HTTP/1.1 it turns full duplex on, which makes net/http leave the body
// alone, and does by itself what net/http would have done: it announces the
// end of the connection in every answer whose headers leave before the body
// ended, and it lingers. A body has ended when a Read returned io.EOF; any
// other error leaves bytes on the wire. A handler that panics skips all this,
// since net/http then cuts the connection.
//
// A handler that reads the body in another goroutine waits for that goroutine
// before it returns.
func settle(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		// Not every ResponseWriter knows full duplex; those that don't know it
		// (HTTP/2, tests) are full duplex or never read ahead.
		_ = http.NewResponseController(w).EnableFullDuplex()
		x := &exchange{
			ResponseWriter: w,
			body:           eofBody{ReadCloser: r.Body},
			http1:          r.ProtoMajor == 1,
		}
		r.Body = &x.body
		defer x.cut()
		next.ServeHTTP(x, r)
		x.returned = true
		x.finish()
	})
}

// An exchange is the writer of one answer that knows how far the body of its
// request was read.
type exchange struct {
	http.ResponseWriter
	body  eofBody
	http1 bool

	// Owned by the handler's goroutine.
	wrote    bool // a final status left
	returned bool // the handler did not panic
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// WriteHeader announces the end of the connection if bytes of the body may
// still be on the wire.
func (x *exchange) WriteHeader(code int) {
	if code >= http.StatusOK && !x.wrote {
		x.wrote = true
		if x.http1 && !x.body.eof.Load() {
			x.Header().Set("Connection", "close")
		}
	}
	x.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (x *exchange) Write(p []byte) (int, error) {
	if !x.wrote {
		x.WriteHeader(http.StatusOK)
	}
	return x.ResponseWriter.Write(p)
}

// FlushError is what http.ResponseController calls.
func (x *exchange) FlushError() error {
	if !x.wrote {
		x.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(x.ResponseWriter).Flush()
}

// Flush implements http.Flusher; whoever wants the error asks FlushError.
func (x *exchange) Flush() { _ = x.FlushError() }

// finish leaves nothing of the body behind. Errors end the connection, which
// is all that could be done about them.
func (x *exchange) finish() {
	if x.body.eof.Load() {
		return
	}
	rc := http.NewResponseController(x.ResponseWriter)
	if !x.wrote {
		x.WriteHeader(http.StatusOK)
	}
	_ = rc.Flush() // the answer leaves first
	_ = rc.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.CopyN(io.Discard, &x.body, lingerBytes)
	_ = x.body.ReadCloser.Close() // or net/http finds a body that was not done with
	if x.http1 {
		closePolitely(x.ResponseWriter)
	}
}

// closePolitely makes net/http end the connection of w without a reset that
// could overtake the end of the answer: it closes its sending side and waits
// for a moment. That is what it does when a body exceeds the limit set by
// http.MaxBytesReader, so one does.
func closePolitely(w http.ResponseWriter) {
	_, _ = http.MaxBytesReader(w, io.NopCloser(strings.NewReader("x")), 0).Read(make([]byte, 1))
}

// cut lets net/http end the connection at once after a panic: it would first
// wait for the client to send more of the body.
func (x *exchange) cut() {
	if x.returned || x.body.eof.Load() {
		return
	}
	_ = http.NewResponseController(x.ResponseWriter).SetReadDeadline(time.Unix(1, 0))
}

// An eofBody is a request body that remembers whether it was read to its end.
type eofBody struct {
	io.ReadCloser
	eof atomic.Bool // io.EOF seen, and only then: nothing is left on the wire
}

// Close implements io.Closer. The body is closed by settle: net/http would have
// Close wait for the client, before the answer.
func (*eofBody) Close() error { return nil }

// Read implements io.Reader.
func (b *eofBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.eof.Store(true)
	}
	return n, err
}
