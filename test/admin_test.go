package test

import (
	"crypto/tls"
	"encoding/hex"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wampgate/wampgate/gateway/authn"
)

// adminKey returns an API key and what admin-keys has of it.
func adminKey() (key, setting string) {
	key, kept := authn.NewAPIKey()
	return key, "sha256:" + hex.EncodeToString(kept[:])
}

// adminStatus fetches a path of the admin listener.
func adminStatus(t *testing.T, client *http.Client, url string, header ...string) (int, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(soon(t), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header
}

// TestAdminOverTLS knocks at the admin listener with all that may and may not
// open it, and replaces its certificate meanwhile.
func TestAdminOverTLS(t *testing.T) {
	t.Parallel()
	a, operators, dir := newAuthority(t), newAuthority(t), t.TempDir()
	cert, private := a.issue(t, dir, 1, "admin")
	key, setting := adminKey()
	other, _ := adminKey()
	g := start(t, "--admin-tls-cert="+cert, "--admin-tls-key="+private, "--admin-tls-client-ca="+operators.path, "--admin-keys="+setting)
	anybody, operator, stranger := a.client(t), a.client(t), a.client(t)
	for client, from := range map[*http.Client]*authority{operator: operators, stranger: a} {
		certFile, keyFile := from.issue(t, t.TempDir(), 5, "client")
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		client.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	base := "https://" + g.admin
	for name, tt := range map[string]struct {
		client *http.Client
		path   string
		header []string
		want   int
	}{
		"health":             {anybody, "/healthz", nil, http.StatusOK},
		"readiness":          {anybody, "/readyz", nil, http.StatusOK},
		"nothing":            {anybody, "/debug/pprof/cmdline", nil, http.StatusUnauthorized},
		"nothing is there":   {anybody, "/no/such", nil, http.StatusUnauthorized},
		"routes":             {anybody, "/admin/routes", nil, http.StatusUnauthorized},
		"metrics":            {anybody, "/metrics", nil, http.StatusUnauthorized},
		"metrics with a key": {anybody, "/metrics", []string{"Authorization", "Bearer " + key}, http.StatusOK},
		"routes with a key":  {anybody, "/admin/routes", []string{"X-API-Key", key}, http.StatusOK},
		"key":                {anybody, "/debug/pprof/cmdline", []string{"Authorization", "Bearer " + key}, http.StatusOK},
		"key in its field":   {anybody, "/debug/pprof/cmdline", []string{"X-API-Key", key}, http.StatusOK},
		"another key":        {anybody, "/debug/pprof/cmdline", []string{"Authorization", "Bearer " + other}, http.StatusUnauthorized},
		"the hash of it":     {anybody, "/debug/pprof/cmdline", []string{"Authorization", "Bearer " + setting}, http.StatusUnauthorized},
		"basic":              {anybody, "/debug/pprof/cmdline", []string{"Authorization", "Basic " + key}, http.StatusUnauthorized},
		"certificate":        {operator, "/debug/pprof/cmdline", nil, http.StatusOK},
		"with key, no path":  {operator, "/no/such", nil, http.StatusNotFound},
		"certificate, index": {operator, "/debug/pprof/", nil, http.StatusOK},
	} {
		status, header := adminStatus(t, tt.client, base+tt.path, tt.header...)
		if status != tt.want || status == http.StatusUnauthorized && !strings.HasPrefix(header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%s: %d with %v, want %d", name, status, header, tt.want)
		}
	}
	// The authority of the listener's own certificate is none of its clients'.
	if resp, err := stranger.Get(base + "/debug/pprof/cmdline"); err == nil {
		_ = resp.Body.Close()
		t.Errorf("a certificate of another authority: %s, want a handshake that fails", resp.Status)
	}
	if plain, _ := adminStatus(t, http.DefaultClient, "http://"+g.admin+"/healthz"); plain != http.StatusBadRequest {
		t.Errorf("HTTP without TLS: %d", plain)
	}

	a.issue(t, dir, 2, "admin")
	if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	g.wantLog(soon(t), t, 0, "certificates were read again")
	resp, err := anybody.Get(base + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if serial := resp.TLS.PeerCertificates[0].SerialNumber.Int64(); serial != 2 {
		t.Errorf("the certificate has serial %d, want 2", serial)
	}
}

// TestAdminKeysReload: keys come and go while the gateway runs, and without any
// the listener is open to this machine, as it was by default.
func TestAdminKeysReload(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "wampgate.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte("anonymous: true\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	g := startCommand(t, nil, []string{"serve", "-c", path})
	status := func(header ...string) int {
		code, _ := adminStatus(t, http.DefaultClient, "http://"+g.admin+"/debug/pprof/cmdline", header...)
		return code
	}
	if got := status(); got != http.StatusOK {
		t.Fatalf("without settings: %d", got)
	}
	req, err := http.NewRequestWithContext(soon(t), http.MethodGet, "http://"+g.admin+"/admin/routes", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "rebound.example.com"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("by the name of a page elsewhere: %s", resp.Status)
	}
	first, kept := adminKey()
	second, keptToo := adminKey()
	for _, step := range []struct {
		file           string
		none, one, two int
	}{
		{"admin-keys: ['" + kept + "']\n", 401, 200, 401},
		{"admin-keys: ['" + kept + "', '" + keptToo + "']\n", 401, 200, 200},
		{"admin-keys: ['" + keptToo + "']\n", 401, 401, 200},
	} {
		from := len(g.lines.all())
		write(step.file)
		if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		g.wantLog(soon(t), t, from, "configuration was read again")
		none, one, two := status(), status("X-API-Key", first), status("X-API-Key", second)
		if none != step.none || one != step.one || two != step.two {
			t.Errorf("with %s got %d, %d and %d, want %d, %d and %d", step.file, none, one, two, step.none, step.one, step.two)
		}
	}
}

// TestAdminRefusesToStart: what would open the process to others, or cannot be
// meant, is said before anything listens.
func TestAdminRefusesToStart(t *testing.T) {
	t.Parallel()
	key, setting := adminKey()
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"all addresses":       {[]string{"--admin-listen=:0"}, "admin-listen: :0 is reached from other machines"},
		"another address":     {[]string{"--admin-listen=192.0.2.1:8081"}, "set admin-keys (see 'wampgate token') or admin-tls-client-ca, or listen on 127.0.0.1"},
		"TLS does not let in": {[]string{"--admin-listen=[::]:0", "--admin-tls-cert=x", "--admin-tls-key=x"}, "admin-listen: [::]:0 is reached"},
		"certificate alone":   {[]string{"--admin-tls-cert=x"}, "admin-tls-cert: needs admin-tls-key"},
		"key alone":           {[]string{"--admin-tls-key=x"}, "admin-tls-key: needs admin-tls-cert"},
		"authority alone":     {[]string{"--admin-tls-client-ca=x"}, "admin-tls-client-ca: needs admin-tls-cert"},
		"no such file":        {[]string{"--admin-tls-cert=/no/such", "--admin-tls-key=/no/such"}, "admin listener: certificate /no/such"},
		"a key in the clear":  {[]string{"--admin-keys=" + key}, "admin-keys: a SHA-256 is 64 hexadecimal digits"},
		"too short":           {[]string{"--admin-keys=" + setting[:60]}, "admin-keys: a SHA-256"},
	} {
		args := append([]string{"dev", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"}, tt.args...)
		out, err := exec.CommandContext(soon(t), binary(t), args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), tt.want) || strings.Contains(string(out), key) {
			t.Errorf("%s: %v\n%s\nwant %s", name, err, out, tt.want)
		}
	}
}
