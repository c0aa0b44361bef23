package main

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"time"
)

// newAdminServer returns the server of the admin listener, which has what must
// not be reachable where calls come in: profiles, and the import of OpenAPI
// documents. Health checks are here too.
func newAdminServer(health http.Handler, imports *importer, log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", health)
	mux.Handle("GET /readyz", health)
	imports.routes(mux)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// serveAdmin serves the admin listener until the admin server is closed.
func (n *node) serveAdmin() error {
	if err := n.admin.Serve(n.adminListener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
