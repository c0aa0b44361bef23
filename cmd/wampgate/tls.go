package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/wampgate/wampgate/gateway/certs"
)

// A certSource has the certificates of the listener.
type certSource interface {
	// Config returns the configuration for a listener.
	Config() *tls.Config
}

// loadCerts returns where the listener's certificates come from; nil if it
// speaks no TLS.
func loadCerts(s *settings, log *slog.Logger) (certSource, error) {
	switch {
	case s.TLSCert != "":
		store, err := certs.Load(certs.Files{Cert: s.TLSCert, Key: s.TLSKey, ClientCA: s.TLSClientCA}, log)
		if err != nil {
			return nil, err // not a nil *Store in an interface
		}
		return store, nil
	case len(s.ACMEDomains) > 0:
		managed, err := certs.NewManaged(certs.ACME{
			Domains: s.ACMEDomains, Email: s.ACMEEmail, Directory: s.ACMEDirectory, DirectoryCA: s.ACMEDirectoryCA,
			Storage: s.ACMEStorage, ClientCA: s.TLSClientCA,
		}, log)
		if err != nil {
			return nil, err
		}
		return managed, nil
	}
	return nil, nil
}

// tlsFaults checks the settings that belong together.
func (s *settings) tlsFaults() []fault {
	acme := len(s.ACMEDomains) > 0
	switch {
	case s.TLSCert != "" && s.TLSKey == "":
		return []fault{{"tls-cert", "needs tls-key, the private key that belongs to it"}}
	case s.TLSCert == "" && s.TLSKey != "":
		return []fault{{"tls-key", "needs tls-cert, the certificate that it belongs to"}}
	case s.TLSCert != "" && acme:
		return []fault{{"acme-domains", "certificates come from tls-cert or by ACME, not both"}}
	case acme && s.ACMEStorage == "":
		return []fault{{"acme-domains", "needs acme-storage, a folder for keys and certificates"}}
	case !acme && s.TLSCert == "" && s.TLSClientCA != "":
		return []fault{{"tls-client-ca", "needs tls-cert and tls-key, or acme-domains: without TLS there are no client certificates"}}
	}
	return nil
}

// tlsConfig returns what the listener speaks TLS with; nil if it doesn't.
func (n *node) tlsConfig() *tls.Config {
	if n.certs == nil {
		return nil
	}
	return n.certs.Config()
}

// watchCerts keeps the certificates fresh until ctx ends.
func (n *node) watchCerts(ctx context.Context) error {
	switch c := n.certs.(type) {
	case *certs.Store:
		n.watchFiles(ctx, c)
	case *certs.Managed:
		port := 0 // 443, if it is no port
		if tcp, ok := n.listener.Addr().(*net.TCPAddr); ok {
			port = tcp.Port
		}
		return c.Watch(ctx, port)
	}
	return nil
}

// watchFiles reads the certificates again when they change, and on SIGHUP.
func (n *node) watchFiles(ctx context.Context, store *certs.Store) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	now := make(chan struct{})
	n.work.Go(func() {
		for {
			select {
			case <-hangups:
			case <-ctx.Done():
				return
			}
			select {
			case now <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	})
	store.Watch(ctx, now)
}

// scheme returns that of a URL of the listener: base is http or ws.
func (n *node) scheme(base string) string {
	if n.certs == nil {
		return base
	}
	return base + "s"
}

// selfClient returns a client for this process' own listener, whose
// certificate is for another name.
func (n *node) selfClient() *http.Client {
	if n.certs == nil {
		return nil
	}
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // it never leaves the process
	}}
}
