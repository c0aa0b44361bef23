package certs_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/gateway/certs"
)

// write puts a certificate for localhost with a serial number into dir, signed
// by itself.
func write(t *testing.T, dir string, serial int64, until time.Time) certs.Files {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"localhost"},
		NotBefore: until.Add(-24 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := certs.Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	writePEM(t, files.Cert, "CERTIFICATE", der)
	writePEM(t, files.Key, "PRIVATE KEY", private)
	return files
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// shake makes a handshake in memory, and returns the client's end and the
// serial number that it was shown.
func shake(t *testing.T, s *certs.Store, client *tls.Config) (*tls.Conn, int64) {
	t.Helper()
	a, b := net.Pipe()
	server := tls.Server(b, s.Config())
	go func() {
		_, _ = io.Copy(server, server) // an echo; ends with the connection
		_ = server.Close()
	}()
	client.ServerName, client.InsecureSkipVerify = "localhost", true
	c := tls.Client(a, client)
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c, c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// TestRotation replaces the files: new connections get the new certificate,
// and old ones go on.
func TestRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		dir := t.TempDir()
		s, err := certs.Load(write(t, dir, 1, time.Now().Add(time.Hour)), slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		now := make(chan struct{})
		go s.Watch(ctx, now)
		synctest.Wait()

		first, serial := shake(t, s, &tls.Config{})
		if serial != 1 {
			t.Fatalf("the certificate has serial %d, want 1", serial)
		}
		files := write(t, dir, 2, time.Now().Add(time.Hour))
		touch(t, files, time.Now().Add(time.Second))
		time.Sleep(5 * time.Second) // of synctest's clock
		synctest.Wait()
		if _, serial := shake(t, s, &tls.Config{}); serial != 2 {
			t.Errorf("after the files changed the certificate has serial %d, want 2", serial)
		}

		// Half of a change must not be used, and does no harm.
		if err := os.WriteFile(files.Key, []byte("half a key"), 0o600); err != nil {
			t.Fatal(err)
		}
		now <- struct{}{}
		synctest.Wait()
		if _, serial := shake(t, s, &tls.Config{}); serial != 2 {
			t.Errorf("with a broken key the certificate has serial %d, want 2", serial)
		}
		if !strings.Contains(log.String(), "certificates stay as they were") {
			t.Errorf("the log does not tell:\n%s", log.String())
		}
		if _, err := first.Write([]byte("x")); err != nil {
			t.Errorf("the first connection did not survive: %v", err)
		}
		if _, err := io.ReadFull(first, make([]byte, 1)); err != nil {
			t.Errorf("the first connection did not survive: %v", err)
		}
		stop()
		_ = first.Close()
	})
}

// touch sets the time of the files, which the clock of a bubble does not.
func touch(t *testing.T, files certs.Files, at time.Time) {
	t.Helper()
	for _, name := range []string{files.Cert, files.Key} {
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
}

// TestVersionsAndProtocols: TLS 1.2 at least, HTTP/2 before HTTP/1.1.
func TestVersionsAndProtocols(t *testing.T) {
	t.Parallel()
	s, err := certs.Load(write(t, t.TempDir(), 1, time.Now().Add(time.Hour)), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c, _ := shake(t, s, &tls.Config{NextProtos: []string{"http/1.1", "h2"}})
	if got := c.ConnectionState().NegotiatedProtocol; got != "h2" {
		t.Errorf("ALPN chose %q, want h2", got)
	}
	a, b := net.Pipe()
	go func() { _ = tls.Server(b, s.Config()).Handshake(); _ = b.Close() }()
	if err := tls.Client(a, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}).Handshake(); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
}

// TestUnusable: what cannot be used is said when the gateway starts.
func TestUnusable(t *testing.T) {
	t.Parallel()
	good, other := write(t, t.TempDir(), 1, time.Now().Add(time.Hour)), write(t, t.TempDir(), 2, time.Now().Add(time.Hour))
	for name, test := range map[string]struct {
		files certs.Files
		want  string
	}{
		"missing":           {certs.Files{Cert: "/no/such", Key: good.Key}, "no such file"},
		"key of another":    {certs.Files{Cert: good.Cert, Key: other.Key}, "private key does not match"},
		"swapped":           {certs.Files{Cert: good.Key, Key: good.Cert}, "certificate"},
		"expired":           {write(t, t.TempDir(), 1, time.Now().Add(-time.Hour)), "expired on"},
		"no authority":      {certs.Files{Cert: good.Cert, Key: good.Key, ClientCA: good.Key}, "no certificate in PEM"},
		"missing authority": {certs.Files{Cert: good.Cert, Key: good.Key, ClientCA: "/no/such"}, "no such file"},
	} {
		_, err := certs.Load(test.files, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}
