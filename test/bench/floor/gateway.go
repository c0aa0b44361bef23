package floor

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/wampgate/wampgate/test/bench/wire"
)

// A Gateway turns POST /call/URI into a call of a JSON callee. The body becomes
// the only argument, after a check that it is JSON, and the first argument of
// the result the answer; both are spliced, not decoded.
type Gateway struct {
	caller *session

	mu      sync.Mutex // guards the following fields
	next    uint64
	waiting map[uint64]chan<- []byte

	requests sync.Pool // of *request
}

// A request is what serving one needs, used again by later ones.
type request struct {
	body   bytes.Buffer
	answer chan []byte
	head   []byte
}

// NewGateway returns a Gateway that calls through d.
func NewGateway(d *Dealer) *Gateway {
	g := &Gateway{waiting: map[uint64]chan<- []byte{}}
	g.requests.New = func() any { return &request{answer: make(chan []byte, 1)} }
	g.caller = d.newSession(wire.JSON(), nil)
	g.caller.reply = g.reply
	return g
}

// reply hands the result of a call to the goroutine that waits for it.
func (g *Gateway) reply(id uint64, tail []byte) {
	g.mu.Lock()
	answer := g.waiting[id]
	delete(g.waiting, id)
	g.mu.Unlock()
	if answer != nil {
		answer <- bytes.Clone(tail)
	}
}

// ServeHTTP implements [http.Handler].
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q, _ := g.requests.Get().(*request)
	q.body.Reset()
	if _, err := q.body.ReadFrom(r.Body); err != nil || !json.Valid(q.body.Bytes()) {
		http.Error(w, "the body is not JSON", http.StatusBadRequest)
		return
	}
	uri := strings.TrimPrefix(r.URL.Path, "/call/")
	to := g.caller.dealer.lookup([]byte(uri))
	if to == nil {
		http.Error(w, "no such procedure", http.StatusNotFound)
		return
	}
	g.invoke(q, to)
	select {
	case tail := <-q.answer:
		respond(w, tail)
		g.requests.Put(q)
	case <-r.Context().Done(): // q may still get its answer and is lost
	}
}

// invoke sends the call of a request to a callee.
func (g *Gateway) invoke(q *request, to *registration) {
	g.mu.Lock()
	g.next++
	id := g.next
	g.waiting[id] = q.answer
	g.mu.Unlock()
	f := to.callee.serializer
	q.head = f.Uint(wire.Begin(f, q.head[:0], 5, wire.Invocation, to.callee.invoke(pending{caller: g.caller, id: id})), to.id)
	q.head = append(q.head, ",{},["...)
	q.body.WriteString("]]")
	if to.callee.out.Append(f.Opcode(), false, q.head, q.body.Bytes()) {
		_ = to.callee.out.Flush() // if the callee is gone, so is the answer
	}
}

// respond writes the first argument of a result, given as ",[value]]".
func respond(w http.ResponseWriter, tail []byte) {
	value := bytes.TrimSuffix(bytes.TrimPrefix(tail, []byte(",[")), []byte("]]"))
	w.Header()["Content-Type"] = []string{"application/json"}
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(value))}
	_, _ = w.Write(value)
}
