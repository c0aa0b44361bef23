package router_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/test/wamptest"
)

// TestEvents follows sessions that come and go; the events are flushed by
// whoever caused them.
func TestEvents(t *testing.T) {
	t.Parallel()
	r := newRouter(dealer.Config{})
	watcher := join(t, r)
	watcher.send(`[32, 1, {}, "wamp.session.on_join"]`)
	watcher.send(`[32, 2, {}, "wamp.session.on_leave"]`)
	watcher.wants(`[33, 1, 1]`, `[33, 2, 2]`)
	other := join(t, r)
	watcher.wants(fmt.Sprintf(`[36, 1, "*", {}, [{"session": %d, "authid": %q, "authrole": "anonymous", "authmethod": "anonymous",
		"authprovider": "static", "agent": "wamptest", "joined": "*"}]]`, other.ID(), other.Identity().Authid))
	other.Leave()
	watcher.wants(fmt.Sprintf(`[36, 2, "*", {}, [%d, %q, "anonymous"]]`, other.ID(), other.Identity().Authid))
	s, err := r.JoinLocal(wamptest.Realm, wamp.Identity{Authid: "ada"}, wamp.Roles{Caller: true}, "", &inbox{})
	if err != nil {
		t.Fatal(err)
	}
	watcher.wants(`[36, 1, "*", {}, ["*"]]`)
	s.Leave()
	watcher.wants(`[36, 2, "*", {}, ["*", "ada", ""]]`)
}

// TestManyEvents has a session leave that registered more than a step tells of:
// who takes all events gets all, and who does not is cut off.
func TestManyEvents(t *testing.T) {
	t.Parallel()
	const registrations = 10_000
	r := newRouter(dealer.Config{})
	watcher, slow, callee := join(t, r), join(t, r), join(t, r)
	for i := range registrations {
		callee.send(fmt.Sprintf(`[64, %d, {}, "com.example.p%d"]`, i+1, i))
	}
	for _, p := range []*peer{watcher, slow} {
		p.send(`[32, 1, {"match": "prefix"}, "wamp.registration."]`)
		p.wants(`[33, 1, "*"]`)
	}
	left := 5
	slow.refuse = func(wamp.Message) error {
		if left--; left < 0 {
			return router.ErrFull
		}
		return nil
	}
	callee.Leave()
	watcher.mu.Lock()
	got := watcher.flushed
	watcher.mu.Unlock()
	if got != 2*registrations {
		t.Errorf("%d events, want %d", got, 2*registrations)
	}
	slow.wantClosed(t, router.ErrFull)
}

// TestWelcomeRefused joins with an outbox that takes no WELCOME: nobody hears of
// the session.
func TestWelcomeRefused(t *testing.T) {
	t.Parallel()
	r := newRouter(dealer.Config{})
	watcher := join(t, r)
	watcher.send(`[32, 1, {"match": "prefix"}, "wamp.session."]`)
	watcher.wants(`[33, 1, 1]`)
	deaf := &inbox{}
	deaf.refuseAll(router.ErrFull, wamp.TypeWelcome)
	if _, abort := r.Join(hello(t, wamptest.Hello), router.TransportInfo{}, deaf); abort == nil {
		t.Error("a session was opened without its WELCOME")
	}
	watcher.wants()
}

// TestKillRefused kills a session whose outbox takes no GOODBYE: it is closed
// for that, and the log tells it once.
func TestKillRefused(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	r := router.New(router.Config{
		Realms: []dealer.Config{{Realm: wamptest.Realm, MetaKill: true}},
		Log:    slog.New(slog.NewTextHandler(&log, nil)),
	})
	killer, victim := join(t, r), join(t, r)
	victim.refuseAll(router.ErrFull, wamp.TypeGoodbye)
	killer.send(fmt.Sprintf(`[48, 1, {}, "wamp.session.kill", [%d]]`, victim.ID()))
	killer.wants(`[50, 1, {}]`)
	victim.wantClosed(t, router.ErrFull)
	if got := strings.Count(log.String(), "\n"); got != 1 {
		t.Errorf("the log has %d lines, want 1:\n%s", got, &log)
	}
}

