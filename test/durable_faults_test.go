package test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// refuseStart starts a gateway that must not come up, and say why.
func refuseStart(t *testing.T, dir string, words ...string) {
	t.Helper()
	refuseStartWith(t, os.Environ(), dir, words...)
}

// refuseStartWith is refuseStart with another environment.
func refuseStartWith(t *testing.T, env []string, dir string, words ...string) {
	t.Helper()
	cmd := exec.CommandContext(soon(t), binary(t), "serve", "--anonymous", "--listen=127.0.0.1:0", "--admin-listen=", "--data-dir="+dir)
	cmd.Env = env
	out, _ := cmd.CombinedOutput() // the exit code is looked at
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("%s: exit code %d, want 1\n%s", dir, code, out)
	}
	lines := strings.Split(string(out), "wampgate: ")
	said := lines[len(lines)-1] // by the command, not the log
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("%s: the gateway says nothing of %q:\n%s", dir, w, out)
		}
	}
}

// contents returns digests of all files below a folder but the lock, which
// every start writes its number into.
func contents(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	files := make(map[string][32]byte)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path == filepath.Join(dir, "lock") {
			return err
		}
		data, err := os.ReadFile(path)
		files[path] = sha256.Sum256(data)
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", dir, len(files), err)
	}
	return files
}

// harm changes the first file below a folder whose name matches.
func harm(t *testing.T, dir, pattern string, change func([]byte) []byte) {
	t.Helper()
	var path string
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if ok, _ := filepath.Match(pattern, filepath.Base(p)); ok && path == "" && strings.Contains(p, "WG_CALLS") {
			path = p
		}
		return err
	})
	if err != nil || path == "" {
		t.Fatalf("no %s below %s: %v", pattern, dir, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func flipMiddle(data []byte) []byte {
	for i := range 16 {
		data[len(data)/2+i] ^= 0xff
	}
	return data
}

// TestCorruptStore damages a store: the gateway refuses to start, twice, says
// what to do, and changes nothing; with the backup in its place all calls are
// there.
func TestCorruptStore(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		pattern string
		change  func([]byte) []byte
	}{
		"entries":     {"*.blk", flipMiddle},
		"an argument": {"*.blk", func(data []byte) []byte { return bytes.Replace(data, []byte(`["call-7"]`), []byte(`["call-8"]`), 1) }},
		"description": {"meta.inf", flipMiddle},
		"nothing":     {"meta.inf", func([]byte) []byte { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, dir := within(t, 2*patience), t.TempDir()
			data, backup := filepath.Join(dir, "data"), filepath.Join(dir, "backup")
			g := startDurable(t, data)
			for i := range 20 {
				g.accepted(ctx, t, "call-"+strconv.Itoa(i))
			}
			if err := g.stop(); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(backup, os.DirFS(data)); err != nil {
				t.Fatal(err)
			}
			harm(t, data, tt.pattern, tt.change)
			before := contents(t, data)
			for range 2 {
				refuseStart(t, data, "the store in "+data+" cannot be read", "nothing was changed", "Put a backup in its place", "move the directory away")
				if after := contents(t, data); !maps.Equal(before, after) {
					t.Errorf("files have changed: %d before, %d after", len(before), len(after))
				}
			}
			if err := os.RemoveAll(data); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(backup, data); err != nil {
				t.Fatal(err)
			}
			g.start(t, g.addr)
			for i := range 20 {
				if a := g.send(ctx, t, http.MethodGet, "/calls/call-"+strconv.Itoa(i), http.NoBody); a.status != http.StatusOK {
					t.Errorf("call-%d after the backup was put back: %+v", i, a)
				}
			}
		})
	}
}

// TestCorruptDefaultStore damages the store in the folder that is taken without
// --data-dir: calls that were accepted are in it, so the gateway does not run
// without them.
func TestCorruptDefaultStore(t *testing.T) {
	t.Parallel()
	ctx, home := within(t, 2*patience), t.TempDir()
	data := filepath.Join(home, "wampgate")
	g := startDurable(t, data)
	g.accepted(ctx, t, "call")
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	harm(t, data, "meta.inf", flipMiddle)
	refuseStartWith(t, append(os.Environ(), "XDG_STATE_HOME="+home), "auto", "the store in "+data+" cannot be read", "Put a backup in its place")
}

// accepted makes a persistent call that has no callee.
func (g *durableGateway) accepted(ctx context.Context, t *testing.T, id string) {
	t.Helper()
	if status, _, answer := g.ask(ctx, t, http.MethodPost, "/call/test.absent?trust=persistent", `["`+id+`"]`,
		"Prefer", "respond-async", "Idempotency-Key", id); status != http.StatusAccepted {
		t.Fatalf("%s: %d %s", id, status, answer)
	}
}

// TestDirectoryInUse starts a second gateway on a data directory: it says who
// has it, and the first one goes on.
func TestDirectoryInUse(t *testing.T) {
	t.Parallel()
	ctx, g := within(t, 2*patience), startDurable(t, t.TempDir())
	g.accepted(ctx, t, "before")
	refuseStart(t, g.dir, "data directory "+g.dir+" is in use", "number "+strconv.Itoa(g.cmd.Process.Pid), "Stop the other gateway", "--data-dir")
	g.accepted(ctx, t, "after")
	g.restart(t)
	for _, id := range []string{"before", "after"} {
		g.expect(ctx, t, http.MethodGet, "/calls/"+id, "", http.StatusOK, "")
	}
}
