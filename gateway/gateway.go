// Package gateway is the HTTP side: it turns POST /call/{uri} into a WAMP CALL
// and what the dealer says into an HTTP answer.
//
// A client that goes away cancels its call. Whatever fails becomes a problem
// document that says who failed and whether to try again. The package knows
// the dealer only as a Session that it joins and an Outbox that it hands over.
package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wampgate/wampgate/gateway/problem"
)

// A Gateway serves the HTTP API of one realm. It is an http.Handler; Close
// ends it.
type Gateway struct {
	cfg        Config
	handler    http.Handler
	own        chi.Routes // without those of documents
	principals *principals
	csrf       *http.CrossOriginProtection
	gate       atomic.Pointer[gate]    // nil lets everybody in
	imports    atomic.Pointer[imports] // nil if no document is served

	kept      *callStore
	callees   *callees
	calls     sync.Pool // of *call, for unary calls
	records   sync.Pool // of *record
	buffers   sync.Pool // of *buffer, request bodies
	counts    *counts
	described described
	documents documents
	overload  shedder
	endings   endings // of event streams
	docs      docs
	inFlight  atomic.Int64
	draining  atomic.Bool
	leaving   atomic.Bool   // calls are no longer accepted
	drain     chan struct{} // closed when draining begins
	drainOnce sync.Once
}

// New returns a Gateway. It fails when a required part of cfg is missing.
func New(cfg Config) (*Gateway, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	g := &Gateway{cfg: cfg.withDefaults(), csrf: http.NewCrossOriginProtection(), drain: make(chan struct{}), counts: newCounts()}
	for _, origin := range cfg.Origins {
		if err := g.csrf.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("gateway: Config.Origins: %w", err)
		}
	}
	g.principals = newPrincipals(&g.cfg)
	g.kept = newCallStore(&g.cfg)
	g.callees = newCallees()
	g.gate.Store(newGate(&g.cfg, g.counts))
	g.handler = g.routes()
	g.overload.limit, g.overload.probe = g.cfg.ShedDelay, g.cfg.Probe
	return g, nil
}

// routes returns the routes behind their middleware, outermost first.
func (g *Gateway) routes() http.Handler {
	call := g.handle(g.admitted(g.call))
	mux := g.router(call)
	g.own = mux
	g.counts.learn(mux)
	return chi.Chain(settle, limitHeaders, g.logged, g.recovered, g.shared, g.guarded).Handler(postsFirst(call, mux))
}

// router lists every route.
func (g *Gateway) router(call http.HandlerFunc) chi.Router {
	r := chi.NewRouter()
	r.Use(g.counts.routed)
	r.NotFound(g.handle(g.elsewhere))
	r.MethodNotAllowed(g.handle(g.methodNotAllowed(r)))

	get := func(pattern string, h handlerFunc) { g.get(r, pattern, h) }
	get("/", g.reads(g.welcome))
	get("/healthz", withoutBody(g.healthz))
	get("/readyz", withoutBody(g.readyz))
	get(problemsPath+"{name}", withoutBody(g.problems()))
	if g.cfg.Directory != nil {
		get(proceduresPath, g.reads(g.procedures))
		get(proceduresPath+"/{uri}", g.reads(g.procedure))
		get("/openapi.json", g.reads(g.openapi(false)))
		get("/openapi.yaml", g.reads(g.openapi(true)))
		get(docsPath, withoutBody(g.docs.page))
		get(docsPath+"/{version}/{file}", withoutBody(g.docs.file))
	}
	if g.cfg.WebSocket != nil {
		r.Get("/ws", g.handle(g.webSocket))
	}
	r.Handle(callPath+"{uri}", call)
	g.routeCalls(r)
	g.routeCallees(r)
	g.routeTransactions(r)
	r.Post(bridgePath, g.handle(g.admitted(g.bridge)))
	r.Post(bulkPath, g.handle(g.admitted(g.bulk)))
	return r
}

// get adds a route for GET and HEAD.
func (g *Gateway) get(r chi.Router, pattern string, h handlerFunc) {
	r.Get(pattern, g.handle(h))
	r.Head(pattern, g.handle(h))
}

// reads is admitted for requests that have no body.
func (g *Gateway) reads(h handlerFunc) handlerFunc { return g.admitted(withoutBody(h)) }

// withoutBody refuses requests with a body that nobody would read.
func withoutBody(h handlerFunc) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.ContentLength != 0 {
			return problem.New(http.StatusBadRequest, uriBadRequest, "a "+r.Method+" of this path has no body")
		}
		return h(w, r)
	}
}

// postsFirst hands POST /call/{uri} to call without a look at the other routes:
// it is what nearly all requests are, and routing one allocates four objects,
// with a copy of the request. All else is for rest, which knows the same route.
func postsFirst(call http.HandlerFunc, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		uri, ok := strings.CutPrefix(routedPath(r), callPath)
		if ok && r.Method == http.MethodPost && uri != "" && !strings.Contains(uri, "/") {
			recordOf(w).route = routeCall
			call(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.handler.ServeHTTP(w, r)
}

// Drain makes /readyz answer 503, so that load balancers look elsewhere, and
// ends the registrations of callees that read a stream once they have no call
// in flight. Calls are served as before.
func (g *Gateway) Drain() {
	g.draining.Store(true)
	g.drainOnce.Do(func() { close(g.drain) })
}

// AwaitAnswers returns when no callee that reads a stream is left, or ctx ends. It
// is for after Drain, and before connections are refused: over HTTP/1.1 such a
// callee answers over others than its stream. From now on requests are refused
// but for those that end what goes on.
func (g *Gateway) AwaitAnswers(ctx context.Context) {
	g.leaving.Store(true)
	g.callees.pulling.wait(ctx)
}

// ends reports whether a request may end something that goes on.
func ends(path string) bool {
	for _, at := range []string{invocationsPath + "/", callsPath, "/healthz", "/readyz"} {
		if strings.HasPrefix(path, at) {
			return true
		}
	}
	return false
}

// Linger returns when no call goes on that may do so without a request (see
// [ServerConfig]), or when ctx ends.
func (g *Gateway) Linger(ctx context.Context) { g.kept.running.wait(ctx) }

// Close ends the sessions of all principals; calls in flight fail, and new
// ones are refused. It is for after the HTTP server has stopped.
func (g *Gateway) Close() {
	g.Drain()
	g.overload.end()
	g.callees.close()
	g.principals.close()
	g.kept.close()
}

// confirmWait is how long to wait for the dealer's last word on a call that
// was given up.
func (g *Gateway) confirmWait() time.Duration { return g.cfg.KillGrace + dealerMargin }
