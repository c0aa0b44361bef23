package dealer_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wampgate/wampgate/dealer"
	"github.com/wampgate/wampgate/dealer/wamp"
)

func TestBrokerFeatures(t *testing.T) {
	t.Parallel()
	got := dealer.New(dealer.Config{}).BrokerFeatures().Dict()
	if len(got) != 2 || got["session_meta_api"] != true || got["pattern_based_subscription"] != true {
		t.Errorf("BrokerFeatures() = %v, want session_meta_api and pattern_based_subscription", got)
	}
}

// TestAnnounceOnce shows that a session is published once, and one that does
// not exist never is.
func TestAnnounceOnce(t *testing.T) {
	t.Parallel()
	d := dealer.New(dealer.Config{})
	join(t, d, 1)
	receive(t, d, 1, &wamp.Subscribe{Request: 1, Topic: "wamp.session.on_join"})
	join(t, d, 2)
	for i, want := range []int{1, 0} {
		if out := d.Announce(epoch(), 2); len(out) != want {
			t.Errorf("call %d of Announce(2) leads to %d messages, want %d", i+1, len(out), want)
		}
	}
	if out := d.Announce(epoch(), 3); out != nil {
		t.Errorf("Announce of nobody = %v", out)
	}
}

// TestLeaveUnannounced shows that a session that did not get its WELCOME never
// was there.
func TestLeaveUnannounced(t *testing.T) {
	t.Parallel()
	d := dealer.New(dealer.Config{})
	join(t, d, 1)
	receive(t, d, 1, &wamp.Subscribe{Request: 1, Topic: "wamp.session.on_leave"})
	join(t, d, 2)
	if out := d.Leave(epoch(), 2); len(out) != 0 {
		t.Errorf("Leave(2) before it was announced leads to %s", out[0].Message.Type())
	}
}

func TestMute(t *testing.T) {
	t.Parallel()
	d := dealer.New(dealer.Config{})
	join(t, d, 1)
	receive(t, d, 1, &wamp.Subscribe{Request: 1, Topic: "wamp.session.on_join"})
	d.Mute()
	join(t, d, 2)
	if out := d.Announce(epoch(), 2); len(out) != 0 {
		t.Errorf("a muted realm publishes %s", out[0].Message.Type())
	}
}

// TestPublicationIDs shows that the ids of events cover the whole range where
// there is chance.
func TestPublicationIDs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		rand func(int) int
		want wamp.ID
	}{
		"least": {func(int) int { return 0 }, 1},
		"most":  {func(n int) int { return n - 1 }, wamp.MaxID},
	} {
		d := dealer.New(dealer.Config{Rand: tt.rand})
		join(t, d, 1)
		receive(t, d, 1, &wamp.Subscribe{Request: 1, Topic: "wamp.session.on_join"})
		join(t, d, 2)
		out := d.Announce(epoch(), 2)
		if e, ok := out[0].Message.(*wamp.Event); !ok || e.Publication != tt.want {
			t.Errorf("%s: %+v, want publication %d", name, out[0].Message, tt.want)
		}
	}
}

// TestManyEvents has a session leave that registered a lot: the events come
// piece by piece and in order, and end when their subscriber leaves.
func TestManyEvents(t *testing.T) {
	t.Parallel()
	const registrations = 20_000
	d := dealer.New(dealer.Config{})
	join(t, d, 1)
	join(t, d, 2)
	join(t, d, 3)
	for i := range wamp.ID(registrations) {
		receive(t, d, 3, &wamp.Register{Request: i + 1, Procedure: wamp.URI(fmt.Sprint("p", i))})
	}
	receive(t, d, 1, &wamp.Subscribe{Request: 1, Topic: "wamp.registration.", Match: wamp.MatchPrefix})
	receive(t, d, 2, &wamp.Subscribe{Request: 1, Topic: "wamp.registration.on_delete"})
	var last wamp.ID
	count := map[wamp.ID]int{}
	for out := d.Leave(epoch(), 3); len(out) > 0; out = d.More() {
		if len(out) > 20_000 {
			t.Fatalf("%d deliveries at once", len(out))
		}
		for _, delivery := range out {
			m, ok := delivery.Message.(*wamp.Event)
			if !ok || m.Publication < last {
				t.Fatalf("%+v after publication %d", delivery.Message, last)
			}
			last = m.Publication
			count[delivery.To]++
		}
		if count[2] > registrations/2 {
			d.Leave(epoch(), 2)
		}
	}
	if count[1] != 2*registrations || count[2] == 0 || count[2] == registrations || d.HasMore() {
		t.Errorf("%v events, want all for session 1, some for session 2", count)
	}
}

