package dealer_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// TestDealerIsTheModel lets random sessions do random things, among them most
// that are forbidden, in a realm where some messages do not get through. Each
// step must lead to the messages that the model sends. Beside that the
// sessions watch over what they are promised:
//
//   - each call gets one final answer, and progress only if it asked for it;
//   - INVOCATION ids increase, and a call's chunks end with its last one;
//   - a caller that asked for an acknowledgement is told by the first progress,
//     and by no other;
//   - INTERRUPT comes at most once, only for an open INVOCATION, and only to
//     those who announced that they understand it;
//   - the dealer holds the calls that wait for an answer, and no others.
func TestDealerIsTheModel(t *testing.T) {
	t.Parallel()
	steps := 0
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		t.Repeat(map[string]func(*rapid.T){
			"join":       w.join,
			"leave":      w.leaveAny,
			"register":   w.register,
			"unregister": w.unregister,
			"call":       w.call,
			"call again": w.call,
			"chunk":      w.chunk,
			"cancel":     w.cancel,
			"yield":      w.yield,
			"yield more": w.yield,
			"fail":       w.fail,
			"misbehave":  w.misbehave,
			"receipt":    w.acknowledge,
			"advance":    w.advance,
			"":           func(t *rapid.T) { steps++; w.check(t) },
		})
		w.finish(t)
	})
	t.Logf("%d steps", steps)
}

// A world is a realm, its model, and the clients in it.
type world struct {
	dealer  *dealer.Dealer
	model   *model
	strict  bool
	now     time.Time
	clients map[wamp.ID]*client
	last    wamp.ID
	lossy   bool
	cutOff  []wamp.ID // missed a message that cannot be replaced
	serial  int
}

func newWorld(t *rapid.T) *world {
	config := dealer.Config{
		Realm:    "realm1",
		Strict:   rapid.Bool().Draw(t, "strict"),
		Disclose: dealer.DisclosePolicy(rapid.IntRange(0, 3).Draw(t, "disclose")),
	}
	if rapid.Bool().Draw(t, "rules") {
		config.DiscloseFor = []dealer.DiscloseRule{{URI: "q", Policy: dealer.DisclosePolicy(rapid.IntRange(0, 3).Draw(t, "policy"))}}
	}
	w := &world{
		dealer:  dealer.New(config),
		model:   newModel(config),
		strict:  config.Strict,
		now:     time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		clients: map[wamp.ID]*client{},
		lossy:   rapid.Bool().Draw(t, "lossy"),
	}
	for range 3 {
		w.join(t)
	}
	return w
}

// procedures are the URIs in use: good ones, one that is never registered, and
// bad ones.
var procedures = []wamp.URI{"p", "p", "p", "q", "q", "r", "nope", "a b", "wamp.x"}

func (w *world) join(t *rapid.T) {
	if len(w.clients) == 6 {
		t.Skip("enough")
	}
	w.last++
	all := wamp.FeatureProgressiveCallResults | wamp.FeatureProgressiveCallInvocations |
		wamp.FeatureCallCanceling | wamp.FeatureCallTimeout | wamp.FeatureCallReroute | wamp.FeatureRegistrationRevocation
	features := rapid.SampledFrom([]wamp.Features{
		0, all, all, all &^ wamp.FeatureRegistrationRevocation, wamp.FeatureCallCanceling, wamp.FeatureCallTimeout,
		wamp.FeatureProgressiveCallResults, wamp.FeatureProgressiveCallInvocations,
		wamp.FeatureProgressiveCallInvocations | wamp.FeatureCallCanceling,
	})
	peer := dealer.Peer{
		ID:       w.last,
		Identity: wamp.Identity{Authid: fmt.Sprintf("user%d", w.last%2), Authrole: "role"},
		Agent:    rapid.SampledFrom([]string{"", "Wampy.js v7.1.1", "other"}).Draw(t, "agent"),
	}
	peer.Acknowledges = rapid.IntRange(0, 3).Draw(t, "acknowledges") > 0
	peer.Roles.CalleeFeatures = features.Draw(t, "callee")
	peer.Roles.CallerFeatures = features.Draw(t, "caller")
	if err := w.dealer.Join(peer); err != nil {
		t.Fatalf("Join(%d) = %v", peer.ID, err)
	}
	w.model.peers[peer.ID] = peer
	w.clients[peer.ID] = &client{
		id: peer.ID, peer: peer,
		calls: map[wamp.ID]*wamp.Call{}, streams: map[wamp.ID]*stream{}, seen: map[wamp.ID]*seen{}, told: map[wamp.ID]bool{},
	}
}

