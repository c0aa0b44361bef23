package main

import (
	"strings"
	"testing"
)

func TestStateDir(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		system, xdg, home, want string
	}{
		{"linux", "/state", "/home/ada", "/state/wampgate"},
		{"linux", "", "/home/ada", "/home/ada/.local/state/wampgate"},
		{"linux", "state", "/home/ada", "/home/ada/.local/state/wampgate"},
		{"linux", "state", "", ""},
		{"darwin", "", "/Users/ada", "/Users/ada/Library/Application Support/wampgate"},
		{"windows", "", "/home/ada", ""},
	} {
		if got := stateDir(tt.system, map[string]string{"XDG_STATE_HOME": tt.xdg, "HOME": tt.home}); got != tt.want {
			t.Errorf("stateDir(%s, %q, %q) = %q, want %q", tt.system, tt.xdg, tt.home, got, tt.want)
		}
	}
	if got := stateDir("windows", map[string]string{"LOCALAPPDATA": "/local"}); got != "/local/wampgate" {
		t.Errorf("on Windows: %q", got)
	}
}

// TestNamedFolder names a folder that cannot be used.
func TestNamedFolder(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "file", "")
	got := runWith(soon(t), nil, "dev", "--listen=127.0.0.1:0", "--data-dir="+file)
	if got.code != exitFailed || !strings.Contains(got.stderr, file) || !strings.Contains(got.stderr, "--data-dir") {
		t.Errorf("code %d, %s", got.code, got.stderr)
	}
}

// TestStorageOfTheHomeless opens a storage that has no place, and one that is
// closed.
func TestStorageOfTheHomeless(t *testing.T) {
	t.Parallel()
	s := newStorage(&settings{DataDir: autoDir}, nil)
	if s.holds() {
		t.Error("it holds something")
	}
	_, err := s.open(t.Context())
	if err == nil || !s.unused(err) {
		t.Errorf("open: %v", err)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
	if _, err := s.open(t.Context()); err == nil || s.unused(err) || !strings.Contains(err.Error(), "shutting down") {
		t.Errorf("open after close: %v", err)
	}
}
