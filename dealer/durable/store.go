package durable

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/wampgate/wampgate/dealer/custody"
	"github.com/wampgate/wampgate/dealer/engine"
	"github.com/wampgate/wampgate/dealer/router"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// The errors that only persistent calls end with.
const (
	ErrConflict     = wamp.ErrIdempotencyConflict // the id was used with another payload
	ErrNoSuchCall   = wamp.ErrNoSuchCall
	ErrExpired      = wamp.ErrExpired
	ErrDeadLettered = wamp.ErrDeadLettered
)

// The defaults of a Config.
const (
	DefaultMaxBytes       = 1 << 30
	DefaultMaxCalls       = 500_000
	DefaultMaxOutcomes    = 500_000
	DefaultMaxDeadLetters = 10_000
	DefaultMinRetention   = 10 * time.Minute
	DefaultRetention      = 24 * time.Hour
	DefaultExpiry         = 24 * time.Hour
	DefaultMaxExpiry      = 30 * 24 * time.Hour
	DefaultMaxAttempts    = 5
	DefaultMaxCrashes     = 3
	DefaultAttemptTimeout = 15 * time.Minute
	DefaultMaxRunning     = 256
)

const (
	maxPayload   = 1 << 20 // bytes of a call's arguments
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 30 * time.Second
	maxHistory   = 10
	maxLoaded    = 64 << 20 // bytes of payloads of waiting calls that stay in memory
	maxRunning   = 2048     // calls under way, over all procedures

	callReserve    = 32 << 20 // bytes of the disk that calls leave free
	outcomeReserve = 4 << 20  // and outcomes, without which nothing ends
)

// A Config sets up a Store.
type Config struct {
	// Open returns the engine, which outlives the store: who opened it closes
	// it. Open is called when the first persistent call comes, or by
	// [Store.Start]; after an error again, when the next one does. If the error,
	// or one that it wraps, has a method Told() string, callers are told that.
	Open func(context.Context) (*engine.Engine, error)
	// Holds reports whether there may be calls in the engine that is not open
	// yet. As long as there are none, who asks for calls has nothing opened.
	// Default: there may be.
	Holds func() bool

	// Log takes what operators should know; default: nothing is logged.
	Log *slog.Logger

	// MaxBytes bounds what is stored of calls, and apart from that of
	// outcomes. Beyond it no call is accepted. Default 1 GiB.
	MaxBytes int64
	// MaxCalls bounds the calls that are not over: a few hundred bytes of
	// memory each. Default 500,000.
	MaxCalls int
	// MaxOutcomes bounds the outcomes that are kept, in the same way. Default
	// 500,000.
	MaxOutcomes int
	// MaxDeadLetters bounds the dead letters. When there are that many, no call
	// is accepted, and those that are given up wait for room. Default 10,000.
	MaxDeadLetters int
	// Retention is how long outcomes are kept if there is room. Default 24 h.
	Retention time.Duration
	// MinRetention is how long they are kept in any case: for want of room the
	// oldest are forgotten earlier than Retention, but not before that; then no
	// call is accepted. Default 10 min, or Retention if that is less.
	MinRetention time.Duration
	// ShareAnonymous lets who comes without credentials list the calls of all
	// who do. Without it they need to know the id.
	ShareAnonymous bool
	// Expiry is how long a call is tried whose caller does not say. Default
	// 24 h.
	Expiry time.Duration
	// MaxExpiry bounds what callers may say. Default 30 days.
	MaxExpiry time.Duration
	// MaxAttempts is how often a call is tried; waiting for a callee to come
	// is no attempt. Default 5.
	MaxAttempts int
	// MaxCrashes is how many sessions of callees a call may take along.
	// Default 3.
	MaxCrashes int
	// AttemptTimeout is how long a callee may take. Default 15 min.
	AttemptTimeout time.Duration
	// MaxRunning bounds the calls of one procedure that are under way at once.
	// Default 256.
	MaxRunning int
	// RetryOn are errors of callees after which a call is tried again. Others
	// are its outcome.
	RetryOn []wamp.URI
}

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Holds == nil {
		c.Holds = func() bool { return true }
	}
	orDefault(&c.MaxBytes, DefaultMaxBytes)
	orDefault(&c.MaxCalls, DefaultMaxCalls)
	orDefault(&c.MaxOutcomes, DefaultMaxOutcomes)
	orDefault(&c.MaxDeadLetters, DefaultMaxDeadLetters)
	orDefault(&c.Retention, DefaultRetention)
	orDefault(&c.MinRetention, DefaultMinRetention)
	c.MinRetention = min(c.MinRetention, c.Retention)
	orDefault(&c.Expiry, DefaultExpiry)
	orDefault(&c.MaxExpiry, max(DefaultMaxExpiry, c.Expiry))
	orDefault(&c.MaxAttempts, DefaultMaxAttempts)
	orDefault(&c.MaxCrashes, DefaultMaxCrashes)
	orDefault(&c.AttemptTimeout, DefaultAttemptTimeout)
	orDefault(&c.MaxRunning, DefaultMaxRunning)
	return c
}

