package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// An Entry is what was appended.
type Entry struct {
	Seq  uint64    // grows over all entries of a log
	Time time.Time // when the store got it, by its own clock
	Data []byte    // the reader's own
}

// A LogConfig sets up a log.
type LogConfig struct {
	// Name tells a store's logs apart: lower-case letters, digits and "_".
	Name string
	// MaxBytes bounds what the log holds; beyond it Append gets [ErrFull].
	// Zero means no bound but the disk.
	MaxBytes int64
	// Reserve is how much of the disk Append leaves free: what has to get
	// through when others get ErrFull has a smaller one. It only holds for the
	// server inside this process.
	Reserve int64
}

// A State is how full a log is.
type State struct {
	Entries, Bytes uint64
	Last           uint64 // the number of the last entry ever, also if it was deleted
}

// A Journal is a log with one writer. See the package's comment for Append.
//
// Of a log on this machine, Append and Delete read all entries first unless
// somebody has: whoever reads before he writes does so once.
type Journal interface {
	// Append stores an entry behind the one with the number last.
	Append(ctx context.Context, data []byte, last uint64) (seq uint64, err error)
	// Read calls take with all entries, the oldest first, until it fails. It
	// fails with [ErrDamaged] if some cannot be read.
	Read(ctx context.Context, take func(Entry) error) error
	// Get returns an entry.
	Get(ctx context.Context, seq uint64) (Entry, error)
	// Delete removes an entry; others keep their numbers. It is not waited for
	// until the disk has it: after power loss the entry may be there again.
	Delete(ctx context.Context, seq uint64) error
	// State says how full the journal is.
	State(ctx context.Context) (State, error)
}

// A TxLog is a log of one sequence for each key, whose entries stay until the
// key is removed.
type TxLog interface {
	// Append stores an entry under key, behind the key's entry with the number
	// last; 0 for the first one.
	Append(ctx context.Context, key string, data []byte, last uint64) (seq uint64, err error)
	// Entries calls take with the entries of a key, the oldest first, until it
	// fails.
	Entries(ctx context.Context, key string, take func(Entry) error) error
	// Each calls take with the entries of all keys in the order in which they
	// came, until it fails. An entry does not say its key. It fails with
	// [ErrDamaged] if some cannot be read.
	Each(ctx context.Context, take func(Entry) error) error
	// Remove deletes the entries of a key.
	Remove(ctx context.Context, key string) error
	// State says how full the log is.
	State(ctx context.Context) (State, error)
}

// Journal returns the journal of that name, which is made if need be.
func (e *Engine) Journal(ctx context.Context, c LogConfig) (Journal, error) {
	s, err := e.open(ctx, c)
	if err != nil {
		return nil, err
	}
	return journal{s}, nil
}

// TxLog returns the log of that name, which is made if need be.
func (e *Engine) TxLog(ctx context.Context, c LogConfig) (TxLog, error) {
	s, err := e.open(ctx, c)
	if err != nil {
		return nil, err
	}
	return txLog{s}, nil
}

// A stream is the JetStream stream of a log.
type stream struct {
	engine *Engine
	config LogConfig
	name   string // of the stream
	prefix string // of its subjects

	sound atomic.Bool // all entries have been read once

	mu         sync.Mutex       // guards the following fields
	handle     jetstream.Stream // of the connection of that generation
	generation int
}

// current returns the stream over the connection in use.
func (s *stream) current(ctx context.Context) (jetstream.Stream, error) {
	js, generation := s.engine.jetStream()
	s.mu.Lock()
	handle := s.handle
	if s.generation != generation {
		handle = nil
	}
	s.mu.Unlock()
	if handle != nil {
		return handle, nil
	}
	handle, err := js.Stream(ctx, s.name)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.handle, s.generation = handle, generation
	s.mu.Unlock()
	return handle, nil
}

func (e *Engine) open(ctx context.Context, c LogConfig) (*stream, error) {
	s := &stream{engine: e, config: c, name: "WG_" + strings.ToUpper(c.Name), prefix: "wg." + c.Name + "."}
	js, _ := e.jetStream()
	maxBytes := c.MaxBytes
	if maxBytes <= 0 {
		maxBytes = -1
	}
	_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:     s.name,
		Subjects: []string{s.prefix + ">"},
		Storage:  jetstream.FileStorage,
		Discard:  jetstream.DiscardNew,
		MaxBytes: maxBytes,
		Replicas: max(e.config.Replicas, 1),
	})
	switch {
	case err != nil && strings.Contains(err.Error(), syscall.ENOSPC.Error()): // it comes as text
		return nil, directoryError(e.config.Dir, fmt.Errorf("log %s: %w", c.Name, syscall.ENOSPC))
	case err != nil:
		return nil, fmt.Errorf("log %s: %w", c.Name, err)
	}
	return s, nil
}

