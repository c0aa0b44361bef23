package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	// startTimeout is how long the server may take to read what it has kept.
	startTimeout = time.Minute
	// storeLimit is what the server believes to have: the limits are the
	// logs' own, and the disk's.
	storeLimit = 1 << 50
	maxStreams = 1000 // that are looked at
)

// An embedded is a NATS server in this process that nobody else can reach.
type embedded struct{ server *server.Server }

// takeDirectory makes dir and makes sure that it is this process's alone.
func takeDirectory(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, directoryError(dir, err)
	}
	unlock, err = lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, directoryError(dir, err)
	}
	return unlock, nil
}

// ErrInUse means that another process has the directory.
var ErrInUse = errors.New("another process has it")

// directoryError says what to do about a directory that cannot be used.
func directoryError(dir string, err error) error {
	switch {
	case errors.Is(err, ErrInUse):
		return fmt.Errorf("data directory %s is in use: %w\n  Stop the other gateway, or give this one a directory of its own with --data-dir", dir, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("data directory %s cannot be written: %w\n  Make it writable for this user, or choose another one with --data-dir", dir, err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("data directory %s: %w\n  Make room there, or choose another one with --data-dir", dir, err)
	}
	return fmt.Errorf("data directory %s cannot be used: %w\n  Choose another one with --data-dir", dir, err)
}

// startEmbedded starts a server on what is kept in dir. It refuses to go on
// with less than was kept there: the server itself would leave out what it
// cannot read.
func startEmbedded(dir string, log *slog.Logger) (*embedded, error) {
	words := &serverLog{log: log, starting: true}
	s, err := server.NewServer(&server.Options{
		ServerName:             "wampgate",
		DontListen:             true,
		JetStream:              true,
		StoreDir:               filepath.Join(dir, "store"),
		SyncAlways:             true,
		JetStreamMaxMemory:     1 << 20,
		JetStreamMaxStore:      storeLimit,
		MaxPayload:             maxEntry,
		MaxPending:             64 << 20,
		NoSigs:                 true,
		DisableJetStreamBanner: true,
	})
	if err != nil {
		return nil, fmt.Errorf("store in %s: %w", dir, err)
	}
	s.SetLoggerV2(words, false, false, false)
	s.Start()
	if !s.ReadyForConnections(startTimeout) || !s.JetStreamEnabled() {
		err = fmt.Errorf("it is not ready after %v", startTimeout)
	}
	if err == nil {
		err = complete(s, filepath.Join(dir, "store"))
	}
	if fault := words.started(); fault != "" && err != nil {
		err = fmt.Errorf("%w; %s", err, fault)
	}
	if err != nil {
		stop(s)
		return nil, damaged(dir, err)
	}
	return &embedded{s}, nil
}

// damaged says what to do about a store that cannot be read. The error is
// [ErrDamaged].
func damaged(dir string, err error) error {
	return fmt.Errorf("the store in %s cannot be read: %w: %w\n"+
		"  Calls that were accepted may be in it, so nothing was changed. Put a backup in its place, or, to go on\n"+
		"  without them, move the directory away and start again; an empty one will be made", dir, ErrDamaged, err)
}

// complete checks that the server has every stream that is on the disk, and
// missed no message in them. What it cannot read it leaves out without an
// error.
func complete(s *server.Server, store string) error {
	found, err := s.Jsz(&server.JSzOptions{Accounts: true, Streams: true, Limit: maxStreams})
	if err != nil {
		return err
	}
	known := make(map[string]bool)
	for _, account := range found.AccountDetails {
		for _, stream := range account.Streams {
			known[stream.Name] = true
			if lost := stream.State.Lost; lost != nil && len(lost.Msgs) > 0 {
				return fmt.Errorf("%d entries of %s are damaged", len(lost.Msgs), stream.Name)
			}
		}
	}
	dirs, err := filepath.Glob(filepath.Join(store, "jetstream", "*", "streams", "*", "meta.inf"))
	if err != nil {
		return err
	}
	for _, meta := range dirs {
		if name := filepath.Base(filepath.Dir(meta)); !known[name] && !strings.HasPrefix(name, ".") {
			return fmt.Errorf("%s is damaged", meta)
		}
	}
	return nil
}

func (e *embedded) connect() (*nats.Conn, error) {
	return nats.Connect("", nats.InProcessServer(e.server), nats.Name("wampgate"), nats.NoReconnect())
}

func (e *embedded) stop() { stop(e.server) }

func stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// A serverLog takes the server's log lines: errors and warnings go to ours. The
// last one explains a start that fails.
type serverLog struct {
	log *slog.Logger

	mu       sync.Mutex // guards the following fields
	starting bool
	fault    string // the last error or warning during the start
}

// started returns what went wrong during the start, which is over.
func (l *serverLog) started() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.starting = false
	return l.fault
}

// Errorf implements server.Logger.
func (l *serverLog) Errorf(format string, v ...any) { l.log.Error("store", "text", l.note(format, v)) }

// note returns the text of a line, and keeps it during the start.
func (l *serverLog) note(format string, v []any) string {
	text := strings.TrimSpace(fmt.Sprintf(format, v...))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.starting {
		l.fault = text
	}
	return text
}

// Fatalf implements server.Logger. Unlike that of the server's own logger it
// does not end the process.
func (l *serverLog) Fatalf(format string, v ...any) { l.Errorf(format, v...) }

// Warnf implements server.Logger.
func (l *serverLog) Warnf(format string, v ...any) { l.log.Warn("store", "text", l.note(format, v)) }

// Noticef implements server.Logger.
func (l *serverLog) Noticef(format string, v ...any) {
	l.log.Debug("store", "text", strings.TrimSpace(fmt.Sprintf(format, v...)))
}

// Debugf implements server.Logger.
func (*serverLog) Debugf(string, ...any) {}

// Tracef implements server.Logger.
func (*serverLog) Tracef(string, ...any) {}
