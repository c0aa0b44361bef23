package router_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/auth"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

const secret = "planted-secret"

// A guarded is a router that knows ada (admin), bob (user) and, perhaps,
// anonymous (guest), and its log.
type guarded struct {
	*router.Router
	log syncBuffer
}

// A syncBuffer is a log.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func newGuarded(t *testing.T, config auth.Config, roles ...auth.Role) *guarded {
	t.Helper()
	config.Principals = []auth.Principal{
		{Authid: "ada", Role: "admin", Ticket: auth.HashTicket(secret), CRA: auth.NewCRASecret(secret)},
		{Authid: "bob", Role: "user", Ticket: auth.HashTicket(secret)},
	}
	a, err := auth.New(config)
	if err != nil {
		t.Fatal(err)
	}
	c := router.Config{Realms: []dealer.Config{{Realm: wamptest.Realm}}, Auth: a, MaxSessions: 10}
	if roles != nil {
		if c.Policy, err = auth.NewPolicy(roles); err != nil {
			t.Fatal(err)
		}
	}
	g := &guarded{}
	c.Log = slog.New(slog.NewTextHandler(&g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	g.Router = router.New(c)
	return g
}

const ticketHello = `[1, "realm1", {"authmethods": ["ticket"], "authid": %q, "roles": {"caller": {}, "callee": {"features": {"progressive_call_invocations": true, "progressive_call_results": true, "call_canceling": true}}}}]`

// login opens a session with a ticket.
func login(t *testing.T, r *router.Router, authid string) *peer {
	t.Helper()
	p := &peer{t: t, inbox: &inbox{}, decoder: wamp.NewDecoder(wamp.JSON)}
	step := r.Hello(t.Context(), hello(t, fmt.Sprintf(ticketHello, authid)), router.TransportInfo{}, p.inbox)
	if step.Pending == nil {
		t.Fatalf("HELLO of %s came to %+v", authid, step)
	}
	p.Flush()
	p.want(t, `[4, "ticket", {}]`)
	step = step.Pending.Authenticate(t.Context(), &wamp.Authenticate{Signature: secret})
	if step.Session == nil {
		t.Fatalf("AUTHENTICATE of %s came to %+v", authid, step)
	}
	p.Session = step.Session
	p.Flush()
	p.want(t, `[2, "*", "*"]`)
	return p
}

// TestHandshake logs in with a challenge that names the session.
func TestHandshake(t *testing.T) {
	t.Parallel()
	r := newGuarded(t, auth.Config{})
	out := &inbox{}
	h := hello(t, `[1, "realm1", {"authmethods": ["wampcra"], "authid": "ada", "roles": {"caller": {}}}]`)
	step := r.Hello(t.Context(), h, router.TransportInfo{Peer: "192.0.2.1:7"}, out)
	if step.Pending == nil {
		t.Fatalf("HELLO came to %+v", step)
	}
	if got := r.Stats(); got.Pending != 1 || got.Sessions != 0 {
		t.Errorf("%d sessions, %d pending, want 0 and 1", got.Sessions, got.Pending)
	}
	out.Flush()
	m, err := wamp.NewDecoder(wamp.JSON).Decode([]byte(out.messages[0]))
	if err != nil {
		t.Fatal(err)
	}
	out.want(t, `[4, "wampcra", {"challenge": "*"}]`)
	challenge, _ := m.(*wamp.Challenge).Extra.String("challenge")
	step = step.Pending.Authenticate(t.Context(), &wamp.Authenticate{Signature: auth.SignCRA([]byte(secret), challenge)})
	if step.Session == nil {
		t.Fatalf("AUTHENTICATE came to %+v", step)
	}
	if want := fmt.Sprintf(`"session":%d,`, step.Session.ID()); !strings.Contains(challenge, want) {
		t.Errorf("the challenge %s lacks %s", challenge, want)
	}
	if got := r.Stats(); got.Pending != 0 || got.Sessions != 1 {
		t.Errorf("%d sessions, %d pending, want 1 and 0", got.Sessions, got.Pending)
	}
	if want := "outcome=accepted realm=realm1 authid=ada method=wampcra role=admin"; !strings.Contains(r.log.String(), want) || !strings.Contains(r.log.String(), "peer=192.0.2.1:7") {
		t.Errorf("the log lacks %q:\n%s", want, r.log.String())
	}
}

// TestHandshakeRefused shows that refusals leave nothing behind but a line in
// the log.
func TestHandshakeRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		hello  string
		answer string // empty: refused at once
		want   wamp.URI
		log    string
	}{
		"wrong ticket":   {fmt.Sprintf(ticketHello, "ada"), "no-" + secret, wamp.ErrAuthenticationDenied, `outcome=denied realm=realm1 authid=ada method=ticket role="" `},
		"unknown":        {fmt.Sprintf(ticketHello, "zoe"), secret, wamp.ErrAuthenticationDenied, `reason="no such principal`},
		"wrong role":     {`[1, "realm1", {"authmethods": ["ticket"], "authid": "ada", "authrole": "user", "roles": {"caller": {}}}]`, secret, wamp.ErrNoSuchRole, `reason="wrong role"`},
		"no credentials": {wamptest.Hello, "", wamp.ErrAuthenticationRequired, `reason="no credentials"`},
		"other method":   {`[1, "realm1", {"authmethods": ["persona"], "roles": {"caller": {}}}]`, "", wamp.ErrNoMatchingAuthMethod, "outcome=denied"},
		"wrong realm":    {strings.Replace(fmt.Sprintf(ticketHello, "ada"), "realm1", "realm9", 1), "", wamp.ErrNoSuchRealm, `reason="there is no realm`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newGuarded(t, auth.Config{})
			step := r.Hello(t.Context(), hello(t, tt.hello), router.TransportInfo{}, &inbox{})
			if tt.answer != "" {
				if step.Pending == nil {
					t.Fatalf("HELLO came to %+v", step)
				}
				step = step.Pending.Authenticate(t.Context(), &wamp.Authenticate{Signature: tt.answer})
			}
			if step.Abort == nil || step.Abort.Reason != tt.want {
				t.Fatalf("came to %+v, want ABORT %s", step, tt.want)
			}
			if got := r.Stats(); got.Pending != 0 || got.Sessions != 0 || (got.Denied == 1) != (tt.want != wamp.ErrNoSuchRealm) {
				t.Errorf("%d sessions, %d pending, %d denied", got.Sessions, got.Pending, got.Denied)
			}
			if log := r.log.String(); !strings.Contains(log, tt.log) || strings.Contains(log, secret) {
				t.Errorf("the log lacks %q, or holds the secret:\n%s", tt.log, log)
			}
		})
	}
}

