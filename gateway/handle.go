package gateway

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/problem"
)

// The gateway's own error URIs.
const (
	uriOverloaded    wamp.URI = "gateway.error.overloaded"
	uriSlowConsumer  wamp.URI = "gateway.error.slow_consumer"
	uriBadRequest    wamp.URI = "gateway.error.bad_request"
	uriNotFound      wamp.URI = "gateway.error.not_found"
	uriMethod        wamp.URI = "gateway.error.method_not_allowed"
	uriMediaType     wamp.URI = "gateway.error.unsupported_media_type"
	uriNotAcceptable wamp.URI = "gateway.error.not_acceptable"
	uriForbidden     wamp.URI = "gateway.error.forbidden"
	uriMisdirected   wamp.URI = "gateway.error.misdirected"
	uriTooLong       wamp.URI = "gateway.error.uri_too_long"
	uriInternal      wamp.URI = "gateway.error.internal"
)

// handlerFunc is an http.HandlerFunc that may return an error instead of
// writing an answer, or to have an unfinished one cut off.
type handlerFunc func(w http.ResponseWriter, r *http.Request) error

// handle makes an http.HandlerFunc of h. It is the only place that answers
// with problems, and that logs failures nobody expects.
func (g *Gateway) handle(h handlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			g.fail(w, r, err)
		}
	}
}

// fail answers a request with err, if there still is somebody to tell.
func (g *Gateway) fail(w http.ResponseWriter, r *http.Request, err error) {
	rec := recordOf(w)
	if rec.request.trace == nil {
		rec.request.trace = traceOf(r.Header) // it failed before that was read
	}
	p := g.problemFor(err, rec)
	rec.failed(p.Status, err)
	if p.Status == http.StatusInternalServerError && p.Source == problem.Gateway {
		g.cfg.Log.LogAttrs(r.Context(), slog.LevelError, "request failed",
			slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Any("err", err))
	}
	if rec.wrote || clientGone(err) {
		panic(http.ErrAbortHandler) //nolint:forbidigo // a cut answer must not look like a complete one
	}
	p.Send(w, wantsText(r.Header.Values("Accept")))
}

// problemFor returns the problem that err is, or stands for. It never changes
// err.
func (g *Gateway) problemFor(err error, rec *record) *problem.Problem {
	var found *problem.Problem
	var p problem.Problem
	switch {
	case errors.As(err, &found):
		p = *found
	case errors.Is(err, errTimeout):
		p = *problem.New(http.StatusGatewayTimeout, wamp.ErrTimeout, "the dealer did not answer in time").Unknown()
	case errors.Is(err, errShutdown):
		p = *problem.New(http.StatusServiceUnavailable, wamp.CloseSystemShutdown, "the gateway is shutting down").Unknown().RetrySoon()
	case errors.Is(err, errSlowConsumer):
		p = *problem.New(http.StatusServiceUnavailable, uriSlowConsumer, "the answers were read too slowly").Unknown()
	case errors.Is(err, errExpired):
		p = *problem.New(http.StatusUnauthorized, wamp.ErrAuthenticationDenied, "the credentials expired during the call").Unknown().
			With("Www-Authenticate", `Bearer error="invalid_token"`)
	case clientGone(err):
		p = *problem.New(problem.StatusClientClosed, wamp.ErrCanceled, "the client is gone").Unknown()
	default:
		p = *problem.New(http.StatusInternalServerError, uriInternal, "the gateway failed; its log tells why")
	}
	if rec.id != "" && p.Retry != problem.RetrySafe { // else there never was a call
		p.Instance = "/calls/" + rec.id
	}
	if g.cfg.PublicURL != "" && p.Type == "" {
		p.Type = strings.TrimSuffix(g.cfg.PublicURL, "/") + problemsPath + url.PathEscape(string(p.URI))
	}
	if rec.request.trace != nil {
		p.TraceID = rec.request.trace.id
	}
	return &p
}

// recovered turns a panic of a handler into an answer 500. The panic that cuts
// an answer off passes.
func (g *Gateway) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer g.rescue(w, r)
		next.ServeHTTP(w, r)
	})
}

// rescue is what recovered defers.
func (g *Gateway) rescue(w http.ResponseWriter, r *http.Request) {
	cause := recover()
	switch cause {
	case nil:
		return
	case http.ErrAbortHandler:
		panic(cause) //nolint:forbidigo // net/http's way to cut an answer off
	}
	g.logPanic(r, cause)
	g.fail(w, r, errPanicked)
}

// logPanic logs a panic of a handler, on the goroutine where it happened.
func (g *Gateway) logPanic(r *http.Request, cause any) {
	g.cfg.Log.LogAttrs(r.Context(), slog.LevelError, "handler panicked",
		slog.Any("panic", cause), slog.String("stack", string(debug.Stack())))
}

// errPanicked stands for a panic, which has been logged already.
var errPanicked = problem.New(http.StatusInternalServerError, uriInternal, "the gateway failed; its log tells why").Unknown()