// TestDescriptionBounds registers with descriptions that are too large, or that
// JSON cannot express.
func TestDescriptionBounds(t *testing.T) {
	t.Parallel()
	schema := func(v any) wamp.Dict { return wamp.Dict{"schema": wamp.Dict{"args": wamp.Dict{"default": v}}} }
	nested := func(levels int) any {
		v := any(true)
		for range levels {
			v = []any{v}
		}
		return v
	}
	for name, tt := range map[string]struct {
		description wamp.Dict
		ok          bool
	}{
		"just right":      {schema(strings.Repeat("x", 16<<10-100)), true},
		"bytes":           {schema([]byte("x")), true},
		"long text":       {schema(strings.Repeat("x", 16<<10)), false},
		"many bytes":      {schema(make([]byte, 16<<10)), false},
		"many entries":    {schema(slices.Repeat([]any{true}, 16<<10)), false},
		"long key":        {wamp.Dict{strings.Repeat("x", 16<<10): true}, false},
		"not a number":    {schema(math.NaN()), false},
		"long numbers":    {schema(slices.Repeat([]any{int64(1 << 53)}, 1<<10)), false},
		"escapes":         {schema(strings.Repeat("\x01", 4<<10)), false},
		"nested deep":     {schema(nested(29)), true},
		"nested too deep": {schema(nested(30)), false},
		"unknown":         {wamp.Dict{"subject": "x"}, false},
	} {
		if err := dealer.CheckDescription(tt.description); (err == nil) != tt.ok {
			t.Errorf("%s: CheckDescription says %v, want ok %v", name, err, tt.ok)
		}
		d := dealer.New(dealer.Config{})
		join(t, d, 1)
		out := receive(t, d, 1, &wamp.Register{
			Request: 1, Procedure: "p",
			Options: wamp.RegisterOptions{Custom: wamp.Dict{"_http": tt.description}},
		})
		if got := out[0].Message.Type() == wamp.TypeRegistered; got != tt.ok {
			t.Errorf("%s: registered = %t, want %t; %+v", name, got, tt.ok, out[0].Message)
		}
	}
}

// TestOwnArguments calls a procedure of the dealer with arguments that it does
// not read.
func TestOwnArguments(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string]wamp.Payload{
		"too many":       {Serializer: wamp.JSON, Args: []byte(`["` + strings.Repeat("x", 64<<10) + `"]`)},
		"not to be read": {Serializer: wamp.JSON, Args: []byte(`[1e400]`)},
	} {
		d := dealer.New(dealer.Config{})
		join(t, d, 1)
		out := receive(t, d, 1, &wamp.Call{Request: 1, Procedure: "wamp.session.count", Payload: payload})
		if e, ok := out[0].Message.(*wamp.Error); !ok || e.Error != wamp.ErrInvalidArgument {
			t.Errorf("%s: %+v, want an ERROR", name, out[0].Message)
		}
	}
}

// TestServed shows that results and errors tell those in the same process who
// gave them.
func TestServed(t *testing.T) {
	t.Parallel()
	d := dealer.New(dealer.Config{})
	join(t, d, 1)
	join(t, d, 2)
	receive(t, d, 2, &wamp.Register{Request: 1, Procedure: "p"})
	want := wamp.Served{Registration: 1, Callee: 2}
	call := func(request wamp.ID) wamp.ID {
		inv, _ := receive(t, d, 1, &wamp.Call{Request: request, Procedure: "p"})[0].Message.(*wamp.Invocation)
		return inv.Request
	}
	out := receive(t, d, 2, &wamp.Yield{Request: call(1)})
	if r, ok := out[0].Message.(*wamp.Result); !ok || r.Served != want {
		t.Errorf("%+v, want a RESULT of %+v", out[0].Message, want)
	}
	out = receive(t, d, 2, &wamp.Error{RequestType: wamp.TypeInvocation, Request: call(2), Error: "com.example.odd"})
	if e, ok := out[0].Message.(*wamp.Error); !ok || e.Served != want {
		t.Errorf("%+v, want an ERROR of %+v", out[0].Message, want)
	}
	out = receive(t, d, 1, &wamp.Call{Request: 3, Procedure: "nope"})
	if e, ok := out[0].Message.(*wamp.Error); !ok || e.Served != (wamp.Served{}) {
		t.Errorf("%+v, want an ERROR of nobody's", out[0].Message)
	}
}