// TestPendingCount counts and bounds sessions that are about to authenticate.
func TestPendingCount(t *testing.T) {
	t.Parallel()
	r := newGuarded(t, auth.Config{AnonymousRole: "guest"})
	var pending []*router.Handshake
	for range 10 {
		pending = append(pending, r.Hello(t.Context(), hello(t, fmt.Sprintf(ticketHello, "ada")), router.TransportInfo{}, &inbox{}).Pending)
	}
	if _, abort := r.Join(hello(t, wamptest.Hello), router.TransportInfo{}, &inbox{}); abort == nil || abort.Reason != wamp.ErrUnavailable {
		t.Errorf("an eleventh session: %v", abort)
	}
	pending[0].Drop(t.Context())
	join(t, r.Router)
	if _, abort := r.Join(hello(t, fmt.Sprintf(ticketHello, "ada")), router.TransportInfo{}, &inbox{}); abort == nil {
		t.Error("a twelfth session")
	}
	refusing := &inbox{}
	refusing.refuseAll(router.ErrFull, wamp.TypeChallenge)
	pending[1].Drop(t.Context())
	if step := r.Hello(t.Context(), hello(t, fmt.Sprintf(ticketHello, "ada")), router.TransportInfo{}, refusing); step.Abort == nil {
		t.Errorf("a CHALLENGE that was not taken came to %+v", step)
	}
	// Shutdown does not wait for those who have yet to say who they are.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go r.Shutdown(ctx)
	for !strings.Contains(fmt.Sprint(r.Hello(t.Context(), hello(t, wamptest.Hello), router.TransportInfo{}, &inbox{}).Abort), "shutdown") {
		continue // until it has begun
	}
	step := pending[2].Authenticate(t.Context(), &wamp.Authenticate{Signature: secret})
	if step.Abort == nil || step.Abort.Reason != wamp.CloseSystemShutdown {
		t.Errorf("a login during shutdown came to %+v", step)
	}
}

