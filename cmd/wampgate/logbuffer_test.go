package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A pieceWriter keeps what each Write brought.
type pieceWriter struct {
	mu     sync.Mutex
	pieces []string
}

func (w *pieceWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pieces = append(w.pieces, string(p))
	return len(p), nil
}

// taken returns the pieces since the last time.
func (w *pieceWriter) taken() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	pieces := w.pieces
	w.pieces = nil
	return pieces
}

func (w *pieceWriter) want(t *testing.T, when string, want ...string) {
	t.Helper()
	if got := w.taken(); !slices.Equal(got, want) {
		t.Errorf("%s: %d pieces %.100q, want %d, %.100q", when, len(got), got, len(want), want)
	}
}

func put(t *testing.T, b *logBuffer, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if n, err := b.Write([]byte(line)); n != len(line) || err != nil {
			t.Errorf("Write(%d bytes) = %d, %v", len(line), n, err)
		}
	}
}

// after lets time pass, and what is due happen.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestLogBufferTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &pieceWriter{}
		b := newLogBuffer(w)
		put(t, b, "a\n")
		w.want(t, "after quiet", "a\n")
		put(t, b, "b\n", "c\n")
		after(logDelay - 1)
		w.want(t, "within the delay")
		after(1)
		w.want(t, "after the delay", "b\nc\n")
		put(t, b, "d\n")
		w.want(t, "still busy")
		after(logDelay)
		w.want(t, "after the next delay", "d\n")
		after(2 * logDelay)
		put(t, b, "e\n")
		w.want(t, "after quiet again", "e\n")
		put(t, b, "f\n")
		if err := b.Flush(); err != nil {
			t.Error(err)
		}
		w.want(t, "after Flush", "f\n")
		put(t, b, "g\n")
		for range 2 {
			if err := b.Stop(); err != nil {
				t.Error(err)
			}
		}
		w.want(t, "after Stop", "g\n")
		put(t, b, "h\n", "i\n")
		w.want(t, "stopped", "h\n", "i\n")
	})
}

func TestLogBufferIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &pieceWriter{}
		b := newLogBuffer(w)
		half, whole := strings.Repeat("h", logPiece/2), strings.Repeat("w", logPiece+1)
		put(t, b, "a", half, half)
		w.want(t, "full", "a")
		put(t, b, "b")
		w.want(t, "too full", half+half)
		put(t, b, whole, "c")
		w.want(t, "a line that is too long", "b", whole)
		if cap(b.lines) > 2*logPiece {
			t.Errorf("the buffer keeps %d bytes", cap(b.lines))
		}
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
		w.want(t, "after Stop", "c")
	})
}

func TestBufferedLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := &pieceWriter{}
		log, stop := newBufferedLog(ctx, w, "text", slog.LevelInfo)
		defer stop()
		log.Info("first")
		log.With("k", 1).WithGroup("g").Info("second")
		if got := w.taken(); len(got) != 1 || !strings.Contains(got[0], "msg=first\n") {
			t.Errorf("written at once: %q, want the first line", got)
		}
		log.With("k", 1).WithGroup("g").Warn("third", "x", 2)
		if got := w.taken(); len(got) != 1 || !strings.Contains(got[0], "msg=second k=1\n") || !strings.Contains(got[0], "msg=third k=1 g.x=2\n") {
			t.Errorf("written with a warning: %q", got)
		}
		log.Info("fourth")
		cancel()
		synctest.Wait()
		log.Info("fifth")
		if got := w.taken(); len(got) != 2 || !strings.Contains(got[0], "msg=fourth\n") || !strings.Contains(got[1], "msg=fifth\n") {
			t.Errorf("written when the program ends: %q", got)
		}
	})
}

// TestLogBufferLosesNothing writes from many goroutines, with flushes and ticks
// between, and counts.
func TestLogBufferLosesNothing(t *testing.T) {
	t.Parallel()
	w := &pieceWriter{}
	b := newLogBuffer(w)
	const writers, lines = 8, 2000
	var work sync.WaitGroup
	for i := range writers {
		line := []byte(strings.Repeat(string(rune('a'+i)), 50) + "\n")
		work.Go(func() {
			for n := range lines {
				_, _ = b.Write(line)
				if n%500 == 0 {
					_ = b.Flush()
				}
			}
		})
	}
	work.Wait()
	_ = b.Stop()
	count := make(map[string]int)
	for line := range strings.Lines(strings.Join(w.taken(), "")) {
		count[line]++
	}
	for i := range writers {
		if line := strings.Repeat(string(rune('a'+i)), 50) + "\n"; count[line] != lines {
			t.Errorf("%d lines of writer %d, want %d", count[line], i, lines)
		}
	}
	if len(count) != writers {
		t.Errorf("%d different lines, want %d", len(count), writers)
	}
}
