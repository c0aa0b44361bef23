package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// exampleFolder returns a copy of the folder examples in which Node finds its
// packages.
func exampleFolder(t *testing.T, leftOut string) string {
	t.Helper()
	modules, dir := nodePackages(t, leftOut), t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("examples")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "node_modules")); err != nil { // of whoever tried them
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestExampleModule runs the tests of the Go examples, which are a module of
// their own so that their databases are no part of the product, with SQLite and
// PostgreSQL.
func TestExampleModule(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("left out with -short: the examples in Go, which are built first")
	}
	goTool, url := tool(t, "go", "the examples in Go"), startPostgres(t, "the barrier in Go")
	cmd := exec.CommandContext(within(t, 10*patience), goTool, "test", "-count=1", "./...")
	cmd.Dir = "examples"
	cmd.Env = append(os.Environ(), "WAMPGATE_TEST_POSTGRES="+url)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go test: %v\n%s", err, out)
	}
}

// TestBarrierInJavaScript runs the tests of the barrier in JavaScript.
func TestBarrierInJavaScript(t *testing.T) {
	t.Parallel()
	const leftOut = "the barrier in JavaScript"
	node, dir, url := tool(t, "node", leftOut), exampleFolder(t, leftOut), startPostgres(t, leftOut)
	cmd := exec.CommandContext(within(t, 4*patience), node, "--test", "barrier/")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "WAMPGATE_TEST_POSTGRES="+url)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "\n# skipped 0\n") {
		t.Errorf("node --test: %v\n%s", err, out)
	}
}
