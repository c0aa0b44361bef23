package transaction

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

// The defaults of a Config.
const (
	DefaultTimeout    = time.Minute
	DefaultMaxOpen    = 10_000
	DefaultRetention  = 24 * time.Hour
	DefaultStuckAfter = 20
)

const (
	maxTimeout     = time.Hour
	maxBranches    = 100
	maxKept        = 100_000   // transactions that have ended; the oldest go first
	maxPayload     = 1 << 20   // bytes of the arguments of a transaction's calls, and of one result
	maxBatch       = 200 << 10 // bytes of entries that are gathered before they are appended
	minEntry       = 64 << 10  // bytes that an append must be able to have
	maxLogBytes    = 1 << 30
	logReserve     = 16 << 20 // bytes of the disk that are left free
	writers        = 16
	firstBackoff   = 100 * time.Millisecond
	lastBackoff    = 5 * time.Minute
	attemptTimeout = time.Minute      // of what undoes or confirms
	settleWait     = 10 * time.Second // how long the news of a decision waits for what follows from it
	writeTimeout   = 10 * time.Second
	writeRetry     = time.Second
)

// A Config sets up a Coordinator.
type Config struct {
	// Open returns the engine, which stays its owner's. It is called when the
	// first transaction comes, or by [Coordinator.Start].
	Open func(context.Context) (*engine.Engine, error)
	// Holds reports whether there may be transactions in the engine that is not
	// open yet. As long as there are none, who asks for transactions has nothing
	// opened. Default: there may be.
	Holds func() bool
	// Log takes what operators should know; default: nothing is logged.
	Log *slog.Logger
	// Timeout is how long a transaction may take to be decided that does not
	// say. Default 1 min, at most 1 h.
	Timeout time.Duration
	// MaxOpen bounds the transactions that have not ended. Default 10,000.
	MaxOpen int
	// Retention is how long those are kept that have. Default 24 h.
	Retention time.Duration
	// ShareAnonymous lets who comes without credentials list the transactions
	// of all such; otherwise only who knows an id sees its transaction.
	ShareAnonymous bool
	// StuckAfter is after how many failed tries of one call to undo or confirm
	// something a transaction is called stuck. Default 20.
	StuckAfter int
}

// A Coordinator coordinates the transactions of a node. Its methods may be
// called by any number of goroutines at once.
type Coordinator struct {
	config Config
	log    *slog.Logger
	ctx    context.Context // ends when the coordinator is closed
	cancel context.CancelFunc
	work   sync.WaitGroup
	router *router.Router
	agents map[wamp.URI]*agent
	nonce  string
	asking chan struct{} // one for each caller whose rights are being asked for

	source func(context.Context) (source, error) // config.Open, but for tests

	opening custody.Opening // taken before mu

	mu       custody.Mutex // guards the following fields; taken before a realm's lock
	txLog    engine.TxLog
	largest  int // bytes of the arguments of a transaction's calls, and of one result
	batch    int // bytes of entries that are gathered before they are appended
	queue    chan *tx
	appends  uint64
	open     int
	byKey    map[string]*tx
	ended    []*tx // of byKey, the oldest first
	inFlight custody.Running
	stats    Stats
}

// A source is what a Coordinator needs of an engine.
type source interface {
	TxLog(context.Context, engine.LogConfig) (engine.TxLog, error)
	MaxEntry() int
	Durability() engine.Durability
}

// New returns a Coordinator. It starts nothing; [Coordinator.Join] and
// [Coordinator.Start] do.
func New(c Config) *Coordinator {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Holds == nil {
		c.Holds = func() bool { return true }
	}
	if c.Timeout <= 0 || c.Timeout > maxTimeout {
		c.Timeout = DefaultTimeout
	}
	if c.MaxOpen <= 0 {
		c.MaxOpen = DefaultMaxOpen
	}
	if c.Retention <= 0 {
		c.Retention = DefaultRetention
	}
	if c.StuckAfter <= 0 {
		c.StuckAfter = DefaultStuckAfter
	}
	ctx, cancel := context.WithCancel(context.Background())
	open := func(ctx context.Context) (source, error) { return c.Open(ctx) }
	return &Coordinator{
		source: open, config: c, log: c.Log, ctx: ctx, cancel: cancel, agents: make(map[wamp.URI]*agent), nonce: randomHex(),
		asking: make(chan struct{}, 64), byKey: make(map[string]*tx), inFlight: custody.NewRunning(),
	}
}

