package main

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// A log is written in pieces of at most logPiece bytes, and no line waits for
// longer than logDelay.
const (
	logPiece = 32 << 10
	logDelay = 100 * time.Millisecond
)

// A logBuffer gathers the lines of a busy log, since a write for each is a
// noticeable part of what an HTTP call costs. What comes after a quiet logDelay
// is written at once, what follows it within that time together.
//
// It gathers at most logPiece bytes while as many are written. A timer's
// goroutine writes what is half a piece or due; whoever fills a whole one before
// waits, and writes: a reader of the log that cannot keep up slows its writers
// down, as without a buffer. Its methods may be called at once from any
// goroutine.
type logBuffer struct {
	to io.Writer

	mu      sync.Mutex  // guards the following fields
	lines   []byte      // gathered
	spare   []byte      // to gather in next; nil while it is written
	writing bool        // somebody writes, without the lock
	written sync.Cond   // signals that writing is false; L is &mu
	timer   *time.Timer // nil until the first line
	armed   bool        // the timer will run, or runs, tick
	hurried bool        // which it does at once
	stopped bool        // nothing is gathered any more
}

func newLogBuffer(to io.Writer) *logBuffer {
	b := &logBuffer{to: to}
	b.written.L = &b.mu
	return b
}

// Write takes one or more whole lines. The error is that of the writer below,
// which may be about earlier lines; those are lost then, as is p.
func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.lines) > 0 && len(b.lines)+len(p) > logPiece {
		if err := b.write(); err != nil {
			return 0, err
		}
	}
	b.lines = append(b.lines, p...)
	quiet := !b.armed && !b.stopped
	if quiet {
		b.arm()
	}
	if quiet || b.stopped || len(b.lines) > logPiece {
		if err := b.write(); err != nil {
			return 0, err
		}
	}
	if len(b.lines) >= logPiece/2 && !b.hurried && !b.stopped {
		b.hurried = true
		b.timer.Reset(0)
	}
	return len(p), nil
}

// Flush writes what was gathered.
func (b *logBuffer) Flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.write()
}

// Stop writes what was gathered; from then on every line is written at once.
// It may be called again.
func (b *logBuffer) Stop() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	if b.timer != nil {
		b.timer.Stop()
	}
	return b.write()
}

// arm makes tick run after logDelay; b.mu is held.
func (b *logBuffer) arm() {
	b.armed = true
	if b.timer == nil {
		b.timer = time.AfterFunc(logDelay, b.tick)
		return
	}
	b.timer.Reset(logDelay)
}

// tick writes what was gathered, and runs again unless that was nothing.
func (b *logBuffer) tick() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hurried = false
	if len(b.lines) == 0 || b.stopped {
		b.armed = false
		return
	}
	_ = b.write() // a log has nowhere to tell
	if b.armed = false; !b.stopped {
		b.arm()
	}
}

// write writes what was gathered. b.mu is held, and let go of meanwhile: the
// next lines need not wait.
func (b *logBuffer) write() error {
	for b.writing {
		b.written.Wait()
	}
	if len(b.lines) == 0 {
		return nil
	}
	lines := b.lines
	b.lines, b.spare, b.writing = b.spare[:0], nil, true
	b.mu.Unlock()
	_, err := b.to.Write(lines)
	b.mu.Lock()
	if cap(lines) <= 2*logPiece {
		b.spare = lines
	}
	b.writing = false
	b.written.Broadcast()
	return err
}

// An urgentHandler flushes a buffer after each warning and error.
type urgentHandler struct {
	slog.Handler
	buffer *logBuffer
}

// Handle implements slog.Handler.
func (h urgentHandler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn {
		_ = h.buffer.Flush() // nowhere to tell; slog drops errors too
	}
	return err
}

// WithAttrs implements slog.Handler.
func (h urgentHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return urgentHandler{h.Handler.WithAttrs(attrs), h.buffer}
}

// WithGroup implements slog.Handler.
func (h urgentHandler) WithGroup(name string) slog.Handler {
	return urgentHandler{h.Handler.WithGroup(name), h.buffer}
}