func roles() []auth.Role {
	return []auth.Role{
		{Name: "admin", Rules: []auth.Rule{{Match: wamp.MatchPrefix, Allow: []auth.Action{auth.Call, auth.Register, auth.RegisterHTTP, auth.Meta, auth.Admin}}}},
		{Name: "user", Rules: []auth.Rule{
			{Match: wamp.MatchPrefix, URI: "com.example.", Allow: []auth.Action{auth.Call}, MaxTimeout: time.Second},
			{URI: "com.example.closed", Disclose: auth.DiscloseNo, Allow: []auth.Action{auth.Call}},
			{Match: wamp.MatchPrefix, URI: "com.bob.", Allow: []auth.Action{auth.Register}},
		}},
	}
}

// TestRights has sessions do what they may and may not.
func TestRights(t *testing.T) {
	t.Parallel()
	r := newGuarded(t, auth.Config{}, roles()...)
	ada, bob := login(t, r.Router, "ada"), login(t, r.Router, "bob")
	ada.send(`[64, 1, {}, "com.example.a"]`)
	ada.wants(`[65, 1, "*"]`)
	ada.send(`[64, 2, {}, "com.secret"]`)
	ada.wants(`[65, 2, "*"]`)
	bob.send(`[48, 1, {}, "com.secret"]`)
	bob.wants(`[8, 48, 1, {}, "wamp.error.not_authorized", ["role \"user\" has no permission \"call\" for com.secret"]]`)
	bob.send(`[48, 2, {}, "com.example.a"]`)
	ada.wants(`[68, 1, "*", "*"]`)
	bob.send(`[64, 3, {}, "com.example.b"]`)
	bob.wants(`[8, 64, 3, {}, "wamp.error.not_authorized", ["role \"user\" has no permission \"register\" for com.example.b"]]`)
	bob.send(`[64, 4, {"match": "prefix"}, "com.bob."]`)
	bob.wants(`[65, 4, "*"]`)
	bob.send(`[64, 5, {"match": "prefix"}, "com.b"]`)
	bob.wants(`[8, 64, 5, {}, "wamp.error.not_authorized", ["role \"user\" has no permission \"register\" for prefix:com.b"]]`)
	bob.send(`[64, 6, {"_http": {"safe": true}}, "com.bob.x"]`)
	bob.wants(`[8, 64, 6, {}, "wamp.error.not_authorized", ["role \"user\" has no permission \"register_http\" for com.bob.x"]]`)
	bob.send(`[32, 7, {}, "wamp.session.on_join"]`)
	bob.wants(`[8, 32, 7, {}, "wamp.error.not_authorized", "*"]`)
	bob.send(`[48, 8, {}, "wamp.session.list"]`)
	bob.wants(`[8, 48, 8, {}, "wamp.error.not_authorized", ["role \"user\" has no permission \"meta\" for wamp.session.list"]]`)
	bob.send(`[48, 9, {"disclose_me": true}, "com.example.closed"]`)
	bob.wants(`[8, 48, 9, {}, "wamp.error.option_disallowed.disclose_me", "*"]`)
	// What answers a call needs no rights.
	ada.send(`[70, 1, {}]`)
	bob.wants(`[50, 2, {}]`)
}

// TestRightsOfStrangers gives nothing to roles that are not in the policy.
func TestRightsOfStrangers(t *testing.T) {
	t.Parallel()
	r := newGuarded(t, auth.Config{AnonymousRole: "guest"}, roles()...)
	anonymous := join(t, r.Router)
	anonymous.send(`[48, 1, {}, "com.example.a"]`)
	anonymous.wants(`[8, 48, 1, {}, "wamp.error.not_authorized", "*"]`)
	inside := &inbox{}
	s, err := r.JoinLocal(wamptest.Realm, wamp.Identity{Authrole: "other"}, wamp.Roles{Caller: true}, "", inside)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Submit(t.Context(), &wamp.Call{Request: 1, Procedure: "com.example.a"}); err != nil {
		t.Fatal(err)
	}
	inside.want(t, `[8, 48, 1, {}, "wamp.error.not_authorized", "*"]`)
}

