package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wampgate/wampgate/test/bench/wire"
)

const (
	readBuffer = 64 << 10
	grace      = 10 * time.Second // for the answers after the last call
	limitTime  = 20 * time.Second // after which no more calls are made, even below their limit
	procPrefix = "com.example.bench"
)

// Calls describes a run of calls over WebSocket, from callers to callees that
// echo, all in this process.
type Calls struct {
	Caller, Callee wire.Serializer

	Size     int // bytes of the only argument, a string
	InFlight int // calls in flight, over all callers; at least 1
	Callers  int // connections; default InFlight, at most 16
	Callees  int // connections; default Callers, at most 4
	Results  int // for each call, default 1; more are progressive

	Procedures int    // if not 0, register so many, and call them at random
	Match      string // how those are matched; "" is exact

	EachWrite bool // clients write every message on its own, not what has collected

	Warm, Time time.Duration // without and with measuring; or
	Limit      int64         // so many calls, all of them measured

	CalleeNap, CallerNap time.Duration // neither reads nor answers so long, from the first call
	Others               bool          // meanwhile other sessions call one another, one at a time
}

// defaults fills in what was left out.
func (c *Calls) defaults() {
	orElse := func(v *int, other int) {
		if *v == 0 {
			*v = other
		}
	}
	orElse(&c.Callers, min(c.InFlight, 16))
	orElse(&c.Callees, min(c.Callers, 4))
	orElse(&c.Results, 1)
}

// A run is one execution of Calls.
type run struct {
	Calls
	router Router
	name   string // part of all URIs, for what an earlier run registered may still be there

	phases
	began time.Time
	left  atomic.Int64 // calls that may be made, if Limit is set

	callers []*caller
	callees sync.WaitGroup

	close []func()
}

// Run makes calls and returns what came of them. With an error, the result
// says how far it got.
func (c Calls) Run(ctx context.Context, r Router, meter Meter) (Result, error) {
	c.defaults()
	x := &run{Calls: c, router: r, name: fmt.Sprintf("%s.r%08x", procPrefix, rand.Uint32()), began: time.Now()}
	x.left.Store(c.Limit)
	defer x.stop()
	uris, err := x.startCallees(ctx)
	if err != nil {
		return Result{}, err
	}
	if err := x.joinCallers(ctx, uris); err != nil {
		return Result{}, err
	}
	if c.Others {
		return x.besideOthers(ctx, meter)
	}
	return x.measure(ctx, meter)
}

func (x *run) now() time.Duration { return time.Since(x.began) }

// take tells whether another call is to be made.
func (x *run) take() bool {
	if x.Limit > 0 {
		return x.left.Add(-1) >= 0
	}
	return !x.ended.Load()
}

// stop ends all sessions and waits for the callees.
func (x *run) stop() {
	for _, f := range x.close {
		f()
	}
	x.callees.Wait()
}

// open joins a session, which stop closes.
func (x *run) open(ctx context.Context, s wire.Serializer) (*session, error) {
	session, err := join(ctx, x.router, s, readBuffer)
	if err != nil {
		return nil, err
	}
	session.each = x.EachWrite
	x.close = append(x.close, session.close)
	return session, nil
}

// startCallees returns the procedures to call.
func (x *run) startCallees(ctx context.Context) ([]string, error) {
	var uris []string
	for i := range x.Callees {
		uri := fmt.Sprintf("%s.echo%d", x.name, i)
		if err := x.startCallee(ctx, "", uri); err != nil {
			return nil, err
		}
		uris = append(uris, uri)
	}
	if x.Procedures == 0 {
		return uris, nil
	}
	uris = make([]string, x.Procedures)
	for i := range uris {
		uris[i] = fmt.Sprintf("%s.service%03d.method%06d", x.name, i%997, i)
	}
	return uris, x.startCallee(ctx, x.Match, uris...)
}