// TestDescriptions shows that whoever keeps what Described answers is told when
// to ask again, and need not ask while nothing is described.
func TestDescriptions(t *testing.T) {
	t.Parallel()
	d := dealer.New(dealer.Config{MaySee: func(wamp.Identity, wamp.URI) bool { return false }})
	join(t, d, 1)
	safe := wamp.RegisterOptions{Custom: wamp.Dict{"_http": wamp.Dict{"safe": true}}}
	receive(t, d, 1, &wamp.Register{Request: 1, Procedure: "plain"})
	if n := d.Descriptions(); n != 0 {
		t.Errorf("Descriptions = %d while there are none", n)
	}
	seen := map[uint64]bool{0: true}
	for i, m := range []wamp.Message{
		&wamp.Register{Request: 2, Procedure: "p", Options: safe},
		&wamp.Register{Request: 3, Procedure: "other"},
		&wamp.Call{Request: 4, Procedure: "gateway.describe", Payload: wamp.Payload{Serializer: wamp.JSON, Args: []byte(`["other",{"cache":1}]`)}},
		&wamp.Unregister{Request: 5, Registration: 3},
	} {
		receive(t, d, 1, m)
		if n := d.Descriptions(); seen[n] {
			t.Errorf("Descriptions = %d again after message %d", n, i)
		} else {
			seen[n] = true
		}
	}
	if p, ok := d.Described("p"); !ok || !p.Safe {
		t.Errorf("Described(p) = %+v, %t", p, ok)
	}
	if p, ok := d.Described("nope"); ok {
		t.Errorf("Described(nope) = %+v, want nothing", p)
	}
}

func TestProcedures(t *testing.T) {
	t.Parallel()
	hidden := func(_ wamp.Identity, uri wamp.URI) bool { return uri != "hidden" }
	d := dealer.New(dealer.Config{MaySee: hidden})
	join(t, d, 1)
	safe := wamp.RegisterOptions{Custom: wamp.Dict{"_http": wamp.Dict{"safe": true}}}
	receive(t, d, 1, &wamp.Register{Request: 1, Procedure: "p", Options: safe})
	receive(t, d, 1, &wamp.Register{Request: 2, Procedure: "hidden"})
	receive(t, d, 1, &wamp.Register{Request: 3, Procedure: "com.", Options: wamp.RegisterOptions{Match: wamp.MatchPrefix}})

	uris := func(after wamp.ID, limit int) (list []wamp.URI, next wamp.ID) {
		all, next := d.Procedures(wamp.Identity{}, after, limit)
		for _, p := range all {
			list = append(list, p.URI)
		}
		return list, next
	}
	if list, next := uris(0, 10); !slices.Equal(list, []wamp.URI{"p", "com."}) || next != 0 {
		t.Errorf("Procedures = %v, next %d; want p and com., next 0", list, next)
	}
	if list, next := uris(1, 1); len(list) != 0 || next != 2 {
		t.Errorf("Procedures after 1 = %v, next %d; want none, next 2", list, next)
	}
	p, ok := d.Procedure(wamp.Identity{}, "p", wamp.MatchExact)
	if !ok || !p.Safe || p.Callees != 1 || string(p.Description) != `{"safe":true}` || !p.Created.Equal(epoch()) {
		t.Errorf("Procedure(p) = %+v, %t", p, ok)
	}
	if p, ok := d.Matching(wamp.Identity{}, "com.x"); !ok || p.URI != "com." || p.Match != wamp.MatchPrefix || p.Safe {
		t.Errorf("Matching(com.x) = %+v, %t; want com.", p, ok)
	}
	if near, ok := d.Nearest("hiddenn"); ok {
		t.Errorf("Nearest(hiddenn) = %s, want nothing", near)
	}
	for _, uri := range []wamp.URI{"hidden", "nope"} {
		if p, ok := d.Matching(wamp.Identity{}, uri); ok {
			t.Errorf("Matching(%s) = %+v, want nothing", uri, p)
		}
	}
}

