package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// get fetches a path, as one of the types that are accepted, without keeping the
// connection.
func get(t *testing.T, url string, accept ...string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(soon(t), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header["Accept"] = accept
	resp, err := newClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestDevSaysWhereItIs(t *testing.T) {
	t.Parallel()
	b := inBackground(t, "dev", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--realm", "my.realm,other")
	line := b.line(t, "wampgate")
	want := regexp.MustCompile(`^wampgate 0\.1  http://(127\.0\.0\.1:\d+)  ws://(127\.0\.0\.1:\d+)/ws  realm=my\.realm,other  docs=/docs  admin=http://(127\.0\.0\.1:\d+)$`)
	m := want.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("dev printed %q, want %v", line, want)
	}
	if m[1] != m[2] || m[1] == m[3] || strings.HasSuffix(m[1], ":0") {
		t.Errorf("dev listens on %v", m[1:])
	}
	if status, body := get(t, "http://"+m[3]+"/healthz"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("admin /healthz = %d %q", status, body)
	}
	if status, _ := get(t, "http://"+m[3]+"/debug/pprof/goroutine?debug=1"); status != http.StatusOK {
		t.Errorf("admin /debug/pprof/goroutine = %d", status)
	}
	if status, _ := get(t, "http://"+m[1]+"/debug/pprof/goroutine"); status != http.StatusNotFound {
		t.Errorf("profiles on the main listener: %d, want 404", status)
	}
	b.stop()
	if b.code != exitOK {
		t.Errorf("dev ended with code %d", b.code)
	}
}

func TestReachable(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"127.0.0.1:80":   "127.0.0.1:80",
		"192.0.2.1:80":   "192.0.2.1:80",
		"0.0.0.0:80":     "127.0.0.1:80",
		"[::]:80":        "[::1]:80",
		"[2001:db8::]:1": "[2001:db8::]:1",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := reachable(tcp); got != want {
			t.Errorf("reachable(%s) = %s, want %s", addr, got, want)
		}
	}
}

func TestAllowedHosts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		listen, publicURL string
		want              []string
	}{
		{"127.0.0.1:1", "", []string{}},
		{"localhost:1", "https://gw.example.com:8443/x", []string{"gw.example.com"}},
		{"[::1]:1", "", []string{}},
		{"0.0.0.0:1", "https://gw.example.com", nil},
		{":1", "", nil},
		{"192.0.2.1:1", "", nil},
	} {
		got := allowedHosts(&settings{Listen: tt.listen, PublicURL: tt.publicURL})
		if (got == nil) != (tt.want == nil) || strings.Join(got, " ") != strings.Join(tt.want, " ") {
			t.Errorf("allowedHosts(%s, %s) = %#v, want %#v", tt.listen, tt.publicURL, got, tt.want)
		}
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // nobody came
	for _, flag := range []string{"--listen", "--admin-listen"} {
		args := []string{"dev", "--listen", "127.0.0.1:0", flag, taken.Addr().String()}
		got := runWith(soon(t), nil, args...)
		if got.code != exitFailed || !strings.Contains(got.stderr, "address already in use\n  Stop what listens there, or choose another address with "+flag) {
			t.Errorf("wampgate %q: code %d, stderr %q", args, got.code, got.stderr)
		}
	}
}

// TestServe runs serve with a file: what the file says holds, and the log is
// JSON.
func TestServe(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "wampgate.yaml", "listen: 127.0.0.1:0\nadmin-listen: ''\nanonymous: true\nlog-format: json\nmax-body: 10\n")
	b := inBackground(t, "serve", "-c", path)
	url := urlIn(b.line(t, "realm=realm1"))
	if got := runWith(soon(t), nil, "health", "--ready", "--url", url); got.code != exitOK || got.stdout != "ok\n" {
		t.Errorf("health: %+v", got)
	}
	listen := "WAMPGATE_LISTEN=0.0.0.0:" + url[strings.LastIndex(url, ":")+1:]
	if got := runWith(soon(t), []string{listen}, "health"); got.code != exitOK || got.stdout != "ok\n" {
		t.Errorf("health with %s: %+v", listen, got)
	}
	if got := runWith(soon(t), nil, "call", "--url", url, "demo.add"); got.code != exitRefused || !strings.Contains(got.stderr, "no such procedure") {
		t.Errorf("serve has samples: %+v", got)
	}
	if got := runWith(soon(t), nil, "call", "--url", url, "demo.add", "12345"); !strings.Contains(got.stderr, "(413, gateway") {
		t.Errorf("a call of more than max-body: %+v, want status 413", got)
	}
	var entry struct {
		Procedure string `json:"procedure"`
		Status    int    `json:"status"`
		Outcome   string `json:"outcome"`
	}
	if line := b.line(t, "demo.add"); json.Unmarshal([]byte(line), &entry) != nil || entry.Procedure != "demo.add" || entry.Status != http.StatusNotFound {
		t.Errorf("access log %s", line)
	}
}

// TestDrain stops a gateway with two calls in flight: the one that ends within
// the time to drain gets its result, the other is canceled and told so.
func TestDrain(t *testing.T) {
	t.Parallel()
	b, url := dev(t, "--drain", "3s")
	short := inBackground(t, "call", "--url", url, "--stream", "demo.count", "20", "delay_ms:=20")
	long := inBackground(t, "call", "--url", url, "--stream", "demo.count", "1000000", "delay_ms:=20")
	short.line(t, "1") // it is in flight
	long.line(t, "1")
	b.stop()
	if b.code != exitOK {
		t.Errorf("dev ended with code %d", b.code)
	}
	short.line(t, `"done"`)
	long.line(t, "(503, gateway")
	<-long.closed
	if long.code != exitUnavailable {
		t.Errorf("the canceled call ended with code %d, want %d", long.code, exitUnavailable)
	}
}
