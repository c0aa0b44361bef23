package gateway

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/wampgate/wampgate/dealer/wamp"
)

func progress(args string) event {
	return event{kind: eventProgress, payload: wamp.Payload{Serializer: wamp.JSON, Args: []byte(args)}}
}

// TestInboxKeepsOrder holds for any order of putting and polling: events come
// out as they went in, with their payloads, and are copied.
func TestInboxKeepsOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newInbox(1<<10, 1<<20)
		var sent []event
		scratch := make([]byte, 0, 16)
		got := 0
		poll := func() {
			e, ok, err := b.poll()
			if err != nil || ok != (got < len(sent)) {
				t.Fatalf("poll() = %v, %v after %d of %d events", ok, err, got, len(sent))
			}
			if !ok {
				return
			}
			want := sent[got]
			if string(e.payload.Args) != string(want.payload.Args) || string(e.payload.Kwargs) != string(want.payload.Kwargs) ||
				(e.payload.Args == nil) != (want.payload.Args == nil) || (e.payload.Kwargs == nil) != (want.payload.Kwargs == nil) {
				t.Fatalf("event %d is %+v, want %+v", got, e, want)
			}
			got++
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "poll") {
				poll()
				continue
			}
			e := event{kind: eventProgress}
			for _, part := range []*[]byte{&e.payload.Args, &e.payload.Kwargs} {
				if rapid.Bool().Draw(t, "part") {
					*part = []byte(rapid.StringN(1, 8, 8).Draw(t, "text"))
				}
			}
			sent = append(sent, e)
			given := e
			if e.payload.Args != nil {
				scratch = append(scratch[:0], e.payload.Args...)
				given.payload.Args = scratch
			}
			b.put(given)
			clear(scratch[:cap(scratch)])
		}
		for got < len(sent) {
			poll()
		}
	})
}

// TestInboxOverflows shows the two limits, and what is left of a call that met
// one.
func TestInboxOverflows(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		events, bytes int
		args          string
		fits          int
	}{
		{"events", 3, 1 << 20, "[1]", 3},
		{"bytes", 100, 10, "[1234]", 2}, // the one that reaches the limit is taken
	}
	for _, test := range tests {
		b := newInbox(test.events, test.bytes)
		n := 0
		for b.put(progress(test.args)) {
			n++
		}
		if n != test.fits {
			t.Errorf("%s: took %d events, want %d", test.name, n, test.fits)
		}
		if _, ok, err := b.poll(); ok || !errors.Is(err, errSlowConsumer) {
			t.Errorf("%s: poll() = %v, %v; want the overflow first", test.name, ok, err)
		}
		b.put(progress("[2]"))
		b.put(event{kind: eventFailure, uri: wamp.ErrCanceled, payload: progress("[3]").payload})
		b.drain()
		e, ok, err := b.poll()
		if !ok || err != nil || e.kind != eventFailure || e.uri != wamp.ErrCanceled || e.payload.Args != nil {
			t.Errorf("%s: after drain, poll() = %+v, %v, %v; want the final event without payload", test.name, e, ok, err)
		}
		if e, ok, _ := b.poll(); ok {
			t.Errorf("%s: after the final event came %+v", test.name, e)
		}
	}
}

// TestInboxRoom shows that polling makes room again.
func TestInboxRoom(t *testing.T) {
	t.Parallel()
	b := newInbox(4, 1<<20)
	for i := range 100 {
		if !b.put(progress("[1]")) {
			t.Fatalf("full after %d events, though all but 3 were polled", i)
		}
		if i >= 3 {
			if _, ok, err := b.poll(); !ok || err != nil {
				t.Fatalf("poll() = %v, %v", ok, err)
			}
		}
	}
}

// TestInboxDrainKeepsFinal shows that a final event in either batch survives.
func TestInboxDrainKeepsFinal(t *testing.T) {
	t.Parallel()
	for _, polled := range []bool{false, true} {
		b := newInbox(10, 1<<20)
		b.put(progress("[1]"))
		b.put(event{kind: eventResult, payload: progress("[2]").payload})
		if polled {
			_, _, _ = b.poll() // the final event is in the batch being read now
		}
		b.drain()
		if e, ok, err := b.poll(); !ok || err != nil || e.kind != eventResult {
			t.Errorf("polled %v: poll() = %+v, %v, %v; want the result", polled, e, ok, err)
		}
	}
}

