package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The errors of logs. They are wrapped with what happened.
var (
	// ErrFull means that there is no room, by a log's limit or on the disk.
	// Nothing was stored.
	ErrFull = errors.New("the store is full")
	// ErrStale means that the log does not end where the writer thinks it
	// does: somebody else has written. Nothing was stored.
	ErrStale = errors.New("the log was written by somebody else")
	// ErrUnavailable means that the store gave no answer in time. An entry may
	// have been stored, or not.
	ErrUnavailable = errors.New("the store does not answer")
	// ErrTooLarge means that an entry exceeds [Engine.MaxEntry].
	ErrTooLarge = errors.New("the entry is too large for the store")
)

// Durability is what an acknowledged entry survives.
type Durability string

// The degrees of Durability.
const (
	// Synced entries survive power loss: the server waits for the disk.
	Synced Durability = "synced"
	// Unsynced entries survive the death of processes, but those of the last
	// two minutes may not survive power loss.
	Unsynced Durability = "unsynced"
	// Unverified means that a server elsewhere did not say how it writes.
	Unverified Durability = "unverified"
)

// A Config says where the store is.
type Config struct {
	// Dir is the directory of the server inside this process, made if need be.
	// No other process may use it. It is ignored if there are URLs.
	Dir string

	// URLs are those of NATS servers elsewhere, such as nats://a:4222. They
	// must have JetStream.
	URLs []string
	// Credentials is the path of a NATS credentials file; empty for none.
	Credentials string
	// Monitor is the URL of a NATS server's monitoring port, which tells how
	// the server writes; empty for none.
	Monitor string
	// Replicas is on how many servers elsewhere an entry is kept, 1 to 5.
	// Default 1.
	Replicas int

	// Log takes what operators should know; default: nothing is logged.
	Log *slog.Logger
}

const (
	// appendTimeout is how long one attempt to append may take.
	appendTimeout = 5 * time.Second
	// retryWait is the pause between attempts.
	retryWait = 100 * time.Millisecond
	// maxEntry is the largest entry of a server inside this process.
	maxEntry = 2 << 20
	// entryOverhead is what of a server's limit is left for headers.
	entryOverhead = 1 << 10
)

// An Engine is an open store. Its methods, and those of its logs, may be
// called by any number of goroutines at once.
type Engine struct {
	config     Config
	log        *slog.Logger
	durability Durability
	unlock     func() error // gives the directory back; nil for servers elsewhere

	mu         sync.RWMutex // guards the following fields
	embedded   *embedded    // nil for servers elsewhere
	conn       *nats.Conn
	js         jetstream.JetStream
	generation int // counts the starts of the embedded server
	closed     bool
}

// Open starts the server inside this process, or connects to those elsewhere.
// Its errors say what to do. Close the engine that it returns.
func Open(ctx context.Context, c Config) (*Engine, error) {
	e := &Engine{config: c, log: c.Log}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if len(c.URLs) > 0 {
		return e, e.connect(ctx)
	}
	var err error
	if e.unlock, err = takeDirectory(c.Dir); err != nil {
		return nil, err
	}
	e.durability = Synced
	err = checkBlocks(c.Dir)
	if err == nil {
		err = e.start()
	}
	if err != nil {
		return nil, errors.Join(err, e.unlock())
	}
	return e, nil
}

// Durability says what an acknowledged entry survives.
func (e *Engine) Durability() Durability { return e.durability }

// MaxEntry returns how many bytes an entry may have.
func (e *Engine) MaxEntry() int {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return max(int(e.conn.MaxPayload())-entryOverhead, 0)
}

// Close ends the server inside this process, or the connection. Logs fail
// afterwards. Closing twice does nothing.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	e.conn.Close()
	if e.embedded == nil {
		return nil
	}
	e.embedded.stop()
	return e.unlock()
}

// jetStream returns the connection in use, and which one it is.
func (e *Engine) jetStream() (jetstream.JetStream, int) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.js, e.generation
}

// revive restarts the embedded server: after a failed write, as on a full
// disk, a JetStream stays down for good. Of those who ask for the same start
// one does it.
func (e *Engine) revive(generation int, why error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.embedded == nil || e.closed || e.generation != generation {
		return nil
	}
	e.log.Warn("the store failed and is started again", "dir", e.config.Dir, "err", why)
	e.conn.Close()
	e.embedded.stop()
	return e.startLocked()
}

func (e *Engine) start() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.startLocked()
}

func (e *Engine) startLocked() error {
	server, err := startEmbedded(e.config.Dir, e.log)
	if err != nil {
		return err
	}
	conn, err := server.connect()
	if err != nil {
		server.stop()
		return err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		server.stop()
		return err
	}
	e.embedded, e.conn, e.js = server, conn, js
	e.generation++
	return nil
}