// verify reads a log on this machine, if nobody has, before anything is written
// to it: a server that writes behind a damaged entry repairs the log, which means
// that it drops what it cannot read, and afterwards nobody could tell.
func (s *stream) verify(ctx context.Context) error {
	if s.sound.Load() || len(s.engine.config.URLs) > 0 {
		return nil
	}
	return s.all(ctx, func(Entry) error { return nil })
}

// incomplete is the error of a log that lacks entries.
func (s *stream) incomplete(kept, found uint64) error {
	where := s.engine.config.Dir
	if len(s.engine.config.URLs) > 0 {
		where = redact(s.engine.config.URLs)
	}
	return damaged(where, fmt.Errorf("log %s has %d entries, of which %d can be read", s.config.Name, kept, found))
}

// subject returns the subject of a key, which may be any string.
func (s *stream) subject(key string) string {
	sum := sha256.Sum256([]byte(key))
	return s.prefix + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16])
}

// room returns an error if an entry must not be stored.
func (s *stream) room(data []byte) error {
	if len(data) > s.engine.MaxEntry() {
		return fmt.Errorf("log %s: %w: %d bytes", s.config.Name, ErrTooLarge, len(data))
	}
	if len(s.engine.config.URLs) > 0 {
		return nil
	}
	if free, known := freeSpace(s.engine.config.Dir); known && free < s.config.Reserve {
		return fmt.Errorf("log %s: %w: %d bytes are left on the disk of %s", s.config.Name, ErrFull, free, s.engine.config.Dir)
	}
	return nil
}

// append publishes an entry until it is certain what came of it, or ctx ends.
// expect says where it must come, and mine whether an entry that is there
// already is this one.
func (s *stream) append(ctx context.Context, subject string, data []byte, expect jetstream.PublishOpt, mine func(context.Context) (uint64, bool)) (uint64, error) {
	switch err := s.verify(ctx); {
	case errors.Is(err, ErrDamaged):
		return 0, err
	case err != nil:
		return 0, fmt.Errorf("log %s: %w: %w", s.config.Name, ErrUnavailable, err)
	}
	if err := s.room(data); err != nil {
		return 0, err
	}
	for attempt := 0; ; attempt++ {
		js, generation := s.engine.jetStream()
		limited, cancel := context.WithTimeout(ctx, appendTimeout)
		ack, err := js.Publish(limited, subject, data, expect)
		cancel()
		switch verdict(err) {
		case stored:
			return ack.Sequence, nil
		case full:
			return 0, fmt.Errorf("log %s: %w: %w", s.config.Name, ErrFull, err)
		case stale:
			if attempt > 0 {
				if seq, ok := mine(ctx); ok {
					return seq, nil
				}
			}
			return 0, fmt.Errorf("log %s: %w: %w", s.config.Name, ErrStale, err)
		case unknown:
		}
		if ctx.Err() != nil {
			return 0, fmt.Errorf("log %s: %w: %w", s.config.Name, ErrUnavailable, err)
		}
		if e := s.engine.revive(generation, err); e != nil {
			return 0, fmt.Errorf("log %s: %w: %w", s.config.Name, ErrUnavailable, e)
		}
		pause(ctx, retryWait)
	}
}

// pause waits, no longer than ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// An outcome is what came of an attempt to append.
type outcome int

const (
	stored outcome = iota
	full
	stale
	unknown
)

// The error codes of JetStream that say that nothing was stored.
const (
	codeStoreFailed       = 10077 // with the reason as text
	codeWrongLastSequence = 10071
	codeNoResources       = 10023
)

func verdict(err error) outcome {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return stored
	case !errors.As(err, &api):
		return unknown
	}
	switch api.ErrorCode {
	case codeWrongLastSequence:
		return stale
	case codeNoResources:
		return full
	case codeStoreFailed:
		if strings.Contains(api.Description, "maximum") {
			return full
		}
	}
	return unknown
}

// at returns the entry with that number, or the next one if next is set, of a
// subject that may have wildcards.
func (s *stream) at(ctx context.Context, seq uint64, subject string) (Entry, error) {
	limited, cancel := context.WithTimeout(ctx, appendTimeout)
	defer cancel()
	st, err := s.current(limited)
	if err != nil {
		return Entry{}, s.readError(err)
	}
	var options []jetstream.GetMsgOpt
	if subject != "" {
		options = append(options, jetstream.WithGetMsgSubject(subject))
	}
	m, err := st.GetMsg(limited, seq, options...)
	if err != nil {
		return Entry{}, s.readError(err)
	}
	return Entry{Seq: m.Sequence, Time: m.Time, Data: m.Data}, nil
}

var (
	// ErrNotFound means that there is no such entry.
	ErrNotFound = errors.New("no such entry")
	// ErrDamaged means that entries that were not deleted cannot be read, or
	// the store as a whole.
	ErrDamaged = errors.New("the store is damaged")
)

