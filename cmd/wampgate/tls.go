package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/wampgate/wampgate/gateway/certs"
)

// loadCerts reads the certificates of the listener; nil if it has none.
func loadCerts(s *settings, log *slog.Logger) (*certs.Store, error) {
	if s.TLSCert == "" {
		return nil, nil
	}
	return certs.Load(certs.Files{Cert: s.TLSCert, Key: s.TLSKey, ClientCA: s.TLSClientCA}, log)
}

// tlsFaults checks the settings that belong together.
func (s *settings) tlsFaults() []fault {
	switch {
	case s.TLSCert != "" && s.TLSKey == "":
		return []fault{{"tls-cert", "needs tls-key, the private key that belongs to it"}}
	case s.TLSCert == "" && s.TLSKey != "":
		return []fault{{"tls-key", "needs tls-cert, the certificate that it belongs to"}}
	case s.TLSCert == "" && s.TLSClientCA != "":
		return []fault{{"tls-client-ca", "needs tls-cert and tls-key: without TLS there are no client certificates"}}
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

// watchCerts reads the certificates again when they change, and on SIGHUP,
// until ctx ends.
func (n *node) watchCerts(ctx context.Context) {
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
	n.certs.Watch(ctx, now)
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
