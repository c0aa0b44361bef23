package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// A directory is a list of procedures; a call goes to the one with just its
// URI, or to the first prefix.
type directory []gateway.Procedure

func (d directory) List(_ wamp.Identity, after wamp.ID, limit int) (list []gateway.Procedure, next wamp.ID) {
	for _, p := range d {
		switch {
		case p.Registration <= after:
		case len(list) == limit:
			return list, list[limit-1].Registration
		default:
			list = append(list, p)
		}
	}
	return list, 0
}

func (d directory) Find(_ wamp.Identity, uri wamp.URI, policy wamp.MatchPolicy) (gateway.Procedure, bool) {
	for _, p := range d {
		if p.URI == uri && p.Match == policy {
			return p, true
		}
	}
	return gateway.Procedure{}, false
}

func (d directory) Match(who wamp.Identity, uri wamp.URI) (gateway.Procedure, bool) {
	if p, ok := d.Find(who, uri, wamp.MatchExact); ok {
		return p, true
	}
	for _, p := range d {
		if p.Match == wamp.MatchPrefix && strings.HasPrefix(string(uri), string(p.URI)) {
			return p, true
		}
	}
	return gateway.Procedure{}, false
}

// withDirectory returns a gateway that lists three procedures.
func withDirectory(t *testing.T) *gateway.Gateway {
	t.Helper()
	created := time.Date(2026, 11, 25, 12, 0, 0, 5_000_000, time.FixedZone("", 3600))
	return newGateway(t, &realm{}, func(cfg *gateway.Config) {
		cfg.Directory = directory{
			{Registration: 1, URI: "com.example.add", Created: created, Callees: 1, Safe: true, Description: []byte(`{"safe":true,"summary":"a < b"}`)},
			{Registration: 4, URI: "com.example.", Match: wamp.MatchPrefix, Invoke: wamp.InvokeRoundRobin, Created: created, Callees: 2},
			{Registration: 9, URI: "a/b", Created: created, Callees: 1},
		}
		cfg.JoinCallee, cfg.Transactions = cfg.Join, true
		cfg.Nearest = func(uri wamp.URI) (wamp.URI, bool) { return "com.example.add", uri == "org.example.add" }
	})
}

const (
	addJSON = `{"uri":"com.example.add","match":"exact","invoke":"single","callees":1,"safe":true,"registration":1,` +
		`"created":"2026-11-25T11:00:00.005Z","http":{"safe":true,"summary":"a < b"}}`
	prefixJSON = `{"uri":"com.example.","match":"prefix","invoke":"roundrobin","callees":2,"safe":false,"registration":4,` +
		`"created":"2026-11-25T11:00:00.005Z"}`
	slashJSON = `{"uri":"a/b","match":"exact","invoke":"single","callees":1,"safe":false,"registration":9,` +
		`"created":"2026-11-25T11:00:00.005Z"}`
)

