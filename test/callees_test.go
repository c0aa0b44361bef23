package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// An eventStream is what a callee over HTTP reads.
type eventStream struct {
	resp *http.Response
	in   *bufio.Scanner
	end  context.CancelFunc
}

// pull registers a procedure for as long as the stream is read.
func (g *gateway) pull(ctx context.Context, t *testing.T, registration string, headers ...string) *eventStream {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url("/registrations"), strings.NewReader(registration))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	s := &eventStream{resp, bufio.NewScanner(resp.Body), cancel}
	t.Cleanup(s.close)
	if resp.StatusCode == http.StatusOK {
		s.next(t, "registration")
	}
	return s
}

func (s *eventStream) close() {
	s.end()
	_ = s.resp.Body.Close()
}

// next returns the data of the next event, which has a name.
func (s *eventStream) next(t *testing.T, want string) map[string]any {
	t.Helper()
	name := ""
	for s.in.Scan() {
		key, value, _ := strings.Cut(s.in.Text(), ": ")
		switch key {
		case "event":
			name = value
		case "data":
			var data map[string]any
			if err := json.Unmarshal([]byte(value), &data); err != nil || name != want {
				t.Fatalf("event %s %s, want %s", name, value, want)
			}
			return data
		}
	}
	t.Fatalf("the stream ended before an event %s: %v", want, s.in.Err())
	return nil
}

// answering starts a request and returns what will come of it.
func (g *gateway) answering(ctx context.Context, method, path, body string, headers ...string) <-chan answer {
	done := make(chan answer, 1)
	go func() {
		a, err := g.do(ctx, method, path, strings.NewReader(body), append([]string{"Content-Type", "application/json"}, headers...)...)
		if err != nil {
			a.body = err.Error()
		}
		done <- a
	}()
	return done
}

// TestPullCallee goes through the life of a callee that needs no port: calls,
// progress, errors, an interruption, and its end.
func TestPullCallee(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, patience), start(t)
	s := g.pull(ctx, t, `{"procedure":"my.hello","concurrency":2.0}`)
	reply := func(id any, kind, body string) answer {
		t.Helper()
		return g.post(ctx, t, fmt.Sprintf("/invocations/%v/%s", id, kind), body, "Content-Type", "application/json")
	}
	wants := func(got <-chan answer, status int, body string) {
		t.Helper()
		if a := <-got; a.status != status || !strings.Contains(a.body, body) {
			t.Errorf("%d %s, want %d %s", a.status, a.body, status, body)
		}
	}

	call := g.answering(ctx, "POST", "/call/my.hello", `["Ada"]`, "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	i := s.next(t, "invocation")
	if i["procedure"] != "my.hello" || fmt.Sprint(i["args"]) != "[Ada]" || !strings.HasPrefix(fmt.Sprint(i["traceparent"]), "00-0af7651916cd43dd8448eb211c80319c-") {
		t.Errorf("invocation %v", i)
	}
	if a := reply(i["id"], "progress", `[1]`); a.status != http.StatusConflict {
		t.Errorf("progress that nobody takes: %d %s", a.status, a.body)
	}
	if a := reply(i["id"], "result", `["hi Ada"]`); a.status != http.StatusNoContent {
		t.Errorf("result: %d %s", a.status, a.body)
	}
	wants(call, http.StatusOK, `"hi Ada"`)
	if a := reply(i["id"], "result", `["again"]`); a.status != http.StatusNotFound {
		t.Errorf("a second result: %d %s", a.status, a.body)
	}

	call = g.answering(ctx, "POST", "/call/my.hello", `{"x":1}`, "Accept", "application/x-ndjson")
	i = s.next(t, "invocation")
	reply(i["id"], "progress", `[1]`)
	reply(i["id"], "error", `{"error":"com.example.not_found","args":["no such thing"],"kwargs":{"a":1}}`)
	wants(call, http.StatusOK, `"error":"com.example.not_found"`)

	hangUp, cancel := context.WithCancel(ctx)
	call = g.answering(hangUp, "POST", "/call/my.hello", `[]`)
	i = s.next(t, "invocation")
	cancel()
	if e := s.next(t, "interrupt"); e["id"] != i["id"] || e["mode"] != "kill" {
		t.Errorf("interrupt %v of %v", e, i["id"])
	}
	reply(i["id"], "error", `{"error":"wamp.error.canceled"}`)
	<-call

	call = g.answering(ctx, "POST", "/call/my.hello?timeout=100ms", `[]`)
	i = s.next(t, "invocation")
	wants(call, http.StatusGatewayTimeout, "wamp.error.timeout")
	if e := s.next(t, "interrupt"); e["id"] != i["id"] || e["mode"] != "killnowait" {
		t.Errorf("interrupt %v of %v", e, i["id"])
	}
	if a := reply(i["id"], "result", `[]`); a.status != http.StatusNotFound {
		t.Errorf("a result that nobody waits for: %d", a.status)
	}

	if a := g.post(ctx, t, "/registrations", `{"procedure":"my.hello"}`, "Content-Type", "application/json", "Accept", "text/event-stream"); a.status != http.StatusConflict {
		t.Errorf("a second registration: %d %s", a.status, a.body)
	}
	call = g.answering(ctx, "POST", "/call/my.hello", `[]`)
	s.next(t, "invocation")
	s.close()
	wants(call, http.StatusBadGateway, "wamp.error.canceled")
	wants(g.answering(ctx, "POST", "/call/my.hello", `[]`), http.StatusNotFound, "wamp.error.no_such_procedure")
}

