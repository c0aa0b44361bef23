package gateway_test

import (
	"bytes"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer/transport"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
	"github.com/wampgate/wampgate/test/wamptest"
)

// inFront returns a gateway in front of a real router.
func inFront(tb testing.TB, s *wamptest.Server, change func(*gateway.Config)) *gateway.Gateway {
	tb.Helper()
	return newGateway(tb, &realm{}, func(cfg *gateway.Config) {
		cfg.Nearest = func(uri wamp.URI) (wamp.URI, bool) { return s.Router.Nearest(wamptest.Realm, uri) }
		cfg.Join = func(id wamp.Identity, out gateway.Outbox) (gateway.Session, error) {
			roles := wamp.Roles{Caller: true, CallerFeatures: wamp.FeatureCallCanceling | wamp.FeatureCallTimeout | wamp.FeatureProgressiveCallResults}
			session, err := s.Router.JoinLocal(wamptest.Realm, id, roles, "test", out)
			if err != nil {
				return nil, err
			}
			return session, nil
		}
		if change != nil {
			change(cfg)
		}
	})
}

// TestThroughRouter sends bodies of every type to callees of every serializer,
// over WebSocket; all echo. What comes back is what was sent.
func TestThroughRouter(t *testing.T) {
	t.Parallel()
	s := wamptest.Serve(t, wamptest.Config{})
	for _, callee := range []wamp.Serializer{wamp.JSON, wamp.MsgPack, wamp.CBOR} {
		s.Echo(t, callee, wamp.URI("test."+callee.String()))
	}
	g := inFront(t, s, nil)
	large := strings.Repeat("\x00x\xff", 100<<10)
	tests := []struct{ contentType, body, accept, want string }{
		{jsonType, `[9007199254740993]`, jsonType, "9007199254740993\n"},
		{jsonType, `{"a":["ü",null,true,-1.5]}`, jsonType, `{"a":["ü",null,true,-1.5]}` + "\n"},
		{jsonType, `[1,{"b":[]}]`, jsonType, `{"args":[1,{"b":[]}],"kwargs":{}}` + "\n"},
		{"application/vnd.wamp.call+json", `{"args":[1],"kwargs":{"a":2}}`, "application/vnd.wamp.call+msgpack", "\x82\xa4args\x91\x01\xa6kwargs\x81\xa1a\x02"},
		{"application/msgpack", "\x92\x01\xa1x", "application/vnd.wamp.call+json", `{"args":[1,"x"],"kwargs":{}}` + "\n"},
		{"application/cbor", "\x82\x01\x61x", "application/vnd.wamp.call+json", `{"args":[1,"x"],"kwargs":{}}` + "\n"},
		{"text/plain", "grüß\n\"", "*/*", `"grüß\n\""` + "\n"},
		{"application/octet-stream", large, "*/*", large},
		{"application/octet-stream", "\x00\x01", jsonType, `"\u0000AAE="` + "\n"},
		{"application/x-www-form-urlencoded", "a=1", "", `{"a":"1"}` + "\n"},
		{"", "", "", ""},
	}
	for _, callee := range []string{"json", "msgpack", "cbor"} {
		for _, test := range tests {
			w := post(g, "/call/test."+callee, test.body, "Content-Type", test.contentType, "Accept", test.accept)
			if w.Code/100 != 2 || w.Body.String() != test.want {
				t.Errorf("%s %.40q to a %s callee: %d %.80q, want %.80q", test.contentType, test.body, callee, w.Code, w.Body, test.want)
			}
		}
	}
	w := post(g, "/call/test.jsom", "")
	if d := problemIn(t, w, w.Body.Bytes()); w.Code != 404 || d.Detail != "no procedure test.jsom; did you mean test.json?" || d.Source != "dealer" || d.Retry != "safe" {
		t.Errorf("no such procedure: %d %+v", w.Code, d)
	}
}

// scripted is a callee that does as it is told.
func scripted(t *testing.T, s *wamptest.Server, procedure wamp.URI) *transport.Conn {
	t.Helper()
	c := s.Connect(t, wamp.JSON)
	wamptest.Register(t, c, procedure)
	return c
}

func receive[M wamp.Message](t *testing.T, c *transport.Conn) M {
	t.Helper()
	m, err := c.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, ok := m.(M)
	if !ok {
		t.Fatalf("got %v %+v", m.Type(), m)
	}
	return got
}

func reply(t *testing.T, c *transport.Conn, m wamp.Message) {
	t.Helper()
	if err := c.Send(m); err != nil {
		t.Fatal(err)
	}
}

// TestRouterTimeout shows that the answer to a call that takes too long is the
// dealer's, at the time that was asked for.
func TestRouterTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := wamptest.Serve(t, wamptest.Config{})
		g := inFront(t, s, nil)
		callee := scripted(t, s, "test.p")
		began := time.Now()
		w := post(g, "/call/test.p?timeout=1.5s", "")
		if took := time.Since(began); took != 1500*time.Millisecond {
			t.Errorf("answered after %v, want 1.5s", took)
		}
		if d := problemIn(t, w, w.Body.Bytes()); w.Code != 504 || d.Error != "wamp.error.timeout" || d.Source != "dealer" || d.Retry != "unknown" {
			t.Errorf("got %d %+v", w.Code, d)
		}
		receive[*wamp.Invocation](t, callee)
		if i := receive[*wamp.Interrupt](t, callee); i.Mode != wamp.CancelKillNoWait {
			t.Errorf("the callee got INTERRUPT %v, want killnowait", i.Mode)
		}
	})
}