func TestProcedures(t *testing.T) {
	t.Parallel()
	g := withDirectory(t)
	tests := []struct {
		path   string
		status int
		body   string // part of it for problems
	}{
		{"/procedures", 200, `{"procedures":[` + addJSON + `,` + prefixJSON + `,` + slashJSON + `]}`},
		{"/procedures?limit=2", 200, `{"procedures":[` + addJSON + `,` + prefixJSON + `],"next":"/procedures?after=4&limit=2"}`},
		{"/procedures?after=4&limit=2", 200, `{"procedures":[` + slashJSON + `]}`},
		{"/procedures?after=9", 200, `{"procedures":[]}`},
		{"/procedures?limit=0", 400, "option limit=0: want a number from 1 to 1000"},
		{"/procedures?limit=1001", 400, "want a number from 1 to 1000"},
		{"/procedures?limit=+5", 400, "want a number"},
		{"/procedures?after=x", 400, "option after=x: want what an earlier answer named as next"},
		{"/procedures?after=0", 400, "want what an earlier answer named"},
		{"/procedures?limt=5", 400, `there is no option \"limt\"; did you mean limit?`},
		{"/procedures?colour=red", 400, `the options are after, limit`},
		{"/calls/c_1?colour=red", 400, `the options are wait`},
		{"/calls?colour=red", 400, `this path has none`},
		{"/procedures?limit=5&limit=6", 400, "option limit is given twice"},
		{"/procedures?limit=%zz", 400, "bad percent escape"},

		{"/procedures/com.example.add", 200, addJSON},
		{"/procedures/com.example.sub", 200, prefixJSON},
		{"/procedures/a%2Fb", 200, slashJSON},
		{"/procedures/com.example.?match=prefix", 200, prefixJSON},
		{"/procedures/com.example.sub?match=exact", 404, `"detail":"no procedure com.example.sub","error":"wamp.error.no_such_procedure"`},
		{"/procedures/org.example.add", 404, "did you mean com.example.add?"},
		{"/procedures/com..q?match=wildcard", 404, "no procedure com..q"},
		{"/procedures/com.example.", 400, "is no procedure URI"},
		{"/procedures/a%20b", 400, "is no procedure URI"},
		{"/procedures/a%00", 400, "is no procedure URI"},
		{"/procedures/a?match=best", 400, "option match=best: want one of exact, prefix, wildcard"},
		{"/procedures/a?limit=5", 400, "there is no option"},
		{"/procedures/", 404, "nothing is at"},
		{"/procedures/a/b", 404, "nothing is at"},
	}
	for _, tt := range tests {
		w := do(g, http.MethodGet, tt.path, nil)
		body := strings.TrimSuffix(w.Body.String(), "\n")
		if w.Code != tt.status || tt.status == 200 && body != tt.body || !strings.Contains(body, tt.body) {
			t.Errorf("%s: %d %s\nwant %d %s", tt.path, w.Code, body, tt.status, tt.body)
		}
	}
}

// TestProceduresAgain asks for what the client has, and for its head.
func TestProceduresAgain(t *testing.T) {
	t.Parallel()
	g := withDirectory(t)
	first := do(g, http.MethodGet, "/procedures/a%2Fb", nil)
	tag := first.Header().Get("ETag")
	if tag == "" || first.Header().Get("Cache-Control") != "private, no-cache" || first.Header().Get("Vary") != "Accept, Authorization" {
		t.Errorf("headers %v", first.Header())
	}
	for match, want := range map[string]int{
		tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, "": 200,
	} {
		w := do(g, http.MethodGet, "/procedures/a%2Fb", nil, "If-None-Match", match)
		if w.Code != want || w.Header().Get("ETag") != tag || want == 304 && w.Body.Len() > 0 {
			t.Errorf("If-None-Match %s: %d, ETag %s, %d bytes", match, w.Code, w.Header().Get("ETag"), w.Body.Len())
		}
	}
	if other := do(g, http.MethodGet, "/procedures", nil).Header().Get("ETag"); other == tag {
		t.Error("different answers have the same ETag")
	}
	head := do(g, http.MethodHead, "/procedures/a%2Fb", nil)
	if head.Code != 200 || head.Header().Get("Content-Length") != first.Header().Get("Content-Length") {
		t.Errorf("HEAD: %d, %v", head.Code, head.Header())
	}
}

func TestProceduresNegotiate(t *testing.T) {
	t.Parallel()
	g := withDirectory(t)
	for accept, want := range map[string]int{
		"*/*": 200, "application/json": 200, "text/html, */*;q=0.1": 200, "text/html": 406, "application/json;q=0": 406,
	} {
		if w := do(g, http.MethodGet, "/procedures", nil, "Accept", accept); w.Code != want {
			t.Errorf("Accept %s: %d, want %d", accept, w.Code, want)
		}
	}
	if w := do(g, http.MethodPost, "/procedures", nil); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD, OPTIONS" {
		t.Errorf("POST: %d, Allow %s", w.Code, w.Header().Get("Allow"))
	}
	if w := do(newGateway(t, &realm{}, nil), http.MethodGet, "/procedures", nil); w.Code != 404 {
		t.Errorf("without a directory: %d, want 404", w.Code)
	}
}
