package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestSplitDuplex: a conversation in requests of their own, which every client
// and every proxy can have: items in by /input, events out by /events.
func TestSplitDuplex(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	c := s.serve(t, "test.chat", func(c *callee, inv *wamp.Invocation) {
		c.note(inv)
		if inv.Details.Progress && inv.Payload.Args == nil {
			return
		}
		c.yieldPayload(inv.Request, inv.Details.Progress, inv.Payload)
	})
	at := detach(t, s.gateway, "/call/test.chat?in=ndjson", "")
	c.want(t, "more ")
	events := s.events(t, s.client(t, false), http.MethodGet, at+"/events", "")
	tests := []struct {
		name, query, body, seq string
		status                 int
		taken                  string // Wamp-Seq of the answer
		callee                 string // what it gets, if anything
		words                  string
	}{
		{"first", "", `["a"]`, "1", 204, "1", `more ["a"]`, ""},
		{"repeated", "", `["a"]`, "1", 204, "1", "", ""},
		{"without number", "", `["b"]`, "", 204, "2", `more ["b"]`, ""},
		{"gap", "", `["d"]`, "4", 409, "2", "", "is 4 after 2"},
		{"what was missing", "?body=call", `{"args":["c"]}`, "3", 204, "3", `more ["c"]`, ""},
		{"no number", "", `["d"]`, "x", 400, "", "", "from 1 on"},
		{"zero", "", `["d"]`, "0", 400, "", "", "from 1 on"},
		{"no JSON", "", `["d"`, "4", 400, "", "", "not valid JSON"},
		{"option", "?end=true", "", "4", 400, "", "", "no option"},
		{"last", "?final=true", `["z"]`, "4", 204, "4", `last ["z"]`, ""},
		{"after the last", "", `["e"]`, "5", 409, "", "", "was sent before"},
		{"last repeated", "?final=true", `["z"]`, "4", 204, "4", "", ""},
	}
	for _, tt := range tests {
		headers := []string{"Content-Type", jsonType}
		if tt.seq != "" {
			headers = append(headers, "Wamp-Seq", tt.seq)
		}
		w := post(s.gateway, at+"/input"+tt.query, tt.body, headers...)
		if w.Code != tt.status || w.Header().Get("Wamp-Seq") != tt.taken || !strings.Contains(w.Body.String(), tt.words) {
			t.Errorf("%s: %d, Wamp-Seq %q, %s; want %d, %q, %s", tt.name, w.Code, w.Header().Get("Wamp-Seq"), w.Body, tt.status, tt.taken, tt.words)
		}
		if tt.callee != "" {
			c.want(t, tt.callee)
		}
	}
	var got []string
	for events.next() {
		got = append(got, events.name+" "+events.data)
	}
	want := `progress {"args":["a"]} progress {"args":["b"]} progress {"args":["c"]} result {"args":["z"]}`
	if text := strings.Join(got[1:], " "); text != want || !strings.HasPrefix(got[0], "call ") {
		t.Errorf("events: %s\nwant %s", text, want)
	}
	if w := do(s.gateway, http.MethodGet, at+"/result", nil); w.Body.String() != `"z"`+"\n" {
		t.Errorf("result: %s", w.Body)
	}
	c.nothing(t)
}

// TestInputRefused: calls that take no items, and begin with none.
func TestInputRefused(t *testing.T) {
	t.Parallel()
	g := newGateway(t, &realm{procedures: map[wamp.URI]procedure{"test.silent": silent, "test.echo": echo}}, nil)
	whole := detach(t, g, "/call/test.silent", "")
	if w := post(g, whole+"/input", ""); w.Code != 409 || !strings.Contains(w.Body.String(), "takes no more items") {
		t.Errorf("an item for a call that is whole: %d %s, want 409", w.Code, w.Body)
	}
	ended := detach(t, g, "/call/test.echo?in=lines", "")
	waitFor(t, g, ended)
	if w := post(g, ended+"/input", ""); w.Code != 409 || !strings.Contains(w.Body.String(), "/result tells how") {
		t.Errorf("an item for a call that has ended: %d %s, want 409", w.Code, w.Body)
	}
	if w := post(g, "/call/test.silent?in=ndjson", "[1]\n", async...); w.Code != 400 || !strings.Contains(w.Body.String(), "/input") {
		t.Errorf("a first item in the body: %d %s, want 400", w.Code, w.Body)
	}
	open := detach(t, g, "/call/test.silent?in=ndjson", "")
	if w := post(g, open+"/input", "[1]\n[2]\n", "Content-Type", "application/x-ndjson"); w.Code != 415 {
		t.Errorf("two items in one body: %d %s, want 415", w.Code, w.Body)
	}
}
