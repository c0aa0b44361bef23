package test

import (
	"reflect"
	"strings"
	"testing"
)

// TestMetaAPI lets real clients subscribe to the events of the meta API, in all
// three ways, and call its procedures, while another session registers, leaves
// and is killed.
func TestMetaAPI(t *testing.T) {
	t.Parallel()
	fetchClients(t, libraries()...)
	for _, library := range libraries() {
		for _, serializer := range serializers() {
			t.Run(library+"_"+serializer, func(t *testing.T) {
				t.Parallel()
				watchRealm(t, library, serializer)
			})
		}
	}
}

func watchRealm(t *testing.T, library, serializer string) {
	t.Helper()
	ctx, g := soon(t), start(t)
	c := startClient(t, library, serializer)
	self := c.join(ctx, t, g, command{"trace": true}).Session
	c.must(ctx, t, "subscribe", command{"uri": "wamp.session.on_join"})
	c.must(ctx, t, "subscribe", command{"uri": "wamp.registration", "options": command{"match": "prefix"}})
	c.must(ctx, t, "subscribe", command{"uri": "wamp..on_leave", "options": command{"match": "wildcard"}})
	from := c.events.len()
	heard := func(subscription, topic string) event {
		t.Helper()
		e := c.event(ctx, t, from, func(e event) bool {
			return e.Event == "heard" && e.URI == subscription && (subscription == topic || e.Details["topic"] == topic)
		})
		return e
	}
	ask := func(procedure string, args ...any) []any {
		t.Helper()
		return c.must(ctx, t, "call", command{"uri": procedure, "args": append([]any{}, args...)}).Args
	}

	p := dial(ctx, t, g)
	p.send(ctx, t, `[1,"realm1",`+allRoles+`]`)
	other := p.want(ctx, t, codeWelcome).rest[0]
	about, _ := at[map[string]any](heard("wamp.session.on_join", "wamp.session.on_join").Args, 0)
	if about["session"] != other || about["authrole"] != "anonymous" {
		t.Errorf("on_join tells of %v, want session %v", about, other)
	}
	if got := ask("wamp.session.get", other); !reflect.DeepEqual(got, []any{any(about)}) {
		t.Errorf("wamp.session.get = %v, on_join told of %v", got, about)
	}
	sessions, _ := at[[]any](ask("wamp.session.list"), 0)
	if count := ask("wamp.session.count"); count[0] != float64(len(sessions)) || len(sessions) != 5 { // three of the samples
		t.Errorf("wamp.session.list = %v, count = %v; want 5 of them, among them %v and %v", sessions, count, self, other)
	}

	p.send(ctx, t, `[64,1,{"invoke":"random"},"test.meta"]`)
	id := p.want(ctx, t, codeRegistered).rest[1]
	created := heard("wamp.registration", "wamp.registration.on_create")
	registration, _ := at[map[string]any](created.Args, 1)
	if created.Args[0] != other || registration["id"] != id || registration["uri"] != "test.meta" || registration["invoke"] != "random" {
		t.Errorf("on_create tells of %v", created.Args)
	}
	if e := heard("wamp.registration", "wamp.registration.on_register"); !reflect.DeepEqual(e.Args, []any{other, id}) {
		t.Errorf("on_register tells of %v, want %v, %v", e.Args, other, id)
	}
	for procedure, want := range map[string]any{
		"wamp.registration.lookup": id, "wamp.registration.match": id,
	} {
		if got := ask(procedure, "test.meta"); got[0] != want {
			t.Errorf("%s(test.meta) = %v, want %v", procedure, got, want)
		}
	}
	if got := ask("wamp.registration.get", id); !reflect.DeepEqual(got, []any{any(registration)}) {
		t.Errorf("wamp.registration.get = %v, want %v", got, registration)
	}
	if got := ask("wamp.registration.list_callees", id); !reflect.DeepEqual(got, []any{[]any{other}}) {
		t.Errorf("wamp.registration.list_callees = %v, want %v", got, other)
	}
	c.mustFail(ctx, t, "wamp.error.no_such_registration", "call", command{"uri": "wamp.registration.get", "args": []any{1 << 40}})
	c.mustFail(ctx, t, "wamp.error.invalid_argument", "call", command{"uri": "wamp.session.get"})

	c.must(ctx, t, "call", command{"uri": "wamp.session.kill", "args": []any{other}, "kwargs": command{"message": "enough"}})
	if bye := p.want(ctx, t, codeGoodbye); bye.text != `[6,{"message":"enough"},"wamp.close.killed"]` {
		t.Errorf("the killed session got %s", bye.text)
	}
	if e := heard("wamp.registration", "wamp.registration.on_delete"); !reflect.DeepEqual(e.Args, []any{other, id}) {
		t.Errorf("on_delete tells of %v, want %v, %v", e.Args, other, id)
	}
	if e := heard("wamp..on_leave", "wamp.session.on_leave"); e.Args[0] != other || len(e.Args) != 3 {
		t.Errorf("on_leave tells of %v, want %v with authid and authrole", e.Args, other)
	}
	c.mustFail(ctx, t, "wamp.error.no_such_session", "call", command{"uri": "wamp.session.get", "args": []any{other}})
}