// TestMaxTimeout bounds the time of a call by its rule.
func TestMaxTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newGuarded(t, auth.Config{}, roles()...)
		ada, bob := login(t, r.Router, "ada"), login(t, r.Router, "bob")
		ada.send(`[64, 1, {}, "com.example.a"]`)
		ada.wants(`[65, 1, "*"]`)
		bob.send(`[48, 1, {"timeout": 60000}, "com.example.a"]`)
		time.Sleep(1001 * time.Millisecond)
		synctest.Wait()
		bob.wants(`[8, 48, 1, {}, "wamp.error.timeout", "*"]`)
	})
}

// A callee answers every INVOCATION by itself.
type callee struct {
	*inbox
	session *router.Session
	answer  func(args []any) wamp.Message // YIELD, ERROR or nil; its Request is filled in
	work    sync.WaitGroup
}

func (c *callee) Push(m wamp.Message) error {
	invocation, ok := m.(*wamp.Invocation)
	if !ok {
		return nil
	}
	args, _, err := invocation.Payload.Decode()
	if err != nil {
		return err
	}
	id := invocation.Request
	c.work.Go(func() {
		switch m := c.answer(args).(type) {
		case *wamp.Yield:
			m.Request = id
			_ = c.session.Submit(context.Background(), m)
		case *wamp.Error:
			m.Request, m.RequestType = id, wamp.TypeInvocation
			_ = c.session.Submit(context.Background(), m)
		}
	})
	return nil
}

// serve registers a procedure inside the process.
func serve(t *testing.T, r *router.Router, procedure wamp.URI, answer func(args []any) wamp.Message) {
	t.Helper()
	c := &callee{inbox: &inbox{}, answer: answer}
	var err error
	c.session, err = r.JoinLocal(wamptest.Realm, wamp.Identity{Authrole: "admin"}, wamp.Roles{Callee: true}, "", c)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.session.Submit(t.Context(), &wamp.Register{Request: 1, Procedure: procedure}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.work.Wait)
}

