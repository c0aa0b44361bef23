package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/authn"
)

// adminJSON asks the admin listener, wants a status, and reads the answer.
func adminJSON(t *testing.T, method, url string, status int, into any) http.Header {
	t.Helper()
	r, err := http.NewRequestWithContext(soon(t), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != status {
		t.Fatalf("%s %s: %d %s, want %d", method, url, resp.StatusCode, text, status)
	}
	if len(text) > 0 && resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s %s may be stored: %v", method, url, resp.Header)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatalf("%s %s: %s: %v", method, url, text, err)
		}
	}
	return resp.Header
}

// withAdmin starts "wampgate dev" with an admin listener.
func withAdmin(t *testing.T, args ...string) (b *background, public, admin string) {
	t.Helper()
	b = inBackground(t, append([]string{"dev", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...)...)
	public, admin = addresses(t, b)
	return b, public, admin + "/admin"
}

// A sessionPage is an answer to GET /admin/sessions.
type sessionPage struct {
	Realm    string
	Sessions []sessionJSON
	Next     string
}

// TestAdminSessions pages through the sessions of the samples, and ends one of
// them, which comes back under another id.
func TestAdminSessions(t *testing.T) {
	t.Parallel()
	b, public, admin := withAdmin(t)
	if code, text := ask(t, "POST", public+"/call/demo.add?body=call", `{"args":[2,3]}`); code != 200 {
		t.Fatal(text) // so that there is a session over HTTP, too
	}
	var all, page sessionPage
	adminJSON(t, "GET", admin+"/sessions", 200, &all)
	if len(all.Sessions) != 4 || all.Next != "" || all.Realm != "realm1" {
		t.Fatalf("%d sessions, want those of three callees and one over HTTP: %+v", len(all.Sessions), all)
	}
	var paged []sessionJSON
	for next := "?limit=1"; next != ""; {
		page = sessionPage{}
		adminJSON(t, "GET", admin+"/sessions"+next, 200, &page)
		paged = append(paged, page.Sessions...)
		if next = page.Next; next != "" {
			next = "?limit=1&after=" + next
		}
	}
	for i, s := range all.Sessions {
		if paged[i].ID != s.ID {
			t.Errorf("page %d has session %d, want %d", i, paged[i].ID, s.ID)
		}
	}
	callee, overHTTP := all.Sessions[0], all.Sessions[3]
	if callee.Transport != "websocket" || callee.Serializer == "" || !strings.HasPrefix(callee.Peer, "127.0.0.1:") || callee.Registrations == 0 || callee.Queued == nil || callee.Joined == "" {
		t.Errorf("a callee is %+v", callee)
	}
	if overHTTP.Transport != "http" || overHTTP.Peer != "" || overHTTP.Authid != "anonymous" {
		t.Errorf("the session of HTTP clients is %+v", overHTTP)
	}
	one := fmt.Sprintf("%s/sessions/%d", admin, callee.ID)
	var shown sessionJSON
	adminJSON(t, "GET", one, 200, &shown)
	if shown.ID != callee.ID {
		t.Errorf("showed session %d, want %d", shown.ID, callee.ID)
	}
	adminJSON(t, "DELETE", one+"?reason=com.example.moved&message=bye", 204, nil)
	b.line(t, "an administrator ended a session")
	for _, method := range []string{"GET", "DELETE"} {
		adminJSON(t, method, one, 404, nil)
	}
	adminJSON(t, "DELETE", fmt.Sprintf("%s/sessions/%d", admin, overHTTP.ID), 204, nil)
	if code, text := ask(t, "GET", public+"/procedures", ""); code != 200 {
		t.Errorf("after its session was ended, a client got %d %s", code, text)
	}
}

// TestAdminRegistrations revokes a registration.
func TestAdminRegistrations(t *testing.T) {
	t.Parallel()
	_, public, admin := withAdmin(t)
	var all struct {
		Registrations []registrationJSON
		Next          string
	}
	adminJSON(t, "GET", admin+"/registrations?limit=1000", 200, &all)
	add := -1
	for i, r := range all.Registrations {
		if r.URI == "demo.add" {
			add = i
		}
	}
	if add < 0 || !all.Registrations[add].Safe || all.Registrations[add].Callees != 1 || all.Next != "" {
		t.Fatalf("the registrations are %+v", all)
	}
	one := fmt.Sprintf("%s/registrations/%d", admin, all.Registrations[add].ID)
	var shown struct {
		registrationJSON
		Sessions []uint64
	}
	adminJSON(t, "GET", one, 200, &shown)
	if shown.URI != "demo.add" || len(shown.Sessions) != 1 {
		t.Errorf("the registration is %+v", shown)
	}
	adminJSON(t, "DELETE", one+"?session=7", 404, nil)
	adminJSON(t, "DELETE", fmt.Sprintf("%s?session=%d", one, shown.Sessions[0]), 204, nil)
	if code, text := ask(t, "POST", public+"/call/demo.add?body=call", `{"args":[2,3]}`); code != 404 {
		t.Errorf("demo.add answers %d %s after it was revoked", code, text)
	}
	adminJSON(t, "DELETE", one, 404, nil)
	adminJSON(t, "GET", one, 404, nil)
	adminJSON(t, "GET", admin+"/registrations?limit=1", 200, &all)
	if len(all.Registrations) != 1 || all.Next == "" {
		t.Errorf("a page of one is %+v", all)
	}
	adminJSON(t, "DELETE", fmt.Sprintf("%s/registrations/%d", admin, all.Registrations[0].ID), 204, nil)
}

// A callPage is an answer to GET /admin/calls.
type callPage struct {
	Calls []inFlightJSON
	Next  string
}

// awaitCalls waits until that many calls are in flight.
func awaitCalls(t *testing.T, admin string, n int) []inFlightJSON {
	t.Helper()
	for ctx := soon(t); ctx.Err() == nil; {
		var page callPage
		adminJSON(t, "GET", admin+"/calls", 200, &page)
		if len(page.Calls) == n {
			return page.Calls
		}
	}
	t.Fatalf("never were %d calls in flight", n)
	return nil
}

// TestAdminCalls kills calls over HTTP in all modes: each is answered once,
// with 409.
func TestAdminCalls(t *testing.T) {
	t.Parallel()
	_, public, admin := withAdmin(t)
	killed := holding(t, public, "my.hold")
	for _, query := range []string{"", "?mode=kill", "?mode=killnowait", "?mode=skip"} {
		kill := query == "" || query == "?mode=kill" // whose callee answers when it is told to
		procedure, status := "demo.sleep", 204
		if kill {
			procedure, status = "my.hold", 202
		}
		answered := make(chan string, 1)
		go func() {
			code, text := ask(t, "POST", public+"/call/"+procedure+"?body=call", `{"args":[50]}`)
			answered <- fmt.Sprint(code, " ", text)
		}()
		c := awaitCalls(t, admin, 1)[0]
		if !strings.HasPrefix(c.ID, "c_") || string(c.Procedure) != procedure || c.State != "running" || c.Callee == 0 || c.Caller == 0 || c.Begun == "" || c.Left == nil || *c.Left > 30_000 {
			t.Errorf("the call is %+v", c)
		}
		var same inFlightJSON
		adminJSON(t, "GET", fmt.Sprintf("%s/calls/%d.%d", admin, c.Caller, c.Request), 200, &same)
		if same.ID != c.ID {
			t.Errorf("call %d.%d has the ID %s, want %s", c.Caller, c.Request, same.ID, c.ID)
		}
		adminJSON(t, "DELETE", admin+"/calls/"+c.ID+query, status, nil)
		if kill {
			killed <- struct{}{}
		}
		if got := <-answered; !strings.HasPrefix(got, "409 ") || !strings.Contains(got, `"error":"wamp.error.canceled"`) || !strings.Contains(got, `"source":"dealer","retry":"unknown"`) {
			t.Errorf("%s: the caller got %s", query, got)
		}
		awaitCalls(t, admin, 0)
		adminJSON(t, "DELETE", admin+"/calls/"+c.ID, 404, nil)
	}
}

// holding registers a procedure whose calls go on until they are interrupted,
// and then until something is sent.
func holding(t *testing.T, public, procedure string) chan<- struct{} {
	t.Helper()
	conn, _ := member(t, public, "call_canceling")
	if err := conn.Send(&wamp.Register{Request: 1, Procedure: wamp.URI(procedure)}); err != nil {
		t.Fatal(err)
	}
	if m, err := conn.Receive(soon(t)); err != nil || m.Type() != wamp.TypeRegistered {
		t.Fatalf("register: %v, %v", m, err)
	}
	release := make(chan struct{})
	go func() {
		for {
			m, err := conn.Receive(context.Background())
			if err != nil {
				return // the test is over
			}
			if m, ok := m.(*wamp.Interrupt); ok {
				<-release
				_ = conn.Send(&wamp.Error{RequestType: wamp.TypeInvocation, Request: m.Request, Error: wamp.ErrCanceled}) // as above
			}
		}
	}()
	return release
}

// TestAdminKillRaces kills calls that end at the same time: each has one
// answer, a result or 409.
func TestAdminKillRaces(t *testing.T) {
	t.Parallel()
	_, public, admin := withAdmin(t)
	var work sync.WaitGroup
	ctx, stop := context.WithCancel(soon(t))
	work.Go(func() {
		for ctx.Err() == nil {
			var page callPage
			adminJSON(t, "GET", admin+"/calls", 200, &page) //nolint:contextcheck // it is the test's
			for _, c := range page.Calls {
				r, _ := http.NewRequestWithContext(ctx, http.MethodDelete, admin+"/calls/"+c.ID+"?mode=killnowait", nil)
				if resp, err := http.DefaultClient.Do(r); err == nil {
					_ = resp.Body.Close()
				}
			}
		}
	})
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 25 {
				if code, text := ask(t, "POST", public+"/call/demo.sleep?body=call", `{"args":[0.002]}`); code != 200 && code != 204 && code != 409 {
					t.Errorf("a caller got %d %s", code, text)
				}
			}
		})
	}
	callers.Wait()
	stop()
	work.Wait()
	awaitCalls(t, admin, 0)
}

