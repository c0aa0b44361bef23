package test

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestWebhookExample runs the callee of the manual: it answers what the gateway
// signed, and nothing else.
func TestWebhookExample(t *testing.T) {
	t.Parallel()
	node := tool(t, "node", "the webhook of the manual")
	manual, err := os.ReadFile("../gateway/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, found := strings.Cut(string(manual), "```js\nimport { createHmac")
	if program, _, _ = strings.Cut("import { createHmac"+program, "```"); !found {
		t.Fatal("the manual has no such callee")
	}
	ctx, g := within(t, patience), start(t, "--webhook-allow=127.0.0.0/8")
	const host = "127.0.0.77" // which nobody else listens on
	var config net.ListenConfig
	free, err := config.Listen(ctx, "tcp", host+":0")
	if err != nil {
		t.Skip("this system has one loopback address alone: ", err)
	}
	addr := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	a := g.post(ctx, t, "/registrations", `{"procedure":"my.pay","url":"http://`+addr+`/"}`, "Content-Type", "application/json")
	var made struct{ Secret string }
	if err := json.Unmarshal([]byte(a.body), &made); err != nil || a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	cmd := exec.CommandContext(ctx, node, "--input-type=module", "-e", program)
	_, port, _ := net.SplitHostPort(addr)
	cmd.Env = append(os.Environ(), "SECRET="+made.Secret, "HOST="+host, "PORT="+port)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the callee says %q, %v", line, err)
	}
	if a := g.call(ctx, t, "my.pay", `["Ada"]`); a.status != http.StatusOK || a.body != `"paid Ada"` {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, signature := range []string{"", "v1,AAAA", "v1," + strings.Repeat("A", 43) + "="} {
		a, err := fetch(ctx, "h1", http.MethodPost, "http://"+addr+"/", strings.NewReader(`{"args":["Eve"],"kwargs":{}}`),
			"Webhook-Id", "x", "Webhook-Timestamp", "1", "Webhook-Signature", signature)
		if err != nil {
			t.Fatal(err)
		}
		if a.status != http.StatusUnauthorized {
			t.Errorf("a request signed %q: %d %s", signature, a.status, a.body)
		}
	}
}
