package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// later makes a callee answer after a time.
func later(d time.Duration, answer func(*callee, *wamp.Invocation)) func(*callee, *wamp.Invocation) {
	return func(c *callee, inv *wamp.Invocation) {
		<-time.After(d)
		answer(c, inv)
	}
}

// TestStreamCommits: the status waits for the callee's first word, but not for
// longer than a second.
func TestStreamCommits(t *testing.T) {
	t.Parallel()
	fail := func(c *callee, inv *wamp.Invocation) { c.fail(inv.Request, "com.example.gone") }
	done := func(c *callee, inv *wamp.Invocation) { c.yield(inv.Request, false, `[1]`) }
	tests := []struct {
		name   string
		after  time.Duration
		answer func(*callee, *wamp.Invocation)
		status int
		header time.Duration // when it arrives
		end    string
	}{
		{"result at once", 0, done, http.StatusOK, 0, `"args":[1]}` + "\n"},
		{"error just in time", 999 * time.Millisecond, fail, http.StatusGone, 999 * time.Millisecond, `"retry":"no"}` + "\n"},
		{"error too late", 1001 * time.Millisecond, fail, http.StatusOK, time.Second, `"retry":"no"}` + "\n"},
		{"result later", 10 * time.Second, done, http.StatusOK, time.Second, `"args":[1]}` + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, true)
				s.serve(t, "test.late", later(tt.after, tt.answer))
				start := time.Now()
				resp := ask(t, s.client(t, false), s.url+"/call/test.late?stream=ndjson", "")
				if got := time.Since(start); got != tt.header || resp.StatusCode != tt.status {
					t.Errorf("status %d after %v, want %d after %v", resp.StatusCode, got, tt.status, tt.header)
				}
				body, err := text(t, resp)
				if took := time.Since(start); !strings.HasSuffix(body, tt.end) || err != nil || took != tt.after {
					t.Errorf("body %q, %v after %v, want …%q after %v", body, err, took, tt.end, tt.after)
				}
			})
		})
	}
}

// TestStreamBeats: after 15 s of silence, and 15 s more, the client hears that
// the stream lives; in words that its form allows.
func TestStreamBeats(t *testing.T) {
	t.Parallel()
	tests := []struct{ query, beat string }{
		{"?stream=sse", ": hb\n\n"},
		{"?stream=ndjson", `{"event":"ping"}` + "\n"},
		{"?stream=ndjson&body=value", "\n"},
		{"?stream=array", "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, true)
				s.serve(t, "test.late", func(c *callee, inv *wamp.Invocation) {
					c.yield(inv.Request, true, `[1]`)
					<-time.After(40 * time.Second)
					c.yield(inv.Request, false, `[2]`)
				})
				resp := ask(t, s.client(t, false), s.url+"/call/test.late"+tt.query, "")
				start := time.Now()
				var got []string
				buf := make([]byte, 4096)
				for {
					n, err := resp.Body.Read(buf)
					if n > 0 && time.Since(start) > 0 {
						got = append(got, fmt.Sprint(time.Since(start), " ", string(buf[:n])))
					}
					if err == io.EOF {
						break
					} else if err != nil {
						t.Fatal(err)
					}
				}
				if len(got) < 3 || got[0] != "15s "+tt.beat || got[1] != "30s "+tt.beat || !strings.HasPrefix(got[2], "40s ") {
					t.Errorf("got %q, want %q after 15s and 30s, and the result after 40s", got, tt.beat)
				}
			})
		})
	}
}

// TestStreamTimeout: the dealer's timeout ends a stream in band, and counts
// from the last progress.
func TestStreamTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, true)
		c := s.serve(t, "test.late", func(c *callee, inv *wamp.Invocation) {
			c.yield(inv.Request, true, `[1]`)
			<-time.After(3 * time.Second)
			c.yield(inv.Request, true, `[2]`)
		})
		start := time.Now()
		resp := ask(t, s.client(t, false), s.url+"/call/test.late?stream=ndjson&timeout=4s", "")
		body, err := text(t, resp)
		if took := time.Since(start); err != nil || took != 7*time.Second {
			t.Errorf("the stream ended after %v, %v, want 7s", took, err)
		}
		if !strings.Contains(body, `"id":"c_x/3"`) || !strings.Contains(body, `"status":504`) || !strings.Contains(body, `"error":"wamp.error.timeout"`) {
			t.Errorf("body = %q, want an error event with 504 wamp.error.timeout", body)
		}
		c.want(t, "interrupt killnowait")
	})
}

