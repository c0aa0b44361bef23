package gateway_test

import (
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// TestTrace shows how a trace goes on: to the callee, into the answer, into
// problems, and only if it is one.
func TestTrace(t *testing.T) {
	t.Parallel()
	r := &realm{procedures: map[wamp.URI]procedure{"test.p": echo}}
	g := newGateway(t, r, nil)
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	const parent = "00-" + id + "-00f067aa0ba902b7-01"
	tests := []struct {
		name, parent, state string
		goesOn              bool
		wantState           any
	}{
		{"plain", parent, "", true, nil},
		{"with state", parent, "a=1,b=2", true, "a=1,b=2"},
		{"later version", strings.Replace(parent, "00-", "cc-", 1) + "-more", "", true, nil},
		{"state too long", parent, strings.Repeat("a=1,", 200), true, nil},
		{"state that is no text", parent, "a=\x01", true, nil},
		{"too long", parent + "-more", "a=1", false, nil},
		{"version ff", strings.Replace(parent, "00-", "ff-", 1), "", false, nil},
		{"upper case", strings.ToUpper(parent), "", false, nil},
		{"no trace", strings.Replace(parent, id, strings.Repeat("0", 32), 1), "", false, nil},
		{"no span", strings.Replace(parent, "00f067aa0ba902b7", strings.Repeat("0", 16), 1), "", false, nil},
		{"nonsense", "x", "", false, nil},
	}
	for _, test := range tests {
		headers := []string{"Traceparent", test.parent}
		if test.state != "" {
			headers = append(headers, "Tracestate", test.state)
		}
		w := post(g, "/call/test.p", "[1]", headers...)
		call, _ := r.last()
		passed, _ := call.Options.Custom.String("_traceparent")
		if w.Code != 415 && w.Code != 200 || w.Header().Get("Traceparent") != passed || call.Options.Custom["_tracestate"] != test.wantState {
			t.Errorf("%s: %d, Traceparent %q, callee's %v", test.name, w.Code, w.Header().Get("Traceparent"), call.Options.Custom)
		}
		ours := strings.HasPrefix(passed, "00-"+id+"-") && strings.HasSuffix(passed, "-01") && !strings.Contains(passed, "00f067aa0ba902b7")
		if test.goesOn != ours || !test.goesOn && passed != "" {
			t.Errorf("%s: passed on as %q", test.name, passed)
		}
		failed := post(g, "/call/test.absent", "", headers...).Body.String()
		refused := post(g, "/nowhere", "", headers...).Body.String()
		for _, body := range []string{failed, refused} {
			if strings.Contains(body, `"trace_id":"`+id+`"`) != test.goesOn {
				t.Errorf("%s: problem %s", test.name, body)
			}
		}
	}
	if w := post(g, "/call/test.p", ""); w.Header().Get("Traceparent") != "" {
		t.Error("a request without a trace starts one")
	}
	stream := post(g, "/call/test.p", "", "Traceparent", parent, "Accept", "text/event-stream")
	if got := stream.Header().Get("Traceparent"); !strings.Contains(got, id) || !strings.Contains(stream.Header().Get("Server-Timing"), "gw;dur=") {
		t.Errorf("stream: %v", stream.Header())
	}
}

// TestExposeCallee shows that who answered is told if that is wanted, of results,
// errors and streams, and not otherwise.
func TestExposeCallee(t *testing.T) {
	t.Parallel()
	served := wamp.Served{Registration: 7, Callee: 9}
	r := &realm{procedures: map[wamp.URI]procedure{
		"test.result": func(c incoming) { c.push(&wamp.Result{Request: c.Request, Payload: c.Payload, Served: served}) },
		"test.error": func(c incoming) {
			c.push(&wamp.Error{RequestType: wamp.TypeCall, Request: c.Request, Error: "com.example.odd", Origin: wamp.OriginCallee, Served: served})
		},
	}}
	for _, expose := range []bool{true, false} {
		g := newGateway(t, r, func(c *gateway.Config) { c.ExposeCallee = expose })
		for _, path := range []string{"/call/test.result", "/call/test.error", "/call/test.result?stream=sse", "/call/test.absent"} {
			h := post(g, path, "").Header()
			told := h.Get("Wamp-Registration") == "7" && h.Get("Wamp-Callee") == "9"
			if want := expose && path != "/call/test.absent"; told != want || !want && h.Get("Wamp-Callee") != "" {
				t.Errorf("%s, expose %v: %v", path, expose, h)
			}
		}
	}
}