func orDefault[T ~int | ~int64](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// A Store keeps the persistent calls of a node. Its methods may be called by
// any number of goroutines at once.
type Store struct {
	config  Config
	source  func(context.Context) (source, error) // Config.Open
	log     *slog.Logger
	ctx     context.Context // ends when the store is closed
	cancel  context.CancelFunc
	work    sync.WaitGroup // everything that was started
	keepers map[wamp.URI]*keeper

	opening custody.Opening // taken before mu

	mu       custody.Mutex // guards the following fields; taken before a realm's lock
	engine   source
	calls    *lane
	outcomes *lane
	letters  *lane
	inFlight custody.Running
	index
	stats Stats
}

// A source is what a store needs of an engine.
type source interface {
	Journal(ctx context.Context, c engine.LogConfig) (engine.Journal, error)
	MaxEntry() int
	Durability() engine.Durability
}

// New returns a Store. It starts nothing; [Store.Join] and [Store.Start] do.
func New(c Config) *Store {
	ctx, cancel := context.WithCancel(context.Background())
	c = c.withDefaults()
	return &Store{
		config: c, source: func(ctx context.Context) (source, error) { return c.Open(ctx) }, log: c.Log, ctx: ctx, cancel: cancel, keepers: make(map[wamp.URI]*keeper),
		inFlight: custody.NewRunning(), index: newIndex(),
	}
}

// Join makes the store keep the persistent calls of a realm. It is called
// before anybody else can join.
func (s *Store) Join(r *router.Router, realm wamp.URI) error {
	k := newKeeper(s, realm)
	if err := k.Join(r.JoinKeeper); err != nil {
		return err
	}
	s.keepers[realm] = k
	s.work.Go(func() { k.Run(s.ctx) })
	return nil
}

// Start opens the engine and goes on with the calls that are kept there. The
// error says what to do. After an error Start returns the same one for a
// second; after [Store.Close] it opens nothing any more.
func (s *Store) Start(ctx context.Context) error { return s.opening.Open(ctx, s.ctx, s.open) }

// look is Start for who only asks for calls.
func (s *Store) look(ctx context.Context) error {
	return s.opening.Look(ctx, s.ctx, s.config.Holds, s.open)
}

func (s *Store) open(ctx context.Context) error {
	e, err := s.source(ctx)
	if err != nil {
		return err
	}
	if err := s.read(ctx, e); err != nil {
		return err
	}
	s.mu.Lock()
	s.engine = e
	s.resume()
	waiting, kept, dead := len(s.byName), len(s.done), len(s.dead)
	s.mu.Unlock()
	for _, l := range []*lane{s.calls, s.outcomes, s.letters} {
		s.work.Go(func() { l.run(s.ctx) })
		s.work.Go(func() { l.reap(s.ctx) })
	}
	s.work.Go(s.sweep)
	s.log.Info("persistent calls are kept", "durability", string(e.Durability()), "waiting", waiting, "outcomes", kept, "dead_letters", dead)
	return nil
}

// Durability says what an accepted call survives; empty if the store is not in
// use. err is why it cannot be used.
func (s *Store) Durability() (d engine.Durability, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.engine == nil {
		_, failed := s.opening.State()
		return "", failed
	}
	return s.engine.Durability(), s.calls.fault()
}

func (l *lane) fault() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Drain starts no more attempts, and waits for those under way until ctx ends.
func (s *Store) Drain(ctx context.Context) {
	s.mu.Lock()
	idle := s.inFlight.Drain()
	s.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// Close ends the store, not the engine. Calls that are under way are made again
// by the next one. Closing twice does nothing.
func (s *Store) Close() {
	s.mu.Lock()
	s.inFlight.Drain()
	s.mu.Unlock()
	s.cancel()
	s.opening.Close()
	s.work.Wait()
	for _, k := range s.keepers {
		k.Leave()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.byName {
		c.stopTimer()
		for _, w := range c.waiters {
			w.stop()
		}
	}
}

// arrive handles a CALL that was handed over.
func (s *Store) arrive(ctx context.Context, a *arrival) {
	kept := a.Options.TrustLevel == trustPersistent
	open := s.look
	if kept {
		open = s.Start
	}
	if err := open(ctx); err != nil {
		s.log.Error("persistent calls cannot be kept", "err", err)
		a.keeper.refuse(a.Invocation, wamp.ErrUnavailable, custody.Told(err, notKept), nil)
		return
	}
	if !kept {
		s.asked(a)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accept(a)
}

// notKept is the text for callers when calls cannot be kept.
const notKept = "persistent calls cannot be kept now; the gateway's log says why"

// trustPersistent is the trust level of calls that are kept.
const trustPersistent = "persistent"

// accept stores a call, or attaches its caller to the one that has its id.
func (s *Store) accept(a *arrival) {
	keep := a.Options.Keep
	if keep == nil {
		keep = new(wamp.KeepOptions)
	}
	w := &waiter{keeper: a.keeper, invocation: a.Invocation, async: keep.Async, progress: a.Options.ReceiveProgress}
	c, text := s.newCall(a, keep)
	if text != "" {
		s.mu.Later(func() { w.failed(wamp.ErrInvalidArgument, text) })
		return
	}
	if s.repeated(c, w, a) {
		return
	}
	e, err := newEntry(kindCall, &c.record, a.Payload)
	why := s.checkRoom(&e)
	switch {
	case err != nil:
		s.mu.Later(func() { w.failed(wamp.ErrInvalidArgument, err.Error()) })
		return
	case len(a.Payload.Args)+len(a.Payload.Kwargs) > maxPayload || !s.calls.fits(&e):
		s.mu.Later(func() {
			w.failed(wamp.ErrPayloadSizeExceeded, fmt.Sprintf("a persistent call has at most %d bytes of arguments", maxPayload))
		})
		return
	case why != "":
		s.stats.Refused++
		s.mu.Later(func() { w.failed(wamp.ErrUnavailable, why) })
		return
	}
	if err := s.calls.add(e, func(at place, err error) { s.written(c, at, err) }); err != nil {
		s.stats.Refused++
		s.mu.Later(func() { w.failed(wamp.ErrUnavailable, notAccepted(err)) })
		return
	}
	s.enter(c, len(e.header))
	c.join(w)
	w.limit(s, time.Duration(a.Options.Timeout)*time.Millisecond)
	s.queueUp(c)
}

// notAccepted is the text for who gets no call accepted.
func notAccepted(err error) string {
	switch {
	case errors.Is(err, engine.ErrFull):
		return "the store of persistent calls is full; nothing was accepted"
	case errors.Is(err, engine.ErrStale):
		return "another gateway keeps the persistent calls now; nothing was accepted"
	}
	return "the store of persistent calls does not take the call now; repeat it with the same call_id"
}

// repeated attaches w to a call with the same id, if there is one.
func (s *Store) repeated(c *call, w *waiter, a *arrival) bool {
	if known := s.byName[c.name]; known != nil {
		switch {
		case known.Digest != c.Digest:
			s.mu.Later(func() { w.failed(ErrConflict, conflict) })
			return true
		case known.state == writing:
			known.join(w)
		default:
			s.attach(known, w)
		}
		w.limit(s, time.Duration(a.Options.Timeout)*time.Millisecond)
		return true
	}
	done := s.done[c.name]
	switch {
	case done == nil:
		return false
	case done.Digest != c.Digest:
		s.mu.Later(func() { w.failed(ErrConflict, conflict) })
	default:
		s.mu.Later(func() { s.replay(done, w) })
	}
	return true
}

const conflict = "this call_id stands for a call with another procedure or payload; take a new one for a new call"

// attach makes w wait for a call that was accepted.
func (s *Store) attach(c *call, w *waiter) {
	state := c.public()
	if w.call == nil {
		c.join(w)
	}
	if w.async && w.ended == nil {
		w.leave()
	}
	s.mu.Later(func() { w.accepted(c, state) })
}

// replay answers with an outcome that is stored.
func (s *Store) replay(done *kept, w *waiter) {
	o, p, err := s.load(s.ctx, done)
	if err != nil {
		s.log.Warn("an outcome cannot be read", "call", done.ID, "err", err)
		w.failed(wamp.ErrUnavailable, "the outcome cannot be read now; the call has ended")
		return
	}
	w.finished(o, p)
}

// newCall makes the record of a call, or says what is wrong with it.
func (s *Store) newCall(a *arrival, keep *wamp.KeepOptions) (*call, string) {
	if text := checkID(keep.CallID); text != "" {
		return nil, text
	}
	now := time.Now().UTC()
	c := &call{state: writing, keeper: a.keeper, payload: a.Payload, loaded: true}
	c.record = record{
		name:      name{Realm: a.keeper.Realm, Owner: custody.Owner(a.Caller.Identity), ID: keep.CallID},
		Procedure: a.Procedure, Caller: a.Caller, Digest: digestOf(a), Disclose: a.Options.DiscloseMe,
		Passthru: a.Options.Passthru, Accepted: now, Due: now, Serializer: int(a.Payload.Serializer),
	}
	if a.Options.RoutingKey != "" {
		c.Key = []byte(a.Options.RoutingKey)
	}
	if c.ID == "" {
		c.ID = newID()
	}
	if text := s.schedule(c, keep, now); text != "" {
		return nil, text
	}
	s.number++
	c.Number = s.number
	return c, ""
}

// schedule works out when a call is due and when it expires.
func (s *Store) schedule(c *call, keep *wamp.KeepOptions, now time.Time) string {
	longest := s.config.MaxExpiry.Milliseconds()
	if keep.Delay > longest || keep.Expiry > longest || keep.NotBefore > now.UnixMilli()+longest {
		return fmt.Sprintf("delay, not_before and expiry reach at most %v ahead", s.config.MaxExpiry)
	}
	if keep.Delay > 0 && keep.NotBefore > 0 {
		return "delay and not_before do not go together"
	}
	if keep.Delay > 0 {
		c.Due = now.Add(time.Duration(keep.Delay) * time.Millisecond)
	}
	if at := time.UnixMilli(keep.NotBefore).UTC(); at.After(now) {
		c.Due = at
	}
	c.Expires = c.Due.Add(s.config.Expiry)
	if keep.Expiry > 0 {
		c.Expires = now.Add(time.Duration(keep.Expiry) * time.Millisecond)
	}
	if !c.Expires.After(c.Due) {
		return "the call would expire before it is due"
	}
	return ""
}

// written handles the news that a call has been stored, or not.
func (s *Store) written(c *call, at place, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiters := c.waiters
	if err != nil {
		s.remove(c)
		s.leaveLine(c)
		c.state = finished
		c.dismiss()
		s.stats.Refused++
		s.mu.Later(func() {
			for _, w := range waiters {
				w.failed(wamp.ErrUnavailable, notAccepted(err))
			}
		})
		return
	}
	c.at, c.state = at, queued
	s.stats.Accepted++
	s.expiries.add(c)
	if c.Due.After(c.Accepted) {
		c.state = delayed
	}
	for _, w := range slices.Clone(waiters) {
		s.attach(c, w)
	}
	s.forgetPayload(c)
	s.begin(c)
}
