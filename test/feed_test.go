package test

import (
	"context"
	"fmt"
	"sync"
)

// A feed is what somebody said so far: log lines, messages, events. Writers
// add to it, readers wait for the entry they look for. It may be used by many
// goroutines.
type feed[T any] struct {
	mu      sync.Mutex // guards the following fields
	entries []T
	grown   chan struct{} // closed at the next change, if anybody waits
	ended   error         // why no more will come
}

// add appends an entry.
func (f *feed[T]) add(entry T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries = append(f.entries, entry)
	f.wake()
}

// end says that no more entries will come.
func (f *feed[T]) end(why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended == nil {
		f.ended = why
	}
	f.wake()
}

// wake lets the waiting readers look again. The caller holds mu.
func (f *feed[T]) wake() {
	if f.grown != nil {
		close(f.grown)
		f.grown = nil
	}
}

// find waits for the first entry from index from on that matches, and returns
// it with the index behind it. It fails when the feed or ctx ends before.
func (f *feed[T]) find(ctx context.Context, from int, match func(T) bool) (T, int, error) {
	for {
		entries, grown, ended := f.look(from)
		for i, e := range entries {
			if match(e) {
				return e, from + i + 1, nil
			}
		}
		var none T
		if ended != nil {
			return none, 0, fmt.Errorf("it ended: %w", ended)
		}
		from += len(entries)
		select {
		case <-grown:
		case <-ctx.Done():
			return none, 0, ctx.Err()
		}
	}
}

// look returns the entries from index from on, and how to wait for more.
func (f *feed[T]) look(from int) (entries []T, grown <-chan struct{}, ended error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.grown == nil {
		f.grown = make(chan struct{})
	}
	return f.entries[min(from, len(f.entries)):], f.grown, f.ended
}

// all returns what was said so far.
func (f *feed[T]) all() []T {
	entries, _, _ := f.look(0)
	return entries
}

// len returns how many entries there are.
func (f *feed[T]) len() int { return len(f.all()) }

// wait waits until the feed has ended, and returns why.
func (f *feed[T]) wait(ctx context.Context) error {
	for {
		_, grown, ended := f.look(0)
		if ended != nil {
			return ended
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
