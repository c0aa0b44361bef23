package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/certs"
	problems "github.com/wampgate/wampgate/gateway/problem"
)

// newAdmin makes the server of the admin listener, unless there is none.
func (n *node) newAdmin() (err error) {
	s := n.settings
	if s.AdminListen == "" {
		return nil
	}
	n.adminDoor = newAdminDoor(s, n.log)
	n.admin = n.newAdminServer()
	if s.AdminTLSCert == "" {
		return nil
	}
	files := certs.Files{Cert: s.AdminTLSCert, Key: s.AdminTLSKey, ClientCA: s.AdminTLSClientCA}
	if n.adminCerts, err = certs.Load(files, n.log); err != nil {
		return fmt.Errorf("admin listener: %w", err)
	}
	n.admin.TLSConfig = n.adminCerts.Config()
	return nil
}

// newAdminServer returns the server of the admin listener, which has what must
// not be reachable where calls come in: profiles, counters, and the import of
// OpenAPI documents. Health checks are here too, and they are open: who runs them has no
// credentials.
func (n *node) newAdminServer() *http.Server {
	inside := http.NewServeMux()
	n.imports.routes(inside)
	n.operatorRoutes(inside)
	inside.Handle("GET "+metricsPath, newMetrics(n).handler(n.log))
	inside.HandleFunc("GET /debug/pprof/", pprof.Index)
	inside.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	inside.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	inside.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	inside.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", n.gateway)
	mux.HandleFunc("GET /readyz", n.readyz)
	mux.Handle("/", n.adminDoor.guard(inside))
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(n.log.Handler(), slog.LevelWarn),
	}
}

// serveAdmin serves the admin listener until the admin server is closed.
func (n *node) serveAdmin() error {
	var err error
	if n.adminCerts != nil {
		err = n.admin.ServeTLS(n.adminListener, "", "") // the files are in TLSConfig
	} else {
		err = n.admin.Serve(n.adminListener)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// An adminDoor lets operators through to the admin listener: with an API key
// that admin-keys names, or with a certificate of an authority in
// admin-tls-client-ca. Those are credentials of the listener's own: no
// principal's open it, so that none but the operator's reach into the process.
type adminDoor struct {
	open bool // without credentials, while there are no keys
	keys atomic.Pointer[[]auth.Fingerprint]
	log  *slog.Logger
}

// newAdminDoor returns the door of settings that have no faults. It stands open
// only on this machine, and never again once there are credentials that a
// reload cannot take away.
func newAdminDoor(s *settings, log *slog.Logger) *adminDoor {
	d := &adminDoor{open: loopback(s.AdminListen) && s.AdminTLSClientCA == "", log: log}
	d.setKeys(s.AdminKeys)
	return d
}

// setKeys replaces the keys, which have been checked. It is nil-safe, for
// gateways without an admin listener.
func (d *adminDoor) setKeys(texts []string) {
	if d == nil {
		return
	}
	keys, _ := adminKeys(texts)
	d.keys.Store(&keys)
}

// adminKeys reads the SHA-256 sums of API keys.
func adminKeys(texts []string) (keys []auth.Fingerprint, err error) {
	read := fingerprints(&keys)
	for _, text := range texts {
		if err := read(text); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// guard lets through to next who shows credentials. All others get 401 for
// every path, so that they don't learn which there are.
func (d *adminDoor) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.lets(r) {
			next.ServeHTTP(w, r)
			return
		}
		d.log.Warn("admin listener refused a request", "client", r.RemoteAddr, "path", r.URL.Path)
		problems.New(http.StatusUnauthorized, wamp.ErrAuthenticationRequired,
			"the admin listener wants an API key of its own (admin-keys), or a client certificate where admin-tls-client-ca is set; "+
				"without those it must be asked for by the name localhost or 127.0.0.1").
			With("WWW-Authenticate", `Bearer realm="wampgate admin"`).Send(w, false)
	})
}

// lets reports whether r has credentials, or needs none.
func (d *adminDoor) lets(r *http.Request) bool {
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return true // by an authority of admin-tls-client-ca
	}
	keys := *d.keys.Load()
	if len(keys) == 0 {
		// A page of elsewhere that has its name lead to this machine sends it.
		return d.open && (loopback(r.Host) || loopback(r.Host+":80"))
	}
	key := r.Header.Get("X-API-Key")
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		key = strings.TrimSpace(token)
	}
	// What is compared are hashes, so that the time it takes tells nothing.
	return slices.Contains(keys, auth.Fingerprint(sha256.Sum256([]byte(key))))
}

// adminURL tells where the admin listener is.
func (n *node) adminURL() string {
	scheme := "http"
	if n.adminCerts != nil {
		scheme = "https"
	}
	return "admin=" + scheme + "://" + reachable(n.adminListener.Addr())
}

// adminFaults checks the settings of the admin listener.
func (s *settings) adminFaults() []fault {
	if s.AdminListen == "" {
		return nil // the others are for when it is on
	}
	if text := addressFault(s.AdminListen); text != "" {
		return []fault{{"admin-listen", text}}
	}
	_, err := adminKeys(s.AdminKeys)
	switch {
	case err != nil:
		return []fault{{"admin-keys", err.Error() + "; 'wampgate token' prints one"}}
	case s.AdminTLSCert != "" && s.AdminTLSKey == "":
		return []fault{{"admin-tls-cert", "needs admin-tls-key, the private key that belongs to it"}}
	case s.AdminTLSCert == "" && s.AdminTLSKey != "":
		return []fault{{"admin-tls-key", "needs admin-tls-cert, the certificate that it belongs to"}}
	case s.AdminTLSCert == "" && s.AdminTLSClientCA != "":
		return []fault{{"admin-tls-client-ca", "needs admin-tls-cert and admin-tls-key: without TLS there are no client certificates"}}
	case !loopback(s.AdminListen) && len(s.AdminKeys) == 0 && s.AdminTLSClientCA == "":
		return []fault{{"admin-listen", s.AdminListen + " is reached from other machines, and nobody would have to say who they are; " +
			"set admin-keys (see 'wampgate token') or admin-tls-client-ca, or listen on 127.0.0.1"}}
	}
	return nil
}

// loopback reports whether only this machine reaches an address.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
