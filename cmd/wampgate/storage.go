package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/wampgate/wampgate/dealer/engine"
)

// autoDir is the data-dir that stands for a folder of the user's own, which is
// made when there is something to keep.
const autoDir = "auto"

// A storage is where all is kept that outlives the process. It opens the
// engine for whoever needs it first and lends it to the others. Its methods
// may be called by many goroutines at once.
type storage struct {
	config engine.Config
	auto   bool // the folder is the default; its absence stops nobody

	mu     sync.Mutex // guards the following fields; held while the engine is opened
	engine *engine.Engine
	closed bool
}

// newStorage returns the storage that the settings ask for; nil if nothing is
// to be kept. It opens nothing.
func newStorage(s *settings, log *slog.Logger) *storage {
	if s.DataDir == "" && len(s.NATSURLs) == 0 {
		return nil
	}
	st := &storage{config: engine.Config{
		Dir: s.DataDir, URLs: s.NATSURLs, Credentials: s.NATSCredentials, Monitor: s.NATSMonitor, Replicas: s.NATSReplicas, Log: log,
	}}
	if s.DataDir == autoDir && len(s.NATSURLs) == 0 {
		st.auto, st.config.Dir = true, s.stateDir
	}
	return st
}

// stateDir returns the folder for what a program keeps for its user between
// two runs, by the custom of the system; empty if the environment names none.
func stateDir(system string, env map[string]string) string {
	base, home := env["XDG_STATE_HOME"], env["HOME"]
	switch {
	case filepath.IsAbs(base): // others are to be ignored, by the XDG Base Directory Specification
	case system == "windows":
		base = env["LOCALAPPDATA"]
	case system == "darwin":
		base = filepath.Join(home, "Library", "Application Support")
	default:
		base = filepath.Join(home, ".local", "state")
	}
	if !filepath.IsAbs(base) {
		return ""
	}
	return filepath.Join(base, "wampgate")
}

// A storageError is the error of a storage that cannot be opened. Told is for
// clients: it names no path.
type storageError struct {
	err  error
	told string
}

func (e *storageError) Error() string { return e.err.Error() }
func (e *storageError) Unwrap() error { return e.err }

// Told returns the text for clients.
func (e *storageError) Told() string { return e.told }

var (
	errNoHome        = errors.New("there is no home folder to keep anything in; choose a folder with --data-dir")
	errStorageClosed = errors.New("the gateway is shutting down")
)

// open returns the engine, which is opened if it is not yet. Who gets it does
// not close it. The error is a *storageError and says what to do.
func (s *storage) open(ctx context.Context) (*engine.Engine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, &storageError{errStorageClosed, errStorageClosed.Error()}
	case s.engine != nil:
		return s.engine, nil
	case s.auto && s.config.Dir == "":
		return nil, &storageError{errNoHome, "nothing is kept here: " + errNoHome.Error()}
	}
	e, err := engine.Open(ctx, s.config)
	if err != nil {
		return nil, s.refused(err)
	}
	s.engine = e
	return e, nil
}

// refused says for clients why the engine does not open.
func (s *storage) refused(err error) error {
	told := "nothing can be kept now; the gateway's log says why"
	if s.auto {
		told += ", and --data-dir chooses another folder"
	}
	if s.auto && errors.Is(err, engine.ErrInUse) {
		told = "nothing is kept here: another gateway has the default folder; give this one a folder of its own with --data-dir"
	}
	return &storageError{err, told}
}

// holds reports whether anything may be kept: in the default folder only if
// that is there.
func (s *storage) holds() bool {
	if !s.auto {
		return true
	}
	_, err := os.Stat(s.config.Dir)
	return s.config.Dir != "" && !errors.Is(err, os.ErrNotExist)
}

// unused reports whether err says that this gateway keeps nothing: its default
// folder is another one's, or nowhere.
func (s *storage) unused(err error) bool {
	return s.auto && (errors.Is(err, engine.ErrInUse) || errors.Is(err, errNoHome))
}

// close closes the engine, once nobody uses it any more. It stays closed.
func (s *storage) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.engine == nil {
		return nil
	}
	return s.engine.Close()
}
