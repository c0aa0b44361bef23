package gateway_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// A sink is a ResponseWriter that costs nothing.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header               { return s.header }
func (s *sink) WriteHeader(code int)              { s.status = code }
func (s *sink) Write(b []byte) (int, error)       { return len(b), nil }
func (s *sink) EnableFullDuplex() error           { return nil }
func (s *sink) SetReadDeadline(_ time.Time) error { return nil }

// A body is a request body that can be sent again.
type body struct {
	bytes.Reader
}

func (*body) Close() error { return nil }

// BenchmarkCall measures one POST /call/{uri} to a callee that echoes, without
// net/http's part. The fake realm makes two of the allocations.
func BenchmarkCall(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 64 << 10} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
			benchmarkCall(b, r, `["`+strings.Repeat("x", size)+`"]`)
		})
	}
}

// BenchmarkCallLogged is BenchmarkCall with an access log.
func BenchmarkCallLogged(b *testing.B) {
	r := &realm{procedures: map[wamp.URI]procedure{"test.echo": echo}}
	benchmarkCall(b, r, `["0123456789abcdef"]`, func(cfg *gateway.Config) {
		cfg.AccessLog = slog.New(slog.NewTextHandler(io.Discard, nil))
	})
}

func benchmarkCall(b *testing.B, r *realm, text string, change ...func(*gateway.Config)) {
	b.Helper()
	call, w := repeatedCall(b, r, text, append(change, nil)[0])
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		call()
	}
	if w.status != http.StatusOK {
		b.Errorf("status %d", w.status)
	}
}

// repeatedCall returns a function that makes one POST to test.echo, and the
// writer of its answer.
func repeatedCall(tb testing.TB, r *realm, text string, change func(*gateway.Config), edit ...func(*http.Request)) (call func(), w *sink) {
	tb.Helper()
	g := newGateway(tb, r, change)
	req := newRequest(http.MethodPost, "/call/test.echo")
	req.Header["Content-Type"] = []string{jsonType}
	req.Header["Accept"] = []string{"*/*"}
	req.ContentLength = int64(len(text))
	for _, e := range edit {
		e(req)
	}
	w = &sink{header: make(http.Header)}
	data := &body{}
	return func() {
		data.Reset([]byte(text))
		req.Body = data
		clear(w.header)
		g.ServeHTTP(w, req)
		r.calls = r.calls[:0]
	}, w
}
