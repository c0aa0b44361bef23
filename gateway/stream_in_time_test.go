package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestChunkDelay: a chunk waits for more bytes, but not for long.
func TestChunkDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, true)
		start := time.Now()
		c := s.serve(t, "test.upload", func(c *callee, inv *wamp.Invocation) {
			args, _ := inv.Payload.Transcode(wamp.JSON)
			c.events <- fmt.Sprint(time.Since(start), " ", string(args.Args))
			if !inv.Details.Progress {
				c.yield(inv.Request, false, "")
			}
		})
		r, w := io.Pipe()
		go func() {
			for _, piece := range []string{"a", "b", "", "c"} {
				_, _ = io.WriteString(w, piece)
				<-time.After(15 * time.Millisecond)
			}
			_, _ = io.WriteString(w, "defgh")
			_ = w.Close()
		}()
		resp := upload(t, s.client(t, false), s.url+"/call/test.upload?chunk=4", "", r)
		if resp.StatusCode != http.StatusNoContent {
			t.Errorf("status %d, want 204", resp.StatusCode)
		}
		c.want(t, `20ms ["\u0000YWI="]`)     // ab: 20 ms after a
		c.want(t, `60ms ["\u0000Y2RlZg=="]`) // cdef: full
		c.want(t, `60ms ["\u0000Z2g="]`)     // gh: the end
		c.want(t, `60ms `)
	})
}

// TestUploadPace: a client may rest between frames, but not inside one.
func TestUploadPace(t *testing.T) {
	t.Parallel()
	drip := func(w io.Writer, every time.Duration, pieces ...string) {
		for _, piece := range pieces {
			_, _ = io.WriteString(w, piece)
			<-time.After(every)
		}
	}
	tests := []struct {
		name   string
		send   func(w io.Writer)
		status int
		after  time.Duration
		callee []string
	}{
		{"rests between frames", func(w io.Writer) { drip(w, 2*time.Minute, "a\n", "b\n") }, 200, 4 * time.Minute, []string{`more ["a"]`, `more ["b"]`, "last "}},
		{"sends nothing", func(w io.Writer) { drip(w, time.Hour, "") }, 408, 30 * time.Second, nil},
		{"rests inside a frame", func(w io.Writer) { drip(w, time.Hour, "a\nb") }, 408, 30 * time.Second, []string{`more ["a"]`, "interrupt kill"}},
		{"drips", func(w io.Writer) { drip(w, time.Second, strings.Split(strings.Repeat("x", 100), "")...) }, 408, 30 * time.Second, nil},
		{"drips after a frame", func(w io.Writer) { drip(w, time.Second, strings.Split("\n"+strings.Repeat("x", 100), "")...) }, 408, 31 * time.Second, []string{`more [""]`, "interrupt kill"}},
		{
			"is slow but steady",
			func(w io.Writer) {
				for range 90 {
					drip(w, time.Second, strings.Repeat("x", 2<<10))
				}
				_, _ = io.WriteString(w, "\n")
			},
			200, 90 * time.Second,
			[]string{`more ["` + strings.Repeat("x", 180<<10) + `"]`, "last "},
		},
		{
			"pauses after a burst",
			func(w io.Writer) { drip(w, 50*time.Second, strings.Repeat("x", 40<<10), "\n") },
			200, 100 * time.Second,
			[]string{`more ["` + strings.Repeat("x", 40<<10) + `"]`, "last "},
		},
		{
			"stops after a burst",
			func(w io.Writer) { drip(w, time.Hour, strings.Repeat("x", 40<<10)) },
			408, time.Minute, nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, true)
				c := s.serve(t, "test.upload", notes)
				r, w := io.Pipe()
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					tt.send(w)
					_ = w.Close()
				}()
				start := time.Now()
				resp := upload(t, s.client(t, false), s.url+"/call/test.upload?in=lines", "", r)
				if took := time.Since(start); resp.StatusCode != tt.status || took != tt.after {
					t.Errorf("status %d after %v, want %d after %v", resp.StatusCode, took, tt.status, tt.after)
				}
				for _, want := range tt.callee {
					c.want(t, want)
				}
				_ = r.Close()
				<-sent
			})
		})
	}
}

// TestQuietUpload: a client that has nothing more to say, but keeps its upload
// open, gets the end of an early answer all the same.
func TestQuietUpload(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		for _, query := range []string{"?in=lines", "?in=lines&stream=array"} {
			t.Run(fmt.Sprintf("HTTP2=%t/%s", http2, query), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := newSite(t, true)
					s.serve(t, "test.early", func(c *callee, inv *wamp.Invocation) { c.yield(inv.Request, false, `[1]`) })
					r, w := io.Pipe()
					go func() { _, _ = io.WriteString(w, "first\n") }()
					start := time.Now()
					resp := upload(t, s.client(t, http2), s.url+"/call/test.early"+query, "", r)
					body, err := text(t, resp)
					if took := time.Since(start); !strings.Contains(body, "1") || err != nil || took > 250*time.Millisecond {
						t.Errorf("answer %q, %v after %v, want all of it within 250ms", body, err, took)
					}
					_ = r.Close()
				})
			})
		}
	}
}
