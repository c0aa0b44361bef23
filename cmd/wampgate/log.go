package main

import (
	"context"
	"io"
	"log/slog"
)

// logLevel returns a level by its name. One that is not known is info.
func logLevel(name string) (level slog.Level) {
	_ = level.UnmarshalText([]byte(name))
	return level
}

// newLog returns a logger in a format, text or json, from a level on.
func newLog(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// newBufferedLog is newLog for servers, whose lines may be many: they are
// written together when they come fast, warnings and errors at once. When ctx
// ends the buffer does too, so that a second signal loses nothing; a crash or
// SIGKILL loses at most the lines of the last 100 ms. The caller calls stop
// when nobody needs the log any more.
func newBufferedLog(ctx context.Context, w io.Writer, format string, level slog.Leveler) (log *slog.Logger, stop func()) {
	buffer := newLogBuffer(w)
	log = slog.New(urgentHandler{newLog(buffer, format, level).Handler(), buffer})
	end := func() { _ = buffer.Stop() } // a log that cannot be written has nowhere to tell
	unfollow := context.AfterFunc(ctx, end)
	return log, func() {
		unfollow()
		end()
	}
}
