package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/wampgate/wampgate/dealer/engine"
)

func open(t *testing.T, c engine.Config) *engine.Engine {
	t.Helper()
	e, err := engine.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func journal(t *testing.T, e *engine.Engine, c engine.LogConfig) engine.Journal {
	t.Helper()
	j, err := e.Journal(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func read(t *testing.T, j engine.Journal) string {
	t.Helper()
	var all []string
	err := j.Read(t.Context(), func(e engine.Entry) error {
		all = append(all, fmt.Sprintf("%d:%s", e.Seq, e.Data))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

func TestJournal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := open(t, engine.Config{Dir: dir})
	if e.Durability() != engine.Synced {
		t.Errorf("durability %s", e.Durability())
	}
	j := journal(t, e, engine.LogConfig{Name: "calls"})
	for i, text := range []string{"a", "b", "c"} {
		if seq, err := j.Append(t.Context(), []byte(text), uint64(i)); err != nil || seq != uint64(i+1) {
			t.Fatal(seq, err)
		}
	}
	if _, err := j.Append(t.Context(), []byte("d"), 2); !errors.Is(err, engine.ErrStale) {
		t.Errorf("an append after the last but one: %v", err)
	}
	for _, seq := range []uint64{2, 2, 3} {
		if err := j.Delete(t.Context(), seq); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.Get(t.Context(), 2); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("a deleted entry: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	j = journal(t, open(t, engine.Config{Dir: dir}), engine.LogConfig{Name: "calls"})
	if state, err := j.State(t.Context()); err != nil || state.Entries != 1 || state.Last != 3 {
		t.Fatal(state, err) // the number of a deleted entry is not given again
	}
	if seq, err := j.Append(t.Context(), []byte("d"), 3); err != nil || seq != 4 {
		t.Fatal(seq, err)
	}
	if got := read(t, j); got != "1:a 4:d" {
		t.Errorf("read %s", got)
	}
}

func TestTxLog(t *testing.T) {
	t.Parallel()
	e := open(t, engine.Config{Dir: t.TempDir()})
	l, err := e.TxLog(t.Context(), engine.LogConfig{Name: "tx"})
	if err != nil {
		t.Fatal(err)
	}
	begun, err := l.Append(t.Context(), "a b.*>", []byte("begin"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), "a b.*>", []byte("begin"), 0); !errors.Is(err, engine.ErrStale) {
		t.Errorf("begun twice: %v", err)
	}
	if _, err := l.Append(t.Context(), "other", []byte("other"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), "a b.*>", []byte("end"), begun); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), "a b.*>", []byte("late"), begun); !errors.Is(err, engine.ErrStale) {
		t.Errorf("an overtaken coordinator: %v", err)
	}
	got := ""
	take := func(e engine.Entry) error { got += string(e.Data) + " "; return nil }
	if err := l.Entries(t.Context(), "a b.*>", take); err != nil || got != "begin end " {
		t.Errorf("%q, %v", got, err)
	}
	if err := l.Remove(t.Context(), "a b.*>"); err != nil {
		t.Fatal(err)
	}
	got = ""
	if err := l.Each(t.Context(), take); err != nil || got != "other " {
		t.Errorf("%q, %v", got, err)
	}
	if state, err := l.State(t.Context()); err != nil || state.Entries != 1 {
		t.Error(state, err)
	}
}

func TestFull(t *testing.T) {
	t.Parallel()
	e := open(t, engine.Config{Dir: t.TempDir()})
	j := journal(t, e, engine.LogConfig{Name: "small", MaxBytes: 64 << 10})
	data := bytes.Repeat([]byte{'x'}, 30<<10)
	last := uint64(0)
	var err error
	for err == nil {
		var seq uint64
		if seq, err = j.Append(t.Context(), data, last); err == nil {
			last = seq
		}
	}
	if !errors.Is(err, engine.ErrFull) || last != 2 {
		t.Fatalf("after %d entries: %v", last, err)
	}
	if err := j.Delete(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(t.Context(), data, last); err != nil {
		t.Errorf("after room was made: %v", err)
	}
	if _, err := j.Append(t.Context(), make([]byte, 3<<20), last+1); !errors.Is(err, engine.ErrTooLarge) {
		t.Errorf("an entry of 3 MiB: %v", err)
	}
	scarce := journal(t, e, engine.LogConfig{Name: "scarce", Reserve: 1 << 60})
	if _, err := scarce.Append(t.Context(), data, 0); !errors.Is(err, engine.ErrFull) {
		t.Errorf("a disk with less than its reserve: %v", err)
	}
}

// Refusals to start say where, why and what to do.
func TestRefusals(t *testing.T) {
	t.Parallel()
	refuses := func(t *testing.T, dir string, words ...string) {
		t.Helper()
		e, err := engine.Open(t.Context(), engine.Config{Dir: dir})
		if err == nil {
			_ = e.Close()
			t.Fatal("it starts")
		}
		for _, w := range append(words, dir) {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q is not in: %v", w, err)
			}
		}
	}
	t.Run("in use", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		open(t, engine.Config{Dir: dir})
		refuses(t, dir, "in use", fmt.Sprint(os.Getpid()), "--data-dir")
	})
	t.Run("not a directory", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		refuses(t, file, "--data-dir")
	})
	t.Run("read only", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "locked")
		if err := os.Mkdir(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		if os.Getuid() == 0 {
			t.Skip("root writes everywhere; the test of the binary mounts a disk")
		}
		refuses(t, dir, "cannot be written", "--data-dir")
	})
	t.Run("damaged description", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		fill(t, dir)
		damage(t, dir, "meta.inf")
		refuses(t, dir, "cannot be read", "backup")
		refuses(t, dir, "cannot be read", "backup") // the refusal changed nothing
	})
}

// TestDamaged changes bytes of entries: they are missed, whether the server
// notices at the start, or somebody reads, or appends or deletes without having
// read, which changes nothing.
func TestDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fill(t, dir)
	damage(t, dir, "*.blk")
	uses := map[string]func(engine.Journal) error{
		"append": func(j engine.Journal) error { _, err := j.Append(t.Context(), []byte("behind"), 50); return err },
		"delete": func(j engine.Journal) error { return j.Delete(t.Context(), 1) },
		"read":   func(j engine.Journal) error { return j.Read(t.Context(), func(engine.Entry) error { return nil }) },
	}
	for _, what := range []string{"append", "delete", "read", "append"} {
		e, err := engine.Open(t.Context(), engine.Config{Dir: dir})
		if err == nil {
			err = uses[what](journal(t, e, engine.LogConfig{Name: "calls"}))
			if e := e.Close(); e != nil {
				t.Error(e)
			}
		}
		if err == nil || !strings.Contains(err.Error(), "backup") || !strings.Contains(err.Error(), dir) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

func fill(t *testing.T, dir string) {
	t.Helper()
	e := open(t, engine.Config{Dir: dir})
	j := journal(t, e, engine.LogConfig{Name: "calls"})
	for i := range uint64(50) {
		if _, err := j.Append(t.Context(), bytes.Repeat([]byte{byte(i)}, 1000), i); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// damage changes bytes in the middle of the first file that matches.
func damage(t *testing.T, dir, pattern string) {
	t.Helper()
	var path string
	err := filepath.WalkDir(dir, func(p string, _ os.DirEntry, err error) error {
		if ok, _ := filepath.Match(pattern, filepath.Base(p)); ok && path == "" {
			path = p
		}
		return err
	})
	if err != nil || path == "" {
		t.Fatal(path, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 16 {
		data[len(data)/2+i] ^= 0xff
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestElsewhere uses a server outside of the engine, reached over the network.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	for _, sync := range []bool{true, false} {
		s, err := server.NewServer(&server.Options{
			Host: "127.0.0.1", Port: -1, HTTPHost: "127.0.0.1", HTTPPort: -1, JetStream: true, StoreDir: t.TempDir(),
			SyncAlways: sync, NoSigs: true, NoLog: true, Username: "u", Password: "secret",
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		if !s.ReadyForConnections(10 * time.Second) {
			t.Fatal("the server does not start")
		}
		url := strings.Replace(s.ClientURL(), "nats://", "nats://u:secret@", 1)
		var log bytes.Buffer
		c := engine.Config{URLs: []string{url}, Log: slog.New(slog.NewTextHandler(&log, nil))}
		e := open(t, c)
		if e.Durability() != engine.Unverified || !strings.Contains(log.String(), "unverified") {
			t.Errorf("durability %s; log %s", e.Durability(), log.String())
		}
		c.Monitor = "http://" + s.MonitorAddr().String()
		want := map[bool]engine.Durability{true: engine.Synced, false: engine.Unsynced}[sync]
		if got := open(t, c).Durability(); got != want {
			t.Errorf("sync %v: durability %s", sync, got)
		}
		j := journal(t, e, engine.LogConfig{Name: "calls"})
		if seq, err := j.Append(t.Context(), []byte("a"), 0); err != nil || seq != 1 {
			t.Error(seq, err)
		}
		c.URLs = []string{strings.Replace(url, "secret", "hidden", 1)}
		if _, err := engine.Open(t.Context(), c); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("a wrong password: %v", err)
		}
	}
}

// TestUnavailable closes the engine under a writer.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	e := open(t, engine.Config{Dir: t.TempDir()})
	j := journal(t, e, engine.LogConfig{Name: "calls"})
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := j.Append(ctx, []byte("a"), 0); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("append: %v", err)
	}
}
