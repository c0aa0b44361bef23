package durable

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/wampgate/wampgate/dealer/engine"
)

// A disk holds journals that outlive the stores of a test.
type disk struct {
	mu       sync.Mutex // guards the following fields
	journals map[string]*fakeJournal
	dead     bool   // nothing gets in or out any more, as after a crash
	full     bool   // nothing new gets in
	budget   int    // appends until dead; negative: never
	appended uint64 // in all
}

func newDisk() *disk { return &disk{journals: map[string]*fakeJournal{}, budget: -1} }

// again is the disk after a crash, for the next store. The last one, should it
// still be at work, does no harm to it. After a loss of power, what was deleted
// is there again.
func (d *disk) again(powerLoss bool) *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	next := newDisk()
	for name, j := range d.journals {
		entries := slices.Clone(j.entries)
		if powerLoss {
			entries = append(entries, j.deleted...)
			slices.SortFunc(entries, func(a, b engine.Entry) int { return cmp.Compare(a.Seq, b.Seq) })
		}
		next.journals[name] = &fakeJournal{disk: next, limit: j.limit, last: j.last, entries: entries}
	}
	return next
}

// Journal implements source.
func (d *disk) Journal(_ context.Context, c engine.LogConfig) (engine.Journal, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j := d.journals[c.Name]
	if j == nil {
		j = &fakeJournal{disk: d}
		d.journals[c.Name] = j
	}
	j.limit = c.MaxBytes
	return j, nil
}

func (*disk) MaxEntry() int                 { return 2 << 20 }
func (*disk) Durability() engine.Durability { return engine.Synced }

func (d *disk) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

// bodies returns all that a journal holds.
func (d *disk) bodies(name string) [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all [][]byte
	for _, e := range d.journals[name].entries {
		all = append(all, e.Data)
	}
	return all
}

// A fakeJournal is an engine.Journal in memory.
type fakeJournal struct {
	disk    *disk
	limit   int64
	last    uint64
	size    int64
	entries []engine.Entry
	deleted []engine.Entry
	onRead  func() // is called when it has been read; may be nil
}

func (j *fakeJournal) use() (func(), error) {
	j.disk.mu.Lock()
	if j.disk.dead {
		j.disk.mu.Unlock()
		return nil, fmt.Errorf("the disk is gone: %w", engine.ErrUnavailable)
	}
	return j.disk.mu.Unlock, nil
}

func (j *fakeJournal) Append(_ context.Context, data []byte, last uint64) (uint64, error) {
	done, err := j.use()
	if err != nil {
		return 0, err
	}
	defer done()
	switch {
	case j.disk.full, j.limit > 0 && j.size+int64(len(data)) > j.limit:
		return 0, engine.ErrFull
	case last != j.last:
		return 0, engine.ErrStale
	case j.disk.budget == 0:
		j.disk.dead = true
		return 0, engine.ErrUnavailable
	}
	j.disk.budget--
	j.disk.appended++
	j.last++
	j.size += int64(len(data))
	j.entries = append(j.entries, engine.Entry{Seq: j.last, Data: bytes.Clone(data)})
	return j.last, nil
}

func (j *fakeJournal) Read(_ context.Context, take func(engine.Entry) error) error {
	done, err := j.use()
	if err != nil {
		return err
	}
	all := slices.Clone(j.entries)
	done()
	for _, e := range all {
		if err := take(e); err != nil {
			return err
		}
	}
	if j.onRead != nil {
		j.onRead()
	}
	return nil
}

func (j *fakeJournal) Get(_ context.Context, seq uint64) (engine.Entry, error) {
	done, err := j.use()
	if err != nil {
		return engine.Entry{}, err
	}
	defer done()
	for _, e := range j.entries {
		if e.Seq == seq {
			return e, nil
		}
	}
	return engine.Entry{}, engine.ErrNotFound
}

func (j *fakeJournal) Delete(_ context.Context, seq uint64) error {
	done, err := j.use()
	if err != nil {
		return err
	}
	defer done()
	j.entries = slices.DeleteFunc(j.entries, func(e engine.Entry) bool {
		if e.Seq == seq {
			j.size -= int64(len(e.Data))
			j.deleted = append(j.deleted, e)
		}
		return e.Seq == seq
	})
	return nil
}

func (j *fakeJournal) State(context.Context) (engine.State, error) {
	done, err := j.use()
	if err != nil {
		return engine.State{}, err
	}
	defer done()
	return engine.State{Entries: uint64(len(j.entries)), Bytes: uint64(j.size), Last: j.last}, nil
}
