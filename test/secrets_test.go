package test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestNoSecretShows has principals of all kinds log in, rightly and wrongly,
// over HTTP and WebSocket, and has others put secrets where none belong. No
// secret shows in what the gateway logs, answers, or tells of its
// configuration.
func TestNoSecretShows(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), startTroupe(t, "--log-level=debug")
	var seen []string
	for _, a := range g.actors {
		if a.http != nil {
			body := `{"procedure":"com.public"}`
			path := "/call/com.public"
			if a.signed != nil {
				path = "/call?" + a.signed(body).Encode()
			}
			seen = append(seen, g.dump(ctx, t, a.client, path, body, a.http...))
		}
		if a.hello != nil {
			seen = append(seen, a.dumpLogin(ctx, t, g.gateway))
		}
	}
	client := g.clientFrom(t, "127.0.2.1")
	for name, s := range g.secrets {
		for _, field := range []string{"Basic ", "Bearer ", "Digest ", "Signature x=", ""} {
			seen = append(seen, g.dump(ctx, t, client, "/call/com.public", "[]", "Authorization", field+s))
		}
		seen = append(seen, g.dump(ctx, t, client, "/call/com.public", "[]", "X-Api-Key", s, "Cookie", "session="+s))
		for _, key := range []string{"access_token", "token", "password", "key"} {
			escaped := strings.NewReplacer("+", "%2B", " ", "+", "/", "%2F", "=", "%3D").Replace(s)
			seen = append(seen, g.dump(ctx, t, client, "/call/com.public?"+key+"="+escaped, "[]"), g.dump(ctx, t, client, "/nowhere?"+key+"="+escaped, "[]"))
		}
		for _, text := range []string{`[5,"SECRET"`, `[5,["SECRET"],{}]`, `[5,{"SECRET":1},{}]`, `[5,"SECRET",["SECRET"]]`, `[5,"SECRET",{"SECRET":"SECRET"},1]`, `[99,"SECRET"]`, `["SECRET"]`, `SECRET`} {
			p := dial(ctx, t, g.gateway)
			p.send(ctx, t, `[1,"realm1",{"roles":{"caller":{}},"authmethods":["ticket"],"authid":"tic"}]`)
			p.send(ctx, t, strings.ReplaceAll(text, "SECRET", s))
			if err := p.got.wait(ctx); ctx.Err() != nil {
				t.Fatalf("%s with the %s: %v", text, name, err)
			} else {
				seen = append(seen, err.Error())
			}
			for _, m := range p.got.all() {
				seen = append(seen, m.text)
			}
		}
	}
	for _, page := range []string{"/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2"} {
		a, err := fetch(ctx, "h1", http.MethodGet, "http://"+g.admin+page, nil)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, a.body)
	}
	seen = append(seen, g.checks(ctx, t)...)
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	lines := g.lines.all()
	for _, text := range append(seen, lines...) {
		for name, s := range g.secrets {
			if strings.Contains(text, s) {
				t.Errorf("the %s shows: %s", name, text)
			}
		}
	}
	if len(lines) < 100 {
		t.Errorf("the gateway printed %d lines, which shows little", len(lines))
	}
}

// dump sends a request and returns the answer as it is on the wire.
func (g *troupe) dump(ctx context.Context, t *testing.T, client *http.Client, path, body string, headers ...string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url(path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := httputil.DumpResponse(resp, true)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// dumpLogin logs in and returns what the gateway said.
func (a *actor) dumpLogin(ctx context.Context, t *testing.T, g *gateway) string {
	t.Helper()
	said := ""
	noting := *a
	noting.respond = func(c *wamp.Challenge) *wamp.Authenticate {
		said = fmt.Sprintf("%+v", c)
		return a.respond(c)
	}
	conn, m := noting.join(ctx, t, g)
	defer func() { _ = conn.Close() }()
	return said + fmt.Sprintf("%+v", m)
}

// checks returns what check-config prints of the configuration, of a question
// about each of some principals, and of files in which secrets stand where they
// must not.
func (g *troupe) checks(ctx context.Context, t *testing.T) []string {
	t.Helper()
	password := g.secrets["password"]
	run := func(config string, question ...string) string {
		cmd := exec.CommandContext(ctx, binary(t), append([]string{"check-config", "-c", config}, question...)...)
		cmd.Env = append(os.Environ(), "PASSWORD="+password)
		out, err := cmd.CombinedOutput()
		if len(out) == 0 {
			t.Errorf("check-config %v: %v, and no output", question, err)
		}
		return string(out)
	}
	all := []string{run(g.config)}
	for _, authid := range []string{"tic", "cra", "scr", "sig", "key", "crt", "zoe"} {
		all = append(all, run(g.config, "--explain", authid, "com.app.list", "call"))
	}
	config, err := os.ReadFile(g.config)
	if err != nil {
		t.Fatal(err)
	}
	for i, bad := range []string{"{env: PASSWORD}", `"` + password + `"`, "{text: '" + password + "'}", "['" + password + "']", "{file: '" + password + "', env: PASSWORD}"} {
		for _, place := range []string{"ticket: {env: PASSWORD}", "wampcra: {env: PASSWORD}", "secret: {env: PASSWORD}"} {
			key, _, _ := strings.Cut(place, ":")
			path := fmt.Sprintf("%s.%d.%s.yaml", g.config, i, key)
			if err := os.WriteFile(path, []byte(strings.Replace(string(config), place, key+": "+bad, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			all = append(all, run(path))
		}
	}
	return all
}
