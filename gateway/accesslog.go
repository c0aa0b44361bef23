package gateway

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/authn"
)

// A record is the writer of one answer that remembers what the access log
// shall say. Handlers find it with recordOf and fill in what they know. It
// belongs to the goroutine of the request and to nobody once that is over.
type record struct {
	http.ResponseWriter

	started time.Time
	status  int   // sent, or 499 when nobody was there to read it
	wrote   bool  // the header has left
	out     int64 // bytes of the answer's body

	tally    *tally // where it is counted; nil if it is no request's
	route    int    // under which it is counted
	streamed bool   // counts.stream has been told

	who authn.Principal // zero if nobody asked

	// Of a call:
	request   request
	id        string // empty if this is no call
	procedure wamp.URI
	authid    string
	in        int64 // bytes of the request's body, decompressed
	events    int   // progressive results sent
	outcome   outcome
	err       error         // why it failed or was given up
	killed    bool          // a CANCEL was sent
	dealt     time.Duration // from CALL to the final event; 0 if there was none
	confirmed time.Duration // from CANCEL to the callee's answer
}

// recordOf returns the record that w is or wraps. A writer that no access log
// made gets one of its own.
func recordOf(w http.ResponseWriter) *record {
	for at := w; at != nil; {
		if rec, ok := at.(*record); ok {
			return rec
		}
		inner, ok := at.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		at = inner.Unwrap()
	}
	return &record{ResponseWriter: w, started: time.Now()}
}

// Unwrap is for http.ResponseController.
func (rec *record) Unwrap() http.ResponseWriter { return rec.ResponseWriter }

// WriteHeader notes the status, unless it is one that others follow.
func (rec *record) WriteHeader(code int) {
	if (code >= http.StatusOK || code == http.StatusSwitchingProtocols) && !rec.wrote {
		rec.wrote, rec.status = true, code
	}
	rec.ResponseWriter.WriteHeader(code)
}

// Write counts.
func (rec *record) Write(p []byte) (int, error) {
	if !rec.wrote {
		rec.WriteHeader(http.StatusOK)
	}
	n, err := rec.ResponseWriter.Write(p)
	rec.out += int64(n)
	return n, err
}

// FlushError is what http.ResponseController calls.
func (rec *record) FlushError() error {
	if !rec.wrote {
		rec.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(rec.ResponseWriter).Flush()
}

// began notes a call.
func (rec *record) began(c *call) {
	rec.id, rec.procedure, rec.authid = c.id, c.procedure, c.owner.identity.Authid
}

// failed notes that the request could not be answered as it was meant to be.
func (rec *record) failed(status int, err error) {
	if !rec.wrote {
		rec.status = status
	}
	if rec.err == nil {
		rec.err = err
	}
	if rec.outcome == "" {
		rec.outcome = outcomeError
	}
}

// abandon gives a call up and notes why and what became of it. A nil cause
// stands for one that was noted before.
func (rec *record) abandon(c *call, cause error) {
	if cause != nil {
		rec.err = cause
	}
	rec.killed = c.dispatched.Load()
	start := time.Now()
	rec.outcome = c.confirm()
	rec.confirmed = time.Since(start)
}

// logged writes the access log: one line for each request, when it is over.
func (g *Gateway) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec, ok := g.records.Get().(*record)
		if !ok {
			rec = &record{tally: g.counts.tally()}
		}
		*rec = record{ResponseWriter: w, started: time.Now(), tally: rec.tally}
		defer func() { // also when the answer is cut off by a panic
			took := time.Since(rec.started)
			g.counts.request(r, rec, took)
			g.log(r, rec, took)
			*rec = record{tally: rec.tally}
			g.records.Put(rec)
		}()
		next.ServeHTTP(rec, r)
	})
}

// log writes the line for one request, or one call without one of its own.
func (g *Gateway) log(r *http.Request, rec *record, took time.Duration) {
	level := slog.LevelInfo
	if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		level = slog.LevelDebug // probes come every few seconds
	}
	log := g.cfg.AccessLog
	if !log.Enabled(r.Context(), level) {
		return
	}
	if rec.id == "" {
		attrs := make([]slog.Attr, 0, 7)
		attrs = append(attrs, slog.String("remote", g.remote(r)), slog.String("method", r.Method), slog.String("path", r.URL.Path),
			slog.Int("status", rec.status), slog.Int64("out", rec.out), slog.Duration("took", took))
		if limit, ok := errors.AsType[limitError](rec.err); ok {
			attrs = append(attrs, slog.String("limit", string(limit)))
		}
		log.LogAttrs(r.Context(), level, "request", attrs...)
		return
	}
	log.LogAttrs(r.Context(), level, rec.sentence(took),
		slog.String("id", rec.id), slog.String("procedure", string(rec.procedure)),
		slog.String("authid", rec.authid), slog.String("remote", g.remote(r)), slog.String("proto", r.Proto),
		slog.Int("status", rec.status), slog.String("outcome", string(rec.outcome)),
		slog.Int64("in", rec.in), slog.Int64("out", rec.out), slog.Int("events", rec.events),
		slog.Duration("took", took), slog.Duration("dealt", rec.dealt), slog.Duration("confirmed", rec.confirmed))
}

// sentence tells what became of a call, such as "call c_9d2 demo.sleep client
// gone after 1.2s -> CANCEL kill -> callee confirmed in 3ms (499)".
func (rec *record) sentence(took time.Duration) string {
	b := make([]byte, 0, 160)
	b = append(b, "call "...)
	b = append(b, rec.id...)
	b = append(b, ' ')
	b = append(b, rec.procedure...)
	b = append(b, ' ')
	if rec.err != nil {
		b = append(b, rec.err.Error()...)
	} else {
		b = append(b, rec.outcome...)
	}
	b = append(b, " after "...)
	b = append(b, round(took-rec.confirmed).String()...)
	if rec.killed {
		b = append(b, " -> CANCEL kill -> "...)
		b = append(b, rec.fate()...)
		b = append(b, " in "...)
		b = append(b, round(rec.confirmed).String()...)
	}
	b = append(b, " ("...)
	b = strconv.AppendInt(b, int64(rec.status), 10)
	return string(append(b, ')'))
}

// fate says what came of a CANCEL.
func (rec *record) fate() string {
	switch rec.outcome {
	case outcomeCanceled:
		return "callee confirmed"
	case outcomeCompletedLate:
		return "callee had completed"
	}
	return "unconfirmed"
}

// round makes a duration short to read.
func round(d time.Duration) time.Duration {
	switch {
	case d >= time.Second:
		return d.Round(100 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}

// remoteIP returns the peer's address without its port.
func remoteIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return strings.Trim(r.RemoteAddr, "[]")
	}
	return host
}