// TestEventsTellAll lets one session know of the realm only what it is told by
// events, while others come, go, register, unregister and are killed. What it
// believes must be what the meta API says at each step, and the lists must stay
// whole when they are read in pages.
func TestEventsTellAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWatcher(t)
		t.Repeat(map[string]func(*rapid.T){
			"join":       w.join,
			"leave":      w.leave,
			"register":   w.register,
			"unregister": w.unregister,
			"kill":       w.kill,
			"remove":     w.remove,
			"":           w.check,
		})
	})
}

// A watcher is session 1 of a realm and what it knows.
type watcher struct {
	dealer  *dealer.Dealer
	now     time.Time
	request map[wamp.ID]wamp.ID // by session: the last request id
	last    wamp.ID             // session

	sessions map[any]bool
	callees  map[any]map[any]bool // by registration
}

func newWatcher(t *rapid.T) *watcher {
	w := &watcher{
		dealer:   dealer.New(dealer.Config{MetaKill: true}),
		now:      epoch(),
		request:  map[wamp.ID]wamp.ID{},
		sessions: map[any]bool{int64(1): true},
		callees:  map[any]map[any]bool{},
	}
	w.join(t)
	w.send(t, 1, &wamp.Subscribe{Request: 1, Topic: "wamp.", Match: wamp.MatchPrefix})
	return w
}

func (w *watcher) join(t *rapid.T) {
	w.last++
	if err := w.dealer.Join(peer(w.last)); err != nil {
		t.Fatal(err)
	}
	w.request[w.last] = 1
	w.take(t, w.dealer.Announce(w.now, w.last))
}

// other draws a session that is not the watcher.
func (w *watcher) other(t *rapid.T) wamp.ID {
	ids := slices.Sorted(maps.Keys(w.request))[1:]
	if len(ids) == 0 {
		t.Skip("nobody is there")
	}
	return rapid.SampledFrom(ids).Draw(t, "session")
}

func (w *watcher) leave(t *rapid.T) {
	id := w.other(t)
	delete(w.request, id)
	w.take(t, w.dealer.Leave(w.now, id))
}

func (w *watcher) register(t *rapid.T) {
	w.send(t, w.other(t), &wamp.Register{
		Procedure: rapid.SampledFrom([]wamp.URI{"p", "q", "r", "s.t"}).Draw(t, "uri"),
		Options: wamp.RegisterOptions{
			Match:  wamp.MatchPolicy(rapid.IntRange(0, 2).Draw(t, "match")),
			Invoke: wamp.InvokeRandom,
		},
	})
}

func (w *watcher) unregister(t *rapid.T) {
	w.send(t, w.other(t), &wamp.Unregister{Registration: w.registration(t)})
}

// registration draws one that there is.
func (w *watcher) registration(t *rapid.T) wamp.ID {
	var ids []wamp.ID
	for id := range w.callees {
		ids = append(ids, number(id))
	}
	if len(ids) == 0 {
		t.Skip("nothing is registered")
	}
	slices.Sort(ids)
	return rapid.SampledFrom(ids).Draw(t, "registration")
}

func (w *watcher) kill(t *rapid.T) { w.call(t, "wamp.session.kill", w.other(t)) }

func (w *watcher) remove(t *rapid.T) {
	w.call(t, "wamp.registration.remove_callee", w.registration(t), w.other(t))
}

// call returns what the dealer answers the watcher; nil if that is an ERROR.
func (w *watcher) call(t *rapid.T, procedure wamp.URI, args ...any) []any {
	return w.callWith(t, procedure, nil, args...)
}

func (w *watcher) callWith(t *rapid.T, procedure wamp.URI, kwargs wamp.Dict, args ...any) []any {
	payload, err := wamp.NewPayload(wamp.JSON, args, kwargs)
	if err != nil {
		t.Fatal(err)
	}
	result, ok := w.send(t, 1, &wamp.Call{Procedure: procedure, Payload: payload}).(*wamp.Result)
	if !ok {
		return nil
	}
	list, named, err := result.Payload.Decode()
	if err != nil {
		t.Fatal(err)
	}
	if next := named["next"]; next != nil {
		list = append(list, next)
	}
	return list
}

