package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// member is a WAMP session that a test holds open, of a callee with features.
func member(t *testing.T, url string, features ...string) (*transport.Conn, wamp.ID) {
	t.Helper()
	router, err := routerURL(url)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := transport.Dial(soon(t), router, wamp.JSON, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	announced := wamp.Dict{}
	for _, f := range features {
		announced[f] = true
	}
	welcome, err := conn.Join(soon(t), &wamp.Hello{Realm: "realm1", Details: wamp.Dict{
		"agent": "test\x1b[2J", "roles": wamp.Dict{"callee": wamp.Dict{"features": announced}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return conn, welcome.Session
}

func TestProcs(t *testing.T) {
	t.Parallel()
	_, url := dev(t)
	conn, _ := member(t, url)
	if err := conn.Send(&wamp.Register{Request: 1, Procedure: "com.example.", Options: wamp.RegisterOptions{
		Match: wamp.MatchPrefix, Invoke: wamp.InvokeRoundRobin,
	}}); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Receive(soon(t)); err != nil {
		t.Fatal(err)
	}
	got := runWith(soon(t), nil, "procs", "--url", url)
	lines := strings.Split(got.stdout, "\n")
	for i, want := range []string{
		`^PROCEDURE +MATCH +INVOKE +CALLEES +SINCE +SUMMARY$`,
		`^com\.example\. +prefix +roundrobin +1 +20\S+Z +-$`,
		`^demo\.add +exact +single +1 +20\S+Z +adds numbers exactly$`,
	} {
		if !regexp.MustCompile(want).MatchString(lines[i]) {
			t.Errorf("line %d is %q, want %s", i, lines[i], want)
		}
	}
	if len(lines) != 11 || got.code != exitOK || got.stderr != "" {
		t.Errorf("%d lines, code %d, stderr %q", len(lines), got.code, got.stderr)
	}

	got = runWith(soon(t), nil, "procs", "--url", url, "--json")
	var row struct {
		URI     string
		Callees int
		HTTP    struct {
			Safe    bool
			Summary string
		}
	}
	if err := json.Unmarshal([]byte(strings.Split(got.stdout, "\n")[1]), &row); err != nil {
		t.Fatalf("%v: %s", err, got.stdout)
	}
	if row.URI != "demo.add" || row.Callees != 1 || !row.HTTP.Safe || row.HTTP.Summary != "adds numbers exactly" {
		t.Errorf("%+v", row)
	}
}

func TestPs(t *testing.T) {
	t.Parallel()
	_, url := dev(t)
	_, id := member(t, url)
	got := runWith(soon(t), nil, "ps", "--url", url)
	lines := strings.Split(strings.TrimSuffix(got.stdout, "\n"), "\n")
	if len(lines) != 5 || got.code != exitOK { // a title, three samples, the member
		t.Fatalf("%+v, want 5 lines", got)
	}
	want := regexp.MustCompile(`^` + wampID(id) + ` +[A-Z0-9]+ +anonymous +20\S+Z +test \[2J$`)
	if !want.MatchString(lines[4]) {
		t.Errorf("%q does not match %s", lines[4], want)
	}
	got = runWith(soon(t), nil, "ps", "--url", url, "--json")
	if lines := strings.Split(got.stdout, "\n"); !strings.Contains(lines[3], `"session":`+wampID(id)) {
		t.Errorf("%q", lines)
	}
}

func wampID(id wamp.ID) string {
	b, _ := wamp.JSON.AppendValue(nil, id) // an id is a number
	return string(b)
}

// TestKill kills sessions in all ways.
func TestKill(t *testing.T) {
	t.Parallel()
	_, url := dev(t)
	kill := func(args ...string) outcome {
		return runWith(soon(t), nil, append([]string{"kill", "--url", url}, args...)...)
	}
	conn, id := member(t, url)
	got := kill(wampID(id), "--reason", "com.example.tired", "--message", "go home")
	if got.code != exitOK || got.stdout != "killed: 1\n" {
		t.Errorf("kill: %+v", got)
	}
	m, err := conn.Receive(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	if bye, ok := m.(*wamp.Goodbye); !ok || bye.Reason != "com.example.tired" || bye.Details["message"] != "go home" {
		t.Errorf("the killed session got %+v", m)
	}
	if got := kill(wampID(id)); got.code != exitRefused || !strings.Contains(got.stderr, "wamp.session.kill: no such session\n  there is no session "+wampID(id)) {
		t.Errorf("kill again: %+v", got)
	}
	if got := kill("--authid", "nobody"); got.code != exitOK || got.stdout != "killed: 0\n" {
		t.Errorf("kill --authid: %+v", got)
	}
	member(t, url)
	if got := kill("--authrole", "anonymous"); got.code != exitOK || !regexp.MustCompile(`^killed: [1-9]`).MatchString(got.stdout) {
		t.Errorf("kill --authrole: %+v", got)
	}
	member(t, url)
	if got := kill("--all"); got.code != exitOK || !regexp.MustCompile(`^killed: [1-9]`).MatchString(got.stdout) {
		t.Errorf("kill --all: %+v", got)
	}
	for _, args := range [][]string{nil, {"1", "--all"}, {"--authid", "a", "--authrole", "b"}, {"x"}} {
		if got := kill(args...); got.code != exitUsage {
			t.Errorf("kill %q: %+v, want code %d", args, got, exitUsage)
		}
	}
}

// TestKillRefused shows that killing must be allowed.
func TestKillRefused(t *testing.T) {
	t.Parallel()
	_, url := dev(t, "--no-meta-kill")
	got := runWith(soon(t), nil, "kill", "--url", url, "--all")
	if got.code != exitRefused || !strings.Contains(got.stderr, "not authorized") || !strings.Contains(got.stderr, "the setting meta-kill allows it") {
		t.Errorf("%+v", got)
	}
}

// TestMetaOverHTTP shows that HTTP calls reach the meta API only where that is
// allowed.
func TestMetaOverHTTP(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		flag   string
		code   int
		stderr string
	}{
		{"--no-meta-http", exitRefused, "wamp.session.count: not authorized (401, dealer, retry no)\n  wamp.session.count is not for calls over HTTP; the setting meta-http allows it"},
		{"--meta-http", exitOK, ""},
	} {
		_, url := dev(t, tt.flag)
		got := runWith(soon(t), nil, "call", "--url", url, "wamp.session.count")
		if got.code != tt.code || !strings.Contains(got.stderr, tt.stderr) {
			t.Errorf("%s: %+v, want code %d, …%s…", tt.flag, got, tt.code, tt.stderr)
		}
	}
}

// TestDirectory asks a whole gateway for its procedures.
func TestDirectory(t *testing.T) {
	t.Parallel()
	_, url := dev(t)
	for path, want := range map[string]string{
		"/procedures?limit=1":              `"next":"/procedures?after=`,
		"/procedures/demo.add":             `"http":{"safe":true,"schema":{"args":{`,
		"/procedures/demo.add?match=exact": `"uri":"demo.add"`,
		"/procedures/demo.ad":              "did you mean demo.add?",
	} {
		req, err := http.NewRequestWithContext(soon(t), http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := newClient().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s, %v; want …%s…", path, body, err, want)
		}
	}
}

// TestMetaTrouble asks routers that do not answer as they should.
func TestMetaTrouble(t *testing.T) {
	t.Parallel()
	_, url := dev(t)
	silent := playRouter(t)
	rude := playRouter(t, `[2,1,{}]`, `[6,{},"wamp.close.system_shutdown"]`)
	odd := playRouter(t, `[2,1,{}]`, `[50,99,{}]`)
	for name, tt := range map[string]struct {
		args   []string
		code   int
		stderr string
	}{
		"no realm":   {[]string{"--url", url, "--realm", "nowhere"}, exitRefused, "wamp.error.no_such_realm"},
		"no URL":     {[]string{"--url", "ftp://x"}, exitUsage, "--url"},
		"not there":  {[]string{"--url", "http://127.0.0.1:1"}, exitUnavailable, "connect"},
		"silent":     {[]string{"--url", silent, "-t", "50ms"}, exitTimeout, "no answer from " + silent + " within 50ms"},
		"rude":       {[]string{"--url", rude}, exitUnavailable, "the router closed the session: wamp.close.system_shutdown"},
		"odd answer": {[]string{"--url", odd}, exitUnavailable, "unexpected RESULT"},
	} {
		for _, command := range []string{"ps", "procs"} {
			got := runWith(soon(t), nil, append([]string{command}, tt.args...)...)
			if got.code != tt.code || !strings.Contains(got.stderr, tt.stderr) {
				t.Errorf("%s, %s: %+v; want code %d, …%s…", command, name, got, tt.code, tt.stderr)
			}
		}
	}
	ctx, interrupt := context.WithCancel(soon(t))
	interrupt()
	if got := runWith(ctx, nil, "ps", "--url", silent); got.code != exitInterrupted {
		t.Errorf("interrupted: %+v", got)
	}
}

// playRouter is a router that answers each message with the next of its own.
func playRouter(t *testing.T, answers ...string) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"wamp.2.json"}})
		if err != nil {
			return
		}
		defer conn.CloseNow() //nolint:errcheck // the test is over
		for _, answer := range answers {
			if _, _, err := conn.Read(r.Context()); err != nil {
				return
			}
			if err := conn.Write(r.Context(), websocket.MessageText, []byte(answer)); err != nil {
				return
			}
		}
		for err == nil {
			_, _, err = conn.Read(r.Context())
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestKillDuringHTTPCall kills the session that HTTP calls run on: the call in
// flight ends, and the next one has a session again.
func TestKillDuringHTTPCall(t *testing.T) {
	t.Parallel()
	_, url := dev(t)
	conn, _ := member(t, url)
	if err := conn.Send(&wamp.Register{Request: 1, Procedure: "my.hang"}); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Receive(soon(t)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan outcome, 1)
	go func() { ended <- runWith(soon(t), nil, "call", "--url", url, "my.hang") }()
	if m, err := conn.Receive(soon(t)); err != nil || m.Type() != wamp.TypeInvocation {
		t.Fatalf("got %v, %v, want INVOCATION", m, err)
	}
	if got := runWith(soon(t), nil, "kill", "--url", url, "--authid", "anonymous"); got.stdout != "killed: 1\n" {
		t.Errorf("kill: %+v", got)
	}
	if got := <-ended; got.code != exitUnavailable || !strings.Contains(got.stderr, "my.hang: wamp.close.killed (503, gateway, retry unknown)") {
		t.Errorf("the call ended with %+v", got)
	}
	if got := runWith(soon(t), nil, "call", "--url", url, "demo.add", "2", "3"); got.stdout != "5\n" {
		t.Errorf("the next call: %+v", got)
	}
}