// TestAdminRefusals asks for what is not there, or in the wrong way.
func TestAdminRefusals(t *testing.T) {
	t.Parallel()
	_, _, admin := withAdmin(t, "--realm=realm1,realm2")
	for request, status := range map[string]int{
		"GET /sessions/1": 404, "DELETE /sessions/x": 404, "GET /registrations/99": 404, "DELETE /registrations/99": 404,
		"GET /calls/c_1": 404, "DELETE /calls/1.2": 404, "GET /calls/x": 404, "GET /nothing": 404,
		"POST /sessions": 405, "PUT /sessions/1": 405, "DELETE /calls": 405, "GET /drain": 405, "POST /config": 405, "POST /routes": 405,
		"GET /sessions?realm=realm3": 404, "GET /sessions?realm=realm2": 200, "GET /registrations?realm=realm2": 200, "GET /calls?realm=realm2": 200,
		"GET /sessions?limit=0": 400, "GET /sessions?limit=1001": 400, "GET /calls?limit=x": 400, "GET /registrations?limit=-1": 400,
		"GET /sessions?after=x": 400, "GET /calls?after=7": 400, "GET /sessions?afte=1": 400, "GET /sessions?limit=1&limit=2": 400,
		"DELETE /sessions/1?reason=not+a+uri": 400, "DELETE /registrations/1?reason=.": 400, "DELETE /calls/1.2?mode=soft": 400,
		"POST /drain?timeout=never": 400, "POST /drain?timeout=2h": 400, "GET /config?realm=x": 404,
	} {
		method, path, _ := strings.Cut(request, " ")
		header := adminJSON(t, method, admin+path, status, nil)
		if want := "application/problem+json"; status >= 400 && header.Get("Content-Type") != want {
			t.Errorf("%s: %v, want %s", request, header, want)
		}
		if status == 405 && header.Get("Allow") == "" {
			t.Errorf("%s: no Allow", request)
		}
	}
	refusesOrigins(t, http.MethodPost, admin+"/drain", "")
}