// send sends a message with the session's next request id and returns the
// first message that it leads to.
func (w *watcher) send(t *rapid.T, from wamp.ID, m wamp.Message) wamp.Message {
	w.request[from]++
	switch m := m.(type) {
	case *wamp.Call:
		m.Request = w.request[from]
	case *wamp.Register:
		m.Request = w.request[from]
	case *wamp.Unregister:
		m.Request = w.request[from]
	}
	out, err := w.dealer.Receive(w.now, from, m)
	if err != nil {
		t.Fatal(err)
	}
	first := out[0].Message
	w.take(t, out)
	return first
}

// take hears the events, and notices who was killed.
func (w *watcher) take(t *rapid.T, out []dealer.Delivery) {
	for _, delivery := range out {
		switch m := delivery.Message.(type) {
		case *wamp.Goodbye:
			delete(w.request, delivery.To)
		case *wamp.Event:
			args, _, err := m.Payload.Decode()
			if err != nil {
				t.Fatal(err)
			}
			w.hear(t, m.Details["topic"], args)
		}
	}
}

func (w *watcher) hear(t *rapid.T, topic any, args []any) {
	switch topic {
	case wamp.URI("wamp.session.on_join"):
		about, _ := args[0].(wamp.Dict)
		w.sessions[about["session"]] = true
	case wamp.URI("wamp.session.on_leave"):
		delete(w.sessions, args[0])
	case wamp.URI("wamp.registration.on_create"):
		about, _ := args[1].(wamp.Dict)
		w.callees[about["id"]] = map[any]bool{}
	case wamp.URI("wamp.registration.on_register"):
		w.callees[args[1]][args[0]] = true
	case wamp.URI("wamp.registration.on_unregister"):
		delete(w.callees[args[1]], args[0])
	case wamp.URI("wamp.registration.on_delete"):
		if n := len(w.callees[args[1]]); n > 0 {
			t.Fatalf("registration %v is deleted with %d callees", args[1], n)
		}
		delete(w.callees, args[1])
	default:
		t.Fatalf("unexpected event %v %v", topic, args)
	}
}

// check compares what the watcher believes with what the meta API says.
func (w *watcher) check(t *rapid.T) {
	sessions := map[any]bool{}
	w.pages(t, "wamp.session.list", func(answer any) {
		for _, id := range listOf(answer) {
			sessions[id] = true
		}
	})
	if !maps.Equal(sessions, w.sessions) {
		t.Fatalf("wamp.session.list = %v, the events told of %v", sessions, w.sessions)
	}
	registrations := map[any]bool{}
	w.pages(t, "wamp.registration.list", func(answer any) {
		lists, _ := answer.(wamp.Dict)
		for _, list := range lists {
			for _, id := range listOf(list) {
				registrations[id] = true
			}
		}
	})
	if len(registrations) != len(w.callees) {
		t.Fatalf("wamp.registration.list = %v, the events told of %v", registrations, w.callees)
	}
	for id, callees := range w.callees {
		got := map[any]bool{}
		for _, callee := range listOf(w.call(t, "wamp.registration.list_callees", number(id))[0]) {
			got[callee] = true
		}
		if !maps.Equal(got, callees) {
			t.Fatalf("callees of %v = %v, the events told of %v", id, got, callees)
		}
	}
}

// pages reads a list in pages of three.
func (w *watcher) pages(t *rapid.T, procedure wamp.URI, take func(any)) {
	kwargs := wamp.Dict{"limit": 3}
	for {
		answer := w.callWith(t, procedure, kwargs)
		take(answer[0])
		if len(answer) == 1 {
			return
		}
		kwargs["after"] = answer[1]
	}
}

func listOf(v any) []any {
	list, _ := v.([]any)
	return list
}

func number(v any) wamp.ID {
	n, _ := v.(int64)
	return wamp.ID(n)
}

// TestListsAfterManyLeft closes the gaps in the lists.
func TestListsAfterManyLeft(t *testing.T) {
	t.Parallel()
	const n = 200
	d := dealer.New(dealer.Config{})
	for id := wamp.ID(1); id <= n; id++ {
		join(t, d, id)
	}
	for id := wamp.ID(2); id < n; id++ {
		d.Leave(epoch(), id)
	}
	join(t, d, n+1)
	out := receive(t, d, 1, &wamp.Call{Request: 1, Procedure: "wamp.session.list"})
	r, ok := out[0].Message.(*wamp.Result)
	if !ok || string(r.Payload.Args) != "[[1,200,201]]" {
		t.Errorf("wamp.session.list = %+v, want 1, 200, 201", out[0].Message)
	}
}
