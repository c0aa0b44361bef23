package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// An authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	path string // of its certificate, in PEM
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{key: newKey(t), path: filepath.Join(t.TempDir(), "ca.pem")}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	writePEM(t, a.path, "CERTIFICATE", der)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue writes a certificate and its key to dir, for 127.0.0.1 as server and
// for the URIs as client.
func (a *authority) issue(t *testing.T, dir string, serial int64, name string, uris ...string) (cert, key string) {
	t.Helper()
	private := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, text := range uris {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = append(template.URIs, u)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, private.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	writePEM(t, cert, "CERTIFICATE", der)
	writePEM(t, key, "PRIVATE KEY", pkcs8)
	return cert, key
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// client returns an HTTP client that trusts a.
func (a *authority) client(t *testing.T) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// startTLS is start for a gateway that speaks TLS.
func startTLS(t *testing.T, a *authority, dir string, args ...string) *gateway {
	t.Helper()
	cert, key := a.issue(t, dir, 1, "server")
	g := start(t, append([]string{"--tls-cert=" + cert, "--tls-key=" + key}, args...)...)
	g.trust = a.client(t)
	return g
}

// curlOnce runs curl to its end and returns what it printed.
func curlOnce(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(soon(t), tool(t, "curl", "the tests with curl"), append([]string{"-sS"}, args...)...).CombinedOutput()
	if err != nil {
		t.Errorf("curl %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// TestTLS calls over TLS, with both versions of HTTP and over WebSocket.
func TestTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	g := startTLS(t, a, t.TempDir())
	callee := join(soon(t), t, g)
	callee.register(soon(t), t, 1, "test.tls")
	for _, version := range []string{"1.1", "2"} {
		got := curlOnce(t, "--http"+version, "--cacert", a.path, "-w", "%{http_version} %{http_code}", "--json", "[2,3]", g.url("/call/demo.add"))
		if got != "5\n"+version+" 200" {
			t.Errorf("HTTP/%s: %s", version, got)
		}
	}
	plain := curlOnce(t, "-w", "%{http_code}", "http://"+g.addr+"/healthz")
	if !strings.Contains(plain, "400") {
		t.Errorf("HTTP without TLS: %s", plain)
	}
}

// TestHangUpOverTLS: it is noticed below TLS too.
func TestHangUpOverTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	trust := []string{"--cacert", a.path}
	with := func(more ...string) []string { return append(more, trust...) }
	for _, h := range []hangup{
		{name: "unary", begin: curlUnary(with("--http1.1")...)},
		{name: "unary_h2", begin: curlUnary(with("--http2")...)},
		{name: "events", begin: curlEvents(with("--http1.1")...)},
		{name: "events_h2", begin: curlEvents(with("--http2")...)},
		{name: "upload", begin: curlUpload(with("--http1.1")...), upload: true},
		{name: "upload_h2", begin: curlUpload(with("--http2")...), upload: true},
	} {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			g := startTLS(t, a, t.TempDir())
			callee := join(soon(t), t, g)
			callee.register(soon(t), t, 1, "test.hang")
			h.round(t, g, callee)
		})
	}
}

// TestCertificateRotation replaces the certificate while a stream is on: new
// connections see the new one, and the stream goes on.
func TestCertificateRotation(t *testing.T) {
	t.Parallel()
	a, dir := newAuthority(t), t.TempDir()
	g := startTLS(t, a, dir)
	stream := startCurl(t, "--cacert", a.path, "-H", "Accept: text/event-stream", "--json", "[1000,0.2]", g.url("/call/demo.count"))
	stream.wantLine(t, "event: progress")
	if serial := serialOf(t, g); serial != 1 {
		t.Fatalf("the certificate has serial %d, want 1", serial)
	}
	a.issue(t, dir, 2, "server")
	if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	g.wantLog(soon(t), t, 0, "certificates were read again")
	if serial := serialOf(t, g); serial != 2 {
		t.Errorf("the certificate has serial %d, want 2", serial)
	}
	stream.wantLine(t, "event: progress")
	stream.wantLine(t, "event: progress")

	// Files that do not belong together change nothing.
	newAuthority(t).issue(t, dir, 3, "other")
	if err := os.Rename(filepath.Join(dir, "other.key"), filepath.Join(dir, "server.key")); err != nil {
		t.Fatal(err)
	}
	if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	g.wantLog(soon(t), t, 0, "certificates stay as they were")
	if serial := serialOf(t, g); serial != 2 {
		t.Errorf("the certificate has serial %d, want 2", serial)
	}
	stream.wantLine(t, "event: progress")
}

// serialOf returns the serial number of the certificate that g shows.
func serialOf(t *testing.T, g *gateway) int64 {
	t.Helper()
	resp, err := g.trust.Get(g.url("/healthz"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.TLS.PeerCertificates[0].SerialNumber.Int64()
}
