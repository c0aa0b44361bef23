package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// BenchmarkStream measures one progressive result, from the callee's session
// to a client on the loopback interface.
func BenchmarkStream(b *testing.B) {
	for _, query := range []string{"?stream=sse", "?stream=ndjson"} {
		b.Run(query, func(b *testing.B) {
			s := newSite(b, false)
			s.serve(b, "bench.count", func(c *callee, inv *wamp.Invocation) {
				payload := jsonPayload(`[12345]`, "")
				for range b.N {
					c.yieldPayload(inv.Request, true, payload)
				}
				c.yieldPayload(inv.Request, false, payload)
			})
			b.ReportAllocs()
			b.ResetTimer()
			resp := ask(b, s.client(b, false), s.url+"/call/bench.count"+query, "")
			n, err := io.Copy(io.Discard, resp.Body)
			if err != nil || n < int64(b.N) {
				b.Fatalf("read %d bytes, %v", n, err)
			}
		})
	}
}

// BenchmarkUpload measures an upload in chunks of 64 KiB.
func BenchmarkUpload(b *testing.B) {
	s := newSite(b, false)
	s.serve(b, "bench.sink", func(c *callee, inv *wamp.Invocation) {
		if !inv.Details.Progress {
			c.yield(inv.Request, false, "[1]")
		}
	})
	b.ReportAllocs()
	b.SetBytes(64 << 10)
	b.ResetTimer()
	resp := upload(b, s.client(b, false), s.url+"/call/bench.sink", "", io.LimitReader(nulls{}, int64(b.N)*64<<10))
	if body, err := text(b, resp); resp.StatusCode != http.StatusOK || !strings.HasPrefix(body, "1") || err != nil {
		b.Fatalf("answer %d %q, %v", resp.StatusCode, body, err)
	}
}

// nulls is an endless reader.
type nulls struct{}

func (nulls) Read(p []byte) (int, error) { return len(p), nil }
