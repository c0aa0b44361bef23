package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// acmeProtocol is the ALPN protocol of the challenge tls-alpn-01 (RFC 8737).
const acmeProtocol = "acme-tls/1"

// ACME says for which names to get certificates (RFC 8555), and from whom. The
// authority connects to port 443 of each name, which must lead to the listener.
type ACME struct {
	Domains []string // required
	Email   string   // the authority may write to
	// Directory is the URL of the authority; default Let's Encrypt's.
	Directory string
	// DirectoryCA holds the authorities of its own certificate; empty stands
	// for those of the system.
	DirectoryCA string
	// Storage is the folder that keeps accounts, keys and certificates. It may
	// be shared by several gateways.
	Storage string
	// ClientCA is as in [Files].
	ClientCA string
}

// A Managed gets certificates from an ACME authority, and new ones before they
// expire. Using it is to agree to the terms of the authority.
type Managed struct {
	domains []string
	config  *tls.Config
	magic   *certmagic.Config
	issuer  *certmagic.ACMEIssuer
	cache   *certmagic.Cache
	log     *slog.Logger
}

// NewManaged returns a Managed. Nothing is asked for before Watch.
func NewManaged(a ACME, log *slog.Logger) (*Managed, error) {
	if len(a.Domains) == 0 || a.Storage == "" {
		return nil, errors.New("certificates by ACME need domains, and a folder for what is to be kept")
	}
	m := &Managed{domains: a.Domains, log: log, config: base()}
	m.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return m.magic, nil },
		Logger:           zap.NewNop(), // what matters is told as events
	})
	m.magic = certmagic.New(m.cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: a.Storage}, Logger: zap.NewNop(), OnEvent: m.event,
	})
	template := certmagic.ACMEIssuer{
		CA: a.Directory, Email: a.Email, Agreed: true, DisableHTTPChallenge: true, Logger: zap.NewNop(),
	}
	if template.CA == "" {
		template.CA = certmagic.LetsEncryptProductionCA
	}
	var err error
	if a.DirectoryCA != "" {
		if template.TrustedRoots, err = authorities(a.DirectoryCA); err != nil {
			m.cache.Stop()
			return nil, err
		}
	}
	m.issuer = certmagic.NewACMEIssuer(m.magic, template)
	m.magic.Issuers = []certmagic.Issuer{m.issuer}
	m.config.GetCertificate = m.magic.GetCertificate
	m.config.NextProtos = append(m.config.NextProtos, acmeProtocol)
	if a.ClientCA != "" {
		if m.config.ClientCAs, err = authorities(a.ClientCA); err != nil {
			m.cache.Stop()
			return nil, err
		}
		m.config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return m, nil
}

// Config returns the configuration for a listener. Until there is a
// certificate, handshakes fail.
func (m *Managed) Config() *tls.Config { return m.config }

// Watch gets certificates and renews them until ctx ends, or returns why it
// can't. The listener must be open, on that port, so that the authority finds
// it. What the authority refuses is tried again, ever more rarely.
func (m *Managed) Watch(ctx context.Context, port int) error {
	defer m.cache.Stop()
	m.issuer.AltTLSALPNPort = port
	if err := m.magic.ManageAsync(ctx, m.domains); err != nil {
		return fmt.Errorf("certificates by ACME: %w", err)
	}
	<-ctx.Done()
	return nil
}

// event logs what becomes of certificates.
func (m *Managed) event(ctx context.Context, event string, data map[string]any) error {
	switch event {
	case "cached_managed_cert":
		m.log.LogAttrs(ctx, slog.LevelInfo, "certificate in use", slog.Any("names", data["sans"]))
	case "cert_failed":
		m.log.LogAttrs(ctx, slog.LevelError, "certificate not obtained", slog.Any("name", data["identifier"]), slog.Any("err", data["error"]))
	}
	return nil
}
