package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// administer asks the admin listener and returns status and body.
func (g *gateway) administer(t *testing.T, method, path string) (int, string) {
	t.Helper()
	a, err := fetch(soon(t), "h1", method, "http://"+g.admin+"/admin"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a.status, a.body
}

// TestAdminKillsCalls kills a call over HTTP and one over WAMP: the callers are
// told by whom, in their own ways, once.
func TestAdminKillsCalls(t *testing.T) {
	t.Parallel()
	g := start(t)
	ctx := soon(t)
	callee, caller := join(ctx, t, g), join(ctx, t, g)
	callee.register(ctx, t, 1, "com.example.slow")
	answered := g.answering(ctx, http.MethodPost, "/call/com.example.slow", "[]")
	_, at := callee.wantAfter(ctx, t, 0, 68)
	caller.send(ctx, t, `[48,1,{},"com.example.slow"]`)
	callee.wantAfter(ctx, t, at, 68)

	var list struct {
		Calls []struct{ ID, Procedure, State string }
	}
	if _, body := g.administer(t, http.MethodGet, "/calls"); json.Unmarshal([]byte(body), &list) != nil || len(list.Calls) != 2 {
		t.Fatalf("the calls in flight are %s", body)
	}
	for _, c := range list.Calls {
		if c.Procedure != "com.example.slow" || c.State != "running" {
			t.Errorf("a call is %+v", c)
		}
		if status, body := g.administer(t, http.MethodDelete, "/calls/"+c.ID+"?mode=killnowait"); status != http.StatusNoContent {
			t.Errorf("kill %s: %d %s", c.ID, status, body)
		}
		if status, _ := g.administer(t, http.MethodDelete, "/calls/"+c.ID); status != http.StatusNotFound {
			t.Errorf("kill %s again: %d", c.ID, status)
		}
	}
	if got := <-answered; got.status != http.StatusConflict || !strings.Contains(got.body, `"detail":"an administrator killed the call"`) ||
		!strings.Contains(got.body, `"kwargs":{"killed_by":"admin"},"source":"dealer","retry":"unknown"`) {
		t.Errorf("the caller over HTTP got %d %s", got.status, got.body)
	}
	m := caller.want(ctx, t, 8)
	if text := fmt.Sprint(m); !strings.Contains(text, "wamp.error.canceled") || strings.Count(text, "killed_by:admin") != 2 {
		t.Errorf("the caller over WAMP got %v", m)
	}
	callee.wantAfter(ctx, t, 0, 69)
}

// TestAdminRevokesPullCallee takes the registration of a callee over HTTP away:
// its stream says so and ends.
func TestAdminRevokesPullCallee(t *testing.T) {
	t.Parallel()
	g := start(t)
	s := g.pull(soon(t), t, `{"procedure":"my.pull"}`)
	_, body := g.administer(t, http.MethodGet, "/registrations?limit=1000")
	var list struct {
		Registrations []struct {
			ID  int64
			URI string
		}
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatal(err)
	}
	last := list.Registrations[len(list.Registrations)-1]
	if status, body := g.administer(t, http.MethodDelete, fmt.Sprintf("/registrations/%d", last.ID)); last.URI != "my.pull" || status != http.StatusNoContent {
		t.Fatalf("revoke %+v: %d %s", last, status, body)
	}
	s.next(t, "unregistered")
	if _, err := io.Copy(io.Discard, s.resp.Body); err != nil {
		t.Errorf("the stream did not end: %v", err)
	}
}
