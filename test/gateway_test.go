package test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A gateway is a running wampgate.
type gateway struct {
	addr  string       // host:port of the listener
	admin string       // host:port of the admin listener
	trust *http.Client // that reaches it over TLS; nil if it speaks none
	cmd   *exec.Cmd
	lines feed[string] // what it printed, on both outputs
	read  sync.WaitGroup
	exit  chan struct{} // closed when the process has ended
	err   error         // how it ended; set before exit is closed
	dead  bool          // kill ended it
}

// start runs "wampgate dev" on free ports, with args added, until the test
// ends. It fails the test when the process ends in any other way than a clean
// stop, unless the test kills it.
func start(t *testing.T, args ...string) *gateway {
	t.Helper()
	return startCommand(t, nil, []string{"dev"}, args...)
}

// serve runs "wampgate serve" with a configuration file, and variables that it
// may name, as start does.
func serve(t *testing.T, config string, env []string, args ...string) *gateway {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wampgate.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return startCommand(t, env, []string{"serve", "-c", path}, args...)
}

// startCommand runs a command that serves.
func startCommand(t *testing.T, env, command []string, args ...string) *gateway {
	t.Helper()
	args = slices.Concat(command, []string{"--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--drain=1s"}, args)
	g := &gateway{cmd: exec.Command(binary(t), args...), exit: make(chan struct{})}
	g.cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "WAMPGATE_") })
	g.cmd.Env = append(append(g.cmd.Env, "XDG_STATE_HOME="+t.TempDir()), env...)
	stdout, err := g.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := g.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, r := range []io.Reader{stdout, stderr} {
		g.read.Go(func() { g.listen(r) })
	}
	go func() {
		g.read.Wait()
		g.err = g.cmd.Wait()
		g.lines.end(errors.New("the process has ended"))
		close(g.exit)
	}()
	t.Cleanup(func() { g.cleanup(t) })
	g.findAddresses(soon(t), t)
	return g
}

// listen collects the lines of one output.
func (g *gateway) listen(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		g.lines.add(lines.Text())
	}
}

// findAddresses waits for the lines that say where the listeners are.
func (g *gateway) findAddresses(ctx context.Context, t *testing.T) {
	t.Helper()
	g.addr = g.printed(ctx, t, regexp.MustCompile(`wss?://([\d.:]+)/ws`))
	g.admin = g.printed(ctx, t, regexp.MustCompile(`admin=https?://([\d.:]+)`))
}

// printed waits for a line that matches, and returns the first group.
func (g *gateway) printed(ctx context.Context, t *testing.T, re *regexp.Regexp) string {
	t.Helper()
	line, _, err := g.lines.find(ctx, 0, re.MatchString)
	if err != nil {
		t.Fatalf("wampgate printed nothing like %v: %v\n%s", re, err, strings.Join(g.lines.all(), "\n"))
	}
	return re.FindStringSubmatch(line)[1]
}

// stop ends the gateway as an operator does and returns how it ended.
func (g *gateway) stop() error {
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-g.exit:
	case <-time.After(patience):
		_ = g.cmd.Process.Kill()
		<-g.exit
		return errors.Join(errors.New("did not stop on SIGTERM"), g.err)
	}
	return g.err
}

// kill ends the gateway at once.
func (g *gateway) kill() {
	g.dead = true
	_ = g.cmd.Process.Kill()
	<-g.exit
}

func (g *gateway) cleanup(t *testing.T) {
	t.Helper()
	if err := g.stop(); err != nil && !g.dead {
		t.Errorf("wampgate ended with %v", err)
	}
	if t.Failed() {
		lines := g.lines.all()
		t.Logf("the last lines of wampgate:\n%s", strings.Join(lines[max(0, len(lines)-40):], "\n"))
	}
	for i, line := range g.lines.all() {
		if strings.Contains(line, "DATA RACE") {
			t.Log(strings.Join(g.lines.all()[i:], "\n"))
		}
		if strings.HasPrefix(line, "panic:") || strings.Contains(line, "http: panic serving") || strings.Contains(line, "DATA RACE") {
			t.Errorf("wampgate printed: %s", line)
		}
	}
}

// url returns the address of a path.
func (g *gateway) url(path string) string { return g.scheme("http") + "://" + g.addr + path }

// ws returns the address of the WebSocket.
func (g *gateway) ws() string { return g.scheme("ws") + "://" + g.addr + "/ws" }

// scheme returns that of a URL: base is http or ws.
func (g *gateway) scheme(base string) string {
	if g.trust == nil {
		return base
	}
	return base + "s"
}

// wantLog waits for a line, from index from on, that holds all words.
func (g *gateway) wantLog(ctx context.Context, t *testing.T, from int, words ...string) string {
	t.Helper()
	line, _, err := g.lines.find(ctx, from, func(line string) bool {
		for _, w := range words {
			if !strings.Contains(line, w) {
				return false
			}
		}
		return true
	})
	if err != nil {
		t.Fatalf("no log line with %q: %v", words, err)
	}
	return line
}

// An answer is a complete HTTP response.
type answer struct {
	status int
	header http.Header
	body   string // without the line feed at its end
	close  bool   // the connection ends behind it
}

// post sends a request with a body and returns the answer. headers are pairs
// of name and value.
func (g *gateway) post(ctx context.Context, t *testing.T, path, body string, headers ...string) answer {
	t.Helper()
	return g.send(ctx, t, http.MethodPost, path, strings.NewReader(body), headers...)
}

// call posts a JSON body.
func (g *gateway) call(ctx context.Context, t *testing.T, path, body string) answer {
	t.Helper()
	return g.post(ctx, t, "/call/"+path, body, "Content-Type", "application/json")
}

// send sends a request on a connection of its own and returns the answer.
func (g *gateway) send(ctx context.Context, t *testing.T, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	a, err := g.do(ctx, method, path, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// do is send for goroutines other than the test's.
func (g *gateway) do(ctx context.Context, method, path string, body io.Reader, headers ...string) (answer, error) {
	return g.doOver(ctx, "h1", method, path, body, headers...)
}

// protocols are the versions of HTTP that need no TLS.
func protocols() []string { return []string{"h1", "h2c"} }

// doOver is do over a protocol.
func (g *gateway) doOver(ctx context.Context, protocol, method, path string, body io.Reader, headers ...string) (answer, error) {
	return fetch(ctx, protocol, method, g.url(path), body, headers...)
}

// newTransport returns what speaks a protocol. HTTP/1.1 is spoken on a new
// connection each time.
func newTransport(protocol string) *http.Transport {
	transport := &http.Transport{DisableKeepAlives: protocol == "h1", Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(protocol == "h1")
	transport.Protocols.SetUnencryptedHTTP2(protocol == "h2c")
	return transport
}

// fetch sends a request on a connection of its own and returns the answer.
func fetch(ctx context.Context, protocol, method, url string, body io.Reader, headers ...string) (answer, error) {
	transport := newTransport(protocol)
	defer transport.CloseIdleConnections()
	return fetchOver(ctx, &http.Client{Transport: transport}, method, url, body, headers...)
}

// fetchOver sends a request with a client and returns the answer.
func fetchOver(ctx context.Context, client *http.Client, method, url string, body io.Reader, headers ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, fmt.Errorf("%s %s: reading the answer: %w", method, url, err)
	}
	return answer{resp.StatusCode, resp.Header, strings.TrimSuffix(string(text), "\n"), resp.Close}, nil
}