// TestStreamShutdown: what a shutdown leaves of a stream is an error event,
// and a callee that was told to stop.
func TestStreamShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, true)
		c := s.serve(t, "test.long", func(c *callee, inv *wamp.Invocation) { c.yield(inv.Request, true, `[1]`) })
		resp := ask(t, s.client(t, false), s.url+"/call/test.long?stream=sse", "")
		r := bufio.NewReader(resp.Body)
		for line := ""; line != "data: {\"args\":[1]}\n"; {
			var err error
			if line, err = r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			s.stop(t)
		}()
		rest, err := io.ReadAll(r)
		<-stopped
		if !strings.Contains(string(rest), "event: error\n") || !strings.Contains(string(rest), `"status":503`) ||
			!strings.Contains(string(rest), "wamp.close.system_shutdown") || err != nil {
			t.Errorf("the stream ended with %q, %v, want an error event with 503 and a clean end", rest, err)
		}
		c.want(t, "interrupt kill")
	})
}

// TestStalledClient: a client that takes nothing for 30 s is given up, even if
// the callee says little.
func TestStalledClient(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP2=%t", http2), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, true)
				c := s.serve(t, "test.big", func(c *callee, inv *wamp.Invocation) {
					c.yield(inv.Request, true, `["`+strings.Repeat("x", 6<<20)+`"]`)
				})
				start := time.Now()
				resp := ask(t, s.client(t, http2), s.url+"/call/test.big?stream=sse", "")
				if got := <-c.events; got != "interrupt kill" || time.Since(start) != 30*time.Second {
					t.Errorf("the callee got %q after %v, want %q after 30s", got, time.Since(start), "interrupt kill")
				}
				if _, err := io.ReadAll(resp.Body); err == nil {
					t.Error("the answer ended as if it were complete")
				}
			})
		})
	}
}

// TestConnectionAfterStream: nothing of a stream's deadlines is left to the
// next request on its connection.
func TestConnectionAfterStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, true)
		s.serve(t, "test.count", counts)
		s.serve(t, "test.late", later(50*time.Second, func(c *callee, inv *wamp.Invocation) { c.yield(inv.Request, false, `[1]`) }))
		client := s.client(t, false)
		for _, path := range []string{"test.count?stream=ndjson", "test.late?timeout=2m", "test.count?stream=sse"} {
			var reused bool
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }})
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/call/"+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := text(t, resp); err != nil || resp.StatusCode != http.StatusOK || reused != (path != "test.count?stream=ndjson") {
				t.Errorf("%s: status %d, %v, on a used connection %t", path, resp.StatusCode, err, reused)
			}
			_ = resp.Body.Close()
		}
	})
}

// TestStreamLosesItsSession: when the gateway's session ends, a stream is told
// so at once; there is nobody left whose answer could be waited for.
func TestStreamLosesItsSession(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"?stream=ndjson", "?stream=ndjson&in=lines"} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, true)
				s.serve(t, "test.long", func(c *callee, inv *wamp.Invocation) { c.yield(inv.Request, true, `[1]`) })
				r, w := io.Pipe()
				go func() {
					_, _ = io.WriteString(w, "a\n")
					if query == "?stream=ndjson" {
						_ = w.Close()
					}
				}()
				resp := upload(t, s.client(t, false), s.url+"/call/test.long"+query, "application/octet-stream", r)
				lines := bufio.NewReader(resp.Body)
				if line, err := lines.ReadString('\n'); err != nil {
					t.Fatalf("%q, %v", line, err)
				}
				start := time.Now()
				s.gateway.Close()
				rest, err := io.ReadAll(lines)
				if !strings.Contains(string(rest), `"event":"error"`) || !strings.Contains(string(rest), `"status":503`) || err != nil {
					t.Errorf("the stream ended with %q, %v, want an error event with 503", rest, err)
				}
				if took := time.Since(start); took > time.Second {
					t.Errorf("the stream ended after %v, want it at once", took)
				}
				_ = r.Close()
			})
		})
	}
}
