package gateway

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/authn"
)

// TestInboxLatest: a meter's inbox never fills; what is new takes the place of
// what waits.
func TestInboxLatest(t *testing.T) {
	t.Parallel()
	b := newInbox(3, 1000)
	b.latest = true
	for _, args := range []string{"1", "2", "3", "4", "5", "6", "7"} {
		if !b.put(progress(args)) || b.crowd() != nil {
			t.Fatalf("event %s was refused, or its callee is to wait", args)
		}
	}
	b.put(event{kind: eventResult})
	var got []string
	for e, ok, err := b.poll(); ok || err != nil; e, ok, err = b.poll() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(e.payload.Args))
	}
	if want := []string{"7", ""}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// keptStream returns a call with a window of 4 events, an inbox of 16, and
// nobody who reads.
func keptStream(t *testing.T, q *request) (*Gateway, *keptCall) {
	t.Helper()
	g, err := New(Config{
		Log:          slog.New(slog.DiscardHandler),
		Join:         func(wamp.Identity, Outbox) (Session, error) { return &recorder{}, nil },
		ReplayEvents: 4, QueueEvents: 16,
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := g.open(authn.Principal{}, "test.p", true)
	if err != nil {
		t.Fatal(err)
	}
	c.inbox.latest = q.latest
	k := g.newKept(httptest.NewRequest("POST", "/call/test.p", nil), q, c, principalKey{}, nil)
	if _, err := g.kept.add(k); err != nil {
		t.Fatal(err)
	}
	return g, k
}

// TestLatestSkips: a reader of a meter goes on with what is there.
func TestLatestSkips(t *testing.T) {
	t.Parallel()
	q := &request{out: formSSE, prefer: preferences{async: true}, options: options{latest: true}}
	g, k := keptStream(t, q)
	defer g.Close()
	k.start(t.Context(), wamp.CallOptions{}, wamp.Payload{})
	reader, err := k.follow(0, true)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		k.keep(event{kind: eventProgress})
	}
	if _, n, ok, err := reader.take(); n != 97 || !ok || err != nil {
		t.Errorf("the reader got event %d, %t, %v, want 97 of 100", n, ok, err)
	}
	if _, err := k.follow(3, true); err != nil {
		t.Errorf("a reader that missed some: %v", err)
	}
}

// TestOutpaced: a reader that does not keep up with a detached call is sent
// away after the callee waited for it, and the call goes on without it.
func TestOutpaced(t *testing.T) {
	t.Parallel()
	g, k := keptStream(t, &request{out: formSSE, prefer: preferences{async: true}})
	defer g.Close()
	c := k.call
	reader, err := k.follow(0, true)
	if err != nil {
		t.Fatal(err)
	}
	k.start(t.Context(), wamp.CallOptions{}, wamp.Payload{})
	push := func(n int) {
		for range n {
			_ = c.owner.Push(&wamp.Result{Request: c.request, Details: wamp.ResultDetails{Progress: true}})
		}
	}
	push(13)
	if !c.owner.Congested() { // 4 in the window, one that waits for room, 8 or more in the inbox
		t.Error("the callee may go on, though its reader is behind")
	}
	past, cancel := context.WithDeadline(context.Background(), time.Now())
	defer cancel()
	if c.owner.Drained(past) == nil {
		t.Error("the inbox was drained, though nobody reads")
	}
	if _, _, _, err := reader.take(); err == nil || !strings.Contains(err.Error(), string(uriReplayWindow)) {
		t.Errorf("the reader got %v, want to be sent away", err)
	}
	_ = c.owner.Push(&wamp.Result{Request: c.request})
	<-k.over
	if s := k.status(); s.State != CallDone || s.Events != 14 {
		t.Errorf("the call is %+v, want done after 14 events", s)
	}
}

func TestParsePrefer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fields []string
		want   preferences
	}{
		{nil, preferences{}},
		{[]string{"respond-async"}, preferences{async: true}},
		{[]string{"Respond-Async ; a=b , WAIT = 10"}, preferences{async: true, waits: true, wait: 10 * time.Second}},
		{[]string{`odd="a, respond-async"`, `wait="7"`}, preferences{waits: true, wait: 7 * time.Second}},
		{[]string{`odd="\", respond-async"; x, return=minimal`}, preferences{}},
		{[]string{"wait=1, wait=2"}, preferences{waits: true, wait: time.Second}},
		{[]string{"wait=-1", "wait=1.5", "wait=", "respond-async=no"}, preferences{}},
		{[]string{"wait=2000000000"}, preferences{waits: true, wait: time.Hour}},
	}
	for _, tt := range tests {
		if got := parsePrefer(tt.fields); got != tt.want {
			t.Errorf("parsePrefer(%q) = %+v, want %+v", tt.fields, got, tt.want)
		}
	}
}