// TestPullCalleeDrains: a gateway that ends does not wait for callees that have
// nothing to do.
func TestPullCalleeDrains(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, patience), start(t, "--drain=1h")
	s := g.pull(ctx, t, `{"procedure":"my.idle"}`)
	if err := g.stop(); err != nil {
		t.Error(err)
	}
	s.next(t, "unregistered")
}

// TestPullCalleeAnswersWhileDraining: a gateway that ends takes the answers of
// callees that work, over connections of their own, and no more calls.
func TestPullCalleeAnswersWhileDraining(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, patience), start(t, "--drain=1h")
	s := g.pull(ctx, t, `{"procedure":"my.work"}`)
	call := g.answering(ctx, "POST", "/call/my.work", `[1]`)
	i := s.next(t, "invocation")
	stopped := make(chan error, 1)
	go func() { stopped <- g.stop() }()
	g.wantLog(ctx, t, 0, "draining")
	for { // until the signal has been heard, calls are made
		a := g.post(ctx, t, "/call/demo.add", `[2,3]`, "Content-Type", "application/json")
		if a.status == http.StatusOK {
			continue
		}
		if a.status != http.StatusServiceUnavailable || a.header.Get("Wamp-Retry") != "safe" || a.header.Get("Retry-After") == "" {
			t.Errorf("a call while the gateway ends: %d %v %s", a.status, a.header, a.body)
		}
		break
	}
	if a := g.send(ctx, t, http.MethodGet, "/readyz", nil); a.status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d", a.status)
	}
	if a := g.post(ctx, t, fmt.Sprintf("/invocations/%v/result", i["id"]), `["done"]`, "Content-Type", "application/json"); a.status != http.StatusNoContent {
		t.Errorf("the answer: %d %s", a.status, a.body)
	}
	if a := <-call; a.status != http.StatusOK || a.body != `"done"` {
		t.Errorf("the caller got %d %s", a.status, a.body)
	}
	s.next(t, "unregistered")
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestPullCalleeRefused: what is no registration, and what is no answer.
func TestPullCalleeRefused(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, patience), start(t)
	for body, want := range map[string]string{
		`{"procedure":"a..b"}`:                      "is no URI",
		`{"procedure":"a","match":"fuzzy"}`:         "match: want one of",
		`{"procedure":"a","invoke":"all"}`:          "invoke: want one of",
		`{"procedure":"a","concurrency":1000}`:      "from 1 to 256",
		`{"procedure":"a","concurrency":1.5}`:       "not an object of the right form",
		`{"procedure":"a","url":"https://x.com"}`:   "are for webhooks",
		`{"procedure":"a","ttl":"1m"}`:              "are for webhooks",
		`{"procedure":"a","colour":"red"}`:          `may not have the member \"colour\"`,
		`{"procedure":1}`:                           "wrong type",
		`{"procedure":"a","http":{"safe":"maybe"}}`: "safe",
		`["a"]`: "must be an object",
		`{`:     "not valid JSON",
	} {
		a := g.post(ctx, t, "/registrations", body, "Content-Type", "application/json", "Accept", "text/event-stream")
		if a.status != http.StatusBadRequest || !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s, want %s", body, a.status, a.body, want)
		}
	}
	if a := g.post(ctx, t, "/registrations", `{"procedure":"a","url":"https://example.com"}`, "Content-Type", "application/json"); a.status != http.StatusForbidden {
		t.Errorf("a webhook where none may be: %d %s", a.status, a.body)
	}
	s := g.pull(ctx, t, `{"procedure":"my.p"}`)
	call := g.answering(ctx, "POST", "/call/my.p", `[]`)
	i := s.next(t, "invocation")
	for body, want := range map[string]string{`{}`: "error must be the URI", `{"error":"a","args":1}`: "args must be a list", `{"error":"a","kwargs":[]}`: "kwargs must be an object"} {
		if a := g.post(ctx, t, fmt.Sprintf("/invocations/%v/error", i["id"]), body, "Content-Type", "application/json"); a.status != http.StatusBadRequest || !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	g.post(ctx, t, fmt.Sprintf("/invocations/%v/result?body=call", i["id"]), `{"args":[1],"kwargs":{"a":2}}`, "Content-Type", "application/json")
	if a := <-call; a.body != `{"args":[1],"kwargs":{"a":2}}` {
		t.Errorf("result %s", a.body)
	}
}