// TestKill kills a session from outside the process and one from inside: both
// get a GOODBYE, and then their outbox is closed.
func TestKill(t *testing.T) {
	t.Parallel()
	r := newRouter(dealer.Config{MetaKill: true})
	killer, victim, local := join(t, r), join(t, r), &inbox{}
	inside, err := r.JoinLocal(wamptest.Realm, wamp.Identity{}, wamp.Roles{Caller: true}, "", local)
	if err != nil {
		t.Fatal(err)
	}
	victim.send(`[64, 1, {}, "com.example.a"]`)
	victim.wants(`[65, 1, 1]`)
	killer.send(`[48, 1, {}, "com.example.a"]`)
	victim.wants(`[68, 1, 1, "*"]`)
	killer.send(fmt.Sprintf(`[48, 2, {}, "wamp.session.kill", [%d], {"message": "enough"}]`, victim.ID()))
	killer.wants(`[50, 2, {}]`, `[8, 48, 1, {}, "wamp.error.canceled", "*"]`)
	victim.wants(`[6, {"message": "enough"}, "wamp.close.killed"]`)
	victim.wantClosed(t, router.ErrKilled)
	if err := victim.try(`[70, 1, {}]`); !errors.Is(err, router.ErrClosed) {
		t.Errorf("a message of a killed session: %v, want ErrClosed", err)
	}
	killer.send(`[48, 3, {}, "wamp.session.kill_all"]`)
	killer.wants(`[50, 3, {}, [1]]`)
	local.want(t, `[6, {}, "wamp.close.killed"]`)
	local.wantClosed(t, router.ErrKilled)
	if err := inside.Submit(t.Context(), &wamp.Cancel{Request: 1}); !errors.Is(err, router.ErrClosed) {
		t.Errorf("a message of a killed session inside: %v, want ErrClosed", err)
	}
	if got := r.Stats(); got.Sessions != 1 || got.Killed != 2 {
		t.Errorf("%d sessions and %d killed, want 1 and 2", got.Sessions, got.Killed)
	}
}

// TestSlowSubscriber shows that a subscriber whose outbox is full is cut off:
// who missed an event would believe what is not so. Others are told that it
// left.
func TestSlowSubscriber(t *testing.T) {
	t.Parallel()
	r := newRouter(dealer.Config{})
	slow, other := join(t, r), join(t, r)
	for _, p := range []*peer{slow, other} {
		p.send(`[32, 1, {"match": "prefix"}, "wamp.session."]`)
		p.wants(`[33, 1, 1]`)
	}
	slow.refuseAll(router.ErrFull, wamp.TypeEvent)
	newcomer := join(t, r)
	slow.wantClosed(t, router.ErrFull)
	other.wants(
		fmt.Sprintf(`[36, 1, "*", {"topic": "wamp.session.on_join"}, [{"session": %d, "authid": "*", "authrole": "*",
			"authmethod": "*", "authprovider": "*", "agent": "*", "joined": "*"}]]`, newcomer.ID()),
		fmt.Sprintf(`[36, 1, "*", {"topic": "wamp.session.on_leave"}, [%d, "*", "*"]]`, slow.ID()))
	if got := r.Stats(); got.CutFull != 1 {
		t.Errorf("%d sessions cut off, want 1", got.CutFull)
	}
}

// TestProcedures lists and finds the registrations of realms.
func TestProcedures(t *testing.T) {
	t.Parallel()
	r := newRouter(dealer.Config{})
	callee := join(t, r)
	callee.send(`[64, 1, {"match": "prefix"}, "com.example."]`)
	callee.wants(`[65, 1, 1]`)
	who := callee.Identity()
	if list, next := r.Procedures(wamptest.Realm, who, 0, 10); len(list) != 1 || next != 0 {
		t.Errorf("Procedures = %v, %d", list, next)
	}
	if p, ok := r.Procedure(wamptest.Realm, who, "com.example.", wamp.MatchPrefix); !ok || p.Registration != 1 {
		t.Errorf("Procedure = %v, %t", p, ok)
	}
	if p, ok := r.Matching(wamptest.Realm, who, "com.example.x"); !ok || p.Registration != 1 {
		t.Errorf("Matching = %v, %t", p, ok)
	}
	if n := r.Descriptions(wamptest.Realm); n != 0 {
		t.Errorf("Descriptions = %d without one", n)
	}
	callee.send(`[64, 2, {"_http": {"cache": 1}}, "com.example.p"]`)
	callee.wants(`[65, 2, 2]`)
	if n := r.Descriptions(wamptest.Realm); n == 0 {
		t.Error("Descriptions = 0 with one")
	}
	if p, ok := r.Described(wamptest.Realm, "com.example.p"); !ok || p.Registration != 2 {
		t.Errorf("Described = %v, %t", p, ok)
	}
	const nowhere = "realm3"
	if _, ok := r.Described(nowhere, "com.example.p"); ok || r.Descriptions(nowhere) != 0 {
		t.Error("a realm that is not there has descriptions")
	}
	list, _ := r.Procedures(nowhere, who, 0, 10)
	_, found := r.Procedure(nowhere, who, "com.example.", wamp.MatchPrefix)
	_, matched := r.Matching(nowhere, who, "com.example.x")
	if len(list) > 0 || found || matched {
		t.Errorf("a realm that is not there has procedures: %v, %t, %t", list, found, matched)
	}
}

// TestShutdownIsSilent shuts a router down whose sessions all listen: they get
// their GOODBYE, and nothing about each other.
func TestShutdownIsSilent(t *testing.T) {
	t.Parallel()
	r := newRouter(dealer.Config{})
	peers := []*peer{join(t, r), join(t, r), join(t, r)}
	for _, p := range peers {
		p.send(`[32, 1, {}, "wamp.session.on_leave"]`)
		p.wants(`[33, 1, 1]`)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	r.Shutdown(ended)
	for _, p := range peers {
		p.wants(`[6, {"message": "*"}, "wamp.close.system_shutdown"]`)
	}
}
