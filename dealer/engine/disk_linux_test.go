package engine_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wampgate/wampgate/dealer/engine"
)

// disk mounts a small disk of its own.
func disk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("wampgate-test", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skip("cannot mount a small disk:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestDiskFull lets somebody else fill the disk, below what the logs reserve:
// nothing is stored then, nothing that was is lost, and it goes on when there
// is room again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := disk(t, "8m")
	e := open(t, engine.Config{Dir: filepath.Join(dir, "data")})
	j := journal(t, e, engine.LogConfig{Name: "calls"})
	if _, err := j.Append(t.Context(), []byte("first"), 0); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	err := os.WriteFile(ballast, make([]byte, 16<<20), 0o600)
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte{'x'}, 100<<10)
	limited, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	_, err = j.Append(limited, data, 1)
	cancel()
	if !errors.Is(err, engine.ErrUnavailable) && !errors.Is(err, engine.ErrFull) {
		t.Fatalf("on a full disk: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	seq, err := j.Append(t.Context(), data, 1)
	if err != nil || seq != 2 {
		t.Fatalf("after room was made: %d, %v", seq, err)
	}
	if got := read(t, j); !strings.HasPrefix(got, "1:first 2:xxx") || len(got) > 110<<10 {
		t.Errorf("read %.40s…", got)
	}
}

func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	dir := disk(t, "1m")
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skip("cannot mount a disk that is read only:", err)
	}
	_, err := engine.Open(t.Context(), engine.Config{Dir: filepath.Join(dir, "data")})
	if err == nil || !strings.Contains(err.Error(), "cannot be written") || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("open: %v", err)
	}
}