// yield is an answer of one value.
func yield(t *testing.T, v any) *wamp.Yield {
	t.Helper()
	p, err := wamp.NewPayload(wamp.CBOR, []any{v}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &wamp.Yield{Payload: p}
}

// TestAuthorizer has a procedure decide where no rule does.
func TestAuthorizer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		r := newGuarded(t, auth.Config{}, roles()[0], auth.Role{
			Name: "user", Rules: []auth.Rule{{URI: "com.never"}}, Authorizer: "com.authorize", AuthorizerTTL: time.Minute,
		})
		bob := login(t, r.Router, "bob")
		bob.send(`[48, 1, {}, "com.yes"]`)
		bob.wants(`[8, 48, 1, {}, "wamp.error.authorization_failed", "*"]`)
		serve(t, r.Router, "com.authorize", func(args []any) wamp.Message {
			asked.Add(1)
			who, _ := args[0].(wamp.Dict)
			if who["authid"] != "bob" || who["authrole"] != "user" || args[2] != "call" && args[2] != "register" {
				t.Errorf("asked about %v", args)
			}
			switch args[1] {
			case "com.yes":
				return yield(t, true)
			case "com.once":
				return yield(t, wamp.Dict{"allow": true, "ttl": 0})
			case "com.odd":
				return yield(t, "perhaps")
			case "com.error":
				return &wamp.Error{Error: "com.example.error"}
			case "com.silent":
				return nil
			}
			return yield(t, wamp.Dict{"allow": false})
		})
		procedure := login(t, r.Router, "ada")
		for i, uri := range []string{"com.yes", "com.once", "com.no"} {
			procedure.send(fmt.Sprintf(`[64, %d, {}, %q]`, i+1, uri))
			procedure.wants(`[65, "*", "*"]`)
		}
		for i, tt := range []struct {
			uri   string
			want  string // of the ERROR; empty if the callee is called
			asked int64  // so far
		}{
			{"com.yes", "", 1},
			{"com.yes", "", 1},
			{"com.once", "", 2},
			{"com.once", "", 3},
			{"com.no", "not_authorized", 4},
			{"com.no", "not_authorized", 4},
			{"com.never", "not_authorized", 4},
			{"com.error", "not_authorized", 5},
			{"com.error", "not_authorized", 6},
			{"com.odd", "authorization_failed", 7},
			{"com.silent", "authorization_failed", 8},
		} {
			bob.send(fmt.Sprintf(`[48, %d, {}, %q]`, i+2, tt.uri))
			if tt.want == "" {
				procedure.wants(`[68, "*", "*", "*"]`)
				bob.wants()
			} else {
				bob.wants(fmt.Sprintf(`[8, 48, %d, {}, "wamp.error.%s", "*"]`, i+2, tt.want))
			}
			if got := asked.Load(); got != tt.asked {
				t.Errorf("%s: asked %d times, want %d", tt.uri, got, tt.asked)
			}
		}
		time.Sleep(time.Minute)
		bob.send(`[48, 100, {}, "com.yes"]`)
		procedure.wants(`[68, "*", "*", "*"]`)
		if got := asked.Load(); got != 9 {
			t.Errorf("asked %d times after a minute, want 9", got)
		}
		// The chunks of a call are not asked about.
		bob.send(`[48, 101, {"progress": true}, "com.once"]`)
		bob.send(`[48, 101, {"progress": true}, "com.once"]`)
		bob.send(`[48, 101, {}, "com.once"]`)
		procedure.wants(`[68, "*", "*", "*"]`, `[68, "*", "*", "*"]`, `[68, "*", "*", "*"]`)
		if got := asked.Load(); got != 10 {
			t.Errorf("asked %d times after a progressive call, want 10", got)
		}
		bob.send(`[64, 102, {}, "com.no.matter"]`)
		bob.wants(`[8, 64, 102, {}, "wamp.error.not_authorized", "*"]`)
	})
}

// TestDynamicLogin has a procedure decide who may join.
func TestDynamicLogin(t *testing.T) {
	t.Parallel()
	r := newGuarded(t, auth.Config{Dynamic: &auth.Dynamic{Procedure: "com.authenticate", Methods: []string{auth.Ticket}}}, roles()...)
	serve(t, r.Router, "com.authenticate", func(args []any) wamp.Message {
		details, _ := args[2].(wamp.Dict)
		if args[0] != "realm1" || details["ticket"] != secret {
			return &wamp.Error{Error: "com.example.wrong"}
		}
		return yield(t, wamp.Dict{"role": "user", "authextra": wamp.Dict{"team": "red"}})
	})
	zoe := login(t, r.Router, "zoe")
	want := wamp.Identity{Authid: "zoe", Authrole: "user", Authmethod: "ticket", Authprovider: "dynamic"}
	if got := zoe.Identity(); got != want {
		t.Errorf("identity %+v, want %+v", got, want)
	}
	step := r.Hello(t.Context(), hello(t, fmt.Sprintf(ticketHello, "zoe")), router.TransportInfo{}, &inbox{})
	if step = step.Pending.Authenticate(t.Context(), &wamp.Authenticate{Signature: "no"}); step.Abort == nil || step.Abort.Reason != wamp.ErrAuthenticationDenied {
		t.Errorf("a wrong ticket came to %+v", step)
	}
	if strings.Contains(r.log.String(), secret) {
		t.Errorf("the log holds the secret:\n%s", r.log.String())
	}
}

