package test

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// TestOpenIDConnect: the gateway finds the keys of a real provider by itself,
// and knows whom its tokens stand for.
func TestOpenIDConnect(t *testing.T) {
	t.Parallel()
	const leftOut = "the tokens of a real provider of OpenID Connect"
	node := tool(t, "node", leftOut)
	provider := startProvider(t, node, nodePackages(t, leftOut))
	issuer := provider.ask(t, "")
	g := serve(t, fmt.Sprintf(`rate: 0
auth:
  jwt:
    - {issuer: %q, audience: [wampgate], authid: "oidc:{sub}", authrole: groups, roles: {staff: user}}
roles:
  user:
    permissions:
      - {uri: test.none, allow: [call]}
`, issuer), nil)
	token := provider.ask(t, "token\n")
	for _, test := range []struct{ token, uri, want string }{
		{token, "test.none", "no_such_procedure"}, // ada may call it, but it is not there
		{token, "test.other", "403"},
		{token[:len(token)-6], "test.none", "not signed by its issuer"},
		{"x" + token, "test.none", "401"},
	} {
		got := curlOnce(t, "-w", "%{http_code}", "-X", "POST", "-H", "Authorization: Bearer "+test.token, g.url("/call/"+test.uri))
		if !strings.Contains(got, test.want) {
			t.Errorf("a call of %s: %s, want %s", test.uri, got, test.want)
		}
	}
	g.wantLog(soon(t), t, 0, "test.none", "authid=oidc:ada")
}

// A provider is a running provider of OpenID Connect.
type provider struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func startProvider(t *testing.T, node, packages string) *provider {
	t.Helper()
	cmd := exec.Command(node, "clients/provider.mjs", packages)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // ends it
		_ = cmd.Wait()
	})
	return &provider{in, bufio.NewReader(out)}
}

// ask writes text and returns the next line that is no advice to whoever runs
// the provider.
func (p *provider) ask(t *testing.T, text string) string {
	t.Helper()
	if _, err := io.WriteString(p.in, text); err != nil {
		t.Fatal(err)
	}
	for {
		line, err := p.out.ReadString('\n')
		if err != nil {
			t.Fatalf("the provider ended: %v", err)
		}
		if !strings.HasPrefix(line, "oidc-provider ") {
			return strings.TrimSpace(line)
		}
	}
}
