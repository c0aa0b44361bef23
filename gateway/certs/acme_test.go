package certs_test

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	pebbleca "github.com/letsencrypt/pebble/v2/ca"
	pebbledb "github.com/letsencrypt/pebble/v2/db"
	pebbleva "github.com/letsencrypt/pebble/v2/va"
	pebblewfe "github.com/letsencrypt/pebble/v2/wfe"

	"github.com/wampgate/wampgate/gateway/certs"
)

// startPebble starts an ACME authority that looks for its clients on a port of
// this machine. It returns the URL of its directory and the file with the
// authority of its own certificate.
func startPebble(t *testing.T, port int) (directory, ca string) {
	t.Helper()
	logger := log.New(io.Discard, "", 0)
	store := pebbledb.NewMemoryStore()
	authority := pebbleca.New(logger, store, "", "ecdsa", 0, 1, map[string]pebbleca.Profile{"default": {Description: "default"}})
	validation := pebbleva.New(logger, port, port, false, "", store)
	front := pebblewfe.New(logger, store, validation, authority, []string{"pebble.test"}, false, false, 1, 1)
	server := httptest.NewTLSServer(front.Handler())
	t.Cleanup(server.Close)
	ca = filepath.Join(t.TempDir(), "pebble.pem")
	writePEM(t, ca, "CERTIFICATE", server.Certificate().Raw)
	return server.URL + pebblewfe.DirectoryPath, ca
}

// TestACME gets a certificate from a real authority, through the listener that
// it is for.
func TestACME(t *testing.T) {
	t.Setenv("PEBBLE_VA_NOSLEEP", "1") // of the authority
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "20")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	directory, ca := startPebble(t, port)
	events := make(chan string, 10)
	m, err := certs.NewManaged(certs.ACME{
		Domains: []string{"localhost"}, Email: "ops@example.com", Directory: directory, DirectoryCA: ca, Storage: t.TempDir(),
	}, slog.New(slog.NewTextHandler(lines(events), nil)))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{TLSConfig: m.Config(), ErrorLog: log.New(io.Discard, "", 0), Handler: http.NotFoundHandler()}
	go func() { _ = server.ServeTLS(l, "", "") }()
	defer func() { _ = server.Close() }()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Watch(ctx, port) }()

	select {
	case line := <-events:
		t.Log(line)
	case err := <-done:
		t.Fatal(err)
	case <-time.After(time.Minute):
		t.Fatal("no certificate after a minute")
	}
	c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{ServerName: "localhost", InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	state := c.ConnectionState()
	_ = c.Close()
	if err := state.PeerCertificates[0].VerifyHostname("localhost"); err != nil || state.NegotiatedProtocol != "h2" {
		t.Errorf("certificate %v (%v), protocol %q", state.PeerCertificates[0].DNSNames, err, state.NegotiatedProtocol)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// lines is a writer that passes lines on.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}
