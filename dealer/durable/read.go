package durable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wampgate/wampgate/dealer/engine"
	"github.com/wampgate/wampgate/dealer/wamp"
)

// maxReads is how often the journals are read if somebody else writes to them.
const maxReads = 5

// read fills the index with what the journals hold, and takes them over. Nothing
// else looks at the store meanwhile.
func (s *Store) read(ctx context.Context, e source) error {
	for n := 1; ; n++ {
		err := s.readAll(ctx, e)
		for _, l := range []*lane{s.calls, s.outcomes, s.letters} {
			if err == nil {
				_, err = l.write(ctx) // a batch without entries
			}
		}
		if !errors.Is(err, engine.ErrStale) || n == maxReads {
			return err
		}
	}
}

func (s *Store) readAll(ctx context.Context, e source) (err error) {
	if s.calls, err = s.openLane(ctx, e, "calls", s.config.MaxBytes, callReserve); err != nil {
		return err
	}
	if s.outcomes, err = s.openLane(ctx, e, "outcomes", s.config.MaxBytes, outcomeReserve); err != nil {
		return err
	}
	if s.letters, err = s.openLane(ctx, e, "letters", s.config.MaxBytes, outcomeReserve); err != nil {
		return err
	}
	s.letters.single = true
	s.outcomes.freed = s.roomMade
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index = newIndex()
	s.resultRoom = min(maxResult, int64(e.MaxEntry()), s.config.MaxBytes/8)
	if err := s.readOutcomes(ctx); err != nil {
		return err
	}
	if err := s.readLetters(ctx); err != nil {
		return err
	}
	return s.readCalls(ctx)
}

// openLane returns a lane that writes behind what its journal holds now: if
// somebody else has written by then, it is told so. From its first write on he
// gets no further one in, should he still live.
func (s *Store) openLane(ctx context.Context, e source, log string, maxBytes, reserve int64) (*lane, error) {
	j, err := e.Journal(ctx, engine.LogConfig{Name: log, MaxBytes: maxBytes, Reserve: reserve})
	if err != nil {
		return nil, err
	}
	state, err := j.State(ctx)
	if err != nil {
		return nil, err
	}
	l := newLane(log, j, e.MaxEntry(), s.log)
	l.last = state.Last
	return l, nil
}

// readBatches calls take with the entries of a lane's journal. take returns
// whether the entry is needed.
func (l *lane) readBatches(ctx context.Context, take func(at place, e entry) (bool, error)) error {
	return l.journal.Read(ctx, func(stored engine.Entry) error {
		total := 0
		err := entries(stored.Data, func(int, entry) error { total++; return nil })
		if err != nil {
			return fmt.Errorf("%s: entry %d: %w", l.name, stored.Seq, err)
		}
		l.keep(stored.Seq, total, len(stored.Data))
		return entries(stored.Data, func(index int, e entry) error {
			needed, err := take(place{stored.Seq, index}, e)
			if !needed {
				l.release(stored.Seq)
			}
			return err
		})
	})
}

func readHeader[T any](e entry) (*T, error) {
	header := new(T)
	if err := json.Unmarshal(e.header, header); err != nil {
		return nil, fmt.Errorf("%w: %w", errBatch, err)
	}
	return header, nil
}

func (s *Store) readOutcomes(ctx context.Context) error {
	return s.outcomes.readBatches(ctx, func(at place, e entry) (bool, error) {
		o, err := readHeader[outcome](e)
		if err != nil {
			return false, err
		}
		s.number = max(s.number, o.Number)
		if older := s.done[o.name]; older != nil {
			if older.Number >= o.Number {
				return false, nil
			}
			s.forget(older)
		}
		s.remember(o, at)
		return true, nil
	})
}

func (s *Store) readLetters(ctx context.Context) error {
	return s.letters.readBatches(ctx, func(at place, e entry) (bool, error) {
		l, err := readHeader[letter](e)
		if err != nil {
			return false, err
		}
		s.number = max(s.number, l.Number)
		if done := s.done[l.name]; done != nil && done.Number > l.Number {
			return false, nil // it was tried again, or discarded, and is here after a loss of power
		}
		if older := s.dead[l.name]; older != nil {
			if older.Number >= l.Number {
				return false, nil
			}
			s.letters.release(older.at.seq)
		}
		s.dead[l.name] = &deadLetter{letter: *l, at: at, size: e.size()}
		return true, nil
	})
}

// readCalls reads the calls that are not over. One that has an outcome was let
// go of too late; one that is newer than its outcome or dead letter was a dead
// letter that is tried again.
func (s *Store) readCalls(ctx context.Context) error {
	return s.calls.readBatches(ctx, func(at place, e entry) (bool, error) {
		if e.kind == kindAttempts {
			return s.readAttempts(at, e)
		}
		r, err := readHeader[record](e)
		if err != nil {
			return false, err
		}
		s.number = max(s.number, r.Number)
		if done := s.done[r.name]; done != nil {
			if done.Number >= r.Number {
				return false, nil
			}
			s.forget(done)
		}
		if l := s.dead[r.name]; l != nil && l.Number < r.Number {
			delete(s.dead, r.name)
			s.letters.release(l.at.seq)
		}
		if s.byName[r.name] != nil {
			return false, nil
		}
		c := &call{record: *r, at: at, state: queued, keeper: s.keepers[r.Realm], again: true, heap: -1}
		if c.keeper == nil {
			s.log.Warn("a call waits in a realm that is not served", "call", c.ID, "realm", string(c.Realm))
		}
		s.enter(c, len(e.header))
		return true, nil
	})
}

func (s *Store) readAttempts(at place, e entry) (bool, error) {
	n, err := readHeader[attempts](e)
	if err != nil {
		return false, err
	}
	c := s.byName[n.name]
	if c == nil || c.Number != n.Number {
		return false, nil
	}
	s.calls.release(c.noted)
	c.attempts, c.noted = *n, at.seq
	return true, nil
}

// resume goes on with the calls that were read, in the order in which they were
// accepted.
func (s *Store) resume() {
	all := make([]*call, 0, len(s.byName))
	for _, c := range s.byName {
		if c.keeper != nil {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, (*call).compare)
	for _, c := range all {
		s.queueUp(c)
	}
	now := time.Now()
	slices.SortStableFunc(s.ended, func(a, b *kept) int { return a.Ended.Compare(b.Ended) })
	for _, c := range all {
		s.expiries.add(c)
		if l := s.dead[c.name]; l != nil { // its outcome was not stored yet
			s.conclude(c, DeadLettered, ErrDeadLettered, deadText(&l.letter), nil)
			continue
		}
		if s.exhausted(c) {
			s.giveUp(c)
			continue
		}
		if c.Due.After(now) {
			c.state = delayed
		}
		s.begin(c)
	}
}

// deadText is the payload of the outcome of a dead letter.
func deadText(l *letter) wamp.Payload {
	last := ""
	if n := len(l.Reason); n > 0 {
		last = l.Reason[n-1]
	}
	p, _ := wamp.NewPayload(wamp.JSON, []any{strings.TrimSuffix("all attempts failed; the last one: "+last, "; the last one: ")}, nil)
	return p
}

// forget drops an outcome.
func (s *Store) forget(done *kept) {
	if s.done[done.name] == done {
		delete(s.done, done.name)
	}
	if done.at.seq != 0 {
		s.outcomes.release(done.at.seq)
		done.at = place{}
	}
}