// TestAdminWantsKeys: with admin-keys nothing is told to who has none.
func TestAdminWantsKeys(t *testing.T) {
	t.Parallel()
	_, kept := authn.NewAPIKey()
	_, _, admin := withAdmin(t, "--admin-keys=sha256:"+hex.EncodeToString(kept[:]))
	for _, request := range []string{
		"GET /sessions", "DELETE /sessions/1", "GET /registrations", "DELETE /registrations/1", "GET /calls", "DELETE /calls/1.1", "POST /drain", "GET /config",
	} {
		method, path, _ := strings.Cut(request, " ")
		adminJSON(t, method, admin+path, 401, nil)
	}
}

// TestAdminDrain drains: calls in flight end well, and so does the process.
func TestAdminDrain(t *testing.T) {
	t.Parallel()
	b, public, admin := withAdmin(t)
	answered := make(chan int, 1)
	go func() {
		code, _ := ask(t, "POST", public+"/call/demo.sleep?body=call", `{"args":[0.3]}`)
		answered <- code
	}()
	awaitCalls(t, admin, 1)
	var state struct{ State, Timeout string }
	for _, query := range []string{"?timeout=30s", "?timeout=1ms", ""} {
		adminJSON(t, "POST", admin+"/drain"+query, 202, &state)
		if state.State != "draining" || state.Timeout != "30s" {
			t.Errorf("drain%s: %+v", query, state)
		}
	}
	b.line(t, "draining, as an administrator asked")
	if code := <-answered; code != 200 && code != 204 {
		t.Errorf("the call in flight got %d", code)
	}
	<-b.closed
	b.stop()
	if b.code != exitOK {
		t.Errorf("the process ended with %d", b.code)
	}
}

