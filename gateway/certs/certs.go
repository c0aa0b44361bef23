// Package certs holds the certificates of a TLS listener: read from files, and
// read again when those change, without a connection noticing.
package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// checkInterval is how often Watch looks at the files.
const checkInterval = 5 * time.Second

// Files are where certificates are, in PEM.
type Files struct {
	Cert string // the server's, and those up to the authority; required
	Key  string // the server's private key; required
	// ClientCA holds the authorities of client certificates. If it is empty,
	// clients are not asked for any.
	ClientCA string
}

// names lists the files that there are.
func (f Files) names() []string {
	if f.ClientCA == "" {
		return []string{f.Cert, f.Key}
	}
	return []string{f.Cert, f.Key, f.ClientCA}
}

// A Store holds what the files held when they could last be used. Its methods
// may be called at once from any goroutine.
type Store struct {
	files   Files
	log     *slog.Logger
	current atomic.Pointer[tls.Config]
}

// Load reads the files for the first time.
func Load(files Files, log *slog.Logger) (*Store, error) {
	s := &Store{files: files, log: log}
	return s, s.Reload()
}

// Reload reads the files again. If they cannot be used together, nothing
// changes. Connections that are open keep what they were opened with.
func (s *Store) Reload() error {
	cert, err := tls.LoadX509KeyPair(s.files.Cert, s.files.Key)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", s.files.Cert, s.files.Key, err)
	}
	if left := time.Until(cert.Leaf.NotAfter); left < 0 {
		return fmt.Errorf("certificate %s expired on %s", s.files.Cert, cert.Leaf.NotAfter.Format(time.DateOnly))
	}
	config := base()
	config.Certificates = []tls.Certificate{cert}
	if s.files.ClientCA != "" {
		if config.ClientCAs, err = authorities(s.files.ClientCA); err != nil {
			return err
		}
		config.ClientAuth = tls.VerifyClientCertIfGiven // who has none may have other credentials
	}
	s.current.Store(config)
	return nil
}

// authorities reads the certificates of authorities.
func authorities(path string) (*x509.CertPool, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("authorities of client certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("authorities of client certificates: %s holds no certificate in PEM", path)
	}
	return pool, nil
}

// base returns what holds whatever the files say.
func base() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
}

// Config returns the configuration for a listener. Each connection gets what
// the Store holds when it is made.
func (s *Store) Config() *tls.Config {
	config := base()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.current.Load(), nil }
	return config
}

// Watch reloads when the files have changed or now gets something, until ctx
// ends. Files that cannot be used are logged, once for each change, and tried
// again when they change again.
func (s *Store) Watch(ctx context.Context, now <-chan struct{}) {
	ticker := time.NewTicker(checkInterval)
	defer ticker.Stop()
	seen := s.stamp()
	for {
		select {
		case <-ctx.Done():
			return
		case <-now:
			seen = s.stamp()
		case <-ticker.C:
			stamp := s.stamp()
			if stamp == seen {
				continue
			}
			seen = stamp
		}
		if err := s.Reload(); err != nil {
			s.log.Error("certificates stay as they were", "err", err)
			continue
		}
		s.log.Info("certificates were read again", "valid_until", s.current.Load().Certificates[0].Leaf.NotAfter)
	}
}

// stamp returns what changes when the files do.
func (s *Store) stamp() string {
	stamp := ""
	for _, name := range s.files.names() {
		info, err := os.Stat(name)
		if err != nil {
			stamp += "none "
			continue
		}
		stamp += fmt.Sprintf("%d/%d ", info.ModTime().UnixNano(), info.Size())
	}
	return stamp
}