// codeNotFound is JetStream's error code for a number that it has no message
// for.
const codeNotFound = 10043

func missing(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrMsgNotFound) || errors.As(err, &api) && api.ErrorCode == codeNotFound
}

func (s *stream) readError(err error) error {
	switch {
	case missing(err):
		return fmt.Errorf("log %s: %w", s.config.Name, ErrNotFound)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("log %s: %w", s.config.Name, err)
	}
	return fmt.Errorf("log %s: %w: %w", s.config.Name, ErrUnavailable, err)
}

// all calls take with all entries. It fails if there are more than can be
// read. From a log on this machine nobody else deletes meanwhile, as long as it
// has not been read once.
func (s *stream) all(ctx context.Context, take func(Entry) error) error {
	before, err := s.State(ctx)
	if err != nil {
		return err
	}
	found := uint64(0)
	err = s.each(ctx, s.prefix+">", func(e Entry) error {
		if e.Seq <= before.Last {
			found++
		}
		return take(e)
	})
	switch {
	case err != nil:
		return err
	case found == before.Entries:
		s.sound.Store(true)
		return nil
	case len(s.engine.config.URLs) == 0 && !s.sound.Load():
		return s.incomplete(before.Entries, found)
	}
	after, err := s.State(ctx)
	if err != nil || after.Entries < before.Entries { // somebody deletes
		return err
	}
	return s.incomplete(before.Entries, found)
}

// each calls take with the entries of a subject that may have wildcards.
func (s *stream) each(ctx context.Context, subject string, take func(Entry) error) error {
	for next := uint64(1); ; {
		e, err := s.at(ctx, next, subject)
		switch {
		case errors.Is(err, ErrNotFound):
			return nil
		case err != nil:
			return err
		}
		if err := take(e); err != nil {
			return err
		}
		next = e.Seq + 1
	}
}

// State implements Journal and TxLog.
func (s *stream) State(ctx context.Context) (State, error) {
	limited, cancel := context.WithTimeout(ctx, appendTimeout)
	defer cancel()
	st, err := s.current(limited)
	if err != nil {
		return State{}, s.readError(err)
	}
	info, err := st.Info(limited)
	if err != nil {
		return State{}, s.readError(err)
	}
	return State{Entries: info.State.Msgs, Bytes: info.State.Bytes, Last: info.State.LastSeq}, nil
}

type journal struct{ *stream }

// Append implements Journal.
func (j journal) Append(ctx context.Context, data []byte, last uint64) (uint64, error) {
	mine := func(ctx context.Context) (uint64, bool) {
		e, err := j.at(ctx, last+1, "")
		return last + 1, err == nil && bytes.Equal(e.Data, data)
	}
	return j.append(ctx, j.prefix+"e", data, jetstream.WithExpectLastSequence(last), mine)
}

// Read implements Journal.
func (j journal) Read(ctx context.Context, take func(Entry) error) error {
	return j.all(ctx, take)
}

// Get implements Journal.
func (j journal) Get(ctx context.Context, seq uint64) (Entry, error) { return j.at(ctx, seq, "") }

// Delete implements Journal.
func (j journal) Delete(ctx context.Context, seq uint64) error {
	if err := j.verify(ctx); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, appendTimeout)
	defer cancel()
	st, err := j.current(limited)
	if err != nil {
		return j.readError(err)
	}
	err = st.DeleteMsg(limited, seq)
	if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		if _, e := st.GetMsg(limited, seq); missing(e) { // it was deleted before
			return nil
		}
	}
	if err != nil {
		return j.readError(err)
	}
	return nil
}

type txLog struct{ *stream }

// Append implements TxLog.
func (l txLog) Append(ctx context.Context, key string, data []byte, last uint64) (uint64, error) {
	subject := l.subject(key)
	mine := func(ctx context.Context) (uint64, bool) {
		e, err := l.at(ctx, last+1, subject)
		return e.Seq, err == nil && bytes.Equal(e.Data, data)
	}
	return l.append(ctx, subject, data, jetstream.WithExpectLastSequencePerSubject(last), mine)
}

// Entries implements TxLog.
func (l txLog) Entries(ctx context.Context, key string, take func(Entry) error) error {
	return l.each(ctx, l.subject(key), take)
}

// Each implements TxLog.
func (l txLog) Each(ctx context.Context, take func(Entry) error) error {
	return l.all(ctx, take)
}

// Remove implements TxLog.
func (l txLog) Remove(ctx context.Context, key string) error {
	if err := l.verify(ctx); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, appendTimeout)
	defer cancel()
	st, err := l.current(limited)
	if err != nil {
		return l.readError(err)
	}
	if err := st.Purge(limited, jetstream.WithPurgeSubject(l.subject(key))); err != nil {
		return l.readError(err)
	}
	return nil
}
