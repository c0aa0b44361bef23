package gateway

import (
	"errors"
	"math/bits"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wampgate/wampgate/dealer/wamp"
	"github.com/wampgate/wampgate/gateway/authn"
	"github.com/wampgate/wampgate/gateway/problem"
)

// counts are the counters of a Gateway. What each request changes is in
// tallies, of which there are about as many as processors.
type counts struct {
	routes  []string       // that requests are counted under
	byRoute map[string]int // the same, the other way round

	tallies []tally
	next    atomic.Uint32 // tally that the next record gets
	bounds  []time.Duration

	streamBounds  []time.Duration
	streamsOpen   atomic.Int64
	streams       [streamBuckets]atomic.Uint64
	streamTime    atomic.Uint64 // nanoseconds
	eventsDropped atomic.Uint64
	overflows     atomic.Uint64
	outrun        atomic.Uint64

	disconnects reasons
	refused     reasons
	denied      reasons
	webhooks    reasons
}

// A tally is what the requests of one processor change, as a rule: a record
// belongs to one, and records come from a pool that has some for each.
type tally struct {
	routes          []routeTally
	in, out, events atomic.Uint64
	calls           [len(outcomeNames{})][len(sourceNames{})]atomic.Uint64
	_               [64]byte // the next one is on another cache line
}

// A routeTally is what one route has in a tally.
type routeTally struct {
	answers [len(methodNames{})][classes]atomic.Uint64
	took    [requestBuckets]atomic.Uint64 // without streams
	time    atomic.Uint64                 // nanoseconds, of the same
}

// The routes that requests are counted under beside the patterns of the
// gateway's own.
const (
	routeOther    = iota // nothing is there, or the request was refused before it was looked for
	routeImported        // all operations of documents
	routeCall            // POST /call/{uri} goes there without being looked for
)

// The names of what there are counters for.
type (
	methodNames  [8]string
	outcomeNames [6]outcome
	sourceNames  [5]string
	classNames   [7]string
)

func countedMethods() methodNames {
	return methodNames{"POST", "GET", "HEAD", "PUT", "DELETE", "OPTIONS", methodQuery, "other"}
}

func countedOutcomes() outcomeNames {
	return outcomeNames{outcomeOK, outcomeError, outcomeCanceled, outcomeCompletedLate, outcomeUnconfirmed, "cut_off"}
}

func countedSources() sourceNames {
	return sourceNames{"none", "gateway", "dealer", "callee", "client"}
}

func countedClasses() classNames { return classNames{"none", "1xx", "2xx", "3xx", "4xx", "5xx", "499"} }

// The histograms have one bucket more than bounds.
const (
	requestBuckets = 17
	streamBuckets  = 9
	classes        = len(classNames{})
)

// newCounts returns the counters of a gateway; learn completes them.
func newCounts() *counts {
	const maxTallies = 16 // of about 20 KiB
	n := 1 << bits.Len(uint(min(runtime.GOMAXPROCS(0), maxTallies)-1))
	const ms = time.Millisecond
	return &counts{
		tallies: make([]tally, n),
		bounds: []time.Duration{
			ms / 2, ms, 5 * ms / 2, 5 * ms, 10 * ms, 25 * ms, 50 * ms, 100 * ms, 250 * ms, 500 * ms,
			time.Second, 5 * time.Second / 2, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
		},
		streamBounds: []time.Duration{
			100 * ms, time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour,
		},
	}
}

// learn makes room for the routes that there are.
func (c *counts) learn(routes chi.Routes) {
	c.routes = []string{"other", "imported", callPath + "{uri}"}
	// It fails if the function does.
	_ = chi.Walk(routes, func(_, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if !slices.Contains(c.routes, pattern) {
			c.routes = append(c.routes, pattern)
		}
		return nil
	})
	c.byRoute = make(map[string]int)
	for i, pattern := range c.routes[routeCall:] {
		c.byRoute[pattern] = routeCall + i
	}
	for i := range c.tallies {
		c.tallies[i].routes = make([]routeTally, len(c.routes))
	}
}

// tally returns the one for a new record.
func (c *counts) tally() *tally {
	return &c.tallies[c.next.Add(1)%uint32(len(c.tallies))] //nolint:gosec // there are few
}

// routed notes under which route a request is counted. It is the router's
// middleware: the route is known when the router comes back.
func (c *counts) routed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer c.found(recordOf(w), chi.RouteContext(r.Context())) // also when the answer is cut off by a panic
		next.ServeHTTP(w, r)
	})
}

func (c *counts) found(rec *record, route *chi.Context) {
	rec.route = c.byRoute[route.RoutePattern()] // or routeOther
	if rec.request.route != nil {
		rec.route = routeImported
	}
}