// TestExpiry ends sessions with their tokens.
func TestExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		expires := time.Now().Add(time.Minute)
		r := newGuarded(t, auth.Config{Token: func(context.Context, wamp.URI, string) (auth.Grant, error) {
			return auth.Grant{Identity: wamp.Identity{Authid: "ada", Authrole: "admin"}, Expires: expires}, nil
		}}, roles()...)
		other := login(t, r.Router, "ada")
		other.send(`[64, 1, {}, "com.example.a"]`)
		other.wants(`[65, 1, "*"]`)
		token := func() *peer {
			t.Helper()
			p := &peer{t: t, inbox: &inbox{}, decoder: wamp.NewDecoder(wamp.JSON)}
			step := r.Hello(t.Context(), hello(t, fmt.Sprintf(ticketHello, "ada")), router.TransportInfo{}, p.inbox)
			p.Session = step.Pending.Authenticate(t.Context(), &wamp.Authenticate{Signature: "ey.a.token"}).Session
			p.Flush()
			p.want(t, `[4, "ticket", {}]`, `[2, "*", "*"]`)
			return p
		}
		staying, leaving := token(), token()
		leaving.Leave()
		staying.send(`[48, 1, {}, "com.example.a"]`)
		other.wants(`[68, "*", "*", "*"]`)
		time.Sleep(time.Minute)
		synctest.Wait()
		staying.wants(`[6, {"message": "credentials have expired"}, "wamp.close.killed"]`)
		staying.wantClosed(t, router.ErrExpired)
		leaving.wants()
		leaving.wantClosed(t, nil)
		other.wants(`[69, "*", "*"]`)
		if got := r.Stats(); got.Sessions != 1 || got.Killed != 1 {
			t.Errorf("%d sessions and %d killed, want 1 and 1", got.Sessions, got.Killed)
		}
	})
}