// TestSettingSources: a configuration file that is called as a variable could be
// is a file.
func TestSettingSources(t *testing.T) {
	t.Parallel()
	for where, want := range map[string]string{
		"--listen": "flag", "WAMPGATE_LISTEN": "env", "wampgate.yaml:3": "file", "WAMPGATE_LISTEN:3": "file", "--listen.yaml:3": "file",
	} {
		got := newSettingJSON("listen", "127.0.0.1:0", &sources{made: map[string]string{"listen": where}})
		if got.Source != want || got.Where != where {
			t.Errorf("what was made at %s is from %s %s, want %s", where, got.Source, got.Where, want)
		}
	}
}

// TestAdminConfig walks all settings that may hold a secret: none of them is
// shown, neither here nor by check-config.
func TestAdminConfig(t *testing.T) {
	t.Parallel()
	const secret = "S3CRET"
	_, kept := authn.NewAPIKey()
	digits := hex.EncodeToString(kept[:])
	for _, value := range []string{"nats://" + secret + "@h", "nats://u:" + secret + "@h", "https://h/?k=" + secret, "https://h:x/" + secret} {
		if got := withoutSecrets("nats-urls", []string{value}).([]string)[0]; strings.Contains(got, secret) { //nolint:forcetypeassert // a list of texts stays one
			t.Errorf("%s is shown as %s", value, got)
		}
	}
	args := []string{
		"--public-url=https://u:" + secret + "@h.example", "--nats-monitor=http://u:" + secret + "@127.0.0.1:1/",
		"--acme-directory=https://h.example/?key=" + secret, "--admin-keys=sha256:" + digits, "--anonymous",
	}
	shown := runWith(t.Context(), nil, append([]string{"check-config"}, args...)...)
	if shown.code != exitOK || strings.Contains(shown.stdout, secret) || strings.Contains(shown.stdout, digits) || !strings.Contains(shown.stdout, digits[:8]) {
		t.Errorf("check-config: %+v", shown)
	}

	_, _, admin := withAdmin(t, args[:3]...)
	var answer struct{ Settings []settingJSON }
	adminJSON(t, "GET", admin+"/config", 200, &answer)
	text, err := json.Marshal(answer)
	if err != nil || strings.Contains(string(text), secret) {
		t.Errorf("a secret is shown: %s", text)
	}
	sources := map[string]string{}
	for _, s := range answer.Settings {
		sources[s.Name] = s.Source + " " + s.Where
	}
	for name, want := range map[string]string{"listen": "flag --listen", "drain": "default default", "max-body": "default default"} {
		if sources[name] != want {
			t.Errorf("%s is from %s, want %s", name, sources[name], want)
		}
	}
}
