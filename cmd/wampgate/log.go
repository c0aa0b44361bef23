package main

import (
	"context"
	"io"
	"log/slog"
)

// newLog returns a logger in a format, text or json, from a level on.
func newLog(w io.Writer, format, level string) *slog.Logger {
	var least slog.Level
	_ = least.UnmarshalText([]byte(level)) // a name that is not known leaves info
	options := &slog.HandlerOptions{Level: least}
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
func newBufferedLog(ctx context.Context, w io.Writer, format, level string) (log *slog.Logger, stop func()) {
	buffer := newLogBuffer(w)
	log = slog.New(urgentHandler{newLog(buffer, format, level).Handler(), buffer})
	end := func() { _ = buffer.Stop() } // a log that cannot be written has nowhere to tell
	unfollow := context.AfterFunc(ctx, end)
	return log, func() {
		unfollow()
		end()
	}
}
