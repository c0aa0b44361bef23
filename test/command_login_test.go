package test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer/auth"
)

const operatorConfig = `rate: 0
roles:
  user:
    permissions:
      - {uri: test., match: prefix, allow: [call, register]}
      - {uri: wamp., match: prefix, allow: [meta, admin]}
      - {uri: wampgate.call., match: prefix, allow: call}
principals:
  salted: {role: user, wampcra-key: {key: {file: cra.key}, salt: the salt, iterations: 1000, keylen: 32}}
  crispin: {role: user, wampcra: {file: secret}}
  tess: {role: user, ticket: {file: secret}}
`

// An operator runs commands against a gateway that lets in only whom it knows.
type operator struct {
	*keeper
	t   *testing.T
	env []string
}

// run runs a command to its end.
func (o *operator) run(args ...string) (out string, code int) {
	o.t.Helper()
	cmd := exec.CommandContext(soon(o.t), binary(o.t), append(args, "--url="+o.url(""))...)
	cmd.Env = append(os.Environ(), o.env...)
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		o.t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// TestCommandsOverTLS calls with each of the credentials that there are for
// HTTP, and without.
func TestCommandsOverTLS(t *testing.T) {
	t.Parallel()
	g := startKeeper(t)
	cert, key := g.authority.issue(t, t.TempDir(), 7, "client", "spiffe://example.com/cora")
	password, apiKey, token := g.write(t, "joe.ticket", g.password+"\n"), g.write(t, "api.key", g.key), g.write(t, "token", g.token(t, time.Minute))
	wrong := g.write(t, "wrong", "guess-of-mallory\n")
	ca := "--ca=" + g.authority.path
	for name, tt := range map[string]struct {
		env  []string
		args []string
		code int
		want string
	}{
		"ticket":               {nil, []string{ca, "--user=joe", "--ticket-file=" + password}, 0, "joe user"},
		"ticket in a variable": {[]string{"WAMPGATE_TICKET=" + g.password, "WAMPGATE_USER=joe"}, []string{ca}, 0, "joe user"},
		"key":                  {nil, []string{ca, "--api-key-file=" + apiKey}, 0, "robot user"},
		"key in a variable":    {[]string{"WAMPGATE_API_KEY=" + g.key}, []string{ca}, 0, "robot user"},
		"token":                {nil, []string{ca, "--token-file=" + token}, 0, "ada user"},
		"token in a variable":  {[]string{"WAMPGATE_TOKEN=" + g.token(t, time.Minute)}, []string{ca}, 0, "ada user"},
		"certificate":          {nil, []string{ca, "--cert=" + cert, "--key=" + key}, 0, "spiffe://example.com/cora user"},
		"authority, variable":  {[]string{"WAMPGATE_CA=" + g.authority.path}, []string{"--api-key-file=" + apiKey}, 0, "robot user"},
		"nothing":              {nil, []string{ca}, 4, "(401, gateway"},
		"wrong ticket":         {nil, []string{ca, "--user=joe", "--ticket-file=" + wrong}, 4, "(401, gateway"},
		"no authority":         {nil, []string{"--api-key-file=" + apiKey}, 5, "certificate signed by unknown authority"},
		"no such authority":    {nil, []string{"--ca=/no/such"}, 2, "--ca: open /no/such"},
		"no certificate in it": {nil, []string{"--ca=" + apiKey}, 2, "holds no certificate in PEM"},
		"half a certificate":   {nil, []string{ca, "--cert=" + cert}, 2, "--cert and --key belong together"},
		"user alone":           {nil, []string{ca, "--user=joe"}, 2, "--user joe needs --ticket-file, or the ticket in WAMPGATE_TICKET"},
		"ticket alone":         {nil, []string{ca, "--ticket-file=" + password}, 2, "a ticket needs --user"},
		"two":                  {nil, []string{ca, "--token-file=" + token, "--api-key-file=" + apiKey}, 2, "both token and api-key"},
		"no such file":         {nil, []string{ca, "--token-file=/no/such"}, 2, "--token-file: open /no/such"},
		"empty file":           {nil, []string{ca, "--token-file=" + g.write(t, "empty", "\n")}, 2, "is empty"},
	} {
		o := &operator{g, t, tt.env}
		out, code := o.run(append([]string{"call", "test.who"}, tt.args...)...)
		if code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%s: code %d, %s\nwant %d, %s", name, code, out, tt.code, tt.want)
		}
		for _, planted := range []string{g.password, g.key, "guess-of-mallory"} {
			if strings.Contains(out, planted) {
				t.Errorf("%s: a secret is printed: %s", name, out)
			}
		}
	}
	o := &operator{g, t, nil}
	if out, code := o.run("health", ca); code != 0 || out != "ok\n" {
		t.Errorf("health: %d, %s", code, out)
	}
	if out, code := o.run("health"); code != 5 || !strings.Contains(out, "unknown authority") {
		t.Errorf("health without the authority: %d, %s", code, out)
	}
}