// streaming returns a principal with one open call that streams.
func streaming(t *testing.T, events int) (*principal, *call) {
	t.Helper()
	cfg := Config{Log: slog.New(slog.DiscardHandler), QueueEvents: events}.withDefaults()
	p := newPrincipal(wamp.Identity{}, &cfg)
	c := &call{gateway: &Gateway{counts: newCounts()}, stream: true, inbox: newInbox(cfg.QueueEvents, cfg.QueueBytes)}
	if err := p.add(c); err != nil {
		t.Fatal(err)
	}
	return p, c
}

func push(t *testing.T, p *principal, n int) {
	t.Helper()
	for range n {
		m := &wamp.Result{Request: 1, Details: wamp.ResultDetails{Progress: true}, Payload: progress("[1]").payload}
		if err := p.Push(m); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBackPressure shows when a callee has to wait for the client of a stream,
// and for how long.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, c := streaming(t, 8)
		push(t, p, 3)
		if p.Congested() {
			t.Error("congested when less than half full")
		}
		push(t, p, 1)
		if !p.Congested() {
			t.Error("not congested when half full")
		}
		drained := make(chan error)
		go func() { drained <- p.Drained(context.Background()) }()
		synctest.Wait()
		for range 2 { // 2 of 8 are left
			_, _, _ = c.poll()
		}
		if err := <-drained; err != nil {
			t.Errorf("Drained() = %v", err)
		}

		push(t, p, 4)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := p.Drained(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drained() = %v, want the end of ctx", err)
		}
		push(t, p, 1)
		if p.Congested() {
			t.Error("congested again, though somebody waited in vain")
		}
		for range 5 { // the client catches up
			_, _, _ = c.poll()
		}
		push(t, p, 2)
		if !p.Congested() {
			t.Error("not congested, though the client had caught up")
		}
	})
}

// TestUnaryNeverCongests shows that only streams hold anybody up.
func TestUnaryNeverCongests(t *testing.T) {
	t.Parallel()
	p, c := streaming(t, 2)
	c.stream = false
	push(t, p, 2)
	if p.Congested() {
		t.Error("congested by a unary call")
	}
	if err := p.Drained(t.Context()); err != nil {
		t.Errorf("Drained() = %v", err)
	}
}

// TestOverflowStops shows that an overflow ends the context of a call that
// streams, and cancels it, though nobody polls.
func TestOverflowStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, c := streaming(t, 2)
		g := &Gateway{cfg: *p.cfg, counts: newCounts()}
		s := &recorder{}
		c.gateway, p.session, c.timer = g, s, time.NewTimer(time.Hour)
		ctx := c.follow(t.Context())
		if err := c.submit(ctx, wamp.CallOptions{}, wamp.Payload{}); err != nil {
			t.Fatal(err)
		}
		push(t, p, 3)
		<-ctx.Done()
		synctest.Wait()
		if cause := causeOf(ctx); !errors.Is(cause, errSlowConsumer) {
			t.Errorf("cause %v, want %v", cause, errSlowConsumer)
		}
		if got := strings.Join(s.sent, " "); got != "CALL CANCEL" {
			t.Errorf("the dealer got %s, want CALL CANCEL", got)
		}
		if err := p.Push(&wamp.Error{RequestType: wamp.TypeCall, Request: 1, Error: wamp.ErrCanceled}); err != nil {
			t.Fatal(err)
		}
		if got := c.confirm(); got != outcomeCanceled {
			t.Errorf("confirm() = %s, want %s", got, outcomeCanceled)
		}
		g.inFlight.Add(1)
		c.close()
	})
}

// A recorder is a session that notes what it is told.
type recorder struct{ sent []string }

func (*recorder) ID() wamp.ID { return 1 }
func (*recorder) Leave()      {}
func (s *recorder) Submit(_ context.Context, m wamp.Message) error {
	s.sent = append(s.sent, m.Type().String())
	return nil
}

// TestInboxGivenUp: that the client is found to have left says nothing to who
// waits for the last word on its call.
func TestInboxGivenUp(t *testing.T) {
	t.Parallel()
	b := newInbox(10, 1<<20)
	b.hold()
	b.drain()
	b.cutOff(errClientGone)
	if e, ok, err := b.poll(); ok || err != nil {
		t.Errorf("poll() = %+v, %v, %v; want nothing yet", e, ok, err)
	}
	b.put(event{kind: eventFailure})
	if e, ok, err := b.poll(); !ok || err != nil || e.kind != eventFailure {
		t.Errorf("poll() = %+v, %v, %v; want the last word", e, ok, err)
	}
}