// Join makes the coordinator coordinate the transactions of a realm. It is
// called before anybody else can join.
func (c *Coordinator) Join(r *router.Router, realm wamp.URI) error {
	a := newAgent(c, realm)
	if err := a.Join(r.JoinCoordinator); err != nil {
		return err
	}
	c.router = r
	c.agents[realm] = a
	c.work.Go(func() { a.Run(c.ctx) })
	return nil
}

// Start opens the log and goes on with the transactions in it. After an error
// Start returns the same one for a second; after [Coordinator.Close] it opens
// nothing any more.
func (c *Coordinator) Start(ctx context.Context) error { return c.opening.Open(ctx, c.ctx, c.openLog) }

func (c *Coordinator) openLog(ctx context.Context) error {
	e, err := c.source(ctx)
	if err != nil {
		return err
	}
	most := e.MaxEntry()
	if most < minEntry {
		return fmt.Errorf("the store takes entries of %d bytes at most; transactions need %d: see max_payload of the NATS servers", most, minEntry)
	}
	l, err := e.TxLog(ctx, engine.LogConfig{Name: "transactions", MaxBytes: maxLogBytes, Reserve: logReserve})
	if err != nil {
		return err
	}
	read, err := readAll(ctx, l)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.txLog = l
	c.batch, c.largest = sizes(most)
	c.queue = make(chan *tx, c.config.MaxOpen+len(read)+1) // each transaction is in it at most once
	c.resume(read)
	for range writers {
		c.work.Go(c.write)
	}
	c.work.Go(c.sweep)
	c.log.Info("transactions are coordinated", "durability", string(e.Durability()), "open", c.open, "ended", len(c.ended))
	return nil
}

// sizes returns how much may be gathered for an append of at most that many
// bytes, and how large a payload may be: what is gathered and one payload fit
// together, in the form in which they are stored.
func sizes(most int) (batch, payload int) {
	batch = min(maxBatch, most/8)
	return batch, min(maxPayload, most/4*3-batch-most/16)
}

// readAll folds all entries of the log. A transaction that does not fold is an
// error: nothing else must be done in its place.
func readAll(ctx context.Context, l engine.TxLog) (map[string]*tx, error) {
	all := make(map[string]*tx)
	err := l.Each(ctx, func(e engine.Entry) error {
		b, err := readBatch(e.Data)
		if err != nil {
			return err
		}
		t := all[b.Key]
		if t == nil {
			t = &tx{key: b.Key, attempts: make(map[task]*attempt)}
			all[b.Key] = t
		}
		t.last = e.Seq
		return t.fold(b)
	})
	return all, err
}

func (t *tx) fold(b *batch) error {
	for i := range b.Entries {
		if err := t.apply(&b.Entries[i]); err != nil {
			return fmt.Errorf("transaction %s of realm %s: %w", t.state.ID, t.state.Realm, err)
		}
	}
	return nil
}

// resume goes on with transactions that were read.
func (c *Coordinator) resume(read map[string]*tx) {
	now := time.Now()
	for _, t := range read {
		if t.state.state == "" {
			continue
		}
		t.agent = c.agents[t.state.Realm]
		c.byKey[t.key] = t
		if t.state.state.final() {
			t.forgetPayloads()
			c.remember(t)
			continue
		}
		if t.agent == nil {
			c.log.Warn("a transaction waits in a realm that is not served", "transaction", t.state.ID, "realm", string(t.state.Realm))
			continue
		}
		c.open++
		c.log.Info("a transaction is taken up again", "transaction", t.state.ID, "realm", string(t.state.Realm), "state", string(t.state.state))
		t.shown = t.status(c.config.StuckAfter)
		c.watch(t)
		c.take(t, func(*state) []entry { return []entry{{Kind: kindClaim, At: now}} })
	}
	slices.SortFunc(c.ended, func(a, b *tx) int { return a.state.ended.Compare(b.state.ended) })
}