// startOperators starts a gateway with TLS for those who log in over WAMP.
func startOperators(t *testing.T) *operator {
	t.Helper()
	g := &keeper{authority: newAuthority(t), dir: t.TempDir(), secret: "operators-secret"}
	g.write(t, "secret", g.secret)
	derived, err := auth.DeriveCRAKey(g.secret, "the salt", 1000, 32)
	if err != nil {
		t.Fatal(err)
	}
	g.write(t, "cra.key", derived)
	config := g.write(t, "wampgate.yaml", operatorConfig)
	cert, key := g.authority.issue(t, g.dir, 1, "server")
	g.gateway = startCommand(t, nil, []string{"serve", "-c", config}, "--tls-cert="+cert, "--tls-key="+key, "--data-dir="+filepath.Join(g.dir, "data"))
	g.trust = g.authority.client(t)
	return &operator{g, t, []string{"WAMPGATE_CA=" + g.authority.path}}
}

// TestCommandsLogIn has the commands that speak WAMP log in with each method,
// and register a procedure, list it, and end the session that has it.
func TestCommandsLogIn(t *testing.T) {
	t.Parallel()
	o := startOperators(t)
	file := "--ticket-file=" + filepath.Join(o.dir, "secret")
	wrong := "--ticket-file=" + o.write(t, "wrong", "guess-of-mallory")
	key := "--api-key-file=" + o.write(t, "api.key", "wgk_x")
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"ticket":       {[]string{"--user=tess", file}, 0, "SESSION"},
		"cra":          {[]string{"--user=crispin", "--method=wampcra", file}, 0, "SESSION"},
		"salted cra":   {[]string{"--user=salted", "--method=wampcra", file}, 0, "SESSION"},
		"nothing":      {nil, 4, "authentication_required"},
		"wrong ticket": {[]string{"--user=tess", wrong}, 4, "authentication_denied"},
		"wrong secret": {[]string{"--user=crispin", "--method=wampcra", wrong}, 4, "authentication_denied"},
		"nobody":       {[]string{"--user=nobody", file}, 4, "authentication_denied"},
		"no ticket":    {[]string{"--user=tess"}, 2, "needs --ticket-file"},
		"API key":      {[]string{key}, 2, "WAMP sessions know no API keys"},
	} {
		out, code := o.run(append([]string{"ps"}, tt.args...)...)
		if code != tt.code || !strings.Contains(out, tt.want) || strings.Contains(out, "guess-of-mallory") {
			t.Errorf("%s: code %d, %s\nwant %d, %s", name, code, out, tt.code, tt.want)
		}
	}

	register := exec.CommandContext(soon(t), binary(t), "register", "--url="+o.url(""), "--user=tess", file, "test.echo", "--", "cat")
	register.Env = append(os.Environ(), o.env...)
	register.Cancel = func() error { return register.Process.Signal(os.Interrupt) }
	said, err := register.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := register.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = register.Cancel()
		_ = register.Wait() // how it ends says nothing
	}()
	if line, err := bufio.NewReader(said).ReadString('\n'); err != nil || !strings.Contains(line, "registered") {
		t.Fatalf("register: %v, %s", err, line)
	}
	if out, code := o.run("procs", "--user=tess", file); code != 0 || !strings.Contains(out, "test.echo") {
		t.Errorf("procs: %d, %s", code, out)
	}
	if out, code := o.run("call", "test.echo", "--user=tess", file, "1"); code != 0 || !strings.Contains(out, `{"args":[1]`) {
		t.Errorf("call: %d, %s", code, out)
	}
	if out, code := o.run("calls", "ls", "--user=tess", file); code != 0 || !strings.HasPrefix(out, "CALL ") {
		t.Errorf("calls: %d, %s", code, out)
	}
	if out, code := o.run("deadletters", "ls", "--user=tess", file); code != 4 || !strings.Contains(out, "not authorized") {
		t.Errorf("deadletters without permission: %d, %s", code, out)
	}
	if out, code := o.run("kill", "--authid=tess", "--user=crispin", "--method=wampcra", file); code != 0 || !strings.Contains(out, "killed: ") {
		t.Errorf("kill: %d, %s", code, out)
	}
}
