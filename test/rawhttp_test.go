package test

import (
	"fmt"
	"strings"
	"testing"
)

// TestRawHTTP breaks HTTP itself. Whatever is answered, the connection must
// not go on as if the rest were another request.
func TestRawHTTP(t *testing.T) {
	t.Parallel()
	const post = "POST /call/test.counted HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\n"
	manyHeaders := strings.Builder{}
	for i := range 200 {
		fmt.Fprintf(&manyHeaders, "X-H%d: v\r\n", i)
	}
	tests := []struct {
		name, request string
		status        int
	}{
		{"bad chunk size", post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n[1]\r\n0\r\n\r\n", 400},
		{"chunk longer than it says", post + "Transfer-Encoding: chunked\r\n\r\n3\r\n[1]evil\r\n0\r\n\r\n", 400},
		{"no colon", post + "Nonsense\r\n\r\n", 400},
		{"two lengths", post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\n[1]", 400},
		{"negative length", post + "Content-Length: -3\r\n\r\n[1]", 400},
		{"unknown transfer coding", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
		{"no host", "POST /call/test.counted HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 400},
		{"future version", "POST /call/test.counted HTTP/7.3\r\nHost: HOST\r\n\r\n", 505},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
		{"200 headers", post + manyHeaders.String() + "Content-Length: 3\r\n\r\n[1]", 431},
		{"a header of 64 KiB", post + "X-Long: " + strings.Repeat("x", 64<<10) + "\r\nContent-Length: 3\r\n\r\n[1]", 431},
		{"a header of 1 MiB", post + "X-Long: " + strings.Repeat("x", 1<<20) + "\r\nContent-Length: 3\r\n\r\n[1]", 431},
	}
	ctx, g := within(t, 2*patience), start(t)
	counted := startCounter(ctx, t, g)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := g.connect(soon(t), t)
			go func() { _, _ = c.Write([]byte(c.named(test.request))) }() // the gateway may stop to read half-way
			if a := c.answer(t); a.status != test.status {
				t.Errorf("status %d with %.200q, want %d", a.status, a.body, test.status)
			}
			c.wantClosed(t)
			counted.wantNone(soon(t), t)
		})
	}
}

// TestNoDesync sends bodies that the gateway answers before it has read them,
// with a request hidden in the rest. It must never be served.
func TestNoDesync(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), start(t)
	hidden := "POST /call/test.counted HTTP/1.1\r\nHost: " + g.addr + "\r\nContent-Length: 0\r\n\r\n"
	chunk := fmt.Sprintf("%x\r\n%s\r\n", len(hidden), hidden)
	big := strings.Repeat(hidden, 2000)
	tests := []struct{ name, request string }{
		{"unknown option, chunked", "POST /call/test.counted?x=1 HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + hidden},
		{"unknown option, then a bad chunk", "POST /call/test.counted?x=1 HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + hidden},
		{"nobody there, then a bad chunk", "POST /call/test.none HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\nzz\r\n" + hidden},
		{"no such path", fmt.Sprintf("POST /none HTTP/1.1\r\nHost: HOST\r\nContent-Length: %d\r\n\r\n%s", 9<<20, big)},
		{"wrong method", fmt.Sprintf("PUT /call/test.counted HTTP/1.1\r\nHost: HOST\r\nContent-Length: %d\r\n\r\n%s", 9<<20, big)},
		{"too large", fmt.Sprintf("POST /call/test.counted HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", 20<<20, big)},
		{"upload that nobody takes", "POST /call/test.none?in=chunks HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + "zz\r\n" + hidden},
		{"upload that ends early", "POST /call/test.early?in=chunks HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + "zz\r\n" + hidden},
		{"length and chunked", "POST /call/test.counted?x=1 HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden},
	}
	counted := startCounter(ctx, t, g)
	early := join(ctx, t, g)
	early.register(ctx, t, 1, "test.early")
	go func() { // fails every call at its first chunk
		inv, _, err := early.after(ctx, 0, codeInvocation)
		if err == nil {
			_ = early.write(ctx, fmt.Sprintf(`[8,68,%d,{},"com.example.error.enough"]`, inv.id(0)))
		}
	}()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := g.connect(soon(t), t)
			go func() { _, _ = c.Write([]byte(c.named(test.request))) }()
			if a := c.answer(t); a.status < 400 || !a.close {
				t.Errorf("status %d (closes: %v) with %.200q, want an error that closes", a.status, a.close, a.body)
			}
			c.wantClosed(t)
			counted.wantNone(soon(t), t)
		})
	}
}