func (x *run) startCallee(ctx context.Context, match string, uris ...string) error {
	s, err := x.open(ctx, x.Callee)
	if err != nil {
		return err
	}
	if err := s.register(match, uris...); err != nil {
		return err
	}
	c := &callee{session: s, results: x.Results, nap: x.CalleeNap}
	x.callees.Go(func() { _ = c.serve() }) // what fails shows at the callers
	return nil
}

// joinCallers joins the callers. Each calls one procedure, or any of them if
// there are many.
func (x *run) joinCallers(ctx context.Context, uris []string) error {
	options := map[string]any{}
	if x.Results > 1 {
		options["receive_progress"] = true
	}
	payload := strings.Repeat("abcdefghijklmnopqrstuvwxyz", x.Size/26+1)[:x.Size]
	suffix := ""
	if x.Match != "" {
		suffix = ".leaf"
	}
	var tails [][]byte
	for _, uri := range uris {
		tails = append(tails, wire.Tail(x.Caller, wire.Call, options, uri+suffix, []string{payload}))
	}
	for i := range x.Callers {
		s, err := x.open(ctx, x.Caller)
		if err != nil {
			return err
		}
		c := &caller{session: s, run: x, tails: tails, payload: []byte(payload), random: rand.New(rand.NewPCG(uint64(i), 1))}
		if x.Procedures == 0 {
			c.tails = tails[i%len(tails) : i%len(tails)+1]
		}
		x.callers = append(x.callers, c)
	}
	return nil
}

// measure makes the calls.
func (x *run) measure(ctx context.Context, meter Meter) (Result, error) {
	if x.Limit > 0 {
		meter.Begin()
		x.measuring.Store(true)
	}
	began := x.now()
	results := make(chan error, len(x.callers))
	for i, c := range x.callers {
		share := x.InFlight / x.Callers
		if i < x.InFlight%x.Callers {
			share++
		}
		go func() { results <- c.begin(share) }()
	}
	var elapsed time.Duration
	if x.Limit == 0 {
		elapsed = x.pass(ctx, x.Warm, x.Time, meter)
		x.windUp()
	} else {
		defer time.AfterFunc(limitTime, x.windUp).Stop()
	}
	var errs []error
	for range x.callers {
		errs = append(errs, <-results)
	}
	if x.Limit > 0 {
		elapsed = x.now() - began
		meter.End()
	}
	result := Result{Elapsed: elapsed}
	for _, c := range x.callers {
		result.merge(&c.result)
	}
	return result, errors.Join(errs...)
}

// begin sends the first calls, and serves the session.
func (c *caller) begin(share int) error {
	now := c.run.now()
	for range share {
		c.issue(now)
	}
	c.flush()
	if c.run.CallerNap > 0 {
		time.Sleep(c.run.CallerNap)
	}
	return c.serve()
}

// windUp lets callers make no more calls, and not wait for answers for ever.
func (x *run) windUp() {
	x.ended.Store(true)
	x.left.Store(0)
	for _, c := range x.callers {
		_ = c.conn.SetReadDeadline(time.Now().Add(grace + x.CalleeNap + x.CallerNap))
	}
}

// nothing is a Meter that measures nothing.
type nothing struct{}

func (nothing) Begin() {}
func (nothing) End()   {}

// besideOthers runs while other sessions call one another.
func (x *run) besideOthers(ctx context.Context, meter Meter) (Result, error) {
	others := Calls{Caller: x.Caller, Callee: x.Callee, Size: 16, InFlight: 1, Time: time.Hour}
	ctx2, stop := context.WithCancel(ctx)
	type outcome struct {
		result Result
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		result, err := others.Run(ctx2, x.router, nothing{})
		done <- outcome{result, err}
	}()
	result, err := x.measure(ctx, meter)
	stop()
	beside := <-done
	result.Others = beside.result.Latency
	return result, errors.Join(err, beside.err)
}