// anyone draws a client.
func (w *world) anyone(t *rapid.T) *client {
	if len(w.clients) == 0 {
		t.Skip("nobody is there")
	}
	id := rapid.SampledFrom(slices.Sorted(maps.Keys(w.clients))).Draw(t, "client")
	return w.clients[id]
}

func (w *world) leaveAny(t *rapid.T) { w.leave(t, w.anyone(t).id) }

func (w *world) leave(t *rapid.T, id wamp.ID) {
	delete(w.clients, id)
	w.model.leave(w.now, id)
	w.deliver(t, w.dealer.Leave(w.now, id))
}

// request draws an id for a new request: the next one, as a rule.
func (c *client) request(t *rapid.T, w *world) wamp.ID {
	id := c.lastRequest + 1
	if rapid.IntRange(0, 29).Draw(t, "odd id") == 0 {
		id = wamp.ID(rapid.IntRange(1, int(id)+3).Draw(t, "id"))
	}
	if id > c.lastRequest || !w.strict {
		c.lastRequest = id
	}
	return id
}

func (w *world) register(t *rapid.T) {
	c := w.anyone(t)
	w.send(t, c, &wamp.Register{
		Request:   c.request(t, w),
		Procedure: rapid.SampledFrom(procedures).Draw(t, "procedure"),
		Options: wamp.RegisterOptions{
			Invoke: rapid.SampledFrom([]wamp.InvokePolicy{
				wamp.InvokeRoundRobin, wamp.InvokeRoundRobin, wamp.InvokeSingle, wamp.InvokeFirst, wamp.InvokeLast,
				wamp.InvokeLeastLoaded, wamp.InvokeLeastLoaded,
			}).Draw(t, "invoke"),
			DiscloseCaller: rapid.Bool().Draw(t, "disclose_caller"),
			ForwardTimeout: rapid.Bool().Draw(t, "forward_timeout"),
			Force:          rapid.IntRange(0, 5).Draw(t, "force") == 0,
			Concurrency:    rapid.SampledFrom([]int{0, 0, 1, 1, 2}).Draw(t, "concurrency"),
		},
	})
}

func (w *world) unregister(t *rapid.T) {
	c := w.anyone(t)
	id := wamp.ID(rapid.IntRange(1, 9).Draw(t, "registration"))
	if len(c.places) > 0 && rapid.Bool().Draw(t, "own") {
		id = rapid.SampledFrom(c.places).Draw(t, "registration")
	}
	w.send(t, c, &wamp.Unregister{Request: c.request(t, w), Registration: id})
}

func (w *world) call(t *rapid.T) {
	c := w.anyone(t)
	call := &wamp.Call{
		Request:   c.request(t, w),
		Procedure: rapid.SampledFrom(procedures).Draw(t, "procedure"),
		Payload:   w.payload(),
		Options: wamp.CallOptions{
			Timeout:         rapid.SampledFrom([]int64{0, 0, 50, 6000}).Draw(t, "timeout"),
			ReceiveProgress: rapid.Bool().Draw(t, "receive_progress"),
			Progress:        rapid.Bool().Draw(t, "progress"),
			DiscloseMe:      rapid.Bool().Draw(t, "disclose_me"),
			TrustLevel:      rapid.SampledFrom([]string{"", "acknowledged"}).Draw(t, "trust_level"),
		},
	}
	if rapid.Bool().Draw(t, "custom") {
		call.Options.Custom = wamp.Dict{"_serial": int64(w.serial)}
	}
	w.sendCall(t, c, call)
}

// sendCall notes what the caller will wait for: the answer to a new call. One
// with the id of a stream is a chunk, until a minute after the stream's end.
func (w *world) sendCall(t *rapid.T, c *client, call *wamp.Call) {
	flow := c.streams[call.Request]
	if flow == nil || !flow.late.IsZero() && !w.now.Before(flow.late) {
		flow = &stream{procedure: call.Procedure}
		if c.calls[call.Request] == nil {
			c.calls[call.Request] = call
		}
	}
	if call.Options.Progress {
		c.streams[call.Request] = flow
	} else {
		delete(c.streams, call.Request)
	}
	w.send(t, c, call)
}