// TestPullCalleeInBash is a callee of a shell and curl.
func TestPullCalleeInBash(t *testing.T) {
	t.Parallel()
	tool(t, "curl", "a callee in bash")
	tool(t, "bash", "a callee in bash")
	ctx, g := within(t, patience), start(t)
	script := `curl -sN -H 'Accept: text/event-stream' --json '{"procedure":"my.upper"}' ` + g.url("/registrations") + ` |
while read -r field data; do
	case $field in
	event:) event=$data; [ "$event" = registration ] && echo ready ;;
	data:) [ "$event" = invocation ] || continue
		id=${data#*'"id":"'}; id=${id%%'"'*}; name=${data#*'"args":["'}; name=${name%%'"'*}
		curl -s --json "[\"hi ${name^^}\"]" ` + g.url("/invocations/") + `$id/result ;;
	esac
done`
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // when the gateway has ended, the script ends
	t.Cleanup(func() { _ = g.stop() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the script says %q: %v", line, err)
	}
	if a := g.call(ctx, t, "my.upper", `["Ada"]`); a.body != `"hi ADA"` {
		t.Errorf("%d %s", a.status, a.body)
	}
}

const calleesConfig = `rate: 0
webhook-allow: [127.0.0.1]
max-callees-each: 3
roles:
  worker: {permissions: [{uri: my., match: prefix, allow: [register, register_http, call]}]}
  puller: {permissions: [{uri: my., match: prefix, allow: [register, call]}]}
principals:
  ann: {role: worker, ticket: {env: PASSWORD}}
  bob: {role: puller, ticket: {env: PASSWORD}}
`

// TestWebhookCallee goes through the life of a webhook.
func TestWebhookCallee(t *testing.T) {
	t.Parallel()
	stopped := make(chan struct{}, 1)
	working := make(chan struct{}, 1)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/echo":
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `[%q,%q,%s]`, r.Header.Get("Wamp-Procedure"), r.Header.Get("Wamp-Caller-Authid"), body)
		case "/lines":
			w.Header().Set("Content-Type", "application/x-ndjson")
			_, _ = io.WriteString(w, "[1]\n[2]\n[3]\n")
		case "/refuse":
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, `{"error":"com.example.conflict","detail":"taken"}`)
		case "/broken":
			w.WriteHeader(http.StatusTeapot)
		case "/slow":
			working <- struct{}{}
			<-r.Context().Done()
			stopped <- struct{}{}
		}
	}))
	t.Cleanup(hook.Close)
	const password = "the password of all"
	ctx, g := within(t, patience), serve(t, calleesConfig, []string{"PASSWORD=" + password})
	ann, bob := []string{"Authorization", basic("ann", password)}, []string{"Authorization", basic("bob", password)}
	send := func(who []string, method, path, body string) answer {
		t.Helper()
		return g.send(ctx, t, method, path, strings.NewReader(body), append([]string{"Content-Type", "application/json"}, who...)...)
	}
	register := func(path, more string) (at string) {
		t.Helper()
		a := send(ann, "POST", "/registrations", fmt.Sprintf(`{"procedure":"my.%s","url":%q%s}`, path, hook.URL+"/"+path, more))
		var made struct{ ID, Secret string }
		if err := json.Unmarshal([]byte(a.body), &made); err != nil || a.status != http.StatusCreated || !strings.HasPrefix(made.Secret, "whsec_") {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return "/registrations/" + made.ID
	}
	wants := func(a answer, status int, body string) {
		t.Helper()
		if a.status != status || !strings.Contains(a.body, body) {
			t.Errorf("%d %s, want %d %s", a.status, a.body, status, body)
		}
	}

	echo := register("echo", `,"disclose_caller":true,"ttl":"1h"`)
	wants(send(ann, "POST", "/call/my.echo?disclose_me=true", `[1]`), http.StatusOK, `"args":["my.echo","ann",{"args":[1],"kwargs":{}}]`)
	wants(send(ann, "PUT", echo, ""), http.StatusOK, `"kind":"webhook"`)
	wants(send(ann, "GET", "/registrations", ""), http.StatusOK, `"procedure":"my.echo"`)
	if a := send(ann, "GET", echo, ""); strings.Contains(a.body, "whsec_") {
		t.Errorf("the secret is told again: %s", a.body)
	}
	wants(send(bob, "GET", echo, ""), http.StatusNotFound, "wamp.error.no_such_registration")
	wants(send(bob, "DELETE", echo, ""), http.StatusNotFound, "wamp.error.no_such_registration")
	wants(send(ann, "DELETE", echo, ""), http.StatusNoContent, "")
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		wants(send(ann, method, echo, ""), http.StatusNotFound, "wamp.error.no_such_registration")
	}
	wants(send(ann, "POST", "/call/my.echo", `[]`), http.StatusNotFound, "no_such_procedure")

	lines := register("lines", "")
	wants(send(ann, "POST", "/call/my.lines?stream=ndjson", `[]`), http.StatusOK, `"args":[1]`)
	wants(send(ann, "POST", "/call/my.lines", `[]`), http.StatusOK, "3")
	refuse := register("refuse", "")
	wants(send(ann, "POST", "/call/my.refuse", `[]`), http.StatusConflict, `"source":"callee"`)
	broken := register("broken", "")
	wants(send(ann, "POST", "/call/my.broken", `[]`), http.StatusBadGateway, "gateway.error.upstream")
	wants(send(ann, "POST", "/registrations", fmt.Sprintf(`{"procedure":"my.fourth","url":%q}`, hook.URL)), http.StatusTooManyRequests, "3 registrations")
	for _, at := range []string{lines, refuse, broken} {
		send(ann, "DELETE", at, "")
	}

	slow := register("slow", `,"timeout":"100ms"`)
	wants(send(ann, "POST", "/call/my.slow", `[]`), http.StatusGatewayTimeout, "wamp.error.timeout")
	<-working
	<-stopped
	send(ann, "DELETE", slow, "")
	slow = register("slow", "")
	hangUp, cancel := context.WithCancel(ctx)
	call := g.answering(hangUp, "POST", "/call/my.slow", `[]`, ann...)
	<-working
	cancel()
	begin := time.Now()
	<-stopped
	t.Logf("the request to the webhook was stopped %v after the caller hung up", time.Since(begin))
	<-call
	g.wantLog(ctx, t, 0, "my.slow", "callee confirmed")
	send(ann, "DELETE", slow, "")

	wants(send(bob, "POST", "/registrations", fmt.Sprintf(`{"procedure":"my.p","url":%q}`, hook.URL)), http.StatusForbidden, string(wamp.ErrNotAuthorized))
	for _, url := range []string{"http://127.0.0.2/", "https://10.0.0.1/", "https://169.254.169.254/", "http://example.com@127.0.0.1/", "ftp://127.0.0.1/"} {
		wants(send(ann, "POST", "/registrations", fmt.Sprintf(`{"procedure":"my.p","url":%q}`, url)), http.StatusBadRequest, "cannot be called")
	}
}

// TestWebhookLease: a webhook that is not renewed is gone.
func TestWebhookLease(t *testing.T) {
	t.Parallel()
	const password = "the password of all"
	ctx, g := within(t, patience), serve(t, calleesConfig, []string{"PASSWORD=" + password})
	ann := []string{"Authorization", basic("ann", password), "Content-Type", "application/json"}
	a := g.send(ctx, t, "POST", "/registrations", bytes.NewReader([]byte(`{"procedure":"my.p","url":"http://127.0.0.1:1/","ttl":"1s"}`)), ann...)
	if a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	g.wantLog(ctx, t, 0, "the lease of a webhook has ended", "my.p")
	if a := g.send(ctx, t, "POST", "/call/my.p", strings.NewReader("[]"), ann...); a.status != http.StatusNotFound {
		t.Errorf("after the lease: %d %s", a.status, a.body)
	}
}