// TestKilledClients kills real clients. They end their session in good order;
// none of them takes it for a fault.
func TestKilledClients(t *testing.T) {
	t.Parallel()
	fetchClients(t, libraries()...)
	for _, library := range libraries() {
		for _, serializer := range serializers() {
			t.Run(library+"_"+serializer, func(t *testing.T) {
				t.Parallel()
				ctx, g := soon(t), start(t)
				c := startClient(t, library, serializer)
				session := c.join(ctx, t, g, command{"trace": true}).Session
				c.must(ctx, t, "register", command{"uri": "test.echo", "kind": "echo"})
				p := join(ctx, t, g)
				p.sendf(ctx, t, `[48,1,{},"wamp.session.kill",[%.0f]]`, session)
				p.want(ctx, t, codeResult)
				c.event(ctx, t, 0, func(e event) bool { return e.Event == "closed" })
				if library == "autobahn-python" { // it does not trace messages
					c.event(ctx, t, 0, func(e event) bool { return e.Event == "left" && e.URI == "wamp.close.killed" })
				} else if got := c.received(codeGoodbye); len(got) != 1 || got[0][2] != "wamp.close.killed" {
					t.Errorf("the client got %v, want one GOODBYE wamp.close.killed", got)
				}
				if a := g.call(ctx, t, "test.echo", `["gone"]`); a.status != 404 {
					t.Errorf("its procedure answers %d, want 404", a.status)
				}
			})
		}
	}
}

// TestDescribe lets real clients describe their procedure after they registered
// it, as those must that send no options of their own.
func TestDescribe(t *testing.T) {
	t.Parallel()
	fetchClients(t, libraries()...)
	for _, library := range libraries() {
		for _, serializer := range serializers() {
			t.Run(library+"_"+serializer, func(t *testing.T) {
				t.Parallel()
				ctx, g := soon(t), start(t)
				c := startClient(t, library, serializer)
				c.join(ctx, t, g, command{"trace": true})
				c.must(ctx, t, "register", command{"uri": "test.echo", "kind": "echo"})
				about := command{"summary": "échoes", "safe": true, "schema": command{"args": command{"maxItems": 3}}}
				c.must(ctx, t, "call", command{"uri": "gateway.describe", "args": []any{"test.echo", about}})
				const want = `"http":{"safe":true,"schema":{"args":{"maxItems":3}},"summary":"échoes"}`
				if a := g.send(ctx, t, "GET", "/procedures/test.echo", nil); a.status != 200 || !strings.Contains(a.body, want) {
					t.Errorf("GET /procedures/test.echo: %d %s, want …%s…", a.status, a.body, want)
				}
				if a := g.send(ctx, t, "GET", "/call/test.echo?args=[1]", nil); a.body != "1" {
					t.Errorf("GET /call/test.echo, which is safe: %d %s", a.status, a.body)
				}
				c.mustFail(ctx, t, "wamp.error.invalid_argument", "call",
					command{"uri": "gateway.describe", "args": []any{"test.echo", command{"sum": "?"}}})
			})
		}
	}
}
