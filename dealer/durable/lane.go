package durable

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/wampgate/wampgate/dealer/engine"
)

const (
	maxQueued = 64 << 20 // bytes that wait to be written, for each lane
	maxBatch  = 1 << 20  // bytes that one append tries to stay below
	laneRetry = time.Second
)

var (
	errOverloaded = errors.New("too much waits to be written")
	errClosed     = errors.New("persistent calls are being shut down")
)

// A place is where an entry is.
type place struct {
	seq   uint64
	index int
}

// A write is an entry on its way.
type write struct {
	entry entry
	done  func(place, error)
}

// A stored append is in the journal.
type stored struct {
	seq    uint64
	needed int   // entries
	bytes  int64 // with appendOverhead
}

// appendOverhead is how many bytes an append takes beside its data, at most.
const appendOverhead = 256

// A lane writes entries to a journal. What comes while an append is under way
// goes into the next one together: the disk is waited for once for all of them.
type lane struct {
	name    string
	log     *slog.Logger
	single  bool // one entry in each append
	journal engine.Journal
	largest int    // bytes of an append
	freed   func() // called after an append was deleted; may be nil

	mu     sync.Mutex // guards the following fields
	queue  []write
	bytes  int
	err    error              // why nothing is written any more
	live   map[uint64]*stored // appends that are needed
	dead   []*stored          // those that are not any more
	used   int64              // bytes of both
	dying  int64              // bytes of dead
	wake   chan struct{}
	reaped chan struct{}

	last  uint64  // number of the last append; of run
	owner [8]byte // random; makes each append one of a kind
	count uint64  // appends of this owner; of run
	batch []write // scratch of run
	data  []byte  // scratch of run
}

func newLane(name string, j engine.Journal, largest int, log *slog.Logger) *lane {
	l := &lane{
		name: name, journal: j, largest: largest, log: log,
		live: make(map[uint64]*stored), wake: make(chan struct{}, 1), reaped: make(chan struct{}, 1),
	}
	_, _ = rand.Read(l.owner[:]) // never fails
	return l
}

// fits reports whether an entry can be written at all.
func (l *lane) fits(e *entry) bool { return e.size()+batchHeader <= l.largest }

// add has an entry written. done is called once, by another goroutine, unless
// there is an error.
func (l *lane) add(e entry, done func(place, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.err != nil:
		return l.err
	case l.bytes+e.size() > maxQueued:
		return errOverloaded
	}
	l.queue = append(l.queue, write{e, done})
	l.bytes += e.size()
	signal(l.wake)
	return nil
}

// signal leaves a token for who waits.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// take moves what is to be written next into l.batch.
func (l *lane) take() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batch = l.batch[:0]
	size := batchHeader
	for i := range l.queue {
		w := &l.queue[i]
		n := w.entry.size()
		if len(l.batch) > 0 && (l.single || size+n > min(maxBatch, l.largest)) {
			break
		}
		l.batch = append(l.batch, *w)
		size += n
		l.bytes -= n
	}
	n := copy(l.queue, l.queue[len(l.batch):])
	clear(l.queue[n:])
	l.queue = l.queue[:n]
	if n > 0 {
		signal(l.wake)
	}
}

// run writes until ctx ends.
func (l *lane) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			l.stop(errClosed)
			return
		case <-l.wake:
		}
		l.take()
		if len(l.batch) == 0 {
			continue
		}
		seq, err := l.write(ctx)
		if errors.Is(err, engine.ErrStale) {
			l.log.Error("another gateway has taken the store over; persistent calls are refused from now on", "log", l.name)
			l.stop(err)
		}
		for i, w := range l.batch {
			w.done(place{seq, i}, err)
		}
		clear(l.batch)
	}
}

// write appends the batch. It tries for as long as it takes to know what came
// of it.
func (l *lane) write(ctx context.Context) (uint64, error) {
	l.count++
	l.data = append(l.data[:0], l.owner[:]...)
	l.data = binary.BigEndian.AppendUint64(l.data, l.count)
	for i := range l.batch {
		l.data = l.batch[i].entry.append(l.data)
	}
	for told := false; ; told = true {
		seq, err := l.journal.Append(ctx, l.data, l.last)
		switch {
		case err == nil:
			l.last = seq
			l.keep(seq, len(l.batch), len(l.data))
			return seq, nil
		case !errors.Is(err, engine.ErrUnavailable) || ctx.Err() != nil:
			return 0, err
		case !told:
			l.log.Warn("the store does not answer; nothing is accepted meanwhile", "log", l.name, "err", err)
		}
		wait(ctx, laneRetry)
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// stop fails all that waits and all that comes.
func (l *lane) stop(err error) {
	l.mu.Lock()
	l.err = err
	queue := l.queue
	l.queue, l.bytes = nil, 0
	l.mu.Unlock()
	for _, w := range queue {
		w.done(place{}, err)
	}
}

// keep notes an append of so many entries and bytes. It is deleted when none of
// them is needed, as for one without any.
func (l *lane) keep(seq uint64, n, size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := &stored{seq, n, int64(size) + appendOverhead}
	l.used += a.bytes
	l.live[seq] = a
	if n == 0 {
		l.bury(a)
	}
}

// bury has an append deleted. l.mu is held.
func (l *lane) bury(a *stored) {
	delete(l.live, a.seq)
	l.dead = append(l.dead, a)
	l.dying += a.bytes
	signal(l.reaped)
}

// load returns how many bytes the journal holds, and how many of these are
// going to stay.
func (l *lane) load() (used, lasting int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.used, l.used - l.dying
}

// takes reports whether an entry leaves reserve bytes of max free.
func (l *lane) takes(e *entry, limit, reserve int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.used+int64(l.bytes+e.size())+appendOverhead+reserve <= limit
}

// release says that an entry is not needed any more. When none of its append
// is, that is deleted.
func (l *lane) release(seq uint64) {
	if seq == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.live[seq]
	if a == nil {
		return
	}
	if a.needed--; a.needed <= 0 {
		l.bury(a)
	}
}

// reap deletes what is not needed until ctx ends. What is left then, the next
// start deletes.
func (l *lane) reap(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.reaped:
		}
		l.mu.Lock()
		dead := l.dead
		l.dead = nil
		l.mu.Unlock()
		for i, a := range dead {
			if err := l.journal.Delete(ctx, a.seq); err != nil {
				if ctx.Err() == nil {
					l.log.Warn("an entry cannot be deleted yet", "log", l.name, "err", err)
				}
				l.mu.Lock()
				l.dead = append(l.dead, dead[i:]...)
				signal(l.reaped)
				l.mu.Unlock()
				wait(ctx, laneRetry)
				break
			}
			l.mu.Lock()
			l.used -= a.bytes
			l.dying -= a.bytes
			l.mu.Unlock()
			if l.freed != nil {
				l.freed()
			}
		}
	}
}

// get returns the entry at a place.
func (l *lane) get(ctx context.Context, at place) (entry, error) {
	stored, err := l.journal.Get(ctx, at.seq)
	if err != nil {
		return entry{}, err
	}
	var found *entry
	err = entries(stored.Data, func(index int, e entry) error {
		if index == at.index {
			found = &e
		}
		return nil
	})
	if err == nil && found == nil {
		err = errBatch
	}
	if err != nil {
		return entry{}, err
	}
	return *found, nil
}