func (w *world) chunk(t *rapid.T) {
	c := w.anyone(t)
	if len(c.streams) == 0 {
		t.Skip("streams nothing")
	}
	id := rapid.SampledFrom(slices.Sorted(maps.Keys(c.streams))).Draw(t, "call")
	call := &wamp.Call{Request: id, Procedure: c.streams[id].procedure, Payload: w.payload()}
	call.Options.Progress = rapid.IntRange(0, 2).Draw(t, "progress") > 0
	call.Options.ReceiveProgress = rapid.Bool().Draw(t, "receive_progress")
	w.sendCall(t, c, call)
}

func (w *world) cancel(t *rapid.T) {
	c := w.anyone(t)
	id := wamp.ID(rapid.IntRange(1, 9).Draw(t, "call"))
	if len(c.calls) > 0 {
		id = rapid.SampledFrom(slices.Sorted(maps.Keys(c.calls))).Draw(t, "own call")
	}
	w.send(t, c, &wamp.Cancel{Request: id, Mode: wamp.CancelMode(rapid.IntRange(0, 4).Draw(t, "mode"))})
}

// invocation draws one that the client knows, open or not.
func (c *client) invocation(t *rapid.T) wamp.ID {
	if len(c.seen) == 0 {
		t.Skip("was not called")
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(c.seen))).Draw(t, "invocation")
}

func (w *world) yield(t *rapid.T) {
	c := w.anyone(t)
	y := &wamp.Yield{Request: c.invocation(t), Payload: w.payload()}
	y.Options.Progress = rapid.Bool().Draw(t, "progress")
	if !y.Options.Progress {
		c.seen[y.Request].answered = true
	}
	w.send(t, c, y)
}

func (w *world) fail(t *rapid.T) {
	c := w.anyone(t)
	e := &wamp.Error{RequestType: wamp.TypeInvocation, Request: c.invocation(t), Payload: w.payload()}
	e.Error = rapid.SampledFrom([]wamp.URI{"com.example.error", wamp.ErrUnavailable}).Draw(t, "error")
	e.Details = rapid.SampledFrom([]wamp.Dict{nil, {"hint": "later"}}).Draw(t, "details")
	c.seen[e.Request].answered = true
	w.send(t, c, e)
}

// misbehave sends what is a violation, or at least of no use.
func (w *world) misbehave(t *rapid.T) {
	c := w.anyone(t)
	if rapid.IntRange(0, 4).Draw(t, "for real") > 0 {
		t.Skip("not this time")
	}
	w.send(t, c, rapid.SampledFrom([]wamp.Message{
		&wamp.Yield{Request: c.highest + 99},
		&wamp.Error{RequestType: wamp.TypeInvocation, Request: c.highest + 99, Error: "e"},
		&wamp.Error{RequestType: wamp.TypeCall, Request: 1, Error: "e"},
		&wamp.Result{Request: 1},
		&wamp.Hello{Realm: "realm1"},
		&wamp.Subscribe{Request: c.lastRequest + 99, Topic: "t"},
	}).Draw(t, "message"))
}

func (w *world) advance(t *rapid.T) {
	w.now = w.now.Add(time.Duration(rapid.SampledFrom([]int{1, 49, 50, 4000, 61_000}).Draw(t, "ms")) * time.Millisecond)
	w.model.expire(w.now)
	w.deliver(t, w.dealer.Expire(w.now))
}

// payload returns one that no other message has.
func (w *world) payload() wamp.Payload {
	w.serial++
	return wamp.Payload{Serializer: wamp.JSON, Args: fmt.Appendf(nil, "[%d]", w.serial)}
}

func (w *world) send(t *rapid.T, c *client, m wamp.Message) {
	want := w.model.receive(w.now, c.id, m)
	out, err := w.dealer.Receive(w.now, c.id, m)
	if want != (err == nil) || err != nil && !errors.Is(err, wamp.ErrMalformed) {
		t.Fatalf("Receive(%d, %s %+v) = %v, want allowed: %t", c.id, m.Type(), m, err, want)
	}
	if err != nil {
		w.leave(t, c.id)
		return
	}
	w.deliver(t, out)
}

// deliver compares messages with the model's and hands them to the clients,
// apart from those that get lost. It leaves the clients that must be cut off.
func (w *world) deliver(t *rapid.T, out []dealer.Delivery) {
	w.handOver(t, out)
	for len(w.cutOff) > 0 {
		id := w.cutOff[0]
		w.cutOff = w.cutOff[1:]
		if w.clients[id] != nil {
			w.leave(t, id)
		}
	}
}

