// Package test holds wampgate's tests from the outside: the built binary,
// real sockets, curl, and WAMP clients written by others.
//
// The clients come from npm and PyPI into a cache folder (WAMPGATE_TEST_CACHE,
// else "wampgate-test" in the user's cache folder). A test says in one line
// what it leaves out where Node, Python, Chromium or curl is missing; with CI=true it
// fails instead. WAMPGATE_TEST_HEAVY=1 adds the heavy tier: a 1 GiB upload, a
// million events, the times of a hundred Ctrl-C, a thousand half-open connections,
// 5,000 generated requests, and the throughput of calls with credentials.
package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long a test waits for something that should come at once.
const patience = 30 * time.Second

// scratch is the folder that holds the binary while the tests run.
var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "wampgate-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := os.Setenv("XDG_STATE_HOME", filepath.Join(scratch, "state")); err != nil { // no test touches that of the user
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(scratch); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// build makes the binary once, for the first test that needs it.
var build = sync.OnceValues(func() (string, error) {
	if raced {
		return goBuild("..", "./cmd/wampgate", "-race")
	}
	return goBuild("..", "./cmd/wampgate")
})

// goBuild builds a package of the module in dir into scratch.
func goBuild(dir, pkg string, flags ...string) (string, error) {
	path := filepath.Join(scratch, filepath.Base(pkg))
	cmd := exec.Command("go", slices.Concat([]string{"build", "-o", path}, flags, []string{pkg})...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

// binary returns the path of the built wampgate.
func binary(t *testing.T) string {
	t.Helper()
	return built(t, "binary", build)
}

// built returns the path of what build builds.
func built(t *testing.T, what string, build func() (string, error)) string {
	t.Helper()
	if testing.Short() {
		t.Skip("left out with -short: what needs the built " + what)
	}
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// heavy reports whether the heavy tier runs.
func heavy() bool { return os.Getenv("WAMPGATE_TEST_HEAVY") == "1" }

// inCI reports whether a missing tool is a failure.
func inCI() bool { return os.Getenv("CI") == "true" }

// tool finds a program. Without it the test is skipped, saying what is left
// out.
func tool(t *testing.T, name, leftOut string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		without(t, name, leftOut)
	}
	return path
}

// without ends a test that cannot run for want of what.
func without(t *testing.T, what, leftOut string) {
	t.Helper()
	if inCI() {
		t.Fatalf("%s is missing, and nothing is left out in CI: %s", what, leftOut)
	}
	t.Skipf("no %s here; left out: %s", what, leftOut)
}

// soon returns a context that ends with the test or after patience.
func soon(t *testing.T) context.Context {
	t.Helper()
	return within(t, patience)
}

// within returns a context that ends with the test or after d.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
