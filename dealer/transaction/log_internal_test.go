package transaction

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/wampgate/wampgate/dealer/engine"
)

// A fakeLog is an engine.TxLog in memory, and the source of it.
type fakeLog struct {
	mu      sync.Mutex // guards the following fields
	keys    []string   // of entries
	entries []engine.Entry
	budget  int   // appends until nothing gets in any more; negative: never
	fails   error // of all appends
	silent  bool  // the next append is stored, and gets no answer
}

func newLog() *fakeLog { return &fakeLog{budget: -1} }

// again is the log after a crash, for the next coordinator.
func (l *fakeLog) again() *fakeLog {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.budget = 0
	return &fakeLog{budget: -1, keys: slices.Clone(l.keys), entries: slices.Clone(l.entries)}
}

func (l *fakeLog) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// TxLog implements source.
func (l *fakeLog) TxLog(context.Context, engine.LogConfig) (engine.TxLog, error) { return l, nil }
func (*fakeLog) MaxEntry() int                                                   { return 2 << 20 }
func (*fakeLog) Durability() engine.Durability                                   { return engine.Synced }

func (l *fakeLog) Append(_ context.Context, key string, data []byte, last uint64) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var now uint64
	for i, k := range l.keys {
		if k == key {
			now = l.entries[i].Seq
		}
	}
	switch {
	case l.fails != nil:
		return 0, l.fails
	case l.budget == 0:
		return 0, engine.ErrUnavailable
	case now != last:
		return 0, engine.ErrStale
	}
	l.budget--
	seq := uint64(1)
	if n := len(l.entries); n > 0 {
		seq = l.entries[n-1].Seq + 1
	}
	l.keys, l.entries = append(l.keys, key), append(l.entries, engine.Entry{Seq: seq, Data: bytes.Clone(data)})
	if l.silent {
		l.silent = false
		return 0, engine.ErrUnavailable
	}
	return seq, nil
}

func (l *fakeLog) each(key string, take func(engine.Entry) error) error {
	l.mu.Lock()
	keys, all := slices.Clone(l.keys), slices.Clone(l.entries)
	l.mu.Unlock()
	for i, e := range all {
		if key != "" && keys[i] != key {
			continue
		}
		if err := take(e); err != nil {
			return err
		}
	}
	return nil
}

func (l *fakeLog) Entries(_ context.Context, key string, take func(engine.Entry) error) error {
	return l.each(key, take)
}

func (l *fakeLog) Each(_ context.Context, take func(engine.Entry) error) error {
	return l.each("", take)
}

func (l *fakeLog) Remove(_ context.Context, key string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.keys) - 1; i >= 0; i-- {
		if l.keys[i] == key {
			l.keys, l.entries = slices.Delete(l.keys, i, i+1), slices.Delete(l.entries, i, i+1)
		}
	}
	return nil
}

func (*fakeLog) State(context.Context) (engine.State, error) { return engine.State{}, nil }