func (w *world) handOver(t *rapid.T, out []dealer.Delivery) {
	got, want := lines(t, out), lines(t, w.model.take())
	if !slices.Equal(got, want) {
		t.Fatalf("the dealer sends\n%q\nthe model sends\n%q", got, want)
	}
	for _, delivery := range out {
		if delivery.Void() {
			continue
		}
		if w.lossy && rapid.IntRange(0, 15).Draw(t, "lost") == 0 {
			w.lose(t, delivery)
			continue
		}
		c := w.clients[delivery.To]
		if c == nil {
			t.Fatalf("%s for session %d, which is not there", delivery.Message.Type(), delivery.To)
		}
		c.get(t, w.now, delivery.Message)
	}
}

// lose reports a delivery as undeliverable while others are pending, and puts
// the receiver off if nothing can take the message's place.
func (w *world) lose(t *rapid.T, lost dealer.Delivery) {
	w.model.undeliverable(w.now, lost.To, lost.Message, wamp.ErrUnavailable)
	out := w.dealer.Undeliverable(w.now, lost.To, lost.Message, wamp.ErrUnavailable, "lost")
	switch m := lost.Message.(type) {
	case *wamp.Invocation, *wamp.Result:
	case *wamp.Error:
		if m.Origin != wamp.OriginCallee || m.RequestType != wamp.TypeCall {
			w.cutOff = append(w.cutOff, lost.To)
		}
	default:
		w.cutOff = append(w.cutOff, lost.To)
	}
	w.handOver(t, out)
}

// check runs after each step.
func (w *world) check(t *rapid.T) {
	sessions, _, calls := w.dealer.Counts()
	if sessions != len(w.clients) || calls != w.waiting() {
		t.Fatalf("Counts() = %d sessions, %d calls; %d clients wait for %d", sessions, calls, len(w.clients), w.waiting())
	}
	if s := w.dealer.Stats(); s.Calls-ended(s) != uint64(calls) {
		t.Fatalf("Stats() = %+v, so that %d calls are in flight; there are %d", s, s.Calls-ended(s), calls)
	}
	if next, ok := w.dealer.NextDeadline(); ok && (calls == 0 || !next.After(w.now)) {
		t.Fatalf("NextDeadline() = %v with %d calls at %v", next, calls, w.now)
	}
}

// finish lets every callee answer, so that nobody waits any more; then all
// leave, and nothing remains.
func (w *world) finish(t *rapid.T) {
	w.lossy = false
	for before := -1; w.waiting() != before; { // an answer may send a call that waits
		before = w.waiting()
		w.answerAll(t)
	}
	for id, c := range w.clients {
		if len(c.calls) > 0 {
			t.Fatalf("client %d still waits for %v though all callees answered", id, slices.Sorted(maps.Keys(c.calls)))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.clients)) {
		w.leave(t, id)
	}
	sessions, registrations, calls := w.dealer.Counts()
	_, waiting := w.dealer.NextDeadline()
	if sessions+registrations+calls > 0 || waiting {
		t.Fatalf("after all left: Counts() = %d, %d, %d, NextDeadline: %t", sessions, registrations, calls, waiting)
	}
}

// waiting is how many calls wait for an answer.
func (w *world) waiting() int {
	n := 0
	for _, c := range w.clients {
		n += len(c.calls)
	}
	return n
}

func (w *world) answerAll(t *rapid.T) {
	for _, id := range slices.Sorted(maps.Keys(w.clients)) {
		c := w.clients[id]
		for _, invocation := range slices.Sorted(maps.Keys(c.seen)) {
			c.seen[invocation].answered = true
			w.send(t, c, &wamp.Yield{Request: invocation})
		}
	}
}

// lines writes deliveries down so that they can be compared, without the
// dealer's texts.
func lines(t *rapid.T, out []dealer.Delivery) []string {
	var written []string
	for _, delivery := range out {
		m := snapshot(delivery.Message)
		origin := wamp.OriginCallee
		if e, ok := m.(*wamp.Error); ok && e.Origin != wamp.OriginCallee {
			origin, e.Payload = e.Origin, wamp.Payload{}
		}
		frame, err := wamp.JSON.Append(nil, m)
		if err != nil {
			t.Fatalf("%s: %v", m.Type(), err)
		}
		written = append(written, fmt.Sprintf("%d <- %s origin %d", delivery.To, frame, origin))
	}
	return written
}