// stream notes that a request takes or gives a stream: its time says how long
// somebody listened, and not how fast the gateway is.
func (c *counts) stream(rec *record) {
	if !rec.streamed {
		rec.streamed = true
		c.streamsOpen.Add(1)
	}
}

// request counts a request that is over.
func (c *counts) request(r *http.Request, rec *record, took time.Duration) {
	t := rec.tally
	route := &t.routes[rec.route]
	route.answers[methodIndex(r.Method)][classOf(rec.status)].Add(1)
	if rec.streamed {
		c.streamsOpen.Add(-1)
		c.streams[bucketOf(c.streamBounds, took)].Add(1)
		c.streamTime.Add(uint64(took)) //nolint:gosec // from 0 on
	} else {
		route.took[bucketOf(c.bounds, took)].Add(1)
		route.time.Add(uint64(took)) //nolint:gosec // from 0 on
	}
	if rec.in > 0 {
		t.in.Add(uint64(rec.in))
	}
	if rec.out > 0 {
		t.out.Add(uint64(rec.out))
	}
	if rec.events > 0 {
		t.events.Add(uint64(rec.events))
	}
	c.call(rec)
}

// call counts a call that is over, or what was refused, whether it had a request
// for itself or not.
func (c *counts) call(rec *record) {
	t := rec.tally
	if t == nil {
		t = &c.tallies[0]
	}
	if rec.id != "" {
		t.calls[outcomeIndex(rec.outcome)][sourceIndex(rec.err)].Add(1)
	}
	if rec.err == nil {
		return
	}
	if rec.killed && clientGone(rec.err) {
		c.disconnects.add(string(rec.outcome))
	}
	if limit, ok := errors.AsType[limitError](rec.err); ok {
		c.refused.add(string(limit))
	}
}

// webhook counts a request to a webhook that came to no result. Errors of the
// webhook's own may be any.
func (c *counts) webhook(uri wamp.URI) {
	switch uri {
	case wamp.ErrUpstream:
		c.webhooks.add("unreachable")
	case wamp.ErrTimeout:
		c.webhooks.add("timeout")
	case wamp.ErrCanceled:
		c.webhooks.add("canceled")
	default:
		c.webhooks.add("error")
	}
}

// credentials counts credentials that were refused.
func (c *counts) credentials(f *authn.Refusal) { c.denied.add(string(f.Reason)) }

// A limitError names what a request was refused for: a setting, as a rule. It
// is the cause of the problem, so that it is logged and counted.
type limitError string

// Error implements error.
func (e limitError) Error() string { return "limit " + string(e) }

// reasons counts what is not the rule, by a name out of a bounded set.
type reasons struct {
	mu sync.Mutex // guards n
	n  map[string]uint64
}

func (r *reasons) add(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == nil {
		r.n = make(map[string]uint64)
	}
	r.n[name]++
}

// bucketOf returns the bucket that d is in.
func bucketOf(bounds []time.Duration, d time.Duration) int {
	for i, bound := range bounds {
		if d <= bound {
			return i
		}
	}
	return len(bounds)
}

// classOf returns the index of a status in countedClasses; that of an answer
// that was cut off before it had one is 0.
func classOf(status int) int {
	switch {
	case status == problem.StatusClientClosed:
		return classes - 1
	case status < 100 || status > 599:
		return 0
	}
	return status / 100
}

// methodIndex returns the index of a method in countedMethods.
func methodIndex(method string) int {
	switch method {
	case http.MethodPost:
		return 0
	case http.MethodGet:
		return 1
	}
	known := countedMethods()
	if i := slices.Index(known[:], method); i >= 0 {
		return i
	}
	return len(known) - 1
}

// outcomeIndex returns the index of an outcome in countedOutcomes. A call that
// was cut off by a panic has none.
func outcomeIndex(o outcome) int {
	if o == outcomeOK {
		return 0
	}
	known := countedOutcomes()
	if i := slices.Index(known[:], o); i >= 0 {
		return i
	}
	return len(known) - 1
}

// sourceIndex returns the index in countedSources of who a call failed by.
func sourceIndex(err error) int {
	if err == nil {
		return 0
	}
	source := "gateway"
	p, ok := errors.AsType[*problem.Problem](err)
	switch {
	case ok:
		source = string(p.Source)
	case clientGone(err), errors.Is(err, errSlowConsumer), errors.Is(err, errExpired):
		source = "client"
	case errors.Is(err, errTimeout):
		source = "dealer"
	}
	known := countedSources()
	return max(slices.Index(known[:], source), 0)
}
