package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway"
)

// A realm is a dealer with callees in the same process: it answers each CALL
// by a function, under one lock as the real one does.
type realm struct {
	procedures map[wamp.URI]procedure
	safe       map[wamp.URI]bool
	told       map[wamp.URI]string // descriptions; read when a gateway asks
	generation atomic.Uint64       // of told, if there is more than the first
	onCancel   procedure           // answers a CANCEL before it returns; nil for nothing

	mu       sync.Mutex // guards the following fields; held while pushing
	sessions []*session
	calls    []wamp.Call // all CALLs that came, payloads copied
	canceled []wamp.Cancel
	arrived  chan struct{} // if not nil, gets a token for each message
}

// A procedure answers a CALL, now or later.
type procedure func(c incoming)

// An incoming is a CALL on its session. Its methods hold the realm's lock
// already.
type incoming struct {
	wamp.Call
	session *session
}

func (c incoming) push(m wamp.Message) { _ = c.session.out.Push(m) }

func (c incoming) result(p wamp.Payload) {
	c.push(&wamp.Result{Request: c.Request, Payload: p})
}

func (c incoming) fail(uri wamp.URI, origin wamp.Origin, p wamp.Payload) {
	c.push(&wamp.Error{RequestType: wamp.TypeCall, Request: c.Request, Error: uri, Origin: origin, Payload: p})
}

// A session is a member of a realm.
type session struct {
	realm *realm
	id    wamp.ID
	out   gateway.Outbox
	left  bool
}

func (r *realm) join(_ wamp.Identity, out gateway.Outbox) (gateway.Session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &session{realm: r, id: wamp.ID(len(r.sessions) + 1), out: out}
	r.sessions = append(r.sessions, s)
	return s, nil
}

func (s *session) ID() wamp.ID { return s.id }

func (s *session) Leave() {
	s.realm.mu.Lock()
	defer s.realm.mu.Unlock()
	s.left = true
}

// Submit hands a message to the realm, which answers before it returns if the
// procedure does.
func (s *session) Submit(_ context.Context, m wamp.Message) error {
	r := s.realm
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.left {
		return errors.New("left")
	}
	switch m := m.(type) {
	case *wamp.Call:
		r.receive(s, m)
	case *wamp.Cancel:
		r.canceled = append(r.canceled, *m)
		for _, c := range r.calls {
			if c.Request == m.Request && r.onCancel != nil {
				r.onCancel(incoming{c, s})
			}
		}
	}
	if r.arrived != nil {
		r.arrived <- struct{}{}
	}
	return nil
}

func (r *realm) receive(s *session, m *wamp.Call) {
	call := *m
	call.Payload.Args = bytes.Clone(m.Payload.Args)
	call.Payload.Kwargs = bytes.Clone(m.Payload.Kwargs)
	r.calls = append(r.calls, call)
	c := incoming{call, s}
	if p := r.procedures[call.Procedure]; p != nil {
		p(c)
		return
	}
	c.fail(wamp.ErrNoSuchProcedure, wamp.OriginDealer, wamp.Payload{})
}

// Generation implements gateway.Descriptions.
func (r *realm) Generation() uint64 { return 1 + r.generation.Load() }

// Describe implements gateway.Descriptions.
func (r *realm) Describe(uri wamp.URI) (gateway.Procedure, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	told, ok := r.told[uri]
	return gateway.Procedure{Registration: 7, URI: uri, Created: time.Unix(1_700_000_000, 0), Description: []byte(told)}, ok
}

// members returns how many sessions were opened, and whether the last of them
// has left.
func (r *realm) members() (n int, left bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n = len(r.sessions)
	return n, n > 0 && r.sessions[n-1].left
}

// last returns the CALL that came last; false if there was none.
func (r *realm) last() (wamp.Call, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.calls) == 0 {
		return wamp.Call{}, false
	}
	return r.calls[len(r.calls)-1], true
}

// echo answers with the arguments of the CALL.
func echo(c incoming) { c.result(c.Payload) }

// returns makes a procedure that answers with a payload in JSON.
func returns(args, kwargs string) procedure {
	return func(c incoming) { c.result(jsonPayload(args, kwargs)) }
}

// raises makes a procedure whose callee answers with an error.
func raises(uri wamp.URI, args, kwargs string) procedure {
	return func(c incoming) { c.fail(uri, wamp.OriginCallee, jsonPayload(args, kwargs)) }
}

// silent never answers.
func silent(incoming) {}

func jsonPayload(args, kwargs string) wamp.Payload {
	p := wamp.Payload{Serializer: wamp.JSON}
	if args != "" {
		p.Args = []byte(args)
	}
	if kwargs != "" {
		p.Kwargs = []byte(kwargs)
	}
	return p
}

// newGateway returns a gateway in front of a realm; it ends with the test.
func newGateway(tb testing.TB, r *realm, change func(*gateway.Config)) *gateway.Gateway {
	tb.Helper()
	cfg := gateway.Config{
		Realm: "realm1",
		Join:  r.join,
		Log:   slog.New(slog.DiscardHandler),
		Safe:  func(uri wamp.URI) bool { return r.safe[uri] },
	}
	if r.told != nil {
		cfg.Descriptions = r
	}
	if change != nil {
		change(&cfg)
	}
	g, err := gateway.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(g.Close)
	return g
}

// post sends a body to a path; headers are pairs of name and value.
func post(h http.Handler, path, body string, headers ...string) *httptest.ResponseRecorder {
	return do(h, http.MethodPost, path, strings.NewReader(body), headers...)
}

func do(h http.Handler, method, path string, body io.Reader, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, body)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func newRequest(method, path string) *http.Request { return httptest.NewRequest(method, path, nil) }

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