// Drain begins no more transactions, makes no more calls, and waits for those
// under way until ctx ends.
func (c *Coordinator) Drain(ctx context.Context) {
	c.mu.Lock()
	idle := c.inFlight.Drain()
	c.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// Close ends the coordinator. The next one goes on with what is open. Closing
// twice does nothing.
func (c *Coordinator) Close() {
	c.mu.Lock()
	c.inFlight.Drain()
	c.mu.Unlock()
	c.cancel()
	c.opening.Close()
	c.work.Wait()
	for _, a := range c.agents {
		a.Leave()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.byKey {
		t.stopTimers()
		for _, w := range t.waiters {
			w.end()
		}
	}
}

// write appends what transactions have to append, until the coordinator is
// closed.
func (c *Coordinator) write() {
	for {
		select {
		case <-c.ctx.Done():
			return
		case t := <-c.queue:
			ctx, cancel := context.WithTimeout(c.ctx, writeTimeout)
			seq, err := c.txLog.Append(ctx, t.key, t.data, t.last)
			if errors.Is(err, engine.ErrStale) {
				seq, err = c.find(ctx, t, err)
			}
			cancel()
			c.written(t, seq, err)
		}
	}
}

// find looks whether what was refused as stale is there after all, from an
// attempt that got no answer.
func (c *Coordinator) find(ctx context.Context, t *tx, stale error) (seq uint64, err error) {
	err = c.txLog.Entries(ctx, t.key, func(e engine.Entry) error {
		seq = 0
		if string(e.Data) == string(t.data) {
			seq = e.Seq
		}
		return nil
	})
	switch {
	case err != nil:
		return 0, err
	case seq == 0:
		return 0, stale
	}
	return seq, nil
}

// written handles the news that an append is stored, or not.
func (c *Coordinator) written(t *tx, seq uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch first := t.last == 0; {
	case err == nil:
		t.last, t.data = seq, nil
		c.stored(t)
	case errors.Is(err, engine.ErrStale):
		c.log.Error("a transaction was overtaken by another gateway", "transaction", t.state.ID, "realm", string(t.state.Realm))
		c.drop(t, "another gateway coordinates the transaction")
	case first && (errors.Is(err, engine.ErrFull) || errors.Is(err, engine.ErrTooLarge)):
		c.drop(t, "the store has no room for the transaction; nothing was begun")
	default:
		if c.ctx.Err() != nil {
			return
		}
		c.log.Warn("a transaction waits for the store", "transaction", t.state.ID, "err", err)
		if first && !t.doubtful {
			t.doubtful = true
			c.dismissAll(t, "the store does not answer; the transaction may have begun: ask for it by its id")
		}
		t.retry = time.AfterFunc(writeRetry, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.queue <- t // has room for all
		})
	}
}

// drop forgets a transaction that is not this coordinator's.
func (c *Coordinator) drop(t *tx, why string) {
	t.stopTimers()
	delete(c.byKey, t.key)
	c.open--
	c.stats.Refused++
	for _, a := range t.attempts {
		c.abandon(a)
	}
	t.attempts = nil
	c.dismissAll(t, why)
	t.inputs, t.dropped = nil, true
}

// remember keeps a transaction that has ended.
func (c *Coordinator) remember(t *tx) {
	t.shown = t.status(c.config.StuckAfter)
	c.ended = append(c.ended, t)
}

// sweep forgets transactions that ended long ago.
func (c *Coordinator) sweep() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ticker.C:
		}
		for _, t := range c.outdated(time.Now()) {
			if err := c.txLog.Remove(c.ctx, t.key); err != nil {
				c.log.Warn("a transaction that has ended cannot be removed", "transaction", t.state.ID, "err", err)
			}
		}
	}
}

// outdated takes those out of the index that are to be forgotten, some at a
// time. Their ids may be used again when they are out of the log too: until
// then, to begin is refused as stale.
func (c *Coordinator) outdated(now time.Time) []*tx {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for n < len(c.ended) && n < 100 && (len(c.ended)-n > maxKept || now.Sub(c.ended[n].state.ended) > c.config.Retention) {
		delete(c.byKey, c.ended[n].key)
		n++
	}
	old := c.ended[:n:n]
	c.ended = c.ended[n:]
	return old
}

// Stats are what a coordinator counts: numbers since it was opened, unless they
// say otherwise.
type Stats struct {
	Begun, Refused, Committed, Aborted, Forced uint64
	Attempts                                   uint64 // calls that were made
	Failures                                   uint64 // of calls that undo or confirm
	Active, Committing, Aborting, Stuck        int    // now
	Kept                                       int    // that have ended, now
	Oldest                                     time.Duration
}

// Stats returns the counters. It looks at each transaction.
func (c *Coordinator) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, now := c.stats, time.Now()
	for _, t := range c.byKey {
		switch t.shown.State {
		case Active:
			s.Active++
		case Committing:
			s.Committing++
		case Aborting:
			s.Aborting++
		default:
			continue
		}
		if t.shown.Stuck {
			s.Stuck++
		}
		s.Oldest = max(s.Oldest, now.Sub(t.state.begun))
	}
	s.Kept = len(c.ended)
	return s
}