// TestRouterHangUp shows a lost client's way through the router: INTERRUPT to
// the callee, and its answer in the log.
func TestRouterHangUp(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer func(inv wamp.ID) wamp.Message // nil: it leaves instead
		words  string
	}{
		{"error", func(inv wamp.ID) wamp.Message {
			return &wamp.Error{RequestType: wamp.TypeInvocation, Request: inv, Error: wamp.ErrCanceled}
		}, "callee confirmed in "},
		{"result", func(inv wamp.ID) wamp.Message { return &wamp.Yield{Request: inv} }, "callee had completed in "},
		{"leaves", nil, "unconfirmed in "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log logbook
				s := wamptest.Serve(t, wamptest.Config{})
				g := inFront(t, s, log.use)
				callee := scripted(t, s, "test.p")
				c := start(g, "/call/test.p")
				inv := receive[*wamp.Invocation](t, callee)
				id := inv.Request
				c.hangUp(nil)
				if i := receive[*wamp.Interrupt](t, callee); i.Request != id || i.Mode != wamp.CancelKill {
					t.Errorf("the callee got %+v, want INTERRUPT kill of %d", i, id)
				}
				pass(3 * time.Millisecond)
				if test.answer != nil {
					reply(t, callee, test.answer(id))
				} else if err := callee.Close(); err != nil {
					t.Error(err)
				}
				<-c.done
				if want := "CANCEL kill -> " + test.words + "3ms (499)"; !strings.Contains(log.last(), want) {
					t.Errorf("the log says %s, want %s", log.last(), want)
				}
			})
		})
	}
}

// TestRouterBusyCallee shows what becomes of calls whose callee is busy: while
// they wait nobody has got them, and they may be made again.
func TestRouterBusyCallee(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := wamptest.Serve(t, wamptest.Config{})
		g := inFront(t, s, nil)
		callee := s.Connect(t, wamp.JSON)
		reply(t, callee, &wamp.Register{Request: 1, Procedure: "test.p", Options: wamp.RegisterOptions{Concurrency: 1}})
		receive[*wamp.Registered](t, callee)
		first := start(g, "/call/test.p")
		id := receive[*wamp.Invocation](t, callee).Request
		tests := []struct {
			path  string
			took  time.Duration
			code  int
			error string
		}{
			{"/call/test.p?timeout=1s", time.Second, 504, "wamp.error.timeout"},
			{"/call/test.p", 10 * time.Second, 503, "wamp.error.unavailable"},
		}
		for _, test := range tests {
			began := time.Now()
			w := post(g, test.path, "")
			d := problemIn(t, w, w.Body.Bytes())
			if w.Code != test.code || d.Error != test.error || d.Source != "dealer" || d.Retry != "safe" {
				t.Errorf("%s: got %d %+v, want %d, %s, safe to retry", test.path, w.Code, d, test.code, test.error)
			}
			if took := time.Since(began); took != test.took || (w.Header().Get("Retry-After") != "") != (w.Code == 503) {
				t.Errorf("%s: answered after %v with Retry-After %q, want %v", test.path, took, w.Header().Get("Retry-After"), test.took)
			}
		}
		next := start(g, "/call/test.p")
		synctest.Wait()
		reply(t, callee, &wamp.Yield{Request: id})
		<-first.done
		reply(t, callee, &wamp.Yield{Request: receive[*wamp.Invocation](t, callee).Request})
		<-next.done
		if first.answer.Code/100 != 2 || next.answer.Code/100 != 2 {
			t.Errorf("the calls that were served got %d and %d, want success", first.answer.Code, next.answer.Code)
		}
	})
}

// TestRouterCalleeLeaves shows what a caller is told whose callee is gone.
func TestRouterCalleeLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := wamptest.Serve(t, wamptest.Config{})
		g := inFront(t, s, nil)
		callee := scripted(t, s, "test.p")
		c := start(g, "/call/test.p")
		receive[*wamp.Invocation](t, callee)
		if err := callee.Close(); err != nil {
			t.Error(err)
		}
		<-c.done
		if d := problemIn(t, c.answer, c.answer.Body.Bytes()); c.answer.Code != 502 || d.Error != "wamp.error.canceled" || d.Source != "dealer" || d.Retry != "unknown" {
			t.Errorf("got %d %+v", c.answer.Code, d)
		}
	})
}

// TestRouterShutdown shows what a caller is told when the router ends under
// its call.
func TestRouterShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := wamptest.Serve(t, wamptest.Config{})
		g := inFront(t, s, nil)
		callee := scripted(t, s, "test.p")
		c := start(g, "/call/test.p")
		receive[*wamp.Invocation](t, callee)
		s.Router.Shutdown(t.Context())
		<-c.done
		if d := problemIn(t, c.answer, c.answer.Body.Bytes()); c.answer.Code != 503 && c.answer.Code != 502 || d.Retry != "unknown" {
			t.Errorf("got %d %+v", c.answer.Code, d)
		}
	})
}

// BenchmarkRouter measures a call through the router to a callee over
// WebSocket on loopback.
func BenchmarkRouter(b *testing.B) {
	s := wamptest.Serve(b, wamptest.Config{Loopback: true})
	s.Echo(b, wamp.JSON, "test.echo")
	g := inFront(b, s, nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		body := []byte(`["0123456789abcdef"]`)
		for pb.Next() {
			r := httptest.NewRequest("POST", "/call/test.echo", bytes.NewReader(body))
			r.Header["Content-Type"] = []string{jsonType}
			w := &sink{header: make(map[string][]string)}
			g.ServeHTTP(w, r)
			if w.status != 200 {
				b.Errorf("status %d", w.status)
			}
		}
	})
}