// TestMatrix has sessions of every kind ask for everything: what they get is
// what the policy says, in all cells.
func TestMatrix(t *testing.T) {
	t.Parallel()
	policy, err := auth.NewPolicy(append(roles(), auth.Role{Name: "guest", Rules: []auth.Rule{
		{URI: "com.example.a", Allow: []auth.Action{auth.Call}},
		{Match: wamp.MatchPrefix, URI: "wamp.registration.", Allow: []auth.Action{auth.Meta}},
	}}))
	if err != nil {
		t.Fatal(err)
	}
	a, err := auth.New(auth.Config{AnonymousRole: "guest", Principals: []auth.Principal{
		{Authid: "ada", Role: "admin", Ticket: auth.HashTicket(secret)},
		{Authid: "bob", Role: "user", Ticket: auth.HashTicket(secret)},
		{Authid: "eve", Role: "unknown", Ticket: auth.HashTicket(secret)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := router.New(router.Config{Realms: []dealer.Config{{Realm: wamptest.Realm, MetaKill: true, MetaInside: true}}, Auth: a, Policy: policy})
	peers := map[string]*peer{"admin": login(t, r, "ada"), "user": login(t, r, "bob"), "unknown": login(t, r, "eve"), "guest": join(t, r)}
	inside := &peer{t: t, inbox: &inbox{}, decoder: wamp.NewDecoder(wamp.JSON)}
	if inside.Session, err = r.JoinLocal(wamptest.Realm, wamp.Identity{Authrole: "user"}, wamp.Roles{Caller: true}, "", inside.inbox); err != nil {
		t.Fatal(err)
	}
	peers["user, over HTTP"] = inside
	uris := []string{
		"com.example.a", "com.example.closed", "com.bob.x", "com.bobx", "org.x", "wamp.session.count", "wamp.session.get", "wamp.session.kill",
		"wamp.session.kill_by_authrole", "wamp.registration.list", "wamp.registration.remove_callee", "wamp.nothing",
	}
	cells, refused := 0, 0
	for kind, p := range peers {
		role, _, _ := strings.Cut(kind, ",")
		rights := policy.Rights(role)
		id := 0
		for _, uri := range uris {
			for _, form := range []string{
				`[48, %d, {}, %q]`, `[64, %d, {}, %q]`, `[64, %d, {"match": "prefix"}, %q]`, `[64, %d, {"match": "wildcard"}, %q]`,
				`[64, %d, {"_http": {"safe": true}}, %q]`, `[32, %d, {}, %q]`, `[32, %d, {"match": "prefix"}, %q]`,
			} {
				id++
				m, err := p.decoder.Decode(fmt.Appendf(nil, form, id, uri))
				if err != nil {
					t.Fatal(err)
				}
				request, _ := auth.RequestOf(m)
				want := rights.Decide(request)
				if err := p.Receive(&p.batch, m); err != nil {
					t.Fatalf("%s: %s: %v", kind, fmt.Sprintf(form, id, uri), err)
				}
				p.batch.Flush()
				got := p.last(t, id)
				if denied := strings.Contains(got, "has no permission"); denied == want.Allowed {
					t.Errorf("%s: %s came to %s, but the policy says %t", kind, fmt.Sprintf(form, id, uri), got, want.Allowed)
				}
				cells++
				if !want.Allowed {
					refused++
				}
			}
		}
	}
	if refused == 0 || refused == cells {
		t.Errorf("%d of %d cells are refused, which shows nothing", refused, cells)
	}
}

// last returns the newest answer to a request, and drops all messages.
func (i *inbox) last(t *testing.T, request int) string {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	got := ""
	for _, m := range i.messages {
		if strings.Contains(m, fmt.Sprint(request)) {
			got = m
		}
	}
	i.messages, i.flushed = nil, 0
	return got
}

// TestAuthorizerLost loses the session that asks, while it waits and before it
// asks again.
func TestAuthorizerLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, err := auth.New(auth.Config{Principals: []auth.Principal{{Authid: "bob", Role: "user", Ticket: auth.HashTicket(secret)}}})
		if err != nil {
			t.Fatal(err)
		}
		policy, err := auth.NewPolicy([]auth.Role{roles()[0], {Name: "user", Authorizer: "com.authorize"}})
		if err != nil {
			t.Fatal(err)
		}
		r := router.New(router.Config{Realms: []dealer.Config{{Realm: wamptest.Realm, MetaKill: true, MetaInside: true}}, Auth: a, Policy: policy})
		answer := false
		serve(t, r, "com.authorize", func([]any) wamp.Message {
			if answer {
				return yield(t, true)
			}
			return nil
		})
		operator := &inbox{}
		admin, err := r.JoinLocal(wamptest.Realm, wamp.Identity{Authrole: "admin"}, wamp.Roles{Caller: true}, "", operator)
		if err != nil {
			t.Fatal(err)
		}
		bob := login(t, r, "bob")
		done := make(chan struct{})
		go func() {
			defer close(done)
			bob.send(`[48, 1, {}, "com.x"]`)
		}()
		synctest.Wait() // it asks
		p, err := wamp.NewPayload(wamp.JSON, []any{"router"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := admin.Submit(t.Context(), &wamp.Call{Request: 1, Procedure: "wamp.session.kill_by_authrole", Payload: p}); err != nil {
			t.Fatal(err)
		}
		<-done
		operator.want(t, `[50, 1, {}, [1]]`)
		bob.wants(`[8, 48, 1, {}, "wamp.error.authorization_failed", "*"]`)
		answer = true
		bob.send(`[48, 2, {}, "com.x"]`)
		bob.wants(`[8, 48, 2, {}, "wamp.error.no_such_procedure", "*"]`)

		// A session that ends while it waits is over.
		answer = false
		go func() {
			time.Sleep(time.Second)
			bob.Leave()
		}()
		if err := bob.try(`[48, 3, {}, "com.x"]`); !is(err, router.ErrClosed) {
			t.Errorf("CALL of a session that left meanwhile: %v", err)
		}
	})
}

// TestHidden leaves out of the meta API what a role may not know of.
func TestHidden(t *testing.T) {
	t.Parallel()
	r := newGuarded(t, auth.Config{}, roles()[0], auth.Role{Name: "user", Rules: []auth.Rule{
		{URI: "com.example.a", Allow: []auth.Action{auth.Call}}, {Match: wamp.MatchPrefix, URI: "wamp.", Allow: []auth.Action{auth.Meta}},
	}})
	ada, bob := login(t, r.Router, "ada"), login(t, r.Router, "bob")
	for i, uri := range []string{"com.example.a", "com.secret"} {
		ada.send(fmt.Sprintf(`[64, %d, {}, %q]`, i+1, uri))
		ada.wants(fmt.Sprintf(`[65, %d, %[1]d]`, i+1))
	}
	for p, want := range map[*peer]string{ada: `[1, 2]`, bob: `[1]`} {
		p.send(`[48, 3, {}, "wamp.registration.list"]`)
		p.wants(`[50, 3, {}, [{"exact": ` + want + `, "prefix": [], "wildcard": []}]]`)
	}
}
